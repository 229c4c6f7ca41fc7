"""``--format script`` of a comparison, ``--script`` of a build: which cluster is meant, and what went wrong before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meshdsl.cli.diff_sides import Compared
from meshdsl.cli.project import Job
from meshdsl.compiler import Bundle
from meshdsl.report.diff_script import Side, diff_script, ended
from meshdsl.report.script import Place, build_script


def script_of_build(job: Job, bundle: Bundle) -> str:
    """The script that applies all that a build makes."""
    return build_script(bundle, Place(job.name, job.context, job.uid))


def script_of_diff(
    bundles: Sequence[tuple[Job, Bundle]], compared: Iterable[Compared], failed: Sequence[str], *, adopt: bool
) -> str:
    """The script that does what a comparison of live clusters has found.

    Args:
        bundles: as they were compiled; empty if nothing could be.
        compared: what came of each.
        failed: names of what could not be compared: then nothing is done anywhere.
        adopt: see :class:`meshdsl.cli.diff.Options`.
    """
    if failed or not bundles:
        return ended([f"{', '.join(failed) or 'nothing'} could not be compared: nothing is changed anywhere"])
    sides = [
        Side(one.report, bundle, Place(job.name, one.context, job.uid), one.diagnostics if one.failed else ())
        for (job, bundle), one in zip(bundles, compared, strict=True)
        if one.report is not None
    ]
    return diff_script(sides, adopt=adopt)
