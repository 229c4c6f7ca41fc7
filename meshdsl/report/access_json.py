"""Who may call what, for programs: one JSON document with a version. Text is exact, not escaped for terminals.

The version is raised when a field changes its meaning or goes away; new fields may come at any time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from meshdsl.compare.access.model import AccessReason
from meshdsl.compare.reach.answers import AccessAnswer, AccessCell, AccessMatrix, AccessRow
from meshdsl.report.access_words import AccessDocument, AccessPart
from meshdsl.report.finding import shown
from meshdsl.values import Json
from meshdsl.version import VERSION

DOCUMENT_VERSION = 1


def document(given: AccessDocument) -> str:
    """The document."""
    body: Mapping[str, Json] = {
        "version": DOCUMENT_VERSION,
        "meshdsl": VERSION,
        "command": "access",
        "complete": all(part.answer.is_complete for part in given.parts),
        "answers": [_part(part, given.base) for part in given.parts],
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _part(part: AccessPart, base: str) -> Mapping[str, Json]:
    answer = part.answer
    said = _matrix(answer, base) if isinstance(answer, AccessMatrix) else _answer(answer, base)
    return {
        "clusters": list(part.clusters),
        "read": part.read,
        **said,
        "remarks": list(answer.remarks),
        "undecided": list(answer.undecided),
        "unknown": [
            {"kind": one.scope.kind.kind, "namespace": one.scope.namespace, "cause": one.code, "reason": one.reason}
            for one in answer.unknown
        ],
    }


def _answer(answer: AccessAnswer, base: str) -> Mapping[str, Json]:
    return {
        "question": answer.question,
        "subject": answer.subject,
        "rows": [_row(row, base) for row in answer.rows],
        "refused": [
            {"service": service, "because": _reasons(reasons, base)} for service, reasons in answer.refused.items()
        ],
    }


def _row(row: AccessRow, base: str) -> Mapping[str, Json]:
    return {
        "service": row.service,
        "callers": list(row.callers),
        "excepted": list(row.excepted),
        "ports": list(row.ports),
        "methods": list(row.methods),
        "not_methods": list(row.not_methods),
        "paths": list(row.paths),
        "conditions": list(row.conditions),
        "all": row.is_all,
        "because": _reasons(row.because, base),
        "limits": _reasons(row.limits, base),
        "undecided": list(row.undecided),
    }


def _matrix(matrix: AccessMatrix, base: str) -> Mapping[str, Json]:
    return {
        "question": "matrix",
        "by": matrix.by,
        "callers": list(matrix.callers),
        "services": [
            {
                "service": service,
                "cells": [{"callers": list(who), **_cell(cell, base)} for cell, who in matrix.groups(service) if who],
                "everyone_else": next(_cell(cell, base) for cell, who in matrix.groups(service) if not who),
            }
            for service in matrix.services
        ],
    }


def _cell(cell: AccessCell, base: str) -> Mapping[str, Json]:
    return {"access": cell.reach.value, "because": _reasons(cell.because, base)}


def _reasons(reasons: Iterable[AccessReason], base: str) -> Sequence[Json]:
    found: list[Json] = []
    for one in reasons:
        origin = one.origin
        where: Json = None if origin is None else {"file": shown(origin.file, base), "line": origin.line}
        found.append({"what": one.what, "field": one.field, "origin": where})
    return found
