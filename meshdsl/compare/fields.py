"""Two versions of one object, field by field: what differs, what others set, what the server would drop.

Everything follows from the schema: what is missing counts as its default, a list with keys is compared by them, a set
without regard to order, any other list item by item in order. Where we set a field, the live value is compared with it.
Where we do not, the field is a removal if it stands in a list that we write as a whole or if those who apply our
manifests have set it (:mod:`meshdsl.compare.ownership`), else it is somebody else's. Values are shown as they were
written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meshdsl.compare.align import Pair, is_moved, pairs
from meshdsl.compare.amounts import same_amount
from meshdsl.compare.known import Schema, amount_at, is_assigned, is_nothing, is_unordered, switches_off
from meshdsl.compare.normalise import SERVERS_FIELDS, canonical, list_of, mapping_of, plain
from meshdsl.compare.ownership import Hand, Owners, Step
from meshdsl.compare.report import ABSENT, FieldChange, FieldPath
from meshdsl.compare.schema import Found, default_of, field_of, filled

_REORDERED = "the same in another order: the first that matches wins"


@dataclass(frozen=True, slots=True)
class _At:
    """A place in the object: its path, the same in the words of managers, and its schema.

    ``whole`` says that we write what is here as one piece: an item of a list without keys.
    """

    path: FieldPath
    steps: tuple[Step, ...]
    schema: Schema
    whole: bool = False

    def field(self, name: str, schema: Schema) -> _At:
        return _At((*self.path, name), (*self.steps, name), schema, self.whole)

    def item(self, step: str | int, *, keys: Mapping[str, Any] | None = None) -> _At:
        inner = mapping_of(self.schema.get("items"))
        steps = (*self.steps, keys) if keys is not None else self.steps
        return _At((*self.path, step), steps, inner, self.whole or keys is None)


@dataclass(slots=True)
class Comparison:
    """Compares one object; what it finds is collected in its fields.

    Attributes:
        group: API group of the object.
        kind: of the object.
        mesh: that reads it.
        found: its schema.
        owners: who set what we do not set.
        changes: what differs.
        foreign: what others set beyond our fields.
        dropped: fields of ours that the schema does not have.
        claimed: fields that others own and that change, by who owns them.
        is_trial: only whether something differs is asked, not what.
    """

    group: str
    kind: str
    mesh: str
    found: Found
    owners: Owners
    changes: list[FieldChange] = field(default_factory=list)
    foreign: list[FieldChange] = field(default_factory=list)
    dropped: list[FieldPath] = field(default_factory=list)
    claimed: dict[str, list[FieldPath]] = field(default_factory=dict)
    is_trial: bool = False

    def run(self, ours: Mapping[str, Any], live: Mapping[str, Any]) -> None:
        """Compare two objects; live is :func:`meshdsl.compare.normalise.stripped`."""
        for part in ("labels", "annotations"):
            at = _At(("metadata", part), ("metadata", part), {})
            mine, theirs = (mapping_of(mapping_of(body.get("metadata")).get(part)) for body in (ours, live))
            self._mapping(mine, theirs, at)
        for name in [*ours, *(name for name in live if name not in ours)]:
            if name not in SERVERS_FIELDS:
                self._field(name, ours, live, _At((), (), self.found.schema))

    def declared(self, ours: Mapping[str, Any]) -> None:
        """Find the fields of an object that the schema does not have, when there is nothing to compare with."""
        self._undeclared(_At((), (), self.found.schema), {k: v for k, v in ours.items() if k not in SERVERS_FIELDS})

    # -------------------------------------------------------------------------------------------------------- mappings

    def _mapping(self, ours: Mapping[str, Any], live: Mapping[str, Any], at: _At) -> None:
        for name in [*ours, *(name for name in live if name not in ours)]:
            self._field(name, ours, live, at)

    def _field(self, name: str, ours: Mapping[str, Any], live: Mapping[str, Any], parent: _At) -> None:
        mine, theirs = ours.get(name), live.get(name)
        schema = field_of(parent.schema, name)
        at = parent.field(name, schema or {})
        if schema is None and mine is not None and self.found.closed:
            self._drop(at, mine, theirs)
            return
        default = default_of(at.schema)
        mine = default if mine is None else mine
        theirs = default if theirs is None else theirs
        if mine is None and theirs is None:
            return
        if theirs is None or mine is None:
            there = theirs if mine is None else mine
            if is_nothing(self.group, name, there, at.schema, parent.schema):
                return
            if theirs is None:
                self._change(at, ABSENT, mine)
            else:
                self._extra(theirs, at)
        elif name not in ours and not at.whole and not isinstance(theirs, Mapping | list | tuple):
            if not self._same(mine, theirs, at):
                self._extra(theirs, at)
        else:
            self._value(mine, theirs, at)

    def _value(self, ours: Any, live: Any, at: _At) -> None:
        if isinstance(ours, Mapping) and isinstance(live, Mapping):
            self._mapping(ours, live, at)
        elif isinstance(ours, list | tuple) and isinstance(live, list | tuple):
            self._list(ours, live, at)
        elif not self._same(ours, live, at):
            self._change(at, live, ours)

    def _same(self, ours: Any, live: Any, at: _At) -> bool:
        if isinstance(ours, str) and isinstance(live, str):
            if ours == live:
                return True
            amount = amount_at(self.group, self.mesh, at.path)
            return amount is not None and same_amount(ours, live, amount)
        if isinstance(ours, bool) or isinstance(live, bool):
            return ours is live
        return bool(ours == live)

    def _extra(self, live: Any, at: _At) -> None:
        """What is there and not set by us."""
        if at.whole:
            self._change(at, live, ABSENT)
            return
        hand = self.owners.of(at.steps)
        if hand is not Hand.THEIRS and switches_off(self.group, self.kind, at.path, live):
            self._change(at, live, ABSENT)
            return
        if is_assigned(self.group, self.kind, at.path) or hand is Hand.NOBODY:
            return
        if isinstance(live, Mapping) and live and hand is Hand.OURS and self.owners.is_shared(at.steps):
            for name, value in live.items():
                self._extra(value, at.field(name, field_of(at.schema, name) or {}))
        elif hand is Hand.OURS:
            self._change(at, live, ABSENT)
        else:
            self.foreign.append(FieldChange(at.path, plain(live), ABSENT))

    def _drop(self, at: _At, ours: Any, live: Any) -> None:
        """A field of ours that the schema does not have: the server drops it, so it is never there."""
        self.dropped.append(at.path)
        if live is not None and canonical(live) == canonical(ours):
            return
        self._change(at, ABSENT if live is None else live, ours)

    def _change(self, at: _At, live: Any, ours: Any, note: str = "") -> None:
        self._undeclared(at, ours)
        if at.whole or ours is not ABSENT:  # an apply that no longer has a field of somebody else leaves it alone
            for name in self.owners.claimants(at.steps):
                self.claimed.setdefault(name, []).append(at.path)
        before, after = (value if value is ABSENT else plain(value) for value in (live, ours))
        self.changes.append(FieldChange(at.path, before, after, note))

    def _undeclared(self, at: _At, ours: Any) -> None:
        """Find what the schema does not have inside of a value that is new as a whole."""
        if not self.found.closed or ours is ABSENT:
            return
        if isinstance(ours, Mapping):
            for name, value in ours.items():
                schema = field_of(at.schema, name)
                inner = at.field(name, schema or {})
                if schema is None:
                    if inner.path not in self.dropped:
                        self.dropped.append(inner.path)
                else:
                    self._undeclared(inner, value)
        elif isinstance(ours, list | tuple):
            for number, value in enumerate(ours):
                self._undeclared(at.item(number), value)

    # ----------------------------------------------------------------------------------------------------------- lists

    def _list(self, ours: Sequence[Any], live: Sequence[Any], at: _At) -> None:
        topology = at.schema.get("x-kubernetes-list-type")
        keys = list_of(at.schema.get("x-kubernetes-list-map-keys"))
        if topology == "map" and keys and all(isinstance(item, Mapping) for item in (*ours, *live)):
            self._keyed(ours, live, at, tuple(str(key) for key in keys))
            return
        unordered = topology == "set" or is_unordered(self.group, self.kind, at.path)
        if not any(isinstance(item, Mapping | list | tuple) for item in (*ours, *live)):
            same = len(ours) == len(live) and all(self._same(a, b, at) for a, b in zip(ours, live, strict=True))
            if not same and not (unordered and Counter(map(canonical, ours)) == Counter(map(canonical, live))):
                self._change(at, live, ours)
            return
        self._ordered(ours, live, at, unordered=unordered)

    def _keyed(self, ours: Sequence[Any], live: Sequence[Any], at: _At, keys: tuple[str, ...]) -> None:
        items = mapping_of(at.schema.get("items"))

        def key(item: Mapping[str, Any]) -> dict[str, Any]:
            values = {name: item.get(name, default_of(field_of(items, name) or {})) for name in keys}
            return {name: value for name, value in values.items() if value is not None}

        theirs = {canonical(key(item)): item for item in live}
        seen: set[str] = set()
        for item in ours:
            name = key(item)
            seen.add(canonical(name))
            inner = self._keyed_at(at, name)
            if canonical(name) in theirs:
                self._value(item, theirs[canonical(name)], inner)
            else:
                self._change(inner, ABSENT, item)
        for text, item in theirs.items():
            if text not in seen:
                self._extra(item, self._keyed_at(at, key(item)))

    @staticmethod
    def _keyed_at(at: _At, keys: Mapping[str, Any]) -> _At:
        return at.item(",".join(f"{name}={value}" for name, value in keys.items()), keys=keys)

    def _ordered(self, ours: Sequence[Any], live: Sequence[Any], at: _At, *, unordered: bool) -> None:
        """A list without keys: items that belong together, and whether they stand in another order."""
        if len(ours) == len(live) and self._agrees(ours, live, at):
            return
        if self.is_trial:
            self._change(at, live, ours)
            return
        items = mapping_of(at.schema.get("items"))
        found = pairs([filled(items, item) for item in ours], [filled(items, item) for item in live])
        for pair in found:
            inner = at.item(pair.step)
            if pair.ours is None:
                self._change(inner, live[pair.live or 0], ABSENT)
            elif pair.live is None:
                self._change(inner, ABSENT, ours[pair.ours])
            else:
                self._value(ours[pair.ours], live[pair.live], inner)
        if is_moved(found) and not unordered:
            order = [pair for pair in found if pair.ours is not None and pair.live is not None]
            before = [_called(pair) for pair in sorted(order, key=lambda pair: pair.live or 0)]
            self.changes.append(FieldChange(at.path, before, [_called(pair) for pair in order], _REORDERED))

    def _agrees(self, ours: Sequence[Any], live: Sequence[Any], at: _At) -> bool:
        """Whether two lists agree item by item, without telling what does not."""
        trial = Comparison(self.group, self.kind, self.mesh, self.found, self.owners, is_trial=True)
        for number, (mine, theirs) in enumerate(zip(ours, live, strict=True)):
            trial._value(mine, theirs, at.item(number))
            if trial.changes or trial.dropped:
                return False
        return True


def _called(pair: Pair) -> str | int:
    """An item in a list that tells an order: its name, or its place in ours."""
    return pair.label.partition("=")[2] or (pair.ours if pair.ours is not None else 0)
