"""Everybody and everything, a cell for each pair, kept as what differs from "everybody else".

A service's rules name few callers. So a column has cells for these, for the further accounts of namespaces that are
named, and one for all others: a matrix of a thousand services is as large as its rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from meshdsl.compare.access.callers import ANOTHER, PLAIN
from meshdsl.compare.access.model import AccessReason, ServiceAccess, account
from meshdsl.compare.reach.answers import AccessCell, AccessMatrix, By, Reach
from meshdsl.compare.reach.service import ServiceView
from meshdsl.compare.reach.who import OTHERS, PLAIN_CALLERS, Names, namespace_of

Masks = list[tuple[AccessReason, int]]


@dataclass(frozen=True, slots=True)
class Column:
    """The cells of a service, by the callers that its rules tell apart.

    Attributes:
        view: the service.
        exact: by identity.
        unnamed: by namespace, of its accounts that no rule names.
        others: of accounts of which no rule names the namespace either.
        plain: of callers without an identity.
    """

    view: ServiceView
    exact: Mapping[str, AccessCell]
    unnamed: Mapping[str, AccessCell]
    others: AccessCell
    plain: AccessCell

    def of(self, identity: str) -> AccessCell:
        """The cell of an account of the mesh's own trust domain."""
        found = self.exact.get(identity)
        if found is None and self.view.is_plain_matching:
            return self.unnamed.get(namespace_of(identity), self.others)
        return found if found is not None else _Cells(self.view).of(self.view.bit_of(identity))

    def named(self) -> set[str]:
        """The namespaces in which some account has another cell than all others."""
        return {namespace_of(identity) for identity in self.exact} | self.unnamed.keys()

    def within(self, namespace: str) -> Iterator[AccessCell]:
        """The cells of all accounts of a namespace."""
        yield from (cell for identity, cell in self.exact.items() if namespace_of(identity) == namespace)
        yield self.of(account(namespace, ANOTHER))


class _Cells:
    """Makes the cells of one service, each of them once."""

    def __init__(self, view: ServiceView) -> None:
        self.some, self.all = view.some, view.all
        lets: dict[AccessReason, int] = {}
        limits: dict[AccessReason, int] = {}
        for number in view.decisions:
            for grant in view.grants(number):
                for who, _ in grant.parts:
                    lets[grant.reason] = lets.get(grant.reason, 0) | who
                for reason, who in grant.limits.items():
                    limits[reason] = limits.get(reason, 0) | who
        self._lets: Masks = list(lets.items())
        self._limits: Masks = list(limits.items())
        self._refusals: Masks = list(view.refusals().items())
        self._known: dict[AccessCell, AccessCell] = {}

    def of(self, bit: int) -> AccessCell:
        """The cell of a class of callers."""
        reach = Reach.ALL if bit & self.all else Reach.SOME if bit & self.some else Reach.NONE
        masks = self._refusals if reach is Reach.NONE else self._lets
        because = [reason for reason, who in masks if who & bit]
        if reach is Reach.SOME:
            because += [reason for reason, who in self._limits if who & bit and reason not in because]
        cell = AccessCell(reach, tuple(because))
        return self._known.setdefault(cell, cell)


def column_of(view: ServiceView) -> Column:
    """The cells of a service."""
    cells = _Cells(view)
    exact: dict[str, AccessCell] = {}
    unnamed: dict[str, AccessCell] = {}
    for index, identity in enumerate(view.callers.identities):
        namespace = namespace_of(identity)
        if namespace and identity.endswith(f"/sa/{ANOTHER}"):
            unnamed[namespace] = cells.of(2 << index)
        elif namespace and ANOTHER not in identity:
            exact[identity] = cells.of(2 << index)
    return Column(view, exact, unnamed, cells.of(view.callers.unnamed), cells.of(PLAIN))


def matrix(services: Mapping[str, ServiceAccess], names: Names, by: By) -> AccessMatrix:
    """The matrix of some services.

    Args:
        services: the access of each.
        names: of callers.
        by: what rows and columns are.
    """
    columns = {name: column_of(ServiceView(name, services[name])) for name in sorted(services)}
    return _by_namespace(columns, names) if by == "namespace" else _by_service(columns, names)


# --------------------------------------------------------------------------------------------------------- by services


