"""A canary with a share of the requests and a header that always leads to it."""

from meshdsl import Canary, Header, Namespace, Retry, Service

prod = Namespace("prod")
api = Service("api", prod, port=8080, versions=("v1", "v2"), replicas=6)

policies = [
    Canary(api, stable="v1", canary="v2", percent=10, when=Header("x-canary", "true")),
    Retry.never(api),
]
