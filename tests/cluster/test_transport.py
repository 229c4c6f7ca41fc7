"""One request: what is tried again, how often, how long, and what is never taken for data."""

from __future__ import annotations

import json
import time

import pytest

from meshdsl.cluster.clock import Clock, Deadline
from meshdsl.cluster.errors import Failure, cluster_error, redact
from meshdsl.cluster.listing import pages
from meshdsl.cluster.transport import TRIES, TRIES_WHEN_ASKED_TO_WAIT, Transport
from meshdsl.compare.kinds import KINDS
from meshdsl.compare.live import Scope
from tests.cluster.api import (
    Api,
    FakeClock,
    Reply,
    as_json,
    reset,
    service,
    stalled,
    status,
    text,
    transport,
    trickling,
    truncated,
    truncated_chunk,
)

SERVICES = Scope(KINDS["v1", "Service"])
PATH = "/api/v1/services"

PASSING: dict[str, Reply] = {
    "500": status(500, "etcdserver: leader changed"),
    "502": text(502, "bad gateway"),
    "503": status(503, "apiserver not ready"),
    "504": status(504, "Timeout: request did not complete"),
    "429": status(429, "too many requests"),
    "reset": reset,
    "truncated": truncated,
    "truncated chunk": truncated_chunk,
    "half JSON": text(200, '{"kind": "ServiceList", "ite', "application/json"),
    "no JSON": text(200, "", "application/json"),
    "NaN": text(200, '{"kind": "ServiceList", "items": [NaN]}', "application/json"),
    "JSON, no object": text(200, "[]", "application/json"),
    "deep JSON": text(200, "[" * 100_000, "application/json"),
    "not UTF-8": lambda handler: handler.reply(200, b'{"a": "\xff"}', "application/json"),
    "HTML page": text(200, "<html><h1>Log in</h1></html>", "text/html"),
    "wrong type": text(200, '{"kind": "ServiceList", "items": []}', "text/plain"),
    "no type": lambda handler: handler.reply(200, b"{}", ""),
    "unreachable": text(500, "dial tcp 10.0.0.1:443: connect: connection refused"),
}


def deadline(clock: Clock, seconds: float = 60) -> Deadline:
    return Deadline.after(seconds, clock)


def three_pages(api: Api) -> None:
    api.add(PATH, "Service", *(service("prod", f"s{n}") for n in range(5)))


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_fault_at_any_request_is_tried_again_and_nothing_is_lost(
    api: Api, clock: FakeClock, fault: Reply, index: int
) -> None:
    three_pages(api)
    api.fault = lambda request: fault if request.index == index else None
    names = [
        item["metadata"]["name"]
        for page in pages(transport(api, clock), SERVICES, deadline(clock), size=2)
        for item in page.items
    ]
    assert names == ["s0", "s1", "s2", "s3", "s4"]
    assert len(api.requests) == 4
    assert clock.slept == [0.2]
    assert api.methods == {"GET"}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_fault_that_stays_is_a_failure_after_a_bounded_number_of_tries(
    api: Api, clock: FakeClock, fault: Reply
) -> None:
    api.fault = lambda _request: fault
    with pytest.raises(Failure) as raised:
        transport(api, clock).get(PATH, deadline(clock))
    assert raised.value.code in {"server-error", "unreachable", "invalid-answer"}
    assert len(api.requests) == TRIES
    assert clock.slept == [0.2, 0.4, 0.8]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (status(400, "bad"), "refused"),
        (status(403, "services is forbidden"), "forbidden"),
        (text(403, "<h1>no</h1>", "text/html"), "forbidden"),
        (status(404, "the server could not find the requested resource"), "not-installed"),
        (text(404, "404 page not found\n"), "not-installed"),
        (text(404, "<html>404</html>", "text/html"), "invalid-answer"),
        (text(302, "", "text/html"), "invalid-answer"),
        (status(500, "failed to create typed patch object: .spec.nope: field not declared in schema"), "refused"),
        (text(500, "tls: failed to verify certificate: x509: unknown authority"), "unreachable"),
        (text(500, "getting credentials: exec: executable sh failed with exit code 1"), "unauthorized"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(api: Api, clock: FakeClock, fault: Reply, code: str) -> None:
    api.fault = lambda _request: fault
    with pytest.raises(Failure) as raised:
        transport(api, clock).get(PATH, deadline(clock))
    assert raised.value.code == code
    assert len(api.requests) == 1
    assert not clock.slept


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_honoured(api: Api, clock: FakeClock, code: int) -> None:
    three_pages(api)
    api.fault = lambda request: status(code, "wait", Retry_After="3") if request.index < 5 else None
    assert transport(api, clock).get(PATH, deadline(clock))["kind"] == "ServiceList"
    assert clock.slept == [3.0] * 5


def test_retry_after_as_a_date_is_measured_by_the_servers_own_clock(api: Api, clock: FakeClock) -> None:
    def fault(request):  # type: ignore[no-untyped-def]
        def reply(handler):  # type: ignore[no-untyped-def]
            body = json.dumps({"kind": "Status", "message": "wait"}).encode()
            handler.send_response_only(503)
            for name, value in (
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Date", "Mon, 01 Jan 2001 00:00:00 GMT"),
                ("Retry-After", "Mon, 01 Jan 2001 00:00:07 GMT"),
            ):
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)

        return reply if request.index == 0 else None

    three_pages(api)
    api.fault = fault
    transport(api, clock).get(PATH, deadline(clock))
    assert clock.slept == [7.0]


