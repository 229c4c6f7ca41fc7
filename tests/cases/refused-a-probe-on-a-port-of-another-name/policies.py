"""A probe's port is a number where the service's target is a name: only the pod knows whether they are one."""

from meshdsl import Allow, MutualTls, Namespace, Probe, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=80, target_port="http", probes=(Probe("/healthz", port=8080),))

policies = [MutualTls(prod, mode="strict"), Allow(api, callers=(web,), methods=("GET",), only=("ambient", "linkerd"))]
