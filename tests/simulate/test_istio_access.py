"""Whom the proxies of Istio let in: each oddity of its documentation and source, and what is unknown or told."""

from __future__ import annotations

from typing import Any

import pytest

from meshdsl import Istio
from meshdsl.simulate.inventory import KubeService, Port
from meshdsl.simulate.istio import IstioReading
from meshdsl.simulate.words import OUTSIDE, Caller, Stage, Verdict
from tests.simulate.istio_cluster import (
    HOST,
    OTHER,
    ROOT,
    WEB,
    Body,
    admitted,
    body,
    connection,
    destination_rule,
    get,
    inventory,
    istio,
    labels,
    peer,
    policy,
    principal,
    rule,
    seen,
    to,
    told,
    virtual_service,
    why,
)

V1 = {"route": [to("v1")]}
OLD, YOUNG = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def at(version: str, **match: Any) -> Body:
    """A rule that sends some requests to a version."""
    return {"match": [match], "route": [to(version)]}


# ---------------------------------------------------------------------------------------------------------------- mTLS


@pytest.mark.parametrize(
    ("policies", "open_ports"),
    [
        ([peer("STRICT", namespace=ROOT)], []),
        ([peer("STRICT", namespace=ROOT), peer("PERMISSIVE")], [8080, 8081]),
        ([peer("STRICT"), peer(None)], []),
        ([peer("STRICT"), peer("PERMISSIVE", name="own", selector={"matchLabels": {"app": "api"}})], [8080, 8081]),
        ([peer("STRICT"), peer("PERMISSIVE", name="own", selector={"matchLabels": {"app": "web"}})], []),
        ([peer("STRICT", namespace=ROOT, selector={"matchLabels": {"app": "api"}})], [8080, 8081]),
        (
            [peer("STRICT", selector={"matchLabels": {"app": "api"}}, portLevelMtls={"8080": {"mode": "PERMISSIVE"}})],
            [8080],
        ),
        (
            [
                peer("STRICT"),
                peer(
                    None,
                    name="own",
                    selector={"matchLabels": {"app": "api"}},
                    portLevelMtls={8080: {"mode": "DISABLE"}},
                ),
            ],
            [8080],
        ),
        ([peer("STRICT", portLevelMtls={"8080": {"mode": "PERMISSIVE"}})], []),
        ([peer("PERMISSIVE", name="a", created=YOUNG), peer("STRICT", name="b", created=OLD)], []),
        ([peer("STRICT", name="b"), peer("PERMISSIVE", name="a")], []),
        ([peer("UNSET"), peer("STRICT", namespace=ROOT)], []),
    ],
)
def test_which_policy_decides_whether_plain_text_is_taken(policies: list[Body], open_ports: list[int]) -> None:
    reading = istio(*policies)
    found = [
        port + 8000 if port == 81 else 8080
        for port in (80, 81)
        if reading.answer(get(caller=OUTSIDE, port=port)).allowed
    ]
    assert found == open_ports


def test_of_two_of_one_scope_the_younger_is_told_to_be_passed_over() -> None:
    answer = istio(peer("STRICT", name="b"), peer("PERMISSIVE", name="a")).answer(get(), explain=True)
    assert "passed over: of two of one scope the older holds @ PeerAuthentication prod/a" in why(answer)


def test_where_mtls_is_disabled_nobody_has_an_identity() -> None:
    reading = istio(peer("DISABLE"), policy(rule(principals=[principal(WEB)])))
    assert admitted(reading, get()) == ""
    assert reading.answer(get()).mtls is False


@pytest.mark.parametrize(
    ("mode", "objects", "wanted"),
    [
        ("DISABLE", [peer("STRICT")], ""),
        ("DISABLE", [], "web other far plain"),
        ("DISABLE", [policy(rule(principals=["*"]))], ""),
        ("ISTIO_MUTUAL", [peer("DISABLE")], "plain"),
        ("ISTIO_MUTUAL", [peer("STRICT")], "web other far"),
        ("SIMPLE", [], "web? other? far? plain"),
    ],
)
def test_client_tls_of_a_destination_rule(mode: str, objects: list[Body], wanted: str) -> None:
    assert admitted(istio(destination_rule(trafficPolicy={"tls": {"mode": mode}}), *objects), get()) == wanted


def test_a_namespace_without_sidecars_enforces_nothing() -> None:
    out = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "prod", "labels": {"istio-injection": "disabled"}},
    }
    reading = istio(out, peer("STRICT"), policy(selector=None))
    assert admitted(reading, get()) == "web other far plain"
    assert "the pods are not in the mesh" in why(reading.answer(get(), explain=True))


