"""The route table of one port: which rule applies to a request.

Every route that a policy is attached to, and the rest of the service, is a *region*. A region's policies say what
happens to its requests; within a region, a canary's ``when`` and the methods that are retried split it further. The
table has a rule for each part and, where parts overlap, for their intersection, so that exactly one rule is the most
specific for any request (:mod:`meshdsl.plan.matching`). The last rule matches everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from meshdsl.model.base import Policy
from meshdsl.model.match import AllOf, AnyOf, Cookie, Header, Query, Regex
from meshdsl.plan.matching import Specificity, Undecidable, closed, in_order, intersection, specificity, within
from meshdsl.plan.requests import (
    Backend,
    Condition,
    Fault,
    Headers,
    Match,
    Mirror,
    Path,
    PathKind,
    Redirect,
    Retry,
    Rewrite,
    Rule,
    Timeout,
)
from meshdsl.plan.source import Source

IDEMPOTENT = ("DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE")
"""Methods that may be repeated (RFC 9110, 9.2.2). A Retry applies to these unless it names others."""

MOST_CONDITIONS = 16
"""The most alternatives that a Canary's ``when`` may come to."""

Conjunction = tuple[tuple[Condition, ...], tuple[Condition, ...]]
"""Header and query conditions that hold together."""


class Contradiction(Exception):
    """Conditions that can never hold together; the message says which."""


class Ambiguous(Exception):
    """Two rules overlap, do different things, and neither is more specific."""

    def __init__(self, a: Part, b: Part) -> None:
        super().__init__()
        self.parts = (a, b)


def path_of(value: str | Regex) -> Path | None:
    """A path as it is written in a policy. ``"/*"`` is every path, and so no condition."""
    if isinstance(value, Regex):
        return Path(PathKind.REGEX, value.pattern)
    if value == "/*":
        return None
    if value.endswith("/*"):
        return Path(PathKind.PREFIX, value[:-2])
    return Path(PathKind.EXACT, value)


def header_condition(header: Header) -> Condition:
    """A header condition; one without a value is fulfilled by any."""
    if header.value is None:
        return Condition(header.name, ".*", regex=True)
    return _condition(header.name, header.value)


def query_condition(query: Query) -> Condition:
    """A query condition."""
    return _condition(query.name, query.value)


def _condition(name: str, value: str | Regex) -> Condition:
    return Condition(name, value.pattern, regex=True) if isinstance(value, Regex) else Condition(name, value)


def _cookie_condition(cookie: Cookie) -> Condition:
    pair = "".join(f"\\{c}" if c in ".*+?^$|{}()[]\\" else c for c in f"{cookie.name}={cookie.value}")
    return Condition("cookie", f"(?:.*;[ ]*)?{pair}(?:[ ]*;.*)?", regex=True)


def conjunctions(when: Any) -> Iterator[Conjunction]:
    """A ``when`` as alternatives of conjunctions (its disjunctive normal form)."""
    if isinstance(when, AnyOf):
        for part in when.conditions:
            yield from conjunctions(part)
    elif isinstance(when, AllOf):
        combined: list[Conjunction] = [((), ())]
        for part in when.conditions:
            alternatives = list(conjunctions(part))
            combined = [(h + more_h, q + more_q) for h, q in combined for more_h, more_q in alternatives]
            if len(combined) > MOST_CONDITIONS:
                raise Contradiction(f"it comes to more than {MOST_CONDITIONS} alternatives")
        yield from combined
    elif isinstance(when, Header):
        yield ((header_condition(when),), ())
    elif isinstance(when, Cookie):
        yield ((_cookie_condition(when),), ())
    else:
        yield ((), (query_condition(when),))


def sorted_conditions(conditions: tuple[Condition, ...], what: str) -> tuple[Condition, ...]:
    """Conditions by name. Two on one name cannot be written for a mesh, and are refused.

    Raises:
        Contradiction: a name occurs twice with different values.
    """
    unique = tuple(dict.fromkeys(conditions))
    names = [condition.name for condition in unique]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise Contradiction(f"{what} {name!r} has two conditions at once; one regular expression can say both")
    return tuple(sorted(unique, key=lambda condition: condition.name))


def meeting(base: Match, headers: tuple[Condition, ...], query: tuple[Condition, ...]) -> Match | None:
    """The requests of a match that meet conditions as well; None if none can.

    Raises:
        Contradiction: two of the conditions are on one name.
        Undecidable: two regular expressions stand in the way.
    """
    condition = Match(headers=sorted_conditions(headers, "header"), query=sorted_conditions(query, "query parameter"))
    return intersection(base, condition)


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a service's requests, and what its policies make of it.

    Attributes:
        name: of the route, or ``default``.
        matches: it is the union of these.
        split: backends of the requests without ``when``.
        canary: the version that ``when`` sends to, and its conjunctions.
        retry: what is retried; None for nothing.
        never: the Retry that says that nothing is.
        methods: that are retried; None for all.
        policies: those that made it, the nearest first; for messages.
    """

    name: str
    matches: tuple[Match, ...]
    backends: tuple[Backend, ...]
    split: Source | None
    when: tuple[Conjunction, ...]
    canary: str | None
    canary_source: Source | None
    timeout: Timeout | None
    retry: Retry | None
    never: Source | None
    methods: tuple[str, ...] | None
    fault: Fault | None
    mirror: Mirror | None
    headers: Headers | None
    rewrite: Rewrite | None
    redirect: Redirect | None
    source: Source
    policies: tuple[Policy, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A rule before the table is closed: its rank says which of two overlapping parts owns what they share.

    A part of a route goes before any of the rest of the service, even if both match every request of the port.
    """

    rule: Rule
    rank: tuple[bool, Specificity, int]
    region: Region


