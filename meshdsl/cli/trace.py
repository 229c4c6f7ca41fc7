"""``meshdsl trace``: what happens to a request, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from meshdsl.cli.compiles import note_refused
from meshdsl.cli.console import Console
from meshdsl.cli.project import Choice, Job, Project, project
from meshdsl.compiler import Bundle, meaning, meant_for
from meshdsl.compiler import build as compile_for
from meshdsl.loading.load import PolicyFiles, read
from meshdsl.plan.intent import Plan
from meshdsl.report.escape import visible
from meshdsl.report.trace_json import trace_json
from meshdsl.report.trace_text import places, trace_text
from meshdsl.simulate.ask import QuestionError, question
from meshdsl.simulate.trace import Trace, outcome, trace_objects, trace_plan
from meshdsl.simulate.words import Request, Verdict

if TYPE_CHECKING:
    from meshdsl.compare.live import Scope, Snapshot

Named = tuple[str, Trace]


@dataclass(frozen=True, slots=True)
class Question:
    """What the command was given beside the choice of clusters.

    Attributes:
        source: who sends.
        to: the service, with its port where that is needed.
        method: empty for a connection, or for GET where there is a path.
        path: with its query.
        headers: ``"name: value"``.
        by_address: the caller uses the address of a pod.
        live: read the objects of the cluster.
        context: of the kubeconfig, in place of the one of the configuration.
        against: a folder or file with objects to read in place of the manifests.
        timeout: seconds for all that the cluster is asked.
        format: ``"text"`` or ``"json"``.
        tree: show what was looked at and passed over.
        show_rbac: print the ClusterRole that ``live`` needs, and nothing else.
    """

    source: str
    to: str
    method: str = ""
    path: str = ""
    headers: tuple[str, ...] = ()
    by_address: bool = False
    live: bool = False
    context: str = ""
    against: str | None = None
    timeout: float = 60.0
    format: str = "text"
    tree: bool = False
    show_rbac: bool = False

    def of(self, plan: Plan) -> Request:
        """The request that is meant."""
        return question(
            plan, self.source, self.to, self.method, self.path, headers=self.headers, by_name=not self.by_address
        )


def trace(console: Console, choice: Choice, asked: Question) -> int:
    """Run the command.

    Returns:
        0 if it could be told, 3 if not.

    Raises:
        MeshdslError: the policies are wrong, what was asked makes no sense for them, or the cluster cannot be read.
    """
    _check(asked)
    found = project(choice)
    if len(found.jobs) > 1 and (asked.live or asked.against):
        names = ", ".join(job.name for job in found.jobs)
        raise click.UsageError(f"the objects are those of one cluster: choose it with --cluster; there are {names}")
    files = read(found.policies, permit=found.permit)
    if asked.show_rbac:
        console.write(_role(found, files))
        return 0
    of_mesh = bool(choice.clusters or choice.target or asked.live or asked.against)
    if not of_mesh:
        traces = list(_meant(console, found, files, asked))
        note_refused(console, found.name, files, found.jobs)
    else:
        traces = [pair for job in found.jobs for pair in _read(console, found, files, job, asked)]
    if asked.format == "json":
        console.write(trace_json(traces, places(Path.cwd())))
    else:
        console.write(visible("\n".join(_texts(traces, asked, of_mesh=of_mesh))))
    return 3 if any(one.verdict is Verdict.UNKNOWN for _, one in traces) else 0


def _check(asked: Question) -> None:
    """What was given together makes sense."""
    if not asked.show_rbac:
        for given, option in ((asked.source, "--from"), (asked.to, "--to")):
            if not given:
                raise click.UsageError(f"Missing option '{option}'.")
    if asked.against is not None and asked.live:
        raise click.UsageError("--live and --against exclude each other: objects come from one place")
    if asked.context and not asked.live:
        raise click.UsageError("--context names a live cluster: it goes with --live")


def _meant(console: Console, found: Project, files: PolicyFiles, asked: Question) -> Iterator[Named]:
    """What the policies of each cluster mean; of clusters that do not know what is asked for, the first error."""
    errors: list[tuple[str, QuestionError]] = []
    for job in found.jobs:
        policies = meant_for(files.policy_set(job.environment, found.name), job.target)
        try:
            plan = meaning(policies, job.name)
            yield job.name, trace_plan(plan, asked.of(plan))
        except QuestionError as error:
            errors.append((job.name, error))
    if len(errors) == len(found.jobs):
        cluster, first = errors[0]
        if all(other.diagnostics == first.diagnostics for _, other in errors):
            raise first  # it makes no sense for any of them: no cluster is to be named
        raise QuestionError(one.on(cluster) for one in first.diagnostics)
    for cluster, wrong in errors:
        for one in wrong.diagnostics:
            console.note(f"left out: {cluster}: {one.message}")


def _read(console: Console, found: Project, files: PolicyFiles, job: Job, asked: Question) -> Iterator[Named]:
    """What the mesh of a cluster does, from its manifests or what is there; and what the policies mean, to compare."""
    bundle = compile_for(files.policy_set(job.environment, found.name), job.target, cluster=job.name)
    request = asked.of(bundle.plan)
    title = f"{bundle.target.title} {bundle.target.version}"
    if asked.live:
        yield job.name, _live(console, bundle, job, request, asked)
    elif asked.against is not None:
        from meshdsl.cli.objects import read_objects

        names = [one.name for one in found.jobs]
        where = "standard input" if asked.against == "-" else asked.against
        yield job.name, _told(bundle, request, read_objects(asked.against, bundle, names, job.name), where)
    else:
        yield job.name, trace_objects(bundle, request, read=f"the manifests for {title}")
    yield job.name, trace_plan(bundle.plan, request)


def _live(console: Console, bundle: Bundle, job: Job, request: Request, asked: Question) -> Trace:
    from meshdsl.cluster import KubectlCluster

    context = asked.context or job.context
    with KubectlCluster(context, timeout=asked.timeout, log=console.detail, uid=job.uid) as cluster:
        snapshot = cluster.snapshot(_scopes(bundle, request))
        name = f"context {context}" if context else cluster.name
    return _told(bundle, request, snapshot, name)


def _told(bundle: Bundle, request: Request, snapshot: Snapshot, where: str) -> Trace:
    """What the mesh does with the objects of a snapshot; unknown where some of them could not be read."""
    from meshdsl.cli.objects import reasons_of

    return trace_objects(
        bundle,
        request,
        snapshot.objects,
        read=f"{where}, as {bundle.target.title} {bundle.target.version} reads it",
        unknown=reasons_of(snapshot.unknown),
        complete=snapshot.complete_services,
    )


def _scopes(bundle: Bundle, request: Request) -> tuple[Scope, ...]:
    from meshdsl.compare.kinds import scopes_of_request

    named = (request.service.partition("/")[0], request.caller.namespace)
    known = {namespace.name for namespace in bundle.plan.namespaces}
    return scopes_of_request(bundle.target, [name for name in named if name in known])


def _role(found: Project, files: PolicyFiles) -> str:
    from meshdsl.cluster import cluster_role
    from meshdsl.compare.kinds import scopes_of_request
    from meshdsl.render import render

    scopes: set[Scope] = set()
    for job in found.jobs:
        bundle = compile_for(files.policy_set(job.environment, found.name), job.target, cluster=job.name)
        scopes.update(scopes_of_request(job.target, [namespace.name for namespace in bundle.plan.namespaces]))
    return render(cluster_role(scopes, identity=any(job.uid for job in found.jobs)))


def _texts(traces: list[Named], asked: Question, *, of_mesh: bool) -> Iterator[str]:
    """A block for each answer, with the clusters that have it.

    Of what policies mean, clusters with one answer are told together although other rules may have been passed over
    there; of meshes, and where the whole tree is asked for, only those of which all is the same.
    """
    told = [(cluster, one, "") for cluster, one in traces]
    if of_mesh:
        pairs = zip(traces[::2], traces[1::2], strict=True)
        told = [(cluster, found, _compared(found, meant)) for (cluster, found), (_, meant) in pairs]
    place = places(Path.cwd())
    blocks: dict[object, list[_Told]] = {}
    for cluster, one, more in told:
        text = trace_text(replace(one, read=""), place, tree=asked.tree) + more
        blocks.setdefault(text if of_mesh or asked.tree else _answer(one), []).append(_Told(cluster, one, text, more))
    for alike in blocks.values():
        title = f"On {', '.join(one.cluster for one in alike)}:\n" if len(told) > 1 else ""
        read = " and ".join(dict.fromkeys(one.trace.read for one in alike))
        text = trace_text(replace(alike[0].trace, read=read), place, tree=asked.tree)
        yield title + text + _others(alike) + alike[0].more


class _Told(NamedTuple):
    """The trace of a cluster, its text without what was read, and what stands below it."""

    cluster: str
    trace: Trace
    text: str
    more: str


def _answer(one: Trace) -> object:
    """What becomes of a request, without why: of one that is not let in, nothing of what would have been done."""
    return outcome(one), one.answer.mtls, one.traffic if one.allowed else None, one.answer.unknown


def _others(alike: list[_Told]) -> str:
    """Which of the clusters of a block came to their answer in another way, in a line."""
    differ = [one.cluster for one in alike if one.text != alike[0].text]
    if not differ:
        return ""
    return f"\n  these are the steps on {alike[0].cluster}; on {', '.join(differ)} some differ: --explain shows them\n"


def _compared(found: Trace, meant: Trace) -> str:
    """Whether the policies mean the same, in a line."""
    if Verdict.UNKNOWN in (found.verdict, meant.verdict):
        return ""
    redirects = [one.traffic.redirect for one in (found, meant) if one.traffic is not None]
    if len(redirects) == 2 and redirects[0] is not None and redirects[0] == redirects[1]:
        return ""  # whether a caller who may not is sent away or refused is the mesh's affair (semantics §3 Redirect)
    told = ["verdict"]
    if meant.allowed:
        told += ["versions", "services", "deadline", "status"]
        # How a mesh retries where that is left to it is its own affair.
        told += [] if meant.tries is None else ["tries"]
    if all(getattr(found, name) == getattr(meant, name) for name in told):
        return ""
    return f"\n  the policies mean: {outcome(meant)}\n"
