"""Where a mesh may answer otherwise than the policies mean, and exactly how: the notes of ``SUPPORT`` as functions.

One function for each feature whose row of the support table says that the mesh differs. It takes what is meant and
gives what that mesh makes of it, so that an approximation is held to its note: whatever else differs is a
disagreement. A function does nothing for policies that do not ask for its feature; that an approximation was accepted
is certain, since otherwise nothing would have been compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from meshdsl.plan.features import Feature
from meshdsl.plan.intent import Service
from meshdsl.simulate.words import Answer, Request, Retries, Traffic, Verdict
from meshdsl.targets.base import Target, TargetName

OfTraffic = Callable[[Traffic], Traffic]
"""What is meant, to what the mesh makes of it."""
OfVerdict = Callable[[Request, Service, Answer, Verdict], bool]
"""Whether a mesh may give this verdict to a request, given what is meant."""

ALWAYS: Final = frozenset({"connect-failure", "refused-stream", "unavailable", "cancelled"})
"""What a waypoint retries beside what is asked for."""
STATUSES: Final[Mapping[str, frozenset[int]]] = {
    "5xx": frozenset(range(500, 600)),
    "gateway-error": frozenset({502, 503, 504}),
    "retriable-4xx": frozenset({409}),
}
"""Envoy's conditions that are statuses by another name."""
_CONNECTIONS: Final = frozenset({"reset", "connect-failure", "refused-stream"})
_ARRIVES_AS: Final = 502
"""With which a proxy of Linkerd answers for an application that resets or refuses."""


# ---------------------------------------------------------------------------------------------------------- traffic


def _by_status(*conditions: str) -> OfTraffic:
    """Ambient: "written as status codes", and what is always retried comes along."""

    def changed(meant: Traffic) -> Traffic:
        return _as_statuses(meant, conditions, ALWAYS)

    return changed


def _as_statuses(meant: Traffic, conditions: tuple[str, ...], more: frozenset[str]) -> Traffic:
    retry = meant.retry
    if not isinstance(retry, Retries):
        return meant
    asked = retry.conditions.intersection(conditions)
    statuses = retry.statuses.union(*(STATUSES[one] for one in asked))
    return replace(meant, retry=replace(retry, conditions=(retry.conditions - asked) | more, statuses=statuses))


def _without_resets(meant: Traffic) -> Traffic:
    """Ambient: "an HTTPRoute cannot say reset, so that is not retried"."""
    if not isinstance(meant.retry, Retries):
        return meant
    return replace(meant, retry=replace(meant.retry, conditions=(meant.retry.conditions - {"reset"}) | ALWAYS))


def _resets_as_status(meant: Traffic) -> Traffic:
    """Linkerd: "a reset or refused connection arrives as 502", which is retried by its status or not at all."""
    retry = meant.retry
    if not isinstance(retry, Retries) or not retry.conditions & _CONNECTIONS:
        return meant
    covered = _ARRIVES_AS in retry.statuses or bool(retry.conditions & {"5xx", "gateway-error"})
    return replace(meant, retry=replace(retry, conditions=retry.conditions - _CONNECTIONS)) if covered else meant


def _all_in_statuses(*conditions: str) -> OfTraffic:
    """Linkerd: conditions are words for statuses, and nothing else."""

    def changed(meant: Traffic) -> Traffic:
        return _as_statuses(meant, conditions, frozenset())

    return changed


def _no_limit_of_ejection(meant: Traffic) -> Traffic:
    """Linkerd: "there is no interval, and max_ejection_percent is not enforced"."""
    if meant.breaker is None:
        return meant
    return replace(meant, breaker=replace(meant.breaker, interval=None, max_ejection_percent=None))


TRAFFIC: Final[Mapping[TargetName, Mapping[Feature, OfTraffic]]] = {
    "istio": {},
    "ambient": {
        Feature.RETRY_RESET: _without_resets,
        Feature.RETRY_5XX: _by_status("5xx", "gateway-error"),
        Feature.RETRY_4XX: _by_status("retriable-4xx"),
        Feature.RETRY_STATUSES: _by_status(),
        Feature.RETRY_GRPC: _by_status(),
    },
    "linkerd": {
        Feature.RETRY_RESET: _resets_as_status,
        Feature.RETRY_5XX: _all_in_statuses("5xx", "gateway-error"),
        Feature.RETRY_4XX: _all_in_statuses("retriable-4xx"),
        Feature.BREAKER_OUTLIER: _no_limit_of_ejection,
    },
}
"""By mesh and feature, in the order in which they are applied."""


# ----------------------------------------------------------------------------------------------------------- access


def _404_for_403(_request: Request, service: Service, meant: Answer, found: Verdict) -> bool:
    """Linkerd: "a request that no rule names is answered with 404 instead of 403"."""
    return meant.verdict is Verdict.DENIED and found is Verdict.NO_ROUTE and service.access.is_http


def _probes_are_open(_request: Request, service: Service, meant: Answer, found: Verdict) -> bool:
    """Linkerd: "declared probes are open to everyone, by GET and exact path", where rules look at requests."""
    return meant.probe and found is Verdict.ALLOWED and service.access.is_http


def _beside_the_waypoint(request: Request, service: Service, meant: Answer, found: Verdict) -> bool:
    """Ambient: "decided in the waypoint": whoever does not come through it is let in by less, and never by more."""
    past = request.caller.is_plain or not request.by_name
    judged_there = service.access.closed or bool(service.access.deny)
    return past and judged_there and meant.verdict is Verdict.ALLOWED and found is Verdict.DENIED


VERDICTS: Final[Mapping[TargetName, Mapping[Feature, tuple[OfVerdict, ...]]]] = {
    "istio": {},
    "ambient": {Feature.ALLOW_HTTP: (_beside_the_waypoint,)},
    "linkerd": {Feature.ALLOW_HTTP: (_404_for_403, _probes_are_open)},
}
"""By mesh and feature."""


def expected(meant: Traffic, target: Target) -> Traffic:
    """What a mesh makes of what is meant."""
    for change in TRAFFIC[target.name].values():
        meant = change(meant)
    return meant


def tolerated(request: Request, service: Service, meant: Answer, found: Verdict, target: Target) -> bool:
    """Whether a mesh may give another verdict than the one that is meant."""
    return any(one(request, service, meant, found) for some in VERDICTS[target.name].values() for one in some)
