"""Builds the manifests of a whole fleet from a table: meshdsl as a library.

The table is the truth about the clusters, as an inventory system would give it. Each row becomes a target and an
environment; a cluster that cannot have what the policies ask for is reported, and the others are built all the same.

    python fleet.py [TABLE] [OUT]
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import meshdsl

HERE = Path(__file__).parent


def target_of(row: Mapping[str, str]) -> meshdsl.Istio | meshdsl.Ambient | meshdsl.Linkerd:
    """The mesh of a cluster, with its profile.

    Raises:
        ValueError: the mesh or its version is not one that meshdsl knows.
    """
    version = row["version"]
    match row["mesh"]:
        case "istio":
            return meshdsl.Istio(version=version)
        case "ambient":
            # Our Ambient clusters are installed without the mesh-wide retries that an HTTPRoute could not switch off.
            return meshdsl.Ambient(version=version, default_retries="off")
        case "linkerd":
            return meshdsl.Linkerd(version=version)
        case "linkerd-smi":
            return meshdsl.Linkerd(version=version, split_api="smi")
        case mesh:
            raise ValueError(f"no mesh is called {mesh!r}")


def build(row: Mapping[str, str], out: Path) -> str:
    """Build one cluster into its folder, and say what happened.

    Raises:
        ValueError: the row names a mesh or version that meshdsl does not know.
        meshdsl.MeshdslError: the policies are wrong, or this mesh cannot do what they ask for.
    """
    name = row["cluster"]
    target = target_of(row)
    environment = meshdsl.Environment(
        cluster=name, target=target.name, region=row["region"], canary_percent=float(row["canary_percent"])
    )
    policies = meshdsl.load(HERE / "policies", environment=environment, name="fleet")
    bundle = meshdsl.build(policies, target, cluster=name)
    written = bundle.write(out / name)
    return f"{len(bundle.manifests)} objects, {len(written.written)} files written, {len(written.removed)} removed"


def report(table: Path, out: Path) -> Iterator[tuple[bool, str]]:
    """Build each cluster of a table: whether it is fine, and a line or more about it."""
    with table.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            name = row["cluster"]
            try:
                yield True, f"{name}: {build(row, out)}"
            except meshdsl.CompileError as error:
                # Each diagnostic has what `meshdsl build` shows: where, what, why, and the way out.
                for found in error.diagnostics:
                    yield False, f"{name}: {found.code} {found.origin or '-'}: {found.message}; {found.help}"
            except ValueError as error:
                yield False, f"{name}: {error}"


def main(arguments: list[str]) -> int:
    """Build the fleet; 1 if a cluster could not be built."""
    table = Path(arguments[0]) if arguments else HERE / "fleet.csv"
    out = Path(arguments[1]) if len(arguments) > 1 else HERE / "out"
    fine = True
    for good, line in report(table, out):
        print(line)
        fine = fine and good
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
