"""The derived requests: every boundary of every condition is among them, always the same, and few."""

from __future__ import annotations

import re
from typing import Any

import pytest

import meshdsl
from meshdsl import Allow, Canary, Cookie, Header, Namespace, Port, Probe, Query, Regex, Service, Timeout
from meshdsl.plan.requests import Path, PathKind
from meshdsl.plan.resolve import resolve
from meshdsl.simulate import samples
from meshdsl.simulate.requests import NOBODY, requests_of
from meshdsl.simulate.words import OUTSIDE, Caller, Request

PROD, FRONT = Namespace("prod"), Namespace("front")
WEB = Service("web", FRONT, port=80)
API = Service("api", PROD, port=8080, versions=("v1", "v2"), probes=(Probe("/healthz", port=8080),))


def derived(*objects: Any) -> list[Request]:
    plan = resolve(meshdsl.PolicySet((API, WEB, *objects)))
    return [one for port in requests_of(plan, services=["prod/api"]) for one in port.requests]


def test_a_prefix_is_asked_at_all_its_boundaries() -> None:
    found = {one.path for one in derived(Timeout(API.route("r", path="/a/b/*"), "1s"))}
    assert found >= {"/a/b", "/a/b/", "/a/b/below", "/a/bx", "/a", "/A/B", "/", "/nowhere"}


def test_named_methods_and_one_that_is_not_are_asked() -> None:
    found = {one.method for one in derived(Timeout(API.route("r", methods=("GET", "POST")), "1s"))}
    assert found >= {"GET", "POST", "PATCH"}


def test_headers_cookies_and_parameters_are_there_absent_and_otherwise() -> None:
    when = meshdsl.any_of(meshdsl.all_of(Header("x-c", "true"), Query("q", "1")), Cookie("id", "x.y"))
    found = derived(Canary(API, stable="v1", canary="v2", percent=1, when=when))
    assert {one.headers.get("x-c") for one in found} >= {None, "true", "TRUE", "truex", "other"}
    assert {one.query.get("q") for one in found} >= {None, "1", "other"}
    assert {one.headers.get("cookie") for one in found} >= {None, "id=x.y", "id=xxy"}
    assert any(one.headers.get("x-c") == "true" and one.query.get("q") == "1" for one in found)


def test_every_identity_that_is_named_is_asked_and_those_that_are_nearly_so() -> None:
    found = {one.caller for one in derived(Allow(API, callers=(WEB, PROD), methods=("GET",)))}
    assert found >= {
        Caller("front", "web"), Caller("front", "webx"), Caller("frontx", "web"), Caller("front", "web", "other.example"),
        Caller("prod", "nobody"), Caller("prodx", "nobody"), NOBODY, OUTSIDE,
    }  # fmt: skip


def test_a_service_is_asked_by_its_name_and_by_a_pods_address() -> None:
    found = derived(Allow(API, callers=(WEB,), methods=("GET",)))
    assert {(one.by_name, one.caller) for one in found} >= {
        (name, who) for name in (True, False) for who in (OUTSIDE, NOBODY)
    }


def test_probes_are_asked() -> None:
    assert any(
        one.path == "/healthz" and one.method == "GET" for one in derived(Allow(API, callers=(WEB,), methods=("GET",)))
    )


def test_a_port_of_bytes_gets_connections_from_every_caller() -> None:
    store = Service("store", PROD, ports=(Port(80, name="http"), Port(99, name="db", protocol="tcp")))
    plan = resolve(meshdsl.PolicySet((store, WEB, Allow(store, callers=(WEB,)))))
    (http, db) = requests_of(plan, services=["prod/store"])
    assert all(one.is_http for one in http.requests)
    assert not any(one.is_http for one in db.requests)
    assert {one.caller for one in db.requests} >= {Caller("front", "web"), NOBODY, OUTSIDE}


def test_a_request_of_a_rule_of_traffic_comes_from_somebody_who_is_let_in() -> None:
    found = derived(Timeout(API.route("r", path="/a"), "1s"), Allow(API, callers=(WEB,), paths=("/a",)))
    assert any(one.path == "/a" and one.caller == Caller("front", "web") and one.by_name for one in found)


def test_derived_requests_are_always_the_same_and_never_twice() -> None:
    policy = Timeout(API.route("r", path="/a/*", headers=(Header("x-a", Regex("[0-9]+")),)), "1s")
    first = derived(policy)
    assert first == derived(policy)
    assert len({repr(one) for one in first}) == len(first)


@pytest.mark.parametrize(
    "pattern", ["/v[12]/.*", "/x|/y", "v[0-9]+", "[^a]+", r"\d{2,4}", "(a|b)?c", r"x\.y", "(?:.*;[ ]*)?c=1(?:[ ]*;.*)?"]
)
def test_a_regular_expression_has_texts_inside_and_just_outside(pattern: str) -> None:
    assert samples.inside(pattern)
    assert samples.outside(pattern)
    assert all(re.fullmatch(pattern, text) for text in samples.inside(pattern))
    assert not any(re.fullmatch(pattern, text) for text in samples.outside(pattern))


def test_every_alternative_of_a_regular_expression_is_asked() -> None:
    assert set(samples.paths(Path(PathKind.REGEX, "/x|/x/y"))) >= {"/x", "/x/y"}


def test_a_plan_of_many_services_is_asked_in_proportion() -> None:
    services = [Service(f"s{number}", PROD, port=80) for number in range(50)]
    plan = resolve(meshdsl.PolicySet((WEB, *services, *(Allow(one, callers=(WEB,)) for one in services))))
    assert sum(len(one.requests) for one in requests_of(plan)) < 50 * 300
