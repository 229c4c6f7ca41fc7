"""The programs that the live tests need: etcd, kube-apiserver and kubectl; built once, if they are nowhere.

``KUBEBUILDER_ASSETS`` names a folder that has them, as controller-runtime's envtest takes it. Else they are in the
user's cache folder, under a hash of what they are built from; what is missing there is built with Go from the modules
that ``tools/*/go.mod`` pins. etcd has a module of its own, because its dependencies clash with those of Kubernetes.

``python -m tests.live.assets`` makes sure that they are there; ``--check`` only says whether they are, or can be built.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NAMES = ("etcd", "kube-apiserver", "kubectl")
_TOOLS = Path(__file__).parent / "tools"
_VERSION = "k8s.io/component-base/version"


class MissingError(Exception):
    """The programs are not there and cannot be built; its text says what would help."""


@dataclass(frozen=True)
class Program:
    """How one program is built: the package, in which of the modules, and how long that takes on a fresh machine."""

    name: str
    module: str
    package: str
    minutes: float

    @property
    def flags(self) -> list[str]:
        """What ``go build`` is given: without a version, kubectl could not parse what the server says of itself."""
        if self.module != "kubernetes":
            return []
        version = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)", _go_mod(self.module))
        assert version, "tools/kubernetes/go.mod names no version of k8s.io/kubernetes"
        parts = zip(("gitVersion", "gitMajor", "gitMinor"), version.groups(), strict=True)
        return ["-ldflags", " ".join(f"-X {_VERSION}.{name}={value}" for name, value in parts)]


PROGRAMS = (
    Program("etcd", "etcd", "go.etcd.io/etcd/server/v3", 1.5),
    Program("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", 5),
    Program("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl", 1),
)


def _go_mod(module: str) -> str:
    return (_TOOLS / module / "go.mod").read_text(encoding="utf-8")


def cache() -> Path:
    """The folder that the programs are kept in: another one for each set of versions, flags and kind of machine."""
    made_of = hashlib.sha256(f"{platform.system()} {platform.machine()}".encode())
    for program in PROGRAMS:
        made_of.update(f"\0{program.package} {program.flags}".encode())
    for module in ("etcd", "kubernetes"):
        for name in ("go.mod", "go.sum"):
            made_of.update(b"\0" + (_TOOLS / module / name).read_bytes())
    home = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(home) if home.startswith("/") else Path.home() / ".cache"
    return root / "meshdsl" / "assets" / made_of.hexdigest()[:16]


def folder() -> Path:
    """Where the programs are.

    Raises:
        MissingError: they are not there; :func:`ensure` builds them.
    """
    given = os.environ.get("KUBEBUILDER_ASSETS")
    place = Path(given) if given else cache()
    lacking = _lacking(place)
    if lacking and given:
        raise MissingError(f"KUBEBUILDER_ASSETS is {given}, which has no {', '.join(lacking)}")
    if lacking:
        raise MissingError(f"{', '.join(lacking)} not built yet: python -m tests.live.assets builds them in {place}")
    return place


def ensure() -> Path:
    """Where the programs are; those that are missing are built.

    Raises:
        MissingError: they cannot be built, or KUBEBUILDER_ASSETS names a folder without them.
    """
    if os.environ.get("KUBEBUILDER_ASSETS"):
        return folder()
    place = cache()
    if _lacking(place):
        _require_go()
        place.mkdir(parents=True, exist_ok=True)
        with _only_one(place):
            lacking = _lacking(place)
            for program in PROGRAMS:
                if program.name in lacking:
                    _build(program, place)
    return place


def check() -> str:
    """One line on how the live tests get their programs.

    Raises:
        MissingError: they do not.
    """
    try:
        return f"etcd, kube-apiserver and kubectl are in {folder()}"
    except MissingError:
        if os.environ.get("KUBEBUILDER_ASSETS"):
            raise
    _require_go()
    minutes = sum(program.minutes for program in PROGRAMS if program.name in _lacking(cache()))
    return f"{', '.join(_lacking(cache()))} will be built with Go, which takes about {minutes:g} minutes, once"


def _lacking(place: Path) -> list[str]:
    return [name for name in NAMES if not os.access(place / name, os.X_OK)]


def _require_go() -> None:
    if not shutil.which("go"):
        raise MissingError(
            f"the live tests need {', '.join(NAMES)}. There is no Go to build them: install Go (the version that "
            "tests/live/tools/kubernetes/go.mod names), or set KUBEBUILDER_ASSETS to a folder that has them"
        )


def _build(program: Program, place: Path) -> None:
    print(
        f"building {program.name} ({program.package}) with Go into {place}: about {program.minutes:g} minutes on a "
        "fresh machine, downloads included; kept for the next time",
        flush=True,
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=place) as temporary:
        made = Path(temporary) / program.name
        # -buildvcs=false: the modules are not those of the repository that their folder is in.
        command = ["go", "build", "-mod=readonly", "-buildvcs=false", *program.flags, "-o", str(made), program.package]
        if subprocess.run(command, cwd=_TOOLS / program.module, check=False).returncode:
            raise MissingError(f"{program.name} could not be built: Go's own words are above")
        made.rename(place / program.name)  # at once: nobody finds half of it
    print(f"built {program.name} in {time.monotonic() - began:.0f} s", flush=True)


@contextmanager
def _only_one(place: Path) -> Iterator[None]:
    """Let one process build; another waits, and then finds what it needs."""
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> int:
    """The command."""
    try:
        print(check() if arguments == ["--check"] else f"etcd, kube-apiserver and kubectl are in {ensure()}")
    except MissingError as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
