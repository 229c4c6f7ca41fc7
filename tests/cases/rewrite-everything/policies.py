"""A path put before every path: Envoy replaces the prefix / with a slash at the end; Ambient would lose it, and refuses."""

from meshdsl import Namespace, Rewrite, Service

api = Service("api", Namespace("prod"), port=8080)

rewrite = Rewrite(api, path="/v2", only=("istio", "ambient"))
