"""Programs that a test starts: each ends by its own id, and none outlives the test run, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def start(
    command: list[str], log: Path, *, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that writes to a log. On Linux the kernel ends it if the thread that started it ends.

    Args:
        environment: all of its environment variables; by default those of this process.
        folder: that it works in.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=folder,
            preexec_fn=die_with_us(),  # it takes no lock, and no other thread starts programs
        )


def die_with_us() -> Callable[[], None]:
    """What a child does before it becomes a program: on Linux it asks the kernel to be ended with its parent."""
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def ask() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it was killed before the line above
                os._exit(1)

    return ask


def end(process: subprocess.Popen[bytes], *, seconds: float = 10) -> None:
    """End a program: asked first, then made to."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
