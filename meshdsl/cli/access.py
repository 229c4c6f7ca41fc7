"""``meshdsl access``: who can call this service, what can that caller call, and all of it as a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from meshdsl.cli.compiles import note_refused
from meshdsl.cli.console import Console
from meshdsl.cli.diff import write_file
from meshdsl.cli.objects import read_objects
from meshdsl.cli.project import Choice, Job, Project, project
from meshdsl.compare.live import Snapshot
from meshdsl.compare.reach.answers import AccessAnswer, AccessMatrix, By
from meshdsl.compare.reach.report import AccessReport, asked
from meshdsl.compare.reach.report import access as access_of
from meshdsl.compare.reach.who import ACCOUNT
from meshdsl.compiler import Bundle, meaning, meant_for
from meshdsl.compiler import build as compile_for
from meshdsl.diagnostics import Diagnostic, MeshdslError
from meshdsl.loading.load import PolicyFiles, read
from meshdsl.report.access_report import access_report
from meshdsl.report.access_words import AccessDocument, AccessFormat, AccessPart

STREAM = "-"
Answers = list[tuple[str, AccessAnswer | AccessMatrix, list[str]]]
"""What was read, the answer, and the clusters that have it."""
MOST_SERVICES = 30
"""From so many services on, a matrix is by namespaces if nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was given beside the choice of clusters.

    Attributes:
        to: the service that is called.
        source: the caller.
        matrix: all of it.
        by: ``"namespace"`` or ``"service"``; None chooses by how many services there are.
        live: read the objects of the cluster.
        context: of the kubeconfig, in place of the one of the configuration.
        against: a folder, a file or ``"-"`` with objects to read.
        timeout: seconds for all that a cluster is asked.
        format: of the answer.
        output: file to write it to; None for standard output.
        show_rbac: print the ClusterRole that ``live`` needs, and nothing else.
    """

    to: str | None = None
    source: str | None = None
    matrix: bool = False
    by: By | None = None
    live: bool = False
    context: str = ""
    against: str | None = None
    timeout: float = 60.0
    format: AccessFormat = "text"
    output: str | None = None
    show_rbac: bool = False


def access(console: Console, choice: Choice, options: Options) -> int:
    """Run the command.

    Returns:
        0, or 3 if something could not be told.

    Raises:
        MeshdslError: the policies are wrong, there is nobody of that name, or the objects cannot be read.
    """
    _check(options)
    found = project(choice)
    files = read(found.policies, permit=found.permit)
    if options.show_rbac:
        console.write(_role(found, files))
        return 0
    parts, failed = _parts(console, found, choice, files, options)
    document = AccessDocument(parts, str(Path.cwd()))
    text = access_report(options.format, document)
    if options.output is None or options.output == STREAM:
        console.write(text)
    else:
        write_file(Path(options.output), text)
    if failed:
        console.output_taken = True
        console.report(failed)
    complete = not failed and all(part.answer.is_complete for part in parts)
    if not complete:
        console.note("Not everything could be told, so the exit code is 3")
    return 0 if complete else 3


def _check(options: Options) -> None:
    asked = [bool(options.to), bool(options.source), options.matrix]
    if sum(asked) != 1 and not options.show_rbac:
        raise click.UsageError("ask one thing: --to NAMESPACE/SERVICE, --from CALLER, or --matrix")
    if options.by and not options.matrix:
        raise click.UsageError("--by goes with --matrix")
    if options.live and options.against is not None:
        raise click.UsageError("--live and --against exclude each other")
    if options.context and not (options.live or options.show_rbac):
        raise click.UsageError("--context goes with --live")


def _parts(
    console: Console, found: Project, choice: Choice, files: PolicyFiles, options: Options
) -> tuple[tuple[AccessPart, ...], tuple[Diagnostic, ...]]:
    """The answers of the clusters, those that are the same once; and why others have none.

    A service that some clusters do not have is no failure where others have it.
    """
    of_mesh = bool(choice.clusters or choice.target or options.live or options.against is not None)
    answers: Answers = []
    errors: dict[str, MeshdslError] = {}
    not_there: dict[str, tuple[str, AccessReport]] = {}
    for job in found.jobs:
        try:
            reading, report = _read(console, found, files, job, options) if of_mesh else _meant(found, files, job)
            not_there[job.name] = reading, report
            _add(answers, reading, _answer(report, options), job.name)
            del not_there[job.name]
        except MeshdslError as error:
            errors[job.name] = error
    if not answers:
        raise next(iter(errors.values()))
    # What is an account by a rule of one cluster is an account of the others, too: nobody there has to name it.
    if any(
        isinstance(one, AccessAnswer) and one.subject == f"service account {options.source}" for _, one, _ in answers
    ):
        for cluster, (reading, report) in not_there.items():
            _add(answers, reading, report.caller(f"{ACCOUNT}{options.source}"), cluster)
            del errors[cluster]
    if not of_mesh:
        note_refused(console, found.name, files, [job for job in found.jobs if job.name not in errors])
    parts = tuple(AccessPart(tuple(names), reading, answer) for reading, answer, names in answers)
    return parts, _failed(console, errors)


def _add(answers: Answers, reading: str, answer: AccessAnswer | AccessMatrix, cluster: str) -> None:
    """Another cluster's answer, beside those that are the same."""
    same = next((names for *one, names in answers if one == [reading, answer]), None)
    if same is None:
        answers.append((reading, answer, [cluster]))
    else:
        same.append(cluster)


