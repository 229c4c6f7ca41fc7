"""What Istio with sidecars does with objects, from the objects alone, whoever wrote them.

The caller's sidecar chooses a route and what it does (``istio_tables``, ``istio_route``, ``istio_destination``); the
sidecars of the pods it sends to see what is left of the request after that, and decide who is let in (``istio_doors``).
A caller outside the mesh has no sidecar, and one that calls a pod's address is sent there as it is.

What follows from an object that is not modelled is unknown, and the answer names the object and the field; requests
that it does not touch are answered. A caller of another trust domain is taken to be one whose certificates the mesh
takes. Where objects contradict each other, the order of the mesh decides, and the reasons say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from meshdsl.simulate.fields import Body, group_of
from meshdsl.simulate.http_route import with_services
from meshdsl.simulate.inventory import Inventory, KubeService
from meshdsl.simulate.istio_access import AuthorizationPolicies
from meshdsl.simulate.istio_destination import Destinations
from meshdsl.simulate.istio_doors import Door, edited, principal_of
from meshdsl.simulate.istio_explain import explained
from meshdsl.simulate.istio_hosts import Hosts
from meshdsl.simulate.istio_match import Client
from meshdsl.simulate.istio_mtls import PeerAuthentications
from meshdsl.simulate.istio_others import FOLLOWED, Others, kept_out_of_sidecars
from meshdsl.simulate.istio_paths import normalised
from meshdsl.simulate.istio_route import Target
from meshdsl.simulate.istio_rules import Reader, Seen
from meshdsl.simulate.istio_tables import Entry, Table, Tables
from meshdsl.simulate.shapes import stored
from meshdsl.simulate.words import (
    CLOSED,
    Answer,
    Backend,
    Caller,
    Labels,
    NotModelled,
    Request,
    Traffic,
    Verdict,
    without_pods,
)

if TYPE_CHECKING:
    from meshdsl.targets.istio import Istio


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """The way from one caller to one port of a service.

    Attributes:
        service: that is called.
        table: the routes of the caller's sidecar; None if it has none for it.
        own: where the way leads if no route says otherwise.
        authorities: that the caller may use.
        principal: what the caller's certificate says; empty for plain text.
        http: whether there are requests on the port.
    """

    service: KubeService
    table: Table | None
    own: Target
    authorities: tuple[str, ...]
    principal: str
    http: bool = False


class Met(NamedTuple):
    """A door that was come to: what the proxy there saw, and whether the connection was mTLS."""

    target: Target
    door: Door
    seen: Seen
    secured: bool


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What happened to a request, for those who ask why: each part is None where it did not come to that."""

    way: Way
    sent: Request
    entry: Entry | None = None
    traffic: Traffic | None = None
    met: tuple[Met, ...] = ()


