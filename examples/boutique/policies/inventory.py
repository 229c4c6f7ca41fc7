"""What there is: eleven services in two namespaces, each with an account of its own, and who calls them from outside.

The shop window answers quickly or not at all; ordering takes its time and must not be disturbed. So each is a
namespace, and most policies are said once for each.
"""

from meshdsl import Namespace, Probe, Service, ServiceAccount, Workload

window = Namespace("window")
ordering = Namespace("ordering")

frontend = Service(
    "frontend",
    window,
    port=80,
    target_port=8080,
    probes=(Probe("/_healthz", port=8080),),
    replicas=4,
    service_account="boutique-frontend",
    workload=Workload("Deployment", "frontend"),
)
ad = Service("adservice", window, port=9555, protocol="grpc", service_account="boutique-ad")
currency = Service("currencyservice", window, port=7000, protocol="grpc", service_account="boutique-currency")
product_catalog = Service(
    "productcatalogservice",
    window,
    port=3550,
    protocol="grpc",
    versions=("v1", "v2"),
    replicas=6,
    service_account="boutique-product-catalog",
)
recommendation = Service(
    "recommendationservice",
    window,
    port=8080,
    protocol="grpc",
    versions=("v1", "v2"),
    service_account="boutique-recommendation",
)

cart = Service("cartservice", ordering, port=7070, protocol="grpc", service_account="boutique-cart")
checkout = Service("checkoutservice", ordering, port=5050, protocol="grpc", service_account="boutique-checkout")
email = Service(
    "emailservice", ordering, port=5000, target_port=8080, protocol="grpc", service_account="boutique-email"
)
payment = Service(
    "paymentservice", ordering, port=50051, protocol="grpc", probes=(), service_account="boutique-payment"
)
shipping = Service("shippingservice", ordering, port=50051, protocol="grpc", service_account="boutique-shipping")
redis = Service("redis-cart", ordering, port=6379, protocol="tcp", service_account="boutique-redis")

# Not ours: only their identities matter.
ingress = ServiceAccount("ingress", "gateway")
load_generator = ServiceAccount("load", "loadgenerator")
