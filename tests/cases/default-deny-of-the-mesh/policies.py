"""Every namespace is closed from the root namespace; one service is opened to one caller."""

from meshdsl import Allow, DefaultDeny, Mesh, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)

policies = [DefaultDeny(Mesh()), Allow(api, callers=(web,))]