class IstioReading:
    """The objects, indexed.

    Args:
        objects: any; of two of one age, or of objects that are yet to be created, the first is the oldest.
        inventory: the Services and pods that are there.
        target: the profile of the mesh.
    """

    def __init__(self, objects: Sequence[Mapping[str, Any]], inventory: Inventory, target: Istio) -> None:
        objects, self._refused = stored(objects)
        self.inventory = with_services(inventory, objects)
        self.trust_domain = target.trust_domain
        root = target.root_namespace
        self.hosts = Hosts(self.inventory, target.cluster_domain)
        self.destinations = Destinations(_of_kind(objects, "DestinationRule"), self.hosts, root)
        self.tables = Tables(
            _of_kind(objects, "VirtualService"),
            self.hosts,
            self.destinations,
            default_retries=target.default_retries == "on",
        )
        self.authorization = AuthorizationPolicies(_of_kind(objects, "AuthorizationPolicy"), root)
        self.authentication = PeerAuthentications(_of_kind(objects, "PeerAuthentication"), root)
        self.others = Others(objects, root, FOLLOWED)
        self.enrolment = kept_out_of_sidecars(objects)
        self._pods: dict[tuple[str, str], tuple[Labels, ...]] = {}
        for one in self.inventory:
            if one.account:
                key = (one.namespace, one.account)
                self._pods[key] = tuple(dict.fromkeys((*self._pods.get(key, ()), *one.pods)))
        self._ways: dict[tuple[str, str, str, str, int, bool], Way] = {}
        self._pods_in: dict[str, dict[Labels, None]] = {}
        for one in self.inventory:
            self._pods_in.setdefault(one.namespace, {}).update(dict.fromkeys(one.pods))
        self._doors: dict[tuple[Backend, bool], tuple[Door, ...]] = {}

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
        """Whether the sidecar of a pod that no Service needs to declare lets a request in, as it comes in there.

        Args:
            namespace: of the pod.
            pod: its labels.
            request: the caller and what is asked; its service does not matter.
            port: of the pod.
            http: whether there are requests on that port.

        Raises:
            NotModelled: that is not known.
        """
        door = self._door(namespace, pod, port, http=http)
        mutual = door.is_mutual(request.caller, "", "")
        principal = principal_of(request.caller, self.trust_domain) if mutual else ""
        return door.admits(Seen(request, principal), mutual=mutual)

    def decide(self, request: Request) -> tuple[Answer, Course]:
        """The answer and how it came to be. Raises NotModelled if something that is not known decides."""
        way = self.way(request)
        http = way.http and bool(request.method)
        if http:
            path = normalised(request.path)
            if path != request.path:
                request = replace(request, path=path)
        if way.table is None or not http:
            return self._arrive(way, request, (way.own,), None, None)
        entry = way.table.entry(request)
        if entry is None:
            return Answer(Verdict.NO_ROUTE), Course(way, request)
        action = entry.action
        traffic = action.traffic(request)
        targets = tuple(one for one in action.targets if one.backend.namespace)
        if not targets:  # the caller's proxy answers by itself
            return Answer(Verdict.ALLOWED, traffic), Course(way, request, entry, traffic)
        return self._arrive(way, request, targets, entry, traffic)

    def way(self, request: Request) -> Way:
        """The way of a request, whatever is asked on it. Raises NotModelled if it is not known."""
        caller = request.caller
        key = (
            caller.namespace, caller.account, caller.trust_domain, request.service, request.port, request.by_name,
        )  # fmt: skip
        found = self._ways.get(key)
        if found is None:
            found = self._ways[key] = self._way(caller, request)
        return found

    def client(self, caller: Caller) -> Client:
        """The proxy of a caller."""
        return Client(caller.namespace, self._pods.get((caller.namespace, caller.account), ()), str(caller))

    def doors(self, backend: Backend, *, http: bool) -> tuple[Door, ...]:
        """What stands before the pods of a destination. Raises NotModelled if that is not known."""
        key = (backend, http)
        if key not in self._doors:
            pods = [pod for pod in self._pods_in.get(backend.namespace, ()) if backend.labels <= pod]
            self._doors[key] = tuple(
                self._door(backend.namespace, pod, backend.port, http=http) for pod in pods or (backend.labels,)
            )
        return self._doors[key]

    # ---------------------------------------------------------------------------------------------------------- parts

    def _way(self, caller: Caller, request: Request) -> Way:
        for refused in self._refused:
            raise refused  # what it would have said is not known
        service = self.inventory.services.get(request.service)
        if service is None:
            raise NotModelled(request.service, "there is no service of that name that is known")
        port = service.port(request.port)
        principal = principal_of(caller, self.trust_domain) if caller.account else ""
        authorities = self.hosts.authorities(service, request.port)
        if port is None:  # a port of the pods that the service does not declare
            own = Target(Backend(service.namespace, service.selector, request.port))
            return Way(service, None, own, authorities, principal)
        own = Target(service.backend(request.port))
        if not caller.account or not request.by_name:
            return Way(service, None, own, authorities, principal, http=port.is_http)
        client = self.client(caller)
        self.others.check_workload(client.namespace, client.pods, sends=True)
        self.others.check_host(self.hosts.fqdn(service))
        self.others.check_service(service, request.port)
        if port.is_http:
            table = self.tables.table(client, service, request.port)
            return Way(service, table, own, authorities, principal, http=True)
        own = self.tables.connection(client, service, request.port)
        return Way(service, None, own, authorities, principal)

    def _arrive(
        self, way: Way, request: Request, targets: tuple[Target, ...], entry: Entry | None, traffic: Traffic | None
    ) -> tuple[Answer, Course]:
        http = way.http and bool(request.method)
        arriving = request if traffic is None else edited(request, traffic.edits, traffic.path)
        authorities = (traffic.host,) if traffic is not None and traffic.host else way.authorities
        met: list[Met] = []
        verdicts: dict[tuple[object, ...], bool] = {}
        mutual = True
        for target in targets:
            for door in self.doors(target.backend, http=http):
                # A call to a pod's address leaves the caller's sidecar as it came, in plain text (measured).
                secured = request.by_name and door.is_mutual(request.caller, target.tls, target.where)
                mutual = mutual and secured
                token = self.others.token_of(arriving, door.namespace, door.pod, ()) if http else ""
                alike = (id(door.gate), door.mtls.mode, door.kept_out, secured, token)
                if alike not in verdicts:
                    seen = Seen(arriving, way.principal if secured else "", authorities, bool(token))
                    verdicts[alike] = _admits(door, seen, token, secured=secured)
                    met.append(Met(target, door, seen, secured))
        found = set(verdicts.values())
        if len(found) != 1:
            raise NotModelled(str(way.service), "the pods that a request may reach answer differently")
        if traffic is not None and traffic.breaker is not None and all(one.door.kept_out for one in met):
            traffic = replace(traffic, breaker=without_pods(traffic.breaker))
        course = Course(way, request, entry, traffic, tuple(met))
        if found.pop():
            return Answer(Verdict.ALLOWED, traffic, mutual), course
        return Answer(Verdict.DENIED, traffic, mutual, refusal=_refusal(met, request, http=http)), course

    def _door(self, namespace: str, pod: Labels, port: int | str, *, http: bool) -> Door:
        self.others.check_workload(namespace, (pod,), sends=False)
        reader = Reader.REQUESTS if http else Reader.BYTES
        gate = self.authorization.at_pod(namespace, pod, port, reader)
        mtls = self.authentication.of(namespace, pod, port)
        return Door(namespace, pod, port, mtls, gate, self.enrolment.without(namespace, pod))


def _admits(door: Door, seen: Seen, token: str, *, secured: bool) -> bool:
    """Whether a door lets in; whom it would let in with a token, it first looks at that."""
    admitted = door.admits(seen, mutual=secured)
    if admitted and token and not door.kept_out:
        raise NotModelled(token, "whether it takes the token of the request is not known")
    return admitted


def _refusal(met: Sequence[Met], request: Request, *, http: bool) -> int | None:
    """What a caller gets who is denied: 403 by a rule about requests; a connection that is refused ends, and the
    sidecar of a caller who sent a request answers 503 (measured).
    """
    if all(one.door.connects(mutual=one.secured) for one in met):
        return 403 if http else CLOSED
    if request.caller.is_plain or not http:
        return CLOSED
    return 503 if request.by_name else None


def _of_kind(objects: Sequence[Body], kind: str) -> list[Body]:
    """The objects of one of Istio's kinds."""
    return [one for one in objects if one.get("kind") == kind and group_of(one).endswith(".istio.io")]
