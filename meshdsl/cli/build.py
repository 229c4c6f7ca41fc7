"""``meshdsl build``: compile for every cluster, then write, compare or print.

All clusters are compiled before anything is written, so that all findings are shown at once and no cluster is built
from policies that are wrong for another.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from meshdsl import output, render
from meshdsl.cli.changes import first_change
from meshdsl.cli.console import Console
from meshdsl.cli.progress import Progress
from meshdsl.cli.project import Choice, Job, Project, project
from meshdsl.compiler import Bundle
from meshdsl.compiler import build as compile_for
from meshdsl.config_file import OVERLAP_REASON, find_config, overlap
from meshdsl.diagnostics import CompileError, ConfigError, Diagnostic, LoadError, MeshdslError, Origin
from meshdsl.loading.load import PolicyFiles, read
from meshdsl.model.base import Policy
from meshdsl.values import counted

STREAM = "-"
"""``--out -``: standard output."""


@dataclass(frozen=True, slots=True)
class Built:
    """What one cluster comes to: its files, in numbers, and the manifests where they are still needed.

    Whether there are policies at all counts those as well that ``only`` limits to other targets.
    """

    job: Job
    has_policies: bool
    files: Mapping[str, str]
    policies: int
    services: int
    objects: int
    warnings: tuple[Diagnostic, ...]
    bundle: Bundle | None


@dataclass
class Counts:
    """A build in numbers: policies and services of the cluster that has the most, objects and files of all of them.

    Of a check, the files are those that a build would touch: they are reported under other names.
    """

    clusters: int
    policies: int
    services: int
    objects: int
    written: int = 0
    unchanged: int = 0
    removed: int = 0

    def summary(self, *, check: bool) -> dict[str, int]:
        """For reports: what a check counts is not done."""
        names = {"written": "to_write", "removed": "to_remove"} if check else {}
        return {names.get(name, name): number for name, number in asdict(self).items()}


def build(console: Console, choice: Choice, out: str | None, *, check: bool, script: bool = False) -> int:
    """Run the command.

    Args:
        console: where it speaks.
        choice: what to compile for.
        out: folder to write to; ``"-"`` for standard output; None for that of the configuration.
        check: write nothing, and report what is out of date or not reproducible.
        script: print a shell script that applies it, in place of writing manifests.

    Returns:
        The exit code.

    Raises:
        MeshdslError: with what is wrong for any cluster; nothing is written then.
        click.UsageError: options that do not go together.
    """
    start = time.monotonic()
    if script:
        if check or out is not None:
            raise click.UsageError("--script goes to standard output: it does not go with --out or --check")
        out = STREAM
    if out == STREAM and check:
        raise click.UsageError("--check compares with files: it does not go with --out -")
    if choice.target is not None and out is None:
        _refuse_out_of_a_configuration(choice.target)
    found = project(choice)
    if out == STREAM:
        _refuse_stream(found, "--script" if script else "--out -")
        console.output_taken = True
    elif out is not None:
        # Where the folder is not the configuration's own, what else is in it is not ours to judge.
        found = replace(found, out=Path.cwd() / out, complete=False)
    if out != STREAM:
        _refuse_overlap(found)
    late: tuple[Diagnostic, ...] = ()
    with Progress(2 + (1 + check) * len(found.jobs), shown=console.verbosity >= 0) as progress:
        progress.step("loading policies")
        files = read(found.policies, permit=found.permit)
        built = _compile(found, files, progress, keep=check or out == STREAM)
        if not any(one.has_policies for one in built) and not (choice.clusters and files.differ_by_cluster):
            raise LoadError([*files.warnings, _no_policy(found)])
        counts = _counts(built)
        if check:
            late = tuple(_check(console, found, built, counts, progress))
        elif out != STREAM:
            _write(console, found, built, counts, progress)
    if out == STREAM:
        console.write("".join(_printed(one, script=script) for one in built))
    warnings = (warning for one in built for warning in one.warnings)
    console.report([*files.warnings, *warnings, *late], counts.summary(check=check))
    console.result(_line(counts, late, time.monotonic() - start, check=check, streamed=out == STREAM))
    return 1 if late else 0


def _printed(built: Built, *, script: bool) -> str:
    if built.bundle is None:
        return ""
    if not script:
        return render.stream(built.bundle.manifests)
    from meshdsl.cli.script import script_of_build

    return script_of_build(built.job, built.bundle)


def _refuse_stream(found: Project, option: str) -> None:
    if len(found.jobs) != 1:
        names = ", ".join(job.name for job in found.jobs)
        raise click.UsageError(f"{option} is for one cluster: choose one with --cluster; there are {names}")


def _refuse_out_of_a_configuration(target: str) -> None:
    """The default folder is that of the configured clusters, one of which may be called like the mesh."""
    configuration = find_config(Path())
    if configuration is not None:
        shown = os.path.relpath(configuration)
        raise click.UsageError(
            f"--target {target} takes no profile from {shown}, and must not write over what the clusters there have in"
            " the output folder: say where to with --out DIR, or choose one of these clusters with --cluster"
        )


def _refuse_overlap(found: Project) -> None:
    relation = overlap(found.root, found.policies, found.out)
    if relation:
        raise ConfigError(
            [
                Diagnostic(
                    "MESH006",
                    f"the output folder {_shown(found, found.out)} {relation}",
                    reason=OVERLAP_REASON,
                    help="give it a folder of its own, such as --out out",
                )
            ]
        )


def _compile(found: Project, files: PolicyFiles, progress: Progress, *, keep: bool) -> list[Built]:
    """Every cluster, or one error with the findings of all.

    Manifests take ten times the memory of their text, so they are kept only on demand.
    """
    built: list[Built] = []
    errors: list[MeshdslError] = []
    for job in found.jobs:
        progress.step(f"compiling {job.name}")
        try:
            policies = files.policy_set(job.environment, found.name)
            bundle = compile_for(policies, job.target, cluster=job.name)
            has_policies = any(isinstance(one, Policy) for one in policies.objects)
            built.append(_built(job, bundle, has_policies=has_policies, keep=keep))
            del bundle
        except MeshdslError as error:
            errors.append(error)
    if errors:
        found_wrong = (diagnostic for error in errors for diagnostic in error.diagnostics)
        failed = CompileError([*files.warnings, *found_wrong])
        failed.exit_code = max(error.exit_code for error in errors)
        raise failed
    return built


def _no_policy(found: Project) -> Diagnostic:
    """An inventory alone makes nothing; a build of it would take away all that an earlier one made."""
    return Diagnostic(
        "MESH104",
        "these files declare what there is, and no policy",
        Origin(str(found.policies), 0),
        reason="services and routes change nothing by themselves, so there is nothing to build",
        help="keep policies at the top level of a file, or return them from def policies(env)",
    )


def _built(job: Job, bundle: Bundle, *, has_policies: bool, keep: bool) -> Built:
    return Built(
        job,
        has_policies,
        bundle.files(),
        bundle.policies,
        len(bundle.plan.services),
        len(bundle.manifests),
        bundle.warnings,
        bundle if keep else None,
    )


def _counts(built: list[Built]) -> Counts:
    return Counts(
        clusters=len(built),
        policies=max(one.policies for one in built),
        services=max(one.services for one in built),
        objects=sum(one.objects for one in built),
    )


def _write(console: Console, found: Project, built: list[Built], counts: Counts, progress: Progress) -> None:
    progress.step(f"writing {counted(len(built), 'cluster')}")
    written = output.write_all({found.out / one.job.name: one.files for one in built}, root=found.root)
    for folder, done in written.items():
        counts.written += len(done.written)
        counts.unchanged += len(done.unchanged)
        counts.removed += len(done.removed)
        for verb, paths in (("wrote", done.written), ("removed", done.removed)):
            for path in paths:
                console.detail(f"{verb} {os.path.relpath(folder / path)}")
    for folder, _ in _former_clusters(found):
        shown = _shown(found, folder)
        console.note(f"{shown} belongs to no configured cluster: delete it, or add the cluster")


def _former_clusters(found: Project) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Folders beside those of the clusters in which there are files that an earlier build made, and these files.

    They are only reported: a cluster may be gone from the configuration by mistake, or the folder be the work of a
    program. Only what opens with our mark counts, and no symbolic link is followed.
    """
    if not found.complete or not found.out.is_dir():
        return
    names = {job.name for job in found.jobs}
    for folder in sorted(found.out.iterdir()):
        if folder.name not in names and folder.is_dir() and not folder.is_symlink():
            stale = output.compare({}, folder, root=found.root).stale
            if stale:
                yield folder, stale