def test_a_wait_beyond_the_deadline_is_not_begun(api: Api, clock: FakeClock) -> None:
    api.fault = lambda _request: status(429, "busy", Retry_After="100")
    with pytest.raises(Failure, match="asks to wait 100 s; the time limit is 60 s"):
        transport(api, clock).get(PATH, deadline(clock))
    assert not clock.slept
    assert len(api.requests) == 1


def test_a_server_that_always_asks_to_wait_is_given_up(api: Api, clock: FakeClock) -> None:
    api.fault = lambda _request: status(429, "busy", Retry_After="1")
    with pytest.raises(Failure):
        transport(api, clock).get(PATH, deadline(clock))
    assert len(api.requests) == TRIES_WHEN_ASKED_TO_WAIT


def test_a_stall_ends_at_the_read_timeout(api: Api) -> None:
    api.fault = lambda _request: stalled
    began = time.monotonic()
    with pytest.raises(Failure) as raised:
        transport(api, FakeClock(), read_timeout=0.05).get(PATH, Deadline.after(60, FakeClock()))
    assert raised.value.code == "timeout"
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("fault", [trickling, stalled])
def test_whatever_is_slow_ends_at_the_deadline(api: Api, fault: Reply) -> None:
    api.fault = lambda _request: fault
    clock = Clock()
    began = time.monotonic()
    with pytest.raises(Failure) as raised:
        transport(api, clock).get(PATH, deadline(clock, 0.3))
    assert raised.value.code == "timeout"
    assert raised.value.reason == "no answer within 0.3 s"
    assert time.monotonic() - began < 2


def test_nothing_is_sent_after_the_deadline(api: Api, clock: FakeClock) -> None:
    limit = deadline(clock, 5)
    clock.time += 6
    with pytest.raises(Failure, match="no answer within 5 s"):
        transport(api, clock).get(PATH, limit)
    assert not api.requests


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_token_that_expires_is_renewed_once(api: Api, clock: FakeClock, after: int) -> None:
    three_pages(api)
    opened: list[Api] = []

    def begin() -> Api:
        opened.append(api)
        return api

    api.fault = lambda request: status(401, "Unauthorized") if request.index == after else None
    renewed = Transport(begin, clock=clock)
    found = [page.items for page in pages(renewed, SERVICES, deadline(clock), size=2)]
    assert sum(map(len, found)) == 5
    assert len(opened) == 2
    assert not clock.slept


