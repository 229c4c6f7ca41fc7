"""What a cluster has beside rules, as far as it decides who can call: proxies, Services, and filters.

Rules are enforced by a proxy: for pods without one none holds, and who calls from such pods has no identity. A Service
that does not exist is called by nobody. And what changes a proxy from outside (an EnvoyFilter, a WasmPlugin) can let in
or keep out by itself, which nobody can tell from what it says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from meshdsl.compare.access import AccessModel
from meshdsl.compare.access.facts import facts_of
from meshdsl.compare.access.model import AccessReason, Way
from meshdsl.compare.live import LiveObject
from meshdsl.compare.normalise import list_of, mapping_of, metadata_of
from meshdsl.compare.policy_words import listed
from meshdsl.plan.intent import Plan
from meshdsl.proxies import Proxied, Proxies
from meshdsl.targets.base import Target

WORKLOADS: Final = frozenset({"DaemonSet", "Deployment", "StatefulSet"})
"""Kinds whose pod templates say whether their pods have a proxy."""

FILTERS: Final = frozenset({"EnvoyFilter", "Sidecar", "WasmPlugin"})
"""Kinds that change a proxy in a way that is not read."""


class There:
    """What is there beside rules.

    Args:
        objects: that were read.
        target: the mesh that reads them.
        plan: whose services are asked about.
        complete: namespaces of which every Service is among the objects, ``""`` for all.
    """

    def __init__(self, objects: Collection[LiveObject], target: Target, plan: Plan, complete: Collection[str]) -> None:
        self._objects, self._plan = objects, plan
        self._root = str(getattr(target, "root_namespace", ""))
        self._complete = complete
        self.proxies = Proxies(objects, target.name)
        changing = FILTERS - {"Sidecar"} if target.name == "ambient" else FILTERS
        self._filters = [one for one in objects if one.get("kind") in changing and _takes_part(one)]

    def applied(self, model: AccessModel) -> AccessModel:
        """A model of rules with what is there: open where no proxy is, and without services that do not exist."""
        services = {name: one for name, one in model.services.items() if name not in self.missing}
        certain: set[str] = set()
        notes = [
            f"Service {name} is not there: nobody can call it" for name in sorted(model.services.keys() & self.missing)
        ]
        for name, one in services.items():
            notes += self._filtered(name)
            found = self._found(name)
            if found.has is False:
                reason = AccessReason(f"no proxy: {found.where}")
                services[name] = replace(one, ports=dict.fromkeys(one.ports, (Way(open_by=(reason,)),)))
                certain.add(f"pods of {name} have no proxy ({found.where}): no rule is enforced before them")
        notes += self._untold()
        every = sorted({*model.notes, *notes, *certain})
        return replace(model, services=services, notes=tuple(every), certain=model.certain | certain)

    @cached_property
    def without_proxy(self) -> frozenset[str]:
        """The declared services whose pods have no proxy, so that they call without an identity."""
        return frozenset(str(one) for one in self._plan.services if self._found(str(one)).has is False)

    @cached_property
    def missing(self) -> frozenset[str]:
        """The declared services of which no Service exists."""
        there = {
            f"{metadata_of(one).get('namespace')}/{metadata_of(one).get('name')}"
            for one in self._objects
            if (one.get("apiVersion"), one.get("kind")) == ("v1", "Service")
        }
        return frozenset(
            str(one)
            for one in self._plan.services
            if str(one) not in there and ("" in self._complete or one.namespace in self._complete)
        )

    @cached_property
    def _labels(self) -> Mapping[str, Mapping[str, str]]:
        return {str(one): one.labels for one in facts_of(self._objects, self._plan)}

    def _found(self, name: str) -> Proxied:
        """Whether the pods of a service have a proxy; of what else runs in a namespace, unless it says so itself."""
        namespace, _, own = name.partition("/")
        if own == "*":
            return self.proxies.of_namespace(namespace)
        return self.proxies.of_pods(namespace, frozenset(self._labels.get(name, {}).items()))

    def _untold(self) -> Iterator[str]:
        """Where it is not known whether pods have a proxy, once for each reason."""
        why: dict[str, list[str]] = {}
        for one in map(str, self._plan.services):
            found = self._found(one)
            if found.has is None and one not in self.missing:
                why.setdefault(f"{found.where}: {found.why}", []).append(one)
        for sentence, services in why.items():
            yield f"whether pods of {listed(tuple(services))} have a proxy: {sentence}"

    def _filtered(self, name: str) -> Iterator[str]:
        """What changes the proxies before a service."""
        namespace, _, own = name.partition("/")
        pod = self._labels.get(name, {})
        for one in self._filters:
            where = metadata_of(one).get("namespace")
            if where not in (namespace, self._root):
                continue
            if own == "*" or all(pod.get(key, value) == value for key, value in _selected(one).items()):
                what = f"{one.get('kind')} {where}/{metadata_of(one).get('name')}"
                yield f"what {what} does before {name} is not known: it may let callers in, or keep them out"


def slim(live: LiveObject) -> LiveObject | None:
    """What is needed here of an object that a comparison does not keep; None for nothing."""
    if live.get("kind") in FILTERS or live.get("kind") == "Gateway":  # a waypoint's status says whether it runs
        return live
    if live.get("kind") not in WORKLOADS:
        return None
    template = mapping_of(mapping_of(live.get("spec")).get("template"))
    known = ("name", "namespace", "uid")
    pod: dict[str, Any] = {"serviceAccountName": mapping_of(template.get("spec")).get("serviceAccountName")}
    metadata = {name: value for name, value in metadata_of(live).items() if name in known}
    spec = {"template": {"metadata": template.get("metadata") or {}, "spec": pod}}
    return {"apiVersion": live.get("apiVersion"), "kind": live.get("kind"), "metadata": metadata, "spec": spec}


def _takes_part(one: LiveObject) -> bool:
    """Whether it changes what comes in: of a Sidecar, only what it says of incoming connections."""
    spec = mapping_of(one.get("spec"))
    return one.get("kind") != "Sidecar" or bool(spec.get("ingress") or spec.get("inboundConnectionPool"))


def _selected(one: LiveObject) -> Mapping[str, Any]:
    """The labels of the pods that it is about; none for all of them."""
    spec = mapping_of(one.get("spec"))
    if list_of(spec.get("targetRefs")) or spec.get("targetRef"):
        return {}
    found = mapping_of(spec.get("workloadSelector") or spec.get("selector"))
    return mapping_of(found.get("labels") or found.get("matchLabels"))
