"""Who may call what as one HTML page: a matrix to look at, and under it who may do what, and which rule says so.

The page is whole: nothing comes from elsewhere, no script runs, and its content security policy says so. Every value
goes through jinja2's escaping; control and bidirectional characters are shown, not obeyed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files as resources
from itertools import groupby
from typing import Final

from meshdsl.compare.reach.answers import AccessAnswer, AccessMatrix, Reach
from meshdsl.report.access_words import (
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
from meshdsl.version import VERSION

_MOST_CELLS: Final = 60_000
"""A browser lays out no larger table in reasonable time; the list under it has all there is."""
_ALL_REASONS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the matrix."""

    reach: str
    title: str


@dataclass(frozen=True, slots=True)
class Grid:
    """The matrix, ready to be laid out."""

    services: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the list; the first of a subject has its name, and how many lines it has."""

    subject: str
    span: int
    caller: str
    reach: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Section:
    """One answer."""

    title: str
    read: str
    grid: Grid | None
    columns: tuple[str, ...]
    table: tuple[Line, ...]
    unknown: tuple[str, ...]
    remarks: tuple[str, ...]


def page(document: AccessDocument) -> str:
    """The page."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  # only this format needs it

    environment = Environment(
        undefined=StrictUndefined, autoescape=True, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = one_line
    folder = resources("meshdsl.report") / "templates"
    sections = [_section(part, document) for part in document.parts]
    longest = max((len(name) for one in sections if one.grid for name in one.grid.services), default=0)
    style = (folder / "access.css").read_text(encoding="utf-8") + f":root {{ --tall: {7 * longest + 24}px; }}\n"
    template = environment.from_string((folder / "access.html.j2").read_text(encoding="utf-8"))
    return template.render(
        sections=sections,
        title=sections[0].title if sections else "",
        style=style,
        style_hash="sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        version=VERSION,
    )


def _section(part: AccessPart, document: AccessDocument) -> Section:
    answer = part.answer
    title, _, read = heading(part).partition(" (")
    is_matrix = isinstance(answer, AccessMatrix)
    lines: Iterator[tuple[str, str, str, str, str]] = iter(())
    if not answer.unknown:
        lines = _cells(answer, document) if isinstance(answer, AccessMatrix) else _rows(answer, document)
    table: list[Line] = []
    for name, group in groupby(lines, key=lambda line: line[0]):
        mine = list(group)
        table += [Line(name if i == 0 else "", len(mine), *line[1:]) for i, line in enumerate(mine)]
    return Section(
        title,
        read[:1].upper() + read[1:].removesuffix(")"),
        _grid(answer, document) if isinstance(answer, AccessMatrix) else None,
        ("Service", "Caller", "Access" if is_matrix else "Requests", "Because"),
        tuple(table),
        tuple(not_known(answer)),
        answer.remarks,
    )


def _grid(matrix: AccessMatrix, document: AccessDocument) -> Grid | None:
    if matrix.unknown or not 0 < len(matrix.services) * len(matrix.callers) <= _MOST_CELLS:
        return None
    rows = []
    for caller in matrix.callers:
        cells = []
        for service in matrix.services:
            cell = matrix.cell(caller, service)
            title = f"{caller} → {subject(service)}: {cell.reach.value}"
            if cell.reach is not Reach.NONE:  # why not, says the list: a page has far more of these
                title += f"; {document.because(cell.because, 8)}"
            cells.append(Cell(cell.reach.value, title))
        rows.append((caller, tuple(cells)))
    return Grid(tuple(map(subject, matrix.services)), tuple(rows))


def _cells(matrix: AccessMatrix, document: AccessDocument) -> Iterator[tuple[str, str, str, str, str]]:
    for service in matrix.services:
        for reach, who, why in groups(matrix, service):
            yield subject(service), who, reach.value, reach.value, document.because(why, _ALL_REASONS)


def _rows(answer: AccessAnswer, document: AccessDocument) -> Iterator[tuple[str, str, str, str, str]]:
    for row in answer.rows:
        reach = (Reach.ALL if row.is_all else Reach.SOME).value
        yield subject(row.service), callers(row), reach, requests(row), document.why(row, _ALL_REASONS)
    if answer.question == "to":
        others = "everyone else" if answer.rows else "everyone"
        for service, why in answer.refused.items():
            yield subject(service), others, Reach.NONE.value, "nothing", document.because(why, _ALL_REASONS)
        return
    for words, services in refused(answer, document).items():
        for service in services:
            yield service, answer.subject, Reach.NONE.value, "nothing", words
