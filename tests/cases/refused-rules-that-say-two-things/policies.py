"""Named callers beside anyone, and a rule that names what its route names already or a port that is not there."""

from meshdsl import Allow, Anyone, MutualTls, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)
reads = api.route("reads", methods=("GET",), path="/v1/*")

policies = [
    MutualTls(prod, mode="strict"),
    Allow(api, callers=(web, Anyone.in_mesh())),
    Allow(reads, callers=(web,), methods=("POST",)),
    Allow(reads, callers=(web,), paths=("/v2/*",)),
    Allow(api, callers=(web,), ports=(81,)),
]
