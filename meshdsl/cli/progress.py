"""A progress bar for what takes longer than a second, on a terminal only."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Self

_PATIENCE = 1.0
"""Seconds before it is shown."""

_INTERVAL = 0.2
_WIDTH = 24


class Progress:
    """A line on standard error that says which step is under way; gone when the work is done.

    The steps are few and long, so a thread draws, and the work only says when a step begins.
    """

    def __init__(self, steps: int, *, shown: bool) -> None:
        self._steps = max(1, steps)
        self._done = -1
        self._label = ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True) if shown and sys.stderr.isatty() else None

    def step(self, label: str) -> None:
        """The next step begins."""
        self._done += 1
        self._label = label

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def _draw(self) -> None:
        if self._end.wait(_PATIENCE):
            return
        while not self._end.wait(_INTERVAL):
            filled = _WIDTH * self._done // self._steps
            bar = "#" * filled + "-" * (_WIDTH - filled)
            sys.stderr.write(f"\r\x1b[K[{bar}] {self._done}/{self._steps} {self._label}")
            sys.stderr.flush()
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
