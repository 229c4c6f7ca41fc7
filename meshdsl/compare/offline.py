"""Manifests and dumps read from files, a folder or standard input: what a comparison needs where no cluster is.

The reader is stricter than a YAML library, because what it misreads would be a wrong answer about a cluster: a key that
is there twice, a file that is cut off and an object that two files claim are errors with their line, never the last one
wins. It is also careful, because a dump is somebody else's data: nesting, size and what aliases stand for are bounded,
and Secrets are forgotten as soon as they are parsed. It works on the events of PyYAML's parser, the C one where it is
there, and resolves scalars by itself as kubectl does, so that both parsers give the same values.

It must not know what a field means, nor what will be compared.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from meshdsl.compare.documents import PARTIAL_MARK, Found, Place, assembled
from meshdsl.compare.live import Snapshot
from meshdsl.compare.reading import (
    MAX_ALIASED,
    MAX_DEPTH,
    NOT_JSON,
    Budget,
    DuplicateError,
    Refused,
    deep,
    json_documents,
    resolved,
    twice,
)
from meshdsl.diagnostics import Diagnostic, MeshdslError

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_STDIN: Final = "-"
_PARSER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ReadError(MeshdslError):
    """Manifests could not be read."""

    exit_code = 3


def read(path: str | os.PathLike[str]) -> Snapshot:
    """Everything in a file, in the ``.yaml``, ``.yml`` and ``.json`` files of a folder, or on standard input.

    Args:
        path: a file, a folder (searched at any depth; names that begin with a dot are left out), or ``"-"``. YAML of
            several documents, JSON, and ``List`` objects as ``kubectl get`` writes them.

    Returns:
        the objects, with every scope that occurs; CustomResourceDefinitions apart, if there are any. Secrets are left
        out.

    Raises:
        ReadError: with every file that cannot be read, is broken, or passes the bounds, and every object that is there
            twice.
    """
    name = os.fspath(path)
    budget = Budget()
    found: list[Found] = []
    errors: list[Diagnostic] = []
    for file, shown in _files(name):
        try:
            text = _text(file, budget)
            found.extend(_documents(text, shown, budget))
        except Refused as refused:
            errors.append(refused.at(shown))
    shown_name = name if name != _STDIN else "standard input"
    objects, problems = assembled(found, shown_name)
    errors += problems
    if not found and not errors and not Path(name).is_dir():
        message = f"nothing was read: {shown_name} is empty"
        errors.append(Diagnostic("MESH827", message, help="did the command that writes the dump fail?"))
    if errors:
        raise ReadError(errors)
    return objects


def _files(name: str) -> list[tuple[Path | None, str]]:
    """The files to read, in a fixed order, each with the name it is shown by."""
    if name == _STDIN:
        return [(None, "standard input")]
    path = Path(name)
    if not path.is_dir():
        return [(path, name)]
    found: list[Path] = []

    def failed(error: OSError) -> NoReturn:
        where = error.filename or name
        raise ReadError([Diagnostic("MESH821", f"{where} cannot be read: {error.strerror}")]) from None

    for folder, folders, files in os.walk(path, onerror=failed):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        found += [Path(folder, file) for file in files if file.endswith(_SUFFIXES) and not file.startswith(".")]
    if not found:
        message = f"{name} holds no manifests"
        raise ReadError([Diagnostic("MESH827", message, help="name a folder with .yaml, .yml or .json files")])
    return [(file, str(file)) for file in sorted(found)]


def _text(file: Path | None, budget: Budget) -> str:
    try:
        if file is None:
            data = sys.stdin.buffer.read(budget.bytes + 1)
        else:
            with file.open("rb") as stream:
                data = stream.read(budget.bytes + 1)
    except OSError as error:
        way_out = "" if file is None or file.exists() else "name a file or folder that is there"
        message = f"{file or 'standard input'} cannot be read: {error.strerror}"
        raise Refused("MESH821", message, help=way_out) from None
    budget.take_bytes(len(data))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte {error.start} is not UTF-8"
        raise Refused("MESH828", message, line, "write the dump in UTF-8") from None


def _documents(text: str, file: str, budget: Budget) -> Iterator[Found]:
    """The documents of one text, each with its line and whether it says that it is partial."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            yield from list(json_documents(text, file, budget))
        except DuplicateError as error:
            # JSON is YAML, and that reader knows lines.
            for _ in _yaml_documents(text, file, budget):
                pass
            raise twice(error.key, 0) from None
        except json.JSONDecodeError as error:
            if file.endswith(".json") or not _is_yaml(text, file):
                raise Refused("MESH822", f"this is no JSON: {error.msg}", error.lineno, _WHOLE) from None
        else:
            return
    yield from _yaml_documents(text, file, budget)


_WHOLE = "was the file cut off, or edited by hand?"


def _is_yaml(text: str, file: str) -> bool:
    try:
        for _ in _yaml_documents(text, file, Budget()):
            pass
    except Refused as refused:
        return refused.code != "MESH822"
    return True


