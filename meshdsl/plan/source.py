"""Where a part of the plan comes from. It never takes part in equality."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from meshdsl.diagnostics import Origin


@dataclass(frozen=True, slots=True)
class Source:
    """Where a part of the plan comes from, and which approximations its author accepts there."""

    origin: Origin | None = field(default=None, compare=False)
    accept: frozenset[str] = frozenset()


NOWHERE = Source()


def source() -> Any:
    """The field that carries a :class:`Source`: never compared, never part of the meaning."""
    return field(default=NOWHERE, compare=False, repr=False)
