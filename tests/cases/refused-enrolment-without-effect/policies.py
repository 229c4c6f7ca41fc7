"""Istio injects nothing into a namespace that is kept out, and goes by the namespace's revision before the pod's."""

from meshdsl import Namespace, Proxy, Service, Workload

prod, out = Namespace("prod"), Namespace("out")
api = Service("api", prod, port=80, workload=Workload("Deployment", "api"))
job = Service("job", out, port=80, workload=Workload("Deployment", "job"))

policies = [
    Proxy(prod),
    Proxy(api, enrolled=True, revision="canary", only=("istio", "ambient")),
    Proxy(out, enrolled=False),
    Proxy(job, enrolled=True),
]
