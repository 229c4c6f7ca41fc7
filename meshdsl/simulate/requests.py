"""The requests that can tell two readings of the same policies apart, derived from the plan.

For each service and port the conditions of its rules cut all requests into classes; one of each combination is asked,
and around each rule, at a request that it alone decides, every value that is near one of its boundaries: the path with
a slash, a sibling, one level below, above, in upper case; each method that is named and one that is not; each header,
cookie and query parameter as asked for, absent, another; every identity that is named, an unknown one, one of another
trust domain, none; each port; by the Service's name and by a pod's address.

What happens to a request (§3 of ``docs/semantics.md``) never depends on who sends it, and who may send it never on
what is said for traffic alone; so the two are combined within themselves, and each is asked beside the points inside
the rules of the other. Where even one of them has more combinations than :data:`MOST`, pairs of conditions are combined
around each rule instead, and the result says so. Nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from typing import Any, Final

from meshdsl.plan.intent import Plan
from meshdsl.plan.requests import Condition, Match, Path
from meshdsl.plan.rights import Allow, Deny
from meshdsl.simulate import samples
from meshdsl.simulate.conditions import PathTest, value_holds, value_of
from meshdsl.simulate.plan import PlanReading, PortMeaning, RuleMeaning, ServiceMeaning
from meshdsl.simulate.words import OUTSIDE, Caller, Request
from meshdsl.values import METHODS

MOST: Final = 20_000
"""Combinations of one port that are all asked; beyond it, pairs around each rule."""
FEW: Final = 2000
"""Up to so many combinations of one port, every value near a boundary is combined with every other."""
STRANGERS: Final = 40
"""Other accounts of the plan that are asked beside each access rule."""
NOBODY: Final = Caller("elsewhere", "nobody")
"""Somebody in the mesh whom no policy names."""
UNDECLARED: Final = 1234
"""The port at which a service that declares none is asked."""
_OTHER_DOMAIN: Final = "other.example"
_NOWHERE: Final = "/nowhere"

Key = tuple[str, str]
"""What a value is of: ``("method", "")``, ``("path", "")``, ``("caller", "")``, ``("by_name", "")``, and by their names
``("header", "x-a")`` and ``("query", "debug")``."""
METHOD, PATH, CALLER, BY_NAME = ("method", ""), ("path", ""), ("caller", ""), ("by_name", "")
Test = Callable[[Any], bool]
Conjunction = Mapping[Key, Test]
"""Conditions that hold together, by what they are about."""


@dataclass(frozen=True, slots=True)
class Derived:
    """The requests of one port.

    Attributes:
        requests: without repetitions, in an order that never changes.
        partial: why not every combination is among them; empty if all are.
    """

    requests: tuple[Request, ...]
    partial: str = ""


def requests_of(plan: Plan, *, services: Iterable[str] | None = None, most: int = MOST) -> Iterator[Derived]:
    """The requests of every port of a plan.

    Args:
        plan: what the policies mean.
        services: only these, ``"namespace/name"``; all if not given.
        most: combinations of one port that are all asked.
    """
    reading = PlanReading(plan)
    accounts = [Caller(one.namespace, one.account) for one in plan.services]
    strangers = list(dict.fromkeys(accounts))[:STRANGERS]
    for name in [str(one) for one in plan.services] if services is None else services:
        service = reading.service(name)
        deriving = _Service(service, strangers)
        for number, port in service.ports.items() or ((UNDECLARED, service.bare),):
            if port is not None:
                yield deriving.requests(number, port, most)


class _Axis:
    """The values of one part of a request.

    Attributes:
        values: every one that is near a boundary; the first is what stands where nobody asks for one.
        classes: the first of each sort that the conditions tell apart.
    """

    def __init__(self, values: Iterable[Any], tests: Iterable[Test]) -> None:
        self.values = list(dict.fromkeys(values))
        self.classes = samples.classes(self.values, tests)


class _Service:
    """Derives the requests of one service's ports, which share their conditions: a rule may end up on another port."""

    def __init__(self, service: ServiceMeaning, strangers: list[Caller]) -> None:
        self._service = service
        self._strangers = strangers
        self._matches = list(dict.fromkeys(rule.intent.match for port in service.ports.values() for rule in port.rules))
        self._rules = (*service.denies, *service.allows)
        self._table = [_of_match(match) for match in self._matches]
        self._access = [_of_rule(rule) for rule in self._rules]
        traffic: list[Match | Allow | Deny] = [*self._matches]
        access: list[Match | Allow | Deny] = [rule.intent for rule in self._rules]
        self._callers = self._axis_of_callers()
        self._of_traffic = _axes(traffic, self._table, [])
        self._of_access = _axes(access, self._access, [probe.path for probe in service.intent.probes])
        self._every = _axes(traffic + access, self._table + self._access, [p.path for p in service.intent.probes])

    def _axis_of_callers(self) -> _Axis:
        """§4.5: everybody who is named, whoever is nearly called so, and those whom nobody names."""
        intent = self._service.intent
        found = [NOBODY, Caller(intent.namespace, intent.account), Caller(intent.namespace, "nobody")]
        for rule in self._rules:
            for one in rule.intent.callers.accounts:
                found += [
                    Caller(one.namespace, one.name),
                    Caller(one.namespace, one.name, _OTHER_DOMAIN),
                    Caller(one.namespace, f"{one.name}x"),
                    Caller(f"{one.namespace}x", one.name),
                ]
            for namespace in rule.intent.callers.namespaces:
                found += [
                    Caller(namespace, "nobody"),
                    Caller(f"{namespace}x", "nobody"),
                    Caller(namespace, "nobody", _OTHER_DOMAIN),
                ]
        found += [Caller("elsewhere", "nobody", _OTHER_DOMAIN), OUTSIDE]
        asked: list[Test] = [rule.is_caller for rule in self._rules]
        return _Axis(found, [*asked, lambda caller: caller.is_plain, lambda caller: bool(caller.trust_domain)])

    def requests(self, number: int, port: PortMeaning, most: int) -> Derived:
        """The requests to one port; a connection from every caller where no requests are seen."""
        name = str(self._service.intent)
        found: dict[tuple[object, ...], Request] = {}
        partial: list[str] = []
        if not port.is_http:
            for caller, by_name in product((*self._callers.values, *self._strangers), (True, False)):
                _add(found, Request(caller, name, number, by_name=by_name))
            return Derived(tuple(found.values()))
        for point in self._points(number, port, most, partial):
            _add(found, self._request(number, point))
        return Derived(tuple(found.values()), f"{name}:{number}: {'; '.join(partial)}" if partial else "")

    # --------------------------------------------------------------------------------------------------- the points

    def _points(self, number: int, port: PortMeaning, most: int, partial: list[str]) -> Iterator[dict[Key, Any]]:
        traffic, access = self._of_traffic, {**self._of_access, CALLER: self._callers, BY_NAME: _BY_NAME}
        middles = [self._middle_of_row(index, number, port) for index in range(len(self._table))]
        bases = [self._inside(conjunction) for conjunction in self._access]
        outside = [{key: axis.values[0] for key, axis in self._every.items()}]
        yield from _combined(traffic, self._table, middles, most, "what happens to a request", partial)
        yield from _combined(access, self._access, bases, most, "who may send it", partial)
        every = {**self._every, BY_NAME: _BY_NAME}
        for point in (*middles, *bases, *outside):
            yield from _around(every, point)
            # A point without a caller gets one that is let in, so that what happens to it can be seen.
            yield from ({**point, CALLER: caller} for caller in self._callers.values)
        for point in (*bases, *outside):
            yield from ({**point, CALLER: caller} for caller in self._strangers)

    def _inside(self, conjunction: Conjunction) -> dict[Key, Any]:
        """A point that an access rule speaks of, and as few others as may be."""
        every = {**self._every, CALLER: self._callers}
        return {key: _first(every[key], test) for key, test in conjunction.items()}

    def _middle_of_row(self, index: int, number: int, port: PortMeaning) -> dict[Key, Any]:
        """A point that this row of the table decides and no more specific one, if there is one."""
        conjunction = self._table[index]
        wanted = [
            [(key, value) for value in self._every[key].values if test(value)] for key, test in conjunction.items()
        ]
        first: dict[Key, Any] = {}
        for some in _some(product(*wanted), 64):
            point = dict(some)
            first = first or point
            row = port.rule_of(self._request(number, {**point, CALLER: NOBODY}))
            if row is not None and port.rules[row].intent.match == self._matches[index]:
                return point
        return first

    def _request(self, number: int, point: Mapping[Key, Any]) -> Request:
        every = self._every
        get = point.get
        headers = {name: v for (what, name), v in point.items() if what == "header" and v is not None}
        query = {name: v for (what, name), v in point.items() if what == "query" and v is not None}
        method, path = get(METHOD) or every[METHOD].values[0], get(PATH) or every[PATH].values[0]
        by_name = get(BY_NAME, True)
        caller = get(CALLER)
        request = Request(caller or NOBODY, str(self._service.intent), number, method, path, headers, query, by_name)
        return request if caller is not None else self._let_in(request)

    def _let_in(self, request: Request) -> Request:
        """The same request from the first caller of the mesh who may make it."""
        for caller in self._callers.classes:
            one = Request(
                caller, request.service, request.port, request.method, request.path, request.headers, request.query,
                request.by_name,
            )  # fmt: skip
            if not caller.is_plain and self._service.verdict(one, http=True) == "allowed":
                return one
        return request


