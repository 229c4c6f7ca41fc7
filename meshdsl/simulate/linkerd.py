"""What Linkerd does with a request, read from its objects alone.

From what is documented of its policy controller and proxies, and measured on them; where the two differ, what was
measured holds. The objects may be anybody's: what is not known costs the answers that it could change, and is named in
them. Nothing of the plan is known here.

A request with a method is one wherever the proxies look for requests: they detect HTTP by the bytes, and a port's name
says nothing to them. The inventory is taken to be whole: a Service that it does not have is not there.

* ``linkerd_outbound``: the caller's proxy; ``linkerd_actions`` and ``linkerd_profiles``: what rules make it do.
* ``linkerd_inbound``: the callee's proxy; ``linkerd_authentication``: whom policies let in.
* ``linkerd_routes``: which rule takes a request, on either side. ``linkerd_objects``: the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from meshdsl.simulate.fields import title
from meshdsl.simulate.inventory import Inventory, KubeService
from meshdsl.simulate.linkerd_actions import Action, Edit, Target, targets_of
from meshdsl.simulate.linkerd_authentication import identity
from meshdsl.simulate.linkerd_inbound import Listener
from meshdsl.simulate.linkerd_objects import Objects
from meshdsl.simulate.linkerd_outbound import Taken, Way, way_to
from meshdsl.simulate.words import CLOSED, NOBODY, Answer, Labels, NotModelled, Reason, Request, Stage, Traffic, Verdict
from meshdsl.targets.linkerd import Linkerd


class LinkerdReading:
    """The objects of a cluster with Linkerd.

    Attributes:
        inventory: the Services, with those that are among the objects.

    Args:
        objects: any; where they do not say when they were created, the first is the oldest.
        inventory: the Services and pods that are there.
        target: the profile of the mesh: version, trust domain, what Gateway API serves.
    """

    def __init__(self, objects: Sequence[Mapping[str, Any]], inventory: Inventory, target: Linkerd) -> None:
        self._objects = Objects.of(objects, inventory, target)
        self.inventory = self._objects.inventory
        self._ways: dict[tuple[str, int, str], Way] = {}
        self._listeners: dict[tuple[Target, str], Listener | NotModelled] = {}

    def answer(self, request: Request, *, explain: bool = False) -> Answer:
        """What becomes of a request.

        Args:
            request: whatever it is about; a Service that is not there makes it ``UNKNOWN``.
            explain: tell the reasons, too.
        """
        try:
            found = self._answer(request)
        except NotModelled as error:
            found = Answer(Verdict.UNKNOWN, unknown=(str(error),))
        if explain:
            return replace(found, reasons=tuple(self._reasons(request)))
        return found

    def admits(self, namespace: str, pod: Labels, request: Request, port: int | str, *, http: bool) -> bool:
        """Whether the proxy of a pod, be it of a Service or not, lets a request or a connection in.

        Args:
            namespace: of the pod.
            pod: its labels.
            request: of whom; its Service and port are not looked at.
            port: of the pod.
            http: whether it is a request.

        Raises:
            NotModelled: that is not known.
        """
        return self._listener((namespace, pod, port), "").decide(request, http=http)[0] is Verdict.ALLOWED

    def _answer(self, request: Request) -> Answer:
        service = self._service(request)
        http = bool(request.method)
        port = service.port(request.port)
        probe = port is not None and request.method == "GET" and (request.path, port.target) in service.probes
        taken = self._taken(service, request) if request.by_name and request.caller.account else None
        if isinstance(taken, Verdict):
            return Answer(taken, None, None, probe, CLOSED if taken is Verdict.DENIED else None)
        traffic = None
        if taken is None:
            targets = _targets(service, request.port)
        else:
            targets = taken.targets
            traffic = taken.traffic(request) if http else None
            if traffic is not None and (traffic.redirect is not None or not targets):
                return Answer(Verdict.ALLOWED, traffic, None, probe)  # the caller's proxy answers
        try:
            verdict, changes, proxied = self._decided(request, traffic, targets)
        except NotModelled as error:
            return Answer(Verdict.UNKNOWN, traffic, None, probe, unknown=(str(error),))
        if changes and traffic is not None:
            traffic = replace(traffic, edits=traffic.edits | changes)
        mtls: bool | None = bool(request.caller.account) and proxied
        if mtls and service.namespace in self._objects.unlabelled:
            mtls = None
        refusal = self._refusal(request, targets) if verdict is Verdict.DENIED else None
        return Answer(verdict, traffic, mtls, probe, refusal)

    def _service(self, request: Request) -> KubeService:
        service = self.inventory.services.get(request.service)
        if service is None:
            raise NotModelled(f"Service {request.service}", "there is none that is known")
        strange = self._objects.strange.get(service.namespace)
        if strange:
            raise strange[0]
        return service

    def _taken(self, service: KubeService, request: Request) -> Taken | None:
        """What the caller's proxy does; None where it does nothing that can be told."""
        if not service.ports:
            return None  # nothing is said of its ports
        way = self._way(request)
        if request.method or way.is_fixed:
            return way.take(request)
        return None

    def _way(self, request: Request) -> Way:
        key = (request.service, request.port, request.caller.namespace)
        way = self._ways.get(key)
        if way is None:
            service = self.inventory[request.service]
            way = self._ways[key] = way_to(self._objects, service, request.port, request.caller.namespace)
        return way

    def _listener(self, target: Target, service: str) -> Listener:
        """What holds on a port of pods, for those who call them as a Service. Raises NotModelled."""
        key = (target, service)
        found = self._listeners.get(key)
        if found is None:
            try:
                found = Listener(self._objects, target, _names(service, self._objects.target.cluster_domain))
            except NotModelled as error:
                found = error
            self._listeners[key] = found
        if isinstance(found, NotModelled):
            raise found
        return found

    def _decided(
        self, request: Request, traffic: Traffic | None, targets: Sequence[Target]
    ) -> tuple[Verdict, frozenset[Edit], bool]:
        """What the callees' proxies decide, and whether there are such. Raises NotModelled."""
        http = bool(request.method)
        decided: tuple[Verdict, frozenset[Edit], bool] | None = None
        opaque = traffic is not None and self._way(request).is_opaque
        seen = request
        for target in targets:
            listener = self._listener(target, request.service)
            if listener.table is not None and traffic is not None:
                if opaque:
                    why = "whether requests are seen that callers send as bytes is not modelled"
                    raise NotModelled(title(listener.server or {}), why)
                seen = _edited(request, traffic.edits, listener)
            verdict, changes = listener.decide(seen, http=http)
            if decided is not None and decided[:2] != (verdict, changes):
                raise NotModelled(f"Service {request.service}", "its versions answer differently")
            decided = (verdict, changes, listener.is_proxied)
        if decided is None:
            raise NotModelled(f"Service {request.service}", "no pods are behind it")
        return decided

    def _refusal(self, request: Request, targets: Sequence[Target]) -> int | None:
        """What a caller gets who is denied: 403 where requests are seen; else the connection ends (measured).

        What the proxy of a caller makes of a request whose connection ends is not known.
        """
        if all(self._listener(one, request.service).sees_requests for one in targets) and request.is_http:
            return 403
        return CLOSED if request.caller.is_plain or not request.is_http else None

    # ---------------------------------------------------------------------------------------------------------- reasons

    def _reasons(self, request: Request) -> Iterator[Reason]:
        """Each step on the way of a request."""
        try:
            service = self._service(request)
        except NotModelled as error:
            yield Reason(Stage.ROUTE, error.why, error.where)
            return
        traffic, targets = None, tuple(_targets(service, request.port))
        yield self._connection(request)
        if not request.caller.is_plain and request.by_name:
            try:
                taken = self._taken(service, request)
                if request.method and service.ports:
                    yield from self._way(request).reasons(request)
            except NotModelled as error:
                yield Reason(Stage.ROUTE, error.why, error.where)
                return
            if isinstance(taken, Verdict):
                return
            if taken is not None:
                traffic, targets = taken.traffic(request), taken.targets
                yield _traffic(taken, traffic, self.inventory, "requests" if request.is_http else "the connection")
                if traffic.redirect is not None:
                    return
        elif request.is_http:
            who = "it comes from outside the mesh" if request.caller.is_plain else "it calls a pod by its address"
            yield Reason(Stage.ROUTE, f"{who}, so nothing on the caller's side applies")
        yield from self._access(request, traffic, targets)

    def _access(self, request: Request, traffic: Traffic | None, targets: Iterable[Target]) -> Iterator[Reason]:
        """The steps at the pods of each version; told once if they are the same for all."""
        every = tuple(targets)
        alike = {self._judged(one, request, traffic, self._called(request.service, every)) for one in every}
        if len(every) > 1 and len(alike) == 1:
            yield from alike
        else:
            yield from (self._judged(one, request, traffic) for one in every)

    def _called(self, service: str, targets: Sequence[Target]) -> str:
        """What several sorts of pods are called together."""
        if {(namespace, pod) for namespace, pod, _ in targets} != {
            (one.namespace, pod) for one in self.inventory if str(one) == service for pod in one.pods
        }:
            return "every pod that it may go to"
        return f"{'both' if len(targets) == 2 else f'all {len(targets)}'} versions of {service}"

    def _judged(self, target: Target, request: Request, traffic: Traffic | None, pods: str = "") -> Reason:
        try:
            listener = self._listener(target, request.service)
            seen = request if traffic is None else _edited(request, traffic.edits, listener)
            return listener.reason(seen, http=bool(request.method), pods=pods)
        except NotModelled as error:
            return Reason(Stage.ACCESS, error.why, error.where)

    def _connection(self, request: Request) -> Reason:
        if request.caller.is_plain:
            return Reason(Stage.CONNECTION, "plain text: the caller has no identity in the mesh", "", None)
        name = identity(request.caller, self._objects.target)
        whose = "an identity that nothing names" if request.caller == NOBODY else f"the identity {name}"
        return Reason(Stage.CONNECTION, f"mTLS, with {whose}", "", holds=True)


