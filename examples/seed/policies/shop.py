"""A tour of everything that can be said, in one file: a small shop, from its inventory to its sidecars.

Read it from top to bottom, change something, and run `meshdsl build`. Whatever a file keeps at its top level is
compiled, so every policy has a name here; lists and dicts of policies are as good.

The same policy means the same on every mesh. Where a mesh cannot do it, `meshdsl build` says so and writes nothing,
until the policy itself says what is meant:

    only=("istio", "ambient")   not on the others
    accept=("MESH521",)         close enough, after reading `meshdsl explain MESH521`
"""

from collections.abc import Iterator

from meshdsl import (
    Abort,
    Allow,
    Anyone,
    Breaker,
    Canary,
    Cookie,
    DefaultDeny,
    Delay,
    Deny,
    Environment,
    Fault,
    Header,
    Headers,
    Mesh,
    Mirror,
    MutualTls,
    Namespace,
    Policy,
    Port,
    Probe,
    Proxy,
    Query,
    Redirect,
    Regex,
    Retry,
    Rewrite,
    Service,
    ServiceAccount,
    Split,
    Timeout,
    Workload,
    all_of,
    any_of,
)

# ---------------------------------------------------------------------------------------------------------- inventory
# What there is. The inventory alone changes nothing in a cluster; policies refer to it, and an editor finds the typo.

shop = Namespace("shop")
monitoring = Namespace("monitoring")

# Somebody else's workload, of which only the identity matters here.
ingress = ServiceAccount("ingress", "gateway")

web = Service("web", shop, port=80, target_port=8080, probes=(Probe("/healthz", port=8080),))
api = Service(
    "api",
    shop,
    port=8080,
    versions=("v1", "v2"),  # pods carry the label version=v1 or version=v2
    replicas=6,
    probes=(Probe("/healthz", port=8080),),
    service_account="shop-api",  # how the mesh knows its pods; without it, the account is named like the service
    workload=Workload("Deployment", "api"),
)
search = Service("search", shop, port=8080, versions=("small", "large", "next"), probes=())
orders = Service("orders", shop, ports=(Port(8080, name="http"), Port(9090, name="grpc", protocol="grpc")))
database = Service("database", shop, port=5432, protocol="tcp", workload=Workload("StatefulSet", "database"))
nightly = Service("nightly", shop)  # a batch job: it has no port, it only calls others

# A route is a named part of a service. A path is exact, or "/a/*" (/a and all below it, never /ab), or a Regex.
checkout = api.route("checkout", methods=("POST",), path="/checkout")
metrics = api.route("metrics", methods=("GET",), path="/metrics")
old_help = web.route("help", path="/help")
item = web.route("item", methods=("GET",), path=Regex("/items/[0-9]+"))
old_orders = orders.route("old", path="/v1/orders/*", port=8080)

# ---------------------------------------------------------------------------------------------------------- operation
# The namespace is in the mesh. Sidecars get the mesh's own resources, those of api more. Ambient has no sidecars.

in_the_mesh = Proxy(shop)
big_sidecars = Proxy(
    api,
    cpu_request="200m",
    cpu_limit="2",
    memory_request="256Mi",
    memory_limit="512Mi",
    only=("istio", "linkerd"),
)

# ------------------------------------------------------------------------------------------------------------- access
# For each kind of policy the nearest subject decides alone: Route, then Service, then Namespace, then Mesh().
# So the mesh takes plain text as well while other teams move in, and the shop does not. Linkerd sets the mode of the
# mesh where it is installed; for the namespaces that these files know, it is set here (MESH557).

mesh_mtls = MutualTls(Mesh(), mode="permissive", accept=("MESH557",))
shop_mtls = MutualTls(shop, mode="strict")

# Nobody may call anything in the shop ...
closed = DefaultDeny(shop)

