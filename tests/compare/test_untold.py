"""What is not known is not told as if it were: of fields that mean nothing in a plan, of kinds, and of pods of nobody."""

from __future__ import annotations

from typing import Any

import pytest

from meshdsl.compare.diff import diff
from meshdsl.compare.kinds import KINDS
from meshdsl.compare.live import Scope, Unknown
from meshdsl.compare.report import Action, DiffReport, Risk
from tests.compare.live import bundle, changed, cluster, snapshot, stored

TRAFFIC = (Risk.MOVED_TRAFFIC, Risk.REMOVED_TIMEOUT, Risk.UNSAFE_RETRIES)


def odd_path(body: Any) -> None:
    """A path that the language does not have, beside a change that would be a risk."""
    http = body["spec"]["http"]
    http.insert(0, {"match": [{"uri": {"prefix": "/orders"}}], "route": http[-1]["route"]})
    for one in http:
        one["timeout"] = "3s"


# -------------------------------------------------------------------------------------- what could not be read back


def test_risks_of_what_differs_and_could_not_be_read_back_are_not_known() -> None:
    given = bundle("istio")
    report = diff(given, changed(given, "VirtualService", "api", odd_path))
    assert report.policy == ()
    assert [(one.subject, one.risks) for one in report.untold] == [("prod/api", TRAFFIC)]
    assert "its routes cannot be read back" in report.untold[0].reason


def test_a_breaker_that_could_not_be_read_back_may_be_gone() -> None:
    def change(body: Any) -> None:
        body["spec"]["trafficPolicy"]["outlierDetection"]["interval"] = "1.5ms"

    given = bundle("istio")
    report = diff(given, changed(given, "DestinationRule", "api", change))
    assert [(one.subject, one.risks) for one in report.untold] == [("prod/api", (Risk.REMOVED_BREAKER,))]


@pytest.mark.parametrize("mesh", ["ambient", "linkerd"])
def test_a_path_by_a_pattern_of_another_kind_is_not_known(mesh: str) -> None:
    def change(body: Any) -> None:
        rule = body["spec"]["rules"][0]
        path = {"type": "ImplementationSpecific", "value": "/o.*"}
        body["spec"]["rules"].insert(0, {**rule, "matches": [{"path": path}]})

    given = bundle(mesh)
    name = next(one.ref.name for one in given.manifests if one.ref.kind == "HTTPRoute" and "api" in one.ref.name)
    report = diff(given, changed(given, "HTTPRoute", name, change))
    assert report.objects
    assert [one.risks for one in report.untold] == [TRAFFIC]


def test_what_was_read_back_leaves_no_risk_unknown() -> None:
    def change(body: Any) -> None:
        body["spec"]["http"][0]["timeout"] = "3s"

    given = bundle("istio")
    report = diff(given, changed(given, "VirtualService", "api", change))
    assert report.objects
    assert report.untold == ()


# ---------------------------------------------------------------------------------------------- kinds that are unknown


def without(mesh: str, *kinds: str, **options: Any) -> DiffReport:
    """A comparison in which some kinds may not be listed, and a canary moves."""
    there = [dict(one) for one in cluster(bundle(mesh)).objects if one["kind"] not in kinds]
    known = [kind for kind in KINDS.values() if kind.kind in kinds]
    lost = tuple(Unknown(Scope(kind, "prod"), "forbidden", "forbidden") for kind in known)
    return diff(bundle(mesh, percent=25), snapshot(there, unknown=lost), **options)


@pytest.mark.parametrize("mesh", ["istio", "ambient"])
def test_a_canary_is_told_where_access_policies_may_not_be_read(mesh: str) -> None:
    report = without(mesh, "AuthorizationPolicy")
    assert [one.sentence for one in report.policy] == ["canary of prod/api: v2 10 % → 25 %"]
    assert report.policy_note.startswith("access rules of prod are not compared: AuthorizationPolicy.")
    assert report.access_note.startswith("who may call what is not compared: ")