# -------------------------------------------------------------------------------------------------------------- access


PRINCIPAL = principal(WEB)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (rule(principals=["*"]), "web other far"),
        (rule(principals=["*/sa/web"]), "web far"),
        (rule(principals=["cluster.local/ns/prod/*"]), "web other"),
        (rule(principals=["*web*"]), ""),  # a suffix, with a star in it
        (rule(principals=["cluster.local/ns/*/sa/web"]), ""),  # a star in the middle is a star
        (rule(principals=[f"spiffe://{PRINCIPAL}"]), ""),
        (rule(notPrincipals=[PRINCIPAL]), "other far plain"),
        (rule(notPrincipals=["*"]), "plain"),
        (rule(namespaces=["prod"]), "web other"),
        (rule(namespaces=["els*"]), "far"),
        (rule(notNamespaces=["prod"]), "far plain"),
        (rule(serviceAccounts=["web"]), "web"),
        (rule(serviceAccounts=["elsewhere/web"]), "far"),
        (rule(notServiceAccounts=["web"]), "other far plain"),
        (rule(trustDomains=["cluster.local"]), "web other far"),
        (rule(ipBlocks=["0.0.0.0/0", "::/0"]), "web other far plain"),
        (rule(ipBlocks=["10.0.0.0/8"]), "web? other? far? plain?"),
        (rule(ipBlocks=["10.0.0.0/8"], principals=[PRINCIPAL]), "web?"),
        (rule(requestPrincipals=["*"]), ""),
        (rule(notRequestPrincipals=["*"]), "web other far plain"),
        (rule(when=[{"key": "source.namespace", "notValues": ["prod"]}]), "far plain"),
        (rule(when=[{"key": "source.principal", "values": [PRINCIPAL]}]), "web"),
        (rule(when=[{"key": "source.serviceAccount", "values": ["prod/other"]}]), "other"),
        (rule(when=[{"key": "request.auth.claims[team]", "values": ["a"]}]), ""),
        (rule(when=[{"key": "nosuch.key", "values": ["a"]}], principals=[PRINCIPAL]), "web?"),
        (rule(principals=[PRINCIPAL], namespaces=["elsewhere"]), ""),
        ({"from": [{"source": {"principals": [PRINCIPAL]}}, {"source": {"namespaces": ["elsewhere"]}}]}, "web far"),
        ({"from": [{"source": {"principals": [PRINCIPAL]}}, {}]}, "web other far plain"),
        ({"from": []}, "web other far plain"),
        ({"nosuch": 1, "from": [{"source": {"principals": [PRINCIPAL]}}]}, "web?"),
    ],
    ids=str,
)
def test_whom_a_rule_lets_in(given: Body, wanted: str) -> None:
    assert admitted(istio(policy(given)), get()) == wanted


@pytest.mark.parametrize(
    ("operation", "asked", "matched"),
    [
        ({"paths": ["/a"]}, {"path": "/a/"}, False),
        ({"paths": ["/a*"]}, {"path": "/ab"}, True),
        ({"paths": ["*/b"]}, {"path": "/a/b"}, True),
        ({"paths": ["/v1/*/admin"]}, {"path": "/v1/x/admin"}, False),
        ({"paths": ["/v1/{*}/admin"]}, {"path": "/v1/x/admin"}, True),
        ({"paths": ["/v1/{*}/admin"]}, {"path": "/v1/x/y/admin"}, False),
        ({"paths": ["/v1/{**}"]}, {"path": "/v1/x/y"}, True),
        ({"paths": ["*"]}, {}, True),
        ({"notPaths": ["/a"]}, {"path": "/a"}, False),
        ({"notPaths": ["/a"]}, {"path": "/b"}, True),
        ({"methods": ["GET"]}, {"method": "get"}, False),
        ({"notMethods": ["GET"]}, {"method": "POST"}, True),
        ({"ports": ["8080"]}, {}, True),
        ({"ports": ["80"]}, {}, False),  # the port of the pods, not that of the Service
        ({"notPorts": ["8080"]}, {}, False),
        ({"hosts": ["API*"]}, {}, True),
        ({"hosts": ["*"]}, {}, True),
        ({"hosts": ["elsewhere.example.com"]}, {}, False),
        ({"methods": ["GET"], "paths": ["/a"]}, {"path": "/b"}, False),
        ({"methods": []}, {}, True),
    ],
    ids=str,
)
def test_which_requests_an_operation_is_about(operation: Body, asked: Body, matched: bool) -> None:
    request = get(**asked)
    assert istio(policy(rule(to=operation))).answer(request).allowed is matched
    assert istio(policy(rule(to=operation), action="DENY")).answer(request).allowed is not matched


