"""The table of what each mesh can do, made from the tables that the compiler reads.

Rows are features, columns are targets, a cell is a level; notes and conditions stand below. The document
``docs/support.md`` is this module's output.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from meshdsl.plan.features import Feature
from meshdsl.targets.ambient import Ambient
from meshdsl.targets.base import Level, Support, Target
from meshdsl.targets.istio import Istio
from meshdsl.targets.linkerd import Linkerd
from meshdsl.values import Json
from meshdsl.version import VERSION

TARGETS: tuple[type[Target], ...] = (Istio, Ambient, Linkerd)
"""The meshes, in the order of the columns."""

_LEVELS = (
    "**exact**: the request sees exactly what the policy means. **conditional**: exact, if the cluster's profile grants"
    " a condition, else an error. **approximate**: close in the ordinary case; an error unless accepted by code."
    " **not yet** and **never**: an error."
)

TableFormat = Literal["text", "markdown", "json"]


def table(format: TableFormat) -> str:
    """The support table.

    Args:
        format: ``"text"``, ``"markdown"`` or ``"json"``.
    """
    return {"text": _text, "markdown": _markdown, "json": _json}[format]()


def cell(target: type[Target], feature: Feature) -> Support:
    """What a mesh can do about a feature, whatever its profile; a missing row means never."""
    return target.support.get(feature, Support(Level.NEVER, "this mesh has no way to do it"))


def way_out(feature: Feature) -> str:
    """What a user can do where a mesh lacks a feature."""
    levels = {cell(target, feature).level for target in TARGETS}
    parts = []
    if Level.CONDITIONAL in levels:
        parts.append("Where it is conditional, the profile of the cluster says whether the condition holds.")
    if Level.APPROXIMATE in levels:
        parts.append(
            f'Where it is approximate, accept=("{feature.code}",) on the policy, or accept = ["{feature.code}"] in the'
            " cluster's configuration, says that the difference is known and taken."
        )
    if levels & {Level.NEVER, Level.NOT_YET}:
        parts.append('A policy with only=("istio",) and the like is meant for these meshes alone.')
    return " ".join(parts) or "No mesh needs anything for it."


def _notes() -> Iterator[tuple[Feature, type[Target], Support]]:
    for feature in Feature:
        for target in TARGETS:
            found = cell(target, feature)
            if found.note or found.help:
                yield feature, target, found


def _note(found: Support) -> str:
    parts = (found.note, f"Way out: {found.help}" if found.help else "")
    return " ".join(part.strip().rstrip(".") + "." for part in parts if part)


def _text() -> str:
    titles = [target.title for target in TARGETS]
    rows = [["", "", *titles]]
    rows += [[f.code, f.title, *(str(cell(target, f).level) for target in TARGETS)] for f in Feature]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [f"{feature.code} {target.title}: {_note(found)}" for feature, target, found in _notes()]
    return "\n".join([*lines, "", *notes]) + "\n"


def _markdown() -> str:
    head = ["feature", "code", *(target.title for target in TARGETS)]
    lines = [
        "# What each mesh can do",
        "",
        "Made by `meshdsl support --format markdown`; do not edit.",
        "",
        _LEVELS,
        "",
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
    ]
    for feature in Feature:
        levels = (str(cell(target, feature).level) for target in TARGETS)
        lines.append("| " + " | ".join([_escaped(feature.title), feature.code, *levels]) + " |")
    lines += ["", "## Notes and conditions", ""]
    last = None
    for feature, target, found in _notes():
        if feature is not last:
            lines += [*([""] if last else []), f"### {feature.code}: {feature.title}", ""]
            last = feature
        lines.append(f"- **{target.title}** ({found.level}): {_escaped(_note(found))}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def _json() -> str:
    body: dict[str, Json] = {
        "version": 1,
        "meshdsl": VERSION,
        "targets": [{"name": t.name, "title": t.title, "versions": list(t.versions)} for t in TARGETS],
        "features": [
            {
                "code": feature.code,
                "title": feature.title,
                "support": {t.name: _cell_json(cell(t, feature)) for t in TARGETS},
            }
            for feature in Feature
        ],
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _cell_json(found: Support) -> dict[str, Json]:
    return {"level": found.level.value, "note": found.note, "help": found.help}