_BY_NAME: Final = _Axis((True, False), [bool])


def _add(found: dict[tuple[object, ...], Request], one: Request) -> None:
    headers, query = tuple(sorted(one.headers.items())), tuple(sorted(one.query.items()))
    found.setdefault((one.caller, one.method, one.path, headers, query, one.by_name), one)


# -------------------------------------------------------------------------------------------------------- conditions


def _of_match(match: Match) -> dict[Key, Test]:
    """The conditions of a row of a table."""
    found: dict[Key, Test] = {}
    if match.method is not None:
        found[METHOD] = match.method.__eq__
    if match.path is not None:
        found[PATH] = PathTest(match.path).holds
    found |= {("header", one.name): _test(one) for one in match.headers}
    return found | {("query", one.name): _test(one) for one in match.query}


def _of_rule(rule: RuleMeaning) -> dict[Key, Test]:
    """The conditions of an access rule. The port is not among them: every port is asked."""
    intent = rule.intent
    found: dict[Key, Test] = {CALLER: rule.is_caller}
    if intent.methods:
        found[METHOD] = frozenset(intent.methods).__contains__
    if rule.paths:
        found[PATH] = lambda path: any(one.holds(path) for one in rule.paths)
    return found | {("header", one.name): _test(one) for one in intent.headers}


