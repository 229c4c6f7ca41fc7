"""``meshdsl.diff``: what would change, and what it means.

It puts the parts together: objects (:mod:`meshdsl.compare.objects`), then the views that are asked for. Where both
sides have a plan, plans are compared; else what is live is read back (:mod:`meshdsl.compare.meaning`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final, Literal

from meshdsl.compare.documents import kind_of
from meshdsl.compare.interest import Interest
from meshdsl.compare.kinds import CRD, kind_of_ref, may_lack, scopes_of
from meshdsl.compare.live import Cluster, LiveObject, Scope, Snapshot
from meshdsl.compare.meaning import Meaning
from meshdsl.compare.normalise import key_of, key_of_ref, mapping_of
from meshdsl.compare.objects import Comparer, version_of
from meshdsl.compare.pods import of_pods
from meshdsl.compare.report import DiffReport
from meshdsl.compiler import Bundle
from meshdsl.manifest import ObjectRef
from meshdsl.plan.intent import Plan

View = Literal["policy", "access", "fields"]
VIEWS: Final[tuple[View, ...]] = ("policy", "access", "fields")


def diff(
    bundle: Bundle,
    live: Snapshot | Cluster | Bundle | Iterable[LiveObject],
    *,
    views: Collection[View] = VIEWS,
    adopt: bool = False,
    show_foreign: bool = False,
    before: Plan | None = None,
    pods: bool = False,
) -> DiffReport:
    """Compare what policies compile to with what is there.

    Args:
        bundle: what :func:`meshdsl.build` returns: what would be.
        live: a cluster (:class:`meshdsl.cluster.KubectlCluster`), another bundle, a snapshot such as
            :func:`meshdsl.compare.offline.read` returns, or objects. Objects are taken one by one, and only those are
            kept that play a part; they are taken for all that there is of their kinds.
        views: beside the objects themselves: ``"policy"`` and ``"access"``. Objects are always compared.
        adopt: take over objects that are in the way and not ours; else they are conflicts.
        show_foreign: tell what others have set on our objects even if nothing else differs.
        before: the plan that ``live`` was compiled from, if it is known. A bundle has its own.
        pods: read the pods, too, and tell how many a changed object selects, and which object selects none. It needs
            permission to list them.

    Returns:
        what differs; what could not be told is in its ``unknown``, and never shown as a difference.
    """
    was = None
    if isinstance(live, Bundle):
        before = before or live.plan
        was = live.target
    snapshot = _without_absent(_snapshot(bundle, live, pods=pods), bundle)
    sets = {bundle.plan.set_name, *([before.set_name] if before else [])}
    found = Comparer(bundle, snapshot, sets=sets, adopt=adopt, show_foreign=show_foreign).run()
    report = DiffReport(
        cluster=bundle.target.name,
        against=snapshot.name,
        objects=tuple(found.changes),
        unknown=snapshot.unknown,
        compared=found.compared,
        aside=tuple(found.aside),
    )
    return Meaning(bundle, snapshot, found, before, was, adopt, frozenset(sets)).added_to(report, views)


def stale(report: DiffReport, live: Iterable[LiveObject]) -> tuple[ObjectRef, ...]:
    """What a report says that may hold no longer, because the object was changed, made or deleted since.

    Args:
        report: of a comparison with a cluster.
        live: the objects as they are now.
    """
    now = {key_of(one): version_of(one) for one in live}
    changes = (*report.objects, *report.aside)
    return tuple(change.ref for change in changes if now.get(key_of_ref(change.ref), "") != change.version)


# ------------------------------------------------------------------------------------------------------------ snapshots


def _snapshot(bundle: Bundle, live: Snapshot | Cluster | Bundle | Iterable[LiveObject], *, pods: bool) -> Snapshot:
    if isinstance(live, Snapshot):
        return live
    if isinstance(live, Bundle):
        return _of_bundle(live)
    if isinstance(live, Iterable):
        return _of_objects(bundle, live)
    scopes = scopes_of(bundle)
    return live.snapshot([*scopes, *(of_pods(scopes) if pods else ())], Interest(bundle.manifests))


def _without_absent(snapshot: Snapshot, bundle: Bundle) -> Snapshot:
    """The snapshot in which kinds that are not installed, and need not be, are known to have no objects.

    A kind that the cluster has, in a version that it was not asked for, is not absent: it may have objects. Of what
    other targets make, one that is not installed need not be allowed either: an API server says no to a user before it
    looks whether it has the kind.
    """
    installed = {
        (spec.get("group"), mapping_of(spec.get("names")).get("kind"))
        for spec in (mapping_of(one.get("spec")) for one in snapshot.crds or ())
    }
    made = {kind_of_ref(one.ref) for one in bundle.manifests}
    absent = {
        one
        for one in snapshot.unknown
        if (one.code == "not-installed" or (one.code == "forbidden" and snapshot.crds is not None))
        and (one.scope.kind.group, one.scope.kind.kind) not in installed
        and (one.scope.selector or may_lack(one.scope.kind, made, bundle.target))
    }
    if not absent:
        return snapshot
    unknown = tuple(one for one in snapshot.unknown if one not in absent)
    scopes = {one.scope for one in absent} - {one.scope for one in unknown}
    return replace(snapshot, scopes=snapshot.scopes | scopes, unknown=unknown)


def _of_bundle(other: Bundle) -> Snapshot:
    """A bundle as if all of it were applied, and nothing else there."""
    scopes = frozenset(Scope(kind_of(one.body), one.ref.namespace) for one in other.manifests)
    applied = frozenset(key_of_ref(one.ref) for one in other.manifests if one.partial)
    return Snapshot(tuple(one.body for one in other.manifests), scopes, name=other.plan.set_name, applied=applied)


def _of_objects(bundle: Bundle, objects: Iterable[LiveObject]) -> Snapshot:
    """What plays a part of many objects, without keeping the rest."""
    interest = Interest(bundle.manifests)
    kept: list[LiveObject] = []
    crds: list[LiveObject] = []
    scopes: set[Scope] = set()
    for one in objects:
        if one.get("kind") == CRD.kind:
            crds.append(one)
            continue
        scopes.add(Scope(kind_of(one), key_of(one)[2]))
        needed = interest(one)
        if needed is not None:
            kept.append(needed)
    return Snapshot(tuple(kept), frozenset(scopes), crds=crds or None, name="objects")
