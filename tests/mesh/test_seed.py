"""This repository's own policies on a real mesh: what its file says, requested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from meshdsl import compiler
from meshdsl.config import find_config, read_config
from meshdsl.loading.load import load
from tests.live.emitted import Build
from tests.mesh.cases import Stage, sent
from tests.mesh.client import Got
from tests.mesh.conftest import Meshes
from tests.mesh.expectation import Asked, is_improbable
from tests.mesh.inventory import STRANGER, Furnished
from tests.mesh.istiod import Settings
from tests.mesh.world import World

ROOT = Path(__file__).parents[2]
API = "prod/api"
WEB = ("prod", "web")


class Seed:
    """The policies, applied."""

    def __init__(self, world: World, furnished: Furnished) -> None:
        self.world, self.furnished = world, furnished

    def ask(
        self,
        method: str = "GET",
        path: str = "/items",
        caller: tuple[str, str] | None = WEB,
        times: int = 1,
        told: dict[str, object] | None = None,
        **headers: str,
    ) -> list[Got]:
        """Requests to api, all alike."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = Asked(caller, API, 8080, method, path, named)
        pod = self.furnished.callers[caller or ("outside", "outside")]
        one = sent(self.world, self.furnished, asked, told)
        return self.world.client(pod).batch([one] * times)

    def versions(self, got: list[Got]) -> Counter[str]:
        return Counter(self.furnished.version(one.pod) if one.pod else str(one.status) for one in got)


def own_policies() -> Build:
    config = read_config(find_config(ROOT))
    policies = load(config.policies, environment=config.clusters["istio"].environment, name=config.name)
    return Build("seed", compiler.build(policies, config.clusters["istio"].target), policies)


@pytest.fixture(scope="module")
def seed(meshes: Meshes) -> Iterator[Seed]:
    world, inventory = meshes.with_settings(Settings())
    stage = Stage(world, inventory)
    yield Seed(world, stage.set(own_policies(), [WEB]))
    stage.clear()


def test_nine_of_ten_requests_go_to_v1(seed: Seed) -> None:
    versions = seed.versions(seed.ask(times=1000))
    assert versions.keys() == {"v1", "v2"}
    assert not is_improbable(versions["v2"], 1000, Fraction(10)), versions


def test_counting_would_see_a_split_that_is_wrong(seed: Seed) -> None:
    # Of 1,000 requests so far from a tenth that this fails less than once in a hundred million times.
    versions = seed.versions(seed.ask(times=1000))
    assert is_improbable(versions["v2"], 1000, Fraction(25))
    assert is_improbable(versions["v2"], 1000, Fraction(2))


def test_whoever_asks_for_the_canary_gets_it(seed: Seed) -> None:
    assert seed.versions(seed.ask(times=50, x_canary="true")) == {"v2": 50}


def test_another_value_of_the_header_is_not_the_canary(seed: Seed) -> None:
    assert seed.versions(seed.ask(times=50, x_canary="TRUE"))["v1"] > 25


@pytest.mark.parametrize("headers", [{}, {"x_canary": "true"}])
def test_nothing_is_bought_twice(seed: Seed, headers: dict[str, str]) -> None:
    (got,) = seed.ask("POST", "/checkout", WEB, 1, {"status": 503}, **headers)
    assert (got.status, len(got.tries)) == (503, 1)
    seed.ask("POST", "/checkout", times=30)


def test_what_fails_is_tried_three_more_times(seed: Seed) -> None:
    (got,) = seed.ask(told={"status": 500}, x_canary="true")
    assert (got.status, len(got.tries)) == (500, 4)
    assert seed.ask(x_canary="true")[0].status == 200


@pytest.mark.parametrize("told", [{"status": 500}, {"reset": True}])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_retry_hides_two_failures(seed: Seed, method: str, told: dict[str, object]) -> None:
    (got,) = seed.ask(method, told={**told, "times": 2}, x_canary="true")
    assert (got.status, len(got.tries)) == (200, 3)


def test_a_request_has_five_seconds(seed: Seed) -> None:
    (got,) = seed.ask("POST", "/checkout", told={"sleep": 8})
    assert got.status == 504
    assert 4.9 < got.seconds < 6, got
    assert len(got.tries) == 1
    seed.ask("POST", "/checkout", times=30)


def test_a_try_has_two_seconds(seed: Seed) -> None:
    (got,) = seed.ask(told={"sleep": 8, "times": 1}, x_canary="true")
    assert (got.status, len(got.tries)) == (200, 2)
    assert 1.9 < got.seconds < 3, got


def test_only_get_and_post_of_web_are_let_in(seed: Seed) -> None:
    for method, status in {"GET": 200, "POST": 200, "HEAD": 403, "DELETE": 403, "PUT": 403}.items():
        assert [got.status for got in seed.ask(method)] == [status], method


def test_nobody_else_in_the_mesh_is_let_in(seed: Seed) -> None:
    for caller in (STRANGER, ("prod", "api")):
        (got,) = seed.ask(caller=caller)
        assert (got.status, got.tries) == (403, ()), caller


def test_plain_text_is_cut_off(seed: Seed) -> None:
    (got,) = seed.ask(caller=None)
    assert (got.status, got.tries) == (0, ())
    assert "Connection" in got.error


def test_the_application_sees_the_identity_of_web(seed: Seed) -> None:
    (got,) = seed.ask()
    assert "URI=spiffe://cluster.local/ns/prod/sa/web" in got.tries[0].headers["x-forwarded-client-cert"]


def test_the_analyzer_of_istio_has_nothing_to_say(seed: Seed) -> None:
    assert "No validation issues found" in seed.world.istioctl("analyze", "--namespace", "prod")


def test_no_proxy_rejects_anything(seed: Seed) -> None:
    assert seed.world.istiod.rejections() == []
