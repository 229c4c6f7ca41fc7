"""The plan: one intent for each service, everything inherited, defaulted, ordered and named.

Service-centric, because many policies end in one object and the order of rules is meaning. No mesh is known here.
Every value is frozen; every part carries the :class:`Source` it came from, which never takes part in equality.
Durations are whole milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from meshdsl.plan.features import Feature, mark
from meshdsl.plan.requests import Rule
from meshdsl.plan.rights import Access, Account, Mtls, MtlsMode
from meshdsl.plan.source import Source, source


class Protocol(StrEnum):
    """What a port speaks."""

    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"
    TCP = "tcp"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a service, with its route table.

    Attributes:
        number: the port of the Kubernetes Service.
        name: its name there; empty if it has none.
        protocol: what it speaks.
        target: port number of the workload, or the name of its container port.
        rules: from the most specific to the least, always ending in a rule that matches everything; empty if no
            traffic policy applies, and then the mesh is told nothing about this port's requests.
    """

    number: int
    name: str
    protocol: Protocol
    target: int | str
    rules: tuple[Rule, ...] = ()

    @property
    def is_http(self) -> bool:
        """Whether requests, rather than bytes, are seen on it."""
        return self.protocol in (Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC)


@dataclass(frozen=True, slots=True)
class Probe:
    """An HTTP probe of the kubelet: GET, exact path, on a workload port (number or name)."""

    path: str
    port: int | str


@dataclass(frozen=True, slots=True)
class Workload:
    """The Kubernetes workload behind a service."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Pool:
    """Limits on what is under way to a service. None leaves a limit as high as the mesh can count."""

    max_connections: int | None = None
    max_pending_requests: int | None = None
    max_requests: int | None = None
    max_requests_per_connection: int | None = None


@dataclass(frozen=True, slots=True)
class Outlier:
    """When a pod is taken out, and for how long. At least one of the two counters is set."""

    consecutive_5xx: int | None
    consecutive_gateway_errors: int | None = field(metadata=mark(Feature.BREAKER_GATEWAY_ERRORS))
    interval: int
    base_ejection_time: int
    max_ejection_percent: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """Limits and ejection, for every version of the service alike."""

    pool: Pool | None = field(metadata=mark(Feature.BREAKER_POOL))
    outlier: Outlier | None = field(metadata=mark(Feature.BREAKER_OUTLIER))
    source: Source = source()


@dataclass(frozen=True, slots=True)
class Resources:
    """Requests and limits of a sidecar, as Kubernetes quantities; empty leaves the mesh's own."""

    cpu_request: str = ""
    cpu_limit: str = ""
    memory_request: str = ""
    memory_limit: str = ""


@dataclass(frozen=True, slots=True)
class Proxy:
    """How the workloads of a subject are in the mesh.

    Attributes:
        enrolled: they are (True), or are kept out (False); None says nothing (on a service).
        revision: of the control plane; empty for the default one.
        resources: of the sidecar.
    """

    enrolled: bool | None = field(metadata=mark(lambda _: Feature.ENROLMENT))
    revision: str = field(default="", metadata=mark(lambda r: Feature.REVISION if r else None))
    resources: Resources | None = field(default=None, metadata=mark(Feature.SIDECAR_RESOURCES))
    source: Source = source()


# -------------------------------------------------------------------------------------------------------- the plan


@dataclass(frozen=True, slots=True)
class Service:
    """All that is meant for one service.

    Attributes:
        account: the service account that its pods run as.
        labels: that select its pods.
        versions: their names; a version's pods carry ``version_label`` with that value besides ``labels``.
        replicas: pods behind the service, all versions together; None if not said.
        probes: of its pods over HTTP; ``probes_known`` says whether anybody declared them.
        mtls: the mode set on this very service; None if it inherits.
        effective_mtls: the mode that holds, wherever it was set; None if no policy says.
        proxy: set on this very service.
        proxy_effective: that holds for its pods, wherever it was set.
        source: where the service was declared.
        files: the policy files that contribute, relative to the repository, sorted.
    """

    namespace: str
    name: str
    account: str
    labels: tuple[tuple[str, str], ...]
    ports: tuple[Port, ...]
    versions: tuple[str, ...] = ()
    version_label: str = "version"
    replicas: int | None = None
    probes: tuple[Probe, ...] = ()
    probes_known: bool = False
    workload: Workload | None = None
    breaker: Breaker | None = None
    access: Access = Access()
    mtls: Mtls | None = None
    effective_mtls: MtlsMode | None = None
    proxy: Proxy | None = None
    source: Source = source()
    files: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def http_ports(self) -> tuple[Port, ...]:
        """The ports on which requests are seen."""
        return tuple(port for port in self.ports if port.is_http)

    @property
    def has_rules(self) -> bool:
        """Whether any port has a route table."""
        return any(port.rules for port in self.ports)

    @property
    def used_versions(self) -> tuple[str, ...]:
        """The versions that some rule of this service sends requests to, in declared order."""
        used = {b.version for port in self.ports for rule in port.rules for b in rule.backends}
        return tuple(version for version in self.versions if version in used)

    def version_labels(self, version: str) -> dict[str, str]:
        """The labels of one version's pods."""
        return {**dict(self.labels), self.version_label: version}


