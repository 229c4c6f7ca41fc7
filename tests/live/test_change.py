"""One policy changes: each view of the comparison with the real server says that, and nothing else; applied, nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from meshdsl import (
    Allow,
    Ambient,
    Canary,
    DefaultDeny,
    Istio,
    Linkerd,
    MutualTls,
    Namespace,
    PolicySet,
    Proxy,
    Service,
    build,
)
from meshdsl.compare.diff import diff
from meshdsl.compare.kinds import scopes_of
from meshdsl.compare.report import Action, DiffReport, Risk
from meshdsl.targets.base import Target
from tests.live.api import Body, accepted
from tests.live.comparing import apply, cluster_of, remove, told
from tests.live.emitted import Build
from tests.live.server import Server

TARGETS: dict[str, Target] = {
    "istio": Istio(),
    "ambient": Ambient(gateway_api_channel="experimental", default_retries="off"),
    "linkerd": Linkerd(),
}


class Shop:
    """A small shop on one mesh, as it is applied."""

    def __init__(self, own: Server, name: str) -> None:
        self._server, self._target = own, TARGETS[name]
        self._shop = Namespace(f"change-{name}")
        self._web = Service("web", self._shop, port=80)
        self._api = Service("api", self._shop, port=8080, versions=("v1", "v2"))
        self.namespace = self._shop.name

    def built(self, *, percent: int = 10, paths: tuple[str, ...] = ("/v1/*",)) -> Build:
        """The policies with these values."""
        inventory = (self._shop, self._web, self._api)
        base = (Proxy(self._shop), MutualTls(self._shop, mode="strict"), DefaultDeny(self._shop))
        canary = Canary(self._api, stable="v1", canary="v2", percent=percent)
        allow = Allow(self._api, callers=(self._web,), methods=("GET",), paths=paths)
        policies = PolicySet((*inventory, *base, canary, allow), name=f"change-{self._target.name}")
        return Build(policies.name, build(policies, self._target), policies)

    def make_services(self) -> None:
        """The Services that the policies speak of, as the shop has made them: they are not ours to create."""
        space: Body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        found = [self._server.api.create(space)]
        for service in (self._web, self._api):
            spec = {"selector": {"app": service.name}, "ports": [{"name": "http", "port": service.port}]}
            metadata = {"name": service.name, "namespace": self.namespace}
            body: Body = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
            found.append(self._server.api.create(body))
        accepted(answer for answer in found if answer.status != 409)

    def apply(self, build: Build) -> None:
        apply(self._server, [build])

    def compared(self, build: Build) -> DiffReport:
        with cluster_of(self._server) as cluster:
            return diff(build.bundle, cluster.snapshot(scopes_of(build.bundle)))


@pytest.fixture(params=TARGETS)
def shop(own: Server, request: pytest.FixtureRequest) -> Iterator[Shop]:
    found = Shop(own, request.param)
    found.make_services()
    found.apply(found.built())
    yield found
    remove(own, [found.built()])


def test_nothing_differs_before_the_change(shop: Shop) -> None:
    assert list(told(shop.built(), shop.compared(shop.built()))) == []


def test_another_share_of_a_canary_is_one_sentence_and_two_weights(shop: Shop) -> None:
    changed = shop.built(percent=25)
    report = shop.compared(changed)
    assert [one.sentence for one in report.policy] == [f"canary of {shop.namespace}/api: v2 10 % → 25 %"]
    (change,) = report.objects
    assert change.action is Action.UPDATE
    assert [(field.path[-1], field.live, field.ours) for field in change.fields] == [
        ("weight", 90, 75),
        ("weight", 10, 25),
    ]
    assert not report.access
    shop.apply(changed)
    assert list(told(changed, shop.compared(changed))) == []


def test_one_more_path_is_one_row_of_the_access_view_and_a_risk(shop: Shop) -> None:
    changed = shop.built(paths=("/v1/*", "/v2"))
    report = shop.compared(changed)
    name = shop.namespace
    assert [one.sentence for one in report.access] == [f"{name}/web may now also GET /v2 of {name}/api"]
    assert [one.widened for one in report.access] == [True]
    assert [finding.risk for finding in report.risks] == [Risk.WIDENED_ACCESS]
    assert [change.action for change in report.objects] == [Action.UPDATE]
    assert len(report.policy) == 1
    shop.apply(changed)
    assert list(told(changed, shop.compared(changed))) == []


def test_a_restart_in_between_changes_nothing(shop: Shop, own: Server) -> None:
    own.restart()
    assert list(told(shop.built(), shop.compared(shop.built()))) == []
    assert len(shop.compared(shop.built(percent=25)).objects) == 1


def test_a_field_that_somebody_changed_by_hand_is_told(shop: Shop, own: Server) -> None:
    (route,) = (body for body in shop.built().bodies(partial=False) if "'weight': 90" in str(body))
    live = own.api.get(route).body
    spec = live["spec"]
    shares = spec["http"][0]["route"] if route["kind"] == "VirtualService" else spec["rules"][0]["backendRefs"]
    shares[0]["weight"], shares[1]["weight"] = 0, 100
    own.kubectl_run("replace", "-f", "-", text=json.dumps(live))
    (change,) = shop.compared(shop.built()).objects
    assert [(field.live, field.ours) for field in change.fields] == [(0, 90), (100, 10)]
    assert [finding.risk for finding in shop.compared(shop.built()).risks] == [Risk.MOVED_TRAFFIC]
    shop.apply(shop.built())
    assert list(told(shop.built(), shop.compared(shop.built()))) == []


def test_the_namespaces_of_another_set_are_none_of_our_business(own: Server) -> None:
    """A partial object has no label of its set, and Namespaces are listed for the whole cluster."""
    one, other = Shop(own, "ambient"), Shop(own, "istio")
    for shop in (one, other):
        shop.make_services()
        shop.apply(shop.built())
    try:
        assert list(told(other.built(), other.compared(other.built()))) == []
    finally:
        remove(own, [one.built(), other.built()])
