"""The commands: their arguments and their help. What they do is in the module of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meshdsl.cli.console import Console
from meshdsl.cli.options import RISKS, SECONDS, VIEWS, clusters, diff_format, report_format, verbosity

if TYPE_CHECKING:
    from meshdsl.report.support import TableFormat

_EXISTING = click.Path(exists=True)


@click.command(
    short_help="Compile the policies.",
    epilog="\b\nExample:\n  meshdsl build --cluster istio --script > apply.sh\n",
)
@click.argument("path", type=_EXISTING, required=False)
@clusters
@click.option("--out", metavar="DIR", help="Where to write, or '-' for one YAML stream of one cluster.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where the output is not what the policies say.")
@click.option("--script", is_flag=True, help="Print a shell script that applies everything to one cluster.")
@report_format
@verbosity
@click.pass_obj
def build(
    console: Console,
    *,
    path: str | None,
    clusters: tuple[str, ...],
    target: str | None,
    out: str | None,
    check: bool,
    script: bool,
) -> int:
    """Compile the policies, for every cluster or some.

    PATH is the folder or file with the configuration. Manifests are written to DIR/CLUSTER/NAMESPACE/SERVICE.yaml.
    Nothing is written if anything is wrong for any cluster.
    """
    from meshdsl.cli.build import build as run
    from meshdsl.cli.project import Choice

    return run(console, Choice(path, clusters, target), out, check=check, script=script)


@click.command(
    short_help="Show what would change, and what that means.",
    epilog=f"\b\nRisks:\n  {RISKS}\n\n\b\nExample:\n"
    "  meshdsl diff --against git:HEAD --fail-on widened-access,weakened-mtls\n",
)
@click.argument("path", type=_EXISTING, required=False)
@clusters
@click.option("--context", default="", help="Of the kubeconfig. [default: that of the configuration, or the current]")
@click.option("--against", metavar="DIR|FILE|-|git:REV", help="Manifests or a revision, in place of a live cluster.")
@click.option("--view", "views", multiple=True, type=click.Choice(VIEWS), help="May be given twice. [default: all]")
@diff_format
@click.option("--output", metavar="FILE", help="Where to write the report. [default: standard output]")
@click.option("--fail-on", multiple=True, metavar="RISK,…", help="Exit 1 on these risks only, such as widened-access.")
@click.option("--adopt", is_flag=True, help="Compare objects that are not ours as if they were.")
@click.option("--show-foreign", is_flag=True, help="Show fields that others set.")
@click.option("--pods", is_flag=True, help="Count the pods that each changed object selects; tell what selects none.")
@click.option("--server-side", is_flag=True, help="Show what the API server answers to a dry-run apply.")
@click.option("--timeout", default=60.0, type=SECONDS, show_default=True, help="In seconds.")
@click.option("--show-rbac", is_flag=True, help="Print the smallest ClusterRole that this diff needs, and end.")
@verbosity
@click.pass_obj
def diff(
    console: Console, /, *, path: str | None, clusters: tuple[str, ...], target: str | None, **options: Any
) -> int:
    """Show what would change, and what it means: risks, policies, who may call what, and every field.

    Against the live cluster it only reads. Exit code 0: no differences, 1: differences (with --fail-on: one of these
    risks), 3: something could not be told; 3 wins over 1.
    """
    from meshdsl.cli.diff import Options
    from meshdsl.cli.diff import diff as run
    from meshdsl.cli.project import Choice

    return run(console, Choice(path, clusters, target), Options(**options))


@click.command(
    short_help="Say what happens to a request.",
    epilog="\b\nExample:\n  meshdsl trace --from prod/web --to prod/api GET '/items?page=2' -H 'x-canary: true'\n",
)
@click.argument("method", metavar="[METHOD]", required=False, default="")
@click.argument("url", metavar="[PATH]", required=False, default="")
@click.argument("folder", type=_EXISTING, required=False)
@click.option("--from", "source", default="", metavar="CALLER", help="NAMESPACE/SERVICE, or another of the above.")
@click.option(
    "--to", default="", metavar="NAMESPACE/SERVICE[:PORT]", help="The service; its port where it has several."
)
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME: VALUE", help="May be given several times.")
@click.option("--by-address", is_flag=True, help="The caller uses a pod's address, not the service's name.")
@clusters
@click.option("--live", is_flag=True, help="Read the objects of the cluster, through kubectl.")
@click.option("--context", default="", help="Of the kubeconfig, for --live. [default: that of the configuration]")
@click.option("--against", metavar="DIR|FILE|-", help="Read these objects in place of the manifests.")
@click.option("--timeout", default=60.0, type=SECONDS, show_default=True, help="In seconds.")
@click.option("--explain", "tree", is_flag=True, help="Show as a tree what was looked at and passed over.")
@click.option("--format", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("--show-rbac", is_flag=True, help="Print the smallest ClusterRole that --live needs, and end.")
@verbosity
@click.pass_obj
def trace(
    console: Console,
    /,
    *,
    method: str,
    url: str,
    folder: str | None,
    clusters: tuple[str, ...],
    target: str | None,
    **options: Any,
) -> int:
    """Say what happens to a request: where it goes, how often it is tried, how long it may take, and who lets it in.

    Without METHOD and PATH it is a connection. CALLER is a service, a service account as account:NAMESPACE/NAME,
    anyone (a caller in the mesh whom no policy names) or outside (one outside the mesh). FOLDER has the configuration.

    The answer is what the policies mean; with --cluster or --target, what that mesh does with its manifests, and with
    --live, what it does with what the cluster has. Exit code 3: something could not be told.
    """
    from pathlib import Path

    from meshdsl.cli.project import Choice
    from meshdsl.cli.trace import Question
    from meshdsl.cli.trace import trace as run

    if method.startswith("/"):
        method, url, folder = "", method, url or folder
    elif not url and not method.isupper() and Path(method).is_dir():  # a connection, asked of another folder
        method, folder = "", method
    return run(console, Choice(folder, clusters, target), Question(method=method, path=url, **options))


@click.command(
    short_help="Explain a service, a code or a kind of policy.",
    epilog="\b\nExample:\n  meshdsl explain prod/api --cluster istio\n  meshdsl explain MESH512\n"
    "  meshdsl explain Canary\n",
)
@click.argument("subject", metavar="NAMESPACE/SERVICE|CODE|KIND", required=False)
@click.argument("path", type=_EXISTING, required=False)
@clusters
@click.option("--codes", "listed", flag_value="codes", help="List all codes.")
@click.option("--kinds", "listed", flag_value="kinds", help="List all that policies are made of.")
@click.option("--settings", "listed", flag_value="settings", help="List all keys of the configuration.")
@click.option("--format", type=click.Choice(("text", "markdown")), default="text", help="Of a list.")
@verbosity
@click.pass_obj
def explain(
    console: Console,
    *,
    subject: str | None,
    path: str | None,
    clusters: tuple[str, ...],
    target: str | None,
    listed: str | None,
    format: str,
) -> int:
    """Say what applies to a service and where it was written, or what a code or a kind of policy means.

    With --cluster or --target it says as well how far that mesh can do it, and by which objects.
    """
    from meshdsl.cli.explain import explain as run
    from meshdsl.cli.explain import listing
    from meshdsl.cli.project import Choice

    if listed is not None:
        return listing(console, listed, markdown=format == "markdown")
    return run(console, subject, Choice(path, clusters, target))


@click.command(
    short_help="Show what each mesh can do.", epilog="\b\nExample:\n  meshdsl support --format markdown > support.md\n"
)
@click.option("--format", type=click.Choice(("text", "markdown", "json")), default="text", show_default=True)
@verbosity
@click.pass_obj
def support(console: Console, format: TableFormat) -> int:
    """Show what each mesh can do, feature by feature, with notes and conditions."""
    from meshdsl.report.support import table

    console.write(table(format))
    return 0


@click.command(short_help="Make a small repository that works.", epilog="\b\nExample:\n  meshdsl init shop\n")
@click.argument("directory", type=click.Path(), default=".")
@verbosity
@click.pass_obj
def init(console: Console, directory: str) -> int:
    """Make a small repository in DIRECTORY that works. Asks nothing, overwrites nothing."""
    from meshdsl.cli.init import init as run

    return run(console, directory)
