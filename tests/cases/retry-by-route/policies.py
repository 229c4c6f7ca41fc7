"""Each route is retried in its own way: statuses on one, any method on another."""

from meshdsl import Namespace, Retry, Service

api = Service("api", Namespace("prod"), port=8080)

policies = [
    Retry(api, attempts=1, retry_on=("gateway-error",)),
    Retry(api.route("search", methods=("GET",), path="/search/*"), attempts=2, statuses=(429, 503)),
    Retry(api.route("upload", path="/upload"), attempts=1, retry_on=("gateway-error",), methods="any"),
]
