"""Programs that Go builds for tests: each set is built once, from the modules that a ``go.mod`` beside the tests pins.

They are kept in the user's cache folder, under a hash of what they are built from, and so outside any clone. An
environment variable may name a folder that has them; then nothing is built. What the programs are is not known here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class MissingError(Exception):
    """Programs are not there and cannot be built; its text says what would help."""


@dataclass(frozen=True)
class Program:
    """How one program is built: the package, in which module, and how long that takes on a fresh machine.

    Attributes:
        module: the folder of the ``go.mod`` that pins it.
        flags: more arguments of ``go build``.
    """

    name: str
    module: Path
    package: str
    minutes: float
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Programs:
    """Programs that are built into one folder.

    Attributes:
        purpose: the tests that need them, as the subject of a sentence.
        variable: the environment variable that may name a folder with them.
        command: the module that builds them, as ``python -m`` takes it.
    """

    programs: tuple[Program, ...]
    purpose: str
    variable: str
    command: str

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called."""
        return tuple(program.name for program in self.programs)

    def cache(self) -> Path:
        """The folder that they are kept in: another one for each set of versions, flags and kind of machine."""
        made_of = hashlib.sha256(f"{platform.system()} {platform.machine()}".encode())
        for program in self.programs:
            made_of.update(f"\0{program.package} {list(program.flags)}".encode())
        for module in dict.fromkeys(program.module for program in self.programs):
            for name in ("go.mod", "go.sum"):
                made_of.update(b"\0" + (module / name).read_bytes())
        return home() / made_of.hexdigest()[:16]

    def folder(self) -> Path:
        """Where they are.

        Raises:
            MissingError: they are not there; :meth:`ensure` builds them.
        """
        given = os.environ.get(self.variable)
        place = Path(given) if given else self.cache()
        lacking = self._lacking(place)
        if lacking and given:
            raise MissingError(f"{self.variable} is {given}, which has no {', '.join(lacking)}")
        if lacking:
            raise MissingError(f"{', '.join(lacking)} not built yet: python -m {self.command} builds them in {place}")
        return place

    def ensure(self) -> Path:
        """Where they are; those that are missing are built.

        Raises:
            MissingError: they cannot be built, or the variable names a folder without them.
        """
        if os.environ.get(self.variable):
            return self.folder()
        place = self.cache()
        if self._lacking(place):
            self._require_go()
            place.mkdir(parents=True, exist_ok=True)
            with _only_one(place):
                lacking = self._lacking(place)
                for program in self.programs:
                    if program.name in lacking:
                        _build(program, place)
        return place

    def check(self) -> str:
        """One line on how the tests get them.

        Raises:
            MissingError: they do not.
        """
        try:
            return f"{listed(self.names)} are in {self.folder()}"
        except MissingError:
            if os.environ.get(self.variable):
                raise
        self._require_go()
        lacking = self._lacking(self.cache())
        minutes = sum(program.minutes for program in self.programs if program.name in lacking)
        return f"{', '.join(lacking)} will be built with Go, which takes about {minutes:g} minutes, once"

    def main(self, arguments: list[str]) -> int:
        """The command: build what is missing; with ``--check`` only say how it is."""
        try:
            print(self.check() if arguments == ["--check"] else f"{listed(self.names)} are in {self.ensure()}")
        except MissingError as missing:
            print(missing, file=sys.stderr)
            return 1
        return 0

    def _lacking(self, place: Path) -> list[str]:
        return [name for name in self.names if not os.access(place / name, os.X_OK)]

    def _require_go(self) -> None:
        if not shutil.which("go"):
            raise MissingError(
                f"{self.purpose} need {', '.join(self.names)}. There is no Go to build them: install Go (the version "
                f"that {'/'.join(self.programs[-1].module.parts[-4:])}/go.mod names), or set {self.variable} to a "
                "folder that has them"
            )


def home() -> Path:
    """The user's cache folder for what tests build."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".cache") / "meshdsl" / "assets"


def listed(names: tuple[str, ...]) -> str:
    """Names as a sentence lists them."""
    return f"{', '.join(names[:-1])} and {names[-1]}"


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
        if subprocess.run(command, cwd=program.module, check=False).returncode:
            raise MissingError(f"{program.name} could not be built: Go's own words are above")
        made.rename(place / program.name)  # at once: nobody finds half of it
    print(f"built {program.name} in {time.monotonic() - began:.0f} s", flush=True)


@contextmanager
def _only_one(place: Path) -> Iterator[None]:
    """Let one process build; another waits, and then finds what it needs."""
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
