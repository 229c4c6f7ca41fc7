"""A minimal pair of policies for each feature: the second asks a mesh for it, the first differs and does not.

``tests/test_support.py`` builds both on every mesh and holds the support tables to what comes out. A feature without a
pair fails there: adding a feature means adding its pair here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshdsl import (
    Abort,
    Allow,
    Anyone,
    Breaker,
    Canary,
    DefaultDeny,
    Delay,
    Deny,
    Fault,
    Header,
    Headers,
    Mesh,
    Mirror,
    MutualTls,
    Namespace,
    Port,
    Proxy,
    Query,
    Redirect,
    Regex,
    Retry,
    Rewrite,
    Service,
    Split,
    Timeout,
    Workload,
)
from meshdsl.model.base import Declared
from meshdsl.plan.features import Feature

PROD, FRONT = Namespace("prod"), Namespace("front")
WEB = Service("web", FRONT, port=80)
API = Service("api", PROD, port=8080, versions=("v1", "v2"), replicas=6, workload=Workload("Deployment", "api"))
COPY = Service("copy", PROD, port=8080)
TWO = Service("two", PROD, ports=(Port(8080, name="http"), Port(9090, name="admin")))
CART = Service("cart", PROD, port=50051, protocol="grpc")
INVENTORY: tuple[Declared, ...] = (PROD, FRONT, WEB, API, COPY, TWO, CART)

Pair = tuple[tuple[Declared, ...], tuple[Declared, ...]]


def _pair(*before: Declared, then: Declared, instead: bool = False) -> Pair:
    """The policies before, and the same with one more, or with one more in place of the last."""
    return before, (*(before[:-1] if instead else before), then)


def _timeout(**conditions: Any) -> Timeout:
    return Timeout(API.route("part", **conditions), "5s")


def _retry(service: Service = API, **arguments: Any) -> Retry:
    return Retry(service, **{"attempts": 2, "methods": "any", **arguments})


def _allow(**arguments: Any) -> Allow:
    return Allow(arguments.pop("to", API), **{"callers": (WEB,), **arguments})


NONE = Retry.never(API)
TIMEOUT = Timeout(API, "5s")
ROUTE = API.route("part", path="/a/*")

PAIRS: Mapping[Feature, Pair] = {
    Feature.SPLIT: _pair(TIMEOUT, then=Split(API, weights={"v1": 9, "v2": 1})),
    Feature.CANARY_MATCH: _pair(
        Canary(API, stable="v1", canary="v2", percent=10),
        then=Canary(API, stable="v1", canary="v2", percent=10, when=Header("x-canary", "true")),
        instead=True,
    ),
    Feature.MATCH_PATH: _pair(_timeout(methods=("GET",)), then=_timeout(methods=("GET",), path="/a/*"), instead=True),
    Feature.MATCH_PATH_REGEX: _pair(_timeout(path="/a"), then=_timeout(path=Regex("/a/[0-9]+")), instead=True),
    Feature.MATCH_METHOD: _pair(_timeout(path="/a"), then=_timeout(path="/a", methods=("GET",)), instead=True),
    Feature.MATCH_HEADER: _pair(
        _timeout(path="/a"), then=_timeout(path="/a", headers=(Header("x-a", "1"),)), instead=True
    ),
    Feature.MATCH_QUERY: _pair(_timeout(path="/a"), then=_timeout(path="/a", query=(Query("q", "1"),)), instead=True),
    Feature.TIMEOUT: _pair(NONE, then=TIMEOUT),
    Feature.RETRY: _pair(NONE, then=_retry(statuses=(503,)), instead=True),
    Feature.RETRY_5XX: _pair(_retry(statuses=(503,)), then=_retry(retry_on=("5xx",), statuses=(503,)), instead=True),
    Feature.RETRY_STATUSES: _pair(
        _retry(retry_on=("5xx",)), then=_retry(retry_on=("5xx",), statuses=(429,)), instead=True
    ),
    Feature.RETRY_RESET: _pair(_retry(retry_on=("5xx",)), then=_retry(retry_on=("5xx", "reset")), instead=True),
    Feature.RETRY_4XX: _pair(_retry(retry_on=("5xx",)), then=_retry(retry_on=("5xx", "retriable-4xx")), instead=True),
    Feature.RETRY_GRPC: _pair(Retry.never(CART), then=_retry(CART, retry_on=("unavailable",)), instead=True),
    Feature.RETRY_PER_TRY_TIMEOUT: _pair(
        _retry(retry_on=("5xx",)), then=_retry(retry_on=("5xx",), per_try_timeout="2s"), instead=True
    ),
    Feature.RETRY_BACKOFF: _pair(
        _retry(retry_on=("5xx",)), then=_retry(retry_on=("5xx",), backoff="100ms"), instead=True
    ),
    Feature.RETRY_NONE: _pair(_retry(retry_on=("5xx",)), then=NONE, instead=True),
    Feature.BREAKER_POOL: _pair(
        Breaker(API, consecutive_5xx=5), then=Breaker(API, consecutive_5xx=5, max_connections=100), instead=True
    ),
    Feature.BREAKER_OUTLIER: _pair(TIMEOUT, then=Breaker(API, consecutive_5xx=5)),
    Feature.BREAKER_GATEWAY_ERRORS: _pair(
        Breaker(API, consecutive_5xx=5),
        then=Breaker(API, consecutive_5xx=5, consecutive_gateway_errors=3),
        instead=True,
    ),
    Feature.FAULT_ABORT: _pair(TIMEOUT, then=Fault(API, abort=Abort(503, percent=10))),
    Feature.FAULT_DELAY: _pair(TIMEOUT, then=Fault(API, delay=Delay("2s", percent=10))),
    Feature.MIRROR: _pair(TIMEOUT, then=Mirror(API, to=COPY)),
    Feature.MIRROR_PERCENT: _pair(Mirror(API, to=COPY), then=Mirror(API, to=COPY, percent=10), instead=True),
    Feature.HEADERS_REQUEST: _pair(TIMEOUT, then=Headers(API, request_set={"x-a": "1"})),
    Feature.HEADERS_RESPONSE: _pair(TIMEOUT, then=Headers(API, response_set={"x-a": "1"})),
    Feature.REWRITE_PATH: _pair(Timeout(ROUTE, "5s"), then=Rewrite(ROUTE, path="/b")),
    Feature.REWRITE_HOST: _pair(Timeout(ROUTE, "5s"), then=Rewrite(ROUTE, host="b.example.com")),
    Feature.REDIRECT: _pair(Timeout(API, "5s"), then=Redirect(ROUTE, path="/b", status=302)),
    Feature.ALLOW_ACCOUNT: _pair(_allow(callers=(PROD,)), then=_allow(callers=(PROD, WEB)), instead=True),
    Feature.ALLOW_NAMESPACE: _pair(_allow(), then=_allow(callers=(WEB, FRONT)), instead=True),
    Feature.ALLOW_IN_MESH: _pair(_allow(), then=_allow(callers=Anyone.in_mesh()), instead=True),
    Feature.ALLOW_AT_ALL: _pair(_allow(), then=_allow(callers=Anyone.at_all()), instead=True),
    Feature.ALLOW_HTTP: _pair(_allow(), then=_allow(methods=("GET",)), instead=True),
    Feature.ALLOW_PATH_REGEX: _pair(_allow(paths=("/a",)), then=_allow(paths=(Regex("/a/[0-9]+"),)), instead=True),
    Feature.ALLOW_HEADER_REGEX: _pair(
        _allow(headers=(Header("x-a", "1"),)), then=_allow(headers=(Header("x-a", Regex("[0-9]+")),)), instead=True
    ),
    Feature.ALLOW_PORTS: _pair(_allow(to=TWO), then=_allow(to=TWO, ports=(8080,)), instead=True),
    Feature.DENY: _pair(_allow(callers=(WEB, COPY)), then=Deny(API, callers=(COPY,))),
    Feature.DENY_HTTP: _pair(
        _allow(), Deny(API, callers=(COPY,)), then=Deny(API, callers=(COPY,), methods=("DELETE",)), instead=True
    ),
    Feature.DENY_PATHS: _pair(
        _allow(), Deny(API, callers=(COPY,)), then=Deny(API, callers=(COPY,), paths=("/admin/*",)), instead=True
    ),
    Feature.DEFAULT_DENY: _pair(_allow(), then=DefaultDeny(PROD)),
    Feature.DEFAULT_DENY_MESH: _pair(_allow(), then=DefaultDeny(Mesh())),
    Feature.MTLS_STRICT: _pair(MutualTls(PROD, mode="permissive"), then=MutualTls(PROD, mode="strict"), instead=True),
    Feature.MTLS_PERMISSIVE: _pair(
        MutualTls(PROD, mode="strict"), then=MutualTls(PROD, mode="permissive"), instead=True
    ),
    Feature.MTLS_MESH: _pair(TIMEOUT, then=MutualTls(Mesh(), mode="strict")),
    Feature.ENROLMENT: _pair(TIMEOUT, then=Proxy(PROD)),
    Feature.REVISION: _pair(Proxy(PROD), then=Proxy(PROD, revision="canary"), instead=True),
    Feature.SIDECAR_RESOURCES: _pair(
        Proxy(PROD),
        then=Proxy(API, cpu_request="100m", cpu_limit="1", memory_request="128Mi", memory_limit="256Mi"),
    ),
}