def _targets(service: KubeService, port: int) -> tuple[Target, ...]:
    """The pods behind a Service; on a port that it does not declare, their port of that number."""
    if service.port(port) is not None:
        return targets_of(service, port)
    return tuple((service.namespace, pod, port) for pod in service.pods or (service.selector,))


def _names(service: str, domain: str) -> tuple[str, ...]:
    """The names by which a Service may be called."""
    namespace, _, name = service.partition("/")
    return (name, f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.{domain}")


def _edited(request: Request, changes: Iterable[Edit], listener: Listener) -> Request:
    """The request as the callee's proxy sees it: headers are added, then set, then removed.

    Raises:
        NotModelled: a header is added beside one that is there, and a route of the callee looks at it.
    """
    mine = [one for one in changes if one[0] == "request"]
    if not mine:
        return request
    headers = dict(request.headers)
    order = ("add", "set", "remove")
    for _, operation, name, value in sorted(mine, key=lambda one: (order.index(one[1]), one[2], one[3])):
        if operation == "remove":
            headers.pop(name, None)
        elif operation == "add" and name in headers:
            if listener.table is not None and name in listener.table.header_names:
                raise NotModelled(title(listener.server or {}), f"header {name} occurs twice, and a route looks at it")
        else:
            headers[name] = value
    return replace(request, headers=headers)


def _traffic(taken: Action, traffic: Traffic, inventory: Inventory, what: str) -> Reason:
    parts = [Reason(Stage.TRAFFIC, text, where, holds=True) for text, where in taken.notes]
    if traffic.redirect is not None:
        text = f"the caller is sent to {traffic.redirect}, with status {traffic.redirect.status}"
    elif not traffic.backends:
        text = f"the caller's proxy answers with {traffic.abort[1]}" if traffic.abort is not None else "it goes nowhere"
    else:
        shared = sorted((-share, _backend(backend, inventory)) for backend, share in traffic.backends)
        goes = "go" if what == "requests" else "goes"
        text = f"{what} {goes} to " + ", ".join(f"{name} ({float(-100 * share):g} %)" for share, name in shared)
    if traffic.breaker is not None:
        text += f"; a pod is left out after {traffic.breaker.consecutive_5xx} failures in a row"
    return Reason(Stage.TRAFFIC, text, "", holds=True, parts=tuple(parts))


def _backend(backend: Any, inventory: Inventory) -> str:
    try:
        service, version = inventory.version_of(backend)
    except KeyError:
        return str(dict(backend.labels))
    return f"{service} {version}".rstrip()
