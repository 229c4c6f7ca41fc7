"""Each risk stands at the line that asks for it, or that asked for what is gone; never at a line that did not change."""

from __future__ import annotations

from typing import Any

import pytest

import meshdsl
from meshdsl import (
    Allow,
    Anyone,
    Breaker,
    DefaultDeny,
    Deny,
    Istio,
    Linkerd,
    Mesh,
    MutualTls,
    Namespace,
    Proxy,
    Retry,
    Service,
    Split,
    Timeout,
)
from meshdsl.compare.diff import diff
from meshdsl.compare.report import Risk
from meshdsl.targets.base import Target

PROD = Namespace("prod")
API, WEB, ADMIN = (Service(name, PROD, port=80) for name in ("api", "web", "admin"))
INVENTORY = (API, WEB, ADMIN)


def lines(was: Any, now: Any, target: Target | None = None, *, objects: bool = False) -> dict[Risk, int]:
    """The first line of each risk."""
    target = target or Istio()
    old, new = (meshdsl.build(meshdsl.PolicySet((*INVENTORY, *one), name="test"), target) for one in (was, now))
    found = diff(new, [one.body for one in old.manifests] if objects else old)
    return {risk.risk: risk.origins[0].line for risk in reversed(found.risks) if risk.origins}


def line(of: Any) -> int:
    """Where an object was written."""
    origin = of.origin
    assert origin is not None
    return int(origin.line)


STAYS = Allow(API, callers=(WEB,))
GET = Allow(API, callers=(ADMIN,), methods=("GET",))
WIDER = Allow(API, callers=(ADMIN,), methods=("GET", "PUT"))
EVERYONE = Allow(API, callers=Anyone.at_all())
DENY = Deny(
    API,
    callers=(WEB,),
    methods=("GET", "PUT"),
    accept=("MESH404",),
)
NARROWER = Deny(API, callers=(WEB,), methods=("GET",), accept=("MESH404",))
FENCE = DefaultDeny(PROD)
STRICT = MutualTls(PROD, mode="strict")
PERMISSIVE = MutualTls(PROD, mode="permissive")
MESH_STRICT = MutualTls(Mesh(), mode="strict")
ENROLLED = Proxy(PROD)
LIMITS = Breaker(API, max_connections=10, max_requests=10)
FEWER = Breaker(API, max_connections=10)
QUICK = Timeout(API, "5s")
NEVER = Retry.never(API)

CASES: list[tuple[str, list[Any], list[Any], Risk, Any]] = [
    ("a rule that was added", [STAYS], [STAYS, GET], Risk.WIDENED_ACCESS, GET),
    ("a rule that was widened", [STAYS, GET], [STAYS, WIDER], Risk.WIDENED_ACCESS, WIDER),
    ("a rule for everyone", [STAYS], [STAYS, EVERYONE], Risk.WIDENED_ACCESS, EVERYONE),
    ("plain text", [STAYS], [STAYS, EVERYONE], Risk.WEAKENED_MTLS, EVERYONE),
    ("a deny that is narrower", [DENY], [NARROWER], Risk.WIDENED_ACCESS, NARROWER),
    ("a deny that is gone", [DENY], [], Risk.WIDENED_ACCESS, DENY),
    ("the fence that it was", [DENY], [], Risk.REMOVED_FENCE, DENY),
    ("the only rule is gone", [STAYS], [], Risk.WIDENED_ACCESS, STAYS),
    ("a default deny is gone", [FENCE], [], Risk.WIDENED_ACCESS, FENCE),
    ("a mode of the namespace", [STRICT], [PERMISSIVE], Risk.WIDENED_ACCESS, PERMISSIVE),
    ("that mode itself", [STRICT], [PERMISSIVE], Risk.WEAKENED_MTLS, PERMISSIVE),
    ("a mode that is gone", [STRICT], [], Risk.WEAKENED_MTLS, STRICT),
    ("a mode of the mesh", [MESH_STRICT], [], Risk.WIDENED_ACCESS, MESH_STRICT),
    ("who leaves the mesh", [ENROLLED, STRICT], [STRICT], Risk.WIDENED_ACCESS, ENROLLED),
    ("a limit that is gone", [LIMITS], [FEWER], Risk.REMOVED_BREAKER, FEWER),
    ("a breaker that is gone", [LIMITS], [], Risk.REMOVED_BREAKER, LIMITS),
    ("a timeout that is gone", [QUICK, NEVER], [NEVER], Risk.REMOVED_TIMEOUT, QUICK),
]


