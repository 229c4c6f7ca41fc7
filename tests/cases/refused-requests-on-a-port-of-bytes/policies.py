"""A rule about requests on a service with a TCP port: on that port Istio would drop the rule or widen it."""

from meshdsl import Allow, MutualTls, Namespace, Port, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, ports=(Port(80, name="http", target=8080), Port(5432, name="db", protocol="tcp")))

policies = [MutualTls(prod, mode="strict"), Allow(api, callers=(web,), methods=("GET",))]
