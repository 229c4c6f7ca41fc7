"""Ports that Linkerd takes for bytes by their number, of Services and of pods: what is said of requests is lost there."""

from meshdsl import Allow, Breaker, MutualTls, Namespace, Port, Retry, Service, Timeout

prod = Namespace("prod")
web = Service("web", prod, port=80)
search = Service("search", prod, port=9300)
both = Service("both", prod, ports=(Port(8080, name="http"), Port(587, name="mail", target=8025)), replicas=6)
grid = Service("grid", prod, port=80, target_port=4444, probes=())
cache = Service("cache", prod, port=80, target_port=11211)
stream = Service("stream", prod, port=80, protocol="grpc", target_port=6379)
sealed = Service("sealed", prod, port=80, protocol="http2", target_port=5432)
shown = Service("shown", prod, port=25, target_port=8080, probes=())

policies = [
    Timeout(search, "5s"),
    Breaker(both, consecutive_5xx=5),
    Allow(grid, callers=(web,), methods=("GET",)),
    Retry(cache, attempts=1, retry_on=("5xx",)),
    Allow(stream, callers=(web,)),
    MutualTls(sealed, mode="strict"),
    Allow(shown, callers=(web,), methods=("GET",)),
]
