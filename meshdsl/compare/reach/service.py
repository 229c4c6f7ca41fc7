"""One service: who may make which requests to it, and which rule lets each of them in.

What is let in is divided among the rules that let it in: the one that lets in the most comes first and takes all of
it, the next takes what is left, so a rule that adds nothing has no row and is named beside the one that covers it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from meshdsl.compare.access.callers import PLAIN, Callers
from meshdsl.compare.access.decide import Decision, Judge, conditions, ends_of_prefixes, patterns
from meshdsl.compare.access.model import AccessReason, Rule, ServiceAccess, Way, holds
from meshdsl.compare.access.requests import OTHER, Space
from meshdsl.compare.access.rows import Block, Row, rows
from meshdsl.compare.reach.answers import AccessRow
from meshdsl.compare.reach.who import Names
from meshdsl.plan.source import Source

OPEN: Final = AccessReason("no policy says who may call")
NO_PORT: Final = AccessReason("it declares no port")
_UNSAID: Final = AccessReason("a rule")
_USUAL: Final = re.compile(r"\*|/\*|~?/ns/[^/*]+/(?:\*|sa/[^/*]+)")
_ALL: Final = -1
"""Every caller, every request."""


@dataclass(slots=True)
class Grant:
    """What one rule lets in on one port: callers and requests, as bits; and what limits it."""

    reason: AccessReason
    parts: list[tuple[int, int]] = field(default_factory=list)
    limits: dict[AccessReason, int] = field(default_factory=dict)
    """What keeps the rule from letting in more, with the callers that this concerns."""

    @property
    def size(self) -> int:
        """How many classes of callers and requests it lets in."""
        return sum(who.bit_count() * cells.bit_count() for who, cells in self.parts)

    def meets(self, who: int, cells: int) -> bool:
        """Whether it lets in some of these callers with some of these requests."""
        return any(mine & who and theirs & cells for mine, theirs in self.parts)


class ServiceView:
    """The access of one service, decided.

    Args:
        name: of the service.
        access: its ways.
        also: further patterns of callers that are to be told apart.
    """

    def __init__(self, name: str, access: ServiceAccess, also: Iterable[str] = ()) -> None:
        self.name = name
        self.access = access
        every = [way for ways in access.ports.values() for way in ways]
        self.space = Space(conditions(every), ends_of_prefixes(every))
        self.patterns = sorted({*patterns(every), *also})
        self.callers = Callers(self.patterns)
        self._judge = Judge(self.space, self.callers)
        self.decisions = {number: self._judge.decide(ways) for number, ways in access.ports.items()}

    @property
    def some(self) -> int:
        """The callers that may make some request."""
        found = 0
        for decision in self.decisions.values():
            for who in decision:
                found |= who
        return found

    @property
    def all(self) -> int:
        """The callers that may make every request to every port; none if there is no port."""
        found = self.callers.everyone if self.decisions else 0
        for decision in self.decisions.values():
            for who in decision:
                found &= who
        return found

    @cached_property
    def is_plain_matching(self) -> bool:
        """Whether rules name accounts and whole namespaces alone, not parts of names."""
        return all(map(_USUAL.fullmatch, self.patterns))

    def bit_of(self, identity: str) -> int:
        """The class of callers that an identity is in."""
        wanted = [holds(pattern, identity) for pattern in self.patterns]
        for index, known in enumerate(self.callers.identities):
            if [holds(pattern, known) for pattern in self.patterns] == wanted:
                return 2 << index
        raise LookupError(identity)  # every identity has a class

    def grants(self, number: int) -> list[Grant]:
        """The rules that let somebody in on a port, the one that lets in the most first."""
        found: dict[AccessReason, Grant] = {}
        for way in self.access.ports[number]:
            let_in, denied = self._judge.way(way), list(self._judge.denied(way))
            for reason, who, cells in self._rules(way):
                grant = found.setdefault(reason, Grant(reason))
                grant.parts += [(mine & who, it & cells) for mine, it in let_in.items() if mine & who and it & cells]
                for rule, them, theirs in denied:
                    if them & who and theirs & cells:
                        _note(grant.limits, reason_of(rule), them & who)
                if who & PLAIN and not way.plain:
                    for one in way.plain_by:
                        _note(grant.limits, one, PLAIN)
        return sorted((grant for grant in found.values() if grant.parts), key=lambda grant: -grant.size)

    def _rules(self, way: Way) -> Iterator[tuple[AccessReason, int, int]]:
        if way.allow is None:
            for reason in way.open_by or (OPEN,):
                yield reason, self.callers.everyone, self.space.all
        for rule, who, cells in self._judge.grants(way):
            if who and cells:
                yield reason_of(rule), who, cells

    def refusals(self) -> dict[AccessReason, int]:
        """What refuses somebody something, with these callers."""
        found: dict[AccessReason, int] = {} if self.decisions else {NO_PORT: self.callers.everyone}
        for ways in self.access.ports.values():
            for way in ways:
                for rule, who, cells in self._judge.denied(way):
                    if who and cells:
                        _note(found, reason_of(rule), who)
                for reason in () if way.plain else way.plain_by:
                    _note(found, reason, PLAIN)
                for reason in way.closed_by if way.allow is not None else ():
                    _note(found, reason, self.callers.everyone & ~self.all)
        return found

    def rows(self, names: Names, of: int = _ALL) -> Iterator[AccessRow]:
        """What is let in, as few rows as are found for each rule.

        Args:
            names: of callers.
            of: the callers to speak of.
        """
        return (self._row(*one, names, of) for one in self.rectangles(of))

    def rectangles(self, of: int = _ALL) -> Iterator[tuple[Row, tuple[int, ...], Grant, list[Grant]]]:
        """The rows as sets of bits, with their ports (none for all), the rule that decides, and the other rules."""
        numbers = sorted(self.decisions)
        found: dict[tuple[object, ...], list[int]] = {}
        values: dict[tuple[object, ...], tuple[Grant, list[Grant], Decision]] = {}
        for number in numbers:
            left = {who & of: 0 for who in self.decisions[number]}
            for who, cells in self.decisions[number].items():
                left[who & of] |= cells
            grants = self.grants(number)
            for grant in grants:
                taken = _taken(left, grant)
                if taken:
                    others = [one for one in grants if one is not grant]
                    key = (grant.reason, tuple(sorted(taken.items())), *(_key(one) for one in (grant, *others)))
                    found.setdefault(key, []).append(number)
                    values.setdefault(key, (grant, others, taken))
        for key, mine in found.items():
            grant, others, taken = values[key]
            ports = () if mine == numbers else tuple(mine)
            for row in self._cut(taken):
                yield row, ports, grant, others

    def _cut(self, taken: Decision) -> list[Row]:
        """As few rectangles as are found; of as many, those that say of each caller all that it may do."""
        by_caller: dict[int, int] = {}
        for who, cells in taken.items():
            for bit in _bits(who):
                by_caller[1 << bit] = by_caller.get(1 << bit, 0) | cells
        ways = ([Block(*item) for item in found.items()] for found in (by_caller, taken))
        return min((rows(self.space, blocks) for blocks in ways), key=len)

    def _row(
        self, row: Row, ports: tuple[int, ...], grant: Grant, others: list[Grant], names: Names, of: int
    ) -> AccessRow:
        cells = self._cells(row)
        # "Everyone except" speaks of whom it leaves out, too; a list of names speaks of these alone.
        about = of & (self.callers.everyone if row.callers & self.callers.unnamed else row.callers)
        callers, excepted = names.words(self.callers, row.callers)
        chosen = [name for index, name in enumerate(self.space.methods) if row.methods >> index & 1]
        every = len(chosen) == len(self.space.methods)
        is_but = OTHER in chosen and not every
        undecided = [f"Regex({one!r})" for one in self.space.paths.undecided(row.paths)]
        undecided += [] if self.space.headers.is_exact else ["not every combination of headers was looked at"]
        return AccessRow(
            self.name,
            callers,
            excepted,
            ports,
            () if every or is_but else tuple(chosen),
            tuple(name for name in self.space.methods if name not in chosen) if is_but else (),
            self.space.paths.words(row.paths),
            tuple(text for text in self.space.headers.words(row.states) if text),
            (grant.reason, *(one.reason for one in others if one.meets(row.callers, cells))),
            tuple(reason for reason, who in grant.limits.items() if who & about),
            tuple(undecided),
        )

    def _cells(self, row: Row) -> int:
        methods = sum(1 << index * self.space.width for index in _bits(row.methods))
        return row.paths * methods * sum(1 << index * self.space.layer for index in _bits(row.states))


def reason_of(rule: Rule) -> AccessReason:
    """What a rule was read from."""
    return rule.by.reason or _UNSAID


def reason_of_source(source: Source) -> AccessReason:
    """The line of an Allow."""
    return AccessReason("Allow", origin=source.origin)


def _note(found: dict[AccessReason, int], reason: AccessReason, who: int) -> None:
    found[reason] = found.get(reason, 0) | who


def _key(grant: Grant) -> tuple[object, ...]:
    return grant.reason, tuple(sorted(grant.parts)), tuple(grant.limits)


def _taken(left: Decision, grant: Grant) -> Decision:
    """What a rule lets in of what is left, which is then no longer left."""
    taken: Decision = {}
    for who, cells in grant.parts:
        for callers, mine in list(left.items()):
            got, hit = callers & who, mine & cells
            if not (got and hit):
                continue
            rest = left[callers] & ~hit
            if rest:
                left[callers] = rest
            else:
                del left[callers]
            left[callers & ~who] = left.get(callers & ~who, 0) | hit
            taken[got] = taken.get(got, 0) | hit
    return taken


def _bits(mask: int) -> Iterator[int]:
    return (bit for bit in range(mask.bit_length()) if mask >> bit & 1)
