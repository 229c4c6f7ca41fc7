"""One service takes plain text in a strict namespace, on every port of it."""

from meshdsl import MutualTls, Namespace, Port, Service

prod = Namespace("prod")
api = Service("api", prod, ports=(Port(80, name="http", target=8080), Port(5432, name="db", protocol="tcp")))
web = Service("web", prod, port=80)

policies = [MutualTls(prod, mode="strict"), MutualTls(api, mode="permissive")]