def test_a_host_of_a_rule_depends_on_the_name_that_was_used() -> None:
    assert istio(policy(rule(to={"hosts": ["api"]}))).answer(get()).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("values", "headers", "holds"),
    [
        ({"values": ["*"]}, {"x": ""}, True),
        ({"values": ["*"]}, {}, False),
        ({"values": ["pay*"]}, {"x": "payments"}, True),
        ({"notValues": ["a"]}, {}, True),
        ({"notValues": ["a"]}, {"x": "a"}, False),
        ({"values": ["a*"], "notValues": ["ab"]}, {"x": "ab"}, False),
    ],
)
def test_conditions_on_headers(values: Body, headers: Body, holds: bool) -> None:
    given = policy(rule(when=[{"key": "request.headers[X]", **values}]))
    assert istio(given).answer(get(headers=headers)).allowed is holds


def test_where_there_are_no_requests_an_allow_rule_about_them_is_dropped_and_a_deny_rule_loses_them() -> None:
    about = rule(principals=[PRINCIPAL], to={"methods": ["GET"]})
    assert admitted(istio(policy(about)), connection()) == ""
    assert (
        admitted(istio(policy(about, {"to": [{"operation": {"ports": ["9090"]}}]})), connection())
        == "web other far plain"
    )
    assert admitted(istio(policy(about, action="DENY")), connection()) == "other far plain"
    assert admitted(istio(policy(rule(to={"paths": ["/x"]}), action="DENY")), connection()) == ""
    ported = rule(to={"paths": ["/x"], "ports": ["8080"]})
    assert admitted(istio(policy(ported, action="DENY")), connection()) == "web other far plain"
    with_headers = rule(principals=[PRINCIPAL], when=[{"key": "request.headers[x]", "values": ["a"]}])
    assert admitted(istio(policy(with_headers, action="DENY")), connection()) == "other far plain"


def test_deny_comes_before_allow_and_several_policies_add_up() -> None:
    web, other = policy(rule(principals=[PRINCIPAL])), policy(rule(principals=[principal(OTHER)]), name="more")
    assert admitted(istio(web, other), get()) == "web other"
    assert (
        admitted(istio(web, other, policy(rule(principals=["*/sa/web"]), action="DENY", name="no")), get()) == "other"
    )


def test_policies_that_decide_nothing() -> None:
    nobody = rule(principals=["nobody"])
    assert admitted(istio(policy(nobody, action="AUDIT")), get()) == "web other far plain"
    trial = policy(nobody, annotations={"istio.io/dry-run": "true"})
    assert admitted(istio(trial), get()) == "web other far plain"
    attached = policy(nobody, targetRefs=[{"group": "", "kind": "Service", "name": "api"}])
    assert admitted(istio(attached), get()) == "web other far plain"  # a sidecar ignores it
    assert "passed over: it is on trial" in why(istio(trial).answer(get(), explain=True))


def test_an_external_authorizer_decides_about_what_its_policy_takes() -> None:
    custom = policy(rule(principals=[PRINCIPAL]), action="CUSTOM", provider={"name": "opa"}, name="ask")
    assert admitted(istio(custom), get()) == "web? other far plain"
    assert admitted(istio(custom, policy(rule(principals=[principal(OTHER)]))), get()) == "other"


def test_where_a_policy_holds() -> None:
    nobody = rule(principals=["nobody"])
    everywhere = policy(nobody, namespace=ROOT, selector=None)
    assert admitted(istio(everywhere), get()) == ""
    selecting = policy(nobody, namespace=ROOT)
    assert admitted(istio(selecting), get()) == ""  # a selector in the root namespace selects in all of them
    assert admitted(istio(policy(nobody, namespace="elsewhere", selector=None)), get()) == "web other far plain"
    some = policy(nobody, selector={"matchLabels": {"version": "v2"}})
    assert istio(some).answer(get()).verdict is Verdict.UNKNOWN  # v1 lets in, v2 does not
    split = istio(some, destination_rule(), virtual_service(at("v2", uri={"exact": "/2"}), V1))
    assert [split.answer(get(path)).verdict for path in ("/1", "/2")] == [Verdict.ALLOWED, Verdict.DENIED]


