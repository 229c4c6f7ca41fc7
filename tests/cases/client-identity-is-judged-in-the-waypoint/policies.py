"""With a route, callers come to ztunnel as the waypoint: the rule moves there, and a fence keeps others from the pods."""

from meshdsl import Allow, MutualTls, Namespace, Service, Timeout

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=80, target_port=8080)

policies = [MutualTls(prod, mode="strict"), Timeout(api, "1s"), Allow(api, callers=(web,), methods=("GET",))]
