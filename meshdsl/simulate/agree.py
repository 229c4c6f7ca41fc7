"""Whether the manifests of a target mean what the plan means, for every request that can tell them apart.

Two readings that know nothing of each other answer the same requests: ``plan`` reads the plan, and the reading of the
mesh reads the manifests alone. Where they differ beyond what the notes of ``SUPPORT`` say (``allowances``), something
is lost, weakened or widened, or one of the readings is wrong; whichever it is, it is shown with the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from meshdsl.compiler import Bundle
from meshdsl.plan.intent import Plan, Port, Protocol, Service
from meshdsl.plan.rights import Access
from meshdsl.simulate.allowances import arriving, expected, verdicts
from meshdsl.simulate.inventory import Inventory
from meshdsl.simulate.plan import PlanReading
from meshdsl.simulate.readings import reading_of
from meshdsl.simulate.requests import MOST, requests_of
from meshdsl.simulate.words import MESH, Answer, NotModelled, Reading, Request, Traffic, Verdict, without_pods
from meshdsl.targets.base import Target

UNDECLARED: Final = "meshdsl-undeclared"
"""The name of a service that nobody declares."""
SHOWN: Final = 5
"""Disagreements that are written out."""
_PARTS: Final = tuple(one.name for one in fields(Traffic))


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A request that the manifests treat otherwise than the policies mean.

    Attributes:
        request: that was asked.
        meant: by the policies.
        found: in the manifests.
        differs: what differs, a sentence each.
    """

    request: Request
    meant: Answer
    found: Answer
    differs: tuple[str, ...]

    def __str__(self) -> str:
        return "\n  ".join((request_words(self.request), *self.differs))


@dataclass(frozen=True, slots=True)
class Agreement:
    """What came of asking both readings.

    Attributes:
        target: the mesh, with its version.
        services: how many were asked about.
        requests: how many were asked.
        disagreements: in the order of the requests.
        partial: for which ports not every combination was asked, and why; empty if all were.
    """

    target: str
    services: int
    requests: int
    disagreements: tuple[Disagreement, ...] = ()
    partial: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether both readings always agree."""
        return not self.disagreements

    def __str__(self) -> str:
        count = len(self.disagreements)
        lines = [
            f"{self.target}: {self.requests} requests to {self.services} services, "
            + ("no disagreement" if not count else f"{count} disagreement{'s' if count > 1 else ''}")
        ]
        lines += [str(one) for one in self.disagreements[:SHOWN]]
        if count > SHOWN:
            lines.append(f"and {count - SHOWN} more")
        return "\n".join([*lines, *self.partial])


def agree(
    bundle: Bundle,
    *,
    objects: Sequence[Mapping[str, Any]] | None = None,
    services: Iterable[str] | None = None,
    most: int = MOST,
) -> Agreement:
    """Ask the plan and the manifests the same requests.

    Args:
        bundle: what policies became on one target.
        objects: of that mesh, instead of the bundle's own manifests; the first are the oldest.
        services: only these, ``"namespace/name"``; every service if not given.
        most: combinations of the conditions of one port that are all asked; beyond it, pairs around each rule.

    Returns:
        The counts, and every request on which they differ beyond what the target's notes allow.
    """
    whole = bundle.plan if services is not None else with_undeclared(bundle.plan)
    plan = PlanReading(whole)
    readings = readings_of(bundle, plan.inventory, objects)
    found: list[Disagreement] = []
    partial: list[str] = []
    asked: set[str] = set()
    count = 0
    for derived in requests_of(whole, services=services, most=most):
        count += len(derived.requests)
        partial += [derived.partial] if derived.partial else []
        for request in derived.requests:
            asked.add(request.service)
            meant = plan.answer(arriving(request, bundle.target.name))
            found += disagreements(request, meant, readings, bundle.target, plan.service(request.service).intent)
    declared = len(asked & {str(one) for one in bundle.plan.services})
    return Agreement(f"{bundle.target.title} {bundle.target.version}", declared, count, tuple(found), tuple(partial))


def with_undeclared(plan: Plan) -> Plan:
    """The plan with one service more in each namespace, which stands for whatever else runs there (§4.7, §5)."""
    ports = (Port(80, "http", Protocol.HTTP, 8080), Port(5432, "tcp", Protocol.TCP, 5432))
    others = (
        Service(
            one.name,
            UNDECLARED,
            UNDECLARED,
            (("app", UNDECLARED),),
            ports,
            access=Access(closed=one.default_deny),
            effective_mtls=one.effective_mtls,
            source=one.source,
        )
        for one in plan.namespaces
    )
    return replace(plan, services=(*plan.services, *others))


def readings_of(
    bundle: Bundle, inventory: Inventory, objects: Sequence[Mapping[str, Any]] | None = None
) -> tuple[Reading, ...]:
    """The readings of the objects: on Linkerd two, since nobody knows which of them will be the older."""
    bodies = [one.body for one in bundle.manifests] if objects is None else objects
    orders = (bodies, bodies[::-1]) if bundle.target.name == "linkerd" else (bodies,)
    return tuple(reading_of(bundle.target, one, inventory) for one in orders)


def disagreements(
    request: Request, meant: Answer, readings: Iterable[Reading], target: Target, service: Service
) -> Iterator[Disagreement]:
    """Where readings of the manifests differ from what is meant; at most one for each reading."""
    for reading in readings:
        found = answered(reading, request)
        differs = tuple(differences(request, meant, found, target, service))
        if differs:
            yield Disagreement(request, meant, found, differs)
            return  # the other order of age would say it again


def answered(reading: Reading, request: Request) -> Answer:
    """The answer of a reading; unknown if it says that it does not know."""
    try:
        return reading.answer(request)
    except NotModelled as error:
        return Answer(Verdict.UNKNOWN, unknown=(str(error),))


def differences(request: Request, meant: Answer, found: Answer, target: Target, service: Service) -> Iterator[str]:
    """How two answers differ beyond what the target's notes say, a sentence each."""
    if found.verdict is Verdict.UNKNOWN or meant.verdict is Verdict.UNKNOWN:
        if found.verdict is not meant.verdict:
            yield f"unknown: {'; '.join(found.unknown or meant.unknown) or 'nobody says why'}"
        return
    # Whoever is answered by the caller's side never meets the callee: neither its rules nor its mTLS (§3 Redirect).
    sent_away = _is_sent_away(meant) and _is_sent_away(found)
    if not sent_away and found.verdict not in verdicts(request, service, meant, target):
        kind = "widened" if found.verdict is Verdict.ALLOWED else "narrowed" if meant.allowed else "refused otherwise"
        probe = ", and it is a declared probe" if meant.probe else ""
        yield f"{kind}: {meant.verdict} is meant{probe}, {found.verdict} found"
    # Which pods a workload's own template makes is told by no object that we write.
    by_workload = service.proxy is not None and service.proxy.enrolled is not None
    told = not (sent_away or by_workload) and None not in (meant.mtls, found.mtls)
    if told and found.mtls is not meant.mtls:
        yield f"mtls: {meant.mtls} is meant, {found.mtls} found"
    yield from _of_traffic(meant, found, target, at_pods=not by_workload)


