"""Who may come in, on a service that declares no port: a mesh that decides by port cannot be told."""

from meshdsl import Allow, MutualTls, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod)
old = Service("old", prod)

policies = [Allow(api, callers=(web,)), MutualTls(old, mode="strict")]
