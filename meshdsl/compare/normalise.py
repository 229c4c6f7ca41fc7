"""What an API server and its tools add to an object, taken off: nobody wrote it, so it is no difference.

The list is fixed and each entry has a reason. What the schema's defaults add is not here: that is the schema's affair
(:mod:`meshdsl.compare.fields`), and so is what other people set (:mod:`meshdsl.compare.ownership`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from meshdsl.compare.live import LiveObject
from meshdsl.manifest import ObjectRef
from meshdsl.values import Json

Key = tuple[str, str, str, str]
"""API group, kind, namespace, name: what an object is called whatever version it is shown in."""

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"

SERVERS_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata", "status"})
"""Of an object: its name, which is compared by :data:`Key`, and ``status``, which controllers write."""

STRIPPED_ANNOTATIONS: Final[Mapping[str, str]] = {
    LAST_APPLIED: "kubectl apply keeps the manifest there",
    "argocd.argoproj.io/tracking-id": "Argo CD marks what it applied",
    "argocd.argoproj.io/installation-id": "Argo CD marks what it applied",
    "deployment.kubernetes.io/revision": "the Deployment controller counts",
    "deprecated.daemonset.template.generation": "the DaemonSet controller counts",
    "kubectl.kubernetes.io/restartedAt": "kubectl rollout restart marks the Pods",
}
STRIPPED_LABELS: Final[Mapping[str, str]] = {
    "kubernetes.io/metadata.name": "the server names the Namespace",
    "argocd.argoproj.io/instance": "Argo CD marks what it applied",
    "kustomize.toolkit.fluxcd.io/name": "Flux marks what it applied",
    "kustomize.toolkit.fluxcd.io/namespace": "Flux marks what it applied",
}
"""What is left out unless it is ours, and why."""

STRIPPED_METADATA: Final = frozenset(
    {
        "name",
        "namespace",
        "managedFields",
        "resourceVersion",
        "uid",
        "generation",
        "creationTimestamp",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "ownerReferences",
        "finalizers",
        "generateName",
    }
)
"""What the server writes, or what says who else has a hand in it (shown as notes, never compared)."""


def text_of(value: object) -> str:
    """A value as text if it is one, else empty: a dump may hold anything."""
    return value if isinstance(value, str) else ""


def mapping_of(value: object) -> Mapping[str, Any]:
    """A value as a mapping if it is one, else an empty one: a dump may hold anything."""
    if type(value) is dict:  # asked a hundred times an object, and the general question is slow
        return value
    return value if isinstance(value, Mapping) else {}


def list_of(value: object) -> Sequence[Any]:
    """A value as a list if it is one, else an empty one: a dump may hold anything."""
    return value if isinstance(value, list | tuple) else ()


def key_of(body: LiveObject) -> Key:
    """What an object is called."""
    metadata = mapping_of(body.get("metadata"))
    group = text_of(body.get("apiVersion")).rpartition("/")[0]
    return group, text_of(body.get("kind")), text_of(metadata.get("namespace")), text_of(metadata.get("name"))


def key_of_ref(ref: ObjectRef) -> Key:
    """What an object is called."""
    return ref.api_version.rpartition("/")[0], ref.kind, ref.namespace, ref.name


def ref_of(body: LiveObject) -> ObjectRef:
    """The reference to an object."""
    _, kind, namespace, name = key_of(body)
    return ObjectRef(text_of(body.get("apiVersion")), kind, namespace, name)


def metadata_of(body: LiveObject) -> Mapping[str, Any]:
    """An object's metadata."""
    return mapping_of(body.get("metadata"))


def labels_of(body: LiveObject) -> Mapping[str, Any]:
    """An object's labels."""
    return mapping_of(metadata_of(body).get("labels"))


def annotations_of(body: LiveObject) -> Mapping[str, Any]:
    """An object's annotations."""
    return mapping_of(metadata_of(body).get("annotations"))


def plain(value: Any) -> Any:
    """The same JSON data in dicts and lists alone. A body may hold tuples and frozen mappings."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict | Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    return value


def canonical(value: Any) -> str:
    """JSON text that is the same for the same data, and tells ``true`` from ``1``."""
    return json.dumps(value, sort_keys=True, default=plain)


def stripped(live: LiveObject, ours: Mapping[str, Json]) -> dict[str, Any]:
    """A live object without what servers and tools add.

    Args:
        live: as the API server has it.
        ours: an entry of the tables that we set ourselves is kept; empty if we set nothing.
    """
    kept: dict[str, Any] = {"apiVersion": live.get("apiVersion"), "kind": live.get("kind")}
    metadata = metadata_of(live)
    own = metadata_of(ours)
    shown = {name: metadata[name] for name in ("name", "namespace") if metadata.get(name)}
    for name, table in (("labels", STRIPPED_LABELS), ("annotations", STRIPPED_ANNOTATIONS)):
        mine = mapping_of(own.get(name))
        rest = {k: v for k, v in mapping_of(metadata.get(name)).items() if k not in table or k in mine}
        if rest:
            shown[name] = rest
    kept["metadata"] = shown
    kept.update((name, value) for name, value in live.items() if name not in SERVERS_FIELDS)
    return kept


def agrees(ours: Mapping[str, Json], live: Mapping[str, Any]) -> bool:
    """Whether nothing needs a closer look: all is equal to the letter. Most objects of most comparisons are.

    Args:
        ours: the object as it would be.
        live: the object as it is, :func:`stripped`.
    """
    return ours == live and _have_same_types(ours, live)


def _have_same_types(one: Any, other: Any) -> bool:
    """Whether two values that are equal are of the same types all through: to Python, ``True`` is equal to ``1``."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is dict:
        for name, value in one.items():
            if type(value) is not str and not _have_same_types(value, other[name]):
                return False
    elif kind is list:
        for mine, theirs in zip(one, other, strict=True):
            if type(mine) is not str and not _have_same_types(mine, theirs):
                return False
    return True
