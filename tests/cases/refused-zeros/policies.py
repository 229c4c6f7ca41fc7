"""A zero means something else to each mesh: no limit, at once, everything, or a proxy that panics. It is refused."""

from meshdsl import Abort, Breaker, Fault, Namespace, Service, Split, Timeout

api = Service("api", Namespace("prod"), port=8080, versions=("v1", "v2"))

weights = Split(api, weights={"v1": 0, "v2": 0})
timeout = Timeout(api, "0s")
limit = Breaker(api, max_connections=0)
fault = Fault(api, abort=Abort(503, percent=0))
