"""Everyone on one port, one caller on the other: plain text is taken on the first only."""

from meshdsl import Allow, Anyone, Namespace, Port, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, ports=(Port(80, name="http", target=8080), Port(9090, name="admin", target=9091)))

policies = [Allow(api, callers=Anyone.at_all(), ports=(80,)), Allow(api, callers=(web,), ports=(9090,))]
