"""Rows as people read them: "prod/web may now also DELETE /v1/* of prod/api", "nobody may call prod/pay any more"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from meshdsl.compare.access.callers import Callers
from meshdsl.compare.access.decide import Decision
from meshdsl.compare.access.requests import OTHER, Space
from meshdsl.compare.access.rows import Row
from meshdsl.compare.policy_words import listed
from meshdsl.compare.report import AccessChange

EXCEPT: Final = "any method except "
DENIED: Final = ", which a deny refused before"


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
    if any(_all_but_plain(service, decision) for decision in service.before.values()):
        return None  # the mesh, or every caller of another port, could already
    return _short(service, f"everyone may now call {subject}", widened=True)


def _all_but_plain(service: Compared, decision: Decision) -> bool:
    """Whether everyone in the mesh may make every request."""
    return all(not service.callers.meshed & ~who for who, cells in decision.items() if cells)


def _short(service: Compared, sentence: str, *, widened: bool) -> AccessChange:
    who = service.callers.words(_who(service.after if widened else service.before))
    return AccessChange(service.name, widened, who, (), (), (), sentence)


def _who(decisions: dict[int, Decision]) -> int:
    found = 0
    for decision in decisions.values():
        for who in decision:
            found |= who
    return found


def subject_of(name: str) -> str:
    """A service, or what else runs in a namespace."""
    return f"anything else in {name[:-2]}" if name.endswith("/*") else name


def change_of(service: Compared, row: Row, *, widened: bool) -> AccessChange:
    """A row, with its sentence."""
    subject = subject_of(service.name)
    callers = service.callers.words(row.callers)
    if row.is_all:
        sentence = f"{_all(service, row, callers, widened=widened)} {subject}{DENIED if row.denied else ''}"
        return AccessChange(service.name, widened, callers, (), (), (), _of_new(service, sentence))
    methods, paths = _methods(service.space, row.methods), service.space.paths.words(row.paths)
    named = bool(methods) and not methods[0].startswith(EXCEPT)
    what = listed(methods, "or") if named else "call"
    shown = paths if widened else tuple(map(_any, paths))
    where = f"{listed(shown)} of {subject}" if paths else f"any path of {subject}" if named else subject
    nobody = not widened and callers in (("everyone",), ("everyone in the mesh",))
    sentence = f"{_who_may(service, row, callers, widened=widened)} {what} {where}"
    if nobody:
        sentence = f"nobody{callers[0].removeprefix('everyone')} may {what} {where}"
    if methods and not named:
        sentence += f" with {methods[0]}"
    if row.ports:
        sentence += f" on port{'s' if len(row.ports) > 1 else ''} {listed(tuple(map(str, row.ports)))}"
    sentence += " any more" if nobody else ""
    conditions = tuple(text for text in service.space.headers.words(row.states) if text)
    if conditions:
        sentence += f", {', or '.join(conditions)}"
    sentence += DENIED if row.denied else ""
    undecided = service.space.paths.undecided(row.paths)
    if undecided:
        sentence += f" (whether {listed(tuple(f'Regex({one!r})' for one in undecided))} overlap cannot be decided)"
    if not service.space.headers.is_exact:
        sentence += " (not every combination of headers was looked at)"
    return AccessChange(
        service.name, widened, callers, row.ports, methods, paths, _of_new(service, sentence), conditions
    )


def _any(path: str) -> str:
    """What no request may do is done on no path: "any" of them, where "every" would say that some may be left."""
    for word in ("every path", "every other path"):
        if path.startswith(word):
            return path.replace("every", "any", 1)
    return path


def _of_new(service: Compared, sentence: str) -> str:
    """A sentence about a service that was not there before, which nobody could call."""
    if not service.appears:
        return sentence
    subject = subject_of(service.name)
    said = sentence.replace(" may now also ", " may ", 1).replace(" may now ", " may ", 1)
    return f"{subject} is new: {said.replace(f' of {subject}', '', 1).replace(f' call {subject}', ' call it', 1)}"


def _all(service: Compared, row: Row, callers: tuple[str, ...], *, widened: bool) -> str:
    others = service.callers.everyone & ~row.callers
    if not widened:
        if service.callers.is_rest(row.callers) and service.could(others, service.after):
            named = tuple(one.replace("every account of", "accounts of") for one in service.callers.words(others))
            return f"nobody except {listed(named)} may now call"
        return f"{listed(callers)} may no longer call"
    if service.could(row.callers, service.before):
        return f"{listed(callers)} may now make every request to"
    return f"{listed(callers)} may now call"


def _who_may(service: Compared, row: Row, callers: tuple[str, ...], *, widened: bool) -> str:
    also = " also" if widened and not row.callers & ~_who(service.before) else ""
    others = service.callers.everyone & ~row.callers
    if widened and others and service.callers.is_rest(row.callers) and service.could(others, service.before):
        return f"everyone else may now{also}"
    return f"{listed(callers)} may {f'now{also}' if widened else 'no longer'}"


def _methods(space: Space, mask: int) -> tuple[str, ...]:
    """Methods; empty for all of them."""
    chosen = [name for index, name in enumerate(space.methods) if mask >> index & 1]
    if len(chosen) == len(space.methods):
        return ()
    if OTHER in chosen:
        rest = [name for name in space.methods if name not in chosen]
        return (f"{EXCEPT}{listed(tuple(rest))}",)
    return tuple(chosen)


class Together(NamedTuple):
    """Rows of one namespace that say the same of several services.

    Attributes:
        namespace: of the services.
        services: by name; one, if no other row says the same.
        widened: as the rows have it.
        sentence: about all of them.
    """

    namespace: str
    services: tuple[str, ...]
    widened: bool
    sentence: str


def together(changes: Iterable[AccessChange]) -> list[Together]:
    """Rows that differ in the service alone, as one: a mode of a namespace is not said again for each of its services.

    Args:
        changes: in any order; they are told in the order of the first of each group.
    """
    groups: dict[tuple[str, bool, str, str], list[AccessChange]] = {}
    for change in changes:
        subject, namespace = subject_of(change.service), change.service.partition("/")[0]
        before, found, after = change.sentence.rpartition(f" {subject}")
        # Behind a name that only begins like it, a sentence is about somebody else.
        key = (before, after) if found and after[:1] in ("", " ", ",") else (change.sentence, subject)
        groups.setdefault((namespace, change.widened, *key), []).append(change)
    return [_together(*key, found) for key, found in groups.items()]


def _together(namespace: str, widened: bool, before: str, after: str, changes: list[AccessChange]) -> Together:  # noqa: FBT001
    services = tuple(sorted({change.service for change in changes}, key=lambda name: (name.endswith("/*"), name)))
    if len(services) == 1:
        return Together(namespace, services, widened, changes[0].sentence)
    after = after.replace("which is no longer declared", "which are no longer declared")
    return Together(namespace, services, widened, f"{before} {listed(tuple(map(subject_of, services)))}{after}")
