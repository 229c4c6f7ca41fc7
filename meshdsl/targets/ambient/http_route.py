"""One HTTPRoute for each port of a service that has a route table, in the service's own namespace.

A waypoint takes routes only from its own or the service's namespace, and routes with and without a port for one
Service hide each other, so there is one style: namespace of the service, port always written.

istiod turns the HTTPRoute into a VirtualService of its own (``pilot/pkg/config/kube/gateway/conversion.go``), and its
traps are these. ``timeouts.backendRequest`` without ``retry`` overwrites ``timeouts.request``. A value of a header edit
is an Envoy format string, in which a literal ``%`` is doubled. Rules are sorted, exact before prefix before regular
expression, whatever their order in the object, so that the prefix ``/`` would come before any regular expression.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from meshdsl.diagnostics import Origin
from meshdsl.manifest import Manifest
from meshdsl.plan.intent import Port, Service
from meshdsl.plan.requests import PathKind, Retry, Rule
from meshdsl.targets import gateway_api
from meshdsl.targets.istio.virtual_service import literal
from meshdsl.values import Json, duration_text

CODES: Final[Mapping[str, tuple[int, ...]]] = {
    "5xx": tuple(range(500, 600)),
    "gateway-error": (502, 503, 504),
    "retriable-4xx": (409,),
}
"""The statuses that stand for a condition. Envoy's ``retriable-4xx`` is 409 alone."""

ALWAYS_RETRIED: Final = ("connect-failure", "refused-stream", "unavailable", "cancelled")
"""The conditions that come along with every ``retry`` of an HTTPRoute, asked for or not (``conversion.go``)."""


def http_routes(service: Service, set_name: str) -> Iterator[Manifest]:
    """The HTTPRoutes of a service, by port."""
    for port in service.ports:
        if not port.rules:
            continue
        yield gateway_api.http_route(
            (service.namespace, f"{service.name}-{port.number}"),
            set_name,
            parent=gateway_api.parent_ref(service, port),
            rules=gateway_api.route_rules(
                port.rules,
                service,
                port,
                anchor=False,
                any_path=gateway_api.ANY_PATH_AS_REGEX if has_path_regex(port) else gateway_api.ANY_PATH,
                header_value=literal,
                settings=settings,
            ),
            owner=(service.namespace, service.name),
            origins=_origins(port),
        )


def has_path_regex(port: Port) -> bool:
    """Whether a rule of the port's table compares the path with a regular expression."""
    return any(rule.match.path is not None and rule.match.path.kind is PathKind.REGEX for rule in port.rules)


def settings(rule: Rule) -> dict[str, Json]:
    """``timeouts`` and ``retry`` of a rule."""
    body: dict[str, Json] = {}
    if rule.redirect is not None:
        return body
    timeouts: dict[str, Json] = {}
    if rule.timeout is not None:
        timeouts["request"] = duration_text(rule.timeout.request)
    if rule.retry is not None and rule.retry.per_try_timeout is not None:
        timeouts["backendRequest"] = duration_text(rule.retry.per_try_timeout)
    if timeouts:
        body["timeouts"] = timeouts
    if rule.retry is not None:
        body["retry"] = retry(rule.retry)
    return body


def retry(policy: Retry) -> dict[str, Json]:
    """``retry``: its ``attempts`` counts retries, as ours does."""
    body: dict[str, Json] = {"attempts": policy.attempts}
    codes = sorted({*policy.statuses, *(code for name in policy.conditions for code in CODES.get(name, ()))})
    if codes:
        body["codes"] = codes
    if policy.backoff is not None:
        body["backoff"] = duration_text(policy.backoff)
    return body


def _origins(port: Port) -> tuple[Origin, ...]:
    found: list[Origin | None] = []
    for rule in port.rules:
        parts = (rule.timeout, rule.retry, rule.mirror, rule.headers, rule.rewrite, rule.redirect)
        found += [rule.source.origin, *(part.source.origin for part in parts if part is not None)]
        found += [where.origin for where in (rule.split, rule.canary) if where is not None]
    return tuple(dict.fromkeys(origin for origin in found if origin is not None))
