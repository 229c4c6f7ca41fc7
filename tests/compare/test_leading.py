"""Routes of others that lead requests to our services are named in the notes of a difference."""

from __future__ import annotations

from typing import Any

import pytest

from meshdsl.compare.diff import diff
from meshdsl.compare.interest import Interest
from tests.compare.live import bundle, cluster, snapshot


def foreign(kind: str, version: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "theirs", "namespace": "prod", "uid": "9"},
        "spec": spec,
    }


VIRTUAL = ("VirtualService", "networking.istio.io/v1")
DESTINATION = ("DestinationRule", "networking.istio.io/v1")
ROUTE = ("HTTPRoute", "gateway.networking.k8s.io/v1")


@pytest.mark.parametrize(
    ("mesh", "one", "named"),
    [
        ("istio", foreign(*VIRTUAL, hosts=["api.prod.svc.cluster.local"]), True),
        ("istio", foreign(*VIRTUAL, hosts=["api"]), True),
        ("istio", foreign(*VIRTUAL, hosts=["*.prod.svc.cluster.local"]), True),
        ("istio", foreign(*VIRTUAL, hosts=["api"], gateways=["edge"]), False),
        ("istio", foreign(*VIRTUAL, hosts=["other"]), False),
        ("istio", foreign(*DESTINATION, host="api.prod.svc.cluster.local"), True),
        ("ambient", foreign(*DESTINATION, host="*.svc.cluster.local"), True),
        ("istio", foreign(*DESTINATION, host="other"), False),
        ("linkerd", foreign(*DESTINATION, host="api"), False),
        ("linkerd", foreign(*ROUTE, parentRefs=[{"kind": "Service", "name": "api"}]), True),
        ("linkerd", foreign(*ROUTE, parentRefs=[{"kind": "Gateway", "name": "api"}]), False),
    ],
)
def test_a_route_of_others_for_a_service_of_ours_is_named(mesh: str, one: dict[str, Any], named: bool) -> None:
    made = bundle(mesh)
    kept = Interest(made.manifests)(one)
    assert kept is not None
    report = diff(made, snapshot([*cluster(made).objects, kept]))
    said = f"{one['kind']} prod/theirs is not ours and is for requests to prod/api"
    assert (said in report.policy_note) is named
