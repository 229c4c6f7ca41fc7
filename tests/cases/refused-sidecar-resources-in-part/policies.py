"""Istio leaves its own values out as soon as a pod names one of the four; Linkerd takes each by itself."""

from meshdsl import Namespace, Proxy, Service, Workload

api = Service("api", Namespace("prod"), port=80, workload=Workload("Deployment", "api"))

proxy = Proxy(api, cpu_request="100m", memory_limit="256Mi", only=("istio", "linkerd"))
