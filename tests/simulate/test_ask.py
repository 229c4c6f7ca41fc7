"""What a person writes becomes the request that is meant, or a clear error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import meshdsl
from meshdsl import Namespace, Port, Proxy, Service
from meshdsl.compiler import meaning
from meshdsl.model.policy_set import PolicySet
from meshdsl.plan.intent import Plan
from meshdsl.simulate.ask import NOBODY, QuestionError, caller, question
from meshdsl.simulate.trace import subject, trace_plan
from meshdsl.simulate.words import OUTSIDE, Caller, Request

PROD = Namespace("prod")
OLD = Namespace("old")
API = Service("api", PROD, port=8080)
WEB = Service("web", PROD, port=80, service_account="front")
MANY = Service(
    "many", PROD, ports=(Port(80, name="http"), Port(9090, name="admin"), Port(5432, protocol="tcp", name="db"))
)
BYTES = Service("bytes", PROD, port=5432, protocol="tcp")
LEGACY = Service("legacy", OLD, port=80)
CRON = Service("cron", PROD)
ROBOT = meshdsl.Allow(API, callers=(meshdsl.ServiceAccount("ci", "robot"), WEB))


@pytest.fixture(scope="module")
def plan() -> Plan:
    objects = (PROD, OLD, API, WEB, MANY, BYTES, LEGACY, CRON, ROBOT)
    objects = (*objects, Proxy(OLD, enrolled=False), meshdsl.Timeout(API, "5s"))
    return meaning(PolicySet(objects), "test")


def test_a_request_has_the_identity_of_its_caller_and_the_only_port(plan: Plan) -> None:
    assert question(plan, "prod/web", "prod/api", "GET", "/items") == Request(
        Caller("prod", "front"), "prod/api", 8080, "GET", "/items"
    )


def test_a_path_without_a_method_is_got(plan: Plan) -> None:
    assert question(plan, "prod/web", "prod/api", path="/x").method == "GET"
    assert question(plan, "prod/web", "prod/api", method="POST").path == "/"


def test_the_query_is_taken_from_the_path_and_from_beside_it(plan: Plan) -> None:
    found = question(plan, "prod/web", "prod/api", "GET", "/x?a=1&b=%20&c", query={"d": "4"})
    assert (found.path, found.query) == ("/x", {"a": "1", "b": " ", "c": "", "d": "4"})


def test_headers_are_texts_or_a_mapping_and_their_names_lower_case(plan: Plan) -> None:
    for headers in ({"X-Canary": "true"}, ("X-Canary: true",), ("x-canary:true ",)):
        assert question(plan, "prod/web", "prod/api", "GET", "/", headers=headers).headers == {"x-canary": "true"}


def test_callers_are_services_accounts_anyone_and_those_outside(plan: Plan) -> None:
    assert caller(plan, "prod/api") == Caller("prod", "api")
    assert caller(plan, "account:ci/runner") == Caller("ci", "runner")
    assert caller(plan, "ci/robot") == Caller("ci", "robot")
    assert caller(plan, "anyone") == NOBODY
    assert caller(plan, "outside") == OUTSIDE
    assert caller(plan, "old/legacy") == OUTSIDE, "its pods are kept out of the mesh"


def test_a_port_is_a_number_or_a_name_after_the_service_or_beside_it(plan: Plan) -> None:
    assert question(plan, "prod/web", "prod/many:admin", "GET", "/").port == 9090
    assert question(plan, "prod/web", "prod/many:80", "GET", "/").port == 80
    assert question(plan, "prod/web", "prod/many", "GET", "/", port=9090).port == 9090
    assert question(plan, "prod/web", "prod/many", port="db").port == 5432
    assert question(plan, "prod/web", "prod/bytes") == Request(Caller("prod", "front"), "prod/bytes", 5432)


def test_a_header_may_be_empty_and_an_encoded_path_is_one(plan: Plan) -> None:
    found = question(plan, "prod/web", "prod/api", "GET", "/a%20b", headers=("x-empty:",))
    assert (found.path, found.headers) == ("/a%20b", {"x-empty": ""})


WRONG: dict[str, tuple[Callable[[Plan], Any], str, str]] = {
    "a service nobody knows": (lambda p: question(p, "prod/web", "prod/apy", "GET", "/"), "MESH071", "prod/api"),
    "a service without its namespace": (lambda p: question(p, "prod/web", "api", "GET", "/"), "MESH071", "prod/api"),
    "a caller nobody knows": (lambda p: caller(p, "prod/wob"), "MESH071", "prod/web"),
    "half an account": (lambda p: caller(p, "account:ci"), "MESH901", "account:NAMESPACE/NAME"),
    "a method nobody knows": (lambda p: question(p, "prod/web", "prod/api", "FETCH", "/"), "MESH902", "PATCH"),
    "a method in lower case": (lambda p: question(p, "prod/web", "prod/api", "get", "/"), "MESH902", "mean GET"),
    "a path without its slash": (lambda p: question(p, "prod/web", "prod/api", "GET", "x"), "MESH903", "/v1/items"),
    "a path with a space": (lambda p: question(p, "prod/web", "prod/api", "GET", "/a b"), "MESH903", "percent"),
    "a path with a fragment": (lambda p: question(p, "prod/web", "prod/api", "GET", "/a#b"), "MESH903", "percent"),
    "a port it has not": (lambda p: question(p, "prod/web", "prod/api:81", "GET", "/"), "MESH904", "8080"),
    "one of several ports": (lambda p: question(p, "prod/web", "prod/many", "GET", "/"), "MESH904", "9090 (admin)"),
    "a header without a colon": (
        lambda p: question(p, "prod/web", "prod/api", "GET", "/", headers=("x",)), "MESH905", "x-canary: true",
    ),
    "a header that is none": (
        lambda p: question(p, "prod/web", "prod/api", "GET", "/", headers=("a b: c",)), "MESH905", "",
    ),
    "a header whose value is no text": (
        lambda p: question(p, "prod/web", "prod/api", "GET", "/", headers={"a": 1}), "MESH905", "write '1'",  # type: ignore[dict-item]
    ),
    "a parameter whose value is no text": (
        lambda p: question(p, "prod/web", "prod/api", "GET", "/", query={"a": 1}), "MESH905", "write '1'",  # type: ignore[dict-item]
    ),
    "a header without a name": (
        lambda p: question(p, "prod/web", "prod/api", "GET", "/", headers=(": x",)), "MESH905", "x-canary: true",
    ),
    "a request to a service without a port": (
        lambda p: question(p, "prod/web", "prod/cron", "GET", "/"), "MESH904", "",
    ),
    "the host": (lambda p: question(p, "prod/web", "prod/api", "GET", "/", headers=("Host: x",)), "MESH905", "host"),
    "a pseudo header": (
        lambda p: question(p, "prod/web", "prod/api", "GET", "/", headers=(":authority: x",)), "MESH905", "host",
    ),
    "a stray percent sign": (lambda p: question(p, "prod/web", "prod/api", "GET", "/a%zz"), "MESH903", "percent"),
    "no port after the colon": (lambda p: question(p, "prod/web", "prod/api:", "GET", "/"), "MESH904", "8080"),
    "an account of any namespace": (lambda p: caller(p, "account:*/x"), "MESH901", "account:NAMESPACE/NAME"),
    "a header given twice": (
        lambda p: question(p, "prod/web", "prod/api", "GET", "/", headers=("a: 1", "A: 2")), "MESH906", "",
    ),
    "a parameter given twice": (lambda p: question(p, "prod/web", "prod/api", "GET", "/?a=1&a=2"), "MESH906", ""),
    "a request to bytes": (lambda p: question(p, "prod/web", "prod/bytes", "GET", "/"), "MESH907", "leave method"),
    "a request to a port of bytes": (
        lambda p: question(p, "prod/web", "prod/many:db", "GET", "/"), "MESH907", "leave method",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_told_with_a_way_out(plan: Plan, name: str) -> None:
    ask, code, way_out = WRONG[name]
    with pytest.raises(QuestionError) as caught:
        ask(plan)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert way_out in found.help
    assert caught.value.exit_code == 2


def test_what_was_probably_meant_stands_before_what_else_there_is(plan: Plan) -> None:
    with pytest.raises(QuestionError) as caught:
        caller(plan, "prod/wev")
    (found,) = caught.value.diagnostics
    assert found.help.startswith("did you mean 'prod/web'? a service account is account:")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("prod/web", "prod/web (prod/front)"),
        ("account:prod/front", "prod/web (prod/front)"),
        ("prod/api", "prod/api"),
        ("old/legacy", "old/legacy, which is kept out of the mesh,"),
        ("account:ci/robot", "ci/robot"),
        ("anyone", "anyone in the mesh"),
        ("outside", "outside the mesh"),
    ],
)
def test_a_headline_calls_callers_as_reasons_do(plan: Plan, source: str, words: str) -> None:
    assert subject(trace_plan(plan, question(plan, source, "prod/api", "GET", "/"))) == (
        f"GET / from {words} to prod/api:8080"
    )
