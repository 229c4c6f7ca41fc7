"""A target port by number and one by name may be one port of the pods: a rule for one of them would hold for both."""

from meshdsl import Allow, MutualTls, Namespace, Port, Service

prod = Namespace("prod")
web = Service("web", prod, port=80)
job = Service("job", prod, port=80)
api = Service("api", prod, ports=(Port(80, name="a", target=8080), Port(81, name="b", target="http")))

policies = [
    MutualTls(prod, mode="strict"),
    Allow(api, callers=(web,), ports=(80,)),
    Allow(api, callers=(job,), ports=(81,)),
]
