"""The exact difference of two models, in few rows.

Service by service: the rules of both models make the classes of callers and requests, each model says which callers may
make which requests, and what only one of them lets through is written as rectangles of callers, ports, methods, paths
and headers. Services whose rules are the same are not looked at any further.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from meshdsl.compare.access.callers import Callers
from meshdsl.compare.access.decide import Decision, Judge, conditions, ends_of_prefixes, patterns
from meshdsl.compare.access.model import AccessModel, Requests, ServiceAccess, Way
from meshdsl.compare.access.requests import Space
from meshdsl.compare.access.rows import Block, Row, rows
from meshdsl.compare.access.sentences import change_of, whole
from meshdsl.compare.report import AccessChange

_NOTHING = ServiceAccess({})


def changes(before: AccessModel, after: AccessModel) -> tuple[AccessChange, ...]:
    """Who may call what from now on, and who no longer.

    A service that only one model has is reported as new or gone where both models speak of the same things; a plan
    speaks of its own services alone, so beside it others are left out. What a plan leaves to the mesh, the kubelet's
    probes, is not compared with what a mesh does of it.

    Args:
        before: what holds now.
        after: what is to hold.

    Returns:
        The changes, by service; for each what is widened first.
    """
    found: list[AccessChange] = []
    for name in sorted(before.services.keys() | after.services.keys()):
        old, new = before.services.get(name), after.services.get(name)
        if old is None and before.meant is not after.meant and before.meant:
            continue
        if new is None and before.meant is not after.meant and after.meant:
            continue
        if old is None or new is None or old.ports != new.ports:
            found += Comparison(name, old, new, mixed=before.meant is not after.meant).changes()
    return tuple(found)


class Comparison:
    """The comparison of one service."""

    def __init__(self, name: str, old: ServiceAccess | None, new: ServiceAccess | None, *, mixed: bool) -> None:
        self.name = name
        self.old = old or _NOTHING
        self.new = new or _NOTHING
        self.appears, self.disappears = old is None, new is None
        self.numbers = sorted(self.old.ports.keys() | self.new.ports.keys())
        ways: list[Way] = [way for one in (self.old, self.new) for ways in one.ports.values() for way in ways]
        probes = self.old.probes | self.new.probes if mixed else frozenset()
        extra = [*ends_of_prefixes(ways), *(("exact", path) for _, path in sorted(probes))]
        gets = [Requests(frozenset({"GET"}))] if probes else []
        self.space = Space(chain(conditions(ways), gets), extra)
        self.callers = Callers(patterns(ways))
        self.judge = Judge(self.space, self.callers)
        self.before = {number: self.judge.decide(self.old.ports.get(number, ())) for number in self.numbers}
        self.after = {number: self.judge.decide(self.new.ports.get(number, ())) for number in self.numbers}
        self._undenied: dict[int, Decision] = {}
        self.probes = {
            number: sum({self.space.probe(path) for port, path in probes if port == number}) for number in self.numbers
        }

    def changes(self) -> Iterator[AccessChange]:
        """The changes of this service."""
        both = {
            number: (self._gains(number, self.before, self.after), self._gains(number, self.after, self.before))
            for number in self.numbers
        }
        if not any(gained or lost for gained, lost in both.values()):
            return
        short = whole(self)
        if short is not None:
            yield short
            return
        for widened in (True, False):
            blocks: dict[Decision_, list[int]] = {}
            for number, (gained, lost) in both.items():
                decision = gained if widened else lost
                if decision:
                    blocks.setdefault(tuple(sorted(decision.items())), []).append(number)
            found: dict[Row, None] = {}
            for decision_, numbers in blocks.items():
                ports = () if len(numbers) == len(self.numbers) else tuple(numbers)
                for row in rows(self.space, [Block(*item) for item in decision_], by_caller=not widened):
                    denied = widened and self._was_denied(row, numbers)
                    found.setdefault(self._shortened(replace(row, denied=denied), ports, widened=widened))
            yield from sorted(
                (change_of(self, row, widened=widened) for row in found), key=lambda c: (c.callers, c.ports, c.sentence)
            )

    def _gains(self, number: int, old: dict[int, Decision], new: dict[int, Decision]) -> Decision:
        """Callers and requests of ``new`` that ``old`` does not have, but for probes."""
        if old[number] == new[number]:
            return {}
        found: Decision = {}
        ignored = ~self.probes[number]
        for callers, cells in new[number].items():
            for others, theirs in old[number].items():
                more, shared = callers & ~others, cells & theirs & ignored
                if more and shared:
                    found[more] = found.get(more, 0) | shared
        return found

    def _shortened(self, row: Row, ports: tuple[int, ...], *, widened: bool) -> Row:
        """The row for some ports; if its callers may now do everything, or nothing, that is all that is said."""
        result = self.after
        for callers in result.values():
            for who, cells in callers.items():
                if cells and (row.callers & ~who if widened else row.callers & who):
                    return row.on(ports)
        if widened and (ports or row.denied) and self.could(row.callers, self.before):
            return row.on(ports)  # every request now, of which those on other ports, or not denied, are no news
        return Row(row.callers, 0, 0, 0, is_all=True, denied=row.denied)

    def _was_denied(self, row: Row, numbers: list[int]) -> bool:
        """Whether these callers might have made these requests of the ports before, but for a deny."""
        cells = self.space.rectangle(row.methods, row.paths, row.states)
        for number in numbers:
            ways = self.old.ports.get(number, ())
            if not any(way.deny for way in ways):
                return False
            if number not in self._undenied:
                self._undenied[number] = self.judge.decide(tuple(replace(way, deny=()) for way in ways))
            if any(mine & cells and row.callers & ~who for who, mine in self._undenied[number].items()):
                return False
        return True

    def could(self, callers: int, decisions: dict[int, Decision]) -> bool:
        """Whether some of the callers may make some request."""
        return any(who & callers for decision in decisions.values() for who in decision)


Decision_ = tuple[tuple[int, int], ...]
