"""Finds the configuration file and parses it: which file counts, what is wrong with it as a file, and where its output
may not go.

What the settings mean is the matter of ``meshdsl.config``.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meshdsl.diagnostics import ConfigError, Diagnostic, Origin, OutputError

FILES = ("meshdsl.toml", "pyproject.toml")
"""The files that can be a configuration, the one that is taken first before the other."""


def overlap(root: Path, policies: Path, out: Path) -> str:
    """What is wrong with an output folder: it may not be among its own sources, nor around the project.

    Returns:
        The end of a sentence about it, such as ``"contains the policies"``; empty if all is well.
    """
    where, sources, project = (Path(os.path.realpath(path)) for path in (out, policies, root))
    if where != sources and where.is_relative_to(sources):
        return "is inside the policies"
    if sources.is_relative_to(where):
        return "contains the policies"
    return "contains the project" if project.is_relative_to(where) else ""


OVERLAP_REASON = "the output folder holds nothing but output: files that are no longer made are removed"


def find_config(start: Path) -> Path | None:
    """The nearest configuration upwards from a file or folder.

    A ``pyproject.toml`` without ``[tool.meshdsl]`` does not count. Of two in one folder ``meshdsl.toml`` is returned,
    and :func:`read_config` refuses the pair.

    Args:
        start: a folder, or a file; a file that is a configuration is its own answer.
    """
    start = Path(os.path.abspath(start))  # noqa: PTH100 - links are kept as the user wrote them
    if start.is_file() and start.suffix == ".toml":
        return start
    for folder in (start, *start.parents):
        for name in FILES:
            if is_configuration(folder / name) or _is_unreadable(folder / name):
                return folder / name
    return None


def is_configuration(path: Path) -> bool:
    """Whether a file is one. A broken ``pyproject.toml`` that speaks of meshdsl counts, so that its error is seen."""
    if path.name == "meshdsl.toml":
        return path.is_file()
    try:
        data = path.read_bytes()
    except OSError:
        return False
    if b"meshdsl" not in data:
        return False
    try:
        return "meshdsl" in table_of(tomllib.loads(data.decode()), "tool")
    except (ValueError, RecursionError):
        return re.search(rb"^\s*\[\s*tool\s*\.\s*[\"']?meshdsl", data, re.MULTILINE) is not None


def _is_unreadable(path: Path) -> bool:
    """Whether a file is there and cannot be opened, so that nobody can tell whether it is a configuration."""
    try:
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError:
        return True
    return False


def parse(path: Path) -> tuple[dict[str, Any], str]:
    """The document and its text.

    Raises:
        ConfigError: it cannot be read (exit code 3, unless it is not there), or is no TOML.
    """
    exit_code = ConfigError.exit_code
    try:
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
        return tomllib.loads(text), text
    except OSError as error:
        found = Diagnostic("MESH002", f"{path.name} cannot be read: {error.strerror}", Origin(str(path), 0))
        exit_code = exit_code if isinstance(error, FileNotFoundError) else OutputError.exit_code
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        found = Diagnostic("MESH002", f"{path.name} is not UTF-8", Origin(str(path), line), help="save it as UTF-8")
    except RecursionError:
        found = Diagnostic("MESH002", f"{path.name} is nested too deeply", Origin(str(path), 1))
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        place = re.search(r" \(at line (\d+), column (\d+)\)$", said)
        line = int(place[1]) if place else max(1, text.rstrip().count("\n") + 1)
        found = Diagnostic("MESH002", f"{path.name} is not TOML: {said}", Origin(str(path), line))
    failed = ConfigError([found])
    failed.exit_code = exit_code
    raise failed


def table_of(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A table of a document; an empty one if it is not there."""
    value = document.get(key, {}) if isinstance(document, dict) else {}
    return value if isinstance(value, dict) else {}
