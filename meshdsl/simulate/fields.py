"""What every reading of a mesh does with fields of objects: durations, texts, numbers, and what it does not know.

Objects may be anybody's. What a reading does not know raises :class:`~meshdsl.simulate.words.NotModelled`, and that
counts as a third truth value: a condition beside it that fails, or an alternative that holds, decides all the same. So
an unknown field costs the answer of exactly those requests that it could change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, Generic, NoReturn, TypeVar

from meshdsl.simulate.words import Labels, NotModelled, Request
from meshdsl.values import regex_text

Body = Mapping[str, Any]
Seen = TypeVar("Seen")
"""What a condition is about: a request, or what a proxy sees of one."""
Holds = Callable[[Request], bool]
"""Whether something holds for a request; raises NotModelled if that is not known."""

_NOTHING: Final[Body] = {}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|ms|s|m|h)")
_MILLISECONDS: Final = {
    "ns": Fraction(1, 1_000_000), "us": Fraction(1, 1000), "µs": Fraction(1, 1000), "ms": Fraction(1),
    "s": Fraction(1000), "m": Fraction(60_000), "h": Fraction(3_600_000),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Condition(Generic[Seen]):
    """One thing that a rule asks of a request.

    Attributes:
        holds: whether it does.
        field: of the object, below the rule: ``"uri.prefix"``.
        text: what is asked, for people: ``"path begins with /a"``.
    """

    holds: Callable[[Seen], bool]
    field: str
    text: str


def all_hold(conditions: Iterable[Condition[Seen]], seen: Seen) -> bool:
    """Whether every condition holds: one that fails decides, also beside one that is not known."""
    unknown: NotModelled | None = None
    for one in conditions:
        try:
            if not one.holds(seen):
                return False
        except NotModelled as error:
            unknown = unknown or error
    if unknown is not None:
        raise unknown
    return True


def some_hold(alternatives: Iterable[Callable[[Seen], bool]], seen: Seen) -> bool:
    """Whether one of them holds: one that does decides, also beside one that is not known."""
    unknown: NotModelled | None = None
    for holds in alternatives:
        try:
            if holds(seen):
                return True
        except NotModelled as error:
            unknown = unknown or error
    if unknown is not None:
        raise unknown
    return False


def not_known(where: str, why: str) -> Callable[[Any], bool]:
    """What nobody can decide: the error is raised when it is asked, not when it is read."""

    def holds(_: Any) -> NoReturn:
        raise NotModelled(where, why)

    return holds


def unknown_fields(value: Body, known: Iterable[str], where: str) -> tuple[Condition[Any], ...]:
    """A condition that is not known for each field beside the known ones."""
    beside = sorted(value.keys() - set(known))
    return tuple(
        Condition(not_known(_below(where, field), "this field is not modelled"), field, "not modelled")
        for field in beside
    )


def only(value: Any, known: Iterable[str], where: str) -> Body:
    """A mapping that has no other fields than these; nothing is an empty one.

    Raises:
        NotModelled: it has others, or is no mapping.
    """
    found = mapping(value, where)
    for field in sorted(found.keys() - set(known)):
        raise NotModelled(_below(where, field), "this field is not modelled")
    return found


def mapping(value: Any, where: str) -> Body:
    """A mapping; nothing is an empty one. Raises NotModelled for anything else."""
    if value is None:
        return _NOTHING
    if not isinstance(value, Mapping):
        raise NotModelled(where, f"there are fields in it, not {value!r}")
    return value


def sequence(value: Any, where: str) -> Sequence[Any]:
    """A list; nothing is an empty one. Raises NotModelled for anything else."""
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise NotModelled(where, f"it is a list, not {value!r}")
    return value


def text(value: Any, where: str) -> str:
    """A string. Raises NotModelled for anything else."""
    if not isinstance(value, str):
        raise NotModelled(where, f"it is a text, not {value!r}")
    return value


def whole(value: Any, where: str) -> int:
    """A whole number, also one written as text. Raises NotModelled for anything else."""
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]+", str(value)):
        raise NotModelled(where, f"it is a whole number, not {value!r}")
    return int(value)


def number(value: Any, where: str) -> Fraction:
    """A number of a manifest, exactly as it is written. Raises NotModelled for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise NotModelled(where, f"it is a number, not {value!r}")
    try:
        return Fraction(str(value))
    except ValueError:
        raise NotModelled(where, f"it is a number, not {value!r}") from None


def milliseconds(value: Any, where: str) -> int:
    """A duration in Go's notation, such as ``"1m30s"``, as whole milliseconds; what is below one is cut off.

    Raises:
        NotModelled: it is none.
    """
    found = _duration(value) if isinstance(value, str) else None
    if found is None:
        raise NotModelled(where, f"it is a duration, not {value!r}")
    return found


@lru_cache(maxsize=1024)
def _duration(value: str) -> int | None:
    """A duration in milliseconds; None for what is none. The same few are written in thousands of rules."""
    parts = _DURATION.findall(value)
    if not parts or "".join(parts) != value:
        return None
    total = Fraction(0)
    for part in parts:
        unit = part.lstrip("0123456789.")
        total += Fraction(part.removesuffix(unit)) * _MILLISECONDS[unit]
    return int(total)


def matcher(pattern: str, where: str) -> Callable[[str], bool]:
    """A regular expression that must match the whole text, as RE2 and Rust read it.

    Raises:
        NotModelled: it is in a syntax that is not shared with Python.
    """
    try:
        found = re.compile(regex_text(pattern), re.ASCII)
    except ValueError as error:
        raise NotModelled(where, str(error)) from None
    return lambda value: found.fullmatch(value) is not None


def title(body: Body) -> str:
    """What an object is called in an answer: ``"HTTPRoute prod/api"``."""
    metadata = body.get("metadata") or _NOTHING
    namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
    return f"{body.get('kind', 'object')} {f'{namespace}/' if namespace else ''}{name}"


def namespace_of(body: Body) -> str:
    """The namespace of an object; empty for one of the whole cluster."""
    return str((body.get("metadata") or _NOTHING).get("namespace") or "")


def name_of(body: Body) -> str:
    """The name of an object."""
    return str((body.get("metadata") or _NOTHING).get("name") or "")


def group_of(body: Body) -> str:
    """The API group of an object; empty for the core one."""
    group, slash, _ = str(body.get("apiVersion", "")).rpartition("/")
    return group if slash else ""


def annotations_of(body: Body) -> Mapping[str, str]:
    """The annotations of an object."""
    found: Mapping[str, str] = (body.get("metadata") or _NOTHING).get("annotations") or _NOTHING
    return found


def labelled(selector: Mapping[str, str]) -> Labels:
    """A matchLabels."""
    return frozenset(selector.items())


def by_age(bodies: Iterable[Body]) -> list[Body]:
    """The oldest first; of one second by name and namespace; what has no timestamp last, in the order given.

    As istiod and the Gateway API have it (``sortConfigByCreationTime`` in ``pilot/pkg/model/config.go``). An object
    without a timestamp is one that is yet to be created.
    """

    def age(numbered: tuple[int, Body]) -> tuple[bool, str, str, str, int]:
        index, body = numbered
        created = str((body.get("metadata") or _NOTHING).get("creationTimestamp") or "")
        return (not created, created, *((name_of(body), namespace_of(body)) if created else ("", "")), index)

    return [body for _, body in sorted(enumerate(bodies), key=age)]


def _below(where: str, field: str) -> str:
    return f"{where}.{field}" if where and not where.endswith(" ") else f"{where}{field}"
