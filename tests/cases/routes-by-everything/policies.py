"""Routes by method, by header (exact, by regular expression, present) and by query parameter."""

from meshdsl import Header, Namespace, Query, Regex, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

policies = [
    Timeout(api.route("writes", path="/w/*", methods=("POST", "PUT")), "1s"),
    Timeout(api.route("gold", path="/x/*", headers=(Header("X-Plan", "gold"), Header("x-user"))), "2s"),
    Timeout(api.route("beta", path="/y/*", headers=(Header("x-beta", Regex("v[0-9]+")),)), "3s"),
    Timeout(api.route("page", path="/z/*", query=(Query("page", "1"), Query("size", Regex("[0-9]+")))), "4s"),
]
