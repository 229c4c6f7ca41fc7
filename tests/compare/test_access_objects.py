"""The objects that are emitted make the access that is meant, and a change of either shows."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, event, given, settings

import meshdsl
from meshdsl.compare import access
from meshdsl.targets.base import Target
from tests import golden
from tests.strategies import policy_sets, targets

EXAMPLES = int(os.environ.get("MESHDSL_ACCESS", "150"))
COMPILED = [
    (case, name) for case in golden.cases() for name in case.targets() if (case.folder / f"{name}.yaml").exists()
]


def differences(bundle: meshdsl.Bundle) -> list[str]:
    """What the objects of a bundle let through that its plan does not, and the other way round."""
    meant = access.of_plan(bundle.plan)
    found = access.of_objects([one.body for one in bundle.manifests], bundle.target, bundle.plan)
    return [change.sentence for change in access.changes(meant, found)] + list(found.notes)


@pytest.mark.parametrize(("case", "name"), COMPILED, ids=str)
def test_every_case_makes_the_access_that_is_meant(case: golden.Case, name: str) -> None:
    policies = golden.loaded(case)
    assert isinstance(policies, meshdsl.PolicySet)
    assert differences(meshdsl.build(policies, case.target(name))) == []


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
@given(policy_sets(), targets())
def test_any_policies_make_the_access_that_is_meant(policies: meshdsl.PolicySet, target: Target) -> None:
    try:
        bundle = meshdsl.build(policies, target)
    except meshdsl.CompileError:
        event("refused")
        return
    event(f"compiled for {target.name}")
    assert differences(bundle) == []
