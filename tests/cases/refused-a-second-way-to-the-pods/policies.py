"""A second Service in front of the same pods would be a way past the waypoint, or none at all."""

from meshdsl import Allow, MutualTls, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080, labels={"app": "api", "role": "public"})
every = Service("every", prod, port=8080, labels={"app": "api"})

policies = [MutualTls(prod, mode="strict"), Allow(api, callers=(web,), methods=("GET",))]
