"""What ought to happen on a real mesh: the requests of ``mesh.agree``, and what the plan answers, as expectations.

The reading of the plan answers each of the requests that tell two readings apart; here its answer becomes what can be
seen from outside: who answers, how often a failing request is tried, when a silent one is given up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from meshdsl.plan.intent import Plan, Service
from meshdsl.simulate.allowances import arriving, expected, verdicts
from meshdsl.simulate.plan import PlanReading
from meshdsl.simulate.requests import requests_of
from meshdsl.simulate.words import MESH, Answer, Backend, LeftToMesh, Request, Retries, Traffic, Verdict
from meshdsl.targets.istio import Istio
from tests.live.emitted import Build
from tests.mesh.expectation import Asked, Expectation
from tests.mesh.istiod import Settings

_MOST_SLOW = 2
"""Requests to a silent application before which there is a breaker, for each deadline: more would open it."""
_MOST_DELAYED, _LONG_DELAY = 12, 2.0
"""Requests to a port that a fault delays for so many seconds, or longer."""
_LONGEST = 6.0
"""Seconds: a longer deadline is not waited for."""

# How the application has to fail for a condition to retry, and whether it can at all.
_FAILURES: Mapping[str, Mapping[str, Any]] = {
    "5xx": {"status": 500},
    "gateway-error": {"status": 502},
    "retriable-4xx": {"status": 409},
    "cancelled": {"grpc": 1},
    "deadline-exceeded": {"grpc": 4},
    "resource-exhausted": {"grpc": 8},
    "internal": {"grpc": 13},
    "unavailable": {"grpc": 14},
}
_TIMED = {"5xx", "gateway-error", "reset"}
"""The conditions by which a try that took too long is tried again."""


def expect(build: Build, left_out: Counter[str]) -> Iterator[Expectation]:
    """What becomes of the requests that ``mesh.agree`` asks about a case.

    Args:
        build: the case, compiled for Istio.
        left_out: why requests are not sent, and how many; it is added to.
    """
    plan, target = build.bundle.plan, build.bundle.target
    assert isinstance(target, Istio)
    taken = Settings(target.trust_domain).takes_other_domains
    reading = PlanReading(plan)
    seen: Counter[tuple[object, ...]] = Counter()
    for request in (one for derived in requests_of(plan) for one in derived.requests):
        reason = _cannot_be_sent(plan, request)
        if reason:
            left_out[reason] += 1
            continue
        arrives = arriving(request, target.name)
        answer = reading.answer(arrives)
        service = plan.service(*request.service.split("/"))
        if arrives.caller.trust_domain:
            yield Expectation(_asked(arrives), allowed=taken and answer.verdict is Verdict.ALLOWED)
        elif verdicts(request, service, answer, target) != {answer.verdict}:
            left_out["left to the mesh"] += 1
        else:
            traffic = answer.traffic and expected(answer.traffic, target.name)
            found = _expectation(plan, _sent_as(request, arrives), answer, traffic)
            if _is_one_more_delay(found, seen):
                left_out[f"delayed, beyond {_MOST_DELAYED} alike"] += 1
            else:
                yield _bounded(plan, found, seen)


def _cannot_be_sent(plan: Plan, request: Request) -> str:
    """Why a request is not sent; empty if it is."""
    if request.method == "CONNECT":
        return "CONNECT, which asks for a tunnel and has no path"
    nameless = not plan.service(*request.service.split("/")).ports
    if nameless and request.by_name and not request.caller.is_plain and not request.caller.trust_domain:
        return "by name to a service without ports, which has none"
    return ""


def _sent_as(request: Request, arrives: Request) -> Request:
    """From whom it is sent: somebody of another trust domain who calls an address comes as anybody from outside."""
    return arrives if request.caller.trust_domain else request


def _expectation(plan: Plan, request: Request, answer: Answer, traffic: Traffic | None) -> Expectation:
    if traffic is None:
        return Expectation(_asked(request), answer.allowed)
    if traffic.redirect is not None:
        shares = {str(traffic.redirect.status): Fraction(100)}
        return Expectation(_asked(request), allowed=True, shares=shares)
    if answer.verdict is not Verdict.ALLOWED:
        aborted = {str(traffic.abort[1]): traffic.abort[0]} if traffic.abort else {}  # whichever comes first
        return Expectation(_asked(request), allowed=False, shares=aborted)
    copied, copied_to = None, ("", "")
    if traffic.mirror is not None:
        copied_to = _of(plan, traffic.mirror[0])
        access = plan.service(*copied_to[0].split("/")).access
        if not (access.closed or access.deny):  # else it depends on the caller whether a copy is let in
            copied = traffic.mirror[1]
    whole = traffic.abort is None and traffic.delay is None and copied_to[0] != request.service
    failure = _failure(traffic.retry)
    return Expectation(
        _asked(request),
        allowed=True,
        shares=_shares(plan, traffic),
        tries=_tries(traffic.retry) if whole and traffic.retry != MESH else None,
        failure=failure,
        deadline=_deadline(traffic) if whole else None,
        sees=_sees(request, traffic),
        answer=_edited(traffic, "response"),
        copied=copied,
        copied_to=copied_to,
        delayed=traffic.delay[0] if traffic.delay else None,
        delay=traffic.delay[1] / 1000 if traffic.delay else 0,
    )


def _asked(request: Request) -> Asked:
    query = "&".join(f"{name}={value}" for name, value in request.query.items())
    caller = None if request.caller.is_plain else (request.caller.namespace, request.caller.account)
    path = (request.path or "/") + (f"?{query}" if query else "")
    domain = request.caller.trust_domain
    return Asked(caller, request.service, request.port, request.method, path, request.headers, request.by_name, domain)


def _of(plan: Plan, backend: Backend) -> tuple[str, str]:
    """The service and version that a destination is."""
    labels = dict(backend.labels)
    services = [s for s in plan.services_in(backend.namespace) if set(s.labels) <= backend.labels]
    service: Service = max(services, key=lambda one: len(one.labels))
    return str(service), labels.get(service.version_label, "") if service.versions else ""


def _shares(plan: Plan, traffic: Traffic) -> dict[str, Fraction]:
    found: dict[str, Fraction] = {}
    for backend, share in traffic.backends:
        name, version = _of(plan, backend)
        if not version and plan.service(*name.split("/")).versions:
            return {}  # whichever pod: that is no promise
        found[version] = share * 100
    if traffic.abort is not None:
        percent, status = traffic.abort
        found = {name: share * (100 - percent) / 100 for name, share in found.items()}
        found[str(status)] = percent
    return {name: share for name, share in sorted(found.items()) if share}


def _tries(retry: Retries | LeftToMesh | None) -> int:
    if not isinstance(retry, Retries):
        return 1
    can = bool(retry.statuses or retry.conditions & _FAILURES.keys())
    return 1 + retry.attempts if can else 1


def _failure(retry: Retries | LeftToMesh | None) -> Mapping[str, Any]:
    if isinstance(retry, Retries):
        for condition in sorted(retry.conditions & _FAILURES.keys()):
            return _FAILURES[condition]
        for status in sorted(retry.statuses):
            return {"status": status}
    return {"status": 503} if not isinstance(retry, Retries) else {"status": 404}


def _deadline(traffic: Traffic) -> float | None:
    """When a request is given up whose application never answers, in seconds."""
    retry = traffic.retry
    ends = [traffic.timeout] if traffic.timeout is not None else []
    if isinstance(retry, Retries) and retry.per_try is not None:
        again = retry.attempts if retry.conditions & _TIMED or 504 in retry.statuses else 0
        ends.append(retry.per_try * (1 + again))
    return min(ends) / 1000 if ends else None


def _sees(request: Request, traffic: Traffic) -> dict[str, str | None]:
    query = "&".join(f"{name}={value}" for name, value in request.query.items())
    found: dict[str, str | None] = {":path": traffic.path + (f"?{query}" if query else "")}
    if traffic.host is not None:
        found["host"] = traffic.host
    return {**dict(request.headers), **found, **_edited(traffic, "request", request.headers)}


def _edited(traffic: Traffic, message: str, given: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """The headers that edits leave behind. What is added beside another value is not judged."""
    found: dict[str, str | None] = {}
    for where, operation, name, value in sorted(traffic.edits):
        if where == message and (operation != "add" or (given is not None and name not in given)):
            found[name.lower()] = None if operation == "remove" else value
    return found


def _is_one_more_delay(one: Expectation, seen: Counter[tuple[object, ...]]) -> bool:
    """Whether enough requests are delayed for long."""
    if not one.delayed or one.delay < _LONG_DELAY:
        return False
    seen[one.asked.service, one.asked.port, "delay", one.delay] += 1
    return seen[one.asked.service, one.asked.port, "delay", one.delay] > _MOST_DELAYED


def _bounded(plan: Plan, one: Expectation, seen: Counter[tuple[object, ...]]) -> Expectation:
    """The same with slow and failing requests where they show something: another outcome, path, method or header."""
    asked, deadline, tries = one.asked, one.deadline, one.tries
    path, headers = asked.path.partition("?")[0], tuple(sorted(asked.headers.items()))
    if deadline is not None:
        where = (asked.service, asked.port, asked.by_name, "deadline", deadline)
        seen[where] += 1
        if plan.service(*asked.service.split("/")).breaker is not None:
            shows = seen[where] <= _MOST_SLOW
        else:
            shows = _shows(seen, where, ("path", path), ("method", asked.method), ("headers", headers))
        deadline = deadline if deadline <= _LONGEST and shows else None
    if tries is not None:
        where = (asked.service, asked.port, asked.by_name, "tries", tries, str(one.failure))
        shows = _shows(seen, where, ("path", asked.method, path), ("headers", headers))
        tries = tries if shows else None
    return replace(one, deadline=deadline, tries=tries)


def _shows(seen: Counter[tuple[object, ...]], where: tuple[object, ...], *parts: tuple[object, ...]) -> bool:
    """Whether one of some parts of a request is there for the first time."""
    keys = [(*where, *part) for part in parts]
    new = any(not seen[key] for key in keys)
    seen.update(keys)
    return new
