"""Two services lead to the same pods and only one of them has rules: on every mesh the pods would obey these alone."""

from meshdsl import Allow, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)
admin = Service("admin", prod, port=80, target_port=8080, labels={"app": "api"})

allow = Allow(api, callers=(web,))
