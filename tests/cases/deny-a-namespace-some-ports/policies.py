"""Denies by caller and port need no waypoint; one for the namespace and one for the mesh add up."""

from meshdsl import Deny, Mesh, MutualTls, Namespace, Port, Service, ServiceAccount

prod, lab = Namespace("prod"), Namespace("lab")
api = Service("api", prod, ports=(Port(80, name="http", target=8080), Port(81, name="admin", target=8081)))

policies = [
    MutualTls(prod, mode="strict"),
    Deny(api, callers=(lab,), ports=(81,), only=("istio", "ambient")),
    Deny(prod, callers=(ServiceAccount("lab", "fuzz"),), only=("istio", "ambient")),
    Deny(Mesh(), callers=(ServiceAccount("tools", "scan"),), only=("istio", "ambient")),
]
