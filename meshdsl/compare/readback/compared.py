"""The two plans that a comparison with live objects is about, in the same form.

Read are the objects of this policy set and, of objects that belong to others, the labels and annotations that are ours:
those that we write, and those that we wrote. What stays beside ours as it is is in neither plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from meshdsl.compare.live import LiveObject
from meshdsl.compare.ownership import Hand, Owners, is_ours
from meshdsl.compare.readback import texts
from meshdsl.compare.readback.reader import plan_of
from meshdsl.compare.readback.texts import mapping
from meshdsl.compare.readback.told import told
from meshdsl.compiler import Bundle
from meshdsl.manifest import Manifest
from meshdsl.plan.intent import Plan

_Ref = tuple[str, str, str, str]

_PLACES: Final[tuple[tuple[str, ...], ...]] = (
    ("metadata",),
    ("spec", "template", "metadata"),
    ("spec", "jobTemplate", "spec", "template", "metadata"),
)
"""Where labels and annotations are that a mesh reads."""


def compared(
    objects: Iterable[LiveObject], bundle: Bundle, *, adopt: bool = False, applied: bool = False
) -> tuple[Plan | None, Plan, str]:
    """What holds and what would hold, to be given to ``policy_view.changes`` and ``risk.findings``.

    Args:
        objects: that are there.
        bundle: what is to be there.
        adopt: whether objects of others that bear the names of ours would be replaced.
        applied: the objects are files of ours: all that stands in them is ours.

    Returns:
        The plan that was read back, None if nothing could be read; the compiled one as objects can tell it; and the
        sentence about what could not be read.
    """
    chosen = list(_chosen(objects, bundle, adopt=adopt, applied=applied))
    before, note = plan_of(chosen, bundle.target, inventory=bundle.plan)
    return before, told(bundle.plan, bundle.target), note


def _chosen(objects: Iterable[LiveObject], bundle: Bundle, *, adopt: bool, applied: bool) -> Iterator[LiveObject]:
    written: dict[_Ref, Manifest] = {
        (
            m.ref.api_version.partition("/")[0] if "/" in m.ref.api_version else "",
            m.ref.kind,
            m.ref.namespace,
            m.ref.name,
        ): m
        for m in bundle.manifests
    }
    for live in objects:
        found = written.get((texts.group_of(live), *texts.name_of(live)))
        if is_ours(live, bundle.plan.set_name) or (adopt and found is not None and not found.partial):
            yield live
        elif texts.group_of(live) in ("", "apps", "batch"):
            body = found.body if found is not None and found.partial else {}
            yield _own_part(live, body, applied=applied)


def _own_part(live: LiveObject, ours: Mapping[str, Any], *, applied: bool) -> LiveObject:
    """An object of others with its name, and the labels and annotations that are ours."""
    owners = Owners(live, partial=True, applied=applied)
    kind, namespace, name = texts.name_of(live)
    result: dict[str, Any] = {"apiVersion": live.get("apiVersion"), "kind": kind}
    for place in _PLACES:
        metadata: dict[str, Any] = {}
        for field in ("labels", "annotations"):
            mine = mapping(_at(ours, (*place, field)))
            kept = {
                key: value
                for key, value in mapping(_at(live, (*place, field))).items()
                if key in mine or owners.of((*place, field, key)) is Hand.OURS
            }
            if kept:
                metadata[field] = kept
        if metadata:
            inner = result
            for step in place[:-1]:
                inner = inner.setdefault(step, {})
            inner[place[-1]] = metadata
    result["metadata"] = {**result.get("metadata", {}), "name": name, **({"namespace": namespace} if namespace else {})}
    return result


def _at(value: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        value = mapping(value).get(step)
    return value
