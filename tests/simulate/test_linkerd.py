"""Linkerd's oddities that are documented and read in its source, and objects that nobody here wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from meshdsl import Linkerd
from meshdsl.simulate.inventory import Inventory
from meshdsl.simulate.linkerd import LinkerdReading
from meshdsl.simulate.words import OUTSIDE, Answer, Caller, NotModelled, Reason, Request, Retries, Stage, Traffic
from tests.simulate.linkerd_cluster import (
    ALL,
    CLIENT,
    EVERYWHERE,
    IDENTITY,
    OTHER,
    WHO,
    Body,
    app_protocol,
    get,
    identities,
    inventory,
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
GATEWAY, POLICY = "gateway.networking.k8s.io/v1", "policy.linkerd.io/v1beta3"
PROFILE = "demo.default.svc.cluster.local"


def asked(objects: Sequence[Body], request: Request | None = None, **rest: Any) -> str:
    """What a caller sees."""
    return seen(read(objects, **rest).answer(request or get()))


def traffic(objects: Sequence[Body], request: Request | None = None, **rest: Any) -> Traffic:
    """What the caller's proxy does."""
    found = read(objects, **rest).answer(request or get()).traffic
    assert found is not None
    return found


def retries(objects: Sequence[Body], request: Request | None = None, **rest: Any) -> Retries:
    """How a request is tried again."""
    found = traffic(objects, request, **rest).retry
    assert isinstance(found, Retries)
    return found


def unknown(answer: Answer) -> str:
    """What an answer says that it does not know."""
    assert seen(answer) == "unknown"
    return "; ".join(answer.unknown)


# --------------------------------------------------------------------------------------------------- which rule takes it


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (path("/a"), path("/a/b")),
        (path("/a"), path("/a/b/c", "Exact")),
        (path("/a"), path("/a.*", "RegularExpression")),
        (path("/a", method="GET"), path("/a", headers=[{"name": "x", "value": "1"}])),
        (path("/a", queryParams=[{"name": "q", "value": "1"}]), path("/a", headers=[{"name": "x", "value": "1"}])),
        (path("/a", method="GET"), path("/a", queryParams=[{"name": "q", "value": "1"}])),
        (path("/a"), path("/a", method="GET")),
    ],
    ids=[
        "longer prefix", "exact", "regex", "header before method", "header before query", "query before method",
        "a method",
    ],
)  # fmt: skip
def test_the_more_specific_match_wins_whatever_its_place(first: Body, second: Body) -> None:
    request = get("/a/b/c", headers={"x": "1"}, query={"q": "1"})
    rules = rule(to("v1"), matches=[first]), rule(to("v2"), matches=[second])
    assert asked([route(*rules)], request) == "v2"
    assert asked([route(*rules[::-1])], request) == "v2"


def test_an_exact_host_wins_before_a_suffix_and_a_route_without_hosts() -> None:
    routes = [
        route(rule(to("v1"), matches=[path("/a/b", "Exact")]), name="a"),
        route(rule(to("v2")), name="b", hostnames=["*.svc.cluster.local"]),
        route(rule(to("bdef")), name="c", hostnames=[PROFILE]),
    ]
    assert asked(routes, get("/a/b", headers={"host": PROFILE})) == "bdef"
    assert asked(routes[:2], get("/a/b", headers={"host": PROFILE})) == "v2"
    assert asked(routes, get("/a/b", headers={"host": "demo"})) == "v1"


def test_a_host_that_only_some_names_of_the_service_have_is_not_known_without_the_host() -> None:
    answer = read([route(V1, hostnames=["demo"])]).answer(get())
    assert "HTTPRoute default/r spec.hostnames" in unknown(answer)
    assert asked([route(V1, hostnames=["elsewhere.example"])]) == "404"


def test_without_timestamps_the_first_object_is_the_oldest_and_with_one_it_is_older_than_without() -> None:
    assert asked([route(V1, name="b"), route(V2, name="a")]) == "v1"
    assert asked([route(V2, name="a"), route(V1, name="b")]) == "v2"
    assert asked([route(V1, name="b"), route(V2, name="a", created="2026-01-01T00:00:00Z")]) == "v2"


def test_routes_of_both_groups_are_one_list_and_one_second_is_ordered_by_group_then_name() -> None:
    at = "2026-01-01T00:00:00Z"
    gateway, own = route(V1, name="z", created=at), route(V2, name="a", group=POLICY, created=at)
    assert asked([own, gateway]) == "v1"
    assert asked([replaced(own, "z"), route(V1, name="a", created=at)]) == "v1"


def replaced(body: Body, name: str) -> Body:
    """The same object under another name."""
    return {**body, "metadata": {**body["metadata"], "name": name}}


def test_a_rule_without_backends_forwards_to_the_service_and_one_without_matches_takes_everything() -> None:
    assert asked([route({})]) == "demo"


def test_a_parent_without_port_is_for_every_port_and_without_group_is_no_service() -> None:
    parent = {"group": "", "kind": "Service", "name": "demo", "namespace": "default"}
    assert asked([route(V2, parent=parent)]) == "v2"
    assert asked([route(V2, parent=parent)], get(port=90)) == "v2"
    assert asked([route(V2, parent={"kind": "Service", "name": "demo", "port": 80})]) == "demo"
    assert asked([route(V2, parent={"group": "core", "kind": "Service", "name": "demo", "port": 80})]) == "v2"


def test_a_route_that_the_controller_says_it_does_not_take_is_not_there() -> None:
    status = {
        "parents": [
            {
                "controllerName": "linkerd.io/policy-controller",
                "parentRef": {"kind": "Service", "name": "demo"},
                "conditions": [{"type": "Accepted", "status": "False"}],
            }
        ]
    }
    assert asked([{**route(V2), "status": status}]) == "demo"


