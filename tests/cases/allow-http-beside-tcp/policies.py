"""A rule about requests is tied to the ports that have them: on the database port it would lose its meaning."""

from meshdsl import Allow, MutualTls, Namespace, Port, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
jobs = Service("jobs", prod)
api = Service("api", prod, ports=(Port(80, name="http", target=8080), Port(5432, name="db", protocol="tcp")))

policies = [
    MutualTls(prod, mode="strict"),
    Allow(api, callers=(web,), methods=("GET",), ports=(80,)),
    Allow(api, callers=(jobs,), ports=(5432,)),
]
