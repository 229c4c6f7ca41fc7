"""One request and all that can be said of it: the answer, where it goes, how often it is tried, and why."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from meshdsl.compiler import Bundle
from meshdsl.plan.intent import Plan
from meshdsl.proxies import GRANTED, Proxied, Proxies
from meshdsl.simulate.attempts import Try, time_line, tries
from meshdsl.simulate.callers import caller_name
from meshdsl.simulate.inventory import Inventory, KubeService
from meshdsl.simulate.kept import kept
from meshdsl.simulate.observed import observed
from meshdsl.simulate.plan import PlanReading
from meshdsl.simulate.readings import reading_of
from meshdsl.simulate.words import (
    CLOSED,
    NOBODY,
    OUTSIDE,
    Answer,
    Backend,
    Caller,
    Reading,
    Reason,
    Request,
    Stage,
    Traffic,
    Verdict,
)
from meshdsl.values import duration_text

_NOT_NORMAL = re.compile(
    r"//|/\.{1,2}(/|$)|\\|%(2f|5c|2d|2e|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])", re.IGNORECASE
)
"""What proxies do not compare alike: empty and dot segments, and encoded slashes, letters, digits, ``-._~``
(docs/semantics.md §2.1)."""


@dataclass(frozen=True, slots=True, repr=False)
class Trace:
    """What happens to a request.

    Attributes:
        request: that was asked about.
        read: what was read: ``"policies"``, or the mesh and what its objects came from.
        answer: with its reasons.
        inventory: the Services that the destinations are of.
    """

    request: Request
    read: str
    answer: Answer
    inventory: Inventory

    @property
    def allowed(self) -> bool:
        """Whether the request reaches the service as far as access goes. False where that is unknown."""
        return self.answer.allowed

    @property
    def verdict(self) -> Verdict:
        """Allowed, denied, without a route, or unknown.

        Where the rules of access are routes (Linkerd), a request that none of them takes is denied, with 404.
        """
        return Verdict.DENIED if self._is_refused_by_routes else self.answer.verdict

    @property
    def _is_refused_by_routes(self) -> bool:
        """Whether it is the callee's side that has no route for it: the caller's has one, or is none."""
        has_side = self.request.by_name and not self.request.caller.is_plain
        return self.answer.verdict is Verdict.NO_ROUTE and (self.traffic is not None or not has_side)

    @property
    def traffic(self) -> Traffic | None:
        """What the caller's side does with it: retries, faults, edits; None where nothing does."""
        return self.answer.traffic

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """How the answer came to be."""
        return self.answer.reasons

    @property
    def versions(self) -> dict[str, int | float]:
        """Version to the percentage of the requests that it gets; empty where versions play no part."""
        found = self._shares()
        return {version: percent for (_, version), percent in found.items() if version}

    @property
    def services(self) -> dict[str, int | float]:
        """Service to the percentage of the requests that it gets."""
        total: dict[str, int | float] = {}
        for (service, _), percent in self._shares().items():
            total[service] = total.get(service, 0) + percent
        return total

    @property
    def tries(self) -> int | None:
        """How often the request is tried at most; None where retries are left to the mesh, 0 if it is never sent."""
        if not self.allowed or self.status is not None:
            return 0
        return 1 if self.traffic is None else tries(self.traffic)

    @property
    def deadline(self) -> int | None:
        """Milliseconds until the caller has an answer, all tries together; None for no bound.

        What a Fault delays comes before all tries, and no timeout counts it: it is added.
        """
        traffic = self.traffic
        return None if traffic is None or traffic.timeout is None else traffic.timeout + self._delay[1]

    @property
    def time_line(self) -> tuple[Try, ...]:
        """Every try that could be made, and when; only the first where retries are left to the mesh."""
        if not self.allowed or self.status is not None or self.traffic is None:
            return ()
        least, most = self._delay
        return tuple(
            replace(
                one,
                earliest=one.earliest + least,
                latest=None if one.latest is None else one.latest + most,
                ends=None if one.ends is None else one.ends + most,
            )
            for one in time_line(self.traffic)
        )

    @property
    def _delay(self) -> tuple[int, int]:
        """How long a Fault makes a request wait, at least and at most."""
        if self.traffic is None or self.traffic.delay is None:
            return 0, 0
        percent, milliseconds = self.traffic.delay
        return milliseconds if percent == 100 else 0, milliseconds

    @property
    def status(self) -> int | None:
        """The status with which the mesh itself always answers; None where the service answers or nothing is said.

        To a caller who is denied: as the mesh that was read does. What policies mean leaves it to the mesh.
        """
        if self.answer.verdict is Verdict.NO_ROUTE:
            return 404
        if self.answer.verdict is Verdict.DENIED:
            return self.answer.refusal or None
        traffic = self.traffic
        if not self.allowed or traffic is None:
            return None
        if traffic.redirect is not None:
            return traffic.redirect.status
        if traffic.abort is not None and traffic.abort[0] == 100:
            return traffic.abort[1]
        return None

    @property
    def closed(self) -> bool | None:
        """Whether a caller who is denied finds the connection closed; None where the mesh may answer all the same."""
        if self.answer.verdict is not Verdict.DENIED:
            return False
        return None if self.answer.refusal is None else self.answer.refusal == CLOSED

    def __repr__(self) -> str:
        return f"<{sentence(self)}>"

    def _shares(self) -> dict[tuple[str, str], int | float]:
        traffic = self.answer.traffic if self.allowed else None
        if traffic is None or not traffic.backends:
            return {}
        found = {self.name_of(backend): number(100 * share) for backend, share in traffic.backends}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def name_of(self, backend: Backend) -> tuple[str, str]:
        """Service and version of a destination; the version is empty where it is none, or all of them."""
        if not backend.namespace:
            return f"an answer {backend.port} of the proxy", ""
        try:
            return self.inventory.version_of(backend)
        except KeyError:
            labels = ",".join(f"{name}={value}" for name, value in sorted(backend.labels))
            return f"{backend.namespace}/pods with {labels or 'no labels'}", ""


