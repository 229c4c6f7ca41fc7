"""Refuses what a policy file must not do while it runs: network, processes, writing, reading elsewhere.

The same policies must mean the same tomorrow and on another machine, and a build in CI runs the files of a pull
request. An audit hook sees what the interpreter is asked to do and refuses it, unless the project permits it.

**This is no sandbox.** Python has none: code that wants to get out finds a way (``ctypes`` through a permitted
library, the frames of the hook itself). It catches accidents and careless code, and names the line. Who compiles
policies from people they do not trust needs a container around meshdsl.

The hook cannot be removed from a process (``sys.addaudithook``), so it is installed once, and looks at nothing
unless the current thread is in a load.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from meshdsl.diagnostics import Diagnostic, Origin
from meshdsl.permissions import Permission

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_FAMILIES: dict[str, Permission] = {
    "socket": "network",
    "urllib": "network",
    "http": "network",
    "ftplib": "network",
    "smtplib": "network",
    "imaplib": "network",
    "poplib": "network",
    "nntplib": "network",
    "telnetlib": "network",
    "subprocess": "subprocess",
    "ctypes": "subprocess",
    "pty": "subprocess",
    "webbrowser": "subprocess",
    "shutil": "write",
    "syslog": "write",
}
_EVENTS: dict[str, Permission | None] = {
    **dict.fromkeys(
        [
            "os.system",
            "os.exec",
            "os.fork",
            "os.forkpty",
            "os.posix_spawn",
            "os.spawn",
            "os.startfile",
            "os.startfile/2",
            "os.kill",
            "os.killpg",
            "_thread.start_new_thread",
            "_thread.start_joinable_thread",
            "signal.pthread_kill",
        ],
        "subprocess",
    ),
    **dict.fromkeys(
        [
            "os.remove",
            "os.rename",
            "os.rmdir",
            "os.mkdir",
            "os.truncate",
            "os.chmod",
            "os.chown",
            "os.link",
            "os.symlink",
            "os.utime",
            "os.chflags",
            "os.setxattr",
            "os.removexattr",
            "os.lockf",
            "os.chdir",
            "os.fchdir",
            "tempfile.mkstemp",
            "tempfile.mkdtemp",
            "sqlite3.connect",
        ],
        "write",
    ),
    **dict.fromkeys(["os.listdir", "os.scandir", "builtins.input"], "read"),
    "open": "read",  # or "write", by its flags
}
_READ_FOR_PYTHON = ("importlib", "_frozen_importlib", "zipimport", "pkgutil", "zoneinfo", "encodings")
"""Modules of the standard library that read files on their own account: to import, or for the time zones."""

_WORDS: dict[Permission, str] = {
    "read": "read outside the policies folder",
    "write": "write or change files",
    "network": "use the network",
    "subprocess": "start processes or threads, or call C",
}


class Refused(RuntimeError):
    """A policy file asked for something that it may not do. The load fails even where this is caught."""


class Guard:
    """Refuses what is not permitted, in this thread, while it is entered.

    Attributes:
        refused: a diagnostic for each thing that was refused, whether or not the file caught the exception.
    """

    def __init__(self, folder: Path, permit: frozenset[Permission]) -> None:
        """Guard the files of a folder.

        Args:
            folder: whose files may be read and whose lines are named.
            permit: what is not refused.
        """
        self.refused: list[Diagnostic] = []
        self._folder = str(folder)
        self._permit = permit
        self._readable = (os.path.realpath(folder), *library_folders())
        self._outer: Guard | None = None
        self._busy = False

    def __enter__(self) -> Self:
        _install()
        self._outer = getattr(_CURRENT, "guard", None)
        _CURRENT.guard = self
        _threads(_start_thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _CURRENT.guard = self._outer
        if self._outer is None:
            _threads(_thread.start_new_thread)

    def decide(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raise :class:`Refused` if an audit event is not permitted."""
        try:
            needed = _EVENTS[event]
        except KeyError:
            needed = _EVENTS[event] = _FAMILIES.get(event.partition(".")[0])
        if needed is None or self._busy:
            return
        self._busy = True  # what is asked below raises events of its own
        try:
            if event == "open":
                needed = "write" if _writes(arguments) else "read"
            if needed in self._permit or self._harmless(event, needed, arguments):
                return
            self._refuse(event, needed, arguments)
        finally:
            self._busy = False

    def _harmless(self, event: str, needed: Permission, arguments: tuple[Any, ...]) -> bool:
        if event == "ctypes.dlopen":
            return arguments[0] is None  # what ``import ctypes`` itself does
        if event == "builtins.input" or needed not in ("read", "write"):
            return False
        path = _path(arguments)
        if path is None:
            return event == "open"  # a descriptor that somebody opened before
        if path == os.devnull:
            return True
        return needed == "read" and (_for_python() or _inside(os.path.realpath(path), self._readable))

    def _refuse(self, event: str, needed: Permission, arguments: tuple[Any, ...]) -> None:
        what = event
        shown = _path(arguments) if event.startswith(("open", "os.")) and needed in ("read", "write") else None
        if shown is not None:
            what = f"{event} {shown!r}"
        where = _line_in(self._folder)
        message = f"a policy file may not {_WORDS[needed]} ({what})"
        self.refused.append(
            Diagnostic(
                "MESH130",
                message,
                where,
                reason="the same policies must compile to the same manifests everywhere, and without side effects",
                help=f'take it out of the policies, or allow it in the configuration: permit = ["{needed}"]',
            )
        )
        raise Refused(message)


