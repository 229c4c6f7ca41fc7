"""The parts of HTTPRoutes and version Services that Ambient and Linkerd share."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from meshdsl.codes import gateway_api as codes
from meshdsl.plan.intent import Mesh, Plan, Port, Protocol, Service
from meshdsl.plan.requests import (
    Backend,
    Condition,
    HeaderEdits,
    Headers,
    Match,
    Mirror,
    Path,
    PathKind,
    Redirect,
    Retry,
    Rewrite,
    Rule,
    Timeout,
)
from meshdsl.targets import gateway_api, gateway_limits

PORT = Port(80, "http", Protocol.HTTP, "web")
API = Service("prod", "api", "api", (("app", "api"),), (PORT,), versions=("v1", "v2"))
PLAIN = (Backend(None, 1),)


ANY = Match()


def rule(name: str = "default", match: Match = ANY, **fields: object) -> Rule:
    return Rule(**{"name": name, "match": match, "backends": PLAIN, **fields})  # type: ignore[arg-type]


def codes_of(rules: list[Rule]) -> list[str]:
    return [d.code for d in gateway_limits.check_rules(rules, API, PORT, anchor=True)]


def test_a_match_of_anything_still_writes_the_default_path() -> None:
    assert gateway_api.http_route_match(Match(), anchor=True) == {"path": {"type": "PathPrefix", "value": "/"}}


def test_a_match_of_anything_can_be_a_regex_where_a_prefix_would_shadow_regexes() -> None:
    match = Match(method="GET")
    assert gateway_api.http_route_match(match, anchor=False, any_path=gateway_api.ANY_PATH_AS_REGEX) == {
        "path": {"type": "RegularExpression", "value": ".*"},
        "method": "GET",
    }


def test_every_condition_has_its_type_and_a_regex_is_anchored_only_where_asked() -> None:
    match = Match(
        Path(PathKind.REGEX, "/a|/a/b"),
        "POST",
        (Condition("x-a", "1"), Condition("x-b", "[0-9]+", regex=True)),
        (Condition("q", "1"),),
    )
    anchored = gateway_api.http_route_match(match, anchor=True)
    assert anchored == {
        "path": {"type": "RegularExpression", "value": "^(?:/a|/a/b)$"},
        "headers": [
            {"type": "Exact", "name": "x-a", "value": "1"},
            {"type": "RegularExpression", "name": "x-b", "value": "^(?:[0-9]+)$"},
        ],
        "queryParams": [{"type": "Exact", "name": "q", "value": "1"}],
        "method": "POST",
    }
    plain = gateway_api.http_route_match(match, anchor=False)
    assert plain["path"] == {"type": "RegularExpression", "value": "/a|/a/b"}


def test_backends_and_parent_write_group_kind_namespace_port_and_weight() -> None:
    split = rule(backends=(Backend("v1", 9), Backend("v2", 1)))
    reference = {"group": "", "kind": "Service", "namespace": "prod", "port": 80}
    assert gateway_api.backend_refs(split, API, PORT) == [
        {**reference, "name": "api-v1", "weight": 9},
        {**reference, "name": "api-v2", "weight": 1},
    ]
    assert gateway_api.parent_ref(API, PORT) == {**reference, "name": "api"}


def test_neighbours_with_the_same_action_become_one_rule_in_order() -> None:
    retry = Retry(2, ("5xx",))
    rules = [
        rule("a", Match(method="GET"), retry=retry),
        rule("b", Match(method="HEAD"), retry=retry),
        rule("c", Match(Path(PathKind.PREFIX, "/c"))),
        rule("d", retry=retry),
    ]
    assert [[r.name for r in group] for group in gateway_api.merged(rules)] == [["a", "b"], ["c"], ["d"]]
    written = gateway_api.route_rules(rules, API, PORT, anchor=True)
    assert [len(r["matches"]) for r in written] == [2, 1, 1]  # type: ignore[index, call-overload, arg-type]


def test_rules_that_rewrite_a_path_are_never_merged() -> None:
    same = Rewrite(path="/x")
    rules = [rule(name, Match(Path(PathKind.PREFIX, f"/{name}")), rewrite=same) for name in "ab"]
    assert len(gateway_api.merged(rules)) == 2


def test_a_merged_rule_never_has_more_than_64_matches() -> None:
    rules = [rule(str(n), Match(Path(PathKind.EXACT, f"/{n}"))) for n in range(65)]
    assert [len(group) for group in gateway_api.merged(rules)] == [64, 1]


def test_header_edits_become_filters_with_only_what_is_set() -> None:
    headers = Headers(HeaderEdits(set=(("a", "100%"),), remove=("b",)), HeaderEdits(add=(("c", "2"),)))
    double = lambda value: value.replace("%", "%%")  # noqa: E731
    assert gateway_api.filters(rule(headers=headers), header_value=double) == [
        {
            "type": "RequestHeaderModifier",
            "requestHeaderModifier": {"set": [{"name": "a", "value": "100%%"}], "remove": ["b"]},
        },
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "c", "value": "2"}]}},
    ]


@pytest.mark.parametrize(
    ("percent", "share"),
    [
        ("100", {}),
        ("10", {"percent": 10}),
        ("0.5", {"fraction": {"numerator": 5000, "denominator": 1_000_000}}),
    ],
)
def test_a_mirror_says_its_share_exactly(percent: str, share: dict[str, object]) -> None:
    mirror = Mirror(("prod", "copy"), 8080, "v2", Decimal(percent))
    reference = {"group": "", "kind": "Service", "name": "copy-v2", "namespace": "prod", "port": 8080}
    assert gateway_api.mirror_filter(mirror) == {
        "type": "RequestMirror",
        "requestMirror": {"backendRef": reference, **share},
    }


@pytest.mark.parametrize(
    ("path", "kind", "key"),
    [
        (None, "ReplacePrefixMatch", "replacePrefixMatch"),
        (Path(PathKind.PREFIX, "/a"), "ReplacePrefixMatch", "replacePrefixMatch"),
        (Path(PathKind.EXACT, "/a"), "ReplaceFullPath", "replaceFullPath"),
        (Path(PathKind.REGEX, "/a.*"), "ReplaceFullPath", "replaceFullPath"),
    ],
)
def test_a_rewrite_replaces_what_the_match_covered(path: Path | None, kind: str, key: str) -> None:
    written = gateway_api.rewrite_filter(Rewrite("/b", "b.example.com"), Match(path))
    assert written["urlRewrite"] == {"hostname": "b.example.com", "path": {"type": kind, key: "/b"}}


def test_a_redirect_has_no_backends_and_always_its_status() -> None:
    [written] = gateway_api.route_rules(
        [rule(redirect=Redirect(302, scheme="https", host="b.example.com", port=8443, path="/b"))],
        API,
        PORT,
        anchor=True,
    )
    assert written == {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "filters": [
            {
                "type": "RequestRedirect",
                "requestRedirect": {
                    "scheme": "https",
                    "hostname": "b.example.com",
                    "path": {"type": "ReplaceFullPath", "replaceFullPath": "/b"},
                    "port": 8443,
                    "statusCode": 302,
                },
            }
        ],
    }


def test_settings_of_the_mesh_follow_the_backends() -> None:
    timed = rule(timeout=Timeout(5000))
    [written] = gateway_api.route_rules(
        [timed],
        API,
        PORT,
        anchor=True,
        settings=lambda r: {"timeouts": {"request": f"{r.timeout.request}ms"}},  # type: ignore[union-attr]
    )
    assert list(written) == ["matches", "backendRefs", "timeouts"]  # type: ignore[arg-type]


def test_the_service_of_a_version_is_whole() -> None:
    made = gateway_api.version_service(API, "v1", "seed", app_protocol=lambda _: "http")
    assert made.body == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "api-v1",
            "namespace": "prod",
            "labels": {"app.kubernetes.io/managed-by": "meshdsl", "meshdsl.dev/set": "seed"},
        },
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": "api", "version": "v1"},
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "web", "appProtocol": "http"}],
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
        },
    }
    assert not made.partial


@pytest.mark.parametrize("version", ["v" * 60, "v1.2"])
def test_a_version_whose_service_cannot_have_its_name_is_refused(version: str) -> None:
    plan = Plan("seed", Mesh(), (), (replace(API, versions=(version,)),))
    assert [d.code for d in gateway_limits.check_version_services(plan, lambda s: s.versions)] == ["MESH671"]


def test_a_version_never_takes_the_name_of_a_service_or_of_another_version() -> None:
    declared = replace(API, name="api-v1", versions=())
    plan = Plan("seed", Mesh(), (), (API, declared))
    assert [d.code for d in gateway_limits.check_version_services(plan, lambda s: s.versions)] == ["MESH672"]
    one, other = replace(API, name="a", versions=("b-c",)), replace(API, name="a-b", versions=("c",))
    plan = Plan("seed", Mesh(), (), (one, other))
    assert [d.code for d in gateway_limits.check_version_services(plan, lambda s: s.versions)] == ["MESH672"]


def test_16_rules_fit_and_17_do_not() -> None:
    rules = [rule(str(n), Match(Path(PathKind.EXACT, f"/{n}")), timeout=Timeout(n + 1)) for n in range(17)]
    assert codes_of(rules[:16]) == []
    assert codes_of(rules) == ["MESH673"]


def test_128_matches_fit_and_129_do_not() -> None:
    rules = [rule(str(n), Match(Path(PathKind.EXACT, f"/{n}"))) for n in range(129)]
    assert codes_of(rules[:128]) == []
    assert codes_of(rules) == ["MESH674"]


@pytest.mark.parametrize(
    "match",
    [
        Match(headers=tuple(Condition(f"h{n}", "1") for n in range(17))),
        Match(query=tuple(Condition(f"q{n}", "1") for n in range(17))),
        Match(headers=(Condition("a", "1"), Condition("a", "2"))),
        Match(Path(PathKind.REGEX, "a" * 1019)),
        Match(query=(Condition("q", "a" * 1019, regex=True),)),
    ],
)
def test_a_match_that_is_too_large_is_refused(match: Match) -> None:
    assert codes_of([rule(match=match)]) == ["MESH675"]


def test_an_unanchored_regex_may_be_as_long_as_the_limit() -> None:
    assert list(gateway_limits.check_match(Match(Path(PathKind.REGEX, "a" * 1024)), anchor=False)) == []


def test_too_many_backends_or_edits_are_refused() -> None:
    assert codes_of([rule(backends=tuple(Backend(f"v{n}", 1) for n in range(17)))]) == ["MESH675"]
    edits = HeaderEdits(add=tuple((f"h{n}", "1") for n in range(17)))
    assert codes_of([rule(headers=Headers(response=edits))]) == ["MESH675"]


def test_each_code_has_a_page() -> None:
    assert [page.code for page in codes.PAGES] == [f"MESH{n}" for n in range(671, 678) if n != 676]  # 676 is retired
