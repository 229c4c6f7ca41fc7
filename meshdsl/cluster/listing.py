"""LIST, page by page: all objects of a kind at one moment, or a failure.

A list that takes several requests is held together by a continue token. When the server has forgotten that moment
(410 Gone), it may offer a token that goes on with the present; objects that were moved or removed in between would be
missed or seen twice, so that token is never used: the list is asked for once more, from the start and in one piece, as
client-go's pager does (``tools/pager``). The same holds for pages that turn out to be of different moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from meshdsl.cluster.clock import Deadline
from meshdsl.cluster.errors import Failure
from meshdsl.cluster.transport import Transport
from meshdsl.compare.live import Keep, LiveObject, Scope

PAGE: Final = 1000
"""Objects a page. kubectl asks for 500; half as many requests are quicker, and a page stays under 10 MB."""
_MAX_SHARED: Final = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of a list.

    Attributes:
        items: with ``apiVersion`` and ``kind``; those that are needed, and what is needed of them.
        remaining: how many are still to come, as far as the server says; 0 if it does not.
        restart: the pages before this one do not count: the list begins again.
    """

    items: list[LiveObject]
    remaining: int
    restart: bool = False


def path_of(scope: Scope, name: str = "") -> str:
    """The path of a list, or of one object, in the API."""
    kind = scope.kind
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    place = f"{root}/namespaces/{scope.namespace}" if scope.namespace and kind.namespaced else root
    return f"{place}/{kind.plural}/{name}" if name else f"{place}/{kind.plural}"


def first_page(scope: Scope, size: int = PAGE) -> tuple[str, dict[str, str]]:
    """The path and query with which :func:`pages` begins: all objects of a scope, so many a page."""
    return path_of(scope), {"limit": str(size), "labelSelector": scope.selector}


def pages(
    transport: Transport,
    scope: Scope,
    deadline: Deadline,
    *,
    size: int = PAGE,
    keep: Keep | None = None,
) -> Iterator[Page]:
    """All pages of a scope.

    Args:
        transport: to ask through.
        scope: what to list.
        deadline: for all pages.
        size: objects a page.
        keep: what of each object is needed; all of it without.

    Raises:
        Failure: the list cannot be had whole. What was yielded before must not be used.
    """
    token = moment = ""
    limit = str(size)
    restart = relisted = False
    share = _Shared()
    while True:
        try:
            query = {"limit": limit, "labelSelector": scope.selector, "continue": token}
            body = transport.get(path_of(scope), deadline, **query)
            items, metadata = _read(body, scope, moment if token else None)
        except Failure as failure:
            if failure.code != "expired":
                raise
            if relisted or not token:
                raise Failure("server-error", f"the list could not be read to its end: {failure.reason}") from failure
            token, limit, restart, relisted = "", "", True, True
            continue
        needed: list[LiveObject] = [n for n in map(keep, items) if n is not None] if keep is not None else [*items]
        del body, items  # before the next page comes
        for item in needed:
            share.owners_of(item["metadata"])
        yield Page(needed, _count(metadata.get("remainingItemCount")), restart)
        restart = False
        following = metadata.get("continue") or ""
        if not isinstance(following, str) or (following and following == token):
            raise Failure("invalid-answer", "the list does not go on after a page")
        if not following:
            return
        token, moment = following, metadata.get("resourceVersion", "")


class _Shared:
    """Keeps one copy of what many objects of a list have alike.

    The names of the fields that a manager owns take a third of an object's memory, and are the same for most objects
    that one tool has made.
    """

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def owners_of(self, metadata: dict[str, Any]) -> None:
        """Let an object share what it has in common with those before it."""
        owners = metadata.get("managedFields")
        for owner in owners if isinstance(owners, list) else ():
            if isinstance(owner, dict) and "fieldsV1" in owner:
                text = repr(owner["fieldsV1"])
                if text in self._known or len(self._known) < _MAX_SHARED:
                    owner["fieldsV1"] = self._known.setdefault(text, owner["fieldsV1"])


def _read(body: dict[str, Any], scope: Scope, moment: object) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The items, each with the ``apiVersion`` and ``kind`` that only the list has, and the list's metadata."""
    kind = scope.kind
    metadata = body.get("metadata")
    # Go writes a list that was never filled as null; a list without the field is no list.
    items = [] if "items" in body and body["items"] is None else body.get("items")
    is_list = str(body.get("kind", "")).endswith("List") and body.get("apiVersion") == kind.api_version
    if not is_list or not isinstance(items, list) or not isinstance(metadata, dict):
        raise Failure("invalid-answer", f"the answer is no list of {kind.plural}")
    if moment is not None and moment != metadata.get("resourceVersion", ""):
        raise Failure("expired", "the pages of the list are of different moments")
    for index, item in enumerate(items):
        named = isinstance(item, dict) and isinstance(item.get("metadata"), dict) and item["metadata"].get("name")
        if not named or item.get("kind", kind.kind) != kind.kind:
            raise Failure("invalid-answer", f"the list of {kind.plural} has something else in it")
        if "kind" not in item or "apiVersion" not in item:
            items[index] = {"apiVersion": kind.api_version, "kind": kind.kind, **item}
    return items, metadata


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
