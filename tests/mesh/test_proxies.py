"""What real proxies do beside what their objects say: the evidence of ``docs/proxies.md``, sent each time anew.

The objects are written by hand, since meshdsl refuses the policies that would make them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from meshdsl import Istio, Namespace, PolicySet, Port, Service, Timeout, build
from tests.live.api import Body
from tests.live.emitted import Build
from tests.mesh.cases import Stage, sent
from tests.mesh.client import Got
from tests.mesh.conftest import Meshes
from tests.mesh.echo import Try
from tests.mesh.expectation import Asked
from tests.mesh.inventory import OUTSIDE, Furnished
from tests.mesh.istiod import Settings
from tests.mesh.world import World

LAB = Namespace("proxies")
WEB, API = Service("web", LAB, port=80), Service("api", LAB, port=8080)
STREAMS = Service("streams", LAB, ports=(Port(8090, protocol="http2"),))
PORTS = {"api": 8080, "streams": 8090}
CALLER = ("proxies", "web")
CANCEL, REFUSED_STREAM = 8, 7
"""Error codes of HTTP/2."""


class Lab:
    """Services without policies of their own, and objects written by hand."""

    def __init__(self, world: World, furnished: Furnished) -> None:
        self._world, self._furnished = world, furnished

    def route(self, to: Service, **rule: Any) -> None:
        """Let the one rule of a service's VirtualService say this."""
        self._world.apply([_virtual_service(to, rule)])

    def ask(self, to: Service, *, by_name: bool = True, **told: Any) -> Got:
        return self.send(Asked(CALLER, str(to), PORTS[to.name], by_name=by_name), **told)

    def send(self, asked: Asked, **told: Any) -> Got:
        wire = sent(self._world, self._furnished, asked, told)
        return self._world.client(self._furnished.callers[asked.sender or OUTSIDE]).send(wire)

    def tries(self, got: Got) -> list[Try]:
        """All that reached an application, also after the answer."""
        return self._world.echo.tries(got.request_id)

    def clear(self) -> None:
        self._world.apply([], delete=[_virtual_service(one, {}) for one in (API, STREAMS)])


@pytest.fixture(scope="module")
def lab(meshes: Meshes) -> Iterator[Lab]:
    world, inventory = meshes.with_settings(Settings())
    policies = PolicySet((WEB, API, STREAMS, Timeout(WEB, "9s")), name="proxies")
    stage = Stage(world, inventory)
    furnished = stage.set(Build("proxies", build(policies, Istio()), policies), [CALLER])
    made = Lab(world, furnished)
    made.route(API)
    made.route(STREAMS)
    yield made
    made.clear()
    stage.clear()


def _host(service: Service) -> str:
    return f"{service.name}.{LAB}.svc.cluster.local"


def _virtual_service(to: Service, rule: Mapping[str, Any]) -> Body:
    http = {"route": [{"destination": {"host": _host(to)}}], **rule}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": to.name, "namespace": str(LAB)},
        "spec": {"hosts": [_host(to)], "http": [http]},
    }


BROKEN = [(API, 1), (STREAMS, CANCEL), (STREAMS, REFUSED_STREAM)]


@pytest.mark.parametrize(
    ("retried", "tries"),
    [
        ("reset", 1),
        ("reset,connect-failure,refused-stream", 1),
        ("gateway-error", 4),
        ("5xx", 4),
        ("reset,503", 4),
    ],
)
def test_what_an_application_breaks_arrives_as_503_of_its_own_sidecar(lab: Lab, retried: str, tries: int) -> None:
    for service, how in BROKEN:
        lab.route(service, retries={"attempts": 3, "retryOn": retried, "backoff": "10ms"})
        got = lab.ask(service, reset=how)
        assert (got.status, len(got.tries)) == (503, tries), (service, how, got)


@pytest.mark.parametrize("edit", [{"set": {"server": "x"}}, {"add": {"server": "x"}}, {"remove": ["server"]}], ids=str)
def test_the_caller_is_told_that_the_server_is_envoy(lab: Lab, edit: dict[str, Any]) -> None:
    lab.route(API, headers={"response": {**edit, "set": {**edit.get("set", {}), "x-edited": "yes"}}})
    got = lab.ask(API, headers={"server": "echo"})
    assert (got.headers["x-edited"], got.headers["server"]) == ("yes", "envoy")


def test_a_date_that_is_removed_is_written_again_and_others_stay_away(lab: Lab) -> None:
    removed = ["date", "via", "x-envoy-upstream-service-time"]
    lab.route(API, headers={"response": {"remove": removed, "set": {"x-envoy-decorator-operation": "x"}}})
    got = lab.ask(API, headers={"date": "then", "via": "echo"})
    assert got.status == 200
    assert got.headers.get("date", "then") != "then"
    assert not {"via", "x-envoy-upstream-service-time", "x-envoy-decorator-operation"} & got.headers.keys()


