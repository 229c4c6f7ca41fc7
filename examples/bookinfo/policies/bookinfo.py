"""Bookinfo: four services, a canary that one user sees, a fault that this user feels, nothing open by default."""

from meshdsl import (
    Allow,
    Canary,
    DefaultDeny,
    Delay,
    Fault,
    Header,
    MutualTls,
    Namespace,
    Proxy,
    Service,
    ServiceAccount,
    Timeout,
)

bookinfo = Namespace("bookinfo")

# Bookinfo's pods have no probes. Where a rule looks at requests, Linkerd must know that.
productpage = Service("productpage", bookinfo, port=9080, probes=(), service_account="bookinfo-productpage")
details = Service("details", bookinfo, port=9080, probes=(), service_account="bookinfo-details")
reviews = Service(
    "reviews",
    bookinfo,
    port=9080,
    versions=("v1", "v2", "v3"),  # v1 asks ratings for nothing, v2 shows black stars, v3 red ones
    probes=(),
    service_account="bookinfo-reviews",
)
ratings = Service("ratings", bookinfo, port=9080, probes=(), service_account="bookinfo-ratings")

ingress = ServiceAccount("ingress", "gateway")

# productpage hands the header end-user on to everything it calls, so the mesh knows for whom a request is made.
jason = Header("end-user", "jason")

mesh = [
    Proxy(bookinfo),
    MutualTls(bookinfo, mode="strict"),
]

# jason always sees the black stars, and so does one request of ten. v3 runs, and gets nothing yet.
canary = Canary(reviews, stable="v1", canary="v2", percent=10, when=jason)

# For jason ratings takes seven seconds to answer: does the page stay usable? Only Istio can inject faults, so the
# others have no game day. reviews gives up after three seconds, on every mesh.
slow_for_jason = Fault(ratings.route("jason", headers=(jason,)), delay=Delay("7s"), only=("istio",))
patience = Timeout(reviews, "3s")

# Nobody may call anything, but these callers exactly these pages.
access = [
    DefaultDeny(bookinfo),
    Allow(
        productpage,
        callers=(ingress,),
        methods=("GET",),
        paths=("/productpage", "/logout", "/static/*", "/api/v1/products/*"),
    ),
    Allow(productpage, callers=(ingress,), methods=("POST",), paths=("/login",)),
    Allow(details, callers=(productpage,), methods=("GET",), paths=("/details/*",)),
    Allow(reviews, callers=(productpage,), methods=("GET",), paths=("/reviews/*",)),
    Allow(ratings, callers=(reviews,), methods=("GET",), paths=("/ratings/*",)),
]
