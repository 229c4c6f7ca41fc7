"""What was compiled is read back from its objects, as far as objects can tell it."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, event, given, settings

import meshdsl
from meshdsl import compiler
from meshdsl.compare.policy_view import changes
from meshdsl.compare.readback import plan_of, told
from meshdsl.compiler import Bundle
from meshdsl.diagnostics import MeshdslError
from meshdsl.targets.base import Target
from tests import golden
from tests.golden import Case
from tests.strategies import policy_sets, targets

PAIRS = [
    pytest.param(case, name, id=f"{case}-{name}")
    for case in golden.cases()
    for name in case.targets()
    if case.file(name, "yaml").exists()
]


@cache
def built(case: Case, name: str) -> Bundle:
    policies = golden.loaded(case)
    assert isinstance(policies, meshdsl.PolicySet)
    return compiler.build(policies, case.target(name))


def assert_read_back(bundle: Bundle) -> None:
    bodies = [manifest.body for manifest in bundle.manifests]
    wanted = told(bundle.plan, bundle.target)
    found, note = plan_of(bodies, bundle.target, inventory=bundle.plan)
    assert note == ""
    assert found is not None
    said = [change.sentence for change in changes(found, wanted)]
    assert said == []
    assert found.mesh == wanted.mesh
    assert found.namespaces == wanted.namespaces
    assert found.services == wanted.services


@pytest.mark.parametrize(("case", "name"), PAIRS)
def test_a_case_is_read_back(case: Case, name: str) -> None:
    assert_read_back(built(case, name))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(policy_sets(), targets())
def test_any_policies_are_read_back(policies: meshdsl.PolicySet, target: Target) -> None:
    try:
        bundle = compiler.build(policies, target)
    except MeshdslError:
        return
    event("compiled")
    assert_read_back(bundle)
