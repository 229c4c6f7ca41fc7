"""A deny that looks at requests: with a selector ztunnel would let everything past, so it is the waypoint's."""

from meshdsl import Deny, MutualTls, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=80, target_port=8080)

policies = [
    MutualTls(prod, mode="strict"),
    Deny(api, callers=(web,), methods=("DELETE",), only=("istio", "ambient")),
]
