"""``docs/semantics.md`` as a small evaluator: what becomes of a request, read from the policies alone.

Section numbers are those of the page. Where the page leaves something to the mesh (retries of a service without
policies, the kubelet's probes), the answer says so instead of choosing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, TypeVar

import meshdsl
from meshdsl.model.match import AllOf, AnyOf
from meshdsl.model.match import Regex as RegexValue
from tests.reading.words import (
    HTTP,
    MESH,
    Answer,
    Backend,
    Breaker,
    Caller,
    Cluster,
    Limits,
    Redirected,
    Request,
    Retries,
    Traffic,
    kube,
    share,
    shares,
)

ABOUT_REQUESTS = (
    meshdsl.Canary,
    meshdsl.Split,
    meshdsl.Timeout,
    meshdsl.Retry,
    meshdsl.Fault,
    meshdsl.Mirror,
    meshdsl.Headers,
    meshdsl.Rewrite,
    meshdsl.Redirect,
)
IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
PROBE = "a declared probe: the mesh may let it in"
P = TypeVar("P", bound=meshdsl.model.base.Policy)


def answer(policies: meshdsl.PolicySet, target_name: str, request: Request) -> Answer:
    """What becomes of a request.

    Args:
        policies: the inventory and the policies.
        target_name: of the mesh; policies that are not meant for it (§1.6) are not there.
    """
    return Reading(policies, target_name).answer(request)


def path_holds(path: Any, actual: str) -> bool:
    """§2.1."""
    if isinstance(path, RegexValue):
        return re.fullmatch(path.pattern, actual) is not None
    if path == "/*":
        return True
    if path.endswith("/*"):
        return actual == path[:-2] or actual.startswith(path[:-1])
    return bool(actual == path)


def condition_holds(condition: Any, request: Request) -> bool:
    """§2.3 to §2.5."""
    if isinstance(condition, AllOf):
        return all(condition_holds(one, request) for one in condition.conditions)
    if isinstance(condition, AnyOf):
        return any(condition_holds(one, request) for one in condition.conditions)
    if isinstance(condition, meshdsl.Cookie):
        pairs = [pair.strip(" ") for pair in request.headers.get("cookie", "").split(";")]
        return f"{condition.name}={condition.value}" in pairs
    where = request.headers if isinstance(condition, meshdsl.Header) else request.query
    actual = where.get(condition.name)
    if actual is None or condition.value is None:
        return actual is not None
    if isinstance(condition.value, RegexValue):
        return re.fullmatch(condition.value.pattern, actual) is not None
    return bool(actual == condition.value)


def route_holds(route: meshdsl.Route, request: Request) -> bool:
    """§1.3."""
    return (
        route.port in (None, request.port)
        and (not route.methods or request.method in route.methods)
        and (route.path is None or path_holds(route.path, request.path))
        and all(condition_holds(one, request) for one in (*route.headers, *route.query))
    )


def specificity(route: meshdsl.Route) -> tuple[int, ...]:
    """§2.6: greater is more specific."""
    if route.path in (None, "/*"):
        path = (0, 0)
    elif isinstance(route.path, RegexValue):
        path = (2, 0)
    elif route.path.endswith("/*"):
        path = (1, len(route.path))
    else:
        path = (3, 0)
    return (*path, bool(route.methods), len(route.headers), len(route.query))


class Reading:
    """The policies that are meant for one mesh."""

    def __init__(self, policies: meshdsl.PolicySet, target_name: str) -> None:
        self.policies = [
            one
            for one in policies.objects
            if isinstance(one, meshdsl.model.base.Policy) and (not one.only or target_name in one.only)
        ]
        self.services = {str(one): one for one in policies.objects if isinstance(one, meshdsl.Service)}
        self.cluster = Cluster.of(policies.objects)

    def answer(self, request: Request) -> Answer:
        """What becomes of a request."""
        service = self.services[request.service]
        port = self.cluster[request.service].port(request.port)
        http = port is not None and port.protocol in HTTP and bool(request.method)
        return Answer(
            self.allowed(service, request, http=http),
            self.traffic(service, request) if http and request.by_name and not request.caller.plain else None,
            PROBE if self._is_probe(request) else "",
        )

    def _is_probe(self, request: Request) -> bool:
        """§4.8."""
        mine = self.cluster[request.service]
        port = mine.port(request.port)
        return port is not None and request.method == "GET" and (request.path, port.target) in mine.probes

    # ------------------------------------------------------------------ §1: subjects and precedence

    def _level(self, subject: object, service: meshdsl.Service) -> int:
        """How near a subject is to a service: 3 itself, 2 its namespace, 1 the mesh, 0 not at all."""
        if subject is service or (isinstance(subject, str) and subject == str(service)):
            return 3
        if isinstance(subject, meshdsl.Namespace):
            return 2 if str(subject) == str(service.namespace) else 0
        return 1 if isinstance(subject, meshdsl.Mesh) else 0

    def _nearest(self, kinds: tuple[type, ...], service: meshdsl.Service, route: meshdsl.Route | None) -> Any:
        """§1.4: the policy of a kind on the nearest subject."""
        best: tuple[int, Any] = (0, None)
        for policy in self.policies:
            if isinstance(policy, kinds):
                subject = policy.subject  # type: ignore[attr-defined]
                level = 4 if route is not None and subject is route else self._level(subject, service)
                best = max(best, (level, policy), key=lambda pair: pair[0])
        return best[1]

    # ------------------------------------------------------------------ §2.6: which route

    def routes(self, service: meshdsl.Service) -> list[meshdsl.Route]:
        """The routes of a service that take part."""
        found: list[meshdsl.Route] = []
        for policy in self.policies:
            if isinstance(policy, ABOUT_REQUESTS):
                subject: Any = policy.subject
                if isinstance(subject, meshdsl.Route) and subject.service is service and subject not in found:
                    found.append(subject)
        return found

    def traffic(self, service: meshdsl.Service, request: Request) -> Traffic:
        """§3, for a request by name of a caller in the mesh."""
        matching = [route for route in self.routes(service) if route_holds(route, request)]
        if not matching:
            return self._traffic(service, None, request)
        most = max(map(specificity, matching))
        found = [self._traffic(service, route, request) for route in matching if specificity(route) == most]
        if any(one != found[0] for one in found):
            raise AssertionError(f"two routes of {service} are equally specific and differ, and it compiled: {request}")
        return found[0]

    # ------------------------------------------------------------------ §3: traffic

    def _traffic(self, service: meshdsl.Service, route: meshdsl.Route | None, request: Request) -> Traffic:
        def nearest(*kinds: type) -> Any:
            return self._nearest(kinds, service, route)

        redirect = nearest(meshdsl.Redirect)
        if redirect is not None:
            port = request.port if redirect.port is None else redirect.port
            path = request.path if redirect.path is None else redirect.path
            return Traffic(
                path=request.path,
                redirect=Redirected(redirect.status, redirect.scheme or "http", redirect.host, port, path),
            )
        timeout, rewrite = nearest(meshdsl.Timeout), nearest(meshdsl.Rewrite)
        fault, headers = nearest(meshdsl.Fault), nearest(meshdsl.Headers)
        delay = fault.delay if fault is not None else None
        abort = fault.abort if fault is not None else None
        return Traffic(
            backends=self._backends(service, nearest(meshdsl.Canary, meshdsl.Split), request),
            timeout=None if timeout is None else _ms(timeout.request),
            retry=self._retry(service, nearest(meshdsl.Retry), request),
            delay=None if delay is None else (share(delay.percent), _ms(delay.duration)),
            abort=None if abort is None else (share(abort.percent), abort.status),
            mirror=self._mirror(nearest(meshdsl.Mirror), request),
            edits=frozenset() if headers is None else frozenset(_edits(headers)),
            path=request.path
            if rewrite is None or rewrite.path is None
            else _rewritten(rewrite.subject, rewrite.path, request),
            host=None if rewrite is None else rewrite.host,
            breaker=_breaker(nearest(meshdsl.Breaker)),
        )

    def _backends(self, service: meshdsl.Service, policy: Any, request: Request) -> frozenset[tuple[Backend, Fraction]]:
        mine = kube(service)

        def version(name: str) -> Backend:
            return mine.backend(request.port, frozenset({(service.version_label, name)}))

        if isinstance(policy, meshdsl.Split):
            return shares((version(name), weight) for name, weight in policy.weights.items())
        if isinstance(policy, meshdsl.Canary):
            percent = policy.percent
            if policy.when is not None and condition_holds(policy.when, request):
                percent = 100
            return shares([(version(policy.canary), percent), (version(policy.stable), 100 - percent)])
        return shares([(mine.backend(request.port), 1)])

    def _retry(self, service: meshdsl.Service, policy: Any, request: Request) -> Retries | str | None:
        if policy is None:
            concerned = any(
                isinstance(one, ABOUT_REQUESTS)
                and (self._level(one.subject, service) or getattr(one.subject, "service", None) is service)
                for one in self.policies
            )
            return None if concerned else MESH
        methods = IDEMPOTENT if policy.methods is None else policy.methods
        if policy.attempts == 0 or (methods != "any" and request.method not in methods):
            return None
        return Retries(
            policy.attempts,
            frozenset(policy.retry_on),
            frozenset(policy.statuses),
            None if policy.per_try_timeout is None else _ms(policy.per_try_timeout),
            None if policy.backoff is None else _ms(policy.backoff),
        )

    def _mirror(self, policy: Any, request: Request) -> tuple[Backend, Fraction] | None:
        if policy is None:
            return None
        to = self.services[policy.to] if isinstance(policy.to, str) else policy.to
        mine = kube(to)
        port = policy.port
        if port is None:
            port = request.port if mine.port(request.port) is not None else mine.ports[0].number
        version = frozenset({(to.version_label, policy.version)}) if policy.version else frozenset()
        return mine.backend(port, version), share(policy.percent)

    # ------------------------------------------------------------------ §4 and §5: access

    def closed(self, namespace: str) -> bool:
        """§4.7: whether whatever runs in a namespace is closed."""
        return any(
            isinstance(one, meshdsl.DefaultDeny)
            and (isinstance(one.subject, meshdsl.Mesh) or str(one.subject) == namespace)
            for one in self.policies
        )

    def allowed(self, service: meshdsl.Service, request: Request, *, http: bool) -> bool:
        """Whether a request or a connection is let in."""
        mode = self._nearest((meshdsl.MutualTls,), service, None)
        if request.caller.plain and mode is not None and mode.mode == "strict":
            return False
        rules = list(self._rules(service))
        closed = self.closed(str(service.namespace)) or any(isinstance(one, meshdsl.Allow) for one in rules)
        matching = [one for one in rules if self._rule_holds(one, request, http=http)]
        if any(isinstance(one, meshdsl.Deny) for one in matching):
            return False
        return not closed or any(isinstance(one, meshdsl.Allow) for one in matching)

    def _rules(self, service: meshdsl.Service) -> Iterator[Any]:
        for one in self.policies:
            if isinstance(one, (meshdsl.Allow, meshdsl.Deny)) and (
                self._level(one.subject, service) or getattr(one.subject, "service", None) is service
            ):
                yield one

    def _rule_holds(self, rule: Any, request: Request, *, http: bool) -> bool:
        """§4.4 to §4.6."""
        where = rule.subject
        if isinstance(where, meshdsl.Route):
            about_requests = bool(where.methods or where.path or where.headers or where.query)
            if (about_requests and not http) or not route_holds(where, request):
                return False
        if (rule.methods or rule.paths or rule.headers) and not http:
            return False
        return (
            any(self._is_caller(one, request.caller) for one in rule.callers)
            and (not rule.methods or request.method in rule.methods)
            and (not rule.paths or any(path_holds(path, request.path) for path in rule.paths))
            and (not rule.ports or request.port in rule.ports)
            and all(condition_holds(one, request) for one in rule.headers)
        )

    def _is_caller(self, named: Any, caller: Caller) -> bool:
        """§4.5."""
        if isinstance(named, meshdsl.Anyone):
            return named.kind == "at-all" or not caller.plain
        if caller.plain or caller.trust:
            return False
        if isinstance(named, str):
            named = self.services[named]
        if isinstance(named, meshdsl.Namespace):
            return str(named) == caller.namespace
        account = (named.service_account or named.name) if isinstance(named, meshdsl.Service) else named.name
        return (str(named.namespace), account) == (caller.namespace, caller.account)


def _breaker(policy: Any) -> Breaker | None:
    if policy is None:
        return None
    ejects = policy.consecutive_5xx is not None or policy.consecutive_gateway_errors is not None
    limits = (
        policy.max_connections,
        policy.max_pending_requests,
        policy.max_requests,
        policy.max_requests_per_connection,
    )
    return Breaker(
        *limits,
        policy.consecutive_5xx,
        policy.consecutive_gateway_errors,
        _ms(policy.interval) if ejects else None,
        _ms(policy.base_ejection_time) if ejects else None,
        policy.max_ejection_percent if ejects else None,
        Limits(*limits) if any(one is not None for one in limits) else None,
    )


def _ms(duration: Any) -> int:
    return round(duration.total_seconds() * 1000)


def _edits(policy: meshdsl.Headers) -> Iterable[tuple[str, str, str, str]]:
    for message in ("request", "response"):
        for operation in ("set", "add"):
            for name, value in getattr(policy, f"{message}_{operation}").items():
                yield message, operation, name, value
        for name in getattr(policy, f"{message}_remove"):
            yield message, "remove", name, ""


def _rewritten(subject: object, path: str, request: Request) -> str:
    """§3, Rewrite: what its subject's path matched is replaced; without a path, it is put before."""
    if isinstance(subject, meshdsl.Route) and subject.path is not None:
        if isinstance(subject.path, RegexValue) or not subject.path.endswith("/*"):
            return path
        rest = request.path[len(subject.path) - 2 :]
    else:
        rest = request.path
    return path.rstrip("/") + rest or "/"
