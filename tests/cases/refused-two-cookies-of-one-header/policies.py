"""Two cookies are two conditions on one header, of which a mesh takes one: they are refused rather than one forgotten."""

from meshdsl import Canary, Cookie, Namespace, Service, all_of

api = Service("api", Namespace("prod"), port=8080, versions=("v1", "v2"))

canary = Canary(api, stable="v1", canary="v2", percent=1, when=all_of(Cookie("beta", "1"), Cookie("team", "a")))
