"""A comparison as a comment on a pull request: GitHub's Markdown, at most 60,000 characters.

A comment holds 65,536 characters. What does not fit is left out by whole objects, the least important last, and the
end says how much is missing: a comment that is cut in silence would look like the whole difference.

Text of a cluster or dump is escaped, so that it can neither open HTML nor a link, and mentions nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from meshdsl.compare.access.sentences import together
from meshdsl.compare.report import Action, DiffReport, ObjectChange
from meshdsl.report.diff_failures import failure_line, failures
from meshdsl.report.diff_words import (
    SIGNS,
    DiffDocument,
    aside,
    foreign_lines,
    hunks,
    place,
    policy_rows,
    remarks,
    risk_rows,
    signed_lines,
    summary,
    title,
    unknown_rows,
    yaml_lines,
)
from meshdsl.report.escape import escaped, one_line
from meshdsl.values import counted

LIMIT = 60_000
"""Characters of the whole text."""

_NOTE_ROOM, _COMMAND_ROOM = 200, 1000
_VIEWS, _FIELDS = 1, 2
"""Ranks of blocks; headings, risks and what is not known have 0."""


@dataclass(frozen=True, slots=True)
class _Block:
    """A part that is shown whole or not at all.

    Attributes:
        text: with its line breaks.
        counts: it is one object or row, which is missed where it is left out.
        rank: what is left out first has the highest.
    """

    text: str
    counts: bool = False
    rank: int = 0


def text(document: DiffDocument) -> str:
    """All comparisons."""
    blocks = [*_failed(document), *(block for report in document.reports for block in _report(report, document))]
    if sum(len(block.text) for block in blocks) <= LIMIT:
        return "".join(block.text for block in blocks)
    return _cut(blocks, document.command)


def _cut(blocks: Sequence[_Block], command: str) -> str:
    """As many blocks as fit, in their order: the risks of the last cluster before the fields of the first."""
    kept: set[int] = set()
    whole = f" The whole of it is in `{_code(command)} --format html --output diff.html`."
    whole = whole if len(whole) <= _COMMAND_ROOM else ""
    room = LIMIT - _NOTE_ROOM - _COMMAND_ROOM
    for index in sorted(range(len(blocks)), key=lambda index: blocks[index].rank):
        if len(blocks[index].text) <= room:
            kept.add(index)
            room -= len(blocks[index].text)
    left_out = sum(block.counts for index, block in enumerate(blocks) if index not in kept)
    note = (
        f"\n> **Cut at {LIMIT:,} characters: {counted(left_out, 'entry', 'entries')} of this difference are not shown"
        f" here.**{whole}\n"
    )
    return "".join(blocks[index].text for index in sorted(kept)) + note


def _failed(document: DiffDocument) -> Iterator[_Block]:
    """First of all: without it, the rest would be taken for the whole answer."""
    for failed in failures(document):
        yield _Block(f"## meshdsl diff: ⛔ {escaped(failed.what)}\n\n")
        yield from (_Block(f"- {escaped(failure_line(found))}\n", counts=True) for found in failed.findings)
        yield _Block("\n")


def _report(report: DiffReport, document: DiffDocument) -> Iterator[_Block]:
    yield _Block(f"## meshdsl diff: {escaped(title(report))}\n\n{escaped(summary(report, document.views))}.\n")
    yield from _risks(report, document)
    if report.unknown or report.untold:
        yield _Block("\n### Not known\n\n")
        for row in unknown_rows(report):
            yield _Block(f"- **{escaped(row.what)}**: {escaped(row.reason)}\n", counts=True)
    if "policy" in document.views:
        rows = [
            f"- {escaped(change.sentence)}{_where(place(change.origins, document.base))}\n"
            for change in policy_rows(report)
        ]
        yield from _list("Policy", rows, report.policy_note)
    if "access" in document.views:
        rows = [f"- {'➕' if row.widened else '➖'} {escaped(row.sentence)}\n" for row in together(report.access)]  # noqa: RUF001
        yield from _list("Access", rows, report.access_note)
    if "fields" in document.views and report.objects:
        yield _Block("\n### Fields\n", rank=_FIELDS)
        for change in report.objects:
            yield _Block(_object(change, document), counts=True, rank=_FIELDS)
    if "fields" in document.views:
        said = aside(report, show_foreign=document.show_foreign)
        rows = [f"- {escaped(str(change.ref))}: {escaped('; '.join(words))}\n" for change, words in said]
        yield from _list("No difference, but worth knowing", rows, "")
    yield _Block("\n")


def _risks(report: DiffReport, document: DiffDocument) -> Iterator[_Block]:
    if not report.risks:
        return
    # A list: the columns of a table are one word wide on a telephone.
    yield _Block("\n### Risks\n\n")
    for finding in risk_rows(report):
        mark = "⛔" if finding.risk in document.fail_on else "⚠️"
        where = _where(place(finding.origins, document.base))
        yield _Block(f"- {mark} **{finding.risk}**: {escaped(finding.sentence)}{where}\n", counts=True)


def _list(name: str, rows: list[str], note: str) -> Iterator[_Block]:
    if not rows and not note:
        return
    yield _Block(f"\n### {name}\n\n", rank=_VIEWS)
    yield from (_Block(row, counts=True, rank=_VIEWS) for row in rows)
    if note:
        yield _Block(f"\n_{escaped(note)}_\n", rank=_VIEWS)


def _object(change: ObjectChange, document: DiffDocument) -> str:
    name = _html(one_line(f"{change.ref} ({change.ref.api_version})"))
    where = place(change.origins, document.base)
    lines = list(_lines(change))
    # A fence is longer than any run of its character in what it holds.
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    said = remarks(change) + (foreign_lines(change) if document.show_foreign else [])
    notes = "".join(f"- {escaped(note)}\n" for note in said)
    body = "\n".join([f"{fence}diff", *lines, fence]) + "\n" if lines else ""
    verb = {"+": "create", "~": "change", "-": "delete", "!": "not ours"}[SIGNS[change.action]]
    head = f"<b>{verb}</b> <code>{name}</code>{' ' + _html(one_line(where)) if where else ''}"
    return f"\n<details><summary>{head}</summary>\n\n{notes}{chr(10) if notes and body else ''}{body}\n</details>\n"


def _lines(change: ObjectChange) -> Iterator[str]:
    if change.action is Action.CREATE:
        yield from (f"+ {one_line(line)}" for line in yaml_lines(change.ours))
    elif change.action is Action.DELETE:
        yield from (f"- {one_line(line)}" for line in yaml_lines(change.live))
    for hunk in hunks(change):
        yield f"@@ {one_line(hunk.where)} @@"
        for pairs, note in hunk.rows:
            yield from (f"{sign} {one_line(line)}" for sign, line in signed_lines(pairs))
            if note:
                yield f"# {one_line(note)}"


def _where(where: str) -> str:
    return f" (`{_code(where)}`)" if where else ""


def _code(text: str) -> str:
    return one_line(text).replace("`", "'")


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")
