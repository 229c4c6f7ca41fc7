"""Two ports of the Service lead to one port of the pods, whose proxy cannot tell which of them was called."""

from meshdsl import Allow, Namespace, Port, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, ports=(Port(80, name="http", target=8080), Port(81, name="http-b", target=8080)))

allow = Allow(api, callers=(web,), ports=(80,))
