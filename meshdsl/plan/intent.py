"""The plan: one intent for each service, everything inherited, defaulted, ordered and named.

Service-centric, because many policies end in one object and the order of rules is meaning. No mesh is known here.
Every value is frozen; every part carries the :class:`Source` it came from, which never takes part in equality.
Durations are whole milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any

from meshdsl.diagnostics import Origin
from meshdsl.plan.features import Feature, mark


@dataclass(frozen=True, slots=True)
class Source:
    """Where a part of the plan comes from, and which approximations its author accepts there."""

    origin: Origin | None = field(default=None, compare=False)
    accept: frozenset[str] = frozenset()


NOWHERE = Source()


def source() -> Any:
    """The field that carries a :class:`Source`: never compared, never part of the meaning."""
    return field(default=NOWHERE, compare=False, repr=False)


# ---------------------------------------------------------------------------------------------------- requests


class PathKind(StrEnum):
    """How a path is compared. A prefix is of whole segments: ``/a`` covers ``/a`` and ``/a/b``, never ``/ab``."""

    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class Path:
    """A condition on the path. A prefix has no trailing slash, and is never ``/`` alone."""

    kind: PathKind
    value: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a header (lower-case name) or query parameter: equal to ``value``, or fully matching it."""

    name: str
    value: str
    regex: bool = False


def path_feature(path: Path) -> Feature:
    """The feature that a path condition uses."""
    return Feature.MATCH_PATH_REGEX if path.kind is PathKind.REGEX else Feature.MATCH_PATH


@dataclass(frozen=True, slots=True)
class Match:
    """A conjunction: all conditions that are there must hold. Without any, it matches every request."""

    path: Path | None = field(default=None, metadata=mark(path_feature))
    method: str | None = field(default=None, metadata=mark(Feature.MATCH_METHOD))
    headers: tuple[Condition, ...] = field(default=(), metadata=mark(Feature.MATCH_HEADER))
    query: tuple[Condition, ...] = field(default=(), metadata=mark(Feature.MATCH_QUERY))

    @property
    def is_any(self) -> bool:
        """Whether it matches every request."""
        return not (self.path or self.method or self.headers or self.query)


# ---------------------------------------------------------------------------------------------- what happens to them


@dataclass(frozen=True, slots=True)
class Backend:
    """A share of the requests: ``weight`` of the sum of the weights, to one version (None: the service as it is)."""

    version: str | None
    weight: int


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long a request may take, with all its retries."""

    request: int
    source: Source = source()


RETRY_FEATURES: Mapping[str, Feature] = {
    "5xx": Feature.RETRY_5XX,
    "gateway-error": Feature.RETRY_5XX,
    "reset": Feature.RETRY_RESET,
    "connect-failure": Feature.RETRY_RESET,
    "refused-stream": Feature.RETRY_RESET,
    "retriable-4xx": Feature.RETRY_4XX,
    "cancelled": Feature.RETRY_GRPC,
    "deadline-exceeded": Feature.RETRY_GRPC,
    "internal": Feature.RETRY_GRPC,
    "resource-exhausted": Feature.RETRY_GRPC,
    "unavailable": Feature.RETRY_GRPC,
}


@dataclass(frozen=True, slots=True)
class Retry:
    """How a failed request is tried again.

    Attributes:
        attempts: the number of retries, at least 1: a request is tried ``1 + attempts`` times at most.
        conditions: Envoy's names, in Envoy's order of :data:`RETRY_FEATURES`.
        statuses: HTTP statuses beside the conditions, ascending.
        per_try_timeout: of each try.
        backoff: the base interval before the first retry.
    """

    attempts: int = field(metadata=mark(Feature.RETRY))
    conditions: tuple[str, ...] = field(metadata=mark(RETRY_FEATURES))
    statuses: tuple[int, ...] = field(default=(), metadata=mark(Feature.RETRY_STATUSES))
    per_try_timeout: int | None = field(default=None, metadata=mark(Feature.RETRY_PER_TRY_TIMEOUT))
    backoff: int | None = field(default=None, metadata=mark(Feature.RETRY_BACKOFF))
    source: Source = source()


@dataclass(frozen=True, slots=True)
class Abort:
    """A share of the requests is answered with ``status`` and never reaches the service."""

    status: int
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Delay:
    """A share of the requests waits before it is sent."""

    duration: int
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Fault:
    """Failures made on purpose; delay comes before abort."""

    abort: Abort | None = field(default=None, metadata=mark(Feature.FAULT_ABORT))
    delay: Delay | None = field(default=None, metadata=mark(Feature.FAULT_DELAY))
    source: Source = source()


def mirror_share(percent: Decimal) -> Feature | None:
    """Mirroring less than everything is a feature of its own."""
    return Feature.MIRROR_PERCENT if percent != 100 else None


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of a share of the requests goes to another service or version; its answer is thrown away."""

    service: tuple[str, str] = field(metadata=mark(Feature.MIRROR))
    """(namespace, name)"""
    port: int
    version: str | None
    percent: Decimal = field(metadata=mark(mirror_share))
    source: Source = source()