def table(regions: list[Region]) -> tuple[Rule, ...]:
    """The rules of a port, from the most specific to the one that matches everything.

    Args:
        regions: the last one matches everything.

    Raises:
        Ambiguous: see there.
        Undecidable: two regular expressions may overlap, and where cannot be told.
        TooMany: there would be too many rules.
        Contradiction: a ``when`` contradicts the route it is in.
    """
    parts = [part for region in regions for part in _parts(region, is_route=region is not regions[-1])]
    # The parts of one region are closed under intersection by construction.
    rules = [part.rule for part in parts] if len(regions) == 1 else _disjoint(parts)
    return tuple(_named(sorted(rules, key=lambda rule: in_order(rule.match))))


def _parts(region: Region, *, is_route: bool) -> Iterator[Part]:
    for base in region.matches:
        rank = specificity(base)
        for level, match, to_canary in _conditional(region, base):
            name = f"{region.name}-canary" if to_canary else region.name
            for inner, suffix, narrowed, retry in _by_method(region, match):
                rule = _rule(region, name + suffix, narrowed, retry, canary=to_canary)
                yield Part(rule, (is_route, rank, 2 * level + inner), region)


def _conditional(region: Region, base: Match) -> Iterator[tuple[int, Match, bool]]:
    """The match of a region, and before it its intersections with a canary's ``when``."""
    seen = set()
    for headers, query in region.when:
        alternative = meeting(base, headers, query)
        if alternative is not None and alternative not in seen:
            seen.add(alternative)
            yield 1, alternative, True
    if base not in seen:
        yield 0, base, False


def _by_method(region: Region, match: Match) -> Iterator[tuple[int, str, Match, Retry | None]]:
    """A match with its retry; where only some methods are retried, a match for each of them before the rest."""
    if region.retry is None or region.methods is None:
        yield 0, "", match, region.retry
    elif match.method is not None:
        yield 0, "", match, region.retry if match.method in region.methods else None
    else:
        for number, method in enumerate(region.methods, 1):
            suffix = "-retried" if number == 1 else f"-retried-{number}"
            yield 1, suffix, Match(match.path, method, match.headers, match.query), region.retry
        yield 0, "", match, None


def _rule(region: Region, name: str, match: Match, retry: Retry | None, *, canary: bool) -> Rule:
    return Rule(
        name=name,
        match=match,
        backends=(Backend(region.canary, 1),) if canary else region.backends,
        timeout=region.timeout,
        retry=retry,
        fault=region.fault,
        mirror=region.mirror,
        headers=region.headers,
        rewrite=region.rewrite,
        redirect=region.redirect,
        split=None if canary else region.split,
        canary=region.canary_source if canary else None,
        never=region.never if retry is None else None,
        source=region.source,
    )


def _disjoint(parts: list[Part]) -> list[Rule]:
    """One rule for each part and each intersection, owned by the part of the highest rank; without idle ones."""
    matches = closed(part.rule.match for part in parts)
    decided: list[Rule] = []
    # From the widest to the narrowest: a rule is idle if the narrowest of the wider rules all do the same.
    for match in sorted(matches, key=in_order, reverse=True):
        owner = _owner([part for part in parts if within(match, part.rule.match)])
        rule = replace(owner.rule, match=match, rewrite=_moved(owner.rule.rewrite, owner.rule.match, match))
        wider = [other for other in decided if within(match, other.match)]
        narrowest = [w for w in wider if not any(o is not w and within(o.match, w.match) for o in wider)]
        if not narrowest or any(_does(other) != _does(rule) for other in narrowest):
            decided.append(rule)
    return decided


def _owner(containing: list[Part]) -> Part:
    """The part that decides: that of the most specific region, and of its parts the narrowest.

    Regions that are equally specific must agree: a canary's ``when`` or a retried method of the one is no reason to
    overrule the other.
    """
    highest = max(part.rank[:2] for part in containing)
    of_region: dict[str, Part] = {}
    for part in containing:
        known = of_region.get(part.region.name)
        if part.rank[:2] == highest and (known is None or part.rank > known.rank):
            of_region[part.region.name] = part
    # Among equals the first by name, so that the order of definitions does not show.
    first, *others = sorted(of_region.values(), key=lambda part: part.rule.name)
    for other in others:
        if _does(other.rule) != _does(first.rule):
            raise Ambiguous(first, other)
    return first


def _does(rule: Rule) -> tuple[object, ...]:
    """What a rule does; a rewritten path depends on the path that was matched."""
    rewritten = rule.rewrite is not None and rule.rewrite.path is not None
    return (*rule.action, rule.match.path if rewritten else None)


def _moved(rewrite: Rewrite | None, whole: Match, part: Match) -> Rewrite | None:
    """A rewrite of the part's paths that does what the whole's rewrite does to them."""
    if rewrite is None or rewrite.path is None or whole.path == part.path:
        return rewrite
    assert part.path is not None
    if part.path.kind is PathKind.REGEX:
        raise Undecidable(f"{part.path.value} and the rewritten {whole.path.value if whole.path else '/'}")
    matched = whole.path.value if whole.path else ""
    return replace(rewrite, path=rewrite.path.rstrip("/") + part.path.value[len(matched) :] or "/")


def _named(rules: list[Rule]) -> Iterator[Rule]:
    """Rules with names that are unique in the table."""
    taken: set[str] = set()
    for rule in rules:
        name, count = rule.name, 1
        while name in taken:
            count += 1
            name = f"{rule.name}-{count}"
        taken.add(name)
        yield rule if name == rule.name else replace(rule, name=name)
