"""What ``meshdsl build --check -v`` shows of a file that is not what the policies say: its first change.

Enough to recognise it, not a report: ``meshdsl diff`` says what a change means.
"""

from __future__ import annotations

from difflib import unified_diff
from itertools import zip_longest
from pathlib import Path

from meshdsl.report.escape import visible

_BEFORE = 3
_LINES = 12
"""Lines around the first change that are compared. A diff of whole files would take long where they are."""


def first_change(path: Path, wanted: str, shown: str) -> str:
    """The lines around the first difference, as a unified diff from the file to what a build would write.

    Args:
        path: of the file, which is there and is a file of ours.
        wanted: text that a build would write.
        shown: the file's name for the heading.
    """
    there = path.read_bytes().decode("utf-8", "replace").split("\n")
    made = wanted.split("\n")
    pairs = zip_longest(there, made)
    first = next((number for number, (one, other) in enumerate(pairs) if one != other), 0)
    start = max(0, first - _BEFORE)
    old, new = ([line.replace("\r", "\\r") for line in text[start : first + _LINES]] for text in (there, made))
    lines = [line for line in unified_diff(old, new, n=_BEFORE, lineterm="") if line[:3] not in ("---", "+++", "@@ ")]
    return visible("\n".join([f"--- {shown}", "+++ what the policies say", f"@@ from line {start + 1} @@", *lines]))
