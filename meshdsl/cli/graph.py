"""``meshdsl graph``: services, canaries and declared calls as Mermaid, DOT or SVG."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from meshdsl.cli.console import Console
from meshdsl.cli.diff import write_file
from meshdsl.cli.project import Choice, project
from meshdsl.compare.reach.graph import MeshGraph
from meshdsl.compare.reach.graph import graph as graph_of
from meshdsl.compiler import meaning, meant_for
from meshdsl.loading.load import read
from meshdsl.report.graph_report import graph_report
from meshdsl.report.graph_words import GraphFormat

STREAM = "-"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was given beside the choice of clusters.

    Attributes:
        namespace: only what is in it, with whom it is connected.
        service: only this service, with whom it is connected.
        format: of the graph.
        output: file to write it to; None for standard output.
    """

    namespace: str | None = None
    service: str | None = None
    format: GraphFormat = "mermaid"
    output: str | None = None


def graph(console: Console, choice: Choice, options: Options) -> int:
    """Run the command.

    Raises:
        click.UsageError: the clusters have different graphs, and none was chosen.
        MeshdslError: the policies are wrong, or there is no such namespace or service.
    """
    if options.namespace and options.service:
        raise click.UsageError("--namespace and --service exclude each other")
    found = project(choice)
    files = read(found.policies, permit=found.permit)
    graphs: dict[str, MeshGraph] = {}
    for job in found.jobs:
        plan = meaning(meant_for(files.policy_set(job.environment, found.name), job.target), job.name)
        graphs[job.name] = graph_of(plan, namespace=options.namespace, service=options.service)
    texts = {name: graph_report(options.format, one, str(Path.cwd())) for name, one in graphs.items()}
    if len(set(texts.values())) > 1:
        raise click.UsageError(f"the clusters have different graphs; choose one: {_ready(choice, options, texts)}")
    (text,) = set(texts.values())
    if options.output is None or options.output == STREAM:
        console.write(text)
    else:
        write_file(Path(options.output), text)
    return 0


def _ready(choice: Choice, options: Options, clusters: Iterable[str]) -> str:
    """The command that draws the first cluster, to be copied, and the names of the others."""
    words = ["meshdsl", "graph", *([choice.path] if choice.path is not None else [])]
    words += ["--namespace", options.namespace] if options.namespace else []
    words += ["--service", options.service] if options.service else []
    words += ["--format", options.format] if options.format != "mermaid" else []
    words += ["--output", options.output] if options.output is not None else []
    first, *others = clusters
    return f"{shlex.join([*words, '--cluster', first])} (or {', '.join(others)})"
