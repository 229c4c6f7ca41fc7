"""Diagnostics as SARIF 2.1.0, the format that code hosts and editors read.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0 (errata 01). Files are relative to ``%SRCROOT%``, the
working directory, so that the document says nothing of the machine it was made on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from meshdsl.report.finding import Finding, uri
from meshdsl.report.pages import page
from meshdsl.values import Json
from meshdsl.version import VERSION

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"


def document(findings: Sequence[Finding]) -> str:
    """A log with one run: a rule for each code that was found, a result for each finding."""
    codes = sorted({finding.diagnostic.code for finding in findings})
    run: Mapping[str, Json] = {
        "tool": {"driver": {"name": "meshdsl", "semanticVersion": VERSION, "rules": [_rule(code) for code in codes]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The folder that meshdsl was run in."}}},
        "results": [_result(finding, codes.index(finding.diagnostic.code)) for finding in findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(code: str) -> Mapping[str, Json]:
    found = page(code)
    if found is None:
        return {"id": code}
    return {
        "id": code,
        "shortDescription": {"text": found.title},
        "fullDescription": {"text": found.text},
        "help": {"text": f"{found.text}\n\nRun `meshdsl explain {code}` to read this page."},
        "defaultConfiguration": {"level": "error"},
    }


def _result(finding: Finding, index: int) -> Mapping[str, Json]:
    found, where = finding.diagnostic, finding.location
    result: dict[str, Json] = {
        "ruleId": found.code,
        "ruleIndex": index,
        "level": found.severity.value,
        "message": {"text": " ".join(_sentences(finding))},
    }
    if where is not None:
        spans = (
            ("startLine", where.line),
            ("startColumn", where.column),
            ("endLine", where.end_line),
            ("endColumn", where.end_column),
        )
        result["locations"] = [{"physicalLocation": _place(finding.file, spans)}]
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, "message": {"text": words}, "physicalLocation": _place(file, (("startLine", line),))}
            for number, (words, file, line) in enumerate(finding.related)
        ]
    if finding.targets:
        result["properties"] = {"clusters": list(finding.targets)}
    return result


def _sentences(finding: Finding) -> list[str]:
    found = finding.diagnostic
    parts = [found.message, found.reason, found.help]
    parts += [f"On clusters: {', '.join(finding.targets)}"] if finding.targets else []
    return [_sentence(part) for part in parts if part]


def _sentence(text: str) -> str:
    is_name = text.partition(" ")[0].endswith(":")  # of a risk, as --fail-on takes it
    begun = text if is_name else f"{text[0].upper()}{text[1:]}"
    return f"{begun}{'' if text.endswith(('.', '!', '?')) else '.'}"


def _place(file: str, span: Iterable[tuple[str, int | None]]) -> Mapping[str, Json]:
    """A place in a file; without a region where no line is meant, since lines and columns count from 1."""
    reference: dict[str, Json] = {"uri": uri(file)}
    if not file.startswith("/"):
        reference["uriBaseId"] = _ROOT
    region = {name: value for name, value in span if value}
    return {"artifactLocation": reference, **({"region": region} if "startLine" in region else {})}
