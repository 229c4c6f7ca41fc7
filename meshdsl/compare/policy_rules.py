"""What changes between two route tables of one port, folded back into the words of policies.

A table is expanded: routes by a canary's ``when`` by the methods that are retried. Both tables are looked at cell by
cell, where a cell is a match that occurs in one of them; in each, its requests belong to the narrowest rule that
contains it. Cells that change in the same way become one sentence about the widest of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from meshdsl.compare import policy_words as words
from meshdsl.diagnostics import Origin
from meshdsl.plan.matching import within
from meshdsl.plan.requests import Backend, Match, Retry, Rule
from meshdsl.plan.table import IDEMPOTENT
from meshdsl.values import percent_text

WHOLE: Final = (Backend(None, 1),)

_MADE_UP_NAME = re.compile(r".*-(?:retried|canary|retried-\d+|\d+)|default|", re.ASCII)
"""Names that the table gives to parts of routes; a route may bear such a name too, which is then not used."""


class Own:
    """What a mesh does by itself where no policy says anything."""

    def __repr__(self) -> str:
        return "the mesh's own"


OWN: Final = Own()


@dataclass(frozen=True, slots=True)
class Cell:
    """A match, and the rule that its requests belong to before and after; None where the port has no table."""

    match: Match
    before: Rule | None
    after: Rule | None

    @property
    def is_new(self) -> bool:
        """Whether only the later table tells these requests apart."""
        return self.before is None or self.before.match != self.match

    @property
    def is_gone(self) -> bool:
        """Whether only the earlier table tells these requests apart."""
        return self.after is None or self.after.match != self.match


@dataclass(frozen=True, slots=True)
class Change:
    """A sentence without its place.

    Attributes:
        order: of sentences about one service.
        where: which requests: empty for all of them, ``route checkout``, or a description.
        what: the aspect in words, such as ``timeout``.
        text: what follows the colon, such as ``5s → 10s``.
        origins: the policies that ask for it.
    """

    order: int
    where: str
    what: str
    text: str
    origins: tuple[Origin, ...] = ()


def cells(before: Sequence[Rule], after: Sequence[Rule]) -> list[Cell]:
    """Every match of either table, with its rules."""
    matches = dict.fromkeys([rule.match for rule in after] + [rule.match for rule in before])
    return [Cell(match, owner(match, before), owner(match, after)) for match in matches]


def owner(match: Match, rules: Sequence[Rule]) -> Rule | None:
    """The rule that the requests of a match belong to, apart from those that a narrower rule takes."""
    for rule in rules:
        if rule.match == match:
            return rule
    containing = [rule for rule in rules if within(match, rule.match)]
    narrowest = [
        r
        for r in containing
        if not any(o is not r and o.match != r.match and within(o.match, r.match) for o in containing)
    ]
    return narrowest[0] if narrowest else None


def table_changes(before: Sequence[Rule], after: Sequence[Rule], *, fresh: bool = False) -> list[Change]:
    """What changes for the requests of one port.

    Args:
        before: the rules of the port; empty if it has none.
        after: the same.
        fresh: the port was not there before, or is not there any more: what the mesh does by itself is no news.
    """
    if before == after:
        return []
    every = cells(before, after)
    found = list(_backends(every))
    found += _retries(every, fresh=fresh)
    for order, (name, what, text) in enumerate(_ASPECTS, 10):
        for (old, new), group in _grouped(every, lambda rule, name=name: getattr(rule, name, None)):  # type: ignore[misc]
            for where, members in _places(group):
                shown = arrow(text(old), text(new), "with another value")
                found.append(Change(order, where, what, shown, _origins(members, name)))
    if not found:
        found.extend(_otherwise(before, after))
    return found


def arrow(old: str, new: str, same: str) -> str:
    """``old → new``; what differs without showing in words is ``same``."""
    return f"{old} → {new}" if old != new else f"{old}, {same}"


_ASPECTS: Final[tuple[tuple[str, str, Callable[[Any], str]], ...]] = (
    ("timeout", "timeout", words.timeout_text),
    ("fault", "fault", words.fault_text),
    ("mirror", "mirror", words.mirror_text),
    ("headers", "header edits", words.headers_text),
    ("rewrite", "rewrite", words.rewrite_text),
    ("redirect", "redirect", words.redirect_text),
)

# -------------------------------------------------------------------------------------------------- groups of cells


def _grouped(every: Sequence[Cell], of: Callable[[Rule | None], Any]) -> list[tuple[tuple[Any, Any], list[Cell]]]:
    """The cells that change, together with those that change alike."""
    groups: dict[tuple[Any, Any], list[Cell]] = {}
    for cell in every:
        old, new = of(cell.before), of(cell.after)
        if old != new:
            groups.setdefault((old, new), []).append(cell)
    return list(groups.items())


def _widest(group: Sequence[Cell]) -> list[Cell]:
    return [
        cell
        for cell in group
        if not any(o is not cell and within(cell.match, o.match) and o.match != cell.match for o in group)
    ]


def _places(group: Sequence[Cell]) -> Iterator[tuple[str, list[Cell]]]:
    """The widest cells of a group, those that differ in their method alone together, and how to call them."""
    by_base: dict[Match, list[Cell]] = {}
    for cell in _widest(group):
        by_base.setdefault(_base(cell.match), []).append(cell)
    for base, members in by_base.items():
        methods = [cell.match.method for cell in members if cell.match.method is not None]
        yield place_text(base, methods, members), members


def place_text(base: Match, methods: Sequence[str], members: Sequence[Cell] = ()) -> str:
    """How to call requests: by the name of their route if that is certain, else by their conditions."""
    if base.is_any and not methods:
        return ""
    names = [rule.name for cell in members for rule in _exact(cell) if not _MADE_UP_NAME.fullmatch(rule.name)]
    if len(members) == 1 and names:
        return f"route {names[0]}"
    return words.requests_text(base, methods)


def _exact(cell: Cell) -> Iterator[Rule]:
    yield from (rule for rule in (cell.after, cell.before) if rule is not None and rule.match == cell.match)


def _origins(members: Sequence[Cell], *names: str) -> tuple[Origin, ...]:
    """Where the parts of the rules that hold afterwards come from; of those that held, if they have none of them.

    If neither tells, where the rules come from.
    """
    for rules in ([cell.after for cell in members], [cell.before for cell in members]):
        parts = [part for rule in rules for name in names if (part := getattr(rule, name, None)) is not None]
        found = {getattr(part, "source", part).origin: None for part in parts}
        found.pop(None, None)
        if found:
            return tuple(found)
    sources = [rule.source for cell in members for rule in (cell.after or cell.before,) if rule is not None]
    return tuple(dict.fromkeys(source.origin for source in sources if source.origin is not None))


# --------------------------------------------------------------------------------------------------------- backends


def _backends(every: Sequence[Cell]) -> Iterator[Change]:
    def of(rule: Rule | None) -> tuple[Backend, ...]:
        return WHOLE if rule is None or rule.redirect is not None else rule.backends

    for (old, new), group in _grouped(every, of):
        for where, members in _places(group):
            origins = _origins(members, "canary", "split")
            base = members[0].match
            conditional = bool(base.headers or base.query) and not where.startswith("route ")
            if conditional and len(new) == 1 and new[0].version and all(cell.is_new for cell in members):
                yield Change(1, "", "canary", f"{where} go to {new[0].version}", origins)
            elif conditional and len(old) == 1 and old[0].version and all(cell.is_gone for cell in members):
                yield Change(1, "", "canary", f"{where} no longer go to {old[0].version}", origins)
            else:
                what, text = shares_change(old, new)
                yield Change(0, where, what, text, origins)


def shares_change(old: tuple[Backend, ...], new: tuple[Backend, ...]) -> tuple[str, str]:
    """What to call a change of shares, and the change: ``("canary", "v2 10 % → 25 %")``."""
    before, after = words.shares(old), words.shares(new)
    versions = list(dict.fromkeys([*(b.version for b in old), *(b.version for b in new)]))
    pair = new if len(new) == 2 else old
    if len(versions) == 2 and None not in versions and len(pair) == 2:
        canary = pair[1].version
        was, now = (percent_text(s.get(canary, Decimal(0))) for s in (before, after))
        if was != now:
            return "canary", f"{canary} {was} → {now}"
    what = "canary" if len(pair) == 2 and len([v for v in versions if v is not None]) == 2 else "split"
    weights = ", ".join(f"{b.version or 'the service'} {b.weight}" for b in new)
    return what, arrow(words.backends_text(old), words.backends_text(new), f"now by the weights {weights}")


# ---------------------------------------------------------------------------------------------------------- retries


def _retries(every: Sequence[Cell], *, fresh: bool) -> Iterator[Change]:
    def of(rule: Rule | None) -> Retry | Own | None:
        if rule is None:
            return None if fresh else OWN
        return rule.retry

    groups = _grouped(every, of)
    retried_now = {_base(c.match) for (old, new), g in groups if old is OWN and new is not None for c in g}
    for (old, new), group in groups:
        by_base: dict[Match, list[Cell]] = {}
        for cell in _widest(group):
            by_base.setdefault(_base(cell.match), []).append(cell)
        for base, members in by_base.items():
            if old is OWN and new is None and base in retried_now:
                continue  # the sentence about the methods that are retried says it
            others = sum(any(_base(c.match) == base for c in g) for (was, _), g in groups if was is not OWN) > 1
            begun = isinstance(new, Retry) and not isinstance(old, Retry)
            methods = tuple(sorted(c.match.method for c in members if c.match.method is not None))
            where, named = _retried(base, methods, members, every)
            scope = _scope(base, methods, every, group, idempotent_said=others, begun=begun) if named else ""
            yield Change(2, where, "retries", f"{_retry_arrow(old, new)}{scope}", _origins(members, "retry", "never"))


def _base(match: Match) -> Match:
    return match if match.method is None else replace(match, method=None)


def _retried(base: Match, methods: tuple[str, ...], members: Sequence[Cell], every: Sequence[Cell]) -> tuple[str, bool]:
    """How to call the requests, and whether their methods are still to be named."""
    whole = [cell for cell in every if cell.match == base]
    if base.is_any or not methods:
        return place_text(base, (), members), True
    if whole:
        return place_text(base, (), whole), True
    return place_text(base, methods, members), False


def _scope(
    base: Match,
    methods: tuple[str, ...],
    every: Sequence[Cell],
    group: Sequence[Cell],
    *,
    idempotent_said: bool,
    begun: bool,
) -> str:
    """Which methods a change of retries is about, in words that follow it."""
    if methods == IDEMPOTENT:
        return " for methods that may be repeated" if idempotent_said else ""
    if methods:
        return f" for {words.listed(methods)}"
    spared = sorted(
        c.match.method for c in every if c.match.method is not None and _base(c.match) == base and c not in group
    )
    if not spared:
        return " for every method" if begun else ""
    return " for all methods but " + (
        "those that may be repeated" if tuple(spared) == IDEMPOTENT else ", ".join(spared)
    )


def _retry_arrow(old: Retry | Own | None, new: Retry | Own | None) -> str:
    if isinstance(old, Retry) and isinstance(new, Retry):
        if replace(old, attempts=new.attempts) == new:
            return f"{words.attempts_text(old)} → {words.attempts_text(new)}"
        return arrow(words.retry_text(old), words.retry_text(new), "otherwise")
    if isinstance(old, Retry):
        return f"{words.attempts_text(old)} → {_retry(new)}"
    return f"{_retry(old)} → {_retry(new)}"


def _retry(retry: Retry | Own | None) -> str:
    return repr(retry) if isinstance(retry, Own) else words.retry_text(retry)


# ------------------------------------------------------------------------------------------------------------ others


def _otherwise(before: Sequence[Rule], after: Sequence[Rule]) -> Iterator[Change]:
    """Tables that are not equal although no request is treated in another way that words could say."""
    old_names = {rule.match: rule.name for rule in before}
    renamed = False
    for rule in after:
        old = old_names.get(rule.match, rule.name)
        if old != rule.name:
            renamed = True
            yield Change(20, "", "routes", f"{old or 'one without a name'} is called {rule.name or 'nothing'} now")
    marks = [(rule.match, rule.action, rule.split is None, rule.canary is None) for rule in after]
    if not renamed and marks != [(r.match, r.action, r.split is None, r.canary is None) for r in before]:
        yield Change(20, "", "routes", "written in another way")
