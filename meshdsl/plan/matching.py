"""The algebra of matches: which requests two conjunctions share, and which of them is more specific.

A request belongs to exactly one rule of a table, and that must not depend on how a mesh breaks ties. Gateway API,
Istio and Linkerd order overlapping rules differently (Linkerd ranks headers before the method, and neither exact nor
regex above a prefix of the same length), but each of them prefers a rule whose requests are a strict part of
another's. So a table that is closed under intersection means the same everywhere, and :func:`closed` makes it so.

Nothing here knows policies or meshes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from meshdsl.plan.requests import Condition, Match, Path, PathKind

LARGEST = 256
"""More matches than this in one table are refused: HTTPRoute has room for 128."""

_PATH_RANK = {PathKind.EXACT: 3, PathKind.REGEX: 2, PathKind.PREFIX: 1}
_SPECIAL = re.compile(r"[.^$*+?{}\[\]\\|()]")


class Undecidable(Exception):
    """Whether, or where, two regular expressions overlap cannot be decided."""


class TooMany(Exception):
    """The table would need more than :data:`LARGEST` matches."""


Specificity = tuple[int, int, bool, int, int]


def specificity(match: Match) -> Specificity:
    """The rank of a match: path, then method, headers, query, as Gateway API orders rules.

    Exact before regex before prefix, longer before shorter (``apis/v1/httproute_types.go``; the place of a regex is
    left to implementations there and fixed here).
    """
    path = match.path
    rank = (0, 0) if path is None else (_PATH_RANK[path.kind], 0 if path.kind is PathKind.REGEX else len(path.value))
    return (*rank, match.method is not None, len(match.headers), len(match.query))


def in_order(match: Match) -> tuple[object, ...]:
    """A sort key: what is within another match before that one, and no ties between different matches.

    Meshes count conditions and do not look at them, so an exact value is listed before a regular expression on the
    same name, and that before the mere presence of it.
    """
    rank, length, method, headers, query = specificity(match)
    path = match.path.value if match.path else ""
    conditions = [(c.name, (c.value == ".*") + c.regex, c.value) for c in (*match.headers, *match.query)]
    return (-rank, -length, not method, -headers, -query, path, match.method or "", conditions)


# ------------------------------------------------------------------------------------------------------------- paths


def under(path: str, prefix: str) -> bool:
    """Whether a path is a prefix's segment or below it."""
    return path == prefix or path.startswith(prefix + "/")


@lru_cache(maxsize=4096)
def literal_start(pattern: str) -> str:
    """The literal text that every match of a regular expression starts with; empty if that is not plain."""
    if "|" in pattern or pattern.startswith("(?"):
        return ""
    found = _SPECIAL.search(pattern)
    if found is None:
        return pattern
    # A quantifier belongs to the character before it, which is then not certain.
    return pattern[: found.start() - 1] if found[0] in "*?{" else pattern[: found.start()]


def _path_within(inner: Path | None, outer: Path | None) -> bool:
    """Whether every path of ``inner`` is one of ``outer``, as far as that can be known."""
    if outer is None or inner == outer:
        return True
    if inner is None or (inner.kind is PathKind.PREFIX and outer.kind is PathKind.EXACT):
        return False
    if outer.kind is PathKind.PREFIX:
        if inner.kind is PathKind.REGEX:
            return literal_start(inner.value).startswith(outer.value + "/")
        return under(inner.value, outer.value)
    if outer.kind is PathKind.REGEX:
        return inner.kind is PathKind.EXACT and re.fullmatch(outer.value, inner.value) is not None
    return False


def _shared_path(a: Path | None, b: Path | None) -> tuple[bool, Path | None]:
    """Whether two path conditions can hold at once, and the condition that says both."""
    if _path_within(a, b):
        return True, a
    if _path_within(b, a):
        return True, b
    assert a is not None
    assert b is not None
    if PathKind.EXACT in (a.kind, b.kind) or PathKind.REGEX not in (a.kind, b.kind):
        return False, None
    regex, other = (a, b) if a.kind is PathKind.REGEX else (b, a)
    start = literal_start(regex.value)
    far = literal_start(other.value) if other.kind is PathKind.REGEX else other.value
    length = min(len(start), len(far))
    if start[:length] != far[:length]:
        return False, None
    if other.kind is PathKind.PREFIX and len(start) > len(far) and start[len(far)] != "/":
        return False, None
    raise Undecidable(f"{a.value} and {b.value}")


# -------------------------------------------------------------------------------------------------------- conditions


def _condition_within(inner: Condition, outer: Condition) -> bool:
    if inner == outer:
        return True
    if not outer.regex:
        return False
    return outer.value == ".*" or (not inner.regex and re.fullmatch(outer.value, inner.value) is not None)


def _shared_conditions(a: Sequence[Condition], b: Sequence[Condition]) -> tuple[Condition, ...] | None:
    """The conditions that say both; None if they contradict each other."""
    together = {condition.name: condition for condition in a}
    for theirs in b:
        ours = together.setdefault(theirs.name, theirs)
        if _condition_within(ours, theirs):
            continue
        if _condition_within(theirs, ours):
            together[theirs.name] = theirs
        elif ours.regex and theirs.regex:
            raise Undecidable(f"{ours.value} and {theirs.value}")
        else:
            return None
    return tuple(sorted(together.values(), key=lambda condition: condition.name))


def _conditions_within(inner: Sequence[Condition], outer: Sequence[Condition]) -> bool:
    mine = {condition.name: condition for condition in inner}
    return all(c.name in mine and _condition_within(mine[c.name], c) for c in outer)


# ----------------------------------------------------------------------------------------------------------- matches


def within(inner: Match, outer: Match) -> bool:
    """Whether every request that ``inner`` matches is matched by ``outer``."""
    return (
        (outer.method is None or inner.method == outer.method)
        and _path_within(inner.path, outer.path)
        and _conditions_within(inner.headers, outer.headers)
        and _conditions_within(inner.query, outer.query)
    )


def intersection(a: Match, b: Match) -> Match | None:
    """The match of exactly the requests that both match; None if there are none.

    A header or query parameter is taken to occur once in a request.

    Raises:
        Undecidable: two regular expressions stand in the way.
    """
    if a.method is not None and b.method is not None and a.method != b.method:
        return None
    headers = _shared_conditions(a.headers, b.headers)
    if headers is None:
        return None
    query = _shared_conditions(a.query, b.query)
    if query is None:
        return None
    overlap, path = _shared_path(a.path, b.path)
    if not overlap:
        return None
    return Match(path, a.method or b.method, headers, query)


def closed(matches: Iterable[Match]) -> list[Match]:
    """The matches and all their intersections.

    Raises:
        Undecidable: see :func:`intersection`.
        TooMany: there are more than :data:`LARGEST`.
    """
    found = dict.fromkeys(matches)
    work = list(found)
    while work:
        one = work.pop()
        for other in list(found):
            if other is one:
                continue
            both = intersection(one, other)
            if both is not None and both not in found:
                found[both] = None
                work.append(both)
                if len(found) > LARGEST:
                    raise TooMany
    return list(found)
