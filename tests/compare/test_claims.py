"""Whose fields an apply meets: what it would stop at, overwrite or remove, and what is ours on objects of others."""

from __future__ import annotations

from typing import Any

import pytest

import meshdsl
from meshdsl import Namespace, Proxy
from meshdsl.compare.diff import diff
from meshdsl.compare.normalise import LAST_APPLIED, plain
from meshdsl.compare.report import Action, DiffReport, Risk
from tests.compare.live import MESHES, bundle, changed, cluster, every_definition, fields, snapshot, stored
from tests.compare.test_delegation import replayed, rollout, weigh

KUBECTL = "kubectl-client-side-apply"


def updated(manager: str, tree: dict[str, Any]) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": tree}


def space(*entries: dict[str, Any], **labels: str) -> dict[str, Any]:
    names = {name.replace("__", "/").replace("_", "-"): value for name, value in labels.items()}
    metadata = {"name": "prod", "uid": "u", "resourceVersion": "7", "labels": names, "managedFields": list(entries)}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def labels(*names: str) -> dict[str, Any]:
    return {"f:metadata": {"f:labels": {".": {}, **{f"f:{name}": {} for name in names}}}}


LAST = {"f:metadata": {"f:annotations": {".": {}, f"f:{LAST_APPLIED}": {}}, "f:labels": {".": {}, "f:team": {}}}}


def left(report: DiffReport) -> list[tuple[str, ...]]:
    return [
        tuple(map(str, field.path)) for one in report.objects for field in one.fields if one.ref.kind == "Namespace"
    ]


def with_space(body: dict[str, Any]) -> DiffReport:
    there = [one for one in cluster(bundle("istio")).objects if one["kind"] != "Namespace"]
    return fields(bundle("istio"), snapshot([*there, body]))  # type: ignore[list-item]


def test_what_kubectl_patch_set_for_us_is_ours_to_remove() -> None:
    report = with_space(space(updated("meshdsl", labels("istio-injection")), istio_injection="enabled", team="a"))
    assert left(report) == [("metadata", "labels", "istio-injection")]


def test_what_an_apply_took_over_from_kubectl_is_still_its_owners() -> None:
    """After ``kubectl apply --server-side`` of our fields alone, all that kubectl had set has our manager's name."""
    taken = labels("istio-injection", "team") | {"f:spec": {"f:ports": {}, "f:clusterIP": {}}}
    body = space({**updated("meshdsl", taken), "operation": "Apply"}, istio_injection="enabled", team="a")
    body["spec"] = {"ports": [{"port": 80}], "clusterIP": "10.0.0.1"}
    assert left(with_space(body)) == [("metadata", "labels", "istio-injection")]


def test_a_client_side_apply_of_what_is_not_wholly_ours_is_told_before_anybody_applies() -> None:
    body = space(updated(KUBECTL, LAST), updated("meshdsl", labels("istio-injection")), istio_injection="enabled")
    (change,) = with_space(body).objects
    assert any("client-side kubectl apply" in note and "would remove" in note for note in change.notes)
    body = space(updated("kubectl-create", LAST | labels("team")), updated("meshdsl", labels("istio-injection")), istio_injection="x")  # fmt: skip
    body["metadata"]["managedFields"][0]["fieldsV1"] = labels("team")
    (change,) = with_space(body).objects
    assert not any("client-side" in note for note in change.notes)


def test_a_value_of_somebody_else_that_a_patch_would_replace_is_named() -> None:
    given = meshdsl.build([Namespace("prod"), Proxy(Namespace("prod"))], meshdsl.Istio())
    body = space(updated("platform", labels("istio-injection")), istio_injection="disabled")
    (change,) = fields(given, snapshot([body])).objects
    (note,) = change.notes
    assert note.startswith("platform owns metadata.labels.istio-injection: an apply asks for --force-conflicts")
    assert note.endswith(", and a patch (--format script) for nothing")


