"""The routes of a VirtualService: the first that matches wins, so their order is read back as what it means."""

from __future__ import annotations

from typing import Any

import meshdsl
from meshdsl import Canary, Header, Namespace, Service, Timeout
from meshdsl.compare.diff import diff
from meshdsl.compare.report import DiffReport, Risk
from meshdsl.compiler import Bundle
from tests.compare.live import changed


def shop() -> Bundle:
    prod = Namespace("prod")
    api = Service("api", prod, port=80, versions=("v1", "v2"), replicas=6)
    orders = api.route("orders", methods=("POST",), path="/orders")
    items = api.route("items", methods=("GET",), path="/items")
    canary = Canary(orders, stable="v1", canary="v2", percent=30, when=Header("x-canary", "true"))
    return meshdsl.build(meshdsl.PolicySet((api, canary, Timeout(items, "1s")), name="shop"), meshdsl.Istio())


def reordered(given: Bundle, *names: str) -> DiffReport:
    """The difference to a cluster in which these routes stand first, in this order."""

    def change(body: Any) -> None:
        http = body["spec"]["http"]
        assert {*names} <= {one["name"] for one in http}, [one["name"] for one in http]
        first = [next(one for one in http if one["name"] == name) for name in names]
        body["spec"]["http"] = [*first, *(one for one in http if one["name"] not in names)]

    report = diff(given, changed(given, "VirtualService", "api", change))
    assert report.objects, "the order is another one"
    return report


def test_a_route_that_another_one_hides_is_not_in_force() -> None:
    given = shop()
    report = reordered(given, "orders", "orders-canary")
    hidden = "prod/api, POST requests to /orders with x-canary = true"
    assert [one.sentence for one in report.policy] == [f"canary of {hidden}: v2 30 % → 100 %"]
    assert [(one.risk, one.sentence) for one in report.risks] == [
        (Risk.MOVED_TRAFFIC, f"{hidden}: v2 gets 100 % instead of 30 %, v1 gets 0 % instead of 70 %")
    ]


def test_where_the_order_changes_nothing_nothing_is_said() -> None:
    report = reordered(shop(), "items")
    assert report.policy == ()
    assert report.policy_note == ""
    assert report.risks == ()


def test_a_catch_all_that_stands_first_takes_everything() -> None:
    report = reordered(shop(), "default")
    assert "route items of prod/api: timeout none → 1s" in [one.sentence for one in report.policy]
    assert Risk.MOVED_TRAFFIC in {one.risk for one in report.risks}


def test_an_overlap_that_cannot_be_decided_is_not_told() -> None:
    def change(body: Any) -> None:
        route = body["spec"]["http"][-1]["route"]
        regexes = [{"match": [{"uri": {"regex": regex}}], "route": route} for regex in ("/.*a", "/it.*")]
        body["spec"]["http"] = [*regexes, *body["spec"]["http"]]

    given = shop()
    report = diff(given, changed(given, "VirtualService", "api", change))
    assert report.policy == ()
    assert "the order of the routes of VirtualService prod/api cannot be read back" in report.policy_note
