"""Conditions of the plan, ready to be asked about many requests, and able to say which of them does not hold.

``docs/semantics.md`` §2 as code. A condition is prepared once (a regular expression compiled, a prefix with its slash)
because a differential test asks millions of times. Only the plan's words are known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from meshdsl.plan.requests import Condition, Match, Path, PathKind
from meshdsl.plan.rights import PRESENT
from meshdsl.simulate.words import Request

Fullmatch = Callable[[str], object]
Value = tuple[str, str, Fullmatch | None]
"""A name, the value, and what tells whether a whole text matches it; None where it is compared exactly."""


def value_of(condition: Condition) -> Value:
    """A condition on a header or query parameter (§2.3, §2.4)."""
    return condition.name, condition.value, re.compile(condition.value).fullmatch if condition.regex else None


def value_holds(value: Value, given: Mapping[str, str]) -> bool:
    """Whether a header or query parameter is there and as it should be."""
    name, text, fullmatch = value
    actual = given.get(name)
    if actual is None:
        return False
    return actual == text if fullmatch is None else fullmatch(actual) is not None


class PathTest:
    """A condition on the path (§2.1)."""

    __slots__ = ("_below", "_fullmatch", "_text", "words")

    def __init__(self, path: Path) -> None:
        self._text = path.value if path.kind is not PathKind.REGEX else None
        self._below = f"{path.value}/" if path.kind is PathKind.PREFIX else None
        self._fullmatch = re.compile(path.value).fullmatch if path.kind is PathKind.REGEX else None
        self.words = path_words(path)

    def holds(self, actual: str) -> bool:
        """Whether a path is meant."""
        if self._fullmatch is not None:
            return self._fullmatch(actual) is not None
        return actual == self._text or (self._below is not None and actual.startswith(self._below))


class MatchTest:
    """A conjunction of a route table."""

    __slots__ = ("_headers", "_method", "_path", "_query", "match")

    def __init__(self, match: Match) -> None:
        self.match = match
        self._method = match.method
        self._path = PathTest(match.path) if match.path is not None else None
        self._headers = tuple(map(value_of, match.headers))
        self._query = tuple(map(value_of, match.query))

    def holds(self, request: Request) -> bool:
        """Whether every condition holds."""
        if self._method is not None and self._method != request.method:
            return False
        if self._path is not None and not self._path.holds(request.path):
            return False
        for value in self._headers:
            if not value_holds(value, request.headers):
                return False
        return all(value_holds(value, request.query) for value in self._query)

    def why_not(self, request: Request) -> str:
        """The first condition that does not hold, in words; empty if all do."""
        if self._method is not None and self._method != request.method:
            return f"the method is {request.method}, not {self._method}"
        if self._path is not None and not self._path.holds(request.path):
            return f"the path is {request.path}, not {self._path.words}"
        return why_no_value(self._headers, request.headers, "header") or why_no_value(
            self._query, request.query, "query parameter"
        )


def why_no_value(values: Iterable[Value], given: Mapping[str, str], what: str) -> str:
    """The first of some headers or query parameters that is not as it should be, in words; empty if all are."""
    for value in values:
        if not value_holds(value, given):
            name, text, fullmatch = value
            if name not in given:
                return f"there is no {what} {name}"
            return f"the {what} {name} is {given[name]!r}, {_wanted(text, regex=fullmatch is not None)}"
    return ""


def _wanted(text: str, *, regex: bool) -> str:
    return f"which does not match {text}" if regex else f"not {text!r}"


def path_words(path: Path) -> str:
    """A path as it is written in a policy."""
    if path.kind is PathKind.PREFIX:
        return f"{path.value}/*"
    return f'Regex("{path.value}")' if path.kind is PathKind.REGEX else path.value


def match_words(match: Match) -> str:
    """The requests of a match, in words: ``GET /v1/* with header x-canary = 'true'``."""
    words = [word for word in (match.method or "", path_words(match.path) if match.path else "") if word]
    conditions = [f"{what} {_condition(one)}" for what, some in _values(match) for one in some]
    if conditions:
        words.append("with " + " and ".join(conditions))
    return " ".join(words) or ANY


ANY: Final = "every other request"


def _values(match: Match) -> tuple[tuple[str, tuple[Condition, ...]], ...]:
    return (("header", match.headers), ("query parameter", match.query))


def _condition(one: Condition) -> str:
    if not one.regex:
        return f"{one.name} = {one.value!r}"
    return one.name if one.value == PRESENT else f"{one.name} matching {one.value}"
