"""Headers in a rule: an exact value and the mere presence."""

from meshdsl import Allow, Header, MutualTls, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)

policies = [
    MutualTls(prod, mode="strict"),
    Allow(api, callers=(web,), methods=("GET",), headers=(Header("X-Team", "pay"), Header("x-trace"))),
]
