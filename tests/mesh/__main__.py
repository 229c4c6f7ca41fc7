"""``python -m tests.mesh [ARGUMENTS OF PYTEST]``: the tests on a real mesh, in namespaces of their own.

It makes sure that the programs are there, then runs pytest as the first process of a private network, mount and PID
namespace: when that ends, or is killed, the kernel removes every process, device and mount that it made. Most of the
time is waiting, for deadlines and for proxies, so a few meshes work side by side, each with a worker of pytest-xdist
in a network of its own (``-n 0`` is for one mesh in pytest's own process).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.live import processes
from tests.live.building import MissingError
from tests.mesh import assets

_MESHES = 3


def main(arguments: list[str]) -> int:
    """The command; its exit code is pytest's, or 1 if the tests cannot run."""
    try:
        assets.ensure()
    except MissingError as missing:
        print(f"the tests on a real mesh cannot run: {missing}", file=sys.stderr)
        return 1
    print(
        "a real Istio mesh: API server, istiod and a sidecar for each pod, in a private network namespace", flush=True
    )
    alone = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    named = any(Path(one.partition("::")[0]).exists() for one in arguments)
    given = [*([] if named else ["tests/mesh"]), "-n", str(_MESHES), *arguments]
    command = ["unshare", *alone, sys.executable, "-m", "pytest", *given]
    # Nothing of this process may outlive it, and unshare itself does not listen to SIGTERM.
    made = subprocess.Popen(command, env={**os.environ, "MESHDSL_MESH": "1"}, preexec_fn=processes.die_with_us())
    signal.signal(signal.SIGTERM, lambda *_: made.kill())
    while True:
        try:
            return made.wait()
        except KeyboardInterrupt:
            continue  # pytest has it too, and ends


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
