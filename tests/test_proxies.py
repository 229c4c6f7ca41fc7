"""Which pods have a proxy, whatever stands in the objects that should say it."""

from __future__ import annotations

from typing import Any

import pytest

from meshdsl.proxies import GRANTED, Proxies

APP = frozenset({("app", "api")})


def deployment(spec: Any, **metadata: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": "api", "namespace": "prod", **metadata}, "spec": spec}


def space(**labels: str) -> dict[str, Any]:
    return {"kind": "Namespace", "metadata": {"name": "prod", "uid": "1", "labels": labels}}


@pytest.mark.parametrize(
    "spec", [None, "text", [], {"template": None}, {"template": "x"}, {"template": {"metadata": 1, "spec": 2}}]
)
def test_a_workload_that_is_none_says_nothing(spec: Any) -> None:
    found = Proxies([space(), deployment(spec), {"kind": "Namespace", "metadata": None}], "istio")
    assert found.of_pods("prod", APP).has is None
    assert found.of_pods("test", APP) == GRANTED


def test_a_namespace_for_which_injection_is_disabled_has_no_sidecar_whatever_its_pods_say() -> None:
    template = {"metadata": {"labels": {"app": "api", "sidecar.istio.io/inject": "true"}}}
    found = Proxies([space(**{"istio-injection": "disabled"}), deployment({"template": template})], "istio")
    assert found.of_pods("prod", APP).has is False


def test_what_we_write_into_a_namespace_is_not_all_that_a_cluster_has_there() -> None:
    ours = {"kind": "Namespace", "metadata": {"name": "prod", "labels": {"istio.io/dataplane-mode": "ambient"}}}
    found = Proxies([ours], "ambient")
    assert (found.is_told("prod"), found.is_granted("prod"), found.is_granted("test")) == (False, False, True)
    assert found.of_account("prod", "api") == GRANTED


def test_pods_of_one_account_may_differ() -> None:
    one = {"metadata": {"labels": {"app": "api"}}, "spec": {"serviceAccountName": "api"}}
    out = {"metadata": {"labels": {"app": "x", "sidecar.istio.io/inject": "false"}}, "spec": one["spec"]}
    found = Proxies(
        [space(**{"istio-injection": "enabled"}), deployment({"template": one}), deployment({"template": out})], "istio"
    )
    assert found.of_account("prod", "api").has is None
    assert found.of_pods("prod", APP).has is True
