"""Each risk is found where it is, and is not found where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import meshdsl
from meshdsl import (
    Allow,
    Ambient,
    Anyone,
    Breaker,
    Canary,
    DefaultDeny,
    Deny,
    Header,
    Istio,
    Linkerd,
    Mesh,
    Mirror,
    MutualTls,
    Namespace,
    Proxy,
    Redirect,
    Retry,
    Service,
    Split,
    Timeout,
)
from meshdsl.compare.diff import diff
from meshdsl.compare.kinds import OF_TARGET
from meshdsl.compare.live import Scope, Snapshot, Unknown
from meshdsl.compare.report import AccessChange, Action, DiffReport, ObjectChange, Risk, RiskFinding
from meshdsl.compare.risk import SERIOUSNESS, findings
from meshdsl.compiler import Bundle, build
from meshdsl.manifest import ObjectRef
from meshdsl.targets.base import Target

PROD = Namespace("prod")
Policies = Callable[[Service, Service], list[Any]]
EMPTY = DiffReport("test", "test")


def bundle(make: Policies, target: Target | None = None) -> Bundle:
    api = Service("api", PROD, port=80, versions=("v1", "v2"), replicas=6)
    web = Service("web", PROD, port=80)
    return build(meshdsl.PolicySet((api, web, *make(api, web)), name="test"), target or Istio())


def objects(of: Bundle) -> list[Any]:
    return [manifest.body for manifest in of.manifests]


def ref_of(body: Any) -> ObjectRef:
    metadata = body["metadata"]
    return ObjectRef(body["apiVersion"], body["kind"], metadata.get("namespace", ""), metadata["name"])


def changed(before: Bundle, after: Bundle) -> tuple[ObjectChange, ...]:
    """The objects that differ, whole."""
    old, new = ({ref_of(body): body for body in objects(one)} for one in (before, after))
    found = []
    for ref in sorted(old.keys() | new.keys()):
        if old.get(ref) != new.get(ref):
            action = Action.CREATE if ref not in old else Action.DELETE if ref not in new else Action.UPDATE
            found.append(ObjectChange(ref, action, live=old.get(ref), ours=new.get(ref)))
    return tuple(found)


def risks(before: Policies, after: Policies, target: Target | None = None, **more: Any) -> list[RiskFinding]:
    """What is found between two revisions; and from the objects of the first alone, the same."""
    old, new = bundle(before, target), bundle(after, target)
    report = DiffReport("test", "test", changed(old, new))
    snapshot = Snapshot(objects(old))
    return list(findings(report, old.plan, new.plan, new, snapshot, **more))


def kinds(before: Policies, after: Policies, target: Target | None = None, **more: Any) -> list[Risk]:
    return [one.risk for one in risks(before, after, target, **more)]


def only(of: Risk, found: list[RiskFinding]) -> list[str]:
    return [one.sentence for one in found if one.risk is of]


def nothing(_api: Service, _web: Service) -> list[Any]:
    return []


def canary(percent: float, **more: Any) -> Policies:
    return lambda api, _: [Canary(api, stable="v1", canary="v2", percent=percent, **more), Retry.never(api)]


def on_api(*kinds: Callable[[Service], Any]) -> Policies:
    return lambda api, _: [kind(api) for kind in kinds]


def on_prod(*policies: Any) -> Policies:
    return lambda _api, _web: list(policies)


def test_every_risk_has_a_place_in_the_order() -> None:
    assert set(SERIOUSNESS) == set(Risk)


# ------------------------------------------------------------------------------------------------------------- access


@pytest.mark.parametrize("widened", [True, False])
def test_widened_access_comes_from_the_access_view(widened: bool) -> None:
    change = AccessChange("prod/api", widened, ("prod/web",), (), ("GET",), (), "prod/web may now also GET")
    report = DiffReport("test", "test", access=(change,))
    same = bundle(nothing)
    found = findings(report, same.plan, same.plan, same, Snapshot([]))
    assert [one.risk for one in found] == ([Risk.WIDENED_ACCESS] if widened else [])


STRICT, PERMISSIVE = (on_prod(MutualTls(PROD, mode=mode)) for mode in ("strict", "permissive"))


@pytest.mark.parametrize("target", [Istio(), Ambient(), Linkerd()])
def test_mtls_that_is_no_longer_strict_is_weakened(target: Target) -> None:
    assert only(Risk.WEAKENED_MTLS, risks(STRICT, PERMISSIVE, target)) == [
        "mTLS of namespace prod is no longer strict: permissive"
    ]
    assert Risk.WEAKENED_MTLS in kinds(STRICT, nothing, target)
    assert Risk.WEAKENED_MTLS not in kinds(PERMISSIVE, STRICT, target)
    assert Risk.WEAKENED_MTLS not in kinds(nothing, PERMISSIVE, target)


def test_mtls_is_weakened_at_any_level() -> None:
    own = on_api(lambda a: MutualTls(a, mode="strict"))
    weak = on_api(lambda a: MutualTls(a, mode="permissive"))
    both = on_api(lambda _: MutualTls(PROD, mode="strict"), lambda a: MutualTls(a, mode="permissive"))
    assert only(Risk.WEAKENED_MTLS, risks(own, weak)) == ["mTLS of prod/api is no longer strict: permissive"]
    assert Risk.WEAKENED_MTLS in kinds(own, nothing)
    assert Risk.WEAKENED_MTLS in kinds(STRICT, both)
    assert Risk.WEAKENED_MTLS not in kinds(own, STRICT)
    mesh = on_prod(MutualTls(Mesh(), mode="strict"))
    assert [one.subject for one in risks(mesh, nothing)] == ["the mesh"]
    assert [one.subject for one in risks(mesh, lambda *_: [MutualTls(Mesh(), mode="strict"), weak_prod()])] == [
        "namespace prod"
    ]


def weak_prod() -> MutualTls:
    return MutualTls(PROD, mode="permissive")


def closed(mode: str, callers: Any, **more: Any) -> Policies:
    """A closed service with a mode of its own."""
    return lambda api, web: [MutualTls(api, mode=mode), Allow(api, callers=callers or (web,), **more)]  # type: ignore[arg-type]


@pytest.mark.parametrize("target", [Istio(), Ambient(), Linkerd()])
def test_the_mode_of_a_closed_service_is_weakened_on_every_mesh(target: Target) -> None:
    found = risks(closed("strict", None), closed("permissive", None), target)
    assert only(Risk.WEAKENED_MTLS, found) == ["mTLS of prod/api is no longer strict: permissive"]
    assert kinds(closed("strict", None), closed("strict", Anyone.in_mesh()), target) == []


@pytest.mark.parametrize("target", [Istio(), Ambient(), Linkerd()])
def test_a_closed_service_that_takes_plain_text_is_weakened_on_every_mesh(target: Target) -> None:
    named: Policies = lambda api, web: [Allow(api, callers=(web,))]  # noqa: E731
    everyone: Policies = lambda api, web: [Allow(api, callers=(web,)), Allow(api, callers=Anyone.at_all())]  # noqa: E731
    assert only(Risk.WEAKENED_MTLS, risks(named, everyone, target)) == [
        "callers outside the mesh, without mTLS, may call prod/api"
    ]
    assert kinds(everyone, everyone, target) == []
    assert Risk.WEAKENED_MTLS not in kinds(everyone, named, target)


def test_plain_text_for_the_same_requests_in_other_words_weakens_nothing() -> None:
    def healthy(*rules: tuple[str, ...]) -> Policies:
        return lambda api, _: [Allow(api, callers=Anyone.at_all(), paths=paths) for paths in rules]

    assert kinds(healthy(("/a",), ("/b",)), healthy(("/a", "/b"))) == []
    assert only(Risk.WEAKENED_MTLS, risks(healthy(("/a",)), healthy(("/a",), ("/b",)))) == [
        "callers outside the mesh, without mTLS, may make requests to /b of prod/api"
    ]


# -------------------------------------------------------------------------------------------------------------- fence


def test_a_default_deny_that_goes_is_a_removed_fence() -> None:
    found = risks(on_prod(DefaultDeny(PROD)), nothing)
    assert {one.risk for one in found} == {Risk.REMOVED_FENCE}
    assert "default deny removed from namespace prod" in [one.sentence for one in found]
    assert kinds(nothing, on_prod(DefaultDeny(PROD))) == []
    assert [one.sentence for one in risks(on_prod(DefaultDeny(Mesh())), nothing)] == [
        "default deny removed from the mesh"
    ]


@pytest.mark.parametrize("target", [Istio(), Ambient()])
def test_a_policy_that_is_deleted_is_a_removed_fence(target: Target) -> None:
    denied: Policies = lambda api, web: [Deny(api, callers=(web,), accept=("MESH404",))]  # noqa: E731
    assert only(Risk.REMOVED_FENCE, risks(denied, nothing, target)) == [
        "deny removed from prod/api: prod/web may not call it"
    ]
    assert kinds(nothing, denied, target) == []
    old, new = bundle(denied, target), bundle(nothing, target)
    report = DiffReport("test", "test", changed(old, new))
    assert only(Risk.REMOVED_FENCE, list(findings(report, None, new.plan, new, Snapshot(objects(old))))) == [
        "AuthorizationPolicy prod/api-deny is deleted: what it refused may be let in"
    ]


def test_a_deny_that_is_narrower_is_no_removed_fence_and_one_of_two_that_goes_is() -> None:
    def denied(*rules: dict[str, Any]) -> Policies:
        return lambda api, web: [Deny(api, callers=(web,), accept=("MESH404", "MESH550"), **rule) for rule in rules]

    wide, narrow, other = {"paths": ("/a/*",)}, {"paths": ("/a/b",)}, {"methods": ("DELETE",)}
    assert kinds(denied(wide), denied(narrow)) == []
    assert only(Risk.REMOVED_FENCE, risks(denied(wide, other), denied(other))) == [
        "deny removed from prod/api: prod/web may not make requests to /a/*"
    ]


def test_on_linkerd_a_server_is_the_fence_and_an_authorization_is_not() -> None:
    closed: Policies = lambda api, web: [Allow(api, callers=(web,))]  # noqa: E731
    fewer: Policies = lambda api, web: [Allow(api, callers=(Namespace("prod"),))]  # noqa: E731
    old, new, less = bundle(closed, Linkerd()), bundle(nothing, Linkerd()), bundle(fewer, Linkerd())
    for after, said in ((new, ["Server prod/api-80 is deleted: what it refused may be let in"]), (less, [])):
        report = DiffReport("test", "test", changed(old, after))
        assert only(Risk.REMOVED_FENCE, list(findings(report, None, after.plan, after, Snapshot([])))) == said


@pytest.mark.parametrize("target", [Istio(), Ambient(), Linkerd()])
def test_what_the_plans_say_of_a_fence_is_not_said_again_of_its_objects(target: Target) -> None:
    closed: Policies = lambda api, web: [Allow(api, callers=(web,))]  # noqa: E731
    assert only(Risk.REMOVED_FENCE, risks(closed, nothing, target)) == [
        "prod/api is open: no allow and no default deny closes it"
    ]


def test_leaving_the_mesh_is_a_removed_fence() -> None:
    found = risks(on_prod(Proxy(PROD)), on_prod(Proxy(PROD, enrolled=False)))
    assert [one.sentence for one in found] == [
        "namespace prod is kept out of the mesh: no access rule and no mTLS mode holds for its pods"
    ]
    assert kinds(on_prod(Proxy(PROD)), nothing) == [Risk.REMOVED_FENCE]
    assert kinds(on_prod(Proxy(PROD)), on_prod(Proxy(PROD, revision="canary"))) == []


# ------------------------------------------------------------------------------------------------------------ traffic


def test_traffic_that_moves_by_more_than_the_threshold() -> None:
    assert only(Risk.MOVED_TRAFFIC, risks(canary(10), canary(31))) == [
        "prod/api: v1 gets 69 % instead of 90 %, v2 gets 31 % instead of 10 %"
    ]
    assert kinds(canary(10), canary(30)) == []
    assert kinds(canary(10), canary(30), threshold=15) == [Risk.MOVED_TRAFFIC]
    assert kinds(canary(10), canary(90), threshold=80) == []


def test_a_header_that_leads_to_the_canary_moves_no_traffic() -> None:
    assert kinds(canary(10), canary(10, when=Header("x", "1"))) == []


def test_the_begin_of_a_canary_moves_no_traffic_and_its_end_does() -> None:
    begun = on_api(Retry.never)
    assert kinds(begun, canary(10)) == []
    assert Risk.MOVED_TRAFFIC in kinds(canary(10), begun)
    assert Risk.MOVED_TRAFFIC in kinds(begun, on_api(Retry.never, lambda a: Split(a, weights={"v2": 1})))


def test_requests_that_are_redirected_have_moved() -> None:
    there = on_api(Retry.never, lambda a: Redirect(a.route("old", path="/old"), path="/new", status=301))
    assert only(Risk.MOVED_TRAFFIC, risks(on_api(Retry.never), there)) == [
        "prod/api, route old: all requests are redirected"
    ]
    assert kinds(there, there) == []


def test_a_breaker_that_goes() -> None:
    both = on_api(lambda a: Breaker(a, max_connections=1, consecutive_5xx=5))
    assert only(Risk.REMOVED_BREAKER, risks(both, nothing)) == ["breaker removed from prod/api"]
    assert only(Risk.REMOVED_BREAKER, risks(both, on_api(lambda a: Breaker(a, max_connections=1)))) == [
        "breaker of prod/api protects less: no ejection any more"
    ]
    assert kinds(nothing, both) == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"max_requests": 10, "consecutive_5xx": 5}, "max_connections 10 → none"),
        ({"max_connections": 11, "max_requests": 10, "consecutive_5xx": 5}, "max_connections 10 → 11"),
        ({"max_connections": 10, "max_requests": 10, "consecutive_5xx": 6}, "consecutive_5xx 5 → 6"),
        ({"consecutive_5xx": 5}, "no limits any more"),
        (
            {"max_connections": 10, "max_requests": 10, "consecutive_gateway_errors": 5},
            "consecutive_5xx 5 → none",
        ),
        (
            {"max_connections": 10, "max_requests": 10, "consecutive_5xx": 5, "base_ejection_time": "20s"},
            "base_ejection_time 30s → 20s",
        ),
        (
            {"max_connections": 10, "max_requests": 10, "consecutive_5xx": 5, "max_ejection_percent": 20},
            "max_ejection_percent 50 → 20",
        ),
    ],
)
def test_a_breaker_that_protects_less(now: dict[str, Any], said: str) -> None:
    was = on_api(lambda a: Breaker(a, max_connections=10, max_requests=10, consecutive_5xx=5, max_ejection_percent=50))
    now = {"max_ejection_percent": 50, **now} if any(name.startswith("consecutive") for name in now) else now
    found = risks(was, on_api(lambda a: Breaker(a, **now)))
    assert [one.sentence for one in found] == [f"breaker of prod/api protects less: {said}"]
    assert kinds(on_api(lambda a: Breaker(a, **now)), on_api(lambda a: Breaker(a, **now))) == []


def test_a_breaker_that_protects_more_is_no_risk() -> None:
    was = on_api(lambda a: Breaker(a, max_connections=10, consecutive_gateway_errors=5, interval="10s"))
    assert kinds(was, on_api(lambda a: Breaker(a, max_connections=9, consecutive_5xx=5, interval="1m"))) == []


def test_a_timeout_that_goes() -> None:
    timed = on_api(Retry.never, lambda a: Timeout(a, "5s"))
    assert only(Risk.REMOVED_TIMEOUT, risks(timed, on_api(Retry.never))) == ["timeout of 5s removed from prod/api"]
    assert kinds(timed, on_api(Retry.never, lambda a: Timeout(a, "50s"))) == []
    assert kinds(on_api(Retry.never), timed) == []


def test_retries_of_what_may_not_be_repeated() -> None:
    def retried(**more: Any) -> Policies:
        return on_api(lambda a: Retry(a, attempts=3, retry_on=("5xx",), **more))

    assert kinds(on_api(Retry.never), retried()) == []
    assert only(Risk.UNSAFE_RETRIES, risks(retried(), retried(methods=("GET", "POST")))) == [
        "POST requests to prod/api are retried: 3 attempts on 5xx; one that is not idempotent may happen twice"
    ]
    assert kinds(on_api(Retry.never), retried(methods="any")) == [Risk.UNSAFE_RETRIES]
    assert only(Risk.UNSAFE_RETRIES, risks(retried(), retried(methods=("PATCH", "POST")))) == [
        "PATCH and POST requests to prod/api are retried: 3 attempts on 5xx; one that is not idempotent may happen twice"
    ]
    assert kinds(retried(methods="any"), retried()) == []


def test_a_service_that_is_no_longer_declared_loses_what_protected_it() -> None:
    api = Service("api", PROD, port=80)
    of = (
        Breaker(api, max_requests=1),
        Timeout(api, "1s"),
        Allow(api, callers=Anyone.in_mesh()),
        MutualTls(api, mode="strict"),
    )
    before = build(meshdsl.PolicySet((api, *of), name="test"), Istio())
    after = build(meshdsl.PolicySet((), name="test"), Istio())
    found = findings(EMPTY, before.plan, after.plan, after, Snapshot(objects(before)))
    expected = [Risk.WEAKENED_MTLS, Risk.REMOVED_FENCE, Risk.REMOVED_BREAKER, Risk.REMOVED_TIMEOUT]
    assert [one.risk for one in found] == expected


# -------------------------------------------------------------------------------------------------------------- order


def test_a_subset_that_goes_while_a_route_uses_it() -> None:
    found = risks(canary(10), on_api(Retry.never))
    route = "VirtualService prod/api"
    assert only(Risk.BREAKING_ORDER, found) == [
        f"DestinationRule prod/api loses subsets v1 and v2 while {route} still sends requests to them; apply {route} first"
    ]
    assert Risk.BREAKING_ORDER not in kinds(on_api(Retry.never), canary(10))
    assert Risk.BREAKING_ORDER not in kinds(canary(10), canary(20))


def test_a_subset_that_goes_while_the_route_of_another_keeps_it() -> None:
    before, after = bundle(canary(10)), bundle(on_api(Retry.never))
    foreign = next(dict(body) for body in objects(before) if body["kind"] == "VirtualService")
    foreign["metadata"] = {"name": "theirs", "namespace": "other"}
    report = DiffReport("test", "test", changed(before, after))
    found = findings(report, before.plan, after.plan, after, Snapshot([*objects(before), foreign]))
    assert (
        "DestinationRule prod/api loses subsets v1 and v2, and VirtualService other/theirs goes on sending requests"
        " to them" in only(Risk.BREAKING_ORDER, list(found))
    )


@pytest.mark.parametrize("target", [Ambient(default_retries="off"), Linkerd(), Linkerd(split_api="smi")])
def test_a_service_of_a_version_that_goes_while_a_route_uses_it(target: Target) -> None:
    split = on_api(lambda a: Split(a, weights={"v1": 1, "v2": 1}))
    one = on_api(lambda a: Split(a, weights={"v1": 1}))
    (sentence,) = only(Risk.BREAKING_ORDER, risks(split, one, target))
    assert sentence.startswith("Service prod/api-v2 is deleted while ")
    assert Risk.BREAKING_ORDER not in kinds(one, split, target)


def test_a_waypoint_that_goes_while_a_service_is_bound_to_it() -> None:
    target = Ambient(default_retries="off")
    found = risks(canary(10), nothing, target)
    assert "waypoint prod/waypoint is deleted while prod/api is bound to it; unbind first" in only(
        Risk.BREAKING_ORDER, found
    )
    assert Risk.BREAKING_ORDER not in kinds(nothing, canary(10), target)


def service_of(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "prod"},
        "spec": {"ports": [{"port": 80}]},
    }


@pytest.mark.parametrize(
    ("there", "missing"), [((), False), (("api",), True), (("api", "web"), False), (("web",), False)]
)
def test_a_route_to_a_service_that_nobody_has_breaks_only_what_is_there(
    there: tuple[str, ...], *, missing: bool
) -> None:
    new = bundle(lambda api, web: [Mirror(api, to=web, percent=100), Retry.never(api)])
    kind = next(kind for kind in OF_TARGET["istio"] if kind.kind == "Service")
    report = DiffReport("test", "test", changed(bundle(nothing), new))
    snapshot = Snapshot([service_of(name) for name in there], frozenset([Scope(kind)]))
    found = findings(report, new.plan, new.plan, new, snapshot)
    wanted = ["VirtualService prod/api sends requests to Service prod/web, which is not there"]
    assert [one.sentence for one in found] == (wanted if missing else [])


@pytest.mark.parametrize("target", [Istio(), Ambient(default_retries="off"), Linkerd(), Linkerd(split_api="smi")])
def test_services_that_are_no_object_of_ours_are_not_missing_between_revisions(target: Target) -> None:
    weights = {"v1": 1, "v2": 1}
    found = diff(
        bundle(lambda api, web: [Split(api, weights=weights), Timeout(web, "5s")], target),
        bundle(lambda api, _: [Split(api, weights={"v1": 1})], target),
    )
    assert Risk.BREAKING_ORDER not in [one.risk for one in found.risks]


@pytest.mark.parametrize("target", [Istio(), Ambient(default_retries="off"), Linkerd(), Linkerd(split_api="smi")])
def test_a_first_apply_to_an_empty_cluster_breaks_nothing(target: Target) -> None:
    new = bundle(canary(10), target)
    scopes = frozenset(Scope(kind) for kind in OF_TARGET[target.name])
    assert diff(new, Snapshot([], scopes)).risks == ()


def test_services_that_are_not_known_are_not_missing() -> None:
    new = bundle(on_api(lambda a: Timeout(a, "5s")), Linkerd())
    report = DiffReport("test", "test", changed(bundle(nothing, Linkerd()), new))
    assert findings(report, new.plan, new.plan, new, Snapshot([])) == ()


def test_a_field_that_the_cluster_would_drop() -> None:
    ref = ObjectRef("gateway.networking.k8s.io/v1", "HTTPRoute", "prod", "api-80")
    same = bundle(nothing)
    for dropped, wanted in (((("spec", "rules", 0, "retry"),), [Risk.DROPPED_FIELD]), ((), [])):
        report = DiffReport("test", "test", (ObjectChange(ref, Action.UPDATE, dropped=dropped),))
        found = findings(report, same.plan, same.plan, same, Snapshot([]))
        assert [one.risk for one in found] == wanted


# ------------------------------------------------------------------------------------------------- from objects alone

PAIRS: list[tuple[Policies, Policies]] = [
    (STRICT, PERMISSIVE),
    (canary(10), canary(80)),
    (on_api(lambda a: Breaker(a, consecutive_5xx=5, accept=("MESH521",))), nothing),
    (on_api(lambda a: Timeout(a, "5s")), on_api(lambda a: Headers_(a))),
    (on_prod(Proxy(PROD)), on_prod(Proxy(PROD, enrolled=False))),
    (lambda api, web: [Allow(api, callers=(web,))], nothing),
    (on_prod(DefaultDeny(PROD)), nothing),
]


def Headers_(api: Service) -> Any:  # noqa: N802 - a policy that changes nothing of what is looked at
    return meshdsl.Headers(api, request_remove=("x-a",))


@pytest.mark.parametrize(("before", "after"), PAIRS)
@pytest.mark.parametrize("target", [Istio(), Ambient(default_retries="off"), Linkerd()])
def test_without_a_plan_the_objects_show_the_same_risks(before: Policies, after: Policies, target: Target) -> None:
    old, new = bundle(before, target), bundle(after, target)
    live = [{**body, "metadata": {**body["metadata"], "managedFields": [managed(body)]}} for body in objects(old)]
    alone = diff(new, live).risks
    assert [(one.risk, one.subject) for one in alone] == [(one.risk, one.subject) for one in diff(new, old).risks]
    assert alone


def test_nothing_is_claimed_of_what_is_not_known() -> None:
    new = bundle(on_api(lambda a: Retry(a, attempts=3, retry_on=("5xx",), methods="any"), lambda a: Timeout(a, "5s")))
    unknown = tuple(Unknown(Scope(kind), "forbidden", "forbidden") for kind in OF_TARGET["istio"])
    report = diff(new, Snapshot([], unknown=unknown))
    assert report.unknown
    assert report.risks == ()


def managed(body: Any) -> dict[str, Any]:
    def owned(value: Any) -> Any:
        return {f"f:{key}": owned(inner) for key, inner in value.items()} if isinstance(value, dict) else {}

    named = {key: value for key, value in body["metadata"].items() if key not in ("name", "namespace")}
    rest = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
    return {"manager": "meshdsl", "operation": "Apply", "fieldsV1": owned({**rest, "metadata": named})}


def test_findings_are_ordered_by_seriousness() -> None:
    before = on_api(
        lambda a: Timeout(a, "5s"), lambda a: Breaker(a, max_requests=1), lambda a: MutualTls(a, mode="strict")
    )
    found = kinds(before, on_api(lambda a: Retry(a, attempts=1, retry_on=("5xx",), methods="any")))
    assert found == sorted(found, key=SERIOUSNESS.index)
    assert found == [Risk.WEAKENED_MTLS, Risk.UNSAFE_RETRIES, Risk.REMOVED_BREAKER, Risk.REMOVED_TIMEOUT]


def test_on_linkerd_a_mode_that_a_default_deny_hides_is_not_called_removed() -> None:
    strict = MutualTls(PROD, mode="strict")
    old, new = (bundle(on_prod(*policies), Linkerd()) for policies in ([strict], [strict, DefaultDeny(PROD)]))
    report = diff(new, objects(old))
    assert [one.sentence for one in report.policy] == ["default deny added to namespace prod"]
    assert report.risks == ()
