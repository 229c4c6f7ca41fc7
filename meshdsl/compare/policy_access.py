"""What changes between the access rules of two plans, rule by rule: one sentence for a rule that was changed.

A rule has no name. Two of them are taken for one that was changed if they agree in all but the methods, the paths or
the callers, or at least in the callers, and no other rule that changed does: that is how a policy file is edited. It
knows rules alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from meshdsl.compare import policy_words as words
from meshdsl.compare.report import PolicyChange
from meshdsl.diagnostics import Origin
from meshdsl.plan.rights import Allow, Deny

R = TypeVar("R", Allow, Deny)


@dataclass(frozen=True, slots=True)
class Paired(Generic[R]):
    """The rules that differ.

    Attributes:
        changed: pairs of a rule and what became of it.
        new: that are there now.
        gone: that were there.
    """

    changed: tuple[tuple[R, R], ...]
    new: tuple[R, ...]
    gone: tuple[R, ...]


def paired(was: Sequence[R], now: Sequence[R]) -> Paired[R]:
    """Which rules differ, and which of them are one that was changed.

    Args:
        was: the rules that hold.
        now: those that would hold.
    """
    gone = [rule for rule in dict.fromkeys(was) if rule not in now]
    new = [rule for rule in dict.fromkeys(now) if rule not in was]
    changed: list[tuple[R, R]] = []
    ways: tuple[Callable[[R], object], ...] = (
        lambda rule: (rule.callers, rule.paths, rule.headers, rule.ports),
        lambda rule: (rule.callers, rule.methods, rule.headers, rule.ports),
        words.asked_text,
        lambda rule: rule.callers,
    )
    for alike in ways:
        for rule in list(new):
            mine = [other for other in new if alike(other) == alike(rule)]
            theirs = [other for other in gone if alike(other) == alike(rule)]
            if len(mine) == len(theirs) == 1:
                changed.append((theirs[0], rule))
                gone.remove(theirs[0])
                new.remove(rule)
    order = {id(rule): index for index, rule in enumerate(now)}
    changed.sort(key=lambda pair: order[id(pair[1])])
    return Paired(tuple(changed), tuple(new), tuple(gone))


def rule_changes(subject: str, was: Sequence[R], now: Sequence[R]) -> Iterator[PolicyChange]:
    """The sentences about the allows of a service, or its denies.

    Args:
        subject: the service.
        was: the rules that hold.
        now: those that would hold.
    """
    found = paired(was, now)
    for before, after in found.changed:
        what = _kind(after)
        if before.callers == after.callers:
            nobody = isinstance(after, Deny) and after.callers.anyone is not None
            text = f"{words.access_text(before)} → {words.access_text(after) if nobody else words.may_text(after)}"
        else:
            text = _other_callers(before, after)
        yield PolicyChange(subject, f"{what} of {subject}: {text}", _at(after))
    for rule in found.new:
        yield PolicyChange(subject, f"{_kind(rule)} added to {subject}: {words.access_text(rule)}", _at(rule))
    for rule in found.gone:
        yield PolicyChange(subject, f"{_kind(rule)} removed from {subject}: {words.access_text(rule)}", _at(rule))


def _other_callers(before: Allow | Deny, after: Allow | Deny) -> str:
    """Who is added and who is removed, of callers with names; else who they were and are."""
    if isinstance(after, Deny) and (before.callers.anyone is not None or after.callers.anyone is not None):
        return f"{words.access_text(before)} → {words.access_text(after)}"
    may = words.may_text(after)
    old, new = words.callers_names(before.callers), words.callers_names(after.callers)
    if before.callers.anyone is not None or after.callers.anyone is not None or set(old).isdisjoint(new):
        return f"{words.callers_text(before.callers)} → {words.callers_text(after.callers)} {may}"
    added, removed = [one for one in new if one not in old], [one for one in old if one not in new]
    if not removed:
        return f"{words.listed(tuple(added))} added to those who {may}"
    if not added:
        return f"{words.listed(tuple(removed))} removed from those who {may}"
    return f"{words.listed(tuple(added))} added to, and {words.listed(tuple(removed))} removed from those who {may}"


def _kind(rule: Allow | Deny) -> str:
    return "allow" if isinstance(rule, Allow) else "deny"


def _at(rule: Allow | Deny) -> tuple[Origin, ...]:
    return (rule.source.origin,) if rule.source.origin is not None else ()
