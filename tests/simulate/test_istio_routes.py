"""Which way the proxies of Istio send a request: each oddity of its documentation and source that is about routes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from meshdsl import Istio
from meshdsl.simulate.istio_paths import normalised
from meshdsl.simulate.trace import Trace
from meshdsl.simulate.words import Backend, Breaker, Caller, Limits, Redirected, Verdict
from tests.simulate.istio_cluster import (
    FAR,
    HOST,
    OTHER,
    ROOT,
    WEB,
    Body,
    destination_rule,
    get,
    inventory,
    istio,
    labels,
    policy,
    seen,
    to,
    traffic,
    virtual_service,
    why,
)

OLD, YOUNG = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
V1, V2 = {"route": [to("v1")]}, {"route": [to("v2")]}


def at(version: str, **match: Any) -> Body:
    """A rule that sends some requests to a version."""
    return {"match": [match], "route": [to(version)]}


def routed(*rules: Body, **asked: Any) -> str:
    """What a request sees of one VirtualService with these rules."""
    return seen(istio(destination_rule(), virtual_service(*rules)).answer(get(**asked)))


# ------------------------------------------------------------------------------------------------------------- matches


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/a/b", "/a/b"), ("/a/./b", "/a/b"), ("/a/..", "/"), ("/../a", "/a"), ("/a/b/..", "/a/"), ("/a/.", "/a/"),
        ("//a", "//a"), ("/%2e%2e/a", "/a"), ("/a%2fb", "/a%2fb"), ("/a%2Fb", "/a%2Fb"), ("/%41%7e", "/A~"),
        ("/a\\b", "/a/b"), ("/.well-known/x", "/.well-known/x"), ("/a..b", "/a..b"), ("/100%", "/100%"),
    ],
)  # fmt: skip
def test_paths_are_normalised_before_anything_looks_at_them(path: str, wanted: str) -> None:
    assert normalised(path) == wanted


@pytest.mark.parametrize(
    ("match", "asked", "holds"),
    [
        ({"uri": {"regex": "/a/[0-9]+"}}, {"path": "/a/1"}, True),
        ({"uri": {"regex": "/a"}}, {"path": "/a/1"}, False),
        ({"uri": {"prefix": "/A"}, "ignoreUriCase": True}, {"path": "/ab"}, True),
        ({"uri": {"exact": "/A"}, "ignoreUriCase": True}, {"path": "/a"}, True),
        ({"method": {"regex": "GET|HEAD"}}, {"method": "HEAD"}, True),
        ({"headers": {"x": {}}}, {"headers": {"x": ""}}, True),
        ({"headers": {"x": {"regex": "*"}}}, {"headers": {"x": "any"}}, True),
        ({"headers": {"x": {"regex": "*"}}}, {}, False),
        ({"headers": {"X-Team": {"prefix": "pay"}}}, {"headers": {"x-team": "payments"}}, True),
        ({"withoutHeaders": {"x": {}}}, {}, True),
        ({"withoutHeaders": {"x": {}}}, {"headers": {"x": "1"}}, False),
        ({"withoutHeaders": {"x": {"exact": "1"}}}, {}, True),
        ({"withoutHeaders": {"x": {"exact": ""}}}, {}, False),
        ({"withoutHeaders": {"x": {"exact": "1"}}}, {"headers": {"x": "2"}}, True),
        ({"queryParams": {"debug": {"exact": "1"}}}, {"query": {"debug": "1"}}, True),
        ({"queryParams": {"debug": {}}}, {"query": {"debug": ""}}, True),
        ({"queryParams": {"debug": {"regex": "[0-9]"}}}, {"query": {"debug": "12"}}, False),
        ({"port": 80}, {}, True),
        ({"port": 81}, {}, False),
        ({"scheme": {"exact": "http"}}, {}, True),
        ({"authority": {"prefix": "api"}}, {}, True),
        ({"name": "named", "statPrefix": "x"}, {}, True),
    ],
)
def test_what_a_match_takes(match: Body, asked: Body, holds: bool) -> None:
    assert routed(at("v2", **match), V1, **asked) == ("v2" if holds else "v1")


def test_alternatives_are_tried_in_the_order_of_the_rules() -> None:
    either = {"match": [{"uri": {"exact": "/a"}}, {"uri": {"exact": "/b"}}], "route": [to("v2")]}
    assert [routed(either, at("v1", uri={"prefix": "/"}), path=path) for path in ("/a", "/b", "/c")] == [
        "v2",
        "v2",
        "v1",
    ]
    assert routed(V1, at("v2", uri={"exact": "/a"}), path="/a") == "v1"


@pytest.mark.parametrize(
    ("match", "asked", "wanted"),
    [
        ({"authority": {"exact": "api"}}, {}, "unknown"),
        ({"authority": {"exact": "api"}, "uri": {"exact": "/a"}}, {}, "v1"),
        ({"nosuch": 1, "uri": {"exact": "/a"}}, {}, "v1"),
        ({"nosuch": 1, "uri": {"exact": "/a"}}, {"path": "/a"}, "unknown"),
        ({"uri": {"regex": "(?=a)"}}, {}, "unknown"),
        ({"headers": {"@request.auth.claims.team": {"exact": "a"}}}, {}, "unknown"),
        ({"headers": {"x-request-id": {}}}, {}, "unknown"),
        ({"withoutHeaders": {"x-forwarded-proto": {}}}, {}, "unknown"),
    ],
)
def test_what_is_not_known_about_a_match_costs_the_requests_that_it_could_change(
    match: Body, asked: Body, wanted: str
) -> None:
    assert routed(at("v2", **match), V1, **asked) == wanted


# ------------------------------------------------------------------------------------------------- whose proxy it is


@pytest.mark.parametrize(
    ("match", "caller", "wanted"),
    [
        ({"sourceLabels": {"app": "web"}}, WEB, "v2"),
        ({"sourceLabels": {"tier": "front"}}, WEB, "v2"),
        ({"sourceLabels": {"app": "web"}}, OTHER, "v1"),
        ({"sourceLabels": {"app": "web"}}, Caller("prod", "nobody-knows"), "unknown"),
        ({"sourceNamespace": "elsewhere"}, FAR, "v2"),
        ({"sourceNamespace": "elsewhere"}, WEB, "v1"),
        ({"gateways": ["mesh"], "sourceNamespace": "elsewhere"}, WEB, "v2"),
        ({"gateways": ["edge"]}, WEB, "v1"),
    ],
    ids=str,
)
def test_a_match_may_be_for_some_proxies(match: Body, caller: Caller, wanted: str) -> None:
    assert routed(at("v2", **match), V1, caller=caller) == wanted


def test_a_virtual_service_without_a_rule_for_a_proxy_and_port_is_not_there() -> None:
    only = virtual_service(at("v2", port=81))
    reading = istio(destination_rule(), only)
    assert seen(reading.answer(get())) == "api"
    assert seen(reading.answer(get(port=81))) == "v2"


def test_a_proxy_of_which_it_is_unknown_whether_it_has_any_rule_may_have_none() -> None:
    reading = istio(destination_rule(), virtual_service(at("v2", sourceLabels={"app": "web"}, uri={"exact": "/a"})))
    assert seen(reading.answer(get(caller=Caller("prod", "nobody-knows")))) == "unknown"
    assert seen(reading.answer(get())) == "404"
    assert seen(reading.answer(get(caller=OTHER))) == "api"


@pytest.mark.parametrize(("gateways", "wanted"), [(["edge"], "api"), (["edge", "mesh"], "v2"), ([], "v2")])
def test_a_virtual_service_of_gateways_alone_says_nothing_in_the_mesh(gateways: list[str], wanted: str) -> None:
    assert seen(istio(destination_rule(), virtual_service(V2, gateways=gateways)).answer(get())) == wanted


@pytest.mark.parametrize(
    ("hosts", "wanted"),
    [
        (["api"], "v2"),
        (["api.prod"], "unknown"),
        (["*.prod.svc.cluster.local"], "v2"),
        (["*.svc.cluster.local"], "v2"),
        (["*.other.svc.cluster.local"], "api"),
        (["elsewhere", HOST], "v2"),
    ],
)
def test_which_services_a_host_names(hosts: list[str], wanted: str) -> None:
    reading = istio(destination_rule(), virtual_service({"route": [to("v2", port=None)]}, hosts=hosts))
    assert seen(reading.answer(get())) == wanted
    assert hosts != ["api.prod"] or seen(reading.answer(get(port=81))) == "api"


def test_the_more_specific_host_counts_then_what_is_private_then_the_older() -> None:
    wide = virtual_service(V1, hosts=["*.svc.cluster.local"], name="wide", created=OLD)
    long = virtual_service(
        {"route": [to("", host="shadow")]}, hosts=["*.prod.svc.cluster.local"], name="long", created=YOUNG
    )
    full = virtual_service(V2, name="full", created=YOUNG)
    assert seen(istio(destination_rule(), wide, long).answer(get())) == "shadow"
    assert seen(istio(destination_rule(), wide, long, full).answer(get())) == "v2"
    public = virtual_service(V1, name="public", created=OLD)
    private = virtual_service(V2, name="private", created=YOUNG, exportTo=["."])
    both = istio(destination_rule(), public, private)
    assert [seen(both.answer(get(caller=one))) for one in (WEB, FAR)] == ["v2", "v1"]


def test_of_two_virtual_services_of_one_host_the_older_counts_and_the_answer_says_so() -> None:
    older, younger = (virtual_service(V2, name="b", created=OLD), virtual_service(V1, name="a", created=YOUNG))
    for objects in ((older, younger), (younger, older)):
        answer = istio(destination_rule(), *objects).answer(get(), explain=True)
        assert seen(answer) == "v2"
        assert "passed over: VirtualService prod/b names api.prod.svc.cluster.local too and comes first" in why(answer)
    same = [virtual_service(version, name=name, created=OLD) for version, name in ((V1, "b"), (V2, "a"))]
    assert seen(istio(destination_rule(), *same).answer(get())) == "v2"  # of one second: by name
    new = [virtual_service(version, name=name) for version, name in ((V1, "b"), (V2, "a"))]
    assert seen(istio(destination_rule(), *new).answer(get())) == "v1"  # not created yet: as given


@pytest.mark.parametrize(
    ("export", "wanted"), [(["*"], "v2"), (["."], "api"), (["elsewhere"], "v2"), (["prod"], "api")], ids=str
)
def test_a_virtual_service_is_for_the_namespaces_that_see_it(export: list[str], wanted: str) -> None:
    reading = istio(destination_rule(), virtual_service(V2, exportTo=export))
    assert seen(reading.answer(get(caller=FAR))) == wanted


# -------------------------------------------------------------------------------------------------------- destinations


def test_weights() -> None:
    assert routed({"route": [to("v2", 0)]}) == "v2"  # one alone gets everything
    assert routed({"route": [to("v1", 0), to("v2", 1)]}) == "v2"
    assert routed({"route": [to("v1", 1), to("v2", 3)]}) == "v1 25, v2 75"
    assert routed({"route": [to("v1", 0), to("v2", 0)]}) == "unknown"


def test_a_destination_that_is_not_there_is_answered_with_503() -> None:
    assert routed({"route": [to("v9")]}) == "503"
    assert seen(istio(virtual_service(V1)).answer(get())) == "503"  # without a DestinationRule there are no subsets
    assert routed({"route": [to(host="api.prod")]}) == "503"  # a name with a dot is not completed
    assert routed({"route": [to(port=99)]}) == "503"
    assert routed({"route": [to(host="db.example.com")]}) == "unknown"


def test_a_destination_without_a_port_is_the_only_one_or_the_one_that_was_called() -> None:
    reading = istio(virtual_service({"route": [to(port=None)]}))
    assert {backend.port for backend, _ in traffic(reading, get(port=81)).backends} == {8081}
    reading = istio(virtual_service({"route": [to(host="shadow", port=None)]}))
    assert seen(reading.answer(get(port=81))) == "shadow"


def test_a_subset_without_labels_is_all_pods() -> None:
    reading = istio(destination_rule(subsets=[{"name": "all"}]), virtual_service({"route": [to("all")]}))
    assert seen(reading.answer(get())) == "api"


def test_destination_rules_of_one_namespace_and_host_are_one() -> None:
    limit = {"connectionPool": {"tcp": {"maxConnections": 1}}}
    other = {"connectionPool": {"tcp": {"maxConnections": 2}}}
    one = destination_rule(name="a", subsets=[{"name": "v1", "labels": {"version": "v1"}}])
    two = destination_rule(
        name="b", subsets=[{"name": n, "labels": {"version": "v2"}} for n in ("v1", "v2")], trafficPolicy=limit
    )
    three = destination_rule(name="c", trafficPolicy=other)
    reading = istio(one, two, three, virtual_service({"route": [to("v1", 1), to("v2", 1)]}))
    assert seen(reading.answer(get())) == "v1 50, v2 50"
    assert traffic(reading, get()).breaker == Breaker(1, at_pods=Limits(1))


@pytest.mark.parametrize(
    ("namespaces", "wanted"),
    [(["elsewhere", "prod", ROOT], 0), (["prod", ROOT], 1), ([ROOT], 2), (["third", ROOT], 2)],
    ids=str,
)
def test_the_callers_namespace_hides_the_destination_rule_of_the_service(namespaces: list[str], wanted: int) -> None:
    order = ["elsewhere", "prod", ROOT, "third"]
    rules = [
        destination_rule(
            namespace=one, trafficPolicy={"connectionPool": {"tcp": {"maxConnections": 10 + order.index(one)}}}
        )
        for one in namespaces
    ]
    answer = istio(*rules).answer(get(caller=FAR), explain=True)
    assert answer.traffic is not None
    at_pods = next(10 + order.index(one) for one in order[1:] if one in namespaces)  # whose own namespace is prod
    assert answer.traffic.breaker == Breaker(10 + wanted, at_pods=Limits(at_pods))
    hidden = [one for one in namespaces if order.index(one) > wanted and one != "third"]
    assert [
        one
        for one in order
        if f"passed over: the caller's namespace, the service's, the root: the first decides @ DestinationRule {one}/api"
        in why(answer)
    ] == hidden


def test_a_wildcard_in_the_callers_namespace_hides_the_destination_rule_of_the_service_too() -> None:
    wild = destination_rule(host="*.local", namespace="elsewhere", name="all", subsets=[])
    reading = istio(destination_rule(), wild, virtual_service(V2))
    assert [seen(reading.answer(get(caller=one))) for one in (WEB, FAR)] == ["v2", "503"]


def test_a_destination_rule_may_be_private_or_for_some_proxies() -> None:
    private = istio(destination_rule(exportTo=["."]), virtual_service(V2))
    assert [seen(private.answer(get(caller=one))) for one in (WEB, FAR)] == ["v2", "503"]
    some = istio(destination_rule(workloadSelector={"matchLabels": {"app": "web"}}), virtual_service(V2))
    assert [seen(some.answer(get(caller=one))) for one in (WEB, FAR)] == ["unknown", "503"]


def test_settings_of_a_port_take_the_place_of_all_and_a_subset_replaces_blocks() -> None:
    def limit(number: int) -> Body:
        return {"connectionPool": {"tcp": {"maxConnections": number}}}

    outlier = {"outlierDetection": {"consecutive5xxErrors": 2}}
    ejecting = (2, None, 10_000, 30_000, 10)
    policy_ = {**limit(1), **outlier, "portLevelSettings": [{"port": {"number": 81}, **limit(5)}]}
    subsets = [{"name": "v1", "labels": {"version": "v1"}, "trafficPolicy": limit(3)}]
    reading = istio(
        destination_rule(trafficPolicy=policy_, subsets=subsets),
        virtual_service(at("v1", uri={"exact": "/a"}), {"route": [to(port=None)]}),
    )
    assert traffic(reading, get()).breaker == Breaker(1, None, None, None, *ejecting, at_pods=Limits(1))
    assert traffic(reading, get(port=81)).breaker == Breaker(5, at_pods=Limits(5))
    assert traffic(reading, get("/a")).breaker == Breaker(3, None, None, None, *ejecting, at_pods=Limits(1))


def test_the_sidecars_of_pods_keep_the_limits_of_the_host_and_not_those_of_subsets() -> None:
    limit = {"connectionPool": {"http": {"http2MaxRequests": 1}}}
    subsets = [{"name": "v1", "labels": {"version": "v1"}, "trafficPolicy": limit}]
    of_subset = istio(destination_rule(subsets=subsets), virtual_service({"route": [to("v1")]}))
    assert traffic(of_subset, get()).breaker == Breaker(requests=1)
    far = destination_rule(namespace="elsewhere", trafficPolicy={"loadBalancer": {"simple": "RANDOM"}})
    of_host = istio(destination_rule(trafficPolicy=limit), far)
    assert traffic(of_host, get(caller=FAR)).breaker == Breaker(at_pods=Limits(requests=1))
    some = destination_rule(workloadSelector={"matchLabels": {"app": "api"}}, trafficPolicy=limit)
    assert traffic(istio(some), get(caller=FAR)).breaker is None  # a selector picks callers, never pods


def test_a_limit_of_0_is_none_and_a_counter_of_0_is_off() -> None:
    def breaker(**policy_: Any) -> Breaker | None:
        return traffic(istio(destination_rule(trafficPolicy=policy_)), get()).breaker

    assert breaker(connectionPool={"tcp": {"maxConnections": 0}, "http": {"http2MaxRequests": 0}}) is None
    assert breaker(outlierDetection={}) == Breaker(None, None, None, None, 5, None, 10_000, 30_000, 10)
    gateway = breaker(outlierDetection={"consecutive5xxErrors": 0, "consecutiveGatewayErrors": 2})
    assert gateway == Breaker(None, None, None, None, None, 2, 10_000, 30_000, 10)
    assert breaker(outlierDetection={"consecutive5xxErrors": 0}) is None
    assert breaker(loadBalancer={"simple": "ROUND_ROBIN"}) is None


def test_what_is_not_known_of_a_destination_rule_is_named() -> None:
    answer = istio(destination_rule(trafficPolicy={"tunnel": {"targetHost": "x"}})).answer(get())
    assert answer.verdict is Verdict.UNKNOWN
    assert answer.unknown == ("DestinationRule prod/api spec.trafficPolicy.tunnel: this field is not modelled",)


# ------------------------------------------------------------------------------------------------- what a rule does


def done(*, path: str = "/", headers: Body | None = None, **more: Any) -> Any:
    """What a rule for everything does."""
    return traffic(istio(virtual_service({"route": [to()], **more})), get(path, headers=headers or {}))


def test_percentages() -> None:
    delay, abort = {"fixedDelay": "2s"}, {"httpStatus": 503}
    assert done(fault={"delay": delay, "abort": abort}).delay is None  # none given: 0 %
    assert done(fault={"delay": delay, "abort": abort}).abort is None
    found = done(
        fault={"delay": {**delay, "percentage": {"value": 0.5}}, "abort": {**abort, "percentage": {"value": 100}}}
    )
    assert (found.delay, found.abort) == ((Fraction(1, 2), 2000), (Fraction(100), 503))
    assert done(fault={"delay": {**delay, "percent": 5}}).delay == (Fraction(5), 2000)
    shadow = {"host": "shadow", "port": {"number": 80}}
    pods = Backend("prod", labels(app="shadow"), 8080)
    assert done(mirrors=[{"destination": shadow}]).mirror == (pods, Fraction(100))  # none given: all
    assert done(mirrors=[{"destination": shadow, "percentage": {"value": 12.5}}]).mirror == (pods, Fraction(25, 2))
    assert done(mirrors=[{"destination": shadow, "percentage": {"value": 0}}]).mirror is None
    assert done(mirror=shadow, mirrorPercentage={"value": 5}).mirror == (pods, Fraction(5))
    assert done(mirror=shadow).mirror == (pods, Fraction(100))


def test_header_values_are_formats() -> None:
    found = istio(virtual_service({"route": [to()], "headers": {"request": {"set": {"X-Share": "100%%"}}}}))
    assert traffic(found, get()).edits == frozenset({("request", "set", "x-share", "100%")})
    operator = istio(virtual_service({"route": [to()], "headers": {"request": {"add": {"x": "%START_TIME%"}}}}))
    assert operator.answer(get()).verdict is Verdict.UNKNOWN


def test_an_edit_of_host_is_a_rewrite_of_the_authority() -> None:
    edited = istio(virtual_service({"route": [to()], "headers": {"request": {"set": {"host": "x", ":path": "/y"}}}}))
    assert (traffic(edited, get()).host, traffic(edited, get()).edits) == ("x", frozenset())
    below = istio(virtual_service({"route": [{**to(), "headers": {"response": {"remove": ["Server", ":status"]}}}]}))
    assert traffic(below, get()).edits == frozenset({("response", "remove", "server", "")})


@pytest.mark.parametrize(
    ("match", "rewrite", "path", "wanted"),
    [
        ({"uri": {"prefix": "/old"}}, {"uri": "/new"}, "/older/x", "/newer/x"),
        ({"uri": {"exact": "/old"}}, {"uri": "/new"}, "/old", "/new"),
        ({"uri": {"regex": "/o.*"}}, {"uri": "/new"}, "/old/x", "/new"),
        ({}, {"uri": "/v2/"}, "/a", "/v2/a"),
        ({}, {"uriRegexRewrite": {"match": "^/(a)/(b)", "rewrite": "/\\2/\\1"}}, "/a/b/c", "/b/a/c"),
        ({}, {"authority": "x"}, "/a", "/a"),
    ],
)
def test_a_rewrite_takes_the_place_of_what_matched(match: Body, rewrite: Body, path: str, wanted: str) -> None:
    found = traffic(istio(virtual_service({"match": [match], "route": [to()], "rewrite": rewrite})), get(path))
    assert found.path == wanted


@pytest.mark.parametrize(
    ("redirect", "port", "wanted"),
    [
        ({"uri": "/x"}, 80, Redirected(301, "http", None, 80, "/x")),
        ({"uri": "/x"}, 81, Redirected(301, "http", None, 81, "/x")),
        ({"scheme": "https"}, 80, Redirected(301, "https", None, 443, "/a")),
        ({"scheme": "https"}, 81, Redirected(301, "https", None, 81, "/a")),
        ({"authority": "x", "redirectCode": 308}, 81, Redirected(308, "http", "x", 80, "/a")),
        ({"authority": "x", "derivePort": "FROM_REQUEST_PORT"}, 81, Redirected(301, "http", "x", 81, "/a")),
        ({"authority": "x", "scheme": "https", "port": 8443}, 80, Redirected(301, "https", "x", 8443, "/a")),
    ],
)
def test_where_a_redirect_leads(redirect: Body, port: int, wanted: Redirected) -> None:
    answer = istio(virtual_service({"redirect": redirect}), policy(selector=None)).answer(get("/a", port=port))
    assert answer.allowed  # the service never sees it, so nobody there refuses it
    assert answer.traffic is not None
    assert answer.traffic.redirect == wanted


def test_a_direct_response_is_an_answer_of_the_callers_proxy() -> None:
    reading = istio(virtual_service({"directResponse": {"status": 418}}), policy(selector=None))
    assert seen(reading.answer(get())) == "418"


def test_a_cors_policy_is_about_requests_with_an_origin() -> None:
    reading = istio(virtual_service({"route": [to()], "corsPolicy": {"allowMethods": ["GET"]}}))
    assert seen(reading.answer(get())) == "api"
    assert seen(reading.answer(get(headers={"origin": "http://x"}))) == "unknown"


def test_an_unknown_field_of_a_rule_costs_the_requests_that_the_rule_takes() -> None:
    strange = {"match": [{"uri": {"exact": "/a"}}], "route": [to()], "delegate": {"name": "x"}}
    answer = istio(virtual_service(strange, {"route": [to()]})).answer(get("/a"))
    assert answer.unknown == ("VirtualService prod/api spec.http[0].delegate: this field is not modelled",)
    assert seen(istio(virtual_service(strange, {"route": [to()]})).answer(get("/b"))) == "api"


def test_default_retries_that_the_operator_switched_off_are_none() -> None:
    off = Istio(default_retries="off")
    assert traffic(istio(virtual_service({"route": [to()]}), target=off), get()).retry is None


def test_a_destination_that_is_not_there_has_a_name_in_a_trace() -> None:
    reading = istio(destination_rule(), virtual_service({"route": [to("v1", 90), to("v3", 10)]}))
    trace = Trace(get(), "istio", reading.answer(get()), inventory())
    assert trace.services == {"prod/api": 90, "an answer 503 of the proxy": 10}
