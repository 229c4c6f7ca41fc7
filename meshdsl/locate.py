"""Where exactly in a file a diagnostic points: the argument's own line and columns, not only the line of the call.

A policy object knows the line it was called at (its :class:`~meshdsl.diagnostics.Origin`); a diagnostic adds the name
of the argument. The columns are found in the source when a report needs them, so that nothing is paid for them while
policies load. If the source does not show the argument (it came from ``**arguments``, or the file has changed), the
place is that of the call, and in the end the line.

This module reads source files and knows nothing of policies but which of their arguments are given by position.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from meshdsl.diagnostics import Diagnostic, Origin

POSITIONAL: Mapping[str, tuple[str, ...]] = {
    "Abort": ("status",),
    "AllOf": ("conditions",),
    "AnyOf": ("conditions",),
    "Anyone": ("kind",),
    "Cookie": ("name", "value"),
    "Delay": ("duration",),
    "Header": ("name", "value"),
    "Namespace": ("name",),
    "Port": ("number",),
    "Probe": ("path",),
    "Query": ("name", "value"),
    "Regex": ("pattern",),
    "Route": ("service", "name"),
    "Service": ("name", "namespace"),
    "ServiceAccount": ("namespace", "name"),
    "Split": ("subject", "weights"),
    "Timeout": ("subject", "request"),
    "Workload": ("kind", "name"),
    "route": ("name",),
}
"""The arguments that are given by position, by the name that is called; of a kind that is not here: ``subject``."""

_ABOUT_THE_NAME = frozenset({"MESH202"})
"""Codes that are about an argument's name, not its value."""


@dataclass(frozen=True, slots=True)
class Location:
    """A stretch of a file. Lines and columns count from 1, columns in characters; 0 means unknown.

    Attributes:
        file: as the origin names it.
        line: where it begins.
        column: its first character; 0 for the line as a whole.
        end_line: where it ends.
        end_column: the first character after it.
    """

    file: str
    line: int
    column: int = 0
    end_line: int = 0
    end_column: int = 0


def locate(diagnostic: Diagnostic) -> Location:
    """The place that a diagnostic is about.

    Args:
        diagnostic: with an origin.

    Returns:
        The place of the argument's value (of its name, if the name is what is wrong); else of the name that is
        called; else the line.
    """
    origin = diagnostic.origin
    if origin is None:
        raise ValueError("a diagnostic without an origin has no place")
    # The file as a whole is not opened: it may be a folder, or a pipe that nobody writes to.
    source = _source(origin.file) if origin.line else None
    if source is None:
        return Location(origin.file, origin.line)
    if source.error is not None:
        line, column, end = source.error
        known = line == origin.line and diagnostic.code == "MESH110"
        return Location(origin.file, origin.line, column, origin.line, end) if known else _line(source, origin)
    if not origin.object:
        return _line(source, origin)
    calls = [call for call in source.calls.get(origin.line, ()) if _is_of(call, origin.object)]
    field = diagnostic.field.partition(".")[0]
    for call in calls if field else ():
        node = _argument(call, origin.object, field)
        if isinstance(node, ast.keyword) and diagnostic.code in _ABOUT_THE_NAME:
            return source.place(origin.file, node, len(field))
        if node is not None:
            return source.place(origin.file, node.value if isinstance(node, ast.keyword) else node)
    if calls:
        return source.place(origin.file, calls[0].func)
    return _line(source, origin)


def _line(source: _Source, origin: Origin) -> Location:
    """The key of a line of TOML; any other line as a whole."""
    text = source.lines[origin.line - 1] if origin.line <= len(source.lines) else ""
    start = len(text) - len(text.lstrip())
    if not origin.file.endswith(".toml") or not text.strip():
        return Location(origin.file, origin.line)
    end = len(text.partition("#" if text.lstrip().startswith("[") else "=")[0].rstrip())
    return Location(origin.file, origin.line, start + 1, origin.line, end + 1)


def _is_of(call: ast.Call, name: str) -> bool:
    """Whether a call makes such an object: ``Retry(…)``, ``meshdsl.Retry(…)``, ``Retry.never(…)``, ``x.route(…)``."""
    function: ast.expr = call.func
    while isinstance(function, ast.Attribute):
        if function.attr in (name, name.lower()):
            return True
        function = function.value
    return isinstance(function, ast.Name) and function.id in (name, _FUNCTIONS.get(name))


_FUNCTIONS = {"AllOf": "all_of", "AnyOf": "any_of"}


def _argument(call: ast.Call, kind: str, field: str) -> ast.keyword | ast.expr | None:
    """The argument of that name in a call."""
    for keyword in call.keywords:
        if keyword.arg == field:
            return keyword
    called = call.func.attr if isinstance(call.func, ast.Attribute) else kind
    names = POSITIONAL.get(called, POSITIONAL.get(kind, ("subject",)))
    index = names.index(field) if field in names else len(call.args)
    given = call.args[: index + 1]
    if index >= len(call.args) or any(isinstance(argument, ast.Starred) for argument in given):
        return None
    return given[index]


@dataclass(frozen=True)
class _Source:
    """A file that was parsed.

    Attributes:
        lines: of the file.
        calls: by the line that Python says a call is at.
        error: line, column and end column of a syntax error.
    """

    lines: tuple[str, ...]
    calls: Mapping[int, list[ast.Call]]
    error: tuple[int, int, int] | None = None

    def place(self, file: str, node: ast.expr | ast.keyword, width: int | None = None) -> Location:
        """Where a node is; only its first characters if a width is given."""
        start = self._column(node.lineno, node.col_offset)
        if width is not None:
            return Location(file, node.lineno, start, node.lineno, start + width)
        end_line = node.end_lineno or node.lineno
        return Location(file, node.lineno, start, end_line, self._column(end_line, node.end_col_offset or 0))

    def _column(self, line: int, offset: int) -> int:
        """The character at an offset in UTF-8 bytes, which is what ``ast`` counts."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return len(text.encode()[:offset].decode(errors="replace")) + 1


def _source(file: str) -> _Source | None:
    try:
        status = Path(file).stat()
        return _parsed(file, status.st_mtime_ns, status.st_size)
    except (OSError, UnicodeError, ValueError):  # gone, or not text: the report shows the line's number alone
        return None


@lru_cache(maxsize=256)
def _parsed(file: str, modified: int, size: int) -> _Source:
    del modified, size  # they make an edited file another one
    data = Path(file).read_bytes()
    if not file.endswith(".py"):
        return _Source(tuple(data.decode().splitlines()), {})
    try:
        tree = ast.parse(data)
    except SyntaxError as error:
        column = error.offset or 0
        end = error.end_offset if error.end_lineno == error.lineno and error.end_offset else 0
        return _Source((), {}, (error.lineno or 1, column, max(end, column + 1)))
    except (RecursionError, MemoryError):
        return _Source((), {}, (0, 0, 0))
    calls: dict[int, list[ast.Call]] = {}
    for call in _calls(tree):
        # The line of a method call is that of the method's name (bpo-39537), of any other that of its beginning.
        line = call.func.end_lineno if isinstance(call.func, ast.Attribute) else call.lineno
        calls.setdefault(line or call.lineno, []).append(call)
    return _Source(tuple(_text(data).splitlines()), calls)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", errors="replace").replace("\x0c", " ")
