"""What objects of others do beside ours is told once, however many ways there are to put it."""

from __future__ import annotations

import pytest

import meshdsl
from meshdsl import Allow, DefaultDeny, Namespace, Service, Workload
from meshdsl.compare.diff import diff
from meshdsl.compiler import Bundle
from tests.compare.live import snapshot, stored
from tests.compare.test_others import foreign


def closed(target: meshdsl.Target) -> Bundle:
    prod = Namespace("prod")
    web = Service("web", prod, port=80, workload=Workload("Deployment", "web"))
    api = Service("api", prod, port=8080, workload=Workload("Deployment", "api"))
    return meshdsl.build([prod, web, api, DefaultDeny(prod), Allow(api, callers=(web,), methods=("GET",))], target)


@pytest.mark.parametrize("target", [meshdsl.Istio(), meshdsl.Ambient()], ids=["istio", "ambient"])
def test_a_policy_of_somebody_else_that_lets_everything_in_is_told_once_for_a_service(target: meshdsl.Target) -> None:
    bundle = closed(target)
    reference = {"targetRefs": [{"kind": "Service", "group": "", "name": "api"}]}
    of_api = reference if isinstance(target, meshdsl.Ambient) else {"selector": {"matchLabels": {"app": "api"}}}
    spec = {**of_api, "action": "ALLOW", "rules": [{}]}
    theirs = foreign("security.istio.io/v1", "AuthorizationPolicy", "theirs", spec)
    found = diff(bundle, snapshot([*(stored(one.body, manager="meshdsl") for one in bundle.manifests), theirs]))
    assert found.access_note.count("AuthorizationPolicy prod/theirs") == 1, found.access_note
    assert "prod/api too" in found.access_note