# ---------------------------------------------------------------------------------------------------------------- YAML


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is being read."""

    container: dict[str, Any] | list[Any]
    anchor: str | None
    before: int
    key: str | None = None
    merged: dict[str, Any] | None = None


_OPEN = object()


class _Builder:
    """One document from its events, without recursion."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.count = 0
        self.aliased = 0
        self.root: Any = None

    def open(self, container: dict[str, Any] | list[Any], event: Any) -> None:
        if event.tag not in (None, "!", _TAG + "map", _TAG + "seq"):
            raise _tag(event)
        self.count += 1
        if event.anchor:
            self.anchors[event.anchor] = (_OPEN, 0)
        self.stack.append(_Frame(container, event.anchor, self.count))
        if len(self.stack) > MAX_DEPTH:
            raise deep(event.start_mark.line + 1)

    def close(self, event: Any) -> None:
        frame = self.stack.pop()
        value = frame.container
        if frame.merged is not None and isinstance(value, dict):
            value = {**frame.merged, **value}
        if frame.anchor:
            self.anchors[frame.anchor] = (value, self.count - frame.before + 1)
        self.place(value, event, plain=False)

    def alias(self, event: Any) -> None:
        line = event.start_mark.line + 1
        value, size = self.anchors.get(event.anchor, (_OPEN, 0))
        if value is _OPEN:
            raise Refused("MESH822", "an alias stands for what is not there yet", line)
        self.count += size
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            raise Refused("MESH824", f"aliases stand for more than {MAX_ALIASED} values", line, "write them out")
        self.place(value, event, plain=False)

    def scalar(self, event: Any) -> None:
        plain = event.implicit[0] and event.tag != "!"
        if plain:
            value = resolved(event.value)
            if value is NOT_JSON:
                raise Refused("MESH822", "infinity and not-a-number are no JSON", event.start_mark.line + 1)
        elif event.implicit[1] or event.tag in ("!", _TAG + "str"):
            value = event.value
        else:
            value = resolved(event.value)
            if event.tag != _TAG + _NAMES.get(type(value), ""):
                raise _tag(event)
        self.count += 1
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self.place(value, event, plain=plain)

    def place(self, value: Any, event: Any, *, plain: bool) -> None:
        """Put a value where it belongs: it is a key, the value of the last key, an item, or the document."""
        if not self.stack:
            self.root = value
            return
        frame = self.stack[-1]
        container = frame.container
        if isinstance(container, list):
            container.append(value)
        elif frame.key is None:
            key = value if type(value) is str else _key_text(value, event)
            if key in container:
                raise twice(key, event.start_mark.line + 1)
            if plain and key == "<<":
                frame.merged = frame.merged or {}
            frame.key = key
        else:
            if frame.key == "<<" and frame.merged is not None:
                self.merge(frame, value, event)
            else:
                container[frame.key] = value
            frame.key = None

    @staticmethod
    def merge(frame: _Frame, value: Any, event: Any) -> None:
        parts = value if isinstance(value, list) else [value]
        for part in reversed(parts):
            if not isinstance(part, dict):
                message = "only mappings can be merged with <<"
                raise Refused("MESH822", message, event.start_mark.line + 1)
            frame.merged = {**(frame.merged or {}), **part}


def _yaml_documents(text: str, file: str, budget: Budget) -> Iterator[Found]:
    marked = {number + 1 for number, line in enumerate(text.split("\n")) if line.startswith(PARTIAL_MARK)}
    builder, line = _Builder(budget), 0
    try:
        for event in _events(text):
            kind = type(event)
            if kind is yaml.ScalarEvent:
                builder.scalar(event)
            elif kind is yaml.MappingStartEvent:
                line = line if builder.stack else event.start_mark.line
                builder.open({}, event)
            elif kind is yaml.SequenceStartEvent:
                builder.open([], event)
            elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
                builder.close(event)
            elif kind is yaml.AliasEvent:
                builder.alias(event)
            elif kind is yaml.DocumentStartEvent:
                builder, line = _Builder(budget), event.start_mark.line
            elif kind is yaml.DocumentEndEvent:
                budget.take_nodes(builder.count, line + 1)
                if builder.root is not None:
                    yield builder.root, Place(file, line + 1), line in marked
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = mark.line + 1 if mark else 0
        raise Refused("MESH822", f"this is no YAML: {error.problem or error.context}", at, _WHOLE) from None
    except yaml.YAMLError as error:  # characters that YAML does not allow; its text shows them, and may be long
        position = getattr(error, "position", None)
        at = text.count("\n", 0, position) + 1 if isinstance(position, int) else 0
        message = "there is a character that YAML does not allow"
        raise Refused("MESH822", message, at, "write it as an escape in double quotes") from None
    except RecursionError:
        raise deep(0) from None


def _events(text: str) -> Iterator[Any]:
    events: Iterator[Any] = yaml.parse(text, Loader=_PARSER)
    return events


_TAG = "tag:yaml.org,2002:"
_NAMES: Mapping[type, str] = {str: "str", int: "int", float: "float", bool: "bool", type(None): "null"}


def _tag(event: Any) -> Refused:
    return Refused("MESH822", "a tag says a type that JSON does not have", event.start_mark.line + 1, "leave it out")


def _key_text(value: Any, event: Any) -> str:
    """A key that is no string, as kubectl turns it into one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise Refused("MESH822", "a key is no string", event.start_mark.line + 1)


def texts(files: Mapping[str, str] | Iterable[tuple[str, str]], name: str = "") -> Snapshot:
    """The same as :func:`read`, of texts that are in memory, such as :meth:`meshdsl.compiler.Bundle.files`.

    Raises:
        ReadError: as :func:`read`.
    """
    budget, found, errors = Budget(), list[Found](), list[Diagnostic]()
    for file, text in sorted(files.items() if isinstance(files, Mapping) else files):
        try:
            budget.take_bytes(len(text))
            found.extend(_documents(text, file, budget))
        except Refused as refused:
            errors.append(refused.at(file))
    snapshot, problems = assembled(found, name)
    if errors or problems:
        raise ReadError([*errors, *problems])
    return snapshot
