"""Bounds of reading, JSON, and what plain words mean: the part of reading manifests that needs no YAML parser.

Whatever is read, from whichever parser, counts against one budget; whatever is wrong is a :class:`Refused` with its
line. The meaning of plain scalars is kubectl's, not PyYAML's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NoReturn

from meshdsl.compare.documents import Found, Place
from meshdsl.diagnostics import Diagnostic, Origin

MAX_BYTES = 256 * 1024 * 1024
"""How much is read in all. A dump of 100,000 objects is about 150 MB."""

MAX_NODES = 10_000_000
"""How many values and keys are read in all."""

MAX_ALIASED = 100_000
"""How many of them aliases may stand for: 289 bytes can stand for billions."""

MAX_DEPTH = 100
"""How deep a document may be nested. Kubernetes objects stay under 60."""


class Refused(Exception):
    """Why a text is not read: the code, the sentence and the line of its diagnostic; ``line`` is 0 for the whole."""

    def __init__(self, code: str, message: str, line: int = 0, help: str = "") -> None:
        super().__init__(message)
        self.code, self.line, self.help = code, line, help

    def at(self, file: str) -> Diagnostic:
        """The same, said of a file."""
        return Diagnostic(self.code, str(self), Origin(file, max(self.line, 1)), help=self.help)


@dataclass
class Budget:
    """What is left of the bounds, for all files of one reading together."""

    bytes: int = field(default_factory=lambda: MAX_BYTES)
    nodes: int = field(default_factory=lambda: MAX_NODES)

    def take_bytes(self, count: int) -> None:
        """Raises Refused if so many bytes are too many."""
        self.bytes -= count
        if self.bytes < 0:
            raise Refused("MESH824", f"there is more than {MAX_BYTES // 1024**2} MiB to read", help=_SMALLER)

    def take_nodes(self, count: int, line: int) -> None:
        """Raises Refused if so many values are too many."""
        self.nodes -= count
        if self.nodes < 0:
            raise Refused("MESH824", f"there are more than {MAX_NODES} values to read", line, help=_SMALLER)


_SMALLER = "dump only the kinds and namespaces that the policies are about"


# ---------------------------------------------------------------------------------------------------------------- JSON


class DuplicateError(Exception):
    """A key is twice in one object. JSON's own reader does not know the line."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) != len(pairs):
        seen: set[str] = set()
        raise DuplicateError(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return whole


def _constant(name: str) -> NoReturn:
    raise Refused("MESH822", f"{name} is no JSON number")


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant)
_SPACE = re.compile(r"[ \t\r\n]*")


def json_documents(text: str, file: str, budget: Budget) -> Iterator[Found]:
    """The JSON values of a text, one after the other.

    Raises:
        Refused: a value is too large or too deep.
        DuplicateError: a key is there twice.
        json.JSONDecodeError: it is no JSON.
    """
    at = line = 0
    while True:
        found = _SPACE.match(text, at)
        start = found.end() if found else at
        if start == len(text):
            return
        line += text.count("\n", at, start)
        try:
            value, at = _JSON.raw_decode(text, start)
        except RecursionError:
            raise deep(line + 1) from None
        budget.take_nodes(_counted(value, line + 1), line + 1)
        yield value, Place(file, line + 1), False
        line += text.count("\n", start, at)


def _counted(value: Any, line: int) -> int:
    """How many values there are; refuses what is nested too deep, without recursion of its own."""
    count, level, depth = 0, [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise deep(line)
        count += len(level)
        level = [
            item
            for one in level
            if isinstance(one, dict | list)
            for item in (one.values() if isinstance(one, dict) else one)
        ]
    return count


def deep(line: int) -> Refused:
    """The document that begins at a line is nested too deep."""
    message = f"the document is nested more than {MAX_DEPTH} levels deep"
    return Refused("MESH824", message, line, "no Kubernetes object is: is this a manifest?")


def twice(key: str, line: int) -> Refused:
    """A key is there twice."""
    short = key if len(key) <= 60 else key[:59] + "…"
    return Refused(
        "MESH823", f"the key {json.dumps(short, ensure_ascii=False)} is there twice in one mapping", line, "keep one"
    )


NOT_JSON: Final = object()
_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(
        ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"),
        True,
    ),
    **dict.fromkeys(
        ("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"),
        False,
    ),
}
_INFINITE = frozenset(f"{sign}.{word}" for sign in ("", "+", "-") for word in ("inf", "Inf", "INF"))
_NAN = frozenset({".nan", ".NaN", ".NAN"})
_WHOLE_NUMBER = re.compile(r"[-+]?(?:0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|[1-9][0-9]*|0)", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)


@lru_cache(maxsize=65_536)
def resolved(text: str) -> Any:
    """A plain scalar as kubectl resolves it (``sigs.k8s.io/yaml``, a YAML 1.1 with Go's numbers)."""
    if text in _INFINITE or text in _NAN:
        return NOT_JSON
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-.":
        return text
    digits = text.replace("_", "")
    if _WHOLE_NUMBER.fullmatch(digits):
        sign, bare = (-1, digits[1:]) if digits[0] == "-" else (1, digits.lstrip("+"))
        octal = len(bare) > 1 and bare[0] == "0" and bare[1] in "01234567"
        return sign * (int(bare, 8) if octal else int(bare, 0))
    if _NUMBER.fullmatch(digits):
        return float(digits)
    return text
