"""Each route of a service has a timeout of its own, and so has the rest."""

from meshdsl import Namespace, Regex, Service, Timeout

prod = Namespace("prod")
api = Service("api", prod, port=8080)

policies = [
    Timeout(api, "5s"),
    Timeout(api.route("report", path="/reports/*"), "1m30s"),
    Timeout(api.route("health", methods=("GET",), path="/healthz"), "250ms"),
    Timeout(api.route("item", path=Regex("/items/[0-9]+")), "2s"),
]
