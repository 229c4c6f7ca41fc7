"""Who may call what, for people at a terminal. What comes from files and clusters is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meshdsl.compare.reach.answers import AccessAnswer, AccessMatrix, AccessRow
from meshdsl.report.access_words import (
    LEGEND,
    SIGNS,
    WIDEST_GRID,
    AccessDocument,
    AccessPart,
    callers,
    groups,
    heading,
    not_known,
    refused,
    requests,
    subject,
)
from meshdsl.report.escape import one_line

_WIDEST = 64
"""Characters of a column; what is longer pushes the rest of its line to the right."""


def text(document: AccessDocument) -> str:
    """All answers, a blank line between them."""
    return "\n".join("".join(f"{one_line(line)}\n" for line in _part(part, document)) for part in document.parts)


def _part(part: AccessPart, document: AccessDocument) -> Iterator[str]:
    answer = part.answer
    yield f"{heading(part)}:"
    if not answer.unknown:
        yield from _matrix(answer, document) if isinstance(answer, AccessMatrix) else _rows(answer, document)
    for title, lines in (("Not known", not_known(answer)), ("Note", list(answer.remarks))):
        if lines:
            yield f"{title}:"
            yield from (f"  {line}" for line in lines)


def _rows(answer: AccessAnswer, document: AccessDocument) -> Iterator[str]:
    asked_to = answer.question == "to"
    table = [
        ("  " + (callers(row) if asked_to else _called(row, answer.subject)), requests(row), document.why(row))
        for row in answer.rows
    ]
    if asked_to:
        others = "everyone else" if table else "nobody"
        table += [(f"  {others}", "nothing more" if table else "", document.because(why))
                  for why in answer.refused.values()]  # fmt: skip
    yield from _columns(table)
    if not asked_to and not table:
        yield "  nothing"
    if not asked_to:
        for why, services in refused(answer, document).items():
            yield f"  not: {', '.join(services)}  ({why})"


def _called(row: AccessRow, asked: str) -> str:
    """A service; with the callers where the question is about a namespace, of which not every account need do."""
    of_several = asked.startswith("every ") or len(row.callers) > 1
    return f"{subject(row.service)} by {callers(row)}" if of_several else subject(row.service)


def _matrix(matrix: AccessMatrix, document: AccessDocument) -> Iterator[str]:
    numbers = {service: index for index, service in enumerate(matrix.services, 1)}
    if 0 < len(numbers) <= WIDEST_GRID:
        cell = len(str(len(numbers))) + 1
        width = max(map(len, matrix.callers))
        yield "  " + " " * width + " " + "".join(f"{number:>{cell}}" for number in numbers.values())
        for caller in matrix.callers:
            signs = (SIGNS[matrix.cell(caller, service).reach] for service in numbers)
            yield f"  {caller:<{width}} " + "".join(f"{sign:>{cell}}" for sign in signs)
        yield f"  {LEGEND}"
    for service, number in numbers.items():
        yield f"{number:>3} {subject(service)}"
        table = [(f"      {reach:<4}  {who}", document.because(why)) for reach, who, why in groups(matrix, service)]
        yield from _columns(table)


def _columns(table: Iterable[tuple[str, ...]]) -> Iterator[str]:
    rows = list(table)
    widths = [
        max((len(cell) for cell in column if len(cell) <= _WIDEST), default=0) for column in zip(*rows, strict=True)
    ]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
