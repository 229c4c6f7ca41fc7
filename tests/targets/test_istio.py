"""What the Istio target writes, trap by trap: whole specs, built from intents by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from meshdsl.codes.istio import PAGES
from meshdsl.diagnostics import Origin, Severity
from meshdsl.manifest import Manifest, Phase
from meshdsl.plan.features import Feature
from meshdsl.plan.intent import (
    Breaker,
    Mesh,
    Namespace,
    Outlier,
    Plan,
    Pool,
    Port,
    Protocol,
    Proxy,
    Resources,
    Service,
    Workload,
)
from meshdsl.plan.requests import (
    Abort,
    Backend,
    Condition,
    Delay,
    Fault,
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
from meshdsl.plan.uses import uses
from meshdsl.targets.base import Level
from meshdsl.targets.istio import Istio
from tests import oracle

ISTIO = Istio()
HOST = "api.prod.svc.cluster.local"
HERE = Source(Origin("mesh.py", 7, "Policy"))
WEB = Callers(accounts=(Account("prod", "web"),))
WEB_FROM = [{"source": {"principals": ["cluster.local/ns/prod/sa/web"]}}]
PLAIN = (Backend(None, 1),)
TO_8080 = {"host": HOST, "port": {"number": 8080}}


# -------------------------------------------------------------------------------------------------------- builders


def rule(match: Match | None = None, name: str = "default", backends: tuple[Backend, ...] = PLAIN, **rest: Any) -> Rule:
    return Rule(name, match or Match(), backends, source=HERE, **rest)


def port(*rules: Rule, number: int = 8080, **rest: Any) -> Port:
    facts: dict[str, Any] = {"name": "", "protocol": Protocol.HTTP, "target": number}
    return Port(number=number, rules=rules, **(facts | rest))


def service(*ports: Port, name: str = "api", namespace: str = "prod", **rest: Any) -> Service:
    facts: dict[str, Any] = {"account": name, "labels": (("app", name),), "source": HERE}
    return Service(namespace=namespace, name=name, ports=ports or (port(),), **(facts | rest))


def plan(*services: Service, mesh: Mesh | None = None, namespaces: tuple[Namespace, ...] = ()) -> Plan:
    named = {n.name: n for n in namespaces}
    missing = {s.namespace for s in services} - named.keys()
    every = (*namespaces, *(Namespace(name) for name in sorted(missing)))
    return Plan("seed", mesh or Mesh(), every, tuple(services))


def lower(whole: Plan, target: Istio = ISTIO) -> list[Manifest]:
    """Everything of a plan, which must be without findings and take the real schemas."""
    assert list(target.check(whole)) == []
    made = list(target.lower_mesh(whole))
    for namespace in whole.namespaces:
        made += target.lower_namespace(namespace, whole)
    for one in whole.services:
        made += target.lower_service(one, whole)
    if oracle.available():
        oracle.assert_valid(made, target)
    return made


def only(kind: str, made: Iterable[Manifest]) -> Any:
    """The one manifest of a kind."""
    (found,) = [m for m in made if m.ref.kind == kind]
    return found


def spec(kind: str, one: Service, *others: Service, target: Istio = ISTIO) -> Any:
    return only(kind, lower(plan(one, *others), target)).body["spec"]


def http(*rules: Rule, others: tuple[Service, ...] = (), **facts: Any) -> Any:
    """The ``http`` routes of a service with one port."""
    return spec("VirtualService", service(port(*rules), **facts), *others)["http"]


def codes(one: Service, *others: Service, target: Istio = ISTIO, **rest: Any) -> list[str]:
    return sorted({d.code for d in target.check(plan(one, *others, **rest))})


def allowed(*rules: Allow, **facts: Any) -> Service:
    return service(access=Access(closed=True, allow=rules), **facts)


def denied(*rules: Deny, **facts: Any) -> Service:
    return service(access=Access(deny=rules), **facts)


# ------------------------------------------------------------------------------------------------- virtual services


def test_a_virtual_service_names_its_host_in_full_and_leaves_nothing_to_defaults() -> None:
    body = only("VirtualService", lower(plan(service(port(rule(timeout=Timeout(1500)))))))

    assert body.phase is Phase.ROUTE
    assert body.owner == ("prod", "api")
    assert not body.partial
    assert body.origins == (HERE.origin,)
    assert body.body == {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {
            "name": "api",
            "namespace": "prod",
            "labels": {"app.kubernetes.io/managed-by": "meshdsl", "meshdsl.dev/set": "seed"},
        },
        "spec": {
            "hosts": [HOST],
            "exportTo": ["*"],
            "http": [
                {
                    "name": "default",
                    "route": [{"destination": TO_8080}],
                    "timeout": "1500ms",
                    "retries": {"attempts": 0},
                }
            ],
        },
    }


def test_a_service_without_rules_has_no_virtual_service() -> None:
    assert lower(plan(service())) == []


def test_the_cluster_domain_is_part_of_the_host() -> None:
    body = spec("VirtualService", service(port(rule())), target=Istio(cluster_domain="corp.example"))
    assert body["hosts"] == ["api.prod.svc.corp.example"]
    assert body["http"][0]["route"][0]["destination"]["host"] == "api.prod.svc.corp.example"


def test_a_split_writes_subsets_and_weights() -> None:
    (route,) = http(rule(backends=(Backend("v1", 90), Backend("v2", 10))), versions=("v1", "v2"))
    assert route["route"] == [
        {"destination": {**TO_8080, "subset": "v1"}, "weight": 90},
        {"destination": {**TO_8080, "subset": "v2"}, "weight": 10},
    ]


def test_a_canary_by_header_comes_before_the_split() -> None:
    first, second = http(
        rule(Match(headers=(Condition("x-canary", "true"),)), "canary", (Backend("v2", 1),)),
        rule(backends=(Backend("v1", 9), Backend("v2", 1))),
        versions=("v1", "v2"),
    )
    assert first == {
        "name": "canary",
        "match": [{"headers": {"x-canary": {"exact": "true"}}}],
        "route": [{"destination": {**TO_8080, "subset": "v2"}}],
        "retries": {"attempts": 0},
    }
    assert "match" not in second


def test_a_prefix_is_one_of_segments() -> None:
    first, _ = http(rule(Match(Path(PathKind.PREFIX, "/a")), "a", timeout=Timeout(1000)), rule())
    assert first["match"] == [{"uri": {"exact": "/a"}}, {"uri": {"prefix": "/a/"}}]


def test_all_conditions_of_a_match_are_written() -> None:
    match = Match(
        Path(PathKind.REGEX, "/v[0-9]+/.*"),
        "POST",
        (Condition("x-team", "a|b", regex=True),),
        (Condition("debug", "1"),),
    )
    first, _ = http(rule(match, "x", timeout=Timeout(1000)), rule())
    assert first["match"] == [
        {
            "uri": {"regex": "/v[0-9]+/.*"},
            "method": {"exact": "POST"},
            "headers": {"x-team": {"regex": "a|b"}},
            "queryParams": {"debug": {"exact": "1"}},
        }
    ]


def test_neighbours_that_do_the_same_are_one_route_and_order_stays() -> None:
    slow = Timeout(9000)
    routes = http(
        rule(Match(method="GET"), "a", timeout=slow),
        rule(Match(method="PUT"), "b", timeout=slow),
        rule(Match(method="POST"), "c"),
        rule(Match(method="DELETE"), "d", timeout=slow),
        rule(),
    )
    assert [(r["name"], [m["method"]["exact"] for m in r.get("match", [])]) for r in routes] == [
        ("a", ["GET", "PUT"]),
        ("c", ["POST"]),
        ("d", ["DELETE"]),
        ("default", []),
    ]


def test_what_only_repeats_the_catch_all_is_swallowed_by_it() -> None:
    (route,) = http(rule(Match(method="GET"), "a"), rule())
    assert route["name"] == "default"
    assert "match" not in route


def test_with_several_ports_every_match_carries_its_port() -> None:
    one = service(
        port(rule(Match(method="GET"), "get", timeout=Timeout(1000)), rule(), number=80, target=8080),
        port(rule(), number=81),
        port(number=9000, protocol=Protocol.TCP),
    )
    routes = spec("VirtualService", one)["http"]
    assert [(r["name"], r["match"], r["route"][0]["destination"]["port"]["number"]) for r in routes] == [
        ("get-80", [{"method": {"exact": "GET"}, "port": 80}], 80),
        ("default-80", [{"port": 80}], 80),
        ("default-81", [{"port": 81}], 81),
    ]


def test_a_single_table_beside_another_port_carries_its_port() -> None:
    one = service(port(rule()), port(number=9000, protocol=Protocol.TCP))
    (route,) = spec("VirtualService", one)["http"]
    assert (route["name"], route["match"]) == ("default", [{"port": 8080}])


def test_no_retry_is_written_because_the_mesh_would_retry() -> None:
    assert http(rule())[0]["retries"] == {"attempts": 0}


def test_retries_write_every_part_and_no_spaces() -> None:
    retry = Retry(3, ("5xx", "reset", "connect-failure"), (409, 503), per_try_timeout=2000, backoff=75)
    assert http(rule(retry=retry))[0]["retries"] == {
        "attempts": 3,
        "perTryTimeout": "2s",
        "retryOn": "5xx,reset,connect-failure,409,503",
        "backoff": "75ms",
    }


def test_a_timeout_has_one_unit() -> None:
    assert http(rule(timeout=Timeout(90_000)))[0]["timeout"] == "90s"


def test_fault_percentages_are_always_written() -> None:
    fault = Fault(Abort(503, Decimal(100)), Delay(2000, Decimal("0.5")))
    assert http(rule(fault=fault))[0]["fault"] == {
        "delay": {"fixedDelay": "2s", "percentage": {"value": 0.5}},
        "abort": {"httpStatus": 503, "percentage": {"value": 100}},
    }


def test_a_mirror_names_host_port_subset_and_percentage() -> None:
    shadow = service(port(number=9090), name="shadow", namespace="lab", versions=("v1", "v2"))
    mirror = Mirror(("lab", "shadow"), 9090, "v2", Decimal(100))
    made = lower(plan(service(port(rule(mirror=mirror))), shadow))

    assert only("VirtualService", made).body["spec"]["http"][0]["mirrors"] == [
        {
            "destination": {"host": "shadow.lab.svc.cluster.local", "port": {"number": 9090}, "subset": "v2"},
            "percentage": {"value": 100},
        }
    ]
    subsets = only("DestinationRule", made)
    assert (subsets.ref.namespace, subsets.ref.name) == ("lab", "shadow")
    assert subsets.body["spec"]["subsets"] == [
        {"name": "v1", "labels": {"version": "v1"}},
        {"name": "v2", "labels": {"version": "v2"}},
    ]


def test_a_mirror_to_a_service_as_it_is_needs_no_subset() -> None:
    mirror = Mirror(("prod", "api"), 8080, None, Decimal(25))
    (route,) = http(rule(mirror=mirror))
    assert route["mirrors"] == [{"destination": TO_8080, "percentage": {"value": 25}}]


def test_header_edits_double_percent_signs() -> None:
    headers = Headers(
        HeaderEdits(set=(("x-share", "10%"),), add=(("x-tag", "a"),), remove=("x-debug",)),
        HeaderEdits(set=(("x-mark", "%START_TIME%"),)),
    )
    assert http(rule(headers=headers))[0]["headers"] == {
        "request": {"set": {"x-share": "10%%"}, "add": {"x-tag": "a"}, "remove": ["x-debug"]},
        "response": {"set": {"x-mark": "%%START_TIME%%"}},
    }


@pytest.mark.parametrize(
    ("path", "new", "written"),
    [
        (Path(PathKind.EXACT, "/a"), "/v2", [("exact", "/a", "/v2")]),
        (Path(PathKind.PREFIX, "/a"), "/v2", [("exact", "/a", "/v2"), ("prefix", "/a/", "/v2/")]),
        (Path(PathKind.PREFIX, "/a"), "/v2/", [("exact", "/a", "/v2/"), ("prefix", "/a/", "/v2/")]),
        (Path(PathKind.REGEX, "/a.*"), "/v2", [("regex", "/a.*", "/v2")]),
    ],
)
def test_a_rewrite_replaces_what_the_path_matched(path: Path, new: str, written: list[tuple[str, str, str]]) -> None:
    *routes, _ = http(rule(Match(path), "a", rewrite=Rewrite(new)), rule())
    found = [
        (kind, text, r["rewrite"]["uri"]) for r in routes for match in r["match"] for kind, text in match["uri"].items()
    ]
    assert found == written


def test_a_prefix_rewritten_to_the_root_doubles_no_slash() -> None:
    *routes, _ = http(rule(Match(Path(PathKind.PREFIX, "/a")), "a", rewrite=Rewrite("/")), rule())
    assert [(r["match"], r["rewrite"]) for r in routes] == [
        ([{"uri": {"exact": "/a"}}, {"uri": {"prefix": "/a/"}}], {"uri": "/"}),
    ]


@pytest.mark.parametrize("new", ["/v2", "/v2/"])
def test_a_rewrite_without_a_path_is_put_before_the_path(new: str) -> None:
    # Envoy replaces the prefix "/": "/v2" alone would make "/v2x" of "/x".
    assert http(rule(rewrite=Rewrite(new)))[0]["rewrite"] == {"uri": "/v2/"}


def test_a_rewrite_of_the_host_alone_leaves_the_path() -> None:
    assert http(rule(rewrite=Rewrite(host="old.example")))[0]["rewrite"] == {"authority": "old.example"}


def test_a_redirect_has_neither_route_nor_retries_nor_timeout() -> None:
    redirect = Redirect(308, scheme="https", host="new.example", port=8443, path="/new")
    assert http(rule(redirect=redirect, timeout=Timeout(1000))) == [
        {
            "name": "default",
            "redirect": {
                "scheme": "https",
                "authority": "new.example",
                "port": 8443,
                "uri": "/new",
                "redirectCode": 308,
            },
        }
    ]


def test_a_redirect_to_another_host_keeps_the_port_that_envoy_would_drop() -> None:
    one = service(port(rule(redirect=Redirect(302, host="b.example")), number=8080))
    assert spec("VirtualService", one)["http"][0]["redirect"] == {
        "authority": "b.example",
        "port": 8080,
        "redirectCode": 302,
    }
    one = service(port(rule(redirect=Redirect(302, host="b.example")), number=80))
    assert "port" not in spec("VirtualService", one)["http"][0]["redirect"]


# ------------------------------------------------------------------------------------------------ destination rules


BREAKER = Breaker(
    Pool(max_connections=100, max_pending_requests=50, max_requests=1000, max_requests_per_connection=10),
    Outlier(5, None, 30_000, 30_000, 100),
    source=HERE,
)


def test_a_breaker_writes_both_counters_and_the_percentage_and_no_tls() -> None:
    made = only("DestinationRule", lower(plan(service(breaker=BREAKER))))
    assert made.phase is Phase.DESTINATION
    assert made.ref.name == "api"
    assert made.body["spec"] == {
        "host": HOST,
        "exportTo": ["*"],
        "trafficPolicy": {
            "connectionPool": {
                "tcp": {"maxConnections": 100},
                "http": {"http1MaxPendingRequests": 50, "http2MaxRequests": 1000, "maxRequestsPerConnection": 10},
            },
            "outlierDetection": {
                "consecutive5xxErrors": 5,
                "consecutiveGatewayErrors": 0,
                "interval": "30s",
                "baseEjectionTime": "30s",
                "maxEjectionPercent": 100,
            },
        },
    }


def test_gateway_errors_alone_switch_the_other_counter_off() -> None:
    breaker = Breaker(None, Outlier(None, 3, 10_000, 30_000, 50))
    policy = spec("DestinationRule", service(breaker=breaker))["trafficPolicy"]
    assert policy["outlierDetection"]["consecutive5xxErrors"] == 0
    assert policy["outlierDetection"]["consecutiveGatewayErrors"] == 3
    assert "connectionPool" not in policy


def test_a_pool_of_one_limit_has_no_empty_blocks() -> None:
    policy = spec("DestinationRule", service(breaker=Breaker(Pool(max_connections=1), None)))["trafficPolicy"]
    assert policy == {"connectionPool": {"tcp": {"maxConnections": 1}}}


def test_every_declared_version_is_a_subset_by_its_version_label_alone() -> None:
    one = service(
        port(rule(backends=(Backend("v1", 1),))), versions=("v1", "v2"), version_label="track", breaker=BREAKER
    )
    body = spec("DestinationRule", one)
    assert body["subsets"] == [{"name": "v1", "labels": {"track": "v1"}}, {"name": "v2", "labels": {"track": "v2"}}]
    assert "trafficPolicy" in body


def test_versions_that_nothing_refers_to_make_no_destination_rule() -> None:
    made = lower(plan(service(port(rule()), versions=("v1", "v2"))))
    assert [m.ref.kind for m in made] == ["VirtualService"]


# ----------------------------------------------------------------------------------------------------------- access


def rules_of(one: Service, target: Istio = ISTIO) -> Any:
    return spec("AuthorizationPolicy", one, target=target)["rules"]


def test_a_closed_service_without_rules_refuses_everything() -> None:
    made = only("AuthorizationPolicy", lower(plan(allowed())))
    assert made.phase is Phase.ACCESS
    assert made.ref.name == "api"
    assert made.body["spec"] == {"selector": {"matchLabels": {"app": "api"}}, "action": "ALLOW", "rules": []}


def test_an_open_service_has_no_allow_policy() -> None:
    assert lower(plan(service(access=Access()))) == []


def test_callers_are_principals_with_the_trust_domain() -> None:
    callers = Callers(accounts=(Account("prod", "web"), Account("ops", "cron")), namespaces=("batch",))
    (written,) = rules_of(allowed(Allow(callers)), Istio(trust_domain="td.example"))
    assert written == {
        "from": [
            {
                "source": {
                    "principals": [
                        "td.example/ns/prod/sa/web",
                        "td.example/ns/ops/sa/cron",
                        "td.example/ns/batch/*",
                    ]
                }
            }
        ]
    }


def test_the_trust_domain_is_the_cluster_domain_unless_said() -> None:
    (written,) = rules_of(allowed(Allow(WEB)), Istio(cluster_domain="corp.example"))
    assert written["from"][0]["source"]["principals"] == ["corp.example/ns/prod/sa/web"]


def test_anyone_in_the_mesh_needs_an_identity_and_anyone_at_all_none() -> None:
    assert rules_of(allowed(Allow(Callers(anyone=Anyone.IN_MESH)))) == [{"from": [{"source": {"principals": ["*"]}}]}]
    assert rules_of(allowed(Allow(Callers(anyone=Anyone.AT_ALL)))) == [{}]


def test_a_rule_about_requests_names_the_workload_ports_that_speak_http() -> None:
    one = allowed(
        Allow(
            WEB,
            methods=("GET", "POST"),
            paths=(Path(PathKind.EXACT, "/x"), Path(PathKind.PREFIX, "/a")),
            headers=(Condition("x-team", "payments"), Condition("x-trace", ".*", regex=True)),
        ),
    )
    one = replace(one, ports=(port(number=80, target=8080), port(number=9000, target=9001, protocol=Protocol.TCP)))
    assert rules_of(one) == [
        {
            "from": WEB_FROM,
            "to": [{"operation": {"methods": ["GET", "POST"], "paths": ["/x", "/a", "/a/*"], "ports": ["8080"]}}],
            "when": [
                {"key": "request.headers[x-team]", "values": ["payments"]},
                {"key": "request.headers[x-trace]", "values": ["*"]},
            ],
        }
    ]


def test_a_header_alone_is_tied_to_ports_as_well() -> None:
    (written,) = rules_of(denied(Deny(WEB, headers=(Condition("x-debug", "1"),))))
    assert written["to"] == [{"operation": {"ports": ["8080"]}}]


def test_ports_of_a_rule_are_the_workloads() -> None:
    one = replace(allowed(Allow(WEB, ports=(80,))), ports=(port(number=80, target=8080), port(number=9000)))
    assert rules_of(one) == [{"from": WEB_FROM, "to": [{"operation": {"ports": ["8080"]}}]}]


def test_a_rule_about_callers_alone_needs_no_port_number() -> None:
    assert rules_of(replace(allowed(Allow(WEB)), ports=())) == [{"from": WEB_FROM}]
    one = replace(allowed(Allow(WEB)), ports=(port(target="web"),))
    assert rules_of(one) == [{"from": WEB_FROM}]


def test_deny_is_a_policy_of_its_own() -> None:
    one = service(access=Access(closed=True, allow=(Allow(WEB),), deny=(Deny(WEB, methods=("DELETE",)),)))
    deny, allow = lower(plan(one))
    assert (deny.ref.name, allow.ref.name) == ("api-deny", "api")
    assert deny.body["spec"] == {
        "selector": {"matchLabels": {"app": "api"}},
        "action": "DENY",
        "rules": [{"from": WEB_FROM, "to": [{"operation": {"methods": ["DELETE"], "ports": ["8080"]}}]}],
    }


def test_default_deny_is_an_empty_policy_in_its_namespace_or_the_root() -> None:
    of_namespace = only("AuthorizationPolicy", lower(plan(namespaces=(Namespace("prod", own_default_deny=HERE),))))
    assert (str(of_namespace.ref), of_namespace.owner) == ("AuthorizationPolicy prod/default-deny", ("prod", ""))
    assert of_namespace.body["spec"] == {"action": "ALLOW", "rules": []}
    of_mesh = only("AuthorizationPolicy", lower(plan(mesh=Mesh(default_deny=HERE)), Istio(root_namespace="mesh")))
    assert (str(of_mesh.ref), of_mesh.owner) == ("AuthorizationPolicy mesh/default-deny", ("", ""))


# --------------------------------------------------------------------------------------------- identity, enrolment


def test_mtls_modes_have_one_object_for_a_scope() -> None:
    strict, permissive = Mtls(MtlsMode.STRICT, HERE), Mtls(MtlsMode.PERMISSIVE)
    made = lower(
        plan(
            service(mtls=permissive, effective_mtls=MtlsMode.PERMISSIVE),
            mesh=Mesh(mtls=strict),
            namespaces=(Namespace("prod", mtls=strict),),
        )
    )
    assert [(str(m.ref), m.phase, m.body["spec"]) for m in made] == [
        ("PeerAuthentication istio-system/default", Phase.IDENTITY, {"mtls": {"mode": "STRICT"}}),
        ("PeerAuthentication prod/default", Phase.IDENTITY, {"mtls": {"mode": "STRICT"}}),
        (
            "PeerAuthentication prod/api",
            Phase.IDENTITY,
            {"selector": {"matchLabels": {"app": "api"}}, "mtls": {"mode": "PERMISSIVE"}},
        ),
    ]


@pytest.mark.parametrize(
    ("proxy", "target", "labels"),
    [
        (Proxy(True), ISTIO, {"istio-injection": "enabled"}),
        (Proxy(True), Istio(revision="blue"), {"istio.io/rev": "blue"}),
        (Proxy(True, "green"), Istio(revision="blue"), {"istio.io/rev": "green"}),
        (Proxy(False), Istio(revision="blue"), {"istio-injection": "disabled"}),
    ],
)
def test_a_namespace_is_enrolled_by_one_label(proxy: Proxy, target: Istio, labels: dict[str, str]) -> None:
    (made,) = lower(plan(namespaces=(Namespace("prod", proxy=proxy),)), target)
    assert (made.partial, made.phase, made.owner, made.ref.namespace) == (True, Phase.NAMESPACE, ("prod", ""), "")
    assert made.body == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "labels": labels}}


RESOURCES = Resources("100m", "1", "128Mi", "512Mi")
ANNOTATIONS = {
    "sidecar.istio.io/proxyCPU": "100m",
    "sidecar.istio.io/proxyCPULimit": "1",
    "sidecar.istio.io/proxyMemory": "128Mi",
    "sidecar.istio.io/proxyMemoryLimit": "512Mi",
}
DEPLOYMENT = Workload("apps/v1", "Deployment", "api-server")


def test_a_service_of_its_own_mind_labels_its_pods() -> None:
    (made,) = lower(plan(service(workload=DEPLOYMENT, proxy=Proxy(True, "blue", RESOURCES))))
    assert (made.partial, made.owner, made.phase) == (True, ("prod", "api"), Phase.NAMESPACE)
    assert made.body == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api-server", "namespace": "prod"},
        "spec": {
            "template": {
                "metadata": {
                    "labels": {"istio.io/rev": "blue", "sidecar.istio.io/inject": "true"},
                    "annotations": ANNOTATIONS,
                }
            }
        },
    }


def test_a_service_kept_out_has_no_revision() -> None:
    (made,) = lower(plan(service(workload=DEPLOYMENT, proxy=Proxy(False))), Istio(revision="blue"))
    metadata = made.body["spec"]["template"]["metadata"]  # type: ignore[index,call-overload]
    assert metadata == {"labels": {"sidecar.istio.io/inject": "false"}}


def test_resources_of_a_namespace_reach_each_of_its_workloads_but_those_with_a_policy() -> None:
    cron = replace(DEPLOYMENT, name="cron")
    around = Namespace("prod", proxy=Proxy(True, resources=RESOURCES))
    whole = plan(
        service(workload=DEPLOYMENT),
        service(name="cron", workload=cron, proxy=Proxy(False)),
        namespaces=(around,),
    )
    api, out = (m for m in lower(whole) if m.ref.kind == "Deployment")
    assert api.body["spec"] == {"template": {"metadata": {"annotations": ANNOTATIONS}}}
    assert out.body["spec"] == {"template": {"metadata": {"labels": {"sidecar.istio.io/inject": "false"}}}}


# ------------------------------------------------------------------------------------------- what is refused, and why


@pytest.mark.parametrize("value", ["*", "*-canary", "canary*"])
def test_a_header_value_that_reads_as_a_pattern_is_refused(value: str) -> None:
    assert codes(allowed(Allow(WEB, headers=(Condition("x-a", value),)))) == ["MESH601"]


def test_a_star_inside_a_header_value_is_a_star() -> None:
    assert codes(allowed(Allow(WEB, headers=(Condition("x-a", "a*b"),)))) == []


@pytest.mark.parametrize("path", ["/a/*/b", "/a/{id}"])
def test_a_path_that_reads_as_a_pattern_is_refused(path: str) -> None:
    assert codes(denied(Deny(WEB, paths=(Path(PathKind.EXACT, path),)))) == ["MESH601"]


def test_a_named_target_port_is_refused_only_where_its_number_is_needed() -> None:
    named = (port(number=80, target="web"),)
    assert codes(replace(allowed(Allow(WEB, methods=("GET",))), ports=named)) == ["MESH602"]
    assert codes(replace(denied(Deny(WEB, ports=(80,))), ports=named)) == ["MESH602"]
    assert codes(replace(allowed(Allow(WEB)), ports=named)) == []


def test_a_rule_about_requests_on_a_service_without_http_is_refused() -> None:
    one = replace(denied(Deny(WEB, methods=("GET",))), ports=(port(protocol=Protocol.TCP),))
    assert codes(one) == ["MESH602"]


def test_a_rule_that_would_open_another_port_is_refused() -> None:
    shared = (port(number=80, target=8080), port(number=81, target=8080))
    assert codes(replace(allowed(Allow(WEB, ports=(80,))), ports=shared)) == ["MESH603"]
    both = replace(allowed(Allow(WEB, ports=(80, 81))), ports=shared)
    assert rules_of(both)[0]["to"] == [{"operation": {"ports": ["8080"]}}]


def test_regular_expressions_have_no_place_in_access_rules() -> None:
    assert ISTIO.level_of(Feature.ALLOW_PATH_REGEX).level is Level.NEVER
    assert ISTIO.level_of(Feature.ALLOW_HEADER_REGEX).level is Level.NEVER
    regex = Condition("x-a", "a.*", regex=True)
    assert codes(denied(Deny(WEB, headers=(regex,)))) == ["MESH604"]
    assert codes(denied(Deny(WEB, paths=(Path(PathKind.REGEX, "/a.*"),)))) == ["MESH604"]


def test_that_a_header_is_there_can_be_asked_of_allows_and_denies() -> None:
    there = (Condition("x-a", ".*", regex=True),)
    assert {use.feature for use in uses(Allow(WEB, headers=there))} == {Feature.ALLOW_HTTP, Feature.ALLOW_ACCOUNT}
    (written,) = rules_of(denied(Deny(WEB, headers=there)))
    assert written["when"] == [{"key": "request.headers[x-a]", "values": ["*"]}]


def test_policies_that_would_reach_another_services_pods_are_refused() -> None:
    closed = allowed(Allow(WEB))
    inner = service(name="inner", labels=(("app", "api"), ("tier", "db")))
    assert codes(closed, inner) == ["MESH605"]
    assert codes(closed, replace(inner, access=closed.access)) == []
    assert codes(closed, replace(inner, namespace="lab")) == []
    assert codes(service(), replace(inner, access=closed.access)) == ["MESH605"]  # some requests of the wider one
    assert codes(service(), replace(inner, access=closed.access, labels=(("app", "inner"), ("tier", "db")))) == []


def test_a_mode_that_would_reach_another_services_pods_is_refused() -> None:
    strict = service(mtls=Mtls(MtlsMode.STRICT), effective_mtls=MtlsMode.STRICT)
    inner = service(name="inner", labels=(("app", "api"), ("tier", "db")))
    assert codes(strict, inner) == ["MESH605"]
    assert codes(strict, replace(inner, effective_mtls=MtlsMode.STRICT)) == []
    assert codes(service(), replace(inner, mtls=strict.mtls, effective_mtls=MtlsMode.STRICT)) == ["MESH605"]


def test_a_policy_for_the_root_namespace_alone_is_refused() -> None:
    root = Namespace("istio-system", own_default_deny=HERE)
    assert codes(service(), namespaces=(root,)) == ["MESH606"]
    assert codes(service(), namespaces=(Namespace("istio-system", mtls=Mtls(MtlsMode.STRICT)),)) == ["MESH606"]
    assert codes(replace(allowed(Allow(WEB)), namespace="istio-system")) == ["MESH606"]
    strict = service(mtls=Mtls(MtlsMode.STRICT), effective_mtls=MtlsMode.STRICT, namespace="istio-system")
    assert codes(strict) == ["MESH606"]


def test_a_gateway_in_the_root_namespace_is_closed_by_the_mesh_and_not_by_a_selector_for_all() -> None:
    gateway = replace(allowed(), namespace="istio-system")
    assert codes(gateway) == ["MESH606"]
    made = lower(plan(gateway, mesh=Mesh(default_deny=HERE)))
    assert [m.ref.name for m in made] == ["default-deny"]


def test_two_objects_of_one_name_are_refused() -> None:
    assert codes(denied(Deny(WEB)), allowed(name="api-deny")) == ["MESH607"]
    assert codes(allowed(name="default-deny"), namespaces=(Namespace("prod", own_default_deny=HERE),)) == ["MESH607"]
    mode = Mtls(MtlsMode.STRICT)
    around = Namespace("prod", mtls=mode)
    assert codes(service(name="default", mtls=mode), namespaces=(around,)) == ["MESH607"]
    first = service(workload=DEPLOYMENT, proxy=Proxy(False, source=HERE))
    assert codes(first, service(name="b", workload=DEPLOYMENT, proxy=Proxy(False))) == ["MESH607"]


def test_more_rules_than_a_policy_holds_are_refused() -> None:
    rules = tuple(Allow(Callers(accounts=(Account("prod", f"a{n}"),))) for n in range(513))
    assert codes(allowed(*rules)) == ["MESH608"]
    assert codes(allowed(*rules[:512])) == []


@pytest.mark.parametrize(
    ("own", "around", "found"),
    [
        (Proxy(True), Proxy(False), ["MESH609"]),
        (Proxy(True, "blue"), Proxy(True), ["MESH609"]),
        (Proxy(True, "blue"), Proxy(True, "blue"), []),
        (Proxy(True, "blue"), None, []),
        (Proxy(False), Proxy(True), []),
        (Proxy(None, "blue", RESOURCES), None, ["MESH609"]),
    ],
)
def test_enrolment_that_a_namespace_overrules_is_refused(own: Proxy, around: Proxy | None, found: list[str]) -> None:
    assert codes(service(workload=DEPLOYMENT, proxy=own), namespaces=(Namespace("prod", proxy=around),)) == found


def test_pods_of_an_unknown_workload_are_refused() -> None:
    assert codes(service(proxy=Proxy(True))) == ["MESH610"]
    around = Namespace("prod", proxy=Proxy(True, resources=RESOURCES))
    assert codes(service(), namespaces=(around,)) == ["MESH610"]
    assert codes(service(), namespaces=(Namespace("prod", proxy=Proxy(True)),)) == []


def test_resources_in_part_are_refused() -> None:
    part = Proxy(None, resources=Resources(cpu_request="100m"))
    (found,) = ISTIO.check(plan(service(workload=DEPLOYMENT, proxy=part)))
    assert (found.code, found.help) == ("MESH611", "add cpu_limit=…, memory_request=…, memory_limit=…")


def test_a_port_name_that_says_another_protocol_is_a_warning() -> None:
    (found,) = ISTIO.check(plan(service(port(name="tcp-api"))))
    assert (found.code, found.severity) == ("MESH614", Severity.WARNING)
    assert codes(service(port(name="http-api"))) == []


def test_every_finding_has_a_place_a_way_out_and_a_page() -> None:
    wrong = [
        denied(Deny(WEB, headers=(Condition("x-a", "*"), Condition("x-b", "b.", regex=True)), source=HERE)),
        replace(denied(Deny(WEB, ports=(80,), source=HERE)), ports=(port(number=80, target="web"),)),
        service(proxy=Proxy(True, source=HERE)),
        service(port(rule(redirect=Redirect(302, path="/x"), rewrite=Rewrite("/x", source=HERE)), name="tcp")),
    ]
    found = [d for one in wrong for d in ISTIO.check(plan(one))]
    assert len(found) >= 5
    assert all(d.origin and d.help and d.reason for d in found)
    assert {d.code for d in found} <= {page.code for page in PAGES}


# ---------------------------------------------------------------------------------------------- profile and support


def test_every_feature_has_a_row() -> None:
    assert set(ISTIO.support) == set(Feature)


def test_rows_that_are_not_exact_say_why_and_what_to_do() -> None:
    weak = [row for row in ISTIO.support.values() if row.level is not Level.EXACT]
    assert weak
    assert all(row.note and row.help for row in weak)


@pytest.mark.parametrize(
    "wrong",
    [{"version": "1.27"}, {"root_namespace": "Istio"}, {"revision": "1.30"}, {"default_retries": "maybe"}],
)
def test_a_wrong_profile_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Istio(**wrong)


def test_the_newest_version_is_the_default() -> None:
    assert Istio().version == "1.31"


def test_lowering_twice_gives_the_same() -> None:
    whole = plan(
        service(port(rule(backends=(Backend("v1", 9), Backend("v2", 1)))), versions=("v1", "v2"), breaker=BREAKER)
    )
    assert [m.body for m in lower(whole)] == [m.body for m in lower(whole)]
    assert [m.ref.kind for m in lower(whole)] == ["DestinationRule", "VirtualService"]
