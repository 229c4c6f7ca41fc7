"""What Envoy does not retry, and which headers it writes itself, although an object may say otherwise.

Each function looks for one trap of the proxy beside the caller, which no field of an object shows; what is said here
was measured on sidecars. A waypoint is an Envoy, too, that is told to overwrite ``server`` likewise
(``pilot/pkg/networking/util/proxy_headers.go``). None looks at levels of support.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshdsl.diagnostics import Diagnostic
from meshdsl.plan.intent import Service
from meshdsl.plan.requests import HeaderEdits, Rule
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


def edits_reach_the_caller(service: Service) -> Iterator[Diagnostic]:
    """Whether a header that a response is to have, or not to have, is one that the proxy leaves alone."""
    for rule in _rules(service):
        if rule.headers is None or rule.headers.response is None:
            continue
        for field, name, why in _without_effect(rule.headers.response):
            yield refused(
                "MESH616",
                f"an edit of the header {name} would not reach who calls {service}",
                rule.headers.source,
                field=field,
                reason=f"Envoy {why}, after every edit",
                help="leave it out, or use a header of your own",
            )


def _without_effect(edits: HeaderEdits) -> Iterator[tuple[str, str, str]]:
    """The field, the header, and what Envoy does."""
    fields = (
        ("response_set", [name for name, _ in edits.set], _OVERWRITTEN | _TAKEN_AWAY),
        ("response_add", [name for name, _ in edits.add], _OVERWRITTEN | _TAKEN_AWAY),
        ("response_remove", edits.remove, _OVERWRITTEN | _FILLED_IN),
    )
    for field, names, lost in fields:
        for name in names:
            if name.lower() in lost:
                yield field, name, _why(name.lower())


def _why(name: str) -> str:
    if name in _TAKEN_AWAY:
        return "takes it away"
    return "writes it where it is missing" if name in _FILLED_IN else "writes it itself"


def _rules(service: Service) -> Iterator[Rule]:
    for port in service.http_ports:
        yield from port.rules
