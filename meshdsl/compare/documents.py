"""From documents to a snapshot: lists opened, Secrets forgotten, every object once.

What is refused here is said with the file and line of the document, because two manifests that claim one name, or a
document that is no object, are somebody's mistake in a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from meshdsl.compare.kinds import CRD, KINDS
from meshdsl.compare.live import Kind, LiveObject, Scope, Snapshot
from meshdsl.compare.normalise import Key, key_of
from meshdsl.diagnostics import Diagnostic, Origin

PARTIAL_MARK: Final = "# Only these fields are ours"
"""How the comment before a partial manifest begins (``meshdsl.render``)."""

_NOT_APPLIED = frozenset({"kustomize.config.k8s.io"})
"""Groups of files that tools read and clusters never see."""

_ALONE: Final = "name a folder or file that holds Kubernetes objects alone"

_BY_KIND: Final[Mapping[tuple[str, str], Kind]] = {(kind.group, kind.kind): kind for kind in KINDS.values()}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document begins, lines from 1."""

    file: str
    line: int


Found = tuple[Any, Place, bool]
"""A document, where it begins, and whether it says that it is partial."""


def assembled(found: Iterable[Found], name: str) -> tuple[Snapshot, list[Diagnostic]]:
    """A snapshot of documents, and what is wrong with them."""
    objects: dict[Key, tuple[LiveObject, Place]] = {}
    crds: list[LiveObject] = []
    applied: set[Key] = set()
    scopes: set[Scope] = set()
    problems: list[Diagnostic] = []
    for body, place, partial in _opened(found, problems):
        key = key_of(body)
        kind = kind_of(body)
        scopes.add(Scope(kind, key[2]))
        if key in objects:
            problems.append(_twice(body, place, objects[key][1]))
            continue
        objects[key] = (body, place)
        if partial:
            applied.add(key)
        if (kind.group, kind.kind) == (CRD.group, CRD.kind):
            crds.append(body)
    kept = tuple(body for body, _ in objects.values() if body["kind"] != CRD.kind)
    snapshot = Snapshot(kept, frozenset(scopes), (), tuple(crds) or None, name, frozenset(applied))
    return snapshot, problems


def kind_of(body: LiveObject) -> Kind:
    """The kind of an object; what is not known here gets a name by rule, for people only."""
    group, _, version = str(body["apiVersion"]).rpartition("/")
    known = KINDS.get((body["apiVersion"], body["kind"])) or _BY_KIND.get((group, body["kind"]))
    if known is not None:
        return Kind(group, version, known.kind, known.plural, known.namespaced)
    kind = body["kind"]
    return Kind(group, version, kind, f"{kind.lower()}s", bool(body["metadata"].get("namespace")))


def _opened(found: Iterable[Found], problems: list[Diagnostic]) -> Iterator[tuple[LiveObject, Place, bool]]:
    """The objects in documents and in lists, without Secrets."""
    for body, place, partial in found:
        if not isinstance(body, dict):
            problems.append(_no_object(f"a document is {_word(body)}, not an object", place))
            continue
        version, kind = body.get("apiVersion"), body.get("kind")
        if not isinstance(version, str) or not isinstance(kind, str) or not version or not kind:
            problems.append(_nameless(body, place))
            continue
        group = version.rpartition("/")[0]
        if group in _NOT_APPLIED or (kind == "Secret" and not group):
            continue
        if kind.endswith("List") and "items" in body and "spec" not in body:
            yield from _opened(_items(body, version, kind, place, problems), problems)
            continue
        wrong = _metadata_problem(body)
        if wrong is not None:
            problems.append(_no_object(f"a {kind} {wrong}", place))
        elif body["metadata"].get("name"):
            yield body, place, partial


def _items(body: dict[str, Any], version: str, kind: str, place: Place, problems: list[Diagnostic]) -> Iterator[Found]:
    """The items of a list. In the API's own lists they do not repeat what the list says of them."""
    items = body["items"]
    if items is None:
        return
    if not isinstance(items, list):
        problems.append(_no_object(f"the items of a {kind} are {_word(items)}, not a list", place))
        return
    said = {} if kind == "List" else {"apiVersion": version, "kind": kind.removesuffix("List")}
    for item in items:
        yield ({**said, **item} if isinstance(item, dict) else item), place, False


def _metadata_problem(body: dict[str, Any]) -> str | None:
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return "has no metadata"
    for field in ("name", "namespace", "generateName"):
        if not isinstance(metadata.get(field, ""), str | None):
            return f"has a {field} that is no text"
    if not metadata.get("name") and not metadata.get("generateName"):
        return "has no name"
    for field in ("labels", "annotations"):
        if not isinstance(metadata.get(field), dict | None):
            return f"has {field} that are no mapping"
    return None


def _word(value: object) -> str:
    return {dict: "a mapping", list: "a list", str: "text", bool: "true or false"}.get(type(value), "a number")


def _nameless(body: Mapping[str, Any], place: Place) -> Diagnostic:
    if "apiVersion" in body and isinstance(
        body.get("items"), list
    ):  # kubectl writes the kind of a list after its items
        return _no_object("a list has no kind", place, help="was the file cut off? The kind comes after the items")
    return _no_object("a document has no apiVersion and kind", place)


def _no_object(message: str, place: Place, *, help: str = _ALONE) -> Diagnostic:
    return Diagnostic("MESH825", message, Origin(place.file, place.line), help=help)


def _twice(body: LiveObject, place: Place, first: Place) -> Diagnostic:
    metadata = body["metadata"]
    where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    name = json.dumps(f"{where}{metadata['name']}", ensure_ascii=False).strip('"')
    return Diagnostic(
        "MESH826",
        f"{body['kind']} {name} is there twice",
        Origin(place.file, place.line),
        reason="which of the two holds could not be told",
        help="name the folder of one cluster, or take one of the two out",
        related=(("the other", Origin(first.file, first.line)),),
    )
