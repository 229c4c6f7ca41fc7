"""Diagnostics made ready to be shown: grouped over clusters, with the place to point at.

Here the same finding of several clusters becomes one, and files become relative to the working directory. Where the
caret goes is :mod:`meshdsl.locate`'s matter.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePath
from urllib.parse import quote

from meshdsl.diagnostics import Diagnostic, in_order
from meshdsl.locate import Location, locate


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnostic, the clusters it was found for, and where it is.

    Attributes:
        diagnostic: without a target.
        targets: clusters or targets, sorted; empty if it does not depend on one.
        location: None if it has no origin.
        file: of the location, as it is shown.
        related: a few words, the file as it is shown, and the line.
    """

    diagnostic: Diagnostic
    targets: tuple[str, ...]
    location: Location | None
    file: str
    related: tuple[tuple[str, str, int], ...]

    @property
    def place(self) -> str:
        """``file:line``; empty if it has no origin."""
        return at(self.file, self.location.line) if self.location else ""


def at(file: str, line: int) -> str:
    """``file:line``; the file alone where no line of it is meant."""
    return f"{file}:{line}" if line else file


def findings(diagnostics: Iterable[Diagnostic], base: str) -> tuple[Finding, ...]:
    """The diagnostics in order, one for each thing that is wrong, whatever the number of clusters.

    Args:
        diagnostics: in any order.
        base: folder that files are shown relative to.
    """
    grouped: dict[Diagnostic, list[str]] = {}
    for diagnostic in in_order(diagnostics):
        targets = grouped.setdefault(replace(diagnostic, target=""), [])
        if diagnostic.target:
            targets.append(diagnostic.target)
    return tuple(_finding(diagnostic, targets, base) for diagnostic, targets in grouped.items())


def _finding(diagnostic: Diagnostic, targets: Iterable[str], base: str) -> Finding:
    location = locate(diagnostic) if diagnostic.origin else None
    related = tuple((words, shown(origin.file, base), origin.line) for words, origin in diagnostic.related)
    file = shown(location.file, base) if location else ""
    return Finding(diagnostic, tuple(sorted(set(targets))), location, file, related)


def shown(file: str, base: str) -> str:
    """A file relative to a folder with forward slashes, or as it is where it lies outside of it."""
    path = PurePath(base, file)
    if path.is_relative_to(base):
        return path.relative_to(base).as_posix()
    return file


def uri(file: str) -> str:
    """A shown file as a URI reference (RFC 3986): relative, or ``file://`` where it is absolute."""
    quoted = quote(file.replace(os.sep, "/"), safe="/~!$&'()*+,;=@")
    return f"file://{quoted}" if file.startswith("/") else quoted
