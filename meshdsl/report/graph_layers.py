"""Layers: in which column each node stands, and how far up or down.

Calls go from left to right where they can. The column of a node is the longest way of calls to it; its place within the
column is the middle of its neighbours (the barycentre method of Sugiyama, Tagawa and Toda, 1981), ties by name, so the
same graph always looks the same. What the nodes are is not known here: services, or whole namespaces.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

_SWEEPS: Final = 8
"""Times that the columns are put in order by their neighbours; more changes little."""

Item = TypeVar("Item", bound=Hashable)


def layers(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Nodes by the longest way to them; what closes a circle is left out of the count."""
    callees: dict[str, list[str]] = {name: [] for name in sorted(names)}
    for a, b in sorted(set(edges)):
        if a != b:
            callees[a].append(b)
    order = _without_circles(callees)
    place = {name: index for index, name in enumerate(order)}
    depth = dict.fromkeys(order, 0)
    for name in order:
        for callee in callees[name]:
            if place[callee] > place[name]:
                depth[callee] = max(depth[callee], depth[name] + 1)
    found: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in callees:
        found[depth[name]].append(name)
    return found


def _without_circles(callees: Mapping[str, Sequence[str]]) -> list[str]:
    """An order in which few calls go back: by when a walk that follows calls first has left a node.

    It starts where nobody calls, so that these come first.
    """
    called = {callee for mine in callees.values() for callee in mine}
    left: list[str] = []
    seen: set[str] = set()
    for start in sorted(callees, key=lambda name: (name in called, name)):
        if start in seen:
            continue
        seen.add(start)
        walk = [(start, iter(callees[start]))]
        while walk:
            name, rest = walk[-1]
            following = next((one for one in rest if one not in seen), None)
            if following is None:
                left.append(name)
                walk.pop()
            else:
                seen.add(following)
                walk.append((following, iter(callees[following])))
    return left[::-1]


def ordered(columns: Sequence[Sequence[Item]], links: Iterable[tuple[Item, Item]]) -> list[list[Item]]:
    """The columns, each in the order of the middle of its neighbours in other columns."""
    neighbours: dict[Item, list[Item]] = {}
    where = {item: index for index, column in enumerate(columns) for item in column}
    for a, b in links:
        if where[a] != where[b]:
            neighbours.setdefault(a, []).append(b)
            neighbours.setdefault(b, []).append(a)
    found = [list(column) for column in columns]
    place = {item: _part(index, column) for column in found for index, item in enumerate(column)}
    for sweep in range(_SWEEPS):
        for column in found if sweep % 2 == 0 else found[::-1]:
            middle = {item: _middle([place[one] for one in neighbours.get(item, ())], place[item]) for item in column}
            column.sort(key=lambda item: (middle[item], place[item]))
            place |= {item: _part(index, column) for index, item in enumerate(column)}
    return found


def _part(index: int, column: Sequence[Item]) -> float:
    return (index + 0.5) / len(column)


def _middle(places: Sequence[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def heights(
    columns: Sequence[Sequence[Item]],
    links: Iterable[tuple[Item, Item]],
    tall: Mapping[Item, float],
    gap: Callable[[Item, Item], float],
) -> dict[Item, float]:
    """The upper edge of each item: in the order of its column, near the middle of its neighbours, within one height.

    The height is that of the column that needs most, so nothing is drawn apart for the sake of straight lines.

    Args:
        columns: in order.
        links: between items of different columns.
        tall: how tall each item is.
        gap: between two items of a column, the upper one first.
    """
    neighbours: dict[Item, list[Item]] = {}
    for a, b in links:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    offsets = [_offsets(column, tall, gap) for column in columns]
    whole = max(
        (mine[-1] + tall[column[-1]] for column, mine in zip(columns, offsets, strict=True) if column), default=0.0
    )
    found: dict[Item, float] = {}
    rooms = []
    for column, mine in zip(columns, offsets, strict=True):
        room = whole - mine[-1] - tall[column[-1]] if column else 0.0
        rooms.append(room)
        found |= {item: offset + room / 2 for item, offset in zip(column, mine, strict=True)}
    for sweep in range(_SWEEPS):
        turn = list(zip(columns, offsets, rooms, strict=True))
        for column, mine, room in turn if sweep % 2 == 0 else turn[::-1]:
            slack = [
                _middle([found[one] + tall[one] / 2 for one in neighbours.get(item, ())], found[item] + tall[item] / 2)
                - tall[item] / 2
                - offset
                for item, offset in zip(column, mine, strict=True)
            ]
            for item, offset, shift in zip(column, mine, _rising(slack), strict=True):
                found[item] = offset + min(room, max(0.0, shift))
    return found


def _offsets(column: Sequence[Item], tall: Mapping[Item, float], gap: Callable[[Item, Item], float]) -> list[float]:
    """The upper edges of a column's items, if they stand as close as they may."""
    found: list[float] = []
    y = 0.0
    for index, item in enumerate(column):
        y += gap(column[index - 1], item) if index else 0.0
        found.append(y)
        y += tall[item]
    return found


def _rising(wanted: Sequence[float]) -> list[float]:
    """The numbers nearest to some, by the sum of squares, of which none is less than the one before.

    (The pool-adjacent-violators method of isotonic regression.) So items keep their order and their distance.
    """
    pools: list[tuple[float, int]] = []
    for number in wanted:
        total, count = number, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, many = pools.pop()
            total, count = total + before, count + many
        pools.append((total, count))
    return [total / count for total, count in pools for _ in range(count)]