def _by_service(columns: Mapping[str, Column], names: Names) -> AccessMatrix:
    spaces = {
        space: f"every other account of {space}"
        for space in sorted({space for column in columns.values() for space in column.unnamed})
        if any(column.of(account(space, ANOTHER)) != column.others for column in columns.values())
    }
    rows = {str(one): account(one.namespace, one.account) for one in names.plan.services}
    rows |= {names.of_account(one): account(*one.split("/")) for one in names.accounts}
    rows |= {row: account(space, ANOTHER) for space, row in spaces.items()}
    found = _Rows(rows, names.kept_out)
    cells = {name: found.cells(column) for name, column in columns.items()}
    others = {name: column.others for name, column in columns.items()}
    return AccessMatrix(
        "service", (*rows, OTHERS, PLAIN_CALLERS), tuple(columns), tuple(found.remarks()), _cells=cells, _others=others
    )


class _Rows:
    """The rows of a matrix by services: who they are."""

    def __init__(self, rows: Mapping[str, str], kept_out: Iterable[str]) -> None:
        self._kept_out = tuple(kept_out)
        self._identities = {row: identity for row, identity in rows.items() if row not in self._kept_out}
        self._named: dict[str, list[str]] = {}
        self._in: dict[str, list[str]] = {}
        for row, identity in self._identities.items():
            self._named.setdefault(identity, []).append(row)
            self._in.setdefault(namespace_of(identity), []).append(row)

    def cells(self, column: Column) -> dict[str, AccessCell]:
        """The cells that a column's rules tell apart from those of all others, by row."""
        if column.view.is_plain_matching:
            touched = {row for space in column.unnamed for row in self._in.get(space, ())}
            touched |= {row for identity in column.exact for row in self._named.get(identity, ())}
        else:
            touched = set(self._identities)
        found = {row: column.of(self._identities[row]) for row in sorted(touched)}
        found = {row: cell for row, cell in found.items() if cell != column.others}
        if column.plain != column.others:
            found |= dict.fromkeys((*self._kept_out, PLAIN_CALLERS), column.plain)
        return found

    def remarks(self) -> Iterator[str]:
        """What is to be said of rows."""
        for row in self._kept_out:
            yield f"{row} is kept out of the mesh: it has no identity"
        for rows in self._named.values():
            if len(rows) > 1:
                yield f"{' and '.join(rows)} run as one service account: no rule tells them apart"


# ------------------------------------------------------------------------------------------------------- by namespaces


def _by_namespace(columns: Mapping[str, Column], names: Names) -> AccessMatrix:
    """Columns are the declared services of a namespace together, and apart from them what else runs in it."""
    together: dict[str, list[Column]] = {}
    for name, column in columns.items():
        space, _, own = name.partition("/")
        together.setdefault(name if own == "*" else space, []).append(column)
    spaces = sorted({*(one.name for one in names.plan.namespaces), *(one.partition("/")[0] for one in names.accounts)})
    cells: dict[str, dict[str, AccessCell]] = {}
    others: dict[str, AccessCell] = {}
    for where, mine in sorted(together.items()):
        others[where] = _all_of(column.others for column in mine)
        usual = all(column.view.is_plain_matching for column in mine)
        touched = {space for column in mine for space in column.named()} if usual else set(spaces)
        found = {s: _all_of(c for column in mine for c in column.within(s)) for s in spaces if s in touched}
        found[PLAIN_CALLERS] = _all_of(column.plain for column in mine)
        cells[where] = {row: cell for row, cell in found.items() if cell != others[where]}
    rows = (*spaces, OTHERS, PLAIN_CALLERS)
    return AccessMatrix("namespace", rows, tuple(sorted(together)), _cells=cells, _others=others)


def _all_of(cells: Iterable[AccessCell]) -> AccessCell:
    """Some cells as one."""
    distinct = list(dict.fromkeys(cells))
    reaches = {cell.reach for cell in distinct}
    reach = reaches.pop() if len(reaches) == 1 else Reach.SOME
    shown = [cell for cell in distinct if reach is Reach.NONE or cell.reach is not Reach.NONE]
    return AccessCell(reach, tuple(dict.fromkeys(reason for cell in shown for reason in cell.because)))
