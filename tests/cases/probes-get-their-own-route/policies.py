"""Rules about requests take Linkerd's automatic probe route away: each declared probe gets one, on its own port."""

from meshdsl import Allow, MutualTls, Namespace, Port, Probe, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service(
    "api",
    prod,
    ports=(Port(80, name="http", target=8080), Port(81, name="admin", target=8081)),
    probes=(Probe("/live", port=8080), Probe("/ready", port=8081)),
)

policies = [MutualTls(prod, mode="strict"), Allow(api, callers=(web,), methods=("GET",), paths=("/v1/*",))]
