"""Nobody is named: the namespace is closed, and each declared port is closed by itself where the mesh needs that."""

from meshdsl import DefaultDeny, Namespace, Port, Service

prod = Namespace("prod")
api = Service("api", prod, ports=(Port(80, name="http", target=8080), Port(81, name="db", protocol="tcp")))

deny = DefaultDeny(prod)
