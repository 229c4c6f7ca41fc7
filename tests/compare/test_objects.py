"""Objects: ours and not ours, what is made no more, what could not be read, and what others have set."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import meshdsl
from meshdsl.compare.diff import VIEWS, diff, stale
from meshdsl.compare.documents import kind_of
from meshdsl.compare.kinds import DRIVERS, KINDS, NAMESPACE, OF_TARGET, scopes_of
from meshdsl.compare.live import Scope, Snapshot, Unknown
from meshdsl.compare.normalise import LAST_APPLIED, key_of, key_of_ref
from meshdsl.compare.offline import texts
from meshdsl.compare.ownership import owner_of
from meshdsl.compare.pods import POD
from meshdsl.compare.report import ABSENT, Action, DiffReport, Risk
from tests.compare.live import MESHES, bundle, changed, cluster, fields, snapshot, stored

OURS = {"app.kubernetes.io/managed-by": "meshdsl", "meshdsl.dev/set": "shop"}


def actions(report: DiffReport) -> list[tuple[str, str]]:
    return [(change.action.value, str(change.ref)) for change in report.objects]


def old(kind: str = "VirtualService", name: str = "gone", namespace: str = "prod", **metadata: Any) -> dict[str, Any]:
    """An object of ours that is made no more."""
    known = next(one for one in KINDS.values() if one.kind == kind)
    body = {"apiVersion": known.api_version, "kind": kind, "spec": {"hosts": [name]}}
    return stored(
        {**body, "metadata": {"name": name, "namespace": namespace, "labels": dict(OURS)} | metadata}, defaults=False
    )


def with_more(mesh: str, *more: Any, **options: Any) -> Snapshot:
    return snapshot([*cluster(bundle(mesh)).objects, *more], **options)  # type: ignore[list-item]


# ----------------------------------------------------------------------------------------------- create, change, delete


@pytest.mark.parametrize("mesh", MESHES)
def test_what_is_not_there_is_created_in_order(mesh: str) -> None:
    made = bundle(mesh)
    report = fields(made, snapshot([]))
    assert {change.action for change in report.objects} == {Action.CREATE}
    keys = [(change.ref.namespace, change.ref.kind, change.ref.name) for change in report.objects]
    assert keys == sorted(keys)
    assert len(keys) == report.compared == len(made.manifests)
    assert all(change.ours == json.loads(json.dumps(m.body)) for change in report.objects for m in made.manifests if m.ref == change.ref)  # fmt: skip


@pytest.mark.parametrize("mesh", MESHES)
def test_a_changed_policy_is_shown_as_that(mesh: str) -> None:
    for before in (bundle(mesh), cluster(bundle(mesh)), texts(bundle(mesh).files())):
        report = fields(bundle(mesh, percent=25), before)
        assert report.objects
        for change in report.objects:
            assert change.action is Action.UPDATE
            assert {field.path[-1] for field in change.fields} == {"weight"}
            assert {(field.live, field.ours) for field in change.fields} <= {(90, 75), (10, 25)}


@pytest.mark.parametrize("mesh", MESHES)
def test_a_policy_that_was_taken_out_is_taken_out(mesh: str) -> None:
    after = bundle(mesh, breaker=False, proxy=False)
    expected = fields(after, bundle(mesh)).objects
    assert expected
    for before in (cluster(bundle(mesh)), texts(bundle(mesh).files())):
        report = fields(after, before)
        assert [(c.action, c.ref, c.fields) for c in report.objects] == [(c.action, c.ref, c.fields) for c in expected]
    assert all(field.ours is ABSENT for change in expected for field in change.fields)


def test_what_is_made_no_more_is_deleted() -> None:
    report = fields(bundle("istio"), with_more("istio", old()))
    assert actions(report) == [("delete", "VirtualService prod/gone")]
    assert report.objects[0].live["metadata"] == {"name": "gone", "namespace": "prod", "labels": OURS}  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    "labels",
    [{}, {"app.kubernetes.io/managed-by": "Helm"}, {**OURS, "meshdsl.dev/set": "other"}, {"meshdsl.dev/set": "shop"}],
)
def test_only_what_is_ours_and_of_this_set_is_deleted(labels: dict[str, str]) -> None:
    report = fields(bundle("istio"), with_more("istio", old(labels=labels)))
    assert actions(report) == []


def test_what_goes_already_or_belongs_to_others_is_not_deleted() -> None:
    owner = {"apiVersion": "v1", "kind": "App", "name": "shop", "controller": True}
    metadata: dict[str, Any]
    for metadata in (
        {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]},
        {"ownerReferences": [owner]},
    ):
        live = old()
        live["metadata"] |= metadata
        report = fields(bundle("istio"), with_more("istio", live))
        assert actions(report) == []
        assert report.is_empty
        (aside,) = report.aside
        assert aside.notes
    live = old()
    live["metadata"]["finalizers"] = ["x/y"]
    (change,) = fields(bundle("istio"), with_more("istio", live)).objects
    assert (change.action, change.notes) == (Action.DELETE, ("it has finalizers: x/y",))


def test_a_pending_deletion_of_what_agrees_is_a_note() -> None:
    made = bundle("istio")

    def change(body: Any) -> None:
        body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    report = fields(made, changed(made, "VirtualService", "api", change))
    assert report.is_empty
    assert [aside.notes for aside in report.aside] == [("its deletion is pending",)]


@pytest.mark.parametrize("mesh", MESHES)
def test_where_policies_make_nothing_any_more_what_they_made_is_asked_for(mesh: str) -> None:
    made = bundle(mesh)
    nothing = replace(made, manifests=())
    assert {scope for scope in scopes_of(nothing) if scope.kind.namespaced} >= {
        scope for scope in scopes_of(made) if scope.kind.namespaced
    }


# -------------------------------------------------------------------------------------------------------------- unknown


@pytest.mark.parametrize("mesh", MESHES)
def test_what_could_not_be_read_is_neither_created_nor_deleted(mesh: str) -> None:
    """One kind in one namespace after the other is forbidden."""
    made = bundle(mesh)
    extra = [old("AuthorizationPolicy", namespace=where) for where in ("prod", "stage")]
    scopes = {scope for scope in scopes_of(made) if scope.kind not in DRIVERS}
    for lost in sorted(scopes):
        place = (lost.kind.group, lost.kind.kind, lost.namespace)
        there = [one for one in (*cluster(made).objects, *extra) if key_of(one)[:3] != place]
        unknown = (Unknown(lost, "forbidden", "forbidden"),)
        live = Snapshot(tuple(there), frozenset(scopes - {lost}), unknown)
        report = fields(made, live)
        ours = [one for one in made.manifests if (key_of(one.body)[:3]) == place]
        assert report.unknown == unknown
        assert report.compared == len(made.manifests) - len(ours)
        assert all(change.action is Action.DELETE and key_of(change.live)[:3] != place for change in report.objects)  # type: ignore[arg-type]


def test_a_namespace_that_could_be_read_counts_although_the_whole_could_not() -> None:
    made = bundle("istio")
    kind = next(kind for kind in KINDS.values() if kind.kind == "VirtualService")
    live = [one for one in cluster(made).objects if one["kind"] != "VirtualService"]
    unknown = (Unknown(Scope(kind), "forbidden", "forbidden"),)
    assert fields(made, Snapshot(tuple(live), frozenset(), unknown)).objects == ()
    report = fields(made, Snapshot(tuple(live), frozenset({Scope(kind, "prod")}), unknown))
    assert {change.action for change in report.objects} == {Action.CREATE}


def test_drivers_that_are_not_installed_are_not_unknown() -> None:
    made = bundle("istio")
    missing = [Unknown(Scope(kind, "prod"), "not installed", "not-installed") for kind in DRIVERS]
    forbidden = Unknown(Scope(DRIVERS[0], "prod"), "forbidden", "forbidden")
    crd = Unknown(Scope(kind_of(made.manifests[-1].body), "prod"), "not installed", "not-installed")
    assert fields(made, replace(cluster(made), unknown=(*missing, forbidden, crd))).unknown == (forbidden, crd)


# --------------------------------------------------------------------------------------- a cluster's target has changed


@pytest.mark.parametrize("mesh", MESHES)
def test_what_an_earlier_target_has_left_is_deleted_and_means_nothing_here(mesh: str) -> None:
    made = bundle(mesh)
    own = {(kind.group, kind.kind) for kind in OF_TARGET[made.target.name]}
    left = [
        stored(one.body)
        for earlier in MESHES
        for one in bundle(earlier).manifests
        if not one.partial and key_of(one.body)[:2] not in own
    ]
    assert left
    report = diff(made, snapshot([*cluster(made).objects, *left]))
    assert {(change.action, key_of_ref(change.ref)) for change in report.objects} == {
        (Action.DELETE, key_of(one)) for one in left
    }
    for change in report.objects:
        (note,) = change.notes
        assert note.startswith("made for ")
        assert mesh not in note.partition(":")[0]
    assert (report.policy, report.access) == ((), ())
    assert not any(one["kind"] in report.policy_note + report.access_note for one in left)
    assert {finding.risk for finding in report.risks} <= {Risk.REMOVED_FENCE, Risk.BREAKING_ORDER}
    fences = {str(one.ref) for one in report.objects if one.ref.kind in ("AuthorizationPolicy", "Server", "PeerAuthentication")}  # fmt: skip
    letting_in = {str(one.ref) for one in report.objects if one.ref.api_version.startswith("policy.linkerd.io") and one.ref.kind != "Server"}  # fmt: skip
    assert {one.subject for one in report.risks if one.risk is Risk.REMOVED_FENCE} == fences - letting_in


def test_where_it_is_not_known_what_an_earlier_target_has_left_the_rest_is_told() -> None:
    made = bundle("ambient")
    (asked,) = [scope for scope in scopes_of(made) if scope.kind.kind == "VirtualService"]
    unknown = Unknown(asked, "the server does not answer", "server-error")
    report = diff(bundle("ambient", percent=25), replace(cluster(made), unknown=(unknown,)))
    assert report.unknown == (unknown,)
    assert [one.sentence for one in report.policy] == ["canary of prod/api: v2 10 % → 25 %"]
    assert "not compared" not in report.policy_note + report.access_note


@pytest.mark.parametrize("code", ["not-installed", "forbidden"])
def test_what_only_other_targets_make_need_not_be_installed_nor_be_allowed(code: Any) -> None:
    made = bundle("ambient")
    (asked,) = [scope for scope in scopes_of(made) if scope.kind.kind == "VirtualService"]
    unknown = Unknown(asked, "it is not there, or not for you", code)
    there = {"spec": {"group": asked.kind.group, "names": {"kind": asked.kind.kind}}}
    elsewhere = {"spec": {"group": "example.com", "names": {"kind": asked.kind.kind}}}
    assert fields(made, replace(cluster(made), unknown=(unknown,), crds=(elsewhere,))).unknown == ()
    assert fields(made, replace(cluster(made), unknown=(unknown,), crds=(there,))).unknown == (unknown,)
    if code == "forbidden":
        assert fields(made, replace(cluster(made), unknown=(unknown,), crds=None)).unknown == (unknown,)


# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("views", [VIEWS, ("fields",)])
def test_a_split_that_no_policy_makes_need_not_be_installed(views: Any) -> None:
    made = bundle("linkerd")
    split = KINDS["split.smi-spec.io/v1alpha1", "TrafficSplit"]
    missing = Unknown(Scope(split, "prod"), "the cluster does not have this kind", "not-installed")
    report = diff(made, replace(cluster(made), unknown=(missing,)), views=views)
    assert report.is_empty
    assert report.unknown == ()
    assert "not compared" not in report.policy_note + report.access_note


def test_a_split_that_the_target_makes_has_to_be_installed() -> None:
    made = bundle("linkerd")
    split = KINDS["split.smi-spec.io/v1alpha1", "TrafficSplit"]
    missing = Unknown(Scope(split, "prod"), "the cluster does not have this kind", "not-installed")
    by_smi = replace(made, target=meshdsl.Linkerd(split_api="smi"))
    assert fields(by_smi, replace(cluster(made), unknown=(missing,))).unknown == (missing,)


def test_a_kind_that_is_installed_in_another_version_is_unknown() -> None:
    made = bundle("linkerd")
    split = KINDS["split.smi-spec.io/v1alpha1", "TrafficSplit"]
    missing = Unknown(Scope(split, "prod"), "the cluster does not have this kind", "not-installed")
    crd = {"spec": {"group": split.group, "names": {"kind": split.kind}, "versions": [{"name": "v1alpha4"}]}}
    assert fields(made, replace(cluster(made), unknown=(missing,), crds=(crd,))).unknown == (missing,)


def test_views_of_what_is_partly_unknown_say_so_and_show_nothing() -> None:
    made = bundle("istio")
    lost = Scope(KINDS["security.istio.io/v1", "AuthorizationPolicy"], "prod")
    there = [one for one in cluster(made).objects if one["kind"] != "AuthorizationPolicy"]
    report = diff(made, snapshot(there, unknown=(Unknown(lost, "forbidden", "forbidden"),), scopes=frozenset()))
    assert report.objects == report.policy == report.access == ()
    assert "could not be read" in report.policy_note
    assert "could not be read" in report.access_note


# ------------------------------------------------------------------------------------------------------------ conflicts

OWNERS = [
    ({"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "web"}}, "Helm release web"),
    ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm"),
    ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:prod/api"}}, "Argo CD shop"),
    ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux kustomization apps"),
    ({"labels": {**OURS, "meshdsl.dev/set": "other"}}, "meshdsl set other"),
    ({"ownerReferences": [{"kind": "Canary", "name": "api", "controller": True}]}, "Canary api"),
    ({"managedFields": [{"manager": "kubectl-edit"}, {"manager": "argocd"}, {"manager": "x", "subresource": "status"}]}, "argocd, kubectl-edit"),
    ({}, "nobody that it names"),
]  # fmt: skip


@pytest.mark.parametrize(("metadata", "owner"), OWNERS)
def test_an_object_of_somebody_else_is_a_conflict(metadata: dict[str, Any], owner: str) -> None:
    made = bundle("istio")

    def change(body: Any) -> None:
        body["metadata"] = {"name": "api", "namespace": "prod", **copy.deepcopy(metadata)}
        body["spec"]["hosts"] = ["other"]

    live = changed(made, "VirtualService", "api", change)
    (found,) = fields(made, live).objects
    assert (found.action, found.owner, found.fields) == (Action.CONFLICT, owner, ())
    assert owner_of(next(one for one in live.objects if one["kind"] == "VirtualService")) == owner
    (adopted,) = fields(made, live, adopt=True).objects
    assert adopted.action is Action.UPDATE
    assert ("spec", "hosts") in [field.path for field in adopted.fields]


def test_the_set_of_the_revision_before_is_ours_too() -> None:
    report = diff(bundle("istio"), bundle("istio", name="shop-before"), views=("fields",), adopt=True)
    assert {change.action for change in report.objects} == {Action.UPDATE}
    assert {field.path for change in report.objects for field in change.fields} == {
        ("metadata", "labels", "meshdsl.dev/set")
    }


# ------------------------------------------------------------------------------------------------------ what others set


def test_fields_of_others_stand_apart() -> None:
    made = bundle("istio")

    def change(body: Any) -> None:
        body["metadata"]["annotations"] = {"team": "a"}
        body["spec"]["workloadSelector"] = {"matchLabels": {"app": "api"}}
        tree = {"f:metadata": {"f:annotations": {"f:team": {}}}, "f:spec": {"f:workloadSelector": {}}}
        body["metadata"]["managedFields"].append({"manager": "kubectl-edit", "fieldsV1": tree})

    live = changed(made, "DestinationRule", "api", change)
    assert fields(made, live) == replace(fields(made, live), objects=(), aside=())
    (aside,) = fields(made, live, show_foreign=True).aside
    assert [field.path for field in aside.foreign] == [
        ("metadata", "annotations", "team"),
        ("spec", "workloadSelector"),
    ]
    assert fields(made, live, show_foreign=True).is_empty


def test_fields_that_the_applier_set_and_we_no_longer_do_are_removed() -> None:
    made = bundle("istio")
    for manager in ("kubectl", "argocd-controller"):

        def change(body: Any, manager: str = manager) -> None:
            body["spec"]["workloadSelector"] = {"matchLabels": {"app": "api"}}
            (entry,) = body["metadata"]["managedFields"]
            entry["manager"] = manager
            entry["fieldsV1"]["f:spec"]["f:workloadSelector"] = {"f:matchLabels": {"f:app": {}}}

        (found,) = fields(made, changed(made, "DestinationRule", "api", change)).objects
        assert [(field.path, field.ours) for field in found.fields] == [(("spec", "workloadSelector"), ABSENT)]


def test_without_managers_the_last_applied_manifest_tells() -> None:
    made = bundle("istio")

    def change(body: Any) -> None:
        applied = {"spec": {**body["spec"], "workloadSelector": {}}, "metadata": {"labels": OURS}}
        body["spec"] |= {"workloadSelector": {"matchLabels": {"app": "api"}}, "other": 1}
        body["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(applied)}
        del body["metadata"]["managedFields"]

    live = changed(made, "DestinationRule", "api", change)
    (found,) = fields(made, live).objects
    assert [field.path for field in found.fields] == [("spec", "workloadSelector")]
    assert [field.path for field in found.foreign] == [("spec", "other")]


def test_in_a_dump_without_managers_annotations_of_a_mesh_are_ours() -> None:
    made = bundle("linkerd")

    def change(body: Any) -> None:
        body["metadata"]["annotations"] = {
            "retry.linkerd.io/http": "5xx",
            "team": "a",
            **body["metadata"].get("annotations", {}),
        }
        del body["metadata"]["managedFields"]

    name = next(one.ref.name for one in made.manifests if one.ref.kind == "Server")
    (found,) = fields(made, changed(made, "Server", name, change)).objects
    assert [field.path[-1] for field in found.fields] == ["retry.linkerd.io/http"]
    assert [field.path[-1] for field in found.foreign] == ["team"]


# ------------------------------------------------------------------------------------------------------ what is partial


def test_only_our_fields_of_a_partial_object_are_compared() -> None:
    made = bundle("istio")

    def change(body: Any) -> None:
        body["spec"] |= {"replicas": 9, "selector": {"matchLabels": {"app": "api"}}}
        body["spec"]["template"]["metadata"]["labels"] = {"app": "api"}
        body["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
        body["metadata"]["ownerReferences"] = [{"kind": "Rollout", "name": "x"}]

    assert fields(made, changed(made, "Deployment", "api", change)).objects == ()


def test_fields_that_we_set_once_on_a_partial_object_are_removed() -> None:
    made = bundle("istio")
    name = "sidecar.istio.io/logLevel"

    def change(body: Any) -> None:
        body["spec"]["template"]["metadata"]["annotations"] |= {name: "debug", "team": "a"}
        (entry,) = body["metadata"]["managedFields"]
        entry["fieldsV1"]["f:spec"]["f:template"]["f:metadata"]["f:annotations"][f"f:{name}"] = {}
        body["spec"]["replicas"] = 3

    (found,) = fields(made, changed(made, "Deployment", "api", change)).objects
    assert [(field.path[-1], field.live, field.ours) for field in found.fields] == [(name, "debug", ABSENT)]
    assert found.partial


def test_a_partial_object_that_is_not_there_is_said() -> None:
    made = bundle("istio")
    live = [one for one in cluster(made).objects if one["kind"] != "Deployment"]
    (found,) = fields(made, snapshot(live)).objects
    assert (found.action, found.partial) == (Action.CREATE, True)
    assert found.notes[0].startswith("the Deployment prod/api is not there")


def test_a_namespace_that_is_created_in_the_same_set_is_no_error() -> None:
    made = bundle("linkerd")
    scopes = frozenset(scopes_of(made))
    report = fields(made, Snapshot((), scopes))
    assert {change.action for change in report.objects} == {Action.CREATE}
    creates = any(one.ref.kind == "Namespace" for one in made.manifests)
    noted = [change.ref.kind for change in report.objects if any("Namespace prod is not" in n for n in change.notes)]
    assert bool(noted) is not creates
    alone = replace(made, manifests=tuple(one for one in made.manifests if one.ref.kind != "Namespace"))
    assert any(
        "Namespace prod is not there" in n
        for change in fields(alone, Snapshot((), scopes)).objects
        for n in change.notes
    )
    assert Scope(NAMESPACE) in scopes


# --------------------------------------------------------------------------------------------------------- what is noise


@pytest.mark.parametrize(
    "version", ["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"]
)
def test_metadata_status_and_the_version_shown_are_no_differences(version: str) -> None:
    made = bundle("istio")

    def change(body: Any) -> None:
        body["apiVersion"] = version
        body["metadata"] |= {"creationTimestamp": None, "selfLink": "/x", "deletionGracePeriodSeconds": 0}
        body["metadata"]["annotations"] = {LAST_APPLIED: "{}", "argocd.argoproj.io/tracking-id": "a:b"}
        body["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] = "apps"

    report = fields(made, changed(made, "VirtualService", "api", change), show_foreign=True)
    assert report.objects == report.aside == ()


def test_a_version_that_means_something_else_is_a_difference() -> None:
    made = bundle("linkerd")

    def change(body: Any) -> None:
        body["apiVersion"] = "policy.linkerd.io/v1beta1"

    name = next(one.ref.name for one in made.manifests if one.ref.kind == "Server")
    (found,) = fields(made, changed(made, "Server", name, change)).objects
    assert [field.path for field in found.fields] == [("apiVersion",)]


def test_selectors_tell_how_many_pods_they_match() -> None:
    made = bundle("istio")
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p{n}", "namespace": "prod", "labels": {"app": "api"}},
        }
        for n in range(3)
    ]
    found = {
        change.ref.kind: change.notes
        for change in fields(made, snapshot(pods)).objects
        if change.ref.kind == "AuthorizationPolicy"
    }
    assert found["AuthorizationPolicy"] == ("its selector matches 3 pods",)
    other = fields(made, snapshot([{**pods[0], "metadata": {**pods[0]["metadata"], "labels": {}}}])).objects  # type: ignore[dict-item]
    assert ("its selector matches no pods",) in [change.notes for change in other]
    assert all("selector" not in note for change in fields(made, snapshot([])).objects for note in change.notes)


def test_an_object_that_agrees_and_selects_no_pod_is_worth_a_word_where_pods_were_read() -> None:
    made = bundle("istio")
    metadata = {"name": "p", "namespace": "prod", "labels": {"app": "other"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    live = cluster(made)
    assert not fields(made, live).aside
    read = replace(live, objects=(*live.objects, pod), scopes=live.scopes | {Scope(POD, "prod")})
    report = fields(made, read)
    assert not report.objects
    said = {change.ref.kind: change.notes for change in report.aside}
    assert said["AuthorizationPolicy"] == ("its selector matches no pods",)
    pod["metadata"] = {**metadata, "labels": {"app": "api"}}
    assert "AuthorizationPolicy" not in {change.ref.kind for change in fields(made, read).aside}


def test_a_report_knows_what_has_become_stale() -> None:
    made = bundle("istio", percent=25)
    live = [*cluster(bundle("istio")).objects, old()]
    there = [one for one in live if one["kind"] != "PeerAuthentication"]
    report = fields(made, snapshot(there))  # type: ignore[arg-type]
    assert {change.action for change in report.objects} == {Action.CREATE, Action.UPDATE, Action.DELETE}
    assert stale(report, there) == ()
    assert {ref.kind for ref in stale(report, live)} == {"PeerAuthentication"}
    later = copy.deepcopy(there)
    for one in later:
        one["metadata"]["resourceVersion"] = "1500"  # type: ignore[index]
    assert stale(report, later) == tuple(change.ref for change in report.objects if change.version)
    assert {ref.name for ref in stale(report, there[:-1])} == {"gone"}


# --------------------------------------------------------------------------------------------------------------- memory


def test_many_objects_are_taken_one_by_one() -> None:
    """100,000 live objects of others in 500 MiB, in a process of its own under a limit."""
    program = textwrap.dedent(
        """
        import copy, resource, sys
        resource.setrlimit(resource.RLIMIT_AS, (500 * 1024**2, 500 * 1024**2))
        from tests.compare.live import bundle, cluster, stored
        from meshdsl.compare.diff import diff, stale
        made = bundle("istio")
        sample = stored(next(m.body for m in made.manifests if m.ref.kind == "VirtualService"), defaults=False)
        del sample["metadata"]["labels"], sample["metadata"]["managedFields"]
        def live():
            yield from cluster(made).objects
            for number in range(100_000):
                one = copy.deepcopy(sample)
                one["metadata"]["name"] = f"other-{number}"
                yield one
        report = diff(made, live())
        assert report.is_empty, report.objects
        assert report.compared == len(made.manifests)
        """
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_what_another_set_left_on_its_own_namespace_is_none_of_our_business() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "theirs", "labels": {"istio-injection": "on"}},
    }
    given = bundle("istio")
    live = snapshot([*cluster(given).objects, stored(body, manager="meshdsl")])  # type: ignore[list-item]
    assert not fields(given, live).objects


def test_what_our_own_last_policy_left_on_a_namespace_that_is_still_declared_is_told() -> None:
    given = bundle("istio")
    less = replace(given, manifests=())
    left = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "labels": {"istio-injection": "on"}}}
    live = snapshot([stored(left, manager="meshdsl")])  # type: ignore[list-item]
    assert [change.ref.kind for change in fields(less, live).objects] == ["Namespace"]
    theirs = {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "a", "namespace": "prod", "labels": OURS | {"meshdsl.dev/set": "another"}},
    }
    live = snapshot([stored(left, manager="meshdsl"), stored(theirs, manager="meshdsl")])  # type: ignore[list-item]
    assert not fields(less, live).objects


def test_who_may_call_what_is_told_without_the_pods_that_may_not_be_read() -> None:
    given = bundle("istio")
    gone = [one for one in cluster(given).objects if one["kind"] != "AuthorizationPolicy"]
    whole = replace(snapshot(gone), scopes=frozenset(scopes_of(given)))
    lost = Unknown(Scope(POD, "prod"), "forbidden", "forbidden")
    without = diff(given, replace(whole, unknown=(lost,)))
    assert without.unknown == (lost,)
    assert without.access
    assert (without.access, without.access_note) == (diff(given, whole).access, diff(given, whole).access_note)


def _in_a_shared_namespace(manager: str) -> Snapshot:
    """A cluster with what ``shop`` makes in ``prod``, with an object of another set there, and the namespace's label."""
    label = {"istio-injection": "enabled"}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "labels": label}}
    theirs = {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "a", "namespace": "prod", "labels": OURS | {"meshdsl.dev/set": "another"}},
    }
    given = [one for one in cluster(bundle("istio")).objects if one["kind"] != "Namespace"]
    return snapshot([*given, stored(space, manager=manager), stored(theirs, manager="meshdsl")])  # type: ignore[list-item]


