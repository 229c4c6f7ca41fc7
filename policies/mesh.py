"""The mesh of this repository: web calls api, of which a new version is tried out.

One meaning for four clusters. Where a mesh can do less, that is said where the policy stands: `only` names the meshes
it is meant for, `accept` what is close enough, and `policies(env)` what a cluster has to do without.
"""

from collections.abc import Iterator

from meshdsl import (
    Allow,
    Breaker,
    Canary,
    Environment,
    Header,
    MutualTls,
    Namespace,
    Policy,
    Probe,
    Proxy,
    Retry,
    Service,
    Timeout,
    Workload,
)

prod = Namespace("prod")

web = Service("web", prod, port=80, workload=Workload("Deployment", "web"))
api = Service(
    "api",
    prod,
    port=8080,
    versions=("v1", "v2"),
    replicas=6,
    probes=(Probe("/healthz", port=8080),),
    workload=Workload("Deployment", "api"),
)
checkout = api.route("checkout", methods=("POST",), path="/checkout")

# The namespace is in the mesh, and all its traffic is mTLS. Ambient has no sidecars that could be given CPU and memory.
mtls = MutualTls(prod, mode="strict")
ambient = Proxy(prod, only=("ambient",))
sidecars = Proxy(
    prod,
    cpu_request="100m",
    cpu_limit="1",
    memory_request="128Mi",
    memory_limit="256Mi",
    only=("istio", "linkerd"),
)

only_web = Allow(api, callers=(web,), methods=("GET", "POST"))

# A pod that fails five times in a row is left alone for 30 seconds. Linkerd cannot limit connections and requests, and
# ejects without an interval (MESH521). On Ambient the limits hold for all callers together (MESH520): that is fine
# here, where web is the only one.
breaker = Breaker(
    api,
    max_connections=100,
    max_requests=1000,
    max_requests_per_connection=10,
    consecutive_5xx=5,
    interval="30s",
    base_ejection_time="30s",
    accept=("MESH520",),
    only=("istio", "ambient"),
)


def policies(env: Environment) -> Iterator[Policy]:
    """What becomes of a request to api: nine of ten go to v1, and whoever asks for the canary gets it."""
    if env.get("cluster") == "linkerd-smi":
        # A TrafficSplit has weights and nothing else, and switches off what Linkerd would do besides.
        yield Canary(api, stable="v1", canary="v2", percent=10)
        return
    yield Canary(api, stable="v1", canary="v2", percent=10, when=Header("x-canary", "true"))
    # A request has five seconds, and up to three more tries of two seconds each. Ambient writes the conditions as
    # status codes (MESH512, MESH514); Linkerd's tries end at the response headers (MESH517).
    yield Timeout(api, "5s")
    yield Retry(
        api,
        attempts=3,
        per_try_timeout="2s",
        retry_on=("5xx", "reset", "connect-failure"),
        methods="any",
        accept=("MESH512", "MESH514", "MESH517"),
    )
    # Buying something twice is worse than failing.
    yield Retry.never(checkout)
    yield Breaker(
        api,
        consecutive_5xx=5,
        interval="30s",
        base_ejection_time="30s",
        accept=("MESH521",),
        only=("linkerd",),
    )
