"""For which clusters policies do not compile: said beside an answer about what they mean.

What policies mean can be told although a mesh cannot do it; nobody should take that for a cluster that has it.
"""

from __future__ import annotations

from collections.abc import Iterable

from meshdsl.cli.console import Console
from meshdsl.cli.project import Job
from meshdsl.compiler import build
from meshdsl.diagnostics import CompileError, Severity
from meshdsl.loading.load import PolicyFiles


def note_refused(console: Console, name: str, files: PolicyFiles, jobs: Iterable[Job]) -> None:
    """Say in a line for which clusters ``build`` would write nothing; say nothing if there are none.

    Args:
        console: takes the line, on standard error.
        name: of the policy set.
        files: the policies.
        jobs: the clusters that are answered for.
    """
    counts: dict[str, int] = {}
    for job in jobs:
        try:
            build(files.policy_set(job.environment, name), job.target, cluster=job.name)
        except CompileError as error:
            counts[job.name] = sum(one.severity is Severity.ERROR for one in error.diagnostics)
    if counts:
        told = ", ".join(f"{cluster} ({count} finding{'s' if count > 1 else ''})" for cluster, count in counts.items())
        console.note(f"The policies do not compile for {told}: meshdsl build tells why, and writes nothing")