@pytest.mark.parametrize("manager", ["meshdsl/another", "meshdsl", "kubectl-patch"])
def test_where_two_sets_share_a_namespace_neither_takes_off_what_the_other_may_have_set(manager: str) -> None:
    given = bundle("istio")
    without = replace(given, manifests=tuple(one for one in given.manifests if one.ref.kind != "Namespace"))
    assert diff(without, _in_a_shared_namespace(manager)).is_empty


def test_where_two_sets_share_a_namespace_each_takes_off_what_its_own_patches_have_set() -> None:
    given = bundle("istio")
    without = replace(given, manifests=tuple(one for one in given.manifests if one.ref.kind != "Namespace"))
    (change,) = fields(without, _in_a_shared_namespace("meshdsl/shop")).objects
    assert [(field.path[-1], field.live, field.ours) for field in change.fields] == [
        ("istio-injection", "enabled", ABSENT)
    ]


@pytest.mark.parametrize(("manager", "gone"), [("meshdsl/shop", True), ("meshdsl/another", False)])
def test_of_an_object_that_two_sets_patch_each_takes_off_only_its_own(manager: str, *, gone: bool) -> None:
    given = bundle("linkerd")

    def change(live: Any) -> None:
        name = "config.linkerd.io/skip-inbound-ports"
        live["metadata"]["annotations"][name] = "8080"
        tree = {"f:metadata": {"f:annotations": {f"f:{name}": {}}}}
        live["metadata"]["managedFields"].append({"manager": manager, "operation": "Update", "fieldsV1": tree})

    found = fields(given, changed(given, "Namespace", "prod", change)).objects
    assert [field.path[-1] for one in found for field in one.fields] == ["config.linkerd.io/skip-inbound-ports"] * gone


def test_an_annotation_that_switches_enforcement_off_is_a_removal_whoever_set_it() -> None:
    given = bundle("istio")
    name = next(one.ref.name for one in given.manifests if one.ref.kind == "AuthorizationPolicy")

    def switched(value: str) -> Any:
        return lambda live: live["metadata"].setdefault("annotations", {}).update({"istio.io/dry-run": value})

    (change,) = fields(given, changed(given, "AuthorizationPolicy", name, switched("true"))).objects
    assert [(f.path[-1], f.live, f.ours) for f in change.fields] == [("istio.io/dry-run", "true", ABSENT)]
    assert not fields(given, changed(given, "AuthorizationPolicy", name, switched("false"))).objects
