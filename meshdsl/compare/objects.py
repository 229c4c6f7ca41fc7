"""Object by object: what would be created, changed, deleted, and what is in the way.

Everything is decided by the objects at hand and by what the snapshot says of how complete it is. What could not be read
gives no change at all: neither a creation nor a deletion may be inferred from an answer that was not given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

from meshdsl.compare.delegation import Driver, Drivers, kept, masked, settled
from meshdsl.compare.fields import Comparison
from meshdsl.compare.kinds import NAMESPACE, made_by
from meshdsl.compare.live import LiveObject, Scope, Snapshot, Unknown
from meshdsl.compare.normalise import (
    Key,
    agrees,
    key_of,
    key_of_ref,
    labels_of,
    mapping_of,
    metadata_of,
    plain,
    ref_of,
    stripped,
    text_of,
)
from meshdsl.compare.ownership import (
    MANAGER,
    Owners,
    client_side_appliers,
    in_the_way,
    is_ours,
    is_patched_by,
    is_spared,
    notes_of,
    owner_of,
)
from meshdsl.compare.pods import Pods
from meshdsl.compare.report import ABSENT, PATCH_IT, REFUSAL, Action, FieldChange, FieldPath, ObjectChange
from meshdsl.compare.schema import Schemas
from meshdsl.compiler import Bundle
from meshdsl.manifest import MANAGED_BY, Manifest, ObjectRef


class Coverage:
    """Which scopes were read, and which could not be."""

    def __init__(self, scopes: Iterable[Scope], unknown: Iterable[Unknown]) -> None:
        self._read = {_place(scope) for scope in scopes if not scope.selector}
        self._unknown = {_place(one.scope) for one in unknown}

    def is_unknown(self, key: Key) -> bool:
        """Whether nobody can say if an object is there."""
        places = {(key[0], key[1], key[2]), (key[0], key[1], "")}
        return self._read.isdisjoint(places) and not self._unknown.isdisjoint(places)

    def is_complete(self, key: Key) -> bool:
        """Whether what was not found is not there."""
        return not self._read.isdisjoint({(key[0], key[1], key[2]), (key[0], key[1], "")})


def _place(scope: Scope) -> tuple[str, str, str]:
    return scope.kind.group, scope.kind.kind, scope.namespace


@dataclass(slots=True)
class Differences:
    """What was found, each list by namespace, kind and name."""

    changes: list[ObjectChange] = field(default_factory=list)
    aside: list[ObjectChange] = field(default_factory=list)
    compared: int = 0
    settled: dict[Key, LiveObject] = field(default_factory=dict)
    """Objects that somebody drives, as they would be without: for what a difference means."""
    shared: bool = False
    """Whether others have set something on an object that is wholly ours."""

    def sort(self) -> None:
        """Put everything in its order."""
        for found in (self.changes, self.aside):
            found.sort(key=lambda change: (change.ref.namespace, change.ref.kind, change.ref.name, change.ref))


class Comparer:
    """Compares a bundle with a snapshot."""

    def __init__(
        self, bundle: Bundle, snapshot: Snapshot, *, sets: Iterable[str], adopt: bool, show_foreign: bool
    ) -> None:
        """Prepare what is needed for all objects.

        Args:
            bundle: what would be.
            snapshot: what is.
            sets: names of the policy sets whose objects are ours.
            adopt: objects that are in the way and not ours are taken over.
            show_foreign: tell what others have set on objects that agree, too.
        """
        self.bundle = bundle
        self.applied = snapshot.applied
        self.live = {key_of(one): one for one in reversed(snapshot.objects)}
        self.schemas = Schemas(snapshot.crds)
        self.drivers = Drivers(snapshot.objects)
        self.pods = Pods(snapshot)
        self.coverage = Coverage(snapshot.scopes, snapshot.unknown)
        self.sets = frozenset(sets)
        self.adopt = adopt
        self.show_foreign = show_foreign
        self.reached = self._reached()

    def run(self) -> Differences:
        """Compare everything."""
        found = Differences()
        produced: set[Key] = set()
        for manifest in self.bundle.manifests:
            key = key_of_ref(manifest.ref)
            produced.add(key)
            live = self.live.get(key)
            if live is None and self.coverage.is_unknown(key):
                continue
            found.compared += 1
            if live is None:
                found.changes.append(self._created(manifest))
            elif self._is_foreign(manifest, live):
                found.changes.append(self._conflict(manifest, live))
            else:
                self._compare(manifest, live, key, found)
        for key, live in self.live.items():
            if key not in produced and not self.coverage.is_unknown(key):
                self._leftover(key, live, found)
        found.sort()
        return found

    # ---------------------------------------------------------------------------------------------------- one by one

    def _is_foreign(self, manifest: Manifest, live: LiveObject) -> bool:
        return not (manifest.partial or self.adopt or self._is_ours(live))

    def _is_ours(self, live: LiveObject) -> bool:
        return any(is_ours(live, name) for name in self.sets)

    def _comparison(self, ref: ObjectRef, owners: Owners) -> Comparison:
        group, _, version = ref.api_version.rpartition("/")
        found = self.schemas.of(group, ref.kind, version)
        return Comparison(group, ref.kind, self.bundle.target.name, found, owners)

    def _created(self, manifest: Manifest) -> ObjectChange:
        ref = manifest.ref
        comparison = self._comparison(ref, Owners({}, partial=manifest.partial, applied=False))
        comparison.declared(manifest.body)
        notes: list[str] = []
        if manifest.partial and ref.kind != NAMESPACE.kind:
            notes.append(f"the {ref.kind} {ref.namespace}/{ref.name} is not there: it must be there before its fields")
        elif self._lacks_namespace(ref.namespace):
            notes.append(f"the Namespace {ref.namespace} is not there, and these policies do not create it")
        notes += [*_refused(comparison.dropped, ref.kind), *self.pods.notes(manifest.body)]
        return ObjectChange(
            ref,
            Action.CREATE,
            ours=plain(manifest.body),
            partial=manifest.partial,
            dropped=tuple(comparison.dropped),
            notes=tuple(notes),
            origins=manifest.origins,
        )

    def _lacks_namespace(self, namespace: str) -> bool:
        key = ("", NAMESPACE.kind, "", namespace)
        if not namespace or key in self.live or not self.coverage.is_complete(key):
            return False
        return all(one.ref.kind != NAMESPACE.kind or one.ref.name != namespace for one in self.bundle.manifests)

    @staticmethod
    def _conflict(manifest: Manifest, live: LiveObject) -> ObjectChange:
        return ObjectChange(
            manifest.ref,
            Action.CONFLICT,
            live=plain(stripped(live, {})),
            ours=plain(manifest.body),
            owner=owner_of(live),
            notes=(in_the_way(live), *notes_of(live)),
            origins=manifest.origins,
            version=version_of(live),
        )

    def _compare(self, manifest: Manifest, live: LiveObject, key: Key, found: Differences) -> None:
        clean = stripped(live, manifest.body)
        driver = self.drivers.of(live)
        notes = () if manifest.partial else notes_of(live)
        idle = self.pods.selects_none(manifest.body)
        if driver is None and not notes and not idle and agrees(manifest.body, clean):
            return
        ours, theirs, count = (manifest.body, clean, 0) if driver is None else masked(manifest.body, clean, driver)
        applied = key in self.applied
        comparison = self._comparison(
            manifest.ref, Owners(live, partial=manifest.partial, applied=applied, sets=self.sets)
        )
        comparison.run(ours, theirs)
        self._compare_versions(comparison, manifest, live)
        found.shared |= bool(comparison.foreign) and not manifest.partial
        if driver is not None:
            without = settled(plain(manifest.body), theirs)
            found.settled[key] = {**without, "metadata": {**metadata_of(live), **without["metadata"]}}
        change = replace(self._change(manifest, comparison, clean, notes, driver, count), version=version_of(live))
        if change.fields:
            change = replace(
                change,
                notes=(
                    *change.notes,
                    *_claims(comparison.claimed, partial=manifest.partial),
                    *(_is_applied(live) if manifest.partial else ()),
                ),
            )
            if driver is not None:
                change = replace(change, kept=plain(kept(manifest.body, clean, driver)))
            found.changes.append(change)
        elif (self.show_foreign and change.foreign) or change.delegated or notes or idle or change.dropped:
            found.aside.append(change)

    def _compare_versions(self, comparison: Comparison, manifest: Manifest, live: LiveObject) -> None:
        group, _, ours = manifest.ref.api_version.rpartition("/")
        theirs = text_of(live.get("apiVersion")).rpartition("/")[2]
        if not self.schemas.mean_the_same(group, manifest.ref.kind, ours, theirs):
            change = FieldChange(("apiVersion",), text_of(live.get("apiVersion")), manifest.ref.api_version)
            comparison.changes.insert(0, change)

    def _change(
        self,
        manifest: Manifest,
        comparison: Comparison,
        live: Mapping[str, Any],
        notes: tuple[str, ...],
        driver: Driver | None,
        count: int,
    ) -> ObjectChange:
        refused = _refused(comparison.dropped, manifest.ref.kind)
        return ObjectChange(
            manifest.ref,
            Action.UPDATE,
            fields=tuple(comparison.changes),
            live=plain(live),
            ours=plain(manifest.body),
            partial=manifest.partial,
            owner=str(driver) if driver is not None else "",
            delegated=count,
            foreign=() if manifest.partial else tuple(comparison.foreign),
            dropped=tuple(comparison.dropped),
            notes=(*notes, *refused, *self.pods.notes(manifest.body)),
            origins=manifest.origins,
        )

    # ------------------------------------------------------------------------------------------- what is made no more

    def _leftover(self, key: Key, live: LiveObject, found: Differences) -> None:
        """An object that these policies do not make: ours to delete, ours in part, or none of our business."""
        if self._is_ours(live) and key not in self.applied:
            shown = plain(stripped(live, {}))
            notes, version = (*self._of_another_target(key), *notes_of(live)), version_of(live)
            if is_spared(live):
                found.aside.append(ObjectChange(ref_of(live), Action.UPDATE, live=shown, notes=notes, version=version))
            else:
                found.changes.append(
                    ObjectChange(ref_of(live), Action.DELETE, live=shown, notes=notes, version=version)
                )
            return
        if key not in self.applied and (labels_of(live).get(MANAGED_BY) == MANAGER or not self._is_in_reach(key, live)):
            return
        fields = tuple(self._left(key, live))
        if fields:
            notes = ("these policies set nothing of it any more", *_is_applied(live))
            shown = plain(stripped(live, {}))
            found.changes.append(
                ObjectChange(
                    ref_of(live), Action.UPDATE, fields, shown, partial=True, notes=notes, version=version_of(live)
                )
            )

    def _of_another_target(self, key: Key) -> tuple[str, ...]:
        """What is to be known of an object that only another target makes."""
        makers = made_by(key[0], key[1])
        if self.bundle.target.name in makers or not makers:
            return ()
        return (f"made for {' or '.join(makers)}: restart the pods first, those that are in that mesh still need it",)

    def _reached(self) -> set[str]:
        """The namespaces in which a field of the field manager of all sets is this set's and not another's.

        Those that it declares and those where it makes something or has made something, if no other set has made
        anything there.
        """
        sets = {True: set[str](), False: set[str]()}
        for key, live in self.live.items():
            if labels_of(live).get(MANAGED_BY) == MANAGER:
                sets[self._is_ours(live)].add(key[2])
        declared = {one.name for one in self.bundle.plan.namespaces}
        made = {_namespace_of(key_of_ref(manifest.ref)) for manifest in self.bundle.manifests}
        return (made | declared | sets[True]) - sets[False]

    def _is_in_reach(self, key: Key, live: LiveObject) -> bool:
        """Whether what one of our field managers has set of an object may be this set's: a patch says whose it is."""
        return _namespace_of(key) in self.reached or is_patched_by(live, self.sets)

    def _left(self, key: Key, live: LiveObject) -> Iterator[FieldChange]:
        """What our own field manager, or a file of ours, still has of an object that is not ours."""
        if key in self.applied:
            paths: Iterable[tuple[str, ...]] = _leaves(stripped(live, {}), ())
        else:
            paths = Owners(live, partial=True, applied=False, sets=self.sets).owned()
        for path in paths:
            value: Any = live
            for name in path:
                value = mapping_of(value).get(name)
            if value is not None and len(path) > 1:
                yield FieldChange(path, plain(value), ABSENT)


