"""From rules that add up to routes of which one applies.

``Allow`` policies add up: a request is allowed if any of them allows it. Linkerd picks *one* route for a request, the
best match, and asks only the policies of that route. So where two rules overlap, what they share becomes a route of its
own whose callers are those of both, and every route's callers are those of all rules that contain it. Nobody gains or
loses a request by the way the rules are cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from meshdsl.plan.matching import Undecidable, intersection, within
from meshdsl.plan.requests import Match, Path, PathKind
from meshdsl.plan.rights import Allow, Anyone, Callers
from meshdsl.targets.linkerd.order import preferences
from meshdsl.targets.linkerd.server import Listener

LARGEST: Final = 256
"""More routes than this for one port are refused: they would be unreadable, and slow to match."""

Grant = tuple[Match, Callers]


class Inexact(Exception):
    """Rules that cannot be cut into routes that mean the same; the message says why."""


def applicable(allows: Iterable[Allow], listener: Listener) -> list[Allow]:
    """The rules that hold on a workload port: a rule about requests holds only where requests are seen."""
    numbers = {port.number for port in listener.ports}
    return [
        allow
        for allow in allows
        if (not allow.ports or numbers & set(allow.ports)) and (listener.is_http or not allow.is_http)
    ]


def grants(allows: Iterable[Allow], listener: Listener) -> list[Grant]:
    """Each combination of method and path of each rule, and the probes, which the kubelet sends without identity.

    As soon as a route stands on a Server, the route for probes that the mesh makes by itself vanishes.
    """
    found: list[Grant] = []
    for allow in allows:
        paths: Sequence[Path | None] = allow.paths or (None,)
        methods: Sequence[str | None] = allow.methods or (None,)
        found += [(Match(path, method, allow.headers), allow.callers) for path in paths for method in methods]
    anyone = Callers(anyone=Anyone.AT_ALL)
    found += [(Match(Path(PathKind.EXACT, path), "GET"), anyone) for path in listener.probes]
    return found


def atoms(granted: Sequence[Grant]) -> list[Grant]:
    """Routes, each with its callers, such that the best match of a request has exactly the callers that may make it.

    Raises:
        Inexact: two rules overlap in a way that the mesh cannot tell apart.
    """
    found = {match: _callers(match, granted) for match, _ in granted}
    work = list(found)
    while work:
        one = work.pop()
        for other in list(found):
            if found[other] == found[one] or within(one, other) or within(other, one):
                continue
            try:
                both = intersection(one, other)
            except Undecidable as error:
                raise Inexact(f"whether {error} overlap cannot be decided, and they have different callers") from error
            if both is not None and both not in found:
                found[both] = _callers(both, granted)
                work.append(both)
                if len(found) > LARGEST:
                    raise Inexact(f"they overlap in more than {LARGEST} ways")
    _check_ties(found)
    return list(found.items())


def _check_ties(found: dict[Match, Callers]) -> None:
    for inner, callers in found.items():
        for outer, others in found.items():
            if inner != outer and callers != others and within(inner, outer) and preferences(inner, outer) != {1}:
                raise Inexact(f"{_text(inner)} ranks as high as {_text(outer)}, and the mesh would follow the older")


def _text(match: Match) -> str:
    words = [match.method or "", f"{match.path.kind.value} {match.path.value}" if match.path is not None else ""]
    words += [f"with {header.name}: {header.value}" for header in match.headers]
    return " ".join(word for word in words if word) or "any request"


def _callers(match: Match, granted: Iterable[Grant]) -> Callers:
    return union(callers for wider, callers in granted if within(match, wider))


def union(parts: Iterable[Callers]) -> Callers:
    """All callers of several rules. Anyone includes those in the mesh, and those include every name."""
    known = list(parts)
    for anyone in (Anyone.AT_ALL, Anyone.IN_MESH):
        if any(callers.anyone is anyone for callers in known):
            return Callers(anyone=anyone)
    return Callers(
        tuple(sorted({account for callers in known for account in callers.accounts})),
        tuple(sorted({namespace for callers in known for namespace in callers.namespaces})),
    )
