"""A policy about one port's requests: the other port is served as before, and tried again no more than the first."""

from meshdsl import Namespace, Port, Service, Timeout

prod = Namespace("prod")
api = Service("api", prod, ports=(Port(80, name="http", target=8080), Port(9090, name="admin")))

timeout = Timeout(api.route("public", port=80), "5s")
