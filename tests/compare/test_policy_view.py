"""What changes between two plans, in the words of the language; and that nothing is missed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings

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
    any_of,
)
from meshdsl.compare.policy_view import changes
from meshdsl.diagnostics import MeshdslError, Origin
from meshdsl.plan import intent, requests, rights, source
from meshdsl.plan.resolve import resolve
from tests.strategies import policy_sets

PROD = Namespace("prod")
Policies = Callable[[Service, Service], list[Any]]


def plan(make: Policies, **service: Any) -> intent.Plan:
    """A plan of ``prod/api`` and ``prod/web`` with these policies."""
    declared = {"port": 80, "versions": ("v1", "v2"), "replicas": 6, **service}
    api, web = Service("api", PROD, **declared), Service("web", PROD, port=80)
    return resolve(meshdsl.PolicySet((api, web, *make(api, web)), name="test"))


def sentences(before: Policies, after: Policies) -> list[str]:
    return [change.sentence for change in changes(plan(before), plan(after))]


def nothing(_api: Service, _web: Service) -> list[Any]:
    return []


def canary(percent: float, when: Any = None, stable: str = "v1", to: str = "v2") -> Policies:
    return lambda api, _: [Canary(api, stable=stable, canary=to, percent=percent, when=when), Retry.never(api)]


def on_api(*kinds: Callable[[Service], Any]) -> Policies:
    """Policies on ``prod/api`` beside one that is there before and after, so that it has a table."""
    return lambda api, _: [kind(api) for kind in kinds]


def timeout(text: str) -> Callable[[Service], Any]:
    return lambda api: Timeout(api, text)


def retry(**arguments: Any) -> Callable[[Service], Any]:
    return lambda api: Retry(api, **{"attempts": 3, "retry_on": ("5xx",), **arguments})


def checkout(api: Service) -> meshdsl.Route:
    return api.route("checkout", path="/checkout/*")


T = timeout("5s")
TABLE: list[tuple[str, Policies, Policies, list[str]]] = [
    ("a canary goes on", canary(10), canary(25), ["canary of prod/api: v2 10 % → 25 %"]),
    ("a canary of parts of a percent", canary(0.5), canary(12.5), ["canary of prod/api: v2 0.5 % → 12.5 %"]),
    ("a canary ends", canary(25), canary(100), ["canary of prod/api: v2 25 % → 100 %"]),
    (
        "a canary for some is added",
        canary(10),
        canary(10, Header("x-canary", "true")),
        ["canary of prod/api: requests with x-canary = true go to v2"],
    ),
    (
        "a canary for some is removed",
        canary(10, Header("x-canary", "true")),
        canary(10),
        ["canary of prod/api: requests with x-canary = true no longer go to v2"],
    ),
    (
        "a canary by cookie or query",
        canary(10),
        canary(10, any_of(Cookie("beta", "1"), Query("preview", "on"))),
        [
            "canary of prod/api: requests with ?preview = on go to v2",
            "canary of prod/api: requests with cookie beta = 1 go to v2",
        ],
    ),
    (
        "a condition with a secret does not show it",
        canary(10),
        canary(10, Header("authorization", "Basic abc")),
        ["canary of prod/api: requests with authorization = … go to v2"],
    ),
    (
        "stable and canary are swapped",
        canary(0),
        canary(0, stable="v2", to="v1"),
        ["split of prod/api: all to v1 → all to v2"],
    ),
    (
        "a split begins",
        on_api(T),
        on_api(T, lambda a: Split(a, weights={"v1": 1, "v2": 3})),
        ["canary of prod/api: none → v1 25 %, v2 75 %"],
    ),
    (
        "a split ends",
        on_api(T, lambda a: Split(a, weights={"v1": 1, "v2": 3})),
        on_api(T),
        ["canary of prod/api: v1 25 %, v2 75 % → none"],
    ),
    ("a timeout is longer", on_api(T), on_api(timeout("10s")), ["timeout of prod/api: 5s → 10s"]),
    ("a timeout goes", on_api(T, Retry.never), on_api(Retry.never), ["timeout of prod/api: 5s → none"]),
    ("a timeout comes", on_api(Retry.never), on_api(T, Retry.never), ["timeout of prod/api: none → 5s"]),
    (
        "the first policy takes the mesh's own retries away",
        nothing,
        on_api(T),
        ["retries of prod/api: the mesh's own → off", "timeout of prod/api: none → 5s"],
    ),
    (
        "a timeout of a route",
        on_api(T),
        on_api(T, lambda a: Timeout(checkout(a), "1s")),
        ["route checkout of prod/api: timeout 5s → 1s"],
    ),
    (
        "a route with retried methods is one sentence",
        on_api(retry(), lambda a: Timeout(checkout(a), "1s")),
        on_api(retry(), lambda a: Timeout(checkout(a), "2s")),
        ["route checkout of prod/api: timeout 1s → 2s"],
    ),
    (
        "a route of several methods is called by them",
        on_api(T, lambda a: Timeout(a.route("write", methods=("POST", "PUT"), path="/v1"), "1s")),
        on_api(T, lambda a: Timeout(a.route("write", methods=("POST", "PUT"), path="/v1"), "2s")),
        ["timeout of prod/api, POST or PUT requests to /v1: 1s → 2s"],
    ),
    (
        "what holds for a route and the rest is one sentence",
        on_api(T, lambda a: Headers(checkout(a), request_remove=("x-a",))),
        on_api(timeout("6s"), lambda a: Headers(checkout(a), request_remove=("x-a",))),
        ["timeout of prod/api: 5s → 6s"],
    ),
    (
        "retries of fewer methods",
        on_api(retry(methods=("GET", "POST"))),
        on_api(retry(methods=("GET",))),
        ["retries of prod/api: 3 attempts → off for POST"],
    ),
    (
        "retries of one more method",
        on_api(retry(methods=("GET",))),
        on_api(retry(methods=("GET", "POST"))),
        ["retries of prod/api: off → 3 attempts on 5xx for POST"],
    ),
    (
        "retries of idempotent methods alone",
        on_api(retry(methods="any")),
        on_api(retry()),
        ["retries of prod/api: 3 attempts → off for all methods but those that may be repeated"],
    ),
    ("more retries", on_api(retry()), on_api(retry(attempts=5)), ["retries of prod/api: 3 attempts → 5 attempts"]),
    ("one retry", on_api(retry()), on_api(retry(attempts=1)), ["retries of prod/api: 3 attempts → 1 attempt"]),
    ("retries go", on_api(retry()), on_api(Retry.never), ["retries of prod/api: 3 attempts → off"]),
    ("retries come", on_api(Retry.never), on_api(retry()), ["retries of prod/api: off → 3 attempts on 5xx"]),
    (
        "retries of everything come",
        on_api(Retry.never),
        on_api(retry(methods="any")),
        ["retries of prod/api: off → 3 attempts on 5xx for every method"],
    ),
    (
        "retries on more",
        on_api(retry()),
        on_api(retry(retry_on=("5xx", "reset"), statuses=(429,), per_try_timeout="1s", backoff="50ms")),
        [
            "retries of prod/api: 3 attempts on 5xx → 3 attempts on 5xx, reset, 429, each at most 1s, backoff from 50ms",
        ],
    ),
    (
        "a fault",
        on_api(T),
        on_api(T, lambda a: Fault(a, abort=Abort(503, percent=1), delay=Delay("1s", percent=5))),
        ["fault of prod/api: none → 5 % wait 1s, 1 % are answered with 503"],
    ),
    (
        "a mirror goes",
        lambda api, web: [Timeout(api, "5s"), Mirror(api, to=web, percent=10)],
        on_api(T),
        ["mirror of prod/api: 10 % to prod/web:80 → none"],
    ),
    (
        "edits of headers",
        on_api(T),
        on_api(T, lambda a: Headers(a, request_set={"x-a": "secret"}, response_remove=("x-powered-by",))),
        ["header edits of prod/api: none → request set x-a; response remove x-powered-by"],
    ),
    (
        "another value of a header, which is not shown",
        on_api(lambda a: Headers(a, request_set={"x-a": "secret"})),
        on_api(lambda a: Headers(a, request_set={"x-a": "other"})),
        ["header edits of prod/api: request set x-a, with another value"],
    ),
    (
        "a rewrite",
        on_api(T),
        on_api(T, lambda a: Rewrite(checkout(a), path="/new", host="other.example")),
        ["route checkout of prod/api: rewrite none → path /new, host other.example"],
    ),
    (
        "a redirect",
        on_api(Retry.never),
        on_api(Retry.never, lambda a: Redirect(a.route("old", path="/old"), path="/moved", status=301)),
        ["route old of prod/api: redirect none → 301 to path /moved"],
    ),
    (
        "a breaker comes",
        nothing,
        on_api(lambda a: Breaker(a, max_connections=10)),
        ["breaker added to prod/api: max_connections 10"],
    ),
    ("a breaker goes", on_api(lambda a: Breaker(a, max_connections=10)), nothing, ["breaker removed from prod/api"]),
    (
        "a breaker changes",
        on_api(lambda a: Breaker(a, max_connections=10, consecutive_5xx=5)),
        on_api(lambda a: Breaker(a, max_requests=10, consecutive_5xx=7)),
        [("breaker of prod/api: max_connections 10 → none, consecutive_5xx 5 → 7, max_requests none → 10")],
    ),
    (
        "an allow closes",
        nothing,
        lambda api, web: [Allow(api, callers=(web,), methods=("GET",), paths=("/v1/*",))],
        [
            "prod/api: closed now; what no allow names is refused",
            "allow added to prod/api: prod/web may make GET requests to /v1/*",
        ],
    ),
    (
        "the last allow opens",
        lambda api, web: [Allow(api, callers=(web,))],
        nothing,
        [
            "prod/api: open now; every caller may make every request that no deny names",
            "allow removed from prod/api: prod/web may call it",
        ],
    ),
    (
        "an allow is widened",
        lambda api, web: [Allow(api, callers=(web,), methods=("GET",))],
        lambda api, web: [Allow(api, callers=(web,), methods=("GET", "DELETE"))],
        ["allow of prod/api: prod/web may make GET requests → may make DELETE or GET requests"],
    ),
    (
        "another caller",
        lambda api, web: [Allow(api, callers=(web,))],
        lambda api, web: [Allow(api, callers=(web,)), Allow(api, callers=Anyone.in_mesh(), paths=("/health",))],
        ["allow added to prod/api: anyone in the mesh may make requests to /health"],
    ),
    (
        "a deny",
        lambda api, web: [Allow(api, callers=(web,))],
        lambda api, web: [
            Allow(api, callers=(web,)),
            Deny(api, callers=(PROD,), headers=(Header("x-a"),), ports=(80,), accept=("MESH404",)),
        ],
        ["deny added to prod/api: namespace prod may not make requests with header x-a on port 80"],
    ),
    (
        "a default deny",
        nothing,
        lambda _api, _web: [DefaultDeny(PROD)],
        ["default deny added to namespace prod"],
    ),
    (
        "the default deny of the mesh goes",
        lambda _api, _web: [DefaultDeny(Mesh())],
        nothing,
        ["default deny removed from the mesh"],
    ),
    (
        "mTLS of a namespace",
        lambda _api, _web: [MutualTls(PROD, mode="strict")],
        lambda _api, _web: [MutualTls(PROD, mode="permissive")],
        ["mTLS of namespace prod: strict → permissive"],
    ),
    (
        "mTLS of a service",
        nothing,
        on_api(lambda a: MutualTls(a, mode="strict")),
        ["mTLS of prod/api: not set → strict"],
    ),
    (
        "mTLS of the mesh",
        nothing,
        lambda _api, _web: [MutualTls(Mesh(), mode="strict")],
        ["mTLS of the mesh: not set → strict"],
    ),
    (
        "enrolment, revision and sidecars",
        lambda _api, _web: [Proxy(PROD, enrolled=False)],
        lambda _api, _web: [Proxy(PROD, revision="canary", cpu_request="100m")],
        [
            "enrolment of namespace prod: kept out of the mesh → in the mesh",
            "revision of namespace prod: the default one → canary",
            "sidecars of namespace prod: cpu_request none → 100m",
        ],
    ),
    (
        "a path by regular expression",
        on_api(T),
        on_api(T, lambda a: Timeout(a.route("x", methods=("GET", "HEAD"), path=Regex("/v[12]/.*")), "1s")),
        ['timeout of prod/api, GET or HEAD requests to Regex("/v[12]/.*"): 5s → 1s'],
    ),
]


@pytest.mark.parametrize(("before", "after", "said"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_change_is_said(before: Policies, after: Policies, said: list[str]) -> None:
    assert sentences(before, after) == said
    assert sentences(before, before) == []
    assert sentences(after, after) == []


INVENTORY: list[tuple[dict[str, Any], str]] = [
    ({"service_account": "robot"}, "service account of prod/api: api → robot"),
    ({"labels": {"role": "api"}}, "pod labels of prod/api: app=api → role=api"),
    ({"versions": ("v1", "v2", "v3")}, "versions of prod/api: v1, v2 → v1, v2, v3"),
    ({"version_label": "track"}, "version label of prod/api: version → track"),
    ({"replicas": 3}, "replicas of prod/api: 6 → 3"),
    ({"probes": (Probe("/up", port=8080),)}, "probes of prod/api: not declared → /up on 8080"),
    ({"workload": Workload("Deployment", "api")}, "workload of prod/api: none → Deployment api"),
    ({"protocol": "grpc"}, "protocol of port 80 of prod/api: http → grpc"),
    ({"target_port": "web"}, 'target of port 80 of prod/api: 80 → "web"'),
]


@pytest.mark.parametrize(("service", "said"), INVENTORY)
def test_a_change_of_the_inventory_is_said(service: dict[str, Any], said: str) -> None:
    assert [change.sentence for change in changes(plan(nothing), plan(nothing, **service))] == [said]


def test_ports_come_and_go() -> None:
    one = plan(nothing)
    two = plan(nothing, port=None, ports=(Port(80, name="http"), Port(81, name="tcp-db", protocol="tcp")))
    assert [c.sentence for c in changes(one, two)] == [
        "name of port 80 of prod/api: none → http",
        "port 81 (tcp) added to prod/api",
    ]
    assert "port 81 (tcp) removed from prod/api" in [c.sentence for c in changes(two, one)]


def test_a_change_on_one_of_two_ports_names_it() -> None:
    ports = {"port": None, "ports": (Port(80, name="a"), Port(81, name="b"))}
    before = plan(on_api(T), **ports)
    after = plan(on_api(T, lambda a: Timeout(a.route("b", port=81, path="/x"), "1s")), **ports)
    assert [c.sentence for c in changes(before, after)] == ["route b of prod/api on port 81: timeout 5s → 1s"]
    after = plan(on_api(timeout("6s")), **ports)
    assert [c.sentence for c in changes(before, after)] == ["timeout of prod/api: 5s → 6s"]


def test_a_new_service_is_said_with_its_policies() -> None:
    api = Service("api", PROD, port=80)
    without = resolve(meshdsl.PolicySet((), name="test"))
    with_it = resolve(meshdsl.PolicySet((api, Timeout(api, "5s"), Breaker(api, max_requests=1)), name="test"))
    assert [c.sentence for c in changes(without, with_it)] == [
        "service prod/api: new",
        "timeout of prod/api: none → 5s",
        "breaker added to prod/api: max_requests 1",
        "namespace prod: new",
    ]
    assert [c.sentence for c in changes(with_it, without)] == [
        "service prod/api: no longer declared",
        "timeout of prod/api: 5s → none",
        "breaker removed from prod/api",
        "namespace prod: no longer declared",
    ]


def test_a_change_names_the_policy_that_asks_for_it() -> None:
    (change,) = changes(plan(on_api(T)), plan(on_api(timeout("6s"))))
    assert change.subject == "prod/api"
    assert [origin.object for origin in change.origins] == ["Timeout"]


def test_the_line_of_a_policy_is_no_change() -> None:
    before = plan(canary(10, Header("x", "1")))
    after = plan(lambda api, web: canary(10, Header("x", "1"))(api, web))
    moved = replace(after, mesh=replace(after.mesh, source=source.Source(Origin("other.py", 7))))
    assert changes(before, moved) == ()


# ------------------------------------------------------------------------------------------------------- never misses


def meaning(part: Any) -> Any:
    """A part of a plan without where it was written, with access rules in an order of their own."""
    if isinstance(part, source.Source):
        return "said"
    if isinstance(part, rights.Access):
        allow, deny = (tuple(sorted({repr(meaning(r)) for r in rules})) for rules in (part.allow, part.deny))
        return (part.closed, allow, deny)
    if is_dataclass(part):
        return tuple(meaning(getattr(part, f.name)) for f in fields(part) if f.compare)
    if isinstance(part, tuple):
        return tuple(meaning(one) for one in part)
    return part


def differ(one: intent.Plan, other: intent.Plan) -> bool:
    return any(
        meaning(getattr(one, name)) != meaning(getattr(other, name)) for name in ("services", "namespaces", "mesh")
    )


def resolved(policies: meshdsl.PolicySet) -> intent.Plan | None:
    try:
        return resolve(policies)
    except MeshdslError:
        return None


many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@many
@given(policy_sets(), policy_sets())
def test_plans_that_differ_give_a_sentence_and_equal_ones_none(
    one: meshdsl.PolicySet, other: meshdsl.PolicySet
) -> None:
    before, after = resolved(one), resolved(other)
    if before is None or after is None:
        return
    event("differ" if differ(before, after) else "equal")
    assert bool(changes(before, after)) is differ(before, after)
    assert changes(before, before) == ()
    assert changes(after, after) == ()


def _compiles(condition: requests.Condition) -> bool:
    """Whether a value that is said to be a regular expression is one."""
    try:
        return not condition.regex or bool(re.compile(condition.value))
    except re.error:
        return False


def leaves(part: Any) -> Iterator[Any]:
    """Copies of a part of a plan that differ from it in one leaf each."""
    if is_dataclass(part):
        for field in fields(part):
            if field.init and field.compare and field.name not in ("name", "namespace", "set_name", "number"):
                for other in leaves(getattr(part, field.name)):
                    copy = replace(part, **{field.name: other})  # type: ignore[type-var]
                    if not isinstance(copy, requests.Condition) or _compiles(copy):
                        yield copy
    elif isinstance(part, tuple):
        for index, item in enumerate(part):
            yield from ((*part[:index], other, *part[index + 1 :]) for other in leaves(item))
    elif isinstance(part, bool):
        yield not part
    elif isinstance(part, StrEnum):
        yield next(other for other in type(part) if other is not part)
    elif isinstance(part, (int, Decimal)):
        yield part + 1
    elif isinstance(part, str):
        yield part + "x"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(policy_sets())
def test_no_leaf_of_a_plan_changes_in_silence(policies: meshdsl.PolicySet) -> None:
    before = resolved(policies)
    if before is None:
        return
    for number, after in enumerate(leaves(before)):
        if number > 400:
            break
        if differ(before, after) and _can_be(after):
            assert changes(before, after), after


def _can_be(plan: intent.Plan) -> bool:
    """Whether no service has probes that nobody is known to have declared."""
    return all(service.probes_known or not service.probes for service in plan.services)
