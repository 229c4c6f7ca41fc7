"""What must hold for any policies at all."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import meshdsl
from meshdsl.codes import PAGES
from meshdsl.compiler import Bundle
from meshdsl.plan.features import Feature
from meshdsl.targets.base import Target
from tests.strategies import policy_sets, targets

common = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
KNOWN = PAGES.keys() | {feature.code for feature in Feature}


def compiled(policies: meshdsl.PolicySet, target: Target) -> Bundle | tuple[meshdsl.Diagnostic, ...]:
    try:
        return meshdsl.build(policies, target)
    except meshdsl.CompileError as error:
        return error.diagnostics


@common
@given(policy_sets(), targets())
def test_policies_compile_or_are_refused_with_a_known_code_a_line_and_a_way_out(
    policies: meshdsl.PolicySet, target: Target
) -> None:
    result = compiled(policies, target)
    if isinstance(result, Bundle):
        event("compiled")
        assert all(text.endswith("\n") for text in result.files().values())
        return
    for found in result:
        event(found.code)
        assert found.code in KNOWN, found
        assert found.origin is not None, found
        assert found.help, found


@common
@given(policy_sets(), targets(), st.randoms(use_true_random=False))
def test_the_order_of_definitions_does_not_show(
    policies: meshdsl.PolicySet, target: Target, shuffle: random.Random
) -> None:
    objects = list(policies.objects)
    shuffle.shuffle(objects)
    one, other = compiled(policies, target), compiled(meshdsl.PolicySet(tuple(objects), policies.name), target)
    if isinstance(one, Bundle) and isinstance(other, Bundle):
        assert one.files() == other.files()
    else:
        assert one == other
