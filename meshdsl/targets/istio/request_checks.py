"""What Envoy does not retry, and which headers it writes or keeps itself, although an object may say otherwise.

Each function looks for one trap of the proxy beside the caller, which no field of an object shows; what is said here
was measured on sidecars. A waypoint is an Envoy, too, that is told to overwrite ``server`` likewise
(``pilot/pkg/networking/util/proxy_headers.go``). None looks at levels of support.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshdsl import envoy
from meshdsl.diagnostics import Diagnostic, Origin
from meshdsl.plan.intent import Service
from meshdsl.plan.requests import HeaderEdits, Rule
from meshdsl.plan.rights import Allow, Deny
from meshdsl.targets.base import refused

_BROKEN: Final = ("reset", "connect-failure", "refused-stream")
_ARRIVES_AS: Final = 503
"""What the callee's sidecar answers for an application that resets, refuses a connection, or refuses a stream."""

_OVERWRITTEN: Final = frozenset({"server"})
"""Headers of an answer that Envoy writes after all edits."""
_FILLED_IN: Final = frozenset({"date"})
"""Those that it writes where they are missing."""
_TAKEN_AWAY: Final = frozenset({"x-envoy-decorator-operation"})
"""Those that it keeps to itself."""
_REWRITTEN: Final = frozenset({"x-request-id", "x-forwarded-proto", "x-forwarded-client-cert"})
"""Headers of a request that the service's proxy writes where an edit removed them."""


def retries_see_what_fails(service: Service) -> Iterator[Diagnostic]:
    """Whether retries of broken connections also retry the status as which the callee's sidecar reports them."""
    for rule in _rules(service):
        retry = rule.retry
        if retry is None:
            continue
        broken = [name for name in retry.conditions if name in _BROKEN]
        if broken and not {"5xx", "gateway-error"} & set(retry.conditions) and _ARRIVES_AS not in retry.statuses:
            yield refused(
                "MESH615",
                f"the retries of {service} name {', '.join(broken)} without 5xx, gateway-error or 503",
                retry.source,
                field="retry_on",
                reason="the callee's sidecar answers 503 for an application that resets or refuses, and that is an"
                " answer to the sidecar that retries",
                help='add "gateway-error" to retry_on, which retries 502, 503 and 504, or 503 to statuses',
            )


def edits_arrive(service: Service) -> Iterator[Diagnostic]:
    """Whether a header that a message is to have, or not to have, is one that proxies leave alone."""
    for rule in _rules(service):
        if rule.headers is None:
            continue
        lost = [*_lost_by_requests(rule.headers.request), *_lost_by_responses(rule.headers.response)]
        for field, name, why in lost:
            whom = str(service) if field.startswith("request") else f"who calls {service}"
            yield refused(
                "MESH616",
                f"an edit of the header {name} would not reach {whom}",
                rule.headers.source,
                field=field,
                reason=f"Envoy {why}, after every edit",
                help="leave it out, or use a header of your own",
            )


def conditions_see_what_was_sent(service: Service) -> Iterator[Diagnostic]:
    """Whether a header that a route or an access rule looks at is one that the caller decides about."""
    routes = ((rule.canary or rule.source, one) for rule in _rules(service) for one in rule.match.headers)
    rules: tuple[Allow | Deny, ...] = (*service.access.allow, *service.access.deny)
    access = ((rule.source, one) for rule in rules for one in rule.headers)
    seen: set[tuple[Origin | None, str]] = set()
    for source, condition in (*routes, *access):
        does = _does_to(condition.name)
        if not does or (source.origin, condition.name) in seen:
            continue
        seen.add((source.origin, condition.name))
        yield refused(
            "MESH617",
            f"a condition on the header {condition.name} of requests to {service} would not see what the caller sent",
            source,
            reason=f"Envoy {does} before anything looks at it",
            help="let callers send a header of your own, and look at that",
        )


def _does_to(name: str) -> str:
    if name in envoy.WRITTEN:
        return "writes it"
    return "takes it away" if name in envoy.TAKEN_AWAY else ""


def _lost_by_requests(edits: HeaderEdits | None) -> Iterator[tuple[str, str, str]]:
    """The argument, the header, and what Envoy does."""
    if edits is not None:
        own = envoy.KEPT | {"x-forwarded-client-cert"}
        yield from (("request_set", name, _why(name)) for name, _ in edits.set if name in own)
        yield from (("request_add", name, _why(name)) for name, _ in edits.add if name in envoy.KEPT)
        yield from (("request_remove", name, _why(name)) for name in edits.remove if name in _REWRITTEN)


def _lost_by_responses(edits: HeaderEdits | None) -> Iterator[tuple[str, str, str]]:
    """The argument, the header, and what Envoy does."""
    if edits is not None:
        own = _OVERWRITTEN | _TAKEN_AWAY
        yield from (("response_set", name, _why(name)) for name, _ in edits.set if name in own)
        yield from (("response_add", name, _why(name)) for name, _ in edits.add if name in own)
        again = _OVERWRITTEN | _FILLED_IN
        yield from (("response_remove", name, _why(name)) for name in edits.remove if name in again)


def _why(name: str) -> str:
    if name in _TAKEN_AWAY | envoy.KEPT:
        return "takes it away"
    return "writes it where it is missing" if name in _FILLED_IN else "writes it itself"


def _rules(service: Service) -> Iterator[Rule]:
    for port in service.http_ports:
        yield from port.rules
