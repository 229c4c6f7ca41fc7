"""A service with several ports of several protocols."""

from meshdsl import Allow, Namespace, Port, Service, Timeout

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service(
    "api",
    prod,
    ports=(
        Port(80, name="http", target=8080),
        Port(9090, name="admin", target=9091),
        Port(5432, name="db", protocol="tcp"),
    ),
)

policies = [Timeout(api, "5s"), Allow(api, callers=(web,), ports=(80,))]
