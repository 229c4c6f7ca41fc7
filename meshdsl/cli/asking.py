"""The commands that ask who calls whom: their arguments and their help."""

from __future__ import annotations

from typing import Any

import click

from meshdsl.cli.console import Console
from meshdsl.cli.options import SECONDS, answer_format, clusters, verbosity

_EXISTING = click.Path(exists=True)


@click.command(
    short_help="Say who can call what.",
    epilog="\b\nExample:\n  meshdsl access --to prod/api\n  meshdsl access --from outside --cluster istio\n"
    "  meshdsl access --matrix --by service --format html --output access.html\n",
)
@click.argument("path", type=_EXISTING, required=False)
@click.option("--to", metavar="NAMESPACE/SERVICE", help="Who can call this service, or NAMESPACE/* for what else runs.")
@click.option("--from", "source", metavar="CALLER", help="What can this caller call.")
@click.option("--matrix", is_flag=True, help="Everybody and everything.")
@click.option(
    "--by", type=click.Choice(("namespace", "service")), help="Of the matrix. [default: service, if below 30]"
)
@clusters
@click.option("--live", is_flag=True, help="Read the objects of the cluster, through kubectl.")
@click.option("--context", default="", help="Of the kubeconfig, for --live. [default: that of the configuration]")
@click.option("--against", metavar="DIR|FILE|-", help="Read these objects in place of the manifests.")
@click.option("--timeout", default=60.0, type=SECONDS, show_default=True, help="In seconds.")
@answer_format("text", "json", "markdown", "html", "csv")
@click.option("--output", metavar="FILE", help="Where to write the answer. [default: standard output]")
@click.option("--show-rbac", is_flag=True, help="Print the smallest ClusterRole that --live needs, and end.")
@verbosity
@click.pass_obj
def access(
    console: Console, /, *, path: str | None, clusters: tuple[str, ...], target: str | None, **options: Any
) -> int:
    """Say who can call what, in as few rows as there are, each with the rule that decides it.

    CALLER is a service, a service account as account:NAMESPACE/NAME, all accounts of a namespace as NAMESPACE/*, anyone
    (a caller in the mesh whom no rule names) or outside (one outside the mesh).

    The answer is what the policies mean; with --cluster or --target, what that mesh does with its manifests, and with
    --live, what it does with what the cluster has. Exit code 3: something could not be told.
    """
    from meshdsl.cli.access import Options
    from meshdsl.cli.access import access as run
    from meshdsl.cli.project import Choice

    return run(console, Choice(path, clusters, target), Options(**options))


@click.command(
    short_help="Draw who may call whom.",
    epilog="\b\nExample:\n  meshdsl graph --format svg --output mesh.svg\n  meshdsl graph --service prod/api\n",
)
@click.argument("path", type=_EXISTING, required=False)
@click.option("--namespace", metavar="NAMESPACE", help="Only what is in it, with whom it is connected.")
@click.option("--service", metavar="NAMESPACE/SERVICE", help="Only this service, who may call it, whom it may call.")
@clusters
@answer_format("mermaid", "dot", "svg")
@click.option("--output", metavar="FILE", help="Where to write the graph. [default: standard output]")
@verbosity
@click.pass_obj
def graph(
    console: Console, /, *, path: str | None, clusters: tuple[str, ...], target: str | None, **options: Any
) -> int:
    """Draw the services, their versions and mTLS, and who is allowed by name to call whom.

    A service that lets everyone in says so, and has no edge from everybody. A dashed edge is for some requests.
    """
    from meshdsl.cli.graph import Options
    from meshdsl.cli.graph import graph as run
    from meshdsl.cli.project import Choice

    return run(console, Choice(path, clusters, target), Options(**options))
