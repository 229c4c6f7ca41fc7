"""The root command, and how a run of it ends.

click's own ``main`` is not used: it exits with 1 for a usage error and for a closed pipe, where 1 means findings here.
"""

from __future__ import annotations

import os

import click

from meshdsl.cli import asking, commands
from meshdsl.cli.console import Console
from meshdsl.cli.options import verbosity
from meshdsl.version import VERSION

_COMPLETE = "_MESHDSL_COMPLETE"

_EPILOG = """\b
Exit codes: 0 fine, 1 findings or differences, 2 usage or configuration, 3 could not do it, 70 a bug in meshdsl.

\b
Shell completion, in the shell's start-up file:
  bash:  eval "$(_MESHDSL_COMPLETE=bash_source meshdsl)"
  zsh:   eval "$(_MESHDSL_COMPLETE=zsh_source meshdsl)"
  fish:  _MESHDSL_COMPLETE=fish_source meshdsl | source

\b
Example:
  meshdsl init shop && cd shop && meshdsl build
"""


class App(click.Group):
    """The group of all commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the command that was probably meant."""
        from difflib import get_close_matches

        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            close = get_close_matches(name, self.commands, 1, 0.5)
            meant = f" Did you mean {close[0]!r}?" if close else f" There are: {', '.join(sorted(self.commands))}."
            raise click.UsageError(f"There is no command {name!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> int:
        """Run the command; what is wrong with the input is shown in the format that was asked for."""
        try:
            return int(super().invoke(ctx) or 0)
        except Exception as error:
            from meshdsl.diagnostics import MeshdslError, Severity
            from meshdsl.values import counted

            if not isinstance(error, MeshdslError):
                raise
            console = ctx.ensure_object(Console)
            console.report(error.diagnostics)
            wrong = sum(one.severity is Severity.ERROR for one in error.diagnostics)
            written = ": nothing was written" if ctx.invoked_subcommand == "build" else ""
            if console.format == "text":
                console.note(f"{counted(wrong, 'error')}{written}")
            return error.exit_code


@click.group(
    cls=App,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(VERSION, "--version", message="meshdsl %(version)s")
@verbosity
def app() -> None:
    """Typed service-mesh policies in Python, compiled to Istio, Istio Ambient and Linkerd."""


for _command in (commands.build, commands.diff, commands.explain, commands.support, commands.init, commands.trace):
    app.add_command(_command)
app.add_command(asking.access)
app.add_command(asking.graph)


def _width() -> int:
    """Columns for help. click would ask ``shutil``, which imports every kind of compression."""
    try:
        columns = int(os.environ.get("COLUMNS", "")) or os.get_terminal_size().columns
    except (ValueError, OSError):
        columns = 80
    return max(50, min(columns, 100) - 2)


def run(arguments: list[str]) -> int:
    """Run the command line and return the exit code; usage errors are shown here."""
    completing = os.environ.get(_COMPLETE)
    if completing:
        from click.shell_completion import shell_complete

        return shell_complete(app, {}, "meshdsl", _COMPLETE, completing)
    try:
        with app.make_context("meshdsl", arguments, obj=Console(), terminal_width=_width()) as context:
            return int(app.invoke(context))
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except click.ClickException as error:
        error.show()
        return 2
