"""The HTTP port is split by a route of that port; the database port beside it keeps its own way and is in every copy."""

from meshdsl import Namespace, Port, Service, Split

api = Service(
    "api",
    Namespace("prod"),
    ports=(Port(80, name="http"), Port(5432, name="db", protocol="tcp"), Port(8443, name="secure", protocol="tls")),
    versions=("v1", "v2"),
)

split = Split(api.route("web", port=80), weights={"v1": 1, "v2": 1})
