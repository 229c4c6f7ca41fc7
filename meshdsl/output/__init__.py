"""Texts to files: the only writer of files.

What it promises, whatever happens in the middle: every file is whole, files that are not ours are untouched, nothing
is written through a symbolic link, and the next build completes what a killed one left. So it looks at everything
before it writes anything (``survey``), puts all new files beside the old ones, renames them one by one, removes what
is stale, and flushes files before and folders after the renames (``writer``). All under a lock of the folder, which
builds take in turn and which no crash leaves behind.

A file is ours if its first line is :data:`meshdsl.manifest.FILE_MARK`. There is no list of files beside it: a list
would conflict in every merge and could be stale, while the mark travels with the file. A path is at most one folder
deep and lower case, so no two paths are one file on a file system without case.

It must not know what is in a file beyond the first line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from meshdsl.diagnostics import Diagnostic, OutputError
from meshdsl.output.survey import Folder, by_folder, open_directory, survey
from meshdsl.output.writer import Writer, check_creatable, check_writable, lock, make_directory, write_out

__all__ = ["LOCK_SECONDS", "Differences", "Written", "compare", "write", "write_all"]

LOCK_SECONDS = 10.0
"""How long a build waits for another one that writes the same folder."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a build did to its folder: paths relative to it, sorted."""

    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Differences:
    """What a build would do to its folder: paths relative to it, sorted."""

    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the folder holds exactly what the build makes."""
        return not (self.missing or self.changed or self.stale)


def write(
    files: Mapping[str, str], directory: Path, *, root: Path | None = None, lock_seconds: float = LOCK_SECONDS
) -> Written:
    """Make the files of ours in a folder exactly these.

    Args:
        files: text by path: ``"NAMESPACE/SERVICE.yaml"``, ``"NAMESPACE/_namespace.yaml"`` or ``"_mesh.yaml"``.
            Each text opens with ``FILE_MARK``.
        directory: the folder; it is made if it is not there. New folders have mode 0755 and new files 0644, whatever
            the umask. One folder belongs to one policy set: files of ours that are not in ``files`` are removed, and
            a namespace's folder with the last of them, if it is then empty, and so the folder itself.
        root: of the repository; folders between it and ``directory`` may not be links. The working directory for None.
        lock_seconds: how long to wait for another build of the same folder.

    Raises:
        OutputError: MESH702 to MESH707 and MESH710 before anything is written; MESH708 with all files as they were;
            MESH707 or MESH709 if the system fails in the middle, with the paths of what was replaced before.
    """
    return write_all({directory: files}, root=root, lock_seconds=lock_seconds)[directory]


def write_all(
    folders: Mapping[Path, Mapping[str, str]], *, root: Path | None = None, lock_seconds: float = LOCK_SECONDS
) -> dict[Path, Written]:
    """As :func:`write` for several folders, all of which are looked at before the first is written.

    Args:
        folders: the files of each folder. One that had files of ours, is to have none, and is empty then is removed.
        root: as for :func:`write`.
        lock_seconds: how long to wait for another build of each folder.

    Raises:
        OutputError: as for :func:`write`; all that stands in the way in any folder, before anything is written.
    """
    wanted = {directory: by_folder(files) for directory, files in folders.items()}
    ready: dict[Path, tuple[int, list[Folder]]] = {}
    with ExitStack() as stack:
        missing: list[Path] = []
        problems: list[Diagnostic] = []
        for directory, contents in wanted.items():
            try:
                top = open_directory(directory, root)
            except FileNotFoundError:
                missing.append(directory)
            except OutputError as error:
                problems += error.diagnostics
            else:
                stack.callback(os.close, top)  # and with it the lock
                try:
                    ready[directory] = top, _looked_at(contents, top, directory, lock_seconds)
                except OutputError as error:
                    problems += error.diagnostics
        for directory in missing:
            try:
                check_creatable(directory)
            except OutputError as error:
                problems += error.diagnostics
        if problems:
            raise OutputError(problems)
        for directory in missing:
            top = make_directory(directory, root)
            stack.callback(os.close, top)
            ready[directory] = top, _looked_at(wanted[directory], top, directory, lock_seconds)
        write_out([Writer(top, directory, found) for directory, (top, found) in ready.items()])
        done = {directory: _written(found) for directory, (_, found) in ready.items()}
        for directory, written in done.items():
            if written.removed and not folders[directory]:
                with suppress(OSError):  # it holds files of the user's, and stays
                    directory.rmdir()
    return {directory: done[directory] for directory in folders}


def _looked_at(
    wanted: Mapping[str, Mapping[str, bytes]], top: int, directory: Path, lock_seconds: float
) -> list[Folder]:
    """Take a folder's lock and survey it; raises what would stand in the way of writing."""
    lock(top, directory, lock_seconds)
    found = survey(wanted, top, directory)
    check_writable(found, top, directory)
    return found


def _written(found: Sequence[Folder]) -> Written:
    return Written(
        written=_paths((folder, [*folder.missing, *folder.changed]) for folder in found),
        unchanged=_paths((folder, folder.unchanged) for folder in found),
        removed=_paths((folder, folder.stale) for folder in found),
    )


def compare(files: Mapping[str, str], directory: Path, *, root: Path | None = None) -> Differences:
    """What :func:`write` would do, without doing it; nothing is made, changed or locked.

    Args:
        files: as for :func:`write`.
        directory: the folder; it need not be there.
        root: as for :func:`write`.

    Raises:
        OutputError: MESH702 to MESH706, as :func:`write` would.
    """
    wanted = by_folder(files)
    try:
        top = open_directory(directory, root)
    except FileNotFoundError:
        return Differences(missing=tuple(sorted(files)))
    try:
        found = survey(wanted, top, directory)
    finally:
        os.close(top)
    return Differences(
        missing=_paths((folder, folder.missing) for folder in found),
        changed=_paths((folder, folder.changed) for folder in found),
        stale=_paths((folder, folder.stale) for folder in found),
    )


def _paths(found: Iterable[tuple[Folder, Iterable[str]]]) -> tuple[str, ...]:
    return tuple(sorted(folder.path(file) for folder, files in found for file in files))
