"""``kubectl proxy`` on a unix socket: the user's own kubectl does everything that needs a credential.

Contexts, exec plugins, OIDC, client certificates and in-cluster accounts work as they do for the user, and meshdsl
holds no credential and has no code for any. The socket is in a folder that only this user can enter (0700). The proxy
itself refuses every method that could write, so a mistake of ours cannot change a cluster; a dry-run apply needs PATCH
and nothing else. It also refuses Secrets, which nothing here asks for.

What is guaranteed of its end: when we close it, when we end in any way (also by SIGKILL), or when it ends by itself,
no process of it and no folder is left, see ``supervisor``. Where the supervisor is killed at the same moment, the
folder is left, and the next run removes it: a lock in it tells whether anybody still lives there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from meshdsl.cluster import supervisor
from meshdsl.cluster.errors import ClusterError, cluster_error, redact, words

REJECTED: Final = "POST,PUT,PATCH,DELETE"
REJECTED_WITH_DRY_RUN: Final = "POST,PUT,DELETE"
REJECTED_PATHS: Final = (
    "^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach,"  # what kubectl rejects by default
    "^/api/v1/(namespaces/[^/]+/)?secrets(/|$)"
)
MAX_SOCKET_PATH: Final = 100
"""Bytes of a unix socket's path: Linux takes 107, macOS and the BSDs 103."""
_PREFIX: Final = "meshdsl-"
_LOCK: Final = "lock"
_SOCKET: Final = "s"
_NAMING_TIMEOUT: Final = 2.0
"""Seconds that kubectl has to name its current context; it reads no more than files."""
_KEPT_LINES: Final = 200
_MAX_LINE: Final = 8192


@dataclass(frozen=True, slots=True)
class Settings:
    """How kubectl is started.

    Attributes:
        kubectl: the program: a name to be found on PATH, or a path.
        context: of the kubeconfig; empty means its current one.
        kubeconfig: a file; None leaves the choice to kubectl (``KUBECONFIG``, the home folder, the cluster's own).
        server_side: let PATCH through, for dry-run applies.
        log: called with each line that kubectl or a credential plugin prints, without line break and credentials,
            from a thread of its own.
    """

    kubectl: str = "kubectl"
    context: str = ""
    kubeconfig: Path | None = None
    server_side: bool = False
    log: Callable[[str], None] | None = None


class Proxy:
    """A running proxy. Use :func:`start`, or :func:`launch` and :func:`ready`."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, program: str, settings: Settings) -> None:
        self.socket = str(folder / _SOCKET)
        self._process = process
        self._folder = folder
        self._program = program
        self._settings = settings
        self._log = settings.log
        self._naming: subprocess.Popen[bytes] | None = None
        self._context = settings.context
        self._lock = threading.Lock()
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        assert process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(process.stdout,), name="kubectl-log", daemon=True)
        self._reader.start()

    def said(self) -> str:
        """What kubectl and its plugins said last, without the proxy's own log lines."""
        said = dict.fromkeys(line for line in tuple(self._lines) if line and not _is_log_line(line))
        return words(" ".join(tuple(said)[-8:]))

    def wait_until_ready(self, timeout: float) -> None:
        """Wait until the socket answers.

        Raises:
            ClusterError: kubectl ended (MESH802) or was not ready in time (MESH805).
        """
        until = time.monotonic() + timeout
        while not self._answers():
            if self._process.poll() is not None:
                self._reader.join(1)
                raise cluster_error(
                    "MESH802",
                    f"kubectl ended at once: {self.said() or 'it said nothing'}",
                    reason="the cluster is asked through your own kubectl, with your kubeconfig",
                    help="`kubectl config get-contexts` lists the contexts that there are",
                )
            if time.monotonic() >= until:
                said = self.said()
                raise cluster_error(
                    "MESH805",
                    f"kubectl was not ready after {timeout:g} s" + (f": {said}" if said else ""),
                    reason="it waits for an API server that does not answer, or for somebody to log in",
                    help="`kubectl get namespaces` must work with this context; --timeout gives it more time",
                )
            time.sleep(0.004)

    def ask_for_context(self) -> None:
        """Have kubectl name its current context meanwhile, if it was given none: for :meth:`context`."""
        if self._context:
            return
        command = [self._program, "config", "current-context"]
        if self._settings.kubeconfig is not None:
            command.append(f"--kubeconfig={self._settings.kubeconfig}")
        with contextlib.suppress(OSError):  # the proxy has ended, and its group is gone
            self._naming = subprocess.Popen(  # noqa: S603 - as in launch(); it ends with the group of the proxy
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                process_group=self._process.pid,
            )

    def context(self) -> str:
        """The context that kubectl uses; empty if kubectl names none, as with the account of a pod."""
        with self._lock:
            if self._naming is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    output, _ = self._naming.communicate(timeout=_NAMING_TIMEOUT)
                    self._context = words(output.decode("utf-8", "replace"))
                self._end_naming()
            return self._context

    def _end_naming(self) -> None:
        if self._naming is not None:
            self._naming.kill()
            assert self._naming.stdout is not None
            self._naming.stdout.close()  # not read to its end: what a wrapper has started may hold the other one
            self._naming.wait()
            self._naming = None

    def close(self) -> None:
        """End kubectl and everything it started, and remove the socket and its folder. Does nothing if it is closed."""
        assert self._process.stdin is not None
        if self._process.stdin.closed:
            return
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(supervisor.GRACE + 2)
        # The supervisor has ended its group. If it was killed itself, the group is still there; else there is none.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with self._lock:
            self._end_naming()
        # A plugin that left its process group may hold the other end for ever.
        self._reader.join(0.5)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.settimeout(1)
            probe.connect(self.socket)
            return True
        return False

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            while raw := pipe.readline(_MAX_LINE):
                line = redact(raw.decode("utf-8", "replace").rstrip())
                self._lines.append(line)
                if self._log is not None:
                    self._log(line)


