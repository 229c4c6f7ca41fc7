"""``meshdsl diff``: what would change, against a cluster, manifests or a git revision, and what that means.

The policies are compiled as a build compiles them, and nothing is written but the report. Each cluster is compared by
itself: if one cannot be reached, the others are still shown, and the exit code says that something is not known.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import click

from meshdsl.cli.console import Console, colours
from meshdsl.cli.diff_sides import Compared, LiveSide, OfflineSide, Side
from meshdsl.cli.progress import Progress
from meshdsl.cli.project import Choice, Job, Project, project
from meshdsl.compare.report import DiffReport, Risk
from meshdsl.compiler import Bundle
from meshdsl.compiler import build as compile_for
from meshdsl.diagnostics import CompileError, Diagnostic, MeshdslError, OutputError
from meshdsl.loading.load import PolicyFiles, read
from meshdsl.report.diff_report import diff_report
from meshdsl.report.diff_words import (
    VIEWS,
    DiffDocument,
    DiffFormat,
    View,
    differs,
    is_unanswered,
    meanings,
    unseen,
)
from meshdsl.values import counted

STREAM = "-"
GIT = "git:"

_DOCUMENTS = frozenset({"json", "sarif", "github"})
"""Formats that hold diagnostics themselves; with the others they go to standard error, as text."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was given beside the choice of clusters.

    Attributes:
        context: of the kubeconfig, in place of the one of the configuration.
        against: a folder, a file, ``"-"`` or ``"git:REV"``; None for the live cluster.
        views: that are shown and that count as differences; empty for all.
        format: of the report.
        output: file to write it to; None for standard output.
        server_side: ask the API server by dry-run applies.
        adopt: compare objects that are not ours as if they were.
        show_foreign: show fields that others set.
        pods: say how many pods a changed object selects, and which object selects none.
        timeout: seconds for all that one cluster is asked.
        fail_on: names of risks, each perhaps several with commas between; empty to fail on any difference.
        show_rbac: print the ClusterRole that the comparison needs, and nothing else.
    """

    context: str = ""
    against: str | None = None
    views: tuple[View, ...] = ()
    format: DiffFormat | Literal["script"] = "text"
    output: str | None = None
    server_side: bool = False
    adopt: bool = False
    show_foreign: bool = False
    pods: bool = False
    timeout: float = 60.0
    fail_on: tuple[str, ...] = ()
    show_rbac: bool = False


def diff(console: Console, choice: Choice, options: Options) -> int:
    """Run the command.

    Returns:
        0 if nothing differs, 1 if something does, 3 if something could not be told: policies that do not compile are
        no difference. With ``fail_on`` only the named risks are a 1. What is not known wins over what differs: it
        could be anything.

    Raises:
        click.UsageError: the options do not go together.
        OutputError: the report could not be written.
        MeshdslError: there is no role to print.
    """
    _check(options)
    fail_on = _risks(options.fail_on)
    names: list[str] = []
    try:
        found = project(choice)
        names += [job.name for job in found.jobs]
        return _diff(console, choice, options, found, fail_on)
    except MeshdslError as error:
        if error.exit_code == 1:
            error.exit_code = 3
        if isinstance(error, OutputError) or options.show_rbac:
            raise
        _nothing(console, DiffDocument((), failed=tuple(names), diagnostics=error.diagnostics), options)
        console.note(f"Nothing could be told, so the exit code is {error.exit_code}")
        return error.exit_code


def _nothing(console: Console, document: DiffDocument, options: Options) -> None:
    """The report of a run that could not tell anything: nobody must find an older one in its place."""
    document = replace(document, base=str(Path.cwd()))
    if options.format == "text" and not _to_file(options):
        console.report(document.diagnostics)
    else:
        _show(console, document, options, lambda: _script((), (), document, options))


def _script(
    bundles: Sequence[tuple[Job, Bundle]], compared: Sequence[Compared], document: DiffDocument, options: Options
) -> str:
    from meshdsl.cli.script import script_of_diff

    return script_of_diff(bundles, compared, document.failed, adopt=options.adopt)


def _diff(console: Console, choice: Choice, options: Options, found: Project, fail_on: frozenset[Risk]) -> int:
    with Progress(2 + 2 * len(found.jobs), shown=console.verbosity >= 0) as progress, ExitStack() as stack:
        live = None if options.show_rbac else _live(console, found, options, stack)
        progress.step("loading policies")
        files = read(found.policies, permit=found.permit)
        bundles = list(_bundles(found, files, progress))
        if options.show_rbac:
            console.write(_role(bundles, options))
            return 0
        progress.step(f"reading {options.against or 'what is there'}")
        side = live or _other(found, choice, options, stack)
        compared = list(_compared(side, bundles, progress))
    warnings = (*files.warnings, *(warning for _, bundle in bundles for warning in bundle.warnings))
    document = DiffDocument(
        reports=[one.report for one in compared if one.report],
        views=tuple(view for view in VIEWS if view in (options.views or VIEWS)),
        fail_on=fail_on,
        base=str(Path.cwd()),
        diagnostics=(*warnings, *side.notes, *(found for one in compared for found in one.diagnostics)),
        show_foreign=options.show_foreign,
        config=found.config,
        failed=tuple(job.name for (job, _), one in zip(bundles, compared, strict=True) if one.report is None),
        command=_command(choice, options),
    )
    _show(console, document, options, lambda: _script(bundles, compared, document, options))
    code = _exit_code(document, fail_on, failed=any(one.failed for one in compared))
    console.note(_line(document, fail_on, code))
    return code


def _command(choice: Choice, options: Options) -> str:
    """What was asked, for a reader of a part of the answer."""
    import shlex

    parts = ["meshdsl", "diff", *([choice.path] if choice.path else [])]
    parts += [part for name in choice.clusters for part in ("--cluster", name)]
    given = (("--target", choice.target), ("--context", options.context), ("--against", options.against))
    parts += [part for name, value in given if value for part in (name, value)]
    flags = ("server_side", "adopt", "show_foreign", "pods")
    parts += [f"--{flag.replace('_', '-')}" for flag in flags if getattr(options, flag)]
    return shlex.join(parts)


def _check(options: Options) -> None:
    if options.format == "script" and options.against is not None:
        raise click.UsageError("--format script is for a live cluster: it does not go with --against")
    if options.against is None:
        return
    if not options.against:
        raise click.UsageError("--against is empty: it takes a folder, a file, '-' or git:REVISION")
    for given, name, why in (
        (options.context, "--context", "names a live cluster"),
        (options.server_side, "--server-side", "asks a live cluster"),
        (options.show_rbac, "--show-rbac", "is for a live cluster"),
        (options.pods, "--pods", "asks a live cluster, and of a dump the pods in it are counted anyway"),
    ):
        if given:
            raise click.UsageError(f"{name} {why}: it does not go with --against")


def _risks(given: Iterable[str]) -> frozenset[Risk]:
    names = [name.strip() for one in given for name in one.split(",") if name.strip()]
    known = [risk.value for risk in Risk]
    for name in names:
        if name not in known:
            from difflib import get_close_matches

            close = get_close_matches(name, known, 1, 0.4)
            meant = f"Did you mean {close[0]!r}? " if close else ""
            raise click.UsageError(f"--fail-on: there is no risk {name!r}. {meant}There are: {', '.join(known)}.")
    return frozenset(map(Risk, names))


def _bundles(found: Project, files: PolicyFiles, progress: Progress) -> Iterator[tuple[Job, Bundle]]:
    """Every cluster compiled, or one error with the findings of all."""
    errors: list[MeshdslError] = []
    for job in found.jobs:
        progress.step(f"compiling {job.name}")
        try:
            yield job, compile_for(files.policy_set(job.environment, found.name), job.target, cluster=job.name)
        except MeshdslError as error:
            errors.append(error)
    if errors:
        raise CompileError([*files.warnings, *(one for error in errors for one in error.diagnostics)])


def _role(bundles: Iterable[tuple[Job, Bundle]], options: Options) -> str:
    from meshdsl.cluster import cluster_role
    from meshdsl.compare.kinds import scopes_of
    from meshdsl.compare.pods import of_pods
    from meshdsl.render import render

    built = list(bundles)
    scopes = {scope for _, bundle in built for scope in scopes_of(bundle)}
    scopes |= set(of_pods(scopes)) if options.pods else set()
    applied = [one for _, bundle in built for one in bundle.manifests] if options.server_side else []
    return render(cluster_role(scopes, applied=applied, identity=any(job.uid for job, _ in built)))


def _live(console: Console, found: Project, options: Options, stack: ExitStack) -> LiveSide | None:
    """The clusters themselves, if they are what is compared with; the first one is reached for at once."""
    if options.against is not None:
        return None
    _one_context_each(found, options)
    side = LiveSide(
        context=options.context,
        timeout=options.timeout,
        server_side=options.server_side,
        adopt=options.adopt,
        show_foreign=options.show_foreign,
        log=console.detail,
        pods=options.pods,
    )
    stack.callback(side.close)
    side.begin(found.jobs[0], found.name)
    return side


def _other(found: Project, choice: Choice, options: Options, stack: ExitStack) -> Side:
    """What is compared with in place of a cluster."""
    assert options.against is not None
    if options.against.startswith(GIT):
        from meshdsl.cli.diff_revision import RevisionSide

        revision = options.against.removeprefix(GIT)
        return stack.enter_context(RevisionSide.of(revision, found, choice, show_foreign=options.show_foreign))
    return OfflineSide.of(
        options.against, [job.name for job in found.jobs], adopt=options.adopt, show_foreign=options.show_foreign
    )


def _one_context_each(found: Project, options: Options) -> None:
    """Two clusters must not be compared with one: the answer would be about another cluster than it says."""
    if len(found.jobs) == 1:
        return
    if options.context:
        names = ", ".join(job.name for job in found.jobs)
        raise click.UsageError(f"--context is for one cluster: choose one with --cluster; there are {names}")
    without = [job.name for job in found.jobs if not job.context]
    if without:
        raise click.UsageError(
            f"these clusters have no context: {', '.join(without)}. Give each its context = … in the configuration,"
            " or choose one with --cluster, which is then compared with kubectl's current context."
        )


def _compared(side: Side, bundles: Iterable[tuple[Job, Bundle]], progress: Progress) -> Iterator[Compared]:
    """Each cluster; if none could be compared, one error."""
    errors: list[tuple[str, MeshdslError]] = []
    given = list(bundles)
    for job, bundle in given:
        progress.step(f"comparing {job.name}")
        try:
            yield side.compare(job, bundle)
        except MeshdslError as error:
            errors.append((job.name, error))
            yield Compared(None, tuple(found.on(job.name) for found in error.diagnostics), failed=True)
    if errors and len(errors) == len(given):
        failed = MeshdslError(found.on(name) for name, error in errors for found in error.diagnostics)
        failed.exit_code = max(error.exit_code for _, error in errors)
        raise failed


def _to_file(options: Options) -> bool:
    return options.output is not None and options.output != STREAM


def _show(console: Console, document: DiffDocument, options: Options, script: Callable[[], str]) -> None:
    if options.format not in _DOCUMENTS or _to_file(options):
        # Said first, so that the difference is what stays in sight.
        console.format, console.output_taken = "text", True
        console.report(document.diagnostics)
    coloured = options.format == "text" and not _to_file(options) and colours(error_stream=False)
    text = script() if options.format == "script" else diff_report(options.format, document, colour=coloured)
    if _to_file(options):
        write_file(Path(str(options.output)), text)
    else:
        console.write(text)


def write_file(path: Path, text: str) -> None:
    """Write a file whole or not at all; a device or pipe is simply written to.

    Raises:
        OutputError: it cannot be written; a file that was there stays as it was.
    """
    data = text.encode("utf-8", "backslashreplace")
    temporary = ""
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            path.write_bytes(data)
            return
        target = Path(os.path.realpath(path))
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}-", suffix=".tmp", dir=target.parent)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, 0o644)
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        Path(temporary).replace(target)
        temporary = ""
    except OSError as error:
        raise OutputError(
            [
                Diagnostic(
                    "MESH876",
                    f"the report cannot be written to {str(path)!r}: {error.strerror or error}",
                    help="choose a file in a folder that can be written",
                )
            ]
        ) from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def _exit_code(document: DiffDocument, fail_on: frozenset[Risk], *, failed: bool) -> int:
    if failed or any(report.unknown for report in document.reports):
        return 3
    if any(is_unanswered(report, document.views, fail_on) for report in document.reports):
        return 3
    if fail_on:
        return int(any(finding.risk in fail_on for report in document.reports for finding in report.risks))
    return int(any(differs(report, document.views) for report in document.reports))


def _nothing_found(reports: Sequence[DiffReport]) -> str:
    """What is said where nothing differs; what is not known agrees no more than it differs."""
    if not any(report.unknown for report in reports):
        return "no differences"
    read = any(report.compared for report in reports)
    return "no difference in what could be read" if read else "nothing could be read to compare with"


def _line(document: DiffDocument, fail_on: frozenset[Risk], code: int) -> str:
    """The result in one line, on standard error: the report itself is the same whatever the clock says."""
    reports = document.reports
    objects = sum(len(report.objects) for report in reports)
    meant = sum(map(meanings, reports))
    parts = [f"{counted(objects, 'object')} differ{'s' if objects == 1 else ''}"] if objects else []
    if "fields" not in document.views:
        hidden = unseen([change for report in reports for change in report.objects], document.views)
        parts = [hidden] if hidden else []
    parts += [f"{counted(meant, 'change')} of meaning"] if meant else []
    clusters = counted(len(reports) + len(document.failed), "cluster")
    done = f"{len(reports)} of {clusters}" if document.failed else clusters
    line = f"Compared {done}: {', '.join(parts) or _nothing_found(reports)}"
    found = sorted({finding.risk.value for report in reports for finding in report.risks if finding.risk in fail_on})
    if found:
        line += f"; fails on {', '.join(found)}"
    elif fail_on and code != 3:
        line += "; none of the risks of --fail-on"
    if code == 3:
        line += "; not everything could be told, so the exit code is 3"
    if any(one.code == "forbidden" for report in reports for one in report.unknown):
        line += " (meshdsl diff --show-rbac prints the permissions that it needs)"
    return line
