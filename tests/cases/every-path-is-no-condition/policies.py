"""`/*` is every path: no empty path and no pattern of nothing is written."""

from meshdsl import Allow, MutualTls, Namespace, Service, Timeout

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)

policies = [
    MutualTls(prod, mode="strict"),
    Timeout(api.route("all", path="/*"), "1s"),
    Allow(api, callers=(web,), methods=("GET",), paths=("/*",)),
]
