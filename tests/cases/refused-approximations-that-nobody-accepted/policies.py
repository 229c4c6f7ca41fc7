"""What is only close is an error until its code is accepted: each mesh says how it differs."""

from meshdsl import Mesh, MutualTls, Namespace, Redirect, Retry, Service

prod = Namespace("prod")
api = Service("api", prod, port=8080)
cart = Service("cart", prod, port=50051, protocol="grpc")

policies = [
    MutualTls(Mesh(), mode="strict"),
    Retry(api, attempts=1, retry_on=("5xx", "reset"), per_try_timeout="1s", methods="any"),
    Retry(api.route("a", path="/a"), attempts=1, retry_on=("retriable-4xx",), statuses=(429,), methods="any"),
    Retry(cart, attempts=1, retry_on=("cancelled",), methods="any"),
    Redirect(api.route("old", path="/old"), path="/new"),
]
