"""What a caller gets who is denied: a status of the mesh that is asked, or a closed connection."""

from __future__ import annotations

from typing import Any

import pytest

import meshdsl
from meshdsl import Allow, DefaultDeny, MutualTls, Namespace, PolicySet, Service, Trace
from meshdsl.simulate.trace import outcome
from tests.simulate.test_trace_cluster import MESHES

PROD = Namespace("prod")
WEB = Service("web", PROD, port=80)
API = Service("api", PROD, port=8080, probes=())
DB = Service("db", PROD, port=5432, protocol="tcp")
POLICIES = PolicySet(
    (
        MutualTls(PROD, mode="strict"),
        DefaultDeny(PROD),
        Allow(API, callers=(WEB,), methods=("GET",), paths=("/items",)),
        Allow(DB, callers=(API,)),
    )
)
CLOSED = 0
DISABLE = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "DestinationRule",
    "metadata": {"name": "plain", "namespace": "prod"},
    "spec": {"host": "api.prod.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
}


def traced(mesh: str, source: str, *request: str, to: str = "prod/api", more: Any = (), **how: Any) -> Trace:
    bundle = meshdsl.build(POLICIES, MESHES[mesh])
    objects = [*(one.body for one in bundle.manifests), *more]
    return meshdsl.trace_objects(bundle, meshdsl.question(bundle.plan, source, to, *request, **how), objects)


def told(trace: Trace) -> int | None:
    """The status, or ``CLOSED``; None for neither."""
    return CLOSED if trace.closed else trace.status


@pytest.mark.parametrize(
    ("mesh", "source", "request_line", "wanted"),
    [
        ("istio", "anyone", ("GET", "/items"), 403),
        ("istio", "prod/web", ("POST", "/items"), 403),
        ("istio", "outside", ("GET", "/items"), CLOSED),
        ("ambient", "anyone", ("GET", "/items"), 403),
        ("ambient", "outside", ("GET", "/items"), CLOSED),
        ("linkerd", "anyone", ("GET", "/items"), 403),
        ("linkerd", "outside", ("GET", "/items"), 403),
        ("linkerd", "prod/web", ("GET", "/other"), 404),
        *((mesh, source, (), CLOSED) for mesh in MESHES for source in ("anyone", "outside")),
    ],
)
def test_who_is_denied_gets_a_status_or_a_closed_connection(
    mesh: str, source: str, request_line: tuple[str, ...], wanted: int
) -> None:
    found = traced(mesh, source, *request_line, to="prod/api" if request_line else "prod/db")
    assert found.verdict == "denied"
    assert told(found) == wanted
    words = "the connection is closed" if wanted == CLOSED else f"the mesh answers {wanted}"
    assert outcome(found) == f"denied, {words}"


def test_the_sidecar_of_a_caller_answers_503_where_the_connection_is_refused() -> None:
    assert told(traced("istio", "prod/web", "GET", "/items", more=[DISABLE])) == 503
    assert told(traced("istio", "outside", "GET", "/items", more=[DISABLE])) == CLOSED


def test_a_waypoint_answers_503_where_ztunnel_lets_it_not_through() -> None:
    fence = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "never", "namespace": "prod"},
        "spec": {"action": "DENY", "rules": [{"from": [{"source": {"namespaces": ["prod"]}}]}]},
    }
    assert told(traced("ambient", "prod/web", "GET", "/items", more=[fence])) == 503


def test_a_call_to_a_pods_address_ends_in_a_way_that_is_not_known() -> None:
    found = traced("istio", "prod/web", "GET", "/items", by_name=False)
    assert (found.verdict, found.status, found.closed) == ("denied", None, None)
    assert outcome(found) == "denied"


def test_which_status_a_refused_request_gets_is_left_to_the_mesh_by_what_policies_mean() -> None:
    bundle = meshdsl.build(POLICIES, meshdsl.Istio())
    request = meshdsl.trace(bundle, meshdsl.question(bundle.plan, "anyone", "prod/api", "GET", "/items"))
    assert (request.verdict, request.status, request.closed) == ("denied", None, None)
    connection = meshdsl.trace(bundle, meshdsl.question(bundle.plan, "anyone", "prod/db"))
    assert (connection.verdict, connection.status, connection.closed) == ("denied", None, True)


def test_what_is_let_in_is_not_closed() -> None:
    found = traced("istio", "prod/web", "GET", "/items")
    assert (found.verdict, found.status, found.closed) == ("allowed", None, False)