@dataclass(frozen=True, slots=True)
class HeaderEdits:
    """Edits of one message's headers: ``remove`` and ``set`` replace, ``add`` appends. Names are lower case."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Headers:
    """Edits of the request before it is sent, and of the response before it is returned."""

    request: HeaderEdits | None = field(default=None, metadata=mark(Feature.HEADERS_REQUEST))
    response: HeaderEdits | None = field(default=None, metadata=mark(Feature.HEADERS_RESPONSE))
    source: Source = source()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What the service sees instead.

    ``path`` replaces the part that the rule's path condition matched: the whole path of an exact match, the prefix of
    a prefix match (of a rule without one: it is put before the path).
    """

    path: str | None = field(default=None, metadata=mark(Feature.REWRITE_PATH))
    host: str | None = field(default=None, metadata=mark(Feature.REWRITE_HOST))
    source: Source = source()


@dataclass(frozen=True, slots=True)
class Redirect:
    """The caller is sent elsewhere; the service never sees the request. None keeps that part of the URL."""

    status: int
    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    path: str | None = None
    source: Source = source()


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to the requests that match. Exactly one rule of a port's table applies to a request.

    Attributes:
        name: stable and readable, unique in the table: the route's name, ``canary``, ``default``, with a suffix for
            the methods that are not retried.
        match: one conjunction.
        backends: at least one, weights at least 1; several only for a split.
        retry: None means that a failed request is not tried again, whatever the mesh's default.
    """

    name: str
    match: Match
    backends: tuple[Backend, ...]
    timeout: Timeout | None = field(default=None, metadata=mark(Feature.TIMEOUT))
    retry: Retry | None = field(default=None, metadata=mark(Feature.RETRY, absent=Feature.RETRY_NONE, said_by="never"))
    fault: Fault | None = None
    mirror: Mirror | None = None
    headers: Headers | None = None
    rewrite: Rewrite | None = None
    redirect: Redirect | None = field(default=None, metadata=mark(Feature.REDIRECT))
    split: Source | None = field(default=None, metadata=mark(Feature.SPLIT))
    """The Canary or Split that weighs the backends, if there is one."""
    canary: Source | None = field(default=None, metadata=mark(Feature.CANARY_MATCH))
    """The Canary whose ``when`` this rule is, if it is one."""
    never: Source | None = field(default=None, compare=False)
    """The Retry that says that nothing is tried again here, if one does."""
    source: Source = source()

    @property
    def action(self) -> tuple[object, ...]:
        """Everything that is done to a request, for comparing what two rules do."""
        return _action(self)


_action: Callable[[Rule], tuple[object, ...]] = attrgetter(
    *(f.name for f in fields(Rule) if f.name not in {"name", "match", "split", "canary", "never", "source"})
)


# ------------------------------------------------------------------------------------------------------- workloads


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


# ---------------------------------------------------------------------------------------------------------- access


class Anyone(StrEnum):
    """Callers without a name."""

    IN_MESH = "in-mesh"
    AT_ALL = "at-all"


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """A service account: the identity of a workload in the mesh."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Callers:
    """Who: the union of the accounts, the namespaces and ``anyone``. At least one is set."""

    accounts: tuple[Account, ...] = field(default=(), metadata=mark(Feature.ALLOW_ACCOUNT))
    namespaces: tuple[str, ...] = field(default=(), metadata=mark(Feature.ALLOW_NAMESPACE))
    anyone: Anyone | None = field(
        default=None,
        metadata=mark({Anyone.IN_MESH: Feature.ALLOW_IN_MESH, Anyone.AT_ALL: Feature.ALLOW_AT_ALL}),
    )


def allow_path(path: Path) -> Feature:
    """The feature that a path in an allow rule uses."""
    return Feature.ALLOW_PATH_REGEX if path.kind is PathKind.REGEX else Feature.ALLOW_HTTP


PRESENT = ".*"
"""The regular expression of a header that is there, whatever its value. Meshes without others have this one."""


def allow_header(header: Condition) -> Feature:
    """The feature that a header in an allow rule uses."""
    return Feature.ALLOW_HEADER_REGEX if header.regex and header.value != PRESENT else Feature.ALLOW_HTTP


