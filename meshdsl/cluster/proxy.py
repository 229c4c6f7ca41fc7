"""``kubectl proxy`` on a unix socket: the user's own kubectl does everything that needs a credential.

Contexts, exec plugins, OIDC, client certificates and in-cluster accounts work as they do for the user, and meshdsl
holds no credential and has no code for any. The socket is in a folder that only this user can enter (0700). The proxy
itself refuses every method that could write, so a mistake of ours cannot change a cluster; a dry-run apply needs PATCH
and nothing else. It also refuses Secrets, which nothing here asks for.

What is guaranteed of its end: when we close it, when we end in any way (also by SIGKILL), or when it ends by itself,
no process of it and no folder is left, see ``supervisor``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
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

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, log: Callable[[str], None] | None) -> None:
        self.socket = str(folder / "s")
        self._process = process
        self._folder = folder
        self._log = log
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
                    help="try `kubectl proxy --port=0` by hand; --timeout gives it more time",
                )
            time.sleep(0.004)

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
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own kubectl, and no shell
            [sys.executable, "-I", "-S", "-B", supervisor.__file__, str(folder), *_command(program, folder, settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise cluster_error("MESH810", f"kubectl cannot be started: {error.strerror}") from error
    return Proxy(process, folder, settings.log)


def private_folder() -> Path:
    """A new folder that only this user can enter, with a path that is short enough for a socket in it.

    Raises:
        ClusterError: there is none (MESH810).
    """
    problem: ClusterError | None = None
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp")):  # noqa: S108 - mkdtemp makes a private one in it
        try:
            folder = tempfile.mkdtemp(prefix="meshdsl-", dir=parent)
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
        f"--unix-socket={folder / 's'}",
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
