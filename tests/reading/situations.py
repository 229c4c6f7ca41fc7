"""Policies in which meshes are known to differ, by what is difficult about them.

``REFUSED`` has the codes with which a target answers instead; everywhere else both readings must agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
    any_of,
)

PROD, FRONT = Namespace("prod"), Namespace("front")
VERSIONS = ("v1", "v2")
API = Service("api", PROD, port=8080, versions=VERSIONS)
WEB = Service("web", FRONT, port=80)
JOB = Service("job", PROD, port=80)
MANY = Service(
    "many",
    PROD,
    ports=(Port(80, name="a", target=8080), Port(81, name="b", target=8081), Port(99, name="db", protocol="tcp")),
)
SAME = Service("same", PROD, ports=(Port(80, name="a", target=8080), Port(81, name="b", target=8080)))
NAMED = Service("named", PROD, ports=(Port(80, name="a", target="web"), Port(81, name="b", target="admin")))
BARE = Service("bare", PROD)
PROBED = Service("probed", PROD, port=80, target_port=8080, probes=(Probe("/hz", port=8080), Probe("/x/r", port=8080)))
ONE = Service("one", PROD, port=8080, labels={"app": "x"})
OTHER = Service("other", PROD, port=8080, labels={"app": "x"})
PART = Service("part", PROD, port=8080, labels={"app": "x", "tier": "y"})
ODD = Service("odd", PROD, port=80, versions=VERSIONS, version_label="rev", labels={"k": "x", "z": "w"})
ROOT = Service("root", Namespace("istio-system"), port=80)
THREE = Service("three", PROD, port=80, versions=("v1", "v2", "v3"))
CANARY_HEADER = Header("x-c", "1")
ISTIO: Any = ("istio", "ambient")


def _canary(subject: Any, **arguments: Any) -> Canary:
    return Canary(subject, **{"stable": "v1", "canary": "v2", "percent": 10, **arguments})


SITUATIONS: Mapping[str, Sequence[Any]] = {
    # ------------------------------------------------------------------ ports
    "a policy about one port, other ports as before": [MANY, Timeout(MANY.route("r", port=80), "1s")],
    "a route of a whole port and the rest": [
        MANY,
        Timeout(MANY.route("r", port=80), "1s"),
        Retry(MANY, attempts=2, retry_on=("5xx",)),
    ],
    "one target port behind two ports, a rule for one": [SAME, WEB, Allow(SAME, callers=(WEB,), ports=(80,))],
    "identities on HTTP and TCP ports": [MANY, WEB, Allow(MANY, callers=(WEB,))],
    "requests on HTTP ports, nothing on TCP": [MANY, WEB, Allow(MANY, callers=(WEB,), methods=("GET",), ports=(80,))],
    "every path is no TCP port": [MANY, WEB, Allow(PROD, callers=(WEB,), paths=("/*",))],
    "requests denied on one port": [
        MANY,
        WEB,
        Deny(MANY, callers=(WEB,), methods=("GET",), ports=(80,), only=ISTIO),
        MutualTls(MANY, mode="strict"),
    ],
    "a TCP port denied": [
        MANY,
        WEB,
        Deny(MANY, callers=(WEB,), ports=(99,), only=ISTIO),
        MutualTls(MANY, mode="strict"),
    ],
    "an allow on a route of one port": [
        MANY,
        WEB,
        JOB,
        Allow(MANY.route("r", port=81), callers=(WEB,)),
        Allow(MANY, callers=(JOB,), ports=(99,)),
    ],
    "named target ports": [NAMED, WEB, Allow(NAMED, callers=(WEB,)), Timeout(NAMED.route("r", port=80), "1s")],
    "a rule for a named target port": [NAMED, WEB, Allow(NAMED, callers=(WEB,), ports=(80,))],
    "no ports, and an allow": [BARE, WEB, Allow(BARE, callers=(WEB,)), DefaultDeny(PROD)],
    "no ports, and a mode of its own": [BARE, WEB, MutualTls(BARE, mode="strict")],
    "no ports in a closed namespace": [BARE, WEB, DefaultDeny(PROD), MutualTls(PROD, mode="strict")],
    # ------------------------------------------------------------------ access
    "allows of two levels add up": [
        API,
        WEB,
        JOB,
        Allow(PROD, callers=(JOB,)),
        Allow(API, callers=(WEB,), methods=("GET",)),
    ],
    "an allow of the mesh opens one path": [
        API,
        WEB,
        JOB,
        Allow(Mesh(), callers=Anyone.in_mesh(), paths=("/healthz",)),
        Allow(API, callers=(WEB,)),
    ],
    "a deny of a namespace beside an allow": [
        API,
        WEB,
        JOB,
        DefaultDeny(PROD),
        Allow(API, callers=(WEB,)),
        Deny(PROD, callers=(WEB,), methods=("DELETE",), only=ISTIO),
        MutualTls(PROD, mode="strict"),
    ],
    "the mesh is closed": [
        API,
        WEB,
        JOB,
        DefaultDeny(Mesh()),
        Allow(API, callers=(WEB,), methods=("GET",)),
        Allow(JOB, callers=(API,)),
    ],
    "the mesh is closed, its root namespace has services": [
        API,
        ROOT,
        WEB,
        DefaultDeny(Mesh()),
        Allow(API, callers=(WEB,)),
    ],
    "anyone at all for some requests": [
        API,
        WEB,
        MutualTls(API, mode="permissive"),
        Allow(API, callers=Anyone.at_all(), methods=("GET",)),
        Allow(API, callers=(WEB,)),
    ],
    "anyone at all denied": [
        API,
        WEB,
        MutualTls(PROD, mode="permissive"),
        Deny(API, callers=Anyone.at_all(), only=ISTIO),
    ],
    "identities denied where plain text is taken": [
        API,
        WEB,
        Deny(API, callers=(WEB,), only=ISTIO),
        MutualTls(API, mode="permissive"),
    ],
    "a waypoint for routes, identities denied": [
        API,
        WEB,
        Deny(API, callers=(WEB,), only=ISTIO),
        Timeout(API, "1s"),
        MutualTls(API, mode="strict"),
    ],
    "a waypoint for routes in a closed mesh": [
        API,
        WEB,
        JOB,
        DefaultDeny(Mesh()),
        Timeout(API, "1s"),
        Allow(API, callers=(WEB,)),
    ],
    "mTLS of three levels": [
        API,
        WEB,
        JOB,
        MutualTls(Mesh(), mode="strict"),
        MutualTls(PROD, mode="permissive"),
        MutualTls(API, mode="strict"),
    ],
    "a permissive service in a strict namespace": [
        API,
        WEB,
        JOB,
        MutualTls(PROD, mode="strict"),
        MutualTls(API, mode="permissive"),
    ],
    "overlapping paths for different callers": [
        API,
        WEB,
        JOB,
        Allow(API, callers=(WEB,), paths=("/a/*",)),
        Allow(API, callers=(JOB,), paths=("/a/b/*", "/c")),
        Allow(API, callers=(FRONT,), paths=("/*",), methods=("GET",)),
    ],
    "a header for one caller, a path for another": [
        API,
        WEB,
        JOB,
        Allow(API, callers=(WEB,), headers=(CANARY_HEADER,)),
        Allow(API, callers=(JOB,), paths=("/c",)),
    ],
    "everything overlaps": [
        API,
        WEB,
        JOB,
        Allow(API, callers=Anyone.in_mesh(), paths=("/a/*",)),
        Allow(API, callers=(WEB,), methods=("GET",)),
        Allow(API, callers=(JOB,), paths=("/a/b",), methods=("POST", "GET")),
        Allow(API, callers=(JOB,), headers=(CANARY_HEADER,)),
    ],
    "allows on routes": [
        API,
        WEB,
        JOB,
        Allow(API.route("r", path="/a/*", methods=("GET",)), callers=(WEB,)),
        Allow(API.route("q", path="/a/b", headers=(CANARY_HEADER,)), callers=(JOB,)),
        Timeout(API.route("z", path="/a"), "1s"),
    ],
    "accounts by name and reference": [
        API,
        Service("else", FRONT, port=1, service_account="web2"),
        Allow(API, callers=("front/else", ServiceAccount("x", "y"), PROD)),
    ],
    "probes beside rules about requests": [
        PROBED,
        WEB,
        Allow(PROBED, callers=(WEB,), methods=("GET",), paths=("/x/*",)),
        MutualTls(PROD, mode="strict"),
    ],
    "probes beside identities": [PROBED, WEB, Allow(PROBED, callers=(WEB,))],
    "two services, one pod, rules for one": [ONE, OTHER, WEB, Allow(ONE, callers=(WEB,))],
    "a service for a part of the pods": [ONE, PART, WEB, Allow(ONE, callers=(WEB,))],
    "a service kept out of the mesh": [API, WEB, Proxy(PROD, enrolled=False), Allow(API, callers=(WEB,))],
    "a caller kept out of the mesh": [API, WEB, Proxy(FRONT, enrolled=False), Allow(API, callers=(WEB,))],
    "a rule about a path that is rewritten": [
        API,
        WEB,
        Rewrite(API.route("r", path="/a/*"), path="/new", only=ISTIO),
        Allow(API, callers=(WEB,), paths=("/a/*",), only=ISTIO),
    ],
    "a rule about a header that is set": [
        API,
        WEB,
        Headers(API, request_set={"x-c": "1"}),
        Allow(API, callers=(WEB,), headers=(CANARY_HEADER,)),
    ],
    "a rule about a header that is left alone": [
        API,
        WEB,
        Headers(API, request_set={"x-d": "1"}),
        Allow(API, callers=(WEB,), headers=(CANARY_HEADER,)),
    ],
    # ------------------------------------------------------------------ traffic
    "a breaker of every version": [API, _canary(API), Breaker(API, consecutive_5xx=5, base_ejection_time="20s")],
    "a breaker without routes": [MANY, Breaker(MANY, consecutive_5xx=5, interval="5s", max_ejection_percent=50)],
    "a breaker of the namespace with limits": [
        API,
        WEB,
        _canary(API),
        Breaker(
            PROD, max_connections=3, max_pending_requests=4, max_requests=5, consecutive_gateway_errors=2, only=ISTIO
        ),
        Breaker(Mesh(), consecutive_5xx=7),
    ],
    "a canary by header and routes": [
        API,
        _canary(API, when=CANARY_HEADER),
        _canary(API.route("r", path="/a/*"), percent=0, when=any_of(Cookie("c", "1"), Query("q", "2"))),
        Timeout(API.route("p", methods=("POST",)), "3s"),
    ],
    "a canary by header and retries by method": [
        API,
        _canary(API, when=CANARY_HEADER),
        Retry(API, attempts=2, retry_on=("5xx",)),
        Retry.never(API.route("r", path="/a/*")),
    ],
    "a canary by the header of a route": [
        API,
        _canary(API, when=CANARY_HEADER),
        Timeout(API.route("r", headers=(Header("x-c"),)), "3s"),
    ],
    "the canary gets nothing, or everything": [
        API,
        _canary(API, percent=0),
        _canary(API.route("r", path="/a"), percent=100),
    ],
    "a third": [API, _canary(API, percent=33.3333)],
    "a weight of 0": [THREE, Split(THREE, weights={"v1": 0, "v2": 3, "v3": 7})],
    "one weight": [THREE, Split(THREE, weights={"v1": 0, "v2": 3, "v3": 0})],
    "labels of its own": [ODD, WEB, _canary(ODD), Allow(ODD, callers=(WEB,))],
    "a regular expression and the rest": [
        API,
        Timeout(API.route("r", path=Regex("/v[0-9]+/.*")), "3s"),
        Timeout(API, "2s"),
    ],
    "a method against a header": [
        API,
        Timeout(API.route("r", path="/a", methods=("GET",)), "3s"),
        Timeout(API.route("q", path="/a", headers=(CANARY_HEADER,)), "2s"),
    ],
    "a header against a query parameter": [
        API,
        Timeout(API.route("r", headers=(CANARY_HEADER,)), "3s"),
        Timeout(API.route("q", query=(Query("q", "1"),)), "2s"),
    ],
    "two routes alike, only one is retried": [
        API,
        Retry(API.route("r", headers=(CANARY_HEADER,)), attempts=2, retry_on=("5xx",)),
        Retry.never(API.route("q", headers=(Header("x-d", "1"),))),
    ],
    "two routes alike, two conditions of a canary": [
        API,
        _canary(API.route("r", headers=(CANARY_HEADER,)), percent=0, when=Cookie("c", "1")),
        _canary(API.route("q", headers=(Header("x-d", "1"),)), percent=0, when=Query("q", "1")),
    ],
    "every path is as good as none": [API, Timeout(API.route("r", path="/*"), "3s"), Timeout(API, "2s")],
    "a prefix in a prefix": [
        API,
        Retry(API.route("r", path="/a/*"), attempts=1, statuses=(503,)),
        Timeout(API.route("q", path="/a/b/*"), "2s"),
    ],
    "retries by route and method": [
        API,
        Retry(API.route("g", methods=("GET",), path="/a/*"), attempts=3, retry_on=("5xx",)),
        Retry(API.route("p", methods=("POST", "PUT"), path="/a/b/*"), attempts=1, statuses=(503,), methods=("PUT",)),
        Retry(API, attempts=2, retry_on=("gateway-error",), methods="any"),
    ],
    "policies of the namespace and the mesh": [
        API,
        MANY,
        WEB,
        Retry(PROD, attempts=3, retry_on=("5xx",)),
        Timeout(Mesh(), "3s"),
        Timeout(API.route("g", path="/x"), "1s"),
    ],
    "a rewritten prefix and a prefix in it": [
        API,
        Rewrite(API.route("r", path="/a/*"), path="/new/", only=ISTIO),
        Timeout(API.route("q", path="/a/b/*"), "1s"),
    ],
    "a prefix rewritten to the root": [API, Rewrite(API.route("r", path="/a/*"), path="/", only=ISTIO)],
    "a whole path and every prefix replaced by the same": [
        API,
        Rewrite(API, path="/", only=ISTIO),
        Headers(API.route("r", path="/q"), request_remove=("x-gone",)),
        Rewrite(API.route("s", path="/r"), path="/", only=ISTIO),
    ],
    "edits of headers": [
        API,
        Headers(API, request_set={"x-p": "100%"}, request_add={"x-q": "%a%"}, response_remove=("x-powered-by",)),
        Headers(API.route("r", path="/a"), response_set={"x-z": "1"}),
    ],
    "redirects": [
        API,
        Redirect(API.route("r", path="/a/*"), path="/b", status=301),
        Redirect(API.route("s", path="/h"), host="x.y"),
        Redirect(API.route("t", path="/s"), scheme="https", port=443),
        Timeout(API, "1s"),
    ],
    "faults": [
        API,
        _canary(API),
        Fault(
            API.route("r", path="/a/*"),
            abort=Abort(503, percent=0.0001),
            delay=Delay("1s", percent=99.9999),
            only=("istio",),
        ),
    ],
    "a mirrored version": [API, THREE, Mirror(API, to=THREE, version="v3", percent=33.3333, only=ISTIO), _canary(API)],
    "a mirrored service of several ports": [MANY, SAME, Mirror(MANY, to=SAME, only=ISTIO)],
}

REFUSED: Mapping[str, Mapping[str, str]] = {
    "one target port behind two ports, a rule for one": {
        "istio": "MESH603",
        "ambient": "MESH603",
        "linkerd": "MESH645",
    },
    "a rule for a named target port": {"istio": "MESH602", "ambient": "MESH602"},
    "no ports, and an allow": {"linkerd": "MESH649"},
    "no ports, and a mode of its own": {"linkerd": "MESH649"},
    "anyone at all for some requests": {"ambient": "MESH623"},
    "identities denied where plain text is taken": {"istio": "MESH404", "ambient": "MESH404"},
    "two services, one pod, rules for one": {"istio": "MESH605", "ambient": "MESH605", "linkerd": "MESH647"},
    "a service for a part of the pods": {"istio": "MESH605", "ambient": "MESH605", "linkerd": "MESH647"},
    "a service kept out of the mesh": {"istio": "MESH405", "ambient": "MESH405", "linkerd": "MESH405"},
    "a caller kept out of the mesh": {"istio": "MESH401", "ambient": "MESH401", "linkerd": "MESH401"},
    "a rule about a path that is rewritten": {"istio": "MESH406", "ambient": "MESH406"},
    "a rule about a header that is set": {"istio": "MESH406", "ambient": "MESH406", "linkerd": "MESH406"},
    "two routes alike, only one is retried": {"istio": "MESH331", "ambient": "MESH331", "linkerd": "MESH331"},
    "two routes alike, two conditions of a canary": {"istio": "MESH331", "ambient": "MESH331", "linkerd": "MESH331"},
}
