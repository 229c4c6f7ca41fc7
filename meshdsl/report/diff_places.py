"""What to call a rule of a route that has only a number: the name it has, or the requests that it takes.

A VirtualService names its routes, an HTTPRoute need not, and nobody knows which rule ``spec.rules[3]`` is. Where the
two sides have different rules at that number, nothing is said: a wrong name would be worse than none. Of headers and
parameters only the names are shown, because their values may be credentials.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from meshdsl.compare.report import FieldPath, ObjectChange
from meshdsl.values import Json

_ROUTES: Final = frozenset({"HTTPRoute", "GRPCRoute"})
_PATHS: Final = {"Exact": "{}", "PathPrefix": "{}/*", "RegularExpression": "Regex({})"}
_SHOWN = 2
"""Matches of one rule that are shown."""


def rule_name(change: ObjectChange, where: FieldPath) -> str:
    """Which rule of a route a field lies in; empty if it lies in none, or that cannot be told.

    Args:
        change: the object.
        where: path of a field in it.
    """
    if change.ref.kind not in _ROUTES or where[:2] != ("spec", "rules") or len(where) < 3:
        return ""
    index = where[2]
    if not isinstance(index, int):
        return ""
    names = {_name(rule) for body in (change.ours, change.live) for rule in _rule(body, index)}
    return names.pop() if len(names) == 1 else ""


def _rule(body: Json, index: int) -> Iterator[Mapping[str, Json]]:
    spec = body.get("spec") if isinstance(body, Mapping) else None
    rules = spec.get("rules") if isinstance(spec, Mapping) else None
    if isinstance(rules, Sequence) and not isinstance(rules, str) and index < len(rules):
        rule = rules[index]
        if isinstance(rule, Mapping):
            yield rule


def _name(rule: Mapping[str, Json]) -> str:
    if rule.get("name"):
        return str(rule["name"])
    matches = _mappings(rule.get("matches"))
    if not matches:
        return "every request"
    more = f"; {len(matches) - _SHOWN} more" if len(matches) > _SHOWN else ""
    return "; ".join(map(_match, matches[:_SHOWN])) + more


def _match(match: Mapping[str, Json]) -> str:
    words = [str(match["method"])] if isinstance(match.get("method"), str) else []
    path = match.get("path")
    if isinstance(path, Mapping):
        kind, value = str(path.get("type")), str(path.get("value"))
        words.append(_PATHS.get(kind, "{}").format(value.rstrip("/") if kind == "PathPrefix" else value))
    for part in ("headers", "queryParams"):
        words += [str(one.get("name")) for one in _mappings(match.get(part))]
    return " ".join(words) or "every request"


def _mappings(value: Json) -> list[Mapping[str, Json]]:
    given = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return [one for one in given if isinstance(one, Mapping)]
