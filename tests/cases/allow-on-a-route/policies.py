"""A rule on a route takes its methods, path, headers and port; another one on the namespace adds up."""

from meshdsl import Allow, Header, MutualTls, Namespace, Port, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
ops = Service("ops", prod, port=80)
api = Service("api", prod, ports=(Port(80, name="http", target=8080), Port(81, name="admin", target=8081)))
orders = api.route("orders", methods=("GET", "POST"), path="/orders/*", headers=(Header("x-v", "2"),), port=80)

policies = [MutualTls(prod, mode="strict"), Allow(orders, callers=(web,)), Allow(prod, callers=(ops,))]
