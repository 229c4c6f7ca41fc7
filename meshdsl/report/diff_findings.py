"""A comparison as findings, for SARIF and GitHub annotations: each risk and each unknown at its policy's line.

Differences themselves are no findings: a pull request changes something, and that is its point. Each finding is where
a reviewer can comment on it: at the line that asks for it; where that is gone, at its place in the file as it is now,
else where the service is declared, else in the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from meshdsl.compare.report import DiffReport, RiskFinding
from meshdsl.diagnostics import Diagnostic, Origin, Severity
from meshdsl.report.diff_words import RISK_CODES, UNKNOWN_CODE, DiffDocument, risk_rows, unknown_rows
from meshdsl.report.finding import shown


def diagnostics(document: DiffDocument) -> tuple[Diagnostic, ...]:
    """What is to be looked at, as diagnostics. Risks that make the run fail are errors, the others warnings."""
    said = (_placed(one, document) for one in document.diagnostics)
    return (*said, *(one for report in document.reports for one in _report(report, document)))


def _placed(found: Diagnostic, document: DiffDocument) -> Diagnostic:
    """A finding where a reviewer can see it: one about a file of another revision stands at that file as it is now."""
    origin = found.origin
    if origin is None or Path(origin.file).exists():
        return found
    now = _at_head(origin, document.base)
    if now is None:
        return found
    there = f"it is at {shown(origin.file, document.base)}:{origin.line}"
    return replace(found, origin=now, field="", reason="; ".join(filter(None, (found.reason, there))))


def _report(report: DiffReport, document: DiffDocument) -> Iterator[Diagnostic]:
    for finding in risk_rows(report):
        origin, reason = _place(finding, document)
        yield Diagnostic(
            RISK_CODES[finding.risk],
            f"{finding.risk}: {finding.sentence}",
            origin,
            reason=reason,
            target=report.cluster,
            severity=Severity.ERROR if finding.risk in document.fail_on else Severity.WARNING,
        )
    for row in unknown_rows(report):
        yield Diagnostic(
            UNKNOWN_CODE,
            f"{row.what} {'is' if len(row.scopes) == 1 else 'are'} not known",
            document.config,
            reason=row.reason,
            target=report.cluster,
            severity=Severity.ERROR if row.scopes or document.fail_on & set(row.risks) else Severity.WARNING,
        )


def _place(finding: RiskFinding, document: DiffDocument) -> tuple[Origin | None, str]:
    """The line to point at, and why it is that one if it is not the one that was meant."""
    for origin in finding.origins:
        if Path(origin.file).is_file():
            return origin, ""
        now = _at_head(origin, document.base)
        if now is not None:
            return now, f"what was asked for at {shown(origin.file, document.base)}:{origin.line} is gone"
    return document.config, ""


def _at_head(origin: Origin, base: str) -> Origin | None:
    """The place of a line of another revision (``REV:path``) in the file of that path as it is now, if there is one.

    A revision may have colons in its name, and paths are those of the repository, of which the base is a part.
    """
    folder = Path(base)
    repository = next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)
    parts = origin.file.split(":")
    for start in range(1, len(parts)):
        file = repository / ":".join(parts[start:])
        if file.is_file():
            lines = file.read_bytes().count(b"\n")
            # No object: what stands at that line now is another one, or none.
            return Origin(str(file), max(1, min(origin.line, lines)))
    return None
