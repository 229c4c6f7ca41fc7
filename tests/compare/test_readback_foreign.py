"""What others wrote is read as far as it means something; the rest is named; nothing makes the reader fail."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import meshdsl
from meshdsl import (
    Allow,
    Ambient,
    Breaker,
    Canary,
    Header,
    Istio,
    Linkerd,
    MutualTls,
    Namespace,
    Proxy,
    Retry,
    Service,
    Timeout,
)
from meshdsl.compare.applying import after_apply
from meshdsl.compare.policy_view import changes
from meshdsl.compare.readback import Compared, compared, plan_of
from meshdsl.compiler import Bundle, build
from meshdsl.plan.requests import Path, PathKind
from meshdsl.plan.rights import Account, MtlsMode
from meshdsl.targets.base import Target

TARGETS: list[Target] = [Istio(), Ambient(default_retries="off"), Linkerd()]
PROD = Namespace("prod")


def bundle(target: Target, percent: float = 10) -> Bundle:
    api = Service("api", PROD, port=80, versions=("v1", "v2"), replicas=6)
    web = Service("web", PROD, port=80)
    policies = (
        Canary(api, stable="v1", canary="v2", percent=percent, when=Header("x", "1")),
        Timeout(api, "5s"),
        Retry.never(api),
        Breaker(api, consecutive_5xx=5, accept=("MESH521",)),
        Allow(api, callers=(web,), methods=("GET",), paths=("/v1/*",)),
        MutualTls(PROD, mode="strict"),
        Proxy(PROD),
    )
    return build(meshdsl.PolicySet((api, web, *policies), name="test"), target)


def thing(api_version: str, kind: str, name: str, spec: Any, **metadata: Any) -> dict[str, Any]:
    whole = {"name": name, "namespace": "prod", **metadata}
    return {"apiVersion": api_version, "kind": kind, "metadata": whole, "spec": spec}


VIRTUAL_SERVICE = thing(
    "networking.istio.io/v1beta1",
    "VirtualService",
    "by-hand",
    {
        "hosts": ["api"],
        "http": [
            {
                "match": [{"uri": {"exact": "/a"}}, {"uri": {"prefix": "/a/"}}],
                "route": [{"destination": {"host": "api", "port": {"number": 80}}}],
                "timeout": "1m30s",
                "retries": {"attempts": 3, "retryOn": "5xx,reset"},
            },
            {
                "route": [
                    {"destination": {"host": "api.prod.svc.cluster.local", "subset": "v1"}, "weight": 90},
                    {"destination": {"host": "api.prod", "subset": "v2"}, "weight": 10},
                ],
                "corsPolicy": {"allowOrigins": []},
            },
        ],
    },
)


def test_a_virtual_service_by_hand_is_read() -> None:
    plan, note = plan_of([VIRTUAL_SERVICE], Istio())
    assert plan is not None
    (service,) = plan.services
    first, last = service.ports[0].rules
    assert (str(service), service.versions) == ("prod/api", ("v1", "v2"))
    assert first.match.path == Path(PathKind.PREFIX, "/a")
    assert first.timeout is not None
    assert first.timeout.request == 90_000
    assert first.retry is not None
    assert (first.retry.attempts, first.retry.conditions) == (3, ("5xx", "reset"))
    assert [(b.version, b.weight) for b in last.backends] == [("v1", 90), ("v2", 10)]
    assert last.retry is not None  # the mesh's own, as none is written
    assert note == "corsPolicy of VirtualService prod/by-hand cannot be read back; shown as fields only"


def test_what_means_nothing_in_a_plan_is_counted_and_named() -> None:
    filters = [thing("networking.istio.io/v1alpha3", "EnvoyFilter", name, {}) for name in ("a", "b")]
    fault = thing(
        "networking.istio.io/v1",
        "VirtualService",
        "api",
        {
            "hosts": ["api"],
            "http": [{"route": [{"destination": {"host": "api"}}], "fault": {"delay": {"exponentialDelay": "1s"}}}],
        },
    )
    _, note = plan_of([*filters, fault], Istio())
    assert note == "2 EnvoyFilters and the fault of VirtualService prod/api cannot be read back; shown as fields only"
    plan, note = plan_of(filters, Istio())
    assert plan is None
    assert note


def test_a_prefix_of_characters_is_not_taken_for_one_of_segments() -> None:
    spec = {
        "hosts": ["api"],
        "http": [{"match": [{"uri": {"prefix": "/a"}}], "route": [{"destination": {"host": "api"}}]}],
    }
    plan, note = plan_of([thing("networking.istio.io/v1", "VirtualService", "api", spec)], Istio())
    assert plan is not None
    assert not plan.services[0].has_rules
    assert "the string prefix /a of VirtualService prod/api" in note


def test_policies_by_hand_find_their_service_by_its_pods() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "api", "namespace": "prod"},
        "spec": {"selector": {"role": "api"}, "ports": [{"port": 80, "targetPort": 8080, "name": "http"}]},
    }
    selector = {"matchLabels": {"role": "api"}}
    rules = [
        {
            "from": [{"source": {"principals": ["cluster.local/ns/prod/sa/web"]}}],
            "to": [{"operation": {"methods": ["GET"], "ports": ["8080"]}}],
        }
    ]
    plan, note = plan_of(
        [
            service,
            thing("security.istio.io/v1", "AuthorizationPolicy", "x", {"selector": selector, "rules": rules}),
            thing(
                "security.istio.io/v1", "PeerAuthentication", "y", {"selector": selector, "mtls": {"mode": "STRICT"}}
            ),
            thing("security.istio.io/v1", "AuthorizationPolicy", "z", {}),
        ],
        Istio(),
    )
    assert plan is not None
    assert note == ""
    (found,) = plan.services
    assert found.access.closed
    assert found.access.allow[0].callers.accounts == (Account("prod", "web"),)
    assert (found.access.allow[0].methods, found.access.allow[0].ports) == (("GET",), ())
    assert found.effective_mtls is MtlsMode.STRICT
    assert plan.namespace("prod").own_default_deny is not None


def test_a_policy_that_selects_pods_of_nobody_known_is_named() -> None:
    spec = {"selector": {"matchLabels": {"app": "other"}}, "action": "DENY", "rules": [{}]}
    _, note = plan_of([thing("security.istio.io/v1", "AuthorizationPolicy", "x", spec)], Istio())
    assert note == "AuthorizationPolicy prod/x cannot be read back; shown as fields only"


# ----------------------------------------------------------------------------------------------- live and our objects


def applied(objects: list[Any], now: Bundle) -> Compared:
    """What is there, and what would be there after an apply."""
    return compared(objects, now, after=after_apply(objects, now.manifests).objects)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_is_applied_shows_no_change(target: Target) -> None:
    now = bundle(target)
    before, after, note, _ = applied([manifest.body for manifest in now.manifests], now)
    assert note == ""
    assert before is not None
    assert changes(before, after) == ()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_one_policy_that_changes_is_one_sentence(target: Target) -> None:
    before, after, *_ = applied([manifest.body for manifest in bundle(target).manifests], bundle(target, 25))
    assert before is not None
    assert [change.sentence for change in changes(before, after)] == ["canary of prod/api: v2 10 % → 25 %"]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_stays_beside_ours_is_no_change(target: Target) -> None:
    now = bundle(target)
    others: list[dict[str, Any]] = [
        VIRTUAL_SERVICE,
        thing("security.istio.io/v1", "AuthorizationPolicy", "theirs", {}),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "x"}, "spec": {"ports": []}},
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": "kube-system",
                "labels": {"istio-injection": "disabled", "istio.io/dataplane-mode": "none"},
                "annotations": {"linkerd.io/inject": "disabled"},
            },
        },
    ]
    before, after, note, _ = applied([*(m.body for m in now.manifests), *others], now)
    assert before is not None
    assert changes(before, after) == ()
    assert note == ""


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_an_empty_cluster_has_none_of_the_policies(target: Target) -> None:
    before, after, *_ = applied([], bundle(target))
    assert before is not None
    said = " | ".join(change.sentence for change in changes(before, after))
    for words in (
        "canary of prod/api: none → v1 90 %, v2 10 %",
        "breaker added to prod/api",
        "allow added to prod/api",
    ):
        assert words in said


# ------------------------------------------------------------------------------------------------------------ hostile

JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, 0, -1, 2.5, True, "", "x", "1m30s", [], [None], {}, {"a": 1}, [{}], "*", "🙂", "9" * 40]
)


def damaged(value: Any, junk: Any, chance: random.Random) -> Any:
    """A copy in which about one value of twelve is something else."""
    if chance.random() < 1 / 12:
        return junk
    if isinstance(value, dict):
        return {
            key: inner if key in ("kind", "apiVersion") else damaged(inner, junk, chance)
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [damaged(inner, junk, chance) for inner in value]
    return value


BUNDLES: dict[str, Bundle] = {target.name: bundle(target) for target in TARGETS}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(BUNDLES)), JUNK, st.randoms(use_true_random=False))
def test_no_object_makes_the_reader_fail(name: str, junk: Any, chance: random.Random) -> None:
    now = BUNDLES[name]
    bodies = [damaged(manifest.body, junk, chance) for manifest in now.manifests]
    bodies = [body if isinstance(body, dict) else {} for body in bodies]
    for inventory in (None, now.plan):
        found, _ = plan_of(bodies, now.target, inventory=inventory)
        if found is not None:
            changes(found, now.plan)
    applied(bodies, now)
