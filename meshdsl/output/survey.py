"""What a build is to write, and what is there: the half of output that only reads.

Everything in the output folder is opened relative to its descriptor and never through a link, so what was looked at
is what is later written, and no link in a repository leads a build astray.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from meshdsl.diagnostics import Diagnostic, OutputError
from meshdsl.manifest import FILE_MARK
from meshdsl.output.refusals import NOT_ALLOWED, foreign, in_the_way, no_such_path

_MARK = f"{FILE_MARK}\n".encode()
_CRLF_MARK = f"{FILE_MARK}\r\n".encode()
"""As git leaves it where ``core.autocrlf`` is on: such a file is ours, and changed."""
_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_FOLDER = re.compile(_LABEL)
_NAMED_FILE = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.yaml")
_TEMPORARY = re.compile(r"\.meshdsl-[0-9]+\.tmp")
_MESH_FILE = "_mesh.yaml"
_NAMESPACE_FILE = "_namespace.yaml"
_MAX_NAME = 255

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# Without O_NONBLOCK a pipe in the place of a file would stop the build for good.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(slots=True)
class Folder:
    """One folder of the output, wanted or found: the output folder itself (no name) or a namespace's."""

    name: str
    wanted: Mapping[str, bytes]
    exists: bool = True
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    def path(self, file: str) -> str:
        """A file of it, relative to the output folder."""
        return f"{self.name}/{file}" if self.name else file

    @property
    def is_touched(self) -> bool:
        """Whether a build changes anything in it."""
        return bool(self.missing or self.changed or self.stale or self.leftovers)


def _is_our_name(folder: str, file: str) -> bool:
    """Whether a file could be one of ours by its place and name."""
    if not folder:
        return file == _MESH_FILE
    return file == _NAMESPACE_FILE or (len(file) <= _MAX_NAME and _NAMED_FILE.fullmatch(file) is not None)


def by_folder(files: Mapping[str, str]) -> dict[str, dict[str, bytes]]:
    """The contents to write, by folder and file name; raises what no path of ours looks like (MESH702)."""
    found: dict[str, dict[str, bytes]] = {"": {}}
    refused: list[Diagnostic] = []
    for path, text in files.items():
        folder, _, file = path.rpartition("/")
        if (folder and _FOLDER.fullmatch(folder) is None) or path[:1] == "/" or not _is_our_name(folder, file):
            refused.append(no_such_path(path))
            continue
        content = text.encode()
        if not content.startswith(_MARK):
            raise ValueError(f"the text of {path} does not open with the header that makes it ours")
        found.setdefault(folder, {})[file] = content
    if refused:
        raise OutputError(refused)
    return found


def survey(wanted: Mapping[str, Mapping[str, bytes]], top: int, directory: Path) -> list[Folder]:
    """Look at everything that a build would touch; raises all that stands in the way at once."""
    found: list[Folder] = []
    problems: list[Diagnostic] = []
    names = {name for name in os.listdir(top) if _FOLDER.fullmatch(name)}
    for name in sorted(names | wanted.keys()):
        folder = Folder(name, wanted.get(name, {}))
        try:
            with opened(name, top) as descriptor:
                problems += _survey_folder(folder, descriptor, directory)
        except FileNotFoundError:
            folder.exists = False
            folder.missing = sorted(folder.wanted)
        except OSError as error:
            if name not in wanted and error.errno in (errno.ENOTDIR, errno.ELOOP):
                continue  # somebody's file or link that is named like a namespace
            problems.append(in_the_way(error, directory / name))
            continue
        found.append(folder)
    if problems:
        raise OutputError(problems)
    return found


def _survey_folder(folder: Folder, descriptor: int, directory: Path) -> Iterator[Diagnostic]:
    # Wanted files are opened by name, not looked up in the listing: a file system without case may have them there
    # under another spelling, and then they are somebody's.
    for file, content in sorted(folder.wanted.items()):
        path = directory / folder.path(file)
        try:
            present = _read(file, descriptor, len(content) + 1)
        except FileNotFoundError:
            folder.missing.append(file)
        except OSError as error:
            yield in_the_way(error, path)
        else:
            if not present.startswith((_MARK, _CRLF_MARK)):
                yield foreign(path)
            (folder.unchanged if present == content else folder.changed).append(file)
    for file in sorted(set(os.listdir(descriptor)) - folder.wanted.keys()):
        temporary = _TEMPORARY.fullmatch(file) is not None
        if not temporary and not _is_our_name(folder.name, file):
            continue
        try:
            start = _read(file, descriptor, len(_CRLF_MARK))
        except OSError as error:
            # A link, pipe or folder is not ours; what vanishes meanwhile is not there.
            if error.errno in NOT_ALLOWED and not temporary:
                yield in_the_way(error, directory / folder.path(file))
        else:
            # A build that was killed while it wrote leaves the first part of a file of ours.
            if temporary and _MARK.startswith(start[: len(_MARK)]):
                folder.leftovers.append(file)
            elif start.startswith((_MARK, _CRLF_MARK)):
                folder.stale.append(file)


def _read(file: str, folder: int, size: int) -> bytes:
    """The first bytes of a regular file; ELOOP for a link, EISDIR for what else is no file."""
    descriptor = os.open(file, _OPEN_FILE, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EISDIR, "not a regular file")
        parts: list[bytes] = []
        while size > 0 and (part := os.read(descriptor, size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


@contextmanager
def opened(name: str, top: int) -> Iterator[int]:
    """The descriptor of a folder in the output folder; of that one itself for no name."""
    if not name:
        yield top
        return
    descriptor = os.open(name, _OPEN_FOLDER, dir_fd=top)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_directory(directory: Path, root: Path | None) -> int:
    """Open the output folder, never through a link.

    Folders above it may be links (``/var`` and home folders are on many machines), but not those below the
    repository's root (the working directory for None): they come with the repository.

    Raises:
        FileNotFoundError: it is not there.
    """
    repository = root or Path.cwd()
    for above in directory.parents:
        if above.is_symlink() and (not above.is_absolute() or repository in above.parents):
            raise OutputError([in_the_way(OSError(errno.ELOOP, "a symbolic link"), above)])
    try:
        return os.open(directory, _OPEN_FOLDER)
    except FileNotFoundError:
        raise
    except OSError as error:
        paths = (directory, *directory.parents) if error.errno == errno.ENOTDIR else ()
        culprit = next((path for path in paths if os.path.lexists(path) and not path.is_dir()), directory)
        raise OutputError([in_the_way(error, culprit)]) from error
