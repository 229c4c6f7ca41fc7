"""The access that the objects of a mesh make, whoever wrote them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from meshdsl.compare.access.facts import Facts, Named, facts_of
from meshdsl.compare.access.model import AccessModel, ServiceAccess, Way
from meshdsl.compare.live import LiveObject
from meshdsl.plan.intent import Plan
from meshdsl.targets.base import Target


class Reader(Protocol):
    """What one mesh makes of the objects."""

    notes: dict[str, bool]
    left_out: frozenset[Named]

    def ways(self, facts: Facts) -> dict[int, tuple[Way, ...]]:
        """The ways to each port of a service, as if what is left out were not there."""

    def deciding(self, facts: Facts) -> tuple[Named, ...]:
        """The objects that decide who may call a service, whether they are left out or not."""


def of_objects(
    objects: Iterable[LiveObject],
    target: Target,
    services: Plan | None = None,
    only: Collection[str] | None = None,
    *,
    now: bool = False,
) -> AccessModel:
    """Who may call what, read from objects.

    Args:
        objects: of a cluster, a dump or a bundle. Kinds that say nothing of access are skipped.
        target: the mesh that reads them, with its profile.
        services: the plan that says of which Services to speak where ``objects`` has no Service objects with ports and
            selectors, and what their ports speak. Give it whenever there is one.
        only: names of services to read, where the others are not asked for; all if None.
        now: read also what controllers wrote: who can call at this moment, in place of what is meant by the objects.

    Returns:
        The model. What cannot be decided is in its notes; there, the wider answer is taken.
    """
    everything = list(objects)
    reader = reader_of(everything, target, now=now)
    found = {
        str(facts): ServiceAccess(reader.ways(facts), facts.probes)
        for facts in facts_of(everything, services)
        if only is None or str(facts) in only
    }
    certain = frozenset(sentence for sentence, known in reader.notes.items() if known)
    return AccessModel(found, tuple(sorted(reader.notes)), certain=certain)


def reader_of(objects: list[LiveObject], target: Target, *, now: bool = False) -> Reader:
    """What a mesh makes of objects; with ``now``, at this moment."""
    if target.name == "linkerd":
        from meshdsl.compare.access.linkerd import LinkerdReader  # noqa: PLC0415 - a mesh is read when it is asked for

        return LinkerdReader(objects, target)
    if target.name == "ambient":
        from meshdsl.compare.access.ambient import AmbientReader  # noqa: PLC0415

        return AmbientReader(objects, target, now=now)
    from meshdsl.compare.access.istio import IstioReader  # noqa: PLC0415

    return IstioReader(objects, target)