@pytest.mark.parametrize(("was", "now", "risk", "at"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_between_revisions_a_risk_stands_at_its_cause(was: list[Any], now: list[Any], risk: Risk, at: Any) -> None:
    assert lines(was, now)[risk] == line(at)


@pytest.mark.parametrize("target", [Istio(), Linkerd()])
@pytest.mark.parametrize(
    ("was", "now", "risk", "at"),
    [
        ([STAYS], [STAYS, GET], Risk.WIDENED_ACCESS, GET),
        ([STAYS], [STAYS, EVERYONE], Risk.WEAKENED_MTLS, EVERYONE),
        ([STRICT], [PERMISSIVE], Risk.WEAKENED_MTLS, PERMISSIVE),
        ([QUICK, NEVER], [NEVER], Risk.REMOVED_TIMEOUT, API),
        ([STAYS], [], Risk.WIDENED_ACCESS, API),
    ],
)
def test_against_objects_a_risk_stands_at_its_cause_or_its_service(
    was: list[Any], now: list[Any], risk: Risk, at: Any, target: Target
) -> None:
    assert lines(was, now, target, objects=True)[risk] == line(at)


def test_every_risk_of_a_service_that_is_no_longer_declared_stands_where_it_was_protected() -> None:
    gone = Service("gone", PROD, port=80)
    allow = Allow(gone, callers=(WEB,))
    limits = Breaker(gone, max_connections=1)
    found = lines([gone, allow, limits], [])
    assert found[Risk.WIDENED_ACCESS] == found[Risk.REMOVED_FENCE] == line(allow)
    assert found[Risk.REMOVED_BREAKER] == line(limits)


def test_what_an_object_breaks_stands_where_its_service_is_declared() -> None:
    api = Service("api", PROD, port=80, versions=("v1", "v2"))
    split, one = Split(api, weights={"v1": 1, "v2": 1}), Split(api, weights={"v1": 1})
    old, new = (meshdsl.build(meshdsl.PolicySet((api, it), name="test"), Linkerd()) for it in (split, one))
    (found,) = [risk for risk in diff(new, old).risks if risk.risk is Risk.BREAKING_ORDER]
    assert [origin.line for origin in found.origins] == [line(api)]


def test_the_removal_of_a_policy_of_a_namespace_is_one_finding_and_one_line() -> None:
    old, new = (meshdsl.build(meshdsl.PolicySet((*INVENTORY, *one), name="test"), Istio()) for one in ([FENCE], []))
    (access,) = [one for one in diff(new, old).risks if one.risk is Risk.WIDENED_ACCESS]
    assert access.subject == "namespace prod"
    assert access.sentence == "everyone may now call prod/admin, prod/api, prod/web and anything else in prod"


@pytest.mark.parametrize("target", [Istio(), meshdsl.Ambient(), meshdsl.Linkerd()])
def test_against_objects_a_sentence_about_a_rule_stands_at_the_rule_on_every_mesh(target: Target) -> None:
    asked = Service("asked", PROD, port=8080, probes=(meshdsl.Probe("/healthz", port=8080),))
    narrow, wide = (Allow(asked, callers=(WEB,), methods=methods) for methods in (("GET",), ("GET", "POST")))
    new = Allow(asked, callers=(ADMIN,), methods=("PUT",))
    none, old, now = (
        meshdsl.build(meshdsl.PolicySet((*INVENTORY, asked, *rules), name="test"), target)
        for rules in ((), (narrow,), (wide, new))
    )
    changed = {one.sentence: one.origins for one in diff(now, [one.body for one in old.manifests]).policy}
    assert [[at.line for at in origins] for origins in changed.values()] == [[line(wide)], [line(new)]], changed
    closed = diff(old, [one.body for one in none.manifests]).policy
    asked_for = [one for one in closed if "asked: closed now" in one.sentence or "prod/web may make" in one.sentence]
    assert [[at.line for at in one.origins] for one in asked_for] == [[line(narrow)]] * 2, asked_for
