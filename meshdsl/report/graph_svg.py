"""The graph as one SVG picture, drawn by our own layout: no program, font, script or style comes from elsewhere.

It can be looked at alone and in a page, light or dark. Where the pointer is on a service, its calls stand out; what an
edge allows, and the line that says so, is its title.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import pairwise
from typing import Final

from meshdsl.compare.reach.answers import Reach
from meshdsl.compare.reach.graph import GraphEdge, GraphNode, MeshGraph
from meshdsl.report.escape import one_line
from meshdsl.report.graph_layout import Box, Layout, Stop, layout
from meshdsl.report.graph_words import heading, label, lines, namespaces, places, title, tooltip

_NO_XML: Final = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}
"""Characters that no XML document may hold, beside those that are never shown as they are."""
_MARGIN: Final = 24
_LINE: Final = 16
_NAME_PX: Final = 8.6
"""Width of a character of a name, a little more than that of most fonts, so that no text leaves its box."""
_TEXT_PX: Final = 6.9
_LABELLED: Final = 104.0
_PLAIN: Final = 60.0
"""Between services, where edges have labels and where they have none."""
_LABEL_PX: Final = 5.6
_LABELS: Final = 40
"""Up to so many edges, they have labels; of more, titles alone."""
_LOOP: Final = 28
"""Room at the right for calls that turn round."""

_STYLE: Final = """
svg { background: #f6f7f9; font-family: system-ui, "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif; }
.group { fill: #ffffff; stroke: #dfe3ea; }
.heading { fill: #5b6779; font-size: 13px; font-weight: 600; }
.node rect { fill: #eef1f6; stroke: #b9c2d0; }
.node.account rect, .node.namespace rect { fill: #fff4d9; stroke: #d9b45c; }
.node.open rect { stroke: #b3261e; stroke-width: 1.8; }
.node .name { fill: #1b2330; font-size: 13px; font-weight: 600; }
.node .line { fill: #5b6779; font-size: 11.5px; }
.node.open .open { fill: #b3261e; }
.edge { fill: none; stroke: #5b78b8; stroke-width: 1.3; opacity: .75; }
.edge.some { stroke-dasharray: 5 3; }
.head { fill: #5b78b8; }
.hit { fill: none; stroke: transparent; stroke-width: 9; }
.label { fill: #41506a; font-size: 10.5px; paint-order: stroke; stroke: #ffffff; stroke-width: 3px; }
@media (prefers-color-scheme: dark) {
  svg { background: #10141b; }
  .group { fill: #181e28; stroke: #2a3342; }
  .heading, .node .line { fill: #97a3b6; }
  .node rect { fill: #232c3a; stroke: #46536a; }
  .node.account rect, .node.namespace rect { fill: #33270f; stroke: #8a6a22; }
  .node.open rect { stroke: #ff9d94; }
  .node .name { fill: #e5e9f0; }
  .node.open .open { fill: #ff9d94; }
  .edge { stroke: #7d9be0; }
  .head { fill: #7d9be0; }
  .label { fill: #b6c2d8; stroke: #181e28; }
}
"""
_MANY: Final = ".edge { stroke-width: 1; opacity: .55; }\n"
"""Beside so many others, a single edge steps back."""


def picture(graph: MeshGraph, base: str) -> str:
    """The picture; files in titles are relative to ``base``."""
    names = namespaces(graph)
    groups = {name: [node.key for node in graph.nodes if node.namespace == name] for name in names}
    said = {node.key: lines(graph, node) for node in graph.nodes}
    sizes = {node.key: _size(title(node), said[node.key]) for node in graph.nodes}
    headings = {name: _TEXT_PX * 1.2 * len(heading(graph, name)) for name in names}
    pairs = [(edge.caller, edge.service) for edge in graph.edges]
    where = layout(groups, sizes, pairs, headings, _LABELLED if len(pairs) <= _LABELS else _PLAIN)
    return "".join(f"{line}\n" for line in _drawn(graph, where, said, base))


def _size(name: str, said: list[str]) -> tuple[float, float]:
    width = max([_NAME_PX * len(name), *(_TEXT_PX * len(line) for line in said)]) + 24
    return max(80.0, width), 30.0 + _LINE * len(said)


def _drawn(graph: MeshGraph, where: Layout, said: dict[str, list[str]], base: str) -> Iterator[str]:
    width, height = where.width + 2 * _MARGIN + _LOOP, where.height + 2 * _MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{-_MARGIN} {-_MARGIN} {width:.0f} {height:.0f}" role="img">'
    )
    yield f"<title>{_text(graph.name)}</title>"
    yield f"<style>{_STYLE}{'' if len(graph.edges) <= _LABELS else _MANY}{_hovers(graph)}</style>"
    for name, box in where.groups.items():
        yield f'<rect class="group" {_rect(box)} rx="12"/>'
        yield f'<text class="heading" x="{box.x + 16:.1f}" y="{box.y + 26:.1f}">{_text(heading(graph, name))}</text>'
    numbers = {node.key: index for index, node in enumerate(graph.nodes)}
    for edge in graph.edges:
        classes = f"c{numbers[edge.caller]} c{numbers[edge.service]}"
        yield from _edge(edge, where.ways[edge.caller, edge.service], classes, base)
    for node in graph.nodes:
        yield from _node(node, where.nodes[node.key], said[node.key], numbers[node.key], _hint(graph, node, base))
    if len(graph.edges) <= _LABELS:
        yield from _labels(graph, where)
    yield "</svg>"


def _hovers(graph: MeshGraph) -> str:
    """Under the pointer, a service's own edges stay and the others step back."""
    return "".join(f"svg:has(.n{n}:hover) .e:not(.c{n}){{opacity:.08}}\n" for n in range(len(graph.nodes)))


def _node(node: GraphNode, box: Box, said: list[str], number: int, hint: str) -> Iterator[str]:
    marked = bool(node.open_to or node.is_kept_out)
    yield f'<g class="node {node.kind} n{number}{" open" if marked else ""}">'
    yield f"<title>{_text(hint)}</title>"
    yield f'<rect {_rect(box)} rx="{7 if node.kind == "service" else 15}"/>'
    yield f'<text class="name" x="{box.x + 12:.1f}" y="{box.y + 20:.1f}">{_text(title(node))}</text>'
    for index, line in enumerate(said, 1):
        is_open = line.startswith(("open to ", "kept out "))
        y = box.y + 20 + index * _LINE
        yield f'<text class="line{" open" if is_open else ""}" x="{box.x + 12:.1f}" y="{y:.1f}">{_text(line)}</text>'
    yield "</g>"


def _hint(graph: MeshGraph, node: GraphNode, base: str) -> str:
    """All that is known of a node, which its box has no room for."""
    why = places(node.open_because, base) or "; ".join(reason.what for reason in node.open_because)
    return "; ".join([node.key, *lines(graph, node, whole=True)]) + (f" ({why})" if why else "")


def _edge(edge: GraphEdge, way: tuple[Stop, ...], classes: str, base: str) -> Iterator[str]:
    path = _path(way)
    some = " some" if edge.reach is Reach.SOME else ""
    yield f'<g class="e {classes}"><title>{_text(tooltip(edge, base))}</title>'
    yield f'<path class="edge{some}" d="{path}"/>'
    end = way[-1]
    yield f'<path class="head" d="M{end.end:.1f} {end.y:.1f} l{-7 * end.comes} -3.6 v7.2 z"/>'
    yield f'<path class="hit" d="{path}"/></g>'


def _path(way: tuple[Stop, ...]) -> str:
    """From stop to stop; between them it bends, and leaves and comes horizontally."""
    words = [f"M{way[0].start:.1f} {way[0].y:.1f}"]
    if way[0].start != way[0].end:
        words.append(f"H{way[0].end:.1f}")
    for one, two in pairwise(way):
        straight = two.start != two.end
        end = two.start - (6 * two.comes if two is way[-1] and not straight else 0)
        # Where it turns round, it needs room beside both.
        bend = 44.0 if one.goes != two.comes else min(120.0, max(18.0, abs(end - one.end) / 2))
        first, second = one.end + one.goes * bend, end - two.comes * bend
        words.append(f"C{first:.1f} {one.y:.1f} {second:.1f} {two.y:.1f} {end:.1f} {two.y:.1f}")
        if straight:
            words.append(f"H{two.end - (6 * two.comes if two is way[-1] else 0):.1f}")
    return " ".join(words)


def _labels(graph: MeshGraph, where: Layout) -> Iterator[str]:
    """Which requests, beside the head of an edge that is about some; beside its tail where others end there, too.

    Where there is no room for the words between the columns, or others stand there already, there are none: the title
    of the edge has them. What calls of several services have in common is written once.
    """
    taken: dict[Box, str] = dict.fromkeys(where.nodes.values(), "")
    said: dict[str, set[str]] = {}
    for edge in graph.edges:
        said.setdefault(edge.service, set()).add(label(edge))
    for edge in graph.edges:
        words = label(edge)
        width = _LABEL_PX * len(words)
        spots = list(_spots(where.ways[edge.caller, edge.service], width + 12)) if words else []
        for anchor, x, y in spots if len(said[edge.service]) == 1 else reversed(spots):
            box = Box(x - width if anchor == "end" else x, y - 9, width, 12)
            if taken.get(box) == words:
                break
            if not any(_cover(box, other) for other in taken):
                taken[box] = words
                yield f'<text class="label" text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}">{_text(words)}</text>'
                break


def _spots(way: tuple[Stop, ...], room: float) -> Iterator[tuple[str, float, float]]:
    """Where words may stand that need so much room: anchor, x and y; above and below the head, below and above the
    tail.
    """
    tail, head = way[0], way[-1]
    if abs(head.start - way[-2].end) >= room:
        for y in (head.y - 5, head.y + 13):
            yield "end" if head.comes > 0 else "start", head.end - 10 * head.comes, y
    if abs(way[1].start - tail.end) >= room:
        for y in (tail.y + 13, tail.y - 5):
            yield "start" if tail.goes > 0 else "end", tail.end + 6 * tail.goes, y


def _cover(one: Box, other: Box) -> bool:
    """Whether two boxes have something in common."""
    beside = one.x >= other.x + other.width or other.x >= one.x + one.width
    return not (beside or one.y >= other.y + other.height or other.y >= one.y + one.height)


def _rect(box: Box) -> str:
    return f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'


def _text(words: str) -> str:
    return escape(one_line(words)).translate(_NO_XML)
