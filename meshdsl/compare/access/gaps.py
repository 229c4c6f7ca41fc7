"""Where access rules hold for less than they seem to: what a cluster has that no rule of ours can see.

Rules are enforced by a proxy, so pods without one are open, whatever was applied; and they speak of pods by their
labels and of ports by their numbers, so a Service that leads elsewhere leads past them. Only what the objects at hand
show is said: nothing is asked for here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from meshdsl.compare.live import LiveObject
from meshdsl.compare.normalise import key_of, labels_of, list_of, mapping_of
from meshdsl.compare.policy_words import listed
from meshdsl.plan.intent import Plan, Service
from meshdsl.plan.rights import MtlsMode
from meshdsl.proxies import HOW, is_outside, template_says
from meshdsl.targets.base import Target

_SHOWN: Final = 3
_SIDECAR: Final = "security.istio.io/tlsMode"
"""The label of pods into which Istio's sidecar was injected (``injection-template.yaml``)."""
_LINKERD_PROXY: Final = "linkerd.io/control-plane-ns"
"""The label of pods into which Linkerd's proxy was injected (``pkg/inject``)."""


def gaps(objects: Iterable[LiveObject], target: Target, plan: Plan, *, all_services: bool) -> tuple[str, ...]:
    """Sentences about services whose rules are enforced nowhere, or not where requests go.

    Args:
        objects: that would be there.
        target: the mesh that reads them.
        plan: whose services are meant.
        all_services: every Service of the cluster is among the objects, so that one that is not is not there.
    """
    return tuple(_Gaps(objects, target).of(plan, all_services=all_services))


class _Gaps:
    """Knows the objects that tell."""

    def __init__(self, objects: Iterable[LiveObject], target: Target) -> None:
        self._mesh = target.name
        self._namespaces: dict[str, LiveObject] = {}
        self._services: dict[tuple[str, str], LiveObject] = {}
        self._workloads: dict[tuple[str, str, str], LiveObject] = {}
        self._pods: dict[str, list[LiveObject]] = {}
        for one in objects:
            group, kind, namespace, name = key_of(one)
            if (group, kind) == ("", "Namespace"):
                self._namespaces[name] = one
            elif (group, kind) == ("", "Service"):
                self._services[namespace, name] = one
            elif (group, kind) == ("", "Pod"):
                self._pods.setdefault(namespace, []).append(one)
            elif group in ("apps", "batch"):
                self._workloads[kind, namespace, name] = one

    def of(self, plan: Plan, *, all_services: bool) -> Iterator[str]:
        """Everything that is to be said."""
        relying = [service for service in plan.services if _relies(service)]
        bare: dict[str, list[str]] = {}
        for service in relying:
            said = self._pods_of(service)
            if said is None:
                said = self._workload_of(service)
            if said is None and self._is_outside(service.namespace):
                bare.setdefault(service.namespace, []).append(str(service))
            elif said:
                yield said
        for namespace, services in sorted(bare.items()):
            yield (
                f"namespace {namespace} is not enrolled ({HOW[self._mesh]} is not there): unless pods say so"
                f" themselves, nothing enforces the rules of {_shown(services)}"
            )
        for service in plan.services:
            live = self._services.get((service.namespace, service.name))
            if live is not None and mapping_of(live.get("spec")):
                yield from self._service(service, live)
            elif live is None and all_services and _relies(service):
                yield f"Service {service} is not there"

    # ------------------------------------------------------------------------------------------------------- enrolment

    def _pods_of(self, service: Service) -> str | None:
        """What the pods of a service show; None if none are known, empty if all are in the mesh."""
        labels = dict(service.labels)
        mine = [pod for pod in self._pods.get(service.namespace, ()) if labels.items() <= labels_of(pod).items()]
        outside = sum(not self._has_proxy(pod, service.namespace) for pod in mine)
        if not mine or not outside:
            return "" if mine else None
        return f"{outside} of {len(mine)} pods of {service} are not in the mesh: no rule is enforced before them"

    def _has_proxy(self, pod: LiveObject, namespace: str) -> bool:
        labels = labels_of(pod)
        if self._mesh == "linkerd":
            return _LINKERD_PROXY in labels
        if _SIDECAR in labels or self._mesh == "istio":
            return _SIDECAR in labels
        around = labels_of(self._namespaces.get(namespace, {})).get("istio.io/dataplane-mode")
        return bool(labels.get("istio.io/dataplane-mode", around) == "ambient")

    def _workload_of(self, service: Service) -> str | None:
        """What the pod template of a declared workload says; None if it says nothing."""
        work = service.workload
        live = self._workloads.get((work.kind, service.namespace, work.name)) if work is not None else None
        spec = mapping_of((live or {}).get("spec"))
        spec = mapping_of(mapping_of(spec.get("jobTemplate")).get("spec")) or spec
        template = mapping_of(spec.get("template"))
        said = template_says(template, self._mesh)
        if said is None or work is None:
            return None
        whole = f"{work.kind} {service.namespace}/{work.name}"
        return "" if said else f"pods of {whole} are kept out of the mesh: nothing enforces the rules of {service}"

    def _is_outside(self, name: str) -> bool:
        """Whether a namespace that is known enrols no pods by itself."""
        return name in self._namespaces and is_outside(self._namespaces[name], self._mesh)

    # -------------------------------------------------------------------------------------------------------- services

    @staticmethod
    def _service(service: Service, live: LiveObject) -> Iterator[str]:
        """Where a live Service leads elsewhere than the policies think."""
        spec = mapping_of(live.get("spec"))
        labels, wanted = mapping_of(spec.get("selector")), dict(service.labels)
        if not labels:
            yield f"Service {service} selects no pods: where it leads to is not known, and no rule is tied to it"
        elif labels != wanted:
            yield (
                f"Service {service} selects pods by {_labels(labels)}, and its policies are for pods by"
                f" {_labels(wanted)}"
            )
        every = map(mapping_of, list_of(spec.get("ports")))
        ports = {number: port for port in every if isinstance(number := port.get("port"), int)}
        for port in service.ports:
            there = ports.get(port.number)
            if there is None:
                has = listed(tuple(str(number) for number in ports)) or "none"
                yield f"Service {service} has no port {port.number} ({has}): what the policies say of it holds nowhere"
            elif (target := there.get("targetPort", port.number)) != port.target:
                said = f"port {port.number} of Service {service} leads to {target}"
                yield f"{said}, and its policies are for {port.target}"
        known = {port.number for port in service.ports}
        more = [str(number) for number, port in ports.items() if number not in known and port.get("protocol") != "UDP"]
        if more and _relies(service):
            yield f"port {listed(tuple(more))} of Service {service} is not declared: no rule is written for it"


def _relies(service: Service) -> bool:
    """Whether a proxy has to keep somebody from a service."""
    return service.access.closed or bool(service.access.deny) or service.effective_mtls is MtlsMode.STRICT


def _labels(labels: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _shown(services: list[str]) -> str:
    more = len(services) - _SHOWN
    return listed((*services[:_SHOWN], f"{more} more") if more > 0 else tuple(services))
