"""Who may call what as a table for spreadsheets: a line for each row or cell, and the same columns every time.

A cell that a spreadsheet would take for a formula gets an apostrophe before it, as spreadsheets themselves write one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from meshdsl.compare.reach.answers import AccessAnswer, AccessMatrix
from meshdsl.report.access_words import AccessDocument, AccessPart, not_known

ROWS = (
    "clusters",
    "service",
    "callers",
    "except",
    "ports",
    "methods",
    "paths",
    "conditions",
    "because",
    "also",
    "less",
)
CELLS = ("clusters", "caller", "service", "access", "because")
_SEPARATOR = "; "
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table(document: AccessDocument) -> str:
    """The table, of all clusters; what could not be told is in lines ``unknown``, in the last column."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    is_matrix = any(isinstance(part.answer, AccessMatrix) for part in document.parts)
    writer.writerow(CELLS if is_matrix else ROWS)
    for part in document.parts:
        answer = part.answer
        lines = _cells(part, answer, document) if isinstance(answer, AccessMatrix) else _rows(part, answer, document)
        if not answer.unknown:
            writer.writerows([_safe(cell) for cell in line] for line in lines)
        width = len(CELLS if is_matrix else ROWS) - 3
        for sentence in not_known(answer):
            writer.writerow([_SEPARATOR.join(part.clusters), "unknown", *[""] * width, _safe(sentence)])
    return text.getvalue()


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _rows(part: AccessPart, answer: AccessAnswer, document: AccessDocument) -> Iterator[tuple[str, ...]]:
    clusters = _SEPARATOR.join(part.clusters)
    for row in answer.rows:
        methods = _SEPARATOR.join(row.methods or (f"not {name}" for name in row.not_methods))
        yield (
            clusters,
            row.service,
            _SEPARATOR.join(row.callers),
            _SEPARATOR.join(row.excepted),
            _SEPARATOR.join(map(str, row.ports)),
            methods,
            _SEPARATOR.join(row.paths),
            _SEPARATOR.join(row.conditions),
            document.place(row.because[0]),
            _SEPARATOR.join(map(document.place, row.because[1:])),
            _SEPARATOR.join(map(document.place, row.limits)),
        )


def _cells(part: AccessPart, matrix: AccessMatrix, document: AccessDocument) -> Iterator[tuple[str, ...]]:
    clusters = _SEPARATOR.join(part.clusters)
    words: dict[int, tuple[str, str]] = {}
    for service in matrix.services:
        for caller in matrix.callers:
            cell = matrix.cell(caller, service)
            said = words.get(id(cell))
            if said is None:
                said = (cell.reach.value, _SEPARATOR.join(map(document.place, cell.because)))
                words[id(cell)] = said
            yield (clusters, caller, service, *said)
