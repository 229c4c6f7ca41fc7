"""Sidecar resources of a namespace: on each workload for Istio, on the namespace for Linkerd, nowhere in Ambient."""

from meshdsl import Namespace, Proxy, Service, Workload

prod = Namespace("prod")
api = Service("api", prod, port=8080, workload=Workload("Deployment", "api"))

proxy = Proxy(prod, cpu_request="100m", cpu_limit="1", memory_request="128Mi", memory_limit="256Mi")