def test_the_callee_sees_what_the_callers_proxy_made_of_a_request() -> None:
    rewritten = virtual_service(
        {
            "match": [{"uri": {"prefix": "/public/"}}],
            "route": [to()],
            "rewrite": {"uri": "/secret/"},
            "headers": {"request": {"set": {"x-team": "a"}, "add": {"x-via": "mesh"}, "remove": ["x-key"]}},
        },
        {"route": [to()]},
    )
    secret = policy(rule(to={"paths": ["/secret/*"]}), action="DENY")
    assert istio(rewritten, secret).answer(get("/public/a")).verdict is Verdict.DENIED
    for key, value, headers, allowed in (
        ("x-team", "a", {"x-team": "b"}, True),
        ("x-via", "edge,mesh", {"x-via": "edge"}, True),
        ("x-key", "k", {"x-key": "k"}, False),
    ):
        given = policy(rule(when=[{"key": f"request.headers[{key}]", "values": [value]}]))
        assert istio(rewritten, given).answer(get("/public/a", headers=headers)).allowed is allowed


def test_a_token_is_looked_at_where_a_policy_asks_for_it() -> None:
    spec = {"selector": {"matchLabels": {"app": "api"}}, "jwtRules": [{"issuer": "x"}]}
    jwt = body("RequestAuthentication", spec)
    bearer = {"authorization": "Bearer x"}
    assert istio(jwt).answer(get()).allowed
    assert istio(jwt).answer(get(headers=bearer)).verdict is Verdict.UNKNOWN
    assert istio().answer(get(headers=bearer)).allowed
    must = policy(rule(requestPrincipals=["*"]))
    assert istio(jwt, must).answer(get()).verdict is Verdict.DENIED
    assert istio(jwt, must).answer(get(headers=bearer)).verdict is Verdict.UNKNOWN
    nobody = policy(rule(principals=["nobody"]))
    assert istio(jwt, nobody).answer(get(headers=bearer)).verdict is Verdict.DENIED  # whatever it says
    elsewhere = body("RequestAuthentication", {"jwtRules": [{"issuer": "x", "fromHeaders": [{"name": "X-Token"}]}]})
    assert istio(elsewhere).answer(get(headers=bearer)).allowed
    assert istio(elsewhere).answer(get(headers={"x-token": "x"})).verdict is Verdict.UNKNOWN


# ------------------------------------------------------------------------------------------------------ what is unknown


@pytest.mark.parametrize(
    ("strange", "named", "asked"),
    [
        (body("EnvoyFilter", {"workloadSelector": {"labels": {"app": "api"}}}), "EnvoyFilter prod/api", {}),
        (body("EnvoyFilter", {}, namespace=ROOT), f"EnvoyFilter {ROOT}/api", {}),
        (body("Sidecar", {"egress": [{"hosts": ["./*"]}]}), "Sidecar prod/api", {}),
        (body("ServiceEntry", {"hosts": [HOST]}), "ServiceEntry prod/api", {}),
        (body("HTTPRoute", {"parentRefs": [{"group": "", "kind": "Service", "name": "api"}]}), "HTTPRoute prod/api", {}),
        (virtual_service(tcp=[{"route": []}], hosts=["api"]), "VirtualService prod/api spec.tcp[0]", {"port": 90, "method": ""}),
        (policy(action="NOSUCH"), "AuthorizationPolicy prod/api spec.action", {}),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)  # fmt: skip
def test_an_object_that_is_not_modelled_is_named(strange: Body, named: str, asked: Body) -> None:
    answer = istio(strange).answer(get(**asked))
    assert answer.verdict is Verdict.UNKNOWN
    assert answer.unknown[0].startswith(f"{named}: ")
    assert [one.where for one in told(istio(strange).answer(get(**asked), explain=True))][-1] == named


@pytest.mark.parametrize(
    "harmless",
    [
        body("EnvoyFilter", {"workloadSelector": {"labels": {"app": "shadow"}}}),
        body("EnvoyFilter", {}, namespace="third"),
        body("Sidecar", {"egress": [{"hosts": ["*/*"]}]}),
        body("ServiceEntry", {"hosts": ["example.com"]}),
        body("Telemetry", {"tracing": []}),
        body("Gateway", {"gatewayClassName": "istio"}),
        body("HTTPRoute", {"parentRefs": [{"group": "", "kind": "Service", "name": "api", "port": 81}]}),
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "prod"}, "spec": {}},
        {"apiVersion": "policy.linkerd.io/v1beta3", "kind": "Server", "metadata": {"name": "x", "namespace": "prod"}},
    ],
    ids=lambda one: str(one["kind"]),
)
def test_an_object_that_does_not_touch_a_request_costs_nothing(harmless: Body) -> None:
    assert seen(istio(harmless).answer(get())) == "api"


