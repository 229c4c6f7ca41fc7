"""The plan's rules about callers: who may make which requests, and whether plain text is taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from meshdsl.plan.features import Feature, mark
from meshdsl.plan.requests import Condition, Path, PathKind
from meshdsl.plan.source import Source, source


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
