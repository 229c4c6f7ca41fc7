"""One service of a namespace without a policy is enrolled by itself, with the size of its sidecar where there is one."""

from meshdsl import Namespace, Proxy, Service, Workload

prod = Namespace("prod")
api = Service("api", prod, port=8080, workload=Workload("DaemonSet", "api"))
web = Service("web", prod, port=80, workload=Workload("Deployment", "web"))

policies = [
    Proxy(api, enrolled=True),
    Proxy(
        web,
        enrolled=True,
        cpu_request="50m",
        cpu_limit="500m",
        memory_request="64Mi",
        memory_limit="128Mi",
        only=("istio", "linkerd"),
    ),
]
