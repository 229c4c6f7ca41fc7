"""Who may make which requests; what no rule names is refused."""

from meshdsl import Allow, DefaultDeny, MutualTls, Namespace, Probe, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
admin = Service("admin", prod, port=80)
api = Service("api", prod, port=80, target_port=8080, probes=(Probe("/healthz", port=8080),))

policies = [
    MutualTls(prod, mode="strict"),
    DefaultDeny(prod),
    Allow(api, callers=(web,), methods=("GET", "POST"), paths=("/v1/*",)),
    Allow(api, callers=(admin,)),
]
