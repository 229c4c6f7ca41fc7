"""Everyone may do everything, in a namespace that is closed: one empty rule, which is not the same as no rule."""

from meshdsl import Allow, Anyone, DefaultDeny, Namespace, Service

prod = Namespace("prod")
api = Service("api", prod, port=8080)

policies = [DefaultDeny(prod), Allow(api, callers=Anyone.at_all())]
