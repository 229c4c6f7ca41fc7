"""Everything in some scopes, with few questions: LISTs only, several at once.

For each kind, one list of the whole cluster is tried first. It answers for all namespaces in one request, and it finds
what is ours in namespaces that no policy names any more. Where that is forbidden, or the first page says that more
would follow than the namespaces need, each namespace is listed by itself. What cannot be read is *unknown*; the rest
is not lost over it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from meshdsl.cluster.clock import Deadline
from meshdsl.cluster.errors import Failure
from meshdsl.cluster.listing import PAGE, first_page, pages
from meshdsl.cluster.transport import Transport
from meshdsl.compare.kinds import CRD
from meshdsl.compare.live import Keep, LiveObject, Scope, Snapshot, Unknown
from meshdsl.manifest import MANAGED_BY

WORKERS: Final = 8
"""Requests under way at once. API servers allow a client some tens; kubectl's own limit is 50 a second."""
CRD_PAGE: Final = 100
"""Definitions a page: one has up to a megabyte of schema."""
_OURS: Final = f"{MANAGED_BY}=meshdsl"


@dataclass(slots=True)
class _Part:
    """What became of some questions."""

    objects: list[LiveObject] = field(default_factory=list)
    scopes: set[Scope] = field(default_factory=set)
    unknown: list[Unknown] = field(default_factory=list)
    later: list[Scope] = field(default_factory=list)
    """What is to be asked for namespace by namespace."""


def ask_ahead(transport: Transport, scopes: Iterable[Scope], deadline: Deadline) -> None:
    """Ask for what :func:`read` will ask for first, in whatever namespaces, and do not wait for it."""
    asked = [first_page(replace(scope, namespace="")) for scope in scopes]
    transport.ask_ahead([first_page(Scope(CRD), CRD_PAGE), *asked], deadline, WORKERS)


def read(transport: Transport, scopes: Iterable[Scope], deadline: Deadline, keep: Keep | None = None) -> Snapshot:
    """Everything in these scopes, and the CustomResourceDefinitions of their groups.

    Args:
        transport: to ask through.
        scopes: what to read.
        deadline: for all of it.
        keep: what of each object is needed; all of it without. What is not is forgotten with its page.

    Returns:
        objects in the order of their kinds, then as the server lists them. Objects that carry our label are there from
        other namespaces as well, if the whole cluster may be listed.
    """
    asked: dict[Scope, set[str]] = {}
    for scope in scopes:
        namespace = scope.namespace if scope.kind.namespaced else ""
        asked.setdefault(replace(scope, namespace=""), set()).add(namespace)
    groups = {scope.kind.group for scope in asked} - {""}

    def of_kind(everywhere: Scope) -> _Part:
        return _of_kind(transport, everywhere, asked[everywhere], deadline, keep)

    def of_scope(scope: Scope) -> _Part:
        part = _Part()
        _list_into(part, transport, scope, deadline, keep)
        return part

    pool = ThreadPoolExecutor(WORKERS, "meshdsl-list")
    collecting = gc.isenabled()
    # Everything that is made here stays, and the collector would look through all of it again and again.
    gc.disable()
    try:
        definitions = pool.submit(_definitions, transport, groups, deadline)
        first = list(pool.map(of_kind, sorted(asked)))
        second = list(pool.map(of_scope, [scope for part in first for scope in part.later]))
        crds, trouble = definitions.result()
    except BaseException:  # an interrupt: nothing that is under way is waited for
        transport.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        if collecting:
            gc.enable()
    parts = [*first, *second]
    return Snapshot(
        objects=[item for part in parts for item in part.objects],
        scopes=frozenset(scope for part in parts for scope in part.scopes),
        unknown=tuple(sorted((*trouble, *(u for part in parts for u in part.unknown)), key=lambda u: u.scope)),
        crds=crds,
    )


