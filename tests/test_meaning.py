"""The emitted objects mean what the policies mean.

Two independent readings answer the same requests: ``tests/reading/policies.py`` reads the policies as
``docs/semantics.md`` says, and ``meshdsl.simulate`` reads the emitted objects alone, as each mesh would. Where a
mesh is exact they must agree; where an approximation is accepted they may differ as its note says, and no further
(``allowances``).

``MESHDSL_MEANING=20000 pytest tests/test_meaning.py`` tries that many policy sets instead of a few hundred.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, note, settings

import meshdsl
from meshdsl.simulate.readings import reading_of
from meshdsl.targets.base import Target
from tests.reading import policies as meaning
from tests.reading.questions import callers, questions
from tests.reading.simulated import Simulated, inventory
from tests.reading.situations import API, PROD, REFUSED, SITUATIONS, WEB
from tests.reading.words import HTTP, MESH, Answer, Caller, Cluster, Request, Retries, Traffic
from tests.strategies import policy_sets, targets

EXAMPLES = int(os.environ.get("MESHDSL_MEANING", "250"))
MOST = 120
"""Requests with a method to each port of each service."""


class Agreement:
    """Both readings of one policy set on one target."""

    def __init__(self, policies: meshdsl.PolicySet, target: Target) -> None:
        self.target = target
        self.policies = policies
        self.meaning = meaning.Reading(policies, target.name)
        self.objects = [one.body for one in meshdsl.build(policies, target).manifests]
        self.readings = [self._reading(order) for order in self._orders()]

    def _orders(self) -> list[list[Any]]:
        """On Linkerd the older route wins: whichever it is, the answer must be the same."""
        return [self.objects, self.objects[::-1]] if self.target.name == "linkerd" else [self.objects]

    def _reading(self, objects: Sequence[Any]) -> Simulated:
        return Simulated(reading_of(self.target, objects, inventory(self.policies, self.target)))

    def disagreements(self, most: int = MOST) -> Iterator[str]:
        """What the two sides answer differently."""
        for request in questions(self.policies, most):
            meant = self.meaning.answer(_arriving(request, self.target))
            for reading in self.readings:
                found = reading.answer(request)
                for what in differences(meant, found, self.target, request):
                    yield f"{what}\n  {request}\n  meant: {meant}\n  found: {found}"


def _arriving(request: Request, target: Target) -> Request:
    """What calls a pod's address in Istio comes as if from outside: the sidecar passes it on in plain text."""
    return replace(request, caller=Caller()) if target.name == "istio" and not request.by_name else request


def differences(meant: Answer, found: Answer, target: Target, request: Request) -> Iterator[str]:
    """How two answers differ beyond what the target's notes say."""
    sent_away = found.traffic is not None and found.traffic.redirect is not None
    if meant.allowed != found.allowed and not sent_away and not _tolerated(meant, found, target, request):
        yield (
            "widened: let in, and refused by the policies"
            if found.allowed
            else "narrowed: refused, and let in by the policies"
        )
    if not (meant.allowed and found.allowed) or meant.traffic is None:
        return
    if found.traffic is None:
        yield "no traffic policy holds"
        return
    one, other = allowances(meant.traffic, target), allowances(found.traffic, target)
    if one.retry == MESH:
        other = replace(other, retry=MESH)
    for name in Traffic.__dataclass_fields__:
        if getattr(one, name) != getattr(other, name):
            yield f"{name}: {getattr(one, name)} is meant, {getattr(other, name)} found"


def _tolerated(meant: Answer, found: Answer, target: Target, request: Request) -> bool:
    """What the notes say of access."""
    if meant.note == meaning.PROBE and found.allowed:
        return target.name == "linkerd"  # declared probes are open to everyone
    # A waypoint judges requests by name. Beside it, by a pod's address, ztunnel lets in whom it can judge: nobody more.
    return target.name == "ambient" and meant.allowed and not (request.by_name and not request.caller.plain)


def allowances(traffic: Traffic, target: Target) -> Traffic:
    """What is left to compare where a mesh is approximate."""
    retry = traffic.retry
    if target.name != "istio" and isinstance(retry, Retries):
        retry = replace(retry, conditions=frozenset(), statuses=_statuses(retry))
    redirect, breaker = traffic.redirect, traffic.breaker
    if target.name == "linkerd" and breaker is not None:
        breaker = replace(breaker, interval=None, max_ejection_percent=None)  # neither is enforced
    if target.name == "ambient" and breaker is not None:
        breaker = replace(breaker, at_pods=None)  # the waypoint alone has limits
    if target.name == "linkerd" and redirect is not None:
        redirect = replace(redirect, port=0)  # it repeats the authority that the caller used
    return replace(traffic, retry=retry, redirect=redirect, breaker=breaker)


def _statuses(retry: Retries) -> frozenset[int]:
    """The statuses that are retried: all that Ambient and Linkerd can say."""
    named = {"5xx": range(500, 600), "gateway-error": (502, 503, 504), "retriable-4xx": (409,)}
    return retry.statuses.union(*(named.get(one, ()) for one in retry.conditions))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
@given(policy_sets(), targets())
def test_what_is_emitted_means_what_the_policies_mean(policies: meshdsl.PolicySet, target: Target) -> None:
    try:
        both = Agreement(policies, target)
    except meshdsl.CompileError as error:
        event(f"refused: {error.diagnostics[0].code}")
        return
    event(f"compiled for {target.name}")
    for one in policies.objects:
        note(repr(one))
    found = list(both.disagreements())
    assert not found, f"{len(found)} disagreements on {target.title} {target.version}\n" + "\n".join(found[:3])