def start(settings: Settings, timeout: float) -> Proxy:
    """Start the proxy and wait until it answers.

    Args:
        settings: which kubectl, and how.
        timeout: how long it may take, in seconds.

    Raises:
        ClusterError: as :func:`launch` and :func:`ready`.
    """
    return ready(launch(settings), timeout)


def ready(proxy: Proxy, timeout: float) -> Proxy:
    """Wait until a proxy answers; it is closed if it never does.

    Raises:
        ClusterError: it ended at once (MESH802), or is not ready in time (MESH805).
    """
    try:
        proxy.wait_until_ready(timeout)
    except BaseException:
        proxy.close()
        raise
    proxy.ask_for_context()  # not before: two that start at once start slower
    return proxy


def launch(settings: Settings) -> Proxy:
    """Start the proxy, without waiting for anything.

    Raises:
        ClusterError: there is no kubectl (MESH801), or no place for its socket (MESH810).
    """
    program = shutil.which(settings.kubectl)
    if program is None:
        raise cluster_error(
            "MESH801",
            f"there is no program {settings.kubectl!r}",
            reason="a cluster is asked through your own kubectl, so that logging in works as it does for you",
            help="install kubectl, or compare without a cluster: --against a folder, a dump or git:REVISION",
        )
    folder = private_folder()
    lock = _locked(folder)
    held = (lock,) if lock is not None else ()
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own kubectl, and no shell
            [sys.executable, "-I", "-S", "-B", supervisor.__file__, str(folder), *_command(program, folder, settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            pass_fds=held,  # the lock lasts as long as the supervisor or kubectl does
        )
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise cluster_error("MESH810", f"kubectl cannot be started: {error.strerror}") from error
    finally:
        for descriptor in held:
            os.close(descriptor)
    _remove_left(folder.parent)
    return Proxy(process, folder, str(Path(program).absolute()), settings)


def _locked(folder: Path) -> int | None:
    """The lock of a folder, as a descriptor that keeps it; None where there are no locks."""
    descriptor: int | None = None
    try:
        descriptor = os.open(folder / "new", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # It gets its name when it is locked: another run must never find it free.
        (folder / "new").rename(folder / _LOCK)
    except OSError:
        if descriptor is not None:
            os.close(descriptor)
        return None
    return descriptor


def _remove_left(parent: Path) -> None:
    """Remove the folders of runs that were killed together with their supervisors; whatever else it may be stays."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX):
                _remove_dead(Path(entry.path))


def _remove_dead(folder: Path) -> None:
    with contextlib.suppress(OSError):
        found = folder.lstat()
        is_private = (
            stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700
        )
        if not is_private or not {_LOCK} <= {entry.name for entry in folder.iterdir()} <= {_LOCK, _SOCKET}:
            return
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while anybody of that run is alive
            for name in (_SOCKET, _LOCK):
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()
        finally:
            os.close(descriptor)


def private_folder() -> Path:
    """A new folder that only this user can enter, with a path that is short enough for a socket in it.

    Raises:
        ClusterError: there is none (MESH810).
    """
    problem: ClusterError | None = None
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp")):  # noqa: S108 - mkdtemp makes a private one in it
        try:
            folder = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
        except OSError as error:
            problem = cluster_error("MESH810", f"no folder can be made in {parent}: {error.strerror}")
            continue
        if len(os.fsencode(folder)) + 2 <= MAX_SOCKET_PATH:
            return Path(folder)
        Path(folder).rmdir()
        problem = cluster_error("MESH810", f"the path {folder} is too long for a socket", help="set TMPDIR to /tmp")
    assert problem is not None
    raise problem


def _command(program: str, folder: Path, settings: Settings) -> Sequence[str]:
    rejected = REJECTED_WITH_DRY_RUN if settings.server_side else REJECTED
    command = [
        str(Path(program).absolute()),
        "proxy",
        f"--unix-socket={folder / _SOCKET}",
        f"--reject-methods={rejected}",
        f"--reject-paths={REJECTED_PATHS}",
    ]
    if settings.context:
        command.append(f"--context={settings.context}")
    if settings.kubeconfig is not None:
        command.append(f"--kubeconfig={settings.kubeconfig}")
    return command


def _is_log_line(line: str) -> bool:
    """Whether it is the proxy's own: ``E1123 12:40:44.205872 …``, or its greeting."""
    return line.startswith("Starting to serve") or (len(line) > 5 and line[0] in "IWEF" and line[1:5].isdigit())
