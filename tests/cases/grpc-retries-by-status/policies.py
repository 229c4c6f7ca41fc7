"""A gRPC service with routes by method path: HTTPRoute everywhere, never a GRPCRoute beside it."""

from meshdsl import Namespace, Retry, Service, Timeout

cart = Service("cart", Namespace("shop"), port=50051, protocol="grpc")
add = cart.route("add", path="/shop.Cart/Add")

policies = [Retry.never(add), Retry(cart, attempts=2, retry_on=("gateway-error",), methods="any"), Timeout(add, "1s")]