def test_access_is_told_where_routes_may_not_be_read() -> None:
    report = without("istio", "VirtualService", "DestinationRule")
    assert report.policy == ()
    assert report.policy_note.startswith("breakers and routes of prod are not compared: ")
    assert "not compared" not in report.access_note


def test_where_nothing_may_be_read_nothing_is_compared() -> None:
    kinds = sorted({kind.kind for kind in KINDS.values()} - {"CustomResourceDefinition"})
    there: list[Any] = []
    lost = tuple(Unknown(Scope(kind), "forbidden", "forbidden") for kind in KINDS.values() if kind.kind in kinds)
    for mesh in ("istio", "ambient", "linkerd"):
        report = diff(bundle(mesh), snapshot(there, unknown=lost))
        assert report.is_empty
        assert report.policy_note.startswith("policies are not compared: ")
        assert report.access_note.startswith("who may call what is not compared: ")


# -------------------------------------------------------------------------------------------------- pods of nobody


def pointed_elsewhere(mesh: str, kind: str, field: str) -> DiffReport:
    def change(body: Any) -> None:
        body["spec"][field] = {"matchLabels": {"app": "other"}}

    given = bundle(mesh)
    name = next(one.ref.name for one in given.manifests if one.ref.kind == kind and one.ref.name.startswith("api"))
    return diff(given, changed(given, kind, name, change))


@pytest.mark.parametrize(
    ("mesh", "kind", "field"), [("istio", "AuthorizationPolicy", "selector"), ("linkerd", "Server", "podSelector")]
)
def test_pods_of_no_service_that_an_object_of_ours_closes_are_freed(mesh: str, kind: str, field: str) -> None:
    report = pointed_elsewhere(mesh, kind, field)
    said = [one.sentence for one in report.risks if one.risk is Risk.WIDENED_ACCESS and "app=other" in one.sentence]
    assert len(said) == 1
    assert said[0].startswith("pods with app=other in prod are no longer closed: ")
    assert said[0].endswith("would no longer select them")


def old(kind: str, **spec: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "meshdsl", "meshdsl.dev/set": "shop"}
    body = {"apiVersion": "security.istio.io/v1", "kind": kind, "spec": spec}
    return stored({**body, "metadata": {"name": "gone", "namespace": "prod", "labels": labels}}, manager="meshdsl")


GONE = {"matchLabels": {"app": "gone"}}


@pytest.mark.parametrize(
    ("body", "risk", "says"),
    [
        (old("AuthorizationPolicy", selector=GONE), Risk.WIDENED_ACCESS, "are no longer closed"),
        (old("AuthorizationPolicy", selector=GONE, action="DENY"), Risk.WIDENED_ACCESS, "requests that were denied"),
        (old("PeerAuthentication", selector=GONE, mtls={"mode": "STRICT"}), None, ""),  # its namespace is strict
    ],
)
def test_the_policy_of_a_service_that_is_declared_no_more_frees_its_pods(body: Any, risk: Any, says: str) -> None:
    given = bundle("istio")
    report = diff(given, snapshot([*map(dict, cluster(given).objects), body]))
    assert [one.action for one in report.objects] == [Action.DELETE]
    freed = [one for one in report.risks if "app=gone" in one.sentence]
    assert [one.risk for one in freed] == ([risk] if risk else [])
    assert all(says in one.sentence and one.sentence.endswith("is deleted") for one in freed)


def test_pods_that_another_policy_closes_are_not_freed() -> None:
    given = bundle("istio")
    rest: dict[str, Any] = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "spec": {}}
    fence = {**rest, "metadata": {"name": "fence", "namespace": "prod", "uid": "9"}}
    there = [*map(dict, cluster(given).objects), old("AuthorizationPolicy", selector=GONE), fence]
    assert not [one for one in diff(given, snapshot(there)).risks if "app=gone" in one.sentence]
