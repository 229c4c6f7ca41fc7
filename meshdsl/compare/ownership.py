"""Whose an object is, and whose a field.

An object is ours if it has our label and the name of this set. A field that is there and that we do not set is ours to
remove if those who applied our manifests set it, and somebody else's otherwise. Who applied is not a matter of a
manager's name (people apply with kubectl, Argo CD and Flux): it is whoever set our label. Where the server does not say
who set what (a dump without ``managedFields``), kubectl's own annotation does, and at last the kind of field.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from typing import Any, Final

from meshdsl.compare.known import is_of_a_mesh, is_set_in_part
from meshdsl.compare.live import LiveObject
from meshdsl.compare.normalise import (
    LAST_APPLIED,
    annotations_of,
    labels_of,
    list_of,
    mapping_of,
    metadata_of,
    text_of,
)
from meshdsl.manifest import MANAGED_BY, SET_LABEL

MANAGER: Final = "meshdsl"
"""The field manager that our own applies have, and the value of the label."""


def manager_of(set_name: str) -> str:
    """The field manager that the patches of a policy set have.

    An object of which only some fields are ours has no label of a set, and two sets may have set something of it: each
    takes off only what it has set itself.
    """
    return f"{MANAGER}/{set_name}"


_LABEL_STEPS = ("metadata", "labels", SET_LABEL)

Step = str | Mapping[str, Any]
"""A name, or the keys of an item in a list with keys."""


class Hand(Enum):
    """Who set a field."""

    OURS = "ours"
    THEIRS = "theirs"
    NOBODY = "nobody"
    """The server, by itself."""


def is_ours(live: LiveObject, set_name: str) -> bool:
    """Whether an object is wholly ours and of this set."""
    labels = labels_of(live)
    return labels.get(MANAGED_BY) == MANAGER and labels.get(SET_LABEL) == set_name


class Owners:
    """Who set the fields of one object."""

    def __init__(self, live: LiveObject, *, partial: bool, applied: bool, sets: Collection[str] = ()) -> None:
        """Read what the object says of its managers.

        Args:
            live: as it is, with ``managedFields`` if the server gave them.
            partial: we own only some of its fields.
            applied: it is a file of ours: all that stands in it is ours.
            sets: names of the policy sets that are ours: what their patches have set of a partial object is ours.
        """
        metadata = metadata_of(live)
        self._all_ours = applied
        self._partial = partial
        self._managers = list(_managers(metadata))
        if partial:
            own = {MANAGER, *map(manager_of, sets)}
            self._managers = [one for name, tree in self._managers for one in _in_part(name, tree, own)]
        self._migrated = client_side_appliers(live)
        self._appliers = [tree for name, tree in self._managers if name == MANAGER or self._applied(tree)]
        self._last = None if self._managers else _last_applied(live)
        stored = ("uid", "resourceVersion", "creationTimestamp")
        self._from_server = any(metadata.get(name) for name in stored)

    def _applied(self, tree: Mapping[str, Any]) -> bool:
        return not self._partial and _has(tree, _LABEL_STEPS)

    def of(self, steps: tuple[Step, ...]) -> Hand:
        """Who set a field that we do not set."""
        if self._all_ours:
            return Hand.OURS
        if self._managers:
            ours = [tree for tree in self._appliers if _has(tree, steps)]
            # An empty ``spec`` of ours covers nothing that somebody else has put into it: that stays after an apply.
            if any(_names(tree, steps) for tree in ours) or (ours and not self._is_put_in(steps)):
                return Hand.OURS
            return Hand.THEIRS if any(_has(tree, steps) for _, tree in self._managers) else Hand.NOBODY
        if self._partial:
            return Hand.THEIRS
        if self._last is not None:
            return Hand.OURS if _in(self._last, steps) else Hand.THEIRS
        if not self._from_server:
            return Hand.OURS
        if steps[0] == "metadata":
            return Hand.OURS if is_of_a_mesh(str(steps[-1])) else Hand.THEIRS
        return Hand.OURS

    def _is_put_in(self, steps: tuple[Step, ...]) -> bool:
        """Whether somebody else has the very field."""
        return any(_names(tree, steps) for _, tree in self._managers if tree not in self._appliers)

    def is_shared(self, steps: tuple[Step, ...]) -> bool:
        """Whether others set something of what we have set, too, so that it takes a look inside."""
        return bool(self._managers) and sum(_has(tree, steps) for _, tree in self._managers) > 1

    def names_of(self, steps: tuple[Step, ...]) -> tuple[str, ...]:
        """The managers of a field other than those who apply our manifests, in order; empty if none is known."""
        return tuple(sorted({name for name, tree in self._managers if name and tree not in self._appliers
                             and _has(tree, steps)}))  # fmt: skip

    def claimants(self, steps: tuple[Step, ...]) -> tuple[str, ...]:
        """Who makes a server-side apply of ours stop at a field if it changes it, in order.

        What a client-side ``kubectl apply`` has set, kubectl takes over by itself.
        """
        return tuple(name for name in self.names_of(steps) if name not in self._migrated)

    @property
    def is_told(self) -> bool:
        """Whether anything says who set which field, or all of it is ours."""
        return self._all_ours or bool(self._managers) or self._last is not None or not self._from_server

    def owned(self) -> tuple[tuple[str, ...], ...]:
        """The fields that our own manager has, each by its names, in order; a list is one field."""
        found = {path for name, tree in self._managers if name == MANAGER for path in _leaves(tree, ())}
        return tuple(sorted(found))


def _managers(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in list_of(metadata.get("managedFields")):
        if isinstance(entry, Mapping) and not entry.get("subresource"):
            yield text_of(entry.get("manager")), mapping_of(entry.get("fieldsV1"))


def client_side_appliers(live: LiveObject) -> frozenset[str]:
    """The managers who keep their manifest in kubectl's annotation, as a client-side ``kubectl apply`` does.

    ``kubectl apply --server-side`` takes over all fields that they own, and removes those that are not in what it
    applies (``util/csaupgrade`` of client-go): harmless for an object that is wholly ours, and for no other.
    """
    annotation = ("metadata", "annotations", LAST_APPLIED)
    return frozenset(
        text_of(entry.get("manager"))
        for entry in list_of(metadata_of(live).get("managedFields"))
        if isinstance(entry, Mapping)
        and entry.get("operation") == "Update"
        and not entry.get("subresource")
        and _names(mapping_of(entry.get("fieldsV1")), annotation)
    )


def is_patched_by(live: LiveObject, sets: Collection[str]) -> bool:
    """Whether a patch of one of these policy sets has set something of an object."""
    own = set(map(manager_of, sets))
    return any(name in own for name, _ in _managers(metadata_of(live)))


def _in_part(name: str, tree: Mapping[str, Any], own: Collection[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A manager of an object that is not wholly ours: of our own, only what a policy can have set is ours.

    The rest came to it by a server-side apply that took over what kubectl had set there: it is the owner's still.
    """
    if name not in own:
        yield name, tree
        return
    mine, rest = _parted(tree)
    yield from ((whose, part) for whose, part in ((MANAGER, mine), ("", rest)) if part)