def test_a_token_that_stays_expired_is_unauthorized_after_one_renewal(api: Api, clock: FakeClock) -> None:
    opened: list[Api] = []

    def begin() -> Api:
        opened.append(api)
        return api

    api.fault = lambda _request: status(401, "Unauthorized")
    renewed = Transport(begin, clock=clock)
    for _ in range(3):
        with pytest.raises(Failure) as raised:
            renewed.get(PATH, deadline(clock))
        assert raised.value.code == "unauthorized"
    assert len(opened) == 2
    assert len(api.requests) == 4


def test_a_renewal_that_fails_is_unauthorized(api: Api, clock: FakeClock) -> None:
    opened: list[Api] = []

    def begin() -> Api:
        if opened:
            raise cluster_error("MESH802", "no")
        opened.append(api)
        return api

    api.fault = lambda _request: status(401, "Unauthorized")
    with pytest.raises(Failure) as raised:
        Transport(begin, clock=clock).get(PATH, deadline(clock))
    assert raised.value.code == "unauthorized"


def test_once_a_server_is_down_the_rest_is_not_tried_as_often(api: Api, clock: FakeClock) -> None:
    api.fault = lambda _request: reset
    through = transport(api, clock)
    for expected in (TRIES, TRIES + 1, TRIES + 2):
        with pytest.raises(Failure):
            through.get(PATH, deadline(clock))
        assert len(api.requests) == expected


def test_an_endpoint_that_is_gone_is_unreachable(clock: FakeClock) -> None:
    gone = Api(socket="/tmp/meshdsl-not-there/s")
    with pytest.raises(Failure) as raised:
        transport(gone, clock).get(PATH, deadline(clock))
    assert raised.value.code == "unreachable"


def test_the_body_of_another_answer_is_said_in_words(api: Api, clock: FakeClock) -> None:
    api.fault = lambda _request: text(200, "<html>token=abc</html>", "text/html")
    with pytest.raises(Failure, match=r"^invalid-answer: an HTML page instead of JSON$"):
        transport(api, clock).get(PATH, deadline(clock))


def test_warnings_of_the_server_are_kept(api: Api, clock: FakeClock) -> None:
    api.fault = lambda _request: as_json({"metadata": {}}, Warning='299 - "one", 299 - "two, really"')
    _, warnings = transport(api, clock).dry_run("/x", {}, deadline(clock))
    assert warnings == ("one", "two, really")


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer s3cr3t-canary",
        "authorization=Basic s3cr3t-canary",
        'I1123 12:40 round_trippers.go:1] headers={"Authorization": ["Bearer s3cr3t-canary"]}',
        "Proxy-Authorization: s3cr3t-canary",
        "X-Auth-Token: s3cr3t-canary",
        "Cookie: s3cr3t-canary",
        "sent bearer s3cr3t-canary to the server",
        '{"access_token": "s3cr3t-canary"}',
        "client_secret=s3cr3t-canary&x=1",
        "https://user:s3cr3t-canary@example.test/",
        "failed with eyJhbGciOiJSUzI1NiJ9.s3cr3t-canary.c2ln",
        "password: s3cr3t-canary",
    ],
)
def test_what_looks_like_a_credential_is_hidden(line: str) -> None:
    assert "s3cr3t" not in redact(line)


@pytest.mark.parametrize(
    "line",
    [
        'services is forbidden: User "ci" cannot list resource "services" in API group "" in the namespace "prod"',
        "Error while proxying request: dial tcp 10.0.0.1:443: connect: connection refused",
        'secrets "x" not found',
    ],
)
def test_other_words_are_left_alone(line: str) -> None:
    assert redact(line) == line


def test_a_kind_that_is_missing_and_a_namespace_that_is_missing_are_said_differently(
    api: Api, clock: FakeClock
) -> None:
    said = []
    for message in ("the server could not find the requested resource", 'namespaces "a" not found'):
        api.fault = lambda _request, message=message: status(404, message)
        with pytest.raises(Failure) as raised:
            transport(api, clock).get(PATH, deadline(clock))
        said.append(raised.value.reason)
    assert said == ["the cluster does not have this kind", 'namespaces "a" not found']
