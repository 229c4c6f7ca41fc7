"""A route table means the same under every order that a mesh may try its rules in."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import meshdsl
from meshdsl.plan.intent import Plan
from meshdsl.plan.matching import Undecidable, closed, intersection, literal_start, specificity, within
from meshdsl.plan.requests import Condition, Match, Path, PathKind, Rule
from meshdsl.plan.resolve import resolve

Request = tuple[str, str, dict[str, str]]  # path, method, headers

PATHS = ("/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b", "/c/1", "/c/x")
METHODS = ("GET", "POST", "PATCH")
VALUES = ("1", "2")


def holds(condition: Condition, headers: dict[str, str]) -> bool:
    value = headers.get(condition.name)
    if value is None:
        return False
    return re.fullmatch(condition.value, value) is not None if condition.regex else value == condition.value


def matches(match: Match, request: Request) -> bool:
    path, method, headers = request
    if match.path is not None:
        kind, value = match.path.kind, match.path.value
        if kind is PathKind.EXACT and path != value:
            return False
        if kind is PathKind.PREFIX and not (path == value or path.startswith(value + "/")):
            return False
        if kind is PathKind.REGEX and re.fullmatch(value, path) is None:
            return False
    if match.method is not None and match.method != method:
        return False
    return all(holds(c, headers) for c in match.headers)


def istio(rules: tuple[Rule, ...], request: Request) -> Rule:
    """The first that matches."""
    return next(rule for rule in rules if matches(rule.match, request))


def linkerd(rules: tuple[Rule, ...], request: Request) -> Rule:
    """By length of the matched path (a regular expression counts as all of it), headers, method; then the first."""

    def rank(rule: Rule) -> tuple[int, int, bool]:
        path = rule.match.path
        length = 1 if path is None else len(path.value) if path.kind is PathKind.PREFIX else len(request[0])
        return (length, len(rule.match.headers), rule.match.method is not None)

    return max((rule for rule in rules if matches(rule.match, request)), key=rank)


def gateway_api(rules: tuple[Rule, ...], request: Request) -> Rule:
    """Exact, then the longest prefix, then method, then headers."""

    def rank(rule: Rule) -> tuple[int, int, bool, int]:
        path = rule.match.path
        kind = 0 if path is None else {PathKind.PREFIX: 1, PathKind.REGEX: 2, PathKind.EXACT: 3}[path.kind]
        return (kind, len(path.value) if path else 0, rule.match.method is not None, len(rule.match.headers))

    return max((rule for rule in rules if matches(rule.match, request)), key=rank)


@st.composite
def routes(draw: st.DrawFn) -> list[dict[str, object]]:
    count = draw(st.integers(0, 4))
    found = []
    for index in range(count):
        route: dict[str, object] = {
            "methods": draw(st.sampled_from([(), ("GET",), ("POST",), ("GET", "POST")])),
            "path": draw(
                st.sampled_from([None, "/a", "/a/*", "/a/b", "/a/b/*", "/b", "/c/*", meshdsl.Regex("/c/[0-9]+")])
            ),
            "headers": draw(
                st.sampled_from([(), (meshdsl.Header("x", "1"),), (meshdsl.Header("y", "1"),), (meshdsl.Header("x"),)])
            ),
        }
        if any(route.values()):
            found.append({"name": f"r{index}", **route})
    return found


def plan_of(drawn: list[dict[str, object]], *, canary: bool, retry: bool) -> tuple[Plan, dict[str, meshdsl.Route]]:
    api = meshdsl.Service("api", "prod", port=80, versions=("v1", "v2"))
    policies: list[object] = [meshdsl.Timeout(api, "1s")]
    if canary:
        policies.append(meshdsl.Canary(api, stable="v1", canary="v2", percent=10, when=meshdsl.Header("y", "2")))
    if retry:
        policies.append(meshdsl.Retry(api, attempts=1, retry_on=("5xx",)))
    made = {}
    for index, arguments in enumerate(drawn):
        route = api.route(**arguments)  # type: ignore[arg-type]
        made[route.name] = route
        policies.append(meshdsl.Timeout(route, f"{index + 2}s"))
        if index % 2:
            policies.append(meshdsl.Retry.never(route))
    return resolve(meshdsl.PolicySet(tuple(policies))), made  # type: ignore[arg-type]


def meant(made: dict[str, meshdsl.Route], request: Request, *, canary: bool, retry: bool) -> tuple[int, str, int]:
    """docs/semantics.md in a few lines: the most specific route decides; (timeout in s, version, retries)."""

    def conditions(route: meshdsl.Route) -> list[Match]:
        from meshdsl.plan.table import header_condition, path_of

        headers = tuple(sorted((header_condition(h) for h in route.headers), key=lambda c: c.name))
        path = path_of(route.path) if route.path is not None else None
        return [Match(path, method, headers) for method in route.methods or (None,)]

    candidates = [
        (specificity(match), index)
        for index, route in enumerate(made.values())
        for match in conditions(route)
        if matches(match, request)
    ]
    index = max(candidates)[1] if candidates else -1
    name = list(made)[index] if candidates else ""
    number = int(name[1:]) if name else -1
    seconds = list(made).index(name) + 2 if name else 1
    never = bool(name) and list(made).index(name) % 2 == 1
    version = "v2" if canary and request[2].get("y") == "2" else "split" if canary else "any"
    retried = retry and not never and request[1] == "GET"
    assert number >= -1
    return seconds, version, int(retried)


def does(rule: Rule) -> tuple[int, str, int]:
    version = "split" if len(rule.backends) > 1 else rule.backends[0].version or "any"
    assert rule.timeout is not None
    return rule.timeout.request // 1000, version, rule.retry.attempts if rule.retry else 0


@settings(max_examples=300, deadline=None)
@given(routes(), st.booleans(), st.booleans())
def test_every_mesh_decides_as_the_semantics_say(drawn: list[dict[str, object]], canary: bool, retry: bool) -> None:
    try:
        plan, made = plan_of(drawn, canary=canary, retry=retry)
    except meshdsl.CompileError as error:
        if {d.code for d in error.diagnostics} <= {"MESH331", "MESH332"}:
            return
        raise
    rules = plan.services[0].ports[0].rules
    orders: list[Callable[[tuple[Rule, ...], Request], Rule]] = [istio, linkerd, gateway_api]
    for path in PATHS:
        for method in METHODS:
            for headers in (
                {},
                {"x": "1"},
                {"y": "1"},
                {"x": "1", "y": "1"},
                {"x": "2"},
                {"y": "2"},
                {"x": "1", "y": "2"},
            ):
                request = (path, method, headers)
                expected = meant(made, request, canary=canary, retry=retry)
                for order in orders:
                    assert does(order(rules, request)) == expected, (order.__name__, request)


def test_the_last_rule_matches_everything() -> None:
    plan, _ = plan_of([{"name": "r0", "path": "/a/*"}], canary=True, retry=True)
    assert plan.services[0].ports[0].rules[-1].match.is_any


def test_two_routes_that_tie_are_refused_with_both_places() -> None:
    api = meshdsl.Service("api", "prod", port=80)
    one = api.route("one", headers=(meshdsl.Header("x", "1"),))
    two = api.route("two", headers=(meshdsl.Header("y", "1"),))
    with pytest.raises(meshdsl.CompileError) as caught:
        resolve(meshdsl.PolicySet((meshdsl.Timeout(one, "1s"), meshdsl.Timeout(two, "2s"))))
    (found,) = caught.value.diagnostics
    assert found.code == "MESH331"
    assert found.origin == one.origin
    assert found.related[0][1] == two.origin


def test_two_routes_that_tie_but_do_the_same_are_fine() -> None:
    api = meshdsl.Service("api", "prod", port=80)
    routes = [api.route(name, headers=(meshdsl.Header(name, "1"),)) for name in ("x", "y")]
    plan = resolve(meshdsl.PolicySet(tuple(meshdsl.Timeout(route, "1s") for route in routes)))
    assert [rule.timeout is not None for rule in plan.services[0].ports[0].rules] == [True, True, False]


def test_a_prefix_rewrite_is_moved_to_the_narrower_path_it_is_applied_to() -> None:
    api = meshdsl.Service("api", "prod", port=80)
    old = api.route("old", path="/a/*", headers=(meshdsl.Header("x", "1"),))
    post = api.route("post", methods=("POST",), path="/a/b")
    plan = resolve(meshdsl.PolicySet((meshdsl.Rewrite(old, path="/new"), meshdsl.Timeout(post, "1s"))))
    paths = {
        (r.match.path.value if r.match.path else "", r.rewrite.path if r.rewrite else None)
        for r in plan.services[0].ports[0].rules
    }
    assert ("/a", "/new") in paths
    assert ("", None) in paths


@pytest.mark.parametrize(
    ("pattern", "start"),
    [
        ("/v1/.*", "/v1/"),
        ("/v[12]", "/v"),
        ("/ab*", "/a"),
        ("/ab+", "/ab"),
        ("/a|/b", ""),
        ("(?i)/a", ""),
        ("/a\\.b", "/a"),
    ],
)
def test_the_literal_start_of_a_regular_expression(pattern: str, start: str) -> None:
    assert literal_start(pattern) == start


def test_overlapping_regular_expressions_are_undecidable() -> None:
    a, b = (Match(Path(PathKind.REGEX, pattern)) for pattern in ("/x/.*y", "/x/z.*"))
    with pytest.raises(Undecidable):
        intersection(a, b)


def test_a_closed_list_has_the_intersection_of_any_two() -> None:
    found = closed([Match(Path(PathKind.PREFIX, "/a")), Match(method="POST"), Match(headers=(Condition("x", "1"),))])
    for a in found:
        for b in found:
            both = intersection(a, b)
            assert both is None or both in found
            assert both is None or (within(both, a) and within(both, b))
    assert len(found) == 7


def test_policies_that_a_loop_writes_at_one_line_have_one_order() -> None:
    api = meshdsl.Service("api", "prod", port=80)
    callers = [meshdsl.Service(name, "prod", port=80) for name in ("a", "b", "c")]
    rules = [meshdsl.Allow(api, callers=(caller,), methods=(method,)) for caller in callers for method in METHODS]
    one, other = (resolve(meshdsl.PolicySet(tuple(order))) for order in (rules, rules[::-1]))
    assert one.service("prod", "api").access == other.service("prod", "api").access
