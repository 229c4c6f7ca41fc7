"""A process between us and kubectl that sees to it that kubectl never outlives us.

It is run as a script by a Python of its own: ``supervisor.py FOLDER KUBECTL ARGUMENTS…``. Its standard input is a pipe
that only we hold the other end of. However we end, also by SIGKILL, the kernel closes that end, and the supervisor
ends kubectl with everything it started (they share a process group), removes the folder with the socket, and ends
itself. It is the parent of kubectl, so there is no moment at which kubectl runs unwatched. It does not hold if the
supervisor is killed at the same moment as we are; a kill of the supervisor alone is noticed by us.

It imports nothing of meshdsl and little of Python, because its start delays kubectl's. The death signal of Linux would
do less: it is set by native code, is tied to a thread, and does not reach what a wrapper around kubectl starts.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

GRACE = 0.5
"""Seconds that kubectl has to end by itself."""


def supervise(folder: str, command: list[str]) -> None:
    """Run a command until it ends or nobody holds our standard input any more, then clean up and end by SIGKILL."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A function, not SIG_IGN: what is ignored would be ignored by kubectl as well.
        signal.signal(number, lambda _number, _frame: None)
    try:
        child = _spawn(command)
    except OSError as error:
        sys.stderr.write(f"error: {command[0]}: {error.strerror}\n")
        sys.stderr.flush()
    else:
        if not _wait(child, woken):
            _end(child, woken)
    _remove(folder)
    os.killpg(0, signal.SIGKILL)


def _spawn(command: list[str]) -> int:
    nothing = os.open(os.devnull, os.O_RDONLY)
    return os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, nothing, 0)],
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores these
    )


def _wait(child: int, woken: int) -> bool:
    """Wait for the end of the child or of our standard input. Whether the child ended."""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            if os.waitpid(child, os.WNOHANG)[0]:
                return True
        if 0 in ready and not os.read(0, 4096):
            return False


def _end(child: int, woken: int) -> None:
    os.killpg(0, signal.SIGTERM)
    until = time.monotonic() + GRACE
    while not os.waitpid(child, os.WNOHANG)[0]:
        left = until - time.monotonic()
        if left <= 0:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        if select.select([woken], [], [], left)[0]:
            os.read(woken, 4096)


def _remove(folder: str) -> None:
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):  # noqa: PTH208 - pathlib would take longer to import than all else here
            os.unlink(f"{folder}/{name}")  # noqa: PTH108
        os.rmdir(folder)  # noqa: PTH106


if __name__ == "__main__":
    supervise(sys.argv[1], sys.argv[2:])
