"""Denies by path are text on Istio, and nothing that Linkerd has; a default deny of the whole mesh is partial there."""

from meshdsl import Allow, Anyone, DefaultDeny, Deny, Mesh, MutualTls, Namespace, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080)

policies = [
    MutualTls(prod, mode="strict"),
    DefaultDeny(Mesh()),
    Allow(api, callers=Anyone.in_mesh()),
    Deny(api, callers=(web,), paths=("/secret",)),
    Deny(api, callers=(web,), methods=("DELETE",)),
]
