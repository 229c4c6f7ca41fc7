"""A caller of everything beside a caller of some requests: on Linkerd both are routes, since a policy on the Server would
open every route."""

from meshdsl import Allow, Anyone, MutualTls, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)

policies = [
    MutualTls(prod, mode="strict"),
    Allow(api, callers=Anyone.in_mesh(), paths=("/public/*",)),
    Allow(api, callers=(web,)),
]