def _namespace_of(key: Key) -> str:
    return key[3] if key[:2] == ("", NAMESPACE.kind) else key[2]


def _leaves(value: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, item in value.items():
        here = (*path, name)
        if here in (("metadata", "name"), ("metadata", "namespace")):
            continue
        if isinstance(item, Mapping) and item:
            yield from _leaves(item, here)
        else:
            yield here


def _claims(claimed: Mapping[str, Iterable[FieldPath]], *, partial: bool) -> Iterator[str]:
    """A sentence for each manager at whose fields a server-side apply would stop; a patch stops at none."""
    patch = ", and a patch (--format script) for nothing" if partial else ""
    for name, paths in sorted(claimed.items()):
        fields = dict.fromkeys(".".join(takewhile(_is_name, map(str, path))) for path in paths)
        yield f"{name} owns {', '.join(fields)}: an apply asks for --force-conflicts{patch}"


def _is_name(step: str) -> bool:
    return "=" not in step and not step.isdecimal()


def _is_applied(live: LiveObject) -> tuple[str, ...]:
    """What is to be known of an object of which only some fields are ours, before anybody applies these."""
    if not client_side_appliers(live):
        return ()
    warning = "a client-side kubectl apply has set fields of it, which kubectl apply --server-side of ours would remove"
    return (f"{warning}: {PATCH_IT}",)


def _refused(paths: Iterable[FieldPath], kind: str) -> tuple[str, ...]:
    """A sentence on the fields that the live schema does not have."""
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(str(path[-1]) for path in paths))
    return (f"this cluster's {kind} has no {names}: {REFUSAL}",) if names else ()


def version_of(live: LiveObject) -> str:
    """Which state of an object this is: it changes whenever the object does. Empty if the server did not say."""
    metadata = metadata_of(live)
    parts = [text_of(metadata.get(name)) for name in ("uid", "resourceVersion")]
    return "/".join(parts) if all(parts) else ""
