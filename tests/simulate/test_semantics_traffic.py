"""A test for each sentence of ``docs/semantics.md`` §3: what happens to a request on its way.

The name of a test begins with the label of its sentence; ``docs/semantics-tests.md`` has the table. What only a proxy
can show (who answers 504, what a copy costs) is asked of real ones in ``tests/mesh``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, get_args

import pytest

import meshdsl
from meshdsl import (
    Abort,
    Allow,
    Breaker,
    Canary,
    Delay,
    Fault,
    Header,
    Headers,
    Mirror,
    Policy,
    Redirect,
    Retry,
    Rewrite,
    Service,
    Split,
    Timeout,
)
from meshdsl.diagnostics import PolicyError
from meshdsl.model.types import RetryOn
from meshdsl.report.trace_text import trace_text
from meshdsl.simulate.agree import agree
from meshdsl.simulate.attempts import any_backoff, time_line
from meshdsl.simulate.trace import trace_plan
from meshdsl.simulate.words import MESH as LEFT_TO_MESH
from meshdsl.simulate.words import OUTSIDE, Limits, Request, Retries
from tests.simulate.meant import API, JOB, JOBS, MANY, MESHES, PROD, WEB, Meant, codes, codes_everywhere, get, many

CANARY = Canary(API, stable="v1", canary="v2", percent=10)
OTHER = Service("other", PROD, ports=API.ports, port=8080, versions=("v1", "v2"))


def canary(percent: float, **more: Any) -> Meant:
    return Meant(API, WEB, Canary(API, stable="v1", canary="v2", percent=percent, **more))


# ------------------------------------------------------------------------------------------------------ who sees it


def test_3_1a_traffic_policies_are_for_callers_in_the_mesh_that_call_by_name() -> None:
    meant = Meant(API, WEB, Timeout(API, "5s"), CANARY, Retry(API, attempts=2, statuses=(503,)))
    assert (meant.timeout(get()), meant.tries(get())) == (5000, 3)


@pytest.mark.parametrize("request_", [get(caller=OUTSIDE), get(by_name=False)], ids=["outside", "by address"])
def test_3_1b_others_see_none_of_it(request_: Request) -> None:
    meant = Meant(API, WEB, Timeout(API, "5s"), CANARY, Retry(API, attempts=2, statuses=(503,)))
    assert meant.is_left_alone(request_)


# ------------------------------------------------------------------------------------------------------------- Split


def test_3_split_1a_each_request_goes_to_one_version() -> None:
    found = Meant(API, WEB, Split(API, weights={"v1": 1, "v2": 2})).versions(get())
    assert found.keys() == {"v1", "v2"}
    assert sum(found.values()) == 1


@pytest.mark.parametrize(("one", "other"), [(1, 2), (9, 1), (999_999, 1), (500, 500)])
def test_3_split_1b_a_share_is_the_weight_divided_by_the_sum(one: int, other: int) -> None:
    found = Meant(API, WEB, Split(API, weights={"v1": one, "v2": other})).versions(get())
    assert found == {"v1": Fraction(one, one + other), "v2": Fraction(other, one + other)}


def test_3_split_2_a_version_with_weight_0_gets_nothing() -> None:
    assert Meant(API, WEB, Split(API, weights={"v1": 5, "v2": 0})).versions(get()) == {"v1": 1}


# ------------------------------------------------------------------------------------------------------------ Canary


def test_3_canary_1_a_percentage_goes_to_the_canary_and_the_rest_to_stable() -> None:
    assert canary(10).versions(get()) == {"v1": Fraction(9, 10), "v2": Fraction(1, 10)}
    assert canary(0).versions(get()) == {"v1": 1}
    assert canary(100).versions(get()) == {"v2": 1}


def test_3_canary_2_a_request_for_which_when_holds_goes_to_the_canary_always() -> None:
    meant = canary(10, when=Header("x-canary", "true"))
    assert meant.versions(get(headers={"x-canary": "true"})) == {"v2": 1}
    assert meant.versions(get(headers={"x-canary": "no"})) == {"v1": Fraction(9, 10), "v2": Fraction(1, 10)}


def test_3_canary_3_a_percentage_has_up_to_four_decimals_and_is_met_exactly() -> None:
    assert canary(33.3333).versions(get()) == {"v1": Fraction(666667, 1000000), "v2": Fraction(333333, 1000000)}
    assert canary(0.0001).versions(get())["v2"] == Fraction(1, 1000000)
    with pytest.raises(PolicyError):
        Canary(API, stable="v1", canary="v2", percent=0.00001)


# ----------------------------------------------------------------------------------------------------------- Timeout


def test_3_timeout_1a_a_request_has_its_time_with_all_retries() -> None:
    meant = Meant(API, WEB, Timeout(API, "1s"), Retry(API, attempts=5, statuses=(503,), per_try_timeout="400ms"))
    assert (meant.timeout(get()), meant.tries(get())) == (1000, 6)
    line = meant.one(get(), lambda answer: tuple(one.ends for one in time_line(answer.traffic)))  # type: ignore[arg-type]
    assert all(end is not None and end <= 1000 for end in line)


@pytest.mark.parametrize(("text", "milliseconds"), [("250ms", 250), ("1m30s", 90_000), ("1h", 3_600_000)])
def test_3_timeout_1a_a_time_is_met_whatever_its_unit(text: str, milliseconds: int) -> None:
    assert Meant(API, WEB, Timeout(API, text)).timeout(get()) == milliseconds


def test_3_timeout_2_without_a_timeout_there_is_none() -> None:
    assert Meant(API, WEB).timeout(get()) is None
    assert Meant(API, WEB, Retry(API, attempts=2, statuses=(503,))).timeout(get()) is None


# ------------------------------------------------------------------------------------------------------------- Retry


@pytest.mark.parametrize("attempts", [1, 3, 10])
def test_3_retry_1a_a_request_is_tried_once_more_than_attempts(attempts: int) -> None:
    meant = Meant(API, WEB, Retry(API, attempts=attempts, statuses=(429, 503)))
    assert meant.tries(get()) == 1 + attempts
    for mesh in MESHES:
        retry = meant.retries(get(), mesh)
        assert isinstance(retry, Retries)
        assert retry.statuses == {429, 503}


def statuses_of(condition: Any, mesh: str) -> frozenset[int]:
    """The statuses that a mesh retries which knows no conditions, only statuses."""
    retry = Meant(API, WEB, Retry(API, attempts=1, retry_on=(condition,))).retries(get(), mesh)
    assert isinstance(retry, Retries)
    return retry.statuses


def conditions_of(condition: Any, mesh: str = "istio", **refused: str) -> frozenset[str]:
    """The conditions that a mesh retries."""
    retry = Meant(API, WEB, Retry(API, attempts=1, retry_on=(condition,)), **refused).retries(get(), mesh)
    assert isinstance(retry, Retries)
    return retry.conditions


def test_3_retry_2a_5xx_is_an_answer_of_500_to_599_or_none() -> None:
    assert statuses_of("5xx", "ambient") == set(range(500, 600))
    assert conditions_of("5xx") == {"5xx"}
    assert conditions_of("5xx", "linkerd") >= {"reset", "connect-failure"}


def test_3_retry_2b_gateway_error_is_502_503_and_504() -> None:
    assert statuses_of("gateway-error", "ambient") == {502, 503, 504}
    assert conditions_of("gateway-error") == {"gateway-error"}


@pytest.mark.parametrize("condition", ["reset", "connect-failure", "refused-stream"])
def test_3_retry_2cde_what_breaks_before_an_answer_is_no_status(condition: str) -> None:
    both: Any = ("5xx", condition)
    meant = Meant(API, WEB, Retry(API, attempts=1, retry_on=both))
    for mesh in ("istio", "linkerd"):
        retry = meant.retries(get(), mesh)
        assert isinstance(retry, Retries)
        assert condition in retry.conditions
        assert retry.statuses == frozenset()


def test_3_retry_2f_retriable_4xx_is_409() -> None:
    assert statuses_of("retriable-4xx", "ambient") == {409}
    assert statuses_of("retriable-4xx", "linkerd") == {409}
    assert conditions_of("retriable-4xx") == {"retriable-4xx"}


def test_3_retry_2g_the_others_are_statuses_of_grpc() -> None:
    known = {"5xx", "gateway-error", "reset", "connect-failure", "refused-stream", "retriable-4xx"}
    others = set(get_args(RetryOn)) - known
    assert others == {"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"}
    for one in others - {"cancelled", "unavailable"}:
        assert conditions_of(one, ambient="MESH624", linkerd="MESH516") == {one}
    for one in ("cancelled", "unavailable"):
        assert conditions_of(one, linkerd="MESH516") == {one}


IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")


def test_3_retry_3a_only_methods_that_may_be_repeated_are_retried_unless_others_are_named() -> None:
    meant = Meant(API, WEB, Retry(API, attempts=2, statuses=(503,)))
    assert {method for method in (*IDEMPOTENT, "POST", "PATCH", "X") if meant.tries(get(method=method)) == 3} == set(
        IDEMPOTENT
    )
    named = Meant(API, WEB, Retry(API, attempts=2, statuses=(503,), methods=("POST",)))
    assert [named.tries(get(method=method)) for method in ("POST", "GET")] == [3, 1]


def test_3_retry_3b_any_retries_every_method() -> None:
    meant = Meant(API, WEB, Retry(API, attempts=2, statuses=(503,), methods="any"))
    assert [meant.tries(get(method=method)) for method in (*IDEMPOTENT, "POST", "PATCH", "X")] == [3] * 9


def test_3_retry_4_a_try_has_a_bound_of_its_own() -> None:
    meant = Meant(API, WEB, Timeout(API, "9s"), Retry(API, attempts=2, statuses=(503,), per_try_timeout="2s"))
    assert meant.part(get(), "retry", on="istio").per_try == 2000
    assert all(meant.retries(get(), mesh).per_try == 2000 for mesh in MESHES)  # type: ignore[union-attr]
    ends = meant.one(get(), lambda answer: [one.ends for one in time_line(answer.traffic)])  # type: ignore[arg-type]
    assert ends[0] == 2000
    assert len(ends) == 3


def test_3_retry_5_backoff_is_the_base_interval_and_without_it_25_ms() -> None:
    meant = Meant(API, WEB, Retry(API, attempts=2, statuses=(503,), backoff="100ms"), linkerd="MESH518")
    assert [meant.retries(get(), mesh).backoff for mesh in ("istio", "ambient")] == [100, 100]  # type: ignore[union-attr]
    without = Meant(API, WEB, Retry(API, attempts=2, statuses=(503,)))
    assert without.one(get(), lambda answer: answer.traffic.retry.backoff) is None  # type: ignore[union-attr]
    assert [any_backoff(retry, 25)[1] for retry in (1, 2, 3)] == [50, 100, 200]


def test_3_retry_6_never_is_never() -> None:
    meant = Meant(API, WEB, Retry(PROD, attempts=3, statuses=(503,)), Retry.never(API.route("r", path="/r")))
    assert [meant.tries(get(path)) for path in ("/r", "/")] == [1, 4]


POLICIES = {
    "Timeout": Timeout(API, "5s"),
    "Canary": CANARY,
    "Headers": Headers(API, request_set={"a": "b"}),
    "a timeout of the mesh": Timeout(meshdsl.Mesh(), "5s"),
    "a timeout of one of its routes": Timeout(API.route("r", path="/r"), "1s"),
}


@pytest.mark.parametrize("what", POLICIES)
def test_3_retry_7a_what_has_any_policy_about_requests_is_tried_again_only_as_its_retry_says(what: str) -> None:
    assert [Meant(API, WEB, POLICIES[what]).tries(get(path)) for path in ("/r", "/")] == [1, 1]


def test_3_retry_7b_the_default_retries_of_the_mesh_do_not_apply() -> None:
    meant = Meant(API, WEB, Timeout(API, "5s"))
    for mesh in MESHES:
        assert {one.answer(get()).traffic.retry for one in meant.of(mesh)} == {None}  # type: ignore[union-attr]
    without = meshdsl.Ambient(gateway_api_channel="experimental")
    assert codes(without, API, Timeout(API, "5s")) == "MESH519"  # an HTTPRoute cannot switch them off


def test_3_retry_7c_a_service_without_any_such_policy_is_left_to_the_mesh() -> None:
    meant = Meant(API, WEB, Allow(API, callers=(WEB,)))
    assert meant.one(get(), lambda answer: answer.traffic.retry, on="meant on istio") == LEFT_TO_MESH  # type: ignore[union-attr]
    assert {one.answer(get()).traffic.retry for one in meant.of("istio")} == {LEFT_TO_MESH}  # type: ignore[union-attr]


# ----------------------------------------------------------------------------------------------------------- Breaker


def test_3_breaker_1a_limits_are_those_of_one_calling_proxy_to_each_version() -> None:
    limits = {"max_connections": 1, "max_pending_requests": 2, "max_requests": 3, "max_requests_per_connection": 4}
    breaker = Breaker(API, **limits)  # type: ignore[arg-type]
    for more in ((), (CANARY,)):
        meant = Meant(API, WEB, breaker, *more, linkerd="MESH520")
        for mesh in ("istio", "ambient"):
            (found,) = {one.answer(get()).traffic.breaker for one in meant.of(mesh)}  # type: ignore[union-attr]
            assert found is not None
            assert (found.connections, found.pending, found.requests, found.requests_per_connection) == (1, 2, 3, 4)


@pytest.mark.parametrize("more", [(), (CANARY,)], ids=["no versions", "versions"])
def test_3_breaker_1b_the_sidecar_of_each_pod_has_the_same_limits(more: tuple[Policy, ...]) -> None:
    limits = Breaker(API, max_connections=1, max_requests=3, consecutive_5xx=5)
    meant = Meant(API, WEB, limits, *more, linkerd="MESH520")
    assert meant.part(get(), "breaker", "istio").at_pods == Limits(1, None, 3, None)
    assert {one.answer(get()).traffic.breaker.at_pods for one in meant.of("ambient")} == {None}  # type: ignore[union-attr]
    ejection = Meant(API, WEB, Breaker(API, consecutive_5xx=5), *more)
    assert ejection.part(get(), "breaker", "istio").at_pods is None


@pytest.mark.parametrize("of", ["namespace", "service"])
def test_3_breaker_1b_pods_out_of_the_mesh_have_no_sidecar_with_limits(of: str) -> None:
    api = Service("api", PROD, port=8080, workload=meshdsl.Workload("Deployment", "api"))
    out = meshdsl.Proxy(PROD if of == "namespace" else api, enrolled=False)
    bundle = meshdsl.build([WEB, Breaker(api, max_connections=1), out], meshdsl.Istio())
    assert agree(bundle).holds
    found = trace_plan(bundle.plan, get())
    assert found.traffic is not None
    assert found.traffic.breaker is not None
    assert (found.traffic.breaker.connections, found.traffic.breaker.at_pods) == (1, None)
    assert "limits of connections and requests, here, is answered with 503" in trace_text(found)
    assert "limits" not in trace_text(trace_plan(bundle.plan, get(caller=OUTSIDE)))


def test_3_1b_a_trace_of_a_caller_outside_the_mesh_names_the_limits_before_the_pod() -> None:
    bundle = meshdsl.build([API, WEB, Breaker(API, max_connections=1)], meshdsl.Istio())
    told = trace_text(trace_plan(bundle.plan, get(caller=OUTSIDE)))
    assert "limits of connections and requests, before the pod, is answered with 503" in told


@pytest.mark.parametrize("given", ["max_connections", "max_pending_requests", "max_requests"])
def test_3_breaker_1d_a_limit_that_is_not_given_is_none(given: str) -> None:
    found = Meant(API, WEB, Breaker(API, **{given: 7}), linkerd="MESH520").part(get(), "breaker", "istio")
    for limits in (found, found.at_pods):
        of_one = (limits.connections, limits.pending, limits.requests, limits.requests_per_connection)
        assert sorted(one or 0 for one in of_one) == [0, 0, 0, 7]


def test_3_breaker_2a_a_pod_is_ejected_after_so_many_failures_for_so_long() -> None:
    found = Meant(API, WEB, Breaker(API, consecutive_5xx=5, base_ejection_time="20s")).part(get(), "breaker", "istio")
    assert (found.consecutive_5xx, found.consecutive_gateway_errors, found.base_ejection_time) == (5, None, 20_000)
    on_linkerd = Meant(API, WEB, Breaker(API, consecutive_5xx=5, base_ejection_time="20s"))
    assert {one.answer(get()).traffic.breaker.consecutive_5xx for one in on_linkerd.of("linkerd")} == {5}  # type: ignore[union-attr]
    gateway = Meant(API, WEB, Breaker(API, consecutive_gateway_errors=3), linkerd="MESH522").part(get(), "breaker")
    assert (gateway.consecutive_5xx, gateway.consecutive_gateway_errors) == (None, 3)


def test_3_breaker_2b_expiry_is_looked_at_every_interval() -> None:
    for text, milliseconds in (("7s", 7000), ("1m", 60_000)):
        meant = Meant(API, WEB, Breaker(API, consecutive_5xx=5, interval=text))
        assert meant.part(get(), "breaker", "istio").interval == milliseconds
        assert meant.part(get(), "breaker", "ambient").interval == milliseconds


def test_3_breaker_2d_no_more_than_a_percentage_of_the_pods_is_out() -> None:
    meant = Meant(API, WEB, Breaker(API, consecutive_5xx=5, max_ejection_percent=50))
    assert meant.part(get(), "breaker", "istio").max_ejection_percent == 50
    assert codes_everywhere(API, Breaker(API, consecutive_5xx=5, max_ejection_percent=24)) == {"MESH410"}
    split = Split(API, weights={"v1": 1, "v2": 1})
    assert codes_everywhere(API, split, Breaker(API, consecutive_5xx=5, max_ejection_percent=30)) == {"MESH410"}


# ------------------------------------------------------------------------------------------------------ Fault, Mirror

NOWHERE = {"ambient": "MESH530 MESH531", "linkerd": "MESH530 MESH531"}


def test_3_fault_1a_a_percentage_waits_and_a_percentage_is_answered() -> None:
    fault = Fault(API, delay=Delay("2s", percent=12.5), abort=Abort(503, percent=0.01))
    meant = Meant(API, WEB, fault, **NOWHERE)
    assert meant.part(get(), "delay") == (Fraction(25, 2), 2000)
    assert meant.part(get(), "abort") == (Fraction(1, 100), 503)


def test_3_fault_1b_delay_and_abort_are_decided_independently() -> None:
    meant = Meant(API, WEB, Fault(API, delay=Delay("2s", percent=60), abort=Abort(503, percent=60)), **NOWHERE)
    assert (meant.part(get(), "delay"), meant.part(get(), "abort")) == ((60, 2000), (60, 503))
    alone = Meant(API, WEB, Fault(API, delay=Delay("2s")), ambient="MESH531", linkerd="MESH531")
    assert (alone.part(get(), "delay"), alone.part(get(), "abort")) == ((100, 2000), None)


def test_3_fault_2_timeouts_and_retries_are_those_without_it() -> None:
    policies = (Timeout(API, "1s"), Retry(API, attempts=2, statuses=(503,)))
    meant = Meant(API, WEB, Fault(API, delay=Delay("9s"), abort=Abort(503)), *policies, **NOWHERE)
    assert (meant.timeout(get()), meant.tries(get())) == (1000, 3)
    line = meant.one(get(), lambda answer: time_line(answer.traffic))  # type: ignore[arg-type]
    assert len(line) == 3  # none of them is lost to a delay that is longer than the deadline


def test_3_mirror_1_a_percentage_is_sent_a_second_time() -> None:
    mirror = Mirror(API, to=OTHER, version="v2", percent=12.5)
    backend, percent = Meant(API, WEB, OTHER, mirror, linkerd="MESH532 MESH533").part(get(), "mirror")
    assert percent == Fraction(25, 2)
    assert dict(backend.labels) == {"app": "other", "version": "v2"}
    backend, percent = Meant(API, WEB, OTHER, MANY, Mirror(API, to=MANY, port=81), linkerd="MESH532").part(
        get(), "mirror"
    )
    assert (dict(backend.labels), backend.port, percent) == ({"app": "many"}, 8081, 100)


# --------------------------------------------------------------------------------------------------- Headers, Rewrite


def test_3_headers_1_headers_of_both_messages_are_removed_set_and_added() -> None:
    edits = {"set": {"a": "1"}, "add": {"b": "2"}, "remove": ("c",)}
    given = {f"{message}_{name}": value for message in ("request", "response") for name, value in edits.items()}
    found = Meant(API, WEB, Headers(API, **given)).part(get(), "edits")  # type: ignore[arg-type]
    one = {("set", "a", "1"), ("add", "b", "2"), ("remove", "c", "")}
    assert found == {(message, *edit) for message in ("request", "response") for edit in one}


def test_3_headers_2_a_header_is_edited_once() -> None:
    for more in ({"request_add": {"A": "2"}}, {"request_remove": ("a",)}):
        with pytest.raises(PolicyError):
            Headers(API, request_set={"a": "1"}, **more)  # type: ignore[arg-type]
    Headers(API, request_set={"a": "1"}, response_set={"a": "1"})  # another message


OF_A_CONNECTION = (
    "connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
)  # fmt: skip


@pytest.mark.parametrize("argument", ["request_set", "request_add", "response_set", "response_add"])
def test_3_headers_3ab_headers_of_a_connection_and_the_host_cannot_be_edited(argument: str) -> None:
    for name in OF_A_CONNECTION:
        given: dict[str, Any] = {argument: {name.upper(): "1", f"x-{name}": "1"}}
        removed: dict[str, Any] = {f"{argument.partition('_')[0]}_remove": (name,)}
        for edits in (given, removed):
            assert codes_everywhere(API, Headers(API, **edits)) == {"MESH414"}, edits
    with pytest.raises(PolicyError, match="Rewrite"):
        Headers(API, **{argument: {"Host": "x"}})  # type: ignore[arg-type]


def rewrite(subject: Any, **refused: Any) -> Meant:
    given = {name: refused.pop(name) for name in ("path", "host") if name in refused}
    return Meant(API, WEB, Rewrite(subject, **given), linkerd="MESH536" if "path" in given else "MESH537", **refused)


def test_3_rewrite_1_the_service_sees_another_path_or_host() -> None:
    meant = rewrite(API, host="other.example")
    assert (meant.part(get("/a"), "host"), meant.part(get("/a"), "path")) == ("other.example", "/a")
    meant = rewrite(API.route("r", path="/a"), path="/b")
    assert (meant.part(get("/a"), "host"), meant.part(get("/a"), "path")) == (None, "/b")


def test_3_rewrite_2a_a_path_replaces_what_was_matched_or_is_put_before_it() -> None:
    exact = rewrite(API.route("r", path="/a"), path="/new")
    assert [exact.part(get(path), "path") for path in ("/a", "/a/b")] == ["/new", "/a/b"]
    for new in ("/new", "/new/"):
        prefix = rewrite(API.route("r", path="/a/*"), path=new)
        found = [prefix.part(get(path), "path") for path in ("/a/b", "/a/b/", "/a/", "/ab")]
        assert found == ["/new/b", "/new/b/", "/new/", "/ab"]
    for whole in (API, API.route("r", methods=("GET",))):
        before = rewrite(whole, path="/v2", ambient="MESH628")
        assert [before.part(get(path), "path") for path in ("/a/b", "/")] == ["/v2/a/b", "/v2/"]


def test_3_rewrite_2b_the_query_is_kept() -> None:
    found = rewrite(API.route("r", path="/a/*"), path="/b").part(get("/a/x", query={"q": "1"}), "path")
    assert found == "/b/x"  # a reading keeps the query beside the path, and nothing here says anything about it


# ---------------------------------------------------------------------------------------------------------- Redirect


def redirected(subject: Any, request: Request, **given: Any) -> tuple[int, str, str | None, int, str]:
    found = Meant(API, MANY, WEB, Redirect(subject, **given)).part(request, "redirect", on="istio")
    return (found.status, found.scheme, found.host, found.port, found.path)


def test_3_redirect_1_what_is_given_is_replaced_and_the_rest_is_as_in_the_request() -> None:
    old = API.route("old", path="/old/*")
    asked = get("/old/x")
    assert redirected(old, asked, path="/new") == (302, "http", None, 8080, "/new")
    assert redirected(old, asked, host="x.example", status=301) == (301, "http", "x.example", 8080, "/old/x")
    assert redirected(old, asked, scheme="https", port=443) == (302, "https", None, 443, "/old/x")
    assert redirected(old, asked, port=9) == (302, "http", None, 9, "/old/x")
    two = MANY.route("two", path="/two")
    assert [redirected(two, many(port, path="/two"), path="/b")[3] for port in (80, 81)] == [80, 81]


def test_3_redirect_2_no_other_policy_about_requests_applies() -> None:
    route = API.route("r", path="/r")
    meant = Meant(API, WEB, Redirect(route, path="/new"), Timeout(API, "1s"), Headers(API, response_set={"a": "b"}))
    for name, value in (("timeout", None), ("edits", frozenset()), ("backends", frozenset()), ("retry", None)):
        assert meant.part(get("/r"), name) == value
    assert meant.timeout(get()) == 1000


def test_3_redirect_3_a_redirect_to_the_url_that_was_asked_for_is_an_error() -> None:
    assert codes_everywhere(API, Redirect(API.route("r", path="/a/*"), path="/a")) == {"MESH412"}
    Meant(API, WEB, Redirect(API.route("r", path="/a/*"), path="/b"))


def test_3_redirect_4_who_may_not_is_sent_away_or_refused_and_never_let_through() -> None:
    meant = Meant(API, WEB, JOB, Redirect(API.route("r", path="/r"), path="/new"), Allow(API, callers=(WEB,)))
    for mesh in MESHES:
        for reading in meant.of(mesh):
            answer = reading.answer(get("/r", caller=JOBS))
            assert not answer.allowed or (answer.traffic is not None and answer.traffic.redirect is not None)
            assert not (answer.traffic is not None and answer.traffic.backends)
