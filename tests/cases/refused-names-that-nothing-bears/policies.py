"""A service, a version and a port that are not there: the nearest name is offered."""

from meshdsl import Allow, Canary, Mirror, Namespace, Service, Timeout

prod = Namespace("prod")
api = Service("api", prod, port=8080, versions=("v1", "v2"))
shadow = Service("shadow", prod, port=9090, versions=("v1",))

policies = [
    Timeout("prod/apo", "1s"),
    Allow(api, callers=("prod/wep",)),
    Canary(api, stable="v1", canary="v3", percent=1),
    Timeout(api.route("admin", port=9090), "1s"),
    Mirror(shadow, to=api, version="v9", port=1),
]
