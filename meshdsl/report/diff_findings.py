"""A comparison as findings, for SARIF and GitHub annotations: each risk and each unknown at its policy's line.

Differences themselves are no findings: a pull request changes something, and that is its point.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from meshdsl.compare.report import DiffReport
from meshdsl.diagnostics import Diagnostic, Origin, Severity
from meshdsl.report.diff_words import RISK_CODES, UNKNOWN_CODE, DiffDocument


def diagnostics(document: DiffDocument) -> tuple[Diagnostic, ...]:
    """What is to be looked at, as diagnostics. Risks that make the run fail are errors, the others warnings."""
    return (*document.diagnostics, *(found for report in document.reports for found in _report(report, document)))


def _report(report: DiffReport, document: DiffDocument) -> Iterator[Diagnostic]:
    for finding in report.risks:
        severity = Severity.ERROR if finding.risk in document.fail_on else Severity.WARNING
        yield Diagnostic(
            RISK_CODES[finding.risk],
            f"{finding.risk}: {finding.sentence}",
            next((origin for origin in finding.origins if _is_here(origin)), None),
            target=report.cluster,
            severity=severity,
        )
    for one in report.unknown:
        yield Diagnostic(
            UNKNOWN_CODE, f"{one.scope} is not known", reason=one.reason, target=report.cluster, severity=Severity.ERROR
        )


def _is_here(origin: Origin) -> bool:
    """Whether a line can be pointed at: a file of another revision is not in this tree."""
    return Path(origin.file).is_file()
