"""A comparison as one HTML page that somebody likes to read: a summary, filters, and fields side by side.

The page is whole: no script, style, font or picture comes from elsewhere, and its content security policy lets the
browser load nothing and run only the script that stands in it. Every value goes through jinja2's escaping; names of
a cluster cannot become markup, and control and bidirectional characters are shown, not obeyed.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files as resources
from typing import TYPE_CHECKING, Final

from meshdsl.compare.access.sentences import Together, together
from meshdsl.compare.report import Action, DiffReport, ObjectChange, PolicyChange, Risk, RiskFinding
from meshdsl.diagnostics import Severity
from meshdsl.report.diff_failures import failure_line, failures
from meshdsl.report.diff_words import (
    MASK,
    RISK_CODES,
    DiffDocument,
    Pair,
    UnknownRow,
    aside,
    beside,
    foreign_lines,
    hunks,
    place,
    policy_rows,
    remarks,
    risk_rows,
    summary,
    title,
    unknown_rows,
    yaml_lines,
)
from meshdsl.report.escape import one_line, visible
from meshdsl.values import Json
from meshdsl.version import VERSION

if TYPE_CHECKING:
    from jinja2 import Environment

_WORDS: Final = {
    Action.CREATE: "create",
    Action.UPDATE: "change",
    Action.DELETE: "delete",
    Action.CONFLICT: "not ours",
}

_ABOUT_CALLERS: Final = ("AuthorizationPolicy", "PeerAuthentication", "Server", "Namespace")
_ABOUT_TRAFFIC: Final = ("DestinationRule", "VirtualService", "TrafficSplit")
"""What lets nobody in, and keeps nobody out."""
_OF_CALLERS: Final = (Risk.WIDENED_ACCESS, Risk.WEAKENED_MTLS, Risk.REMOVED_FENCE)

_CLOSED_FROM = 60
"""Objects of one comparison from which their fields are folded: a page of thousands of rows is slow to lay out."""


@dataclass(frozen=True, slots=True)
class Row:
    """Two lines beside each other; a side that is not there is None. A heading or note is a row of its own."""

    before: str | None = None
    after: str | None = None
    heading: str = ""
    note: str = ""
    is_same: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One object, ready to be laid out."""

    change: ObjectChange
    word: str
    namespace: str
    risks: tuple[str, ...]
    where: str
    remarks: tuple[str, ...]
    rows: tuple[Row, ...]
    foreign: tuple[str, ...]
    is_open: bool

    @property
    def is_whole(self) -> bool:
        """Whether all of it comes or goes, so that there is nothing to put beside it."""
        return self.change.action in (Action.CREATE, Action.DELETE)


@dataclass(frozen=True, slots=True)
class Section:
    """One comparison, ready to be laid out."""

    report: DiffReport
    title: str
    summary: str
    tiles: tuple[tuple[str, str, int], ...]
    cards: tuple[Card, ...]
    aside: tuple[tuple[ObjectChange, str], ...]
    risks: tuple[RiskFinding, ...]
    policy: tuple[PolicyChange, ...]
    access: tuple[Together, ...]
    unknown: tuple[UnknownRow, ...]


def page(document: DiffDocument) -> str:
    """The page."""
    environment = _environment(document)
    folder = resources("meshdsl.report") / "templates"
    style = (folder / "diff.css").read_text(encoding="utf-8")
    script = (folder / "diff.js").read_text(encoding="utf-8")
    sections = [_section(report, document) for report in document.reports]
    namespaces = sorted({name for section in sections for name in _namespaces(section)} - {""})
    found = Counter(finding.risk for report in document.reports for finding in report.risks)
    template = environment.from_string((folder / "diff.html.j2").read_text(encoding="utf-8"))
    return template.render(
        document=document,
        sections=sections,
        namespaces=namespaces,
        risks=[risk for risk in Risk if found[risk]],
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        version=VERSION,
        heading=", ".join([*document.failed, *(section.title for section in sections)]) or "nothing was compared",
        failures=[(one.what, tuple(map(failure_line, one.findings))) for one in failures(document)],
        warnings=[one for one in document.diagnostics if one.severity is not Severity.ERROR],
    )


