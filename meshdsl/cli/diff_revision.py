"""A git revision as the side to compare with: its own configuration and policies, compiled.

So plan is compared with plan, and no cluster is needed. Whatever is wrong with the revision is said of the revision,
with its own file, line and text, and the exit code is 3: it is not the policies at hand that are wrong.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from meshdsl.cli.diff_sides import Compared
from meshdsl.cli.project import Choice, Job, Project
from meshdsl.compare.diff import diff
from meshdsl.compare.report import DiffReport, ObjectChange, PolicyChange, RiskFinding
from meshdsl.compiler import Bundle
from meshdsl.compiler import build as compile_for
from meshdsl.config import find_config, read_config
from meshdsl.diagnostics import ConfigError, Diagnostic, MeshdslError, Origin, Severity
from meshdsl.loading.load import PolicyFiles, read
from meshdsl.model.policy_set import PolicySet
from meshdsl.permissions import Permission
from meshdsl.revision import Tree, checked_out

T = TypeVar("T", ObjectChange, PolicyChange, RiskFinding)


class RevisionError(MeshdslError):
    """The revision cannot be compared with."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class RevisionSide:
    """The policies of a revision.

    Attributes:
        tree: its files.
        name: of its policy set.
        files: its policy files, which have run.
        clusters: of its configuration, by name.
    """

    tree: Tree
    name: str
    files: PolicyFiles
    clusters: dict[str, Job]
    notes: tuple[Diagnostic, ...]
    show_foreign: bool

    @classmethod
    @contextmanager
    def of(cls, revision: str, found: Project, choice: Choice, *, show_foreign: bool) -> Iterator[RevisionSide]:
        """The revision, while its files are there.

        Args:
            revision: anything that git resolves to a commit.
            found: what the policies at hand are compiled for.
            choice: what the user asked for.
            show_foreign: see :class:`meshdsl.cli.diff.Options`.

        Raises:
            MeshdslError: there is no such revision (exit code 2), or it cannot be loaded (exit code 3).
        """
        folder = found.root if choice.target is None else _nearest_folder(found.policies)
        with checked_out(revision, folder) as tree:
            with _told_of(tree):
                if choice.target is None:
                    name, policies, permit, clusters = _configured(tree, choice)
                else:
                    name, permit = found.name, found.permit
                    policies = tree.inside / found.policies.relative_to(folder)
                    clusters = {choice.target: found.jobs[0]}
                files = read(policies, permit=permit)
            gone = [] if choice.target or choice.clusters else sorted(set(clusters) - {job.name for job in found.jobs})
            yield cls(tree, name, files, clusters, tuple(_no_longer(one, tree) for one in gone), show_foreign)

    def compare(self, job: Job, bundle: Bundle) -> Compared:
        """Compile the revision for the cluster, and compare."""
        with _told_of(self.tree):
            before = self._bundle(job)
        # What the revision made is ours, whatever the policy set was called then.
        report = diff(bundle, before, adopt=True, show_foreign=self.show_foreign)
        against = f"git:{self.tree.name} ({self.tree.commit[:12]})"
        if job.name not in self.clusters:
            against += ", which has no such cluster"
        return Compared(_retold(replace(report, cluster=job.name, against=against), self.tree))

    def _bundle(self, job: Job) -> Bundle:
        then = self.clusters.get(job.name)
        if then is None:
            return compile_for(PolicySet((), self.name), job.target, cluster=job.name)
        return compile_for(self.files.policy_set(then.environment, self.name), then.target, cluster=job.name)


def _nearest_folder(path: Path) -> Path:
    """The folder that a path is in, which is there."""
    return next(folder for folder in path.parents if folder.is_dir())


def _configured(tree: Tree, choice: Choice) -> tuple[str, Path, tuple[Permission, ...], dict[str, Job]]:
    """What the configuration of the revision says: it may have other clusters, profiles and folders."""
    given = Path(choice.path) if choice.path else None
    start = tree.inside / given.name if given and given.is_file() and given.suffix == ".toml" else tree.inside
    path = find_config(start)
    # Above the tree is the folder for temporary files, where anybody may have put one.
    if path is None or not path.is_relative_to(tree.root) or not path.is_file():
        raise ConfigError(
            [
                Diagnostic(
                    "MESH875",
                    "there is no configuration",
                    help="compare with a later revision, or choose a mesh with --target and PATH of the policies",
                )
            ]
        )
    config = read_config(path)
    clusters = {one.name: Job(one.name, one.target, one.environment, one.context) for one in config.clusters.values()}
    return config.name, config.policies, config.permit, clusters


def _no_longer(name: str, tree: Tree) -> Diagnostic:
    return Diagnostic(
        "MESH879",
        f"cluster {name!r} of {tree.name} is configured no more, and is not compared",
        reason="what was applied to it stays there until somebody deletes it",
        severity=Severity.WARNING,
    )


# ------------------------------------------------------------------------------------------- said of the revision


@contextmanager
def _told_of(tree: Tree) -> Iterator[None]:
    """Errors within are said of the revision: with its files' names, and the lines that they have there."""
    try:
        yield
    except MeshdslError as error:
        raise RevisionError(_of_revision(found, tree) for found in error.diagnostics) from error


def _of_revision(found: Diagnostic, tree: Tree) -> Diagnostic:
    reason = tree.words(found.reason)
    if tree.submodules and "No module named" in found.message:
        reason = f"{reason}; " if reason else ""
        reason += f"the files of submodules ({', '.join(tree.submodules)}) are not part of a revision"
    return replace(
        found,
        message=f"in revision {tree.name}: {tree.words(found.message)}",
        origin=_origin(found.origin, tree) if found.origin else None,
        reason=reason,
        help=tree.words(found.help),
        related=tuple((words, _origin(origin, tree)) for words, origin in found.related),
    )


def _origin(origin: Origin, tree: Tree) -> Origin:
    """The line as it is named by the revision; its text is kept, as the file will be gone when it is shown."""
    name = tree.shown(origin.file)
    if name != origin.file and name not in linecache.cache:
        lines = linecache.getlines(origin.file)
        linecache.cache[name] = (sum(map(len, lines)), None, lines, name)
    return replace(origin, file=name)


def _retold(report: DiffReport, tree: Tree) -> DiffReport:
    """The report with lines of the revision named as such: what is removed stood there."""
    return replace(
        report,
        objects=_with_origins(report.objects, tree),
        policy=_with_origins(report.policy, tree),
        risks=_with_origins(report.risks, tree),
        aside=_with_origins(report.aside, tree),
    )


def _with_origins(changes: Iterable[T], tree: Tree) -> tuple[T, ...]:
    return tuple(replace(one, origins=tuple(_origin(origin, tree) for origin in one.origins)) for one in changes)
