"""What Envoy would not retry, or writes itself, is refused; ``tests/mesh/test_proxies.py`` holds it against real ones."""

from __future__ import annotations

from typing import Any

import pytest

import meshdsl
from meshdsl import Allow, Ambient, Anyone, Header, Headers, Istio, Namespace, Retry, Service, Timeout
from meshdsl.targets.base import Target

API = Service("api", Namespace("prod"), port=8080)
ACCEPT = ("MESH512", "MESH513", "MESH514", "MESH515")
ISTIO = Istio(accept=ACCEPT)
AMBIENT = Ambient(accept=ACCEPT, default_retries="off", gateway_api_channel="experimental")


def codes(policy: Any, target: Target = ISTIO) -> set[str]:
    try:
        meshdsl.build([API, policy], target)
    except meshdsl.CompileError as error:
        return {one.code for one in error.diagnostics}
    return set()


@pytest.mark.parametrize("conditions", [("reset",), ("connect-failure",), ("refused-stream", "unavailable")])
def test_what_breaks_is_not_retried_alone(conditions: Any) -> None:
    assert codes(Retry(API, attempts=1, retry_on=conditions)) == {"MESH615"}
    assert codes(Retry(API, attempts=1, retry_on=conditions, statuses=(502,))) == {"MESH615"}


@pytest.mark.parametrize("beside", ["5xx", "gateway-error"])
def test_what_breaks_is_retried_beside_the_status_as_which_it_arrives(beside: Any) -> None:
    assert codes(Retry(API, attempts=1, retry_on=("reset", beside))) == set()
    assert codes(Retry(API, attempts=1, retry_on=("reset",), statuses=(503,))) == set()


def test_a_waypoint_retries_connections_by_itself() -> None:
    assert codes(Retry(API, attempts=1, retry_on=("connect-failure",)), AMBIENT) == set()


@pytest.mark.parametrize("target", [ISTIO, AMBIENT], ids=["istio", "ambient"])
@pytest.mark.parametrize(
    ("edit", "refused"),
    [
        ({"response_set": {"Server": "x"}}, True),
        ({"response_add": {"server": "x"}}, True),
        ({"response_remove": ("server",)}, True),
        ({"response_remove": ("date",)}, True),
        ({"response_set": {"x-envoy-decorator-operation": "x"}}, True),
        ({"response_set": {"date": "x"}}, False),
        ({"response_remove": ("via", "x-envoy-upstream-service-time", "x-envoy-decorator-operation")}, False),
        ({"request_set": {"server": "x"}, "request_remove": ("date",)}, False),
        ({"request_set": {"X-Envoy-Max-Retries": "5"}}, True),
        ({"request_add": {"x-envoy-upstream-rq-timeout-ms": "5"}}, True),
        ({"request_set": {"x-forwarded-client-cert": "x"}}, True),
        ({"request_remove": ("x-request-id",)}, True),
        ({"request_remove": ("x-forwarded-proto",)}, True),
        ({"request_set": {"x-request-id": "1", "x-forwarded-proto": "https"}}, False),
        ({"request_remove": ("x-envoy-max-retries", "x-envoy-attempt-count", "traceparent")}, False),
    ],
    ids=str,
)
def test_an_edit_that_envoy_would_undo_is_refused(target: Target, edit: Any, refused: bool) -> None:
    assert codes(Headers(API, **edit), target) == ({"MESH616"} if refused else set())


@pytest.mark.parametrize("target", [ISTIO, AMBIENT], ids=["istio", "ambient"])
@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("X-Request-Id", True),
        ("x-forwarded-proto", True),
        ("x-forwarded-client-cert", True),
        ("x-envoy-attempt-count", True),
        ("x-envoy-internal", True),
        ("te", True),
        ("traceparent", False),
        ("x-forwarded-for", False),
        ("upgrade", False),
    ],
)
def test_a_condition_on_a_header_that_envoy_writes_is_refused(target: Target, name: str, refused: bool) -> None:
    wanted = {"MESH617"} if refused else set()
    for header in (Header(name), Header(name, "1")):
        assert codes(Allow(API, callers=Anyone.in_mesh(), headers=(header,)), target) == wanted
        assert codes(Timeout(API.route("some", headers=(header,)), "2s"), target) == wanted
