"""Which item of one list is which of another, where a list has no keys that say so.

An ordered list is compared as people read it: the rule ``checkout`` with the rule ``checkout``, not the second with the
second. Equal items go together first, then those that one identity tells apart on both sides (a name, a destination,
the conditions of a match), then one that is left at the same place of both, then those that are alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshdsl.compare.normalise import canonical

_ALIKE = 0.5
"""How far two items may be apart, from 0 to 1, to be one that changed."""

_MOST = 12
"""How many items are looked at for likeness on each side: it takes the square of it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An item of ours and the one of theirs that it is; None where the other side has none.

    Attributes:
        ours: index.
        live: index.
        label: ``name=value`` of its identity; empty if it has none.
    """

    ours: int | None
    live: int | None
    label: str = ""

    @property
    def step(self) -> str | int:
        """The item in a field path."""
        return self.label or (self.ours if self.ours is not None else self.live or 0)


def pairs(ours: Sequence[Any], live: Sequence[Any]) -> list[Pair]:
    """All items of both lists, in our order, then what only the other side has.

    Args:
        ours: items with their defaults filled in.
        live: items with their defaults filled in.
    """
    matched: dict[int, int] = {}
    rest_ours, rest_live = _equal(ours, live, matched)
    for identity in _IDENTITIES:
        _identical(ours, live, rest_ours, rest_live, matched, identity)
    if len(rest_ours) == 1 and rest_ours == rest_live:
        matched[rest_ours.pop()] = rest_live.pop()
    elif rest_ours and rest_live:
        _alike(ours, live, rest_ours, rest_live, matched)
    name = _naming(ours, live)
    found = [Pair(i, matched.get(i), name(item)) for i, item in enumerate(ours)]
    return found + [Pair(None, j, name(live[j])) for j in rest_live]


def is_moved(found: Sequence[Pair]) -> bool:
    """Whether items that are on both sides stand in another order."""
    order = [pair.live for pair in found if pair.ours is not None and pair.live is not None]
    return order != sorted(order)


def _equal(ours: Sequence[Any], live: Sequence[Any], matched: dict[int, int]) -> tuple[list[int], list[int]]:
    """Match what is equal, at the same place if possible."""
    mine, theirs = [canonical(item) for item in ours], [canonical(item) for item in live]
    matched.update((i, i) for i, (one, other) in enumerate(zip(mine, theirs, strict=False)) if one == other)
    free: dict[str, list[int]] = {}
    taken = set(matched.values())
    for j, text in enumerate(theirs):
        if j not in taken:
            free.setdefault(text, []).append(j)
    for i, text in enumerate(mine):
        if i not in matched and free.get(text):
            matched[i] = free[text].pop(0)
    taken = set(matched.values())
    return [i for i in range(len(ours)) if i not in matched], [j for j in range(len(live)) if j not in taken]


def _identical(
    ours: Sequence[Any],
    live: Sequence[Any],
    rest_ours: list[int],
    rest_live: list[int],
    matched: dict[int, int],
    identity: Callable[[Any], str],
) -> None:
    """Match what is left by an identity that is unique among it on both sides."""
    mine = {i: identity(ours[i]) for i in rest_ours}
    theirs = {j: identity(live[j]) for j in rest_live}
    counts, others = Counter(mine.values()), Counter(theirs.values())
    where = {text: j for j, text in theirs.items() if text and others[text] == 1}
    for i, text in mine.items():
        if text in where and counts[text] == 1:
            matched[i] = where[text]
            rest_ours.remove(i)
            rest_live.remove(where[text])


def _alike(
    ours: Sequence[Any], live: Sequence[Any], rest_ours: list[int], rest_live: list[int], matched: dict[int, int]
) -> None:
    if max(len(rest_ours), len(rest_live)) > _MOST:
        return
    distances = sorted(
        (_distance(ours[i], live[j]), abs(i - j), i, j)
        for i in rest_ours
        for j in rest_live
        if not (_name(ours[i]) and _name(live[j]))  # what has another name is another
    )
    for distance, _, i, j in distances:
        if distance < _ALIKE and i in rest_ours and j in rest_live:
            matched[i] = j
            rest_ours.remove(i)
            rest_live.remove(j)


def _distance(one: Any, other: Any) -> float:
    from deepdiff import DeepDiff  # noqa: PLC0415 - it costs a quarter of a second, and is rarely needed

    return float(DeepDiff(one, other, ignore_order=True, get_deep_distance=True).get("deep_distance", 0))


# ----------------------------------------------------------------------------------------------------------- identities


def _name(item: Any) -> str:
    return canonical([item["name"], *_place(item)]) if isinstance(item, Mapping) and item.get("name") else ""


def _place(item: Mapping[str, Any]) -> list[Any]:
    """What tells two references to one name apart."""
    return [item.get(field) for field in ("group", "kind", "namespace", "port")]


def _target(item: Any) -> str:
    """A destination, a header of a condition, a filter: what an item is about."""
    if not isinstance(item, Mapping):
        return ""
    about = {field: item[field] for field in ("destination", "host", "key", "type", "cidr", "port") if field in item}
    return canonical(about) if about else ""


def _conditions(item: Any) -> str:
    if not isinstance(item, Mapping):
        return ""
    about = {field: item[field] for field in ("match", "matches", "from", "to") if item.get(field)}
    return canonical(about) if about else ""


_IDENTITIES: tuple[Callable[[Any], str], ...] = (_name, _target, _conditions)


def _naming(ours: Sequence[Any], live: Sequence[Any]) -> Callable[[Any], str]:
    """How items are called in paths: by the first field that has another value in each, or not at all."""
    for field in ("name", "host", "key"):
        if all(_is_unique(items, field) for items in (ours, live)):
            return lambda item: f"{field}={item[field]}"
    if all(_is_unique([_destination(item) for item in items], "to") for items in (ours, live)):
        return lambda item: f"destination={_destination(item)['to']}"
    return lambda _: ""


def _is_unique(items: Sequence[Any], field: str) -> bool:
    values = [item.get(field) if isinstance(item, Mapping) else None for item in items]
    return all(isinstance(value, str) and value for value in values) and len(set(values)) == len(values)


def _destination(item: Any) -> dict[str, str]:
    """``{"to": "host/subset:port"}`` of an Istio destination."""
    destination = item.get("destination") if isinstance(item, Mapping) else None
    if not isinstance(destination, Mapping) or not isinstance(destination.get("host"), str):
        return {}
    subset = f"/{destination['subset']}" if destination.get("subset") else ""
    port = destination.get("port")
    number = f":{port['number']}" if isinstance(port, Mapping) and "number" in port else ""
    return {"to": f"{destination['host']}{subset}{number}"}
