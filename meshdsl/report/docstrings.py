"""Reads docstrings, for pages that say what the code says of itself.

It knows the one style that this project uses: a text, then sections such as ``Args:`` and ``Attributes:`` with an entry
for each name. Marks of that style become those of Markdown.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields|Example|Examples):$")
_NAMES = ("Args", "Attributes")
_ENTRY = re.compile(r"^    \*{0,2}(\w+): (.*)$")
_ROLE = re.compile(r":\w+:`~?([^`]+)`")


@dataclass(frozen=True, slots=True)
class Docstring:
    """What stands before the sections, and what is said of each argument or attribute."""

    text: str
    arguments: Mapping[str, str]


def docstring(subject: object) -> Docstring:
    """The docstring of a class or function itself, not of what it inherits from."""
    text: list[str] = []
    entries: dict[str, list[str]] = {}
    section, current = "", ""
    for line in inspect.cleandoc(getattr(subject, "__doc__", None) or "").splitlines():
        heading = _SECTION.match(line)
        entry = _ENTRY.match(line) if section in _NAMES else None
        if heading:
            section, current = heading[1], ""
        elif not section:
            text.append(line)
        elif entry:
            current = entry[1]
            entries[current] = [entry[2]]
        elif current:
            entries[current].append(line)
    return Docstring(_marked("\n".join(text)), {name: _marked("\n".join(said)) for name, said in entries.items()})


def _marked(text: str) -> str:
    """Markdown, one line a paragraph."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
    return "\n\n".join(_ROLE.sub(r"`\1`", paragraph).replace("``", "`") for paragraph in paragraphs)


def markdown_cell(text: str) -> str:
    """A text as the cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