def owned_by(manager: str) -> Any:
    def change(live: dict[str, Any]) -> None:
        live["spec"]["hosts"] = ["else.where"]
        live["metadata"]["managedFields"].append(updated(manager, {"f:spec": {"f:hosts": {}}}))

    return change


def test_the_owner_of_a_field_that_changes_is_named() -> None:
    live = changed(bundle("istio"), "VirtualService", "api", owned_by("kubectl-edit"))
    (change,) = fields(bundle("istio"), live).objects
    assert change.notes == ("kubectl-edit owns spec.hosts: an apply asks for --force-conflicts",)


def test_what_kubectl_takes_over_by_itself_is_no_conflict() -> None:
    def edit(live: dict[str, Any]) -> None:
        owned_by(KUBECTL)(live)
        live["metadata"]["managedFields"].append(updated(KUBECTL, LAST))

    (change,) = fields(bundle("istio"), changed(bundle("istio"), "VirtualService", "api", edit)).objects
    assert change.notes == ()


@pytest.mark.parametrize(("manager", "words"), [("meshdsl", "no conflict stops it"), ("helm", "--force-conflicts")])
def test_an_object_in_the_way_is_a_risk_with_what_an_apply_does_to_it(manager: str, words: str) -> None:
    bodies = [stored(one.body, manager=manager) for one in bundle("istio").manifests]
    for one in bodies:
        if one["kind"] == "VirtualService":
            one["metadata"]["labels"] = {"meshdsl.dev/set": "other", "app.kubernetes.io/managed-by": manager}
    report = diff(bundle("istio"), snapshot(bodies))
    assert {change.action for change in report.objects} == {Action.CONFLICT}
    (risk,) = report.risks
    assert (risk.risk, words in risk.sentence) == (Risk.OVERWRITTEN_OBJECT, True)
    assert words in report.policy_note


@pytest.mark.parametrize("mesh", MESHES[1:2])
def test_no_view_promises_what_the_server_refuses(mesh: str) -> None:
    """On the standard channel an HTTPRoute has no retry: the canary and the timeout beside it do not come either."""
    route_free = [one for one in cluster(bundle(mesh)).objects if one["kind"] != "HTTPRoute"]
    report = diff(bundle(mesh), snapshot(route_free, crds=every_definition("standard")))  # type: ignore[arg-type]
    assert [change.action for change in report.objects] == [Action.CREATE]
    assert report.policy == ()
    assert "refuses HTTPRoute prod/api" in report.policy_note
    assert [risk.risk for risk in report.risks] == [Risk.DROPPED_FIELD]
    (change,) = report.objects
    assert sum("retry" in note for note in change.notes) == 1


def test_while_a_rollout_goes_on_its_weights_are_what_may_be_written() -> None:
    def edit(body: dict[str, Any]) -> None:
        weigh("istio", 60)(body)
        body["spec"]["http"][0]["timeout"] = "7s"

    report = fields(bundle("istio"), replayed("istio", edit, rollout("istio")))
    (change,) = [one for one in report.objects if one.ref.kind == "VirtualService"]
    written: Any = change.kept
    (ours,) = [one.body for one in bundle("istio").manifests if one.ref == change.ref]
    assert [target["weight"] for target in written["spec"]["http"][0]["route"]] == [40, 60]
    assert {**written["spec"]["http"][0], "route": []} == {**plain(ours)["spec"]["http"][0], "route": []}
    assert written["metadata"] == plain(ours)["metadata"]


def test_what_a_rollout_has_put_in_cannot_be_written_by_anybody_else() -> None:
    def edit(body: dict[str, Any]) -> None:
        body["spec"]["http"][0]["timeout"] = "7s"
        body["spec"]["http"].insert(0, {"name": "header-route", "route": []})

    report = fields(bundle("istio"), replayed("istio", edit, rollout("istio")))
    (change,) = [one for one in report.objects if one.ref.kind == "VirtualService"]
    assert (change.owner, change.kept) == ("Argo Rollouts rollout/api", None)