def subject(trace: Trace) -> str:
    """What a request is, in one line: ``GET /items from prod/web to prod/api:8080``."""
    request = trace.request
    query = "&".join(f"{name}={_short(value)}" for name, value in sorted(request.query.items()))
    what = f"{request.method} {request.path}{f'?{query}' if query else ''}" if request.is_http else "a connection"
    headers = ", ".join(f"{name}: {_short(value)}" for name, value in sorted(request.headers.items()))
    by = "" if request.by_name else " by a pod's address"
    sent = f"{what}{f' with {headers}' if headers else ''}"
    return f"{sent} from {_caller(trace)} to {request.service}:{request.port}{by}"


def _caller(trace: Trace) -> str:
    """Who sends, as reasons call it; the service that was asked for, whatever else runs as its account."""
    who, asked_for = trace.request.caller, trace.request.asked_for
    if not asked_for:
        return trace.inventory.caller(who)
    return f"{asked_for}, which is kept out of the mesh," if who.is_plain else caller_name(who, [asked_for])


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}… ({len(value)} characters)"


_LONGEST = 60


def sentence(trace: Trace) -> str:
    """The request and what becomes of it, in one line."""
    return f"{subject(trace)}: {outcome(trace)}"


def outcome(trace: Trace) -> str:
    """What becomes of the request, in a few words: ``allowed, v1 90 %, v2 10 %, at most 4 tries, 5s at most``."""
    parts = [str(trace.verdict)]
    traffic = trace.answer.traffic
    if trace.closed:
        parts.append("the connection is closed")
    elif trace.status is not None:
        to = f" to {traffic.redirect}" if trace.allowed and traffic is not None and traffic.redirect is not None else ""
        parts.append(f"the mesh answers {trace.status}{to}")
    elif trace.allowed and traffic is not None:
        goes = trace.versions or {
            name: share for name, share in trace.services.items() if name != trace.request.service
        }
        parts += [f"{name} {percent} %" for name, percent in goes.items()]
        if traffic.delay is not None:
            parts.append(f"{number(traffic.delay[0])} % wait {duration_text(traffic.delay[1])} first")
        if traffic.abort is not None:
            parts.append(f"{number(traffic.abort[0])} % are answered {traffic.abort[1]}")
        parts.append(_tried(trace.tries))
        parts += [f"{duration_text(trace.deadline)} at most"] if trace.deadline is not None else []
    return ", ".join(parts)


def _tried(count: int | None) -> str:
    if count is None:
        return "retries left to the mesh"
    return "tried once" if count == 1 else f"at most {count} tries"


def number(value: Fraction) -> int | float:
    """A percentage as people write it: 25, 0.1, 33.3333."""
    return int(value) if value.denominator == 1 else round(float(value), 4)


def trace(bundle: Bundle, request: Request) -> Trace:
    """What the policies mean for a request (``docs/semantics.md``).

    Args:
        bundle: what the policies became; only its plan is read.
        request: to a service and port that the plan has; :func:`meshdsl.simulate.ask.question` makes one.
    """
    return trace_plan(bundle.plan, request)


