"""``python -m tests.mesh [ARGUMENTS OF PYTEST]``: the tests on a real mesh, in namespaces of their own.

It makes sure that the programs are there, then runs pytest as the first process of a private network, mount and PID
namespace: when that ends, or is killed, the kernel removes every process, device and mount that it made.
"""

from __future__ import annotations

import os
import sys

from tests.live.building import MissingError
from tests.mesh import assets


def main(arguments: list[str]) -> int:
    """The command; it returns only if the tests cannot run."""
    try:
        assets.ensure()
    except MissingError as missing:
        print(f"the tests on a real mesh cannot run: {missing}", file=sys.stderr)
        return 1
    print(
        "a real Istio mesh: API server, istiod and a sidecar for each pod, in a private network namespace", flush=True
    )
    alone = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.environ["MESHDSL_MESH"] = "1"
    os.execvp("unshare", ["unshare", *alone, sys.executable, "-m", "pytest", "tests/mesh", *arguments])
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
