"""The half of output that writes: the lock, and three passes over the folders that are touched.

It writes only what the survey found missing, changed or stale, and asks nothing again: whoever builds holds the lock,
and what somebody else changes meanwhile is replaced whole or met as an error, never written through.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from meshdsl.diagnostics import Diagnostic, OutputError
from meshdsl.output.refusals import failed, not_locked
from meshdsl.output.survey import Folder, open_directory, opened

_FILE_MODE = 0o644
_FOLDER_MODE = 0o755
_CREATE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_AT_ONCE = 64
"""New files that are open at once, to be flushed together: each alone would wait for the disk."""
_FEW = 16
"""Fewer files are flushed one after the other: threads would not be worth their start."""
_FLUSHERS = 4
_LOCKED = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})


def make_directory(directory: Path, root: Path | None) -> int:
    """Open the output folder as :func:`open_directory`; make it, and what is missing above it."""
    for _ in range(2):
        with suppress(FileNotFoundError):
            return open_directory(directory, root)
        missing = [path for path in (directory, *directory.parents) if not os.path.lexists(path)]
        try:
            for path in reversed(missing):
                with suppress(FileExistsError):  # another build was faster
                    path.mkdir()
                    path.chmod(_FOLDER_MODE)
                    _flush(path.parent)
        except OSError as error:
            raise OutputError([failed(error, directory, ())]) from error
    raise OutputError([failed(FileNotFoundError(errno.ENOENT, "it vanished while it was made"), directory, ())])


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock(top: int, directory: Path, seconds: float) -> None:
    """Take the folder's lock, which ends with its descriptor or the process."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(top, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _LOCKED and time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            raise OutputError([not_locked(error, directory, seconds if error.errno in _LOCKED else None)]) from error
        return


def check_creatable(directory: Path) -> None:
    """Refuse before the first write a folder that is not there and that we may not make."""
    above = next(path for path in directory.parents if os.path.lexists(path))
    if not os.access(above, os.W_OK | os.X_OK):
        raise OutputError([failed(OSError(errno.EACCES, "no permission to write"), above, ())])


def check_writable(survey: Iterable[Folder], top: int, directory: Path) -> None:
    """Refuse before the first write what permissions, flags and read-only file systems will not let us write."""
    refused: list[Diagnostic] = []
    for folder in survey:
        if not folder.is_touched:
            continue
        with opened(folder.name if folder.exists else "", top) as descriptor:
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=descriptor):
                place = directory / folder.name if folder.exists else directory
                refused.append(failed(OSError(errno.EACCES, "no permission to write"), place, ()))
    if refused:
        raise OutputError(refused)


def write_out(writers: Sequence[Writer]) -> None:
    """Three passes over the touched folders: put new files beside the old ones, rename them, remove what is stale.

    A disk that fills up is met in the first pass, when all files of all writers are still as they were.

    Raises:
        OutputError: the system fails; it says what was done before.
    """
    at = Path()
    try:
        for step in (Writer.stage, Writer.replace, Writer.remove):
            for writer in writers:
                try:
                    step(writer)
                except OSError:
                    at = writer.at
                    raise
    except OSError as error:
        several = len(writers) > 1
        done = [f"{one.directory.name}/{path}" if several else path for one in writers for path in one.done]
        raise OutputError([failed(error, at, done)]) from error
    finally:
        for writer in writers:
            writer.clean()


def _temporary(number: int) -> str:
    """The name of a new file beside the old one; a later build knows it for ours (``survey``)."""
    return f".meshdsl-{number}.tmp"


class Writer:
    """The passes over one output folder."""

    def __init__(self, top: int, directory: Path, survey: Iterable[Folder]) -> None:
        self.top = top
        self.directory = directory
        self.folders = [folder for folder in survey if folder.is_touched]
        self.staged: dict[str, list[tuple[int, str]]] = {folder.name: [] for folder in self.folders}
        self.done: list[str] = []
        self.at = directory

    def stage(self) -> None:
        """Put new files beside the old ones."""
        for folder in self.folders:
            self._stage(folder)

    def replace(self) -> None:
        """Rename them."""
        for folder in self.folders:
            self._replace(folder)

    def remove(self) -> None:
        """Remove what is stale."""
        for folder in self.folders:
            self._remove(folder)
        if self.folders:
            os.fsync(self.top)

    def _stage(self, folder: Folder) -> None:
        self.at = self.directory / folder.name
        if not folder.exists:
            with suppress(FileExistsError):  # the user made it just now
                os.mkdir(folder.name, dir_fd=self.top)
        with opened(folder.name, self.top) as descriptor:
            if not folder.exists:
                os.fchmod(descriptor, _FOLDER_MODE)
            for file in folder.leftovers:
                os.unlink(file, dir_fd=descriptor)
            files = [*folder.missing, *folder.changed]
            for start in range(0, len(files), _AT_ONCE):
                self._put(folder, descriptor, start, files[start : start + _AT_ONCE])

    def _put(self, folder: Folder, descriptor: int, start: int, files: Sequence[str]) -> None:
        """Write some new files of one folder, and flush them together."""
        targets: list[int] = []
        try:
            for number, file in enumerate(files, start):
                self.at = self.directory / folder.path(file)
                target = os.open(_temporary(number), _CREATE_FILE, _FILE_MODE, dir_fd=descriptor)
                targets.append(target)
                self.staged[folder.name].append((number, file))
                os.fchmod(target, _FILE_MODE)
                rest = memoryview(folder.wanted[file])
                while rest:
                    rest = rest[os.write(target, rest) :]
            if len(files) < _FEW:
                self._flush(folder, files, map(os.fsync, targets))
                return
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - most builds change a few files

            with ThreadPoolExecutor(_FLUSHERS, "meshdsl-flush") as pool:
                self._flush(folder, files, pool.map(os.fsync, targets))
        finally:
            for target in targets:
                os.close(target)

    def _flush(self, folder: Folder, files: Iterable[str], flushed: Iterator[None]) -> None:
        """Wait for each file to be on the disk."""
        for file in files:
            self.at = self.directory / folder.path(file)
            next(flushed)

    def _replace(self, folder: Folder) -> None:
        staged = self.staged[folder.name]
        if not staged:
            return
        with opened(folder.name, self.top) as descriptor:
            while staged:
                number, file = staged[0]
                self.at = self.directory / folder.path(file)
                os.replace(_temporary(number), file, src_dir_fd=descriptor, dst_dir_fd=descriptor)
                del staged[0]
                self.done.append(folder.path(file))
            os.fsync(descriptor)

    def _remove(self, folder: Folder) -> None:
        with opened(folder.name, self.top) as descriptor:
            for file in folder.stale:
                self.at = self.directory / folder.path(file)
                with suppress(FileNotFoundError):
                    os.unlink(file, dir_fd=descriptor)
                self.done.append(folder.path(file))
            if folder.stale:
                os.fsync(descriptor)
        if folder.name and not folder.wanted:
            with suppress(OSError):  # it holds files of the user's, and stays
                os.rmdir(folder.name, dir_fd=self.top)

    def clean(self) -> None:
        """Remove what was put beside and not renamed: nothing, unless a pass failed."""
        for folder in self.folders:
            if folder.exists and not self.staged[folder.name]:
                continue
            with suppress(OSError), opened(folder.name, self.top) as descriptor:
                for number, _ in self.staged[folder.name]:
                    with suppress(OSError):  # the next build removes it
                        os.unlink(_temporary(number), dir_fd=descriptor)
            if not folder.exists and folder.name:
                with suppress(OSError):  # it holds the files that were written, and stays
                    os.rmdir(folder.name, dir_fd=self.top)
