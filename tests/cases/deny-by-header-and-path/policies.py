"""A deny by path is text and needs to be accepted; it names the ports, or it would deny all bytes of the other one."""

from meshdsl import Anyone, Deny, Header, MutualTls, Namespace, Port, Service

prod = Namespace("prod")
api = Service("api", prod, ports=(Port(80, name="http", target=8080), Port(5432, name="db", protocol="tcp")))

policies = [
    MutualTls(prod, mode="strict"),
    Deny(api, callers=Anyone.in_mesh(), paths=("/secret/*", "/internal"), ports=(80,), only=("istio", "ambient")),
    Deny(
        api.route("debug", headers=(Header("x-debug"),), port=80), callers=Anyone.in_mesh(), only=("istio", "ambient")
    ),
]
