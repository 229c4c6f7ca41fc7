"""From sets of callers and requests to few rows, each a rectangle: these callers, methods, paths, these headers.

Fewest rows is a hard problem; here both ways of cutting are tried at each step (by callers or by requests, by methods
or by paths), and the one with fewer rows is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from meshdsl.compare.access.requests import Space


class Block(NamedTuple):
    """Some callers, and the requests that are theirs alone."""

    callers: int
    cells: int


@dataclass(frozen=True, slots=True)
class Row:
    """A rectangle, as sets of bits.

    Attributes:
        ports: empty for all.
        is_all: all requests, whatever the other sets say.
        denied: nothing but a deny refused them before.
    """

    callers: int
    methods: int
    paths: int
    states: int
    ports: tuple[int, ...] = ()
    is_all: bool = False
    denied: bool = False

    def on(self, ports: tuple[int, ...]) -> Row:
        """The same on some ports."""
        return replace(self, ports=ports)


def rows(space: Space, blocks: list[Block], *, by_caller: bool = False) -> list[Row]:
    """Rectangles that cover exactly the blocks.

    Args:
        space: of the requests.
        blocks: that do not overlap.
        by_caller: of two ways with as many rows, the one that says of each caller everything at once.
    """
    ways = [
        [Row(callers, *one) for callers, cells in _merged(cut) for one in _rectangles(space, cells)]
        for cut in (blocks, _by_caller(blocks))
    ]
    return min(reversed(ways) if by_caller else ways, key=len)


def _merged(blocks: list[Block]) -> list[Block]:
    """Blocks of the same callers together, and then those of the same requests."""
    cells: dict[int, int] = {}
    for one in blocks:
        cells[one.callers] = cells.get(one.callers, 0) | one.cells
    callers: dict[int, int] = {}
    for who, mine in cells.items():
        callers[mine] = callers.get(mine, 0) | who
    return [Block(who, mine) for mine, who in callers.items()]


def _by_caller(blocks: list[Block]) -> list[Block]:
    found: dict[int, int] = {}
    for callers, cells in blocks:
        rest = callers
        while rest:
            bit = rest & -rest
            found[bit] = found.get(bit, 0) | cells
            rest ^= bit
    return [Block(who, cells) for who, cells in sorted(found.items())]


def _rectangles(space: Space, cells: int) -> list[tuple[int, int, int]]:
    """(methods, paths, combinations of headers) that cover exactly these requests."""
    states: dict[tuple[tuple[int, int], ...], int] = {}
    by_state: dict[tuple[int, int], int] = {}
    for index, by_method in enumerate(space.table(cells)):
        found = tuple(_flat(by_method))
        if found:
            states[found] = states.get(found, 0) | 1 << index
        for one in found:
            by_state[one] = by_state.get(one, 0) | 1 << index
    whole = [(methods, paths, which) for found, which in states.items() for methods, paths in found]
    cut = [(methods, paths, which) for (methods, paths), which in by_state.items()]
    return min(whole, cut, key=len)


def _flat(by_method: list[int]) -> list[tuple[int, int]]:
    """(methods, paths) that cover exactly the paths of each method."""
    together: dict[int, int] = {}
    for index, paths in enumerate(by_method):
        if paths:
            together[paths] = together.get(paths, 0) | 1 << index
    methods_of: dict[int, int] = {}
    every = 0
    for paths in together:
        every |= paths
    while every:
        bit = every & -every
        every ^= bit
        methods = sum(which for paths, which in together.items() if paths & bit)
        methods_of[methods] = methods_of.get(methods, 0) | bit
    return min([(methods, paths) for paths, methods in together.items()], list(methods_of.items()), key=len)
