"""Make before break: documents applied one by one in our order never fail a request; in the reverse order they do."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from meshdsl import (
    Allow,
    Breaker,
    Canary,
    DefaultDeny,
    Header,
    Istio,
    MutualTls,
    Namespace,
    Policy,
    PolicySet,
    Retry,
    Service,
    Timeout,
    build,
)
from tests.live.api import Body
from tests.live.emitted import plain
from tests.mesh.cases import sent
from tests.mesh.client import Got
from tests.mesh.conftest import Meshes
from tests.mesh.expectation import Asked
from tests.mesh.inventory import Furnished
from tests.mesh.istiod import Settings
from tests.mesh.world import World

SHOP = Namespace("change")
WEB = Service("web", SHOP, port=80)
API = Service("api", SHOP, port=8080, versions=("v1", "v2"))
INVENTORY = (SHOP, WEB, API)
CALLER = ("change", "web")
_DWELL_SECONDS = 0.3

NOTHING: tuple[Policy, ...] = ()
STABLE = (Timeout(API, "5s"), Canary(API, stable="v1", canary="v2", percent=0))
CANARY = (Timeout(API, "5s"), Canary(API, stable="v1", canary="v2", percent=50, when=Header("x-canary", "true")))
PLAIN = (Timeout(API, "5s"),)
CLOSED = (
    MutualTls(SHOP, mode="strict"),
    DefaultDeny(SHOP),
    Allow(API, callers=(WEB,), methods=("GET",)),
    Breaker(API, max_connections=100, consecutive_5xx=50),
    Retry.never(API),
    *CANARY,
)
CHANGES = {
    "the first policies": (NOTHING, CLOSED),
    "a new canary": (STABLE, CANARY),
    "a canary where nothing was": (PLAIN, CANARY),
    "the end of a canary": (CANARY, STABLE),
    "no versions any more": (CANARY, PLAIN),
    "no policies any more": (CLOSED, NOTHING),
}


def documents(policies: Sequence[Policy]) -> list[Body]:
    return [plain(one) for one in build(PolicySet((*INVENTORY, *policies), name="change"), Istio()).manifests]


class Shop:
    """A service that is called all the time."""

    def __init__(self, world: World, furnished: Furnished) -> None:
        self._world, self._furnished = world, furnished
        self._there: list[Body] = []

    def have(self, policies: Sequence[Policy]) -> None:
        """Have these policies and nothing else."""
        wanted = documents(policies)
        self._world.apply(
            wanted, delete=[body for body in reversed(self._there) if _key(body) not in map(_key, wanted)]
        )
        self._there = wanted

    def change(self, policies: Sequence[Policy], *, backwards: bool = False) -> Counter[int]:
        """Apply the documents one by one, then delete what is gone; how requests were answered meanwhile."""
        wanted = documents(policies)
        gone = [body for body in reversed(self._there) if _key(body) not in map(_key, wanted)]
        steps: list[tuple[list[Body], list[Body]]] = [([body], []) for body in wanted] + [([], [body]) for body in gone]
        stop = threading.Event()
        with ThreadPoolExecutor(3) as pool:
            flows = [pool.submit(self._flow, headers, stop) for headers in ({}, {}, {"x-canary": "true"})]
            try:
                time.sleep(_DWELL_SECONDS)
                for apply, delete in reversed(steps) if backwards else steps:
                    self._world.apply(apply, delete=delete)
                    time.sleep(_DWELL_SECONDS)
            finally:
                stop.set()
            got = [one for flow in flows for one in flow.result()]
        self._there = wanted
        assert len(got) > 30 * len(flows), "too few requests to tell"
        return Counter(one.status for one in got)

    def _flow(self, headers: dict[str, str], stop: threading.Event) -> list[Got]:
        one = sent(self._world, self._furnished, Asked(CALLER, "change/api", 8080, "GET", "/", headers))
        return self._world.client(self._furnished.callers[CALLER]).stream(one, stop)


@pytest.fixture
def shop(meshes: Meshes) -> Iterator[Shop]:
    world, inventory = meshes.with_settings(Settings())
    plan = build(PolicySet(INVENTORY, name="change"), Istio()).plan
    made = Shop(world, inventory.furnish(plan))
    yield made
    made.have(NOTHING)


@pytest.mark.parametrize("change", CHANGES)
def test_no_request_fails_while_a_change_is_applied_in_our_order(shop: Shop, change: str) -> None:
    before, after = CHANGES[change]
    shop.have(before)
    assert set(shop.change(after)) == {200}


@pytest.mark.parametrize("change", ["the first policies", "a canary where nothing was"])
def test_requests_fail_in_the_reverse_order(shop: Shop, change: str) -> None:
    before, after = CHANGES[change]
    shop.have(before)
    assert set(shop.change(after, backwards=True)) - {200}


def _key(body: Body) -> tuple[str, str, str]:
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]
