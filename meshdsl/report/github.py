"""Diagnostics as GitHub workflow commands, which become annotations on the lines of a pull request.

Escaping follows the runner's own parser (``actions/toolkit``, ``packages/core/src/command.ts``).
"""

from __future__ import annotations

from collections.abc import Iterable

from meshdsl.report.escape import visible
from meshdsl.report.finding import Finding, at


def workflow_commands(findings: Iterable[Finding]) -> str:
    """One line for each finding."""
    return "".join(f"{_annotation(finding)}\n" for finding in findings)


def _annotation(finding: Finding) -> str:
    found, where = finding.diagnostic, finding.location
    properties: dict[str, str | int] = {}
    if where is not None:
        properties["file"] = finding.file
        if where.line:
            properties["line"] = where.line
        if where.line and where.end_line:
            properties["endLine"] = where.end_line
        # The runner refuses columns where a span has several lines.
        if where.line and where.column and where.end_line in (where.line, None, 0):
            properties["col"] = where.column
    properties["title"] = found.code
    parts = [found.message]
    parts += [f"why: {found.reason}"] if found.reason else []
    parts += [f"help: {found.help}"] if found.help else []
    parts += [f"see {at(file, line)}: {words}" for words, file, line in finding.related]
    parts += [f"on clusters: {', '.join(finding.targets)}"] if finding.targets else []
    named = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{found.severity} {named}::{_data(chr(10).join(parts))}"


def _data(text: str) -> str:
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
