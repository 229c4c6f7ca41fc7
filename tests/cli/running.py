"""Running the command line as a user does: as a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def meshdsl(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a run says, with its exit code as ``returncode``."""
    return subprocess.run(
        [sys.executable, "-m", "meshdsl", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "0"} | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by relative path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
