"""Finds the policy files of a folder, reads them, and gives each the module name it is imported by.

Every ``*.py`` file below the folder counts, in the order of its path. Folders whose name starts with a dot and
``__pycache__`` are skipped. Whatever would make a file be left out without a word is an error instead: a symbolic
link that leads out of the folder (or to a folder), and a file and a folder that are the same module.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import decode_source
from pathlib import Path
from types import CodeType

from meshdsl.diagnostics import Diagnostic, Origin, Severity


@dataclass(frozen=True)
class Module:
    """A Python file, or a folder of them.

    Attributes:
        name: that it is imported by.
        file: absolute; of a folder without ``__init__.py``, the folder itself.
        package: a folder.
        source: text of the file, empty for such a folder.
        code: compiled; None if that failed.
    """

    name: str
    file: str
    package: bool = False
    source: str = ""
    code: CodeType | None = None


@dataclass(frozen=True)
class Found:
    """What there is to load.

    Attributes:
        folder: absolute, whose files count as the user's.
        root: folder that file names are shown relative to: the one that ``folder`` is in.
        package: the name that the files import each other by; empty for a single file.
        modules: by name, in the order of their paths.
        diagnostics: what is wrong with the files, and what Python warns of.
    """

    folder: Path
    root: Path
    package: str
    modules: dict[str, Module]
    diagnostics: list[Diagnostic]


def find(path: Path) -> Found:
    """The policy files at a path: one file, or all below a folder."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 - a link to the folder is shown as the user wrote it
    diagnostics: list[Diagnostic] = []
    try:
        path.stat()
    except PermissionError as error:  # of a folder above
        return Found(path.parent, path.parent, "", {}, [_unreadable(error, path)])
    except OSError:
        pass
    if path.is_dir():
        package = _package_name(path.name)
        found = Found(path, path.parent, package, {}, diagnostics)
        files = list(_python_files(path, diagnostics))
        _folders(found, files)
        for file in files:
            parts = file.relative_to(path).with_suffix("").parts
            name = ".".join((package, *map(_importable, parts))).removesuffix(".__init__")
            found.modules[name] = _read(name, file, file.name == "__init__.py", diagnostics)
        if not files and not diagnostics:
            diagnostics.append(
                Diagnostic(
                    "MESH103",
                    f"no Python file is in {path.name!r}",
                    Origin(str(path), 0),
                    help="write the policies into files that end in .py; hidden folders are not searched",
                )
            )
        return found
    name = _package_name(path.stem)
    found = Found(path.parent, path.parent, "", {}, diagnostics)
    if not path.exists():
        diagnostics.append(
            Diagnostic(
                "MESH101",
                f"there is no file or folder {path.name!r}",
                Origin(str(path), 0),
                help="give the folder of the policy files, or set policies = … in the configuration",
            )
        )
    elif path.suffix != ".py":
        diagnostics.append(
            Diagnostic(
                "MESH103", f"{path.name!r} is no Python file", Origin(str(path), 0), help="its name must end in .py"
            )
        )
    else:
        found.modules[name] = _read(name, path, False, diagnostics)  # noqa: FBT003
    return found


def _package_name(name: str) -> str:
    """The module name of the folder or file: its own, unless that is taken by Python or meshdsl or is no name."""
    taken = name in sys.stdlib_module_names or name == "meshdsl"
    return f"_policies_{_importable(name)}" if taken or not name.isidentifier() else name


def _importable(part: str) -> str:
    """A part of a module name. A dot in it would be read as a package; no import statement can name it anyway."""
    return part.replace(".", ":")


def _python_files(folder: Path, diagnostics: list[Diagnostic]) -> Iterator[Path]:
    """The Python files below a folder, sorted by path; what cannot be read or followed is reported."""
    inside = os.path.realpath(folder)
    found: list[Path] = []

    def unreadable(error: OSError) -> None:
        diagnostics.append(_unreadable(error, Path(error.filename)))

    for where, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(where)
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        for name in [name for name in folders if (here / name).is_symlink()]:
            folders.remove(name)
            diagnostics.append(_link(here / name, "is a symbolic link to a folder"))
        for name in names:
            file = here / name
            if file.suffix != ".py" or name.startswith("."):
                continue
            if file.is_symlink() and not Path(os.path.realpath(file)).is_relative_to(inside):
                diagnostics.append(_link(file, "is a symbolic link that leads out of the policies folder"))
            else:
                found.append(file)
    yield from sorted(found, key=lambda file: file.relative_to(folder).parts)