ACCEPTED = (
    "MESH402", "MESH404", "MESH512", "MESH513", "MESH514", "MESH515", "MESH517", "MESH520", "MESH521", "MESH538",
    "MESH550", "MESH552", "MESH557",
)  # fmt: skip
TARGETS: tuple[Target, ...] = (
    meshdsl.Istio(accept=ACCEPTED),
    meshdsl.Istio(version="1.28", trust_domain="example.org", accept=ACCEPTED),
    meshdsl.Ambient(gateway_api_channel="experimental", default_retries="off", accept=ACCEPTED),
    meshdsl.Linkerd(accept=ACCEPTED),
    meshdsl.Linkerd(version="2.18", identity_trust_domain="example.org", accept=ACCEPTED),
)


def outcome(policies: Sequence[Any], target: Target) -> str:
    """``agree``, the first codes if it is refused, or the disagreements."""
    try:
        both = Agreement(meshdsl.PolicySet(tuple(policies)), target)
    except meshdsl.CompileError as error:
        return " ".join(sorted({one.code for one in error.diagnostics if one.severity == "error"}))
    found = list(both.disagreements(600))
    return "\n".join(found[:3]) or "agree"


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: f"{one.name}-{one.version}")
@pytest.mark.parametrize("name", SITUATIONS)
def test_situations_in_which_meshes_differ_mean_the_same_or_are_refused(name: str, target: Target) -> None:
    found = outcome(SITUATIONS[name], target)
    assert found == REFUSED.get(name, {}).get(target.name, "agree")


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(policy_sets(), targets())
def test_whoever_may_call_at_all_is_whom_the_policies_name(policies: meshdsl.PolicySet, target: Target) -> None:
    """Every identity that is named, and others, on every port: the access rules alone, without requests' details."""
    access = (meshdsl.Allow, meshdsl.Deny, meshdsl.DefaultDeny, meshdsl.MutualTls)
    kept = tuple(one for one in policies.objects if isinstance(one, (meshdsl.Service, *access)))
    try:
        both = Agreement(meshdsl.PolicySet(kept), target)
    except meshdsl.CompileError:
        return
    named = callers(both.policies)
    for service in (one for one in kept if isinstance(one, meshdsl.Service)):
        for port in Cluster.of(kept)[str(service)].ports:
            for method, path in (("GET", "/a/b"), ("POST", "/nowhere")) if port.protocol in HTTP else (("", ""),):
                for caller in named:
                    request = Request(caller, str(service), port.number, method, path)
                    meant = both.meaning.answer(request)
                    for reading in both.readings:
                        found = reading.answer(request)
                        assert meant.allowed == found.allowed or _tolerated(meant, found, target, request), request


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: f"{one.name}-{one.version}")
@pytest.mark.parametrize("subject", [PROD, meshdsl.Mesh()], ids=["namespace", "mesh"])
def test_a_default_deny_closes_what_nobody_declared(subject: Any, target: Target) -> None:
    policies = (API, meshdsl.DefaultDeny(subject), meshdsl.Allow(API, callers=(WEB,)), WEB)
    stranger = frozenset({("app", "stranger")})
    request = Request(Caller("prod", "api"), "prod/api", 8080, "GET", "/")
    for reading in Agreement(meshdsl.PolicySet(policies), target).readings:
        assert not reading.admits("prod", stranger, request, 8080, http=True)


def test_the_kubelet_reaches_a_service_of_linkerd_whose_requests_are_restricted() -> None:
    probed = meshdsl.Service("probed", PROD, port=80, target_port=8080, probes=(meshdsl.Probe("/healthz", port=8080),))
    policies = (probed, WEB, meshdsl.DefaultDeny(PROD), meshdsl.Allow(probed, callers=(WEB,), paths=("/v1/*",)))
    for reading in Agreement(meshdsl.PolicySet(policies), meshdsl.Linkerd()).readings:
        kubelet = Request(Caller(), "prod/probed", 80, "GET", "/healthz", by_name=False)
        assert reading.answer(kubelet).allowed
        assert not reading.answer(replace(kubelet, path="/healthz/more")).allowed
        assert not reading.answer(replace(kubelet, method="POST")).allowed


def test_the_readings_notice_when_an_object_says_something_else() -> None:
    policies = (API, WEB, meshdsl.Allow(API, callers=(WEB,), paths=("/a/*",)), meshdsl.Timeout(API, "5s"))
    for target in TARGETS:
        both = Agreement(meshdsl.PolicySet(policies), target)
        assert not list(both.disagreements())
        changed: list[Any] = [_changed(body) for body in copy.deepcopy(both.objects)]
        both.readings = [both._reading(changed)]
        assert {text.partition(":")[0] for text in both.disagreements()} == {"widened", "timeout"}, target


def _changed(body: Any) -> Any:
    """The same object, with another timeout and a string prefix where there was one of segments."""
    if isinstance(body, list):
        return [_changed(one) for one in body]
    if isinstance(body, dict):
        return {name: _changed(value) for name, value in body.items()}
    return {"5s": "6s", "/a/*": "/a*", "/a": "/"}.get(body, body) if isinstance(body, str) else body
