"""What would be there after an apply: the objects that are there, with ours merged in and what goes taken out.

The merge is that of a server-side apply: our fields are set, lists without keys are replaced as a whole, what those who
apply our manifests had set and we set no longer goes, and what others set beside ours stays. What stays may narrow or
widen what our object means, so each such field is told, too. Views of meaning compare what is there with this, and not
with what was compiled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from meshdsl.compare.known import Schema, is_assigned, is_nothing, is_of_a_mesh
from meshdsl.compare.live import LiveObject
from meshdsl.compare.normalise import (
    Key,
    key_of,
    key_of_ref,
    list_of,
    mapping_of,
    metadata_of,
    stripped,
    text_of,
)
from meshdsl.compare.ownership import Hand, Owners, Step
from meshdsl.compare.schema import Schemas, default_of, field_of
from meshdsl.manifest import Manifest, ObjectRef


@dataclass(frozen=True, slots=True)
class Beside:
    """A field of somebody else on an object that is ours.

    Attributes:
        ref: the object.
        path: of the field; an item of a list with keys is ``name=value``.
        by: the field managers that set it, if the server names them.
        is_told: whether anything says who set it. If not, it is taken for ours, and goes with the apply.
    """

    ref: ObjectRef
    path: tuple[str, ...]
    by: tuple[str, ...] = ()
    is_told: bool = True


@dataclass(slots=True)
class Outcome:
    """What an apply leaves: the objects, and the fields of others on those that are wholly ours."""

    objects: list[LiveObject]
    beside: list[Beside] = field(default_factory=list)


def after_apply(
    objects: Iterable[LiveObject],
    manifests: Iterable[Manifest],
    deleted: Collection[ObjectRef] = (),
    *,
    removed: Mapping[Key, Iterable[Sequence[str | int]]] = MappingProxyType({}),
    crds: Iterable[LiveObject] | None = None,
    applied: Collection[Key] = (),
    sets: Collection[str] = (),
) -> Outcome:
    """The objects of a cluster after an apply.

    Objects of others stay and take part in who may call what, which is why this, and not the plan alone, is what to
    compare a cluster with.

    Args:
        objects: that are there.
        manifests: that are applied; of a partial one, its fields.
        deleted: that are taken away.
        removed: fields of ours that objects of others lose.
        crds: that are installed; None if that is not known.
        applied: keys of objects that are files of ours, in which nothing is somebody else's.
        sets: names of the policy sets that are ours.
    """
    found: dict[Key, LiveObject] = {key_of(one): one for one in objects}
    for ref in deleted:
        found.pop(key_of_ref(ref), None)
    for key, paths in removed.items():
        if key in found:
            found[key] = _without(found[key], paths)
    schemas, outcome = Schemas(crds), Outcome([])
    for manifest in manifests:
        key = key_of_ref(manifest.ref)
        there = found.get(key)
        if there is None:
            found[key] = manifest.body
        elif stripped(there, manifest.body) != manifest.body:
            owners = Owners(there, partial=manifest.partial, applied=key in applied, sets=sets)
            found[key] = _Merge(manifest, there, schemas, outcome.beside, owners).merged()
    outcome.objects = list(found.values())
    return outcome


def _without(there: LiveObject, paths: Iterable[Sequence[str | int]]) -> LiveObject:
    """An object without some fields; what is above them is copied."""
    result = dict(there)
    for path in paths:
        inner: Any = result
        for step in path[:-1]:
            below = mapping_of(inner.get(step))
            inner[step] = dict(below)
            inner = inner[step]
        inner.pop(path[-1], None)
    return result


class _Merge:
    """The merge of one object of ours with what is there."""

    def __init__(
        self, manifest: Manifest, live: LiveObject, schemas: Schemas, beside: list[Beside], owners: Owners
    ) -> None:
        self._manifest, self._live, self._beside, self._owners = manifest, live, beside, owners
        self._group, self._kind, _, _ = key_of(live)
        version = manifest.ref.api_version.rpartition("/")[2]
        self._schema = schemas.of(self._group, self._kind, version).schema

    def merged(self) -> LiveObject:
        """The object as it would be."""
        body, live = self._manifest.body, self._live
        metadata = dict(metadata_of(live))
        for part in ("labels", "annotations"):
            mine, theirs = (mapping_of(metadata_of(one).get(part)) for one in (body, live))
            metadata[part] = self._mapping(mine, theirs, ("metadata", part), {})
        apart = ("apiVersion", "kind", "metadata", "status")
        mine, theirs = ({k: v for k, v in one.items() if k not in apart} for one in (body, live))
        rest = self._mapping(mine, theirs, (), self._schema)
        return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": metadata, **rest}

    def _mapping(
        self, ours: Mapping[str, Any], live: Mapping[str, Any], steps: tuple[Step, ...], schema: Schema
    ) -> Mapping[str, Any]:
        if schema.get("x-kubernetes-map-type") == "atomic":
            return ours
        result: dict[str, Any] = {}
        for name, theirs in live.items():
            mine, inner, here = ours.get(name), field_of(schema, name) or {}, (*steps, name)
            if mine is not None:
                result[name] = self._value(mine, theirs, here, inner)
            elif theirs is not None:
                kept = self._kept(theirs, here, inner, schema)
                if kept is not None:
                    result[name] = kept
        return result | {name: value for name, value in ours.items() if value is not None and name not in live}

    def _value(self, ours: Any, live: Any, steps: tuple[Step, ...], schema: Schema) -> Any:
        if isinstance(ours, Mapping) and isinstance(live, Mapping):
            return self._mapping(ours, live, steps, schema)
        keys = list_of(schema.get("x-kubernetes-list-map-keys"))
        both = isinstance(ours, list | tuple) and isinstance(live, list | tuple)
        if both and keys and all(isinstance(item, Mapping) for item in (*ours, *live)):
            return self._keyed(ours, live, steps, mapping_of(schema.get("items")), tuple(map(str, keys)))
        return ours

    def _keyed(
        self,
        ours: Sequence[Mapping[str, Any]],
        live: Sequence[Mapping[str, Any]],
        steps: tuple[Step, ...],
        items: Schema,
        keys: tuple[str, ...],
    ) -> list[Any]:
        def key(item: Mapping[str, Any]) -> dict[str, Any]:
            values = {name: item.get(name, default_of(field_of(items, name) or {})) for name in keys}
            return {name: value for name, value in values.items() if value is not None}

        rest, result = list(live), []
        for item in ours:
            there = next((one for one in rest if key(one) == key(item)), None)
            if there is not None:
                rest.remove(there)
            result.append(item if there is None else self._value(item, there, (*steps, key(item)), items))
        for item in rest:
            kept = self._kept(item, (*steps, key(item)), items, {})
            if kept is not None:
                result.append(kept)
        return result

    def _kept(self, live: Any, steps: tuple[Step, ...], schema: Schema, parent: Schema) -> Any:
        """What stays of a field that we do not set; None if nothing does."""
        hand = self._owners.of(steps)
        if hand is not Hand.OURS:
            self._tell(live, steps, schema, parent)
            return live
        if isinstance(live, Mapping) and live and self._owners.is_shared(steps):
            inner = {
                name: self._kept(value, (*steps, name), field_of(schema, name) or {}, schema)
                for name, value in live.items()
            }
            return {name: value for name, value in inner.items() if value is not None} or None
        if not self._owners.is_told:
            self._tell(live, steps, schema, parent)
        return None

    def _tell(self, live: Any, steps: tuple[Step, ...], schema: Schema, parent: Schema) -> None:
        """Remember a field of somebody else, unless it says nothing or a server fills it in."""
        path = tuple(one if isinstance(one, str) else ",".join(f"{k}={v}" for k, v in one.items()) for one in steps)
        if self._manifest.partial or (path[0] == "metadata" and not is_of_a_mesh(path[-1])):
            return
        if is_assigned(self._group, self._kind, path) or live == default_of(schema):
            return
        if is_nothing(self._group, path[-1], live, schema, parent) or live in ({}, []):
            return
        told = Beside(self._manifest.ref, path, self._owners.names_of(steps), self._owners.is_told)
        self._beside.append(told)


# ----------------------------------------------------------------------------------------------------------- for people

_ELSE: Final = "it may narrow or widen what the policies say"
_FEWER: Final = "the object holds for the pods that it selects, and for no others"
_CONSEQUENCES: Final[Mapping[tuple[str, str], str]] = {
    ("PeerAuthentication", "selector"): _FEWER,
    ("PeerAuthentication", "portLevelMtls"): "the ports that it names have a mode of their own",
    ("AuthorizationPolicy", "selector"): _FEWER,
    ("AuthorizationPolicy", "targetRef"): "the object holds for what it names, and for nothing else",
    ("AuthorizationPolicy", "targetRefs"): "the object holds for what it names, and for nothing else",
    ("AuthorizationPolicy", "rules"): "the requests that they match are no longer refused",
    ("AuthorizationPolicy", "action"): "the object does with its rules what this says",
    ("VirtualService", "gateways"): "the object holds at these gateways, and at sidecars only if mesh is among them",
    ("VirtualService", "exportTo"): "the object holds for callers in these namespaces, and for no others",
    ("DestinationRule", "exportTo"): "the object holds for callers in these namespaces, and for no others",
    ("DestinationRule", "workloadSelector"): "the object holds for the callers that it selects, and for no others",
    ("DestinationRule", "tls"): "callers use TLS as this says, whatever the policies say of mTLS",
    ("HTTPRoute", "hostnames"): "meshes take no account of it",
    ("Server", "podSelector"): _FEWER,
    ("Server", "externalWorkloadSelector"): "the object holds for what it selects",
    ("MeshTLSAuthentication", "identities"): "these callers are let in, too",
    ("MeshTLSAuthentication", "identityRefs"): "these callers are let in, too",
    ("AuthorizationPolicy", "istio.io/dry-run"): "unless it is false, nobody enforces the object",
}

ABOUT_ACCESS: Final = frozenset(
    {"AuthorizationPolicy", "MeshTLSAuthentication", "NetworkAuthentication", "PeerAuthentication", "Server"}
)
"""Kinds of which a field of others changes who may call what."""


def sentence(one: Beside) -> str:
    """A field that stays: whose, on which object, and what that means."""
    name = " ".join(one.path) if one.path[0] == "metadata" else ".".join(one.path)
    name = name.removeprefix("spec.").removeprefix("metadata ").replace("annotations ", "annotation ", 1)
    name = name.replace("labels ", "label ", 1)
    found = (_CONSEQUENCES.get((one.ref.kind, step)) for step in one.path)
    what = next((text for text in found if text), _ELSE)
    if not one.is_told:
        return f"{one.ref}: nothing says who set {name}; it is taken for ours, to go, and if it stays, {what}"
    by = f"set by {', '.join(map(text_of, one.by))}" if one.by else "set by somebody else"
    return f"{one.ref}: {name}, {by}, stays: {what}"
