"""One text in place of a whole path, and in place of nothing: the two are not the same route."""

from meshdsl import Namespace, Retry, Rewrite, Service

api = Service("api", Namespace("prod"), port=8080)

policies = [
    Rewrite(api, path="/", only=("istio", "ambient")),
    Rewrite(api.route("old", path="/old"), path="/", only=("istio", "ambient")),
    Retry.never(api),
]