def _failed(console: Console, errors: Mapping[str, MeshdslError]) -> tuple[Diagnostic, ...]:
    """Why clusters have no answer; those that do not have what is asked about are noted, which is no failure."""
    failed: list[Diagnostic] = []
    for cluster, error in errors.items():
        for one in error.diagnostics:
            if one.code == "MESH071":
                console.note(f"left out: {cluster}: {one.message}")
            else:
                failed.append(one)
    return tuple(failed)


def _answer(report: AccessReport, options: Options) -> AccessAnswer | AccessMatrix:
    if options.to:
        return report.to(options.to)
    if options.source:
        return report.caller(options.source)
    default: By = "service" if len(report.plan.services) < MOST_SERVICES else "namespace"
    return report.matrix(options.by or default)


def _meant(found: Project, files: PolicyFiles, job: Job) -> tuple[str, AccessReport]:
    policies = meant_for(files.policy_set(job.environment, found.name), job.target)
    return "as the policies mean it", access_of(meaning(policies, job.name))


def _read(console: Console, found: Project, files: PolicyFiles, job: Job, options: Options) -> tuple[str, AccessReport]:
    """The objects of a cluster, or those that the policies become."""
    bundle = _bundle(found, files, job)
    title = f"{bundle.target.title} {bundle.target.version}"
    if options.against is not None:
        return f"{_named(options.against)}, as {title} reads it", access_of(bundle, _dump(found, bundle, job, options))
    if not options.live:
        return f"the manifests for {title}", access_of(bundle, bundle)
    from meshdsl.cluster import KubectlCluster

    context = options.context or job.context
    with KubectlCluster(context, timeout=options.timeout, log=console.detail, uid=job.uid) as cluster:
        report = access_of(bundle, cluster)
        reached = f"context {context}" if context else cluster.name
        return f"{reached}, as {title} reads it", report


def _dump(found: Project, bundle: Bundle, job: Job, options: Options) -> Snapshot:
    return read_objects(str(options.against), bundle, [one.name for one in found.jobs], job.name)


def _named(against: str) -> str:
    return "standard input" if against == STREAM else against


def _bundle(found: Project, files: PolicyFiles, job: Job) -> Bundle:
    return compile_for(files.policy_set(job.environment, found.name), job.target, cluster=job.name)


def _role(found: Project, files: PolicyFiles) -> str:
    from meshdsl.cluster import cluster_role
    from meshdsl.render import render

    bundles = [_bundle(found, files, job) for job in found.jobs]
    scopes = {scope for bundle in bundles for scope in asked(bundle.plan, bundle.target)}
    return render(cluster_role(scopes, identity=any(job.uid for job in found.jobs)))
