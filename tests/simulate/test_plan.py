"""``docs/semantics.md`` as the reading of a plan answers it, and why."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import meshdsl
from meshdsl import (
    Abort,
    Allow,
    Anyone,
    Breaker,
    Canary,
    DefaultDeny,
    Delay,
    Deny,
    Fault,
    Header,
    Headers,
    Mesh,
    MutualTls,
    Namespace,
    Port,
    Probe,
    Proxy,
    Redirect,
    Retry,
    Rewrite,
    Service,
    Timeout,
)
from meshdsl.plan.resolve import resolve
from meshdsl.simulate.plan import PlanReading
from meshdsl.simulate.words import MESH, OUTSIDE, Answer, Caller, Reason, Request, Retries, Traffic, Verdict

PROD, FRONT = Namespace("prod"), Namespace("front")
WEB = Service("web", FRONT, port=80)
API = Service("api", PROD, port=8080, target_port=9000, versions=("v1", "v2"), probes=(Probe("/healthz", port=9000),))
WEBS, JOBS = Caller("front", "web"), Caller("prod", "job")


def read(*objects: Any) -> PlanReading:
    return PlanReading(resolve(meshdsl.PolicySet((API, WEB, *objects))))


def get(path: str = "/", caller: Caller = WEBS, **more: Any) -> Request:
    return Request(caller, "prod/api", 8080, more.pop("method", "GET"), path, **more)


def traffic(answer: Answer) -> Traffic:
    assert answer.traffic is not None
    return answer.traffic


def shown(reasons: tuple[Reason, ...]) -> list[str]:
    """Every sentence of a tree, with the line of the policy."""
    return [
        text
        for one in reasons
        for text in (f"{one.text} [{one.where.rpartition('/')[2].partition(':')[0]}]", *shown(one.parts))
    ]


def test_a_service_without_policies_is_open_and_left_to_the_mesh() -> None:
    answer = read().answer(get())
    assert answer.allowed
    assert traffic(answer).retry == MESH
    assert [share for _, share in traffic(answer).backends] == [Fraction(1)]


def test_a_service_and_a_port_that_nobody_declares_are_unknown_and_named() -> None:
    reading = read()
    assert reading.answer(Request(WEBS, "prod/apu", 80, "GET", "/")).unknown == (
        "no policy declares a service prod/apu",
    )
    assert reading.answer(Request(WEBS, "prod/api", 81, "GET", "/")).unknown == ("prod/api declares no port 81",)


def test_outside_the_mesh_and_by_a_pods_address_there_is_no_traffic_policy() -> None:
    reading = read(Timeout(API, "5s"))
    assert reading.answer(get(caller=OUTSIDE)).traffic is None
    assert reading.answer(get(by_name=False)).traffic is None
    assert traffic(reading.answer(get())).timeout == 5000


def test_the_most_specific_route_decides_and_the_others_are_told() -> None:
    reading = read(Timeout(API.route("items", path="/items/*"), "1s"), Timeout(API, "5s"))
    assert traffic(reading.answer(get("/items/1"))).timeout == 1000
    answer = reading.answer(get("/itemsx"), explain=True)
    assert traffic(answer).timeout == 5000
    told = shown(answer.reasons)
    assert "items (/items/*): the path is /itemsx, not /items/* [test_plan.py]" in told
    assert "default (every request) is the most specific that matches [test_plan.py]" in told
    assert "the answer must be complete within 5s, all tries together [test_plan.py]" in told
    assert "no policy asks for retries, and others are about its requests: nothing is tried again []" in told


def test_a_canary_shares_requests_and_takes_those_that_ask_for_it() -> None:
    reading = read(Canary(API, stable="v1", canary="v2", percent=12.5, when=Header("x-canary", "true")))
    parts = {dict(backend.labels)["version"]: share for backend, share in traffic(reading.answer(get())).backends}
    assert parts == {"v1": Fraction(7, 8), "v2": Fraction(1, 8)}
    answer = reading.answer(get(headers={"x-canary": "true"}), explain=True)
    assert [dict(backend.labels)["version"] for backend, _ in traffic(answer).backends] == ["v2"]
    assert "all requests go to prod/api version v2 [test_plan.py]" in shown(answer.reasons)
    told = shown(reading.answer(get(headers={"x-canary": "no"}), explain=True).reasons)
    assert any("the header x-canary is 'no', not 'true'" in text for text in told)
    assert any("87.5 % to v1, 12.5 % to v2" in text for text in told)


def test_retries_are_of_some_methods_only() -> None:
    reading = read(Retry(API, attempts=3, retry_on=("5xx",), statuses=(429,), per_try_timeout="1s"))
    retries = Retries(3, frozenset({"5xx"}), frozenset({429}), 1000)
    assert traffic(reading.answer(get())).retry == retries
    assert traffic(reading.answer(get(method="POST"))).retry is None
    told = shown(reading.answer(get(method="POST"), explain=True).reasons)
    assert "no POST is tried again, other methods are [test_plan.py]" in told
    never = read(Retry(API, attempts=0)).answer(get(method="POST"), explain=True)
    assert "nothing is tried again here [test_plan.py]" in shown(never.reasons)


def test_the_reasons_call_a_caller_by_the_one_service_that_runs_as_its_account() -> None:
    shop = Service("shop", FRONT, port=80, service_account="front-shop")
    reading = read(shop, DefaultDeny(PROD), Allow(API, callers=(shop,), methods=("PUT",)))
    told = shown(reading.answer(get(caller=Caller("front", "front-shop")), explain=True).reasons)
    assert any("the identity front/shop (front/front-shop)" in text for text in told)
    assert any("Allow front/shop (front/front-shop): the method is GET" in text for text in told)
    others = shown(reading.answer(get(), explain=True).reasons)
    assert any("Allow front/shop (front/front-shop): the caller is front/web" in text for text in others)
    both = read(shop, Service("other", FRONT, port=80, service_account="front-shop"))
    told = shown(both.answer(get(caller=Caller("front", "front-shop")), explain=True).reasons)
    assert any(text.startswith("mTLS, with the identity front/front-shop") for text in told)


def test_what_is_done_to_a_request_is_told_without_the_values_of_headers() -> None:
    reading = read(
        Fault(API, delay=Delay("1s", percent=5), abort=Abort(503, percent=1)),
        Headers(API, request_set={"x-key": "secret"}, response_remove=("server",)),
        Rewrite(API, path="/new", host="other.example"),
        Breaker(API, consecutive_5xx=5, max_connections=3),
    )
    answer = reading.answer(get("/a"), explain=True)
    found = traffic(answer)
    assert (found.path, found.host) == ("/new/a", "other.example")
    assert found.delay == (Fraction(5), 1000)
    assert found.abort == (Fraction(1), 503)
    assert found.edits == {("request", "set", "x-key", "secret"), ("response", "remove", "server", "")}
    assert found.breaker is not None
    assert (found.breaker.connections, found.breaker.consecutive_5xx) == (3, 5)
    told = " ".join(shown(answer.reasons))
    assert "x-key set" in told
    assert "secret" not in told


def test_a_redirect_leaves_out_everything_else() -> None:
    reading = read(Redirect(API.route("old", path="/old"), path="/new", status=301), Timeout(API, "5s"))
    redirect = traffic(reading.answer(get("/old"))).redirect
    assert redirect is not None
    assert (redirect.status, redirect.path, redirect.port) == (301, "/new", 8080)


def test_the_rule_that_lets_in_is_told_and_those_that_do_not_speak_of_it() -> None:
    reading = read(Allow(API, callers=(WEB,), methods=("GET",), paths=("/a/*",)), DefaultDeny(PROD))
    assert reading.answer(get("/a/b")).allowed
    for request, why in (
        (get("/b"), "the path is /b, not /a/*"),
        (get("/a", method="POST"), "the method is POST, not GET"),
        (get("/a", JOBS), "the caller is prod/job"),
        (get("/a", Caller("front", "web", "else.org")), "the caller is front/web of else.org"),
        (get("/a", OUTSIDE), "the caller is outside the mesh"),
    ):
        answer = reading.answer(request, explain=True)
        assert answer.verdict is Verdict.DENIED
        told = shown(answer.reasons)
        assert f"Allow front/web: {why} [test_plan.py]" in told
        assert "refused: a DefaultDeny closes namespace prod, and no Allow matches [test_plan.py]" in told


def test_a_deny_goes_before_an_allow() -> None:
    reading = read(Allow(API, callers=Anyone.in_mesh()), Deny(API, callers=(WEB,), methods=("DELETE",)))
    answer = reading.answer(get(method="DELETE"), explain=True)
    assert answer.verdict is Verdict.DENIED
    assert "refused by a Deny, whatever is allowed [test_plan.py]" in shown(answer.reasons)
    assert reading.answer(get()).allowed


def test_strict_mtls_cuts_off_plain_text_and_says_where_it_was_set() -> None:
    reading = read(MutualTls(Mesh(), mode="strict"), MutualTls(PROD, mode="permissive"))
    assert reading.answer(get(caller=OUTSIDE)).allowed
    cut = reading.answer(Request(OUTSIDE, "front/web", 80, "GET", "/"), explain=True)
    assert cut.verdict is Verdict.DENIED
    assert cut.mtls is False
    assert "mTLS is strict, set on the mesh [test_plan.py]" in shown(cut.reasons)
    assert "mTLS is permissive, set on namespace prod [test_plan.py]" in shown(
        reading.answer(get(), explain=True).reasons
    )
    without = read().answer(get(), explain=True)
    assert without.mtls is True
    assert any("no policy says whether plain text is taken" in text for text in shown(without.reasons))


def test_a_service_that_is_kept_out_of_the_mesh_has_no_mtls() -> None:
    answer = read(Proxy(PROD, enrolled=False)).answer(get(), explain=True)
    assert answer.mtls is False
    assert any("kept out of the mesh" in text for text in shown(answer.reasons))


def test_a_declared_probe_is_known_by_path_method_and_workload_port() -> None:
    reading = read()
    assert reading.answer(get("/healthz", OUTSIDE)).probe
    assert not reading.answer(get("/healthz", OUTSIDE, method="POST")).probe
    assert not reading.answer(get("/healthz/", OUTSIDE)).probe


def test_rules_about_requests_say_nothing_of_bytes() -> None:
    many = Service("many", PROD, ports=(Port(80, name="http"), Port(99, name="db", protocol="tcp")))
    reading = read(many, Allow(many, callers=(WEB,), methods=("GET",), ports=(80,)))
    assert reading.answer(Request(WEBS, "prod/many", 80, "GET", "/")).allowed
    assert reading.answer(Request(WEBS, "prod/many", 99)).verdict is Verdict.DENIED
    assert reading.answer(Request(WEBS, "prod/many", 99)).traffic is None


def test_reasons_never_change_the_answer() -> None:
    reading = read(Timeout(API, "5s"), Allow(API, callers=(WEB,)))
    for request in (get(), get(caller=OUTSIDE), get(caller=JOBS)):
        assert reading.answer(request) == reading.answer(request, explain=True)
        assert reading.answer(request).reasons == ()


def test_a_trace_says_that_a_call_to_a_pods_address_may_come_without_its_identity() -> None:
    reading = read()
    told = [reading.answer(get(by_name=by_name), explain=True).reasons[0].text for by_name in (True, False)]
    assert ["the mesh's affair" in text for text in told] == [False, True]
