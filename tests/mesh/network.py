"""The network of the mesh: one private network namespace with a bridge, and a namespace on it for each pod.

A pod's namespace has no name: this process holds it open by a file descriptor, so that it goes when the process does,
and nothing is written anywhere. A socket belongs to the namespace of the thread that made it, for good.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

GATEWAY = "10.77.0.1"
_CLONE_NEWNET, _CLONE_NEWNS = 0x40000000, 0x00020000
_LIBC = ctypes.CDLL(None, use_errno=True)


def leave() -> None:
    """Move the calling thread, and all that it starts from now on, to a network and a mount namespace of its own."""
    if _LIBC.unshare(_CLONE_NEWNET | _CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")


def is_private() -> bool:
    """Whether this process has a network namespace in which there is nothing yet but the loopback device."""
    return [name for _, name in socket.if_nameindex()] == ["lo"]


def build(hosts: dict[str, str], scratch: Path) -> None:
    """Make the bridge, and a hosts file that stands for the cluster's DNS (seen in this mount namespace alone)."""
    _ip(
        "link set lo up",
        "link add mesh type bridge",
        f"addr add {GATEWAY}/16 dev mesh",
        "link set mesh up",
    )
    path = scratch / "hosts"
    path.write_text("127.0.0.1 localhost\n" + "".join(f"{ip} {name}\n" for name, ip in hosts.items()))
    subprocess.run(["mount", "--bind", str(path), "/etc/hosts"], check=True)


class Net:
    """A network namespace with one address on the bridge."""

    def __init__(self, number: int) -> None:
        self.ip = f"10.77.{1 + number // 250}.{1 + number % 250}"
        self._fd = in_new_thread(_new_namespace)
        self.path = f"/proc/{os.getpid()}/fd/{self._fd}"
        inside, outside = f"pod{number}", f"veth{number}"
        _ip(
            f"link add {outside} type veth peer name {inside}",
            f"link set {outside} master mesh",
            f"link set {outside} up",
            f"link set {inside} netns {self.path}",
        )
        commands = (
            "link set lo up",
            f"addr add {self.ip}/16 dev {inside}",
            f"link set {inside} up",
            f"route add default via {GATEWAY}",
        )
        self.run(["ip", "-batch", "-"], text="\n".join(commands) + "\n")

    def run(self, command: list[str], text: str = "") -> None:
        """Run a program in it, and wait.

        Raises:
            AssertionError: it failed; with what it said.
        """
        done = subprocess.run(
            self.command(command), input=text, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def command(self, command: list[str]) -> list[str]:
        """A command that runs in it."""
        return ["nsenter", f"--net={self.path}", *command]

    def enter(self) -> None:
        """Move the calling thread into it, for as long as the thread lives."""
        if _LIBC.setns(self._fd, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def listener(self, port: int) -> socket.socket:
        """A socket that listens in it on all addresses."""

        def listen() -> socket.socket:
            self.enter()
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("0.0.0.0", port))
            made.listen(1024)
            return made

        return in_new_thread(listen)

    def close(self) -> None:
        """Let go of it: without processes or sockets in it, the kernel removes it with its devices."""
        os.close(self._fd)


def in_new_thread(work: Callable[[], T]) -> T:
    """Do something in a thread of its own, whose network namespace is nobody else's."""
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 -- raised again where somebody waits
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _new_namespace() -> int:
    if _LIBC.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _ip(*commands: str) -> None:
    text = "\n".join(commands) + "\n"
    done = subprocess.run(["ip", "-batch", "-"], input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{text}{done.stderr}"