def test_a_rewrite_of_one_backend_answers_its_share_with_500() -> None:
    odd = to("v2", 1, filters=[{"type": "URLRewrite"}])
    assert asked([route(rule(to("v1", 3), odd))]) == "500 25, v1 75"


def test_a_backend_without_a_port_or_of_another_kind_answers_its_share_with_500() -> None:
    network = {"group": "policy.linkerd.io", "kind": "EgressNetwork", "name": "all", "port": 80, "weight": 1}
    assert asked([route(rule(to("v1", 1), network))]) == "500 50, v1 50"
    assert asked([route(rule({"name": "v1"}))]) == "500"


def test_a_redirect_to_where_the_request_is_already_is_none() -> None:
    sent = {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"}, "statusCode": 301}
    redirect = route(rule(filters=[{"type": "RequestRedirect", "requestRedirect": sent}]))
    assert asked([redirect], get("/old")) == "301 /new"
    assert asked([redirect], get("/new")) == "demo"


# ---------------------------------------------------------------------------------------------------- kinds and protocols


def calls(service_name: str = "", method: str = "", **rest: Any) -> Body:
    """A match of a GRPCRoute."""
    return {"method": {"service": service_name, "method": method}, **rest}


def test_a_grpc_route_takes_calls_by_service_and_method_and_nothing_but_post() -> None:
    objects = [
        route(rule(to("v1"), matches=[calls("pkg.S")]), rule(to("v2"), matches=[calls("pkg.S", "M")]), kind="GRPCRoute")
    ]
    assert asked(objects, get("/pkg.S/M", method="POST"), protocol="grpc") == "v2"
    assert asked(objects, get("/pkg.S/N", method="POST"), protocol="grpc") == "v1"
    assert asked(objects, get("/pkg.T/M", method="POST"), protocol="grpc") == "404"
    assert asked(objects, get("/pkg.S/M"), protocol="grpc") == "404"


def test_a_grpc_route_has_conditions_of_its_own_for_retries() -> None:
    found = {"retry.linkerd.io/grpc": "unavailable,internal", "retry.linkerd.io/http": "5xx"}
    grpc = route(V1, kind="GRPCRoute", annotations=found)
    retry = retries([grpc], get("/p.S/M", method="POST"), protocol="grpc")
    assert retry.conditions == {"unavailable", "internal", "refused-stream"}
    assert not retry.statuses
    # Without a GRPCRoute those of a Service are not read (linkerd2 #14033).
    assert retries([service(found)], protocol="grpc").conditions >= {"5xx"}


@pytest.mark.parametrize(
    "odd",
    [
        rule(to("v1"), filters=[{"type": "ResponseHeaderModifier", "responseHeaderModifier": {}}]),
        rule(to("v1"), matches=[{"headers": [{"name": "x", "value": "1"}]}]),
    ],
    ids=["response headers", "headers without a method"],
)
def test_some_grpc_routes_make_every_request_to_their_port_fail(odd: Body) -> None:
    objects = [route(odd, kind="GRPCRoute")]
    assert asked(objects, get("/p.S/M", method="POST"), protocol="grpc") == "500"
    assert asked(objects, get("/p.S/M", method="POST", port=90), protocol="grpc") == "demo"


def test_a_grpc_route_with_a_regular_expression_for_a_method_is_not_there() -> None:
    odd = {"method": {"type": "RegularExpression", "service": "p.*"}}
    grpc = route(rule(to("v1"), matches=[odd]), kind="GRPCRoute", name="g")
    assert asked([grpc, route(V2)], protocol="grpc") == "v2"


def test_app_protocol_http_ignores_grpc_routes_and_decides_before_opaque_ports() -> None:
    assert asked([app_protocol("http"), route(V1, kind="GRPCRoute", name="g"), route(V2)]) == "v2"
    opaque = {"config.linkerd.io/opaque-ports": "80"}
    ports = [{"port": 80, "targetPort": 8080, "appProtocol": "kubernetes.io/h2c"}]
    assert asked([service(opaque, spec={"ports": ports}), route(V2)]) == "v2"


@pytest.mark.parametrize(
    ("value", "found"), [("80", "demo"), ("79-81", "demo"), ("8080", "v2"), ("", "v2"), ("1,2,80", "demo")]
)
def test_opaque_ports_are_lists_of_numbers_and_ranges(value: str, found: str) -> None:
    assert asked([service({"config.linkerd.io/opaque-ports": value}), route(V2)]) == found


def test_a_namespace_says_nothing_certain_about_a_service_that_may_be_older() -> None:
    assert "Namespace default config.linkerd.io/opaque-ports" in unknown(
        read([namespace(opaque_ports="80"), route(V2)]).answer(get())
    )
    assert asked([namespace(opaque_ports="81"), route(V2)]) == "v2"


def test_an_opaque_port_has_no_timeouts_retries_or_breaker_and_only_the_oldest_tcp_route_counts() -> None:
    said = {
        "config.linkerd.io/opaque-ports": "80",
        "timeout.linkerd.io/request": "1s",
        "retry.linkerd.io/http": "5xx",
        "balancer.linkerd.io/failure-accrual": "consecutive",
    }
    found = traffic([service(said), route(V2)])
    assert (found.timeout, found.retry, found.breaker) == (None, None, None)
    tcp = [route(V2, kind="TCPRoute", name="a"), route(V1, kind="TCPRoute", name="b")]
    experimental = Linkerd(gateway_api_channel="experimental")
    assert asked([service(said), *tcp], target=experimental) == "v2"
    assert asked([*tcp, route(V1)], target=experimental) == "v1"
    assert asked(tcp, target=experimental) == "v2"
    # Not served in the version that the mesh asks for (linkerd2 #15584).
    assert asked(tcp, target=Linkerd(gateway_api="1.6")) == "demo"


def test_a_tls_route_on_a_port_for_requests_is_not_known() -> None:
    tls = route(V2, kind="TLSRoute")
    answer = read([tls], target=Linkerd(gateway_api_channel="experimental")).answer(get())
    assert unknown(answer).startswith("TLSRoute default/r")
    assert asked([tls]) == "demo"


def test_a_port_that_the_service_has_not_is_reset_from_2_19_on() -> None:
    assert asked([], get(port=81)) == "403"
    assert "it has no port 81" in unknown(read([], target=Linkerd(version="2.18")).answer(get(port=81)))


# --------------------------------------------------------------------------------------------------- retries, timeouts


@pytest.mark.parametrize(
    ("version", "group", "timeout"),
    [("2.20", GATEWAY, 1000), ("2.19", GATEWAY, None), ("2.18", GATEWAY, None), ("2.18", POLICY, 1000)],
)
def test_which_versions_read_the_field_of_a_rule(version: str, group: str, timeout: int | None) -> None:
    objects = [route(rule(to("v1"), timeouts={"request": "1s"}), group=group)]
    assert traffic(objects, target=Linkerd(version=version)).timeout == timeout


def test_an_annotation_of_the_route_comes_before_the_field() -> None:
    said = {"timeout.linkerd.io/request": "2s"}
    assert traffic([route(rule(to("v1"), timeouts={"request": "1s"}), annotations=said)]).timeout == 2000


def test_a_field_of_0s_is_no_timeout_of_the_route_so_that_of_the_service_holds() -> None:
    objects = [
        service({"timeout.linkerd.io/request": "3s"}), route(rule(to("v1"), timeouts={"request": "0s"}))
    ]  # fmt: skip
    assert traffic(objects).timeout == 3000


def test_what_the_webhook_refuses_on_a_route_is_not_known() -> None:
    for name, value in (("timeout.linkerd.io/request", "1m30s"), ("retry.linkerd.io/http", "5xx, 429")):
        assert name in unknown(read([route(V1, annotations={name: value})]).answer(get()))


def test_a_route_inherits_the_retries_of_its_service_unless_it_has_its_own() -> None:
    of_service = service({"retry.linkerd.io/http": "5xx", "retry.linkerd.io/limit": "3"})
    assert retries([of_service, route(V1)]).attempts == 3
    assert retries([of_service, route(V1, annotations={"retry.linkerd.io/limit": "5"})]).attempts == 5
    assert retries([of_service, route(V1, annotations={"retry.linkerd.io/limit": "0"})]).attempts == 3


def test_a_timeout_of_responses_beside_retries_is_not_known_unless_it_cannot_be_reached() -> None:
    said = {"timeout.linkerd.io/response": "1s", "retry.linkerd.io/http": "5xx"}
    assert "timeout.linkerd.io/response" in unknown(read([service(said)]).answer(get()))
    assert traffic([service({**said, "timeout.linkerd.io/request": "900ms"})]).timeout == 900


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "consecutive-failures"),
        ("-consecutive-max-failures", "-1"),
        ("-consecutive-min-penalty", "2m"),
        ("-consecutive-max-penalty", "0s"),
        ("-consecutive-jitter-ratio", "101"),
        ("-consecutive-jitter-ratio", "half"),
        ("-consecutive-max-failures", "0"),
    ],
)
def test_one_bad_value_drops_the_whole_breaker_and_0_failures_is_none(name: str, value: str) -> None:
    prefix = "balancer.linkerd.io/failure-accrual"
    assert traffic([service({prefix: "consecutive", f"{prefix}{name}": value})]).breaker is None
    assert traffic([service({prefix: "consecutive", f"{prefix}-typo": value})]).breaker is not None


