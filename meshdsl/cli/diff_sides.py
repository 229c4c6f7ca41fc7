"""The sides to compare with: a live cluster, and manifests in files. A git revision has a module of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from meshdsl.cli.project import Job
from meshdsl.compare.diff import diff
from meshdsl.compare.live import Applied, Cluster, Snapshot
from meshdsl.compare.report import DiffReport
from meshdsl.compiler import Bundle
from meshdsl.diagnostics import Diagnostic
from meshdsl.manifest import Manifest

if TYPE_CHECKING:
    from meshdsl.cluster import KubectlCluster

_WORKERS = 8
"""Dry runs under way at once, as many as there are LISTs."""

_MESH_FILE = "_mesh.yaml"


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of one cluster.

    Attributes:
        report: None if it could not be compared at all.
        diagnostics: what is to be said beside it.
        failed: whether something could not be told.
    """

    report: DiffReport | None
    diagnostics: tuple[Diagnostic, ...] = ()
    failed: bool = False


class Side(Protocol):
    """What the policies are compared with."""

    @property
    def notes(self) -> tuple[Diagnostic, ...]:
        """What is to be said beside all comparisons."""

    def compare(self, job: Job, bundle: Bundle) -> Compared:
        """Compare one cluster. Raises MeshdslError if it cannot be told at all."""


@dataclass(frozen=True, slots=True)
class LiveSide:
    """The clusters themselves."""

    context: str
    timeout: float
    server_side: bool
    adopt: bool
    show_foreign: bool
    log: Callable[[str], None]
    notes: tuple[Diagnostic, ...] = ()
    begun: dict[str, KubectlCluster] = field(default_factory=dict)

    def begin(self, job: Job) -> None:
        """Reach for a cluster that :meth:`compare` will be asked for: meanwhile its policies can be compiled."""
        from meshdsl.compare.kinds import DRIVERS, OF_TARGET

        self.begun[job.name] = self._cluster(job)
        self.begun[job.name].begin((*OF_TARGET[job.target.name], *DRIVERS))

    def close(self) -> None:
        """End what was begun."""
        for cluster in self.begun.values():
            cluster.close()

    def _cluster(self, job: Job) -> KubectlCluster:
        from meshdsl.cluster import KubectlCluster

        context = self.context or job.context
        return KubectlCluster(context, timeout=self.timeout, server_side=self.server_side, log=self.log)

    def compare(self, job: Job, bundle: Bundle) -> Compared:
        """Read the cluster through kubectl, and compare."""
        from meshdsl.compare.interest import Interest
        from meshdsl.compare.kinds import scopes_of

        context = self.context or job.context
        with self.begun.pop(job.name, None) or self._cluster(job) as cluster:
            scopes = scopes_of(bundle.manifests, bundle.target)
            snapshot = cluster.snapshot(scopes, Interest(bundle.manifests))
            refused: tuple[Diagnostic, ...] = ()
            if self.server_side:
                bundle, refused = answered(cluster, bundle, snapshot)
        report = diff(bundle, snapshot, adopt=self.adopt, show_foreign=self.show_foreign)
        against = f"context {context}" if context else cluster.name
        if self.server_side:
            against += ", as its API server answers"
        named = replace(report, cluster=job.name, against=against)
        return Compared(named, tuple(one.on(job.name) for one in refused), failed=bool(refused))


def answered(cluster: Cluster, bundle: Bundle, snapshot: Snapshot) -> tuple[Bundle, tuple[Diagnostic, ...]]:
    """The bundle with each object as the API server would keep it, and what it would refuse.

    An object of a namespace that the same policies create cannot be asked for yet, and stays as it is.
    """
    from meshdsl.compare.normalise import stripped

    with ThreadPoolExecutor(_WORKERS) as pool:
        answers = list(pool.map(cluster.apply_dry_run, [manifest.body for manifest in bundle.manifests]))
    there = {body["metadata"]["name"] for body in snapshot.objects if body["kind"] == "Namespace"}
    created = {manifest.ref.name for manifest in bundle.manifests if manifest.ref.kind == "Namespace"} - there
    manifests, refused = [], []
    for manifest, answer in zip(bundle.manifests, answers, strict=True):
        if answer.result is not None:
            manifests.append(replace(manifest, body=stripped(answer.result, manifest.body)))
            continue
        manifests.append(manifest)
        if manifest.ref.namespace not in created:
            refused.append(_refused(manifest, answer))
    return replace(bundle, manifests=tuple(manifests)), tuple(refused)