def _check(
    console: Console, found: Project, built: list[Built], counts: Counts, progress: Progress
) -> Iterator[Diagnostic]:
    """What a build would change, and what would come out otherwise another time."""
    for one in built:
        folder = found.out / one.job.name
        progress.step(f"checking {one.job.name}")
        different = output.compare(one.files, folder, root=found.root)
        counts.written += len(different.missing) + len(different.changed)
        counts.removed += len(different.stale)
        counts.unchanged += len(one.files) - len(different.missing) - len(different.changed)
        for code, message, way_out, paths in (
            ("MESH061", "this file is missing", "", different.missing),
            ("MESH062", "this file is not what the policies say", _CHANGED, different.changed),
            ("MESH063", "no policy makes this file any more", "", different.stale),
        ):
            yield from (_out_of_date(code, message, folder / path, way_out) for path in paths)
        if console.verbosity > 0:
            for path in different.changed:
                console.detail(first_change(folder / path, one.files[path], _shown(found, folder / path)))
    for folder, stale in _former_clusters(found):
        message = f"{_files(len(stale))} of this folder belong{'s' * (len(stale) == 1)} to no configured cluster"
        yield _out_of_date("MESH063", message, folder, "delete the folder, or add the cluster; a build leaves it alone")
    from meshdsl.perturb import Request, not_reproducible

    progress.step("building a second time")
    clusters = {job.name: (job.target, job.environment) for job in found.jobs}
    request = Request(found.policies, found.name, found.permit, clusters)
    yield from not_reproducible(request, {one.job.name: one.bundle for one in built if one.bundle})


