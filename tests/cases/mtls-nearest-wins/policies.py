"""Strict on the mesh, permissive in one namespace, strict on one service of it: one object of a fixed name each."""

from meshdsl import Mesh, MutualTls, Namespace, Service

prod, legacy = Namespace("prod"), Namespace("legacy")
api = Service("api", prod, port=8080)
old = Service("old", legacy, port=8080)
vault = Service("vault", legacy, port=8200, target_port="tls")

policies = [
    MutualTls(Mesh(), mode="strict", accept=("MESH557",)),
    MutualTls(legacy, mode="permissive"),
    MutualTls(vault, mode="strict"),
]
