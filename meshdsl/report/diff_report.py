"""A comparison in one of its formats.

Each format is imported when it is asked for. All show the same values in the same order, and none shows a credential.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from meshdsl.compare.report import DiffReport, Risk
from meshdsl.report.diff_mask import masked
from meshdsl.report.diff_words import DiffDocument, DiffFormat


def render_diff(format: DiffFormat, *reports: DiffReport, fail_on: Iterable[str] = (), base: str = "") -> str:
    """Comparisons as ``meshdsl diff --format`` shows them, for a program.

    Args:
        format: ``"text"``, ``"json"`` (described by ``docs/diff.schema.json``), ``"markdown"``, ``"html"``, ``"sarif"``
            or ``"github"``.
        reports: what :func:`meshdsl.diff` returns, one for each cluster.
        fail_on: names of risks that are errors, where a format tells errors from warnings.
        base: folder that the files of policies are shown relative to; as they are, if not given.

    Returns:
        Text that ends with a newline, without credentials; annotations may be empty.

    Raises:
        ValueError: there is no risk of that name.
    """
    return diff_report(format, DiffDocument(reports, fail_on=frozenset(map(Risk, fail_on)), base=base))


def diff_report(format: DiffFormat, document: DiffDocument, *, colour: bool = False) -> str:
    """The whole report.

    Args:
        format: one of the six.
        document: what is shown.
        colour: whether text may have ANSI colours.

    Returns:
        Text that ends with a newline; annotations may be empty.
    """
    safe = replace(document, reports=tuple(masked(report) for report in document.reports))
    if format == "text":
        from meshdsl.report import diff_text  # noqa: PLC0415

        return diff_text.text(safe, colour=colour)
    if format == "json":
        from meshdsl.report import diff_json  # noqa: PLC0415

        return diff_json.document(safe)
    if format == "markdown":
        from meshdsl.report import diff_markdown  # noqa: PLC0415

        return diff_markdown.text(safe)
    if format == "html":
        from meshdsl.report import diff_html  # noqa: PLC0415

        return diff_html.page(safe)
    from meshdsl.report import report  # noqa: PLC0415
    from meshdsl.report.diff_findings import diagnostics  # noqa: PLC0415

    return report(format, diagnostics(safe), base=document.base, command="diff")
