"""Who may call what, in one of the formats. Each is imported when it is asked for; all say the same in one order."""

from __future__ import annotations

from meshdsl.report.access_words import AccessDocument, AccessFormat


def access_report(format: AccessFormat, document: AccessDocument) -> str:
    """The whole document; text that ends with a newline."""
    if format == "json":
        from meshdsl.report import access_json  # noqa: PLC0415

        return access_json.document(document)
    if format == "markdown":
        from meshdsl.report import access_markdown  # noqa: PLC0415

        return access_markdown.text(document)
    if format == "html":
        from meshdsl.report import access_html  # noqa: PLC0415

        return access_html.page(document)
    if format == "csv":
        from meshdsl.report import access_csv  # noqa: PLC0415

        return access_csv.table(document)
    from meshdsl.report import access_text  # noqa: PLC0415

    return access_text.text(document)