def _environment(document: DiffDocument) -> Environment:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  # only this format needs it

    environment = Environment(
        undefined=StrictUndefined, autoescape=True, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = one_line
    environment.filters["place"] = lambda origins: one_line(place(origins, document.base))
    environment.filters["code"] = RISK_CODES.__getitem__
    environment.filters["namespace"] = _namespace_of
    environment.filters["risks"] = _risks_of
    return environment


def _hash(text: str) -> str:
    """What a content security policy calls an inline style or script (CSP Level 3, ``hash-source``)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _section(report: DiffReport, document: DiffDocument) -> Section:
    cards: tuple[Card, ...] = ()
    if "fields" in document.views:
        is_open = len(report.objects) < _CLOSED_FROM
        cards = tuple(_card(change, report, document, is_open=is_open) for change in report.objects)
    said = aside(report, show_foreign=document.show_foreign) if "fields" in document.views else []
    counted = Counter(change.action for change in report.objects)
    tiles = [(action.value, _WORDS[action], counted[action]) for action in Action]
    found = tuple(risk_rows(report))
    tiles += [("risk", "risks" if len(found) != 1 else "risk", len(found))]
    tiles += [("unknown", "not known", len(report.unknown))]
    return Section(
        report,
        title(report),
        summary(report, document.views),
        tuple(tile for tile in tiles if tile[2]),
        cards,
        tuple((change, one_line("; ".join(words))) for change, words in said),
        found,
        tuple(policy_rows(report)),
        tuple(together(report.access)),
        tuple(unknown_rows(report)),
    )


def _namespaces(section: Section) -> Iterator[str]:
    """The namespaces that something on the page is about."""
    yield from (card.namespace for card in section.cards)
    yield from (_namespace_of(one.subject) for one in section.report.risks)
    yield from (_namespace_of(one.subject) for one in section.report.policy)
    yield from (row.namespace for row in section.access)


def _card(change: ObjectChange, report: DiffReport, document: DiffDocument, *, is_open: bool) -> Card:
    namespace = change.ref.namespace or (change.ref.name if change.ref.kind == "Namespace" else "")
    return Card(
        change,
        _WORDS[change.action],
        namespace,
        tuple(dict.fromkeys(finding.risk.value for finding in report.risks if _concerns(finding, change))),
        one_line(place(change.origins, document.base)),
        tuple(map(one_line, remarks(change))),
        tuple(_rows(change)),
        tuple(map(one_line, foreign_lines(change))) if document.show_foreign else (),
        is_open,
    )


def _concerns(finding: RiskFinding, change: ObjectChange) -> bool:
    """Whether a risk is about an object: it names it, the same line asks for both, or it has its service's name."""
    if finding.subject == str(change.ref):
        return True
    if change.ref.kind == "Namespace" and finding.subject == f"namespace {change.ref.name}":
        return True
    about_callers = finding.risk in _OF_CALLERS
    if finding.origins and change.origins:
        # One line may ask for several objects: that of a service does for all of them.
        others = _ABOUT_TRAFFIC if about_callers else _ABOUT_CALLERS
        is_mode = finding.risk is Risk.WEAKENED_MTLS and change.ref.kind == "DestinationRule"
        return finding.origins[0] in change.origins and (is_mode or change.ref.kind not in others)
    is_about = about_callers == (change.ref.kind in _ABOUT_CALLERS)
    return is_about and finding.subject == f"{change.ref.namespace}/{change.ref.name}"


def _risks_of(change: PolicyChange, report: DiffReport) -> str:
    """The risks at the line of a sentence."""
    found = (one.risk.value for one in report.risks if one.origins and one.origins[0] in change.origins)
    return " ".join(dict.fromkeys(found))


def _namespace_of(subject: str) -> str:
    """Of ``prod/api``, ``HTTPRoute prod/api`` or ``namespace prod``; empty for the mesh."""
    kind, _, name = subject.rpartition(" ")
    namespace, slash, _ = name.partition("/")
    return namespace if slash or kind == "namespace" else ""


def _rows(change: ObjectChange) -> Iterator[Row]:
    if change.action is Action.CREATE:
        yield from (Row(after=visible(line)) for line in yaml_lines(change.ours))
    elif change.action is Action.DELETE:
        yield from (Row(before=visible(line)) for line in yaml_lines(change.live))
    elif change.action is Action.CONFLICT:
        yield from _rows_of(beside(yaml_lines(_in_order_of(change.ours, change.live)), yaml_lines(change.ours)))
    for hunk in hunks(change):
        yield Row(heading=one_line(hunk.where) or "(the object)")
        for pairs, note in hunk.rows:
            yield from _rows_of(pairs)
            if note:
                yield Row(note=one_line(note))


def _in_order_of(ours: Json, live: Json) -> Json:
    """What is there, its names in the order in which we write them: a server sorts them, and that is no difference."""
    if isinstance(ours, Mapping) and isinstance(live, Mapping):
        names = [*(name for name in ours if name in live), *(name for name in live if name not in ours)]
        return {name: _in_order_of(ours.get(name), live[name]) for name in names}
    if isinstance(ours, list | tuple) and isinstance(live, list | tuple):
        return [_in_order_of(ours[at] if at < len(ours) else None, item) for at, item in enumerate(live)]
    return live


def _rows_of(pairs: Iterable[Pair]) -> Iterator[Row]:
    for before, after in pairs:
        yield Row(_visible(before), _visible(after), is_same=before == after and MASK not in str(before))


def _visible(line: str | None) -> str | None:
    return None if line is None else visible(line)
