"""A list of rules of which the first that matches wins, as a table in which the narrowest rule wins.

Istio takes the routes of a VirtualService in the order in which they are written; the plan orders them so that what is
narrower comes first, and leaves no order to chance. Read back as it stands, a route that another one hides would seem
to be in force. So every match, and what two of them share, gets what the first route that contains it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from meshdsl.compare.readback.texts import Unreadable
from meshdsl.plan.matching import TooMany, Undecidable, closed, in_order, within
from meshdsl.plan.requests import Match, PathKind, Rule

_ORDER = "the order of the routes"


def by_first_match(rules: Sequence[Rule]) -> list[Rule]:
    """The table that means the same; the same rules, if their order is that of a plan already.

    Args:
        rules: in the order in which they are tried.

    Raises:
        Unreadable: whether two of them overlap cannot be decided, or there are too many overlaps.
    """
    if len(rules) < 2:
        return list(rules)
    written = dict.fromkeys(rule.match for rule in rules)
    try:
        matches = closed(written)
    except (Undecidable, TooMany):
        raise Unreadable(_ORDER) from None
    found: dict[Match, Rule] = {}
    for match in sorted(matches, key=in_order):
        first = next(rule for rule in rules if within(match, rule.match))
        if match in written or _is_told_apart(match, first, rules):
            found[match] = _moved(first, match)
    return list(found.values())


def _is_told_apart(match: Match, first: Rule, rules: Sequence[Rule]) -> bool:
    """Whether what some rules share goes another way than a reader of the narrowest of them would think."""
    containing = [rule for rule in rules if within(match, rule.match)]
    narrowest = [
        one for one in containing if not any(o.match != one.match and within(o.match, one.match) for o in containing)
    ]
    return any(one.action != first.action for one in narrowest)


def _moved(rule: Rule, match: Match) -> Rule:
    """A rule for some of its requests; what a rewrite leaves of a path depends on the prefix that was matched."""
    if match == rule.match:
        return rule
    path, rewrite = rule.match.path, rule.rewrite
    is_prefix = path is None or path.kind is PathKind.PREFIX
    if match.path != path and is_prefix and rewrite is not None and rewrite.path is not None:
        raise Unreadable(_ORDER)
    return replace(rule, match=match, name="")
