"""Rollouts under way: what Flagger and Argo Rollouts own is masked on both sides and counted, all else still shows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from meshdsl.compare.delegation import IN_PROGRESS_LABEL, MANAGED_ANNOTATION, Drivers
from meshdsl.compare.diff import diff
from meshdsl.compare.live import Snapshot
from meshdsl.compare.normalise import key_of, key_of_ref, stripped
from tests.compare.live import bundle, fields, snapshot, stored

ROLLOUT: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "api", "namespace": "prod"},
    "spec": {
        "strategy": {
            "canary": {
                "stableService": "api-v1",
                "canaryService": "api-v2",
                "trafficRouting": {
                    "managedRoutes": [{"name": "header-route"}, {"name": "mirror-route"}],
                    "istio": {"virtualService": {"name": "api"}, "destinationRule": {"name": "api"}},
                    "plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "api-8080", "namespace": "prod"}},
                },
            }
        }
    },
}
CANARY: dict[str, Any] = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "api", "namespace": "prod"},
    "spec": {"targetRef": {"kind": "Deployment", "name": "api"}, "service": {"port": 8080}},
}
OWNED = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "api", "controller": True}

MESHES = {"istio": ("VirtualService", "http", "route"), "ambient": ("HTTPRoute", "rules", "backendRefs")}


def replayed(mesh: str, change: Callable[[Any], None], *more: Any) -> Snapshot:
    """A cluster in which the routes of the service are being driven."""
    objects = [stored(one.body, manager="meshdsl") for one in bundle(mesh).manifests]
    kind, *_ = MESHES[mesh]
    for one in objects:
        if one["kind"] == kind:
            change(one)
    return snapshot([*objects, *copy.deepcopy(more)])


def route_name(mesh: str) -> str:
    kind, *_ = MESHES[mesh]
    return next(one.ref.name for one in bundle(mesh).manifests if one.ref.kind == kind)


def rollout(mesh: str) -> dict[str, Any]:
    """A Rollout that names the routes of the service."""
    body = copy.deepcopy(ROLLOUT)
    body["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"]["argoproj-labs/gatewayAPI"]["httpRoute"] = (
        route_name(mesh)
    )
    return body


def weigh(mesh: str, percent: int) -> Callable[[Any], None]:
    _, rules, targets = MESHES[mesh]

    def change(body: Any) -> None:
        for rule in body["spec"][rules]:
            if len(rule[targets]) == 2:
                rule[targets][0]["weight"], rule[targets][1]["weight"] = 100 - percent, percent

    return change


@pytest.mark.parametrize("mesh", MESHES)
@pytest.mark.parametrize("percent", range(0, 101, 20))
def test_every_step_of_a_rollout_is_no_difference(mesh: str, percent: int) -> None:
    live = replayed(mesh, weigh(mesh, percent), rollout(mesh))
    report = diff(bundle(mesh), live)
    assert report.is_empty
    assert report.risks == ()
    mine = [one for one in report.aside if one.delegated]
    assert mine
    assert all(one.owner == "Argo Rollouts rollout/api" for one in mine)
    assert sum(one.delegated for one in mine) >= 2


def test_without_a_driver_the_weights_are_a_difference() -> None:
    assert fields(bundle("istio"), replayed("istio", weigh("istio", 40))).objects


@pytest.mark.parametrize("mesh", MESHES)
def test_other_drift_still_shows(mesh: str) -> None:
    _, rules, _ = MESHES[mesh]

    def change(body: Any) -> None:
        weigh(mesh, 40)(body)
        rule = body["spec"][rules][-1]
        if mesh == "istio":
            rule["timeout"] = "9s"
        else:
            rule["timeouts"]["request"] = "9s"

    report = diff(bundle(mesh), replayed(mesh, change, rollout(mesh)))
    assert report.objects
    for found in report.objects:
        assert [field.live for field in found.fields] == ["9s"]
        assert found.delegated
    assert all("canary" not in one.sentence and "40" not in one.sentence for one in report.policy)


def test_routes_that_rollouts_put_in_are_its_own() -> None:
    def change(body: Any) -> None:
        for name in ("header-route", "mirror-route"):
            body["spec"]["http"].insert(0, {"name": name, "route": [{"destination": {"host": "x"}}]})

    assert fields(bundle("istio"), replayed("istio", change, rollout("istio"))).objects == ()

    def other(body: Any) -> None:
        body["spec"]["http"].insert(0, {"name": "mine", "route": [{"destination": {"host": "x"}}]})

    (found,) = fields(bundle("istio"), replayed("istio", other, rollout("istio"))).objects
    assert [field.path for field in found.fields] == [("spec", "http", "name=mine")]


@pytest.mark.parametrize("mark", ["label", "annotation", "owner"])
def test_marks_and_owners_are_enough(mark: str) -> None:
    def change(body: Any) -> None:
        weigh("istio", 40)(body)
        if mark == "label":
            body["metadata"]["labels"][IN_PROGRESS_LABEL] = "in-progress"
        elif mark == "annotation":
            body["metadata"]["annotations"] = {MANAGED_ANNOTATION: "api"}
        else:
            body["metadata"]["ownerReferences"] = [OWNED]

    report = fields(bundle("istio"), replayed("istio", change), show_foreign=True)
    assert report.is_empty
    assert any(one.delegated and one.foreign == () for one in report.aside)


def test_marks_that_an_api_server_answers_with_are_no_change() -> None:
    """A dry-run apply gives the whole object back, with what the owner of the rollout has put on it."""
    given = bundle("istio")
    live = replayed("istio", mark_all)
    answers = {key_of(one): one for one in live.objects}
    manifests = tuple(
        replace(one, body=stripped(answers[key_of_ref(one.ref)], one.body)) if one.ref.kind == "VirtualService" else one
        for one in given.manifests
    )
    assert fields(replace(given, manifests=manifests), live).objects == ()


def mark_all(body: Any) -> None:
    body["metadata"]["labels"][IN_PROGRESS_LABEL] = "in-progress"
    body["metadata"]["annotations"] = {MANAGED_ANNOTATION: "api"}


def test_managed_fields_alone_are_no_driver() -> None:
    def change(body: Any) -> None:
        weigh("istio", 40)(body)
        body["metadata"]["managedFields"].append(
            {"manager": "rollouts-controller", "fieldsV1": {"f:spec": {"f:http": {}}}}
        )

    assert fields(bundle("istio"), replayed("istio", change)).objects


@pytest.mark.parametrize("mesh", MESHES)
def test_flagger_may_mirror_and_keep_sessions_together(mesh: str) -> None:
    _, rules, targets = MESHES[mesh]
    canary = copy.deepcopy(CANARY)
    canary["spec"]["service"]["name"] = route_name(mesh)

    def change(body: Any) -> None:
        weigh(mesh, 40)(body)
        first = body["spec"][rules][0]
        session = copy.deepcopy(first)
        session.pop("name", None)
        if mesh == "istio":
            first["mirror"], first["mirrorPercentage"] = {"host": "x"}, {"value": 10}
            session["match"] = [{"headers": {"Cookie": {"regex": ".*flagger-cookie.*abc.*"}}}]
        else:
            first["filters"] = [*first.get("filters", ()), {"type": "RequestMirror", "requestMirror": {}}]
            session["matches"] = [
                {"headers": [{"name": "Cookie", "type": "RegularExpression", "value": ".*flagger.*"}]}
            ]
            first[targets][0]["filters"] = [{"type": "ResponseHeaderModifier"}]
        body["spec"][rules].insert(0, session)

    report = fields(bundle(mesh), replayed(mesh, change, canary))
    assert report.objects == ()
    assert any(one.owner == "Flagger canary/api" and one.delegated for one in report.aside)


def test_flaggers_tests_replace_all_routes() -> None:
    canary = copy.deepcopy(CANARY)
    canary["spec"]["analysis"] = {"match": [{"headers": {"x": {"exact": "y"}}}]}

    def change(body: Any) -> None:
        body["spec"]["http"] = [{"route": []}, {"route": []}]

    report = fields(bundle("istio"), replayed("istio", change, canary))
    assert report.objects == ()
    assert [one.delegated for one in report.aside] == [1]


def test_the_hash_of_pods_is_the_rollouts() -> None:
    def change(one: Any) -> None:
        if one["kind"] == "DestinationRule":
            for subset in one["spec"]["subsets"]:
                subset["labels"]["rollouts-pod-template-hash"] = "5f4d"

    objects = [stored(one.body, manager="meshdsl") for one in bundle("istio").manifests]
    for one in objects:
        change(one)
    assert fields(bundle("istio"), snapshot([*objects, rollout("istio")])).objects == ()
    assert fields(bundle("istio"), snapshot(objects)).objects


def test_services_of_a_rollout_keep_their_hash() -> None:
    live = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api-v1", "namespace": "prod"}}
    driver = Drivers([ROLLOUT]).of(live)
    assert str(driver) == "Argo Rollouts rollout/api"
    assert Drivers([]).of(live) is None
    objects = [stored(one.body, manager="meshdsl") for one in bundle("linkerd").manifests]
    for one in objects:
        if one["kind"] == "Service" and one["metadata"]["name"].startswith("api-v"):
            one["spec"]["selector"]["rollouts-pod-template-hash"] = "5f4d"
    assert fields(bundle("linkerd"), snapshot([*objects, ROLLOUT])).objects == ()
