"""A duration of more than five digits in milliseconds: the Gateway API would want two units, of which
Linkerd reads none."""

from meshdsl import Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

timeout = Timeout(api, "1m40s1ms")
