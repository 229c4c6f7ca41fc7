"""What was measured on Linkerd's proxies and controllers, line by line: the reading answers the same.

The names are the lines of the measurements. Where a line counts answers, the shares stand for them; where it waits, the
deadline does; where it counts attempts, one more than the retries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from meshdsl import Linkerd
from meshdsl.simulate.words import OUTSIDE, Caller, Request, Traffic
from tests.simulate.linkerd_cluster import (
    ALL,
    CALLERS,
    CLIENT,
    IDENTITY,
    OTHER,
    WHO,
    Body,
    app_protocol,
    get,
    identities,
    made,
    namespace,
    networks,
    on_server,
    path,
    policy,
    read,
    route,
    rule,
    seen,
    server,
    service,
    to,
    workloads,
)

V1, V2 = rule(to("v1")), rule(to("v2"))
OLD, YOUNG = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
POLICY = "policy.linkerd.io/v1beta3"


def at(version: str, *matches: Body) -> Body:
    """A rule that sends some requests to a version."""
    return rule(to(version), matches=matches)


@dataclass(frozen=True)
class Row:
    """A line: the objects, the requests, and what each of them sees."""

    line: str
    objects: Sequence[Body]
    asked: Sequence[tuple[Request, str]]
    protocol: str = "http"


def row(line: str, objects: Sequence[Body], *asked: tuple[str | Request, str], protocol: str = "http") -> Row:
    """A line; a request is a path where nothing else matters."""
    given = [(get(one) if isinstance(one, str) else one, wanted) for one, wanted in asked]
    return Row(line, objects, given, protocol)


def header(value: str, **rest: str) -> Body:
    """A match by the header x."""
    return {"headers": [{"name": "x", "value": value, **rest}]}


def with_header(value: str, at_path: str = "/") -> Request:
    """A request with the header x."""
    return get(at_path, headers={"x": value})


REGEX = "RegularExpression"
ROUTED = [
    row("a route is attached: unmatched requests get 404", [route(at("v1", path("/a")))], ("/a", "v1"), ("/b", "404")),
    row("one backend with weight 0 gets 100 %", [route(rule(to("v2", 0)))], ("/", "v2")),
    row("weight 0 among others gets nothing", [route(rule(to("v1", 1), to("v2", 0)))], ("/", "v1")),
    row(
        "missing Service: its weight share answers 500",
        [route(rule(to("v1", 1), to("nope", 1)))],
        ("/", "500 50, v1 50"),
    ),
    row(
        "regex /foo|/foo/bar does not match /foo/bar",
        [route(at("v1", path("/foo|/foo/bar", REGEX)))],
        ("/foo", "v1"),
        ("/foo/bar", "404"),
    ),
    row(
        "regex ^(?:/foo|/foo/bar)$ matches both",
        [route(at("v1", path("^(?:/foo|/foo/bar)$", REGEX)))],
        ("/foo", "v1"),
        ("/foo/bar", "v1"),
        ("/foo/baz", "404"),
    ),
    row(
        "regex listed before Exact of the same length wins (spec says Exact)",
        [route(at("v1", path("/fo+", REGEX)), at("v2", path("/foo", "Exact")))],
        ("/foo", "v1"),
    ),
    row(
        "PathPrefix /foo listed before Exact /foo wins on /foo (spec says Exact)",
        [route(at("v1", path("/foo")), at("v2", path("/foo", "Exact")))],
        ("/foo", "v1"),
    ),
    row(
        "header match beats method match (spec: method first)",
        [route(at("v1", {"method": "GET"}), at("v2", header("1")))],
        (with_header("1"), "v2"),
    ),
    row(
        "prefix /foo/ = /foo, segment-wise",
        [route(at("v1", path("/foo/")))],
        ("/foo", "v1"),
        ("/foo/", "v1"),
        ("/foo/bar", "v1"),
        ("/foobar", "404"),
    ),
    row(
        "Exact /foo is byte equality without the query",
        [route(at("v1", path("/foo", "Exact")))],
        ("/foo", "v1"),
        ("/foo/", "404"),
        (get("/foo", query={"a": "1"}), "v1"),
        ("/FOO", "404"),
        ("/%66oo", "404"),
    ),
    row(
        "header regex: whole value, leftmost-first alternation",
        [route(at("v1", header("a|ab", type=REGEX)), V2)],
        (with_header("a"), "v1"),
        (with_header("ab"), "v2"),
        (with_header("xa"), "v2"),
    ),
    row(
        "query match",
        [route(at("v2", {"queryParams": [{"name": "q", "value": "1"}]}), V1)],
        ("/", "v1"),
        (get(query={"q": "1"}), "v2"),
        (get(query={"q": "2"}), "v1"),
        (get(query={"Q": "1"}), "v1"),
    ),
    row(
        "hostnames against the authority, case-insensitive, *. suffix",
        [route(V1, hostnames=["demo.default", "*.example.org"])],
        (get(headers={"host": "demo.default"}), "v1"),
        (get(headers={"host": "DEMO.default:80"}), "v1"),
        (get(headers={"host": "a.example.org"}), "v1"),
        (get(headers={"host": "a.b.Example.org"}), "v1"),
        (get(headers={"host": "example.org"}), "404"),
        (get(headers={"host": "demo"}), "404"),
    ),
    row("equal matches: the first rule wins", [route(at("v1", path("/a")), at("v2", path("/a")))], ("/a", "v1")),
    row(
        "equal matches in two routes: the older route wins, whatever the name",
        [route(V2, name="a", created=YOUNG), route(V1, name="z", created=OLD)],
        ("/", "v1"),
    ),
    row(
        "RequestRedirect outbound works",
        [
            route(
                rule(
                    filters=[
                        {
                            "type": "RequestRedirect",
                            "requestRedirect": {
                                "path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"},
                                "statusCode": 302,
                            },
                        }
                    ]
                )
            )
        ],
        ("/old", "302 /new"),
    ),
    *(
        row(
            f"{kind}: the whole route is not there (unmatched path is still served) though Accepted",
            [route(rule(to("v1"), matches=[path("/a")], filters=[{"type": kind}]))],
            ("/a", "demo"),
            ("/b", "demo"),
        )
        for kind in ("URLRewrite", "RequestMirror", "CORS")
    ),
    row(
        "update to an unsupported filter: the old version keeps running",
        [
            {
                **(changed := route(rule(to("v1"), filters=[{"type": "URLRewrite"}]))),
                "metadata": {**changed["metadata"], "generation": 2},
            }
        ],
        ("/", "unknown"),
    ),
    row(
        "GRPCRoute with ResponseHeaderModifier: every request to the port fails with 500",
        [
            route(
                rule(to("v1"), filters=[{"type": "ResponseHeaderModifier", "responseHeaderModifier": {}}]),
                kind="GRPCRoute",
            )
        ],
        (get("/pkg.S/M", method="POST"), "500"),
        protocol="grpc",
    ),
    row("appProtocol http: HTTPRoute applies", [app_protocol("http"), route(V2)], ("/", "v2")),
    *(
        row(f"appProtocol {name}: HTTPRoute ignored", [app_protocol(name), route(V2)], ("/", "demo"))
        for name in ("grpc", "http2", "https", "tcp")
    ),
    row(
        "(other than facts/linkerd.md says) appProtocol HTTP: HTTPRoute applies",
        [app_protocol("HTTP"), route(V2)],
        ("/", "v2"),
    ),
    row("undefined Service port: connection reset", [route(V2)], (get(port=81), "403")),
    row(
        "opaque-ports on the Service: HTTPRoute ignored",
        [service({"config.linkerd.io/opaque-ports": "80"}), route(V2)],
        ("/", "demo"),
    ),
    row(
        "GRPCRoute beside an HTTPRoute: HTTP/1 requests no longer follow the HTTPRoute",
        [route(V2), route(V1, name="g", kind="GRPCRoute")],
        ("/", "403"),
    ),
    row(
        "consumer route binds only clients of its namespace",
        [route(V2, namespace="other")],
        ("/", "demo"),
        (get(caller=OTHER), "v2"),
    ),
    row(
        "backendRef without namespace in a consumer route resolves in the parent's namespace",
        [route(rule({"kind": "Service", "name": "bdef", "port": 80}), namespace="other")],
        (get(caller=OTHER), "bdef"),
    ),
    row(
        "producer (older) and consumer route with equal matches: merged, the older wins for the consumer too",
        [route(V1, created=OLD), route(V2, namespace="other", created=YOUNG)],
        ("/", "v1"),
        (get(caller=OTHER), "v1"),
    ),
    row(
        "consumer route older: it wins for its namespace",
        [route(V1, created=YOUNG), route(V2, namespace="other", created=OLD)],
        (get(caller=OTHER), "v2"),
        ("/", "v1"),
    ),
    row(
        "a ServiceProfile with routes switches the HTTPRoute off",
        [
            route(V2),
            made(
                "ServiceProfile",
                "demo.default.svc.cluster.local",
                {"routes": [{"name": "x", "condition": {"pathRegex": "/x"}}]},
                group="linkerd.io/v1alpha2",
            ),
        ],
        ("/", "demo"),
    ),
    row("... deleted: the HTTPRoute is back", [route(V2)], ("/", "v2")),
    row(
        "headless parent: Accepted=False NoMatchingParent",
        [service(spec={"clusterIP": "None", "ports": [{"port": 80}]}), route(V2)],
        ("/", "demo"),
    ),
    row("a call to a pod IP is not routed", [route(V2)], (get(by_name=False), "200")),
]


@pytest.mark.parametrize("row", ROUTED, ids=lambda one: one.line)
def test_routes_do_what_was_measured(row: Row) -> None:
    reading = read(row.objects, protocol=row.protocol)
    for request, wanted in row.asked:
        assert seen(reading.answer(request)) == wanted, request


def test_two_backends_all_weights_0_the_proxy_panics() -> None:
    """A Service whose routes do that keeps what it had before, which nobody can tell; others are answered."""
    reading = read([route(rule(to("v1", 0), to("v2", 0), matches=[path("/a")]), V1)])
    for asked in ("/a", "/b"):
        answer = reading.answer(get(asked))
        assert seen(answer) == "unknown"
        assert answer.unknown[0].startswith("HTTPRoute default/r spec.rules[0].backendRefs: all weights are 0")
    assert seen(reading.answer(get(service="default/v1"))) == "v1"


# ------------------------------------------------------------------------------------------------ timeouts and retries


def annotated(**found: str) -> list[Body]:
    """The Service with annotations of timeouts and retries."""
    return [service(_named(found))]


def _named(found: Mapping[str, str]) -> dict[str, str]:
    return {f"{name.partition('_')[0]}.linkerd.io/{name.partition('_')[2]}": value for name, value in found.items()}


def timed(field: Mapping[str, str], group: str = "gateway.networking.k8s.io/v1", **found: str) -> list[Body]:
    """A route with timeouts of a rule, and annotations."""
    return [route(rule(to("v1"), timeouts=dict(field)), group=group, annotations=_named(found))]


def bound(objects: Sequence[Body], target: Linkerd | None = None) -> int | None:
    """The deadline of a request."""
    traffic = read(objects, target=target).answer(get()).traffic
    assert traffic is not None
    return traffic.timeout


@pytest.mark.parametrize(
    ("line", "objects", "timeout"),
    [
        ("gateway timeouts.request 1s500ms: ignored", timed({"request": "1s500ms"}), None),
        ("gateway timeouts.request 500ms: applied", timed({"request": "500ms"}), 500),
        ("backendRequest is unused", timed({"request": "2s", "backendRequest": "300ms"}), 2000),
        ("backendRequest alone is unused", timed({"backendRequest": "300ms"}), None),
        (
            "policy.linkerd.io HTTPRoute: compound 1s500ms is applied",
            timed({"request": "1s500ms"}, POLICY),
            1500,
        ),
        ("field 0s = no timeout", timed({"request": "0s"}), None),
        ("Service annotation timeout '0s': instant 504", annotated(timeout_request="0s"), 0),
        ("Service annotation timeout '0': instant 504", annotated(timeout_request="0"), 0),
        ("Service annotation timeout '1500us': ignored", annotated(timeout_request="1500us"), None),
        ("Service annotation timeout '1.5s': ignored", annotated(timeout_request="1.5s"), None),
        ("Service annotation timeout '1s500ms': ignored", annotated(timeout_request="1s500ms"), None),
        ("timeout.linkerd.io/response 300ms: 504", annotated(timeout_response="300ms"), 300),
        (
            "(other than facts/linkerd.md says) timeout.linkerd.io/idle 300ms while waiting for the response: none",
            annotated(timeout_idle="300ms"),
            None,
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_deadline_is_what_was_measured(line: str, objects: Sequence[Body], timeout: int | None) -> None:
    assert bound(objects) == timeout, line


def test_any_timeout_on_the_route_hides_all_timeouts_of_the_service_and_retries_are_inherited_separately() -> None:
    objects = [
        *annotated(timeout_request="300ms", retry_http="5xx", retry_limit="2"),
        *timed({}, timeout_idle="10s"),
    ]
    traffic = _traffic(objects)
    assert traffic.timeout is None
    assert traffic.retry is not None
    assert _traffic(objects[:1]).timeout == 300


def _traffic(objects: Sequence[Body]) -> Traffic:
    traffic = read(objects).answer(get()).traffic
    assert traffic is not None
    return traffic


@pytest.mark.parametrize(
    ("line", "found", "tries"),
    [
        ("limit 0 with conditions means 1 retry: 503", {"retry_http": "5xx", "retry_limit": "0"}, {503: 2}),
        ("default limit 1: 503", {"retry_http": "5xx"}, {503: 2}),
        (
            "a space in the list drops all retries of the Service: 503",
            {"retry_http": "5xx, 429", "retry_limit": "2"},
            {503: 1},
        ),
        (
            "gateway-error = 502-504",
            {"retry_http": "gateway-error", "retry_limit": "2"},
            {500: 1, 501: 1, 502: 3, 503: 3, 504: 3, 505: 1},
        ),
        ("only a limit: no status is retried", {"retry_limit": "2"}, {503: 1, 500: 1}),
        ("limit 0 alone is nothing", {"retry_limit": "0"}, {503: 1}),
        ("single statuses and ranges", {"retry_http": "429,500-502", "retry_limit": "3"}, {429: 4, 501: 4, 503: 1}),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_status_is_tried_as_often_as_was_measured(line: str, found: dict[str, str], tries: dict[int, int]) -> None:
    retry = _traffic(annotated(**found)).retry
    named = {"5xx": range(500, 600), "gateway-error": range(502, 505)}
    for status, wanted in tries.items():
        assert not isinstance(retry, str)
        retried = retry is not None and (
            status in retry.statuses or any(status in named.get(one, ()) for one in retry.conditions)
        )
        assert (1 + retry.attempts if retried and retry is not None else 1) == wanted, (line, status)


def test_a_connection_reset_by_the_application_is_retried_where_502_is() -> None:
    """It arrives as 502 from the callee's proxy (measured); with only a limit it is not retried."""
    for condition in ("5xx", "gateway-error", "502"):
        retry = _traffic(annotated(retry_http=condition)).retry
        assert retry is not None
        assert not isinstance(retry, str)
        assert {"reset", "connect-failure"} <= retry.conditions
    for found in ({"retry_http": "503"}, {"retry_limit": "2"}):
        retry = _traffic(annotated(**found)).retry
        assert retry is not None
        assert not isinstance(retry, str)
        assert "reset" not in retry.conditions


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("retry timeout 300ms: a slow first try is retried", {"retry_http": "5xx", "retry_timeout": "300ms"}),
        ("limit+timeout without conditions: slow try retried", {"retry_limit": "1", "retry_timeout": "300ms"}),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_try_has_a_bound_of_its_own(line: str, found: dict[str, str]) -> None:
    retry = _traffic(annotated(**found)).retry
    assert not isinstance(retry, str)
    assert (retry and (retry.attempts, retry.per_try)) == (1, 300), line


