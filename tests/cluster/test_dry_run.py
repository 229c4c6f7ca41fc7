"""Dry-run applies: only where they are promised to be dry, and looked at afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meshdsl.cluster import ClusterError
from meshdsl.compare.kinds import KINDS
from meshdsl.compare.live import Scope
from tests.cluster.api import Api, Reply, Request, as_json, cluster, reset, service, status, text

SERVICES = "/api/v1/services"
PLACE = "/api/v1/namespaces/{namespace}/services/{name}"
OBJECT = "/api/v1/namespaces/a/services/x"
BODY = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "x", "namespace": "a"},
    "spec": {"ports": [{"port": 80}]},
}
ALL = ("dryRun", "fieldManager", "fieldValidation", "force")
SCOPE = Scope(KINDS["v1", "Service"], "a")


def promising(api: Api, *parameters: str) -> None:
    patch = {"parameters": [{"name": name, "in": "query"} for name in parameters]}
    api.documents["/openapi/v3/api/v1"] = {"paths": {PLACE: {"patch": patch, "parameters": [{"name": "pretty"}]}}}


class Store:
    """Applies like an API server; one that writes if ``writes`` is set."""

    def __init__(self, api: Api, *, writes: bool = False) -> None:
        self.api = api
        self.writes = writes
        self.stored: dict[str, Any] | None = None
        self.version = 5
        api.fault = self.fault

    def put(self) -> dict[str, Any]:
        self.stored = {**service("a", "x"), "apiVersion": "v1", "kind": "Service", "spec": {}}
        self.stored["metadata"]["resourceVersion"] = str(self.version)
        self.api.lists[SERVICES] = ("Service", [self.stored])
        return self.stored

    def fault(self, request: Request) -> Reply | None:
        if request.path != OBJECT:
            return None
        if request.method == "GET":
            return as_json(self.stored) if self.stored else status(404, 'services "x" not found')
        assert request.method == "PATCH"
        result = json.loads(request.body)
        if self.stored:
            result["metadata"]["resourceVersion"] = self.stored["metadata"]["resourceVersion"]
        if self.writes:
            self.version += 1
            result["metadata"]["resourceVersion"] = str(self.version)
            self.stored = result
        return as_json(result)


def test_a_dry_run_is_asked_for_in_full_and_answers_what_would_be(api: Api) -> None:
    promising(api, *ALL)
    Store(api)
    with cluster(api, server_side=True) as live:
        answer = live.apply_dry_run(BODY)
    assert answer.result == BODY
    [patch] = [request for request in api.requests if request.method == "PATCH"]
    assert patch.path == OBJECT
    assert patch.query == {"dryRun": "All", "fieldManager": "meshdsl", "fieldValidation": "Strict", "force": "true"}
    assert patch.headers["content-type"] == "application/apply-patch+yaml"
    assert json.loads(patch.body) == BODY
    assert api.methods == {"GET", "PATCH"}


def test_after_a_snapshot_an_object_costs_one_request(api: Api) -> None:
    promising(api, *ALL)
    api.lists[SERVICES] = ("Service", [])
    Store(api).put()
    with cluster(api, server_side=True) as live:
        live.snapshot([SCOPE])
        before = len(api.requests)
        for _ in range(3):
            assert live.apply_dry_run(BODY).result
    assert [request.method for request in api.requests[before:]] == ["GET", "PATCH", "PATCH", "PATCH"]
    assert api.requests[before].path == "/openapi/v3/api/v1"


@pytest.mark.parametrize("missing", ALL)
def test_a_server_that_does_not_promise_a_dry_run_is_never_sent_one(api: Api, missing: str) -> None:
    promising(api, *(name for name in ALL if name != missing))
    with cluster(api, server_side=True) as live, pytest.raises(ClusterError, match="does not promise") as raised:
        live.apply_dry_run(BODY)
    [diagnostic] = raised.value.diagnostics
    assert diagnostic.code == "MESH808"
    assert missing in diagnostic.reason
    assert api.methods == {"GET"}


@pytest.mark.parametrize(
    "document", [None, {}, {"paths": []}, {"paths": {PLACE: {}}}, {"paths": {PLACE: {"patch": None}}}]
)
def test_a_server_that_does_not_say_is_never_sent_one(api: Api, document: Any) -> None:
    if document is not None:
        api.documents["/openapi/v3/api/v1"] = document
    with cluster(api, server_side=True) as live, pytest.raises(ClusterError) as raised:
        live.apply_dry_run(BODY)
    assert raised.value.diagnostics[0].code == "MESH808"
    assert api.methods == {"GET"}


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_an_answer_that_was_written_is_noticed(api: Api, there: bool, listed: bool) -> None:
    promising(api, *ALL)
    api.lists[SERVICES] = ("Service", [])
    store = Store(api, writes=True)
    if there:
        store.put()
    with cluster(api, server_side=True) as live:
        if listed:
            live.snapshot([SCOPE])
        with pytest.raises(ClusterError, match="as if it had written Service x") as raised:
            live.apply_dry_run(BODY)
    assert raised.value.diagnostics[0].code == "MESH809"


def test_a_change_by_somebody_else_is_not_taken_for_a_write(api: Api) -> None:
    promising(api, *ALL)
    store = Store(api)
    store.put()
    with cluster(api, server_side=True) as live:
        live.snapshot([SCOPE])
        store.version = 9
        store.put()
        assert live.apply_dry_run(BODY).result is not None


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (status(403, 'services "x" is forbidden: User "ci" cannot patch resource "services"'), "cannot patch"),
        (status(400, "strict decoding error: unknown field"), "unknown field"),
        (status(422, 'Service "x" is invalid: spec.ports: Required value'), "Required value"),
        (status(409, "Apply failed with 1 conflict"), "conflict"),
        (status(404, 'namespaces "a" not found'), "not found"),
        (status(500, "failed to create typed patch object: .spec.q: field not declared in schema"), "not declared"),
    ],
)
def test_a_refusal_is_an_answer_and_is_not_tried_again(api: Api, fault: Reply, said: str) -> None:
    promising(api, *ALL)
    api.fault = lambda request: fault if request.method == "PATCH" else None
    with cluster(api, server_side=True) as live:
        answer = live.apply_dry_run(BODY)
    assert answer.result is None
    assert said in answer.refusal
    if "forbidden" in answer.refusal:
        assert answer.refusal.endswith("(a dry run needs get, patch and, for what is new, create)")
    assert sum(request.method == "PATCH" for request in api.requests) == 1


@pytest.mark.parametrize("fault", [status(503, "busy"), reset, text(502, "bad gateway"), status(500, "leader changed")])
def test_what_may_pass_is_tried_again(api: Api, fault: Reply) -> None:
    promising(api, *ALL)
    store = Store(api)
    seen: list[str] = []

    def once(request: Request) -> Reply | None:
        if request.method == "PATCH":
            seen.append(request.query["dryRun"])
            if len(seen) == 1:
                return fault
        return store.fault(request)

    api.fault = once
    with cluster(api, server_side=True) as live:
        assert live.apply_dry_run(BODY).result == BODY
    assert seen == ["All", "All"]


def test_what_does_not_pass_is_an_error(api: Api) -> None:
    promising(api, *ALL)
    api.fault = lambda request: status(503, "busy") if request.method == "PATCH" else None
    with cluster(api, server_side=True) as live, pytest.raises(ClusterError, match="the dry run of Service x failed"):
        live.apply_dry_run(BODY)


def test_without_server_side_there_is_no_way_to_send_one(api: Api) -> None:
    with cluster(api) as live, pytest.raises(ValueError, match="server_side=True"):
        live.apply_dry_run(BODY)
    assert api.methods == {"GET"}
