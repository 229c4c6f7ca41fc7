"""The commands: their arguments and their help. What they do is in the module of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from meshdsl.cli.console import Console
from meshdsl.cli.options import clusters, report_format, verbosity

if TYPE_CHECKING:
    from meshdsl.report.support import TableFormat

_EXISTING = click.Path(exists=True)


@click.command(epilog="\b\nExample:\n  meshdsl build --cluster prod-eu --out - | kubectl apply --server-side -f -\n")
@click.argument("path", type=_EXISTING, required=False)
@clusters
@click.option("--out", metavar="DIR", help="Where to write, or '-' for one YAML stream of one cluster.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where the output is not what the policies say.")
@report_format
@verbosity
@click.pass_obj
def build(
    console: Console, *, path: str | None, clusters: tuple[str, ...], target: str | None, out: str | None, check: bool
) -> int:
    """Compile the policies, for every cluster or some.

    PATH is the folder or file with the configuration. Manifests are written to DIR/CLUSTER/NAMESPACE/SERVICE.yaml.
    Nothing is written if anything is wrong for any cluster.
    """
    from meshdsl.cli.build import build as run
    from meshdsl.cli.project import Choice

    return run(console, Choice(path, clusters, target), out, check=check)


@click.command(epilog="\b\nExample:\n  meshdsl explain prod/api --cluster prod-eu\n  meshdsl explain MESH512\n")
@click.argument("subject", metavar="NAMESPACE/SERVICE|CODE", required=False)
@click.argument("path", type=_EXISTING, required=False)
@clusters
@click.option("--codes", is_flag=True, help="List the pages of all codes.")
@click.option("--format", type=click.Choice(("text", "markdown")), default="text", help="Of the list of codes.")
@verbosity
@click.pass_obj
def explain(
    console: Console,
    *,
    subject: str | None,
    path: str | None,
    clusters: tuple[str, ...],
    target: str | None,
    codes: bool,
    format: str,
) -> int:
    """Say what applies to a service and where it was written, or what a code means.

    With --cluster or --target it says as well how far that mesh can do it, and by which objects.
    """
    from meshdsl.cli.explain import explain as run
    from meshdsl.cli.project import Choice

    return run(console, subject, Choice(path, clusters, target), format if codes else None)


@click.command(epilog="\b\nExample:\n  meshdsl support --format markdown > docs/support.md\n")
@click.option("--format", type=click.Choice(("text", "markdown", "json")), default="text", show_default=True)
@verbosity
@click.pass_obj
def support(console: Console, format: TableFormat) -> int:
    """Show what each mesh can do, feature by feature, with notes and conditions."""
    from meshdsl.report.support import table

    console.write(table(format))
    return 0


@click.command(epilog="\b\nExample:\n  meshdsl init shop\n")
@click.argument("directory", type=click.Path(), default=".")
@verbosity
@click.pass_obj
def init(console: Console, directory: str) -> int:
    """Make a small repository in DIRECTORY that works. Asks nothing, overwrites nothing."""
    from meshdsl.cli.init import init as run

    return run(console, directory)
