"""What the questions are answered with. Values, all of them in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from meshdsl.compare.access.model import AccessReason
from meshdsl.compare.live import Unknown

By = Literal["namespace", "service"]
"""What the rows and columns of a matrix are."""


class Reach(StrEnum):
    """How much a caller may do."""

    NONE = "none"
    SOME = "some"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class AccessRow:
    """These callers may make these requests: callers AND ports AND methods AND paths AND conditions.

    Attributes:
        service: ``"namespace/name"``, or ``"namespace/*"`` for what else runs in a namespace.
        callers: services by name, accounts, ``"every account of prod"``, ``"everyone in the mesh"``, ``"everyone"``,
            ``"callers outside the mesh"``. ``excepted``: those of them who may not.
        ports: of the service; empty for all of them.
        methods: empty for every method; ``not_methods``: every method but these.
        paths: as policies write them; empty for every path.
        conditions: alternatives, each a conjunction in words; empty for none.
        because: what lets them in; the first decides, the others would do it for some of these requests alone.
        limits: what keeps the first of them from letting in more.
        undecided: regular expressions on whose overlap it depends what the row covers; a sentence where not every
            combination of headers was looked at.
    """

    service: str
    callers: tuple[str, ...]
    excepted: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()
    not_methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    because: tuple[AccessReason, ...] = ()
    limits: tuple[AccessReason, ...] = ()
    undecided: tuple[str, ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether it is every request to every port."""
        return not (self.ports or self.methods or self.not_methods or self.paths or self.conditions)


@dataclass(frozen=True, slots=True)
class AccessAnswer:
    """The answer to one question.

    Attributes:
        question: ``"to"`` or ``"from"``.
        subject: the service or caller that was asked about, for people.
        rows: what is let in; everything else is refused.
        refused: for each service that was asked about and refuses something, what refuses what no row names.
        remarks: what is good to know and certain, a sentence each.
        undecided: what could not be decided; there, the rows show the wider answer.
        unknown: what could not be read; then there are no rows.
    """

    question: Literal["to", "from"]
    subject: str
    rows: tuple[AccessRow, ...] = ()
    refused: Mapping[str, tuple[AccessReason, ...]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    unknown: tuple[Unknown, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether all of it could be told."""
        return not (self.undecided or self.unknown or any(row.undecided for row in self.rows))


@dataclass(frozen=True, slots=True)
class AccessCell:
    """What a caller may do at a service.

    Attributes:
        reach: nothing, some requests, or every request to every port.
        because: what decides: what lets it in and what limits that, or what refuses it.
    """

    reach: Reach
    because: tuple[AccessReason, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessMatrix:
    """Callers and what they may call, a cell for each pair.

    Attributes:
        by: what rows and columns are.
        callers: the rows.
        services: the columns; ``"namespace/*"`` is what else runs in a namespace.
        remarks: see :class:`AccessAnswer`; likewise ``undecided`` and ``unknown``.
    """

    by: By
    callers: tuple[str, ...]
    services: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    _cells: Mapping[str, Mapping[str, AccessCell]] = field(default_factory=dict, repr=False)
    _others: Mapping[str, AccessCell] = field(default_factory=dict, repr=False)

    @property
    def is_complete(self) -> bool:
        """Whether all of it could be told."""
        return not (self.undecided or self.unknown)

    def cell(self, caller: str, service: str) -> AccessCell:
        """What a caller may do at a service. Raises KeyError for a service that is no column."""
        return self._cells[service].get(caller) or self._others[service]

    def groups(self, service: str) -> Iterator[tuple[AccessCell, tuple[str, ...]]]:
        """The cells of a column, each once with its callers; without callers, at the end, the cell of all others."""
        found: dict[AccessCell, list[str]] = {}
        for caller, cell in self._cells[service].items():
            found.setdefault(cell, []).append(caller)
        order = list(Reach)[::-1]
        for cell, callers in sorted(found.items(), key=lambda item: order.index(item[0].reach)):
            yield cell, tuple(callers)
        yield self._others[service], ()
