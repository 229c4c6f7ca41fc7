"""A process between us and kubectl that sees to it that kubectl never outlives us.

It is run as a script by a Python of its own: ``supervisor.py FOLDER KUBECTL ARGUMENTS…``. Its standard input is a pipe
that only we hold the other end of. However we end, also by SIGKILL, the kernel closes that end, and the supervisor
ends kubectl with everything it started (they share a process group), removes the folder with the socket, and ends
itself. It is the parent of kubectl, so there is no moment at which kubectl runs unwatched. A kill of the supervisor
alone is noticed by us. For the case that both of us are killed at once, kubectl asks Linux for a SIGKILL at the death
of its parent; that does not reach what a wrapper around kubectl has started, which is why the group comes first.

It imports nothing of meshdsl and little of Python, because its start delays kubectl's.
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

_PR_SET_PDEATHSIG = 1


def supervise(folder: str, command: list[str]) -> None:
    """Run a command until it ends or nobody holds our standard input any more, then clean up and end by SIGKILL."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A function, not SIG_IGN: what is ignored would be ignored by kubectl as well.
        signal.signal(number, lambda _number, _frame: None)
    child = _spawn(command)
    if not _wait(child, woken):
        _end(child, woken)
    _remove(folder)
    os.killpg(0, signal.SIGKILL)


def _spawn(command: list[str]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        # Python ignores the first two, and what is ignored stays so; the others shall end it from now on.
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _die_with(parent)
        os.execv(command[0], command)  # noqa: S606 - the user's own kubectl, and no shell
    except OSError as error:
        sys.stderr.write(f"error: {command[0]}: {error.strerror}\n")
        sys.stderr.flush()
    finally:
        os._exit(127)


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent dies (prctl(2), ``PR_SET_PDEATHSIG``), where it can."""
    if sys.platform != "linux":
        return
    try:
        import ctypes  # noqa: PLC0415 - in the process that becomes kubectl alone

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (ImportError, OSError, AttributeError):  # a Python without it: the supervisor does it all
        return
    if os.getppid() != parent:  # it died before it could be asked for
        os._exit(127)


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
