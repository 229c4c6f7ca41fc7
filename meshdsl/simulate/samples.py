"""Texts at the boundaries of a condition: some that it takes, and some that it only just does not.

For an exact text and a prefix these are its neighbours. For a regular expression they are read off the expression
itself: each alternative, each repetition at its least and once more, the ends of each class of characters; and what is
outside is made of what is inside by adding, taking away or changing a little. Everything is checked against the
expression in the end, so that a part which is not understood costs samples and never makes a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from meshdsl.plan.requests import Condition, Path, PathKind

_MOST: Final = 12
"""Texts of one part of an expression: more say nothing new."""
_CATEGORIES: Final = {
    "CATEGORY_DIGIT": "0", "CATEGORY_NOT_DIGIT": "a", "CATEGORY_SPACE": " ", "CATEGORY_NOT_SPACE": "a",
    "CATEGORY_WORD": "a", "CATEGORY_NOT_WORD": "-",
}  # fmt: skip
OTHER: Final = "other"
"""A value that nobody asks for."""


# ---------------------------------------------------------------------------------------------- regular expressions


@lru_cache(maxsize=1024)
def inside(pattern: str) -> tuple[str, ...]:
    """Texts that a regular expression matches whole; none if it cannot be read."""
    try:
        # Python's own parser: the expression has been compiled by it, and RE2's syntax is a part of its.
        tree = import_module("re._parser").parse(pattern)
    except (ImportError, re.error):
        return ()
    matches = re.compile(pattern).fullmatch
    return tuple(text for text in dict.fromkeys(_sequence(tree)) if matches(text) is not None)[:_MOST]


@lru_cache(maxsize=1024)
def outside(pattern: str) -> tuple[str, ...]:
    """Texts that a regular expression only just does not match whole."""
    matches = re.compile(pattern).fullmatch
    near = dict.fromkeys(changed for text in inside(pattern) for changed in _changed(text))
    return tuple(text for text in near if matches(text) is None)[: 2 * _MOST]


def _changed(text: str) -> Iterator[str]:
    yield f"{text}x"
    yield f"x{text}"
    yield f"/x{text}"
    yield f"{text}/x"
    yield text[:-1]
    yield f"{text[:-1]}~"
    yield text.swapcase()
    for index, character in enumerate(text):  # what was a dot may have become any character
        if not character.isalnum():
            yield f"{text[:index]}x{text[index + 1 :]}"


def _sequence(items: Iterable[Any]) -> list[str]:
    """The texts of parts one after another: the first of each, and then each further one in its place."""
    parts = [_part(str(kind), value) for kind, value in items]
    if any(not part for part in parts):
        return []
    first = [part[0] for part in parts]
    found = ["".join(first)]
    for index, part in enumerate(parts):
        found += ["".join((*first[:index], text, *first[index + 1 :])) for text in part[1:]]
    found.append("".join(part[-1] for part in parts))
    return list(dict.fromkeys(found))[:_MOST]


def _part(kind: str, value: Any) -> list[str]:
    """The texts of one part, as Python's parser names them."""
    if kind == "LITERAL":
        return [chr(value)]
    if kind == "NOT_LITERAL":
        return [next(c for c in "a-" if ord(c) != value)]
    if kind == "ANY":
        return ["a"]
    if kind == "AT":
        return [""]
    if kind == "IN":
        return _characters(value)
    if kind == "BRANCH":
        return [text for branch in value[1] for text in _sequence(branch)][:_MOST]
    if kind == "SUBPATTERN":
        return _sequence(value[-1])
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, what = value
        once = _sequence(what)
        longer = least + 1 if most > least else least
        return list(dict.fromkeys([text * count for count in (least, longer) for text in once or [""]]))[:_MOST]
    return []


def _characters(items: Any) -> list[str]:
    negated = any(str(kind) == "NEGATE" for kind, _ in items)
    found: list[str] = []
    for kind, value in items:
        if str(kind) == "LITERAL":
            found.append(chr(value))
        elif str(kind) == "RANGE":
            found += [chr(value[0]), chr(value[1])]
        elif str(kind) == "CATEGORY":
            found.append(_CATEGORIES.get(str(value), "a"))
    if not negated:
        return found
    return [next((c for c in "a0-_~" if c not in found), "é")]


# ----------------------------------------------------------------------------------------------------------- paths


def paths(path: Path) -> list[str]:
    """The paths that a condition on it tells apart: itself, with a slash, a sibling, below, above, in upper case."""
    if path.kind is PathKind.REGEX:
        return [text for text in (*inside(path.value), *outside(path.value)) if _is_path(text)]
    base = path.value.rstrip("/")
    above = base.rpartition("/")[0] or "/"
    around = (path.value, base or "/", f"{base}/", f"{base}/below", f"{base or '/'}x", f"{base}/below/", above)
    return [text for text in dict.fromkeys((*around, path.value.upper(), path.value.lower())) if _is_path(text)]


def _is_path(text: str) -> bool:
    """Whether it is a path that every proxy leaves as it is."""
    plain = text.startswith("/") and "//" not in text and all("!" <= c <= "~" and c not in "?#\\" for c in text)
    return plain and not any(segment in (".", "..") for segment in text.split("/")) and "%2f" not in text.lower()


# ---------------------------------------------------------------------------------------- headers, query parameters


def values(conditions: Iterable[Condition], *, cookies: bool = False) -> list[str | None]:
    """The values that some conditions on one name tell apart: absent, each that is asked for, what is near, another.

    Args:
        conditions: on one header or query parameter.
        cookies: whether it is the ``cookie`` header, of which several pairs can be there at once.
    """
    found: dict[str | None, None] = {None: None}
    pairs: list[str] = []
    for one in conditions:
        near: tuple[str, ...]
        if not one.regex:
            near = (one.value, one.value.swapcase(), f"{one.value}x", f"x{one.value}", one.value[:-1])
        else:
            near = (*inside(one.value), *outside(one.value))
            pairs += inside(one.value)[:1]
        found |= dict.fromkeys(text for text in near if _is_value(text))
    found[OTHER] = None
    if cookies and len(pairs) > 1:
        found |= dict.fromkeys(["; ".join(pairs), *(f"{one}; {two}" for one in pairs for two in pairs if one != two)])
    return list(found)


def _is_value(text: str) -> bool:
    return bool(text) and text == text.strip() and all(" " <= c <= "~" for c in text)


def classes(given: Iterable[Any], tests: Iterable[Callable[[Any], bool]]) -> list[Any]:
    """Of some values the first of each sort that some tests tell apart."""
    told = list(tests)
    first: dict[tuple[bool, ...], Any] = {}
    for value in given:
        first.setdefault(tuple(test(value) for test in told), value)
    return list(first.values())
