"""Many lists at once: what is read, what is unknown, and how few questions it takes."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from typing import Any

import pytest

from meshdsl.cluster import ClusterError
from meshdsl.cluster.clock import Clock
from meshdsl.cluster.listing import PAGE
from meshdsl.compare.kinds import CRD, KINDS, NAMESPACE
from meshdsl.compare.live import Scope
from meshdsl.manifest import MANAGED_BY, SET_LABEL
from tests.cluster.api import (
    CRDS,
    Api,
    FakeClock,
    Reply,
    Request,
    as_json,
    cluster,
    reset,
    service,
    stalled,
    status,
    text,
    truncated,
)

SERVICE = KINDS["v1", "Service"]
ROUTE = KINDS["gateway.networking.k8s.io/v1", "HTTPRoute"]
CANARY = KINDS["flagger.app/v1beta1", "Canary"]
SERVICES = "/api/v1/services"
ROUTES = "/apis/gateway.networking.k8s.io/v1/httproutes"
NAMESPACES = "/api/v1/namespaces"
SCOPES = [Scope(kind, namespace) for kind in (SERVICE, ROUTE) for namespace in ("a", "b", "c")]


def small(api: Api) -> Api:
    api.add(SERVICES, "Service", *(service(namespace, f"s-{namespace}") for namespace in "abcd"))
    api.add(ROUTES, "HTTPRoute", *(service(namespace, f"r-{namespace}") for namespace in "abcd"))
    api.add(CRDS, "CustomResourceDefinition", definition("httproutes", "gateway.networking.k8s.io"))
    return api


def definition(plural: str, group: str) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{plural}.{group}", "managedFields": [{"manager": "helm"}]},
        "spec": {"group": group, "names": {"plural": plural}},
    }


def names(objects: Any) -> list[str]:
    return [item["metadata"]["name"] for item in objects]


def lists(api: Api) -> list[str]:
    return sorted(path for path in api.paths() if path not in {"/version", CRDS})


def test_one_list_a_kind_answers_for_all_namespaces(api: Api) -> None:
    with cluster(small(api)) as live:
        found = live.snapshot(SCOPES)
    assert names(found.objects) == ["s-a", "s-b", "s-c", "r-a", "r-b", "r-c"]
    assert found.scopes == frozenset(SCOPES)
    assert found.unknown == ()
    assert lists(api) == [SERVICES, ROUTES]
    assert api.methods == {"GET"}
    assert api.closed == 1
    assert found.name == "test"


def test_items_get_the_kind_that_only_the_list_has(api: Api) -> None:
    with cluster(small(api)) as live:
        found = live.snapshot(SCOPES)
    assert [(item["apiVersion"], item["kind"]) for item in found.objects[2:4]] == [
        ("v1", "Service"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ]


def test_managed_fields_are_kept(api: Api) -> None:
    api.add(SERVICES, "Service", {"metadata": {"name": "x", "namespace": "a", "managedFields": [{"manager": "m"}]}})
    with cluster(api) as live:
        found = live.snapshot([Scope(SERVICE, "a")])
    assert found.objects[0]["metadata"]["managedFields"] == [{"manager": "m"}]


def test_what_many_objects_have_alike_is_kept_once(api: Api) -> None:
    for name in ("x", "y"):
        owner = {"manager": name, "fieldsV1": {"f:spec": {"f:hosts": {}}}}
        api.add(SERVICES, "Service", {"metadata": {"name": name, "namespace": "a", "managedFields": [owner]}})
    with cluster(api) as live:
        found = live.snapshot([Scope(SERVICE, "a")])
    first, second = (item["metadata"]["managedFields"][0] for item in found.objects)
    assert first["fieldsV1"] is second["fieldsV1"]
    assert (first["manager"], second["manager"]) == ("x", "y")
    assert gc.isenabled()


def test_the_definitions_of_the_asked_groups_are_read_without_what_nobody_needs(api: Api) -> None:
    small(api).add(CRDS, "CustomResourceDefinition", definition("widgets", "example.test"))
    with cluster(api) as live:
        found = live.snapshot(SCOPES)
    assert found.crds is not None
    assert names(found.crds) == ["httproutes.gateway.networking.k8s.io"]
    assert "managedFields" not in found.crds[0]["metadata"]


def test_definitions_that_may_not_be_read_are_none_and_nothing_else(api: Api) -> None:
    small(api).forbidden = lambda plural, _namespace: plural == "customresourcedefinitions"
    with cluster(api) as live:
        found = live.snapshot(SCOPES)
    assert found.crds is None
    assert found.unknown == ()


def test_definitions_that_fail_are_unknown(api: Api) -> None:
    small(api).fault = lambda request: status(500, "boom") if request.path == CRDS else None
    with cluster(api) as live:
        found = live.snapshot(SCOPES)
    assert found.crds is None
    assert [(unknown.scope, unknown.code) for unknown in found.unknown] == [(Scope(CRD), "server-error")]


def test_where_the_whole_cluster_may_not_be_listed_namespaces_are(api: Api) -> None:
    small(api).forbidden = lambda plural, namespace: not namespace and plural != "customresourcedefinitions"
    with cluster(api) as live:
        found = live.snapshot(SCOPES)
    assert names(found.objects) == ["s-a", "s-b", "s-c", "r-a", "r-b", "r-c"]
    assert found.scopes == frozenset(SCOPES)
    assert found.unknown == ()
    assert len(lists(api)) == 2 + 6


OURS = "app.kubernetes.io/managed-by=meshdsl,meshdsl.dev/set=shop"


@pytest.mark.parametrize("forbidden", [False, True])
def test_only_what_has_the_labels_is_asked_for_where_no_more_is_wanted(api: Api, *, forbidden: bool) -> None:
    mine, others = service("a", "mine"), service("a", "other")
    mine["metadata"]["labels"] = {MANAGED_BY: "meshdsl", SET_LABEL: "shop"}
    others["metadata"]["labels"] = {MANAGED_BY: "meshdsl", SET_LABEL: "else"}
    api.add(ROUTES, "HTTPRoute", mine, others)
    if forbidden:
        api.forbidden = lambda plural, namespace: plural == "httproutes" and not namespace
    asked = [Scope(ROUTE, namespace, OURS) for namespace in ("a", "b")]
    live = cluster(api)
    live.begin([Scope(ROUTE, "", OURS)])
    with live:
        found = live.snapshot(asked)
    assert names(found.objects) == ["mine"]
    assert found.scopes == frozenset(asked)
    questions = [request.query.get("labelSelector") for request in api.requests if "httproutes" in request.path]
    assert questions == [OURS] * (3 if forbidden else 1)


MATRIX = list(itertools.product(("services", "httproutes"), ("a", "b", "c")))


@pytest.mark.parametrize(("plural", "namespace"), MATRIX)
def test_one_kind_in_one_namespace_that_is_forbidden_is_unknown_and_the_rest_is_there(
    api: Api, plural: str, namespace: str
) -> None:
    small(api).forbidden = lambda p, n: not n or (p, n) == (plural, namespace)
    with cluster(api) as live:
        found = live.snapshot(SCOPES)
    hidden = Scope(SERVICE if plural == "services" else ROUTE, namespace)
    assert [unknown.scope for unknown in found.unknown] == [hidden]
    assert found.unknown[0].code == "forbidden"
    assert found.unknown[0].reason.startswith(f'forbidden: {plural} is forbidden: User "ci" cannot list')
    assert found.scopes == frozenset(SCOPES) - {hidden}
    assert len(found.objects) == 5


def test_a_kind_that_is_not_installed_is_said_to_be(api: Api) -> None:
    small(api)
    with cluster(api) as live:
        found = live.snapshot([*SCOPES, Scope(CANARY, "a")])
    assert [(unknown.scope, unknown.code) for unknown in found.unknown] == [(Scope(CANARY, "a"), "not-installed")]
    assert len(found.objects) == 6


@pytest.mark.parametrize("fault", [status(500, "boom"), reset, truncated, text(200, "<html>", "text/html")])
def test_a_kind_that_fails_is_unknown_and_the_rest_is_there(api: Api, fault: Reply) -> None:
    small(api).fault = lambda request: fault if "httproutes" in request.path else None
    with cluster(api) as live:
        found = live.snapshot(SCOPES)
    assert names(found.objects) == ["s-a", "s-b", "s-c"]
    assert [unknown.scope for unknown in found.unknown] == [Scope(ROUTE, namespace) for namespace in "abc"]
    assert not found.scopes & {Scope(ROUTE, namespace) for namespace in "abc"}


NO_LISTS: dict[str, Any] = {
    "no items": {"kind": "ServiceList", "apiVersion": "v1", "metadata": {}},
    "items, no list": {"kind": "ServiceList", "apiVersion": "v1", "metadata": {}, "items": {}},
    "other kind": {"kind": "Service", "apiVersion": "v1", "metadata": {}, "items": []},
    "other version": {"kind": "ServiceList", "apiVersion": "v2", "metadata": {}, "items": []},
    "no metadata": {"kind": "ServiceList", "apiVersion": "v1", "items": []},
    "item, no object": {"kind": "ServiceList", "apiVersion": "v1", "metadata": {}, "items": [1]},
    "item without name": {"kind": "ServiceList", "apiVersion": "v1", "metadata": {}, "items": [{"metadata": {}}]},
    "item of another kind": {
        "kind": "ServiceList",
        "apiVersion": "v1",
        "metadata": {},
        "items": [{"kind": "Pod", "metadata": {"name": "x"}}],
    },
    "status": {"kind": "Status", "apiVersion": "v1", "status": "Failure"},
}


@pytest.mark.parametrize("body", NO_LISTS.values(), ids=NO_LISTS)
def test_what_is_no_list_is_never_an_empty_one(api: Api, body: Any) -> None:
    small(api).fault = lambda request: as_json(body) if request.path == SERVICES else None
    with cluster(api) as live:
        found = live.snapshot([Scope(SERVICE, "a")])
    assert [unknown.code for unknown in found.unknown] == ["invalid-answer"]
    assert found.scopes == frozenset()


def test_a_list_that_go_never_filled_is_empty(api: Api) -> None:
    body = {"kind": "ServiceList", "apiVersion": "v1", "metadata": {}, "items": None}
    small(api).fault = lambda request: as_json(body) if request.path == SERVICES else None
    with cluster(api) as live:
        found = live.snapshot([Scope(SERVICE, "a")])
    assert (list(found.objects), found.unknown) == ([], ())


def many(api: Api, count: int, namespace: str = "a") -> None:
    api.add(SERVICES, "Service", *(service(namespace, f"s{n:05}") for n in range(count)))


def test_pages_are_followed(api: Api) -> None:
    many(api, 2 * PAGE + 1)
    with cluster(api) as live:
        found = live.snapshot([Scope(SERVICE)])
    assert len(found.objects) == 2 * PAGE + 1
    assert [request.query.get("continue") for request in api.requests if request.path == SERVICES] == [
        None,
        str(PAGE),
        str(2 * PAGE),
    ]


def gone(request: Request) -> Reply | None:
    if request.query.get("continue"):
        return as_json(
            {
                "kind": "Status",
                "metadata": {"continue": "inconsistent-token"},
                "message": "The provided continue parameter is too old",
                "reason": "Expired",
                "code": 410,
            },
            410,
        )
    return None


@pytest.mark.parametrize("scope", [Scope(SERVICE), Scope(SERVICE, "a")])
def test_a_list_that_expires_is_read_again_once_and_whole(api: Api, scope: Scope) -> None:
    many(api, PAGE + 5)
    api.fault = gone
    with cluster(api) as live:
        found = live.snapshot([scope])
    assert len(found.objects) == len(set(names(found.objects))) == PAGE + 5
    asked = [request.query for request in api.requests if request.path == SERVICES]
    assert asked == [{"limit": str(PAGE)}, {"limit": str(PAGE), "continue": str(PAGE)}, {}]


def test_the_token_for_an_inconsistent_rest_is_never_used(api: Api) -> None:
    many(api, PAGE + 5)
    api.fault = gone
    with cluster(api) as live:
        live.snapshot([Scope(SERVICE)])
    assert not any("inconsistent" in request.query.get("continue", "") for request in api.requests)


def test_a_list_that_expires_twice_is_unknown(api: Api) -> None:
    many(api, PAGE + 5)

    def fault(request: Request) -> Reply | None:
        if request.path == SERVICES and "limit" not in request.query and not request.query.get("continue"):
            metadata = {"resourceVersion": "7", "continue": "more"}
            items = [service("a", "one")]
            return as_json({"kind": "ServiceList", "apiVersion": "v1", "metadata": metadata, "items": items})
        return gone(request)

    api.fault = fault
    with cluster(api) as live:
        found = live.snapshot([Scope(SERVICE)])
    assert [unknown.code for unknown in found.unknown] == ["server-error"]
    assert list(found.objects) == []


def test_pages_of_different_moments_are_not_put_together(api: Api) -> None:
    many(api, PAGE + 5)

    def fault(request: Request) -> Reply | None:
        if request.query.get("continue"):
            metadata = {"resourceVersion": "8"}
            items = [service("a", "from-another-moment")]
            return as_json({"kind": "ServiceList", "apiVersion": "v1", "metadata": metadata, "items": items})
        return None

    api.fault = fault
    with cluster(api) as live:
        found = live.snapshot([Scope(SERVICE)])
    assert "from-another-moment" not in names(found.objects)
    assert len(found.objects) == PAGE + 5


def test_pages_that_do_not_go_on_end(api: Api) -> None:
    body = {"kind": "ServiceList", "apiVersion": "v1", "metadata": {"continue": "same"}, "items": []}
    small(api).fault = lambda request: as_json(body) if request.path == SERVICES else None
    with cluster(api) as live:
        found = live.snapshot([Scope(SERVICE)])
    assert [unknown.code for unknown in found.unknown] == ["invalid-answer"]


def test_a_cluster_that_is_much_larger_than_what_is_asked_for_is_not_read_whole(api: Api) -> None:
    many(api, 5 * PAGE, "elsewhere")
    left = service("left", "ours", **{MANAGED_BY: "meshdsl"})
    api.add(SERVICES, "Service", service("a", "mine"), left)
    with cluster(api) as live:
        found = live.snapshot([Scope(SERVICE, "a")])
    assert sorted(names(found.objects)) == ["mine", "ours"]
    assert found.scopes == {Scope(SERVICE, "a")}
    services = [request for request in api.requests if "services" in request.path]
    assert [(request.path, sorted(request.query)) for request in services] == [
        (SERVICES, ["limit"]),
        (SERVICES, ["labelSelector", "limit"]),
        ("/api/v1/namespaces/a/services", ["limit"]),
    ]


def test_what_is_ours_is_found_where_no_policy_looks_any_more(api: Api) -> None:
    small(api).add(ROUTES, "HTTPRoute", service("left", "ours", **{MANAGED_BY: "meshdsl"}))
    with cluster(api) as live:
        found = live.snapshot(SCOPES)
    assert "ours" in names(found.objects)
    assert Scope(ROUTE, "left") not in found.scopes


def test_namespaces_are_listed_outside_of_namespaces(api: Api) -> None:
    api.add(NAMESPACES, "Namespace", {"metadata": {"name": "a"}})
    with cluster(api) as live:
        found = live.snapshot([Scope(NAMESPACE)])
    assert [item["kind"] for item in found.objects] == ["Namespace"]
    assert found.scopes == {Scope(NAMESPACE)}


def test_everything_within_one_deadline(api: Api) -> None:
    small(api).fault = lambda request: stalled if request.path == SERVICES else None
    began = time.monotonic()
    with cluster(api, Clock(), timeout=0.4) as live:
        found = live.snapshot(SCOPES)
    assert time.monotonic() - began < 3
    assert {unknown.code for unknown in found.unknown} == {"timeout"}
    assert {unknown.scope.kind for unknown in found.unknown} == {SERVICE}
    assert names(found.objects) == ["r-a", "r-b", "r-c"]


@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_a_token_that_expires_for_good_leaves_what_was_read_and_marks_the_rest(api: Api, after: int) -> None:
    small(api).forbidden = lambda plural, namespace: not namespace
    api.fault = lambda request: status(401, "Unauthorized") if request.index > after else None
    with cluster(api) as live:
        found = live.snapshot(SCOPES)
    assert found.unknown
    assert {unknown.code for unknown in found.unknown} <= {"unauthorized"}
    assert found.scopes == frozenset(SCOPES) - {unknown.scope for unknown in found.unknown}


def test_requests_overlap_and_their_number_is_bounded(api: Api) -> None:
    small(api).forbidden = lambda plural, namespace: not namespace
    lock, now, most = threading.Lock(), [0], [0]

    def slow(request: Request) -> Reply | None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return None

    api.fault = slow
    with cluster(api) as live:
        live.snapshot([Scope(SERVICE, f"n{n}") for n in range(40)])
    assert 2 <= most[0] <= 8


def test_a_stream_yields_every_object_once_also_when_it_begins_again(api: Api) -> None:
    many(api, PAGE + 5)
    api.fault = gone
    with cluster(api) as live:
        found = names(live.stream(Scope(SERVICE)))
    assert len(found) == len(set(found)) == PAGE + 5


def test_a_stream_that_fails_says_so(api: Api) -> None:
    small(api).forbidden = lambda plural, namespace: True
    with cluster(api) as live, pytest.raises(ClusterError, match="cannot be listed: forbidden"):
        list(live.stream(Scope(SERVICE)))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (status(401, "Unauthorized"), "MESH803"),
        (text(500, "getting credentials: exec: executable sh failed with exit code 1"), "MESH803"),
        (text(500, "dial tcp 10.0.0.1:443: connect: connection refused"), "MESH804"),
        (status(503, "starting"), "MESH804"),
        (stalled, "MESH805"),
        (text(500, "tls: failed to verify certificate: x509: certificate signed by unknown authority"), "MESH806"),
        (text(200, "<html>please log in</html>", "text/html"), "MESH807"),
        (text(302, "", "text/html"), "MESH807"),
    ],
)
def test_a_cluster_that_cannot_be_asked_at_all_is_an_error_on_entering(api: Api, fault: Reply, code: str) -> None:
    api.fault = lambda _request: fault
    with pytest.raises(ClusterError) as raised, cluster(api, read_timeout=0.05):
        pass
    assert [diagnostic.code for diagnostic in raised.value.diagnostics] == [code]
    assert raised.value.exit_code == 3
    assert api.closed


def test_a_version_that_may_not_be_read_is_no_obstacle(api: Api) -> None:
    small(api).fault = lambda request: status(403, "no") if request.path == "/version" else None
    with cluster(api) as live:
        assert live.cluster_id().version == ""
        assert len(live.snapshot(SCOPES).objects) == 6


def test_two_clusters_are_told_apart(api: Api, clock: FakeClock) -> None:
    path = "/api/v1/namespaces/kube-system"
    seen = set()
    for uid in ("one", "two"):
        api.documents[path] = {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": uid}}
        with cluster(api, clock) as live:
            seen.add(live.cluster_id())
    assert {(found.uid, found.version) for found in seen} == {("one", "v1.36.1"), ("two", "v1.36.1")}


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("uid", ["two", ""])
def test_another_cluster_than_the_one_that_is_meant_is_refused(api: Api, uid: str, ahead: bool) -> None:
    path = "/api/v1/namespaces/kube-system"
    small(api).documents[path] = {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "one"}}
    with cluster(api, uid="one") as live:
        assert live.snapshot(SCOPES).objects
    api.requests.clear()
    api.documents[path]["metadata"]["uid"] = uid
    other = cluster(api, uid="one")
    if ahead:
        other.begin([Scope(SERVICE)])
    with (
        pytest.raises(ClusterError, match="another cluster" if uid else "cannot be told which cluster") as raised,
        other,
    ):
        pass
    assert raised.value.diagnostics[0].code == "MESH811"
    assert lists(api) == [path], "objects of another cluster were read"


def test_a_cluster_is_used_in_a_with_statement(api: Api) -> None:
    with pytest.raises(RuntimeError, match="with statement"):
        cluster(api).snapshot(SCOPES)


def test_no_request_ever_asks_for_secrets_or_writes(api: Api) -> None:
    with cluster(small(api)) as live:
        live.snapshot([Scope(kind, "a") for kind in KINDS.values()])
        live.cluster_id()
    assert api.methods == {"GET"}
    assert not any("secret" in request.target for request in api.requests)


# --- Asked ahead


def test_what_was_asked_ahead_is_asked_once_and_is_the_same(api: Api) -> None:
    with cluster(small(api)) as live:
        expected = live.snapshot(SCOPES)
    once = sorted(api.paths())
    api.requests.clear()
    live = cluster(api)
    live.begin([Scope(SERVICE), Scope(ROUTE)])
    with live:
        assert live.snapshot(SCOPES) == expected
        assert sorted(api.paths()) == once
        assert live.snapshot(SCOPES) == expected
    assert len(api.paths()) == 2 * len(once) - 1


def test_an_answer_that_fails_ahead_is_only_the_first_try(api: Api) -> None:
    failed: set[str] = set()

    def once(request: Request) -> Reply | None:
        if request.path == "/version" or request.path in failed:
            return None
        failed.add(request.path)
        return truncated

    small(api).fault = once
    live = cluster(api)
    live.begin([Scope(SERVICE), Scope(ROUTE)])
    with live:
        found = live.snapshot(SCOPES)
    assert (len(found.objects), found.unknown) == (6, ())
    assert failed == {SERVICES, ROUTES, CRDS}


def test_a_list_that_is_forbidden_ahead_is_asked_for_namespace_by_namespace(api: Api) -> None:
    small(api).forbidden = lambda _plural, namespace: not namespace
    live = cluster(api)
    live.begin([Scope(SERVICE), Scope(ROUTE)])
    with live:
        found = live.snapshot(SCOPES)
    assert (len(found.objects), found.unknown) == (6, ())


def test_what_goes_wrong_ahead_is_raised_on_entering(api: Api) -> None:
    api.fault = lambda _request: status(401, "Unauthorized")
    live = cluster(api)
    live.begin([Scope(SERVICE)])
    with pytest.raises(ClusterError, match="not logged in"), live:
        pass
    assert api.closed


def test_what_was_begun_and_never_entered_is_closed(api: Api) -> None:
    small(api).fault = lambda request: stalled if request.path != "/version" else None
    live = cluster(api, read_timeout=0.2)
    live.begin([Scope(SERVICE), Scope(ROUTE)])
    while len(api.paths()) < 2:
        time.sleep(0.01)
    live.close()
    assert api.closed
    count = len(api.paths())
    time.sleep(0.5)
    assert len(api.paths()) <= max(count, 4), "what was closed asks on"
