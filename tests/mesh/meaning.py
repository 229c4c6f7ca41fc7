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
from tests.live.emitted import Build
from tests.mesh.expectation import Asked, Expectation

_MOST_REQUESTS = 80
"""For each port of a case."""
_MOST_SLOW = 2
"""Requests to a silent application, for each deadline of a case."""
_MOST_TRIES = 8
"""Requests to a failing application, for each number of tries of a case."""
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
    reading = PlanReading(plan)
    seen: Counter[tuple[object, ...]] = Counter()
    for derived in requests_of(plan):
        answered: list[tuple[Request, Answer]] = []
        for request in derived.requests:
            reason = _cannot_be_sent(plan, request)
            if reason:
                left_out[reason] += 1
            else:
                answered.append((request, reading.answer(arriving(request, target.name))))
        chosen = _most_telling(answered, _MOST_REQUESTS)
        left_out[f"beyond {_MOST_REQUESTS} a port"] += len(answered) - len(chosen)
        for request, answer in chosen:
            service = plan.service(*request.service.split("/"))
            if verdicts(request, service, answer, target) != {answer.verdict}:
                left_out["left to the mesh"] += 1
                continue
            traffic = answer.traffic and expected(answer.traffic, target.name)
            found = _expectation(plan, request, answer, traffic)
            if found is None:
                left_out["aborted before a rule that refuses"] += 1
            elif _is_one_more_delay(found, seen):
                left_out[f"delayed, beyond {_MOST_DELAYED}"] += 1
            else:
                yield _bounded(found, seen)


def _cannot_be_sent(plan: Plan, request: Request) -> str:
    """Why a request is not sent; empty if it is."""
    if request.caller.trust_domain:
        return "from another trust domain, of which nobody is here"
    if request.method == "CONNECT":
        return "CONNECT, which opens a tunnel"
    if not plan.service(*request.service.split("/")).ports:
        return "to a service without ports"
    return ""


def _most_telling(answered: list[tuple[Request, Answer]], most: int) -> list[tuple[Request, Answer]]:
    """So many requests at most: those that show a value or an outcome for the first time, then others, evenly."""
    seen: set[object] = set()
    first: list[tuple[Request, Answer]] = []
    others: list[tuple[Request, Answer]] = []
    for request, answer in answered:
        marks = _marks(request, answer)
        (others if marks <= seen else first).append((request, answer))
        seen |= marks
    first = _evenly(first, most)
    return [*first, *_evenly(others, most - len(first))]


def _marks(request: Request, answer: Answer) -> set[object]:
    """What a request shows."""
    outcome = answer.traffic and replace(answer.traffic, path="")
    return {
        ("caller", request.caller),
        ("method", request.method),
        ("path", request.path),
        ("outcome", answer.verdict, outcome, request.by_name),
        *(("header", *pair) for pair in request.headers.items()),
        *(("query", *pair) for pair in request.query.items()),
    }


def _evenly(some: list[tuple[Request, Answer]], most: int) -> list[tuple[Request, Answer]]:
    return some if len(some) <= most else [some[number * len(some) // most] for number in range(most)]


def _expectation(plan: Plan, request: Request, answer: Answer, traffic: Traffic | None) -> Expectation | None:
    """None if it cannot be told which of two answers comes first."""
    if traffic is None:
        return Expectation(_asked(request), answer.allowed)
    if traffic.redirect is not None:
        shares = {str(traffic.redirect.status): Fraction(100)}
        return Expectation(_asked(request), allowed=True, shares=shares)
    if answer.verdict is not Verdict.ALLOWED:
        return None if traffic.abort else Expectation(_asked(request), allowed=False)
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
    return Asked(caller, request.service, request.port, request.method, path, request.headers, request.by_name)


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


def _bounded(one: Expectation, seen: Counter[tuple[object, ...]]) -> Expectation:
    """The same with no more slow and failing requests than it takes."""
    where = (one.asked.service, one.asked.port, one.asked.by_name)
    deadline, tries = one.deadline, one.tries
    if deadline is not None:
        seen[(*where, "deadline", deadline)] += 1
        if deadline > _LONGEST or seen[(*where, "deadline", deadline)] > _MOST_SLOW:
            deadline = None
    if tries is not None:
        key = (*where, "tries", tries, str(one.failure), one.asked.method)
        seen[key] += 1
        if seen[key] > _MOST_TRIES:
            tries = None
    return replace(one, deadline=deadline, tries=tries)
