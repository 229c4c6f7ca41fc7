"""Route before service before namespace before mesh, and whole: the route's retry takes nothing from the mesh's."""

from meshdsl import Mesh, Namespace, Retry, Service, Timeout

prod, stage = Namespace("prod"), Namespace("stage")
api = Service("api", prod, port=8080)
web = Service("web", prod, port=80)
lab = Service("lab", stage, port=80)
search = api.route("search", methods=("GET",), path="/search")

policies = [
    Timeout(Mesh(), "40s"),
    Timeout(prod, "30s"),
    Timeout(api, "20s"),
    Timeout(search, "10s"),
    Retry(Mesh(), attempts=5, retry_on=("5xx",), methods=("GET",)),
    Retry(search, attempts=1, retry_on=("gateway-error",)),
    Retry.never(stage),
]
