"""The sides to compare with: a live cluster, and manifests in files. A git revision has a module of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from meshdsl.cli.project import Job
from meshdsl.compare.diff import diff
from meshdsl.compare.live import Applied, Cluster, Kind, Snapshot
from meshdsl.compare.policy_words import listed
from meshdsl.compare.report import DiffReport
from meshdsl.compiler import Bundle
from meshdsl.diagnostics import Diagnostic
from meshdsl.manifest import FILE_MARK, Manifest
from meshdsl.values import Json

if TYPE_CHECKING:
    from meshdsl.cluster import KubectlCluster

_WORKERS = 8
"""Dry runs under way at once, as many as there are LISTs."""

_MESH_FILE = "_mesh.yaml"

_REFUSED = "MESH877"


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of one cluster.

    Attributes:
        report: None if it could not be compared at all.
        diagnostics: what is to be said beside it.
        failed: whether something could not be told.
        context: that leads to the cluster; empty if it was none, or has no name.
    """

    report: DiffReport | None
    diagnostics: tuple[Diagnostic, ...] = ()
    failed: bool = False
    context: str = ""


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
    pods: bool = False
    notes: tuple[Diagnostic, ...] = ()
    begun: dict[str, KubectlCluster] = field(default_factory=dict)

    def begin(self, job: Job, set_name: str) -> None:
        """Reach for a cluster that :meth:`compare` will be asked for: meanwhile its policies can be compiled."""
        from meshdsl.compare.kinds import everywhere
        from meshdsl.compare.live import Scope
        from meshdsl.compare.pods import POD

        asked = everywhere(job.target.name, set_name)
        self.begun[job.name] = self._cluster(job)
        self.begun[job.name].begin((*asked, Scope(POD)) if self.pods else asked)

    def close(self) -> None:
        """End what was begun."""
        for cluster in self.begun.values():
            cluster.close()

    def _cluster(self, job: Job) -> KubectlCluster:
        from meshdsl.cluster import KubectlCluster

        context = self.context or job.context
        return KubectlCluster(context, timeout=self.timeout, server_side=self.server_side, log=self.log, uid=job.uid)

    def compare(self, job: Job, bundle: Bundle) -> Compared:
        """Read the cluster through kubectl, and compare."""
        from meshdsl.compare.interest import Interest
        from meshdsl.compare.kinds import scopes_of
        from meshdsl.compare.pods import of_pods

        context = self.context or job.context
        with self.begun.pop(job.name, None) or self._cluster(job) as cluster:
            scopes = scopes_of(bundle)
            asked = (*scopes, *of_pods(scopes)) if self.pods else scopes
            snapshot = cluster.snapshot(asked, Interest(bundle.manifests))
            refused: tuple[Diagnostic, ...] = ()
            written = bundle
            if self.server_side:
                bundle, refused = answered(cluster, bundle, snapshot)
            leads = cluster.context
        report = diff(bundle, snapshot, adopt=self.adopt, show_foreign=self.show_foreign)
        against = f"context {context}" if context else cluster.name
        if self.server_side:
            against += who_says(written, bundle)
        named = replace(with_refusals(report, refused), cluster=job.name, against=against)
        return Compared(named, tuple(one.on(job.name) for one in refused), bool(refused), leads)


def answered(cluster: Cluster, bundle: Bundle, snapshot: Snapshot) -> tuple[Bundle, tuple[Diagnostic, ...]]:
    """The bundle with each object as the API server would keep it, and what it would refuse.

    An object of a namespace that the same policies create cannot be asked for yet, and stays as it is. Where an object
    is ours in part, the answer has all that is there, and among that what goes: only our fields are taken of it.
    """
    from meshdsl.compare.kinds import kind_of_ref
    from meshdsl.compare.normalise import stripped

    # A server cannot answer for a kind that it does not have; the comparison says that this is not known.
    absent = {(u.scope.kind.group, u.scope.kind.kind) for u in snapshot.unknown if u.code == "not-installed"}
    asked = [one for one in bundle.manifests if kind_of_ref(one.ref) not in absent]
    with ThreadPoolExecutor(_WORKERS) as pool:
        answers = {
            one.ref: answer
            for one, answer in zip(asked, pool.map(cluster.apply_dry_run, [one.body for one in asked]), strict=True)
        }
    there = {body["metadata"]["name"] for body in snapshot.objects if body["kind"] == "Namespace"}
    created = {manifest.ref.name for manifest in bundle.manifests if manifest.ref.kind == "Namespace"} - there
    manifests: list[Manifest] = []
    refused: list[Diagnostic] = []
    lacking: dict[str, list[tuple[Manifest, Applied]]] = {}
    for manifest in bundle.manifests:
        answer = answers.get(manifest.ref)
        if answer is None:
            manifests.append(manifest)
            continue
        if answer.result is not None:
            body = stripped(answer.result, manifest.body)
            manifests.append(replace(manifest, body=_named_by(manifest.body, body) if manifest.partial else body))
            continue
        manifests.append(manifest)
        permission = _missing_permission(answer.refusal)
        if permission:
            lacking.setdefault(permission, []).append((manifest, answer))
        elif manifest.ref.namespace not in created:
            refused.append(_refused(manifest, answer))
    return replace(bundle, manifests=tuple(manifests)), (*map(_forbidden, lacking, lacking.values()), *refused)


def _named_by(ours: Mapping[str, Json], answer: Mapping[str, Json]) -> dict[str, Json]:
    """What an answer has of the fields that we set."""
    found: dict[str, Json] = {}
    for name, mine in ours.items():
        value = answer.get(name)
        if isinstance(mine, Mapping) and isinstance(value, Mapping):
            found[name] = _named_by(mine, value)
        elif value is not None:
            found[name] = value
    return found