def _writes(arguments: tuple[Any, ...]) -> bool:
    """Whether an ``open`` event is one that may change a file."""
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str) and not set(mode).isdisjoint("wax+"):
        return True
    return isinstance(flags, int) and bool(flags & _WRITE_FLAGS)


def _path(arguments: tuple[Any, ...]) -> str | None:
    """The path that an event is about; None for a file descriptor."""
    path = arguments[0] if arguments else None
    if path is None:
        return "."
    return os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else None


def _inside(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


def library_folders() -> tuple[str, ...]:
    """Folders whose files belong to Python, to meshdsl and to installed packages."""
    installed = [entry for entry in sys.path if os.path.basename(entry) in ("site-packages", "dist-packages")]  # noqa: PTH119
    ours = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
    return tuple({os.path.realpath(folder): 0 for folder in (os.path.dirname(os.__file__), ours, *installed)})  # noqa: PTH120


def _for_python() -> bool:
    """Whether the interpreter reads for itself: between the event and the first frame of anybody else it imports."""
    library, ours = os.path.dirname(os.__file__), os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.split(".")[0] in _READ_FOR_PYTHON:
            return True
        file = frame.f_code.co_filename
        if not file.startswith((library, ours + os.sep, "<frozen ")):
            return False
        frame = frame.f_back
    return False


def _line_in(folder: str) -> Origin | None:
    """The innermost line that runs in a file of the folder."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None:
        file = frame.f_code.co_filename
        if _inside(file, (folder,)):
            return Origin(file, frame.f_lineno)
        frame = frame.f_back
    return None


class _Current(threading.local):
    guard: Guard | None = None


_CURRENT = _Current()
_INSTALL = threading.Lock()
_installed: list[bool] = []


def _hook(event: str, arguments: tuple[Any, ...], current: _Current = _CURRENT) -> None:
    guard = current.guard
    if guard is not None:
        guard.decide(event, arguments)


def _start_thread(*arguments: Any) -> int:
    """Start a thread, unless the current one is guarded: nothing would guard what the new one does."""
    guard = _CURRENT.guard
    if guard is not None:
        guard.decide("_thread.start_new_thread", arguments)
    return _thread.start_new_thread(*arguments)


def _threads(start: Callable[..., int]) -> None:
    """Have ``threading`` start threads with a function. Python raises an event for it from 3.12 on."""
    if sys.version_info < (3, 12):
        setattr(threading, "_start_new_thread", start)  # noqa: B010 - typeshed does not know it


def _install() -> None:
    with _INSTALL:
        if not _installed:
            sys.addaudithook(_hook)
            _installed.append(True)