def _parted(tree: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a mesh in a manager's tree, and the others."""
    mine: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, child in tree.items():
        if not key.startswith("f:") or not child:
            (mine if key.startswith("f:") and is_set_in_part(key[2:]) else rest)[key] = child
            continue
        for part, found in zip((mine, rest), _parted(mapping_of(child)), strict=True):
            if found:
                part[key] = found
    return mine, rest


def _has(tree: Mapping[str, Any], steps: tuple[Step, ...]) -> bool:
    """Whether a manager has a field, or something below it. What ends before the field covers all below."""
    node: Mapping[str, Any] = tree
    for number, step in enumerate(steps):
        if number and not node:
            return True
        child = node.get(f"f:{step}") if isinstance(step, str) else _item(node, step)
        if child is None:
            return False
        node = mapping_of(child)
    return True


def _names(tree: Mapping[str, Any], steps: tuple[Step, ...]) -> bool:
    """Whether a manager has the very field, or something below it."""
    node: Any = tree
    for step in steps:
        node = mapping_of(node).get(f"f:{step}") if isinstance(step, str) else _item(mapping_of(node), step)
        if node is None:
            return False
    return True


def _item(node: Mapping[str, Any], keys: Mapping[str, Any]) -> Any:
    for name, child in node.items():
        if name.startswith("k:"):
            try:
                if json.loads(name[2:]) == keys:
                    return child
            except ValueError:
                continue
    return None


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    inner = {key[2:]: child for key, child in tree.items() if key.startswith("f:")}
    if not inner:
        yield path
    for name, child in inner.items():
        yield from _leaves(mapping_of(child), (*path, name))


def _last_applied(live: LiveObject) -> Mapping[str, Any] | None:
    text = annotations_of(live).get(LAST_APPLIED)
    if not isinstance(text, str):
        return None
    try:
        return mapping_of(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _in(value: Any, steps: tuple[Step, ...]) -> bool:
    for step in steps:
        if isinstance(step, str):
            if not isinstance(value, Mapping) or step not in value:
                return False
            value = value[step]
        else:
            items = (item for item in list_of(value) if isinstance(item, Mapping))
            value = next((item for item in items if all(item.get(k, v) == v for k, v in step.items())), None)
            if value is None:
                return False
    return True


# ----------------------------------------------------------------------------------------------------------- for people


def controller_of(live: LiveObject) -> Mapping[str, Any]:
    """The owner reference of what controls an object; empty if nothing does."""
    references = [one for one in list_of(metadata_of(live).get("ownerReferences")) if isinstance(one, Mapping)]
    return next((one for one in references if one.get("controller")), references[0] if references else {})


def owner_of(live: LiveObject) -> str:
    """Who has an object that is not ours, in words: the strongest claim there is."""
    labels, annotations = labels_of(live), annotations_of(live)
    reference = controller_of(live)
    if reference:
        return f"{text_of(reference.get('kind'))} {text_of(reference.get('name'))}"
    if labels.get(MANAGED_BY) == MANAGER:
        return f"meshdsl set {labels.get(SET_LABEL)}" if labels.get(SET_LABEL) else "meshdsl, no set"
    for source, name, words in (
        (annotations, "meta.helm.sh/release-name", "Helm release"),
        (annotations, "argocd.argoproj.io/tracking-id", "Argo CD"),
        (labels, "argocd.argoproj.io/instance", "Argo CD"),
        (labels, "kustomize.toolkit.fluxcd.io/name", "Flux kustomization"),
        (labels, "helm.toolkit.fluxcd.io/name", "Flux Helm release"),
        (labels, "kapp.k14s.io/app", "kapp app"),
    ):
        if text_of(source.get(name)):
            return f"{words} {text_of(source[name]).partition(':')[0]}"
    if text_of(labels.get(MANAGED_BY)):
        return text_of(labels[MANAGED_BY])
    managers = sorted({name for name, _ in _managers(metadata_of(live)) if name})
    return ", ".join(managers) if managers else "nobody that it names"


def notes_of(live: LiveObject) -> tuple[str, ...]:
    """What else has a hand in an object: a pending deletion, finalizers, owners."""
    metadata = metadata_of(live)
    notes: list[str] = []
    finalizers = ", ".join(text_of(one) for one in list_of(metadata.get("finalizers")))
    if metadata.get("deletionTimestamp"):
        waits = f" and waits for {finalizers}" if finalizers else ""
        notes.append(f"its deletion is pending{waits}")
    elif finalizers:
        notes.append(f"it has finalizers: {finalizers}")
    notes += [
        f"it belongs to {text_of(one.get('kind'))} {text_of(one.get('name'))} and goes with it"
        for one in list_of(metadata.get("ownerReferences"))
        if isinstance(one, Mapping)
    ]
    return tuple(notes)


def in_the_way(live: LiveObject) -> str:
    """What an apply of ours does with an object that is not ours and bears the name of one of ours."""
    if any(name == MANAGER for name, _ in _managers(metadata_of(live))):
        return "a server-side apply as field manager meshdsl overwrites it, and no conflict stops it"
    return "a server-side apply stops at what others set; with --force-conflicts, as GitOps tools do, it overwrites it"


def is_spared(live: LiveObject) -> bool:
    """Whether an object of ours is not to be deleted by us: it goes already, or belongs to something else."""
    metadata = metadata_of(live)
    return bool(metadata.get("deletionTimestamp") or list_of(metadata.get("ownerReferences")))
