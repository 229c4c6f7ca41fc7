"""A comparison in one of its formats.

Each format is imported when it is asked for. All show the same values in the same order, and none shows a credential.
"""

from __future__ import annotations

from dataclasses import replace

from meshdsl.report.diff_mask import masked
from meshdsl.report.diff_words import DiffDocument, DiffFormat


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