def _test(condition: Condition) -> Test:
    value = value_of(condition)
    return lambda actual: actual is not None and value_holds(value, {condition.name: actual})


def _axes(parts: list[Match | Allow | Deny], tests: list[dict[Key, Test]], more: list[str]) -> dict[Key, _Axis]:
    """The values of each part of a request that some conditions look at; method and path always."""
    methods = [m for one in parts for m in (one.methods if not isinstance(one, Match) else (one.method,)) if m]
    paths: list[Path] = [p for one in parts for p in (one.paths if not isinstance(one, Match) else (one.path,)) if p]
    unnamed = next((one for one in ("PATCH", "POST", "HEAD", *METHODS) if one not in methods), "PROPFIND")
    near = [text for path in dict.fromkeys(paths) for text in samples.paths(path)]
    path_tests: list[Test] = [PathTest(path).holds for path in dict.fromkeys(paths)]
    probes: list[Test] = [path.__eq__ for path in more]
    found = {
        METHOD: _Axis([unnamed, "GET", *methods], [method.__eq__ for method in dict.fromkeys(methods)]),
        PATH: _Axis([_NOWHERE, "/", *near, *more], [*path_tests, *probes]),
    }
    named: dict[Key, list[Condition]] = {}
    for one in parts:
        for header in one.headers:
            named.setdefault(("header", header.name), []).append(header)
        for parameter in one.query if isinstance(one, Match) else ():
            named.setdefault(("query", parameter.name), []).append(parameter)
    for key, conditions in named.items():
        values = samples.values(dict.fromkeys(conditions), cookies=key == ("header", "cookie"))
        found[key] = _Axis(values, [*(test[key] for test in tests if key in test), lambda value: value is None])
    return found


def _first(axis: _Axis, test: Test) -> Any:
    """The first value that a condition takes; what stands there otherwise if none is known."""
    return next((value for value in axis.values if test(value)), axis.values[0])


# ------------------------------------------------------------------------------------------------------ combinations


def _combined(
    axes: Mapping[Key, _Axis],
    conjunctions: list[dict[Key, Test]],
    middles: list[dict[Key, Any]],
    most: int,
    what: str,
    partial: list[str],
) -> Iterator[dict[Key, Any]]:
    """Every combination of the values, or where those are too many of the classes, or the pairs around each rule."""
    keys = list(axes)
    if prod(len(axis.values) for axis in axes.values()) <= min(FEW, most):
        for point in product(*(axis.values for axis in axes.values())):
            yield dict(zip(keys, point, strict=True))
        return
    count = prod(len(axis.classes) for axis in axes.values())
    if count <= most:
        for point in product(*(axis.classes for axis in axes.values())):
            yield dict(zip(keys, point, strict=True))
        return
    partial.append(f"{what} has {count} combinations, of which pairs around each of {len(middles)} rules are asked")
    for conjunction, middle in zip(conjunctions, middles, strict=True):
        for one, two in combinations([key for key in keys if key in conjunction], 2):
            for first, second in product(axes[one].classes, axes[two].classes):
                yield {**middle, one: first, two: second}


def _around(axes: Mapping[Key, _Axis], middle: Mapping[Key, Any]) -> Iterator[dict[Key, Any]]:
    """A point, and those that differ from it in one value."""
    yield dict(middle)
    for key, axis in axes.items():
        for value in axis.values:
            yield {**middle, key: value}


def _some(points: Iterable[Any], most: int) -> Iterator[Any]:
    for point, _ in zip(points, range(most), strict=False):
        yield point