@pytest.mark.parametrize(
    ("name", "without", "beside"),
    [
        ("x-request-id", True, True),
        ("x-forwarded-proto", True, True),
        ("x-envoy-internal", False, False),
        ("te", False, False),
        ("traceparent", False, True),
        ("x-forwarded-for", False, True),
    ],
)
def test_a_condition_on_a_header_that_envoy_writes_holds_always_and_on_one_it_takes_never(
    lab: Lab, name: str, without: bool, beside: bool
) -> None:
    lab.route(API, match=[{"headers": {name: {}}}])
    asked = Asked(CALLER, str(API), 8080)
    statuses = [lab.send(one).status for one in (asked, replace(asked, headers={name: "1"}))]
    assert statuses == [200 if holds else 404 for holds in (without, beside)]


@pytest.mark.parametrize(
    ("edit", "name", "value"),
    [
        ({"set": {"x-envoy-max-retries": "5"}}, "x-envoy-max-retries", None),
        ({"add": {"x-envoy-upstream-rq-timeout-ms": "900"}}, "x-envoy-upstream-rq-timeout-ms", None),
        ({"set": {"x-forwarded-client-cert": "x"}}, "x-forwarded-client-cert", "x,By=…"),
        ({"remove": ["x-request-id"]}, "x-request-id", "…"),
        ({"remove": ["x-forwarded-proto"]}, "x-forwarded-proto", "…"),
        ({"set": {"x-request-id": "1"}}, "x-request-id", "1"),
        ({"remove": ["traceparent"]}, "traceparent", None),
    ],
    ids=str,
)
def test_some_headers_of_a_request_are_the_services_proxys(
    lab: Lab, edit: dict[str, Any], name: str, value: str | None
) -> None:
    lab.route(API, headers={"request": {**edit, "set": {**edit.get("set", {}), "x-edited": "yes"}}})
    got = lab.send(Asked(CALLER, str(API), 8080, headers={"traceparent": "1"}))
    seen = got.tries[0].headers
    assert (got.status, seen["x-edited"]) == (200, "yes")
    assert (seen.get(name) or "").startswith((value or "").rstrip("…"))
    assert (name in seen) == (value is not None)


OF_A_CONNECTION = {
    "connection": "close",
    "keep-alive": "timeout=5",
    "proxy-connection": "keep-alive",
    "upgrade": "websocket",
}


@pytest.mark.parametrize("name", OF_A_CONNECTION)
def test_an_edit_of_a_connections_header_is_dropped_or_breaks_the_connection(lab: Lab, name: str) -> None:
    edit = {"set": {name: OF_A_CONNECTION[name], "x-edited": "yes"}}
    lab.route(API, headers={"request": edit})
    lab.route(STREAMS, headers={"request": edit})
    got = lab.ask(API)
    seen = got.tries[0].headers
    assert (got.status, seen["x-edited"], seen.get(name)) == (200, "yes", None)
    broken = lab.ask(STREAMS)
    assert (broken.status, broken.tries) == (503, ())


def test_a_content_length_that_is_edited_breaks_the_body(lab: Lab) -> None:
    lab.route(API, headers={"response": {"set": {"content-length": "5"}}})
    cut = lab.ask(API)
    assert (cut.status, len(cut.body)) == (200, 5)
    lab.route(STREAMS, headers={"request": {"set": {"content-length": "5"}}})
    broken = lab.ask(STREAMS)
    assert (broken.status, broken.tries) == (503, ())


def test_a_connect_reaches_no_application(lab: Lab) -> None:
    lab.route(API)
    for caller in (CALLER, None):
        for path in ("/", "/a/b", f"{_host(API)}:8080"):
            got = lab.send(Asked(caller, str(API), 8080, "CONNECT", path))
            assert (got.status, got.tries) == (404 if ":" in path else 400, ()), (caller, path, got)


def test_a_call_to_a_pods_address_carries_no_identity(lab: Lab) -> None:
    lab.route(API)
    named, addressed = lab.ask(API), lab.ask(API, by_name=False)
    assert "URI=spiffe://cluster.local/ns/proxies/sa/web" in named.tries[0].headers["x-forwarded-client-cert"]
    assert addressed.status == 200
    assert "x-forwarded-client-cert" not in addressed.tries[0].headers


def test_a_mirrored_request_keeps_its_host(lab: Lab) -> None:
    lab.route(
        API, mirrors=[{"destination": {"host": _host(STREAMS), "port": {"number": 8090}}, "percentage": {"value": 100}}]
    )
    got = lab.ask(API)
    assert got.status == 200
    until = time.monotonic() + 5
    while len(lab.tries(got)) < 2 and time.monotonic() < until:
        time.sleep(0.05)  # nobody waits for a copy
    assert {one.port: one.headers["host"] for one in lab.tries(got)} == {
        8080: f"{_host(API)}:8080",
        8090: f"{_host(API)}:8080",
    }
