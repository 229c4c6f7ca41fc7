"""Wall time and peak memory of subprocesses, interleaved, so that a slow moment of the machine falls on all alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Subject:
    """A command to measure.

    Attributes:
        command: what is run.
        cwd: where.
        before: called before each run, not measured.
        code: that it ends with.
        seconds: of each run.
        peak: KiB, of each run.
    """

    command: Sequence[str]
    cwd: Path
    before: Callable[[], object] = lambda: None
    code: int = 0
    seconds: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)

    def run(self) -> None:
        """One run. Raises CalledProcessError if the command ends otherwise: a failure is not a figure."""
        self.before()
        start = time.perf_counter()
        process = subprocess.Popen(self.command, cwd=self.cwd, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds.append(time.perf_counter() - start)
        self.peak.append(usage.ru_maxrss)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        if code != self.code:
            raise subprocess.CalledProcessError(code, self.command)

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def mebibytes(self) -> float:
        """Median peak memory."""
        return statistics.median(self.peak) / 1024


def interleaved(subjects: Sequence[Subject], runs: int) -> None:
    """Measure the subjects in turn, ``runs`` times, after one run of each that does not count."""
    for subject in subjects:
        subject.run()
        subject.seconds.clear()
        subject.peak.clear()
    for _ in range(runs):
        for subject in subjects:
            subject.run()
