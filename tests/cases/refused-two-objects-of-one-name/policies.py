"""The denies of `api` and the allows of `api-deny` would be one object, and the later would overwrite the earlier."""

from meshdsl import Allow, Deny, MutualTls, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)
odd = Service("api-deny", prod, port=8080)

policies = [
    MutualTls(prod, mode="strict"),
    Deny(api, callers=(web,), only=("istio", "ambient")),
    Allow(odd, callers=(web,)),
]
