"""Builds a second time in a world that is a little different, to find policies that are not a function of themselves.

``meshdsl build --check`` compares what policies say with what is committed. That is worth something only if they say
the same tomorrow, in another time zone, on another machine. So they are compiled once more in a process with another
hash seed, clock, locale, home, user and environment, in which folders list their entries the other way round; what
comes out differently is named, with the policy it comes from.

This module is also the program of that process: ``python -m meshdsl.perturb`` takes a :class:`Request` on its standard
input and writes JSON. It knows how to compile, and nothing of the command line.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import pickle
import site
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date as RealDate  # noqa: N812 - beside the class that replaces it
from datetime import datetime as RealDatetime  # noqa: N812
from pathlib import Path
from types import BuiltinFunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Self

from meshdsl.diagnostics import Diagnostic, MeshdslError, Origin

if TYPE_CHECKING:
    from meshdsl.compiler import Bundle
    from meshdsl.model.environment import Environment
    from meshdsl.permissions import Permission
    from meshdsl.targets.base import Target

_SECONDS = 35_000_000
"""How far the clock of the second build is ahead: more than a year, and no whole number of days or hours."""

_PATIENCE_SECONDS = 900
_DIFFERENT = {
    "PYTHONHASHSEED": "4711",
    "TZ": "Pacific/Kiritimati",
    "LANG": "C",
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "USER": "somebody",
    "LOGNAME": "somebody",
    "HOSTNAME": "elsewhere",
    "COLUMNS": "33",
    "LINES": "11",
    "TERM": "dumb",
    "A_VARIABLE_THAT_WAS_NOT_THERE": "1",
}


@dataclass(frozen=True)
class Request:
    """What is built a second time.

    Attributes:
        policies: absolute path of the folder or file.
        name: of the policy set.
        permit: what policy files may do beyond computing.
        clusters: the target and environment of each cluster, by name.
    """

    policies: Path
    name: str
    permit: tuple[Permission, ...]
    clusters: Mapping[str, tuple[Target, Environment]]


def not_reproducible(request: Request, bundles: Mapping[str, Bundle]) -> Iterator[Diagnostic]:
    """Build again in a perturbed process and compare.

    Args:
        request: what to build.
        bundles: what came out the first time, by cluster.

    Yields:
        A diagnostic (MESH131) for each object that is different, or for the first error if it does not build.
    """
    answer = _run(request)
    if "error" in answer:
        yield Diagnostic(
            "MESH131",
            f"the policies do not build a second time: {answer['error']}",
            Origin(answer["file"], answer["line"]) if answer.get("file") else None,
            reason=_REASON,
            help=_HELP,
        )
        return
    for cluster, bundle in bundles.items():
        again = answer["clusters"][cluster]
        found = list(_different_objects(bundle, again["objects"]))
        if not found and bundle.files() != again["files"]:
            found = [Diagnostic("MESH131", "the files come out in another order", reason=_REASON, help=_HELP)]
        yield from (one.on(cluster) for one in found)


_REASON = "another hash seed, clock, locale, user, environment and order of folders must not change what is built"
_HELP = (
    "take out what it depends on: iterate over sorted(…) instead of a set or a folder; use the cluster's environment"
    " table instead of the clock, random numbers or environment variables"
)


def _different_objects(bundle: Bundle, again: Mapping[str, Any]) -> Iterator[Diagnostic]:
    first = {str(manifest.ref): manifest for manifest in bundle.manifests}
    for name in sorted({*first, *again}):
        manifest = first.get(name)
        origin = next(iter(manifest.origins), None) if manifest is not None else None
        if manifest is None or name not in again:
            message = f"{name} is there only in {'the second' if manifest is None else 'the first'} of two builds"
        else:
            where = _first_difference(json.loads(json.dumps(manifest.body)), again[name])
            if where is None:
                continue
            message = f"{name} comes out differently each time: {where}"
        yield Diagnostic("MESH131", message, origin, reason=_REASON, help=_HELP)


def _first_difference(one: Any, other: Any, path: str = "") -> str | None:
    """Where two JSON values differ first, in words; None if they do not, key order included."""
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        inner = ((f"{path}.{key}".lstrip("."), one[key], other[key]) for key in one)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        inner = ((f"{path}[{index}]", a, b) for index, (a, b) in enumerate(zip(one, other, strict=True)))
    else:
        return None if one == other and type(one) is type(other) else f"{path} is {_short(one)}, then {_short(other)}"
    return next((found for key, a, b in inner if (found := _first_difference(a, b, key)) is not None), None)


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _run(request: Request) -> dict[str, Any]:
    """The answer of the second process."""
    environment = {**os.environ, **_DIFFERENT, "PYTHONPATH": os.pathsep.join(sys.path)}
    if os.environ.get("PYTHONHASHSEED") == environment["PYTHONHASHSEED"]:
        environment["PYTHONHASHSEED"] = "4712"
    environment["PYTHONUSERBASE"] = site.getuserbase()  # packages below the real home are still there
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "meshdsl.perturb"],
            input=pickle.dumps(request),
            env=environment,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"it did not end within {_PATIENCE_SECONDS // 60} minutes"}
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return {"error": f"its process ended with {done.returncode}: {''.join(last)}"}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


# ------------------------------------------------------------------------------------------------- the second process


def main() -> int:
    """Read a request, change the world, build, and write the answer."""
    # The request comes from our own parent process.
    request: Request = pickle.load(sys.stdin.buffer)  # noqa: S301
    from meshdsl.compiler import build  # noqa: PLC0415
    from meshdsl.loading.load import read  # noqa: PLC0415

    _change_the_clock()
    _reverse_folders()
    answer: dict[str, Any] = {"clusters": {}}
    try:
        files = read(request.policies, permit=request.permit)
        for cluster, (target, environment) in request.clusters.items():
            bundle = build(files.policy_set(environment, request.name), target, cluster=cluster)
            objects = {str(manifest.ref): manifest.body for manifest in bundle.manifests}
            answer["clusters"][cluster] = {"files": bundle.files(), "objects": objects}
    except MeshdslError as error:
        first = error.diagnostics[0]
        origin = first.origin or Origin("", 1)
        answer = {"error": f"{first.code}: {first.message}", "file": origin.file, "line": origin.line}
    sys.stdout.write(json.dumps(answer))
    return 0


def _change_the_clock() -> None:
    """Set the clock that Python code sees ahead. ``datetime`` must be replaced: its classes cannot be changed."""
    now, now_ns = time.time, time.time_ns
    ahead = dt.timedelta(seconds=_SECONDS)

    class _Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, RealDatetime if issubclass(cls, RealDatetime) else RealDate)

    class _Date(RealDate, metaclass=_Kind):
        @classmethod
        def today(cls) -> Any:
            return (RealDatetime.now() + ahead).date()  # noqa: DTZ005 - as date.today() does

    class _Datetime(RealDatetime, metaclass=_Kind):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return RealDatetime.now(tz) + ahead

        @classmethod
        def utcnow(cls) -> Any:
            return RealDatetime.now(dt.UTC).replace(tzinfo=None) + ahead

        today = now

    new = {
        (time, "time"): lambda: now() + _SECONDS,
        (time, "time_ns"): lambda: now_ns() + _SECONDS * 10**9,
        (dt, "date"): _Date,
        (dt, "datetime"): _Datetime,
    }
    for (module, name), value in new.items():
        setattr(module, name, value)


def _reverse_folders() -> None:
    """List the entries of a folder the other way round, for everything in Python that lists them."""
    listdir, scandir = os.listdir, os.scandir

    class _Entries:
        def __init__(self, *arguments: Any) -> None:
            with scandir(*arguments) as entries:
                self._entries = iter(list(entries)[::-1])

        def __iter__(self) -> Iterator[os.DirEntry[str]]:
            return self._entries

        def __next__(self) -> os.DirEntry[str]:
            return next(self._entries)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *error: object) -> None:
            self.close()

        def close(self) -> None:
            self._entries = iter(())

    new = {listdir: lambda *path: listdir(*path)[::-1], scandir: _Entries}
    # What is imported already may have taken the functions along: pathlib and glob of Python 3.13 hold them in a class.
    for module in [one for one in sys.modules.values() if isinstance(one, ModuleType)]:
        for holder in (module, *(value for value in [*vars(module).values()] if isinstance(value, type))):
            _replace(holder, new)


def _replace(holder: Any, new: Mapping[Any, Any]) -> None:
    """Replace what a module or class holds of the keys, bare or as a static method."""
    for name, value in [*vars(holder).items()]:
        bare = value.__func__ if isinstance(value, staticmethod) else value
        if isinstance(bare, BuiltinFunctionType) and bare in new:
            setattr(holder, name, staticmethod(new[bare]) if bare is not value else new[bare])


if __name__ == "__main__":
    # Pickle names the classes of ``meshdsl.perturb``, not those of ``__main__``.
    from meshdsl.perturb import main as run

    sys.exit(run())