def who_says(written: Bundle, answers: Bundle) -> str:
    """How far the objects are what the API server answers (:func:`answered`), for the title of a report."""
    total = len(written.manifests)
    told = sum(new is not old for new, old in zip(answers.manifests, written.manifests, strict=True))
    if told == total:
        return ", as its API server answers"
    if told:
        return f", as its API server answers for {told} of {total} objects"
    return ", as written: its API server answered for no object"


def with_refusals(report: DiffReport, refused: Iterable[Diagnostic]) -> DiffReport:
    """The report with a note in both views of meaning on what the API server would refuse (:func:`answered`): the views
    are of objects as they are written, and of these nothing would come about.
    """
    count = sum(one.code == _REFUSED for one in refused)
    if not count:
        return report
    objects, them = ("an object", "it") if count == 1 else (f"{count} objects", "them")
    note = f"the API server would refuse {objects} ({_REFUSED}): what is said here of {them} would not come about"
    policy, access = ("; ".join(filter(None, (had, note))) for had in (report.policy_note, report.access_note))
    return replace(report, policy_note=policy, access_note=access)


_NOT_ALLOWED = re.compile(
    r'cannot (\w+) resource "([^"]+)"(?: in API group "([^"]*)")?(?: in the namespace "([^"]*)"| at the cluster scope)?'
)
"""What the API server says of a permission that is missing; admission says something else."""


def _missing_permission(refusal: str) -> str:
    """``"patch services in prod"``, if that is what is missing; else nothing."""
    found = _NOT_ALLOWED.search(refusal)
    if found is None:
        return ""
    verb, resource, group, namespace = found.groups(default="")
    return f"{verb} {resource}{f'.{group}' if group else ''}{f' in {namespace}' if namespace else ''}"


def _forbidden(permission: str, found: Sequence[tuple[Manifest, Applied]]) -> Diagnostic:
    (manifest, answer), more = found[0], len(found) - 1
    others = f" and {more} more" if more else ""
    return Diagnostic(
        "MESH878",
        f"the permission to {permission} is missing: the API server was not asked about {manifest.ref}{others}",
        next(iter(manifest.origins), None),
        reason=answer.refusal,
        help="meshdsl diff --show-rbac --server-side prints the permissions that a dry run needs",
    )


def _refused(manifest: Manifest, answer: Applied) -> Diagnostic:
    return Diagnostic(
        _REFUSED,
        f"the API server would refuse {manifest.ref}",
        next(iter(manifest.origins), None),
        reason=answer.refusal,
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
        path = self.paths[job.name]
        snapshot = read_files(path, bundle) if path else Snapshot((), name="nothing: no folder of its name")
        report = diff(bundle, snapshot, adopt=self.adopt, show_foreign=self.show_foreign)
        left_out = _left_out(path, bundle, snapshot) if path else ""
        report = replace(report, policy_note="; ".join(filter(None, (report.policy_note, left_out))))
        against = "standard input" if path == "-" else path or "nothing, as there is no folder of its name"
        return Compared(replace(report, cluster=job.name, against=against))


def read_files(path: str, bundle: Bundle) -> Snapshot:
    """What is there, of a folder, a file or ``"-"``.

    A folder is taken for complete, and so is a file that a build has written: its first line says so. In any other
    file, and on standard input, a kind that does not occur is unknown if the policies make or patch it, or if it
    decides who may call what: objects look the same whether a dump has all of them or a part.
    """
    from meshdsl.compare.kinds import needed
    from meshdsl.compare.live import Scope, Unknown
    from meshdsl.compare.offline import read

    snapshot = read(path)
    if _is_whole(path):
        return snapshot
    unknown = tuple(
        Unknown(Scope(kind), f"the dump has no {kind.kind}: it is not known whether there are any", "not-in-dump")
        for kind in _not_in(snapshot, needed(bundle.manifests, bundle.target))
    )
    return replace(snapshot, unknown=(*snapshot.unknown, *unknown))


def _left_out(path: str, bundle: Bundle, snapshot: Snapshot) -> str:
    """What is said of the kinds of the mesh that a dump has none of, and that these policies do not make: an object of
    ours that is made no more could be one of them.
    """
    from meshdsl.compare.kinds import OF_TARGET, needed

    if _is_whole(path):
        return ""
    wanted = needed(bundle.manifests, bundle.target)
    others = [kind for kind in OF_TARGET[bundle.target.name] if kind.group not in ("", "apps") and kind not in wanted]
    missing = tuple(dict.fromkeys(kind.kind for kind in _not_in(snapshot, others)))
    if not missing:
        return ""
    return f"the dump has no {listed(missing, 'or')}: whether there is one of ours that is made no more is not known"


def _not_in(snapshot: Snapshot, kinds: Iterable[Kind]) -> list[Kind]:
    there = {(scope.kind.group, scope.kind.kind) for scope in snapshot.scopes}
    return [kind for kind in kinds if (kind.group, kind.kind) not in there]


def _is_whole(path: str) -> bool:
    return path != "-" and (Path(path).is_dir() or _is_built(Path(path)))


def _is_built(file: Path) -> bool:
    if not file.is_file():  # a pipe has been read, and to open it again would wait for ever
        return False
    with file.open("rb") as stream:
        return stream.readline(len(FILE_MARK) + 2).rstrip() == FILE_MARK.encode()


def _is_output(folder: Path) -> bool:
    """Whether a folder is one cluster's output: folders of namespaces, and at most the file of the mesh."""
    if not folder.is_dir():
        return False
    return all(entry.is_dir() or entry.name == _MESH_FILE for entry in folder.iterdir() if entry.name[0] != ".")