def _folders(found: Found, files: list[Path]) -> None:
    """Give each folder that holds files a module, and refuse a file that is hidden by a folder of its name."""
    folders = {folder for file in files for folder in file.parents if folder.is_relative_to(found.folder)}
    for folder in sorted(folders):
        parts = folder.relative_to(found.folder).parts
        name = ".".join((found.package, *map(_importable, parts)))
        found.modules[name] = Module(name, str(folder), package=True, code=compile("", str(folder), "exec"))
        hidden = folder.with_name(f"{folder.name}.py")
        if folder != found.folder and hidden in files:
            files.remove(hidden)
            found.diagnostics.append(
                Diagnostic(
                    "MESH106",
                    f"{hidden.name!r} and the folder {folder.name!r} are the same module",
                    Origin(str(hidden), 0),
                    reason="Python would import the folder and never run the file",
                    help="rename one of them",
                )
            )


def _read(name: str, file: Path, package: bool, diagnostics: list[Diagnostic]) -> Module:  # noqa: FBT001
    """A file's module, compiled; what is wrong with its text is reported."""
    source = _text(file, diagnostics)
    if source is None:
        return Module(name, str(file), package)
    code = None
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            code = compile(source, str(file), "exec", dont_inherit=True)
        diagnostics.extend(warning(one) for one in caught)
    except SyntaxError as error:
        diagnostics.append(syntax_error(error, str(file)))
    except (RecursionError, MemoryError, OverflowError, ValueError):
        diagnostics.append(
            Diagnostic(
                "MESH110",
                "Python cannot compile this file: it is nested too deeply",
                Origin(str(file), 1),
                help="break the longest expression into several",
            )
        )
    return Module(name, str(file), package, source, code)


def warning(caught: warnings.WarningMessage) -> Diagnostic:
    """A warning of Python's as a diagnostic that stops nothing."""
    return Diagnostic(
        "MESH140",
        f"{caught.category.__name__}: {caught.message}",
        Origin(caught.filename, caught.lineno),
        help="Python says so; see the documentation of what the line uses",
        severity=Severity.WARNING,
    )


def _text(file: Path, diagnostics: list[Diagnostic]) -> str | None:
    """The text of a file; None if it is no text, which is reported."""
    try:
        data = file.read_bytes()
    except OSError as error:
        diagnostics.append(_unreadable(error, file))
        return None
    if b"\0" in data:
        diagnostics.append(_no_text(file, _line_at(data, data.index(b"\0")), "it has a null byte"))
        return None
    try:
        return decode_source(data)
    except SyntaxError as error:  # of the encoding that its first lines name, or that these two are not UTF-8
        diagnostics.append(_no_text(file, 1, str(error.msg)))
    except UnicodeDecodeError as error:
        at = _line_at(data, error.start)
        diagnostics.append(_no_text(file, at, f"it has bytes that are not {error.encoding.upper()}"))
    return None


def _line_at(data: bytes, index: int) -> int:
    return data[:index].count(b"\n") + 1


def syntax_error(error: SyntaxError, file: str) -> Diagnostic:
    """What Python says of a file's syntax, with its line and column."""
    column = f" (column {error.offset})" if error.offset else ""
    return Diagnostic(
        "MESH110",
        f"this is not Python: {error.msg}{column}",
        Origin(error.filename or file, error.lineno or 1),
        help="correct the line; the mistake may be at the end of the line above",
    )


def _no_text(file: Path, line: int, why: str) -> Diagnostic:
    return Diagnostic(
        "MESH111", f"this file is not text: {why}", Origin(str(file), line), help="save the file as UTF-8"
    )


def _unreadable(error: OSError, path: Path) -> Diagnostic:
    return Diagnostic(
        "MESH102",
        f"{path.name!r} cannot be read: {error.strerror or error}",
        Origin(str(path), 0),
        help="let the user that runs meshdsl read it",
    )


def _link(path: Path, what: str) -> Diagnostic:
    return Diagnostic(
        "MESH105",
        f"{path.name!r} {what}",
        Origin(str(path), 0),
        reason="what is compiled must be in the folder, and must be there once",
        help="move the files into the folder, or give that folder as the policies folder",
    )
