"""Rows as people read them: "prod/web may now also DELETE /v1/* of prod/api", "nobody may call prod/pay any more"."""

from __future__ import annotations

from typing import Protocol

from meshdsl.compare.access.callers import Callers
from meshdsl.compare.access.decide import Decision
from meshdsl.compare.access.requests import OTHER, Space
from meshdsl.compare.access.rows import Row
from meshdsl.compare.report import AccessChange


class Compared(Protocol):
    """A service of which both sides are decided."""

    name: str
    space: Space
    callers: Callers
    before: dict[int, Decision]
    after: dict[int, Decision]
    appears: bool
    disappears: bool

    def could(self, callers: int, decisions: dict[int, Decision]) -> bool:
        """Whether some of the callers may make some request."""


def whole(service: Compared) -> AccessChange | None:
    """What is said shortly: nobody may call it any more, everyone may now, it is new, it is gone."""
    subject = subject_of(service.name)
    everyone = service.callers.everyone
    if service.disappears:
        return _short(service, f"{subject} is gone: nobody may call it", widened=False)
    if not service.could(everyone, service.after):
        return _short(service, f"nobody may call {subject} any more", widened=False)
    if any(decision.keys() != {everyone} for decision in service.after.values()):
        return None
    if service.appears:
        return _short(service, f"{subject} is new: everyone may call it", widened=True)
    return _short(service, f"everyone may now call {subject}", widened=True)


def _short(service: Compared, sentence: str, *, widened: bool) -> AccessChange:
    who = _who(service, service.after if widened else service.before)
    return AccessChange(service.name, widened, who, (), (), (), sentence)


def _who(service: Compared, decisions: dict[int, Decision]) -> tuple[str, ...]:
    found = 0
    for decision in decisions.values():
        for who in decision:
            found |= who
    return service.callers.words(found)


def subject_of(name: str) -> str:
    """A service, or what else runs in a namespace."""
    return f"everything else in {name[:-2]}" if name.endswith("/*") else name


def change_of(service: Compared, row: Row, *, widened: bool) -> AccessChange:
    """A row, with its sentence."""
    subject = subject_of(service.name)
    callers = service.callers.words(row.callers)
    who = _listed(callers)
    if row.is_all:
        verb = "may now call" if widened else "may no longer call"
        how = ", with any request" if widened and service.could(row.callers, service.before) else ""
        return AccessChange(service.name, widened, callers, (), (), (), f"{who} {verb} {subject}{how}")
    methods, paths = _methods(service.space, row.methods), service.space.paths.words(row.paths)
    states = [text for text in service.space.headers.words(row.states) if text]
    also = " also" if service.could(row.callers, service.before) else ""
    verb = f"may now{also}" if widened else "may no longer"
    what = _listed(methods, "or") or "call"
    where = f"{_listed(paths)} of {subject}" if paths else subject if not methods else f"any path of {subject}"
    ports = f" on port{'s' if len(row.ports) > 1 else ''} {_listed(tuple(map(str, row.ports)))}" if row.ports else ""
    when = f", {' or '.join(f'{text}' for text in states)}" if states else ""
    return AccessChange(
        service.name, widened, callers, row.ports, methods, paths, f"{who} {verb} {what} {where}{ports}{when}"
    )


def _methods(space: Space, mask: int) -> tuple[str, ...]:
    """Methods; empty for all of them."""
    chosen = [name for index, name in enumerate(space.methods) if mask >> index & 1]
    if len(chosen) == len(space.methods):
        return ()
    if OTHER in chosen:
        rest = [name for name in space.methods if name not in chosen]
        return (f"every method except {', '.join(rest)}",)
    return tuple(chosen)


def _listed(words: tuple[str, ...], last: str = "and") -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
