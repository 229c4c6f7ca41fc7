"""A split of a service with HTTP, HTTP/2, gRPC and named target ports: each mesh is told the protocol in its own word."""

from meshdsl import Namespace, Port, Service, Split

api = Service(
    "api",
    Namespace("prod"),
    ports=(
        Port(80, name="http", target="web"),
        Port(81, name="http2-internal", protocol="http2", target=8081),
        Port(82, name="grpc", protocol="grpc"),
    ),
    versions=("v1", "v2"),
)

split = Split(api, weights={"v1": 3, "v2": 1})
