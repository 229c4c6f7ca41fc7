"""Texts that say an amount: durations and Kubernetes quantities. Two texts of one amount are no difference.

A text is only read as an amount where a field is known to hold one (:mod:`meshdsl.compare.known`): the label
``version: 1m`` is no minute. And it is read as the mesh in question reads it: Linkerd takes ``1m30s`` for no timeout at
all, so on Linkerd that is not the same as ``90s`` (``policy-controller/k8s/index/src/outbound/index/http.rs``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from functools import lru_cache

_GO = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_GO_WHOLE = re.compile(r"[-+]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+", re.ASCII)
_GATEWAY_API = re.compile(r"(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}", re.ASCII)
_LINKERD = re.compile(r"([0-9]+)(ms|s|m|h|d)", re.ASCII)
_QUANTITY = re.compile(
    r"([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([eE][-+]?[0-9]+)|([numkMGTPE]|[KMGTPE]i))?", re.ASCII
)

_SECONDS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "μs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_SCALE = {
    **{letter: Decimal(1000) ** power for power, letter in enumerate("num", start=-3)},
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}


class Amount(Enum):
    """How a field's text is read."""

    GO = "Go duration"
    """``1m30s``, ``1.5h`` (``time.ParseDuration``)."""
    GATEWAY_API = "Gateway API duration"
    """Up to four whole numbers (GEP-2257)."""
    LINKERD = "Linkerd duration"
    """One whole number with one unit; anything else is as if nothing was there."""
    QUANTITY = "quantity"
    """``100m``, ``1Gi`` (``apimachinery/pkg/api/resource``)."""


def same_amount(one: str, other: str, kind: Amount) -> bool:
    """Whether two texts say the same amount. A text that cannot be read is only equal to itself."""
    if one == other:
        return True
    first = amount(one, kind)
    return first is not None and first == amount(other, kind)


@lru_cache(maxsize=4096)
def amount(text: str, kind: Amount) -> Decimal | None:
    """The amount in seconds or units; None if the text is none of this kind."""
    return _READERS[kind](text)


def _go(text: str) -> Decimal | None:
    if text in ("0", "+0", "-0"):
        return Decimal(0)
    if _GO_WHOLE.fullmatch(text) is None:
        return None
    total = sum((Decimal(number) * _SECONDS[unit] for number, unit in _GO.findall(text)), Decimal(0))
    return -total if text.startswith("-") else total


def _gateway_api(text: str) -> Decimal | None:
    return _go(text) if _GATEWAY_API.fullmatch(text) else None


def _linkerd(text: str) -> Decimal | None:
    if text == "0":
        return Decimal(0)
    found = _LINKERD.fullmatch(text)
    return Decimal(found[1]) * _SECONDS[found[2]] if found else None


def _quantity(text: str) -> Decimal | None:
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    number, exponent, suffix = found.groups()
    if exponent:
        return Decimal(number + exponent) if abs(int(exponent[1:])) <= 30 else None
    return Decimal(number) * (_SCALE[suffix] if suffix else 1)


_READERS: dict[Amount, Callable[[str], Decimal | None]] = {
    Amount.GO: _go,
    Amount.GATEWAY_API: _gateway_api,
    Amount.LINKERD: _linkerd,
    Amount.QUANTITY: _quantity,
}