# ----------------------------------------------------------------------------------------- ServiceProfile, TrafficSplit


def profile(namespace: str = "default", **spec: Any) -> Body:
    """A ServiceProfile of ``demo``."""
    return made("ServiceProfile", PROFILE, spec, group="linkerd.io/v1alpha2", namespace=namespace)


def split(**weights: Any) -> Body:
    """A TrafficSplit of ``demo``."""
    backends = [{"service": name, "weight": weight} for name, weight in weights.items()]
    return made("TrafficSplit", "s", {"service": "demo", "backends": backends}, group="split.smi-spec.io/v1alpha1")


def test_the_first_route_of_a_profile_that_matches_holds() -> None:
    routes = [
        {"name": "a", "condition": {"method": "GET", "pathRegex": "/a(/.*)?"}, "timeout": "300ms"},
        {"name": "b", "condition": {"any": [{"method": "POST"}, {"pathRegex": "/b|/c"}]}, "timeout": "1s500ms"},
        {"name": "c", "condition": {"not": {"method": "GET"}}, "isRetryable": True},
    ]
    said = service({"retry.linkerd.io/http": "5xx", "timeout.linkerd.io/request": "9s"})
    objects = [profile(routes=routes), said, route(V2)]
    assert traffic(objects, get("/a/b")).timeout == 300
    assert traffic(objects, get("/a/b", method="POST")).timeout == 1500
    assert traffic(objects, get("/")).timeout is None
    assert traffic(objects, get("/")).retry is None
    assert "routes[2].isRetryable" in unknown(read(objects).answer(get(method="PUT")))
    # Each end gets an anchor, and an alternative inside has only one: /b… and …/c.
    assert traffic(objects, get("/bcd")).timeout == 1500
    assert traffic(objects, get("/xx/c")).timeout == 1500


def test_a_profile_without_routes_and_destinations_changes_nothing() -> None:
    assert asked([profile(retryBudget={"retryRatio": 0.2}), route(V2)]) == "v2"


