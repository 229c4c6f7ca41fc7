"""The words in which every reading speaks: a request, and what becomes of it.

An :class:`Answer` is a value: two readings agree when their answers are equal. Why it came so is told beside it, in
:class:`Reason`, and never takes part in equality. Durations are whole milliseconds, percentages exact fractions.
No mesh, no plan and no file is known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from typing import Final, Literal, Protocol

Labels = frozenset[tuple[str, str]]
"""Labels of pods, or a ``matchLabels``."""


@dataclass(frozen=True, slots=True, order=True)
class Caller:
    """Who sends. Without an account: in plain text, from outside the mesh.

    Attributes:
        namespace: of its service account.
        account: name of its service account; empty for a caller without an identity.
        trust_domain: if it is another than the mesh's own; else empty.
    """

    namespace: str = ""
    account: str = ""
    trust_domain: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether it has no identity in any mesh, and no proxy before it."""
        return not self.account

    def __str__(self) -> str:
        if self.is_plain:
            return "outside the mesh"
        if self == NOBODY:
            return "anyone in the mesh"
        return f"{self.namespace}/{self.account}" + (f" of {self.trust_domain}" if self.trust_domain else "")


NOBODY: Final = Caller("meshdsl-anyone", "anyone")
"""A caller in the mesh whom no policy names: its namespace is none of any plan's."""

OUTSIDE: Final = Caller()
"""A caller outside the mesh, in plain text."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, or one connection if ``method`` is empty.

    Attributes:
        caller: who sends it.
        service: ``"namespace/name"`` of the Kubernetes Service.
        port: of that Service.
        method: literally, such as ``"GET"``; empty for a connection whose bytes are not HTTP.
        path: without its query, as it was sent.
        headers: name in lower case to value, each header once.
        query: parameter to value, each parameter once.
        by_name: whether the caller uses the Service's name; False for one that calls a pod by its address.
        asked_for: the service that was named as the caller, for people; it never takes part in equality.
    """

    caller: Caller
    service: str
    port: int
    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    by_name: bool = True
    asked_for: str = field(default="", compare=False, repr=False)

    @property
    def is_http(self) -> bool:
        """Whether it is a request, and not a connection of other bytes."""
        return bool(self.method)


@dataclass(frozen=True, slots=True)
class Backend:
    """Where requests go: pods of a namespace that have these labels, at a port (number, or name in the container)."""

    namespace: str
    labels: Labels
    port: int | str


def answered_by_proxy(status: int) -> Backend:
    """What stands where a destination should be and is not, or is not wanted: the caller's proxy answers by itself."""
    return Backend("", frozenset(), status)


Shares = frozenset[tuple[Backend, Fraction]]
"""Which part of the requests goes where; the parts add up to 1. Backends without a part are not in it."""


def shares(weighted: Iterable[tuple[Backend, int | str | Fraction]]) -> Shares:
    """What weights mean: each divided by their sum; nothing for a weight of 0; empty if all are 0."""
    total: dict[Backend, Fraction] = {}
    for backend, weight in weighted:
        if Fraction(weight):
            total[backend] = total.get(backend, Fraction(0)) + Fraction(weight)
    whole = sum(total.values())
    return frozenset((backend, weight / whole) for backend, weight in total.items())


@dataclass(frozen=True, slots=True)
class Retries:
    """How a failed request is tried again.

    Attributes:
        attempts: retries: a request is tried ``1 + attempts`` times at most.
        conditions: Envoy's names, such as ``"5xx"``.
        statuses: HTTP statuses beside them.
        per_try: bound of each try, in milliseconds; None for none.
        backoff: base interval before a retry, in milliseconds; None for the mesh's own.
    """

    attempts: int
    conditions: frozenset[str]
    statuses: frozenset[int]
    per_try: int | None = None
    backoff: int | None = None

    @property
    def ways(self) -> str:
        """The conditions and statuses for people: ``connect-failure, reset, 409, 500-599``."""
        runs: list[list[int]] = []
        for status in sorted(self.statuses):
            if runs and status == runs[-1][-1] + 1:
                runs[-1].append(status)
            else:
                runs.append([status])
        words = [f"{run[0]}-{run[-1]}" if len(run) > 3 else ", ".join(map(str, run)) for run in runs]
        return ", ".join([*sorted(self.conditions), *words])


LeftToMesh = Literal["left to the mesh"]
MESH: Final[LeftToMesh] = "left to the mesh"
"""What stands for the retries of a request about which nobody has said anything: the mesh's own default."""


