"""The words in which all readings speak: a request, what becomes of it, and the cluster that it is made in.

The cluster is what exists without meshdsl: Kubernetes Services and pods. It follows from the inventory alone, so that
readings of a mesh see what the mesh sees: labels, ports and identities, never a policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import meshdsl

Labels = frozenset[tuple[str, str]]
HTTP = frozenset({"http", "http2", "grpc"})


class Unmodelled(Exception):
    """An object holds something that the reading does not know: it must not be skipped."""


@dataclass(frozen=True)
class Caller:
    """Who sends. Without a name: in plain text, from outside the mesh.

    Attributes:
        trust: a trust domain other than the mesh's own, or empty.
    """

    namespace: str = ""
    account: str = ""
    trust: str = ""

    @property
    def plain(self) -> bool:
        """Whether it has no identity."""
        return not self.account


@dataclass(frozen=True)
class Request:
    """One request, or a connection if ``method`` is empty.

    Attributes:
        service: ``"namespace/name"``.
        port: of the Service.
        headers: names in lower case, each at most once.
        by_name: whether the caller uses the Service's name, not the address of a pod.
    """

    caller: Caller
    service: str
    port: int
    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    by_name: bool = True


@dataclass(frozen=True)
class Backend:
    """The pods that requests go to, and the port of theirs."""

    namespace: str
    labels: Labels
    port: int | str


@dataclass(frozen=True)
class Retries:
    """How a request is tried again; durations in milliseconds."""

    attempts: int
    conditions: frozenset[str]
    statuses: frozenset[int]
    per_try: int | None = None
    backoff: int | None = None


@dataclass(frozen=True)
class Redirected:
    """A redirect; what is None is as in the request."""

    status: int
    scheme: str
    host: str | None
    port: int
    path: str


@dataclass(frozen=True)
class Limits:
    """What one proxy has under way at most; None for what is not given."""

    connections: int | None = None
    pending: int | None = None
    requests: int | None = None
    requests_per_connection: int | None = None


@dataclass(frozen=True)
class Breaker:
    """Limits of a calling proxy, and of that of each pod; ejection. None for what is not given, milliseconds."""

    connections: int | None = None
    pending: int | None = None
    requests: int | None = None
    requests_per_connection: int | None = None
    consecutive_5xx: int | None = None
    consecutive_gateway_errors: int | None = None
    interval: int | None = None
    base_ejection_time: int | None = None
    max_ejection_percent: int | None = None
    at_pods: Limits | None = None


MESH = "as the mesh does"


@dataclass(frozen=True)
class Traffic:
    """What the caller's side does with an allowed request; durations in milliseconds.

    Attributes:
        backends: the share of each destination.
        retry: ``MESH`` if it is left to the mesh, None for never.
        delay: percentage and duration.
        abort: percentage and status.
        mirror: where copies go, and the percentage.
        edits: ``(message, operation, name, value)``.
    """

    backends: frozenset[tuple[Backend, Fraction]] = frozenset()
    timeout: int | None = None
    retry: Retries | str | None = None
    delay: tuple[Fraction, int] | None = None
    abort: tuple[Fraction, int] | None = None
    mirror: tuple[Backend, Fraction] | None = None
    edits: frozenset[tuple[str, str, str, str]] = frozenset()
    path: str = ""
    host: str | None = None
    redirect: Redirected | None = None
    breaker: Breaker | None = None


@dataclass(frozen=True)
class Answer:
    """Whether a request is let through, and what is done to it on the way if it is one."""

    allowed: bool
    traffic: Traffic | None = None
    note: str = ""


@dataclass(frozen=True)
class Port:
    """A port of a Kubernetes Service."""

    number: int
    target: int | str
    protocol: str


@dataclass(frozen=True)
class Kube:
    """A Kubernetes Service and the pods behind it; ``pods`` has the labels of each sort of them."""

    namespace: str
    name: str
    selector: Labels
    ports: tuple[Port, ...]
    account: str = ""
    pods: tuple[Labels, ...] = ()
    probes: tuple[tuple[str, int | str], ...] = ()

    def port(self, number: int) -> Port | None:
        """The port of that number."""
        return next((port for port in self.ports if port.number == number), None)

    def backend(self, port: int, version: Labels = frozenset()) -> Backend:
        """Its pods, seen through one of its ports."""
        found = self.port(port)
        if found is None:
            raise Unmodelled(f"{self.namespace}/{self.name} has no port {port}")
        return Backend(self.namespace, self.selector | version, found.target)


def kube(service: meshdsl.Service) -> Kube:
    """The Kubernetes side of a declared service."""
    labels = frozenset((service.labels or {"app": service.name}).items())
    if service.ports:
        ports = tuple(Port(p.number, p.number if p.target is None else p.target, p.protocol) for p in service.ports)
    elif service.port is not None:
        target = service.port if service.target_port is None else service.target_port
        ports = (Port(service.port, target, service.protocol),)
    else:
        ports = ()
    pods = tuple(labels | {(service.version_label, version)} for version in service.versions) or (labels,)
    probes = tuple((probe.path, probe.port) for probe in (service.probes or ()))
    account = service.service_account or service.name
    return Kube(str(service.namespace), service.name, labels, ports, account, pods, probes)


class Cluster:
    """The Services that the policies declare."""

    def __init__(self, services: Iterable[Kube]) -> None:
        self._services = {(one.namespace, one.name): one for one in services}

    @classmethod
    def of(cls, objects: Iterable[object]) -> Cluster:
        """The cluster of an inventory."""
        return cls(kube(one) for one in objects if isinstance(one, meshdsl.Service))

    def __getitem__(self, key: str) -> Kube:
        namespace, _, name = key.partition("/")
        return self._services[namespace, name]

    def __contains__(self, key: str) -> bool:
        namespace, _, name = key.partition("/")
        return (namespace, name) in self._services


def share(value: object) -> Fraction:
    """A number of a manifest or a policy as an exact fraction."""
    return Fraction(str(value))


def shares(weighted: Iterable[tuple[Backend, object]]) -> frozenset[tuple[Backend, Fraction]]:
    """What weights mean: each divided by their sum; nothing for a weight of 0."""
    total: dict[Backend, Fraction] = {}
    for backend, weight in weighted:
        if share(weight):
            total[backend] = total.get(backend, Fraction(0)) + share(weight)
    whole = sum(total.values())
    return frozenset((backend, weight / whole) for backend, weight in total.items())
