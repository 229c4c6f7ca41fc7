"""All objects of a mesh, each given to the function that reads its kind, in the order in which they build on another.

First what teaches about the inventory (Services, routes, rules of destinations), then what selects pods and needs the
services to be known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from meshdsl.compare.live import LiveObject
from meshdsl.compare.readback import gateway, istio_security, istio_traffic, linkerd, texts
from meshdsl.compare.readback.draft import Doubt, Draft, ServiceDraft, note_of
from meshdsl.compare.readback.texts import mapping, objects, text
from meshdsl.manifest import MANAGED_BY
from meshdsl.plan.intent import Plan, Protocol
from meshdsl.targets.base import Target
from meshdsl.targets.istio.authorization_policy import DEFAULT_DENY
from meshdsl.targets.istio.peer_authentication import OF_A_SCOPE
from meshdsl.targets.linkerd import Linkerd

_MESH_GROUPS: Final = (
    "istio.io",
    "linkerd.io",
    "smi-spec.io",
    "gateway.networking.k8s.io",
    "gateway.networking.x-k8s.io",
)
_SILENT: Final = frozenset(("GatewayClass", "ReferenceGrant"))
_PROTOCOLS: Final = {
    "http": Protocol.HTTP,
    "http2": Protocol.HTTP2,
    "kubernetes.io/h2c": Protocol.HTTP2,
    "grpc": Protocol.GRPC,
    "tcp": Protocol.TCP,
    "tls": Protocol.TLS,
}
_WORKLOADS: Final = ("apps", "batch")
_OF_A_SCOPE: Final = (OF_A_SCOPE, DEFAULT_DENY)
"""Names of ours of what holds for a whole namespace, or the mesh, and is named after no service."""

Reads = Callable[[Mapping[str, Any]], None]


def plan_of(
    objects_: Iterable[LiveObject], target: Target, *, inventory: Plan | None = None
) -> tuple[Plan | None, str]:
    """The plan that objects of a mesh come to.

    It is to be compared with ``told(plan, target)``, which leaves out of another plan what objects cannot tell. Give it
    the objects that the comparison is about: ours, and those in the way of ours. What stays as it is beside ours
    would otherwise look as if it were taken away.

    Args:
        objects_: as an API server or a dump has them, in any order.
        target: the mesh that reads them.
        inventory: a plan whose services say what objects do not: accounts, ports, labels, versions; and whose rules
            name those that match the same. Without one, the inventory is what the objects show.

    Returns:
        The plan, None if there were objects and none of them could be read; and a sentence about what could not be
        read back, empty if everything could.
    """
    found = read(objects_, target, inventory=inventory)
    return found.plan, note_of(found.unread)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read.

    Attributes:
        plan: None if there were objects and none of them could be read.
        unread: what could not be read back, as parts of a sentence.
        doubts: of what nothing may be said because of that.
    """

    plan: Plan | None
    unread: tuple[str, ...]
    doubts: frozenset[Doubt]


def read(objects_: Iterable[LiveObject], target: Target, *, inventory: Plan | None = None) -> Reading:
    """The same as :func:`plan_of`, with what could not be read part by part."""
    every = sorted(objects_, key=lambda live: (text(live.get("kind")), *texts.name_of(live)[1:]))
    draft = Draft(inventory)
    reader = _Reader(draft, target)
    mine = [live for live in every if _is_of_a_mesh(live) or texts.group_of(live) in ("", *_WORKLOADS)]
    for live in mine:
        reader.learn(live)
    for live in mine:
        reader.routes(live)
    meant = [reader.rest(live) for live in mine]
    reader.finish()
    unread = draft.parts()
    nothing = bool(meant and not any(meant) and unread and inventory is None)
    return Reading(None if nothing else draft.plan(), unread, frozenset(draft.doubts))


def _is_of_a_mesh(live: LiveObject) -> bool:
    group = texts.group_of(live)
    return any(group == one or group.endswith(f".{one}") for one in _MESH_GROUPS)


