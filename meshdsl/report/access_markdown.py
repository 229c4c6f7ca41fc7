"""Who may call what in Markdown, for a page or a pull request. Names become neither markup nor mentions."""

from __future__ import annotations

from collections.abc import Iterator

from meshdsl.compare.reach.answers import AccessAnswer, AccessMatrix
from meshdsl.report.access_words import (
    LEGEND,
    SIGNS,
    WIDEST_GRID,
    AccessDocument,
    callers,
    groups,
    heading,
    not_known,
    refused,
    requests,
    subject,
)
from meshdsl.report.escape import escaped


def text(document: AccessDocument) -> str:
    """All answers."""
    return "\n".join("".join(f"{line}\n" for line in _part(index, document)) for index in range(len(document.parts)))


def _part(index: int, document: AccessDocument) -> Iterator[str]:
    part = document.parts[index]
    answer = part.answer
    yield f"## {escaped(heading(part))}"
    yield ""
    if not answer.unknown:
        yield from _matrix(answer, document) if isinstance(answer, AccessMatrix) else _rows(answer, document)
    for title, lines in (("Not known", not_known(answer)), ("Note", list(answer.remarks))):
        if lines:
            yield from ("", f"### {title}", "", *(f"- {escaped(line)}" for line in lines))


def _rows(answer: AccessAnswer, document: AccessDocument) -> Iterator[str]:
    yield from _line("Service", "Caller", "Requests", "Because")
    yield from _line("---", "---", "---", "---")
    for row in answer.rows:
        yield from _line(*map(escaped, (subject(row.service), callers(row), requests(row), document.why(row))))
    if answer.question == "to":
        for service, why in answer.refused.items():
            others = "everyone else" if answer.rows else "everyone"
            yield from _line(*map(escaped, (subject(service), others, "nothing", document.because(why))))
        return
    for words, services in refused(answer, document).items():
        yield from _line(*map(escaped, (", ".join(services), answer.subject, "nothing", words)))


def _matrix(matrix: AccessMatrix, document: AccessDocument) -> Iterator[str]:
    """The table of signs, where it can be read; under it, for each service, who may do what, and why."""
    if 0 < len(matrix.services) <= WIDEST_GRID:
        yield from _line("", *(escaped(subject(service)) for service in matrix.services))
        yield from _line("---", *(":-:" for _ in matrix.services))
        for caller in matrix.callers:
            yield from _line(escaped(caller), *(SIGNS[matrix.cell(caller, one).reach] for one in matrix.services))
        yield from ("", LEGEND, "")
    yield from _line("Service", "Caller", "Access", "Because")
    yield from _line("---", "---", "---", "---")
    for service in matrix.services:
        for reach, who, why in groups(matrix, service):
            yield from _line(*map(escaped, (subject(service), who, reach.value, document.because(why))))


def _line(*cells: str) -> Iterator[str]:
    yield f"| {' | '.join(cells)} |"
