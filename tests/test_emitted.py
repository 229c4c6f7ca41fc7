"""Whatever policies are made of, what comes out is what an API server takes, as it is."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

import meshdsl
from tests import oracle
from tests.strategies import policy_sets, targets


@pytest.mark.skipif(not oracle.available(), reason=f"the CRDs are not at {oracle.FOLDER}")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(policy_sets(), targets())
def test_what_any_policies_emit_is_what_an_api_server_takes(
    policies: meshdsl.PolicySet, target: meshdsl.Istio | meshdsl.Ambient | meshdsl.Linkerd
) -> None:
    try:
        bundle = meshdsl.build(policies, target)
    except meshdsl.CompileError:
        return  # what is refused emits nothing
    oracle.assert_valid(bundle.manifests, target)
