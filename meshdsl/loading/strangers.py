"""Finds what is no policy in a list of policies: it would be dropped in silence.

A function that is not called, a class without its arguments, a name in quotes: each looks like a policy in a review and
means nothing. Checked are what a file calls ``policies``, at any depth, and every other list or set that has a policy
in it. Other tuples and dicts are records as well as collections, so a name or a note beside a policy is right there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType

from meshdsl.diagnostics import Diagnostic, Origin
from meshdsl.model.base import Declared, Policy


def strangers(module: ModuleType, names: Mapping[str, object]) -> Iterator[Diagnostic]:
    """What is no policy in the lists of policies of a module.

    Args:
        module: that has run.
        names: that it binds at its top level.

    Yields:
        MESH126 for each such item, at its line where the file names it.
    """
    seen: set[int] = set()
    for name, value in names.items():
        if id(value) in seen or not _is_of_policies(name, value):
            continue
        seen.add(id(value))
        for item in _items(value):
            yield Diagnostic(
                "MESH126",
                f"an item of {name!r} is {shown(item)}, which is no policy",
                _place(module, name, item),
                reason="it would be dropped in silence",
                help=_way_out(item),
            )


def _is_of_policies(name: str, value: object) -> bool:
    if name == "policies":
        return isinstance(value, (list, tuple, set, frozenset, dict))
    return isinstance(value, (list, set, frozenset)) and any(isinstance(item, Policy) for item in value)


def _items(value: object) -> Iterator[object]:
    """What is neither declared nor a collection in a collection, at any depth."""
    todo, seen = [value], set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        if isinstance(one, (list, tuple, set, frozenset, dict)):
            seen.add(id(one))
            todo += reversed([*(one.values() if isinstance(one, dict) else one)])
        elif not isinstance(one, Declared):
            yield one


def _way_out(item: object) -> str:
    if isinstance(item, type) and issubclass(item, Declared):
        return f"build one: {item.__name__}(…)"
    if isinstance(item, FunctionType):
        return f"call it: {item.__name__}(…)"
    return "take it out, or put a policy in its place"


def _place(module: ModuleType, name: str, item: object) -> Origin:
    """Where the item stands in a statement about the name; else the last such statement."""
    loader = getattr(module, "__loader__", None)
    tree = ast.parse(loader.get_source(module.__name__) if loader is not None else "")
    about = [statement for statement in tree.body if _is_about(statement, name)]
    called = getattr(item, "__name__", None)
    for statement in about:
        for node in ast.walk(statement):
            word = getattr(node, "id", getattr(node, "attr", None))
            same = isinstance(node, ast.Constant) and type(node.value) is type(item) and node.value == item
            if isinstance(node, ast.expr) and (same or (called is not None and word == called)):
                return Origin(module.__file__ or "", node.lineno)
    return Origin(module.__file__ or "", about[-1].lineno if about else 1)


def _is_about(statement: ast.stmt, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(statement))


def shown(value: object) -> str:
    """A value for a sentence, without asking it to describe itself."""
    if isinstance(value, (str, int, float, bool, type(None))):
        return repr(value) if len(repr(value)) <= 60 else f"a long {type(value).__name__}"
    if isinstance(value, type):
        return f"the class {value.__name__!r}"
    if isinstance(value, FunctionType):
        return f"the function {value.__name__!r}"
    return f"an object of class {type(value).__name__!r}"
