"""Every case and example that is for Istio does on a real mesh what its policies mean."""

from __future__ import annotations

import pytest

from meshdsl.targets.istio import Istio
from tests.live.emitted import Build, builds
from tests.mesh.cases import Report, run_cases
from tests.mesh.conftest import Meshes
from tests.mesh.istiod import Settings
from tests.mesh.meaning import expect


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


@pytest.mark.parametrize("wanted", sorted(by_settings(), key=str), ids=str)
def test_a_real_mesh_does_what_policies_mean(
    meshes: Meshes, wanted: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    world, inventory = meshes.with_settings(wanted)
    report: Report = run_cases(world, inventory, by_settings()[wanted], expect)
    with capsys.disabled():
        print(f"\n{report}")
    assert not report.disagreements, "\n".join(report.disagreements)
    assert report.counts["answers"] > 10
