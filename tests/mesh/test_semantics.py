"""Sentences of ``docs/semantics.md`` §3 that only a proxy can show: what is refused at once, ejected, waited for.

The name of a test begins with the label of its sentence, as in ``tests/simulate/test_semantics_traffic.py``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from meshdsl import (
    Abort,
    Breaker,
    Delay,
    Fault,
    Istio,
    Mirror,
    Namespace,
    PolicySet,
    Redirect,
    Retry,
    Service,
    Timeout,
    build,
)
from tests.live.emitted import Build
from tests.mesh.cases import Stage, sent
from tests.mesh.client import Got
from tests.mesh.conftest import Meshes
from tests.mesh.expectation import Asked
from tests.mesh.inventory import OUTSIDE, Furnished
from tests.mesh.istiod import Settings
from tests.mesh.world import World

SHOP = Namespace("sentences")
WEB, JOB = Service("web", SHOP, port=80), Service("job", SHOP, port=80)
LIMITED, FULL, FAILING, LATE, COPIED, MOVED = (
    Service(name, SHOP, port=8080) for name in ("limited", "full", "failing", "late", "copied", "moved")
)
COPY = Service("copy", SHOP, port=8080, target_port=8081)
ABORTED = LATE.route("aborted", path="/aborted")
POLICIES = (
    Breaker(LIMITED, max_connections=1, max_pending_requests=1),
    Breaker(FULL, max_requests=1),
    Breaker(FAILING, consecutive_5xx=3, base_ejection_time="2s", interval="3s"),
    Fault(LATE, delay=Delay("1s")),
    Timeout(LATE, "500ms"),
    Fault(ABORTED, abort=Abort(503)),
    Retry(ABORTED, attempts=2, statuses=(503,), backoff="2s"),
    Mirror(COPIED, to=COPY),
    Redirect(MOVED, path="/new", host="else.example", status=301),
)
_AT_ONCE = 0.5
"""Seconds: an answer that nobody waits for is there sooner."""


class Shown:
    """The policies, applied."""

    def __init__(self, world: World, furnished: Furnished) -> None:
        self.world, self._furnished = world, furnished

    def ask(self, to: Service, path: str = "/", caller: Service | None = WEB, times: int = 1, **told: Any) -> list[Got]:
        """The same request, so often at the same time; without a caller, from outside the mesh."""
        who = (str(SHOP), caller.name) if caller is not None else None
        wire = sent(self.world, self._furnished, Asked(who, str(to), 8080, "GET", path), told)
        pod = self._furnished.callers[who or OUTSIDE]
        return self.world.client(pod).batch([wire] * times, threads=times)

    def status(self, to: Service, caller: Service = WEB, **told: Any) -> int:
        return self.ask(to, caller=caller, **told)[0].status


@pytest.fixture(scope="module")
def shown(meshes: Meshes) -> Iterator[Shown]:
    world, inventory = meshes.with_settings(Settings())
    policies = PolicySet((WEB, JOB, LIMITED, FULL, FAILING, LATE, COPIED, MOVED, COPY, *POLICIES), name="sentences")
    stage = Stage(world, inventory)
    callers = [(str(SHOP), one.name) for one in (WEB, JOB)]
    furnished = stage.set(Build("sentences", build(policies, Istio()), policies), callers)
    time.sleep(max(furnished.settled - time.monotonic(), 0))
    yield Shown(world, furnished)
    stage.clear()


def test_3_breaker_1ac_what_is_above_a_limit_is_503_at_once(shown: Shown) -> None:
    found = shown.ask(LIMITED, times=10, sleep=2)
    counts = Counter(got.status for got in found)
    assert counts.keys() == {200, 503}
    assert 1 <= counts[200] <= 3  # one connection and one request that waits, but for what counts too late
    assert all(got.seconds < _AT_ONCE and not got.tries for got in found if got.status == 503), found


def test_3_breaker_1b_a_pods_own_sidecar_has_no_room_whoever_calls(shown: Shown) -> None:
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(shown.ask, FULL, sleep=2)
        time.sleep(0.7)
        others = [shown.ask(FULL, caller=one)[0] for one in (WEB, JOB, None)]
        (first,) = under_way.result()
    # The proxy of web is full, that of job has nothing under way, and the last has none: the pod's own refuses both.
    assert [(got.status, got.seconds < _AT_ONCE, got.tries) for got in others] == [(503, True, ())] * 3, others
    assert first.status == 200
    assert [shown.ask(FULL, caller=one)[0].status for one in (WEB, JOB, None)] == [200] * 3


def test_3_breaker_2abc_a_pod_that_fails_in_a_row_is_out_for_a_while_and_longer_again(shown: Shown) -> None:
    def trip() -> float:
        for _ in range(3):
            (got,) = shown.ask(FAILING, status=500)
            assert (got.status, len(got.tries)) == (500, 1)
        since = time.monotonic()
        time.sleep(0.2)  # Envoy counts in one thread and ejects in another
        return since

    def seconds_out(since: float) -> float:
        (got,) = shown.ask(FAILING)
        assert (got.status, got.tries) == (503, ())  # nothing reaches it
        assert shown.status(FAILING, caller=JOB) == 200  # of which the other proxy knows nothing
        while shown.status(FAILING) != 200:
            time.sleep(0.05)
            assert time.monotonic() - since < 15
        return time.monotonic() - since

    assert [shown.status(FAILING, **told) for told in ({"status": 500}, {"status": 500}, {})] == [500, 500, 200]
    assert 1.9 < seconds_out(trip()) < 5.5  # the time itself, and up to an interval until somebody looks
    time.sleep(1.2)  # Envoy tells its threads of changes once a second
    assert 3.9 < seconds_out(trip()) < 8.5


def test_3_fault_2_neither_timeout_nor_retry_acts_on_a_fault(shown: Shown) -> None:
    (late,) = shown.ask(LATE)
    assert (late.status, late.seconds > 0.95) == (200, True), late  # the deadline is half of that
    (silent,) = shown.ask(LATE, sleep=3)
    assert (silent.status, 1.4 < silent.seconds < 2.5) == (504, True), silent  # and counts from there
    (aborted,) = shown.ask(LATE, "/aborted")
    assert (aborted.status, aborted.tries, aborted.seconds < _AT_ONCE) == (503, (), True), aborted


def test_3_mirror_2_nobody_waits_for_a_copy_or_sees_its_answer(shown: Shown) -> None:
    (got,) = shown.ask(COPIED, sleep=2, status=500, port=8081)
    assert (got.status, got.seconds < _AT_ONCE) == (200, True), got
    time.sleep(0.3)
    assert sorted(one.port for one in shown.world.echo.tries(got.request_id)) == [8080, 8081]


def test_3_redirect_1_the_location_has_what_is_given_and_the_rest_of_the_request(shown: Shown) -> None:
    (got,) = shown.ask(MOVED, "/old?q=1")
    assert (got.status, got.headers["location"]) == (301, "http://else.example:8080/new?q=1")
    assert got.tries == ()
