"""What is known of Services beside policies: which pods they lead to, their ports, and what these speak.

From live Service objects where they are there; from a plan where they are not, and for what they do not say. Services
that are ours (those of versions) lead to pods of another one and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from meshdsl.compare.live import LiveObject
from meshdsl.manifest import MANAGED_BY
from meshdsl.plan.intent import Plan, Service

Named = tuple[str, str, str]
"""Kind, namespace and name of an object that decides who may call what."""

_BYTES: Final = frozenset({"tcp", "tls", "mongo", "mysql", "redis", "udp", "postgres", "postgresql"})


@dataclass(frozen=True, slots=True)
class PortFacts:
    """A port of a Service: the workload port behind it (number, name, or None if unknown), and whether it is HTTP."""

    number: int
    target: int | str | None
    http: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """A Service, or what else runs in a namespace (then ``name`` is ``*``, without labels).

    Attributes:
        labels: that its pods have at least.
        own_labels: of the Service object.
    """

    namespace: str
    name: str
    labels: Mapping[str, str]
    ports: tuple[PortFacts, ...]
    probes: frozenset[tuple[int, str]] = frozenset()
    own_labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def targets(self) -> frozenset[str]:
        """The workload ports of which the number is known."""
        return frozenset(str(port.target) for port in self.ports if isinstance(port.target, int))


def facts_of(objects: Iterable[LiveObject], plan: Plan | None) -> list[Facts]:
    """The Services of a cluster and of a plan, and for each of their namespaces what else runs there; sorted."""
    planned = {str(service): service for service in plan.services} if plan is not None else {}
    found = {name: _planned(service) for name, service in planned.items()}
    namespaces = {namespace.name: None for namespace in plan.namespaces} if plan is not None else {}
    for one in objects:
        if one.get("kind") == "Namespace" and one.get("apiVersion") == "v1":
            namespaces[one["metadata"]["name"]] = None
        elif one.get("kind") == "Service" and one.get("apiVersion") == "v1":
            facts = _live(one, planned, found)
            if facts is not None:
                found[str(facts)] = facts
    namespaces |= {facts.namespace: None for facts in found.values()}
    for name in namespaces:
        found[f"{name}/*"] = Facts(name, "*", {}, (PortFacts(0, None, http=True),))
    return [found[name] for name in sorted(found)]


def _planned(service: Service) -> Facts:
    ports = tuple(PortFacts(port.number, port.target, port.is_http) for port in service.ports)
    probes = {(p.number, probe.path) for probe in service.probes for p in service.ports if p.target == probe.port}
    return Facts(service.namespace, service.name, dict(service.labels), ports, frozenset(probes))


def _live(one: LiveObject, planned: Mapping[str, Service], known: Mapping[str, Facts]) -> Facts | None:
    metadata, spec = one["metadata"], one.get("spec") or {}
    labels = metadata.get("labels") or {}
    namespace, name = metadata.get("namespace", "default"), metadata["name"]
    before = known.get(f"{namespace}/{name}")
    if not spec.get("selector"):  # a patch of labels, or a Service without pods of its own
        if before is None:
            return None
        return Facts(namespace, name, before.labels, before.ports, before.probes, labels)
    if before is None and labels.get(MANAGED_BY) == "meshdsl":
        return None
    service = planned.get(f"{namespace}/{name}")
    ports = tuple(_port(port, service) for port in spec.get("ports") or () if port.get("protocol", "TCP") == "TCP")
    probes = before.probes if before is not None else frozenset()
    return Facts(namespace, name, spec["selector"], ports, probes, labels)


def _port(port: Mapping[str, Any], service: Service | None) -> PortFacts:
    number = int(port["port"])
    target: int | str = port.get("targetPort", number)
    for one in service.ports if service is not None else ():
        if one.number == number:
            return PortFacts(number, target, one.is_http)
    protocol = str(port.get("appProtocol") or str(port.get("name") or "").partition("-")[0]).lower()
    return PortFacts(number, target, protocol.removeprefix("kubernetes.io/") not in _BYTES)


class Selectors:
    """Finds, for the labels of pods, the objects that select them by ``matchLabels``."""

    def __init__(self) -> None:
        self._by_label: dict[tuple[str, str, str], list[tuple[Mapping[str, str], Any]]] = {}
        self._every: dict[str, list[Any]] = {}

    def add(self, namespace: str, labels: Mapping[str, str], what: Any) -> None:
        """Remember what selects pods of a namespace; without labels, all of them."""
        if not labels:
            self._every.setdefault(namespace, []).append(what)
        for key, value in labels.items():
            self._by_label.setdefault((namespace, key, value), []).append((labels, what))

    def find(self, namespace: str, pod: Mapping[str, str]) -> tuple[list[Any], list[Any]]:
        """What selects pods that have at least these labels; and what may select some of them, by further labels."""
        sure, maybe = list(self._every.get(namespace, ())), []
        seen: set[int] = set()
        for key, value in pod.items():
            for labels, what in self._by_label.get((namespace, key, value), ()):
                if id(what) in seen:
                    continue
                seen.add(id(what))
                if labels.items() <= pod.items():
                    sure.append(what)
                elif all(pod.get(name, wanted) == wanted for name, wanted in labels.items()):
                    maybe.append(what)
        return sure, maybe