# ------------------------------------------------------------------------------------------------- headers and breaker


def test_request_header_modifier_add_set_remove_and_response_header_modifier_outbound_work() -> None:
    modify = {"add": [{"name": "X-A", "value": "add"}], "set": [{"name": "x-s", "value": "set"}], "remove": ["x-r"]}
    filters = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": modify},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["server"]}},
    ]
    assert _traffic([route(rule(to("v1"), filters=filters))]).edits == {
        ("request", "add", "x-a", "add"),
        ("request", "set", "x-s", "set"),
        ("request", "remove", "x-r", ""),
        ("response", "remove", "server", ""),
    }


ACCRUAL = "balancer.linkerd.io/failure-accrual"


def accrual(name: str = "demo", **found: str) -> Body:
    """A Service with a breaker."""
    more = {f"{ACCRUAL}-consecutive-{key.replace('_', '-')}": value for key, value in found.items()}
    return service({ACCRUAL: "consecutive", **more}, name)


def test_a_breaker_of_the_apex_also_covers_the_backends_of_a_split() -> None:
    breaker = _traffic([accrual(max_failures="3"), route(rule(to("v1", 1), to("v2", 1)))]).breaker
    assert breaker is not None
    assert (breaker.consecutive_5xx, breaker.base_ejection_time) == (3, 1000)


