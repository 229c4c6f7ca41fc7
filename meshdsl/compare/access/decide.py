"""What the rules of a port decide: for each set of callers, the classes of requests that exactly they may make.

The classes of requests are cut only where the callers differ, so the work grows with the number of different sets of
callers and not with callers times requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from meshdsl.compare.access.callers import PLAIN, Callers
from meshdsl.compare.access.model import PathTest, Requests, Route, Rule, Way
from meshdsl.compare.access.requests import Space

Decision = dict[int, int]
"""Callers → the requests that they, and no others, may make. Every request is in one entry."""


def conditions(ways: Iterable[Way]) -> Iterator[Requests]:
    """Every condition on requests."""
    for rule in _rules(ways):
        yield rule.requests
    for way in ways:
        for route in way.routes or ():
            yield route.requests


def ends_of_prefixes(ways: Iterable[Way]) -> Iterator[PathTest]:
    """Paths at which a route by prefix ranks as high as one that takes the whole path."""
    for way in ways:
        lengths = {route.length for route in way.routes or ()}
        if {0, 1} <= lengths:
            yield ("exact", "/")


def patterns(ways: Iterable[Way]) -> Iterator[str]:
    """Every pattern of callers."""
    for rule in _rules(ways):
        for term in rule.who:
            yield from term.excluded
            for field in term.fields:
                yield from field


def _rules(ways: Iterable[Way]) -> Iterator[Rule]:
    for way in ways:
        yield from way.deny
        yield from way.allow or ()
        for route in way.routes or ():
            yield from route.grants


class Judge:
    """Decides in one space of requests and one universe of callers."""

    def __init__(self, space: Space, callers: Callers) -> None:
        self._space = space
        self._callers = callers

    def decide(self, ways: tuple[Way, ...]) -> Decision:
        """Who may make which requests, by any of the ways; without any, nobody."""
        found: Decision = {0: self._space.all}
        for way in ways:
            for callers, cells in self.way(way).items():
                _add(found, cells, callers)
        return found

    def way(self, way: Way) -> Decision:
        """Who may make which requests by one way."""
        space, everyone = self._space, self._callers.everyone
        found: Decision = {everyone if way.allow is None else 0: space.all}
        if way.routes is None:
            self._grant(found, way.allow or (), space.all)
        else:
            self._routes(found, way)
        for who, cells in self._together(way.deny, space.all):
            _keep(found, cells, ~who)
        return found if way.plain else _without(found, PLAIN)

    def _grant(self, found: Decision, rules: tuple[Rule, ...], within: int) -> None:
        for who, cells in self._together(rules, within):
            _add(found, cells, who)

    def _together(self, rules: tuple[Rule, ...], within: int) -> list[tuple[int, int]]:
        """Callers and requests of rules, those of the same callers together."""
        found: dict[int, int] = {}
        for rule in rules:
            who = self._callers.mask(rule.who)
            found[who] = found.get(who, 0) | (self._space.cells(rule.requests) & within)
        return [(who, cells) for who, cells in found.items() if who and cells]

    def grants(self, way: Way) -> Iterator[tuple[Rule, int, int]]:
        """Each rule of a way that lets somebody in, its callers, and the requests for which it is asked.

        What a deny of the way refuses is still in them.
        """
        within = self._space.all
        if way.routes is not None:
            within = 0
            for route, cells in self.winners(way.routes):
                within |= cells
                for rule in route.grants:
                    yield rule, self._callers.mask(rule.who), self._space.cells(rule.requests) & cells
        for rule in way.allow or ():
            yield rule, self._callers.mask(rule.who), self._space.cells(rule.requests) & within

    def denied(self, way: Way) -> Iterator[tuple[Rule, int, int]]:
        """Each rule of a way that refuses, its callers and its requests."""
        for rule in way.deny:
            yield rule, self._callers.mask(rule.who), self._space.cells(rule.requests)

    def _routes(self, found: Decision, way: Way) -> None:
        won = self.winners(way.routes or ())
        matched = 0
        for route, cells in won:
            matched |= cells
            self._grant(found, route.grants, cells)
        self._grant(found, way.allow or (), matched)
        if way.allow is None:  # what no route matches is answered with 404
            _keep(found, self._space.all & ~matched, 0)

    def winners(self, routes: tuple[Route, ...]) -> list[tuple[Route, int]]:
        """Each route with the requests of which it is the best match.

        A route that takes the whole path is longer than any prefix, but at the prefix itself: there they tie.
        """
        ends = 0
        for route in routes:
            if route.length:
                texts = [value for kind, value in route.requests.paths or (("exact", "/"),) if kind == "exact"]
                ends |= sum(self._space.paths.exact(text) for text in texts)
        cells = [self._space.cells(route.requests) for route in routes]
        found = [0] * len(routes)
        at_ends = [1 << bit for bit in range(ends.bit_length()) if ends >> bit & 1]
        for scope, length in [(self._space.paths.all & ~ends, None), *((end, self._length(end)) for end in at_ends)]:
            left = self._space.at(scope)
            for index in sorted(range(len(routes)), key=lambda i: _rank(routes[i], length), reverse=True):
                mine = cells[index] & left
                found[index] |= mine
                left ^= mine
        return [(route, mine) for route, mine in zip(routes, found, strict=True) if mine]

    def _length(self, end: int) -> int:
        return len(self._space.paths.atoms[end.bit_length() - 1][0])


def _rank(route: Route, whole: int | None) -> tuple[int, int, int, int]:
    length = route.length or (1 << 20 if whole is None else whole)
    headers, query, method = route.rest
    return length, headers, query, int(method)


def _add(found: Decision, cells: int, who: int) -> None:
    _cut(found, cells, lambda callers: callers | who)


def _keep(found: Decision, cells: int, who: int) -> None:
    _cut(found, cells, lambda callers: callers & who)


def _without(found: Decision, who: int) -> Decision:
    _cut(found, -1, lambda callers: callers & ~who)
    return found


def _cut(found: Decision, cells: int, change: Callable[[int], int]) -> None:
    for callers, mine in list(found.items()):
        hit = mine & cells
        changed = change(callers) if hit else callers
        if changed == callers:
            continue
        rest = found[callers] ^ hit
        if rest:
            found[callers] = rest
        else:
            del found[callers]
        found[changed] = found.get(changed, 0) | hit
