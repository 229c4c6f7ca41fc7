"""The labels of one service are among those of another: policies select pods, and would reach the other's as well."""

from meshdsl import Allow, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080, labels={"app": "api"})
admin = Service("admin", prod, port=8080, labels={"app": "api", "role": "admin"})

policies = [Allow(api, callers=(web,)), Allow(admin, callers=(api,))]
