"""HTTPRoutes of a Service's ports: one for each class of retries and timeouts.

Linkerd reads retries, and before 2.20 timeouts too, from annotations of the route *object*, so rules that are treated
differently live in different objects. All objects of a port are merged by the proxy and ordered by their matches; only
a tie is decided by age, and ``rules`` refuses a table in which that could happen.

HTTPRoutes are written for gRPC ports as well: a GRPCRoute would take the port away from HTTP/1, knows no path prefix
below a service, and one response header edit on it makes every request to the port fail (measured).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshdsl.diagnostics import Origin
from meshdsl.manifest import Manifest
from meshdsl.plan.intent import Port, Service
from meshdsl.plan.requests import Headers, Redirect, Retry, Rule, Timeout
from meshdsl.targets.gateway_api import http_route, parent_ref, route_rules
from meshdsl.values import Json, duration_text

_RETRIED: Final = {"5xx": "5xx", "gateway-error": "gateway-error", "retriable-4xx": "409"}
"""What ``retry.linkerd.io/http`` calls a condition. A reset arrives as 502 and needs no word of its own."""
RESETS: Final = frozenset({"reset", "connect-failure", "refused-stream"})
"""The conditions that arrive as 502."""


def http_routes(service: Service, set_name: str, *, timeout_field: bool) -> Iterator[Manifest]:
    """The HTTPRoutes of a service, port by port; the class of the catch-all first.

    Args:
        service: whose tables are lowered.
        set_name: name of the policy set.
        timeout_field: whether the mesh obeys ``timeouts.request``; else the annotation is written.
    """
    for port in service.ports:
        if not port.rules:
            continue
        default = _key(port.rules[-1], timeout_field=timeout_field)
        for key, rules in classes(port, timeout_field=timeout_field).items():
            name = f"{service.name}-{port.number}"
            yield http_route(
                (service.namespace, name if key == default else f"{name}.{rules[0].name}"),
                set_name,
                parent=parent_ref(service, port),
                rules=route_rules(
                    rules,
                    service,
                    port,
                    anchor=True,
                    settings=_timeouts if timeout_field else lambda _: {},
                ),
                owner=(service.namespace, service.name),
                origins=_origins(rules),
                annotations=dict(key),
            )


def classes(port: Port, *, timeout_field: bool) -> dict[tuple[tuple[str, str], ...], tuple[Rule, ...]]:
    """The rules of a port by the annotations they need, each class in the order of the table; the catch-all's first.

    The name of a class is that of its first rule, which is unique in the table.
    """
    if not port.rules:
        return {}
    last = port.rules[-1]
    key = _key(last, timeout_field=timeout_field)
    found: dict[tuple[tuple[str, str], ...], list[Rule]] = {key: []}
    for rule in port.rules:
        if (rule.retry, rule.timeout) != (last.retry, last.timeout):  # most are as their neighbour
            last, key = rule, _key(rule, timeout_field=timeout_field)
        found.setdefault(key, []).append(rule)
    return {key: tuple(rules) for key, rules in found.items()}


def _key(rule: Rule, *, timeout_field: bool) -> tuple[tuple[str, str], ...]:
    annotations = {} if rule.retry is None else retry_annotations(rule.retry)
    if rule.timeout is not None and not timeout_field:
        annotations["timeout.linkerd.io/request"] = duration_text(rule.timeout.request)
    return tuple(sorted(annotations.items()))


def retry_annotations(retry: Retry) -> dict[str, str]:
    """``retry.linkerd.io/…``; the limit counts retries, as ``attempts`` does, and is never 0, which would mean 1.

    The list has no spaces: one would drop all retries in silence (``outbound/index/http.rs``; measured).
    """
    words = [_RETRIED[condition] for condition in retry.conditions if condition in _RETRIED]
    words += [str(status) for status in retry.statuses]
    annotations = {
        "retry.linkerd.io/http": ",".join(dict.fromkeys(words)),
        "retry.linkerd.io/limit": str(retry.attempts),
    }
    if retry.per_try_timeout is not None:
        annotations["retry.linkerd.io/timeout"] = duration_text(retry.per_try_timeout)
    return annotations


def _timeouts(rule: Rule) -> dict[str, Json]:
    return {} if rule.timeout is None else {"timeouts": {"request": duration_text(rule.timeout.request)}}


def _origins(rules: tuple[Rule, ...]) -> tuple[Origin, ...]:
    parts = [
        part
        for rule in rules
        for part in (rule.source, rule.split, rule.canary, *(p.source for p in _policies(rule)))
        if part is not None
    ]
    return tuple(dict.fromkeys(part.origin for part in parts if part.origin is not None))


def _policies(rule: Rule) -> Iterator[Timeout | Retry | Headers | Redirect]:
    yield from (part for part in (rule.timeout, rule.retry, rule.headers, rule.redirect) if part is not None)
