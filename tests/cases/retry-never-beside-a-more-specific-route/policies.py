"""What is never to be tried again is, where a more specific route takes it: that is warned of, and the way out works."""

from meshdsl import Namespace, Retry, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)
posts = api.route("posts", methods=("POST",))
orders = api.route("orders", path="/orders/*")
carts = api.route("carts", path="/carts/*")

policies = [
    Retry(api, attempts=1, statuses=(503,), methods="any"),
    Retry.never(posts),
    Timeout(orders, "5s"),
    Timeout(carts, "5s"),
    Retry.never(carts),
]