def _refused(manifest: Manifest, answer: Applied) -> Diagnostic:
    return Diagnostic(
        "MESH877",
        f"the API server would refuse {manifest.ref}",
        next(iter(manifest.origins), None),
        reason=answer.refusal,
        help="meshdsl diff --show-rbac --server-side prints the permissions that a dry run needs"
        if answer.refusal.startswith("forbidden")
        else "",
    )


@dataclass(frozen=True, slots=True)
class OfflineSide:
    """Manifests in a folder, a file or standard input; no cluster is asked."""

    paths: dict[str, str]
    adopt: bool
    show_foreign: bool
    notes: tuple[Diagnostic, ...] = ()

    @classmethod
    def of(cls, path: str, names: Sequence[str], *, adopt: bool, show_foreign: bool) -> OfflineSide:
        """What each cluster is compared with.

        Args:
            path: a folder, a file or ``"-"``. Where it has a folder of a cluster's name with namespaces in it, as the
                output of a build has, that folder is meant for this cluster.
            names: of the clusters.
            adopt: see :class:`meshdsl.cli.diff.Options`.
            show_foreign: likewise.
        """
        own = {name: os.path.join(path, name) for name in names if _is_output(Path(path, name))}  # noqa: PTH118
        if len(names) == 1:
            (name,) = names
            return cls({name: own.get(name, path)}, adopt, show_foreign)
        if not own:
            raise click.UsageError(
                f"{path} is to be compared with one cluster: choose one with --cluster; there are {', '.join(names)}"
            )
        return cls({name: own.get(name, "") for name in names}, adopt, show_foreign)

    def compare(self, job: Job, bundle: Bundle) -> Compared:
        """Read the files, and compare."""
        from meshdsl.compare.offline import read

        path = self.paths[job.name]
        snapshot = read(path) if path else Snapshot((), name="nothing: no folder of its name")
        if path and not Path(path).is_dir():
            snapshot = doubted(snapshot, bundle)
        report = diff(bundle, snapshot, adopt=self.adopt, show_foreign=self.show_foreign)
        against = "standard input" if path == "-" else path or "nothing, as there is no folder of its name"
        return Compared(replace(report, cluster=job.name, against=against))


def doubted(snapshot: Snapshot, bundle: Bundle) -> Snapshot:
    """A dump in which a kind of the target that does not occur is unknown.

    What a build has written is whole as it is: it holds objects of this set alone, none of them from a server.
    """
    from meshdsl.compare.kinds import OF_TARGET
    from meshdsl.compare.live import Scope, Unknown
    from meshdsl.compare.normalise import key_of, metadata_of
    from meshdsl.compare.ownership import is_ours

    stored = any(metadata_of(one).get("uid") for one in snapshot.objects)
    name, applied = bundle.plan.set_name, snapshot.applied
    if snapshot.objects and not stored and all(is_ours(x, name) or key_of(x) in applied for x in snapshot.objects):
        return snapshot
    there = {(scope.kind.group, scope.kind.kind) for scope in snapshot.scopes}
    missing = [kind for kind in OF_TARGET[bundle.target.name] if (kind.group, kind.kind) not in there]
    unknown = tuple(
        Unknown(Scope(kind), f"the dump has no {kind.kind}: it is not known whether there are any", "not-in-dump")
        for kind in missing
    )
    return replace(snapshot, unknown=(*snapshot.unknown, *unknown))


def _is_output(folder: Path) -> bool:
    """Whether a folder is one cluster's output: folders of namespaces, and at most the file of the mesh."""
    if not folder.is_dir():
        return False
    return all(entry.is_dir() or entry.name == _MESH_FILE for entry in folder.iterdir() if entry.name[0] != ".")
