"""One service's intent in words: what applies to it, and the file and line of each part.

It reads the plan, so it says what was compiled, not what a file seems to say: inherited, ordered, and with the rules
that a policy on a method splits into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from decimal import Decimal

from meshdsl.plan.intent import Breaker, Plan, Port, Proxy, Service
from meshdsl.plan.requests import (
    Backend,
    Condition,
    Fault,
    HeaderEdits,
    Match,
    Mirror,
    Path,
    PathKind,
    Redirect,
    Retry,
    Rule,
)
from meshdsl.plan.rights import Access, Account, Allow, Anyone, Callers, Deny
from meshdsl.plan.source import Source
from meshdsl.values import duration_text, percent_text

Place = Callable[[Source | None], str]
"""A source as ``file:line (Kind)``, or nothing."""

Line = tuple[int, str, str]
"""Depth, words, place."""

_NAMES = {PathKind.EXACT: "path {}", PathKind.PREFIX: "path {} and below", PathKind.REGEX: "path matching {}"}


def service_lines(service: Service, plan: Plan, place: Place) -> Iterator[Line]:
    """What applies to a service.

    Args:
        service: its intent.
        plan: that it is in, for what it inherits.
        place: shows where a part comes from.
    """
    yield 0, str(service), place(service.source)
    yield 1, "pods: " + ", ".join(_pods(service)), ""
    for port in service.ports:
        yield from _port(port, place)
    if service.breaker is not None:
        yield 1, "breaker: " + "; ".join(_breaker(service.breaker)), place(service.breaker.source)
    namespace = plan.namespace(service.namespace)
    closed_by = namespace.own_default_deny or plan.mesh.default_deny
    yield from _access(service.access, place, closed_by)
    mtls = service.mtls or namespace.mtls or plan.mesh.mtls
    if mtls is not None:
        yield 1, f"mTLS: {mtls.mode}", place(mtls.source)
    for proxy in (service.proxy, namespace.proxy):
        if proxy is not None:
            yield 1, "proxy: " + ", ".join(_proxy(proxy)), place(proxy.source)


def _pods(service: Service) -> Iterator[str]:
    yield "labels " + ", ".join(f"{key}={value}" for key, value in service.labels)
    yield f"service account {service.account}"
    if service.versions:
        yield f"versions {', '.join(service.versions)} by label {service.version_label}"
    if service.replicas is not None:
        yield f"{service.replicas} replicas"


def _port(port: Port, place: Place) -> Iterator[Line]:
    name = f" {port.name}" if port.name else ""
    if not port.rules:
        yield 1, f"port {port.number}{name} ({port.protocol}): no traffic policy; the mesh's own defaults hold", ""
        return
    yield 1, f"port {port.number}{name} ({port.protocol}): the first that matches, from the most specific", ""
    for rule in port.rules:
        yield 2, f"{rule.name}: {match_words(rule.match)}", place(rule.source)
        yield from ((3, words, where) for _, words, where in _rule(rule, place))


def match_words(match: Match) -> str:
    """Which requests a rule is about."""
    parts = [match.method] if match.method else []
    parts += [_path(match.path)] if match.path else []
    parts += [f"header {_condition(header)}" for header in match.headers]
    parts += [f"query {_condition(query)}" for query in match.query]
    return ", ".join(parts) or "every other request"


def _path(path: Path) -> str:
    return _NAMES[path.kind].format(path.value)


def _condition(condition: Condition) -> str:
    return f"{condition.name} {'matching' if condition.regex else '='} {condition.value}"


def _rule(rule: Rule, place: Place) -> Iterator[Line]:
    if rule.redirect is not None:
        yield 0, _redirect(rule.redirect), place(rule.redirect.source)
        return
    yield 0, f"goes to {backends_words(rule.backends)}", place(rule.canary or rule.split)
    if rule.timeout is not None:
        yield 0, f"timeout {duration_text(rule.timeout.request)}, all tries together", place(rule.timeout.source)
    yield 0, _retry(rule.retry), place(rule.retry.source if rule.retry else rule.never)
    if rule.fault is not None:
        yield 0, "fault: " + ", then ".join(_fault(rule.fault)), place(rule.fault.source)
    if rule.mirror is not None:
        yield 0, _mirror(rule.mirror), place(rule.mirror.source)
    if rule.headers is not None:
        for message, edits in (("request", rule.headers.request), ("response", rule.headers.response)):
            if edits is not None:
                yield 0, f"{message} headers: {', '.join(_edits(edits))}", place(rule.headers.source)
    if rule.rewrite is not None:
        parts = [
            f"{name} {value}" for name, value in (("path", rule.rewrite.path), ("host", rule.rewrite.host)) if value
        ]
        yield 0, f"rewritten to {', '.join(parts)}", place(rule.rewrite.source)


def backends_words(backends: tuple[Backend, ...]) -> str:
    """Where requests go: ``v1 90 %, v2 10 %``, ``version v2``, ``the service``."""
    total = sum(backend.weight for backend in backends)
    if len(backends) == 1:
        return f"version {backends[0].version}" if backends[0].version else "the service"
    shares = ((backend.version or "the service", Decimal(100 * backend.weight) / total) for backend in backends)
    return ", ".join(f"{version} {percent_text(round(share, 2).normalize())}" for version, share in shares)


def _retry(retry: Retry | None) -> str:
    if retry is None:
        return "not retried"
    conditions = [*retry.conditions, *map(str, retry.statuses)]
    parts = [f"retried up to {retry.attempts} times on {', '.join(conditions)}"]
    if retry.per_try_timeout is not None:
        parts.append(f"each try at most {duration_text(retry.per_try_timeout)}")
    if retry.backoff is not None:
        parts.append(f"backoff from {duration_text(retry.backoff)}")
    return ", ".join(parts)


def _fault(fault: Fault) -> Iterator[str]:
    if fault.delay is not None:
        yield f"{percent_text(fault.delay.percent)} wait {duration_text(fault.delay.duration)}"
    if fault.abort is not None:
        yield f"{percent_text(fault.abort.percent)} are answered with {fault.abort.status}"


def _mirror(mirror: Mirror) -> str:
    version = f" version {mirror.version}" if mirror.version else ""
    where = f"{'/'.join(mirror.service)}:{mirror.port}{version}"
    return f"{percent_text(mirror.percent)} copied to {where}, whose answers are thrown away"


def _edits(edits: HeaderEdits) -> Iterator[str]:
    # Values may be credentials: the file and line say where to read them.
    yield from (f"set {name}" for name, _ in edits.set)
    yield from (f"add {name}" for name, _ in edits.add)
    yield from (f"remove {name}" for name in edits.remove)


def _redirect(redirect: Redirect) -> str:
    named = (
        ("scheme", redirect.scheme),
        ("host", redirect.host),
        ("port", redirect.port),
        ("path", redirect.path),
    )
    return f"redirected with {redirect.status} to " + ", ".join(f"{name} {value}" for name, value in named if value)


def _breaker(breaker: Breaker) -> Iterator[str]:
    pool = breaker.pool
    if pool is not None:
        limits = (
            (pool.max_connections, "connections"),
            (pool.max_pending_requests, "requests waiting"),
            (pool.max_requests, "requests under way"),
            (pool.max_requests_per_connection, "requests a connection"),
        )
        yield "at most " + ", ".join(f"{limit} {what}" for limit, what in limits if limit is not None)
    outlier = breaker.outlier
    if outlier is not None:
        counters = ((outlier.consecutive_5xx, "5xx"), (outlier.consecutive_gateway_errors, "502, 503 or 504"))
        counted = " or ".join(f"{count} times {what}" for count, what in counters if count is not None)
        yield (
            f"a pod is out for {duration_text(outlier.base_ejection_time)} after {counted} in a row, looked at every"
            f" {duration_text(outlier.interval)}, at most {outlier.max_ejection_percent} % of the pods"
        )


def _proxy(proxy: Proxy) -> Iterator[str]:
    if proxy.enrolled is not None:
        yield "in the mesh" if proxy.enrolled else "kept out of the mesh"
    if proxy.revision:
        yield f"revision {proxy.revision}"
    if proxy.resources is not None:
        for name, value in asdict(proxy.resources).items():
            if value:
                yield f"{name.replace('_', ' ')} {value}"


def _access(access: Access, place: Place, closed_by: Source | None) -> Iterator[Line]:
    if not (access.closed or access.allow or access.deny):
        yield 1, "access: open; no policy says who may call", ""
        return
    if access.closed:
        yield 1, "access: closed; what no line below allows is refused", place(closed_by)
    else:
        yield 1, "access: open, except", ""
    for deny in access.deny:
        yield 2, f"refused: {_access_rule(deny)}", place(deny.source)
    for allow in access.allow:
        yield 2, f"allowed: {_access_rule(allow)}", place(allow.source)


def _access_rule(rule: Allow | Deny) -> str:
    parts = [_callers(rule.callers)]
    parts += [" or ".join(rule.methods)] if rule.methods else []
    parts += [" or ".join(map(_path, rule.paths))] if rule.paths else []
    parts += [f"header {_condition(header)}" for header in rule.headers]
    parts += [f"port {' or '.join(map(str, rule.ports))}"] if rule.ports else []
    return ", ".join(parts)


def _callers(callers: Callers) -> str:
    named = [_account(account) for account in callers.accounts]
    named += [f"namespace {namespace}" for namespace in callers.namespaces]
    if callers.anyone is not None:
        named.append("anyone in the mesh" if callers.anyone is Anyone.IN_MESH else "anyone at all")
    return " or ".join(named)


def _account(account: Account) -> str:
    return f"service account {account.namespace}/{account.name}"