def test_a_breaker_only_on_the_versioned_service_has_no_effect_through_the_route_but_when_it_is_called_itself() -> None:
    reading = read([accrual("v1", max_failures="3"), route(rule(to("v1", 1), to("v2", 1)))])
    through, itself = reading.answer(get()).traffic, reading.answer(get(service="default/v1")).traffic
    assert through is not None
    assert through.breaker is None
    assert itself is not None
    assert itself.breaker is not None


def test_min_penalty_0s_is_kept_and_1ss_drops_the_breaker() -> None:
    none = _traffic([accrual(min_penalty="0s")]).breaker
    assert none is not None
    assert none.base_ejection_time == 0
    assert _traffic([accrual(min_penalty="1ss")]).breaker is None


def test_unified_accrual_counts_what_an_answer_has_no_word_for_and_is_none_before_2_20() -> None:
    objects = [service({ACCRUAL: "unified"})]
    answer = read(objects).answer(get())
    assert seen(answer) == "unknown"
    assert "Service default/demo" in answer.unknown[0]
    old = read(objects, target=Linkerd(version="2.19")).answer(get()).traffic
    assert old is not None
    assert old.breaker is None


# ---------------------------------------------------------------------------------------------------------- who may


IDENTIFIED = (CLIENT, Caller("default", "oclient"), OUTSIDE)
"""Both accounts of the measured identities were of the namespace ``default``."""


