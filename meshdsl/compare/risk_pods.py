"""Pods that objects of ours select, and would not any more, although they are those of no service of the policies.

The access view speaks of services. An object of ours that somebody has pointed at other pods closes those, too, and an
apply frees them; so does the deletion of one whose service is declared no more. It knows no plan but the labels of the
services.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from meshdsl.compare.live import LiveObject
from meshdsl.compare.normalise import Key, key_of, list_of, mapping_of, ref_of, text_of
from meshdsl.compare.report import ObjectChange, Risk, RiskFinding
from meshdsl.plan.intent import Plan

_KINDS: Final = frozenset({"AuthorizationPolicy", "PeerAuthentication", "Server"})


def freed(
    changes: Iterable[ObjectChange],
    live: Iterable[LiveObject],
    then: Iterable[LiveObject],
    plan: Plan,
    *,
    root_namespace: str,
    is_ours: Callable[[LiveObject], bool],
) -> Iterator[RiskFinding]:
    """A finding for each object that lets go of pods which nothing else closes as well.

    Args:
        changes: the objects that differ.
        live: the objects that are there.
        then: those that would be.
        plan: whose services are told by the access view.
        root_namespace: what is there without a selector holds for the mesh; empty on Linkerd.
        is_ours: whether an object is wholly ours.
    """
    there, after = ({key_of(one): one for one in some if one.get("kind") in _KINDS} for some in (live, then))
    known = {(service.namespace, frozenset(service.labels)) for service in plan.services}
    for change in changes:
        ref = change.ref
        group = ref.api_version.partition("/")[0] if "/" in ref.api_version else ""
        key: Key = (group, ref.kind, ref.namespace, ref.name)
        was = there.get(key)
        if was is None or not is_ours(was):
            continue
        labels = _selector(was)
        now = after.get(key)
        if not labels or any(space == key[2] and labels.items() <= set(own) for space, own in known):
            continue
        if now is not None and _covers(now, labels):
            continue
        others = [one for other, one in after.items() if other[:2] == key[:2] and other[2] in (key[2], root_namespace)]
        finding = _finding(was, labels, others)
        if finding is not None:
            risk, sentence = finding
            why = "is deleted" if now is None else "would no longer select them"
            yield RiskFinding(risk, str(ref), f"{sentence}: {ref_of(was)} {why}", change.origins)


def _finding(was: LiveObject, labels: Mapping[str, str], others: Iterable[LiveObject]) -> tuple[Risk, str] | None:
    """What pods lose; None if they lose nothing, or something else does the same for them."""
    namespace = key_of(was)[2]
    pods = f"pods with {', '.join(f'{name}={value}' for name, value in sorted(labels.items()))} in {namespace}"
    closes = any(_covers(one, labels) and _does(one) == _does(was) for one in others)
    does = _does(was)
    if does == "DENY":
        return Risk.WIDENED_ACCESS, f"{pods} may get requests that were denied"
    if closes or does in ("AUDIT", "CUSTOM", "mode"):
        return None
    if does == "STRICT":
        return Risk.WEAKENED_MTLS, f"{pods} may get plain text again"
    return Risk.WIDENED_ACCESS, f"{pods} are no longer closed"


def _does(one: LiveObject) -> str:
    """What an object does for the pods that it selects; objects that do the same stand for another."""
    spec = mapping_of(one.get("spec"))
    if one.get("kind") == "PeerAuthentication":
        return "STRICT" if mapping_of(spec.get("mtls")).get("mode") == "STRICT" else "mode"
    if one.get("kind") == "Server":
        return f"port {spec.get('port')}"
    return text_of(spec.get("action")) or "ALLOW"


def _covers(one: LiveObject, labels: Mapping[str, Any]) -> bool:
    """Whether an object holds for all pods with some labels."""
    selector = _selector(one)
    return selector is not None and selector.items() <= labels.items()


def _selector(one: LiveObject) -> Mapping[str, Any] | None:
    """The labels that an object selects pods by; empty if it is for all pods, None if it is for something else."""
    spec = mapping_of(one.get("spec"))
    if list_of(spec.get("targetRefs")) or spec.get("targetRef"):
        return None
    return mapping_of(mapping_of(spec.get("podSelector" if "podSelector" in spec else "selector")).get("matchLabels"))
