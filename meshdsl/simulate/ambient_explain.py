"""Why an answer of Ambient came so: each step, with the object and the field that says it.

Nothing is decided here. The steps ask the same conditions that decided, so that what is told is what happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from meshdsl.simulate.istio_explain import (
    access_reason,
    asked,
    connection_reason,
    stage_of,
    traffic_reasons,
    tried_reasons,
)
from meshdsl.simulate.istio_mtls import STRICT
from meshdsl.simulate.istio_rules import Seen
from meshdsl.simulate.words import Answer, NotModelled, Reason, Request, Stage, Verdict

if TYPE_CHECKING:
    from meshdsl.simulate.ambient import AmbientReading, Course, Guard
    from meshdsl.simulate.ambient_routes import Table

_FIELDS = {
    "route": "backendRefs", "timeout": "timeouts", "retries": "retry", "redirect": "filters", "mirror": "filters",
    "headers": "filters", "rewrite": "filters",
}  # fmt: skip


def explained(reading: AmbientReading, request: Request) -> Answer:
    """The answer, with how it came to be."""
    try:
        answer, course = reading.decide(request)
    except NotModelled as error:
        unknown = Reason(stage_of(error), f"not known: {error.why}", error.where, None)
        return Answer(Verdict.UNKNOWN, unknown=(str(error),), reasons=(*_as_far_as_known(reading, request), unknown))
    return replace(answer, reasons=tuple(_reasons(reading, request, course, answer)))


def _reasons(reading: AmbientReading, request: Request, course: Course, answer: Answer) -> Iterator[Reason]:
    guard = course.way.guard
    caller = request.caller
    binding = Reason(Stage.CONNECTION, course.way.binding.text, course.way.binding.where, holds=guard is not None)
    if guard is not None:
        yield Reason(
            Stage.CONNECTION,
            f"mTLS as {reading.inventory.caller(caller)} to the waypoint",
            "",
            holds=True,
            parts=(binding,),
        )
        yield _guard(reading, request, course, guard)
        if guard.table is not None and request.is_http:
            yield _route(guard.table, course, answer)
    else:
        for door in course.doors[:1]:
            secured = bool(caller.account) and not door.kept_out
            found = connection_reason(request, door, reading.inventory.caller(caller), secured=secured)
            yield replace(found, parts=(binding, *found.parts))
        yield Reason(Stage.ROUTE, "no waypoint is passed, so nobody looks at requests", "", None)
    if course.traffic is not None and course.entry is not None:
        rule = course.entry.rule
        said = partial(_field, rule.body)
        parts = traffic_reasons(course.traffic, rule.where, said, reading.inventory, course.sent.path)
        yield Reason(Stage.TRAFFIC, "the waypoint does this", rule.where, None, parts)
    seen = Seen(course.sent, course.principal)
    judged = (
        access_reason(door.gate, seen, f"ztunnel before pods of {door.namespace} on port {door.port}")
        for door in course.doors
        if not door.kept_out and (caller.account or door.mtls.mode != STRICT)
    )
    yield from dict.fromkeys(judged)  # the pods of several versions are mostly judged alike


def _guard(reading: AmbientReading, request: Request, course: Course, guard: Guard) -> Reason:
    principal = reading.principal(request.caller)
    seen = Seen(course.sent, principal, course.way.authorities)
    return access_reason(guard.gate, seen, f"the waypoint {guard.waypoint.namespace}/{guard.waypoint.name}")


def _route(table: Table, course: Course, answer: Answer) -> Reason:
    if table.default is not None:
        return Reason(Stage.ROUTE, "no HTTPRoute is for this port: it goes to the Service", "", None)
    tried = tuple(_tried(table, course.sent))
    if answer.verdict is Verdict.NO_ROUTE:
        text = "no rule takes it: the waypoint answers 404"
        return Reason(Stage.ROUTE, text, " and ".join(table.routes), holds=False, parts=tried)
    if course.entry is None:
        return Reason(Stage.ROUTE, "it does not come to the routes", "", None)
    text = f"this rule takes it: {asked(course.entry.match.conditions)}"
    return Reason(Stage.ROUTE, text, course.entry.match.where, holds=True, parts=tried)


def _tried(table: Table, request: Request) -> Iterator[Reason]:
    return tried_reasons(((one.rule.where, one.match.where, one.match.conditions) for one in table.entries), request)


def _as_far_as_known(reading: AmbientReading, request: Request) -> Iterator[Reason]:
    try:
        way = reading.way(request)
    except NotModelled:
        return
    yield Reason(Stage.CONNECTION, way.binding.text, way.binding.where, holds=way.guard is not None)
    if way.guard is not None and way.guard.table is not None and request.is_http:
        tried = tuple(_tried(way.guard.table, request))
        yield Reason(Stage.ROUTE, "the rules, the most specific first", "", None, tried)


def _field(rule: object, word: str) -> str:
    """Where a word of an answer stands in a rule."""
    name = _FIELDS.get(word, word)
    return name if isinstance(rule, dict) and name in rule else ""
