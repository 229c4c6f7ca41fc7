"""Why an answer of Istio came so: each step, with the object and the field that says it.

Nothing is decided here. The steps ask the same conditions that decided, so that what is told is what happened. Values
of header edits are not shown: a trace goes into tickets and logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from meshdsl.simulate.fields import Condition, all_hold
from meshdsl.simulate.inventory import Inventory
from meshdsl.simulate.istio_access import Gate, Policy
from meshdsl.simulate.istio_doors import Door
from meshdsl.simulate.istio_mtls import DISABLE, STRICT, Mtls
from meshdsl.simulate.istio_rules import Rule, Seen
from meshdsl.simulate.words import MESH, Answer, Breaker, NotModelled, Reason, Request, Retries, Stage, Traffic, Verdict
from meshdsl.values import duration_text

if TYPE_CHECKING:
    from meshdsl.simulate.istio import Course, IstioReading
    from meshdsl.simulate.istio_tables import Table

T = TypeVar("T")


def explained(reading: IstioReading, request: Request) -> Answer:
    """The answer, with how it came to be."""
    try:
        answer, course = reading.decide(request)
    except NotModelled as error:
        unknown = Reason(stage_of(error), f"not known: {error.why}", error.where, None)
        return Answer(Verdict.UNKNOWN, unknown=(str(error),), reasons=(*_as_far_as_known(reading, request), unknown))
    return replace(answer, reasons=tuple(_reasons(reading.inventory, course, answer)))


def connection_reason(request: Request, door: Door, name: str, *, secured: bool) -> Reason:
    """Whether the connection to a door is mTLS, and what the door makes of that.

    Args:
        request: with its caller.
        door: of the pods.
        name: of the caller, for people.
        secured: whether it is mTLS.
    """
    taken = mtls_reason(door.mtls)
    if door.kept_out:
        taken = Reason(Stage.CONNECTION, "the pods are not in the mesh: nothing is enforced there", door.kept_out, None)
    if secured:
        refused = door.mtls.mode == DISABLE
        text = f"mTLS as {name}" + (", which nobody there speaks" if refused else "")
        return Reason(Stage.CONNECTION, text, "", not refused, (taken,))
    who = "plain text" if request.caller.is_plain else f"plain text, although {name} is in the mesh"
    refused = door.mtls.mode == STRICT and not door.kept_out
    return Reason(Stage.CONNECTION, f"{who}{': refused' if refused else ''}", "", not refused, (taken,))


def mtls_reason(mtls: Mtls) -> Reason:
    """The PeerAuthentication that holds, and those of the same scope that do not."""
    younger = tuple(
        Reason(Stage.CONNECTION, "passed over: of two of one scope the older holds", one, holds=False)
        for one in mtls.passed_over
    )
    if not mtls.where:
        return Reason(
            Stage.CONNECTION,
            "no PeerAuthentication holds: mTLS and plain text are taken",
            "",
            holds=None,
            parts=younger,
        )
    taken = {STRICT: "mTLS alone is taken", DISABLE: "plain text alone is taken"}
    text = taken.get(mtls.mode, "mTLS and plain text are taken")
    return Reason(Stage.CONNECTION, text, mtls.where, holds=True, parts=younger)


def access_reason(gate: Gate, seen: Seen, place: str) -> Reason:
    """What the policies at a place decide.

    Args:
        gate: the policies.
        seen: what comes in.
        place: whose policies they are, for people.
    """
    told = tuple(_policy(one, seen) for one in gate.policies)
    try:
        admitted: bool | None = gate.admits(seen)
    except NotModelled as error:
        return Reason(Stage.ACCESS, f"{place}: not known: {error.why}", error.where, holds=None, parts=told)
    if gate.is_open:
        return Reason(Stage.ACCESS, f"{place}: no policy holds, so everybody is let in", "", holds=True, parts=told)
    denied = _first(gate.deny, seen)
    if denied is not None:
        return Reason(Stage.ACCESS, f"{place}: a DENY rule refuses it", denied.where, holds=False, parts=told)
    if admitted and gate.allow:
        rule = _first(gate.allow, seen)
        return Reason(
            Stage.ACCESS, f"{place}: an ALLOW rule lets it in", rule.where if rule else "", holds=True, parts=told
        )
    if not admitted:
        where = gate.allow[0].where if len(gate.allow) == 1 else ""
        return Reason(Stage.ACCESS, f"{place}: no ALLOW rule lets it in", where, holds=False, parts=told)
    return Reason(
        Stage.ACCESS, f"{place}: no DENY rule refuses it, and there is no ALLOW policy", "", holds=True, parts=told
    )


def condition_reasons(conditions: Iterable[Condition[T]], seen: T, stage: Stage) -> Iterator[Reason]:
    """Each condition with whether it holds."""
    for one in conditions:
        yield Reason(stage, one.text, one.field, known(one.holds, seen))


def tried_reasons(
    matches: Iterable[tuple[str, str, Sequence[Condition[Request]]]], request: Request
) -> Iterator[Reason]:
    """The rules that were tried, up to the one that takes a request, each with its matches.

    Args:
        matches: where the rule stands, where its match does, and what that asks for, in the order in which they count.
        request: that was tried.
    """
    for rule, found in groupby(matches, key=lambda one: one[0]):
        parts: list[Reason] = []
        for _, where, conditions in found:
            parts.append(_match(where, conditions, request))
            if parts[-1].holds is not False:
                break
        holds = parts[-1].holds
        text = {
            True: f"this rule takes it: {parts[-1].text}",
            False: "passed over",
            None: "not known whether it takes it",
        }[holds]
        why = ""
        if holds is False:
            why = (
                f": it asks that {_missed(parts[0])}"
                if len(parts) == 1
                else f": none of its {len(parts)} matches holds"
            )
        yield Reason(Stage.ROUTE, text + why, rule, holds, tuple(parts))
        if holds is not False:
            return


def traffic_reasons(
    traffic: Traffic, where: str, said: Callable[[str], str], inventory: Inventory, path: str
) -> tuple[Reason, ...]:
    """What is done to a request.

    Args:
        traffic: all of it.
        where: the rule.
        said: called with a word such as ``"timeout"``: the name of the field, empty if the rule does not have it.
        inventory: the names of destinations.
        path: of the request as it came.
    """

    def at(word: str) -> str:
        field = said(word)
        return f"{where}.{field}" if where and field else ""

    found: list[tuple[str, str]] = []
    if traffic.redirect is not None:
        text = f"the caller is sent to {traffic.redirect}, with status {traffic.redirect.status}"
        found.append((text, at("redirect")))
    for backend, share in sorted(traffic.backends, key=lambda one: (-one[1], str(one[0]))):
        found.append((f"{float(100 * share):g} % goes to {inventory.destination(backend)}", at("route")))
    if not traffic.redirect:
        limit = "no timeout" if traffic.timeout is None else f"timeout of {duration_text(traffic.timeout)}"
        found += [(limit, at("timeout")), (_retry_text(traffic), at("retries"))]
    if traffic.delay is not None:
        found.append((f"{float(traffic.delay[0]):g} % wait {duration_text(traffic.delay[1])}", at("delay")))
    if traffic.abort is not None:
        found.append((f"{float(traffic.abort[0]):g} % are answered with {traffic.abort[1]}", at("abort")))
    if traffic.mirror is not None:
        found.append(
            (f"{float(traffic.mirror[1]):g} % are copied to {inventory.destination(traffic.mirror[0])}", at("mirror"))
        )
    if traffic.edits:
        names = ", ".join(sorted({f"{one[1]} {one[2]} of the {one[0]}" for one in traffic.edits}))
        found.append((f"headers: {names}", at("headers")))
    if not traffic.redirect and (traffic.path != path or traffic.host):
        host = f" of the host {traffic.host}" if traffic.host else ""
        found.append((f"the service sees the path {traffic.path}{host}", at("rewrite")))
    if traffic.breaker is not None:
        found += [(text, "") for text in _breaker_text(traffic.breaker)]
    return tuple(Reason(Stage.TRAFFIC, text, place, None) for text, place in found)


def stage_of(error: NotModelled) -> Stage:
    """The part of the way that what is not known belongs to, by the kind of its object."""
    kinds = {"AuthorizationPolicy": Stage.ACCESS, "RequestAuthentication": Stage.ACCESS}
    return {**kinds, "PeerAuthentication": Stage.CONNECTION}.get(error.where.partition(" ")[0], Stage.ROUTE)


def asked(conditions: Iterable[Condition[Request]]) -> str:
    """What a match takes, in words."""
    return ", ".join(one.text for one in conditions) or "every request"


def known(holds: Callable[[T], bool], seen: T) -> bool | None:
    """Whether something holds; None if that is not known."""
    try:
        return holds(seen)
    except NotModelled:
        return None


# --------------------------------------------------------------------------------------------------------------- parts


def _reasons(inventory: Inventory, course: Course, answer: Answer) -> Iterator[Reason]:
    request = course.sent
    for one in course.met[:1]:
        yield connection_reason(request, one.door, inventory.caller(request.caller), secured=one.secured)
    yield _route(course, answer)
    if course.traffic is not None and course.entry is not None:
        where = course.entry.where.partition(".match[")[0]
        rule = course.entry.rule
        parts = traffic_reasons(course.traffic, where, partial(_field, rule), inventory, request.path)
        yield Reason(
            Stage.TRAFFIC, "the caller's sidecar does this", where, holds=None, parts=(*parts, *_destinations(course))
        )
    judged = (
        access_reason(one.door.gate, one.seen, f"pods of {one.door.namespace} on port {one.door.port}")
        for one in course.met
        if not one.door.kept_out and (one.secured or one.door.mtls.mode != STRICT)
    )
    yield from dict.fromkeys(judged)  # the pods of several versions are mostly judged alike


def _destinations(course: Course) -> Iterator[Reason]:
    """The DestinationRule of each destination, and those that it hides."""
    for rule, hidden in dict.fromkeys((one.target.rule, one.target.hidden) for one in course.met):
        over = tuple(
            Reason(
                Stage.TRAFFIC,
                "passed over: the caller's namespace, the service's, the root: the first decides",
                one,
                holds=False,
            )
            for one in hidden
        )
        if rule:
            yield Reason(Stage.TRAFFIC, "subsets, limits and ejection are read here", rule, holds=True, parts=over)


def _as_far_as_known(reading: IstioReading, request: Request) -> Iterator[Reason]:
    try:
        way = reading.way(request)
    except NotModelled:
        return
    if way.table is not None and request.is_http:
        yield Reason(
            Stage.ROUTE,
            "the rules, in their order",
            way.table.where,
            holds=None,
            parts=tuple(_tried(way.table, request)),
        )


def _route(course: Course, answer: Answer) -> Reason:
    table, request = course.way.table, course.sent
    if table is None or not request.is_http:
        who = "it comes from outside the mesh" if request.caller.is_plain else "it calls a pod by its address"
        bytes_ = "these are no requests" if request.by_name and not request.caller.is_plain else who
        return Reason(Stage.ROUTE, f"{bytes_}, so no route of the caller's side takes part", "", None)
    over = tuple(Reason(Stage.ROUTE, f"passed over: {why}", where, holds=False) for where, why in table.passed_over)
    tried = tuple(_tried(table, request))
    if answer.verdict is Verdict.NO_ROUTE:
        return Reason(
            Stage.ROUTE,
            "no rule takes it: the caller's sidecar answers 404",
            table.where,
            holds=False,
            parts=(*over, *tried),
        )
    if course.entry is None or not course.entry.where:
        text = f"no VirtualService is for {request.service} and {request.caller.namespace}: it goes to the service"
        return Reason(Stage.ROUTE, text, "", holds=None, parts=over)
    text = f"this rule takes it: {asked(course.entry.conditions)}"
    return Reason(Stage.ROUTE, text, course.entry.where, holds=True, parts=(*over, *tried))


def _tried(table: Table, request: Request) -> Iterator[Reason]:
    for where, why in table.skipped:
        yield Reason(Stage.ROUTE, f"passed over: {why}", where, holds=False)
    yield from tried_reasons(
        ((one.where.partition(".match[")[0], one.where, one.conditions) for one in table.entries), request
    )


def _match(where: str, conditions: Sequence[Condition[Request]], request: Request) -> Reason:
    parts = tuple(condition_reasons(conditions, request, Stage.ROUTE))
    holds = known(lambda one: all_hold(conditions, one), request)
    return Reason(Stage.ROUTE, asked(conditions), where, holds, parts)


def _missed(match: Reason) -> str:
    return next((one.text for one in match.parts if one.holds is False), match.text)


def _policy(policy: Policy, seen: Seen) -> Reason:
    if policy.ignored:
        return Reason(Stage.ACCESS, f"passed over: {policy.ignored}", policy.where, None)
    rules = tuple(_rule(one, seen) for one in policy.rules)
    holds = known(policy.holds, seen)
    if not rules:
        nobody = "it has no rules, so it lets nobody in" if policy.action == "ALLOW" else "it has no rules"
        return Reason(Stage.ACCESS, f"{policy.action}: {nobody}", policy.where, holds=False)
    told = {True: "matches", False: "does not match", None: "is not known to match"}[holds]
    return Reason(Stage.ACCESS, f"{policy.action} {told}", policy.where, holds, rules)


def _rule(rule: Rule, seen: Seen) -> Reason:
    if rule.absent:
        return Reason(Stage.ACCESS, f"passed over: {rule.note}", rule.where, holds=False)
    holds = known(rule.holds, seen)
    parts = [Reason(Stage.ACCESS, rule.note, rule.where, None)] if rule.note else []
    for group in rule.parts:
        below = tuple(
            reason for clause in group.clauses for reason in condition_reasons(clause.conditions, seen, Stage.ACCESS)
        )
        nothing = "" if group.clauses else ": nothing is left of it, so it never matches"
        parts.append(Reason(Stage.ACCESS, f"{group.field}{nothing}", "", known(group.holds, seen), below))
    told = {True: "matches", False: "does not match", None: "is not known to match"}[holds]
    return Reason(Stage.ACCESS, f"the rule {told}", rule.where, holds, tuple(parts))


def _first(policies: Sequence[Policy], seen: Seen) -> Rule | None:
    for policy in policies:
        for rule in policy.rules:
            if known(rule.holds, seen):
                return rule
    return None


def _field(rule: object, word: str) -> str:
    """Where a word of an answer stands in an ``http`` rule."""
    fields = {"delay": "fault", "abort": "fault", "mirror": "mirrors"}
    name = fields.get(word, word)
    return name if isinstance(rule, dict) and name in rule else ""


def _retry_text(traffic: Traffic) -> str:
    retry = traffic.retry
    if retry is None:
        return "nothing is tried again"
    if retry == MESH:
        return "retries are left to the mesh: its own default holds"
    assert isinstance(retry, Retries)
    bound = "" if retry.per_try is None else f", each try within {duration_text(retry.per_try)}"
    return f"up to {retry.attempts} retries on {retry.ways}{bound}"


def _breaker_text(breaker: Breaker) -> Iterator[str]:
    """The limits of the caller's proxy, and when it leaves a pod out."""
    limits = {
        "connections": breaker.connections,
        "waiting requests": breaker.pending,
        "requests at a time": breaker.requests,
        "requests on a connection": breaker.requests_per_connection,
    }
    given = [f"{limit} {what}" for what, limit in limits.items() if limit is not None]
    if given:
        yield f"not more than {', '.join(given)}"
    counts = {"answers of 5xx": breaker.consecutive_5xx, "of 502, 503, 504": breaker.consecutive_gateway_errors}
    given = [f"{count} {what}" for what, count in counts.items() if count is not None]
    if given:
        out = "" if breaker.base_ejection_time is None else f" for {duration_text(breaker.base_ejection_time)}"
        yield f"a pod is left out{out} after {' or '.join(given)} in a row"
