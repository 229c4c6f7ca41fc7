"""The small texts of live objects: durations, hosts, numbers; and access to fields that may be anything.

A live object is somebody else's JSON: a field may be missing, null or of another type. What cannot be read raises
:class:`Unreadable`, which becomes a part of the note and never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)", re.ASCII)
_MS: Final = {
    "h": Decimal(3_600_000),
    "m": Decimal(60_000),
    "s": Decimal(1000),
    "ms": Decimal(1),
    "us": Decimal("0.001"),
    "µs": Decimal("0.001"),
    "ns": Decimal("0.000001"),
}


class Unreadable(Exception):
    """A part of an object that means nothing in a plan; the message says which, as ``"the fault"``."""


def mapping(value: Any) -> Mapping[str, Any]:
    """A field that should be an object; empty if it is not."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Any]:
    """A field that should be a list; empty if it is not."""
    return value if isinstance(value, list) else list(value) if isinstance(value, tuple) else []


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a field that should be a list of them."""
    return (item for item in items(value) if isinstance(item, Mapping))


def texts(value: Any) -> list[str]:
    """The texts of a field that should be a list of them."""
    return [item for item in items(value) if isinstance(item, str)]


def text(value: Any) -> str:
    """A field that should be text; empty if it is not."""
    return value if isinstance(value, str) else ""


def number(value: Any, what: str) -> int:
    """A field that should be a whole number, also one in quotes."""
    if isinstance(value, bool):
        raise Unreadable(what)
    if isinstance(value, float):
        if not value.is_integer():
            raise Unreadable(what)
        return int(value)
    if isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19):
        return int(value)
    raise Unreadable(what)


def share(value: Any, what: str) -> Decimal:
    """A percentage."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise Unreadable(what) from None
    if not found.is_finite() or not 0 <= found <= 100:
        raise Unreadable(what)
    return found


def milliseconds(value: Any, what: str) -> int:
    """A duration of Go or Gateway API (``1m30s``, ``0.5s``) in whole milliseconds.

    Raises:
        Unreadable: it is none, or not in whole milliseconds.
    """
    found = _DURATION.findall(value) if isinstance(value, str) and len(value) < 64 else []
    if not found or "".join(amount + unit for amount, unit in found) != value:
        raise Unreadable(what)
    total = sum((Decimal(amount) * _MS[unit] for amount, unit in found), Decimal(0))
    if total != total.to_integral_value():
        raise Unreadable(what)
    return int(total)


def host(value: Any, namespace: str, cluster_domain: str) -> tuple[str, str] | None:
    """The Service that a host names: ``name``, ``name.namespace``, ``name.namespace.svc[.domain]``; else None."""
    parts = text(value).split(".")
    if len(parts) == 1 and parts[0]:
        return namespace, parts[0]
    if len(parts) == 2:
        return parts[1], parts[0]
    if len(parts) > 2 and parts[2] == "svc" and ".".join(parts[3:]) in ("", cluster_domain):
        return parts[1], parts[0]
    return None


def name_of(live: Mapping[str, Any]) -> tuple[str, str, str]:
    """Kind, namespace and name of an object."""
    metadata = mapping(live.get("metadata"))
    return text(live.get("kind")), text(metadata.get("namespace")), text(metadata.get("name"))


def group_of(live: Mapping[str, Any]) -> str:
    """The API group of an object; empty for core."""
    group, slash, _ = text(live.get("apiVersion")).partition("/")
    return group if slash else ""


def labels_of(live: Mapping[str, Any]) -> dict[str, str]:
    """The labels of an object."""
    labels = mapping(mapping(live.get("metadata")).get("labels"))
    return {key: value for key, value in labels.items() if isinstance(value, str)}


def annotations_of(live: Mapping[str, Any]) -> dict[str, str]:
    """The annotations of an object."""
    annotations = mapping(mapping(live.get("metadata")).get("annotations"))
    return {key: value for key, value in annotations.items() if isinstance(value, str)}
