"""A canary for those who carry a header, or a cookie together with a query parameter."""

from meshdsl import Canary, Cookie, Header, Namespace, Query, Service, all_of, any_of

api = Service("api", Namespace("prod"), port=80, target_port="http", versions=("stable", "next"))

canary = Canary(
    api,
    stable="stable",
    canary="next",
    percent=0,
    when=any_of(Header("X-Canary", "yes"), all_of(Cookie("canary", "1"), Query("preview", "on"))),
)
