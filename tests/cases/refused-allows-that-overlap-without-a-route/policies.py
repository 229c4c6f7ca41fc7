"""Two regular expressions overlap in paths that no condition describes: Linkerd follows one route for each request."""

from meshdsl import Allow, MutualTls, Namespace, Regex, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
ops = Service("ops", prod, port=80)
api = Service("api", prod, port=8080)

policies = [
    MutualTls(prod, mode="strict"),
    Allow(api, callers=(web,), paths=(Regex("/items/[0-9]+"),), only=("linkerd",)),
    Allow(api, callers=(ops,), paths=(Regex("/items/1.*"),), only=("linkerd",)),
]
