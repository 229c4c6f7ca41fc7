"""A canary on a route only, by fractions of a percent, with labels that are not the default ones."""

from meshdsl import Canary, Cookie, Namespace, Service

api = Service("api", Namespace("prod"), port=80, versions=("a", "b"), labels={"part-of": "shop", "role": "api"})

canary = Canary(
    api.route("search", methods=("GET",), path="/search/*"), stable="a", canary="b", percent=0.5, when=Cookie("c", "1")
)
