"""What a file keeps: the policy objects that can be reached from its names.

A policy that is built and then dropped would be lost in silence, so the loader compares what was built with what is
kept. Reached means: bound to a name, or inside a list, tuple, dict, set, dataclass or pydantic model that is, at any
depth; and what a kept object refers to is kept with it. The walk is a loop, so depth and cycles do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import timedelta
from decimal import Decimal
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from pydantic import BaseModel

from meshdsl.model.base import Declared, Value

_LEAVES = frozenset(
    (str, bytes, int, float, bool, type(None), Decimal, timedelta, FunctionType, BuiltinFunctionType, ModuleType, type)
)


def reachable(roots: Iterable[object]) -> list[Declared]:
    """The policies and subjects that can be reached from some objects, each once, in the order they are met.

    Args:
        roots: objects of any kind.

    Returns:
        Policies and subjects that were built without a mistake. Values such as a header condition are walked through
        and not returned: they mean nothing by themselves.
    """
    met: dict[int, object] = {}
    found: list[Declared] = []
    todo: list[Any] = list(roots)
    todo.reverse()
    while todo:
        value = todo.pop()
        kind, key = type(value), id(value)
        if kind in _LEAVES or key in met:
            continue
        parts = _parts(value, kind)
        if parts is None:
            continue
        met[key] = value
        if isinstance(value, Declared) and not isinstance(value, Value) and is_whole(value):
            found.append(value)
        todo.extend([part for part in reversed(parts) if type(part) not in _LEAVES])
    return found


def is_whole(value: Declared) -> bool:
    """Whether all of an object's arguments were right. One that was not is reported when it is built."""
    try:
        object.__getattribute__(value, "__pydantic_fields_set__")
    except AttributeError:
        return False
    return True


def _parts(value: Any, kind: type) -> list[Any] | None:
    """What is inside a container or object; None if it is neither. Methods that a subclass overrides are not called."""
    if issubclass(kind, (list, tuple, set, frozenset)):
        base = next(one for one in (list, tuple, set, frozenset) if issubclass(kind, one))
        return list(base.__iter__(value))
    if issubclass(kind, dict):
        return [part for pair in dict.items(value) for part in pair]
    if issubclass(kind, BaseModel):
        return list(object.__getattribute__(value, "__dict__").values())
    if is_dataclass(kind):
        return [part for part in (_field(value, one.name) for one in fields(kind)) if part is not None]
    return None


def _field(value: object, name: str) -> object:
    try:
        return object.__getattribute__(value, name)
    except AttributeError:  # a dataclass need not set all its fields
        return None
