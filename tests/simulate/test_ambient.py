"""What was measured on ztunnel, line by line, and what waypoints do that nobody would guess: the reading answers the same.

The names of the first tests are the lines of the measurements; ``nomesh`` there is ``plain`` here, ``oclient`` is
``far``.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

from meshdsl import Ambient
from meshdsl.simulate.ambient import AmbientReading
from meshdsl.simulate.istio_route import DEFAULT_CONDITIONS
from meshdsl.simulate.words import MESH, OUTSIDE, Backend, Breaker, Caller, Redirected, Request, Retries, Verdict
from tests.simulate.istio_cluster import (
    FAR,
    HOST,
    OTHER,
    ROOT,
    WEB,
    Body,
    admitted,
    ambient,
    body,
    connection,
    destination_rule,
    get,
    labels,
    peer,
    policy,
    principal,
    rule,
    seen,
    traffic,
    virtual_service,
    why,
)

CLIENT = principal(WEB)
EVERYBODY = "web other far plain"
MESHED = "web other far"
OWN: dict[str, Any] = {"selector": {"matchLabels": {"app": "api"}}}
ALLOW = policy(rule(principals=[CLIENT]))

MEASURED: list[tuple[str, list[Body], Request, str]] = [
    ("no policy: everyone", [], get(), EVERYBODY),
    ("PeerAuthentication STRICT (namespace): unmeshed refused", [peer("STRICT")], get(), MESHED),
    (
        "workload STRICT + port 9090 PERMISSIVE: 8080 refused for unmeshed",
        [peer("STRICT", portLevelMtls={"9090": {"mode": "PERMISSIVE"}}, **OWN)],
        get(),
        MESHED,
    ),
    (
        "... 9090 open",
        [peer("STRICT", portLevelMtls={"9090": {"mode": "PERMISSIVE"}}, **OWN)],
        connection(),
        EVERYBODY,
    ),
    ("mode DISABLE: meshed clients still reach it", [peer("DISABLE")], get(), EVERYBODY),
    ("ALLOW principals client", [ALLOW], get(), "web"),
    ("DENY principals client", [policy(rule(principals=[CLIENT]), action="DENY")], get(), "other far plain"),
    ("ALLOW namespaces other", [policy(rule(namespaces=["elsewhere"]))], get(), "far"),
    ("ALLOW principals suffix */sa/client", [policy(rule(principals=["*/sa/web"]))], get(), "web far"),
    ("ALLOW principals * = any mTLS peer", [policy(rule(principals=["*"]))], get(), MESHED),
    ("ALLOW ports 8080: port 8080 open", [policy(rule(to={"ports": ["8080"]}))], get(), EVERYBODY),
    ("... 9090 refused", [policy(rule(to={"ports": ["8080"]}))], connection(), ""),
    (
        "ALLOW ipBlocks",  # of the address of "other": whose it is no manifest says
        [policy(rule(ipBlocks=["10.77.0.12/32"]))],
        get(),
        "web? other? far? plain?",
    ),
    (
        "ALLOW with an HTTP method at ztunnel: nobody matches",
        [policy(rule(to={"methods": ["GET"]}))],
        get(),
        "",
    ),
    (
        "DENY with an HTTP method at ztunnel (selector): the whole rule never matches; everybody passes",
        [policy(rule(principals=[CLIENT], to={"methods": ["GET"]}), action="DENY")],
        get(),
        EVERYBODY,
    ),
    ("spec {} (namespace): deny all", [{**policy(), "spec": {}}], get(), ""),
    ("spec {} in the root namespace: deny all", [{**policy(namespace=ROOT), "spec": {}}], get(), ""),
    (
        "DENY beats ALLOW",
        [ALLOW, policy(rule(principals=[CLIENT]), action="DENY", name="no")],
        get(),
        "",
    ),
    ("DENY notPrincipals client", [policy(rule(notPrincipals=[CLIENT]), action="DENY")], get(), "web"),
    (
        "ALLOW when source.principal",
        [policy(rule(when=[{"key": "source.principal", "values": [CLIENT]}]))],
        get(),
        "web",
    ),
    ("ALLOW serviceAccounts client (own namespace)", [policy(rule(serviceAccounts=["web"]))], get(), "web"),
    ("AUDIT: no effect", [policy(rule(principals=[CLIENT]), action="AUDIT")], get(), EVERYBODY),
    (
        "ALLOW requestPrincipals at ztunnel: nobody",
        [policy(rule(requestPrincipals=["*"]))],
        get(),
        "",
    ),
    (
        "policy with targetRefs Service and no waypoint: not enforced by ztunnel",
        [policy(rule(principals=["nobody"]), targetRefs=[{"group": "", "kind": "Service", "name": "api"}])],
        get(),
        EVERYBODY,
    ),
    (
        "1. with ports in the same to it is enforced without the method",
        [policy(rule(to={"methods": ["DELETE"], "ports": ["8080"]}), action="DENY")],
        get(),
        "",
    ),
    (
        "1. request.headers in a DENY is an empty match, which never holds",
        [policy(rule(principals=[CLIENT], when=[{"key": "request.headers[x]", "values": ["a"]}]), action="DENY")],
        get(headers={"x": "a"}),
        EVERYBODY,
    ),
]


@pytest.mark.parametrize(("line", "objects", "request_", "wanted"), MEASURED, ids=[one[0] for one in MEASURED])
def test_whom_ztunnel_was_measured_to_let_in(line: str, objects: list[Body], request_: Request, wanted: str) -> None:
    del line
    assert admitted(ambient(*objects), request_) == wanted


# ------------------------------------------------------------------------------------------------------------- ztunnel


def test_ztunnel_enforces_nothing_of_a_custom_policy_or_one_on_trial() -> None:
    nobody = rule(principals=["nobody"])
    assert admitted(ambient(policy(nobody, action="CUSTOM", provider={"name": "opa"})), get()) == EVERYBODY
    assert admitted(ambient(policy(nobody, annotations={"istio.io/dry-run": "true"})), get()) == EVERYBODY


def test_an_empty_rule_is_everybody_also_at_ztunnel() -> None:
    assert admitted(ambient(policy({})), get()) == EVERYBODY
    assert admitted(ambient(policy({}, action="DENY")), get()) == ""
    assert admitted(ambient(policy({"from": [{"source": {}}]}, action="DENY")), get()) == EVERYBODY  # an empty match


def test_trust_domains_at_ztunnel_depend_on_the_version() -> None:
    given = policy(rule(trustDomains=["cluster.local"], namespaces=["prod"]))
    assert admitted(ambient(given), get()) == "web? other?"


@pytest.mark.parametrize(
    ("modes", "open_ports"),
    [({"8080": "DISABLE"}, []), ({"8080": "DISABLE", "9090": "PERMISSIVE"}, [80, 90]), ({"8080": "PERMISSIVE"}, [80])],
    ids=str,
)
def test_a_policy_that_inherits_strict_has_its_ports_only_if_one_is_permissive(
    modes: dict[str, str], open_ports: list[int]
) -> None:
    ports = {port: {"mode": mode} for port, mode in modes.items()}
    reading = ambient(peer("STRICT"), peer(None, name="own", portLevelMtls=ports, **OWN))
    asked = {80: get(caller=OUTSIDE), 90: connection(OUTSIDE)}
    assert [port for port, one in asked.items() if reading.answer(one).allowed] == open_ports


def test_paths_are_as_they_were_sent_where_no_waypoint_is() -> None:
    assert traffic(ambient(), get("/a/../b")).path == "/a/../b"
    assert traffic(bound(), get("/a/../b")).path == "/b"


def test_a_namespace_that_is_kept_out_enforces_nothing() -> None:
    out = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "prod", "labels": {"istio.io/dataplane-mode": "none"}},
    }
    assert admitted(ambient(out, policy(selector=None), peer("STRICT")), get()) == EVERYBODY


# ------------------------------------------------------------------------------------------------------------- binding


def service(**found: str) -> Body:
    """The labels of the Service ``api``."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api", "namespace": "prod", "labels": found}}


