"""A split holds for requests; connections to the TCP port beside them would go to any version."""

from meshdsl import Namespace, Port, Service, Split

api = Service(
    "api", Namespace("prod"), ports=(Port(80, name="http"), Port(5432, name="db", protocol="tcp")), versions=("a", "b")
)

split = Split(api, weights={"a": 1, "b": 1})
