"""A deny by regular expression has no words in an AuthorizationPolicy; a rule that is skipped would leave all open."""

from meshdsl import Deny, Header, MutualTls, Namespace, Regex, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)

policies = [
    MutualTls(prod, mode="strict"),
    Deny(api, callers=(web,), headers=(Header("x-v", Regex("[12]")),), only=("istio", "ambient")),
]
