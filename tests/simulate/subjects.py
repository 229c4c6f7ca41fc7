"""Policy sets on which a fault in the lowering must show: each feature of each mesh is in one of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import meshdsl
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
    Fault,
    Header,
    Headers,
    Mesh,
    Mirror,
    MutualTls,
    Namespace,
    Port,
    Probe,
    Query,
    Redirect,
    Regex,
    Retry,
    Rewrite,
    Service,
    ServiceAccount,
    Split,
    Timeout,
)
from meshdsl.targets.base import Target

PROD, FRONT, BACK = Namespace("prod"), Namespace("front"), Namespace("back")
WEB = Service("web", FRONT, port=80, probes=())
JOB = Service("job", PROD, port=80, probes=())
API = Service(
    "api", PROD, port=8080, target_port=9000, versions=("v1", "v2"), replicas=6, probes=(Probe("/healthz", port=9000),)
)
COPY = Service("copy", PROD, port=8080, versions=("v1", "v2"), probes=())
TWO = Service(
    "two",
    PROD,
    ports=(
        Port(80, name="http", target=8080),
        Port(81, name="admin", target=8081),
        Port(99, name="db", protocol="tcp"),
    ),
    probes=(),
)
STORE = Service("store", BACK, port=5432, protocol="tcp", probes=())
ISTIO: Any = ("istio", "ambient")

SUBJECTS: Mapping[str, tuple[Any, ...]] = {
    "traffic": (
        API,
        WEB,
        Canary(API, stable="v1", canary="v2", percent=10, when=Header("x-canary", "true")),
        Timeout(API, "5s"),
        Timeout(API.route("items", path="/items/*", methods=("GET",)), "2500ms"),
        Split(API.route("new", path="/new", query=(Query("q", "1"),)), weights={"v1": 1, "v2": 3}),
        Breaker(API, consecutive_5xx=5, interval="20s", base_ejection_time="30s", max_ejection_percent=50),
    ),
    "retries": (
        API,
        WEB,
        Canary(API, stable="v1", canary="v2", percent=0, when=Cookie("id", "x.y")),
        Retry(API, attempts=3, per_try_timeout="1500ms", retry_on=("5xx",), statuses=(429,), methods=("GET", "PUT")),
        Retry(API.route("stock", path="/stock"), attempts=1, statuses=(503,), methods="any"),
        Retry.never(API.route("checkout", path="/checkout")),
    ),
    "edits": (
        API,
        WEB,
        Headers(
            API.route("old", headers=(Header("x-old"),), path="/old/*"),
            request_set={"x-p": "1%"},
            request_remove=("x-r",),
        ),
        Headers(API.route("told", path="/told"), response_add={"x-q": "2"}, request_add={"x-s": "3"}),
    ),
    "regex": (
        API,
        WEB,
        Timeout(API.route("version", path=Regex("/v|/v/[0-9]+")), "3s"),
        Timeout(API.route("beta", headers=(Header("x-beta", Regex("b[0-9]")),), path="/beta"), "4s"),
        Timeout(API, "2s"),
    ),
    "redirect": (
        API,
        WEB,
        Redirect(API.route("moved", path="/moved"), path="/there", status=308),
        Redirect(API.route("away", path="/away/*"), host="else.example", scheme="https", port=8443, status=302),
        Timeout(API, "2s"),
    ),
    "istio only": (
        API,
        COPY,
        WEB,
        Rewrite(API.route("old", path="/old/*"), path="/new"),
        Rewrite(API.route("one", path="/one"), path="/uno", host="uno.example"),
        Mirror(API, to=COPY, version="v2", percent=25),
        Mirror(API.route("fine", path="/fine"), to=COPY, percent=12.5),
        Breaker(
            API,
            max_connections=10,
            max_pending_requests=20,
            max_requests=30,
            max_requests_per_connection=40,
            consecutive_gateway_errors=3,
        ),
        Retry(API, attempts=2, retry_on=("gateway-error", "connect-failure"), methods="any", backoff="50ms"),
        Split(API, weights={"v1": 1, "v2": 1}),
    ),
    "failures": (
        API,
        WEB,
        Fault(API, delay=Delay("1500ms", percent=10), abort=Abort(503, percent=20)),
    ),
    "callers": (
        API,
        WEB,
        JOB,
        STORE,
        MutualTls(PROD, mode="strict"),
        DefaultDeny(PROD),
        Allow(API, callers=(WEB, ServiceAccount("ops", "robot"), BACK)),
        Allow(JOB, callers=Anyone.in_mesh()),
        MutualTls(STORE, mode="permissive"),
        Allow(STORE, callers=Anyone.at_all()),
    ),
    "requests": (
        API,
        WEB,
        JOB,
        MutualTls(PROD, mode="strict"),
        Allow(API, callers=(WEB,), methods=("GET", "POST"), paths=("/a/*", "/b")),
        Allow(API, callers=(JOB,), paths=("/a/c",), headers=(Header("x-job", "1"), Header("x-seen"))),
        Allow(API, callers=(BACK,), methods=("DELETE",)),
        Timeout(API, "2s"),
    ),
    "ports": (
        TWO,
        WEB,
        JOB,
        MutualTls(PROD, mode="permissive"),
        Allow(TWO, callers=(WEB,), ports=(80,)),
        Allow(TWO, callers=(JOB,), ports=(99,)),
        Allow(TWO, callers=(JOB,), methods=("GET",), ports=(81,)),
        Timeout(TWO.route("slow", port=81), "9s"),
    ),
    "denied": (
        API,
        WEB,
        JOB,
        MutualTls(PROD, mode="strict"),
        Deny(API, callers=(JOB,), methods=("DELETE",)),
        Deny(API, callers=(BACK,), paths=("/admin/*",)),
        Allow(API, callers=Anyone.in_mesh()),
        Deny(JOB, callers=(BACK,)),
    ),
    "mesh": (
        API,
        WEB,
        JOB,
        STORE,
        MutualTls(Mesh(), mode="strict"),
        DefaultDeny(Mesh()),
        Allow(API, callers=(WEB,)),
        Allow(STORE, callers=(API,)),
    ),
    "open": (API, WEB, JOB, MutualTls(Mesh(), mode="strict"), MutualTls(API, mode="permissive")),
    "split": (API, WEB, Split(API, weights={"v1": 4, "v2": 1})),
}

ACCEPT = (
    "MESH402", "MESH404", "MESH512", "MESH513", "MESH514", "MESH515", "MESH516", "MESH517", "MESH520", "MESH521",
    "MESH538", "MESH550", "MESH552", "MESH557",
)  # fmt: skip
TARGETS: Mapping[str, Target] = {
    "istio": meshdsl.Istio(accept=ACCEPT, trust_domain="example.org"),
    "ambient": meshdsl.Ambient(
        accept=ACCEPT, trust_domain="example.org", gateway_api_channel="experimental", default_retries="off"
    ),
    "linkerd": meshdsl.Linkerd(accept=ACCEPT, identity_trust_domain="example.org"),
    "linkerd-2.18": meshdsl.Linkerd(accept=ACCEPT, version="2.18"),
    "linkerd-smi": meshdsl.Linkerd(accept=ACCEPT, split_api="smi"),
}


@cache
def policies(subject: str) -> meshdsl.PolicySet:
    """The policy set of a subject."""
    return meshdsl.PolicySet((*SUBJECTS[subject], PROD, FRONT, BACK), name="subject")
