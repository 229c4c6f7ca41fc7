"""A comparison for people at a terminal: risks first, then the short views, then every field.

Whatever comes from a cluster, a dump or a policy file is escaped here: a name must not repaint the terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
from meshdsl.report.escape import one_line

_BOLD, _RED, _GREEN, _YELLOW, _CYAN, _DIM, _RESET = (
    "\x1b[1m",
    "\x1b[31m",
    "\x1b[32m",
    "\x1b[33m",
    "\x1b[36m",
    "\x1b[2m",
    "\x1b[0m",
)
_STYLES = {"+": _GREEN, "-": _RED, "~": _YELLOW, "!": _BOLD + _RED, "@": _CYAN}


def text(document: DiffDocument, *, colour: bool) -> str:
    """All comparisons, a blank line between them."""
    writer = _Writer(document, colour=colour)
    parts = [writer.failed(), *(writer.report(report) for report in document.reports)]
    return "\n".join(filter(None, ("".join(f"{line}\n" for line in part) for part in parts)))


class _Writer:
    """Lines of one format."""

    def __init__(self, document: DiffDocument, *, colour: bool) -> None:
        self.document = document
        self.colour = colour

    def paint(self, style: str, words: str) -> str:
        return f"{style}{words}{_RESET}" if self.colour and style and words else words

    def signed(self, sign: str, words: str) -> str:
        return self.paint(_STYLES.get(sign, ""), f"{sign} {one_line(words)}")

    def failed(self) -> Iterator[str]:
        for failed in failures(self.document):
            yield self.paint(_BOLD + _RED, f"! {one_line(failed.what)}")
            yield from (f"  {one_line(failure_line(found))}" for found in failed.findings)

    def report(self, report: DiffReport) -> Iterator[str]:
        yield f"{self.paint(_BOLD, one_line(title(report)) + ':')} {one_line(summary(report, self.document.views))}"
        yield from self.risks(report)
        yield from self.unknown(report)
        if "policy" in self.document.views:
            lines = [
                self.row(self.signed("~", change.sentence), place(change.origins, self.document.base))
                for change in policy_rows(report)
            ]
            yield from self.section("Policy", lines, report.policy_note)
        if "access" in self.document.views:
            lines = [self.signed("+" if row.widened else "-", row.sentence) for row in together(report.access)]
            yield from self.section("Access", lines, report.access_note)
        if "fields" in self.document.views:
            for index, change in enumerate(report.objects):
                yield from ["", self.paint(_BOLD, "Fields")] if index == 0 else [""]
                yield from self.object(change)
            said = aside(report, show_foreign=self.document.show_foreign)
            lines = [one_line(f"{change.ref}: {'; '.join(words)}") for change, words in said]
            yield from self.section("No difference, but worth knowing", lines)

    def section(self, name: str, lines: Iterable[str], note: str = "") -> Iterator[str]:
        """A heading with lines under it; nothing if there are none."""
        given = [*lines, *([self.paint(_DIM, f"  {one_line(note)}")] if note else [])]
        if given:
            yield ""
            yield self.paint(_BOLD, name)
            yield from (f"  {line}" for line in given)

    def row(self, words: str, where: str) -> str:
        return f"{words}  {self.paint(_DIM, one_line(where))}".rstrip() if where else words

    def risks(self, report: DiffReport) -> Iterator[str]:
        width = max((len(finding.risk) for finding in report.risks), default=0)
        lines = []
        for finding in risk_rows(report):
            name = self.paint(_BOLD + _RED, f"{finding.risk.value:<{width}}")
            words = f"{name}  {one_line(finding.sentence)}"
            lines.append(self.row(words, place(finding.origins, self.document.base)))
        yield from self.section("Risks", lines)

    def unknown(self, report: DiffReport) -> Iterator[str]:
        rows = unknown_rows(report)
        lines = [self.paint(_YELLOW, f"? {one_line(row.what)}: {one_line(row.reason)}") for row in rows]
        yield from self.section("Not known", lines)

    def object(self, change: ObjectChange) -> Iterator[str]:
        where = place(change.origins, self.document.base)
        name = f"{change.ref} ({change.ref.api_version})"
        yield self.row(self.paint(_BOLD, self.signed(SIGNS[change.action], name)), where)
        yield from (f"  {self.paint(_DIM, '# ' + one_line(note))}" for note in remarks(change))
        if change.action is Action.CREATE:
            yield from (f"  {self.signed('+', line)}" for line in yaml_lines(change.ours))
        elif change.action is Action.DELETE:
            yield from (f"  {self.signed('-', line)}" for line in yaml_lines(change.live))
        for hunk in hunks(change):
            yield f"  {self.paint(_CYAN, '@@ ' + one_line(hunk.where))}" if hunk.where else "  @@"
            for pairs, note in hunk.rows:
                yield from (f"  {self.signed(sign, line)}" for sign, line in signed_lines(pairs))
                if note:
                    yield f"  {self.paint(_DIM, '# ' + one_line(note))}"
        if self.document.show_foreign:
            yield from (f"  {self.paint(_DIM, '# ' + one_line(line))}" for line in foreign_lines(change))
