"""Where a graph is drawn: services in boxes of namespaces, and the way of each call between the boxes.

A call never crosses a service that it is not about: where it passes a column, it has a lane there, between the boxes.
Calls that leave one service share its lane, and so do those that come to one, so a column has few. Namespaces are laid
out as nodes of a graph of their own, in the same way. All is in pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, sqrt
from typing import Final, NamedTuple

from meshdsl.report.graph_layers import heights, layers, ordered

_GAP: Final = 14
"""Between boxes of a column."""
_WAY: Final = 60
"""Between columns: room for calls to bend."""
_PADDING: Final = 22
_HEADING: Final = 26
_GROUP_GAP: Final = 30
_GROUP_WAY: Final = 90
_LANE: Final = 3
_TALL: Final = 900
"""A column of services that is taller is folded."""
_SCREEN: Final = 2_000
"""What is no wider fits a large screen."""
_WIDE: Final = 2.4
"""A picture that is so many times wider than tall has its namespaces closer together,"""
_SHAPE: Final = 1.6
"""so that it is about so many times as wide."""

RIGHT: Final = 1
LEFT: Final = -1

Size = tuple[float, float]
"""Width and height."""
Edge = tuple[str, str]


class Lane(NamedTuple):
    """The lane of a node's calls through a column.

    Attributes:
        node: whose calls: of the caller where they leave, of the service where they come in.
        leaves: whether they leave.
        heading: RIGHT or LEFT.
        column: that it leads through.
    """

    node: str
    leaves: bool
    heading: int
    column: int


Item = str | Lane


class Box(NamedTuple):
    """Where something is."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, x: float, y: float) -> Box:
        """The same elsewhere."""
        return Box(self.x + x, self.y + y, self.width, self.height)


class Stop(NamedTuple):
    """A horizontal piece of a call's way, with where it is headed when it comes in and when it goes out."""

    start: float
    end: float
    y: float
    comes: int
    goes: int


@dataclass(frozen=True, slots=True)
class Layout:
    """All boxes, the stops of each call from its caller to its service, and the size of the whole."""

    nodes: Mapping[str, Box]
    groups: Mapping[str, Box]
    ways: Mapping[Edge, tuple[Stop, ...]]
    width: float
    height: float


@dataclass(slots=True)
class _Columns:
    """Nodes in columns, with the lanes that were asked for."""

    columns: list[list[Item]]
    where: dict[str, int]
    links: list[tuple[Item, Item]]

    @classmethod
    def of(cls, columns: Iterable[Sequence[str]]) -> _Columns:
        found: list[list[Item]] = [list(column) for column in columns]
        return cls(found, {str(name): index for index, column in enumerate(found) for name in column}, [])

    def lanes(self, node: str, columns: Iterable[int], heading: int, *, leaves: bool) -> list[Item]:
        """The lanes through some columns, made where they are not there."""
        found = [Lane(node, leaves, heading, column) for column in columns]
        for lane in found:
            if lane not in self.columns[lane.column]:
                self.columns[lane.column].append(lane)
        return list(found)

    def link(self, items: Sequence[Item]) -> None:
        """Items beside each other on a way."""
        self.links += pairwise(items)

    def between(self, a: str, b: str) -> tuple[list[Item], int, int]:
        """The lanes from one node to another, and where a call is headed when it leaves and when it comes."""
        first, last = self.where[a], self.where[b]
        if first == last:
            return [], RIGHT, LEFT
        heading = RIGHT if last > first else LEFT
        found = self.lanes(a, range(first + heading, last, heading), heading, leaves=True)
        self.link([a, *found, b])
        return found, heading, heading

    def out(self, node: str, heading: int) -> list[Item]:
        """The lanes from a node to the outside."""
        end = len(self.columns) if heading == RIGHT else -1
        found = self.lanes(node, range(self.where[node] + heading, end, heading), heading, leaves=True)
        self.link([node, *found])
        return found

    def into(self, node: str, heading: int) -> list[Item]:
        """The lanes from the outside to a node."""
        start = 0 if heading == RIGHT else len(self.columns) - 1
        found = self.lanes(node, range(start, self.where[node], heading), heading, leaves=False)
        self.link([*found, node])
        return found

    def placed(
        self, sizes: Mapping[str, Size], gap: float, way: float
    ) -> tuple[dict[Item, Box], Size, dict[str, float]]:
        """The boxes of nodes and lanes, from (0, 0), the size of all of them, and where the column of a node ends."""
        columns = ordered(self.columns, self.links)
        tall = {item: sizes[item][1] if isinstance(item, str) else float(_LANE) for one in columns for item in one}
        tops = heights(columns, self.links, tall, lambda a, b: _between(a, b, gap))
        found: dict[Item, Box] = {}
        ends: dict[str, float] = {}
        x = 0.0
        for column in columns:
            width = max((sizes[item][0] for item in column if isinstance(item, str)), default=0.0)
            for item in column:
                own = sizes[item][0] if isinstance(item, str) else width
                found[item] = Box(x, tops[item], own, tall[item])
                ends |= {item: x + width} if isinstance(item, str) else {}
            x += width + way
        bottom = max((box.y + box.height for box in found.values()), default=0.0)
        return found, (max(0.0, x - way), bottom), ends


