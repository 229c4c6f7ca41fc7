"""Whether pods have a proxy, as labels and annotations of a cluster say it.

Rules are enforced by a proxy, so for pods without one none holds, whatever was applied. A mesh puts proxies before the
pods of a namespace that is labelled so, and a pod template may say something else for its own. What only bears fields
of ours is no Namespace of a cluster: what it does not say, somebody else may, and that is taken for granted
(docs/semantics.md §6). Sources: Istio's ``injection-template.yaml`` and webhooks, its ambient redirection, Linkerd's
``pkg/inject``. It must not know what a policy is, nor where objects come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

HOW: Final[Mapping[str, str]] = {
    "istio": "the label istio-injection or istio.io/rev",
    "ambient": "the label istio.io/dataplane-mode: ambient",
    "linkerd": "the annotation linkerd.io/inject: enabled",
}
"""What enrols a namespace, by the name of the mesh."""

_ENROLS: Final[Mapping[str, frozenset[str]]] = {
    "istio": frozenset({"istio-injection", "istio.io/rev"}),
    "ambient": frozenset({"istio.io/dataplane-mode"}),
    "linkerd": frozenset({"linkerd.io/inject"}),
}
_NAMED_BY_SERVER: Final = "kubernetes.io/metadata.name"
_WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"})

Body = Mapping[str, Any]


def labels_of(body: Body) -> Mapping[str, Any]:
    """The labels of an object or of a pod template; empty for what is none."""
    return _part(body, "labels")


def annotations_of(body: Body) -> Mapping[str, Any]:
    """The annotations of an object or of a pod template; empty for what is none."""
    return _part(body, "annotations")


def template_says(template: Body, mesh: str) -> bool | None:
    """Whether a pod template enrols its pods (True) or keeps them out (False); None if it says nothing.

    Args:
        template: with its ``metadata``; or a Pod.
        mesh: ``"istio"``, ``"ambient"`` or ``"linkerd"``.
    """
    labels, annotations = labels_of(template), annotations_of(template)
    if mesh == "linkerd":
        value = annotations.get("linkerd.io/inject")
        return None if value is None else value in ("enabled", "ingress")
    if mesh == "ambient":
        value = labels.get("istio.io/dataplane-mode")
        return None if value is None else value == "ambient"
    value = labels.get("sidecar.istio.io/inject", annotations.get("sidecar.istio.io/inject"))
    if value is None:
        return True if "istio.io/rev" in labels else None
    return str(value).lower() in ("true", "y", "yes", "on")


def is_outside(namespace: Body, mesh: str) -> bool:
    """Whether a Namespace, of which all labels and annotations are known, enrols no pods by itself."""
    labels, annotations = labels_of(namespace), annotations_of(namespace)
    if mesh == "linkerd":
        return annotations.get("linkerd.io/inject") not in ("enabled", "ingress")
    if mesh == "ambient":
        return labels.get("istio.io/dataplane-mode") != "ambient"
    injection = labels.get("istio-injection")
    return injection == "disabled" or (injection != "enabled" and "istio.io/rev" not in labels)


@dataclass(frozen=True, slots=True)
class Proxied:
    """Whether some pods have a proxy.

    Attributes:
        has: None where it cannot be told. True also where nobody says, and it is taken for granted.
        where: what says so; empty where nobody does.
        why: what is not known, as a sentence without its full stop; empty if it is known.
    """

    has: bool | None
    where: str = ""
    why: str = ""


GRANTED: Final = Proxied(has=True)
"""Nobody at hand says it: somebody else has enrolled them."""


@dataclass(frozen=True, slots=True)
class _Pods:
    """The pods of a workload: their labels and account, and what their template says."""

    labels: frozenset[tuple[str, str]]
    account: str
    says: bool | None
    where: str


class Proxies:
    """Which pods have a proxy.

    Args:
        objects: any; Namespaces as a cluster has them, and whole workloads, are looked at.
        mesh: ``"istio"``, ``"ambient"`` or ``"linkerd"``.
    """

    def __init__(self, objects: Iterable[Body], mesh: str) -> None:
        self._mesh = mesh
        self._outside: dict[str, bool] = {}
        self._said: set[str] = set()
        self._never: set[str] = set()
        self._pods: dict[str, list[_Pods]] = {}
        for one in objects:
            kind = one.get("kind")
            if kind == "Namespace" and not is_of_cluster(one):
                if not _ENROLS[mesh].isdisjoint({*labels_of(one), *annotations_of(one)}):
                    self._said.add(str(_mapping(one.get("metadata")).get("name")))
            elif kind == "Namespace":
                name = str(one["metadata"].get("name"))
                self._outside[name] = is_outside(one, mesh)
                if mesh == "istio" and labels_of(one).get("istio-injection") == "disabled":
                    self._never.add(name)  # the webhooks leave such a namespace out, whatever its pods say
            elif kind in _WORKLOADS:
                self._workload(one)

    def _workload(self, one: Body) -> None:
        spec = _mapping(one.get("spec"))
        if one["kind"] == "CronJob":
            spec = _mapping(_mapping(spec.get("jobTemplate")).get("spec"))
        template = one if one["kind"] == "Pod" else _mapping(spec.get("template"))
        labels = frozenset((name, str(value)) for name, value in labels_of(template).items())
        metadata = _mapping(one.get("metadata"))
        namespace = str(metadata.get("namespace"))
        if template_says(template, self._mesh) is not None:
            self._said.add(namespace)
        if not labels:
            return
        account = str(_mapping(template.get("spec")).get("serviceAccountName") or "default")
        where = f"{one['kind']} {namespace}/{metadata.get('name')}"
        found = _Pods(labels, account, template_says(template, self._mesh), where)
        self._pods.setdefault(namespace, []).append(found)

    def is_told(self, namespace: str) -> bool:
        """Whether a namespace is known as the cluster has it, so that nothing of it need be taken for granted."""
        return namespace in self._outside

    def is_granted(self, namespace: str) -> bool:
        """Whether nothing at hand says which pods of a namespace have a proxy."""
        return namespace not in self._outside and namespace not in self._said

    def of_pods(self, namespace: str, labels: frozenset[tuple[str, str]]) -> Proxied:
        """Whether the pods with at least these labels have a proxy."""
        if namespace not in self._outside:
            return GRANTED
        return self._of(namespace, [one for one in self._pods.get(namespace, ()) if labels <= one.labels])

    def of_namespace(self, namespace: str) -> Proxied:
        """Whether pods that say nothing themselves have a proxy in a namespace."""
        if not self._outside.get(namespace, False):
            return GRANTED
        return Proxied(has=False, where=f"Namespace {namespace}, without {HOW[self._mesh]}")

    def of_account(self, namespace: str, account: str) -> Proxied:
        """Whether the pods that run as a service account have a proxy."""
        if namespace not in self._outside:
            return GRANTED
        return self._of(namespace, [one for one in self._pods.get(namespace, ()) if account == one.account])

    def _of(self, namespace: str, pods: list[_Pods]) -> Proxied:
        outside, around = self._outside[namespace], f"Namespace {namespace}"
        if namespace in self._never:
            return Proxied(has=False, where=f"{around} metadata.labels[istio-injection]")
        if not pods:
            why = f"it is not enrolled ({HOW[self._mesh]} is not there), and whether its pods say so is not known"
            return Proxied(None, around, why) if outside else Proxied(has=True, where=around)
        has = {one.says if one.says is not None else not outside for one in pods}
        if len(has) > 1:
            return Proxied(None, " and ".join(one.where for one in pods), "only some of the pods are in the mesh")
        saying = [one.where for one in pods if one.says is not None]
        enrolled = has.pop()
        missing = "" if enrolled else f", without {HOW[self._mesh]}"
        return Proxied(enrolled, saying[0] if len(saying) == len(pods) else f"{around}{missing}")


def is_of_cluster(one: Body) -> bool:
    """Whether an object is as an API server has it: nobody else writes a uid, or this label of a Namespace."""
    return bool(_mapping(one.get("metadata")).get("uid")) or _NAMED_BY_SERVER in labels_of(one)


def _part(body: Body, name: str) -> Mapping[str, Any]:
    return _mapping(_mapping(body.get("metadata")).get(name))


def _mapping(value: object) -> Mapping[str, Any]:
    """A value as a mapping if it is one, else an empty one: a dump may hold anything."""
    return value if isinstance(value, Mapping) else {}
