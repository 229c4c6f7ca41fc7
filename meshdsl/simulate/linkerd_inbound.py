"""Whom Linkerd's proxy of the callee lets in, on one port of some pods.

A Server takes a port of pods, by number or by the name of a container port; of several the oldest holds (measured). A
port without a Server is under the default policy of its pods or namespace, and no AuthorizationPolicy is looked at
(measured). With a route on the Server every request must match one: none is 404, and who may is who the route's own
policies, the Server's, the namespace's or its ``accessPolicy`` let in (measured). Without a route, a GET on the path of
an HTTP probe in the specification of the pods is open to everybody (measured). What is not HTTP is judged by the Server
alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from meshdsl.simulate.fields import Body, group_of, name_of, only, title
from meshdsl.simulate.http_route import edits, filters
from meshdsl.simulate.linkerd_actions import Edit, Target
from meshdsl.simulate.linkerd_annotations import DEFAULT_INBOUND, OPAQUE_PORTS, is_opaque
from meshdsl.simulate.linkerd_authentication import (
    DEFAULTS,
    GROUPS,
    SERVER,
    Grant,
    authorizations,
    by_default,
    grants_on,
)
from meshdsl.simulate.linkerd_objects import INJECT, Attached, Objects, selects
from meshdsl.simulate.linkerd_outbound import chosen
from meshdsl.simulate.linkerd_routes import (
    REDIRECT,
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    RULE_FIELDS,
    Candidate,
    Table,
)
from meshdsl.simulate.words import Caller, Labels, NotModelled, Reason, Request, Stage, Verdict

_SPEC: Final = ("podSelector", "externalWorkloadSelector", "port", "proxyProtocol", "accessPolicy")
_REQUESTS: Final = frozenset({"unknown", "HTTP/1", "HTTP/2", "gRPC"})
_NO_BYTES: Final = frozenset({"HTTP/1", "HTTP/2", "gRPC"})
"""Of these, what a proxy is told and does not look for itself."""
_BYTES: Final = frozenset({"opaque", "TLS"})
Decided = tuple[Verdict, frozenset[Edit]]
_NO_EDITS: Final[frozenset[Edit]] = frozenset()


class Listener:
    """A port of some pods: what their proxies let in there.

    Attributes:
        sees_requests: whether it looks at HTTP requests, and not only at connections.
        table: the routes on its Server; None if there are none that count.

    Args:
        objects: the index.
        target: the pods and the port.
        names: by which callers may call it.

    Raises:
        NotModelled: it is not known what holds for the port.
    """

    def __init__(self, objects: Objects, target: Target, names: Sequence[str] = ()) -> None:
        self._objects = objects
        self._namespace, self._pod, self._port = target
        self.table: Table | None = None
        self._limit: Body | None = None
        self._takes_bytes = True
        self.is_proxied = not _is_kept_out(objects, self._namespace, self._pod)
        self.server = _server(objects, target) if self.is_proxied else None
        self._probes = frozenset(_probes(objects, target))
        self._by_route: dict[tuple[str, str], list[Grant]] = {}
        self._admitted: dict[tuple[int, Caller], bool | NotModelled] = {}
        if self.server is None:
            policy, where = _default_policy(objects, self._namespace, self._pod)
            self.everywhere = [by_default(policy, where)]
            self.sees_requests = not self._is_opaque()
        else:
            self._read_server(self.server, names)

    def _read_server(self, server: Body, names: Sequence[str]) -> None:
        spec = only(server.get("spec"), _SPEC, f"{title(server)} spec")
        protocol = str(spec.get("proxyProtocol") or "unknown")
        if protocol not in _REQUESTS | _BYTES:
            raise NotModelled(f"{title(server)} spec.proxyProtocol", f"{protocol} is refused by the mesh")
        namespace = self._namespace
        self.sees_requests = protocol in _REQUESTS
        self._takes_bytes = protocol not in _NO_BYTES
        self.everywhere = [
            by_default(str(spec.get("accessPolicy") or "deny"), f"{title(server)} spec.accessPolicy"),
            *grants_on(self._objects, namespace, *SERVER, name_of(server)),
            *grants_on(self._objects, namespace, "", "namespace", namespace),
            *authorizations(self._objects, server),
        ]
        if self.sees_requests:
            routes = _routes(self._objects.inbound.get((namespace, name_of(server)), ()), grpc=protocol == "gRPC")
            self.table = Table(routes, names) if routes else None
        # It limits no Server for gRPC (grpc/src/inbound.rs).
        limits = self._objects.limits.get((namespace, name_of(server)), ())
        self._limit = limits[0] if limits and self.sees_requests and protocol != "gRPC" else None

    def _is_opaque(self) -> bool:
        """By the pods' annotation, that of the namespace, or the mesh's list (a port by name is taken not to be)."""
        found = _annotation(self._objects, self._namespace, self._pod, OPAQUE_PORTS)
        if found is None:
            return isinstance(self._port, int) and is_opaque(self._objects.target.opaque_ports, self._port, "")
        return is_opaque(found[0], self._port, found[1])

    def decide(self, request: Request, *, http: bool) -> Decided:
        """Whether a request or connection is let in, and the edits on the way.

        Raises:
            NotModelled: that is not known.
        """
        if not self.is_proxied:
            return Verdict.ALLOWED, _NO_EDITS
        http = http and self.sees_requests
        changes = _NO_EDITS
        best: Candidate | None = None
        if http and self.table is not None:
            best = self.table.best(request)
            if best is None:
                return Verdict.NO_ROUTE, _NO_EDITS
        admitted = self._admits(self.everywhere, request.caller)
        if admitted is not True and best is not None:
            by_route = self._admits(self.of_route(best), request.caller)
            admitted = by_route if by_route is True or admitted is False else admitted
        elif admitted is not True and http and self.is_probe(request):
            admitted = True
        if isinstance(admitted, NotModelled):
            raise admitted
        if not admitted:
            return Verdict.DENIED, _NO_EDITS
        if not request.is_http and not self._takes_bytes and self.server is not None:
            raise NotModelled(title(self.server), "what is not HTTP, on a port that is said to be, is not modelled")
        if best is not None:
            changes = _changes(best)
        if http and self._limit is not None:
            raise NotModelled(title(self._limit), "whether a request is beyond the rate is not modelled")
        return Verdict.ALLOWED, changes

    def _admits(self, grants: list[Grant], caller: Caller) -> bool | NotModelled:
        """Whether one of some grants admits a caller; remembered, since a caller asks more than once."""
        key = (id(grants), caller)
        found = self._admitted.get(key)
        if found is None:
            found = self._admitted[key] = _some(grants, caller)
        return found

    def of_route(self, best: Candidate) -> list[Grant]:
        """The policies on the route of a match."""
        body = best.route.body
        key = (group_of(body), name_of(body))
        found = self._by_route.get(key)
        if found is None:
            kind = GROUPS[str(body["kind"])]
            found = self._by_route[key] = grants_on(self._objects, self._namespace, key[0], kind, key[1])
        return found

    def is_probe(self, request: Request) -> bool:
        """Whether a request is one that the mesh lets everybody make, because the kubelet does."""
        return self.table is None and request.method == "GET" and request.path in self._probes

    # ---------------------------------------------------------------------------------------------------------- reasons

    def reason(self, request: Request, *, http: bool, pods: str = "") -> Reason:
        """Why a request is let in or not.

        Args:
            request: as it comes in.
            http: whether it is one, and not a connection of other bytes.
            pods: what the pods are called; by their namespace and labels if empty.
        """
        pods = f"port {self._port} of {pods or f'pods {self._namespace} {_words(self._pod)}'}"
        if not self.is_proxied:
            return Reason(Stage.ACCESS, f"{pods} has no proxy: nothing is enforced", "", None)
        http = http and self.sees_requests
        where = title(self.server) if self.server is not None else self.everywhere[0].where
        parts: list[Reason] = []
        grants = list(self.everywhere)
        if http and self.table is not None:
            parts.append(chosen(self.table, request, f"no route of {where} matches: 404 from the callee's proxy"))
            best = self.table.best(request)
            grants += self.of_route(best) if best is not None else []
        if self.server is None:
            text = f"{pods} has no Server: its default policy decides"
        else:
            text = f"{pods} is under {where}" + ("" if http else ", which decides about connections alone")
        if http and self.is_probe(request):
            parts.append(Reason(Stage.ACCESS, "a probe of the pods: a GET of this path is open to all", "", holds=True))
        parts += [_granted(one, request.caller) for one in grants]
        try:
            holds = self.decide(request, http=http)[0] is Verdict.ALLOWED
        except NotModelled:
            return Reason(Stage.ACCESS, text, where, None, tuple(parts))
        return Reason(Stage.ACCESS, text, where, holds, tuple(parts))


def _granted(grant: Grant, caller: Caller) -> Reason:
    holds = _some([grant], caller)
    if isinstance(holds, NotModelled):
        return Reason(Stage.ACCESS, str(holds), grant.where)
    text = f"lets the caller in: {grant.text}" if holds else f"does not let the caller in: {grant.text}"
    return Reason(Stage.ACCESS, text, grant.where, holds)


def _words(pod: Labels) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(pod)) or "without labels"


def _some(grants: Sequence[Grant], caller: Caller) -> bool | NotModelled:
    """Whether one of some grants admits a caller; what is not known where none does."""
    unknown: NotModelled | None = None
    for one in grants:
        try:
            if one.admits(caller):
                return True
        except NotModelled as error:
            unknown = unknown or error
    return unknown or False


def _changes(best: Candidate) -> frozenset[Edit]:
    """The edits of a route on a Server: of requests alone; those of responses are dropped in silence (measured)."""
    only(best.rule.body, RULE_FIELDS, best.rule.where)
    found: set[Edit] = set()
    for kind, content, where in filters(best.rule, (REQUEST_HEADERS, RESPONSE_HEADERS, REDIRECT)):
        if kind == REDIRECT:
            raise NotModelled(where, "a redirect by the callee's proxy is not modelled")
        if kind == REQUEST_HEADERS:
            found |= set(edits(kind, content, where, lambda value, _: value))
    return frozenset(found)


# ---------------------------------------------------------------------------------------------------------------- ports


def _server(objects: Objects, target: Target) -> Body | None:
    """The Server of a port: the oldest that selects the pods and the port.

    Raises:
        NotModelled: one has a name where the other has a number, and no workload says which port that is. Two target
            ports that Services of these pods tell apart are two.
    """
    namespace, pod, port = target
    beside = {one.target for service in objects.services_of(namespace, pod) for one in service.ports}
    labels = dict(pod)
    for one in objects.servers_near(namespace, pod):
        spec = one.get("spec") or {}
        where = f"{title(one)} spec.podSelector"
        if "podSelector" not in spec or not selects(spec["podSelector"], labels, where):
            continue
        same = _is_same(objects, target, spec.get("port"))
        if same is None and spec.get("port") not in beside:
            raise NotModelled(
                f"{title(one)} spec.port", f"whether {spec.get('port')} is port {port} of the pods is not known"
            )
        if same:
            return one
    return None


def _is_same(objects: Objects, target: Target, port: object) -> bool | None:
    """Whether a port of a Server is one of the pods'; None if one is a name, and what it names is not known."""
    namespace, pod, mine = target
    if isinstance(port, type(mine)):
        return port == mine
    name, number = (port, mine) if isinstance(port, str) else (mine, port)
    known = [one.ports for one in objects.pods_of(namespace, pod)]
    if not known:
        return None
    return any(ports.get(str(name)) == number for ports in known)


