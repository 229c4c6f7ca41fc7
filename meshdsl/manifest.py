"""A Kubernetes object on its way to a file or a comparison, with what meshdsl knows about it.

The body is plain JSON data, complete, in the order its fields are to be written. Beside it stands what a
Kubernetes object cannot say of itself: when to apply it, whether we own all of it, and who asked for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from meshdsl.diagnostics import Origin
from meshdsl.values import Json

MANAGED_BY = "app.kubernetes.io/managed-by"
SET_LABEL = "meshdsl.dev/set"
FILE_MARK = "# Made by meshdsl. Do not edit: change the policies and build again."
"""The first line of every file we write, and how a later build knows the file for ours. It never changes: files with
another first line are nobody's but the user's."""


class Phase(IntEnum):
    """The order in which objects are applied, so that nothing refers to what is not there yet."""

    NAMESPACE = 1
    IDENTITY = 2
    DESTINATION = 3
    WAYPOINT = 4
    ROUTE = 5
    ACCESS = 6
    CLOSING = 7  # what refuses all that nothing opens, after what opens: else every request fails for a moment
    BINDING = 8


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """The name of a Kubernetes object in a cluster. ``namespace`` is empty for a cluster-scoped object."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object to apply.

    Attributes:
        ref: its name.
        phase: when it is applied.
        body: the whole object, ``apiVersion`` first.
        partial: we own only the fields in ``body``; it is patched (server-side apply), never replaced or deleted.
        owner: ``(namespace, service)`` whose file it is written to; the service is empty for an object of the
            namespace, both are empty for one of the mesh.
        origins: the policies that ask for it.
    """

    ref: ObjectRef
    phase: Phase
    body: Mapping[str, Json]
    partial: bool = False
    owner: tuple[str, str] = ("", "")
    origins: tuple[Origin, ...] = field(default=(), compare=False)


def manifest(
    ref: ObjectRef,
    phase: Phase,
    set_name: str,
    *,
    content: Mapping[str, Json],
    owner: tuple[str, str],
    origins: tuple[Origin, ...] = (),
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    partial: bool = False,
) -> Manifest:
    """A manifest with the metadata that all of ours share.

    Args:
        ref: name of the object.
        phase: when it is applied.
        set_name: name of the policy set, written as a label on what is wholly ours.
        content: the fields beside ``metadata``, such as ``{"spec": …}``.
        owner: see :class:`Manifest`.
        origins: see :class:`Manifest`.
        labels: further labels.
        annotations: annotations.
        partial: see :class:`Manifest`; a partial object is not labelled, because it is not ours.
    """
    metadata: dict[str, Json] = {"name": ref.name}
    if ref.namespace:
        metadata["namespace"] = ref.namespace
    own = {} if partial else {MANAGED_BY: "meshdsl", SET_LABEL: set_name}
    all_labels = dict(sorted({**(labels or {}), **own}.items()))
    if all_labels:
        metadata["labels"] = all_labels
    if annotations:
        metadata["annotations"] = dict(sorted(annotations.items()))
    body: dict[str, Json] = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, **content}
    return Manifest(ref, phase, body, partial, owner, origins)
