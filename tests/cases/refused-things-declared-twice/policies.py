"""A service, a route's name and a workload's proxy that are declared twice; ports of a namespace, which has none."""

from meshdsl import Allow, Namespace, Service, Timeout

prod = Namespace("prod")
api = Service("api", prod, port=8080)
again = Service("api", prod, port=9090)
web = Service("web", prod, port=80)

policies = [
    Timeout(web.route("a", path="/a"), "1s"),
    Timeout(web.route("a", path="/b"), "2s"),
    Allow(prod, callers=(web,), ports=(80,)),
]
