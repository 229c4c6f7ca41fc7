"""What objects of others decide about who may call our services: on both sides of a difference, and so in no row.

Each is weighed alone beside ours, so that of two that open the same both are named; where only several of them together
make a difference, they are named together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from meshdsl.compare.access.difference import Comparison, changes
from meshdsl.compare.access.facts import Facts, Named, facts_of
from meshdsl.compare.access.from_objects import Reader, reader_of
from meshdsl.compare.access.model import AccessModel, ServiceAccess
from meshdsl.compare.access.sentences import subject_of
from meshdsl.compare.live import LiveObject
from meshdsl.compare.policy_words import listed
from meshdsl.compare.report import AccessChange
from meshdsl.plan.intent import Plan
from meshdsl.plan.rights import MtlsMode
from meshdsl.targets.base import Target

DECIDING: Final = frozenset({"AuthorizationPolicy", "HTTPRoute", "PeerAuthentication", "Server"})
"""Kinds that decide who may call a service."""

LOOKED_AT: Final = 2000
"""So many pairs of a service and an object of others are weighed; what is not is said."""

_SHOWN: Final = 3
_PLURAL: Final = {"lets": "let", "does": "do", "refuses": "refuse"}
_SERVICE = "\0"
_LETS: Final = f"lets callers in to {_SERVICE} that ours do not let in"
_REFUSES: Final = f"refuses requests to {_SERVICE} that ours let through"


class Effect(NamedTuple):
    """What something of others does.

    Attributes:
        sentence: for people.
        opens: it lets callers in; else it keeps some out.
        services: of ours, or ``namespace/*`` for what else runs in a namespace.
    """

    sentence: str
    opens: bool = False
    services: tuple[str, ...] = ()


Say = tuple[tuple[Named, ...], str]
"""Objects, and what they do: the service is a mark in it."""


def beside(
    objects: Iterable[LiveObject], target: Target, plan: Plan, whose: Callable[[LiveObject], str]
) -> tuple[Effect, ...]:
    """Sentences about objects of others that let callers in to services of ours, or keep them out.

    Args:
        objects: that would be there.
        target: the mesh that reads them.
        plan: whose services are ours, and whose namespaces, where it closes them.
        whose: what an object is, as ``is not ours``; empty for those that the policies make.
    """
    everything = list(objects)
    theirs = {_named(one): whose(one) for one in everything if one.get("kind") in DECIDING}
    theirs = {named: words for named, words in theirs.items() if words}
    if not theirs:
        return ()
    reader = reader_of(everything, target)
    ours = {str(service) for service in plan.services}
    ours |= {f"{n.name}/*" for n in plan.namespaces if n.default_deny or n.effective_mtls is MtlsMode.STRICT}
    found: dict[Say, list[str]] = {}
    weighed, skipped = 0, 0
    for facts in facts_of(everything, plan):
        if str(facts) not in ours:
            continue
        mine = [one for one in dict.fromkeys(reader.deciding(facts)) if one in theirs]
        weighed += len(mine)
        if weighed > LOOKED_AT:
            skipped += bool(mine)
            continue
        for say in _of_service(reader, facts, mine):
            found.setdefault(say, []).append(str(facts))
    said = sorted(_few(found).items())
    effects = [
        Effect(_sentence(named, theirs, what, services), what.startswith("lets "), tuple(services))
        for (named, what), services in said
    ]
    if skipped:
        effects.append(Effect(f"what objects of others decide was not weighed for {skipped} more services"))
    return tuple(effects)


def _few(found: Mapping[Say, list[str]]) -> dict[Say, list[str]]:
    """What objects do, in general words where it is something else for each of many services."""
    count = Counter(named for named, _ in found)
    result: dict[Say, dict[str, None]] = {}
    for (named, what), services in found.items():
        general = _LETS if what.startswith("lets ") else _REFUSES
        does = general if count[named] > _SHOWN else what
        result.setdefault((named, does), {}).update(dict.fromkeys(services))
    return {say: list(services) for say, services in result.items()}


def _named(one: LiveObject) -> Named:
    metadata = one.get("metadata") or {}
    return str(one.get("kind")), str(metadata.get("namespace", "default")), str(metadata.get("name"))


def _of_service(reader: Reader, facts: Facts, mine: list[Named]) -> Iterator[Say]:
    """What each object does beside ours; if none does anything alone, what all of them do."""
    if not mine:
        return
    without = _access(reader, facts, mine)
    alone = False
    for one in mine:
        for what in _effects(str(facts), without, _access(reader, facts, set(mine) - {one}), one[0]):
            alone = True
            yield (one,), what
    if not alone and len(mine) > 1:
        for what in _effects(str(facts), without, _access(reader, facts, ()), ""):
            yield tuple(sorted(mine)), what


def _access(reader: Reader, facts: Facts, left_out: Collection[Named]) -> ServiceAccess:
    """Who may call a service without some objects; notes are those of the whole, which was read before."""
    notes, reader.left_out = dict(reader.notes), frozenset(left_out)
    found = ServiceAccess(reader.ways(facts), facts.probes)
    reader.notes, reader.left_out = notes, frozenset()
    return found


def _effects(name: str, without: ServiceAccess, beside_it: ServiceAccess, kind: str) -> Iterator[str]:
    if without.ports == beside_it.ports:
        return
    found = list(Comparison(name, without, beside_it, mixed=False).changes())
    widened = [change for change in found if change.widened]
    yield from (effect(one) for one in widened if not any(_holds(other, one) for other in widened))
    narrowed = [change for change in found if not change.widened]
    if kind == "PeerAuthentication":
        return  # a mode that is stricter than ours refuses what is nobody's: that is no news
    if len(narrowed) > 1:
        yield _REFUSES
    else:
        yield from map(effect, narrowed)


def _holds(more: AccessChange, less: AccessChange) -> bool:
    """Whether a row says all of another one: every request, of callers of whom the other names fewer."""
    limits = (more.methods, more.paths, more.ports, more.conditions)
    if any(limits) or len(more.callers) != 1 or len(less.callers) != 1:
        return False
    return less.callers[0].startswith(tuple(f"{more.callers[0]} {word} " for word in ("except", "and", "in")))


def instead(what: str, without: AccessModel, now: AccessModel) -> tuple[Effect, ...]:
    """Sentences about what something of others lets through, and ours alone would not.

    Args:
        what: it is, as ``"what is in the way of ours"``.
        without: as it would be without it.
        now: as it would be with it.
    """
    found: dict[str, list[str]] = {}
    for change in changes(without, now):
        if change.widened:
            found.setdefault(effect(change).removesuffix(" too"), []).append(change.service)
    return tuple(
        Effect(
            f"{what} {does.replace(_SERVICE, _shown(services))}, and ours alone would not",
            opens=True,
            services=tuple(services),
        )
        for does, services in found.items()
    )


def effect(change: AccessChange) -> str:
    """What a row says, without who and when: ``lets prod/web GET /x of prod/api too``; the service is a mark."""
    doing = change.sentence
    for said in (" may now also ", " may now ", " may no longer ", "nobody may "):
        _, found, rest = doing.partition(said)
        if found:
            doing = rest.removesuffix(" any more").partition(", which a deny refused")[0]
            break
    start, found, end = doing.rpartition(subject_of(change.service))
    doing = f"{start}{_SERVICE}{end}" if found else doing
    who = listed(change.callers)
    return f"lets {who} {doing} too" if change.widened else f"does not let {who} {doing}"


def _sentence(named: tuple[Named, ...], theirs: Mapping[Named, str], what: str, services: list[str]) -> str:
    names, shown = tuple(f"{kind} {namespace}/{name}" for kind, namespace, name in named), _shown(services)
    if len(names) > 1:
        what = f"{_PLURAL[what.partition(' ')[0]]} {what.partition(' ')[2]}"
        return f"{listed(names)} are not ours and together {what.replace(_SERVICE, shown)}"
    return f"{names[0]} {theirs[named[0]]} and {what.replace(_SERVICE, shown)}"


def _shown(services: list[str]) -> str:
    subjects, more = [subject_of(service) for service in services], len(services) - _SHOWN
    return listed((*subjects[:_SHOWN], f"{more} more") if more > 0 else tuple(subjects))
