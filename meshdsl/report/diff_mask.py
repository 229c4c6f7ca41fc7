"""Takes credentials out of a comparison before any format shows it.

A header such as ``authorization`` may be set or matched with a token, and a RequestAuthentication may hold keys
inline. Neither helps a reviewer, and a report ends in logs, pull requests and mail. So the value is replaced in every
field and object, and wherever the same text occurs again: in a sentence, a note, an annotation that keeps a copy.

It does not decide what differs: a value that changed is still shown as a change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from meshdsl.compare.report import (
    Absent,
    AccessChange,
    DiffReport,
    FieldChange,
    FieldPath,
    ObjectChange,
    PolicyChange,
    RiskFinding,
)
from meshdsl.report.diff_words import MASK
from meshdsl.values import Json

_SECRET_NAME = re.compile(
    r"authorization|cookie|token|secret|passw|credential|api[-_]?key|(?:^|[-_])auth(?:$|[-_])|session|signature",
    re.IGNORECASE,
)
"""Names of headers whose value is a credential, or may be one."""

_HEADERS_OF = frozenset({"set", "add", "headers", "withoutHeaders"})
"""Fields whose keys are names of headers, in Istio's HTTP routes."""

_INLINE = frozenset({"jwks", "jwksInline"})
"""Fields whose value is a set of keys itself (Istio's ``JWTRule``)."""

_ATTRIBUTE = re.compile(r"request\.headers\[(.+)\]")
"""A header in a condition of an AuthorizationPolicy."""

_SHORTEST = 6
"""Characters of a value that is looked for in running text: a shorter one occurs by chance."""

_LONG_PART = 12
"""Characters of a part of a value, such as the token behind ``Bearer``, that is looked for on its own."""

T = TypeVar("T", PolicyChange, RiskFinding)


def masked(report: DiffReport) -> DiffReport:
    """The report without credentials."""
    clean = _Cleaner(set(_secrets(report)))
    return replace(
        report,
        objects=tuple(clean.object(change) for change in report.objects),
        aside=tuple(clean.object(change) for change in report.aside),
        policy=tuple(clean.sentence(change) for change in report.policy),
        access=tuple(clean.row(change) for change in report.access),
        risks=tuple(clean.sentence(finding) for finding in report.risks),
        policy_note=clean.text(report.policy_note),
        access_note=clean.text(report.access_note),
    )


class _Cleaner:
    """Replaces credentials, by where they stand and by what they are."""

    def __init__(self, secrets: Iterable[str]) -> None:
        long = sorted((text for text in secrets if len(text) >= _SHORTEST), key=lambda text: (-len(text), text))
        self._known = re.compile("|".join(map(re.escape, long))) if long else None

    def text(self, text: str) -> str:
        return self._known.sub(MASK, text) if self._known else text

    def sentence(self, change: T) -> T:
        return replace(change, sentence=self.text(change.sentence))

    def row(self, change: AccessChange) -> AccessChange:
        conditions = tuple(map(self.text, change.conditions))
        return replace(change, sentence=self.text(change.sentence), conditions=conditions)

    def object(self, change: ObjectChange) -> ObjectChange:
        secret = change.ref.kind == "Secret"
        return replace(
            change,
            fields=tuple(self.field(one, change) for one in change.fields),
            foreign=tuple(self.field(one, change) for one in change.foreign),
            live=self.body(change.live, secret=secret),
            ours=self.body(change.ours, secret=secret),
            notes=tuple(map(self.text, change.notes)),
        )

    def field(self, field: FieldChange, change: ObjectChange) -> FieldChange:
        hidden = _is_hidden(field.path, change)
        key = _last_name(field.path)
        return replace(
            field,
            live=field.live if isinstance(field.live, Absent) else self.value(field.live, key, hidden=hidden),
            ours=field.ours if isinstance(field.ours, Absent) else self.value(field.ours, key, hidden=hidden),
            note=self.text(field.note),
        )

    def body(self, body: Json, *, secret: bool) -> Json:
        if not isinstance(body, Mapping):
            return body
        return {
            key: self.value(value, key, hidden=secret and key in ("data", "stringData")) for key, value in body.items()
        }

    def value(self, value: Json, key: str, *, hidden: bool) -> Json:
        """A value without credentials; ``key`` is the name of the field that it is, or is an item of."""
        if isinstance(value, Mapping):
            return {
                name: self.value(item, name, hidden=hidden or _names_secret(key, name) or _is_secret_part(value, name))
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item, key, hidden=hidden) for item in value]
        if hidden and isinstance(value, str | int | float) and not isinstance(value, bool):
            return MASK
        return self.text(value) if isinstance(value, str) else value


def _names_secret(parent: str, name: str) -> bool:
    """Whether the value of a field is a credential, by its name."""
    return name in _INLINE or (parent in _HEADERS_OF and _SECRET_NAME.search(name) is not None)


def _is_secret_part(item: Mapping[str, Json], name: str) -> bool:
    """Whether a field of an item holds the value of a header that another field of the item names."""
    if name == "value":
        header = item.get("name")
        return isinstance(header, str) and _SECRET_NAME.search(header) is not None
    if name in ("values", "notValues"):
        found = _ATTRIBUTE.fullmatch(str(item.get("key")))
        return found is not None and _SECRET_NAME.search(found[1]) is not None
    return False


def _last_name(path: FieldPath) -> str:
    """The name of the field that a path leads to, or to an item of."""
    return next((part for part in reversed(path) if isinstance(part, str) and "=" not in part), "")


def _is_hidden(path: FieldPath, change: ObjectChange) -> bool:
    """Whether a path leads to a credential, or to a part of one."""
    if change.ref.kind == "Secret" and path[:1] in (("data",), ("stringData",)):
        return True
    places: list[Json] = [change.live, change.ours]
    parent = ""
    for index, part in enumerate(path):
        if isinstance(part, str) and "=" not in part:
            named = [place for place in places if isinstance(place, Mapping)]
            named += [_item_of(path[index - 1])] if index else []
            if _names_secret(parent, part) or any(_is_secret_part(item, part) for item in named):
                return True
            parent = part
        places = [_step(place, part) for place in places]
    return False


def _item_of(part: str | int) -> Mapping[str, Json]:
    """What the ``name=value`` text of an item says of it."""
    name, equals, value = str(part).partition("=")
    return {name: value} if equals else {}


def _step(place: Json, part: str | int) -> Json:
    if isinstance(place, Mapping):
        return place.get(str(part))
    if isinstance(place, list | tuple):
        if isinstance(part, int):
            return place[part] if part < len(place) else None
        name, _, value = part.partition("=")
        return next((item for item in place if isinstance(item, Mapping) and str(item.get(name)) == value), None)
    return None


def _secrets(report: DiffReport) -> Iterator[str]:
    """Every text that stands where a credential does."""
    for change in (*report.objects, *report.aside):
        secret = change.ref.kind == "Secret"
        for body in (change.live, change.ours):
            for key, value in body.items() if isinstance(body, Mapping) else ():
                yield from _below(value, key, hidden=secret and key in ("data", "stringData"))
        for field in (*change.fields, *change.foreign):
            hidden, key = _is_hidden(field.path, change), _last_name(field.path)
            for side in (field.live, field.ours):
                if not isinstance(side, Absent):
                    yield from _below(side, key, hidden=hidden)


def _below(value: Json, key: str, *, hidden: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _below(item, name, hidden=hidden or _names_secret(key, name) or _is_secret_part(value, name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _below(item, key, hidden=hidden)
    elif hidden and isinstance(value, str):
        yield value
        yield from (part for part in value.split() if len(part) >= _LONG_PART)
