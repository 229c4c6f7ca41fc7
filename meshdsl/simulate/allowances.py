"""Where a mesh may answer otherwise than the policies mean, and exactly how: the notes of ``SUPPORT`` as functions.

One function for each feature whose row of the support table says that the mesh differs. It takes what is meant and
gives what that mesh makes of it, so that an approximation is held to its note: whatever else differs is a
disagreement. A function does nothing for policies that do not ask for its feature; that an approximation was accepted
is certain, since otherwise nothing would have been compiled.

Beside them stands what ``docs/semantics.md`` leaves to the mesh by itself: whether a caller that calls a pod's address
comes with its identity (§5.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from meshdsl.plan.features import Feature
from meshdsl.plan.intent import Service
from meshdsl.simulate.plan import RuleMeaning
from meshdsl.simulate.words import OUTSIDE, Answer, Request, Retries, Traffic, Verdict, without_pods
from meshdsl.targets.base import Target, TargetName

OfTraffic = Callable[[Traffic], Traffic]
"""What is meant, to what the mesh makes of it."""
OfRequest = Callable[[Request], Request]
"""What is asked, to the request as which the mesh judges it."""
OfVerdict = Callable[[Request, Service, Answer], frozenset[Verdict] | None]
"""The verdicts that a mesh may give to a request, given what is meant; None if only that one."""

ALWAYS: Final = frozenset({"connect-failure", "refused-stream", "unavailable", "cancelled"})
"""What a waypoint retries beside what is asked for."""
STATUSES: Final[Mapping[str, frozenset[int]]] = {
    "5xx": frozenset(range(500, 600)),
    "gateway-error": frozenset({502, 503, 504}),
    "retriable-4xx": frozenset({409}),
}
"""Envoy's conditions that are statuses by another name."""
_BROKEN: Final = frozenset({"reset", "connect-failure"})
_ARRIVES_AS: Final = 502
"""With which a proxy of Linkerd answers for an application that resets or refuses."""


# ---------------------------------------------------------------------------------------------------------- traffic


def _by_status(*conditions: str) -> OfTraffic:
    """Ambient: "written as status codes", and what is always retried comes along."""

    def changed(meant: Traffic) -> Traffic:
        retry = meant.retry
        if not isinstance(retry, Retries):
            return meant
        asked = retry.conditions.intersection(conditions)
        statuses = retry.statuses.union(*(STATUSES[one] for one in asked))
        return replace(meant, retry=replace(retry, conditions=(retry.conditions - asked) | ALWAYS, statuses=statuses))

    return changed


def _without_resets(meant: Traffic) -> Traffic:
    """Ambient: "an HTTPRoute cannot say reset, so that is not retried"."""
    return _with_conditions(meant, without=frozenset({"reset"}), more=ALWAYS)


def _refused_streams_too(meant: Traffic) -> Traffic:
    """Linkerd: "a stream that is refused unread is tried again as well"."""
    return _with_conditions(meant, more=frozenset({"refused-stream"}))


def _resets_as_502(meant: Traffic) -> Traffic:
    """Linkerd: a reset or refused connection "arrives as 502", so it is retried wherever that status is."""
    retry = meant.retry
    if not isinstance(retry, Retries):
        return meant
    covered = _ARRIVES_AS in retry.statuses or bool(retry.conditions & {"5xx", "gateway-error"})
    return _with_conditions(meant, more=_BROKEN) if covered else _with_conditions(meant, without=_BROKEN)


def _conflicts_as_409(meant: Traffic) -> Traffic:
    """Linkerd: "409, which is all that Envoy's retriable-4xx means"."""
    retry = meant.retry
    if not isinstance(retry, Retries) or "retriable-4xx" not in retry.conditions:
        return meant
    statuses = retry.statuses | STATUSES["retriable-4xx"]
    return replace(meant, retry=replace(retry, conditions=retry.conditions - {"retriable-4xx"}, statuses=statuses))


def _with_conditions(
    meant: Traffic, *, without: frozenset[str] = frozenset(), more: frozenset[str] = frozenset()
) -> Traffic:
    if not isinstance(meant.retry, Retries):
        return meant
    return replace(meant, retry=replace(meant.retry, conditions=(meant.retry.conditions - without) | more))