def test_a_profile_of_the_callers_namespace_comes_first() -> None:
    mine = profile(dstOverrides=[{"authority": "v1.default.svc.cluster.local", "weight": "1"}])
    theirs = profile("other", dstOverrides=[{"authority": "v2.default.svc.cluster.local:80", "weight": "500m"}])
    assert asked([mine, theirs]) == "v1"
    assert asked([mine, theirs], get(caller=OTHER)) == "v2"


def test_a_traffic_split_takes_the_place_of_routes_and_breaker() -> None:
    accrual = service({"balancer.linkerd.io/failure-accrual": "consecutive"})
    objects = [split(v1=1, v2=3), route(V2), accrual]
    assert asked(objects) == "v1 25, v2 75"
    assert traffic(objects).breaker is None
    assert asked([split(v1="500m", v2="0.5")]) == "v1 50, v2 50"


@pytest.mark.parametrize(
    ("objects", "named"),
    [
        ([split(v1=0)], "TrafficSplit default/s: all weights are 0"),
        ([split(nope=1)], "there is no Service default/nope"),
        ([split(v1=1), {**split(v2=1), "metadata": {"name": "t", "namespace": "default"}}], "the same Service"),
        ([profile(routes=[{"name": "x", "condition": {}}])], "routes[0].condition"),
        ([profile(dstOverrides=[{"authority": "example.org", "weight": 1}])], "dstOverrides[0].authority"),
    ],
    ids=["zero", "missing", "two", "empty condition", "elsewhere"],
)
def test_what_a_profile_or_split_says_beyond_that_is_named(objects: list[Body], named: str) -> None:
    assert named in unknown(read(objects).answer(get()))


def test_opaque_ports_of_a_profile_hide_the_routes() -> None:
    assert asked([profile(opaquePorts={"80": {}}), route(V2)]) == "demo"


# ------------------------------------------------------------------------------------------------------ Servers, policies


def who(objects: Sequence[Body], request: Request | None = None, **rest: Any) -> list[str]:
    """What callers of the service's namespace, of another, and outside the mesh are answered."""
    reading = read(objects, **rest)
    given = request or get()
    found = [seen(reading.answer(replace(given, caller=caller))) for caller in (CLIENT, OTHER, OUTSIDE)]
    return ["200" if one in ("demo", "v1", "v2") else one for one in found]


NOBODY, EVERYBODY, MESHED = ["403"] * 3, ["200"] * 3, ["200", "200", "403"]


@pytest.mark.parametrize(
    ("policy_of", "wanted"),
    [
        ("all-unauthenticated", EVERYBODY),
        ("all-authenticated", MESHED),
        ("cluster-authenticated", MESHED),
        ("cluster-unauthenticated", ["200", "200", "unknown"]),
        ("deny", NOBODY),
        ("audit", EVERYBODY),
    ],
)
def test_a_default_policy_means_the_same_on_a_namespace_a_pod_and_a_server(policy_of: str, wanted: list[str]) -> None:
    annotation = {"config.linkerd.io/default-inbound-policy": policy_of}
    assert who([namespace(default_inbound_policy=policy_of)]) == wanted
    assert who([namespace(default_inbound_policy="deny"), *workloads(annotations=annotation)]) == wanted
    assert who([server(accessPolicy=policy_of)]) == wanted


def test_an_unknown_default_policy_is_that_of_the_mesh_and_an_unknown_access_policy_is_not_known() -> None:
    assert who([namespace(default_inbound_policy="closed")]) == EVERYBODY
    assert who([server(accessPolicy="closed")]) == ["unknown"] * 3


