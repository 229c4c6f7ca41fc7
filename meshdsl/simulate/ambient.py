"""What Istio Ambient does with objects, from the objects alone, whoever wrote them.

A call by name to a Service that is bound to a waypoint passes that waypoint, which reads the policies with
``targetRefs``, the HTTPRoutes, and the *Service's* port; ztunnel before the pod then sees the waypoint's identity. All
else meets ztunnel alone: it reads the policies with a selector or without any, the workload's port, and no requests. A
caller outside the mesh never passes a waypoint. Without a waypoint nobody chooses a version, retries, or looks at a
path, and the path is as it was sent.

What follows from an object that is not modelled is unknown, and the answer names the object and the field; requests
that it does not touch are answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from meshdsl.simulate.ambient_explain import explained
from meshdsl.simulate.ambient_routes import Entry, Table, WaypointRoutes, with_path
from meshdsl.simulate.ambient_waypoints import Binding, Waypoint, Waypoints
from meshdsl.simulate.fields import Body, group_of, mapping, namespace_of, sequence, title
from meshdsl.simulate.http_route import GATEWAY_API, parents_of, with_services
from meshdsl.simulate.inventory import Inventory, KubeService
from meshdsl.simulate.istio_access import AuthorizationPolicies, Gate, TargetRef
from meshdsl.simulate.istio_destination import Destinations
from meshdsl.simulate.istio_doors import Door, principal_of
from meshdsl.simulate.istio_hosts import Hosts, matches
from meshdsl.simulate.istio_mtls import PeerAuthentications
from meshdsl.simulate.istio_others import FOLLOWED, Enrolment, Others
from meshdsl.simulate.istio_paths import normalised
from meshdsl.simulate.istio_rules import Reader, Seen
from meshdsl.simulate.shapes import stored
from meshdsl.simulate.words import (
    CLOSED,
    MESH,
    Answer,
    Backend,
    Caller,
    Labels,
    NotModelled,
    Request,
    Traffic,
    Verdict,
    shares,
)

if TYPE_CHECKING:
    from meshdsl.targets.ambient import Ambient

_FOLLOWED: Final = FOLLOWED | {"HTTPRoute", "Sidecar"}
_CREATE: Final = "create"
"""The profile's word for a waypoint of meshdsl's own, which is among the objects."""


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """What a waypoint is for one port of a Service.

    Attributes:
        waypoint: that is passed.
        gate: who is let in there.
        table: what is done with requests; None on a port without any.
        references: what its policies may be attached to.
        principal: its own, which ztunnel sees.
    """

    waypoint: Waypoint
    gate: Gate
    table: Table | None
    references: tuple[TargetRef, ...]
    principal: str


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """The way to one port of a Service, for callers that pass its waypoint, or for those that do not.

    Attributes:
        service: that is called.
        binding: the waypoint, or why there is none.
        guard: what the waypoint does; None without one.
        own: where the way leads if no route says otherwise.
        http: whether there are requests on the port.
        authorities: that the caller may use.
    """

    service: KubeService
    binding: Binding
    guard: Guard | None
    own: Backend
    http: bool
    authorities: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What happened to a request, for those who ask why: each part is None where it did not come to that."""

    way: Way
    sent: Request
    entry: Entry | None = None
    traffic: Traffic | None = None
    doors: tuple[Door, ...] = ()
    principal: str = ""


