"""The manifests mean what the plan means, and the plan what the policies say, for every request that can tell."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

import meshdsl
from meshdsl.config import Cluster, read_config
from meshdsl.loading.load import load
from meshdsl.simulate.agree import agree
from tests import golden
from tests.golden import Case
from tests.reading.situations import SITUATIONS
from tests.simulate.differential import MESHES, Tally, meshes_agree, third_agrees, until
from tests.simulate.subjects import SUBJECTS, TARGETS, policies
from tests.test_meaning import TARGETS as PROFILES

PAIRS = 100_000
EXAMPLES = Path(__file__).parents[2] / "examples"
COMPILED = [
    pytest.param(case, name, id=f"{case}-{name}")
    for case in golden.cases()
    for name in case.targets()
    if case.file(name, "yaml").exists()
]


@pytest.mark.parametrize("mesh", MESHES)
def test_the_manifests_mean_what_the_plan_means(mesh: str) -> None:
    tally = until(PAIRS, mesh, lambda bundle, _, tally: meshes_agree(bundle, tally))
    assert tally.pairs >= PAIRS


@pytest.mark.parametrize("mesh", MESHES)
def test_the_plan_means_what_the_policies_say(mesh: str) -> None:
    tally = until(PAIRS // 5, mesh, third_agrees, seed=100)
    assert tally.pairs >= PAIRS // 5


@pytest.mark.parametrize(("case", "name"), COMPILED)
def test_a_case_means_the_same_in_its_manifests(case: Case, name: str) -> None:
    found = golden.loaded(case)
    assert isinstance(found, meshdsl.PolicySet)
    bundle = meshdsl.build(found, case.target(name))
    assert agree(bundle).holds, str(agree(bundle))
    third_agrees(bundle, found, Tally())


@pytest.mark.parametrize("target", PROFILES, ids=lambda one: f"{one.name}-{one.version}")
@pytest.mark.parametrize("name", SITUATIONS)
def test_situations_in_which_meshes_differ_mean_the_same(name: str, target: meshdsl.Istio) -> None:
    found = meshdsl.PolicySet(tuple(SITUATIONS[name]))
    try:
        bundle = meshdsl.build(found, target)
    except meshdsl.CompileError:
        return  # tests/test_meaning.py says which code refuses it
    assert agree(bundle).holds, str(agree(bundle))
    third_agrees(bundle, found, Tally())


@pytest.mark.parametrize("mesh", TARGETS)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_faults_are_made_in_agrees_without_them(subject: str, mesh: str) -> None:
    try:
        bundle = meshdsl.build(policies(subject), TARGETS[mesh])
    except meshdsl.CompileError:
        return
    assert agree(bundle).holds, str(agree(bundle))


CLUSTERS = [
    (example, cluster)
    for example in ("seed", "bookinfo", "boutique", "migration")
    for cluster in read_config(EXAMPLES / example / "meshdsl.toml").clusters.values()
]


@pytest.mark.parametrize(("example", "cluster"), CLUSTERS, ids=lambda one: getattr(one, "name", one))
def test_an_example_means_the_same_on_every_cluster(example: str, cluster: Cluster) -> None:
    found = load(EXAMPLES / example / "policies", environment=cluster.environment, name=example)
    bundle = meshdsl.build(found, cluster.target, cluster=cluster.name)
    result = agree(bundle)
    assert result.holds, str(result)
    third_agrees(bundle, found, Tally())


def changed(bundle: meshdsl.Bundle, kind: str, change: Any) -> list[Any]:
    """The manifests with one field of the first object of a kind changed."""
    objects: list[Any] = [copy.deepcopy(dict(one.body)) for one in bundle.manifests]
    change(next(one for one in objects if one["kind"] == kind)["spec"])
    return objects


def test_a_disagreement_is_told_with_the_request_and_what_differs() -> None:
    bundle = meshdsl.build(policies("traffic"), TARGETS["istio"])
    found = agree(bundle, objects=changed(bundle, "VirtualService", lambda spec: spec["http"][-1].update(timeout="6s")))
    assert not found.holds
    first = found.disagreements[0]
    assert first.request.service == "prod/api"
    assert first.differs == ("timeout: 5000 is meant, 6000 found",)
    assert str(found).startswith(f"Istio 1.31: {found.requests} requests to 2 services, ")
    assert "elsewhere/nobody to prod/api:8080: PATCH /nowhere\n  timeout: 5000 is meant, 6000 found" in str(found)


def test_what_a_mesh_does_not_know_of_our_own_manifests_is_a_disagreement() -> None:
    bundle = meshdsl.build(policies("traffic"), TARGETS["istio"])
    strange = changed(bundle, "VirtualService", lambda spec: spec["http"][-1].update(noSuchField={}))
    found = agree(bundle, objects=strange)
    assert any(one.found.verdict == "unknown" for one in found.disagreements)
    assert "unknown: " in str(found)


def test_only_some_services_are_asked_about() -> None:
    bundle = meshdsl.build(policies("traffic"), TARGETS["istio"])
    assert agree(bundle, services=["front/web"]).services == 1


def test_too_many_combinations_are_said() -> None:
    bundle = meshdsl.build(policies("traffic"), TARGETS["istio"])
    found = agree(bundle, most=10)
    assert found.holds
    assert found.partial
    assert "combinations, of which pairs around each of" in str(found)


def test_on_linkerd_both_orders_of_age_are_read() -> None:
    bundle = meshdsl.build(policies("retries"), TARGETS["linkerd"])
    doubled = [one.body for one in bundle.manifests]
    route: Any = copy.deepcopy(next(one for one in doubled if one["kind"] == "HTTPRoute"))
    route["metadata"]["name"] = "younger"
    route["spec"]["rules"] = route["spec"]["rules"][-1:]
    route["spec"]["rules"][0]["timeouts"] = {"request": "1s"}
    assert not agree(bundle, objects=[*doubled, route]).holds


def test_what_nobody_declares_in_a_closed_namespace_is_closed_as_well() -> None:
    bundle = meshdsl.build(policies("mesh"), TARGETS["istio"])
    objects = [one.body for one in bundle.manifests if one.ref.name != "default-deny"]
    found = agree(bundle, objects=objects)
    assert {one.request.service.partition("/")[2] for one in found.disagreements} == {"meshdsl-undeclared"}
    assert found.services == 4
