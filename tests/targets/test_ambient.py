"""Ambient: which objects come out, where the access rules go, and each trap on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from meshdsl.codes.ambient import PAGES
from meshdsl.diagnostics import Origin
from meshdsl.manifest import MANAGED_BY, SET_LABEL, Manifest, Phase
from meshdsl.plan.features import Feature
from meshdsl.plan.intent import Breaker, Mesh, Namespace, Outlier, Plan, Pool, Port, Protocol, Proxy, Service, Workload
from meshdsl.plan.requests import (
    Backend,
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
from meshdsl.plan.rights import Access, Account, Allow, Anyone, Callers, Deny, Mtls, MtlsMode
from meshdsl.plan.source import Source
from meshdsl.targets.ambient import Ambient
from meshdsl.targets.base import Level
from tests import oracle

AT = Source(Origin("policies/prod.py", 7, "Allow"))
OURS = {MANAGED_BY: "meshdsl", SET_LABEL: "shop"}
EXPERIMENTAL = Ambient(gateway_api_channel="experimental", default_retries="off")

WEB = Callers(accounts=(Account("front", "web"),))
WEB_PRINCIPAL = "cluster.local/ns/front/sa/web"
WAYPOINT_PRINCIPAL = "cluster.local/ns/prod/sa/waypoint"
ANY = Match()
DEFAULT = Rule("default", ANY, (Backend(None, 1),))
ROUTED = Rule("default", ANY, (Backend(None, 1),), timeout=Timeout(5000))


def http(*rules: Rule, number: int = 8080, target: int | str = 9000) -> Port:
    return Port(number, f"http-{number}", Protocol.HTTP, target, rules)


def api(*ports: Port, **fields: Any) -> Service:
    return Service(
        "prod",
        fields.pop("name", "api"),
        fields.pop("account", "api"),
        fields.pop("labels", (("app", "api"),)),
        ports or (http(),),
        **{"source": AT, **fields},
    )


def plan(*services: Service, namespace: Namespace | None = None, mesh: Mesh | None = None) -> Plan:
    return Plan("shop", mesh or Mesh(), (namespace or Namespace("prod"),), services)


def lowered(world: Plan, target: Ambient = EXPERIMENTAL) -> list[Manifest]:
    found = list(target.lower_mesh(world))
    for namespace in world.namespaces:
        found += target.lower_namespace(namespace, world)
    for service in world.services:
        found += target.lower_service(service, world)
    if oracle.available():
        oracle.assert_valid(found, target)
    return found


def body(found: list[Manifest], kind: str, name: str) -> Mapping[str, Any]:
    (one,) = [m.body for m in found if (m.ref.kind, m.ref.name) == (kind, name)]
    return one


def names(found: list[Manifest], kind: str) -> list[str]:
    return [m.ref.name for m in found if m.ref.kind == kind]


def codes(world: Plan, target: Ambient = EXPERIMENTAL) -> list[str]:
    return [found.code for found in target.check(world)]


def route(found: list[Manifest], port: int = 8080) -> list[Any]:
    rules: list[Any] = body(found, "HTTPRoute", f"api-{port}")["spec"]["rules"]
    return rules


# ---------------------------------------------------------------------------------------------------------- profile


def test_the_newest_version_and_a_waypoint_of_our_own_are_the_default() -> None:
    target = Ambient()
    assert (target.version, target.waypoint, target.default_retries) == ("1.31", "create", "on")


@pytest.mark.parametrize(
    "field", [{"waypoint": "none"}, {"waypoint": "Not_A_Name"}, {"default_retries": "maybe"}, {"revision": "a.b"}]
)
def test_a_profile_that_cannot_be_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"none|label|name|default_retries|letters"):
        Ambient(**field)


def test_the_support_table_is_istios_with_overrides() -> None:
    rows = Ambient.support
    assert set(rows) == set(Feature)
    assert rows[Feature.SIDECAR_RESOURCES].level is Level.NEVER
    assert rows[Feature.FAULT_ABORT].level is rows[Feature.FAULT_DELAY].level is Level.NOT_YET
    assert rows[Feature.BREAKER_POOL].level is Level.APPROXIMATE
    assert rows[Feature.BREAKER_OUTLIER].level is Level.EXACT
    for feature in (Feature.RETRY_5XX, Feature.RETRY_RESET, Feature.RETRY_4XX, Feature.RETRY_GRPC):
        assert rows[feature].level is Level.APPROXIMATE


@pytest.mark.parametrize(
    ("feature", "with_it", "without"),
    [
        (Feature.RETRY, {"gateway_api_channel": "experimental"}, {}),
        (Feature.RETRY_BACKOFF, {"gateway_api_channel": "experimental"}, {}),
        (Feature.RETRY_PER_TRY_TIMEOUT, {"gateway_api_channel": "experimental"}, {}),
        (Feature.RETRY_NONE, {"default_retries": "off"}, {}),
        (Feature.MIRROR_PERCENT, {"gateway_api": "1.3"}, {"gateway_api": "1.2"}),
    ],
)
def test_a_condition_is_granted_by_the_profile(feature: Feature, with_it: Any, without: Any) -> None:
    row = Ambient.support[feature]
    assert row.level is Level.CONDITIONAL
    assert row.granted is not None
    assert row.granted(Ambient(**with_it))
    assert not row.granted(Ambient(**without))


def test_every_code_has_a_page_and_they_are_in_order() -> None:
    found = [page.code for page in PAGES]
    assert found == sorted(set(found))
    assert all("MESH621" <= code <= "MESH639" for code in found)


# -------------------------------------------------------------------------------------------------------- namespace


def test_an_enrolled_namespace_is_labelled_and_nothing_else_of_it_is_ours() -> None:
    # Not by revision: a sidecar injector would take that for its own.
    (one,) = lowered(plan(namespace=Namespace("prod", proxy=Proxy(enrolled=True, revision="canary"))))
    assert one.partial
    assert one.phase is Phase.NAMESPACE
    assert one.body == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "prod", "labels": {"istio.io/dataplane-mode": "ambient"}},
    }


@pytest.mark.parametrize(("enrolled", "label"), [(True, "ambient"), (False, "none")])
def test_enrolment_is_one_label(enrolled: bool, label: str) -> None:
    (one,) = lowered(plan(namespace=Namespace("prod", proxy=Proxy(enrolled=enrolled))))
    assert one.body["metadata"] == {"name": "prod", "labels": {"istio.io/dataplane-mode": label}}


def test_a_policy_that_says_nothing_of_enrolment_writes_nothing() -> None:
    assert lowered(plan(namespace=Namespace("prod", proxy=Proxy(enrolled=None)))) == []


def test_one_service_can_be_kept_out_by_a_label_of_its_pods() -> None:
    out = api(proxy=Proxy(enrolled=False), workload=Workload("apps/v1", "Deployment", "api"))
    (one,) = lowered(plan(out))
    assert one.partial
    assert one.body["spec"] == {"template": {"metadata": {"labels": {"istio.io/dataplane-mode": "none"}}}}


def test_mtls_is_istios_for_mesh_namespace_and_service() -> None:
    strict, permissive = Mtls(MtlsMode.STRICT), Mtls(MtlsMode.PERMISSIVE)
    found = lowered(
        plan(api(mtls=permissive), namespace=Namespace("prod", mtls=strict), mesh=Mesh(mtls=strict)),
    )
    assert [(m.ref.namespace, m.ref.name, m.body["spec"]) for m in found] == [
        ("istio-system", "default", {"mtls": {"mode": "STRICT"}}),
        ("prod", "default", {"mtls": {"mode": "STRICT"}}),
        ("prod", "api", {"selector": {"matchLabels": {"app": "api"}}, "mtls": {"mode": "PERMISSIVE"}}),
    ]


# --------------------------------------------------------------------------------------------------------- waypoint


def test_no_waypoint_where_nothing_looks_at_requests() -> None:
    world = plan(api(access=Access(closed=True, allow=(Allow(WEB),))))
    assert names(lowered(world), "Gateway") == []


BREAKER = Breaker(Pool(max_connections=100), Outlier(5, None, 10_000, 30_000, 100))


@pytest.mark.parametrize(
    "service",
    [
        api(http(ROUTED)),
        api(breaker=BREAKER),
        api(Port(5432, "pg", Protocol.TCP, 5432), breaker=BREAKER),
        api(access=Access(closed=True, allow=(Allow(WEB, methods=("GET",)),))),
        api(access=Access(deny=(Deny(WEB, paths=(Path(PathKind.EXACT, "/admin"),)),))),
    ],
    ids=["routes", "breaker", "breaker of a TCP port", "allow by method", "deny by path"],
)
def test_what_needs_a_waypoint_has_one_in_its_namespace(service: Service) -> None:
    found = lowered(plan(service, namespace=Namespace("prod", proxy=Proxy(enrolled=None, revision="r1"))))
    assert body(found, "Gateway", "waypoint") == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {
            "name": "waypoint",
            "namespace": "prod",
            "labels": {
                "app.kubernetes.io/managed-by": "meshdsl",
                "istio.io/rev": "r1",
                "istio.io/waypoint-for": "service",
                "meshdsl.dev/set": "shop",
            },
        },
        "spec": {
            "gatewayClassName": "istio-waypoint",
            "listeners": [
                {
                    "name": "mesh",
                    "port": 15008,
                    "protocol": "HBONE",
                    "allowedRoutes": {"namespaces": {"from": "Same"}},
                }
            ],
        },
    }


def test_the_waypoint_is_run_by_the_profiles_revision_unless_a_policy_names_one() -> None:
    world = plan(api(http(ROUTED)))
    assert "istio.io/rev" not in body(lowered(world), "Gateway", "waypoint")["metadata"]["labels"]
    found = lowered(world, replace(EXPERIMENTAL, revision="blue"))
    assert body(found, "Gateway", "waypoint")["metadata"]["labels"]["istio.io/rev"] == "blue"


def test_two_services_share_one_waypoint() -> None:
    other = api(http(ROUTED), name="other", labels=(("app", "other"),))
    assert names(lowered(plan(api(http(ROUTED)), other)), "Gateway") == ["waypoint"]


def test_the_binding_comes_last_and_takes_ingress_gateways_along() -> None:
    found = lowered(plan(api(http(ROUTED))))
    last = found[-1]
    assert last.phase is Phase.BINDING
    assert last.partial
    assert last.body == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "api",
            "namespace": "prod",
            "labels": {"istio.io/ingress-use-waypoint": "true", "istio.io/use-waypoint": "waypoint"},
        },
    }
    assert max(m.phase for m in found[:-1]) < Phase.BINDING


def test_an_existing_waypoint_is_bound_and_let_through_and_not_made() -> None:
    target = replace(EXPERIMENTAL, waypoint="shared", trust_domain="td.example")
    found = lowered(plan(api(http(ROUTED), access=Access(closed=True))), target)
    assert names(found, "Gateway") == []
    assert body(found, "Service", "api")["metadata"]["labels"]["istio.io/use-waypoint"] == "shared"
    assert body(found, "AuthorizationPolicy", "api.fence")["spec"]["rules"] == [
        {"from": [{"source": {"principals": ["td.example/ns/prod/sa/shared"]}}]}
    ]


def test_a_service_judged_at_ztunnel_is_kept_away_from_any_waypoint() -> None:
    # Behind a waypoint that somebody bound the namespace to, a DENY by identity would match nobody.
    found = lowered(plan(api(access=Access(deny=(Deny(WEB),)))))
    assert body(found, "Service", "api")["metadata"]["labels"] == {"istio.io/use-waypoint": "none"}


def test_an_open_service_without_routes_is_left_as_it_is() -> None:
    assert lowered(plan(api(http()))) == []


# ----------------------------------------------------------------------------------------------------- destinations

SPLIT = Rule("default", ANY, (Backend("v1", 90), Backend("v2", 10)))


def test_each_version_in_use_is_a_service_kept_away_from_the_waypoint() -> None:
    found = lowered(plan(api(http(SPLIT), versions=("v1", "v2", "v3"))))
    assert names(found, "Service") == ["api-v1", "api-v2", "api"]
    assert body(found, "Service", "api-v2") == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "api-v2", "namespace": "prod", "labels": {**OURS, "istio.io/use-waypoint": "none"}},
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": "api", "version": "v2"},
            "ports": [
                {"name": "http-8080", "port": 8080, "protocol": "TCP", "targetPort": 9000, "appProtocol": "http"}
            ],
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
        },
    }


def test_a_version_that_another_service_mirrors_to_has_its_service() -> None:
    copied = Rule("default", ANY, (Backend(None, 1),), mirror=Mirror(("prod", "api"), 8080, "v2", Decimal(100)))
    other = api(http(copied), name="other", labels=(("app", "other"),))
    found = lowered(plan(api(versions=("v1", "v2")), other))
    assert names(found, "Service") == ["api-v2", "other"]


def test_the_breaker_is_on_the_service_and_on_each_version() -> None:
    found = lowered(plan(api(http(SPLIT), versions=("v1", "v2"), breaker=BREAKER)))
    assert names(found, "DestinationRule") == ["api", "api-v1", "api-v2"]
    for name in ("api", "api-v1", "api-v2"):
        assert body(found, "DestinationRule", name)["spec"] == {
            "host": f"{name}.prod.svc.cluster.local",
            "exportTo": ["*"],
            "trafficPolicy": {
                "connectionPool": {"tcp": {"maxConnections": 100}},
                "outlierDetection": {
                    "consecutive5xxErrors": 5,
                    "consecutiveGatewayErrors": 0,
                    "interval": "10s",
                    "baseEjectionTime": "30s",
                    "maxEjectionPercent": 100,
                },
            },
        }


def test_no_destination_rule_without_a_breaker() -> None:
    assert names(lowered(plan(api(http(SPLIT), versions=("v1", "v2")))), "DestinationRule") == []


# ----------------------------------------------------------------------------------------------------------- routes


def test_one_route_for_each_port_in_the_services_namespace() -> None:
    found = lowered(plan(api(http(SPLIT), http(ROUTED, number=9090, target=9100), versions=("v1", "v2"))))
    assert names(found, "HTTPRoute") == ["api-8080", "api-9090"]
    assert body(found, "HTTPRoute", "api-8080") == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "api-8080", "namespace": "prod", "labels": OURS},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": "api", "namespace": "prod", "port": 8080}],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [
                        {
                            "group": "",
                            "kind": "Service",
                            "name": f"api-{version}",
                            "namespace": "prod",
                            "port": 8080,
                            "weight": weight,
                        }
                        for version, weight in (("v1", 90), ("v2", 10))
                    ],
                }
            ],
        },
    }


def _retried(**fields: Any) -> Rule:
    policy = Retry(**{"attempts": 3, "conditions": ("gateway-error",), **fields})
    return Rule("default", ANY, (Backend(None, 1),), timeout=Timeout(5000), retry=policy)


def test_retries_are_statuses_and_a_per_try_timeout_stands_beside_them() -> None:
    (rule,) = route(lowered(plan(api(http(_retried(statuses=(429,), per_try_timeout=1500, backoff=25))))))
    assert rule["timeouts"] == {"request": "5s", "backendRequest": "1500ms"}
    assert rule["retry"] == {"attempts": 3, "codes": [429, 502, 503, 504], "backoff": "25ms"}


@pytest.mark.parametrize(
    ("conditions", "statuses"),
    [
        (("5xx",), list(range(500, 600))),
        (("5xx", "gateway-error"), list(range(500, 600))),
        (("retriable-4xx",), [409]),
        (("connect-failure",), None),
        (("unavailable",), None),
    ],
)
def test_a_condition_is_the_statuses_it_stands_for(conditions: tuple[str, ...], statuses: list[int] | None) -> None:
    (rule,) = route(lowered(plan(api(http(_retried(conditions=conditions))))))
    assert rule["retry"].get("codes") == statuses


def test_no_backend_request_timeout_without_retries() -> None:
    # istiod would overwrite the request's timeout with it.
    (rule,) = route(lowered(plan(api(http(ROUTED)))))
    assert rule["timeouts"] == {"request": "5s"}
    assert "retry" not in rule


def test_a_percent_sign_in_a_header_is_doubled() -> None:
    edited = replace(DEFAULT, headers=Headers(request=HeaderEdits(set=(("x-share", "5%"),)), response=None))
    (rule,) = route(lowered(plan(api(http(edited)))))
    assert rule["filters"] == [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-share", "value": "5%%"}]}}
    ]


def test_beside_a_regex_path_no_path_is_a_regex_too() -> None:
    # Istio puts a prefix before a regular expression: "/" would take every request.
    regex = Rule("orders", Match(path=Path(PathKind.REGEX, "/orders/[0-9]+")), (Backend(None, 1),))
    world = plan(api(http(regex, ROUTED)))
    assert codes(world) == []
    first, last = route(lowered(world))
    assert first["matches"] == [{"path": {"type": "RegularExpression", "value": "/orders/[0-9]+"}}]
    assert last["matches"] == [{"path": {"type": "RegularExpression", "value": ".*"}}]


def test_a_redirect_has_no_backends_and_no_timeouts() -> None:
    away = Rule(
        "old", Match(path=Path(PathKind.EXACT, "/old")), (Backend(None, 1),), redirect=Redirect(301, path="/new")
    )
    first, _ = route(lowered(plan(api(http(replace(away, timeout=Timeout(1000)), ROUTED)))))
    assert set(first) == {"matches", "filters"}


# ---------------------------------------------------------------------------------------------------- route refusals


def _rule(name: str, path: Path | None = None, **fields: Any) -> Rule:
    return Rule(name, Match(path=path), (Backend(None, 1),), **{"source": AT, **fields})


REGEX = Path(PathKind.REGEX, "/orders/[0-9]+")


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (Path(PathKind.PREFIX, "/orders"), ["MESH627"]),
        (Path(PathKind.EXACT, "/orders/7"), ["MESH627"]),
        (Path(PathKind.PREFIX, "/carts"), []),
        (Path(PathKind.EXACT, "/orders/seven"), []),
    ],
)
def test_a_rule_that_istio_sorts_before_an_overlapping_regex_is_refused(later: Path, expected: list[str]) -> None:
    assert codes(plan(api(http(_rule("orders", REGEX), _rule("later", later), ROUTED)))) == expected


def test_a_longer_regex_overtakes_a_shorter_one_it_overlaps() -> None:
    rules = (_rule("short", Path(PathKind.REGEX, "/a.*")), _rule("long", Path(PathKind.REGEX, "/a[0-9]{1,3}")))
    assert codes(plan(api(http(*rules, ROUTED)))) == ["MESH627"]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (("reset",), ["MESH624"]),
        (("gateway-error", "reset"), []),
        (("5xx", "deadline-exceeded"), ["MESH624"]),
        (("internal",), ["MESH624"]),
        (("unavailable", "cancelled"), []),
    ],
)
def test_a_retry_condition_without_a_word_for_it_is_refused(conditions: tuple[str, ...], expected: list[str]) -> None:
    assert codes(plan(api(http(_retried(conditions=conditions))))) == expected


def test_a_try_longer_than_the_request_is_refused() -> None:
    assert codes(plan(api(http(_retried(per_try_timeout=6000))))) == ["MESH625"]
    assert codes(plan(api(http(_retried(per_try_timeout=5000))))) == []


@pytest.mark.parametrize(
    ("path", "new", "expected"),
    [
        (None, "/v2", ["MESH628"]),
        (None, "/", []),
        (None, None, []),
        (Path(PathKind.PREFIX, "/v1"), "/v2", []),
        (Path(PathKind.EXACT, "/v1"), "/v2", []),
    ],
)
def test_a_path_put_before_every_path_would_lose_its_slash(path: Path | None, new: str, expected: list[str]) -> None:
    rewritten = _rule("default", path, rewrite=Rewrite(path=new, host="b.example.com"))
    assert codes(plan(api(http(rewritten)))) == expected


def test_a_redirect_by_method_needs_newer_crds() -> None:
    world = plan(api(http(_rule("old", Path(PathKind.EXACT, "/old"), redirect=Redirect(308, path="/new")), ROUTED)))
    assert codes(world) == []
    assert codes(world, replace(EXPERIMENTAL, gateway_api="1.4")) == ["MESH677"]


def test_before_1_30_a_waypoint_reads_the_routes_of_one_port_only() -> None:
    two = plan(api(http(ROUTED), http(ROUTED, number=9090, target=9100)))
    one = plan(api(http(ROUTED), http(number=9090, target=9100)))
    for version, expected in (("1.28", ["MESH634"]), ("1.29", ["MESH634"]), ("1.30", []), ("1.31", [])):
        assert codes(two, replace(EXPERIMENTAL, version=version)) == expected
        assert codes(one, replace(EXPERIMENTAL, version=version)) == []


# ----------------------------------------------------------------------------------------------------------- access

GET = Allow(WEB, methods=("GET",), source=AT)
BY_CALLER = Allow(WEB, source=AT)
TARGET_REFS = [{"group": "", "kind": "Service", "name": "api"}]
SELECTOR = {"matchLabels": {"app": "api"}}
FROM_WEB = [{"source": {"principals": [WEB_PRINCIPAL]}}]
FENCE = {
    "selector": SELECTOR,
    "action": "ALLOW",
    "rules": [{"from": [{"source": {"principals": [WAYPOINT_PRINCIPAL]}}]}],
}


def access(found: list[Manifest]) -> dict[str, Any]:
    return {m.ref.name: m.body["spec"] for m in found if m.ref.kind == "AuthorizationPolicy"}


def test_without_a_waypoint_rules_are_at_ztunnel_with_the_workloads_ports() -> None:
    rules = Access(closed=True, allow=(replace(BY_CALLER, ports=(8080,)),), deny=(Deny(WEB, ports=(8080,)),))
    to = [{"operation": {"ports": ["9000"]}}]
    assert access(lowered(plan(api(access=rules)))) == {
        "api-deny": {"selector": SELECTOR, "action": "DENY", "rules": [{"from": FROM_WEB, "to": to}]},
        "api": {"selector": SELECTOR, "action": "ALLOW", "rules": [{"from": FROM_WEB, "to": to}]},
    }


def test_rules_about_requests_are_in_the_waypoint_with_the_services_ports_behind_a_fence() -> None:
    to = [{"operation": {"methods": ["GET"], "ports": ["8080"]}}]
    assert access(lowered(plan(api(access=Access(closed=True, allow=(GET,)))))) == {
        "api": {"targetRefs": TARGET_REFS, "action": "ALLOW", "rules": [{"from": FROM_WEB, "to": to}]},
        "api.fence": FENCE,
    }


def test_a_deny_about_requests_never_has_a_selector() -> None:
    # ztunnel strips what it does not know of a DENY, and then lets every request through (measured).
    found = access(lowered(plan(api(access=Access(deny=(Deny(WEB, methods=("DELETE",)),))))))
    assert set(found) == {"api-deny", "api.fence"}
    assert found["api-deny"]["targetRefs"] == TARGET_REFS
    assert found["api-deny"]["rules"][0]["to"] == [{"operation": {"methods": ["DELETE"], "ports": ["8080"]}}]
    assert found["api.fence"] == FENCE


def test_rules_of_identities_move_to_the_waypoint_of_a_service_that_has_one() -> None:
    # At ztunnel the caller would be the waypoint: an ALLOW would refuse everybody, a DENY nobody.
    rules = Access(closed=True, allow=(BY_CALLER,), deny=(Deny(Callers(namespaces=("dev",))),))
    found = access(lowered(plan(api(http(ROUTED), access=rules))))
    assert found == {
        "api-deny": {
            "targetRefs": TARGET_REFS,
            "action": "DENY",
            "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/dev/*"]}}]}],
        },
        "api": {"targetRefs": TARGET_REFS, "action": "ALLOW", "rules": [{"from": FROM_WEB}]},
        "api.fence": FENCE,
    }


def test_a_closed_service_with_a_waypoint_and_no_allow_refuses_everything_there() -> None:
    found = access(lowered(plan(api(http(ROUTED), access=Access(closed=True)))))
    assert found == {"api": {"targetRefs": TARGET_REFS, "action": "ALLOW", "rules": []}, "api.fence": FENCE}


def test_an_open_service_with_a_waypoint_needs_no_fence() -> None:
    assert access(lowered(plan(api(http(ROUTED))))) == {}


def test_a_namespace_closed_by_default_is_opened_for_the_waypoint() -> None:
    closed = Namespace("prod", default_deny=True, own_default_deny=AT)
    world = plan(api(http(ROUTED), access=Access(closed=True, allow=(GET,))), namespace=closed)
    found = access(lowered(world))
    assert found["default-deny"] == {"action": "ALLOW", "rules": []}
    assert found["api.fence"] == FENCE
    assert found["api"]["targetRefs"] == TARGET_REFS


def test_who_may_do_everything_passes_the_fence_directly() -> None:
    # A scraper calls the pods, a caller outside the mesh cannot come through the waypoint.
    scraper = Allow(Callers(accounts=(Account("mon", "prometheus"),)), ports=(8080,), source=AT)
    anyone = Allow(Callers(anyone=Anyone.AT_ALL), ports=(8080,), source=AT)
    world = plan(api(http(ROUTED), access=Access(closed=True, allow=(GET, scraper, anyone))))
    to = [{"operation": {"ports": ["9000"]}}]
    assert codes(world) == []
    assert access(lowered(world))["api.fence"]["rules"] == [
        *FENCE["rules"],
        {"from": [{"source": {"principals": ["cluster.local/ns/mon/sa/prometheus"]}}], "to": to},
        {"to": to},
    ]


def test_beside_a_deny_nobody_passes_the_fence_directly() -> None:
    rules = Access(closed=True, allow=(BY_CALLER,), deny=(Deny(WEB, methods=("DELETE",)),))
    assert access(lowered(plan(api(access=rules))))["api.fence"] == FENCE


# ---------------------------------------------------------------------------------------------------- access refusals


def test_callers_outside_the_mesh_cannot_be_judged_in_a_waypoint() -> None:
    anyone = Allow(Callers(anyone=Anyone.AT_ALL), methods=("GET",), source=AT)
    open_to_all = api(access=Access(closed=True, allow=(anyone,)))
    open_but_denied = api(access=Access(deny=(Deny(WEB, methods=("DELETE",), source=AT),)))
    for service in (open_to_all, open_but_denied):
        for mode in (None, MtlsMode.PERMISSIVE):
            assert codes(plan(replace(service, effective_mtls=mode))) == ["MESH623"]
        assert codes(plan(replace(service, effective_mtls=MtlsMode.STRICT))) == []


def test_a_service_cannot_have_the_waypoints_name() -> None:
    taken = api(name="waypoint", labels=(("app", "w"),))
    world = plan(api(http(ROUTED)), taken)
    assert codes(world) == ["MESH621"]
    assert codes(world, replace(EXPERIMENTAL, waypoint="shared")) == []
    assert codes(plan(taken)) == []


def test_a_workload_cannot_have_the_waypoints_identity() -> None:
    thief = api(name="thief", account="waypoint", labels=(("app", "t"),))
    assert codes(plan(api(http(ROUTED)), thief)) == ["MESH622"]


def test_a_second_service_is_no_way_around_the_rules_of_the_first() -> None:
    judged = api(labels=(("app", "api"), ("tier", "back")), access=Access(closed=True, allow=(GET,)))
    for other in (api(http(ROUTED), name="other"), api(name="other")):
        assert "MESH626" in codes(plan(judged, other))
    elsewhere = api(http(ROUTED), name="other", labels=(("app", "other"),))
    assert codes(plan(judged, elsewhere)) == []


def test_two_services_with_the_same_rules_may_share_their_pods() -> None:
    judged = api(access=Access(closed=True, allow=(GET,)))
    assert codes(plan(judged, replace(judged, name="other"))) == []


def test_a_mirror_to_a_service_with_rules_would_be_judged_as_the_waypoint() -> None:
    copied = _rule("default", mirror=Mirror(("prod", "copy"), 8080, None, Decimal(100), source=AT))
    copy = api(name="copy", labels=(("app", "copy"),), access=Access(closed=True, allow=(BY_CALLER,)))
    assert codes(plan(api(http(copied)), copy)) == ["MESH630"]
    assert codes(plan(api(http(copied)), replace(copy, access=Access()))) == []


def test_a_rule_about_requests_needs_a_port_that_has_some() -> None:
    tcp = api(Port(5432, "pg", Protocol.TCP, 5432), access=Access(closed=True, allow=(GET,)))
    assert codes(plan(tcp)) == ["MESH602"]


def test_a_named_workload_port_is_a_matter_of_ztunnel_alone() -> None:
    named = http(target="web")
    at_ztunnel = Access(closed=True, allow=(replace(BY_CALLER, ports=(8080,)),))
    assert codes(plan(api(named, access=at_ztunnel))) == ["MESH602"]
    assert codes(plan(api(named, access=Access(closed=True, allow=(GET,))))) == []


def test_enrolment_of_one_service_needs_its_workload_and_takes_no_revision() -> None:
    assert codes(plan(api(proxy=Proxy(enrolled=True)))) == ["MESH610"]
    workload = Workload("apps/v1", "Deployment", "api")
    assert codes(plan(api(proxy=Proxy(enrolled=True, revision="r1"), workload=workload))) == ["MESH632"]


# -------------------------------------------------------------------------------------------------------- everything


def _everything() -> Iterator[Service]:
    rules = Access(closed=True, allow=(GET, BY_CALLER))
    yield api(http(SPLIT), versions=("v1", "v2"), breaker=BREAKER, access=rules, mtls=Mtls(MtlsMode.STRICT))
    yield api(name="db", labels=(("app", "db"),), access=Access(closed=True, allow=(BY_CALLER,)))


def test_documents_of_a_service_never_refer_to_what_comes_later() -> None:
    world = plan(*_everything())
    for service in world.services:
        phases = [m.phase for m in EXPERIMENTAL.lower_service(service, world)]
        assert phases == sorted(phases)


def test_every_object_belongs_to_one_file_and_has_one_name() -> None:
    found = lowered(plan(*_everything(), namespace=Namespace("prod", default_deny=True, own_default_deny=AT)))
    assert len({m.ref for m in found}) == len(found)
    assert {m.owner for m in found} == {("prod", ""), ("prod", "api"), ("prod", "db")}
    assert all(m.body["metadata"]["labels"].items() >= OURS.items() for m in found if not m.partial)