@pytest.mark.parametrize("name", ["X-Request-Id", "x-forwarded-client-cert", "te"])
def test_a_condition_on_a_header_that_envoy_writes_itself_is_unknown(name: str) -> None:
    key = f"request.headers[{name}]"
    answer = istio(policy(rule(when=[{"key": key, "values": ["*"]}]))).answer(get())
    assert answer.verdict is Verdict.UNKNOWN
    assert answer.unknown[0].endswith(f"{key}: Envoy writes this header itself")
    refused = istio(policy(rule(when=[{"key": key, "values": ["*"]}], principals=[principal(OTHER)])))
    assert refused.answer(get()).verdict is Verdict.DENIED  # whatever the header says


def test_a_service_that_nobody_knows_is_unknown() -> None:
    answer = istio().answer(get(service="prod/nosuch"))
    assert answer.unknown == ("prod/nosuch: there is no service of that name that is known",)


def test_a_named_port_of_a_container_has_no_number() -> None:
    named = KubeService("prod", "api", labels(app="api"), (Port(80, "web", "http"),), "api", (labels(app="api"),))
    there = inventory().with_services([named])
    ports = policy(rule(to={"ports": ["8080"]}))
    assert IstioReading([ports], there, Istio()).answer(get()).verdict is Verdict.UNKNOWN
    elsewhere = policy(rule(to={"ports": ["8080"]}, principals=["nobody"]))
    assert IstioReading([elsewhere], there, Istio()).answer(get()).verdict is Verdict.DENIED


# ------------------------------------------------------------------------------------------------------------- reasons


def test_the_reasons_name_object_and_field_of_each_step() -> None:
    objects = [
        peer("STRICT"),
        destination_rule(),
        virtual_service(at("v2", headers={"x-canary": {"exact": "true"}}), {"route": [to("v1")], "timeout": "5s"}),
        policy(rule(principals=[PRINCIPAL], to={"methods": ["GET"]})),
    ]
    reading = istio(*objects)
    answer = reading.answer(get(), explain=True)
    assert answer == reading.answer(get())
    lines = why(answer).splitlines()
    for line in (
        "mTLS as prod/web @ ",
        "mTLS alone is taken @ PeerAuthentication prod/default spec.mtls",
        "passed over: it asks that header x-canary is true @ VirtualService prod/api spec.http[0]",
        "this rule takes it: every request @ VirtualService prod/api spec.http[1]",
        "timeout of 5s @ VirtualService prod/api spec.http[1].timeout",
        "subsets, limits and ejection are read here @ DestinationRule prod/api",
        "pods of prod on port 8080: an ALLOW rule lets it in @ AuthorizationPolicy prod/api spec.rules[0]",
    ):
        assert line in lines, "\n".join(lines)
    denied = reading.answer(get(method="POST"), explain=True)
    assert "pods of prod on port 8080: no ALLOW rule lets it in @ AuthorizationPolicy prod/api" in why(denied)
    assert "methods is GET @ methods" in why(denied)
    plain = reading.answer(get(caller=OUTSIDE), explain=True)
    assert "plain text: refused @ " in why(plain)


def test_the_reasons_call_destinations_and_callers_by_the_names_of_services() -> None:
    web = KubeService("prod", "front", labels(app="front"), (Port(80, 80, "http"),), "jobs")
    rewritten = {**at("v1"), "mirrors": [{"destination": to("v2")["destination"], "percentage": {"value": 10}}]}
    objects = [destination_rule(), virtual_service(rewritten)]
    reading = IstioReading(objects, inventory().with_services([web]), Istio())
    lines = why(reading.answer(get(caller=Caller("prod", "jobs")), explain=True))
    assert "mTLS as prod/front (prod/jobs) @ " in lines
    own = why(reading.answer(get(caller=Caller("prod", "api")), explain=True))
    assert "mTLS as prod/api @ " in own
    assert "100 % goes to prod/api version v1 @ " in lines
    assert "10 % are copied to prod/api version v2 @ " in lines


def test_what_is_not_known_of_access_is_told_as_access() -> None:
    answer = istio(policy(rule(ipBlocks=["10.0.0.0/8"]))).answer(get(), explain=True)
    assert answer.verdict is Verdict.UNKNOWN
    assert [one.stage for one in answer.reasons if one.text.startswith("not known")] == [Stage.ACCESS]


def test_without_explain_there_are_no_reasons() -> None:
    assert istio(policy(rule(principals=[PRINCIPAL]))).answer(get()).reasons == ()
