"""Requests as bits: classes of method, path and headers, numbered so that a conjunction is a product of numbers.

A class is ``(headers * methods + method) * paths + path``. A set of paths is a number of ``paths`` bits; the methods
and headers spread it: the sets of bits do not overlap, so a product of numbers is a product of sets.

A header is absent, or has one of the exact values that are named, or another one that some of the regular expressions
match. What is not interpreted has a name, and holds or does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product
from math import prod
from typing import Final

from meshdsl.compare.access.model import ANY, PRESENT, PathTest, Requests, Where
from meshdsl.compare.access.paths import Paths, matches
from meshdsl.compare.policy_words import HIDDEN, is_secret

OTHER: Final = "*"
"""Every method that is not named."""
_MOST_STATES: Final = 256
"""Combinations of headers that are tried; of more, headers are looked at one at a time."""

_State = tuple[str, str, frozenset[str]]
"""``absent``, ``exact`` or ``other``; the value; the regular expressions that match another value."""
_Box = tuple[frozenset[_State], ...]
"""States of each header; they hold together."""
_ABSENT: Final[_State] = ("absent", "", frozenset())


class Space:
    """The classes of the requests that some conditions tell apart."""

    def __init__(self, conditions: Iterable[Requests], extra: Iterable[PathTest] = ()) -> None:
        paths: set[PathTest] = set(extra)
        methods: set[str] = set()
        tests: dict[Where, None] = {}
        for one in conditions:
            if one is ANY:
                continue
            paths |= (one.paths or frozenset()) | one.not_paths
            methods |= (one.methods or frozenset()) | one.not_methods
            tests.update(dict.fromkeys(one.tests))
        self.paths = Paths(paths)
        self.methods = (*sorted(methods), OTHER)
        self.headers = Headers(tests)
        self.width = len(self.paths.atoms)
        self.layer = self.width * len(self.methods)
        self._method = {name: 1 << index * self.width for index, name in enumerate(self.methods)}
        self._every_method = sum(self._method.values())
        self._every_state = sum(1 << index * self.layer for index in range(len(self.headers.states)))
        self.all = (1 << self.layer * len(self.headers.states)) - 1
        self.tests = {test: self.headers.mask(test) for test in tests}

    def cells(self, one: Requests) -> int:
        """The classes that a condition covers."""
        if one is ANY:
            return self.all
        paths = self.paths.all if one.paths is None else self.paths.mask(one.paths)
        if one.not_paths:
            paths &= ~self.paths.mask(one.not_paths)
        methods = self._every_method if one.methods is None else sum(self._method[name] for name in one.methods)
        for name in one.not_methods:
            methods &= ~self._method[name]
        return paths * methods * self._states(one.tests)

    def _states(self, tests: tuple[Where, ...]) -> int:
        if not tests:
            return self._every_state
        mask = (1 << len(self.headers.states)) - 1
        for test in tests:
            mask &= self.tests[test]
        return sum(1 << index * self.layer for index in range(len(self.headers.states)) if mask >> index & 1)

    def at(self, path: int) -> int:
        """The classes of a set of paths."""
        return path * self._every_method * self._every_state

    def probe(self, path: str) -> int:
        """The classes of a GET of an exact path."""
        return self.paths.exact(path) * self._method.get("GET", 0) * self._every_state

    def rectangle(self, methods: int, paths: int, states: int) -> int:
        """The classes of a set of methods, of paths, and of combinations of headers, each as bits."""
        places = (method * self.width + state * self.layer for method in _bits(methods) for state in _bits(states))
        return sum(paths << place for place in places)

    def table(self, cells: int) -> list[list[int]]:
        """For each combination of headers, for each method, the set of paths."""
        whole = self.paths.all
        return [
            [cells >> state * self.layer + method * self.width & whole for method in range(len(self.methods))]
            for state in range(len(self.headers.states))
        ]


class Headers:
    """The combinations of headers that some conditions tell apart."""

    def __init__(self, tests: Iterable[Where]) -> None:
        values: dict[str, set[tuple[str, str]]] = {}
        for test in tests:
            values.setdefault(test.name, set()).update(test.values)
        self.names = sorted(values)
        axes = [_states(values[name]) for name in self.names]
        self.is_exact = prod(map(len, axes)) <= _MOST_STATES
        if self.is_exact:
            self.states = list(product(*axes))
        else:  # one header at a time, the others absent
            alone = {tuple(_ABSENT for _ in axes): None}
            for place, axis in enumerate(axes):
                alone |= {tuple(state if i == place else _ABSENT for i in range(len(axes))): None for state in axis}
            self.states = list(alone)
        self.axes = axes

    def mask(self, test: Where) -> int:
        """The combinations in which a condition holds."""
        place = self.names.index(test.name)
        holding = {state: _holds(test, state) for state in self.axes[place]}
        return sum(1 << index for index, states in enumerate(self.states) if holding[states[place]])

    def words(self, mask: int) -> list[str]:
        """A set of combinations for people, as few alternatives as found; one empty text for every combination."""
        states = [states for index, states in enumerate(self.states) if mask >> index & 1]
        if len(states) == len(self.states):
            return [""]
        boxes = self._boxes(states)
        rest = self._boxes([one for one in self.states if one not in states]) if self.is_exact else []
        if len(rest) == 1 and len(boxes) > 1:
            return [f"unless {self._conjunction(rest[0])}"]
        return [self._conjunction(box) for box in boxes]

    def _boxes(self, states: list[tuple[_State, ...]]) -> list[_Box]:
        """The combinations as products of states of each header, few of them: what differs in one header is joined."""
        boxes: list[_Box] = [tuple(frozenset({state}) for state in one) for one in states]
        for place in range(len(self.names)):
            joined: dict[_Box, frozenset[_State]] = {}
            for box in boxes:
                rest = (*box[:place], *box[place + 1 :])
                joined[rest] = joined.get(rest, frozenset()) | box[place]
            boxes = [(*rest[:place], mine, *rest[place:]) for rest, mine in joined.items()]
        return boxes

    def _conjunction(self, box: _Box) -> str:
        words = [
            _words(name, [state for state in axis if state in mine], axis)
            for name, mine, axis in zip(self.names, box, self.axes, strict=True)
            if len(mine) < len(axis)
        ]
        return " and ".join(words)


def _bits(mask: int) -> list[int]:
    return [index for index in range(mask.bit_length()) if mask >> index & 1]


def _states(values: set[tuple[str, str]]) -> list[_State]:
    exact = sorted(value for kind, value in values if kind == "exact")
    regexes = sorted(value for kind, value in values if kind == "regex")
    most = len(regexes) if len(regexes) <= 3 else 1
    others: list[_State] = [
        ("other", "", frozenset(some)) for size in range(most + 1) for some in combinations(regexes, size)
    ]
    return [_ABSENT, *(("exact", value, frozenset[str]()) for value in exact), *others]


def _holds(test: Where, state: _State) -> bool:
    kind, value, regexes = state
    found = kind != "absent" and any(
        one == PRESENT
        or (kind == "exact" and (one == ("exact", value) or (one[0] == "regex" and matches(one[1], value))))
        or (kind == "other" and one[0] == "regex" and one[1] in regexes)
        for one in test.values
    )
    return found is not test.negated


def _words(name: str, chosen: list[_State], axis: list[_State]) -> str:
    rest = [state for state in axis if state not in chosen]
    if " " in name:
        return name if chosen != [_ABSENT] else f"not {name}"
    if chosen == [_ABSENT]:
        return f"without {name}"
    if rest == [_ABSENT]:
        return f"with {name}"
    if name == "cookie" or is_secret(name):
        return f"with {name}: {HIDDEN}" if _ABSENT not in chosen else f"unless {name}: {HIDDEN}"
    if all(kind == "exact" for kind, _, _ in chosen):
        return f"with {name}: {' or '.join(value for _, value, _ in chosen)}"
    if all(kind == "exact" for kind, _, _ in rest):
        return f"unless {name}: {' or '.join(value for _, value, _ in rest)}"
    return f"with {name}: {' or '.join(_value(state) for state in chosen)}"


def _value(state: _State) -> str:
    kind, value, regexes = state
    if kind == "absent":
        return "(absent)"
    if kind == "exact":
        return value
    return " and ".join(f"Regex({one!r})" for one in sorted(regexes)) if regexes else "(another value)"
