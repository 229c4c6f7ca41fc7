"""The access of Istio Ambient: through the waypoint, and past it.

A Service that is bound to a waypoint is called through it by callers in the mesh: the waypoint reads policies with
``targetRefs`` and the Service's port. Then, and for whoever calls the pods directly, the ztunnel before the pod reads
policies with a selector or without any, the workload's port, and no requests. What counts is what a caller can reach by
either way, so a service whose pods take connections from everyone is open to everyone, whatever its waypoint says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from meshdsl.compare.access.facts import Facts, Named, PortFacts
from meshdsl.compare.access.istio import IstioReader, Policy
from meshdsl.compare.access.istio_rules import Sees
from meshdsl.compare.access.model import AccessReason, Rule, Way, holds, named
from meshdsl.compare.live import LiveObject
from meshdsl.compare.normalise import list_of, mapping_of, metadata_of
from meshdsl.targets.base import Target

_USE: Final = "istio.io/use-waypoint"
_USE_NAMESPACE: Final = "istio.io/use-waypoint-namespace"
_FOR: Final = "istio.io/waypoint-for"
_ACCOUNT: Final = "gateway.istio.io/service-account"
_CLASS: Final = "istio-waypoint"
_PLAIN: Final = AccessReason("only callers in the mesh are led through the waypoint")


class AmbientReader(IstioReader):
    """Indexes the objects once, and reads each service from the index.

    Args:
        objects: that are there.
        target: with its profile.
        now: the question is who can call at this moment, so a waypoint that does not run yet, or is not among the
            objects of its Service's namespace, enforces nothing. Otherwise what is meant to run is taken to do so.
    """

    def __init__(self, objects: Iterable[LiveObject], target: Target, *, now: bool = False) -> None:
        everything = list(objects)
        super().__init__(everything, target)
        self._now = now
        self._declared = str(getattr(target, "waypoint", ""))
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._gateways: dict[tuple[str, str], LiveObject] = {}
        for one in everything:
            metadata = one.get("metadata") or {}
            if one.get("kind") == "Namespace":
                self._namespaces[metadata["name"]] = metadata.get("labels") or {}
            elif _is_waypoint(one):
                self._gateways[metadata.get("namespace", "default"), metadata["name"]] = one

    def ways(self, facts: Facts) -> dict[int, tuple[Way, ...]]:
        """The ways to each port of a service: directly, and through its waypoint."""
        sure, maybe = self.selecting(facts)
        waypoint = self._waypoint(facts)
        attached = self.attached.get((facts.namespace, "Service", facts.name), [])
        if attached and waypoint is None:
            self.note(f"{facts} has policies for a waypoint and calls pass none: nobody enforces them", certain=True)
        if waypoint is not None:
            every = [*attached, *self._at(waypoint)]
            attached = [policy for policy in every if policy.named not in self.left_out]
            if attached and all(policy.deny for policy in sure):
                self.note(f"nothing keeps callers of {facts} from going past its waypoint to the pods", certain=True)
        found: dict[int, tuple[Way, ...]] = {}
        for port in facts.ports:
            ways = list(self._port(facts, port, sure, waypoint, attached))
            if maybe:
                ways += self._port(facts, port, sure + maybe, waypoint, attached)
            found[port.number] = tuple(ways)
        return found

    def _at(self, waypoint: tuple[str, str]) -> list[Policy]:
        """The policies that hold for all that comes through a waypoint."""
        return [*self.attached.get((waypoint[0], "Gateway", waypoint[1]), ()),
                *self.attached.get((self.root, "GatewayClass", "istio-waypoint"), ())]  # fmt: skip

    def deciding(self, facts: Facts) -> tuple[Named, ...]:
        """The objects that decide who may call a service, before its pods and at its waypoint."""
        waypoint = self._waypoint(facts)
        attached = self.attached.get((facts.namespace, "Service", facts.name), []) if waypoint is not None else []
        named = [policy.named for policy in (*attached, *(self._at(waypoint) if waypoint is not None else ()))]
        return (*super().deciding(facts), *named)

    def _waypoint(self, facts: Facts) -> tuple[str, str] | None:
        """Namespace and name of the waypoint that a Service is bound to."""
        inherited = self._namespaces.get(facts.namespace, {})
        labels = facts.own_labels if _USE in facts.own_labels else inherited
        name = labels.get(_USE, "none")
        if name == "none" or facts.name == "*":
            return None
        found = labels.get(_USE_NAMESPACE, facts.namespace), name
        if found in self._gateways:
            why = self._idle(self._gateways[found], found, facts)
            if why:
                self.note(f"{facts} is bound to the waypoint {found[0]}/{name}, {why}", certain=True)
                return None
        elif name != self._declared:
            if self._now and found[0] == facts.namespace:
                self.note(f"{facts} is bound to the waypoint {found[0]}/{name}, which is not there", certain=True)
                return None
            self.note(f"the waypoint {found[0]}/{name} of {facts} is not among the objects: it is taken to be there")
        return found

    def _idle(self, gateway: LiveObject, where: tuple[str, str], facts: Facts) -> str:
        """Why nothing that leads to a Service passes a waypoint that is there, as ``simulate.ambient_waypoints`` has
        it; empty if it does.
        """
        if (metadata_of(gateway).get("labels") or {}).get(_FOR, "service") not in ("service", "all"):
            return "which takes no traffic to Services"
        allowed = set(_let_in(gateway))
        if where[0] != facts.namespace and not allowed & {"All", "Selector"}:
            return f"which does not let in {facts.namespace}"
        if where[0] != facts.namespace and "All" not in allowed:
            self.note(f"the waypoint {where[0]}/{where[1]} chooses namespaces by labels: it is taken to let in {facts}")
        status = mapping_of(gateway.get("status"))
        if self._now and status.get("conditions") and not status.get("addresses"):
            return "which has no address yet"
        return ""

    def _principal(self, waypoint: tuple[str, str]) -> str:
        metadata = metadata_of(self._gateways.get(waypoint, {}))
        own = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}.get(_ACCOUNT)
        return f"/ns/{waypoint[0]}/sa/{own or waypoint[1]}"

    def _port(
        self,
        facts: Facts,
        port: PortFacts,
        policies: list[Policy],
        waypoint: tuple[str, str] | None,
        attached: list[Policy],
    ) -> Iterator[Way]:
        number = port.target if isinstance(port.target, int) else None
        direct = self.way(policies, Sees.ZTUNNEL, number, plain_by=self.kept_out(facts, port), others=facts.targets)
        if waypoint is None:
            yield direct
            return
        principal = self._principal(waypoint)
        if _lets_in(direct, principal):
            yield self.way(attached, Sees.REQUESTS if port.http else Sees.BYTES, port.number, plain_by=(_PLAIN,))
        if direct.allow is None:
            yield direct
        else:  # The waypoint itself is let in for others, and is no caller of its own.
            yield replace(direct, deny=(*direct.deny, Rule(named(principal))))


def _is_waypoint(one: LiveObject) -> bool:
    group, _, _ = str(one.get("apiVersion")).partition("/")
    is_gateway = (group, one.get("kind")) == ("gateway.networking.k8s.io", "Gateway")
    return is_gateway and mapping_of(one.get("spec")).get("gatewayClassName") == _CLASS


def _let_in(gateway: LiveObject) -> Iterator[object]:
    """How each listener of a Gateway chooses the namespaces that it lets in."""
    for one in list_of(mapping_of(gateway.get("spec")).get("listeners")):
        routes = mapping_of(mapping_of(one).get("allowedRoutes"))
        yield mapping_of(routes.get("namespaces")).get("from")


def _lets_in(way: Way, identity: str) -> bool:
    """Whether ztunnel lets an identity in; what is not decided is taken to be so."""
    if any(not rule.requests.tests and _is_among(rule, identity) for rule in way.deny):
        return False
    return way.allow is None or any(_is_among(rule, identity) for rule in way.allow)


def _is_among(rule: Rule, identity: str) -> bool:
    return any(
        all(any(holds(pattern, identity) for pattern in field) for field in term.fields)
        and not any(holds(pattern, identity) for pattern in term.excluded)
        for term in rule.who
    )
