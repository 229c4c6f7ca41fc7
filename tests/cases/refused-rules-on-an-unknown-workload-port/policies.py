"""A sidecar and ztunnel see the workload's port, by number: behind a name it is not known. A waypoint sees the Service's."""

from meshdsl import Allow, MutualTls, Namespace, Port, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=80, target_port="http")
jobs = Service(
    "jobs", prod, ports=(Port(80, name="http", target="http"), Port(81, name="db", protocol="tcp", target="db"))
)

policies = [
    MutualTls(prod, mode="strict"),
    Allow(api, callers=(web,), methods=("GET",)),
    Allow(jobs, callers=(web,), ports=(80,)),
]
