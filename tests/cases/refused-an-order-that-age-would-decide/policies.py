"""An exact path and a prefix of the same text are equal to Linkerd; with different retries the older object would win."""

from meshdsl import Namespace, Retry, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

policies = [
    Timeout(api.route("below", path="/a/*"), "1s"),
    Retry(api.route("exact", path="/a"), attempts=1, statuses=(503,), methods="any", only=("istio", "linkerd")),
]
