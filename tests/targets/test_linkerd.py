"""The Linkerd target, trap by trap: whole objects, and what is refused because the mesh would drop it in silence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshdsl.codes import linkerd as codes
from meshdsl.diagnostics import Origin, Severity
from meshdsl.manifest import Manifest, Phase
from meshdsl.plan.features import Feature
from meshdsl.plan.intent import (
    Breaker,
    Mesh,
    Namespace,
    Outlier,
    Plan,
    Port,
    Probe,
    Protocol,
    Proxy,
    Resources,
    Service,
    Workload,
)
from meshdsl.plan.requests import (
    Backend,
    Condition,
    HeaderEdits,
    Headers,
    Match,
    Path,
    PathKind,
    Redirect,
    Retry,
    Rule,
    Timeout,
)
from meshdsl.plan.rights import Access, Account, Allow, Anyone, Callers, Mtls, MtlsMode
from meshdsl.plan.source import Source
from meshdsl.targets.base import Level
from meshdsl.targets.linkerd import Linkerd
from meshdsl.targets.linkerd.atoms import Inexact, atoms
from meshdsl.targets.linkerd.order import preferences
from tests import oracle

HERE = Source(Origin("policies/api.py", 7, "Allow"))
ANY = Match()
PLAIN = (Backend(None, 1),)
PORT = Port(8080, "", Protocol.HTTP, 8080)
API = Service("prod", "api", "api", (("app", "api"),), (PORT,), versions=("v1", "v2"), source=HERE)
WEB = Callers((Account("front", "web"),))
ADMIN = Callers((Account("prod", "admin"),))
FRONT = Callers(namespaces=("front",))
IN_MESH, AT_ALL = Callers(anyone=Anyone.IN_MESH), Callers(anyone=Anyone.AT_ALL)
LABELS = {"app.kubernetes.io/managed-by": "meshdsl", "meshdsl.dev/set": "seed"}


def exact(path: str, method: str | None = None, *headers: Condition) -> Match:
    return Match(Path(PathKind.EXACT, path), method, headers)


def prefix(path: str, method: str | None = None) -> Match:
    return Match(Path(PathKind.PREFIX, path), method)


def regex(pattern: str, method: str | None = None) -> Match:
    return Match(Path(PathKind.REGEX, pattern), method)


def rule(name: str = "default", match: Match = ANY, **fields: Any) -> Rule:
    return Rule(**{"name": name, "match": match, "backends": PLAIN, "source": HERE, **fields})


def with_rules(*rules: Rule, service: Service = API, port: Port = PORT) -> Service:
    return replace(service, ports=(replace(port, rules=rules),))


def closed(*allow: Allow, service: Service = API, **fields: Any) -> Service:
    return replace(service, access=Access(closed=True, allow=allow), **fields)


def plan_of(*services: Service, namespace: Namespace | None = None, mesh: Mesh | None = None) -> Plan:
    return Plan("seed", mesh or Mesh(), (namespace or Namespace("prod"),), services)


def lowered(service: Service, target: Linkerd | None = None, namespace: Namespace | None = None) -> list[Manifest]:
    """What a service becomes, after the rules have been asked and an API server would have taken it."""
    target, plan = target or Linkerd(), plan_of(service, namespace=namespace)
    assert [d for d in target.check(plan) if d.severity is Severity.ERROR] == []
    found = list(target.lower_service(service, plan))
    if oracle.available():
        oracle.assert_valid(found, target)
    return found


def named(found: list[Manifest]) -> list[str]:
    return [f"{m.ref.kind} {m.ref.name}" for m in found]


def one(found: list[Manifest], kind: str, name: str) -> Any:
    [manifest] = [m for m in found if (m.ref.kind, m.ref.name) == (kind, name)]
    return manifest.body


def codes_of(*services: Service, target: Linkerd | None = None) -> list[str]:
    found = (target or Linkerd()).check(plan_of(*services))
    return [d.code for d in found if d.severity is Severity.ERROR]


# --------------------------------------------------------------------------------------------------------- profile


def test_the_profile_fills_itself_in() -> None:
    target = Linkerd(cluster_domain="c.example", identity_trust_domain="id.example")
    assert (target.version, target.trust_domain, target.identity_trust_domain) == ("2.20", "c.example", "id.example")
    assert Linkerd(trust_domain="t.example").identity_suffix == "serviceaccount.identity.linkerd.t.example"


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "2.17"},
        {"identity_trust_domain": "Not A Name"},
        {"split_api": "istio"},
        {"control_plane_namespace": "a.b"},
        {"opaque_ports": "http"},
        {"opaque_ports": "25,0"},
        {"opaque_ports": "26-25"},
        {"opaque_ports": "65536"},
    ],
)
def test_a_wrong_profile_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Linkerd(**wrong)


def test_every_feature_has_a_row_with_a_note_where_one_is_owed() -> None:
    assert set(Linkerd.support) == set(Feature)
    for feature, row in Linkerd.support.items():
        if row.level is not Level.EXACT:
            assert row.note, feature
            assert row.help, feature


def test_each_code_has_a_page() -> None:
    assert [page.code for page in codes.PAGES] == [f"MESH{n}" for n in range(641, 652)]


# ---------------------------------------------------------------------------------------------------------- routes


def test_a_service_without_policies_gets_nothing() -> None:
    assert lowered(API) == []


def test_a_split_makes_a_service_for_each_version_and_one_route() -> None:
    found = lowered(with_rules(rule(backends=(Backend("v1", 9), Backend("v2", 1)), split=HERE)))
    assert named(found) == ["Service api-v1", "Service api-v2", "HTTPRoute api-8080"]
    reference = {"group": "", "kind": "Service", "namespace": "prod", "port": 8080}
    assert found[-1].body == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "api-8080", "namespace": "prod", "labels": LABELS},
        "spec": {
            "parentRefs": [{**reference, "name": "api"}],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [
                        {**reference, "name": "api-v1", "weight": 9},
                        {**reference, "name": "api-v2", "weight": 1},
                    ],
                }
            ],
        },
    }
    assert [m.phase for m in found] == [Phase.DESTINATION, Phase.DESTINATION, Phase.ROUTE]
    assert found[-1].origins == (HERE.origin,)


@pytest.mark.parametrize(
    ("protocol", "written"),
    [
        (Protocol.HTTP, {"appProtocol": "http"}),
        (Protocol.HTTP2, {"appProtocol": "kubernetes.io/h2c"}),
        (Protocol.GRPC, {"appProtocol": "kubernetes.io/h2c"}),
    ],
)
def test_app_protocol_is_never_one_that_makes_the_port_opaque(protocol: Protocol, written: dict[str, str]) -> None:
    port = Port(8080, "", protocol, 8080)
    found = lowered(with_rules(rule(backends=(Backend("v1", 1),)), port=port))
    expected = {"port": 8080, "protocol": "TCP", "targetPort": 8080, **written}
    assert one(found, "Service", "api-v1")["spec"]["ports"] == [expected]


def test_a_tcp_port_of_a_version_says_nothing_about_its_protocol() -> None:
    http = Port(80, "http", Protocol.HTTP, 8080, (rule(backends=(Backend("v1", 1),)),))
    database = Port(5432, "db", Protocol.TCP, 5432)
    found = lowered(replace(API, ports=(http, database)))
    ports = one(found, "Service", "api-v1")["spec"]["ports"]
    assert ports[1] == {"name": "db", "port": 5432, "protocol": "TCP", "targetPort": 5432}


def test_a_grpc_port_keeps_http_routes() -> None:
    port = Port(50051, "", Protocol.GRPC, 50051)
    assert named(lowered(with_rules(rule(timeout=Timeout(5000)), port=port))) == ["HTTPRoute api-50051"]


def test_retries_put_rules_into_classes_of_their_own() -> None:
    retry = Retry(3, ("gateway-error", "reset", "retriable-4xx"), (503, 429))
    found = lowered(
        with_rules(
            rule("default-retried", Match(method="GET"), retry=retry),
            rule("default-retried-2", Match(method="PUT"), retry=retry),
            rule(),
        )
    )
    assert named(found) == ["HTTPRoute api-8080", "HTTPRoute api-8080.default-retried"]
    assert "annotations" not in found[0].body["metadata"]  # type: ignore[operator]
    retried: Any = found[1].body
    assert retried["metadata"]["annotations"] == {
        "retry.linkerd.io/http": "gateway-error,409,503,429",
        "retry.linkerd.io/limit": "3",
    }
    assert [len(r["matches"]) for r in retried["spec"]["rules"]] == [2]


def test_a_per_try_timeout_is_an_annotation_of_one_unit() -> None:
    [found] = lowered(with_rules(rule(retry=Retry(1, ("5xx",), per_try_timeout=90_000))))
    metadata: Any = found.body["metadata"]
    assert metadata["annotations"]["retry.linkerd.io/timeout"] == "90s"


def test_no_retry_writes_no_annotation_at_all() -> None:
    [found] = lowered(with_rules(rule()))
    assert "annotations" not in found.body["metadata"]  # type: ignore[operator]


def test_a_timeout_is_a_field_from_220_on() -> None:
    rules = (rule("slow", prefix("/slow"), timeout=Timeout(90_000)), rule(timeout=Timeout(250)))
    [found] = lowered(with_rules(*rules), Linkerd(version="2.20"))
    spec: Any = found.body["spec"]
    assert [r["timeouts"] for r in spec["rules"]] == [{"request": "90s"}, {"request": "250ms"}]
    assert "annotations" not in found.body["metadata"]  # type: ignore[operator]


@pytest.mark.parametrize("version", ["2.18", "2.19"])
def test_a_timeout_is_an_annotation_and_so_a_class_before_220(version: str) -> None:
    rules = (rule("slow", prefix("/slow"), timeout=Timeout(90_000)), rule(timeout=Timeout(250)))
    found = lowered(with_rules(*rules), Linkerd(version=version))
    assert named(found) == ["HTTPRoute api-8080", "HTTPRoute api-8080.slow"]
    metadata: Any = [m.body["metadata"] for m in found]
    assert [m["annotations"] for m in metadata] == [
        {"timeout.linkerd.io/request": "250ms"},
        {"timeout.linkerd.io/request": "90s"},
    ]
    assert "timeouts" not in str([m.body for m in found])


def test_header_edits_of_both_directions_are_filters() -> None:
    headers = Headers(HeaderEdits(set=(("x-a", "100%"),)), HeaderEdits(remove=("server",)))
    [found] = lowered(with_rules(rule(headers=headers)))
    spec: Any = found.body["spec"]
    assert spec["rules"][0]["filters"] == [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "100%"}]}},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["server"]}},
    ]


def test_a_redirect_has_no_backend() -> None:
    [found] = lowered(with_rules(rule("old", exact("/old"), redirect=Redirect(302, path="/new")), rule()))
    spec: Any = found.body["spec"]
    assert "backendRefs" not in spec["rules"][0]


def test_a_regex_is_anchored_because_the_mesh_searches_leftmost_first() -> None:
    [found] = lowered(with_rules(rule("re", regex("/a|/a/b"), timeout=Timeout(1)), rule()))
    spec: Any = found.body["spec"]
    assert spec["rules"][0]["matches"] == [{"path": {"type": "RegularExpression", "value": "^(?:/a|/a/b)$"}}]


# ----------------------------------------------------------------------------------------------------------- order


@pytest.mark.parametrize(
    ("a", "b", "wins"),
    [
        (exact("/a"), prefix("/a"), {0}),
        (exact("/a/b"), prefix("/a"), {1}),
        (exact("/"), ANY, {0}),
        (prefix("/a"), prefix("/a/b"), {-1}),
        (regex("/a/b/.*"), prefix("/a/b"), {1}),
        (regex("/a.*"), prefix("/a"), {1, 0}),
        (exact("/a"), regex("/a.*"), {0}),
        (regex("/a.*"), regex("/b.*"), {0}),
        (Match(method="GET"), Match(headers=(Condition("x", "1"),)), {-1}),
        (exact("/a", "GET"), Match(Path(PathKind.PREFIX, "/a"), headers=(Condition("x", "1"),)), {-1}),
        (Match(headers=(Condition("x", "1"),)), Match(headers=(Condition("x", ".*", regex=True),)), {0}),
    ],
)
def test_who_wins_is_what_real_proxies_answered(a: Match, b: Match, wins: set[int]) -> None:
    assert preferences(a, b) == wins
    assert preferences(b, a) == {-win for win in wins}


def test_an_exact_path_before_its_prefix_is_fine_in_one_object() -> None:
    assert codes_of(with_rules(rule("a", exact("/a"), timeout=Timeout(1)), rule("b", prefix("/a")), rule())) == []


def test_an_exact_path_and_its_prefix_in_two_objects_are_refused() -> None:
    retried = rule("a", exact("/a"), retry=Retry(1, ("5xx",)))
    [found] = Linkerd().check(plan_of(with_rules(retried, rule("b", prefix("/a"), timeout=Timeout(1)), rule())))
    assert found.code == "MESH642"
    assert found.origin == HERE.origin
    assert "rule a" in found.message
    assert "older" in found.reason


def test_timeouts_make_two_objects_of_such_rules_only_before_220() -> None:
    service = with_rules(
        rule("a", exact("/a"), timeout=Timeout(1)), rule("b", prefix("/a"), timeout=Timeout(2)), rule()
    )
    assert codes_of(service, target=Linkerd(version="2.20")) == []
    assert codes_of(service, target=Linkerd(version="2.19")) == ["MESH642"]


def test_a_tie_that_an_earlier_rule_takes_is_fine() -> None:
    retry = Retry(1, ("5xx",))
    rules = (
        rule("a", exact("/a", "GET"), retry=retry),
        rule("b", exact("/a"), retry=retry, timeout=Timeout(1)),
        rule("c", prefix("/a", "GET"), retry=retry, timeout=Timeout(2)),
        rule(),
    )
    assert codes_of(with_rules(*rules)) == []


def test_a_tie_of_header_conditions_in_two_objects_is_refused() -> None:
    one_value = Match(headers=(Condition("x", "1"),))
    any_value = Match(headers=(Condition("x", ".*", regex=True),))
    rules = (rule("a", one_value, retry=Retry(1, ("5xx",))), rule("b", any_value), rule())
    assert codes_of(with_rules(*rules)) == ["MESH642"]


def test_a_regex_after_a_prefix_that_should_win_is_refused() -> None:
    rules = (rule("a", prefix("/a/b"), timeout=Timeout(1)), rule("re", regex("/a/.*"), timeout=Timeout(2)), rule())
    assert codes_of(with_rules(*rules)) == ["MESH642"]


def test_a_regex_before_the_prefix_it_is_under_is_fine() -> None:
    rules = (rule("re", regex("/a/[0-9]+"), timeout=Timeout(1)), rule("a", prefix("/a")), rule())
    assert codes_of(with_rules(*rules)) == []


# --------------------------------------------------------------------------------------------------------- retries


@pytest.mark.parametrize("condition", ["reset", "connect-failure", "refused-stream"])
def test_a_reset_alone_is_refused(condition: str) -> None:
    assert codes_of(with_rules(rule(retry=Retry(1, (condition,), (503,))))) == ["MESH641"]


@pytest.mark.parametrize(
    "retry", [Retry(1, ("5xx", "reset")), Retry(1, ("gateway-error", "reset")), Retry(1, ("reset",), (502,))]
)
def test_a_reset_beside_what_it_arrives_as_is_fine(retry: Retry) -> None:
    [found] = lowered(with_rules(rule(retry=retry)))
    assert "reset" not in str(found.body)


# --------------------------------------------------------------------------------------------------------- breaker


def test_a_breaker_annotates_the_service_that_callers_name() -> None:
    outlier = Outlier(5, None, 10_000, 30_000, 50)
    [found] = lowered(replace(API, breaker=Breaker(None, outlier)))
    assert found.partial
    assert found.phase is Phase.DESTINATION
    assert found.body == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "api",
            "namespace": "prod",
            "annotations": {
                "balancer.linkerd.io/failure-accrual": "consecutive",
                "balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio": "0.5",
                "balancer.linkerd.io/failure-accrual-consecutive-max-failures": "5",
                "balancer.linkerd.io/failure-accrual-consecutive-max-penalty": "300s",
                "balancer.linkerd.io/failure-accrual-consecutive-min-penalty": "30s",
            },
        },
    }


def test_the_longest_ejection_is_never_shorter_than_the_base() -> None:
    [found] = lowered(replace(API, breaker=Breaker(None, Outlier(5, None, 10_000, 600_000, 50))))
    assert "consecutive-max-penalty': '600s'" in str(found.body)


# ------------------------------------------------------------------------------------------------------------- SMI

SMI = Linkerd(split_api="smi")
SPLIT = rule(backends=(Backend("v1", 9), Backend("v2", 1)), split=HERE)


def test_smi_writes_a_traffic_split_and_no_route() -> None:
    found = lowered(with_rules(SPLIT), SMI)
    assert named(found) == ["Service api-v1", "Service api-v2", "TrafficSplit api"]
    assert found[-1].body == {
        "apiVersion": "split.smi-spec.io/v1alpha1",
        "kind": "TrafficSplit",
        "metadata": {"name": "api", "namespace": "prod", "labels": LABELS},
        "spec": {
            "service": "api",
            "backends": [{"service": "api-v1", "weight": 9}, {"service": "api-v2", "weight": 1}],
        },
    }


def test_smi_leaves_services_without_a_split_to_routes() -> None:
    assert named(lowered(with_rules(rule(timeout=Timeout(5000))), SMI)) == ["HTTPRoute api-8080"]


@pytest.mark.parametrize(
    "service",
    [
        with_rules(
            rule("canary", Match(headers=(Condition("x", "1"),)), backends=(Backend("v2", 1),), canary=HERE), SPLIT
        ),
        with_rules(rule("part", prefix("/a")), SPLIT),
        with_rules(replace(SPLIT, timeout=Timeout(1))),
        with_rules(replace(SPLIT, retry=Retry(1, ("5xx",)))),
        with_rules(replace(SPLIT, headers=Headers(HeaderEdits(remove=("a",))))),
        with_rules(rule(redirect=Redirect(302, host="b.example"), backends=(Backend("v1", 1),))),
        replace(with_rules(SPLIT), breaker=Breaker(None, Outlier(5, None, 1000, 1000, 50))),
        replace(API, ports=(replace(PORT, name="a", rules=(SPLIT,)), Port(5432, "db", Protocol.TCP, 5432))),
        replace(
            API,
            ports=(
                replace(PORT, name="a", rules=(SPLIT,)),
                replace(PORT, number=9, name="b", rules=(replace(SPLIT, backends=(Backend("v1", 1),)),)),
            ),
        ),
    ],
    ids=["canary", "match", "timeout", "retry", "headers", "redirect", "breaker", "tcp port", "other weights"],
)
def test_smi_refuses_all_but_weights(service: Service) -> None:
    assert codes_of(service, target=SMI) == ["MESH643"]
    assert "MESH643" not in codes_of(service)


# ---------------------------------------------------------------------------------------------------------- access


def test_a_closed_service_without_callers_is_a_server_that_denies() -> None:
    [found] = lowered(closed())
    assert found.body == {
        "apiVersion": "policy.linkerd.io/v1beta3",
        "kind": "Server",
        "metadata": {"name": "api-8080", "namespace": "prod", "labels": LABELS},
        "spec": {
            "podSelector": {"matchLabels": {"app": "api"}},
            "port": 8080,
            "proxyProtocol": "unknown",
            "accessPolicy": "deny",
        },
    }


def test_callers_without_requests_are_a_policy_on_the_server() -> None:
    found = lowered(closed(Allow(WEB), Allow(ADMIN)))
    assert named(found) == ["MeshTLSAuthentication api-8080", "AuthorizationPolicy api-8080", "Server api-8080"]
    assert one(found, "MeshTLSAuthentication", "api-8080")["spec"] == {
        "identityRefs": [
            {"group": "", "kind": "ServiceAccount", "name": "web", "namespace": "front"},
            {"group": "", "kind": "ServiceAccount", "name": "admin", "namespace": "prod"},
        ]
    }
    assert one(found, "AuthorizationPolicy", "api-8080")["spec"] == {
        "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "api-8080"},
        "requiredAuthenticationRefs": [
            {
                "group": "policy.linkerd.io",
                "kind": "MeshTLSAuthentication",
                "name": "api-8080",
                "namespace": "prod",
            }
        ],
    }
    assert [m.phase for m in found] == [Phase.IDENTITY, Phase.ACCESS, Phase.ACCESS]


def test_accounts_and_namespaces_need_two_authentications_and_two_policies() -> None:
    target = Linkerd(identity_trust_domain="id.example", control_plane_namespace="mesh")
    found = lowered(closed(Allow(Callers(WEB.accounts, ("front",)))), target)
    assert named(found) == [
        "MeshTLSAuthentication api-8080",
        "MeshTLSAuthentication api-8080.namespaces",
        "AuthorizationPolicy api-8080",
        "AuthorizationPolicy api-8080.namespaces",
        "Server api-8080",
    ]
    assert one(found, "MeshTLSAuthentication", "api-8080.namespaces")["spec"] == {
        "identities": ["*.front.serviceaccount.identity.mesh.id.example"]
    }


def test_anyone_in_the_mesh_is_any_identity() -> None:
    found = lowered(closed(Allow(IN_MESH), Allow(WEB)))
    assert one(found, "MeshTLSAuthentication", "api-8080")["spec"] == {"identities": ["*"]}


def test_anyone_at_all_is_every_network_and_never_an_empty_list() -> None:
    found = lowered(closed(Allow(AT_ALL), Allow(WEB)))
    assert one(found, "NetworkAuthentication", "api-8080")["spec"] == {
        "networks": [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]
    }
    [required] = one(found, "AuthorizationPolicy", "api-8080")["spec"]["requiredAuthenticationRefs"]
    assert required["kind"] == "NetworkAuthentication"


def test_a_rule_about_requests_is_a_route_and_nothing_stands_on_the_server() -> None:
    found = lowered(closed(Allow(WEB, methods=("GET", "POST"), paths=(Path(PathKind.PREFIX, "/v1"),))))
    name = "api-8080.account.front.web"
    assert named(found) == [
        f"MeshTLSAuthentication {name}",
        f"AuthorizationPolicy {name}",
        f"HTTPRoute {name}",
        "Server api-8080",
    ]
    assert one(found, "AuthorizationPolicy", name)["spec"]["targetRef"] == {
        "group": "gateway.networking.k8s.io",
        "kind": "HTTPRoute",
        "name": name,
    }
    assert one(found, "HTTPRoute", name) == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": "prod", "labels": LABELS},
        "spec": {
            "parentRefs": [{"group": "policy.linkerd.io", "kind": "Server", "name": "api-8080", "namespace": "prod"}],
            "rules": [
                {
                    "matches": [
                        {"path": {"type": "PathPrefix", "value": "/v1"}, "method": "GET"},
                        {"path": {"type": "PathPrefix", "value": "/v1"}, "method": "POST"},
                    ]
                }
            ],
        },
    }


def routes_of(found: list[Manifest]) -> dict[str, list[Any]]:
    bodies: list[Any] = [m.body for m in found if m.ref.kind == "HTTPRoute"]
    return {
        body["metadata"]["name"].removeprefix("api-8080."): [m for r in body["spec"]["rules"] for m in r["matches"]]
        for body in bodies
    }


def test_what_two_rules_share_is_a_route_for_the_callers_of_both() -> None:
    get = Allow(WEB, methods=("GET",))
    admin = Allow(ADMIN, paths=(Path(PathKind.PREFIX, "/admin"),))
    routes = routes_of(lowered(closed(get, admin)))
    assert routes["account.front.web"] == [{"path": {"type": "PathPrefix", "value": "/"}, "method": "GET"}]
    assert routes["account.prod.admin"] == [{"path": {"type": "PathPrefix", "value": "/admin"}}]
    [shared] = set(routes) - {"account.front.web", "account.prod.admin"}
    assert shared.startswith("callers.2-")
    assert routes[shared] == [{"path": {"type": "PathPrefix", "value": "/admin"}, "method": "GET"}]


def test_a_caller_of_everything_beside_rules_about_requests_is_a_route_too() -> None:
    found = lowered(closed(Allow(ADMIN), Allow(WEB, methods=("GET",))))
    assert not [m for m in found if m.ref.kind == "AuthorizationPolicy" and "'kind': 'Server'" in str(m.body["spec"])]
    routes = routes_of(found)
    assert routes["account.prod.admin"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    [shared] = set(routes) - {"account.prod.admin"}
    assert routes[shared] == [{"path": {"type": "PathPrefix", "value": "/"}, "method": "GET"}]


def test_a_declared_probe_gets_a_route_where_rules_about_requests_stand() -> None:
    service = closed(Allow(WEB, methods=("GET",)), probes=(Probe("/healthz", 8080),))
    found = lowered(service)
    routes = routes_of(found)
    assert routes["anyone.at-all"] == [{"path": {"type": "Exact", "value": "/healthz"}, "method": "GET"}]
    assert one(found, "NetworkAuthentication", "api-8080.anyone.at-all")["spec"]["networks"][1] == {"cidr": "::/0"}


def test_without_such_rules_the_mesh_lets_probes_through_by_itself() -> None:
    found = lowered(closed(Allow(WEB), probes=(Probe("/healthz", 8080),)))
    assert not [m for m in found if m.ref.kind == "HTTPRoute"]


def test_a_probe_whose_port_may_be_the_target_under_another_name_is_refused() -> None:
    allow = Allow(WEB, methods=("GET",))
    assert codes_of(closed(allow, probes=(Probe("/healthz", "http"),))) == ["MESH646"]
    assert codes_of(closed(allow, probes=(Probe("/healthz", 9000),))) == []
    assert codes_of(closed(Allow(WEB), probes=(Probe("/healthz", "http"),))) == []


def test_an_exact_path_and_its_prefix_with_other_callers_are_refused() -> None:
    wide = Allow(ADMIN, paths=(Path(PathKind.PREFIX, "/a"),), source=HERE)
    narrow = Allow(WEB, paths=(Path(PathKind.EXACT, "/a"),), source=HERE)
    [found] = Linkerd().check(plan_of(closed(wide, narrow, probes_known=True)))
    assert found.code == "MESH648"
    assert "exact /a" in found.message
    assert codes_of(closed(wide, replace(narrow, callers=ADMIN))) == []
    assert codes_of(closed(wide, replace(narrow, methods=("GET",)))) == []


def test_a_regex_that_overlaps_another_path_with_other_callers_is_refused() -> None:
    pattern = Allow(WEB, paths=(Path(PathKind.REGEX, "/[a-z]+"),))
    other = Allow(ADMIN, paths=(Path(PathKind.PREFIX, "/admin"),))
    assert codes_of(closed(pattern, other)) == ["MESH648"]
    assert codes_of(closed(pattern, replace(other, callers=WEB))) == []


def test_a_request_is_decided_by_its_best_match_as_the_rules_say_together() -> None:
    """Every request of a small world, asked of the rules and of the routes."""
    granted = [
        (prefix("/a"), WEB),
        (Match(method="GET"), ADMIN),
        (exact("/a/b", "GET"), FRONT),
        (prefix("/a/b/c"), ADMIN),
        (Match(headers=(Condition("x", "1"),)), IN_MESH),
    ]
    routes = atoms(granted)
    for path in ("/", "/a", "/a/b", "/a/b/c", "/a/b/c/d", "/b"):
        for method in ("GET", "POST"):
            for headers in ((), (Condition("x", "1"),)):
                request = Match(Path(PathKind.EXACT, path), method, headers)
                matching = [route for route in routes if _matches(request, route[0])]
                should = [callers for match, callers in granted if _matches(request, match)]
                if not matching:
                    assert not should
                    continue
                best = [r for r in matching if all(w >= 0 for o in matching for w in _sign(r[0], o[0]))]
                assert len({callers for _, callers in best}) == 1, "a tie would be decided by age"
                assert _names(best[0][1]) == set().union(*map(_names, should)) or best[0][1] == IN_MESH


def _matches(request: Match, match: Match) -> bool:
    assert request.path is not None
    path = request.path.value
    by_path = (
        match.path is None
        or path == match.path.value
        or (match.path.kind is PathKind.PREFIX and path.startswith(match.path.value + "/"))
    )
    return by_path and match.method in (None, request.method) and set(match.headers) <= set(request.headers)


def _sign(a: Match, b: Match) -> set[int]:
    return set(preferences(a, b))


def _names(callers: Callers) -> set[object]:
    return {*callers.accounts, *callers.namespaces, *([callers.anyone] if callers.anyone else [])}


def test_more_routes_than_anyone_can_read_are_refused() -> None:
    by_path = [(prefix(f"/p{n}"), WEB) for n in range(20)]
    by_header = [(Match(headers=(Condition(f"h{n}", "1"),)), Callers((Account("a", str(n)),))) for n in range(20)]
    with pytest.raises(Inexact, match="256"):
        atoms([*by_path, *by_header])


def test_a_match_that_no_route_can_hold_is_refused() -> None:
    allow = Allow(WEB, paths=(Path(PathKind.REGEX, "a" * 1020),), source=HERE)
    assert codes_of(closed(allow)) == ["MESH675"]


def test_ports_with_one_target_are_one_server() -> None:
    ports = (Port(80, "a", Protocol.HTTP, 8080), Port(8080, "b", Protocol.HTTP, 8080))
    found = lowered(closed(Allow(WEB), ports=ports))
    assert [m.ref.name for m in found if m.ref.kind == "Server"] == ["api-80"]


def test_a_rule_for_one_of_two_ports_with_one_target_is_refused() -> None:
    ports = (Port(80, "a", Protocol.HTTP, 8080), Port(8080, "b", Protocol.HTTP, 8080))
    assert codes_of(closed(Allow(WEB, ports=(80,)), ports=ports)) == ["MESH645"]
    assert codes_of(closed(Allow(WEB, ports=(80, 8080)), ports=ports)) == []


def test_a_rule_for_some_ports_leaves_the_others_closed() -> None:
    ports = (Port(80, "a", Protocol.HTTP, "web"), Port(9090, "b", Protocol.TCP, 9090))
    found = lowered(closed(Allow(WEB, ports=(80,)), ports=ports))
    assert named(found) == [
        "MeshTLSAuthentication api-80",
        "AuthorizationPolicy api-80",
        "Server api-80",
        "Server api-9090",
    ]
    assert one(found, "Server", "api-80")["spec"]["port"] == "web"
    assert one(found, "Server", "api-9090")["spec"]["proxyProtocol"] == "opaque"


@pytest.mark.parametrize(
    ("protocol", "probes", "written"),
    [
        (Protocol.HTTP, (), "unknown"),
        (Protocol.HTTP2, (), "HTTP/2"),
        (Protocol.GRPC, (), "HTTP/2"),
        (Protocol.GRPC, (Probe("/healthz", 8080),), "unknown"),
        (Protocol.TLS, (), "opaque"),
    ],
)
def test_the_proxy_protocol_fits_the_port_and_its_probes(
    protocol: Protocol, probes: tuple[Probe, ...], written: str
) -> None:
    [found] = lowered(closed(ports=(Port(8080, "", protocol, 8080),), probes=probes))
    spec: Any = found.body["spec"]
    assert spec["proxyProtocol"] == written


def test_two_services_that_decide_for_the_same_pods_are_refused() -> None:
    other = closed(service=replace(API, name="api-admin"))
    assert codes_of(closed(), other) == ["MESH647"]
    assert codes_of(closed(), replace(other, ports=(Port(9090, "", Protocol.HTTP, 9090),))) == []
    assert codes_of(closed(), replace(other, namespace="front")) == []
    assert codes_of(closed(), replace(other, labels=(("app", "admin"),))) == []
    part = replace(other, labels=(("app", "api"), ("tier", "admin")))
    assert codes_of(closed(), part) == ["MESH647"]


def test_an_open_service_in_front_of_the_pods_of_a_closed_one_is_refused() -> None:
    other = replace(API, name="api-admin")
    assert codes_of(closed(), other) == ["MESH647"]
    assert codes_of(closed(), replace(other, labels=(("app", "api"), ("tier", "admin")))) == ["MESH647"]
    assert codes_of(closed(), replace(other, ports=(Port(9090, "", Protocol.HTTP, 9090),))) == []
    part = closed(labels=(("app", "api"), ("tier", "admin")))
    assert codes_of(part, other) == ["MESH647"]  # some requests of the wider one
    assert codes_of(part, replace(other, labels=(("app", "admin"),))) == []


def test_who_may_reach_a_service_without_ports_cannot_be_written() -> None:
    assert codes_of(closed(Allow(IN_MESH), ports=())) == ["MESH649"]
    assert codes_of(replace(API, ports=())) == []


def test_requests_on_a_port_that_is_opaque_by_its_number_are_refused() -> None:
    timeout, again = Timeout(5000, HERE), Retry(1, ("gateway-error",), source=HERE)
    by_number, in_pods = Port(9300, "", Protocol.HTTP, 8080), Port(80, "", Protocol.HTTP, 9300)
    by_request, by_caller = Allow(WEB, methods=("GET",)), Allow(WEB)
    routed, retried = rule(timeout=timeout), rule(retry=again)
    breaker = Breaker(None, Outlier(5, None, 10_000, 30_000, 10), HERE)

    assert codes_of(with_rules(routed, port=by_number)) == ["MESH651"]
    assert codes_of(with_rules(routed, port=by_number), target=Linkerd(opaque_ports="25,9200-9299")) == []
    assert codes_of(with_rules(routed, port=in_pods), target=Linkerd(opaque_ports="80-90")) == ["MESH651"]
    assert codes_of(replace(API, ports=(by_number,), breaker=breaker)) == ["MESH651"]
    assert codes_of(replace(API, ports=(replace(by_number, protocol=Protocol.TCP),), breaker=breaker)) == []
    assert codes_of(replace(API, ports=(by_number,))) == []

    assert codes_of(with_rules(routed, port=in_pods)) == []
    assert codes_of(with_rules(retried, port=in_pods)) == []  # by status
    lost = rule(retry=replace(again, conditions=("5xx",)))
    assert codes_of(with_rules(lost, port=in_pods)) == ["MESH651"]
    assert codes_of(with_rules(lost, port=replace(in_pods, target="http"))) == []

    assert codes_of(closed(by_request, ports=(by_number,), probes_known=True)) == ["MESH651"]
    assert codes_of(closed(by_request, ports=(in_pods,), probes_known=True)) == ["MESH651"]
    assert codes_of(closed(by_caller, ports=(in_pods,))) == []
    of_grpc = replace(in_pods, protocol=Protocol.GRPC)
    assert codes_of(closed(by_caller, ports=(of_grpc,))) == ["MESH651"]
    assert codes_of(closed(ports=(of_grpc,))) == []
    assert codes_of(closed(by_caller, ports=(replace(by_number, protocol=Protocol.GRPC),))) == []


# ------------------------------------------------------------------------------------------------------------ mTLS


def annotations_of(namespace: Namespace, **fields: Any) -> dict[str, str]:
    found = list(Linkerd().lower_namespace(namespace, plan_of(namespace=namespace, **fields)))
    if not found:
        return {}
    [manifest] = found
    assert manifest.partial
    metadata: Any = manifest.body["metadata"]
    assert "labels" not in metadata
    return dict(metadata["annotations"])


POLICY = "config.linkerd.io/default-inbound-policy"
STRICT, PERMISSIVE = Mtls(MtlsMode.STRICT, HERE), Mtls(MtlsMode.PERMISSIVE, HERE)


@pytest.mark.parametrize(
    ("namespace", "written"),
    [
        (Namespace("prod"), {}),
        (Namespace("prod", STRICT, MtlsMode.STRICT), {POLICY: "all-authenticated"}),
        (Namespace("prod", PERMISSIVE, MtlsMode.PERMISSIVE), {POLICY: "all-unauthenticated"}),
        (Namespace("prod", effective_mtls=MtlsMode.STRICT), {POLICY: "all-authenticated"}),
        (Namespace("prod", STRICT, MtlsMode.STRICT, default_deny=True, own_default_deny=HERE), {POLICY: "deny"}),
    ],
)
def test_the_default_policy_of_a_namespace(namespace: Namespace, written: dict[str, str]) -> None:
    assert annotations_of(namespace) == written


def test_all_annotations_of_a_namespace_are_in_one_object() -> None:
    proxy = Proxy(enrolled=True, resources=Resources("100m", "1", "64Mi", "256Mi"))
    assert annotations_of(Namespace("prod", STRICT, MtlsMode.STRICT, proxy=proxy)) == {
        "config.linkerd.io/default-inbound-policy": "all-authenticated",
        "config.linkerd.io/proxy-cpu-limit": "1",
        "config.linkerd.io/proxy-cpu-request": "100m",
        "config.linkerd.io/proxy-memory-limit": "256Mi",
        "config.linkerd.io/proxy-memory-request": "64Mi",
        "linkerd.io/inject": "enabled",
    }
    assert annotations_of(Namespace("prod", proxy=Proxy(enrolled=False))) == {"linkerd.io/inject": "disabled"}


def test_the_mesh_itself_is_told_nothing() -> None:
    assert list(Linkerd().lower_mesh(plan_of(mesh=Mesh(STRICT, HERE)))) == []


def test_a_service_with_a_mode_of_its_own_gets_servers_that_let_in_by_it() -> None:
    strict = Namespace("prod", STRICT, MtlsMode.STRICT)
    service = replace(API, mtls=PERMISSIVE, effective_mtls=MtlsMode.PERMISSIVE)
    [found] = lowered(service, namespace=strict)
    spec: Any = found.body["spec"]
    assert spec["accessPolicy"] == "all-unauthenticated"
    [found] = lowered(replace(API, mtls=STRICT, effective_mtls=MtlsMode.STRICT))
    assert "'all-authenticated'" in str(found.body)
    assert lowered(replace(API, mtls=STRICT, effective_mtls=MtlsMode.STRICT), namespace=strict) == []


def test_a_closed_service_is_decided_by_its_own_server_whatever_its_mode() -> None:
    found = lowered(closed(Allow(WEB), service=replace(API, mtls=STRICT, effective_mtls=MtlsMode.STRICT)))
    assert one(found, "Server", "api-8080")["spec"]["accessPolicy"] == "deny"


# ------------------------------------------------------------------------------------------------------- enrolment


def test_a_service_configures_its_own_workload() -> None:
    proxy = Proxy(enrolled=None, resources=Resources(cpu_request="100m"), source=HERE)
    [found] = lowered(replace(API, proxy=proxy, workload=Workload("apps/v1", "Deployment", "api-server")))
    assert found.partial
    assert found.body == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api-server", "namespace": "prod"},
        "spec": {
            "template": {"metadata": {"annotations": {"config.linkerd.io/proxy-cpu-request": "100m"}}},
        },
    }


def test_a_service_can_be_kept_out_of_the_mesh() -> None:
    service = replace(API, proxy=Proxy(enrolled=False), workload=Workload("apps/v1", "Deployment", "api"))
    [found] = lowered(service)
    assert "'linkerd.io/inject': 'disabled'" in str(found.body)


def test_a_service_whose_workload_is_not_named_is_refused() -> None:
    assert codes_of(replace(API, proxy=Proxy(enrolled=True, source=HERE))) == ["MESH644"]


def test_a_closed_service_that_does_not_speak_of_probes_is_warned_about() -> None:
    service = closed(Allow(IN_MESH, ("GET",)))
    found = list(Linkerd().check(plan_of(service)))
    assert [(d.code, d.severity) for d in found] == [("MESH650", Severity.WARNING)]
    assert list(Linkerd().check(plan_of(replace(service, probes_known=True)))) == []
