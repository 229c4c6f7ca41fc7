"""Two conditions on one header, one of the route and one of the canary: a mesh takes one for each name."""

from meshdsl import Canary, Header, Namespace, Regex, Service

api = Service("api", Namespace("prod"), port=8080, versions=("v1", "v2"))
beta = api.route("beta", headers=(Header("x-v", Regex("[0-9]+")),))

canary = Canary(beta, stable="v1", canary="v2", percent=1, when=Header("x-v", Regex("2.*")))
