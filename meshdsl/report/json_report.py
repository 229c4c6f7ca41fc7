"""Diagnostics for programs: one JSON document with a version.

The version is raised when a field changes its meaning or goes away; new fields may come at any time. Text is exact,
not escaped for terminals. There is no clock in it: the same input gives the same document.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from meshdsl.report.finding import Finding
from meshdsl.values import Json
from meshdsl.version import VERSION

DOCUMENT_VERSION = 1


def document(findings: Iterable[Finding], command: str, summary: Mapping[str, Json] | None) -> str:
    """The document.

    Args:
        findings: in order.
        command: that found them.
        summary: what the command did; null if it did not get that far.
    """
    body: Mapping[str, Json] = {
        "version": DOCUMENT_VERSION,
        "meshdsl": VERSION,
        "command": command,
        "diagnostics": [diagnostic_json(finding) for finding in findings],
        "summary": summary,
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def diagnostic_json(finding: Finding) -> Mapping[str, Json]:
    """One finding."""
    found, where = finding.diagnostic, finding.location
    place: Json = None
    if where is not None:
        place = {
            "file": finding.file,
            "line": where.line or None,
            "column": where.column or None,
            "end_line": where.end_line or None,
            "end_column": where.end_column or None,
        }
    return {
        "code": found.code,
        "severity": found.severity.value,
        "message": found.message,
        "reason": found.reason,
        "help": found.help,
        "object": found.origin.object if found.origin else "",
        "field": found.field,
        "location": place,
        "clusters": list(finding.targets),
        "related": [{"message": words, "file": file, "line": line} for words, file, line in finding.related],
    }
