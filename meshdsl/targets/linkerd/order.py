"""Which of two matches Linkerd prefers, and where that depends on the age of objects.

The proxy compares the *length* of what a path condition matched, then the number of headers, then of query
parameters, then whether a method is named (``linkerd2-proxy: linkerd/http/route/src/http/match.rs``; measured). It
ranks neither exact nor regex above prefix: a regex counts as the whole path, and on the path ``/a`` the exact ``/a``
and the prefix ``/a`` tie; nor an exact header above a regex. Within one route object the first rule wins a tie;
between two objects the older object does, which no manifest can say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from meshdsl.plan.intent import Port
from meshdsl.plan.matching import Undecidable, intersection, within
from meshdsl.plan.requests import Match, Path, PathKind, Rule


def preferences(a: Match, b: Match) -> frozenset[int]:
    """Who wins the requests that both match: 1 for ``a``, -1 for ``b``, 0 for a tie.

    Several, if that depends on the path of the request.
    """
    rest = _sign(_rank(a), _rank(b))
    return frozenset(by_path or rest for by_path in _by_path(a.path, b.path))


def _by_path(a: Path | None, b: Path | None) -> Iterator[int]:
    a_is_regex = a is not None and a.kind is PathKind.REGEX
    b_is_regex = b is not None and b.kind is PathKind.REGEX
    if a_is_regex and b_is_regex:
        yield 0
    elif a_is_regex or b_is_regex:
        regex, other, winner = (a, b, 1) if a_is_regex else (b, a, -1)
        assert regex is not None
        exact = other is not None and other.kind is PathKind.EXACT
        if not exact:
            yield winner
        # A regex that matches the very text of the other condition is as long as it.
        if exact or re.fullmatch(regex.value, text(other)) is not None:
            yield 0
    else:
        yield _sign((len(text(a)),), (len(text(b)),))


def _rank(match: Match) -> tuple[int, int, int]:
    return (len(match.headers), len(match.query), int(match.method is not None))


def _sign(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    return (a > b) - (a < b)


def text(path: Path | None) -> str:
    """The path of a condition; no condition is written as the prefix ``/``."""
    return "/" if path is None else path.value


def misordered(port: Port, classes: Sequence[tuple[Rule, ...]]) -> Iterator[tuple[Rule, Rule, bool]]:
    """Pairs of rules of a table of which Linkerd would not, or not certainly, prefer the first.

    Args:
        port: whose table it is.
        classes: the route objects that its rules are written to.

    Yields:
        The rule that should win, the one that might, and whether only the age of their objects decides.
    """
    rules = port.rules
    has_regex = any(rule.match.path is not None and rule.match.path.kind is PathKind.REGEX for rule in rules)
    if not has_regex and len(classes) == 1:
        # The table is closed under intersection: its first match is part of all others, and so never loses.
        return
    home = {rule.name: index for index, group in enumerate(classes) for rule in group}
    measured = [(text(rule.match.path), _rank(rule.match)) for rule in rules]
    actions = [rule.action for rule in rules]
    for index, first in enumerate(rules):
        path, rank = measured[index]
        for offset, second in enumerate(rules[index + 1 :], index + 1):
            # Without regular expressions, the length of equal paths and then the rank say that the first wins.
            if not has_regex and (path != measured[offset][0] or rank > measured[offset][1]):
                continue
            if actions[index] == actions[offset]:
                continue
            wins = preferences(first.match, second.match)
            by_age = 0 in wins and home[first.name] != home[second.name]
            if (-1 in wins or by_age) and _reachable(first.match, second.match, rules[:index]):
                yield first, second, -1 not in wins


def _reachable(a: Match, b: Match, earlier: tuple[Rule, ...]) -> bool:
    """Whether some request matches both, and none of the earlier rules."""
    try:
        both = intersection(a, b)
    except Undecidable:
        return not any(within(a, rule.match) or within(b, rule.match) for rule in earlier)
    return both is not None and not any(within(both, rule.match) for rule in earlier)
