"""What a comparison could not tell at all: clusters that are out of reach, policies that do not compile.

It is part of every report and its first part: whoever reads only the report must not take the rest for the whole, and
an empty one for agreement. Nothing is escaped here; each format does that for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from meshdsl.compare.policy_words import listed
from meshdsl.diagnostics import Diagnostic, Severity
from meshdsl.report.diff_words import DiffDocument, is_unanswered
from meshdsl.report.finding import Finding, findings


def is_complete(document: DiffDocument) -> bool:
    """Whether everything could be told."""
    unanswered = (is_unanswered(report, document.views, document.fail_on) for report in document.reports)
    return not failures(document) and not any(unanswered) and not any(report.unknown for report in document.reports)


@dataclass(frozen=True, slots=True)
class Failed:
    """What could not be told at all, and why: what is wrong, each with its place, reason and way out."""

    what: str
    findings: tuple[Finding, ...]


def failures(document: DiffDocument) -> list[Failed]:
    """What comes first in a report: a reader must not take the rest for all."""
    errors = [one for one in document.diagnostics if one.severity is Severity.ERROR]
    if not document.reports and (errors or document.failed):
        of = f" of {listed(document.failed)}" if document.failed else ""
        return [Failed(f"nothing could be told{of}", findings(errors, document.base))]
    by_cluster: dict[str, list[Diagnostic]] = {name: [] for name in document.failed}
    for error in errors:
        by_cluster.setdefault(error.target, []).append(replace(error, target=""))
    return [
        Failed(
            f"{name} could not be compared" if name in document.failed else f"not everything could be told of {name}",
            findings(found, document.base),
        )
        for name, found in by_cluster.items()
    ]


def failure_line(found: Finding) -> str:
    """One thing that is wrong, in one line."""
    said = found.diagnostic
    words = f"{said.message}: {said.reason}" if said.reason else said.message
    place = f"{found.place}: " if found.place else ""
    return f"{place}{said.code}: {words}{f' ({said.help})' if said.help else ''}"
