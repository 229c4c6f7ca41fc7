"""One service on its way from sidecars to Ambient: the same policies before and after."""

from meshdsl import Allow, Breaker, Canary, Header, MutualTls, Namespace, Proxy, Retry, Service, Timeout

payments = Namespace("payments")
shop = Namespace("shop")

web = Service("web", shop, port=80)
api = Service("api", payments, port=8080, versions=("v1", "v2"), replicas=4)

enrolled = Proxy(payments)
mtls = MutualTls(payments, mode="strict")
canary = Canary(api, stable="v1", canary="v2", percent=10, when=Header("x-canary", "true"))
timeout = Timeout(api, "3s")
only_web = Allow(api, callers=(web,), methods=("GET", "POST"), paths=("/payments/*",))

# Two lines are not quite the same in a waypoint, and accepting that is a decision of the migration. A failed GET is
# tried again when the answer is a 5xx, and no longer when the connection is reset (MESH512).
retry = Retry(api, attempts=2, retry_on=("5xx",), accept=("MESH512",))
# The limit holds for all callers together, and not for each (MESH520).
limits = Breaker(api, max_requests=200, consecutive_5xx=5, base_ejection_time="30s", accept=("MESH520",))
