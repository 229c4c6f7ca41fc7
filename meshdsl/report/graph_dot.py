"""The graph in the language of Graphviz. Every text stands in quotes, in which only a quote and a backslash count."""

from __future__ import annotations

from collections.abc import Iterator

from meshdsl.compare.reach.answers import Reach
from meshdsl.compare.reach.graph import GraphNode, MeshGraph
from meshdsl.report.escape import one_line
from meshdsl.report.graph_words import heading, label, lines, namespaces, title, tooltip

_SHAPES = {"service": "box", "account": "ellipse", "namespace": "box3d"}


def digraph(graph: MeshGraph, base: str) -> str:
    """The digraph; files in tooltips are relative to ``base``."""
    return "".join(f"{line}\n" for line in _lines(graph, base))


def _lines(graph: MeshGraph, base: str) -> Iterator[str]:
    yield f"digraph {_quoted(graph.name)} {{"
    yield "  rankdir=LR; compound=true; nodesep=0.25; ranksep=0.9;"
    yield '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica", fontsize=11];'
    yield '  edge [fontname="Helvetica", fontsize=9, color="#5b6779"];'
    for index, namespace in enumerate(namespaces(graph)):
        yield f"  subgraph cluster_{index} {{"
        yield f"    label={_quoted(heading(graph, namespace))}; style=rounded; color=gray;"
        yield from (f"    {_node(graph, node)}" for node in graph.nodes if node.namespace == namespace)
        yield "  }"
    for edge in graph.edges:
        words = label(edge)
        said = f", label={_quoted(words)}" if words else ""
        style = "solid" if edge.reach is Reach.ALL else "dashed"
        hint = _quoted(tooltip(edge, base))
        yield f"  {_quoted(edge.caller)} -> {_quoted(edge.service)} [style={style}, tooltip={hint}{said}];"
    yield "}"


def _node(graph: MeshGraph, node: GraphNode) -> str:
    words = _quoted(title(node), *lines(graph, node))
    colour = ', color="#b3261e", penwidth=2' if node.open_to or node.is_kept_out else ""
    hint = _quoted("; ".join([node.key, *lines(graph, node, whole=True)]))
    return f"{_quoted(node.key)} [label={words}, shape={_SHAPES[node.kind]}, tooltip={hint}{colour}];"


def _quoted(*words: str) -> str:
    """Lines of text as one string. A backslash begins an escape in labels, so it is doubled."""
    return '"' + "\\n".join(one_line(one).replace("\\", "\\\\").replace('"', '\\"') for one in words) + '"'
