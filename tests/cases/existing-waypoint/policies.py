"""A waypoint that exists already: none is made, services are bound to it, and the fence names its identity."""

from meshdsl import Allow, MutualTls, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)

policies = [MutualTls(prod, mode="strict"), Allow(api, callers=(web,), methods=("GET",))]
