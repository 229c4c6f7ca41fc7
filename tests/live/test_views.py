"""Every build applied to a server of its own names, one after the other: no view finds a difference, and one policy less
is exactly that difference.

What the difference has to be is told by the manifests themselves, without meshdsl's comparison.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meshdsl.cluster import KubectlCluster
from meshdsl.compare.diff import diff
from meshdsl.compare.kinds import scopes_of
from meshdsl.compare.report import Action, DiffReport
from meshdsl.manifest import ObjectRef
from tests.live import emitted
from tests.live.api import accepted, at_once
from tests.live.comparing import apply, bare, cluster_of, remove, told
from tests.live.emitted import Build, plain
from tests.live.server import Server


@pytest.fixture(scope="module")
def cluster(own: Server) -> Iterator[KubectlCluster]:
    with cluster_of(own) as opened:
        yield opened


def compared(cluster: KubectlCluster, build: Build, *others: Build) -> DiffReport:
    """All three views, and everything that the other builds had is asked for, too."""
    scopes = {scope for one in (build, *others) for scope in scopes_of(one.bundle)}
    return diff(build.bundle, cluster.snapshot(scopes))


def between(before: Build, after: Build) -> dict[ObjectRef, Action]:
    """What becomes of each object of ours, told by the manifests."""
    old = {one.ref: one for one in before.bundle.manifests}
    new = {one.ref: one for one in after.bundle.manifests}
    found = dict.fromkeys(new.keys() - old.keys(), Action.CREATE)
    found |= dict.fromkeys(old.keys() - new.keys(), Action.DELETE)
    both = old.keys() & new.keys()
    found |= {ref: Action.UPDATE for ref in both if plain(old[ref]) != plain(new[ref])}
    # Somebody else's object is there already, and stays: it is changed, never created or deleted.
    return {ref: Action.UPDATE if (new.get(ref) or old[ref]).partial else action for ref, action in found.items()}


@pytest.mark.parametrize("build", emitted.builds(), ids=str)
def test_no_view_differs_after_apply_and_one_policy_less_is_told_exactly(
    own: Server, cluster: KubectlCluster, build: Build
) -> None:
    less = build.without_last_policy()
    builds = [build, less] if less else [build]
    try:
        apply(own, [build])
        assert list(told(build, compared(cluster, build))) == []
        if less:
            emitted.prepare(own.api, [less])
            told_of_less(own, cluster, build, less)
    finally:
        remove(own, builds)


def told_of_less(own: Server, cluster: KubectlCluster, build: Build, less: Build) -> None:
    report = compared(cluster, less, build)
    assert {change.ref: change.action for change in report.objects} == between(build, less)
    assert not report.unknown
    kept = {one.ref for one in less.bundle.manifests}
    gone = [one for one in build.bundle.manifests if one.ref not in kept]
    apply(own, [less])
    accepted(at_once(own.api.delete, [plain(one) for one in gone if not one.partial]))
    accepted(at_once(own.api.apply, [bare(plain(one)) for one in gone if one.partial]))
    assert list(told(less, compared(cluster, less, build))) == []
