"""A trace for programs: one JSON document with a version. ``docs/trace.md`` says what its fields are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from meshdsl.simulate.trace import Trace, number
from meshdsl.simulate.words import Backend, Breaker, Reason, Request, Retries, Traffic, Verdict
from meshdsl.version import VERSION

DOCUMENT_VERSION = 1

Place = Callable[[str], str]


def trace_json(traces: Iterable[tuple[str, Trace]], place: Place = str) -> str:
    """The document.

    Args:
        traces: with the cluster that each is for.
        place: shows the place of a reason.
    """
    answers = list(traces)
    document = {
        "version": DOCUMENT_VERSION,
        "meshdsl": VERSION,
        "command": "trace",
        "complete": all(one.verdict is not Verdict.UNKNOWN for _, one in answers),
        "traces": [_trace(cluster, one, place) for cluster, one in answers],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _trace(cluster: str, one: Trace, place: Place) -> dict[str, Any]:
    answer = one.answer
    return {
        "cluster": cluster,
        "read": one.read,
        "request": _request(one.request),
        "verdict": str(one.verdict),
        "status": one.status,
        "closed": one.closed,
        "mtls": answer.mtls,
        "versions": one.versions,
        "services": one.services,
        "tries": one.tries,
        "deadline_ms": one.deadline,
        "time_line": [
            {"try": step.number, "earliest_ms": step.earliest, "latest_ms": step.latest, "ends_ms": step.ends}
            for step in one.time_line
        ],
        "traffic": None if answer.traffic is None else _traffic(one, answer.traffic),
        "unknown": list(answer.unknown),
        "reasons": [_reason(reason, place) for reason in answer.reasons],
    }


def _request(request: Request) -> dict[str, Any]:
    who = request.caller
    caller = None if who.is_plain else {"namespace": who.namespace, "service_account": who.account}
    return {
        "caller": caller,
        "asked_for": request.asked_for or None,
        "service": request.service,
        "port": request.port,
        "method": request.method or None,
        "path": request.path or None,
        "headers": dict(sorted(request.headers.items())),
        "query": dict(sorted(request.query.items())),
        "by_name": request.by_name,
    }


def _traffic(trace: Trace, traffic: Traffic) -> dict[str, Any]:
    def named(backend: Backend) -> dict[str, Any]:
        service, version = trace.name_of(backend)
        return {"service": service, "version": version or None, "port": backend.port}

    redirect, breaker = traffic.redirect, traffic.breaker
    sent = sorted(traffic.backends, key=lambda item: (-item[1], trace.name_of(item[0])))
    return {
        "backends": [{**named(backend), "percent": number(100 * share)} for backend, share in sent],
        "retry": _retry(traffic.retry) if isinstance(traffic.retry, Retries) else traffic.retry,
        "delay": None if traffic.delay is None else {"percent": number(traffic.delay[0]), "ms": traffic.delay[1]},
        "abort": None if traffic.abort is None else {"percent": number(traffic.abort[0]), "status": traffic.abort[1]},
        "mirror": None
        if traffic.mirror is None
        else {**named(traffic.mirror[0]), "percent": number(traffic.mirror[1])},
        "headers": [
            {"message": message, "operation": operation, "name": name, "value": value}
            for message, operation, name, value in sorted(traffic.edits)
        ],
        "path": traffic.path,
        "host": traffic.host,
        "redirect": None if redirect is None else _fields(redirect),
        "breaker": None if breaker is None else _breaker(breaker),
    }


def _breaker(breaker: Breaker) -> dict[str, Any]:
    limits = breaker.at_pods
    return {**_fields(breaker), "at_pods": None if limits is None else _fields(limits)}


def _retry(retry: Retries) -> dict[str, Any]:
    return {
        "attempts": retry.attempts,
        "conditions": sorted(retry.conditions),
        "statuses": sorted(retry.statuses),
        "per_try_ms": retry.per_try,
        "backoff_ms": retry.backoff,
    }


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _reason(reason: Reason, place: Place) -> dict[str, Any]:
    return {
        "stage": str(reason.stage),
        "text": reason.text,
        "where": place(reason.where) if reason.where else None,
        "holds": reason.holds,
        "parts": [_reason(part, place) for part in reason.parts],
    }
