"""Every case and example that is for Istio does on a real mesh what its policies mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from meshdsl.targets.istio import Istio
from tests.live.api import Body
from tests.live.emitted import Build, builds, plain
from tests.mesh.cases import REPORT, Report, run_cases
from tests.mesh.conftest import Meshes
from tests.mesh.istiod import Settings
from tests.mesh.meaning import expect
from tests.mesh.test_seed import own_policies

# A route of "/a" and one of "/a/*": the second is written as "/a" and "/a/…", of which the first decides "/a" already.
_DECIDED_BEFORE = "is not used (duplicate/overlapping match in rule"
KNOWN = (
    ("redirect-beside-its-own-path on istio", _DECIDED_BEFORE),
    ("refused-an-order-that-age-would-decide on istio", _DECIDED_BEFORE),
)
"""What Istio says about objects of ours that do what they should."""


def settings(build: Build) -> Settings:
    """The mesh that a case is compiled for."""
    target = build.bundle.target
    assert isinstance(target, Istio)
    return Settings(target.trust_domain, target.cluster_domain, target.root_namespace)


def by_settings() -> dict[Settings, list[Build]]:
    found: dict[Settings, list[Build]] = {}
    for build in builds():
        if type(build.bundle.target) is Istio:
            found.setdefault(settings(build), []).append(build)
    return found


_CASES_AT_ONCE = 10
"""Cases of one test: whichever mesh is free takes the next ten."""


def parts() -> list[Any]:
    """The cases that one mesh shows, so many at a time; those of other settings share a mesh of their own."""
    found: list[Any] = []
    for wanted, all_ in sorted(by_settings().items(), key=lambda pair: (-len(pair[1]), str(pair[0]))):
        number = -(-len(all_) // _CASES_AT_ONCE)
        found += [
            pytest.param(wanted, all_[part::number], id=f"{wanted.trust_domain}-{wanted.root_namespace}-{part + 1}")
            for part in range(number)
        ]
    return found


@pytest.mark.parametrize(("wanted", "cases"), parts())
def test_a_real_mesh_does_what_policies_mean(
    meshes: Meshes, wanted: Settings, cases: list[Build], request: pytest.FixtureRequest
) -> None:
    world, inventory = meshes.with_settings(wanted)
    report: Report = run_cases(world, inventory, cases, expect)
    request.node.user_properties.append((REPORT, report.data()))
    assert not report.disagreements, "\n".join(report.disagreements)
    said = [line for line in report.analysis if not any(line.startswith(case) and text in line for case, text in KNOWN)]
    assert not said, "\n".join(said)
    assert report.counts["answers"] > 10


def lose_the_methods(policy: Body) -> None:
    for rule in policy["spec"]["rules"]:
        for to in rule["to"]:
            to["operation"].pop("methods", None)


def let_anyone_in(policy: Body) -> None:
    for rule in policy["spec"]["rules"]:
        rule.pop("from")


def move_traffic(service: Body) -> None:
    for rule in service["spec"]["http"]:
        for share, weight in zip(rule["route"], (70, 30), strict=False):
            share["weight"] = weight


def widen_a_path(service: Body) -> None:
    for rule in service["spec"]["http"]:
        for match in rule.get("match", ()):
            if "uri" in match:
                match["uri"] = {"prefix": match["uri"]["exact"]}


def lose_the_retries(service: Body) -> None:
    for rule in service["spec"]["http"]:
        rule["retries"] = {"attempts": 0}


def wait_longer(service: Body) -> None:
    for rule in service["spec"]["http"]:
        rule["timeout"] = "8s"


FAULTS = {
    "AuthorizationPolicy": (lose_the_methods, let_anyone_in),
    "VirtualService": (move_traffic, widen_a_path, lose_the_retries, wait_longer),
}


@pytest.mark.parametrize(
    ("kind", "fault"), [pytest.param(kind, fault, id=fault.__name__) for kind, all_ in FAULTS.items() for fault in all_]
)
def test_a_fault_in_the_manifests_is_seen(meshes: Meshes, kind: str, fault: Callable[[Body], None]) -> None:
    world, inventory = meshes.with_settings(Settings())
    seed = own_policies()
    manifests = list(seed.bundle.manifests)
    for number, manifest in enumerate(manifests):
        if manifest.ref.kind == kind:
            body = plain(manifest)
            fault(body)
            manifests[number] = replace(manifest, body=body)
    wrong = replace(seed, bundle=replace(seed.bundle, manifests=tuple(manifests)))
    assert run_cases(world, inventory, [wrong], expect).disagreements
