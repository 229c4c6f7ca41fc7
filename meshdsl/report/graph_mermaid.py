"""The graph as a Mermaid flowchart, for Markdown pages that draw it.

Mermaid has no quotes that protect all of a label, but it has character codes (``#35;``). So every character that is
not plainly harmless is written as one, and no name can end its label, open a link or become markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from meshdsl.compare.reach.answers import Reach
from meshdsl.compare.reach.graph import GraphNode, MeshGraph
from meshdsl.report.escape import one_line
from meshdsl.report.graph_words import heading, label, lines, namespaces, title

_UNSAFE = re.compile(r"[^\w /.,:%·-]")
_SHAPES = {"service": ('["', '"]'), "account": ('(["', '"])'), "namespace": ('[["', '"]]')}


def flowchart(graph: MeshGraph) -> str:
    """The flowchart; text that ends with a newline."""
    return "".join(f"{line}\n" for line in _lines(graph))


def _lines(graph: MeshGraph) -> Iterator[str]:
    ids = {node.key: f"n{index}" for index, node in enumerate(graph.nodes)}
    yield "flowchart LR"
    for index, namespace in enumerate(namespaces(graph)):
        yield f'  subgraph ns{index}["{_text(heading(graph, namespace))}"]'
        for node in graph.nodes:
            if node.namespace == namespace:
                yield f"    {ids[node.key]}{_shaped(graph, node)}"
        yield "  end"
    for edge in graph.edges:
        arrow = "-->" if edge.reach is Reach.ALL else "-.->"
        words = label(edge)
        named = f'|"{_text(words)}"|' if words else ""
        yield f"  {ids[edge.caller]} {arrow}{named} {ids[edge.service]}"
    opened = [ids[node.key] for node in graph.nodes if node.open_to or node.is_kept_out]
    if opened:
        yield "  classDef open stroke:#b3261e,stroke-width:2px"
        yield f"  class {','.join(opened)} open"


def _shaped(graph: MeshGraph, node: GraphNode) -> str:
    before, after = _SHAPES[node.kind]
    return before + "<br/>".join(_text(line) for line in (title(node), *lines(graph, node))) + after


def _text(words: str) -> str:
    return _UNSAFE.sub(lambda found: f"#{ord(found.group())};", one_line(words))
