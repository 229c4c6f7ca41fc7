"""A namespace and a service account on a port without requests: nothing needs a waypoint, no detection is waited for."""

from meshdsl import Allow, Namespace, Service, ServiceAccount

data, prod = Namespace("data"), Namespace("prod")
db = Service("db", data, port=5432, protocol="tcp")

allow = Allow(db, callers=(prod, ServiceAccount("ops", "backup")))