@dataclass(frozen=True, slots=True)
class Redirected:
    """An answer that sends the caller elsewhere; ``host`` None is the one that it asked for."""

    status: int
    scheme: str
    host: str | None
    port: int
    path: str

    def __str__(self) -> str:
        port = "" if self.port == {"http": 80, "https": 443}.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{self.host or '(the same host)'}{port}{self.path}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one proxy has under way at most; None for what is not limited."""

    connections: int | None = None
    pending: int | None = None
    requests: int | None = None
    requests_per_connection: int | None = None


@dataclass(frozen=True, slots=True)
class Breaker:
    """Limits and ejection; None for what is not limited or not counted, durations in milliseconds.

    The first four are those of one calling proxy; ``at_pods`` are those of the sidecar of each pod, whoever calls.
    """

    connections: int | None = None
    pending: int | None = None
    requests: int | None = None
    requests_per_connection: int | None = None
    consecutive_5xx: int | None = None
    consecutive_gateway_errors: int | None = None
    interval: int | None = None
    base_ejection_time: int | None = None
    max_ejection_percent: int | None = None
    at_pods: Limits | None = field(default=None, kw_only=True)


def without_pods(breaker: Breaker | None) -> Breaker | None:
    """What is left of a breaker where pods have no sidecar that holds its limits; None for nothing."""
    left = None if breaker is None else replace(breaker, at_pods=None)
    return None if left == Breaker() else left


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the caller's side does with a request (``docs/semantics.md`` §3).

    Attributes:
        backends: the share of each destination; empty for a redirect.
        timeout: of the whole request; None for none.
        retry: None for never.
        delay: percentage and milliseconds.
        abort: percentage and status.
        mirror: where copies go, and the percentage.
        edits: ``(message, operation, name, value)``: ``request`` or ``response``; ``set``, ``add`` or ``remove``.
        path: that the service sees.
        host: that the service sees; None for the one that the caller used.
        redirect: the answer, if the service never sees the request.
        breaker: None for none.
    """

    backends: Shares = frozenset()
    timeout: int | None = None
    retry: Retries | LeftToMesh | None = None
    delay: tuple[Fraction, int] | None = None
    abort: tuple[Fraction, int] | None = None
    mirror: tuple[Backend, Fraction] | None = None
    edits: frozenset[tuple[str, str, str, str]] = frozenset()
    path: str = ""
    host: str | None = None
    redirect: Redirected | None = None
    breaker: Breaker | None = None


class Verdict(StrEnum):
    """Whether a request reaches the service as far as access goes."""

    ALLOWED = "allowed"
    DENIED = "denied"
    NO_ROUTE = "no route"
    """No rule of a route takes it: the mesh answers 404."""
    UNKNOWN = "unknown"


class Stage(StrEnum):
    """The parts of the way of a request, in their order."""

    CONNECTION = "connection"
    ROUTE = "route"
    TRAFFIC = "traffic"
    ACCESS = "access"


@dataclass(frozen=True, slots=True)
class Reason:
    """One step of a decision.

    Attributes:
        stage: the part of the way it belongs to.
        text: a sentence without its full stop: what was looked at, and what came of it.
        where: ``policies/api.py:12`` of a plan, ``VirtualService prod/api spec.http[2].match[0]`` of a mesh; empty
            where nobody wrote it down.
        holds: True if it decided or matched, False if it was passed over, None where that is no question.
        parts: the steps below it.
    """

    stage: Stage
    text: str
    where: str = ""
    holds: bool | None = None
    parts: tuple[Reason, ...] = ()


CLOSED: Final = 0
"""In place of a status: the connection is closed, and nobody answers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a request.

    Attributes:
        verdict: whether it reaches the service.
        traffic: what the caller's side does with it; None for a connection, for a caller without a proxy, for one that
            does not use the Service's name, and where nothing could be told.
        mtls: whether the connection is mTLS; None if unknown.
        probe: whether it is a declared probe of the kubelet, which a mesh may let in whatever the rules say.
        refusal: the status that a caller gets who is denied, or :data:`CLOSED`; None where that is not known.
        unknown: why it could not be told: a sentence for each object or field that the reading does not know.
        reasons: how it came to be, if that was asked for.
    """

    verdict: Verdict
    traffic: Traffic | None = None
    mtls: bool | None = field(default=None, compare=False)
    probe: bool = field(default=False, compare=False)
    refusal: int | None = field(default=None, compare=False)
    unknown: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = field(default=(), compare=False)

    @property
    def allowed(self) -> bool:
        """Whether it is let in. Also False where that is unknown: nothing unknown is promised."""
        return self.verdict is Verdict.ALLOWED


class NotModelled(Exception):
    """An object says something that a reading does not know. It is never skipped: the answer is unknown.

    Args:
        where: the object and the field, such as ``"VirtualService prod/api spec.http[0].corsPolicy"``.
        why: what is not known, as a sentence without its full stop.
    """

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}" if where else why)
        self.where = where
        self.why = why


class Reading(Protocol):
    """Something that answers requests."""

    def answer(self, request: Request, *, explain: bool = False) -> Answer:
        """What becomes of a request.

        Args:
            request: to a service and port that exist.
            explain: tell the reasons, too.

        Returns:
            The answer. What is not known makes it ``UNKNOWN``, and is named.
        """
