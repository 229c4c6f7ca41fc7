"""Everyone with an identity: `*`, never a pattern of names."""

from meshdsl import Allow, Anyone, Namespace, Service

prod = Namespace("prod")
api = Service("api", prod, port=8080)

allow = Allow(api, callers=Anyone.in_mesh())
