"""Who calls whom: the call graph of the shop, and nothing beside it."""

from meshdsl import Allow, DefaultDeny, MutualTls

from .inventory import (
    ad,
    cart,
    checkout,
    currency,
    email,
    frontend,
    ingress,
    ordering,
    payment,
    product_catalog,
    recommendation,
    redis,
    shipping,
    window,
)

closed = [
    rule for namespace in (window, ordering) for rule in (MutualTls(namespace, mode="strict"), DefaultDeny(namespace))
]

# One line for each edge into a service. Python is the language: a table and a loop are as good as eleven calls.
CALLERS = {
    ad: (frontend,),
    currency: (frontend, checkout),
    product_catalog: (frontend, checkout, recommendation),
    recommendation: (frontend,),
    cart: (frontend, checkout),
    checkout: (frontend,),
    email: (checkout,),
    shipping: (frontend, checkout),
    redis: (cart,),
}
graph = [Allow(service, callers=callers) for service, callers in CALLERS.items()]

# The two that are worth a closer look: what people outside may do, and who may charge a card. A gRPC method is a path.
outside = Allow(frontend, callers=(ingress,), methods=("GET", "HEAD", "POST"))
charge = Allow(payment, callers=(checkout,), methods=("POST",), paths=("/hipstershop.PaymentService/Charge",))
