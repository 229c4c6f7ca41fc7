"""What was measured on a real mesh with sidecars, line by line: the reading answers the same.

The names are the lines of the measurements. Where a line counts answers, the shares stand for them; where it waits, the
deadline does; where it counts attempts, one more than the retries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from meshdsl.simulate.attempts import tries
from meshdsl.simulate.istio_route import DEFAULT_CONDITIONS
from meshdsl.simulate.words import MESH, OUTSIDE, Breaker, Limits, Request, Retries
from tests.simulate.istio_cluster import (
    OTHER,
    ROOT,
    WEB,
    Body,
    admitted,
    connection,
    destination_rule,
    get,
    istio,
    peer,
    policy,
    principal,
    rule,
    seen,
    to,
    traffic,
    virtual_service,
)


@dataclass(frozen=True)
class Row:
    """A line: the objects, the requests, and what each of them sees."""

    line: str
    objects: Sequence[Body]
    asked: Sequence[tuple[Request, str]]


def row(line: str, objects: Sequence[Body], *asked: tuple[str | Request, str]) -> Row:
    """A line; a request is a path where nothing else matters."""
    return Row(line, objects, [(get(one) if isinstance(one, str) else one, wanted) for one, wanted in asked])


CANARY = {"headers": {"x-canary": {"exact": "true"}}}
PATHS = virtual_service(
    {"match": [{"uri": {"exact": "/a"}}, {"uri": {"prefix": "/a/"}}], "route": [to("v2")]}, {"route": [to("v1")]}
)
SPLIT = virtual_service({"match": [CANARY], "route": [to("v2")]}, {"route": [to("v1", 90), to("v2", 10)]})
SECRET = policy(rule(to={"paths": ["/secret"]}), action="DENY")
WEB_GETS = policy(rule(principals=[principal(WEB)], to={"methods": ["GET"]}))


MATCHED = {
    "/a": "v2", "/a/": "v2", "/a/b": "v2", "/a?x=1": "v2", "/ab": "v1", "/A": "v1", "/": "v1", "/b/a": "v1", "//a": "v1",
    "/a//b": "v2", "/%61": "v2", "/b/../a": "v2",
}  # fmt: skip
REFUSED = {
    "/secret": 403, "/secret/": 200, "/SECRET": 200, "//secret": 200, "/x/../secret": 403, "/%73ecret": 403,
    "/secretx": 200,
}  # fmt: skip


def delete(caller: object = WEB) -> Request:
    """A DELETE of somebody."""
    return get(caller=caller, method="DELETE")


MEASURED = [
    row("in-mesh request", [], ("/", "api")),
    row("PERMISSIVE by default: plain text client answered", [], (get(caller=OUTSIDE), "allowed")),
    row("no VirtualService: both versions answer", [], ("/", "api")),
    row(
        "90/10 split",
        [destination_rule(), virtual_service({"route": [to("v1", 90), to("v2", 10)]})],
        ("/", "v1 90, v2 10"),
    ),
    row("x-canary: true -> v2 always", [destination_rule(), SPLIT], (get(headers={"x-canary": "true"}), "v2")),
    row(
        "the value is case-sensitive",
        [destination_rule(), SPLIT],
        (get(headers={"x-canary": "True"}), "v1 90, v2 10"),
    ),
    row("a client without sidecar sees no split", [destination_rule(), SPLIT], (get(caller=OUTSIDE), "allowed")),
    row(
        "the short host in the VirtualService covers the full name",
        [destination_rule(), virtual_service({"route": [to("v2", host="api")]}, hosts=["api"])],
        ("/", "v2"),
    ),
    row(
        "fact: a subset that does not exist",
        [destination_rule(), virtual_service({"route": [to("v1", 90), to("v3", 10)]})],
        ("/", "503 10, v1 90"),
    ),
    row(
        "exact /a + prefix /a/",
        [destination_rule(), PATHS],
        *((get(path.partition("?")[0]), version) for path, version in MATCHED.items()),
    ),
    row(
        "prefix /a alone also takes /ab",
        [
            destination_rule(),
            virtual_service({"match": [{"uri": {"prefix": "/a"}}], "route": [to("v2")]}, {"route": [to("v1")]}),
        ],
        ("/ab", "v2"),
        ("/b", "v1"),
    ),
    row(
        "no rule matches: 404 from the sidecar",
        [virtual_service({"match": [{"uri": {"exact": "/a"}}], "route": [to()]})],
        ("/a", "api"),
        ("/b", "404"),
    ),
    row("STRICT: a client without sidecar is cut off", [peer("STRICT")], (get(caller=OUTSIDE), "denied")),
    row("STRICT: in-mesh client answered", [peer("STRICT")], ("/", "api")),
    row("PERMISSIVE again", [peer("PERMISSIVE")], (get(caller=OUTSIDE), "allowed")),
    row("web GET ok", [WEB_GETS], ("/", "api")),
    row("web DELETE 403", [WEB_GETS], (delete(), "denied")),
    row("web HEAD 403 (GET does not cover HEAD)", [WEB_GETS], (get(method="HEAD"), "denied")),
    row("other 403", [WEB_GETS], (get(caller=OTHER), "denied")),
    row("plain text client has no principal: 403", [WEB_GETS], (get(caller=OUTSIDE), "denied")),
    row("policy gone: other answered", [], (get(caller=OTHER), "api")),
    row(
        "DENY path /secret: exact only",
        [SECRET],
        *((get(path), "denied" if status == 403 else "api") for path, status in REFUSED.items()),
    ),
]


@pytest.mark.parametrize("row", MEASURED, ids=lambda one: one.line)
def test_what_a_client_was_measured_to_see(row: Row) -> None:
    reading = istio(*row.objects)
    assert [(one.path, seen(reading.answer(one))) for one, _ in row.asked] == [
        (one.path, wanted) for one, wanted in row.asked
    ]


@pytest.mark.parametrize(
    "objects",
    [[policy(selector=None, name="all")], [{**policy(), "spec": {}}]],
    ids=["no rules", "AuthorizationPolicy with empty spec denies all in the namespace"],
)
def test_a_policy_without_rules_lets_nobody_in(objects: list[Body]) -> None:
    assert admitted(istio(*objects), get()) == ""


def test_rules_with_an_empty_rule_allow_all() -> None:
    assert admitted(istio(policy({})), get()) == "web other far plain"


RETRIED: list[tuple[str, Body | None, object, int | None]] = [
    ("default retries without any VirtualService", None, MESH, None),
    ("the same for a VirtualService without retries", {}, MESH, None),
    ("retries.attempts 0: one attempt only, whatever the failure", {"retries": {"attempts": 0}}, None, 1),
    ("retries: {} is attempts 0", {"retries": {}}, None, 1),
    (
        "attempts 3 means 4 tries in all",
        {"retries": {"attempts": 3, "retryOn": "5xx"}},
        Retries(3, frozenset({"5xx"}), frozenset()),
        4,
    ),
    (
        "attempts 3 without retryOn does not retry any HTTP status",
        {"retries": {"attempts": 3}},
        Retries(3, DEFAULT_CONDITIONS, frozenset()),
        4,
    ),
    (
        "numbers among the conditions are statuses",
        {"retries": {"attempts": 1, "retryOn": "503,reset,retriable-status-codes"}},
        Retries(1, frozenset({"reset"}), frozenset({503})),
        2,
    ),
    (
        "perTryTimeout 0.3s within timeout 1s: the total wins",
        {"retries": {"attempts": 4, "retryOn": "5xx", "perTryTimeout": "0.3s"}, "timeout": "1s"},
        Retries(4, frozenset({"5xx"}), frozenset(), 300),
        5,
    ),
]


@pytest.mark.parametrize(("line", "more", "wanted", "count"), RETRIED, ids=[one[0] for one in RETRIED])
def test_how_often_a_failed_request_was_measured_to_be_tried(
    line: str, more: Body | None, wanted: object, count: int | None
) -> None:
    del line
    objects = [] if more is None else [virtual_service({"route": [to()], **more})]
    for method in ("GET", "POST"):  # measured: POST is retried like GET
        found = traffic(istio(*objects), get(method=method))
        assert found.retry == wanted
        assert count is None or tries(found) == count


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("0.5s", 500), ("1m30s", 90_000), (None, None), ("0s", None)],
    ids=[
        "timeout 0.5s: 504 after half a second",
        "units add up",
        "no timeout in the VirtualService: none",
        "0s is none",
    ],
)
def test_how_long_a_request_may_take(written: str | None, wanted: int | None) -> None:
    more = {} if written is None else {"timeout": written}
    assert traffic(istio(virtual_service({"route": [to()], **more})), get()).timeout == wanted


def test_an_undeclared_port_has_no_requests_and_the_policies_of_its_pods() -> None:
    reading = istio(policy(rule(principals=[principal(WEB)])))
    assert reading.answer(get(port=1234)).traffic is None
    assert admitted(reading, get(port=1234)) == "web"


def test_limits_and_ejection_are_those_of_the_destination_rule() -> None:
    pool = {"tcp": {"maxConnections": 7, "connectTimeout": "1s"}, "http": {"http1MaxPendingRequests": 1}}
    outlier = {"consecutive5xxErrors": 3, "baseEjectionTime": "4s", "maxEjectionPercent": 100}
    found = traffic(istio(destination_rule(trafficPolicy={"connectionPool": pool, "outlierDetection": outlier})), get())
    assert found.breaker == Breaker(7, 1, None, None, 3, None, 10_000, 4000, 100, at_pods=Limits(7, 1))


def test_a_connection_of_other_bytes_is_judged_by_its_identity_alone() -> None:
    reading = istio(policy(rule(principals=[principal(WEB)])), peer("STRICT", namespace=ROOT))
    assert admitted(reading, connection()) == "web"
    assert reading.answer(connection()).traffic is None