def namespace(**found: str) -> Body:
    """The labels of the namespace ``prod``."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "labels": found}}


def gateway(
    name: str = "waypoint", where: str = "prod", *, let_in: str = "Same", status: Body | None = None, **rest: Any
) -> Body:
    """A waypoint."""
    listener = {"name": "mesh", "port": 15008, "protocol": "HBONE", "allowedRoutes": {"namespaces": {"from": let_in}}}
    spec = {"gatewayClassName": "istio-waypoint", "listeners": [listener]}
    made = body("Gateway", spec, name=name, namespace=where, **rest)
    return made if status is None else {**made, "status": status}


BOUND = service(**{"istio.io/use-waypoint": "waypoint"})


def bound(*objects: Body, target: Ambient | None = None) -> AmbientReading:
    """The reading of a mesh in which ``api`` is bound to a waypoint."""
    return ambient(gateway(), BOUND, *objects, target=target)


def at_waypoint(*rules: Body, **rest: Any) -> Body:
    """An AuthorizationPolicy of the Service ``api``."""
    return policy(*rules, targetRefs=[{"group": "", "kind": "Service", "name": "api"}], **rest)


FENCE = policy(rule(principals=["cluster.local/ns/prod/sa/waypoint"]), name="fence")
GETS = at_waypoint(rule(principals=[CLIENT], to={"methods": ["GET"], "ports": ["80"]}), name="gets")


def test_a_waypoint_judges_requests_and_ztunnel_sees_its_identity() -> None:
    reading = bound(GETS, FENCE)
    assert admitted(reading, get()) == "web"
    assert admitted(reading, get(method="POST")) == ""
    assert reading.answer(get(by_name=False)).verdict is Verdict.DENIED  # past the waypoint stands the fence
    assert admitted(bound(ALLOW), get()) == ""  # what names the client there lets nobody in
    assert admitted(bound(GETS), get()) == "web plain"  # a caller outside the mesh never passes a waypoint


def test_ports_of_a_rule_at_a_waypoint_are_those_of_the_service() -> None:
    assert admitted(bound(at_waypoint(rule(to={"ports": ["8080"]}))), get()) == "plain"


def test_a_policy_may_be_attached_to_the_waypoint_or_its_class() -> None:
    nobody = rule(principals=["nobody"])
    api = "gateway.networking.k8s.io"
    of_gateway = policy(nobody, targetRefs=[{"group": api, "kind": "Gateway", "name": "waypoint"}])
    of_class = policy(
        nobody, namespace=ROOT, targetRefs=[{"group": api, "kind": "GatewayClass", "name": "istio-waypoint"}]
    )
    other = policy(nobody, targetRefs=[{"group": api, "kind": "Gateway", "name": "elsewhere"}])
    assert [admitted(bound(one), get()) for one in (of_gateway, of_class, other)] == ["plain", "plain", EVERYBODY]


NOTHING = at_waypoint(name="nothing")
"""Lets nobody in where the waypoint is passed."""


@pytest.mark.parametrize(
    ("objects", "passes"),
    [
        ([gateway(), BOUND], True),
        ([gateway(), namespace(**{"istio.io/use-waypoint": "waypoint"})], True),
        ([gateway(), namespace(**{"istio.io/use-waypoint": "waypoint"}), service(**{"istio.io/use-waypoint": "none"})], False),
        ([BOUND], False),
        ([gateway()], False),
        ([gateway(labels={"istio.io/waypoint-for": "workload"}), BOUND], False),
        ([gateway(labels={"istio.io/waypoint-for": "all"}), BOUND], True),
        ([gateway(status={"conditions": [{"type": "Accepted"}]}), BOUND], False),
        ([gateway(status={"conditions": [], "addresses": [{"value": "10.0.0.1"}]}), BOUND], True),
        (
            [
                gateway(where="edge", let_in="All"),
                service(**{"istio.io/use-waypoint": "waypoint", "istio.io/use-waypoint-namespace": "edge"}),
            ],
            True,
        ),
        (
            [
                gateway(where="edge"),
                service(**{"istio.io/use-waypoint": "waypoint", "istio.io/use-waypoint-namespace": "edge"}),
            ],
            False,
        ),
    ],
)  # fmt: skip
def test_whether_a_call_by_name_passes_a_waypoint(objects: list[Body], passes: bool) -> None:
    answer = ambient(NOTHING, *objects).answer(get())
    assert answer.verdict is (Verdict.DENIED if passes else Verdict.ALLOWED)


def test_a_waypoint_that_the_profile_names_is_there() -> None:
    named = service(**{"istio.io/use-waypoint": "gate"})
    assert ambient(NOTHING, named, target=Ambient(waypoint="gate")).answer(get()).verdict is Verdict.DENIED
    assert ambient(NOTHING, named).answer(get()).allowed


def test_a_missing_waypoint_is_told() -> None:
    answer = ambient(NOTHING, BOUND).answer(get(), explain=True)
    assert "there is no waypoint prod/waypoint: traffic flows without it @ Service prod/api" in why(answer)


@pytest.mark.parametrize(
    "strange",
    [
        service(**{"istio.io/use-waypoint": "waypoint", "istio.io/use-waypoint-canary": "new"}),
        virtual_service({"route": []}),
        body("EnvoyFilter", {}),
        body("GRPCRoute", {"parentRefs": [{"group": "", "kind": "Service", "name": "api"}]}),
        body("ServiceEntry", {"hosts": [HOST]}),
    ],
    ids=lambda one: str(one["kind"]),
)
def test_what_is_not_modelled_at_a_waypoint_is_named(strange: Body) -> None:
    answer = ambient(gateway(), strange if strange["kind"] == "Service" else BOUND, strange).answer(get())
    assert answer.verdict is Verdict.UNKNOWN
    assert f"{strange['kind']} prod/api" in answer.unknown[0]


def test_what_is_only_read_by_sidecars_costs_nothing() -> None:
    sidecar = body("Sidecar", {"egress": [{"hosts": ["./*"]}], "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}})
    unread = [sidecar, virtual_service({"route": []}), body("EnvoyFilter", {})]
    assert seen(ambient(*unread).answer(get())) == "api"  # without a waypoint
    assert seen(bound(sidecar).answer(get())) == "api"


def test_calls_to_an_address_may_pass_a_waypoint_for_workloads() -> None:
    workloads = gateway(labels={"istio.io/waypoint-for": "all"})
    assert ambient(workloads).answer(get(by_name=False)).verdict is Verdict.UNKNOWN
    assert ambient(gateway()).answer(get(by_name=False)).allowed


# -------------------------------------------------------------------------------------------------------------- routes


def to(version: str = "", weight: int | None = None, **rest: Any) -> Body:
    """A backendRef: the Service of a version, or ``api``."""
    found = {"name": f"api-{version}" if version else "api", "port": 80, **rest}
    return found if weight is None else {**found, "weight": weight}


def http_route(*rules: Body, name: str = "api", port: int | None = 80, where: str = "prod", **metadata: Any) -> Body:
    """An HTTPRoute of the Service ``api``."""
    parent = {"group": "", "kind": "Service", "name": "api", "namespace": "prod"}
    spec = {"parentRefs": [parent if port is None else {**parent, "port": port}], "rules": list(rules)}
    return body("HTTPRoute", spec, name=name, namespace=where, **metadata)


def at(version: str, *matches: Body) -> Body:
    """A rule that sends some requests to a version."""
    return {"matches": list(matches), "backendRefs": [to(version)]}


def path(value: str, kind: str = "PathPrefix", **rest: Any) -> Body:
    """A match by path."""
    return {"path": {"type": kind, "value": value}, **rest}


def header(name: str, value: str, kind: str = "Exact") -> Body:
    """A match by header."""
    return {"headers": [{"name": name, "value": value, "type": kind}]}


def routed(rules: Sequence[Body], **asked: Any) -> str:
    """What a request sees of one HTTPRoute with these rules."""
    return seen(bound(http_route(*rules)).answer(get(**asked)))


@pytest.mark.parametrize(
    ("match", "asked", "holds"),
    [
        (path("/a"), {"path": "/a"}, True),
        (path("/a"), {"path": "/a/b"}, True),
        (path("/a"), {"path": "/ab"}, False),
        (path("/a/"), {"path": "/a"}, True),
        (path("/a", "Exact"), {"path": "/a/"}, False),
        (path("/a/[0-9]+", "RegularExpression"), {"path": "/a/1"}, True),
        (path("/a", "Exact"), {"path": "/%61"}, True),
        ({"method": "POST"}, {"method": "POST"}, True),
        (header("X-Team", "a"), {"headers": {"x-team": "a"}}, True),
        (header("x", "a+", "RegularExpression"), {"headers": {"x": "aa"}}, True),
        (header("x", "a+", "RegularExpression"), {}, False),
        ({"queryParams": [{"name": "q", "value": "1"}]}, {"query": {"q": "1"}}, True),
        ({"headers": [{"name": "x", "value": "1"}, {"name": "X", "value": "2"}]}, {"headers": {"x": "1"}}, True),
        ({}, {"path": "/a"}, True),
    ],
)
def test_what_a_match_of_a_route_takes(match: Body, asked: Body, holds: bool) -> None:
    assert routed([at("v2", match)], **asked) == ("v2" if holds else "404")


@pytest.mark.parametrize(
    ("first", "second", "asked"),
    [
        (path("/a", "Exact"), path("/a/b/c"), {"path": "/a"}),
        (path("/a"), path("/.*/long-and-longer", "RegularExpression"), {"path": "/a/long-and-longer"}),
        (path("/a/b"), path("/a", method="GET"), {"path": "/a/b"}),
        (path("/a", method="GET"), path("/a", **header("x", "1")), {"path": "/a", "headers": {"x": "1"}}),
        (path("/", **header("x", "1")), path("/", queryParams=[{"name": "q", "value": "1"}]), {"headers": {"x": "1"}, "query": {"q": "1"}}),
    ],
)  # fmt: skip
def test_the_more_specific_match_wins_whatever_the_order(first: Body, second: Body, asked: Body) -> None:
    rules = [at("v1", first), at("v2", second)]
    assert routed(rules, **asked) == routed(rules[::-1], **asked) == "v1"


def test_of_equal_matches_the_older_route_wins_then_the_earlier_rule() -> None:
    old, young = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    one = http_route(at("v1", path("/")), name="b", creationTimestamp=old)
    two = http_route(at("v2", path("/")), name="a", creationTimestamp=young)
    assert seen(bound(two, one).answer(get())) == "v1"
    assert routed([at("v2", path("/")), at("v1", path("/"))]) == "v2"


def test_a_route_for_another_port_or_of_a_callers_namespace_is_not_read_at_the_waypoint() -> None:
    assert seen(bound(http_route(at("v2"), port=81)).answer(get())) == "api"
    assert seen(bound(http_route(at("v2"), where="elsewhere")).answer(get(caller=FAR))) == "api"
    assert seen(bound(http_route(at("v2"), port=None)).answer(get())) == "v2"
    assert seen(ambient(http_route(at("v2"))).answer(get())) == "api"  # without a waypoint nobody reads it


def test_routes_with_and_without_a_port_are_not_one() -> None:
    answer = bound(http_route(at("v1"), name="a"), http_route(at("v2"), name="b", port=None)).answer(get())
    assert answer.unknown[0].startswith("HTTPRoute prod/a and HTTPRoute prod/b: routes with and without a port")


def test_weights_of_backends() -> None:
    assert routed([{"backendRefs": [to("v1", 3), to("v2")]}]) == "v1 75, v2 25"
    assert routed([{"backendRefs": [to("v1", 0), to("v2", 5)]}]) == "v2"
    assert routed([{"backendRefs": [to("v1", 0)]}]) == "500"
    assert routed([{}]) == "500"
    assert routed([{"backendRefs": [to("v9")]}]) == "unknown"
    assert routed([{"backendRefs": [{"kind": "Bucket", "name": "x", "port": 80}]}]) == "unknown"


def done(rule_: Body, *, target: Ambient | None = None, **asked: Any) -> Any:
    """What a rule does."""
    return traffic(bound(http_route({"backendRefs": [to()], **rule_}), target=target), get(**asked))


@pytest.mark.parametrize(
    ("rule_", "timeout", "retry"),
    [
        ({}, None, MESH),
        ({"timeouts": {"request": "1m30s"}}, 90_000, MESH),
        ({"timeouts": {"request": "0s"}}, None, MESH),
        ({"timeouts": {"request": "10s", "backendRequest": "2s"}}, 2000, MESH),
        (
            {"timeouts": {"request": "10s", "backendRequest": "2s"}, "retry": {"attempts": 3, "codes": [503]}},
            10_000,
            Retries(3, DEFAULT_CONDITIONS, frozenset({503}), 2000),
        ),
        ({"retry": {"backoff": "100ms"}}, None, Retries(2, DEFAULT_CONDITIONS, frozenset(), None, 100)),
        ({"retry": {"attempts": 0}}, None, None),
    ],
)
def test_timeouts_and_retries_of_a_route(rule_: Body, timeout: int | None, retry: object) -> None:
    found = done(rule_)
    assert (found.timeout, found.retry) == (timeout, retry)


def test_default_retries_that_are_switched_off_are_none_for_a_route() -> None:
    off = Ambient(default_retries="off")
    assert done({}, target=off).retry is None
    assert traffic(bound(target=off), get()).retry == MESH  # of this nobody has said anything


def test_filters_of_a_route() -> None:
    modifier = {"set": [{"name": "X-Share", "value": "100%%"}], "remove": ["x-debug"]}
    found = done({"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}]})
    assert found.edits == frozenset({("request", "set", "x-share", "100%"), ("request", "remove", "x-debug", "")})
    mirror = {"backendRef": {"name": "shadow", "port": 80}, "fraction": {"numerator": 1, "denominator": 3}}
    found = done({"filters": [{"type": "RequestMirror", "requestMirror": mirror}]})
    assert found.mirror == (Backend("prod", labels(app="shadow"), 8080), Fraction(100, 3))
    for match, modifier_, sent, wanted in (
        (path("/old"), {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new/"}, "/old/x", "/new/x"),
        (path("/old"), {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}, "/old", "/"),
        (path("/old", "Exact"), {"type": "ReplaceFullPath", "replaceFullPath": "/new"}, "/old", "/new"),
    ):
        rewrite = {"type": "URLRewrite", "urlRewrite": {"hostname": "x", "path": modifier_}}
        found = done({"matches": [match], "filters": [rewrite]}, path=sent)
        assert (found.path, found.host) == (wanted, "x")


@pytest.mark.parametrize(
    ("redirect", "wanted"),
    [
        ({}, Redirected(302, "http", None, 80, "/a")),
        ({"scheme": "https", "statusCode": 301}, Redirected(301, "https", None, 443, "/a")),
        ({"hostname": "x", "port": 8443, "scheme": "https"}, Redirected(302, "https", "x", 8443, "/a")),
        ({"path": {"type": "ReplaceFullPath", "replaceFullPath": "/b"}}, Redirected(302, "http", None, 80, "/b")),
    ],
)
def test_where_a_redirect_of_a_route_leads(redirect: Body, wanted: Redirected) -> None:
    rule_ = {"matches": [path("/")], "filters": [{"type": "RequestRedirect", "requestRedirect": redirect}]}
    answer = bound(http_route(rule_), FENCE).answer(get("/a"))
    assert answer.allowed
    assert answer.traffic is not None
    assert answer.traffic.redirect == wanted


def test_a_filter_that_is_not_modelled_costs_the_requests_of_its_rule() -> None:
    strange = {"matches": [path("/a")], "filters": [{"type": "ExtensionRef"}], "backendRefs": [to()]}
    reading = bound(http_route(strange, at("v2", path("/"))))
    answer = reading.answer(get("/a"))
    assert answer.unknown == ("HTTPRoute prod/api spec.rules[0].filters[0]: a filter ExtensionRef is not modelled",)
    assert seen(reading.answer(get("/b"))) == "v2"


def test_a_waypoint_judges_a_request_before_it_changes_it() -> None:
    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/b"}}}
    route = http_route({"matches": [path("/a")], "filters": [rewrite], "backendRefs": [to()]})
    reading = bound(route, at_waypoint(rule(to={"paths": ["/a"]})))
    assert reading.answer(get("/a")).allowed
    assert reading.answer(get("/nowhere")).verdict is Verdict.DENIED  # refused before it is found that no rule is there


def test_the_breaker_is_that_of_the_service_that_a_request_is_sent_to() -> None:
    def limit(number: int, host: str = HOST, **rest: Any) -> Body:
        pool = {"connectionPool": {"tcp": {"maxConnections": number}}}
        return destination_rule(host=host, subsets=[], trafficPolicy=pool, **rest)

    of_v2 = limit(2, "api-v2.prod.svc.cluster.local", name="v2")
    reading = bound(limit(1), of_v2, http_route(at("v2", path("/2")), {"backendRefs": [to()]}))
    assert [traffic(reading, get(one)).breaker for one in ("/", "/2")] == [Breaker(1), Breaker(2)]
    both = bound(of_v2, http_route({"backendRefs": [to("v1"), to("v2")]}))
    assert both.answer(get()).verdict is Verdict.UNKNOWN
    hidden = bound(limit(1), limit(3, namespace="elsewhere"))
    assert traffic(hidden, get(caller=FAR)).breaker == Breaker(1)  # a waypoint never looks in the caller's namespace
    assert traffic(ambient(limit(1)), get()).breaker is None  # without a waypoint nobody keeps it


def test_a_token_is_looked_at_by_the_waypoint() -> None:
    spec = {"targetRefs": [{"group": "", "kind": "Service", "name": "api"}], "jwtRules": [{"issuer": "x"}]}
    jwt = body("RequestAuthentication", spec)
    assert bound(jwt).answer(get()).allowed
    assert bound(jwt).answer(get(headers={"authorization": "Bearer x"})).verdict is Verdict.UNKNOWN


# ------------------------------------------------------------------------------------------------------------- reasons


def test_the_reasons_name_object_and_field_of_each_step() -> None:
    reading = bound(
        GETS, FENCE, http_route(at("v2", path("/a")), {**at("v1", path("/")), "timeouts": {"request": "5s"}})
    )
    answer = reading.answer(get(), explain=True)
    assert answer == reading.answer(get())
    lines = why(answer).splitlines()
    for line in (
        "mTLS as prod/web to the waypoint @ ",
        "it passes the waypoint prod/waypoint @ Service prod/api metadata.labels[istio.io/use-waypoint]",
        "the waypoint prod/waypoint: an ALLOW rule lets it in @ AuthorizationPolicy prod/gets spec.rules[0]",
        "passed over: it asks that path is /a or below it @ HTTPRoute prod/api spec.rules[0]",
        "this rule takes it: every request @ HTTPRoute prod/api spec.rules[1].matches[0]",
        "timeout of 5s @ HTTPRoute prod/api spec.rules[1].timeouts",
        "ztunnel before pods of prod on port 8080: an ALLOW rule lets it in @ AuthorizationPolicy prod/fence spec.rules[0]",
    ):
        assert line in lines, "\n".join(lines)
    dropped = ambient(policy(rule(to={"methods": ["GET"]}))).answer(get(), explain=True)
    assert "passed over: it is about requests (methods), so ztunnel does not have it" in why(dropped)
    stripped = ambient(policy(rule(to={"methods": ["GET"]}), action="DENY")).answer(get(), explain=True)
    assert "to: nothing is left of it, so it never matches" in why(stripped)
    assert "ztunnel leaves out what is about requests: methods" in why(stripped)


def test_an_account_of_a_waypoint_may_be_named() -> None:
    named = gateway(annotations={"gateway.istio.io/service-account": "gate"})
    fence = policy(rule(principals=["cluster.local/ns/prod/sa/gate"]), name="fence")
    assert ambient(named, BOUND, fence).answer(get(caller=OTHER)).allowed


def test_another_trust_domain_is_another_identity() -> None:
    stranger = Caller("prod", "web", "other.org")
    assert ambient(ALLOW).answer(get(caller=stranger)).verdict is Verdict.DENIED
    assert ambient(policy(rule(namespaces=["prod"]))).answer(get(caller=stranger)).allowed
