"""The classes of a plan decide as ``docs/semantics.md`` reads, request by request."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings

import meshdsl
from meshdsl import compiler
from meshdsl.compare import access
from meshdsl.compare.access.decide import patterns
from meshdsl.compare.access.difference import Comparison
from tests.compare.access_classes import cell, identity_bit, is_in
from tests.reading import policies as meaning
from tests.reading.questions import questions
from tests.reading.words import Caller, Request
from tests.strategies import policy_sets

EXAMPLES = int(os.environ.get("MESHDSL_ACCESS", "60"))


def identity(caller: Caller) -> str:
    """A caller as models write identities."""
    return "" if caller.plain else f"{caller.trust}/ns/{caller.namespace}/sa/{caller.account}"


def answered(compared: Comparison, known: list[str], request: Request) -> bool:
    """What the model says of a request."""
    who = identity_bit(compared, identity(request.caller), known)
    return is_in(
        compared.after[request.port], who, cell(compared, request.method, request.path or "/", request.headers)
    )


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
@given(policy_sets())
def test_the_access_of_a_plan_is_what_the_policies_say(policies: meshdsl.PolicySet) -> None:
    target = meshdsl.Istio()
    try:
        plan = compiler.meaning(compiler.meant_for(policies, target), "test")
        model = access.of_plan(plan)
    except meshdsl.CompileError:
        return
    reading = meaning.Reading(policies, target.name)
    compared = {name: Comparison(name, None, one, mixed=False) for name, one in model.services.items()}
    known = {
        name: sorted(set(patterns([way for ways in one.ports.values() for way in ways])))
        for name, one in model.services.items()
    }
    for request in questions(policies, 60):
        service = reading.services[request.service]
        allowed = reading.allowed(service, request, http=bool(request.method))
        assert answered(compared[request.service], known[request.service], request) is allowed, request


@pytest.mark.parametrize("namespace", ["prod", "test"])
def test_what_else_runs_in_a_closed_namespace_is_closed(namespace: str) -> None:
    prod = meshdsl.Namespace("prod")
    objects = (prod, meshdsl.Service("a", prod, port=80), meshdsl.Service("b", meshdsl.Namespace("test"), port=80))
    policies = meshdsl.PolicySet((*objects, meshdsl.DefaultDeny(prod)))
    plan = compiler.meaning(policies, "test")
    compared = Comparison("", None, access.of_plan(plan).services[f"{namespace}/*"], mixed=False)
    everyone = compared.callers.everyone
    assert compared.after[0] == {0 if namespace == "prod" else everyone: compared.space.all}