def _routes(attached: Sequence[Attached], *, grpc: bool) -> list[Body]:
    """The routes that count: GRPCRoutes if the Server is for gRPC, else HTTPRoutes, unless both are on it."""
    for one in attached:
        if one.unknown is not None:
            raise one.unknown
    of_grpc = [one.body for one in attached if one.body["kind"] == "GRPCRoute"]
    if grpc:
        return of_grpc
    # Beside a GRPCRoute an HTTPRoute is not accepted (RouteReasonConflicted).
    return [] if of_grpc else [one.body for one in attached if one.body["kind"] == "HTTPRoute"]


def _default_policy(objects: Objects, namespace: str, pod: Labels) -> tuple[str, str]:
    """The default policy, and where it was set; an unknown value counts as none was given."""
    found = _annotation(objects, namespace, pod, DEFAULT_INBOUND)
    if found is None or found[0] not in DEFAULTS:
        return "all-unauthenticated", "the mesh's own default"
    return found[0], f"{found[1]} {DEFAULT_INBOUND}"


def _annotation(objects: Objects, namespace: str, pod: Labels, name: str) -> tuple[str, str] | None:
    """An annotation of pods, and where it stands: the pods' own before the namespace's.

    Raises:
        NotModelled: the workloads that have such pods say different things.
    """
    above: Mapping[str, str] = objects.annotations.get(namespace, {})
    own = [one.annotations.get(name, above.get(name)) for one in objects.pods_of(namespace, pod)]
    if len(set(own)) > 1:
        raise NotModelled(f"pods {namespace} {_words(pod)} {name}", "several workloads say different things")
    if own and own[0] is not None:
        return own[0], f"Namespace {namespace}" if own[0] == above.get(name) else f"pods {namespace} {_words(pod)}"
    return (above[name], f"Namespace {namespace}") if not own and name in above else None


def _is_kept_out(objects: Objects, namespace: str, pod: Labels) -> bool:
    """Whether pods run without a proxy. Where nobody says, somebody else has seen to their having one.

    Raises:
        NotModelled: that is not known.
    """
    if objects.proxies.is_told(namespace):
        told = objects.proxies.of_pods(namespace, pod)
        if told.has is None:
            raise NotModelled(told.where, told.why)
        return not told.has
    if namespace in objects.unlabelled:
        return False
    found = _annotation(objects, namespace, pod, INJECT)
    return found is not None and found[0] == "disabled"


def _probes(objects: Objects, target: Target) -> Iterator[str]:
    """The paths of the HTTP probes of a port: those that are declared, and those of workloads that are here."""
    for service in objects.services_of(target[0], target[1]):
        yield from (path for path, port in service.probes if port == target[2])
    for one in objects.pods_of(target[0], target[1]):
        for path, port in one.probes:
            if port == target[2] or one.ports.get(str(port)) == target[2] or one.ports.get(str(target[2])) == port:
                yield path
