"""Who can call what in a cluster that is not as the policies take it to be: no proxies, no Services, filters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

import meshdsl
from meshdsl.compare.kinds import OF_TARGET
from meshdsl.compare.live import Scope, Snapshot
from meshdsl.compare.reach.report import asked
from meshdsl.simulate.words import Verdict
from tests.simulate.test_trace_cluster import (
    ENROLLED,
    KEPT_OUT,
    MESHES,
    built,
    cluster,
    mesh_names,
    namespace,
    service,
    workload,
)

SERVICES = frozenset(Scope(kind, "prod") for kind in OF_TARGET["istio"] if kind.kind == "Service")


def reached(mesh: str, objects: Iterable[Any], scopes: frozenset[Scope] = frozenset()) -> meshdsl.AccessReport:
    return meshdsl.access(built(mesh), Snapshot(tuple(objects), scopes))


def lua(kind: str = "EnvoyFilter", where: str = "prod", **spec: Any) -> dict[str, Any]:
    groups = {"EnvoyFilter": "networking.istio.io/v1alpha3", "Sidecar": "networking.istio.io/v1"}
    version = groups.get(kind, "extensions.istio.io/v1alpha1")
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "lua", "namespace": where}, "spec": spec}


@mesh_names
def test_where_pods_are_enrolled_rules_hold(mesh: str) -> None:
    bundle = built(mesh)
    report = reached(mesh, cluster(bundle, namespace(**ENROLLED[mesh]), workload("web"), workload("api")))
    assert [row.callers for row in report.to("prod/api").rows] != [("everyone",)]
    assert not any("proxy" in one for one in (*report.to("prod/api").remarks, *report.to("prod/api").undecided))


@mesh_names
def test_where_pods_have_no_proxy_everyone_is_let_in_and_that_is_said(mesh: str) -> None:
    objects = cluster(built(mesh), namespace(), workload("web"), workload("api"))
    answer = reached(mesh, objects).to("prod/api")
    (row,) = answer.rows
    assert (row.callers, row.is_all, answer.refused, answer.is_complete) == (("everyone",), True, {}, True)
    assert any(one.startswith("pods of prod/api have no proxy (Namespace prod, without") for one in answer.remarks)


@mesh_names
def test_a_caller_without_a_proxy_is_one_outside_the_mesh(mesh: str) -> None:
    objects = cluster(built(mesh), namespace(**ENROLLED[mesh]), workload("web", **KEPT_OUT[mesh]), workload("api"))
    answer = reached(mesh, objects).caller("prod/web")
    assert answer.subject == "prod/web, which is kept out of the mesh"
    assert "prod/api" not in [row.service for row in answer.rows]


@mesh_names
def test_where_it_is_not_known_whether_pods_have_a_proxy_the_answer_is_not_complete(mesh: str) -> None:
    answer = reached(mesh, cluster(built(mesh), namespace())).to("prod/api")
    assert not answer.is_complete
    assert any(
        one.startswith("whether pods of prod/api and prod/web have a proxy: Namespace prod: it is not enrolled")
        for one in answer.undecided
    )


@mesh_names
def test_a_service_that_does_not_exist_has_no_rows(mesh: str) -> None:
    report = reached(mesh, (), SERVICES)
    answer = report.to("prod/api")
    assert (answer.rows, answer.is_complete) == ((), False)
    assert "Service prod/api is not there: nobody can call it" in answer.undecided
    assert not report.matrix().is_complete
    assert "prod/api" not in [row.service for row in report.caller("outside").rows]


@pytest.mark.parametrize("mesh", ["istio", "ambient"])
@pytest.mark.parametrize(
    "one",
    [
        lua(),
        lua(where="istio-system"),
        lua("WasmPlugin", selector={"matchLabels": {"app": "api"}}),
        lua(workloadSelector={"labels": {"app": "api", "version": "v1"}}),
    ],
)
def test_what_changes_proxies_in_a_way_that_is_not_read_is_named(mesh: str, one: dict[str, Any]) -> None:
    objects = [*cluster(built(mesh), namespace(**ENROLLED[mesh]), workload("web"), workload("api")), one]
    answer = reached(mesh, objects).to("prod/api")
    assert not answer.is_complete
    where = f"{one['kind']} {one['metadata']['namespace']}/lua"
    assert (
        f"what {where} does before prod/api is not known: it may let callers in, or keep them out" in answer.undecided
    )


def test_a_sidecar_that_speaks_of_incoming_connections_is_named_and_does_nothing_to_ambient() -> None:
    one = lua("Sidecar", ingress=[{"port": {"number": 8080}}])
    for mesh, complete in (("istio", False), ("ambient", True)):
        objects = [*cluster(built(mesh), namespace(**ENROLLED[mesh]), workload("web"), workload("api")), one]
        assert reached(mesh, objects).to("prod/api").is_complete is complete


@pytest.mark.parametrize(
    "one",
    [
        lua(where="test"),
        lua(workloadSelector={"labels": {"app": "web"}}),
        lua("Sidecar", egress=[{"hosts": ["./*"]}]),
    ],
)
def test_a_filter_of_other_pods_is_not_named(one: dict[str, Any]) -> None:
    objects = [*cluster(built("istio"), namespace(**ENROLLED["istio"]), workload("web"), workload("api")), one]
    assert reached("istio", objects).to("prod/api").is_complete


def test_a_cluster_is_asked_for_all_that_decides() -> None:
    kinds = {name: {one.kind.kind for one in asked(built(name).plan, MESHES[name])} for name in MESHES}
    for found in kinds.values():
        assert {"Namespace", "Service", "Deployment", "StatefulSet", "DaemonSet", "AuthorizationPolicy"} <= found
    assert {"EnvoyFilter", "WasmPlugin", "RequestAuthentication"} <= kinds["istio"] & kinds["ambient"]
    assert ("Sidecar" in kinds["istio"], "Sidecar" in kinds["ambient"]) == (True, False)
    assert {"ServerAuthorization", "GRPCRoute", "HTTPRoute"} <= kinds["linkerd"]
    scopes = asked(built("istio").plan, MESHES["istio"])
    assert "istio-system" in {one.namespace for one in scopes if one.kind.kind == "EnvoyFilter"}
    assert "istio-system" not in {one.namespace for one in scopes if one.kind.kind == "Deployment"}


GATE = {"istio.io/use-waypoint": "waypoint"}
EDGE = {**GATE, "istio.io/use-waypoint-namespace": "edge"}
WAITS = {"status": {"conditions": [{"type": "Accepted"}]}}
RUNS = {"status": {"conditions": [{"type": "Accepted"}], "addresses": [{"value": "10.0.0.1"}]}}


def waypoint(where: str = "prod", let_in: str = "Same", cls: str = "istio-waypoint", **rest: Any) -> dict[str, Any]:
    listener = {"name": "mesh", "port": 15008, "allowedRoutes": {"namespaces": {"from": let_in}}}
    metadata = {"name": "waypoint", "namespace": where, "labels": rest.pop("labels", {})}
    spec = {"gatewayClassName": cls, "listeners": [listener]}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": metadata, "spec": spec, **rest}


WAYPOINTS: list[tuple[list[dict[str, Any]], dict[str, str], bool]] = [
    ([waypoint()], GATE, True),
    ([waypoint(**RUNS)], GATE, True),
    ([waypoint(**WAITS)], GATE, False),
    ([], GATE, False),
    ([waypoint()], {}, False),
    ([waypoint(cls="istio")], GATE, False),
    ([waypoint(labels={"istio.io/waypoint-for": "workload"})], GATE, False),
    ([waypoint(labels={"istio.io/waypoint-for": "all"})], GATE, True),
    ([waypoint("edge", "All")], EDGE, True),
    ([waypoint("edge")], EDGE, False),
]


def rule(name: str, accounts: Iterable[str], **spec: Any) -> dict[str, Any]:
    principals = [f"cluster.local/ns/{one.replace('/', '/sa/')}" for one in accounts]
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": name, "namespace": "prod"},
        "spec": {"rules": [{"from": [{"source": {"principals": principals}}]}], **spec},
    }


@pytest.mark.parametrize(("gateways", "labels", "passes"), WAYPOINTS)
def test_a_trace_and_the_access_agree_on_which_waypoint_is_passed(
    gateways: list[dict[str, Any]], labels: dict[str, str], passes: bool
) -> None:
    """The pods take nothing but what comes from a waypoint, and the waypoint lets in web."""
    bundle, api = built("ambient"), service("api", 8080)
    api["metadata"]["labels"] = labels
    objects = [
        rule("web", ["prod/web"], targetRefs=[{"group": "", "kind": "Service", "name": "api"}]),
        rule("fence", ["prod/waypoint", "edge/waypoint"]),
        *(api, service("web", 80), namespace(**ENROLLED["ambient"]), workload("web"), workload("api"), *gateways),
    ]
    request = meshdsl.question(bundle.plan, "prod/web", "prod/api", "GET", "/items")
    assert meshdsl.trace_objects(bundle, request, objects).allowed is passes
    answer = meshdsl.access(bundle, objects).to("prod/api")
    assert any("prod/web" in row.callers for row in answer.rows) is passes
    assert answer.is_complete
    remark = "prod/api has policies for a waypoint and calls pass none: nobody enforces them"
    assert (remark in answer.remarks) is not passes


def test_a_waypoint_of_a_namespace_that_was_not_read_is_not_known() -> None:
    bundle, api = built("ambient"), service("api", 8080)
    api["metadata"]["labels"] = EDGE
    objects = [api, service("web", 80), namespace(**ENROLLED["ambient"]), workload("web"), workload("api")]
    request = meshdsl.question(bundle.plan, "prod/web", "prod/api", "GET", "/items")
    assert meshdsl.trace_objects(bundle, request, objects).verdict is Verdict.UNKNOWN
    assert not meshdsl.access(bundle, objects).to("prod/api").is_complete
