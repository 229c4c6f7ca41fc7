"""The access of Istio Ambient: through the waypoint, and past it.

A Service that is bound to a waypoint is called through it by callers in the mesh: the waypoint reads policies with
``targetRefs`` and the Service's port. Then, and for whoever calls the pods directly, the ztunnel before the pod reads
policies with a selector or without any, the workload's port, and no requests. What counts is what a caller can reach by
either way, so a service whose pods take connections from everyone is open to everyone, whatever its waypoint says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from meshdsl.compare.access.facts import Facts, Named, PortFacts
from meshdsl.compare.access.istio import IstioReader, Policy
from meshdsl.compare.access.istio_rules import Sees
from meshdsl.compare.access.model import AccessReason, Rule, Way, holds, named
from meshdsl.compare.live import LiveObject
from meshdsl.targets.base import Target

_USE: Final = "istio.io/use-waypoint"
_USE_NAMESPACE: Final = "istio.io/use-waypoint-namespace"
_ACCOUNT: Final = "gateway.istio.io/service-account"
_PLAIN: Final = AccessReason("only callers in the mesh are led through the waypoint")


class AmbientReader(IstioReader):
    """Indexes the objects once, and reads each service from the index."""

    def __init__(self, objects: Iterable[LiveObject], target: Target) -> None:
        everything = list(objects)
        super().__init__(everything, target)
        self._declared = str(getattr(target, "waypoint", ""))
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._gateways: dict[tuple[str, str], Mapping[str, Any]] = {}
        for one in everything:
            metadata = one.get("metadata") or {}
            if one.get("kind") == "Namespace":
                self._namespaces[metadata["name"]] = metadata.get("labels") or {}
            elif one.get("kind") == "Gateway" and str(one.get("apiVersion")).startswith("gateway.networking.k8s.io/"):
                self._gateways[metadata.get("namespace", "default"), metadata["name"]] = metadata

    def ways(self, facts: Facts) -> dict[int, tuple[Way, ...]]:
        """The ways to each port of a service: directly, and through its waypoint."""
        sure, maybe = self.selecting(facts)
        waypoint = self._waypoint(facts)
        attached = self.attached.get((facts.namespace, "Service", facts.name), [])
        if attached and waypoint is None:
            self.note(f"{facts} has policies for a waypoint and is bound to none: nobody enforces them", certain=True)
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
        if found not in self._gateways and name != self._declared:
            self.note(f"the waypoint {found[0]}/{name} of {facts} is not among the objects: it is taken to be there")
        return found

    def _principal(self, waypoint: tuple[str, str]) -> str:
        metadata = self._gateways.get(waypoint, {})
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
