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


@pytest.mark.parametrize(("case", "name"), PAIRS)
def test_a_case_is_read_back_without_knowing_the_inventory(case: Case, name: str) -> None:
    bundle = built(case, name)
    found, _ = plan_of([manifest.body for manifest in bundle.manifests], bundle.target)
    assert found is not None
    wanted = told(bundle.plan, bundle.target)
    assert found.mesh == wanted.mesh
    if (str(case), name) == ("redirect-of-a-whole-service", "istio"):
        return  # nothing in it names a port
    for service in found.services:
        same = wanted.service(service.namespace, service.name)
        assert service.breaker == same.breaker
        assert service.mtls == same.mtls
        assert service.access.closed == same.access.closed
        assert [(a.callers, a.methods, a.paths) for a in service.access.allow] == [
            (a.callers, a.methods, a.paths) for a in same.access.allow
        ]
        for port in service.ports:
            rules = next((p.rules for p in same.ports if p.number == port.number), ())
            assert [(r.match, r.action) for r in port.rules] == [(r.match, r.action) for r in rules]
    with_policies = {
        str(s) for s in wanted.services if s.has_rules or s.breaker or s.mtls or s.access.allow or s.access.deny
    }
    assert with_policies <= {str(s) for s in found.services}
