"""The objects of a Linkerd cluster, by what asks for them.

Everything is indexed and nothing is judged: what an object says is read when a request depends on it. Objects of other
groups than Linkerd's, Gateway API's, SMI's and Kubernetes' own Services, Namespaces and workloads are none of the
mesh's business. A workload without pod labels (a part of one, as meshdsl emits it for the injector) says nothing about
any pods, because it is not known which are its. Whether a proxy is before those of its namespace is then not known, and
access is told as if one were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from meshdsl.proxies import Proxies
from meshdsl.simulate.fields import Body, group_of, mapping, name_of, namespace_of, only, title
from meshdsl.simulate.http_route import GATEWAY_API, Parent, parents_of, with_services
from meshdsl.simulate.inventory import Inventory, KubeService
from meshdsl.simulate.linkerd_routes import POLICY, by_age, is_there, refused
from meshdsl.simulate.words import Labels, NotModelled
from meshdsl.targets.base import at_least
from meshdsl.targets.linkerd import Linkerd

WORKLOADS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod")
INJECT: Final = "linkerd.io/inject"
_ROUTES: Final = frozenset({"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"})
_ELSEWHERE: Final = frozenset({"EgressNetwork", "ExternalWorkload", "Link"})
"""Of traffic that leaves the cluster, or enters it."""
Item = TypeVar("Item")
Key = tuple[str, str, str, str]
"""Namespace, group, kind and name of what a policy is about, as written there."""


@dataclass(frozen=True, slots=True, eq=False)
class Attached:
    """A route that is attached to a Service.

    Attributes:
        body: the route.
        parent: which of its parents.
        unknown: why it is not known whether the mesh has it at all; None if it is.
    """

    body: Body
    parent: Parent
    unknown: NotModelled | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pods:
    """What a workload, or a Pod, says of its pods.

    Attributes:
        labels: of the pods.
        annotations: of the pods.
        ports: name to number of each container port.
        probes: path and port of each HTTP probe.
    """

    labels: Labels
    annotations: Mapping[str, str]
    ports: Mapping[str, int]
    probes: tuple[tuple[str, int | str], ...]


class Selecting(Generic[Item]):
    """What selects by labels, in its order: with thousands of them only a few are looked at for some labels."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str] | None, list[tuple[int, Item]]] = {}
        self._count = 0

    def add(self, labels: Iterable[tuple[str, str]], item: Item) -> None:
        """Keep something under that one of its labels that the fewest others are kept under."""
        pairs: list[tuple[str, str] | None] = [*sorted(labels)]
        pair = min(pairs or [None], key=lambda one: len(self._found.get(one, ())))
        self._found.setdefault(pair, []).append((self._count, item))
        self._count += 1

    def near(self, labels: Labels) -> list[Item]:
        """All that could select some labels, in the order in which they were added."""
        found = list(self._found.get(None, ()))
        for pair in labels:
            found += self._found.get(pair, ())
        return [item for _, item in sorted(found, key=lambda one: one[0])]


