"""A rule of an HTTPRoute holds 16 conditions on headers."""

from meshdsl import Header, Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

timeout = Timeout(api.route("many", headers=tuple(Header(f"x-{i}", "1") for i in range(17))), "1s")