def stream(transport: Transport, scope: Scope, deadline: Deadline) -> Iterator[LiveObject]:
    """The objects of one scope, a page in memory at a time.

    If the list expires on the way it begins again, and only what was not yielded yet is yielded: then the objects are
    not of one moment.

    Raises:
        Failure: the list cannot be had whole.
    """
    seen: set[tuple[str, str]] = set()
    for page in pages(transport, scope, deadline):
        for item in page.items:
            metadata = item["metadata"]
            key = (metadata.get("namespace", ""), metadata["name"])
            if key not in seen:
                seen.add(key)
                yield item


def _of_kind(
    transport: Transport, everywhere: Scope, namespaces: set[str], deadline: Deadline, keep: Keep | None
) -> _Part:
    wanted = [replace(everywhere, namespace=namespace) for namespace in sorted(namespaces - {""})]
    part = _Part()
    if "" in namespaces:
        _list_into(part, transport, everywhere, deadline, keep)
        if part.scopes:
            part.scopes.update(wanted)
        else:
            part.later.extend(wanted)
        return part

    def is_wanted(item: LiveObject) -> bool:
        return item["metadata"].get("namespace") in namespaces or _is_ours(item)

    try:
        for page in pages(transport, everywhere, deadline, keep=keep):
            if page.restart:
                part.objects.clear()
            elif page.remaining > PAGE * len(namespaces) and not everywhere.selector:
                part.objects.clear()
                part.later.extend(wanted)
                _add_ours_elsewhere(part, transport, everywhere, namespaces, deadline, keep)
                return part
            part.objects.extend(item for item in page.items if is_wanted(item))
    except Failure as failure:
        part.objects.clear()
        if failure.code == "forbidden":
            part.later.extend(wanted)
        else:
            part.unknown.extend(_unknown(scope, failure) for scope in wanted)
        return part
    part.scopes.update(wanted)
    return part


def _add_ours_elsewhere(
    part: _Part,
    transport: Transport,
    everywhere: Scope,
    namespaces: set[str],
    deadline: Deadline,
    keep: Keep | None,
) -> None:
    """Add what carries our label in other namespaces."""

    def is_elsewhere(item: LiveObject) -> bool:
        return item["metadata"].get("namespace") not in namespaces

    try:
        part.objects.extend(_whole(transport, replace(everywhere, selector=_OURS), deadline, is_elsewhere, keep=keep))
    except Failure as failure:
        part.unknown.append(_unknown(everywhere, failure))


def _list_into(part: _Part, transport: Transport, scope: Scope, deadline: Deadline, keep: Keep | None) -> None:
    try:
        part.objects.extend(_whole(transport, scope, deadline, keep=keep))
        part.scopes.add(scope)
    except Failure as failure:
        part.unknown.append(_unknown(scope, failure))


def _whole(
    transport: Transport,
    scope: Scope,
    deadline: Deadline,
    is_asked: Callable[[LiveObject], bool] = lambda _item: True,
    *,
    size: int = PAGE,
    keep: Keep | None = None,
) -> list[LiveObject]:
    kept: list[LiveObject] = []
    for page in pages(transport, scope, deadline, size=size, keep=keep):
        if page.restart:
            kept.clear()
        kept.extend(item for item in page.items if is_asked(item))
    return kept


def _definitions(
    transport: Transport, groups: set[str], deadline: Deadline
) -> tuple[list[LiveObject] | None, list[Unknown]]:
    """The definitions of these groups; None if they cannot be read, and why unless that is forbidden.

    They cannot differ from what was asked for in a way that a reader of lists would see, so a user who may not list
    them gets the rules for known kinds.
    """

    def is_asked(item: LiveObject) -> bool:
        return item.get("spec", {}).get("group") in groups

    try:
        found = _whole(transport, Scope(CRD), deadline, is_asked, size=CRD_PAGE)
    except Failure as failure:
        return None, [] if failure.code == "forbidden" else [_unknown(Scope(CRD), failure)]
    for definition in found:
        definition["metadata"].pop("managedFields", None)
    return found, []


def _unknown(scope: Scope, failure: Failure) -> Unknown:
    return Unknown(scope, failure.reason, failure.code)


def _is_ours(item: LiveObject) -> bool:
    labels = item["metadata"].get("labels")
    return isinstance(labels, dict) and labels.get(MANAGED_BY) == "meshdsl"
