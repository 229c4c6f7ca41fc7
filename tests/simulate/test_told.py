"""What a trace tells of a request on each mesh: where a redirect leads, which path is seen, which limits hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import meshdsl
from meshdsl import Breaker, Canary, Header, Namespace, PolicySet, Redirect, Retry, Rewrite, Service
from meshdsl.simulate.words import Reason, Retries
from tests.simulate.test_trace_cluster import MESHES

PROD = Namespace("prod")
WEB = Service("web", PROD, port=80)
API = Service("api", PROD, port=8080, versions=("v1", "v2"), probes=())
MESHES_THAT_REWRITE = ("istio", "ambient")


def target(mesh: str) -> Any:
    if mesh == "ambient":
        return meshdsl.Ambient(default_retries="off", gateway_api_channel="experimental")
    return MESHES[mesh]


def told(policies: tuple[Any, ...], path: str, mesh: str = "") -> str:
    """The headline and all reasons of a request, read from the policies, or from the manifests for a mesh."""
    bundle = meshdsl.build(PolicySet((PROD, WEB, API, *policies)), target(mesh or "istio"))
    asked = meshdsl.question(bundle.plan, "prod/web", "prod/api", "GET", path)
    found = meshdsl.trace_objects(bundle, asked) if mesh else meshdsl.trace(bundle, asked)
    return "\n".join((repr(found), *(f"{one.text} @ {one.where}" for one in flat(found.reasons))))


def flat(reasons: tuple[Reason, ...]) -> Iterator[Reason]:
    for one in reasons:
        yield one
        yield from flat(one.parts)


@pytest.mark.parametrize("mesh", ["", *MESHES])
def test_where_a_redirect_leads(mesh: str) -> None:
    url: dict[str, Any] = {"scheme": "https", "host": "new.example", "port": 443, "path": "/"}
    moved = Redirect(API.route("old", path="/old"), **url, status=301, accept=("MESH538",))
    found = told((meshdsl.Timeout(API, "1s"), moved), "/old", mesh)
    assert "the mesh answers 301 to https://new.example/" in found
    assert "the caller is sent to https://new.example/, with status 301" in found


@pytest.mark.parametrize("mesh", ["", *MESHES])
def test_a_redirect_to_the_same_host_names_the_port(mesh: str) -> None:
    moved = Redirect(API.route("old", path="/old"), path="/new", accept=("MESH538",))
    assert "http://(the same host):8080/new" in told((meshdsl.Timeout(API, "1s"), moved), "/old", mesh)


@pytest.mark.parametrize("mesh", ["", *MESHES_THAT_REWRITE])
def test_the_path_that_the_service_sees_is_that_of_the_request(mesh: str) -> None:
    renamed = Rewrite(API.route("old", path="/v1/orders/*"), path="/orders", host="orders.example")
    found = told((renamed,), "/v1/orders/7", mesh)
    assert "the service sees the path /orders/7" in found
    assert "the host orders.example" in found
    assert "the service sees" not in told((renamed,), "/other", mesh)


def test_limits_and_ejection_are_told_only_where_they_are() -> None:
    limits = told((Breaker(API, max_connections=7, max_requests=9),), "/", "istio")
    assert "not more than 7 connections, 9 requests at a time" in limits
    assert "left out" not in limits
    ejection = told((Breaker(API, consecutive_5xx=4, base_ejection_time="30s"),), "/", "istio")
    assert "a pod is left out for 30s after 4 answers of 5xx in a row" in ejection
    assert "not more than" not in ejection


@pytest.mark.parametrize("mesh", MESHES_THAT_REWRITE)
def test_a_rule_of_several_matches_is_passed_over_for_all_of_them(mesh: str) -> None:
    canary = Canary(API, stable="v1", canary="v2", percent=5, when=meshdsl.any_of(Header("x-a"), Header("x-b")))
    assert "passed over: none of its 2 matches holds @ " in told((canary,), "/", mesh)


def test_many_statuses_are_told_as_a_range() -> None:
    assert Retries(1, frozenset({"reset"}), frozenset({409, 429, *range(500, 600)})).ways == "reset, 409, 429, 500-599"
    assert Retries(1, frozenset(), frozenset({502, 503, 504})).ways == "502, 503, 504"
    again = Retry(API, attempts=2, retry_on=("5xx",), methods="any", accept=("MESH512", "MESH514"))
    assert "500-599" in told((again,), "/", "ambient")
