"""What meshdsl has to say about somebody's policies: where, what, why, and what to do instead.

Every stage collects :class:`Diagnostic` values and none prints. They are sorted and shown together by the command
line, or carried by the one exception a stage raises. A code is stable and never reused; ``meshdsl.codes`` has a page
for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an object was written.

    Attributes:
        file: path of the Python file, as it was loaded.
        line: line of the call, from 1; 0 where the file or folder as a whole is meant.
        object: name of what was called, such as ``"Canary"``.
    """

    file: str
    line: int
    object: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Severity(StrEnum):
    """How much a diagnostic weighs. Only errors stop a build."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    Attributes:
        code: ``"MESH…"``; its page is shown by ``meshdsl explain CODE``.
        message: one sentence that says what is wrong.
        origin: the object it is about; None if there is no line to show.
        field: the argument of that object, for the caret.
        reason: why, on this mesh or at all.
        help: what to do instead.
        target: the cluster or target it was found for; empty if it does not depend on one.
        related: other places that belong to it, each with a few words.
        severity: error or warning.
    """

    code: str
    message: str
    origin: Origin | None = None
    field: str = ""
    reason: str = ""
    help: str = ""
    target: str = ""
    related: tuple[tuple[str, Origin], ...] = ()
    severity: Severity = Severity.ERROR

    def on(self, target: str) -> Diagnostic:
        """The same finding, said of a cluster or target."""
        return replace(self, target=target)


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Without repetitions, sorted by file, line, code and text, whatever order they were found in."""
    return tuple(
        sorted(
            dict.fromkeys(diagnostics),
            key=lambda d: (
                (d.origin.file, d.origin.line) if d.origin else ("", 0),
                d.code,
                d.message,
                d.target,
                d.field,
            ),
        )
    )


class MeshdslError(Exception):
    """Something is wrong with the input; ``diagnostics`` says what, all at once.

    Attributes:
        diagnostics: at least one, in order.
        exit_code: what the command line exits with: 1 findings, 2 usage, 3 could not do it.
    """

    exit_code = 1

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = in_order(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n".join(": ".join(filter(None, (str(d.origin or ""), d.code, d.message))) for d in self.diagnostics)


class PolicyError(MeshdslError, ValueError):
    """A policy object was built with arguments that it cannot take."""


class LoadError(MeshdslError):
    """The policy files could not be read or run."""


class CompileError(MeshdslError):
    """The policies contradict each other, or mean something that the target cannot do."""


class ConfigError(MeshdslError):
    """The configuration is wrong."""

    exit_code = 2


class OutputError(MeshdslError):
    """The output could not be written."""

    exit_code = 3