# ... but these. Rules of access add up. A caller is a service, an account, a namespace, or Anyone. GET is not HEAD.
to_web = Allow(web, callers=(ingress,), methods=("GET", "HEAD", "POST"))
to_api = Allow(api, callers=(web, nightly), methods=("GET", "POST"), paths=("/checkout", "/catalog/*"))
to_metrics = Allow(metrics, callers=(monitoring,))
to_search = Allow(search, callers=Anyone.in_mesh(), methods=("GET",))
to_orders = Allow("shop/orders", callers=(api,), ports=(8080, 9090))  # by name, where importing it would be a circle
to_database = Allow(database, callers=(orders, nightly))

# A Deny wins over every Allow. It is compared as text, so it fits where a service answers to no other spelling of the
# path (MESH550). Linkerd only ever allows: there, what is allowed above must be narrow enough by itself.
no_nightly_checkout = Deny(checkout, callers=(nightly,), accept=("MESH550",), only=("istio", "ambient"))

# ------------------------------------------------------------------------------------------- where requests go
# Shares by weight. A canary is a split of two that some requests can ask for; see policies(env) at the end.

shares = Split(search, weights={"small": 3, "large": 1})

# A copy of a tenth of the searches goes to the next version, and nobody sees what it answers. Linkerd has no mirror.
rehearsal = Mirror(search, to=search, version="next", percent=10, only=("istio", "ambient"))

# A caller of an old address is sent to the new one, by the mesh. On Linkerd the query gets lost on the way (MESH538).
moved = Redirect(old_help, scheme="https", host="help.example.com", port=443, path="/", status=301, accept=("MESH538",))

# The service sees /orders/7 where the caller asked for /v1/orders/7. Linkerd cannot rewrite.
renamed = Rewrite(old_orders, path="/orders", only=("istio", "ambient"))

# Headers are set, added and removed before the service sees the request, and before the caller sees the response.
marked = Headers(
    item,
    request_set={"x-shop-page": "item"},
    request_remove=("x-debug",),
    response_add={"cache-control": "max-age=60"},
)

# ------------------------------------------------------------------------------------- how long, how often, how much
# Every request in the shop has ten seconds; one to api has five.

patience = Timeout(shop, "10s")
less_patience = Timeout(api, "5s")

# attempts counts the retries: a request is tried up to three times. Without methods, only what may be repeated is: GET,
# PUT and so on, not POST. Ambient writes the conditions as status codes (MESH512, MESH514), and Linkerd's tries end
# when the response starts (MESH517). Both are good enough here.
again = Retry(
    api,
    attempts=2,
    retry_on=("5xx", "reset", "connect-failure"),
    per_try_timeout="2s",
    methods=("GET", "POST"),
    accept=("MESH512", "MESH514", "MESH517"),
)
never_twice = Retry.never(checkout)  # the nearest policy decides: buying something twice is worse than failing

# Not more than this is under way to api at a time, and a pod that fails five times in a row is left out for a while.
# On Ambient the limits hold for all callers together (MESH520). Linkerd has no such limits, and ejects in its own
# rhythm (MESH521), so there is another breaker for it: still one policy of a kind for each mesh.
limits = Breaker(
    api,
    max_connections=100,
    max_pending_requests=50,
    max_requests=1000,
    consecutive_5xx=5,
    interval="10s",
    base_ejection_time="30s",
    max_ejection_percent=50,
    accept=("MESH520",),
    only=("istio", "ambient"),
)
ejection = Breaker(api, consecutive_5xx=5, base_ejection_time="30s", accept=("MESH521",), only=("linkerd",))

# Failures on purpose, to see what the callers of search make of them. Istio alone can inject them.
game_day = Fault(search, delay=Delay("2s", percent=5), abort=Abort(503, percent=1), only=("istio",))


# ------------------------------------------------------------------------------------------------- for each cluster
# What differs between clusters is a function, called once for each of them. `env` has the cluster's name, its target,
# and what its `environment` table in meshdsl.toml says.


def policies(env: Environment) -> Iterator[Policy]:
    """The canary of api: a share of all requests, and those of people who ask for it."""
    yield Canary(
        api,
        stable="v1",
        canary="v2",
        percent=env.get("canary_percent", 5),
        when=any_of(
            Header("x-canary", "true"),
            Cookie("canary", "always"),
            all_of(Header("x-team", Regex("shop-.+")), Query("preview", "1")),
        ),
    )
