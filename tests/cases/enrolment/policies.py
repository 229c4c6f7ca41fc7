"""Namespaces in the mesh, one of them under a revision of the control plane, and the size of a sidecar."""

from meshdsl import MutualTls, Namespace, Proxy, Service, Workload

prod, stage = Namespace("prod"), Namespace("stage")
api = Service("api", prod, port=8080, workload=Workload("Deployment", "api"))

policies = [
    Proxy(prod),
    Proxy(stage, revision="canary"),
    Proxy(
        api,
        cpu_request="100m",
        cpu_limit="1",
        memory_request="128Mi",
        memory_limit="256Mi",
        only=("istio", "linkerd"),
    ),
    MutualTls(prod, mode="strict"),
    MutualTls(stage, mode="permissive"),
]
