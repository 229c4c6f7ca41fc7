"""Who may call: a service, a service account, a namespace. Nobody looks at a request."""

from meshdsl import Allow, Namespace, Service, ServiceAccount

prod, front, jobs = Namespace("prod"), Namespace("front"), Namespace("jobs")
web = Service("web", front, port=80, service_account="frontend")
api = Service("api", prod, port=8080)

allow = Allow(api, callers=(web, ServiceAccount("tools", "probe"), jobs))
