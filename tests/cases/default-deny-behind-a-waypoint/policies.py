"""Nobody may call, and there is a route: the pods take the waypoint's requests, and the waypoint refuses them all."""

from meshdsl import DefaultDeny, MutualTls, Namespace, Service, Timeout

prod = Namespace("prod")
api = Service("api", prod, port=8080)

policies = [MutualTls(prod, mode="strict"), DefaultDeny(prod), Timeout(api, "1s")]
