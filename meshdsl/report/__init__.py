"""Diagnostics and tables as text, JSON, SARIF 2.1.0 and GitHub annotations.

Pure functions from findings to a string: they print nothing, know no terminal beyond "with colour or without", and no
command. All formats show the same findings in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from meshdsl.diagnostics import Diagnostic
from meshdsl.values import Json

Format = Literal["text", "json", "sarif", "github"]


def report(
    format: Format,
    diagnostics: Iterable[Diagnostic],
    *,
    base: str,
    command: str,
    summary: Mapping[str, Json] | None = None,
    colour: bool = False,
) -> str:
    """Diagnostics in one of the formats.

    Args:
        format: ``"text"``, ``"json"``, ``"sarif"`` or ``"github"``.
        diagnostics: in any order, of any number of clusters.
        base: folder that files are shown relative to, usually the working directory.
        command: that found them, such as ``"build"``; only JSON has it.
        summary: what the command did; only JSON has it.
        colour: whether text may have ANSI colours.

    Returns:
        Text that ends with a newline; empty where text or annotations have nothing to say.
    """
    # Each format is imported when it is asked for: a build that finds nothing needs none of them.
    given = list(diagnostics)
    if not given and format in {"text", "github"}:
        return ""
    from meshdsl.report.finding import findings  # noqa: PLC0415

    found = findings(given, base)
    if format == "json":
        from meshdsl.report import json_report  # noqa: PLC0415

        return json_report.document(found, command, summary)
    if format == "sarif":
        from meshdsl.report import sarif  # noqa: PLC0415

        return sarif.document(found)
    if format == "github":
        from meshdsl.report import github  # noqa: PLC0415

        return github.workflow_commands(found)
    from meshdsl.report import text  # noqa: PLC0415

    return text.diagnostics(found, colour=colour)