def _limits_of_the_waypoint(meant: Traffic) -> Traffic:
    """Ambient: "the limits hold for each replica of the waypoint and all callers together": pods have none."""
    return replace(meant, breaker=without_pods(meant.breaker))


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
        Feature.BREAKER_POOL: _limits_of_the_waypoint,
    },
    "linkerd": {
        Feature.RETRY: _refused_streams_too,
        Feature.RETRY_RESET: _resets_as_502,
        Feature.RETRY_4XX: _conflicts_as_409,
        Feature.BREAKER_OUTLIER: _no_limit_of_ejection,
    },
}
"""By mesh and feature, in the order in which they are applied."""


# ----------------------------------------------------------------------------------------------------------- callers


def _without_identity_by_address(request: Request) -> Request:
    """Istio: a sidecar knows no service by a pod's address, and passes such a call on in plain text (measured)."""
    return request if request.by_name else replace(request, caller=OUTSIDE)


CALLERS: Final[Mapping[TargetName, OfRequest | None]] = {
    "istio": _without_identity_by_address,
    "ambient": None,  # ztunnel knows pods by their addresses
    "linkerd": None,  # so does the caller's proxy
}
"""By mesh."""


# ----------------------------------------------------------------------------------------------------------- access


def _404_or_probe(request: Request, service: Service, meant: Answer) -> frozenset[Verdict] | None:
    """Linkerd, where rules look at requests.

    "A request that no rule names is answered with 404 instead of 403"; "declared probes are open to everyone, by GET
    and exact path, as the mesh itself does": must be where we write routes, and may be where it writes its own.
    """
    routed = any(one.is_http and (not one.ports or request.port in one.ports) for one in service.access.allow)
    if meant.probe:
        return frozenset({Verdict.ALLOWED}) if routed else frozenset({Verdict.ALLOWED, meant.verdict})
    if meant.verdict is Verdict.DENIED and routed:
        return frozenset({Verdict.DENIED, Verdict.NO_ROUTE})
    return None


def _beside_the_waypoint(request: Request, service: Service, meant: Answer) -> frozenset[Verdict] | None:
    """Ambient, where a waypoint judges who may call ("decided in the waypoint").

    Whoever does not come through it, from outside the mesh or by a pod's address, is let in by the rules that look at
    no request, if no Deny could take something back; by no others, and never by more.
    """
    access = service.access
    in_waypoint = service.has_rules or service.breaker is not None or access.is_http
    if meant.verdict is not Verdict.ALLOWED or not in_waypoint or not (access.closed or access.deny):
        return None
    if request.by_name and not request.caller.is_plain:
        return None
    judged_at_ztunnel = [RuleMeaning(one) for one in access.allow if not one.is_http]
    if not access.deny and any(rule.holds(request, http=False) for rule in judged_at_ztunnel):
        return None
    return frozenset({Verdict.DENIED})


VERDICTS: Final[Mapping[TargetName, Mapping[Feature, OfVerdict]]] = {
    "istio": {},
    "ambient": {Feature.ALLOW_HTTP: _beside_the_waypoint},
    "linkerd": {Feature.ALLOW_HTTP: _404_or_probe},
}
"""By mesh and feature."""


def arriving(request: Request, mesh: TargetName) -> Request:
    """The request as which a mesh judges one: the caller may have lost its identity on the way."""
    change = CALLERS[mesh]
    return request if change is None else change(request)


@lru_cache(maxsize=4096)  # many requests of one rule, with different callers and headers, mean the same
def expected(meant: Traffic, mesh: TargetName) -> Traffic:
    """What a mesh makes of what is meant."""
    for change in TRAFFIC[mesh].values():
        meant = change(meant)
    return meant


def verdicts(request: Request, service: Service, meant: Answer, target: Target) -> frozenset[Verdict]:
    """The verdicts that a mesh may give, given the one that is meant."""
    for allowed in VERDICTS[target.name].values():
        found = allowed(request, service, meant)
        if found is not None:
            return found
    return frozenset({meant.verdict})
