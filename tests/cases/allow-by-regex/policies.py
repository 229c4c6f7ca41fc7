"""Paths and headers by regular expression: Linkerd can, anchored; an AuthorizationPolicy cannot."""

from meshdsl import Allow, Header, MutualTls, Namespace, Regex, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)

policies = [
    MutualTls(prod, mode="strict"),
    Allow(api, callers=(web,), paths=(Regex("/items/[0-9]+"),)),
    Allow(api, callers=(web,), paths=("/beta",), headers=(Header("x-v", Regex("[12]")),)),
]
