"""What would be there after an apply: the objects that are there, with ours put in and what goes taken out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from meshdsl.compare.live import LiveObject
from meshdsl.manifest import Manifest, ObjectRef

_Key = tuple[str, str, str, str]


def after_apply(
    objects: Iterable[LiveObject], manifests: Iterable[Manifest], deleted: Collection[ObjectRef] = ()
) -> list[LiveObject]:
    """The objects of a cluster after an apply.

    Objects of others stay and take part in who may call what, which is why this, and not the plan alone, is what to
    compare a cluster with.

    Args:
        objects: that are there.
        manifests: that are applied; of a partial one, labels and annotations.
        deleted: that are taken away.
    """
    found: dict[_Key, LiveObject] = {_key(one): one for one in objects}
    for ref in deleted:
        found.pop((_group(ref.api_version), ref.kind, ref.namespace, ref.name), None)
    for manifest in manifests:
        ref = manifest.ref
        key = (_group(ref.api_version), ref.kind, ref.namespace, ref.name)
        there = found.get(key)
        found[key] = _merged(there, manifest.body) if there is not None else manifest.body
    return list(found.values())


def _merged(there: LiveObject, body: Mapping[str, Any]) -> LiveObject:
    metadata = dict(there.get("metadata") or {})
    for part in ("labels", "annotations"):
        both = {**(metadata.get(part) or {}), **(body["metadata"].get(part) or {})}
        if both:
            metadata[part] = both
    return {**there, **body, "metadata": metadata}


def _key(one: LiveObject) -> _Key:
    metadata = one.get("metadata") or {}
    return (
        _group(one.get("apiVersion", "")),
        one.get("kind", ""),
        metadata.get("namespace", ""),
        metadata.get("name", ""),
    )


def _group(api_version: str) -> str:
    return api_version.partition("/")[0] if "/" in api_version else ""
