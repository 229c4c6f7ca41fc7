"""An example of each kind and function of the language, for the reference. Tests run and compile them."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, str] = {
    "Mesh": 'MutualTls(Mesh(), mode="strict")',
    "Namespace": 'prod = Namespace("prod")',
    "Service": 'cart = Service("cart", prod, port=8080, versions=("v1", "v2"), probes=(Probe("/healthz", port=8080),))',
    "Service.route": 'orders = api.route("orders", methods=("POST",), path="/orders/*")',
    "Route": """\
search = api.route("search", path="/search/*")  # a Route is made by its service
Timeout(search, "2s")""",
    "Port": 'Service("store", prod, ports=(Port(80, name="http"), Port(6379, name="redis", protocol="tcp")))',
    "Probe": 'Service("db", prod, port=5432, protocol="tcp", probes=(Probe("/ready", port=9000),))',
    "Workload": 'Service("shop", prod, port=80, workload=Workload("Deployment", "shop"))',
    "Header": 'Canary(api, stable="v1", canary="v2", percent=0, when=Header("x-canary", "true"))',
    "Cookie": 'Canary(api, stable="v1", canary="v2", percent=0, when=Cookie("canary", "1"))',
    "Query": 'Canary(api, stable="v1", canary="v2", percent=0, when=Query("canary", "1"))',
    "Regex": 'api.route("item", path=Regex("/items/[0-9]+"))',
    "all_of": 'Canary(api, stable="v1", canary="v2", percent=0, when=all_of(Header("x-team", "a"), Query("new", "1")))',
    "any_of": 'Canary(api, stable="v1", canary="v2", percent=0, when=any_of(Header("x-new", "1"), Cookie("new", "1")))',
    "Canary": 'Canary(api, stable="v1", canary="v2", percent=10, when=Header("x-canary", "true"))',
    "Split": 'Split(api, {"v1": 9, "v2": 1})',
    "Timeout": 'Timeout(api, "5s")',
    "Retry": 'Retry(api, attempts=3, per_try_timeout="2s", retry_on=("5xx", "reset", "connect-failure"))',
    "Retry.never": "Retry.never(checkout)",
    "Breaker": 'Breaker(api, max_connections=100, consecutive_5xx=5, interval="30s", base_ejection_time="30s")',
    "Fault": 'Fault(api, abort=Abort(503, percent=10), delay=Delay("2s", percent=5))',
    "Abort": "Fault(api, abort=Abort(503, percent=10))",
    "Delay": 'Fault(api, delay=Delay("2s", percent=5))',
    "Mirror": 'Mirror(api, to=api, version="v2", percent=5)',
    "Headers": 'Headers(api, request_set={"x-team": "payments"}, response_remove=("x-powered-by",))',
    "Rewrite": 'Rewrite(api.route("old", path="/old/*"), path="/new")',
    "Redirect": 'Redirect(api.route("moved", path="/moved"), path="/here", status=301)',
    "Allow": 'Allow(api, callers=(web, Namespace("jobs")), methods=("GET", "POST"), paths=("/v1/*",))',
    "Deny": """\
MutualTls(prod, mode="strict")  # in plain text a caller has no name that could be denied
Deny(api, callers=("prod/web",), methods=("DELETE",))""",
    "DefaultDeny": "DefaultDeny(prod)",
    "MutualTls": 'MutualTls(prod, mode="strict")',
    "Anyone": 'Allow(web, callers=Anyone.in_mesh(), methods=("GET",))',
    "Anyone.in_mesh": "Allow(web, callers=Anyone.in_mesh())",
    "Anyone.at_all": "Allow(web, callers=Anyone.at_all())",
    "ServiceAccount": """\
# An ingress gateway calls, and no Service of these policies stands for it.
gateway = ServiceAccount("istio-ingress", "istio-ingress")
Allow(web, callers=(gateway,))""",
    "Proxy": """\
Proxy(prod, enrolled=True)
jobs = Service("jobs", prod, workload=Workload("Deployment", "jobs"))
Proxy(jobs, cpu_request="100m", cpu_limit="1", memory_request="128Mi", memory_limit="256Mi")""",
}
"""An example of each, over the inventory of ``BEFORE``."""

BEFORE = """\
prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080, versions=("v1", "v2"))
checkout = api.route("checkout", methods=("POST",), path="/checkout")"""
"""What the examples speak of."""
