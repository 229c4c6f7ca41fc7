"""The smallest role, and the table of kinds that it is made from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshdsl import Ambient, Istio, Linkerd
from meshdsl.cluster import cluster_role
from meshdsl.compare.kinds import DRIVERS, KINDS, OF_TARGET, of_other_targets, scopes_of
from meshdsl.compare.live import Scope
from meshdsl.compare.pods import POD, of_pods
from meshdsl.compiler import Bundle
from meshdsl.manifest import Manifest, ObjectRef, Phase
from meshdsl.plan.intent import Mesh, Plan
from meshdsl.render import render
from meshdsl.targets.base import Target

ROOT = Path(__file__).parents[2]
TARGETS = (Istio(), Ambient(), Linkerd())


def of(target: Target, *manifests: Manifest) -> Bundle:
    return Bundle(target, Plan("shop", Mesh(), (), ()), manifests, policies=0)


def scopes(target: Target, *namespaces: str) -> tuple[Scope, ...]:
    manifests = [Manifest(ObjectRef("v1", "Service", namespace, "x"), Phase.ROUTE, {}) for namespace in namespaces]
    return scopes_of(of(target, *manifests))


def permissions(role: Mapping[str, Any]) -> dict[str, set[str]]:
    return {
        f"{resource}.{group}": set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_role_may_list_what_is_asked_for_and_nothing_else(target: Target) -> None:
    role = permissions(cluster_role(scopes(target, "a", "b")))
    asked = (*OF_TARGET[target.name], *DRIVERS, *of_other_targets(target.name))
    expected = {f"{kind.plural}.{kind.group}" for kind in asked}
    assert set(role) == expected | {"customresourcedefinitions.apiextensions.k8s.io"}
    assert set(map(frozenset, role.values())) == {frozenset({"list"})}
    assert not any("secrets" in name or "*" in name for name in role)


def manifest(kind: str, *, partial: bool = False) -> Manifest:
    (found,) = [one for one in OF_TARGET["istio"] if one.kind == kind]
    return Manifest(ObjectRef(found.api_version, kind, "a", "x"), Phase.ROUTE, {}, partial=partial)


def test_a_dry_run_needs_to_patch_what_these_policies_make_and_only_that() -> None:
    made = [manifest("VirtualService"), manifest("Deployment", partial=True), manifest("Namespace", partial=True)]
    role = permissions(cluster_role(scopes(Istio(), "a"), applied=made))
    assert role["virtualservices.networking.istio.io"] == {"get", "list", "patch", "create"}
    assert role["namespaces."] == {"get", "list", "patch", "create"}
    assert role["deployments.apps"] == {"get", "list", "patch"}, "only some of its fields are ours: it is never made"
    others = {name: verbs for name, verbs in role.items() if "patch" not in verbs}
    assert {"statefulsets.apps", "services.", "destinationrules.networking.istio.io"} <= set(others)
    assert set(map(frozenset, others.values())) == {frozenset({"list"})}
    assert not {verb for verbs in role.values() for verb in verbs} & {"update", "delete", "watch", "*"}


def test_a_kind_that_is_made_whole_and_patched_elsewhere_is_created_all_the_same() -> None:
    made = [manifest("Service", partial=True), manifest("Service"), manifest("Service", partial=True)]
    assert "create" in permissions(cluster_role(scopes(Istio(), "a"), applied=made))["services."]


def test_the_uid_of_a_cluster_is_read_of_one_namespace_alone() -> None:
    rules: Any = cluster_role(scopes(Istio(), "a"), identity=True)["rules"]
    assert [rule for rule in rules if "get" in rule["verbs"]] == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"], "resourceNames": ["kube-system"]}
    ]


@pytest.mark.parametrize("server_side", [False, True])
def test_pods_may_be_read_if_they_are_asked_for_and_never_changed(server_side: bool) -> None:
    asked = scopes(Istio(), "a", "b")
    applied = [manifest("VirtualService")] if server_side else []
    assert "pods." not in permissions(cluster_role(asked, applied=applied))
    role = permissions(cluster_role([*asked, *of_pods(asked)], applied=applied))
    assert role["pods."] == {"list"}
    assert of_pods(asked)[:2] == (Scope(POD, "a"), Scope(POD, "b"))


def test_the_role_is_yaml_that_reads_back_and_is_in_order() -> None:
    role = cluster_role(reversed(scopes(Ambient(), "b", "a")))
    assert yaml.safe_load(render(role)) == role == cluster_role(scopes(Ambient(), "a"))
    assert role["metadata"] == {"name": "meshdsl-diff"}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_kind_that_a_case_emits_is_in_the_table(target: Target) -> None:
    known = {(kind.api_version, kind.kind) for kind in OF_TARGET[target.name]}
    emitted = set()
    for path in (ROOT / "tests" / "cases").glob(f"*/{target.name}*.yaml"):
        # CSafeLoader is not on every machine, and 300 files take the other one too long.
        lines = path.read_text().splitlines()
        for above, line in itertools.pairwise(lines):
            if above.startswith("apiVersion: ") and line.startswith("kind: "):
                emitted.add((above.removeprefix("apiVersion: "), line.removeprefix("kind: ")))
    assert len(emitted) > 5
    assert emitted <= known


def test_every_kind_of_the_target_is_asked_for_in_every_namespace_that_is_touched() -> None:
    asked = scopes(Linkerd(), "b", "a")
    assert list(asked) == sorted(set(asked))
    for kind in (*OF_TARGET["linkerd"], *DRIVERS):
        expected = {"a", "b"} if kind.namespaced else {""}
        assert {scope.namespace for scope in asked if scope.kind == kind} == expected


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_of_the_kinds_of_other_targets_only_what_is_of_this_set_is_asked_for(target: Target) -> None:
    own = {(scope.kind.group, scope.kind.kind) for scope in scopes(target, "a", "b") if not scope.selector}
    left = [scope for scope in scopes(target, "a", "b") if scope.selector]
    everything = {(kind.group, kind.kind) for kinds in OF_TARGET.values() for kind in kinds}
    assert own | {(scope.kind.group, scope.kind.kind) for scope in left} >= everything
    assert own.isdisjoint((scope.kind.group, scope.kind.kind) for scope in left)
    assert {scope.selector for scope in left} == {"app.kubernetes.io/managed-by=meshdsl,meshdsl.dev/set=shop"}
    assert {scope.namespace for scope in left} == {"a", "b"}


def test_a_namespace_that_is_only_labelled_is_touched() -> None:
    manifest = Manifest(ObjectRef("v1", "Namespace", "", "a"), Phase.NAMESPACE, {}, partial=True)
    assert Scope(KINDS["v1", "Service"], "a") in scopes_of(of(Linkerd(), manifest))


@pytest.mark.parametrize("target", [Istio(root_namespace="root"), Ambient(root_namespace="root")])
def test_the_policies_of_the_root_namespace_are_asked_for(target: Target) -> None:
    kinds = {scope.kind.kind for scope in scopes(target, "a") if scope.namespace == "root"}
    assert kinds == {"AuthorizationPolicy", "PeerAuthentication"}
