"""Before 2.20 Linkerd ignores the timeout of a rule, so each is an annotation on a route object of its own."""

from meshdsl import Namespace, Service, Timeout

api = Service("api", Namespace("prod"), port=8080)

policies = [Timeout(api, "5s"), Timeout(api.route("report", path="/reports/*"), "1m30s")]