def who_may(objects: Sequence[Body], asked: str = "/", **rest: Any) -> list[str]:
    """What client, oclient and a client outside the mesh are answered."""
    reading = read(objects, **rest)
    found = [seen(reading.answer(replace(get(asked), caller=caller))) for caller in IDENTIFIED]
    return ["200" if one in ("demo", "200") else one for one in found]


@pytest.mark.parametrize(
    ("line", "objects", "wanted"),
    [
        (
            "AuthorizationPolicy with no requiredAuthenticationRefs allows everyone",
            [server(), policy()],
            ["200", "200", "200"],
        ),
        (
            "reference to a missing MeshTLSAuthentication: policy ignored",
            [server(), policy(WHO)],
            ["403", "403", "403"],
        ),
        ("identities *", [server(), policy(WHO), identities("*")], ["200", "200", "403"]),
        (
            f"identities *.default.{IDENTITY}",
            [server(), policy(WHO), identities(f"*.default.{IDENTITY}")],
            ["200", "200", "403"],
        ),
        (
            f"identities client.default.{IDENTITY}",
            [server(), policy(WHO), identities(f"client.default.{IDENTITY}")],
            ["200", "403", "403"],
        ),
        (
            f"identities *.other.{IDENTITY}",
            [server(), policy(WHO), identities(f"*.other.{IDENTITY}")],
            ["403", "403", "403"],
        ),
        (
            "default-inbound-policy deny + Namespace AuthorizationPolicy without Server: still denied",
            [namespace(default_inbound_policy="deny"), policy(WHO, kind="Namespace", name="default"), identities("*")],
            ["403", "403", "403"],
        ),
        (
            "Namespace policy + Server: opens the Server's routes for its identities, others 403",
            [
                server(),
                on_server(rule(matches=[path("/")])),
                policy(WHO, kind="Namespace", name="default"),
                identities(f"client.default.{IDENTITY}"),
            ],
            ["200", "403", "403"],
        ),
        (
            "identity AND network with except",
            [
                server(),
                policy(WHO, ALL),
                identities(f"client.default.{IDENTITY}"),
                networks({"cidr": "0.0.0.0/0", "except": ["10.1.0.0/16"]}),
            ],
            ["unknown", "403", "403"],
        ),
        (
            "config.linkerd.io/default-inbound-policy deny: 403",
            [namespace(default_inbound_policy="deny")],
            ["403", "403", "403"],
        ),
        (
            "all-authenticated: unmeshed 403",
            [namespace(default_inbound_policy="all-authenticated")],
            ["200", "200", "403"],
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_who_may_call_is_what_was_measured(line: str, objects: Sequence[Body], wanted: list[str]) -> None:
    assert who_may(objects) == wanted, line


def test_unmatched_path_404_for_the_allowed_one_too() -> None:
    routed = [server(), on_server(rule(matches=[path("/a")])), policy(WHO, kind="Namespace", name="default")]
    assert who_may([*routed, identities("*")], "/b") == ["404", "404", "404"]


@pytest.mark.parametrize("oldest", ["name", "number"])
def test_of_overlapping_servers_by_name_and_number_the_older_wins_not_the_name_order(oldest: str) -> None:
    created = {"name": OLD, "number": YOUNG} if oldest == "name" else {"name": YOUNG, "number": OLD}
    objects = [
        *workloads(ports=[{"name": "http", "containerPort": 8080}]),
        server("a", accessPolicy="all-unauthenticated", created=created["number"]),
        server("b", port="http", created=created["name"]),
    ]
    assert who_may(objects) == (["403"] * 3 if oldest == "name" else ["200"] * 3)


def test_inbound_response_header_modifier_is_dropped_and_request_header_modifier_applied() -> None:
    modify = {"set": [{"name": "x-s", "value": "1"}]}
    filters = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": modify},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": modify},
    ]
    traffic = _traffic([server(accessPolicy="all-unauthenticated"), on_server(rule(filters=filters))])
    assert traffic.edits == {("request", "set", "x-s", "1")}


@pytest.mark.parametrize("how", [{"port": 8080}, {"sectionName": "http"}], ids=["port", "sectionName"])
def test_a_route_on_a_server_with_port_or_section_name_is_ignored(how: dict[str, Any]) -> None:
    ignored = on_server(rule(matches=[path("/nowhere")]), parent=how)
    assert who_may([server(accessPolicy="all-unauthenticated"), ignored]) == ["200", "200", "200"]


def test_a_local_rate_limit_is_named_where_it_could_refuse() -> None:
    """429 for what is beyond it (measured), which an answer has no word for; whom nobody lets in stays refused."""
    target = {"group": "policy.linkerd.io", "kind": "Server", "name": "srv"}
    spec = {"targetRef": target, "identity": {"requestsPerSecond": 5}}
    limit = made("HTTPLocalRateLimitPolicy", "l", spec)
    objects = [limit, server(), policy(WHO), identities(f"client.default.{IDENTITY}")]
    assert who_may(objects) == ["unknown", "403", "403"]
    assert read(objects).answer(get()).unknown[0].startswith("HTTPLocalRateLimitPolicy default/l")


def test_under_default_inbound_policy_deny_a_declared_http_probe_passes() -> None:
    """A GET of the exact path, for everybody; a pod without a declared probe refuses the kubelet (measured)."""
    closed = [namespace(default_inbound_policy="deny")]
    for reading in (read(closed, probes=[("/ready", 8080)]), read([*closed, *workloads(probe="/ready")])):
        for caller in CALLERS:
            assert seen(reading.answer(get("/ready", caller=caller))) in ("demo", "200")
            assert seen(reading.answer(get("/ready/more", caller=caller))) == "403"
            assert seen(reading.answer(get("/ready", caller=caller, method="POST"))) == "403"
    assert who_may(closed, "/ready") == ["403", "403", "403"]


def test_a_request_of_the_measured_client_is_answered_with_mtls() -> None:
    assert read([]).answer(get(caller=CLIENT)).mtls is True
    assert read([]).answer(get(caller=CALLERS[2])).mtls is False
