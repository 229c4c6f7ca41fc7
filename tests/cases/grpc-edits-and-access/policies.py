"""Response headers and a gRPC method as a path: HTTPRoutes everywhere, since a GRPCRoute could hold neither."""

from meshdsl import Allow, Headers, MutualTls, Namespace, Service

shop = Namespace("shop")
web = Service("web", shop, port=80)
cart = Service("cart", shop, port=50051, protocol="grpc")

policies = [
    MutualTls(shop, mode="strict"),
    Headers(cart, response_remove=("x-internal",)),
    Allow(cart, callers=(web,), methods=("POST",), paths=("/shop.Cart/Add",)),
]