def layout(
    groups: Mapping[str, Sequence[str]],
    sizes: Mapping[str, Size],
    edges: Iterable[Edge],
    headings: Mapping[str, float],
    way: float = _WAY,
) -> Layout:
    """Place everything.

    Args:
        groups: the nodes of each group.
        sizes: of the nodes.
        edges: from, to.
        headings: how wide the heading of each group is.
        way: between columns of nodes, for calls to bend and labels to stand.
    """
    pairs = sorted(set(edges))
    group_of = {node: name for name, nodes in groups.items() for node in nodes}
    inside = {}
    for name, nodes in groups.items():
        own = [(a, b) for a, b in pairs if group_of[a] == group_of[b] == name]
        inside[name] = _Columns.of(_folded(layers(nodes, own), sizes))
    rough = {name: _outer(columns.placed(sizes, _GAP, way)[1], headings[name]) for name, columns in inside.items()}
    calls = [(group_of[a], group_of[b]) for a, b in pairs if group_of[a] != group_of[b]]
    outside = _Columns.of(_closer(layers(list(groups), calls), rough))
    ways = {(a, b): _way(a, b, group_of, inside, outside) for a, b in pairs}
    placed = {name: columns.placed(sizes, _GAP, way) for name, columns in inside.items()}
    whole = {name: _outer(size, headings[name]) for name, (_, size, _) in placed.items()}
    boxes, (width, height), ends = outside.placed(whole, _GROUP_GAP, _GROUP_WAY)
    where: dict[tuple[str, Item], Box] = {("", item): box for item, box in boxes.items()}
    for name, (items, _, _) in placed.items():
        x, y = boxes[name].x + _PADDING, boxes[name].y + _PADDING + _HEADING
        where |= {(name, item): box.moved(x, y) for item, box in items.items()}
    return Layout(
        {node: where[group, node] for node, group in group_of.items()},
        {name: boxes[name] for name in groups},
        {pair: tuple(_stops(one, where, ends)) for pair, one in ways.items()},
        width,
        height,
    )


def _between(a: Item, b: Item, gap: float) -> float:
    """Lanes are closer together than boxes."""
    lanes = isinstance(a, Lane) + isinstance(b, Lane)
    return (gap, gap / 2, 4.0)[lanes]


def _outer(size: Size, heading: float) -> Size:
    return max(size[0], heading) + 2 * _PADDING, size[1] + _HEADING + 2 * _PADDING


# ------------------------------------------------------------------------------------------------------------- ways


class _Way(NamedTuple):
    """The way of a call: items with the group that they are in, and where it is headed at its ends."""

    items: tuple[tuple[str, Item], ...]
    goes: int
    comes: int


