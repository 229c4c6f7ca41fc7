"""A process that builds into a folder and is told how to fail; the other half of ``test_writing``.

It reads one JSON order a line: the folder, the files, and what is to happen. For each it forks a child that builds, so
that hundreds of builds can be killed without starting hundreds of interpreters, and answers with one JSON line: the
child's exit status, negative for a signal, and the codes of what was refused.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

from meshdsl import output
from meshdsl.diagnostics import OutputError

CALLS = ("open", "write", "fsync", "replace", "unlink", "mkdir", "rmdir", "fchmod", "close")


def kill_at(count: int, names: tuple[str, ...] = CALLS) -> None:
    """Let the process die just before its ``count``-th call of one of these."""
    left = [count]

    def wrapped(name: str) -> Any:
        original = getattr(os, name)

        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **named)

        return call

    for name in names:
        setattr(os, name, wrapped(name))


def build(order: dict[str, Any], answer: int) -> None:
    if "largest" in order:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest"], order["largest"]))
    if "kill_at" in order:
        kill_at(order["kill_at"])
    if "replaced" in order:
        kill_at(order["replaced"], ("replace",))
    try:
        for _ in range(order.get("times", 1)):
            output.write(order["files"], Path(order["directory"]), lock_seconds=60)
    except OutputError as error:
        os.write(answer, json.dumps([[d.code, d.reason] for d in error.diagnostics]).encode())
        os._exit(error.exit_code)


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            status = 99
            try:
                build(order, writer)
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        if "delay" in order:
            time.sleep(order["delay"])
            os.kill(child, order.get("signal", signal.SIGKILL))
        with os.fdopen(reader, "rb") as stream:
            refused = stream.read()
        _, status = os.waitpid(child, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), json.loads(refused or b"[]")]), flush=True)


if __name__ == "__main__":
    main()
