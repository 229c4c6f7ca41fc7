"""Which waypoint a call to a Service passes, if any.

``istio.io/use-waypoint`` on the Service, else on its Namespace, names one; ``none`` stands for none. It must be there,
take traffic to Services (``istio.io/waypoint-for``), and let in the namespace; where it is not there, traffic flows
without it and nothing of what it would enforce holds (``fetchWaypointForTarget`` in
``pilot/pkg/serviceregistry/ambient/waypoints.go``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from meshdsl.simulate.fields import Body, annotations_of, group_of, mapping, name_of, namespace_of, sequence, title
from meshdsl.simulate.http_route import GATEWAY_API
from meshdsl.simulate.inventory import KubeService
from meshdsl.simulate.istio_access import TargetRef
from meshdsl.simulate.words import NotModelled

USE: Final = "istio.io/use-waypoint"
_USE_NAMESPACE: Final = "istio.io/use-waypoint-namespace"
_CANARY: Final = "istio.io/use-waypoint-canary"
_FOR: Final = "istio.io/waypoint-for"
_ACCOUNT: Final = "gateway.istio.io/service-account"
CLASS: Final = "istio-waypoint"


@dataclass(frozen=True, slots=True)
class Waypoint:
    """A waypoint that a Service is bound to.

    Attributes:
        account: its service account: what ztunnel sees of whom it lets through.
    """

    namespace: str
    name: str
    account: str


@dataclass(frozen=True, slots=True)
class Binding:
    """The waypoint of a Service, or why there is none.

    Attributes:
        waypoint: None for none.
        text: for people.
        where: the object and the field that says so.
    """

    waypoint: Waypoint | None
    text: str
    where: str = ""


class Waypoints:
    """The waypoints and the labels that bind to them.

    Args:
        bodies: any objects.
        existing: name of a waypoint that is there in each namespace although no object says so; empty for none.
        root: the root namespace, where a GatewayClass is a target of policies.
    """

    def __init__(self, bodies: Iterable[Body], existing: str, root: str) -> None:
        self._existing = existing
        self._root = root
        self._gateways: dict[tuple[str, str], Body] = {}
        self._services: dict[tuple[str, str], Body] = {}
        self._namespaces: dict[str, Body] = {}
        for body in bodies:
            kind, group = body.get("kind"), group_of(body)
            if kind == "Gateway" and group == GATEWAY_API:
                if mapping(body.get("spec"), title(body)).get("gatewayClassName") == CLASS:
                    self._gateways[namespace_of(body), name_of(body)] = body
            elif kind == "Service" and not group:
                self._services[namespace_of(body), name_of(body)] = body
            elif kind == "Namespace":
                self._namespaces[name_of(body)] = body

    def of(self, service: KubeService) -> Binding:
        """The waypoint of a Service.

        Raises:
            NotModelled: it depends on something that is not known.
        """
        body = self._services.get((service.namespace, service.name))
        if body is None or USE not in _labels(body):
            body = self._namespaces.get(service.namespace)
        if body is None or USE not in _labels(body):
            return Binding(None, "it is bound to no waypoint")
        labels = _labels(body)
        where = f"{title(body)} metadata.labels[{USE}]"
        if _CANARY in labels:
            raise NotModelled(f"{title(body)} metadata.labels[{_CANARY}]", "a second waypoint is not modelled")
        name = str(labels[USE])
        if name == "none":
            return Binding(None, "it is kept away from any waypoint", where)
        namespace = str(labels.get(_USE_NAMESPACE) or service.namespace)
        return self._bound(namespace, name, service, where)

    def check_workloads(self, namespace: str) -> None:
        """Raises NotModelled if calls to a pod's address may pass a waypoint."""
        for scope, name in self._gateways:
            kinds = self._traffic(self._gateways[scope, name])
            if kinds in ("workload", "all") and scope == namespace:
                raise NotModelled(title(self._gateways[scope, name]), "a waypoint for workloads is not modelled")

    def references(self, waypoint: Waypoint, service: KubeService) -> tuple[TargetRef, ...]:
        """What a policy that holds there may be attached to."""
        return (
            TargetRef("", "Service", service.namespace, service.name),
            TargetRef(GATEWAY_API, "Gateway", waypoint.namespace, waypoint.name),
            TargetRef(GATEWAY_API, "GatewayClass", self._root, CLASS),
        )

    def _bound(self, namespace: str, name: str, service: KubeService, where: str) -> Binding:
        body = self._gateways.get((namespace, name))
        if body is None:
            if name == self._existing and namespace == service.namespace:
                return Binding(Waypoint(namespace, name, name), f"it passes the waypoint {namespace}/{name}", where)
            if namespace != service.namespace:
                raise NotModelled(where, f"the waypoint {namespace}/{name} is not among the objects that were read")
            return Binding(None, f"there is no waypoint {namespace}/{name}: traffic flows without it", where)
        if self._traffic(body) not in ("service", "all"):
            return Binding(None, f"{title(body)} takes no traffic to Services: it flows without it", where)
        if namespace != service.namespace and not self._lets_in(body):
            return Binding(None, f"{title(body)} does not let in {service.namespace}: traffic flows without it", where)
        status = mapping(body.get("status"), title(body))
        if status.get("conditions") and not status.get("addresses"):
            return Binding(None, f"{title(body)} has no address yet: traffic flows without it", where)
        account = annotations_of(body).get(_ACCOUNT) or name
        return Binding(Waypoint(namespace, name, account), f"it passes the waypoint {namespace}/{name}", where)

    @staticmethod
    def _traffic(body: Body) -> str:
        return str(_labels(body).get(_FOR) or "service")

    @staticmethod
    def _lets_in(body: Body) -> bool:
        where = f"{title(body)} spec.listeners"
        for one in sequence(mapping(body.get("spec"), where).get("listeners"), where):
            allowed = mapping(mapping(mapping(one, where).get("allowedRoutes"), where).get("namespaces"), where)
            if allowed.get("from") == "Selector":
                raise NotModelled(where, "a choice of namespaces by their labels is not modelled")
            if allowed.get("from") == "All":
                return True
        return False


def _labels(body: Body) -> Mapping[str, Any]:
    return mapping(mapping(body.get("metadata"), title(body)).get("labels"), title(body))