def _way(a: str, b: str, group_of: Mapping[str, str], inside: Mapping[str, _Columns], outside: _Columns) -> _Way:
    first, last = group_of[a], group_of[b]
    if first == last:
        lanes, goes, comes = inside[first].between(a, b)
        return _Way(tuple((first, item) for item in (a, *lanes, b)), goes, comes)
    between, goes, comes = outside.between(first, last)
    items = [(first, item) for item in (a, *inside[first].out(a, goes))]
    items += [("", item) for item in between]
    items += [(last, item) for item in (*inside[last].into(b, comes), b)]
    return _Way(tuple(items), goes, comes)


def _stops(way: _Way, where: Mapping[tuple[str, Item], Box], ends: Mapping[str, float]) -> Iterable[Stop]:
    """The stops of a way. Beside a group that is narrower than its column, it goes straight to the column's end."""
    groups = [group for group, _ in way.items]
    first, last = groups[0], groups[-1]
    leaves = len(groups) - 1 - groups[::-1].index(first) if first != last else -1
    comes = groups.index(last) if first != last else -1
    for index, key in enumerate(way.items):
        found = _stop(way, index, where[key])
        if index == leaves and found.goes == RIGHT:
            found = found._replace(end=ends[first])
        if index == comes and found.comes == LEFT:
            found = found._replace(start=ends[last])
        yield found


def _stop(way: _Way, index: int, box: Box) -> Stop:
    item, y, right = way.items[index][1], box.y + box.height / 2, box.x + box.width
    if isinstance(item, Lane):
        start, end = (box.x, right) if item.heading == RIGHT else (right, box.x)
        return Stop(start, end, y, item.heading, item.heading)
    if index == 0:
        x = right if way.goes == RIGHT else box.x
        return Stop(x, x, y, way.goes, way.goes)
    x = box.x if way.comes == RIGHT else right
    return Stop(x, x, y + (7 if way.items[0] == way.items[index] else 0), way.comes, way.comes)


# ---------------------------------------------------------------------------------------------------------- columns


def _folded(found: Sequence[Sequence[str]], sizes: Mapping[str, Size]) -> list[Sequence[str]]:
    """Columns that are not too tall; a single layer as a rectangle that is about as wide as tall."""
    columns: list[Sequence[str]] = []
    for layer in found:
        height = sum(sizes[name][1] + _GAP for name in layer)
        count = ceil(height / _TALL)
        if len(found) == 1:
            width = max(sizes[name][0] for name in layer) + _WAY
            count = max(1, min(len(layer), round(sqrt(height / width))))
        size = ceil(len(layer) / max(1, count))
        columns += [layer[start : start + size] for start in range(0, len(layer), size)]
    return columns


def _closer(found: Sequence[Sequence[str]], sizes: Mapping[str, Size]) -> Sequence[Sequence[str]]:
    """The columns of groups; where they make a picture that is far too wide, fewer columns, in the same order."""
    if _size(found, sizes)[0] <= _SCREEN or _shape(found, sizes) <= _WIDE:
        return found
    order = [name for layer in found for name in layer]
    ways = [_divided(order, sizes, count) for count in range(1, len(found) + 1)]
    return min(ways, key=lambda columns: abs(_shape(columns, sizes) - _SHAPE))


def _shape(columns: Sequence[Sequence[str]], sizes: Mapping[str, Size]) -> float:
    width, height = _size(columns, sizes)
    return width / height


def _size(columns: Sequence[Sequence[str]], sizes: Mapping[str, Size]) -> Size:
    width = sum(max(sizes[name][0] for name in column) + _GROUP_WAY for column in columns)
    height = max((sum(sizes[name][1] + _GROUP_GAP for name in column) for column in columns), default=1.0)
    return width, height


def _divided(order: Sequence[str], sizes: Mapping[str, Size], count: int) -> list[list[str]]:
    """So many columns of about the same height."""
    whole = sum(sizes[name][1] for name in order)
    columns: list[list[str]] = [[]]
    height = 0.0
    for name in order:
        middle = height + sizes[name][1] / 2
        if columns[-1] and middle > whole * len(columns) / count:
            columns.append([])
        columns[-1].append(name)
        height += sizes[name][1]
    return columns
