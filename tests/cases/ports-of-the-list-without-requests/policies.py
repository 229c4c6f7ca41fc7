"""Ports of Linkerd's list of opaque ports about whose requests nothing is said, and one that a mesh's own list leaves out."""

from meshdsl import Allow, MutualTls, Namespace, Port, Retry, Service, Timeout

prod = Namespace("prod")
web = Service("web", prod, port=80)
database = Service("database", prod, ports=(Port(80, name="http"), Port(5432, name="db", protocol="tcp")))
plain = Service("plain", prod, port=3306)
pods = Service("pods", prod, port=80, target_port=3306)
search = Service("search", prod, port=9300, probes=())

policies = [
    MutualTls(prod, mode="strict"),
    Timeout(database, "5s"),
    Allow(plain, callers=(web,)),
    Allow(pods, callers=(web,)),
    Timeout(pods, "5s"),
    Retry(pods, attempts=1, statuses=(503,), only=("istio", "linkerd")),
    Timeout(search, "5s"),
    Allow(search, callers=(web,), methods=("GET",)),
]
