"""One caller may reach every service of every namespace, and each of them is closed to the others."""

from meshdsl import Allow, Mesh, Namespace, Service, ServiceAccount

api = Service("api", Namespace("prod"), port=8080)
web = Service("web", Namespace("front"), port=80)

allow = Allow(Mesh(), callers=(ServiceAccount("monitoring", "prometheus"),))
