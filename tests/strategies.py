"""Policies that somebody could write: any mixture of the vocabulary over a small inventory.

Arguments are valid one by one (the models check those; ``tests/mistakes`` has the others). Together they may
contradict each other, which is the compiler's affair. Most sets are drawn *carefully*: ports and versions that the
service has, one policy of a kind on a subject, so that about half of them compile; the others are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

import meshdsl
from meshdsl import (
    Abort,
    Allow,
    Ambient,
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
    Istio,
    Linkerd,
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
    Workload,
    all_of,
    any_of,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
DURATIONS = st.sampled_from(["1ms", "250ms", "1s", "90s", "1m30s", "2h"])
PERCENTS = st.sampled_from([0, 1, 10, 12.5, 33.3333, 50, 100])
PATHS = st.sampled_from(
    [
        "/",
        "/a",
        "/a/",
        "/a/*",
        "/a/b",
        "/a/b/*",
        "/b",
        "/*",
        "/%C3%A9",
        "/yes",
        "/1e3",
        Regex("/v[12]/.*"),
        Regex("/x|/y"),
    ]
)
HEADER_TEXT = st.one_of(
    st.sampled_from(["true", "no", "1", "0x1F", "~", "50%", "*", "a: b", "- x", "{}", "'", '"', "#c", "1:30"]),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=12).map(str.strip).filter(bool),
)
HEADERS = st.builds(
    lambda name, value: Header(name, value),  # given the class itself, hypothesis adds arguments of its own
    st.sampled_from(["x-a", "X-B", "cookie", "user-agent"]),
    st.one_of(st.none(), HEADER_TEXT, st.just(Regex("v[0-9]+"))),
)
QUERIES = st.builds(
    lambda name, value: Query(name, value),
    st.sampled_from(["q", "debug"]),
    st.one_of(HEADER_TEXT, st.just(Regex("[a-z]+"))),
)
SINGLE = st.one_of(
    HEADERS,
    QUERIES,
    st.builds(
        lambda name, value: Cookie(name, value), st.sampled_from(["c", "id"]), st.sampled_from(["1", "a+b", "x.y"])
    ),
)
WHENS: st.SearchStrategy[Any] = st.one_of(
    SINGLE,
    st.lists(SINGLE, min_size=1, max_size=3).map(lambda parts: all_of(*parts)),
    st.lists(SINGLE, min_size=1, max_size=3).map(lambda parts: any_of(*parts)),
)


def methods(most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    """Some methods, in any order."""
    return st.lists(st.sampled_from(METHODS), max_size=most, unique=True).map(tuple)


@st.composite
def services(draw: st.DrawFn, name: str) -> Service:
    """A service with one or several ports."""
    namespace = Namespace(draw(st.sampled_from(["prod", "test"])))
    common: dict[str, Any] = {
        "versions": draw(st.sampled_from([(), ("v1", "v2"), ("v1", "v2", "v3")])),
        "replicas": draw(st.sampled_from([None, 1, 6])),
        "service_account": draw(st.sampled_from([None, "robot"])),
        "workload": draw(st.sampled_from([None, Workload("Deployment", name)])),
        "probes": draw(st.sampled_from([(), (Probe("/healthz", port=8080),)])),
    }
    kind = draw(st.integers(0, 4))
    if kind == 0:
        ports = (
            Port(80, name="http"),
            Port(90, name="grpc", protocol="grpc", target="grpc"),
            Port(99, name="db", protocol="tcp"),
        )
        return Service(name, namespace, ports=ports, **common)
    if kind == 1:
        return Service(name, namespace, port=5432, protocol="tcp", **common)
    if kind == 2:
        return Service(
            name, namespace, ports=(Port(80, name="a", target=8080), Port(81, name="b", protocol="http2")), **common
        )
    return Service(name, namespace, port=8080, target_port=draw(st.sampled_from([None, 9090, "web"])), **common)


@st.composite
def policy_sets(draw: st.DrawFn) -> meshdsl.PolicySet:
    """A policy set of up to eight policies over up to three services."""
    careful = draw(st.integers(0, 9)) > 0
    inventory = [draw(services(f"s{index}")) for index in range(draw(st.integers(1, 3)))]
    routes = [
        draw(_route(service, f"r{index}", careful=careful))
        for service in inventory
        for index in range(draw(st.sampled_from([0, 1, 1, 2, 3])) if _http_ports(service) or not careful else 0)
    ]
    count = draw(st.integers(1, 8))
    policies = [draw(_policy(inventory, routes, careful=careful)) for _ in range(count)]
    if careful:
        policies = _without_conflicts(policies)
    return meshdsl.PolicySet((*inventory, *policies), name="drawn")


def _http_ports(service: Service) -> list[int]:
    ports = service.ports or (Port(service.port or 80, protocol=service.protocol),)
    return [port.number for port in ports if port.protocol in ("http", "http2", "grpc")]


@st.composite
def _route(draw: st.DrawFn, service: Service, name: str, *, careful: bool) -> meshdsl.Route:
    ports = [None, None, *_http_ports(service)] if careful else [80, 8080, 5432]
    conditions: dict[str, Any] = {
        "methods": draw(methods(2)),
        "path": draw(st.one_of(st.none(), PATHS)),
        "headers": tuple(draw(st.lists(HEADERS, max_size=1))),
        "query": tuple(draw(st.lists(QUERIES, max_size=1))),
        "port": draw(st.sampled_from(ports)),
    }
    if not any(conditions.values()):
        conditions["path"] = draw(PATHS)
    return service.route(name, **conditions)


def _without_conflicts(policies: list[Any]) -> list[Any]:
    """The first policy of a kind on a subject, and every Allow and Deny; no Redirect beside other policies."""
    kept: dict[Any, Any] = {}
    for index, policy in enumerate(policies):
        kind = Canary if isinstance(policy, Split) else type(policy)
        subject = policy.subject
        if isinstance(subject, (Namespace, Mesh)):
            subject = str(subject) if isinstance(subject, Namespace) else "mesh"
        kept.setdefault((kind, subject, index if kind in (Allow, Deny) else 0), policy)
    redirected = [policy.subject for policy in kept.values() if isinstance(policy, Redirect)]
    access = (Allow, Deny, DefaultDeny, MutualTls, Proxy, Redirect)
    return [
        policy
        for policy in kept.values()
        if isinstance(policy, access) or not any(policy.subject is subject for subject in redirected)
    ]


@st.composite
def _policy(draw: st.DrawFn, inventory: list[Service], routes: list[meshdsl.Route], *, careful: bool) -> Any:
    service = draw(st.sampled_from(inventory))
    if careful:
        routes = [route for route in routes if route.service is service]
    here = draw(st.sampled_from([service, service, *routes]))
    namespace = Namespace(draw(st.sampled_from(["prod", "test"])))
    wide = draw(st.sampled_from([here, here, here, namespace, Mesh()]))
    versions = service.versions or ("v1", "v2")
    common: dict[str, Any] = {
        "only": draw(st.sampled_from([(), (), (), ("istio",), ("linkerd",), ("istio", "ambient")])),
        "accept": draw(
            st.sampled_from([(), ("MESH520", "MESH521", "MESH517", "MESH512", "MESH550"), ("MESH402", "MESH404")])
        ),
    }
    if careful:
        common["accept"] = ("MESH402", "MESH404", "MESH520", "MESH521", "MESH517", "MESH512", "MESH550")
    callers = draw(
        st.sampled_from(
            [
                Anyone.in_mesh(),
                Anyone.at_all(),
                (draw(st.sampled_from(inventory)),),
                (namespace,),
                (ServiceAccount("other", "bot"), draw(st.sampled_from(inventory)), namespace),
            ]
        )
    )
    rule: dict[str, Any] = {"callers": callers}
    if not isinstance(wide, meshdsl.Route):
        rule |= {
            "methods": draw(methods()),
            "paths": tuple(draw(st.lists(PATHS, max_size=2))),
            "headers": tuple(draw(st.lists(HEADERS, max_size=1))),
        }
    if isinstance(wide, Service):
        ports = [port.number for port in wide.ports] or [wide.port]
        rule["ports"] = draw(st.sampled_from([(), (), *((port,) for port in (ports if careful else [80, 8080, 99]))]))
    counters = draw(
        st.sampled_from(
            [{"max_connections": 10}, {"consecutive_5xx": 5}, {"consecutive_gateway_errors": 3, "max_requests": 7}]
        )
    )
    breadth = draw(st.sampled_from([service, namespace, Mesh()]))
    makers: list[Callable[[], Any]] = [
        lambda: Canary(
            here,
            stable=versions[0],
            canary=versions[1],
            percent=draw(PERCENTS),
            when=draw(st.one_of(st.none(), WHENS)),
            **common,
        ),
        lambda: Split(here, weights={version: draw(st.integers(1, 9)) for version in versions}, **common),
        lambda: Timeout(wide, draw(DURATIONS), **common),
        lambda: Retry(
            wide,
            attempts=draw(st.integers(1, 4)),
            retry_on=draw(
                st.sampled_from([("5xx",), ("5xx", "reset", "connect-failure"), ("unavailable",), ("retriable-4xx",)])
            ),
            statuses=draw(st.sampled_from([(), (429, 503)])),
            per_try_timeout=draw(st.sampled_from([None, "100ms"])),
            backoff=draw(st.sampled_from([None, None, "50ms"])),
            methods=draw(st.sampled_from([None, "any", ("POST",)])),
            **common,
        ),
        lambda: Retry.never(wide, **common),
        lambda: Breaker(breadth, **counters, **common),
        lambda: Fault(
            here,
            abort=Abort(503, percent=draw(PERCENTS.filter(bool))),
            delay=draw(st.sampled_from([None, Delay("1s", percent=5)])),
            **common,
        ),
        lambda: Mirror(
            here,
            to=draw(st.sampled_from(inventory)),
            version=draw(st.sampled_from([None, "v1"])),
            percent=draw(PERCENTS.filter(bool)),
            **common,
        ),
        lambda: Headers(
            here,
            request_set={"x-set": draw(HEADER_TEXT)},
            response_add={"x-add": draw(HEADER_TEXT)},
            request_remove=("x-gone",),
            **common,
        ),
        lambda: Rewrite(
            here,
            path=draw(st.sampled_from(["/new", "/"])),
            host=draw(st.sampled_from([None, "other.example"])),
            **common,
        ),
        lambda: Redirect(
            here,
            path="/moved",
            host=draw(
                st.sampled_from(["moved.example"] if careful and not _has_path(here) else [None, "moved.example"])
            ),
            status=draw(st.sampled_from([301, 302, 308])),
            **common,
        ),
        lambda: MutualTls(breadth, mode=draw(st.sampled_from(["strict", "permissive"])), **common),
        lambda: Allow(wide, **rule, **common),
        lambda: Allow(wide, **rule, **common),
        lambda: Deny(wide, **rule, **common),
        lambda: DefaultDeny(draw(st.sampled_from([namespace, Mesh()])), **common),
        lambda: Proxy(
            namespace,
            cpu_request=draw(st.sampled_from([None, "100m"])),
            revision=draw(st.sampled_from([None, "canary"])),
            **common,
        ),
    ]
    if careful:
        makers = _sensible(makers, service, here)
    return draw(st.sampled_from(makers))()


def _has_path(subject: Any) -> bool:
    """Whether it is a route that does not take ``/moved``, so that a redirect to that path leads away."""
    return isinstance(subject, meshdsl.Route) and subject.path not in (None, "/*")


def _sensible(makers: list[Callable[[], Any]], service: Service, here: Any) -> list[Callable[[], Any]]:
    """Without what this service cannot have: shares of versions it lacks, policies about requests on bytes."""
    if not _http_ports(service):
        return makers[_FIRST_ABOUT_ACCESS:]
    opaque = len(_http_ports(service)) < max(len(service.ports), 1) and here is service
    sensible = makers if service.versions and not opaque else makers[2:]
    return [*sensible, *makers[_FIRST_ABOUT_ACCESS : _FIRST_ABOUT_ACCESS + 4]]


_FIRST_ABOUT_ACCESS = 11
"""The first maker that is not about requests."""


def targets() -> st.SearchStrategy[meshdsl.Istio | meshdsl.Ambient | meshdsl.Linkerd]:
    """Every target, new and old, generous and strict."""
    accept = (
        "MESH512",
        "MESH513",
        "MESH516",
        "MESH517",
        "MESH520",
        "MESH521",
        "MESH538",
        "MESH550",
        "MESH552",
        "MESH557",
    )
    return st.sampled_from(
        [
            Istio(),
            Istio(version="1.28", accept=accept, trust_domain="example.org"),
            Ambient(gateway_api_channel="experimental", default_retries="off", accept=accept),
            Ambient(waypoint="shared", default_retries="off"),
            Linkerd(accept=accept),
            Linkerd(version="2.18", accept=accept),
            Linkerd(split_api="smi", accept=accept),
        ]
    )