_CHANGED = "run meshdsl build and commit what it writes; first move what was edited by hand into the policies"


def _out_of_date(code: str, message: str, path: Path, help: str) -> Diagnostic:
    return Diagnostic(code, message, Origin(str(path), 0), help=help)


def _shown(found: Project, path: Path) -> str:
    return path.relative_to(found.root).as_posix() if path.is_relative_to(found.root) else str(path)


def _line(counts: Counts, late: tuple[Diagnostic, ...], seconds: float, *, check: bool, streamed: bool) -> str:
    """The result in one line."""
    made = (
        f"{counted(counts.policies, 'policy', 'policies')}, {counted(counts.services, 'service')},"
        f" {counted(counts.objects, 'object')} for {counted(counts.clusters, 'cluster')}"
    )
    if streamed:
        return f"Built {made} in {seconds:.1f} s"
    if late:
        stale = counts.written + counts.removed
        advice = f"{_files(stale)} out of date: run `meshdsl build` and commit what it writes" if stale else ""
        return f"Checked {made}: {advice or counted(len(late), 'finding')}, in {seconds:.1f} s"
    files = f"{_files(counts.written)} written, {counts.unchanged:,} unchanged, {counts.removed:,} removed"
    return f"Checked {made}: up to date, in {seconds:.1f} s" if check else f"Built {made}: {files} in {seconds:.1f} s"


def _files(number: int) -> str:
    return counted(number, "file")
