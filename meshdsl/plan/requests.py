"""The plan's rules about requests: which requests, and what happens to them.

A :class:`Rule` is a row of a port's route table. Durations are whole milliseconds. No mesh is known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter

from meshdsl.plan.features import Feature, mark
from meshdsl.plan.source import Source, source


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