@dataclass
class Objects:
    """The objects, indexed.

    Attributes:
        target: the profile of the mesh.
        inventory: the Services, with those that are among the objects.
        annotations: of Services (``"namespace/name"``) and Namespaces (``"name"``).
        specs: of the Services that are here as a whole.
        outbound: the routes of each Service, the oldest first.
        inbound: the routes of each Server, the oldest first.
        servers: of each namespace, the oldest first.
        policies: AuthorizationPolicies by what they are about.
        authorizations: ServerAuthorizations of each namespace.
        authentications: MeshTLSAuthentications and NetworkAuthentications by kind, namespace and name.
        limits: HTTPLocalRateLimitPolicies by namespace and Server.
        profiles: ServiceProfiles by namespace and name.
        splits: the TrafficSplits of each Service.
        pods: of the workloads with labels, by namespace.
        services: the Services of each namespace that select pods.
        unlabelled: the namespaces in which some workload without labels is told to run with or without a proxy.
        strange: what is of Linkerd and is not known here, by its namespace.
        proxies: which pods are known to have one.
    """

    target: Linkerd
    inventory: Inventory
    annotations: dict[str, dict[str, str]] = field(default_factory=dict)
    specs: dict[str, Body] = field(default_factory=dict)
    outbound: dict[str, list[Attached]] = field(default_factory=dict)
    inbound: dict[tuple[str, str], list[Attached]] = field(default_factory=dict)
    servers: dict[str, Selecting[Body]] = field(default_factory=dict)
    policies: dict[Key, list[Body]] = field(default_factory=dict)
    authorizations: dict[str, list[Body]] = field(default_factory=dict)
    authentications: dict[tuple[str, str, str], Body] = field(default_factory=dict)
    limits: dict[tuple[str, str], list[Body]] = field(default_factory=dict)
    profiles: dict[tuple[str, str], Body] = field(default_factory=dict)
    splits: dict[str, list[Body]] = field(default_factory=dict)
    pods: dict[str, list[Pods]] = field(default_factory=dict)
    services: dict[str, Selecting[KubeService]] = field(default_factory=dict)
    unlabelled: set[str] = field(default_factory=set)
    strange: dict[str, list[NotModelled]] = field(default_factory=dict)
    proxies: Proxies = field(default_factory=lambda: Proxies((), "linkerd"))

    @classmethod
    def of(cls, bodies: Sequence[Body], inventory: Inventory, target: Linkerd) -> Objects:
        """The index of some objects, the oldest first where they do not say when they were created."""
        found = cls(target, with_services(inventory, bodies), proxies=Proxies(bodies, "linkerd"))
        for service in found.inventory:
            if service.selector:
                found.services.setdefault(service.namespace, Selecting()).add(service.selector, service)
        for body in by_age(bodies):
            try:
                found._add(body)
            except NotModelled as error:
                found.strange.setdefault(namespace_of(body), []).append(error)
        return found

    def _add(self, body: Body) -> None:
        group, kind, namespace, name = group_of(body), str(body.get("kind")), namespace_of(body), name_of(body)
        if group == "" and kind in ("Service", "Namespace"):
            key = f"{namespace}/{name}" if kind == "Service" else name
            self.annotations.setdefault(key, {}).update(annotations_of(body))
            if kind == "Service" and (body.get("spec") or {}):
                self.specs[key] = body["spec"]
        elif kind in WORKLOADS and group in ("", "apps", "batch"):
            self._workload(body)
        elif kind in _ROUTES and group in (GATEWAY_API, POLICY):
            if _is_watched(body, self.target):
                self._route(body)
        elif group == POLICY:
            self._policy(body)
        elif (group, kind) == ("linkerd.io", "ServiceProfile"):
            self.profiles[namespace, name] = body
        elif (group, kind) == ("split.smi-spec.io", "TrafficSplit"):
            apex = str(mapping(body.get("spec"), title(body)).get("service")).partition(".")[0]
            self.splits.setdefault(f"{namespace}/{apex}", []).append(body)
        elif (group == "linkerd.io" or group.endswith(".linkerd.io")) and kind not in _ELSEWHERE:
            raise NotModelled(title(body), "objects of this kind are not modelled")

    def _policy(self, body: Body) -> None:
        kind, namespace, name = str(body.get("kind")), namespace_of(body), name_of(body)
        spec = mapping(body.get("spec"), title(body))
        if kind == "Server":
            selector = mapping(spec.get("podSelector"), f"{title(body)} spec.podSelector")
            labels = mapping(selector.get("matchLabels"), f"{title(body)} spec.podSelector.matchLabels")
            self.servers.setdefault(namespace, Selecting()).add(labels.items(), body)
        elif kind == "AuthorizationPolicy":
            reference = mapping(spec.get("targetRef"), f"{title(body)} spec.targetRef")
            self.policies.setdefault((namespace, *_target(reference)), []).append(body)
        elif kind == "ServerAuthorization":
            self.authorizations.setdefault(namespace, []).append(body)
        elif kind in ("MeshTLSAuthentication", "NetworkAuthentication"):
            self.authentications[kind, namespace, name] = body
        elif kind == "HTTPLocalRateLimitPolicy":
            reference = mapping(spec.get("targetRef"), f"{title(body)} spec.targetRef")
            self.limits.setdefault((namespace, str(reference.get("name"))), []).append(body)
        elif kind not in _ELSEWHERE:
            raise NotModelled(title(body), "objects of this kind are not modelled")

    def _route(self, body: Body) -> None:
        """A route, under each of its parents; one with a filter that the mesh does not have is not there."""
        unknown: NotModelled | None = None
        try:
            if not is_there(body):
                return
        except NotModelled as error:
            unknown = error
        parents = parents_of(body)
        for parent in parents:
            if refused(body, parent.kind):
                continue
            one = Attached(body, parent, unknown)
            if parent.is_service:
                self.outbound.setdefault(f"{parent.namespace}/{parent.name}", []).append(one)
            elif (parent.group, parent.kind) == (POLICY, "Server") and not _is_ignored(parents, namespace_of(body)):
                self.inbound.setdefault((parent.namespace, parent.name), []).append(one)

    def _workload(self, body: Body) -> None:
        spec: Any = body.get("spec") or {}
        if body["kind"] == "CronJob":
            spec = (spec.get("jobTemplate") or {}).get("spec") or {}
        template = body if body["kind"] == "Pod" else spec.get("template") or {}
        metadata, pod = template.get("metadata") or {}, template.get("spec") or {}
        if not metadata.get("labels"):
            if INJECT in (metadata.get("annotations") or {}):
                self.unlabelled.add(namespace_of(body))
            return
        containers = [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]
        ports = {p["name"]: p["containerPort"] for c in containers for p in c.get("ports") or () if p.get("name")}
        labels = frozenset(metadata["labels"].items())
        found = metadata.get("annotations") or {}
        self.pods.setdefault(namespace_of(body), []).append(Pods(labels, found, ports, tuple(_probes(containers))))

    def pods_of(self, namespace: str, labels: Labels) -> Iterator[Pods]:
        """What is known of the pods that have some labels."""
        return (one for one in self.pods.get(namespace, ()) if labels <= one.labels)

    def services_of(self, namespace: str, labels: Labels) -> Iterator[KubeService]:
        """The Services that have pods with some labels behind them."""
        near = self.services[namespace].near(labels) if namespace in self.services else ()
        return (one for one in near if one.selector <= labels)

    def servers_near(self, namespace: str, labels: Labels) -> Sequence[Body]:
        """The Servers that could select pods with some labels, the oldest first."""
        return self.servers[namespace].near(labels) if namespace in self.servers else ()


