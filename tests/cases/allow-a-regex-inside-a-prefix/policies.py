"""A regular expression inside another caller's prefix: on Linkerd its route lets in both."""

from meshdsl import Allow, MutualTls, Namespace, Regex, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
ops = Service("ops", prod, port=80)
api = Service("api", prod, port=8080)

policies = [
    MutualTls(prod, mode="strict"),
    Allow(api, callers=(web,), paths=(Regex("/items/[0-9]+"),), only=("linkerd",)),
    Allow(api, callers=(ops,), paths=("/items/*",), only=("linkerd",)),
]
