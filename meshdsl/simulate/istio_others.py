"""Objects of Istio that a reading does not follow, and where they would matter.

Nothing is skipped: each is kept by the workloads, hosts or services that it is about, so that an answer which one of
them may change is unknown and names it, and all others stay. What says nothing about a single request (Telemetry,
ProxyConfig, the gateways at the edge of the mesh) is not kept. A RequestAuthentication alone lets requests without a
token pass as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from meshdsl.proxies import Proxies
from meshdsl.simulate.fields import (
    Body,
    group_of,
    labelled,
    mapping,
    name_of,
    namespace_of,
    sequence,
    title,
)
from meshdsl.simulate.http_route import GATEWAY_API, Parent, parents_of
from meshdsl.simulate.inventory import KubeService
from meshdsl.simulate.istio_access import TargetRef, target_refs
from meshdsl.simulate.istio_hosts import matches
from meshdsl.simulate.words import Labels, NotModelled, Request

FOLLOWED: Final = frozenset({"VirtualService", "DestinationRule", "AuthorizationPolicy", "PeerAuthentication"})
_WITHOUT_EFFECT: Final = frozenset({"Telemetry", "ProxyConfig", "WorkloadGroup", "ReferenceGrant", "GatewayClass"})
_ROUTES: Final = frozenset({"HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"})
_INJECTION: Final = "istio-injection"


class Enrolment:
    """Which pods are kept out of the mesh. Where nobody says it, they are taken to be in it (semantics §6).

    Args:
        bodies: any objects.
        mesh: that reads them.
        label: that enrols a namespace.
        out: its value for one that is kept out, in a Namespace of which not all labels are known.
    """

    def __init__(self, bodies: Sequence[Body], mesh: str, label: str, out: str) -> None:
        self._proxies = Proxies(bodies, mesh)
        self._kept_out: dict[str, str] = {}
        for body in bodies:
            labels = mapping(mapping(body.get("metadata"), "").get("labels"), "")
            if body.get("kind") == "Namespace" and labels.get(label) == out:
                self._kept_out[name_of(body)] = f"{title(body)} metadata.labels[{label}]"

    def without(self, namespace: str, pod: Labels) -> str:
        """What says that pods have no proxy; empty if they have one. Raises NotModelled if that is not known."""
        if not self._proxies.is_told(namespace):
            return self._kept_out.get(namespace, "")
        found = self._proxies.of_pods(namespace, pod)
        if found.has is None:
            raise NotModelled(found.where, found.why)
        return "" if found.has else found.where


class Others:
    """The objects that are not followed, by where they matter.

    Args:
        bodies: all objects.
        root: the root namespace.
        followed: kinds that the reading follows, which are left out here.
    """

    def __init__(self, bodies: Iterable[Body], root: str, followed: frozenset[str]) -> None:
        self._root = root
        self._of_workloads: dict[str, list[Body]] = {}
        self._of_hosts: list[tuple[str, Body]] = []
        self._of_services: dict[tuple[str, str], list[tuple[Parent, Body]]] = {}
        self._of_entries: dict[str, list[Body]] = {}
        self._tokens: dict[str, list[Body]] = {}
        for body in bodies:
            kind, group = str(body.get("kind")), group_of(body)
            if kind in followed or kind in _WITHOUT_EFFECT:
                continue
            if group == GATEWAY_API:
                self._gateway_api(body, kind)
            elif group.endswith(".istio.io"):
                self._istio(body, kind)

    def check_workload(self, namespace: str, pods: Iterable[Labels], *, sends: bool) -> None:
        """Raises NotModelled if something that is not followed is about these pods, as they send or as they take."""
        known = tuple(pods)
        for scope in dict.fromkeys((self._root, namespace)):
            for body in self._of_workloads.get(scope, ()):
                if _touches(body, known) and _is_about(body, sends=sends):
                    raise NotModelled(title(body), f"what a {body.get('kind')} does to a proxy is not modelled")

    def check_waypoint(self, namespaces: Iterable[str], references: Iterable[TargetRef]) -> None:
        """Raises NotModelled if something that is not followed is about a waypoint in one of these namespaces."""
        wanted = set(references)
        for scope in dict.fromkeys((self._root, *namespaces)):
            for body in self._of_workloads.get(scope, ()):
                attached = set(target_refs(body))
                if not attached or attached & wanted:
                    raise NotModelled(title(body), f"what a {body.get('kind')} does to a waypoint is not modelled")

    def check_host(self, host: str) -> None:
        """Raises NotModelled if a ServiceEntry names a host."""
        for pattern, body in self._of_hosts:
            if matches(pattern, host):
                raise NotModelled(title(body), f"what a {body.get('kind')} makes of {host} is not modelled")

    def check_service(self, service: KubeService, port: int) -> None:
        """Raises NotModelled if a route that is not followed, or a workload beside pods, is attached to a service."""
        for parent, body in self._of_services.get((service.namespace, service.name), ()):
            if parent.port in (None, port):
                raise NotModelled(title(body), f"a {body.get('kind')} for a service is not modelled here")
        for body in self._of_entries.get(service.namespace, ()):
            labels = labelled(mapping(mapping(body.get("spec"), title(body)).get("labels"), title(body)))
            if service.selector and service.selector <= labels:
                raise NotModelled(title(body), "a workload that is no pod is not modelled")

    def token_of(self, request: Request, namespace: str, pod: Labels | None, references: Iterable[TargetRef]) -> str:
        """The RequestAuthentication that looks at a token of a request; empty if none does.

        Args:
            request: as it comes in.
            namespace: of the pods, or of the service.
            pod: labels before whose sidecar it comes in; None at a waypoint.
            references: what is attached to the waypoint.
        """
        if not self._tokens:
            return ""
        wanted = set(references)
        for scope in dict.fromkeys((self._root, namespace)):
            for body in self._tokens.get(scope, ()):
                attached = target_refs(body)
                here = bool(wanted & set(attached)) if pod is None else not attached and _touches(body, (pod,))
                if here and _carries_token(body, request):
                    return title(body)
        return ""

    def _gateway_api(self, body: Body, kind: str) -> None:
        if kind in _ROUTES:
            for parent in parents_of(body):
                if parent.is_service:
                    self._of_services.setdefault((parent.namespace, parent.name), []).append((parent, body))

    def _istio(self, body: Body, kind: str) -> None:
        spec = mapping(body.get("spec"), title(body))
        if kind == "ServiceEntry":
            self._of_hosts += [(str(host), body) for host in sequence(spec.get("hosts"), title(body))]
        elif kind == "WorkloadEntry":
            self._of_entries.setdefault(namespace_of(body), []).append(body)
        elif kind == "RequestAuthentication":
            self._tokens.setdefault(namespace_of(body), []).append(body)
        elif kind != "Gateway":
            self._of_workloads.setdefault(namespace_of(body), []).append(body)


def kept_out_of_sidecars(bodies: Sequence[Body]) -> Enrolment:
    """The pods without sidecars."""
    return Enrolment(bodies, "istio", _INJECTION, "disabled")


def _touches(body: Body, pods: tuple[Labels, ...]) -> bool:
    """Whether an object may be about one of some pods; about any, if their labels are not known."""
    spec = mapping(body.get("spec"), title(body))
    selector = mapping(spec.get("workloadSelector") or spec.get("selector"), title(body))
    wanted = labelled(mapping(selector.get("labels") or selector.get("matchLabels"), title(body)))
    return not wanted or not pods or any(wanted <= pod for pod in pods)


def _is_about(body: Body, *, sends: bool) -> bool:
    """Whether an object may change what a proxy does as it sends, or as it takes: a Sidecar has a part for each."""
    if body.get("kind") != "Sidecar":
        return True
    spec = mapping(body.get("spec"), title(body))
    if not sends:
        return bool(spec.get("ingress") or spec.get("inboundConnectionPool"))
    if spec.get("outboundTrafficPolicy"):
        return True
    listeners = list(_listeners(spec, title(body)))
    return bool(listeners) and not any(
        "*/*" in sequence(one.get("hosts"), title(body)) and not one.keys() - {"hosts"} for one in listeners
    )


def _listeners(spec: Body, where: str) -> Iterator[Body]:
    for one in sequence(spec.get("egress"), where):
        yield mapping(one, where)


def _carries_token(body: Body, request: Request) -> bool:
    """Whether a request has something where a rule looks for a token; by default ``Authorization: Bearer``."""
    for rule in sequence(mapping(body.get("spec"), title(body)).get("jwtRules"), title(body)):
        found: Mapping[str, Any] = mapping(rule, title(body))
        headers = [str(mapping(one, "").get("name", "")).lower() for one in found.get("fromHeaders") or ()]
        params = [str(one) for one in found.get("fromParams") or ()]
        if found.get("fromCookies") and "cookie" in request.headers:
            return True
        if not headers and not params and not found.get("fromCookies"):
            bearer = request.headers.get("authorization", "").startswith("Bearer ")
            if bearer or "access_token" in request.query:
                return True
        if any(one in request.headers for one in headers) or any(one in request.query for one in params):
            return True
    return False
