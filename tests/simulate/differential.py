"""Policies that somebody could write, and the readings that must agree on them, until enough pairs were asked.

A pair is one policy set on one profile and one request. Policy sets come from ``tests/strategies.py`` with a seed, so a run can be
repeated; their requests are derived (``meshdsl.simulate.requests``), at most :data:`BATCH` of each set, evenly chosen
where there are more, so that there are many sets and not a few large ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

import meshdsl
from meshdsl.compiler import Bundle
from meshdsl.plan.intent import Plan
from meshdsl.simulate.agree import disagreements, readings_of, request_words, with_undeclared
from meshdsl.simulate.allowances import arriving
from meshdsl.simulate.plan import PlanReading
from meshdsl.simulate.requests import requests_of
from meshdsl.simulate.words import Request
from meshdsl.targets.base import Target
from tests.simulate.third import Third
from tests.strategies import policy_sets

ACCEPT = (
    "MESH402", "MESH404", "MESH512", "MESH513", "MESH514", "MESH515", "MESH516", "MESH517", "MESH520", "MESH521",
    "MESH538", "MESH550", "MESH552", "MESH557",
)  # fmt: skip
PROFILES: Mapping[str, tuple[Target, ...]] = {
    "istio": (meshdsl.Istio(), meshdsl.Istio(version="1.28", accept=ACCEPT, trust_domain="example.org")),
    "ambient": (
        meshdsl.Ambient(gateway_api_channel="experimental", default_retries="off", accept=ACCEPT),
        meshdsl.Ambient(waypoint="shared", default_retries="off", accept=ACCEPT, trust_domain="example.org"),
    ),
    "linkerd": (
        meshdsl.Linkerd(accept=ACCEPT),
        meshdsl.Linkerd(version="2.18", accept=ACCEPT, identity_trust_domain="example.org"),
        meshdsl.Linkerd(split_api="smi", accept=ACCEPT),
    ),
}
"""Each policy set is compiled for each profile of a mesh."""
MESHES = tuple(PROFILES)
BATCH = 400
"""Requests of one policy set."""
MOST = 1500
"""Combinations of one port that are all derived."""
_AT_ONCE = 100
"""Policy sets of one run of hypothesis; a failing one is made smaller before it is shown."""


@dataclass
class Tally:
    """What was asked: policy sets on a profile, those that were refused there, pairs, and sets not asked whole."""

    sets: int = 0
    refused: int = 0
    pairs: int = 0
    partial: int = 0


def chosen(requests: list[Request], most: int) -> list[Request]:
    """At most so many requests, evenly."""
    step = max(1, -(-len(requests) // most))
    return requests[::step]


def meshes_agree(bundle: Bundle, tally: Tally) -> None:
    """Ask the plan and the manifests."""
    whole = with_undeclared(bundle.plan)
    plan = PlanReading(whole)
    readings = readings_of(bundle, plan.inventory)
    for request in _requests(whole, tally):
        service = plan.service(request.service).intent
        meant = plan.answer(arriving(request, bundle.target.name))
        for found in disagreements(request, meant, readings, bundle.target, service):
            raise AssertionError(f"{bundle.target.title} {bundle.target.version}: {found}")


def third_agrees(bundle: Bundle, policies: meshdsl.PolicySet, tally: Tally) -> None:
    """Ask the plan and the policies themselves."""
    plan, third = PlanReading(bundle.plan), Third(policies, bundle.target.name)
    for request in _requests(bundle.plan, tally):
        ours, theirs = plan.answer(request), third.answer(request)
        assert (ours, ours.probe) == (theirs, theirs.probe), f"{request_words(request)}\n  {ours}\n  {theirs}"


def _requests(plan: Plan, tally: Tally) -> list[Request]:
    derived = list(requests_of(plan, most=MOST))
    found = chosen([one for port in derived for one in port.requests], BATCH)
    tally.pairs += len(found)
    tally.partial += any(one.partial for one in derived)
    return found


def until(goal: int, mesh: str, check: Callable[[Bundle, meshdsl.PolicySet, Tally], None], seed: int = 0) -> Tally:
    """Ask until so many pairs were asked.

    Raises:
        AssertionError: two readings disagree; with the smallest policies that show it.
    """
    tally = Tally()

    @settings(
        max_examples=_AT_ONCE,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(policy_sets())
    def ask(policies: meshdsl.PolicySet) -> None:
        for target in PROFILES[mesh]:
            tally.sets += 1
            try:
                bundle = meshdsl.build(policies, target)
            except meshdsl.CompileError:
                tally.refused += 1
                continue
            check(bundle, policies, tally)

    for round_ in count(seed):
        hypothesis.seed(round_)(ask)()
        if tally.pairs >= goal:
            return tally
    raise AssertionError  # unreachable: rounds never end
