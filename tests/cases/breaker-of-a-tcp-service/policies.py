"""Limits of connections on a port without requests, for the whole mesh, and all four limits where there are requests."""

from meshdsl import Breaker, Mesh, Namespace, Service

data = Namespace("data")
db = Service("db", data, port=5432, protocol="tcp")
api = Service("api", data, port=80)

policies = [
    Breaker(Mesh(), max_connections=50, only=("istio", "ambient")),
    Breaker(
        api,
        max_connections=5,
        max_pending_requests=10,
        max_requests=20,
        max_requests_per_connection=1,
        only=("istio", "ambient"),
    ),
]
