"""Policies about requests on a service that has none, and retries of gRPC calls that would never be tried again."""

from meshdsl import Mirror, Namespace, Retry, Service, Timeout

prod = Namespace("prod")
db = Service("db", prod, port=5432, protocol="tcp")
cart = Service("cart", prod, port=50051, protocol="grpc")

policies = [
    Timeout(db, "1s"),
    Retry(cart, attempts=1, retry_on=("unavailable",)),
    Mirror(cart.route("add", path="/shop.Cart/Add"), to=cart),
]
