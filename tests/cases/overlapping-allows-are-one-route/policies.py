"""Two rules with different callers overlap: what both name is a route of its own with both callers."""

from meshdsl import Allow, MutualTls, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
ops = Service("ops", prod, port=80)
api = Service("api", prod, port=8080)

policies = [
    MutualTls(prod, mode="strict"),
    Allow(api, callers=(web,), methods=("GET",)),
    Allow(api, callers=(ops,), paths=("/admin/*",)),
]