@dataclass(frozen=True, slots=True)
class Namespace:
    """What is meant for a namespace as a whole, beside its services.

    Attributes:
        mtls: set on this very namespace. ``effective_mtls``: that holds.
        default_deny: a policy closes it (set here or on the mesh): what no Allow names is refused.
        own_default_deny: set on this very namespace.
    """

    name: str
    mtls: Mtls | None = None
    effective_mtls: MtlsMode | None = None
    default_deny: bool = False
    own_default_deny: Source | None = field(default=None, metadata=mark(Feature.DEFAULT_DENY))
    proxy: Proxy | None = None
    source: Source = source()
    files: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Mesh:
    """What is meant for the whole mesh."""

    mtls: Mtls | None = field(default=None, metadata=mark(Feature.MTLS_MESH))
    default_deny: Source | None = field(default=None, metadata=mark(Feature.DEFAULT_DENY_MESH))
    source: Source = source()
    files: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything, sorted by name."""

    set_name: str
    mesh: Mesh
    namespaces: tuple[Namespace, ...]
    services: tuple[Service, ...]
    _index: dict[tuple[str, str], Service] = field(default_factory=dict, init=False, compare=False, repr=False)
    _callers: dict[Account, tuple[Service, ...]] = field(default_factory=dict, init=False, compare=False, repr=False)
    _namespaces: dict[str, Namespace] = field(default_factory=dict, init=False, compare=False, repr=False)
    _mirrored: set[tuple[str, str, str]] = field(default_factory=set, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._index.update({(s.namespace, s.name): s for s in self.services})
        self._namespaces.update({n.name: n for n in self.namespaces})
        for one in self.services:
            account = Account(one.namespace, one.account)
            self._callers[account] = (*self._callers.get(account, ()), one)
        self._mirrored.update(
            (*rule.mirror.service, rule.mirror.version)
            for service in self.services
            for port in service.ports
            for rule in port.rules
            if rule.mirror is not None and rule.mirror.version is not None
        )

    @property
    def callers(self) -> Mapping[Account, tuple[Service, ...]]:
        """The services that run as each account."""
        return self._callers

    def service(self, namespace: str, name: str) -> Service:
        """The intent of a service. Raises KeyError if the plan does not have it."""
        return self._index[namespace, name]

    def namespace(self, name: str) -> Namespace:
        """The intent of a namespace. Raises KeyError if the plan does not have it."""
        return self._namespaces[name]

    def enrolment(self, service: Service) -> Proxy | None:
        """The policy that has the pods of a service in the mesh or keeps them out; None if none says."""
        around = self.namespace(service.namespace).proxy
        return next((one for one in (service.proxy, around) if one is not None and one.enrolled is not None), None)

    def is_kept_out(self, service: Service) -> bool:
        """Whether a policy keeps the pods of a service out of the mesh (``docs/semantics.md`` §6)."""
        proxy = self.enrolment(service)
        return proxy is not None and proxy.enrolled is False

    def versions_in_use(self, service: Service) -> tuple[str, ...]:
        """The versions that a rule of any service sends or mirrors requests to, in declared order."""
        sent = service.used_versions
        return tuple(
            version
            for version in service.versions
            if version in sent or (service.namespace, service.name, version) in self._mirrored
        )

    def services_in(self, namespace: str) -> Iterator[Service]:
        """The services of a namespace, by name."""
        return (s for s in self.services if s.namespace == namespace)
