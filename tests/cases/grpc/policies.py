"""A gRPC service with retries on its own codes."""

from meshdsl import Namespace, Retry, Service, Timeout

cart = Service("cart", Namespace("shop"), port=50051, protocol="grpc")

policies = [Retry(cart, attempts=2, retry_on=("unavailable",), methods="any"), Timeout(cart, "3s")]
