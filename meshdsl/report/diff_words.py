"""What the formats of a comparison share: names, counts, paths, and fragments of objects as YAML.

Nothing is escaped for a terminal, Markdown or HTML here; each format does that for itself, and JSON for no one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from math import isfinite
from typing import Final, Literal, TypeVar

from meshdsl.compare.access.sentences import together
from meshdsl.compare.live import Scope, Unknown
from meshdsl.compare.policy_words import listed
from meshdsl.compare.report import (
    Absent,
    Action,
    DiffReport,
    FieldChange,
    FieldPath,
    ObjectChange,
    PolicyChange,
    Risk,
    RiskFinding,
)
from meshdsl.diagnostics import Diagnostic, Origin
from meshdsl.render import MAX_DEPTH, render
from meshdsl.report.diff_places import rule_name
from meshdsl.report.escape import visible
from meshdsl.report.finding import at, shown
from meshdsl.values import Json, counted

DiffFormat = Literal["text", "json", "markdown", "sarif", "github", "html"]
View = Literal["policy", "access", "fields"]
VIEWS: Final[tuple[View, ...]] = ("policy", "access", "fields")
"""In the order that they are shown: the short ones first."""

SIGNS: Final = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.CONFLICT: "!"}
VERBS: Final = {
    Action.CREATE: "to create",
    Action.UPDATE: "to change",
    Action.DELETE: "to delete",
    Action.CONFLICT: "not ours",
}

# The numbers after those of the first nine were taken when more risks came.
RISK_CODES: Final = {risk: f"MESH{(861 if number < 9 else 871) + number}" for number, risk in enumerate(Risk)}
UNKNOWN_CODE: Final = "MESH870"

MASK: Final = "(masked)"
"""What stands in place of a credential."""

Said = TypeVar("Said", PolicyChange, RiskFinding)

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class DiffDocument:
    """What a report is made of.

    Attributes:
        reports: one for each cluster, without credentials (:func:`meshdsl.report.diff_mask.masked`).
        views: that are shown.
        fail_on: risks that make the run fail.
        base: folder that files are shown relative to.
        diagnostics: warnings of what was compiled, and clusters that could not be compared.
        show_foreign: whether fields that others set are shown.
        config: the line of the configuration that says where the policies are; None without a configuration.
        failed: names of the clusters that could not be compared; ``diagnostics`` say why.
        command: that the report answers, without format and output, so that a reader can be sent to it again.
    """

    reports: Sequence[DiffReport]
    views: tuple[View, ...] = VIEWS
    fail_on: frozenset[Risk] = frozenset()
    base: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()
    show_foreign: bool = False
    config: Origin | None = None
    failed: tuple[str, ...] = ()
    command: str = "meshdsl diff"


def differs(report: DiffReport, views: Iterable[View]) -> bool:
    """Whether anything differs in these views."""
    of_view: dict[View, Sequence[object]] = {
        "policy": report.policy,
        "access": report.access,
        "fields": report.objects,
    }
    return any(of_view[view] for view in views)


def place(origins: Iterable[Origin], base: str) -> str:
    """The first line that asks for something, as ``file:line``; empty if none is known."""
    return next((at(shown(origin.file, base), origin.line) for origin in origins), "")


def title(report: DiffReport) -> str:
    """The sides of a comparison."""
    return f"{report.cluster} against {report.against}" if report.against else report.cluster


def counts(objects: Iterable[ObjectChange]) -> str:
    """``3 objects differ: 1 to create, 2 to change``; empty if there are none."""
    actions = Counter(change.action for change in objects)
    total = sum(actions.values())
    if not total:
        return ""
    verb = "differs" if total == 1 else "differ"
    return f"{counted(total, 'object')} {verb}: " + ", ".join(
        f"{actions[action]:,} {VERBS[action]}" for action in Action if actions[action]
    )


def unseen(objects: Iterable[ObjectChange], views: Sequence[View]) -> str:
    """That objects differ where the views do not show it; empty if none does."""
    total = sum(1 for _ in objects)
    if not total:
        return ""
    which = "this view does" if len(views) == 1 else "these views do"
    return f"{counted(total, 'object')} {'differs' if total == 1 else 'differ'} in fields, which {which} not show"


def summary(report: DiffReport, views: Sequence[View] = VIEWS) -> str:
    """One comparison in one line."""
    parts = [counts(report.objects) if "fields" in views else unseen(report.objects, views)]
    if not report.objects:
        meant = meanings(report)
        # A change of meaning without one of an object is rare: two objects may say the same.
        parts = [f"no object differs, {counted(meant, 'meaning')} changed" if meant else _agreement(report)]
    parts += [counted(len(risk_rows(report)), "risk")] if report.risks else []
    parts += [f"{len(report.unknown):,} not known"] if report.unknown else []
    return "; ".join(parts)


def _agreement(report: DiffReport) -> str:
    if report.unknown:
        return "no difference in what could be read"
    return f"no differences in {counted(report.compared, 'object')}" if report.compared else "no differences"


def policy_rows(report: DiffReport) -> list[PolicyChange]:
    """The policy view for people: what one policy means for several services of a namespace is one row."""
    return _of_services(report.policy)


def risk_rows(report: DiffReport) -> list[RiskFinding]:
    """The risks for people: what one line means for several services of a namespace is one row."""
    rows: list[RiskFinding] = []
    for _, found in groupby(report.risks, key=lambda one: one.risk):
        rows += _of_services(tuple(found))
    return rows


def _of_services(said: Sequence[Said]) -> list[Said]:
    """Sentences that differ in their subjects alone, and stand on one line, as one each."""
    groups: dict[tuple[object, ...], list[Said]] = {}
    for one in said:
        namespace, slash, _ = one.subject.partition("/")
        before, found, after = one.sentence.partition(one.subject)
        if not (slash and found) or _is_name(before[-1:]) or _is_name(after[:1]):
            groups[one.subject, one.sentence, len(groups)] = [one]
            continue
        groups.setdefault((namespace, before, after, one.origins[:1]), []).append(one)
    return [_of_all(found) for found in groups.values()]


def _is_name(character: str) -> bool:
    """Whether a character goes on with a name, which is then a longer one."""
    return character.isalnum() or character in ("/", "-", ".")


def _of_all(found: Sequence[Said]) -> Said:
    first = found[0]
    subjects = listed(tuple(dict.fromkeys(one.subject for one in found)))
    if len(found) == 1:
        return first
    before, _, after = first.sentence.partition(first.subject)
    after = after.replace("which is no longer declared", "which are no longer declared")
    if not before and after.startswith(" is "):
        after = f" are {after.removeprefix(' is ')}"
    return replace(first, sentence=f"{before}{subjects}{after}")


_CANNOT = re.compile(r'(User "[^"]*") cannot \w+ resource')
"""How the API server refuses (``k8s.io/apiserver``, ``authorization``); the rest of it names one resource."""


def unknown_rows(report: DiffReport) -> list[UnknownRow]:
    """What could not be told, for people: what has the same reason is one row.

    A missing permission is missing for each kind in each namespace: that is one reason, and not twenty.
    """
    groups: dict[tuple[str, str], list[Unknown]] = {}
    for one in report.unknown:
        groups.setdefault((one.code, _reason(one)), []).append(one)
    rows = [_unknown_row(reason, found) for (_, reason), found in groups.items()]
    for untold in report.untold:
        risks = listed(tuple(risk.value for risk in untold.risks), "or")
        rows.append(UnknownRow(f"risks of {untold.subject} ({risks})", untold.reason, (), untold.risks))
    return rows


def is_unanswered(report: DiffReport, views: Iterable[View], fail_on: Collection[Risk]) -> bool:
    """Whether what could not be read back leaves what was asked without an answer: a risk, or the policy view."""
    if fail_on:
        return any(risk in fail_on for untold in report.untold for risk in untold.risks)
    return bool(report.untold) and "policy" in views and "fields" not in views


@dataclass(frozen=True, slots=True)
class UnknownRow:
    """Kinds and namespaces, or risks, that could not be told for one reason."""

    what: str
    reason: str
    scopes: tuple[Scope, ...]
    risks: tuple[Risk, ...] = ()


def _reason(one: Unknown) -> str:
    """A reason without the names of what it is about, which stand before it."""
    refused = _CANNOT.search(one.reason) if one.code == "forbidden" else None
    if refused is not None:
        return f"forbidden: {refused[1]} cannot list them"
    if one.code == "not-in-dump":
        return "the dump has none of them: it is not known whether there are any"
    return one.reason


def _unknown_row(reason: str, found: Sequence[Unknown]) -> UnknownRow:
    if len(found) == 1:
        return UnknownRow(str(found[0].scope), found[0].reason, (found[0].scope,))
    by_kinds: dict[tuple[str, ...], list[str]] = {}
    for namespace in dict.fromkeys(one.scope.namespace for one in found):
        kinds = tuple(str(one.scope.kind) for one in found if one.scope.namespace == namespace)
        by_kinds.setdefault(kinds, []).append(namespace)
    parts = [
        f"{listed(kinds)} in {listed(tuple(namespaces))}" if namespaces != [""] else listed(kinds)
        for kinds, namespaces in by_kinds.items()
    ]
    return UnknownRow("; ".join(parts), reason, tuple(one.scope for one in found))


def meanings(report: DiffReport) -> int:
    """How many changes of meaning are shown."""
    return len(policy_rows(report)) + len(together(report.access))


def aside(report: DiffReport, *, show_foreign: bool) -> list[tuple[ObjectChange, list[str]]]:
    """Objects that agree and are worth a word, with the words; those of others' fields only on demand."""
    said = ((change, remarks(change) + (foreign_lines(change) if show_foreign else [])) for change in report.aside)
    return [(change, words) for change, words in said if words]