def annotations_of(body: Body) -> Mapping[str, str]:
    """The annotations of an object."""
    found: Mapping[str, str] = (body.get("metadata") or {}).get("annotations") or {}
    return found


def _target(reference: Body) -> tuple[str, str, str]:
    """Group, kind and name of a targetRef; kinds and groups are compared without case, and no group is the core one."""
    group = str(reference.get("group") or "").lower()
    return ("" if group == "core" else group), str(reference.get("kind")).lower(), str(reference.get("name"))


def _is_watched(route: Body, target: Linkerd) -> bool:
    """Whether the policy controller sees routes of a kind.

    It asks for TLSRoutes and TCPRoutes of ``v1alpha2``, which the standard channel does not serve from Gateway API 1.5
    and 1.6 on; then they do nothing (``runtime/src/args.rs``, linkerd2 #15584).
    """
    served = {"TLSRoute": "1.5", "TCPRoute": "1.6"}.get(str(route["kind"]))
    if served is None or target.gateway_api_channel == "experimental":
        return True
    return not at_least(target.gateway_api, served)


def _is_ignored(parents: Iterable[Parent], namespace: str) -> bool:
    """Whether a route does nothing for Servers: one parent with a port, section or other namespace spoils all.

    Accepted, and ignored (``inbound/routes.rs``; measured).
    """
    return any(
        (one.group, one.kind) == (POLICY, "Server")
        and (one.port is not None or bool(one.section) or one.namespace != namespace)
        for one in parents
    )


def _probes(containers: Iterable[Body]) -> Iterator[tuple[str, int | str]]:
    """HTTP probes, without their query; one by HTTPS gets no route (linkerd2 #12806)."""
    for container in containers:
        for name in ("livenessProbe", "readinessProbe", "startupProbe"):
            found = (container.get(name) or {}).get("httpGet")
            if found and found.get("scheme", "HTTP") == "HTTP" and "port" in found:
                yield str(found.get("path") or "/").partition("?")[0], found["port"]


def selects(selector: Any, labels: Mapping[str, str], where: str) -> bool:
    """Whether a label selector selects what has some labels: all of both its parts must hold; an empty one selects all.

    Raises:
        NotModelled: it has other parts, or an operator that is not known.
    """
    found = only(selector, ("matchLabels", "matchExpressions"), where)
    if any(labels.get(name) != value for name, value in (found.get("matchLabels") or {}).items()):
        return False
    return all(_fulfils(one, labels, where) for one in found.get("matchExpressions") or ())


def _fulfils(one: Body, labels: Mapping[str, str], where: str) -> bool:
    actual, values, operator = labels.get(one["key"]), one.get("values") or (), one.get("operator")
    if operator == "In":
        return actual in values
    if operator == "NotIn":
        return actual not in values
    if operator == "Exists":
        return actual is not None
    if operator == "DoesNotExist":
        return actual is None
    raise NotModelled(f"{where}.matchExpressions", f"operator {operator} is not modelled")
