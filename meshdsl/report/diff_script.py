"""A comparison as a shell script that makes the cluster what the policies say, and does nothing else.

What is ours is applied in the order of the build, what is no longer made is deleted last, and only if it still has our
label and the name of the set when its turn comes. A subset that goes is kept until no route uses it any more. Where
something could not be told, or would be refused, the script says so and ends before it has changed anything: half of
the steps may open what the other half closes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final

from meshdsl.compare.kinds import NAMESPACE
from meshdsl.compare.normalise import labels_of, list_of, mapping_of
from meshdsl.compare.report import PATCH_IT, Absent, Action, DiffReport, ObjectChange
from meshdsl.compiler import Bundle
from meshdsl.diagnostics import Diagnostic
from meshdsl.manifest import MANAGED_BY, SET_LABEL, Manifest, ObjectRef, Phase
from meshdsl.report.diff_words import UNKNOWN_CODE, path_text, remarks, unknown_rows
from meshdsl.report.script import (
    Place,
    applied,
    comment,
    created,
    fields_of,
    in_namespace,
    must_be_there,
    opening,
    patched,
    quoted,
    resources,
)
from meshdsl.values import Json

_GOES: Final = ("Server", "PeerAuthentication")
_LEADS: Final = ("VirtualService", "HTTPRoute", "GRPCRoute", "TrafficSplit")
_IDENTIFIES: Final = ("MeshTLSAuthentication", "NetworkAuthentication")


@dataclass(frozen=True, slots=True)
class Side:
    """What a script for one cluster is made of.

    Attributes:
        report: what differs.
        bundle: as it was compiled.
        place: the cluster.
        refused: what its API server would refuse, or could not be asked about, by dry runs: then nothing is done.
    """

    report: DiffReport
    bundle: Bundle
    place: Place
    refused: tuple[Diagnostic, ...] = ()


def diff_script(sides: Iterable[Side], *, adopt: bool = False) -> str:
    """The script for some comparisons.

    Args:
        sides: each with the bundle as it was compiled. What they say is not masked: a script needs the values.
        adopt: what others have set on objects of ours is taken over, as the comparison has done with whole objects.

    Returns:
        the script; empty where nothing differs. If nothing can be done about one cluster, nothing is about the others.
    """
    scripts = [_Script(side, adopt=adopt) for side in sides]
    stopped = [one for one in scripts if one.reasons]
    return "\n".join(text for one in stopped or scripts if (text := one.text()))


@dataclass(frozen=True, slots=True)
class _Step:
    """Something to do with one object.

    Attributes:
        phase: when.
        change: why.
        body: to be applied; None for a patch.
        force: what others have set is taken over.
    """

    phase: Phase
    change: ObjectChange
    body: Mapping[str, Json] | None = None
    force: bool = False


class _Script:
    """The script for one cluster."""

    def __init__(self, side: Side, *, adopt: bool) -> None:
        self._report, self._place, self._adopt = side.report, side.place, adopt
        self._refused, self._set = side.refused, side.bundle.plan.set_name
        self._manifests = {one.ref: one for one in side.bundle.manifests}
        self._order = {one.ref: number for number, one in enumerate(side.bundle.manifests)}
        self.reasons = list(self._reasons())

    def text(self) -> str:
        """All of it; empty if there is nothing to do."""
        changes, reasons = self._report.objects, self.reasons
        if not (changes or reasons):
            return ""
        lines = [*opening(self._place, "makes the cluster what the policies say")]
        left = list(self._left_alone())
        lines += ["", *left] if left else []
        if reasons:
            return "\n".join([*lines, *_end(reasons)]) + "\n"
        missing = [c.ref for c in changes if c.action is Action.CREATE and c.partial and c.ref.kind != NAMESPACE.kind]
        lines += must_be_there(self._place, missing)
        lines += [*self._steps(), *self._deletions()]
        return "\n".join(lines) + "\n"

    def _reasons(self) -> Iterator[str]:
        """Why nothing can be done, a sentence each."""
        for row in unknown_rows(self._report):
            yield f"{UNKNOWN_CODE}: {row.what}: {row.reason}"
        for one in self._refused:
            yield f"{one.code}: {one.message}: {one.reason}"
        for change in self._report.objects:
            if change.dropped and change.action is not Action.CONFLICT:
                names = ", ".join(dict.fromkeys(path_text(path) for path in change.dropped))
                yield f"the API server would refuse {change.ref}: its definition has no {names}"
            elif change.action is Action.UPDATE and change.owner and change.kept is None:
                yield f"{change.owner} drives {change.ref}, and more of it than weights: wait until it is done"

    def _left_alone(self) -> Iterator[str]:
        """Comments on what is in the way and not ours."""
        for change in self._report.objects:
            if change.action is Action.CONFLICT:
                owner = f" but of {change.owner}" if change.owner else ""
                yield f"# {comment(f'{change.ref} is left alone: it is not ours{owner}; --adopt takes it over')}"

    # ----------------------------------------------------------------------------------------------------------- steps

    def _steps(self) -> Iterator[str]:
        """What is made and changed, in the order of the build; what we only take off an object comes last."""
        steps = [step for change in self._changed() for step in self._of(change)]
        steps.sort(key=lambda step: step.phase)

        def together(step: _Step) -> tuple[object, ...]:
            alone = step.body is None or step.change.partial
            return (step.phase, step.force, step.change.ref if alone else None)

        for _, group in groupby(steps, key=together):
            found = list(group)
            yield ""
            for step in found:
                yield from _notes(step.change)
            yield from self._commands(found)

    def _commands(self, steps: Sequence[_Step]) -> list[str]:
        first = steps[0]
        change, body = first.change, first.body
        if body is None:
            return patched(self._place, change.ref, _patch(change, self._manifests.get(change.ref)), self._set)
        if change.partial:
            return created(self._place, change.ref, body, self._set)
        objects = [(step.change.ref, step.body) for step in steps if step.body is not None]
        return applied(self._place, objects, force=first.force)

    def _changed(self) -> list[ObjectChange]:
        """What is made or changed, in the order of the build."""
        found = [one for one in self._report.objects if one.action in (Action.CREATE, Action.UPDATE)]
        return sorted(found, key=lambda one: self._order.get(one.ref, len(self._order)))

    def _of(self, change: ObjectChange) -> Iterator[_Step]:
        """The steps of one object."""
        manifest = self._manifests.get(change.ref)
        if manifest is None:
            yield _Step(Phase.BINDING, change)
        elif change.partial:
            makes = change.action is Action.CREATE and change.ref.kind == NAMESPACE.kind
            yield _Step(manifest.phase, change, manifest.body if makes else None)
        elif change.kept is not None:
            # Who drives it has the weights. They are written as they were read, and only if that is still how it is.
            yield _Step(manifest.phase, change, _locked(change.kept, change.version), force=True)
        else:
            yield from self._whole(change, manifest)

    def _whole(self, change: ObjectChange, manifest: Manifest) -> Iterator[_Step]:
        """An object that is wholly ours. What routes still use of a destination goes after them."""
        lost = _lost_subsets(change, manifest)
        if not lost:
            yield _Step(manifest.phase, change, manifest.body, self._adopt)
            return
        spec = mapping_of(manifest.body["spec"])
        both = {**manifest.body, "spec": {**spec, "subsets": [*list_of(spec.get("subsets")), *lost]}}
        yield _Step(manifest.phase, change, both, self._adopt)
        yield _Step(Phase.ACCESS, change, manifest.body, self._adopt)

    # ------------------------------------------------------------------------------------------------------- deletions

    def _deletions(self) -> Iterator[str]:
        gone = [one for one in self._report.objects if one.action is Action.DELETE]
        if not gone:
            return
        yield ""
        yield "# What no policy makes any more, last: first what refers to something, then what it refers to."
        for change in sorted(gone, key=lambda one: (_turn(one), one.ref)):
            yield from _notes(change)
            yield self._delete(change)

    def _delete(self, change: ObjectChange) -> str:
        """Nothing is deleted that is not ours any more when the script runs."""
        labels = labels_of(mapping_of(change.live))
        mine = ",".join(f"{name}={labels.get(name, '')}" for name in (MANAGED_BY, SET_LABEL))
        ref = change.ref
        which = (f"--field-selector=metadata.name={ref.name}", f"--selector={mine}")
        return self._place.kubectl("delete", resources(ref), *in_namespace(ref), *which)


def ended(reasons: Iterable[str]) -> str:
    """A script that says why it does nothing, and fails."""
    return "\n".join(["#!/bin/sh", *_end(reasons)]) + "\n"


def _end(reasons: Iterable[str]) -> Iterator[str]:
    yield ""
    yield "# Nothing is changed, because half of the steps may open what the other half closes:"
    for reason in reasons:
        yield f"echo {quoted(comment(reason))} >&2"
    yield "exit 1"


def _notes(change: ObjectChange) -> Iterator[str]:
    """Comments: what is said of an object and not by its command. That a part of it is ours, the patch says itself."""
    said = remarks(replace(change, partial=False))
    yield from (f"# {comment(f'{change.ref}: {note}')}" for note in said if not note.endswith(PATCH_IT))


def _patch(change: ObjectChange, manifest: Manifest | None) -> dict[str, Json]:
    """Our fields as they are to be, and what goes as null."""
    patch: dict[str, Any] = _copied(fields_of(manifest.body)) if manifest is not None else {}
    for field in change.fields:
        if not isinstance(field.ours, Absent):
            continue
        inner = patch
        for name in field.path[:-1]:
            inner = inner.setdefault(str(name), {})
        inner[str(field.path[-1])] = None
    return patch


def _copied(value: Mapping[str, Json]) -> dict[str, Any]:
    return {name: _copied(item) if isinstance(item, Mapping) else item for name, item in value.items()}


def _locked(body: Json, version: str) -> dict[str, Json]:
    """A document that is refused if the object has changed since it was read."""
    whole = dict(mapping_of(body))
    return {**whole, "metadata": {**mapping_of(whole["metadata"]), "resourceVersion": version.partition("/")[2]}}


def _lost_subsets(change: ObjectChange, manifest: Manifest) -> list[Any]:
    """The subsets of a destination that are there and are not to be any more."""
    if (change.action, change.ref.kind) != (Action.UPDATE, "DestinationRule"):
        return []
    ours, live = (mapping_of(mapping_of(body).get("spec")) for body in (manifest.body, change.live))
    kept = {mapping_of(one).get("name") for one in list_of(ours.get("subsets"))}
    return [one for one in list_of(live.get("subsets")) if mapping_of(one).get("name") not in kept]


def _turn(change: ObjectChange) -> int:
    """When an object is deleted.

    What closes goes before what it is opened by, for without that everything would be refused for a moment. All that
    comes in place of it is there already.
    """
    kind, spec = change.ref.kind, mapping_of(mapping_of(change.live).get("spec"))
    closes = kind == "AuthorizationPolicy" and _is_istio(change.ref) and not spec.get("rules")
    if closes or kind in _GOES:
        return 0
    if kind in _LEADS:
        return 1
    if kind == "AuthorizationPolicy":
        return 2
    if kind in _IDENTIFIES:
        return 3
    return 4 if kind == "Gateway" else 5


def _is_istio(ref: ObjectRef) -> bool:
    return ref.api_version.partition("/")[0].endswith("istio.io")
