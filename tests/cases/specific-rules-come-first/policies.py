"""The narrower route wins wherever it is written: exact, then longer prefix, then method, then the rest."""

from meshdsl import Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

policies = [
    Timeout(api, "9s"),
    Timeout(api.route("reads", methods=("GET",)), "5s"),
    Timeout(api.route("shop", path="/shop/*"), "4s"),
    Timeout(api.route("cart", path="/shop/cart/*"), "3s"),
    Timeout(api.route("pay", path="/shop/cart/pay"), "2s"),
]