def trace_plan(
    plan: Plan, request: Request, reading: PlanReading | None = None, *, read: str = "the policies"
) -> Trace:
    """As :func:`trace`, of a plan that need not compile for any mesh.

    Args:
        plan: that is asked.
        request: to a service and port that it has.
        reading: of that plan, to ask it often.
        read: what to call it.
    """
    reading = reading or kept(plan, PlanReading)
    return Trace(request, read, of_policies(reading, request), reading.inventory)


def of_policies(reading: PlanReading, request: Request) -> Answer:
    """The answer of a plan; unknown for a path that each mesh normalises in its own way."""
    if _NOT_NORMAL.search(request.path):
        why = f"the path {request.path} is normalised by each mesh in its own way: ask with a target"
        return Answer(Verdict.UNKNOWN, unknown=(why,))
    return reading.answer(request, explain=True)


def trace_objects(
    bundle: Bundle,
    request: Request,
    objects: Sequence[Mapping[str, Any]] | None = None,
    *,
    read: str = "",
    unknown: tuple[str, ...] = (),
    complete: Collection[str] = (),
) -> Trace:
    """What the mesh of a bundle does with a request, read from objects alone.

    Args:
        bundle: for its target, and for the Services that the policies declare.
        request: to a service and port of theirs.
        objects: any objects of that mesh, such as a cluster's; None for the bundle's own manifests, which are read
            once however often they are asked about.
        read: what to call them; the target's title if empty.
        unknown: why some of the objects could not be read: then nothing is promised, and nothing read from the others.
        complete: namespaces of which every Service is among the objects, ``""`` for all.
    """
    there = kept(bundle, _manifests_of) if objects is None else _There(bundle, objects, complete)
    answer = Answer(Verdict.UNKNOWN, unknown=unknown) if unknown else there.answer(request)
    return Trace(request, read or f"{bundle.target.title} {bundle.target.version}", answer, there.inventory)


class _There:
    """Objects, indexed, and the Services and proxies that are there."""

    def __init__(self, bundle: Bundle, objects: Sequence[Mapping[str, Any]] | None, complete: Collection[str]) -> None:
        declared = Inventory.of_plan(bundle.plan)
        given = [one.body for one in bundle.manifests] if objects is None else objects
        self.inventory = declared if objects is None else observed(declared, objects, complete)
        self._target, self._given = bundle.target, given
        self._proxies = Proxies(given, bundle.target.name)

    @cached_property
    def _reading(self) -> Reading:
        return reading_of(self._target, self._given, self.inventory)

    def answer(self, request: Request) -> Answer:
        """What becomes of a request."""
        service = self.inventory.services.get(request.service)
        if service is None:
            return Answer(Verdict.UNKNOWN, unknown=(f"Service {request.service} is not there: nobody can call it",))
        if service.port(request.port) is None:
            ports = ", ".join(str(port.number) for port in service.ports) or "none"
            why = f"Service {request.service} of the cluster has no port {request.port}; it has {ports}"
            return Answer(Verdict.UNKNOWN, unknown=(why,))
        who = request.caller
        sender = GRANTED
        if not who.is_plain and not who.trust_domain:
            sender = self._proxies.of_account(who.namespace, who.account)
        if sender.has is None:
            return Answer(Verdict.UNKNOWN, unknown=(f"whether {who} has a proxy: {sender.where}: {sender.why}",))
        if not sender.has:
            request = replace(request, caller=OUTSIDE)
        answer = self._reading.answer(request, explain=True)
        return replace(answer, reasons=(*self._said_first(who, sender, service), *answer.reasons))

    def _said_first(self, who: Caller, sender: Proxied, service: KubeService) -> Iterator[Reason]:
        """What is to be said of proxies: that the caller has none, and for whose pods one is taken for granted."""
        if not sender.has:
            text = f"{who} has no proxy, so it has no identity and calls as anybody outside the mesh"
            yield Reason(Stage.CONNECTION, text, sender.where, None)
        spaces = (service.namespace, *(() if who in (NOBODY, OUTSIDE) or who.trust_domain else (who.namespace,)))
        granted = [one for one in dict.fromkeys(spaces) if self._proxies.is_granted(one)]
        if granted:
            text = (
                f"that pods of {' and '.join(granted)} have a proxy is taken for granted: nothing that was read says it"
            )
            yield Reason(Stage.CONNECTION, text, "", None)


def _manifests_of(bundle: Bundle) -> _There:
    return _There(bundle, None, ())
