"""What all formats of ``meshdsl access`` share: the document, and the words for a row, a caller, a reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from meshdsl.compare.access.model import AccessReason
from meshdsl.compare.reach.answers import AccessAnswer, AccessMatrix, AccessRow, Reach
from meshdsl.compare.reach.who import PLAIN_CALLERS
from meshdsl.report.finding import at, shown

AccessFormat = Literal["text", "json", "markdown", "html", "csv"]

SIGNS: Final = {Reach.ALL: "●", Reach.SOME: "◐", Reach.NONE: "·"}
LEGEND: Final = "● every request   ◐ some requests   · none"
MOST_REASONS: Final = 3
"""Reasons of a cell that people are shown; programs have all of them."""
WIDEST_GRID: Final = 40
"""Columns of a table that can still be read; beyond, each service has its own list."""


@dataclass(frozen=True, slots=True)
class AccessPart:
    """One answer, the clusters that have it, and what it was read from.

    Attributes:
        clusters: names.
        read: for people, such as ``"the policies"`` or ``"the manifests for Istio 1.30"``.
    """

    clusters: tuple[str, ...]
    read: str
    answer: AccessAnswer | AccessMatrix


@dataclass(frozen=True, slots=True)
class AccessDocument:
    """All that one run of the command answers; files are shown relative to ``base``."""

    parts: tuple[AccessPart, ...]
    base: str
    _places: dict[AccessReason, str] = field(default_factory=dict, compare=False, repr=False)

    def place(self, reason: AccessReason) -> str:
        """A reason for people: ``file:line Allow``, or the object and its field."""
        found = self._places.get(reason)
        if found is None:
            origin = reason.origin
            where = at(shown(origin.file, self.base), origin.line) if origin is not None else ""
            found = self._places[reason] = " ".join(filter(None, (where, reason.what, reason.field)))
        return found

    def because(self, reasons: Iterable[AccessReason], most: int = MOST_REASONS) -> str:
        """Some reasons for people."""
        words = list(dict.fromkeys(map(self.place, reasons)))
        more = len(words) - most
        return ", ".join([*words[:most], *([f"and {more} more"] if more > 0 else [])])

    def why(self, row: AccessRow, most: int = MOST_REASONS) -> str:
        """What lets a row in, what else would, and what limits it."""
        words = self.place(row.because[0])
        words += f"; also {self.because(row.because[1:], most)}" if row.because[1:] else ""
        return words + (f"; less {self.because(row.limits, most)}" if row.limits else "")


def subject(service: str) -> str:
    """A column: a service, a namespace, or what else runs in one."""
    return f"anything else in {service[:-2]}" if service.endswith("/*") else service


def callers(row: AccessRow) -> str:
    """Who a row is about."""
    words = ", ".join(row.callers)
    return f"{words} except {', '.join(row.excepted)}" if row.excepted else words


def requests(row: AccessRow) -> str:
    """Which requests a row is about."""
    methods = " or ".join(row.methods)
    if row.not_methods:
        methods = f"every method except {', '.join(row.not_methods)}"
    words = " ".join(filter(None, (methods, ", ".join(row.paths)))) or "everything"
    words += f" on port{'s' if len(row.ports) > 1 else ''} {', '.join(map(str, row.ports))}" if row.ports else ""
    words += f", {', or '.join(row.conditions)}" if row.conditions else ""
    if row.undecided:
        words += f" (cannot be decided: {', '.join(row.undecided)})"
    return words


def heading(part: AccessPart) -> str:
    """What an answer is about, and what it was read from."""
    answer = part.answer
    if isinstance(answer, AccessMatrix):
        words = f"Who can call what, by {answer.by}"
    elif answer.question == "to":
        words = f"Who can call {subject(answer.subject)}"
    else:
        words = f"What {answer.subject}{',' if ', ' in answer.subject else ''} can call"
    where = f"on {', '.join(part.clusters)}, " if part.clusters else ""
    return f"{words} ({where}{part.read})"


def not_known(answer: AccessAnswer | AccessMatrix) -> list[str]:
    """What could not be read, and what could not be decided, a sentence each."""
    return [*(f"{one.scope}: {one.reason}" for one in answer.unknown), *answer.undecided]


def refused(answer: AccessAnswer, document: AccessDocument) -> dict[str, list[str]]:
    """The services that nothing is let in to, by what refuses it."""
    reached = {row.service for row in answer.rows}
    found: dict[str, list[str]] = {}
    for service, reasons in answer.refused.items():
        if service not in reached:
            found.setdefault(document.because(reasons), []).append(subject(service))
    return found


def groups(matrix: AccessMatrix, service: str) -> Iterator[tuple[Reach, str, tuple[AccessReason, ...]]]:
    """A column in few lines: how much, who, and why.

    Callers without an identity, who are often refused for one reason more, are with everyone else where both may do
    nothing.
    """
    found = list(matrix.groups(service))
    others = found[-1][0]
    because, rest = others.because, "everyone"
    for cell, who in found[:-1]:
        if who == (PLAIN_CALLERS,) and cell.reach is others.reach is Reach.NONE:
            because = (*because, *cell.because)
        else:
            rest = "everyone else"
            yield cell.reach, ", ".join(who), cell.because
    yield others.reach, rest, because
