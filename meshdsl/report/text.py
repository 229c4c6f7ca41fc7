"""Diagnostics for people: the place, the sentence, the line with a caret, why, and the way out.

Everything that comes from somebody's files is escaped here, and nowhere earlier: the other formats need it exact.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable

from meshdsl.diagnostics import Severity
from meshdsl.report.escape import one_line, visible
from meshdsl.report.finding import Finding, at

_BOLD, _RED, _YELLOW, _BLUE, _DIM, _RESET = "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[34m", "\x1b[2m", "\x1b[0m"
_SOURCES = (".py", ".toml")
"""Files whose line helps: not the YAML that we wrote, nor a binary that somebody named by mistake."""

_WIDEST = 160
"""Characters of a source line that are shown."""


def diagnostics(findings: Iterable[Finding], *, colour: bool) -> str:
    """All findings; a blank line sets those of several lines apart."""
    blocks = [list(_lines(finding, _Paint(on=colour))) for finding in findings]
    text: list[str] = []
    for before, block in zip([[], *blocks], blocks, strict=False):
        apart = before and (len(before) > 1 or len(block) > 1)
        text += [*([""] if apart else []), *block]
    return "".join(f"{line}\n" for line in text)


class _Paint:
    """Colours, or none."""

    def __init__(self, *, on: bool) -> None:
        self.on = on

    def __call__(self, style: str, text: str) -> str:
        return f"{style}{text}{_RESET}" if self.on else text


def _lines(finding: Finding, paint: _Paint) -> Iterable[str]:
    found = finding.diagnostic
    strong = _RED if found.severity is Severity.ERROR else _YELLOW
    place = f"{one_line(finding.place)}: " if finding.location else ""
    label = paint(_BOLD + strong, f"{found.severity} {found.code}:")
    yield f"{paint(_BOLD, place) if place else ''}{label} {one_line(found.message)}"
    yield from _source(finding, strong, paint)
    for name, text in (("why", found.reason), ("help", found.help)):
        if text:
            yield f"  {paint(_BOLD, name + ':')} {_indented(text)}"
    for words, file, line in finding.related:
        yield f"  {paint(_BLUE, one_line(at(file, line)) + ':')} {one_line(words)}"
    if finding.targets:
        name = "cluster" if len(finding.targets) == 1 else "clusters"
        yield f"  {paint(_DIM, f'on {name}: ' + one_line(', '.join(finding.targets)))}"


def _indented(text: str) -> str:
    return visible(text).strip().replace("\n", "\n       ")


def _source(finding: Finding, strong: str, paint: _Paint) -> Iterable[str]:
    """The line of the policy file, and carets under the argument."""
    where = finding.location
    if where is None or not where.line or not where.file.endswith(_SOURCES):
        return
    line = linecache.getline(where.file, where.line).rstrip("\r\n")
    if not line.strip() or len(line) > _WIDEST:
        return
    number = f"{where.line:>5}"
    yield f"{paint(_DIM, number + ' |')} {one_line(line)}"
    start, end = _span(finding, line)
    if start is None:
        return
    # Characters before the caret may have grown by escaping, so they are measured as they are shown.
    before, under = one_line(line[:start]), one_line(line[start:end])
    yield f"{' ' * 5} {paint(_DIM, '|')} {' ' * len(before)}{paint(_BOLD + strong, '^' * max(1, len(under)))}"


def _span(finding: Finding, line: str) -> tuple[int | None, int]:
    """Where the carets begin and end in the line, from 0; no begin if the place is the whole line."""
    where = finding.location
    if where is None or not where.column:
        return None, 0
    end = where.end_column - 1 if where.end_line == where.line and where.end_column else len(line)
    return where.column - 1, min(end, len(line))
