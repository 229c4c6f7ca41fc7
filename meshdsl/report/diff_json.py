"""A comparison for programs: one JSON document with a version, described by ``docs/diff.schema.json``.

The version is raised when a field changes its meaning or goes away; new fields may come at any time. Text is exact,
not escaped for terminals; credentials are masked as everywhere. There is no clock in it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from meshdsl.compare.live import Unknown
from meshdsl.compare.report import Absent, Action, DiffReport, FieldChange, FieldPath, ObjectChange
from meshdsl.diagnostics import Origin
from meshdsl.report.diff_failures import is_complete
from meshdsl.report.diff_words import RISK_CODES, UNKNOWN_CODE, DiffDocument, differs
from meshdsl.report.finding import findings, shown
from meshdsl.report.json_report import diagnostic_json
from meshdsl.values import Json
from meshdsl.version import VERSION

DOCUMENT_VERSION = 1


def document(given: DiffDocument) -> str:
    """The document. What was not asked for (``--view``) is null, what is not there is empty."""
    body: Mapping[str, Json] = {
        "version": DOCUMENT_VERSION,
        "meshdsl": VERSION,
        "command": "diff",
        "summary": _summary(given),
        "failed": list(given.failed),
        "clusters": [_cluster(report, given) for report in given.reports],
        "diagnostics": [diagnostic_json(finding) for finding in findings(given.diagnostics, given.base)],
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _summary(given: DiffDocument) -> Mapping[str, Json]:
    actions = Counter(change.action for report in given.reports for change in report.objects)
    risks = Counter(finding.risk for report in given.reports for finding in report.risks)
    return {
        "different": any(differs(report, given.views) for report in given.reports),
        "complete": is_complete(given),
        "clusters": len(given.reports) + len(given.failed),
        "failed": len(given.failed),
        "compared": sum(report.compared for report in given.reports),
        **{action.value: actions[action] for action in Action},
        "risks": {risk.value: risks[risk] for risk in sorted(risks)},
        "unknown": sum(len(report.unknown) for report in given.reports),
    }


def _cluster(report: DiffReport, given: DiffDocument) -> Mapping[str, Json]:
    base = given.base
    views: dict[str, Json] = {
        "policy": [
            {"subject": one.subject, "sentence": one.sentence, "origins": _origins(one.origins, base)}
            for one in report.policy
        ],
        "access": [
            {
                "service": one.service,
                "widened": one.widened,
                "callers": list(one.callers),
                "ports": list(one.ports),
                "methods": list(one.methods),
                "paths": list(one.paths),
                "conditions": list(one.conditions),
                "sentence": one.sentence,
            }
            for one in report.access
        ],
        "fields": [_object(change, base) for change in report.objects],
    }
    return {
        "cluster": report.cluster,
        "against": report.against,
        "compared": report.compared,
        "risks": [
            {
                "risk": one.risk.value,
                "code": RISK_CODES[one.risk],
                "fails": one.risk in given.fail_on,
                "subject": one.subject,
                "sentence": one.sentence,
                "origins": _origins(one.origins, base),
            }
            for one in report.risks
        ],
        "unknown": [_unknown(one) for one in report.unknown],
        "untold": [
            {
                "subject": one.subject,
                "risks": [risk.value for risk in one.risks],
                "fails": any(risk in given.fail_on for risk in one.risks),
                "reason": one.reason,
            }
            for one in report.untold
        ],
        "policy": views["policy"] if "policy" in given.views else None,
        "policy_note": report.policy_note,
        "access": views["access"] if "access" in given.views else None,
        "access_note": report.access_note,
        "objects": views["fields"] if "fields" in given.views else None,
        "aside": [_object(change, base) for change in report.aside] if "fields" in given.views else None,
    }


def _unknown(one: Unknown) -> Mapping[str, Json]:
    kind = one.scope.kind
    return {
        "group": kind.group,
        "version": kind.version,
        "kind": kind.kind,
        "namespace": one.scope.namespace,
        "code": UNKNOWN_CODE,
        "cause": one.code,
        "reason": one.reason,
    }


def _object(change: ObjectChange, base: str) -> Mapping[str, Json]:
    return {
        "apiVersion": change.ref.api_version,
        "kind": change.ref.kind,
        "namespace": change.ref.namespace,
        "name": change.ref.name,
        "action": change.action.value,
        "partial": change.partial,
        "owner": change.owner,
        "delegated": change.delegated,
        "fields": [_field(field) for field in change.fields],
        "foreign": [_field(field) for field in change.foreign],
        "dropped": [_path(path) for path in change.dropped],
        "notes": list(change.notes),
        "live_version": change.version,
        "live": change.live,
        "ours": change.ours,
        "origins": _origins(change.origins, base),
    }


def _field(field: FieldChange) -> Mapping[str, Json]:
    """A side that is not there has no key: null is a value."""
    both = (("live", field.live), ("ours", field.ours))
    sides: Mapping[str, Json] = {name: value for name, value in both if not isinstance(value, Absent)}
    return {"path": _path(field.path), **sides, "note": field.note}


def _path(path: FieldPath) -> Sequence[Json]:
    return list(path)


def _origins(origins: Iterable[Origin], base: str) -> Sequence[Json]:
    return [{"file": shown(one.file, base), "line": one.line, "object": one.object} for one in origins]
