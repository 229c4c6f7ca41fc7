"""Two services of the same pods and port: of two Servers, the older one would win in silence."""

from meshdsl import Allow, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=80, target_port=8080, labels={"app": "api"})
twin = Service("twin", prod, port=81, target_port=8080, labels={"app": "api"})

policies = [Allow(api, callers=(web,)), Allow(twin, callers=(web,))]
