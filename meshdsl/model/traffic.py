"""Traffic: where requests go, how long they may take, and what happens when they fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from meshdsl.model.base import Policy, Value
from meshdsl.model.inventory import Mesh, Namespace, PortNumber, Route, Service
from meshdsl.model.match import ConditionLike
from meshdsl.model.types import (
    DnsLabel,
    DurationLike,
    HeaderMap,
    HeaderName,
    HostName,
    Method,
    PathText,
    PercentLike,
    RetryOn,
    instance,
)

Requests = Annotated[
    Service | Route | str,
    instance(Service, Route, str, expected='a Service, a Route or "namespace/service"'),
]
"""A service or a part of it."""

AnyRequests = Annotated[
    Service | Route | Namespace | Mesh | str,
    instance(
        Service, Route, Namespace, Mesh, str, expected='a Service, a Route, a Namespace, Mesh() or "namespace/service"'
    ),
]
"""A service, a part of it, or all services of a namespace or the mesh."""

Services = Annotated[
    Service | Namespace | Mesh | str,
    instance(Service, Namespace, Mesh, str, expected='a Service, a Namespace, Mesh() or "namespace/service"'),
]
ServiceLike = Annotated[Service | str, instance(Service, str, expected='a Service or "namespace/service"')]

_STATUS = Annotated[int, Field(ge=400, le=599, strict=True)]


class Canary(Policy):
    """A share of the requests, and those that ask for it, go to a new version.

    Args:
        subject: a Service, or a Route of one.
        stable: the version that the other requests go to.
        canary: the new version.
        percent: share of the requests without ``when`` that goes to the canary, 0 to 100.
        when: requests that always go to the canary: a Header, Cookie or Query, or all_of/any_of of them.
    """

    subject: Requests = Field(kw_only=False, description="a Service or a Route")
    stable: DnsLabel = Field(description="the version that the other requests go to")
    canary: DnsLabel = Field(description="the new version")
    percent: PercentLike = Field(description="share of the requests that goes to the canary, 0 to 100")
    when: ConditionLike | None = Field(default=None, description="requests that always go to the canary")

    @model_validator(mode="after")
    def _two_versions(self) -> Canary:
        if self.stable == self.canary:
            raise ValueError(f"stable and canary are the same version {self.stable!r}")
        return self


class Split(Policy):
    """Requests are shared out between versions.

    Args:
        subject: a Service, or a Route of one.
        weights: version → weight, whole numbers from 0 to 1,000,000; a version gets its weight's share of the sum.
    """

    subject: Requests = Field(kw_only=False, description="a Service or a Route")
    weights: Mapping[DnsLabel, Annotated[int, Field(ge=0, le=1_000_000, strict=True)]] = Field(
        kw_only=False, description='version → weight, such as {"v1": 9, "v2": 1}'
    )

    @model_validator(mode="after")
    def _somewhere(self) -> Split:
        if not any(self.weights.values()):
            raise ValueError("at least one version has a weight above 0, or no request would have a destination")
        if len(self.weights) > 16:
            raise ValueError("at most 16 versions (HTTPRoute has at most 16 backends)")
        return self


class Timeout(Policy):
    """How long a request may take, from the caller's side, with all its retries; then the caller gets 504.

    Args:
        subject: a Service, a Route, a Namespace, or Mesh().
        request: such as ``"5s"``.
    """

    subject: AnyRequests = Field(kw_only=False, description="a Service, a Route, a Namespace or Mesh()")
    request: DurationLike = Field(kw_only=False, description='the longest a request may take, such as "5s"')


class Retry(Policy):
    """Failed requests are tried again. Safe by default: only idempotent methods.

    Args:
        subject: a Service, a Route, a Namespace, or Mesh().
        attempts: the number of *retries*, 1 to 10: a request is tried up to ``1 + attempts`` times.
        retry_on: Envoy's conditions, such as ``("5xx", "reset", "connect-failure")``.
        statuses: HTTP statuses that are retried as well, 400 to 599.
        per_try_timeout: of each try; none if not given.
        backoff: base interval before a retry, 25 ms (Envoy's) if not given.
        methods: retried methods, or ``"any"``. Default: GET, HEAD, OPTIONS, TRACE, PUT, DELETE.
    """

    subject: AnyRequests = Field(kw_only=False, description="a Service, a Route, a Namespace or Mesh()")
    attempts: int = Field(ge=0, le=10, strict=True, description="number of retries, 1 to 10")
    retry_on: tuple[RetryOn, ...] = Field(
        default=(), description='conditions, such as ("5xx", "reset", "connect-failure")'
    )
    statuses: tuple[_STATUS, ...] = Field(default=(), description="HTTP statuses that are retried as well, 400 to 599")
    per_try_timeout: DurationLike | None = Field(default=None, description='of each try, such as "2s"')
    backoff: DurationLike | None = Field(default=None, description='base interval before a retry, such as "100ms"')
    methods: tuple[Method, ...] | Literal["any"] | None = Field(
        default=None, description='methods that are retried, such as ("GET",), or "any"; default: the idempotent ones'
    )

    @model_validator(mode="after")
    def _says_when(self) -> Retry:
        conditions = self.retry_on or self.statuses
        if self.attempts == 0 and self.model_fields_set - {"subject", "attempts", "only", "accept"}:
            raise ValueError("attempts=0 means never; write Retry.never(subject) without anything else")
        if self.attempts and not conditions:
            raise ValueError("retry_on or statuses says what is retried; without them nothing would be")
        if self.methods == ():
            raise ValueError("methods is empty, so nothing would be retried; write Retry.never(subject)")
        return self

    @classmethod
    def never(cls, subject: AnyRequests, *, only: tuple[Any, ...] = (), accept: tuple[str, ...] = ()) -> Retry:
        """The requests that belong to this subject are never tried again, whatever holds around it.

        Args:
            subject: a Service, a Route, a Namespace, or Mesh().
            only: the targets it is meant for; empty means all.
            accept: codes of accepted approximations.
        """
        return cls(subject, attempts=0, only=only, accept=accept)


_LIMIT = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]


class Breaker(Policy):
    """Limits on what is under way to a service, and ejection of pods that fail.

    Each limit holds twice: for each calling proxy by itself, and in the sidecar of each pod for all callers together.

    Args:
        subject: a Service, a Namespace, or Mesh().
        max_connections: open connections.
        max_pending_requests: requests that wait for a connection.
        max_requests: concurrent requests.
        max_requests_per_connection: requests before a connection is closed.
        consecutive_5xx: a pod with that many 5xx answers in a row is ejected.
        consecutive_gateway_errors: the same, for 502, 503 and 504 only.
        interval: how often the counters are looked at, default 10 s.
        base_ejection_time: how long the first ejection lasts, default 30 s; further ones last longer.
        max_ejection_percent: share of the pods that may be out at a time, 1 to 100, default 100.
    """

    subject: Services = Field(kw_only=False, description="a Service, a Namespace or Mesh()")
    max_connections: _LIMIT | None = Field(default=None, description="open connections")
    max_pending_requests: _LIMIT | None = Field(default=None, description="requests that wait for a connection")
    max_requests: _LIMIT | None = Field(default=None, description="concurrent requests")
    max_requests_per_connection: _LIMIT | None = Field(
        default=None, description="requests before a connection is closed"
    )
    consecutive_5xx: _LIMIT | None = Field(default=None, description="5xx answers in a row that eject a pod")
    consecutive_gateway_errors: _LIMIT | None = Field(
        default=None, description="502, 503, 504 in a row that eject a pod"
    )
    interval: DurationLike = Field(
        default="10s", validate_default=True, description='how often is looked, such as "30s"'
    )
    base_ejection_time: DurationLike = Field(
        default="30s", validate_default=True, description='first ejection, such as "30s"'
    )
    max_ejection_percent: int = Field(default=100, ge=1, le=100, strict=True, description="share of the pods, 1 to 100")

    @model_validator(mode="after")
    def _breaks(self) -> Breaker:
        given = self.model_fields_set
        limits = {"max_connections", "max_pending_requests", "max_requests", "max_requests_per_connection"}
        counters = {"consecutive_5xx", "consecutive_gateway_errors"}
        outlier = {"interval", "base_ejection_time", "max_ejection_percent"}
        set_ = {name for name in limits | counters if getattr(self, name) is not None}
        if not set_:
            raise ValueError(f"a breaker has at least one of {', '.join(sorted(limits | counters))}")
        if given & outlier and not set_ & counters:
            raise ValueError(
                f"{', '.join(sorted(given & outlier))} says how pods are ejected; consecutive_5xx or"
                " consecutive_gateway_errors says when, and is missing"
            )
        return self


class Abort(Value):
    """A share of the requests is answered at once.

    Args:
        status: the HTTP status, 200 to 599.
        percent: share of the requests, 0 to 100, default 100.
    """

    status: int = Field(kw_only=False, ge=200, le=599, strict=True, description="HTTP status, 200 to 599")
    percent: PercentLike = Field(default=100, validate_default=True, description="share of the requests, 0 to 100")


class Delay(Value):
    """A share of the requests waits first.

    Args:
        duration: such as ``"2s"``.
        percent: share of the requests, 0 to 100, default 100.
    """

    duration: DurationLike = Field(kw_only=False, description='how long, such as "2s"')
    percent: PercentLike = Field(default=100, validate_default=True, description="share of the requests, 0 to 100")


class Fault(Policy):
    """Failures made on purpose, on the caller's side, before the request is sent.

    Args:
        subject: a Service, or a Route of one.
        abort: ``Abort(503, percent=10)``.
        delay: ``Delay("2s", percent=5)``; it comes before the abort.
    """

    subject: Requests = Field(kw_only=False, description="a Service or a Route")
    abort: Abort | None = Field(default=None, description="Abort(503, percent=10)")
    delay: Delay | None = Field(default=None, description='Delay("2s", percent=5)')

    @model_validator(mode="after")
    def _fails(self) -> Fault:
        if not (self.abort or self.delay):
            raise ValueError("a fault has an abort or a delay")
        if any(part is not None and part.percent == 0 for part in (self.abort, self.delay)):
            raise ValueError("a fault for 0 percent of the requests has no effect; leave it out")
        return self


class Mirror(Policy):
    """A copy of the requests goes to another service or version; its answers are thrown away.

    Args:
        subject: a Service, or a Route of one.
        to: the service that gets the copies; may be the same one, with another ``version``.
        version: of that service; its pods of any version if not given.
        port: of that service; the same port as the request's if it has that, else its only one.
        percent: share of the requests that is copied, above 0 to 100, default 100.
    """

    subject: Requests = Field(kw_only=False, description="a Service or a Route")
    to: ServiceLike = Field(description="the service that gets the copies")
    version: DnsLabel | None = Field(default=None, description="a version of that service")
    port: PortNumber | None = Field(default=None, description="a port of that service")
    percent: PercentLike = Field(
        default=100, validate_default=True, description="share of the requests, above 0 to 100"
    )

    @model_validator(mode="after")
    def _copies(self) -> Mirror:
        if self.percent == 0:
            raise ValueError("a mirror of 0 percent of the requests has no effect; leave it out")
        return self


class Headers(Policy):
    """Headers are edited on the way: of the request before the service sees it, of the response before the caller does.

    Args:
        subject: a Service, or a Route of one.
        request_set: name → value, replacing what is there.
        request_add: name → value, beside what is there.
        request_remove: names.
        response_set: name → value, replacing what is there.
        response_add: name → value, beside what is there.
        response_remove: names.
    """

    subject: Requests = Field(kw_only=False, description="a Service or a Route")
    request_set: HeaderMap = Field(default={}, description='name → value, such as {"x-team": "payments"}')
    request_add: HeaderMap = Field(default={}, description="name → value, beside what is there")
    request_remove: tuple[HeaderName, ...] = Field(default=(), description='names, such as ("x-debug",)')
    response_set: HeaderMap = Field(default={}, description="name → value, replacing what is there")
    response_add: HeaderMap = Field(default={}, description="name → value, beside what is there")
    response_remove: tuple[HeaderName, ...] = Field(default=(), description='names, such as ("server",)')

    @model_validator(mode="after")
    def _edits(self) -> Headers:
        request = (*self.request_set, *self.request_add, *self.request_remove)
        response = (*self.response_set, *self.response_add, *self.response_remove)
        if not (request or response):
            raise ValueError("nothing is set, added or removed")
        for names in (request, response):
            if len(set(names)) < len(names):
                raise ValueError("a header is edited once: set, added or removed (the order of edits differs by mesh)")
            if len(names) > 16:
                raise ValueError("at most 16 edits of one message (HTTPRoute's limit)")
        return self


class Rewrite(Policy):
    """The service sees another path or host than the caller asked for.

    Args:
        subject: a Service, or a Route of one.
        path: replaces what the route's path matched: the whole path of an exact path, the prefix of ``"/a/*"``; on a
            service, or a route without a path, it is put before the path.
        host: replaces the host.
    """

    subject: Requests = Field(kw_only=False, description="a Service or a Route")
    path: PathText | None = Field(default=None, description='replaces the matched path or prefix, such as "/v2"')
    host: HostName | None = Field(default=None, description='replaces the host, such as "api.internal"')

    @model_validator(mode="after")
    def _rewrites(self) -> Rewrite:
        if self.path is None and self.host is None:
            raise ValueError("a rewrite has a path or a host")
        return self


class Redirect(Policy):
    """The caller is told to go elsewhere; the service never sees the request.

    Args:
        subject: a Service, or a Route of one.
        path: replaces the whole path.
        host: replaces the host.
        scheme: ``"http"`` or ``"https"``; together with ``port``.
        port: replaces the port.
        status: 301, 302, 303, 307 or 308; default 302.
    """

    subject: Requests = Field(kw_only=False, description="a Service or a Route")
    path: PathText | None = Field(default=None, description="replaces the whole path")
    host: HostName | None = Field(default=None, description="replaces the host")
    scheme: Literal["http", "https"] | None = Field(default=None, description='"http" or "https"')
    port: PortNumber | None = Field(default=None, description="replaces the port")
    status: Literal[301, 302, 303, 307, 308] = Field(default=302, description="301, 302, 303, 307 or 308")

    @model_validator(mode="after")
    def _leads_elsewhere(self) -> Redirect:
        if self.path is None and self.host is None and self.scheme is None and self.port is None:
            raise ValueError("a redirect has a path, host, scheme or port, or it would lead to itself")
        if self.scheme is not None and self.port is None:
            raise ValueError("a redirect to a scheme names the port as well, such as 443: meshes guess it differently")
        return self
