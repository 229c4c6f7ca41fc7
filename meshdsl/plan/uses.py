"""Which features a part of the plan asks for, read off the marks on its fields."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from meshdsl.plan.features import Feature
from meshdsl.plan.source import NOWHERE, Source


@dataclass(frozen=True, slots=True)
class Use:
    """A feature that a part of the plan asks for, where, by which field, and what that field says."""

    feature: Feature
    source: Source
    field: str
    value: object = None


def uses(part: object, *, but: frozenset[Feature] = frozenset()) -> list[Use]:
    """Every feature that a part of the plan asks for, read off the marks on its fields.

    A part that occurs in several places, such as the Timeout of many rules, is read once.

    Args:
        part: a :class:`Service`, :class:`Namespace`, :class:`Mesh`, or any part of one.
        but: features that are left out.
    """
    found: list[Use] = []
    _read(part, NOWHERE, found, {id(part)}, but)
    return found


def _read(part: Any, within: Source, found: list[Use], done: set[int], but: frozenset[Feature]) -> None:
    kind: Any = part.__class__
    here: Source = getattr(part, "source", within)
    if here.origin is None:
        here = within
    for name, feature, absent, said_by, has_parts in _marks(kind, but):
        value = getattr(part, name)
        if value is None or (value.__class__ is tuple and not value):
            if absent is not None:
                found.append(Use(absent, (getattr(part, said_by) if said_by else None) or here, name))
            continue
        asked = [one for one in _features(feature, value) if one not in but] if feature is not None else ()
        if asked:
            inner = value if isinstance(value, Source) else getattr(value, "source", here)
            named = here if inner.origin is None else inner
            found.extend(Use(one, named, name, value) for one in asked)
        if has_parts:
            for item in value if isinstance(value, tuple) else (value,):
                key = id(item)
                if key not in done:
                    done.add(key)
                    _read(item, here, found, done, but)


@cache
def _marks(kind: type[Any], but: frozenset[Feature]) -> tuple[tuple[str, Any, Feature | None, str, bool], ...]:
    """The fields of a part that may ask for another feature, or have parts that may: name, the mark, has parts."""
    marked = []
    for f in fields(kind):
        feature, absent, said_by = (f.metadata.get(key) for key in ("feature", "absent", "said_by"))
        if feature is not None and but.issuperset(_named(feature)):
            feature = None
        if absent in but:
            absent = None
        has_parts = _has_parts(kind, str(f.type), but)
        if feature is not None or absent is not None or has_parts:
            marked.append((f.name, feature, absent, said_by or "", has_parts))
    return tuple(marked)


def _named(feature: Any) -> Iterable[Feature | None]:
    """The features that a mark names; None stands for those that a function gives, which are not known before."""
    if isinstance(feature, Feature):
        return (feature,)
    return feature.values() if isinstance(feature, Mapping) else (None,)


def _has_parts(owner: type[Any], annotation: str, but: frozenset[Feature]) -> bool:
    """Whether an annotation names a kind of part that has marks itself."""
    around = vars(sys.modules[owner.__module__])
    kinds = [around.get(name) for name in re.findall(r"[A-Z]\w+", annotation)]
    return any(hasattr(kind, "__dataclass_fields__") and _marks(kind, but) for kind in kinds)


def _features(feature: Any, value: Any) -> Iterable[Feature]:
    if isinstance(feature, Feature):
        return (feature,)
    items = value if isinstance(value, tuple) else (value,)
    found = (feature.get(item) if isinstance(feature, Mapping) else feature(item) for item in items)
    return (one for one in found if one is not None)