@dataclass(frozen=True, slots=True)
class Allow:
    """These callers may make these requests: callers AND (any method) AND (any path) AND (any port) AND all headers.

    An empty tuple leaves that part open. ``ports`` are ports of the service, all of them HTTP where a method, path or
    header is named.
    """

    callers: Callers
    methods: tuple[str, ...] = field(default=(), metadata=mark(Feature.ALLOW_HTTP))
    paths: tuple[Path, ...] = field(default=(), metadata=mark(allow_path))
    headers: tuple[Condition, ...] = field(default=(), metadata=mark(allow_header))
    ports: tuple[int, ...] = field(default=(), metadata=mark(Feature.ALLOW_PORTS))
    source: Source = source()

    @property
    def is_http(self) -> bool:
        """Whether it can only be decided by looking at a request."""
        return bool(self.methods or self.paths or self.headers)


@dataclass(frozen=True, slots=True)
class Deny:
    """These callers may not make these requests, whatever is allowed. Read as :class:`Allow`."""

    callers: Callers = field(metadata=mark(Feature.DENY))
    methods: tuple[str, ...] = field(default=(), metadata=mark(Feature.DENY_HTTP))
    paths: tuple[Path, ...] = field(default=(), metadata=mark(Feature.DENY_PATHS))
    headers: tuple[Condition, ...] = field(default=(), metadata=mark(Feature.DENY_HTTP))
    ports: tuple[int, ...] = ()
    source: Source = source()

    @property
    def is_http(self) -> bool:
        """Whether it can only be decided by looking at a request."""
        return bool(self.methods or self.paths or self.headers)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a service. A request is refused if a deny matches; else, if ``closed``, unless an allow matches."""

    closed: bool = False
    allow: tuple[Allow, ...] = ()
    deny: tuple[Deny, ...] = ()

    @property
    def is_http(self) -> bool:
        """Whether any rule looks at requests."""
        return any(r.is_http for r in self.allow) or any(r.is_http for r in self.deny)


class MtlsMode(StrEnum):
    """Whether plain text is taken beside mTLS."""

    STRICT = "strict"
    PERMISSIVE = "permissive"


MTLS_FEATURES = {MtlsMode.STRICT: Feature.MTLS_STRICT, MtlsMode.PERMISSIVE: Feature.MTLS_PERMISSIVE}


@dataclass(frozen=True, slots=True)
class Mtls:
    """The mode that a policy sets on one subject."""

    mode: MtlsMode = field(metadata=mark(MTLS_FEATURES))
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


# ------------------------------------------------------------------------------------------- which features are used


@dataclass(frozen=True, slots=True)
class Use:
    """A feature that a part of the plan asks for, where, and by which field."""

    feature: Feature
    source: Source
    field: str


def uses(part: object) -> list[Use]:
    """Every feature that a part of the plan asks for, read off the marks on its fields.

    A part that occurs in several places, such as the Timeout of many rules, is read once.

    Args:
        part: a :class:`Service`, :class:`Namespace`, :class:`Mesh`, or any part of one.
    """
    found: list[Use] = []
    _read(part, NOWHERE, found, set())
    return found


def _read(part: Any, within: Source, found: list[Use], done: set[int]) -> None:
    done.add(id(part))
    kind: Any = part.__class__
    here: Source = getattr(part, "source", within)
    if here.origin is None:
        here = within
    for name, feature, absent, said_by, has_parts in _marks(kind):
        value = getattr(part, name)
        if value is None or (value.__class__ is tuple and not value):
            if absent is not None:
                found.append(Use(absent, (getattr(part, said_by) if said_by else None) or here, name))
            continue
        if feature is not None:
            inner = value if isinstance(value, Source) else getattr(value, "source", here)
            named = here if inner.origin is None else inner
            found.extend(Use(one, named, name) for one in _features(feature, value))
        if has_parts:
            for item in value if isinstance(value, tuple) else (value,):
                if id(item) not in done:
                    _read(item, here, found, done)


@cache
def _marks(kind: type[Any]) -> tuple[tuple[str, Any, Feature | None, str, bool], ...]:
    """The fields of a part that are marked, or have parts of their own: name, the mark, has parts."""
    marked = []
    for f in fields(kind):
        feature, absent, said_by = (f.metadata.get(key) for key in ("feature", "absent", "said_by"))
        has_parts = _has_parts(str(f.type))
        if feature is not None or absent is not None or has_parts:
            marked.append((f.name, feature, absent, said_by or "", has_parts))
    return tuple(marked)


def _has_parts(annotation: str) -> bool:
    """Whether an annotation names a kind of part that has marks itself."""
    kinds = [globals().get(name) for name in re.findall(r"[A-Z]\w+", annotation)]
    return any(hasattr(kind, "__dataclass_fields__") and _marks(kind) for kind in kinds)


def _features(feature: Any, value: Any) -> Iterator[Feature]:
    if isinstance(feature, Feature):
        yield feature
        return
    for item in value if isinstance(value, tuple) else (value,):
        found = feature.get(item) if isinstance(feature, Mapping) else feature(item)
        if found is not None:
            yield found
