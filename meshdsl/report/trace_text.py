"""A trace for people: the outcome in a line, each step with the place that decides it, and the time line of tries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from meshdsl.report.finding import shown
from meshdsl.simulate.attempts import Try
from meshdsl.simulate.trace import Trace, outcome, subject
from meshdsl.simulate.words import Reason
from meshdsl.values import duration_text

_WIDEST = 78
"""Characters of words before the column of places gives way."""
_MOST = 6
"""Steps below a step that are shown as passed over where no tree is asked for."""
_MARKS = {True: "✓ ", False: "✗ ", None: ""}

Line = tuple[str, str]
"""Words, and the place beside them."""

Place = Callable[[str], str]
"""How a place is shown: a file relative to where the user is."""


def places(base: Path) -> Place:
    """How files below a folder are shown: relative to it. An object is shown as it is."""

    def place(where: str) -> str:
        file, colon, line = where.rpartition(":")
        return f"{shown(file, str(base))}:{line}" if colon and line.isdigit() else where

    return place


def trace_text(trace: Trace, place: Place = str, *, tree: bool = False) -> str:
    """The text.

    Args:
        trace: with its reasons.
        place: shows the place of a reason.
        tree: show all steps as a tree: everything that was looked at and passed over.
    """
    lines: list[Line] = [(subject(trace), ""), (f"  read from {trace.read}", "")]
    lines += [(f"  {outcome(trace)}", ""), ("", "")]
    lines += list(_steps(dict.fromkeys(trace.answer.reasons), place, tree=tree))
    for why in trace.answer.unknown:
        lines.append((f"  unknown     {why}", ""))
    times = list(_times(trace)) if trace.allowed else []
    if times:
        lines += [("", ""), ("  time line", "")]
        lines += [(f"    {line}", "") for line in times]
    return "".join(columns(lines))


def columns(lines: Sequence[Line]) -> Iterator[str]:
    """The words, and the places in a column beside them."""
    width = max((len(text) for text, where in lines if where and len(text) <= _WIDEST), default=0)
    for text, where in lines:
        yield f"{text.ljust(width)}  {where}".rstrip() + "\n"


def _steps(reasons: Iterable[Reason], place: Place, *, tree: bool) -> Iterator[Line]:
    for stage, steps in groupby(reasons, key=lambda one: one.stage):
        name = str(stage)
        for step in steps:
            yield f"  {name:<10}  {step.text}", _at(step, place)
            yield from _branches(step.parts, _INDENT, place) if tree else _flat(step.parts, place)
            name = ""


_INDENT = " " * 14


def _flat(parts: Sequence[Reason], place: Place) -> Iterator[Line]:
    """The steps right below one: all that hold, and the first of those that were passed over."""
    passed = [one for one in parts if one.holds is False]
    for one in parts:
        if one.holds is not False or one in passed[:_MOST]:
            yield f"{_INDENT}{_MARKS[one.holds]}{one.text}", _at(one, place)
    if len(passed) > _MOST:
        yield f"{_INDENT}… and {len(passed) - _MOST} more passed over: --explain shows them", ""


def _branches(parts: Sequence[Reason], indent: str, place: Place) -> Iterator[Line]:
    for index, one in enumerate(parts, 1):
        last = index == len(parts)
        yield f"{indent}{'└─' if last else '├─'} {_MARKS[one.holds]}{one.text}", _at(one, place)
        yield from _branches(one.parts, indent + ("   " if last else "│  "), place)


def _at(one: Reason, place: Place) -> str:
    return place(one.where) if one.where else ""


def _times(trace: Trace) -> Iterator[str]:
    """A line for each try that could be made; none where a request is sent once and nothing bounds it."""
    line = trace.time_line
    if len(line) < 2 and trace.deadline is None:
        return
    for one in line:
        yield f"try {one.number}   {_begins(one)}{_ends(one)}"
    if trace.deadline is not None:
        yield f"{_time(trace.deadline)}   the caller gets 504 if there is no answer yet"


def _begins(one: Try) -> str:
    if one.latest == one.earliest:
        return f"begins at {_time(one.earliest)}"
    if one.latest is None:
        return f"begins at {_time(one.earliest)} or later, when the one before it has failed"
    return f"begins between {_time(one.earliest)} and {_time(one.latest)}"


def _ends(one: Try) -> str:
    return "" if one.ends is None else f", given up at {_time(one.ends)}"


def _time(milliseconds: int) -> str:
    return duration_text(milliseconds) if milliseconds else "0s"