def foreign_lines(change: ObjectChange) -> list[str]:
    """The fields that others set, one a line."""
    lines = []
    for field in change.foreign:
        value = "" if isinstance(field.live, Absent) else ": " + " ".join(yaml_lines(field.live))
        note = f" ({field.note})" if field.note else ""
        lines.append(f"set by others: {path_text(field.path)}{value}{note}")
    return lines


def path_text(path: FieldPath) -> str:
    """``spec.rules[0].backendRefs[name=api-v2].weight``."""
    text = ""
    for part in path:
        if isinstance(part, int) or "=" in part:
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


Pair = tuple[str | None, str | None]
"""A line before and the line after at the same height; a side that is not there is None, equal sides are unchanged."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """Fields that lie beside each other, under one heading.

    Attributes:
        where: path of what they lie in.
        rows: the lines of each field, and a note.
    """

    where: str
    rows: tuple[tuple[tuple[Pair, ...], str], ...]


def hunks(change: ObjectChange) -> Iterator[Hunk]:
    """Changed fields, in their order, under the paths that they lie in."""
    for where, group in groupby(change.fields, key=lambda field: field.path[:-1]):
        rule = rule_name(change, where)
        yield Hunk(f"{path_text(where)} ({rule})" if rule else path_text(where), tuple(_row(field) for field in group))


def _row(field: FieldChange) -> tuple[tuple[Pair, ...], str]:
    last = field.path[-1] if field.path else ""
    before, after = _side(last, field.live), _side(last, field.ours)
    # Two masked values look alike and are not, so they are never taken for unchanged lines.
    if any(MASK in line for line in before):
        return tuple(zip_longest(before, after)), field.note
    return tuple(beside(before, after)), field.note


def beside(before: Sequence[str], after: Sequence[str]) -> Iterator[Pair]:
    """Two texts, equal lines at the same height."""
    for _, start, end, other_start, other_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        yield from zip_longest(before[start:end], after[other_start:other_end])


def signed_lines(pairs: Iterable[Pair]) -> Iterator[tuple[str, str]]:
    """The lines of a unified diff with their signs: what goes before what comes, wherever both are changed."""
    for is_same, group in groupby(pairs, key=lambda pair: pair[0] == pair[1] and MASK not in str(pair[0])):
        rows = list(group)
        if is_same:
            yield from ((" ", str(before)) for before, _ in rows)
            continue
        yield from (("-", before) for before, _ in rows if before is not None)
        yield from (("+", after) for _, after in rows if after is not None)


def _side(name: str | int, value: Json | Absent) -> tuple[str, ...]:
    if isinstance(value, Absent):
        return ()
    if isinstance(name, int) or "=" in name:
        return tuple(yaml_lines([value]))
    return tuple(yaml_lines({name: value} if name else value))


def yaml_lines(value: Json) -> list[str]:
    """A value as the lines of a YAML document, whatever a cluster or dump holds."""
    writable = _writable(value, 1)
    if isinstance(writable, Mapping):
        return render(writable).splitlines()
    lines = render({"v": writable}).splitlines()
    return lines[1:] if len(lines) > 1 else [lines[0].removeprefix("v: ")]


def _writable(value: Json, depth: int) -> Json:
    """The value with what our own renderer refuses shown in words: this is for people, and nothing reads it back."""
    if depth >= MAX_DEPTH - 2:
        return "(nested too deeply to be shown)"
    if isinstance(value, Mapping):
        return {_shortened(str(key)): _writable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, Sequence):
        return [_writable(item, depth + 1) for item in value]
    return value


def _shortened(key: str) -> str:
    text = visible(key)
    return text if len(text) <= 300 else f"{text[:300]}…"


def owner_note(change: ObjectChange) -> str:
    """Who else has a say in an object: the owner of a conflict, the driver of delegated fields."""
    if change.action is Action.CONFLICT:
        owner = f"is there and not ours: {change.owner}" if change.owner else "is there and not ours"
        return f"{owner}; --adopt compares it"
    if change.delegated:
        return f"{counted(change.delegated, 'field')} delegated to {change.owner}"
    return ""


def remarks(change: ObjectChange) -> list[str]:
    """Everything that is said of an object beside its fields."""
    texts = [owner_note(change)] if owner_note(change) else []
    texts += ["only some of its fields are ours"] if change.partial else []
    return [*texts, *change.notes]