class AmbientReading:
    """The objects, indexed.

    Args:
        objects: any; of two of one age, or of objects that are yet to be created, the first is the oldest.
        inventory: the Services and pods that are there.
        target: the profile of the mesh.
    """

    def __init__(self, objects: Sequence[Mapping[str, Any]], inventory: Inventory, target: Ambient) -> None:
        objects, self._refused = stored(objects)
        self.inventory = with_services(inventory, objects)
        self.trust_domain = target.trust_domain
        root = target.root_namespace
        self.hosts = Hosts(self.inventory, target.cluster_domain)
        self._default = MESH if target.default_retries == "on" else None
        self.destinations = Destinations(_of_kind(objects, "DestinationRule"), self.hosts, root)
        self.authorization = AuthorizationPolicies(_of_kind(objects, "AuthorizationPolicy"), root)
        self.authentication = PeerAuthentications(_of_kind(objects, "PeerAuthentication"), root)
        self.waypoints = Waypoints(objects, "" if target.waypoint == _CREATE else target.waypoint, root)
        self.others = Others(objects, root, _FOLLOWED)
        self.enrolment = Enrolment(objects, "ambient", "istio.io/dataplane-mode", "none")
        self._virtual_services = _of_kind(objects, "VirtualService")
        self._routes: dict[tuple[str, str], list[Body]] = {}
        for body in objects:
            if body.get("kind") == "HTTPRoute" and group_of(body) == GATEWAY_API:
                for parent in dict.fromkeys(parents_of(body)):
                    if parent.is_service and body not in self._routes.get((parent.namespace, parent.name), ()):
                        self._routes.setdefault((parent.namespace, parent.name), []).append(body)
        self._ways: dict[tuple[str, int, bool], Way] = {}
        self._pods_in: dict[str, dict[Labels, None]] = {}
        for one in self.inventory:
            self._pods_in.setdefault(one.namespace, {}).update(dict.fromkeys(one.pods))
        self._doors: dict[Backend, tuple[Door, ...]] = {}

    def answer(self, request: Request, *, explain: bool = False) -> Answer:
        """What becomes of a request.

        Args:
            request: to a service and port that exist.
            explain: tell the reasons, too.

        Returns:
            The answer. What is not known makes it ``UNKNOWN``, and is named.
        """
        if explain:
            return explained(self, request)
        try:
            return self.decide(request)[0]
        except NotModelled as error:
            return Answer(Verdict.UNKNOWN, unknown=(str(error),))

    def admits(self, namespace: str, pod: Labels, request: Request, port: int | str, *, http: bool) -> bool:
        """Whether ztunnel before a pod that no Service needs to declare lets a caller in, past any waypoint.

        Args:
            namespace: of the pod.
            pod: its labels.
            request: the caller; the rest does not matter.
            port: of the pod.
            http: does not matter either: ztunnel sees no requests.

        Raises:
            NotModelled: that is not known.
        """
        del http
        door = self._door(namespace, pod, port)
        principal = self.principal(request.caller)
        return door.admits(Seen(request, principal), mutual=bool(principal) and not door.kept_out)

    def decide(self, request: Request) -> tuple[Answer, Course]:
        """The answer and how it came to be. Raises NotModelled if something that is not known decides."""
        way = self.way(request)
        principal = self.principal(request.caller)
        http = way.http and bool(request.method)
        if way.guard is not None:
            return self._guarded(way, way.guard, request, principal, http=http)
        traffic = None
        if http and principal and request.by_name:
            traffic = Traffic(backends=shares([(way.own, 1)]), retry=MESH, path=request.path)
        return self._arrive(Course(way, request, None, traffic, (), principal), (way.own,))

    def way(self, request: Request) -> Way:
        """The way of a request, whatever is asked on it. Raises NotModelled if it is not known."""
        passes = bool(request.caller.account) and request.by_name
        key = (request.service, request.port, passes)
        found = self._ways.get(key)
        if found is None:
            found = self._ways[key] = self._way(request, passes=passes)
        return found

    def principal(self, caller: Caller) -> str:
        """What the certificate of a caller says; empty for plain text."""
        return principal_of(caller, self.trust_domain) if caller.account else ""

    def doors(self, backend: Backend) -> tuple[Door, ...]:
        """What stands before the pods of a destination. Raises NotModelled if that is not known."""
        if backend not in self._doors:
            pods = [pod for pod in self._pods_in.get(backend.namespace, ()) if backend.labels <= pod]
            self._doors[backend] = tuple(
                self._door(backend.namespace, pod, backend.port) for pod in pods or (backend.labels,)
            )
        return self._doors[backend]

    # ---------------------------------------------------------------------------------------------------------- parts

    def _guarded(
        self, way: Way, guard: Guard, request: Request, principal: str, *, http: bool
    ) -> tuple[Answer, Course]:
        if http:
            path = normalised(request.path)
            if path != request.path:
                request = replace(request, path=path)
        course = Course(way, request, None, None, (), guard.principal)
        token = self.others.token_of(request, way.service.namespace, None, guard.references) if http else ""
        if not guard.gate.admits(Seen(request, principal, way.authorities, bool(token))):
            return Answer(Verdict.DENIED, mtls=True, refusal=403 if http else CLOSED), course
        if token:
            raise NotModelled(token, "whether it takes the token of the request is not known")
        if guard.table is None or not http:
            return self._arrive(course, (way.own,))
        if guard.table.default is not None:
            return self._arrive(replace(course, traffic=with_path(guard.table.default, request.path)), (way.own,))
        entry = guard.table.entry(request)
        if entry is None:
            return Answer(Verdict.NO_ROUTE, mtls=True), course
        traffic = entry.traffic(request)
        course = replace(course, entry=entry, traffic=traffic)
        backends = tuple(backend for backend, _ in traffic.backends if backend.namespace)
        if not backends:  # the waypoint answers by itself
            return Answer(Verdict.ALLOWED, traffic, mtls=True), course
        return self._arrive(course, backends)

    def _arrive(self, course: Course, backends: Sequence[Backend]) -> tuple[Answer, Course]:
        met: list[Door] = []
        verdicts: dict[tuple[object, ...], bool] = {}
        seen = Seen(course.sent, course.principal)
        meshed = bool(course.sent.caller.account)
        mutual = meshed
        for backend in backends:
            for door in self.doors(backend):
                secured = meshed and not door.kept_out
                mutual = mutual and secured
                alike = (id(door.gate), door.mtls.mode, secured)
                if alike not in verdicts:
                    verdicts[alike] = door.admits(seen, mutual=secured)
                    met.append(door)
        found = set(verdicts.values())
        if len(found) != 1:
            raise NotModelled(str(course.way.service), "the pods that a request may reach answer differently")
        course = replace(course, doors=tuple(met))
        if found.pop():
            return Answer(Verdict.ALLOWED, course.traffic, mutual), course
        # ztunnel closes the connection; a waypoint that has a request to hand on then answers 503, as any Envoy.
        refusal = 503 if course.way.guard is not None and course.way.http and course.sent.is_http else CLOSED
        return Answer(Verdict.DENIED, course.traffic, mutual, refusal=refusal), course

    def _way(self, request: Request, *, passes: bool) -> Way:
        for refused in self._refused:
            raise refused  # what it would have said is not known
        service = self.inventory.services.get(request.service)
        if service is None:
            raise NotModelled(request.service, "there is no service of that name that is known")
        port = service.port(request.port)
        authorities = self.hosts.authorities(service, request.port)
        if port is None:  # a port of the pods that the Service does not declare
            own, http = Backend(service.namespace, service.selector, request.port), False
        else:
            own, http = service.backend(request.port), port.is_http
        if not passes:
            if request.caller.account:
                self.waypoints.check_workloads(service.namespace)
            return Way(service, Binding(None, "no waypoint is passed"), None, own, http, authorities)
        self.others.check_host(self.hosts.fqdn(service))
        self.others.check_service(service, request.port)
        binding = self.waypoints.of(service)
        guard = self._guard(service, request.port, binding.waypoint, http=http) if binding.waypoint else None
        return Way(service, binding, guard, own, http, authorities)

    def _guard(self, service: KubeService, port: int, waypoint: Waypoint, *, http: bool) -> Guard:
        references = self.waypoints.references(waypoint, service)
        self.others.check_waypoint((waypoint.namespace, service.namespace), references)
        self._check_virtual_services(service)
        routes = WaypointRoutes(self.inventory, self.hosts, self.destinations, waypoint.namespace, self._default)
        bodies = self._routes.get((service.namespace, service.name), ())
        return Guard(
            waypoint,
            self.authorization.at_waypoint(references, port, http=http),
            routes.table(service, port, bodies) if http and service.port(port) is not None else None,
            references,
            principal_of(Caller(waypoint.namespace, waypoint.account), self.trust_domain),
        )

    def _check_virtual_services(self, service: KubeService) -> None:
        host = self.hosts.fqdn(service)
        for body in self._virtual_services:
            for one in sequence(mapping(body.get("spec"), title(body)).get("hosts"), title(body)):
                if matches(self.hosts.resolved(str(one), namespace_of(body)), host):
                    raise NotModelled(title(body), "a VirtualService at a waypoint is not modelled")

    def _door(self, namespace: str, pod: Labels, port: int | str) -> Door:
        gate = self.authorization.at_pod(namespace, pod, port, Reader.ZTUNNEL)
        mtls = self.authentication.of(namespace, pod, port, ambient=True)
        return Door(namespace, pod, port, mtls, gate, self.enrolment.without(namespace, pod))


def _of_kind(objects: Sequence[Body], kind: str) -> list[Body]:
    """The objects of one of Istio's kinds."""
    return [one for one in objects if one.get("kind") == kind and group_of(one).endswith(".istio.io")]
