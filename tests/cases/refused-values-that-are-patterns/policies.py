"""A star at the end of a header's value is a pattern to an AuthorizationPolicy and cannot be escaped; to Linkerd it is text."""

from meshdsl import Allow, Header, MutualTls, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)

policies = [MutualTls(prod, mode="strict"), Allow(api, callers=(web,), headers=(Header("x-tag", "beta*"),))]