def test_a_server_denies_unless_it_says_otherwise() -> None:
    assert who([server()]) == NOBODY
    assert who([server()], get(port=90)) == EVERYBODY


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ({}, True),
        ({"matchLabels": {"app": "other"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["demo", "x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["demo"]}]}, False),
        ({"matchExpressions": [{"key": "version", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        (
            {"matchLabels": {"app": "demo"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]},
            False,
        ),
    ],
)
def test_a_server_selects_by_labels_and_expressions_all_of_which_must_hold(selector: Body, *, holds: bool) -> None:
    assert who([server(podSelector=selector)]) == (NOBODY if holds else EVERYBODY)


def test_a_server_for_one_version_is_not_one_for_all() -> None:
    objects = [server(podSelector={"matchLabels": {"version": "v2"}})]
    assert "its versions answer differently" in unknown(read(objects).answer(get()))
    assert seen(read(objects).answer(get(service="default/v1"))) == "v1"
    assert asked([*objects, route(V2)]) == "403"


def test_a_server_by_name_is_a_port_only_where_a_workload_says_so() -> None:
    named = server(port="http")
    assert "whether http is port 8080" in unknown(read([named]).answer(get()))
    assert who([named, *workloads(ports=[{"name": "http", "containerPort": 8080}])]) == NOBODY
    assert who([named, *workloads(ports=[{"name": "http", "containerPort": 9000}])]) == EVERYBODY
    # An older one that fits holds, whatever the name is.
    assert who([server("a", accessPolicy="all-authenticated"), named]) == MESHED


def test_of_two_servers_on_one_port_the_first_written_or_older_holds() -> None:
    open_, closed = server("b", accessPolicy="all-unauthenticated"), server("a")
    assert who([open_, closed]) == EVERYBODY
    assert who([closed, open_]) == NOBODY


def test_a_policy_without_the_group_of_its_target_is_refused_by_the_mesh() -> None:
    odd = policy(WHO, group="")
    assert who([server(), odd, identities("*")]) == ["unknown"] * 3
    assert who([server(accessPolicy="all-authenticated"), odd, identities("*")]) == ["200", "200", "unknown"]


def test_a_service_account_may_be_required_by_itself() -> None:
    assert who([server(), policy(("ServiceAccount", "client"))]) == ["200", "403", "403"]


def test_two_authentications_of_a_kind_are_refused_by_the_mesh() -> None:
    assert who([server(), policy(WHO, ("ServiceAccount", "client")), identities("*")]) == ["unknown"] * 3


def test_identity_refs_name_accounts_and_namespaces() -> None:
    for reference, wanted in (
        ({"kind": "ServiceAccount", "name": "client"}, ["200", "403", "403"]),
        ({"kind": "ServiceAccount", "name": "oclient", "namespace": "other"}, ["403", "200", "403"]),
        ({"kind": "Namespace", "name": "other"}, ["403", "200", "403"]),
        ({"kind": "Namespace"}, ["200", "403", "403"]),
        ({"kind": "Namespace", "name": "other", "namespace": "other"}, ["unknown"] * 3),
    ):
        mesh_tls = made("MeshTLSAuthentication", "who", {"identityRefs": [reference]})
        assert who([server(), policy(WHO), mesh_tls]) == wanted, reference


def test_an_identity_has_the_trust_domain_and_the_control_plane_of_the_profile() -> None:
    target = Linkerd(identity_trust_domain="example.org", control_plane_namespace="mesh")
    suffix = "serviceaccount.identity.mesh.example.org"
    objects = [server(), policy(WHO), identities(f"client.default.{suffix}", f"*.other.{suffix}")]
    assert who(objects, target=target) == ["200", "200", "403"]
    stranger = Caller("other", "oclient", "elsewhere.org")
    assert asked(objects, get(caller=stranger), target=target) == "403"
    assert who(objects) == NOBODY


def test_a_star_that_does_not_stand_first_stands_for_itself() -> None:
    assert who([server(), policy(WHO), identities(f"client.*.{IDENTITY}")]) == NOBODY


def test_everyone_is_the_network_of_every_address_and_others_depend_on_the_address() -> None:
    assert who([server(), policy(ALL), networks(*EVERYWHERE)]) == EVERYBODY
    assert who([server(), policy(ALL), networks({"cidr": "10.0.0.0/8"})]) == ["unknown"] * 3
    assert who([server(), policy(ALL), networks({"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]})]) == ["unknown"] * 3


def test_another_policy_that_lets_in_decides_beside_one_that_is_not_known() -> None:
    objects = [
        server(), policy(ALL), networks({"cidr": "10.0.0.0/8"}), policy(WHO, own="q"), identities("*")
    ]  # fmt: skip
    assert who(objects) == ["200", "200", "unknown"]


def test_server_wide_policies_open_every_route_and_a_policy_of_a_route_that_route_alone() -> None:
    a, b = rule(matches=[path("/a")]), rule(matches=[path("/b")])
    objects = [
        server(), on_server(a, name="a"), on_server(b, name="b"), identities(f"client.default.{IDENTITY}"),
        policy(WHO, kind="HTTPRoute", name="a"), policy(ALL, own="q"), networks({"cidr": "10.0.0.0/8"}, name="none"),
    ]  # fmt: skip
    assert who(objects, get("/a")) == ["200", "403", "403"]
    assert who(objects, get("/b")) == NOBODY
    assert who(objects, get("/c")) == ["404"] * 3
    server_wide = [*objects, policy(WHO, own="w")]
    assert who(server_wide, get("/b")) == ["200", "403", "403"]


def test_a_policy_on_a_route_is_on_the_route_of_its_group() -> None:
    routed = on_server(rule(matches=[path("/a")]), group=POLICY)
    for group, wanted in (("gateway.networking.k8s.io", "403"), ("policy.linkerd.io", "demo")):
        objects = [server(), routed, policy(WHO, kind="HTTPRoute", name="r", group=group), identities("*")]
        assert asked(objects, get("/a")) == wanted


def test_with_a_route_on_the_server_probes_need_one_of_their_own() -> None:
    open_to_probes = [server()]
    assert who(open_to_probes, get("/ready"), probes=[("/ready", 8080)]) == EVERYBODY
    routed = [*open_to_probes, on_server(rule(matches=[path("/a")]))]
    assert who(routed, get("/ready"), probes=[("/ready", 8080)]) == ["404"] * 3


def test_bytes_are_judged_by_the_server_alone_and_so_is_an_opaque_port() -> None:
    routed = [on_server(rule(matches=[path("/a")])), policy(ALL, kind="HTTPRoute", name="r"), networks(*EVERYWHERE)]
    connection = get("", method="")
    assert who([server(), *routed], get("/a")) == EVERYBODY
    assert who([server(), *routed], connection) == NOBODY
    for protocol in ("opaque", "TLS"):
        assert who([server(proxyProtocol=protocol), *routed], get("/a")) == NOBODY
        opened = [server(proxyProtocol=protocol, accessPolicy="all-authenticated"), *routed]
        assert who(opened, get("/nowhere")) == MESHED


def test_routes_of_grpc_count_on_a_server_for_grpc_and_drive_http_routes_off_any_other() -> None:
    grpc = on_server(rule(matches=[calls("p.S")]), name="g", kind="GRPCRoute")
    http = on_server(rule(matches=[path("/a")]))
    call = get("/p.S/M", method="POST")
    opened = {"accessPolicy": "all-unauthenticated"}
    assert who([server(proxyProtocol="gRPC", **opened), grpc, http], call) == EVERYBODY
    assert who([server(proxyProtocol="gRPC", **opened), grpc, http], get("/a")) == ["404"] * 3
    assert who([server(proxyProtocol="gRPC", **opened), http], get("/b")) == EVERYBODY
    assert who([server(**opened), grpc, http], get("/b")) == EVERYBODY
    assert who([server(**opened), http], get("/b")) == ["404"] * 3


def authorization(client: Body, **server_of: Any) -> Body:
    """A ServerAuthorization."""
    return made("ServerAuthorization", "old", {"server": server_of or {"name": "srv"}, "client": client})


@pytest.mark.parametrize(
    ("client", "wanted"),
    [
        ({"unauthenticated": True, "networks": EVERYWHERE}, EVERYBODY),
        ({"unauthenticated": True}, ["200", "200", "unknown"]),
        ({"meshTLS": {"identities": ["*"]}, "networks": EVERYWHERE}, MESHED),
        ({"meshTLS": {"serviceAccounts": [{"name": "client"}]}}, ["200", "403", "403"]),
        ({"meshTLS": {"unauthenticatedTLS": True}}, MESHED),
        ({"meshTLS": {}}, ["unknown"] * 3),
    ],
)
def test_the_older_kind_of_policy_lets_in_callers_of_networks(client: Body, wanted: list[str]) -> None:
    assert who([server(), authorization(client)]) == wanted


def test_the_older_kind_of_policy_selects_servers_by_labels() -> None:
    labelled = server()
    labelled["metadata"]["labels"] = {"tier": "front"}
    client = {"unauthenticated": True, "networks": EVERYWHERE}
    assert who([labelled, authorization(client, selector={"matchLabels": {"tier": "front"}})]) == EVERYBODY
    assert who([labelled, authorization(client, selector={"matchLabels": {"tier": "back"}})]) == NOBODY


def test_pods_without_a_proxy_enforce_nothing() -> None:
    disabled = workloads(annotations={"linkerd.io/inject": "disabled"})
    answer = read([server(), *disabled]).answer(get())
    assert (seen(answer), answer.mtls) == ("demo", False)


def test_a_workload_that_does_not_say_which_pods_are_its_leaves_it_open_whether_they_have_a_proxy() -> None:
    kept_out = made("Namespace", "default", group="v1", namespace="", annotations={"linkerd.io/inject": "disabled"})
    assert read([kept_out]).answer(get()).mtls is False
    for inject, around in (("disabled", []), ("enabled", [kept_out])):
        template = {"metadata": {"annotations": {"linkerd.io/inject": inject}}}
        part = made("StatefulSet", "batch", {"template": template}, group="apps/v1")
        assert read([part, *around]).answer(get()).mtls is None
        assert read([part, *around]).answer(get(caller=OUTSIDE)).mtls is False
        assert who([part, *around, server()]) == NOBODY
        assert read([{**part, "metadata": {"name": "batch", "namespace": "other"}}]).answer(get()).mtls is True


def test_bytes_on_a_port_that_is_said_to_be_for_requests_alone_are_not_known() -> None:
    connection = get("", method="")
    assert who([server(proxyProtocol="HTTP/2", accessPolicy="all-authenticated")], connection)[:2] == ["unknown"] * 2
    assert who([server(proxyProtocol="HTTP/2")], connection) == NOBODY


def test_the_route_of_a_server_sees_the_headers_that_the_caller_s_proxy_made() -> None:
    modify = {"set": [{"name": "x", "value": "1"}]}
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": modify}]
    looked_at = {"headers": [{"name": "x", "value": "1"}]}
    objects = [
        route(rule(filters=filters)), server(accessPolicy="all-unauthenticated"), on_server(rule(matches=[looked_at]))
    ]  # fmt: skip
    assert who(objects) == ["200", "200", "404"]
    modify["add"] = modify.pop("set")
    assert "occurs twice" in unknown(read(objects).answer(get(headers={"x": "2"})))


def test_access_is_judged_where_a_route_leads() -> None:
    closed = server(podSelector={"matchLabels": {"app": "bdef"}})
    assert asked([closed, route(rule(to("bdef")))]) == "403"
    assert asked([closed, route(V1)]) == "v1"


def test_a_pod_that_no_service_declares_is_asked_by_itself() -> None:
    reading = LinkerdReading([server(podSelector={}), policy(WHO), identities("*")], Inventory(), Linkerd())
    pod = frozenset({("app", "stranger")})
    assert reading.admits("default", pod, get(), 8080, http=True)
    assert not reading.admits("default", pod, get(caller=OUTSIDE), 8080, http=True)
    assert reading.admits("default", pod, get(caller=OUTSIDE), 9090, http=False)
    with pytest.raises(NotModelled):
        reading.admits("default", pod, get(), "http", http=True)


# ------------------------------------------------------------------------------------------------------ what is not known


@pytest.mark.parametrize(
    ("objects", "touched", "other"),
    [
        (
            [route(rule(to("v1"), matches=[path("/a", cookies=[1])]), V2)],
            (get("/a"), "HTTPRoute default/r spec.rules[0].matches[0].cookies"),
            get("/b"),
        ),
        (
            [route(rule(to("v1"), matches=[path("/a")], mirrors=[]), V2)],
            (get("/a"), "HTTPRoute default/r spec.rules[0].mirrors"),
            get("/b"),
        ),
        (
            [route(rule({**to("v1"), "zone": "a"}, matches=[path("/a")]), V2)],
            (get("/a"), "HTTPRoute default/r spec.rules[0].backendRefs[0].zone"),
            get("/b"),
        ),
        (
            [route(rule(to("v1"), matches=[path("/(?=a)a", "RegularExpression")]), V2)],
            (get("/a"), "HTTPRoute default/r spec.rules[0].matches[0].path"),
            get("/a", port=90),
        ),
        (
            [server(), policy(WHO, strict=True), identities("*")],
            (get(), "AuthorizationPolicy default/p spec.strict"),
            get(port=90),
        ),
        ([server(mode="x")], (get(), "Server default/srv spec.mode"), get(port=90)),
        ([server(proxyProtocol="HTTP/3")], (get(), "Server default/srv spec.proxyProtocol"), get(port=90)),
        (
            [made("CircuitBreakerPolicy", "c", {})],
            (get(), "CircuitBreakerPolicy default/c"),
            None,
        ),
        (
            [
                made("EgressNetwork", "e", {"trafficPolicy": "Deny"}),
                made("Link", "l", group="multicluster.linkerd.io/v1"),
            ],
            (get(service="default/nope"), "Service default/nope: there is none that is known"),
            get(),
        ),
    ],
    ids=["match", "rule", "backend", "regex", "policy", "server", "protocol", "kind", "service"],
)
def test_only_the_requests_that_it_touches_are_not_known(
    objects: list[Body], touched: tuple[Request, str], other: Request | None
) -> None:
    answer = read(objects).answer(touched[0])
    assert touched[1] in unknown(answer)
    if other is not None:
        assert seen(read(objects).answer(other)) != "unknown"


def test_what_is_known_of_the_caller_s_side_is_told_although_access_is_not() -> None:
    answer = read([route(V1), server(podSelector={"matchExpressions": [{"key": "a", "operator": "Gt"}]})]).answer(get())
    assert "operator Gt" in unknown(answer)
    assert answer.traffic is not None


def test_objects_of_others_and_annotations_that_nobody_reads_change_nothing() -> None:
    others = [
        made("VirtualService", "x", {"hosts": ["demo"]}, group="networking.istio.io/v1"),
        made("NetworkPolicy", "x", {}, group="networking.k8s.io/v1"),
        service({"retry.linkerd.io/typo": "5xx", "balancer.linkerd.io/typo": "1"}),
        made("UDPRoute", "u", {"parentRefs": []}, group="gateway.networking.k8s.io/v1"),
    ]
    assert read(others).answer(get()) == read([]).answer(get())


def test_a_service_among_the_objects_may_be_a_backend() -> None:
    spec = {"selector": {"app": "new"}, "ports": [{"port": 80, "targetPort": 8080}]}
    assert asked([service(name="new", spec=spec), route(rule(to("new")))]) == "new"


# --------------------------------------------------------------------------------------------------------------- reasons


def every(reasons: Sequence[Reason]) -> Iterator[Reason]:
    """All steps of a tree."""
    for one in reasons:
        yield one
        yield from every(one.parts)


def explained(objects: Sequence[Body], request: Request) -> list[Reason]:
    """Why a request is answered as it is."""
    return list(every(read(objects).answer(request, explain=True).reasons))


def test_the_reasons_name_the_rule_that_took_it_and_why_others_did_not() -> None:
    rules = [
        rule(to("v1"), matches=[path("/a")]),
        rule(to("v2"), matches=[path("/a/b")]),
        rule(to("v1"), matches=[path("/c")]),
        rule(to("v1"), matches=[path("/a/b")]),
    ]
    said = {"retry.linkerd.io/http": "5xx", "timeout.linkerd.io/request": "1s"}
    found = explained([route(*rules, annotations=said), route(V1, name="young")], get("/a/b"))
    told = {one.where: one.text for one in found if one.stage is Stage.ROUTE and not one.parts}
    assert told == {
        "HTTPRoute default/r spec.rules[0].matches[0]": "matches, and is less specific",
        "HTTPRoute default/r spec.rules[1].matches[0]": "matches, and nothing that matches is more specific",
        "HTTPRoute default/r spec.rules[2].matches[0]": "does not match: it asks that path is /c or below it",
        "HTTPRoute default/r spec.rules[3].matches[0]": "matches, and is as specific, but its rule stands later",
        "HTTPRoute default/young spec.rules[0].matches[0]": "matches, and is less specific",
    }
    texts = {one.text: one.where for one in found}
    assert texts["the answer must be complete within 1s, all tries together"] == "HTTPRoute default/r"
    assert any(text.startswith("it is tried again up to 1 times on 5xx") for text in texts)
    assert "requests go to default/demo v2 (100 %)" in texts


def test_the_reasons_name_the_server_and_the_policies_that_decide() -> None:
    objects = [server(), policy(WHO), identities(f"client.default.{IDENTITY}"), policy(ALL, own="gone")]
    for caller, holds in ((CLIENT, True), (OTHER, False), (OUTSIDE, False)):
        found = explained(objects, get(caller=caller))
        access = next(one for one in found if one.stage is Stage.ACCESS)
        assert (access.where, access.holds) == ("Server default/srv", holds)
        told = {one.where: one.text for one in access.parts}
        verb = "lets the caller in" if holds else "does not let the caller in"
        assert told["AuthorizationPolicy default/p"].startswith(f"{verb}: identities client.default")
        assert "there is no NetworkAuthentication default/all" in told["AuthorizationPolicy default/gone"]
        assert told["Server default/srv spec.accessPolicy"] == "does not let the caller in: deny: nobody"


@pytest.mark.parametrize(
    ("objects", "request_", "text"),
    [
        ([], get(caller=OUTSIDE), "plain text: the caller has no identity in the mesh"),
        ([], get(caller=OUTSIDE), "it comes from outside the mesh, so nothing on the caller's side applies"),
        ([], get(), "mTLS, with the identity client.default.serviceaccount.identity.linkerd.cluster.local"),
        ([], get(by_name=False), "it calls a pod by its address, so nothing on the caller's side applies"),
        ([route(rule(to("v1"), matches=[path("/a")]))], get(), "no rule of a route matches: 404 from the caller's"),
        ([server(), on_server(rule(matches=[path("/a")]))], get(), "no route of Server default/srv matches: 404"),
        ([split(v1=1)], get(), "TrafficSplit default/s takes the place of every route, annotation and breaker"),
        ([app_protocol("grpc"), route(V1)], get(), "the port is opaque to the mesh: there are no requests on it"),
        ([route(rule(to("v1"), to("nope")))], get(), "there is no Service default/nope that is known: its share"),
        ([service({"retry.linkerd.io/http": "5xx, 1"})], get(), "annotation retry.linkerd.io/http is '5xx, 1'"),
        ([namespace(default_inbound_policy="deny")], get(), "port 8080 of both versions of default/demo has no"),
        ([server()], get(service="default/x"), "there is none that is known"),
        ([server(proxyProtocol="x")], get(), "x is refused by the mesh"),
        ([], get(port=81), "the Service has no port 81: the connection is reset"),
    ],
)
def test_the_reasons_say_what_decided(objects: list[Body], request_: Request, text: str) -> None:
    found = [one.text for one in explained(objects, request_)]
    assert any(one.startswith(text) for one in found), found


def test_a_traffic_split_alone_has_no_routes_of_which_none_could_match() -> None:
    assert not any("no route" in one.text or "none of" in one.text for one in explained([split(v1=1)], get()))


def test_what_is_the_same_for_the_pods_of_every_version_is_told_once() -> None:
    access = [one.text for one in explained([server()], get()) if one.stage is Stage.ACCESS]
    assert [text for text in access if " is under " in text] == [
        "port 8080 of both versions of default/demo is under Server default/srv"
    ]


def test_reasons_never_change_an_answer() -> None:
    objects = [route(V1), server(), on_server(rule(matches=[path("/a")])), policy(WHO), identities("*")]
    reading = read(objects)
    for asked_path in ("/a", "/b"):
        for caller in (CLIENT, OTHER, OUTSIDE):
            request = get(asked_path, caller=caller)
            assert reading.answer(request) == reading.answer(request, explain=True)
            assert not reading.answer(request).reasons


def test_the_inventory_has_the_services_among_the_objects() -> None:
    assert set(read([]).inventory.services) == set(inventory().services)


@pytest.mark.parametrize(
    ("objects", "named"),
    [
        ([route(rule(to("v1"), filters=[{"type": "RequestRedirect", "requestRedirect": {}}]))], "beside a redirect"),
        (
            [route(rule(to("v1"), filters=[{"type": "ResponseHeaderModifier"}]), group=POLICY)],
            "the API does not take it",
        ),
        (
            [
                route(
                    rule(
                        filters=[
                            {
                                "type": "RequestRedirect",
                                "requestRedirect": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/b"}},
                            }
                        ]
                    )
                )
            ],
            "ReplacePrefixMatch is not modelled",
        ),
        (
            [
                route(
                    rule(
                        to("v1", 1),
                        to(
                            "v2",
                            1,
                            filters=[
                                {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}},
                            ],
                        ),
                    )
                )
            ],
            "header edits of a part of the requests",
        ),
        ([service({"config.linkerd.io/opaque-ports": "http"})], "whether port 80 is among http"),
        ([server(), policy(("Other", "x"))], "Other is refused by the mesh"),
        (
            [server(), policy(WHO), made("MeshTLSAuthentication", "who", {"identities": ["*"], "identityRefs": []})],
            "either identities or identityRefs",
        ),
        (
            [
                server(accessPolicy="all-authenticated"),
                on_server(rule(filters=[{"type": "RequestRedirect", "requestRedirect": {}}])),
            ],
            "a redirect by the callee's proxy",
        ),
        ([service(spec={"type": "ExternalName"})], "an ExternalName is not modelled"),
        ([made("ServiceMirror", "x", group="linkerd.io/v1")], "ServiceMirror default/x"),
        (
            [{**route(V1), "spec": {"parentRefs": route(V1)["spec"]["parentRefs"], "odd": 1}}],
            "HTTPRoute default/r spec.odd",
        ),
        ([profile(routes=[{"name": "x", "condition": {"pathRegex": "(?=x)"}}])], "pathRegex"),
        ([*workloads()[:1], *workloads(annotations={"config.linkerd.io/default-inbound-policy": "deny"})], "several"),
    ],
)
def test_what_is_not_modelled_is_named(objects: list[Body], named: str) -> None:
    assert named in unknown(read(objects).answer(get()))


def test_edits_of_every_backend_alike_are_edits_of_the_rule() -> None:
    alike = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["X"]}}]
    found = traffic([route(rule(to("v1", 1, filters=alike), to("v2", 1, filters=alike)))])
    assert found.edits == {("request", "remove", "x", "")}


def test_a_grpc_route_matches_headers_beside_a_method() -> None:
    exact = calls("p.S", headers=[{"name": "X", "value": "1"}])
    regex = calls("p.S", headers=[{"name": "x", "value": "a|ab", "type": "RegularExpression"}])
    objects = [route(rule(to("v1"), matches=[exact]), rule(to("v2"), matches=[regex]), kind="GRPCRoute")]
    call = get("/p.S/M", method="POST")
    for value, found in (("1", "v1"), ("a", "v2"), ("ab", "404"), ("2", "404")):
        assert asked(objects, replace(call, headers={"x": value}), protocol="grpc") == found
    assert "whether requests to the port are HTTP/2" in unknown(read(objects, protocol="tcp").answer(call))


def test_a_header_that_the_caller_s_proxy_removed_is_gone_for_the_callee() -> None:
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}]
    looked_at = {"headers": [{"name": "x", "value": "1"}]}
    objects = [
        route(rule(filters=filters)), server(accessPolicy="all-unauthenticated"), on_server(rule(matches=[looked_at]))
    ]  # fmt: skip
    assert who(objects, get(headers={"x": "1"})) == ["404", "404", "200"]


def test_a_timeout_of_a_profile_that_does_not_parse_is_none() -> None:
    routes = [{"name": "a", "condition": {"method": "GET"}, "timeout": "soon"}]
    assert traffic([profile(routes=routes)]).timeout is None
    found = explained([profile(routes=routes)], get())
    assert "route a matches" in [one.text for one in found]