def _is_sent_away(answer: Answer) -> bool:
    return answer.traffic is not None and answer.traffic.redirect is not None


def _of_traffic(meant: Answer, found: Answer, target: Target, *, at_pods: bool) -> Iterator[str]:
    """What the caller's side does otherwise. A request that is refused need not be said anything more of.

    ``at_pods`` says whether it is known if the pods have sidecars, which hold limits as well.
    """
    if meant.traffic is None or found.traffic is None:
        if meant.traffic is not None and found.allowed:
            yield "no policy about requests holds"
        elif found.traffic is not None and meant.allowed:
            yield "a policy about requests holds, and none is meant"
        return
    if meant.traffic == found.traffic:
        return
    one, other = expected(meant.traffic, target.name), found.traffic
    if not at_pods:
        one, other = (replace(traffic, breaker=without_pods(traffic.breaker)) for traffic in (one, other))
    for name in _PARTS:
        ours, theirs = getattr(one, name), getattr(other, name)
        if ours != theirs and not (name == "retry" and ours == MESH):  # §3 Retry 7: whatever the mesh does
            yield f"{name}: {ours} is meant, {theirs} found"


def request_words(request: Request) -> str:
    """A request in one line: who, what, to whom."""
    what = " ".join(filter(None, (request.method, request.path))) or "a connection"
    query = "&".join(f"{name}={value}" for name, value in request.query.items())
    headers = ", ".join(f"{name}: {value}" for name, value in request.headers.items())
    text = f"{request.caller} to {request.service}:{request.port}: {what}{f'?{query}' if query else ''}"
    return text + (f" with {headers}" if headers else "") + ("" if request.by_name else ", by a pod's address")
