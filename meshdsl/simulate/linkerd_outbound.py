"""What Linkerd's proxy of a caller does with requests to a port of a Service.

One of several ways holds for the whole port, and the others are ignored: an opaque port has no requests; a
ServiceProfile or TrafficSplit takes the place of every route; then GRPCRoutes, HTTPRoutes, TLSRoutes, TCPRoutes, the
first kind of which there is one (``grpc/src/outbound.rs``). As soon as there is a route, what none of them matches is
answered with 404 (measured). A route in another namespace than the Service is for the callers of its own, who see both
as one list (measured).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from meshdsl.simulate.fields import namespace_of, title
from meshdsl.simulate.inventory import KubeService
from meshdsl.simulate.linkerd_actions import WHOLE, Action, Called, action_of, is_all_zero, is_foreign
from meshdsl.simulate.linkerd_annotations import OPAQUE_PORTS, is_opaque
from meshdsl.simulate.linkerd_objects import Attached, Objects
from meshdsl.simulate.linkerd_profiles import Profile, profile_of
from meshdsl.simulate.linkerd_routes import Candidate, Table, breaks_its_port
from meshdsl.simulate.words import NotModelled, Reason, Request, Stage, Verdict
from meshdsl.targets.base import at_least

Taken = Action | Verdict
"""What is done with a request, or what it is answered with at once."""
_DETECTED: Final = frozenset({"http", "kubernetes.io/h2c"})


class Always:
    """A port on which the same holds for all requests and connections, and why."""

    is_fixed = True

    def __init__(self, taken: Taken, why: str, where: str = "", *, opaque: bool = False) -> None:
        self._taken = taken
        self._why = why
        self._where = where
        self.is_opaque = opaque

    def take(self, request: Request) -> Taken:  # noqa: ARG002  # all alike
        """What becomes of a request."""
        return self._taken

    def reasons(self, request: Request) -> Iterator[Reason]:  # noqa: ARG002
        """Why."""
        yield Reason(Stage.ROUTE, self._why, self._where, None if isinstance(self._taken, Action) else False)


class Unclear:
    """A port of which it is not known what holds."""

    is_opaque = is_fixed = False

    def __init__(self, error: NotModelled) -> None:
        self._error = error

    def take(self, request: Request) -> Taken:  # noqa: ARG002
        """Raises what is not known."""
        raise self._error

    def reasons(self, request: Request) -> Iterator[Reason]:  # noqa: ARG002
        """What is not known."""
        yield Reason(Stage.ROUTE, self._error.why, self._error.where)


class Routed:
    """A port with routes."""

    is_opaque = is_fixed = False

    def __init__(self, table: Table, called: Called) -> None:
        self._table = table
        self._called = called
        self._actions: dict[int, Action | NotModelled] = {}

    def take(self, request: Request) -> Taken:
        """What becomes of a request. Raises NotModelled."""
        best = self._table.best(request)
        if best is None:
            return Verdict.NO_ROUTE
        found = self._actions.get(id(best.rule)) or self._read(best)
        if isinstance(found, NotModelled):
            raise found
        return found

    def _read(self, best: Candidate) -> Action | NotModelled:
        found: Action | NotModelled
        try:
            found = action_of(best, self._called)
        except NotModelled as error:
            found = error
        self._actions[id(best.rule)] = found
        return found

    def reasons(self, request: Request) -> Iterator[Reason]:
        """Each match that was looked at."""
        yield chosen(self._table, request, "no rule of a route matches: 404 from the caller's proxy")


class Profiled:
    """A port with a ServiceProfile or a TrafficSplit."""

    is_opaque = is_fixed = False

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def take(self, request: Request) -> Taken:
        """What becomes of a request. Raises NotModelled."""
        return self._profile.action(request)

    def reasons(self, request: Request) -> Iterator[Reason]:
        """Which of its routes takes it."""
        text = f"{self._profile.where} takes the place of every route, annotation and breaker of the Service"
        where, name = self._profile.matched(request)
        told = f"route {name} matches" if name else "no route of the ServiceProfile matches"
        parts = (Reason(Stage.ROUTE, told, where, bool(name)),) if self._profile.has_routes else ()
        yield Reason(Stage.ROUTE, text, self._profile.where, holds=True, parts=parts)


Way = Always | Unclear | Routed | Profiled


def chosen(table: Table, request: Request, nothing: str) -> Reason:
    """The match that takes a request, with those that it passed over and why."""
    best = table.best(request)
    parts = tuple(_considered(table, one, best, request) for one in table.candidates)
    if best is None:
        return Reason(Stage.ROUTE, nothing, "", holds=False, parts=parts)
    return Reason(Stage.ROUTE, f"{_name(best)} takes it", best.match.where, holds=True, parts=parts)


def _name(one: Candidate) -> str:
    words = " and ".join(condition.text for condition in one.match.conditions) or "every request"
    return f"{one.route.where} ({words})"


def _considered(table: Table, one: Candidate, best: Candidate | None, request: Request) -> Reason:
    where = one.match.where
    if one is best:
        return Reason(Stage.ROUTE, "matches, and nothing that matches is more specific", where, holds=True)
    failed = next((condition.text for condition in one.match.conditions if not condition.holds(request)), None)
    if failed is not None:
        return Reason(Stage.ROUTE, f"does not match: it asks that {failed}", where, holds=False)
    host = table.host(one, request)
    if host is None or best is None:
        return Reason(Stage.ROUTE, "does not match: its hostnames are others", where, holds=False)
    of_best = table.host(best, request) or ()
    if one.rank(request, host) < best.rank(request, of_best):
        return Reason(Stage.ROUTE, "matches, and is less specific", where, holds=False)
    later = "its rule stands later" if one.route is best.route else "its route is younger"
    return Reason(Stage.ROUTE, f"matches, and is as specific, but {later}", where, holds=False)


# ------------------------------------------------------------------------------------------------------------ of ports


def way_to(objects: Objects, service: KubeService, number: int, namespace: str) -> Way:
    """What holds for requests from a namespace to a port of a Service.

    Args:
        objects: the index.
        service: that is called.
        number: of the port.
        namespace: of the callers.
    """
    try:
        return _way_to(objects, service, number, namespace)
    except NotModelled as error:
        return Unclear(error)


def _way_to(objects: Objects, service: KubeService, number: int, namespace: str) -> Way:
    where = f"Service {service}"
    port = service.port(number)
    if port is None:
        if not at_least(objects.target.version, "2.19"):
            raise NotModelled(where, f"it has no port {number}")
        # Policy route "undefined-port" (linkerd2 #14149; measured).
        return Always(Verdict.DENIED, f"the Service has no port {number}: the connection is reset", where)
    called = Called(objects, service, number)
    spec = objects.specs.get(str(service), {})
    if spec.get("clusterIP") == "None":
        return Always(called.plain(), "the Service is headless: calls go to pods, and no route counts", where)
    if spec.get("type") == "ExternalName":
        raise NotModelled(f"{where} spec.type", "an ExternalName is not modelled")
    said = _app_protocol(spec, number)
    profile = profile_of(objects, service, number, namespace)
    routes = _attached(objects, service, number, namespace)
    if _is_opaque(objects, service, number, said) or (profile is not None and profile.opaque):
        return _opaque(called, routes, "the port is opaque to the mesh: there are no requests on it")
    if profile is not None and profile.is_used:
        return Profiled(profile)
    return _routed(called, routes, said, port.protocol, namespace)


def _attached(objects: Objects, service: KubeService, number: int, namespace: str) -> list[Attached]:
    return [
        one
        for one in objects.outbound.get(str(service), ())
        if one.parent.port in (None, number)
        and (not is_foreign(one.body, service) or namespace_of(one.body) == namespace)
    ]


def _app_protocol(spec: Any, number: int) -> str:
    """``appProtocol`` of a port, in lower case (measured: case makes no difference); empty if there is none."""
    found = [port.get("appProtocol") for port in spec.get("ports") or () if port.get("port") == number]
    return str(found[0]).lower() if found and found[0] else ""


def _is_opaque(objects: Objects, service: KubeService, number: int, said: str) -> bool:
    """Whether the mesh sees only bytes on a port.

    ``appProtocol`` decides before the annotation, and anything but the two that it knows makes a port opaque
    (``policy-controller/core/src/outbound.rs``; measured for ``grpc``, ``http2``, ``https``, ``tcp``).
    """
    if said:
        return said not in _DETECTED
    own = objects.annotations.get(str(service), {}).get(OPAQUE_PORTS)
    of_service = is_opaque(objects.target.opaque_ports if own is None else own, number, f"Service {service}")
    above = objects.annotations.get(service.namespace, {}).get(OPAQUE_PORTS)
    if own is None and above is not None and is_opaque(above, number, service.namespace) is not of_service:
        where = f"Namespace {service.namespace} {OPAQUE_PORTS}"
        raise NotModelled(where, f"Service {service} has a copy of it only if it was made afterwards")
    return of_service


def _opaque(called: Called, routes: Sequence[Attached], why: str) -> Way:
    """Bytes: of all routes only a TCPRoute counts, and of those only the oldest (``grpc/src/outbound/tcp.rs``)."""
    found = [one for one in routes if one.body["kind"] == "TCPRoute"]
    if not found:
        return Always(called.plain(), why, called.where, opaque=True)
    table = Table([found[0].body], ())
    action = action_of(table.candidates[0], called)
    return Always(
        Action(action.backends, action.targets), f"{title(found[0].body)} decides: {why}", called.where, opaque=True
    )


def _routed(called: Called, routes: Sequence[Attached], said: str, protocol: str, namespace: str) -> Way:
    of_kind: dict[str, list[Attached]] = {}
    for one in routes:
        of_kind.setdefault(str(one.body["kind"]), []).append(one)
    if said == "http":
        of_kind.pop("GRPCRoute", None)  # HTTP/1 and nothing else
    for kind in ("GRPCRoute", "HTTPRoute", "TLSRoute", "TCPRoute"):
        found = of_kind.get(kind)
        if not found:
            continue
        for one in found:
            if one.unknown is not None:
                raise one.unknown
        if kind == "TLSRoute":
            raise NotModelled(title(found[0].body), "what becomes of requests that are not TLS is not modelled")
        if kind == "TCPRoute":
            return _opaque(called, found, "a port with nothing but TCPRoutes has no requests")
        return _of_routes(called, found, protocol, namespace, grpc=kind == "GRPCRoute")
    return Always(called.default(), "no route is attached to the port", called.where)


def _of_routes(called: Called, found: Sequence[Attached], protocol: str, namespace: str, *, grpc: bool) -> Way:
    where = title(found[0].body)
    if grpc and protocol == "http":
        why = "the port has a GRPCRoute and so is for HTTP/2 alone: the connection is reset"
        return Always(Verdict.DENIED, why, where)  # measured
    if grpc and protocol not in ("http2", "grpc"):
        raise NotModelled(where, "whether requests to the port are HTTP/2 is not known")
    for one in found:
        broken = breaks_its_port(one.body) if grpc else ""
        if broken:
            failing = Action(abort=(WHOLE, 500))
            return Always(failing, f"{broken}: every request to the port is answered with 500", title(one.body))
        for n, rule in enumerate((one.body.get("spec") or {}).get("rules") or ()):
            if is_all_zero(rule):
                why = "all weights are 0: the caller's proxy panics, and keeps what it was told before"
                raise NotModelled(f"{title(one.body)} spec.rules[{n}].backendRefs", why)
    return Routed(Table((one.body for one in found), _names(called, namespace)), called)


def _names(called: Called, namespace: str) -> tuple[str, ...]:
    """The names by which callers of a namespace may call the Service."""
    of, name = called.service.namespace, called.service.name
    names = (f"{name}.{of}", f"{name}.{of}.svc", f"{name}.{of}.svc.{called.objects.target.cluster_domain}")
    return (name, *names) if of == namespace else names
