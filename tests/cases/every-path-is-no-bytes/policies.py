"""An Allow of every path is about requests still: it opens no port on which there are none."""

from meshdsl import Allow, Namespace, Port, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, ports=(Port(80, name="http", target=8080), Port(5432, name="db", protocol="tcp")))
db = Service("db", prod, port=5432, protocol="tcp")

policies = [Allow(prod, callers=(web,), paths=("/*",))]