class _Reader:
    """Knows for one target which function reads which kind."""

    def __init__(self, draft: Draft, target: Target) -> None:
        self._draft, self._target = draft, target
        self._access = linkerd.Access(draft, target) if isinstance(target, Linkerd) else None
        self._routes = gateway.Routes(draft, linkerd=isinstance(target, Linkerd))
        self._virtual_services = istio_traffic.VirtualServices(draft, target)
        self._is_sidecar = target.name == "istio"
        self._services: dict[str, set[str]] = {}

    # ------------------------------------------------------------------------------------------------------ inventory

    def learn(self, live: LiveObject) -> None:
        """What a Service, or a route to one, says of the inventory."""
        kind, namespace, name = texts.name_of(live)
        spec = mapping(live.get("spec"))
        if kind == "Service" and not texts.group_of(live):
            names = self._services.setdefault(namespace, set())
            if not mapping(live.get("metadata")).keys() - {"name", "namespace"}:
                names.add(name)  # nothing of it is ours, so it is one of a cluster
        if kind == "Service" and not texts.group_of(live) and spec.get("ports"):
            self._service(live, namespace, name, spec)
        elif kind == "HTTPRoute":
            for parent in objects(spec.get("parentRefs")):
                if parent.get("kind") == "Service" and (parent.get("namespace") or namespace) == namespace:
                    service = self._draft.service(namespace, text(parent.get("name")))
                    if isinstance(parent.get("port"), int):
                        service.port(parent["port"])
        elif kind == "DestinationRule":
            for subset in objects(spec.get("subsets")):
                host = texts.host(spec.get("host"), namespace, self._target.cluster_domain)
                if host is not None:
                    self._draft.service(*host).learn(versions=(text(subset.get("name")),))

    def _service(self, live: LiveObject, namespace: str, name: str, spec: Mapping[str, Any]) -> None:
        selector = {key: value for key, value in mapping(spec.get("selector")).items() if isinstance(value, str)}
        if (namespace, name) in self._draft.versions:
            return
        of_version = texts.labels_of(live).get(MANAGED_BY) == "meshdsl"
        label = next((key for key, value in selector.items() if of_version and name.endswith(f"-{value}")), "")
        if label:
            version = selector.pop(label)
            name_of_service = name.removesuffix(f"-{version}")
            self._draft.versions[namespace, name] = (name_of_service, version)
            service = self._draft.service(namespace, name_of_service)
            service.learn(labels=selector, versions=(version,), by=label)
        else:
            service = self._draft.service(namespace, name)
            service.learn(labels=selector)
        for port in objects(spec.get("ports")):
            number, target = port.get("port"), port.get("targetPort")
            if isinstance(number, int):
                service.port(number, _protocol(port), target=target if isinstance(target, (int, str)) else None)

    # --------------------------------------------------------------------------------------------------------- routes

    def routes(self, live: LiveObject) -> None:
        """What says what becomes of requests."""
        kind, _, _ = texts.name_of(live)
        group = texts.group_of(live)
        if self._is_sidecar and kind == "VirtualService":
            self._virtual_services.read(live)
        elif kind == "DestinationRule" and group.endswith("istio.io") and self._access is None:
            istio_traffic.destination_rule(self._draft, self._target, live)
        elif kind == "HTTPRoute" and not self._is_sidecar:
            if self._access is not None:
                self._access.add(live)
            if group == "gateway.networking.k8s.io":
                self._routes.read(live)
        elif kind == "TrafficSplit" and self._access is not None:
            linkerd.traffic_split(self._draft, live)
        elif kind == "AuthorizationPolicy" and self._access is None:
            for ref in objects(mapping(live.get("spec")).get("targetRefs")):
                if ref.get("kind") == "Service":
                    self._draft.service(texts.name_of(live)[1], text(ref.get("name"))).meant = True
        elif kind == "Server" and self._access is not None:
            self._infer_from_server(live)
        if self._access is None and kind in ("AuthorizationPolicy", "PeerAuthentication"):
            self._infer_from_selector(live)

    def _infer_from_server(self, live: LiveObject) -> None:
        _, namespace, name = texts.name_of(live)
        stem, _, number = name.rpartition("-")
        self._infer(live, "podSelector", namespace, stem if number.isdigit() else name)

    def _infer_from_selector(self, live: LiveObject) -> None:
        _, namespace, name = texts.name_of(live)
        denies = mapping(live.get("spec")).get("action") == "DENY"
        stem = name.removesuffix("-deny") if denies else name.removesuffix(istio_security.FENCE)
        self._infer(live, "selector", namespace, stem)

    def _infer(self, live: LiveObject, field: str, namespace: str, name: str) -> None:
        """A policy of ours is named after the service whose pods it selects, unless that is known by its labels."""
        labels = mapping(mapping(mapping(live.get("spec")).get(field)).get("matchLabels"))
        if not labels or texts.labels_of(live).get(MANAGED_BY) != "meshdsl":
            return
        if name in _OF_A_SCOPE or self._draft.declares(namespace, labels):
            return
        there = self._services.get(namespace)
        if there and name not in there and self._draft.known(namespace, name) is None:
            return  # the Services of the namespace are known, and it is none of them
        service = self._draft.service(namespace, name)
        if not service.declared:
            service.learn(labels=labels)

    # --------------------------------------------------------------------------------------------------------- others

    def rest(self, live: LiveObject) -> bool:
        """What selects pods, or is set on an object of others. Returns whether the kind means something."""
        kind, _, _ = texts.name_of(live)
        group = texts.group_of(live)
        reads = self._linkerd(kind, group) if self._access is not None else self._istio(kind, group)
        if reads is None:
            if _is_of_a_mesh(live) and kind not in _SILENT:
                self._draft.skip(kind)
            return False
        reads(live)
        return True

    def _istio(self, kind: str, group: str) -> Reads | None:
        draft, target = self._draft, self._target
        if kind == "PeerAuthentication":
            return lambda live: istio_security.peer_authentication(draft, target, live)
        if kind == "AuthorizationPolicy" and group.endswith("istio.io"):
            return lambda live: istio_security.authorization_policy(draft, target, live)
        if kind == "Namespace" and not group:
            return lambda live: istio_security.namespace_labels(draft, target, live)
        if kind == "Gateway" and group == "gateway.networking.k8s.io" and not self._is_sidecar:
            return lambda live: istio_security.waypoint(draft, target, live)
        if group in _WORKLOADS:
            return lambda live: istio_security.pod_template(draft, target, live, self._of_workload(live))
        routes = ("VirtualService",) if self._is_sidecar else ("HTTPRoute",)
        return _nothing if kind in (*routes, "DestinationRule") or not group else None

    def _linkerd(self, kind: str, group: str) -> Reads | None:
        draft = self._draft
        assert self._access is not None
        if kind in ("Server", "AuthorizationPolicy", "MeshTLSAuthentication", "NetworkAuthentication"):
            return self._access.add
        if kind == "Namespace" and not group:
            return lambda live: linkerd.namespace_annotations(draft, live)
        if kind == "Service" and not group:
            return lambda live: linkerd.breaker(draft, live)
        if group in _WORKLOADS:
            return lambda live: linkerd.pod_template(draft, live, self._of_workload(live))
        return _nothing if kind in ("HTTPRoute", "TrafficSplit") or not group else None

    def _of_workload(self, live: LiveObject) -> list[ServiceDraft]:
        """The services of a workload: those that declare it, else the one of its name."""
        kind, namespace, name = texts.name_of(live)
        if not live.get("spec"):
            return []  # nothing of it is ours, and there may be thousands
        here = [service for service in self._draft.services() if service.base.namespace == namespace]
        declared = [
            s
            for s in here
            if s.base.workload is not None and (s.base.workload.kind, s.base.workload.name) == (kind, name)
        ]
        return declared or [s for s in here if s.base.workload is None and not s.declared and s.base.name == name]

    def finish(self) -> None:
        """Put together what is spread over several objects."""
        if self._access is not None:
            self._access.read()


def _nothing(live: LiveObject) -> None:
    """The kind was read with the routes."""


def _protocol(port: Mapping[str, Any]) -> Protocol:
    """What a port of a Service speaks, by its ``appProtocol`` or the start of its name."""
    spoken = text(port.get("appProtocol")) or text(port.get("name")).partition("-")[0]
    return _PROTOCOLS.get(spoken, Protocol.HTTP)
