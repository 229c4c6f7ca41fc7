"""The objects that a question is asked of: what a dump has for certain, and what could not be read, in few lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from meshdsl.cli.diff_sides import OfflineSide, read_files
from meshdsl.compare.kinds import deciding
from meshdsl.compare.live import Scope, Snapshot, Unknown

if TYPE_CHECKING:
    from meshdsl.compiler import Bundle


def read_objects(path: str, bundle: Bundle, clusters: list[str], cluster: str) -> Snapshot:
    """What is in a folder, a file or on standard input (``"-"``), with what is unknown of it.

    What a dump has to have is what a diff asks of it. A folder is complete; but one that has no object of all those
    that decide who may call what is taken for a part, if the policies make such objects.

    Args:
        path: in which a folder of the cluster's name, as a build writes it, is the one that is meant.
        bundle: what the policies make there.
        clusters: the names of all clusters that are asked about.
        cluster: the name of this one.
    """
    side = OfflineSide.of(path, clusters, adopt=False, show_foreign=False)
    snapshot = read_files(side.paths[cluster], bundle)
    wanted = deciding(bundle.manifests, bundle.target)
    there = {(scope.kind.group, scope.kind.kind) for scope in snapshot.scopes}
    if snapshot.unknown or not wanted or any((kind.group, kind.kind) in there for kind in wanted):
        return snapshot
    why = "nothing here decides who may call what, and the policies make objects that do: is this only a part of them?"
    return replace(snapshot, unknown=tuple(Unknown(Scope(kind), why, "not-in-dump") for kind in wanted))


def reasons_of(unknown: Iterable[Unknown]) -> tuple[str, ...]:
    """Why objects are unknown, a sentence for each reason; what is not installed has no objects, and is known."""
    found: dict[tuple[str, str], list[Unknown]] = {}
    for one in unknown:
        if one.code != "not-installed":
            found.setdefault((one.code, "" if one.code == "forbidden" else one.reason), []).append(one)
    return tuple(_sentence(code, ones) for (code, _), ones in found.items())


def _sentence(code: str, ones: list[Unknown]) -> str:
    kinds = ", ".join(dict.fromkeys(one.scope.kind.kind for one in ones))
    spaces = ", ".join(dict.fromkeys(one.scope.namespace for one in ones if one.scope.namespace))
    which = f"{kinds}{f' in {spaces}' if spaces else ''}"
    if code == "not-in-dump":
        return ones[0].reason
    if code == "forbidden":
        such = f", such as: {ones[0].reason}" if len(ones) > 1 else f": {ones[0].reason}"
        return f"{which} cannot be read{such}; --show-rbac prints the permissions that --live needs"
    return f"{which}: {ones[0].reason}"
