"""How long a request may take, and what happens when it fails."""

from meshdsl import Breaker, Retry, Timeout

from .inventory import checkout, ordering, payment, product_catalog, window

# A namespace's timeout holds for every service in it that has none of its own.
timeouts = [
    Timeout(window, "2s"),
    Timeout(ordering, "5s"),
    Timeout(checkout, "10s"),  # it calls six services, one after the other
]

# Every gRPC call is a POST, which is never tried again unless that is said: reading the catalog twice does no harm. On
# Ambient other failures of a connection are retried as well (MESH516). Linkerd cannot tell gRPC's codes apart, so there
# it is the answers 502, 503 and 504.
read = product_catalog.route("read", methods=("POST",), path="/hipstershop.ProductCatalogService/*")
retries = [
    Retry(read, attempts=2, retry_on=("unavailable",), methods="any", accept=("MESH516",), only=("istio", "ambient")),
    Retry(read, attempts=2, retry_on=("gateway-error",), methods="any", only=("linkerd",)),
    Retry.never(payment),
]

# A pod of the catalog that fails five times in a row is left out for half a minute, of six never more than three.
# Linkerd ejects without that limit (MESH521).
breaker = Breaker(
    product_catalog,
    consecutive_5xx=5,
    base_ejection_time="30s",
    max_ejection_percent=50,
    accept=("MESH521",),
)
