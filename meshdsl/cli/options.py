"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from meshdsl.cli.console import Console

F = TypeVar("F", bound=Callable[..., Any])

TARGETS = ("istio", "ambient", "linkerd")
DIFF_FORMATS = ("text", "json", "markdown", "sarif", "github", "html")
SCRIPT = "script"
RISKS = """widened-access, weakened-mtls, moved-traffic, removed-breaker, removed-timeout,
  unsafe-retries, removed-fence, breaking-order, dropped-field, overwritten-object,
  opened-by-others"""
"""As :class:`meshdsl.compare.report.Risk` has them, which takes too long to import for ``--help``."""
VIEWS = ("policy", "access", "fields")


class Seconds(click.FloatRange):
    """A number of seconds; ``nan`` is none, which click's own range lets through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        number: float = super().convert(value, param, ctx)
        if number != number:  # noqa: PLR0124 - nan is the number that is not itself
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return number


SECONDS = Seconds(0.1, 86_400)


def verbosity(function: F) -> F:
    """``-v`` and ``-q``, before or after the command's name."""
    for flag, name, value, words in (
        ("-q", "--quiet", -1, "Say nothing but findings."),
        ("-v", "--verbose", 1, "Say what is done."),
    ):
        function = click.option(
            flag,
            name,
            flag_value=value,
            expose_value=False,
            callback=_set_verbosity,
            default=None,
            type=int,
            help=words,
        )(function)
    return function


def report_format(function: F) -> F:
    """``--format`` of diagnostics."""
    return click.option(
        "--format",
        type=click.Choice(("text", "json", "sarif", "github")),
        default="text",
        show_default=True,
        expose_value=False,
        callback=_set_format,
        is_eager=True,
        help="Of findings.",
    )(function)


def diff_format(function: F) -> F:
    """``--format`` of a comparison; what is wrong with the input is shown in it where it can be, else as text."""
    return click.option(
        "--format",
        type=click.Choice((*DIFF_FORMATS, SCRIPT)),
        default="text",
        show_default=True,
        callback=_set_diff_format,
        is_eager=True,
        help="Of the report.",
    )(function)


def answer_format(*formats: str) -> Callable[[F], F]:
    """``--format`` of an answer; what is wrong with the input is shown in JSON where that is asked for, else as text.

    The first of the formats is the default.
    """
    return click.option(
        "--format",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        callback=_set_diff_format,
        is_eager=True,
        help="Of the answer.",
    )


def clusters(function: F) -> F:
    """``--cluster`` and ``--target``: what to compile for."""
    function = click.option(
        "--target",
        type=click.Choice(TARGETS),
        help="A mesh with the default profile and no configuration: the folder is that of the policies, or policies.",
    )(function)
    return click.option(
        "--cluster",
        "clusters",
        multiple=True,
        metavar="NAME",
        shell_complete=_cluster_names,
        help="A cluster of the configuration; may be given several times. [default: all of them]",
    )(function)


def _cluster_names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For completion: the clusters of the configuration; none where it cannot be read."""
    from pathlib import Path

    from meshdsl.config import find_config, read_config
    from meshdsl.diagnostics import ConfigError

    try:
        config = read_config(find_config(Path(context.params.get("path") or ".")))
    except ConfigError:
        return []
    return [name for name in config.clusters if name.startswith(incomplete)]


def _set_verbosity(context: click.Context, _parameter: click.Parameter, value: int | None) -> None:
    if value is not None:
        _console(context).verbosity = value


def _set_format(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
    _console(context).format = value


def _set_diff_format(context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
    _console(context).format = value if value in ("json", "sarif", "github") else "text"
    return value


def _console(context: click.Context) -> Console:
    console = context.ensure_object(Console)
    console.command = context.info_name or ""
    return console
