"""A regular expression with alternatives matches whole paths, also where the mesh searches leftmost-first."""

from meshdsl import Namespace, Regex, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

either = Timeout(api.route("either", path=Regex("/foo|/foo/bar")), "1s")
