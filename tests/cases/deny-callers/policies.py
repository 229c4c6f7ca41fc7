"""One caller may not, whatever is allowed."""

from meshdsl import Allow, Anyone, Deny, Namespace, Service

prod = Namespace("prod")
old = Service("old", prod, port=80)
api = Service("api", prod, port=8080)

policies = [Allow(api, callers=Anyone.in_mesh()), Deny(api, callers=(old,))]
