"""An HTTPRoute has no word for resets alone, nor for most gRPC codes; Istio and Linkerd see a reset as a status."""

from meshdsl import Namespace, Retry, Service

prod = Namespace("prod")
api = Service("api", prod, port=8080)
cart = Service("cart", prod, port=50051, protocol="grpc")

policies = [
    Retry(api, attempts=1, retry_on=("reset",)),
    Retry(cart, attempts=1, retry_on=("resource-exhausted",), methods="any", only=("istio", "ambient")),
]
