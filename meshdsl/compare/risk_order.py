"""What would break for a moment while objects are applied: references that lead to nothing on the way.

Objects are applied phase by phase (``meshdsl.manifest.Phase``): destinations before routes, bindings last; what is no
longer produced is deleted by whoever applies, before or after. A route whose destination is gone answers every request
with 503, so each reference is looked at in what is there now, and in what would be there. Only what carries requests
can break: routes of a Service that is not there yet are left alone, and Services that nobody has listed are not
missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from meshdsl.compare.live import LiveObject, Snapshot
from meshdsl.compare.readback import texts
from meshdsl.compare.readback.texts import mapping, objects, text
from meshdsl.compare.report import Action, ObjectChange, Risk, RiskFinding
from meshdsl.compiler import Bundle

_USE_WAYPOINT: Final = "istio.io/use-waypoint"
_ROUTES: Final = ("VirtualService", "HTTPRoute", "GRPCRoute", "TrafficSplit")


@dataclass(frozen=True, slots=True)
class _Reference:
    """A route that needs a Service, or one of its subsets."""

    route: tuple[str, str, str]
    service: tuple[str, str]
    subset: str = ""

    def __str__(self) -> str:
        return f"{self.route[0]} {self.route[1]}/{self.route[2]}"


def breaking(changes: Iterable[ObjectChange], bundle: Bundle, snapshot: Snapshot) -> Iterator[RiskFinding]:
    """What would break on the way from what is there to what is to be there.

    Args:
        changes: the objects that differ.
        bundle: what is applied, for the domain of the cluster.
        snapshot: what is there, of others too.
    """
    known = list(changes)
    if not known:
        return
    order = _Order(known, snapshot, bundle.target.cluster_domain)
    yield from order.lost_subsets()
    yield from order.deleted_services()
    yield from order.waypoints()
    yield from order.not_there()


class _Order:
    """The references of routes now and afterwards."""

    def __init__(self, changes: list[ObjectChange], snapshot: Snapshot, domain: str) -> None:
        self._changes, self._snapshot, self._domain = changes, snapshot, domain
        self._live = list(snapshot.objects)
        self._now = [ref for live in self._live for ref in self._references(live)]
        changed = {(c.ref.kind, c.ref.namespace, c.ref.name): c for c in changes if c.action is not Action.CONFLICT}
        kept = [ref for ref in self._now if ref.route not in changed]
        written = [c.ours for c in changed.values() if isinstance(c.ours, Mapping) and c.action is not Action.DELETE]
        self._written = [ref for body in written for ref in self._references(body)]
        self._then = kept + self._written

    def lost_subsets(self) -> Iterator[RiskFinding]:
        """A subset that goes, of which a route that is there still makes use: destinations are applied first."""
        for change in self._changes:
            if change.ref.kind != "DestinationRule" or change.action not in (Action.UPDATE, Action.DELETE):
                continue
            spec = mapping(mapping(change.live).get("spec"))
            host = texts.host(spec.get("host"), change.ref.namespace, self._domain)
            lost = _subsets(change.live) - (_subsets(change.ours) if change.action is Action.UPDATE else set())
            users: dict[tuple[str, bool], set[str]] = {}
            for ref in self._now:
                if ref.service == host and ref.subset in lost:
                    users.setdefault((str(ref), ref in self._then), set()).add(ref.subset)
            for (route, stays), subsets in users.items():
                what = f"{change.ref} loses subset{'s' if len(subsets) > 1 else ''} {' and '.join(sorted(subsets))}"
                what += self._while(route, "them" if len(subsets) > 1 else "it", stays=stays)
                yield RiskFinding(Risk.BREAKING_ORDER, str(change.ref), what, change.origins)

    def _while(self, route: str, what: str, *, stays: bool) -> str:
        """What a route does meanwhile, and what is to be done first if it is one that changes."""
        if stays:
            return f", and {route} goes on sending requests to {what}"
        goes = any(str(c.ref) == route and c.action is Action.DELETE for c in self._changes)
        return f" while {route} still sends requests to {what}; {'delete' if goes else 'apply'} {route} first"

    def deleted_services(self) -> Iterator[RiskFinding]:
        """A Service that is deleted, of which a route makes use."""
        for change in self._changes:
            if (change.ref.kind, change.ref.api_version, change.action) != ("Service", "v1", Action.DELETE):
                continue
            for ref in dict.fromkeys(self._now):
                if ref.service != (change.ref.namespace, change.ref.name):
                    continue
                what = f"{change.ref} is deleted{self._while(str(ref), 'it', stays=ref in self._then)}"
                yield RiskFinding(Risk.BREAKING_ORDER, str(change.ref), what, change.origins)

    def waypoints(self) -> Iterator[RiskFinding]:
        """A waypoint that is deleted while Services are bound to it: their requests have nowhere to go."""
        for change in self._changes:
            if change.ref.kind != "Gateway" or change.action is not Action.DELETE:
                continue
            bound = [
                f"{namespace}/{name}".strip("/")
                for live in self._live
                for kind, namespace, name in [texts.name_of(live)]
                if kind in ("Service", "Namespace")
                and change.ref.namespace == (namespace if kind == "Service" else name)
                and texts.labels_of(live).get(_USE_WAYPOINT) == change.ref.name
            ]
            if bound:
                shown = ", ".join(sorted(bound)[:3]) + (f" and {len(bound) - 3} more" if len(bound) > 3 else "")
                what = f"waypoint {change.ref.namespace}/{change.ref.name} is deleted while {shown} is bound to it"
                yield RiskFinding(Risk.BREAKING_ORDER, str(change.ref), f"{what}; unbind first", change.origins)

    def not_there(self) -> Iterator[RiskFinding]:
        """A route of a Service that is there is led to a Service or subset that nobody has."""
        services = {texts.name_of(live)[1:] for live in self._live if _is_whole_service(live)}
        subsets = self._subsets_then()
        for change in self._changes:
            if change.ref.kind not in _ROUTES or change.action not in (Action.CREATE, Action.UPDATE):
                continue
            if services.isdisjoint(self._subjects(mapping(change.ours))):
                continue
            mine = (change.ref.kind, change.ref.namespace, change.ref.name)
            for ref in dict.fromkeys(one for one in self._written if one.route == mine):
                if self._is_missing(ref, services):
                    what = f"{ref} sends requests to Service {'/'.join(ref.service)}, which is not there"
                    yield RiskFinding(Risk.BREAKING_ORDER, str(change.ref), what, change.origins)
                elif ref.subset and ref.subset not in subsets.get(ref.service, {ref.subset}):
                    host = "/".join(ref.service)
                    what = f"{ref} sends requests to subset {ref.subset} of {host}, which is not there"
                    yield RiskFinding(Risk.BREAKING_ORDER, str(change.ref), what, change.origins)

    def _subjects(self, body: LiveObject) -> Iterator[tuple[str, str]]:
        """The Services whose requests a route decides about."""
        kind, namespace, _ = texts.name_of(body)
        spec = mapping(body.get("spec"))
        if kind == "VirtualService":
            hosts = spec.get("hosts")
            found = (texts.host(one, namespace, self._domain) for one in (hosts if isinstance(hosts, list) else ()))
            yield from (host for host in found if host is not None)
        elif kind == "TrafficSplit":
            yield (namespace, text(spec.get("service")))
        else:
            for ref in objects(spec.get("parentRefs")):
                if ref.get("kind") == "Service":
                    yield (text(ref.get("namespace")) or namespace, text(ref.get("name")))

    def _is_missing(self, ref: _Reference, services: set[tuple[str, str]]) -> bool:
        """Whether a Service is surely not there: neither now nor written, where all Services are known."""
        written = {
            (c.ref.namespace, c.ref.name)
            for c in self._changes
            if c.ref.kind == "Service" and c.ref.api_version == "v1" and c.action is Action.CREATE and not c.partial
        }
        complete = any(
            scope.kind.kind == "Service" and not scope.kind.group and scope.namespace in ("", ref.service[0])
            for scope in self._snapshot.scopes
        )
        return complete and ref.service not in services | written

    def _subsets_then(self) -> dict[tuple[str, str], set[str]]:
        """The subsets of each host afterwards, where some DestinationRule tells them."""
        changed = {(c.ref.namespace, c.ref.name): c for c in self._changes if c.ref.kind == "DestinationRule"}
        bodies: list[Any] = [
            live
            for live in self._live
            if texts.name_of(live)[0] == "DestinationRule" and texts.name_of(live)[1:] not in changed
        ]
        bodies += [c.live if c.action is Action.CONFLICT else c.ours for c in changed.values()]
        found: dict[tuple[str, str], set[str]] = {}
        for body in bodies:
            namespace = text(mapping(mapping(body).get("metadata")).get("namespace"))
            host = texts.host(mapping(mapping(body).get("spec")).get("host"), namespace, self._domain)
            if host is not None:
                found.setdefault(host, set()).update(_subsets(body))
        return found

    def _references(self, body: LiveObject) -> Iterator[_Reference]:
        """The Services and subsets that a route sends requests to."""
        route = texts.name_of(body)
        kind, namespace, _ = route
        spec = mapping(body.get("spec"))
        if kind == "VirtualService":
            for entry in objects(spec.get("http")):
                for one in (*objects(entry.get("route")), *objects(entry.get("mirrors"))):
                    destination = mapping(one.get("destination"))
                    host = texts.host(destination.get("host"), namespace, self._domain)
                    if host is not None:
                        yield _Reference(route, host, text(destination.get("subset")))
        elif kind in ("HTTPRoute", "GRPCRoute"):
            for rule in objects(spec.get("rules")):
                mirrors = (mapping(one.get("requestMirror")).get("backendRef") for one in objects(rule.get("filters")))
                for ref in (*objects(rule.get("backendRefs")), *(m for m in mirrors if isinstance(m, Mapping))):
                    if ref.get("kind", "Service") == "Service":
                        yield _Reference(route, (text(ref.get("namespace")) or namespace, text(ref.get("name"))))
        elif kind == "TrafficSplit":
            for one in objects(spec.get("backends")):
                yield _Reference(route, (namespace, text(one.get("service"))))


def _subsets(body: Any) -> set[str]:
    return {text(one.get("name")) for one in objects(mapping(mapping(body).get("spec")).get("subsets"))}


def _is_whole_service(live: LiveObject) -> bool:
    """Whether a Service is there itself, and not only the fields that we set on it, as in our own files."""
    is_service = text(live.get("kind")) == "Service" and not texts.group_of(live)
    return is_service and bool(mapping(live.get("spec")).get("ports") or mapping(live.get("spec")).get("clusterIP"))
