"""A service without rules selects the pods of a closed one and others: through it some requests would be refused, some not."""

from meshdsl import Allow, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080, labels={"app": "api", "role": "public"})
every = Service("every", prod, port=8080, labels={"app": "api"})

allow = Allow(api, callers=(web,))
