"""The graph of a mesh in one of its formats. Each is imported when it is asked for."""

from __future__ import annotations

from meshdsl.compare.reach.graph import MeshGraph
from meshdsl.report.graph_words import GraphFormat


def graph_report(format: GraphFormat, graph: MeshGraph, base: str) -> str:
    """The graph; text that ends with a newline. Files are shown relative to ``base``."""
    if format == "dot":
        from meshdsl.report import graph_dot  # noqa: PLC0415

        return graph_dot.digraph(graph, base)
    if format == "svg":
        from meshdsl.report import graph_svg  # noqa: PLC0415

        return graph_svg.picture(graph, base)
    from meshdsl.report import graph_mermaid  # noqa: PLC0415

    return graph_mermaid.flowchart(graph)
