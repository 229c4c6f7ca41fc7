"""What a command says, and where: the one place that writes to standard output and standard error.

Standard output holds what was asked for: the result in one line, a report for programs, or manifests. Diagnostics for
people go to standard error. Where manifests go to standard output, everything else goes to standard error.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from meshdsl.diagnostics import Diagnostic
    from meshdsl.report import Format
    from meshdsl.values import Json


class Console:
    """How a run of a command speaks.

    Attributes:
        command: its name.
        format: of diagnostics.
        verbosity: -1 nothing but findings, 0, 1 what is done as well.
        output_taken: standard output holds manifests.
    """

    def __init__(self) -> None:
        self.command = ""
        self.format: Format = "text"
        self.verbosity = 0
        self.output_taken = False

    def report(self, diagnostics: Iterable[Diagnostic], summary: Mapping[str, Json] | None = None) -> None:
        """Show findings. JSON and SARIF are documents: they are written even without any."""
        from pathlib import Path

        from meshdsl.report import report

        error_stream = self.format == "text" or self.output_taken
        text = report(
            self.format,
            diagnostics,
            base=str(Path.cwd()),
            command=self.command,
            summary=summary,
            colour=self.format == "text" and colours(),
        )
        self.write(text, error_stream=error_stream)

    def result(self, line: str) -> None:
        """The last line: what the command did."""
        error_stream = self.format != "text" or self.output_taken
        if self.verbosity >= 0 and (error_stream or not is_closed(sys.stdout)):
            self.write(f"{line}\n", error_stream=error_stream)

    def note(self, line: str) -> None:
        """A line that is worth saying although nothing is wrong."""
        if self.verbosity >= 0:
            self.write(f"{line}\n", error_stream=True)

    def detail(self, line: str) -> None:
        """What is being done, for ``-v``."""
        if self.verbosity > 0:
            self.write(f"{line}\n", error_stream=True)

    def write(self, text: str, *, error_stream: bool = False) -> None:
        """UTF-8 bytes, whatever the locale: files, pipes and reports must not depend on it."""
        stream = sys.stderr if error_stream else sys.stdout
        if text and not error_stream and is_closed(stream):
            raise OSError(errno.EBADF, "standard output is closed")
        stream.flush()
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        while rest:
            # With PYTHONUNBUFFERED the stream is the bare file, which may take a part and say so in its answer alone.
            taken = stream.buffer.write(rest)
            if taken is None:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            rest = rest[taken:]
        stream.buffer.flush()


def is_closed(stream: TextIO) -> bool:
    """Whether the stream was closed when the process began, and leads nowhere since (``meshdsl.cli`` opens it so)."""
    return getattr(stream, "name", None) == os.devnull


def colours(*, error_stream: bool = True) -> bool:
    """Whether a stream takes colours: a terminal that is not dumb, and NO_COLOR (no-color.org) is not set."""
    stream = sys.stderr if error_stream else sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
