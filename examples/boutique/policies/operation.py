"""How the workloads are in the mesh."""

from meshdsl import Proxy

from .inventory import frontend, ordering, window

# Everything that people do goes through the frontend, so its sidecar is bigger. Ambient has no sidecars.
proxies = [
    Proxy(window),
    Proxy(ordering),
    Proxy(
        frontend,
        cpu_request="200m",
        cpu_limit="2",
        memory_request="256Mi",
        memory_limit="512Mi",
        only=("istio", "linkerd"),
    ),
]
