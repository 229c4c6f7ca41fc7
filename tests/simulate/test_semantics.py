"""A test for each sentence of ``docs/semantics.md`` §0 to §2: subjects, and which requests are meant.

The name of a test begins with the label of its sentence; ``docs/semantics-tests.md`` has the table. §3 is in
``test_semantics_traffic.py``, §4 to §6 are in ``test_semantics_access.py``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

import meshdsl
from meshdsl import (
    Allow,
    Breaker,
    Canary,
    Cookie,
    DefaultDeny,
    Deny,
    Header,
    Headers,
    Mesh,
    MutualTls,
    Namespace,
    Port,
    Query,
    Redirect,
    Regex,
    Retry,
    Route,
    Service,
    ServiceAccount,
    Split,
    Timeout,
    all_of,
    any_of,
)
from meshdsl.diagnostics import PolicyError
from meshdsl.model.base import Policy, Subject
from meshdsl.simulate.words import CLOSED, OUTSIDE, Caller, Request, Verdict
from tests.simulate.meant import (
    API,
    JOB,
    JOBS,
    MANY,
    MESH,
    MESHES,
    PROD,
    WEB,
    WEBS,
    Meant,
    codes,
    codes_everywhere,
    get,
    many,
)

WHOLE = {"v1": Fraction(9, 10), "v2": Fraction(1, 10)}
CANARY = Canary(API, stable="v1", canary="v2", percent=10)


def kinds() -> list[Any]:
    """Every kind of policy."""
    public = [getattr(meshdsl, name) for name in meshdsl.__all__]
    return [one for one in public if isinstance(one, type) and issubclass(one, Policy) and one is not Policy]


# --------------------------------------------------------------------------------------------------------- §0 promise


def test_0_1a_all_meshes_do_what_is_meant() -> None:
    meant = Meant(API, WEB, CANARY, Timeout(API, "2s"), Allow(API, callers=(WEB,)))
    assert (meant.versions(get()), meant.timeout(get()), meant.tries(get())) == (WHOLE, 2000, 1)
    assert meant.allows(get())
    assert not meant.allows(get(caller=JOBS))


def test_0_1c_what_a_mesh_cannot_do_is_refused_there_and_nothing_is_emitted() -> None:
    fault = meshdsl.Fault(API, abort=meshdsl.Abort(503))
    assert [codes(target, API, fault) for target in MESHES.values()] == ["", "MESH530", "MESH530"]
    with pytest.raises(meshdsl.CompileError):
        meshdsl.build([API, fault, Timeout(API, "1s")], MESHES["linkerd"])


def test_0_2b_a_refused_request_is_403_and_404_on_linkerd_where_rules_look_at_requests() -> None:
    meant = Meant(API, WEB, JOB, Allow(API, callers=(WEB,), paths=("/a",)), Allow(JOB, callers=(WEB,)))
    for mesh, verdict in (("istio", Verdict.DENIED), ("ambient", Verdict.DENIED), ("linkerd", Verdict.NO_ROUTE)):
        assert {one.answer(get("/b")).verdict for one in meant.of(mesh)} == {verdict}
        to_job = Request(JOBS, "prod/job", 80, "GET", "/")
        assert {one.answer(to_job).verdict for one in meant.of(mesh)} == {Verdict.DENIED}
    assert not meant.allows(get("/b"))


def test_0_2b_a_connection_that_is_refused_is_closed() -> None:
    strict = Meant(API, WEB, MutualTls(API, mode="strict"))
    for mesh in ("istio", "ambient"):
        assert {one.answer(get(caller=OUTSIDE)).refusal for one in strict.of(mesh)} == {CLOSED}
    by_connection = Meant(API, WEB, JOB, Allow(JOB, callers=(WEB,)))
    assert {one.answer(Request(JOBS, "prod/job", 80, "GET", "/")).refusal for one in by_connection.of("ambient")} == {CLOSED}  # fmt: skip


# -------------------------------------------------------------------------------------------------------- §1 subjects


def test_1_1a_the_inventory_is_mesh_namespaces_services_and_routes() -> None:
    public = {getattr(meshdsl, name) for name in meshdsl.__all__}
    subjects = {one for one in public if isinstance(one, type) and issubclass(one, Subject)}
    assert subjects == {Mesh, Namespace, Service, Route}


def test_1_1b_a_service_without_policies_is_left_as_the_mesh_treats_it() -> None:
    inventory = (MESH, PROD, API, WEB, API.route("items", path="/items/*"))
    assert [meshdsl.build(inventory, target).manifests for target in MESHES.values()] == [(), (), ()]
    meant = Meant(*inventory)
    assert meant.allows(get(caller=OUTSIDE))
    assert meant.versions(get("/items/1")) == {"": 1}
    assert meant.timeout(get()) is None


def test_1_2a_an_identity_is_the_service_account_and_by_default_that_of_the_same_name() -> None:
    robot = Service("robot", PROD, port=80, service_account="r2")
    meant = Meant(API, robot, WEB, Allow(API, callers=(robot, WEB)))
    assert meant.allows(get(caller=Caller("prod", "r2")))
    assert not meant.allows(get(caller=Caller("prod", "robot")))
    assert meant.allows(get(caller=WEBS))


def test_1_2b_two_services_with_one_account_are_one_caller_and_naming_one_of_them_is_an_error() -> None:
    one, other = (Service(name, PROD, port=80, service_account="shared") for name in ("one", "other"))
    assert codes(meshdsl.Istio(), API, one, other, Allow(API, callers=(one,))) == "MESH402"
    meant = Meant(API, one, other, Allow(API, callers=(one,), accept=("MESH402",)))
    assert meant.allows(get(caller=Caller("prod", "shared")))  # whichever of the two it is


def test_1_3_a_route_is_any_of_its_methods_and_its_path_and_all_headers_and_parameters() -> None:
    route = API.route(
        "r",
        methods=("GET", "PUT"),
        path="/a",
        headers=(Header("x-a", "1"), Header("x-b", "2")),
        query=(Query("p", "1"), Query("q", "2")),
    )
    meant = Meant(API, WEB, Timeout(route, "1s"))
    headers, query = {"x-a": "1", "x-b": "2"}, {"p": "1", "q": "2"}
    assert meant.timeout(get("/a", headers=headers, query=query)) == 1000
    assert meant.timeout(get("/a", method="PUT", headers=headers, query=query)) == 1000
    for other in (
        get("/a", method="POST", headers=headers, query=query),
        get("/b", headers=headers, query=query),
        get("/a", headers={"x-a": "1"}, query=query),
        get("/a", headers=headers, query={"q": "2"}),
    ):
        assert meant.timeout(other) is None


def test_1_3_a_route_is_on_its_port_or_on_all_http_ports() -> None:
    meant = Meant(MANY, WEB, Timeout(MANY.route("one", port=80), "1s"), Retry.never(MANY.route("all", path="/a")))
    assert [meant.timeout(many(port)) for port in (80, 81)] == [1000, None]
    assert [meant.tries(many(port, path="/a")) for port in (80, 81)] == [1, 1]


def test_1_4a_a_policy_is_attached_to_one_subject() -> None:
    assert all("subject" in kind.model_fields for kind in kinds())
    with pytest.raises(PolicyError):
        Timeout((API, WEB), "1s")  # type: ignore[arg-type]


def test_1_4b_the_policy_on_the_nearest_subject_holds() -> None:
    subjects = (MESH, PROD, API, API.route("r", path="/r"))
    timeouts = [Timeout(subject, f"{seconds}s") for seconds, subject in enumerate(subjects, 1)]
    found = []
    for count in range(1, 5):
        meant = Meant(API, WEB, JOB, *timeouts[:count])
        others = [Request(WEBS, "prod/job", 80, "GET", "/r"), Request(JOBS, "front/web", 80, "GET", "/r")]
        found.append([meant.timeout(one) for one in (get("/r"), get("/"), *others)])
    assert found == [
        [1000, 1000, 1000, 1000],
        [2000, 2000, 2000, 1000],
        [3000, 3000, 2000, 1000],
        [4000, 3000, 2000, 1000],
    ]


def test_1_4c_fields_are_never_merged_across_levels() -> None:
    wide = Retry(PROD, attempts=3, statuses=(429,), per_try_timeout="1s", methods="any")
    meant = Meant(API, WEB, wide, Retry(API, attempts=2, statuses=(503,)))
    retry = meant.part(get(), "retry", on="istio")
    assert (retry.attempts, retry.statuses, retry.per_try) == (2, {503}, None)
    assert meant.tries(get(method="POST")) == 1


def test_1_4d_canary_and_split_are_one_kind() -> None:
    split = Split(API, weights={"v1": 1, "v2": 1})
    assert codes_everywhere(API, CANARY, split) == {"MESH310"}
    meant = Meant(API, WEB, split, Canary(API.route("r", path="/r"), stable="v1", canary="v2", percent=10))
    assert meant.versions(get("/r")) == WHOLE
    assert meant.versions(get()) == {"v1": Fraction(1, 2), "v2": Fraction(1, 2)}


@pytest.mark.parametrize("kind", ["Timeout", "Retry", "Headers", "MutualTls", "DefaultDeny", "Breaker", "Redirect"])
def test_1_5a_two_policies_of_one_kind_on_one_subject_are_an_error(kind: str) -> None:
    two: dict[str, tuple[Policy, Policy]] = {
        "Timeout": (Timeout(API, "1s"), Timeout(API, "2s")),
        "Retry": (Retry.never(API), Retry(API, attempts=1, statuses=(503,))),
        "Headers": (Headers(API, request_set={"a": "b"}), Headers(API, request_set={"c": "d"})),
        "MutualTls": (MutualTls(PROD, mode="strict"), MutualTls(PROD, mode="permissive")),
        "DefaultDeny": (DefaultDeny(PROD), DefaultDeny(PROD, only=("istio", "ambient", "linkerd"))),
        "Breaker": (Breaker(API, consecutive_5xx=1), Breaker(API, consecutive_5xx=2)),
        "Redirect": (Redirect(API, host="a.example"), Redirect(API, host="b.example")),
    }
    assert codes_everywhere(API, *two[kind]) == {"MESH310"}


def test_1_5b_allows_and_denies_add_up_over_all_levels() -> None:
    route = API.route("r", methods=("GET",))
    accounts = [ServiceAccount("x", name) for name in "abcd"]
    meant = Meant(
        API, *(Allow(one, callers=(who,)) for one, who in zip((MESH, PROD, API, route), accounts, strict=True))
    )
    assert [meant.allows(get(caller=Caller("x", name))) for name in "abcde"] == [True, True, True, True, False]
    strict = MutualTls(PROD, mode="strict")
    denies = [Deny(one, callers=(who,)) for one, who in zip((MESH, PROD, API), accounts, strict=False)]
    denied = Meant(API, strict, *denies, linkerd="MESH548")
    assert [denied.allows(get(caller=Caller("x", name))) for name in "abcd"] == [False, False, False, True]


def test_1_6a_only_limits_a_policy_before_anything_else_is_looked_at() -> None:
    meant = Meant(API, WEB, Timeout(API, "1s", only=("istio",)), Timeout(API, "2s", only=("ambient",)))
    assert [meant.timeout(get(), on=mesh) for mesh in MESHES] == [1000, 2000, None]


def test_1_6b_accept_accepts_a_named_approximation_for_that_policy() -> None:
    linkerd, there = meshdsl.Linkerd(), Service("there", PROD, port=80, replicas=2)
    accepted = Breaker(API, consecutive_5xx=5, accept=("MESH521",))
    assert codes(linkerd, API, Breaker(API, consecutive_5xx=5)) == "MESH521"
    assert codes(linkerd, API, accepted) == ""
    assert codes(linkerd, API, Breaker(API, consecutive_5xx=5, accept=("MESH512",))) == "MESH521"
    assert codes(linkerd, API, there, accepted, Breaker(there, consecutive_5xx=5)) == "MESH521"


def test_1_6c_nothing_else_skips_a_policy() -> None:
    meant = Meant(API, WEB, Retry.never(API), Allow(API, callers=(WEB,)), Timeout(API, "1s", accept=("MESH512",)))
    assert meant.timeout(get()) == 1000  # it accepts what it does not need
    assert codes_everywhere(API, Timeout(API, "1s"), Timeout(API, "1s")) == {
        "MESH310"
    }  # that they are equal is no word


def test_1_7_order_does_not_matter() -> None:
    api = Service("api", PROD, ports=(Port(80, name="a"), Port(81, name="b")), versions=("v1", "v2"))
    paths, methods, callers = ("/a/*", "/b"), ("GET", "PUT"), (WEB, JOB)
    written = [
        [
            api,
            Allow(api, callers=callers[::step], paths=paths[::step], methods=methods[::step], ports=(80, 81)[::step]),
            Retry(api, attempts=1, statuses=(503, 429)[::step], methods=methods[::step]),
            Canary(api, stable="v1", canary="v2", percent=1, when=any_of(*(Header("a"), Header("b"))[::step])),
            Timeout(api.route("r", headers=(Header("x"), Header("y"))[::step]), "1s"),
            WEB,
            JOB,
        ][::step]
        for step in (1, -1)
    ]
    for target in MESHES.values():
        one, other = (meshdsl.build(objects, target) for objects in written)
        assert [m.body for m in one.manifests] == [m.body for m in other.manifests]


# -------------------------------------------------------------------------------------------------------- §2 requests


def takes(path: str | Regex, **more: Any) -> Meant:
    """A timeout of a second for a route; the rest has none."""
    return Meant(API, WEB, Timeout(API.route("r", path=path, **more), "1s"))


def test_2_1a_a_path_is_without_the_query() -> None:
    meant = takes("/a")
    assert meant.timeout(get("/a", query={"q": "1"})) == 1000
    assert meant.timeout(get("/a?q=1")) is None  # no such path can be asked for


def test_2_1b_a_path_is_that_path_and_no_other() -> None:
    meant = takes("/a/b")
    assert meant.timeout(get("/a/b")) == 1000
    assert [meant.timeout(get(path)) for path in ("/a/b/", "/A/B", "/a", "/a/bc", "/a/b/c")] == [None] * 5


def test_2_1c_a_prefix_is_the_segment_and_all_below() -> None:
    meant = takes("/a/*")
    assert [meant.timeout(get(path)) for path in ("/a", "/a/", "/a/b", "/a/b/c")] == [1000] * 4
    assert [meant.timeout(get(path)) for path in ("/ab", "/", "/A", "/b/a")] == [None] * 4


def test_2_1c_a_star_alone_is_every_path_and_no_more_specific_than_none() -> None:
    route, other = API.route("r", path="/*"), API.route("s", methods=("GET",))
    meant = Meant(API, WEB, Timeout(route, "1s"), Timeout(API, "5s"), Timeout(other, "2s"))
    assert [meant.timeout(get(path, method="PUT")) for path in ("/", "/a", "/a/b")] == [1000] * 3
    assert meant.timeout(get("/a")) == 2000  # a path would have come before a method


def test_2_1d_a_regular_expression_matches_the_whole_path() -> None:
    meant = takes(Regex("/v[0-9]+/x|/y"))
    assert [meant.timeout(get(path)) for path in ("/v1/x", "/v23/x", "/y")] == [1000] * 3
    assert [meant.timeout(get(path)) for path in ("/v1/x/", "/v1/xy", "/a/v1/x", "/v/x", "/yy")] == [None] * 5


@pytest.mark.parametrize("path", ["//a", "/a//b", "/a/./b", "/a/..", "/../a", "/a%2fb", "/a%2Fb", "/./*"])
def test_2_1e_a_path_that_proxies_would_change_cannot_be_written(path: str) -> None:
    with pytest.raises(PolicyError):
        API.route("r", path=path)
    with pytest.raises(PolicyError):
        Allow(API, callers=(WEB,), paths=(path,))


def test_2_1f_istio_resolves_paths_and_linkerd_compares_them_as_they_came() -> None:
    meant = takes("/a/b")
    for path in ("/a/./b", "/a/x/../b", "/a/%62"):
        for mesh, found in (("istio", 1000), ("linkerd", None)):
            assert {one.answer(get(path)).traffic.timeout for one in meant.of(mesh)} == {found}, path  # type: ignore[union-attr]


def test_2_2_a_method_is_compared_literally() -> None:
    route = API.route("r", methods=("GET",))
    meant = Meant(API, WEB, Timeout(route, "1s"), Allow(API, callers=(WEB,), methods=("GET",)))
    assert meant.timeout(get()) == 1000
    for method in ("HEAD", "get", "POST"):
        assert not meant.allows(get(method=method))
        assert takes("/a", methods=("GET",)).timeout(get("/a", method=method)) is None


def test_2_3a_a_header_is_compared_by_name_and_by_value() -> None:
    named = API.route("n", headers=(Header("X-Name", "Value"),))
    assert Meant(API, WEB, Timeout(named, "1s")).timeout(get(headers={"x-name": "Value"})) == 1000
    assert Meant(API, WEB, Timeout(named, "1s")).timeout(get(headers={"x-name": "value"})) is None
    regex = Meant(API, WEB, Timeout(API.route("r", headers=(Header("x", Regex("a+|b")),)), "1s"))
    assert [regex.timeout(get(headers={"x": text})) for text in ("aa", "b", "ab", "xa", "bb")] == [
        1000,
        1000,
        None,
        None,
        None,
    ]
    there = Meant(API, WEB, Timeout(API.route("t", headers=(Header("x"),)), "1s"))
    assert [there.timeout(get(headers=one)) for one in ({"x": "any"}, {"y": "any"}, {})] == [1000, None, None]


def test_2_3b_a_header_is_taken_to_occur_once() -> None:
    one, other = (API.route(f"r{value}", headers=(Header("x", value),)) for value in "12")
    meant = Meant(API, WEB, Timeout(one, "1s"), Timeout(other, "2s"))  # or they would overlap, and be refused
    assert [meant.timeout(get(headers={"x": value})) for value in "123"] == [1000, 2000, None]


def test_2_4a_a_cookie_is_one_pair_of_the_header_compared_exactly() -> None:
    meant = Meant(API, WEB, Canary(API, stable="v1", canary="v2", percent=0, when=Cookie("id", "a.b")))
    for header in ("id=a.b", "x=y; id=a.b", "id=a.b; x=y", "x=y; id=a.b; z=1"):
        assert meant.versions(get(headers={"cookie": header})) == {"v2": 1}, header
    for header in ("id=axb", "xid=a.b", "id=a.bc", "ID=a.b", "id=A.B", "x=id=a.b", ""):
        assert meant.versions(get(headers={"cookie": header})) == {"v1": 1}, header


def test_2_4b_a_query_parameter_is_compared_exactly_or_by_regular_expression() -> None:
    exact = Meant(API, WEB, Timeout(API.route("e", query=(Query("q", "a.b"),)), "1s"))
    regex = Meant(API, WEB, Timeout(API.route("r", query=(Query("q", Regex("a.b")),)), "1s"))
    values = ("a.b", "axb", "a.bc", "A.b", "")
    assert [exact.timeout(get(query={"q": value})) for value in values] == [1000, None, None, None, None]
    assert [regex.timeout(get(query={"q": value})) for value in values] == [1000, 1000, None, None, None]
    assert exact.timeout(get(query={"Q": "a.b"})) is None


def test_2_5_all_of_holds_if_all_do_and_any_of_if_one_does() -> None:
    a, b, c = Header("a", "1"), Header("b", "1"), Query("c", "1")

    def to_canary(when: Any) -> list[bool]:
        meant = Meant(API, WEB, Canary(API, stable="v1", canary="v2", percent=0, when=when))
        asked = [get(headers=dict.fromkeys(names, "1"), query={"c": "1"}) for names in ("", "a", "b", "ab")]
        return [meant.versions(one) == {"v2": 1} for one in (*asked, get(headers={"a": "1", "b": "1"}))]

    assert to_canary(all_of(a, b)) == [False, False, False, True, True]
    assert to_canary(any_of(a, b)) == [False, True, True, True, True]
    assert to_canary(all_of(any_of(a, b), c)) == [False, True, True, True, False]


def test_2_6a_a_request_belongs_to_exactly_one_route() -> None:
    wide, narrow = API.route("wide", path="/a/*"), API.route("narrow", path="/a/b")
    meant = Meant(API, WEB, Timeout(wide, "1s"), Retry(narrow, attempts=1, statuses=(503,)), Timeout(API, "5s"))
    assert (meant.timeout(get("/a/b")), meant.tries(get("/a/b"))) == (5000, 2)  # nothing of the route around it
    assert (meant.timeout(get("/a/c")), meant.tries(get("/a/c"))) == (1000, 1)


MORE_SPECIFIC = {
    "an exact path, then a regular expression": ({"path": "/a/b"}, {"path": Regex("/a/.*")}),
    "a regular expression, then a prefix": ({"path": Regex("/a/b")}, {"path": "/a/*"}),
    "a longer prefix, then a shorter one": ({"path": "/a/b/*"}, {"path": "/a/*"}),
    "a prefix, then no path": ({"path": "/a/*"}, {"methods": ("GET",)}),
    "a path, then a method and headers": (
        {"path": "/a/*"},
        {"methods": ("GET",), "headers": (Header("x", "1"), Header("y", "1"))},
    ),
    "a method, then none": ({"methods": ("GET",)}, {"port": 8080}),
    "a method, then headers": ({"methods": ("GET",)}, {"headers": (Header("x", "1"), Header("y", "1"))}),
    "more headers, then fewer": ({"headers": (Header("x", "1"), Header("y", "1"))}, {"headers": (Header("x", "1"),)}),
    "headers, then query parameters": ({"headers": (Header("x", "1"),)}, {"query": (Query("p", "1"), Query("q", "1"))}),
    "more query parameters, then fewer": (
        {"query": (Query("p", "1"), Query("q", "1"))},
        {"query": (Query("p", "1"),)},
    ),
}


@pytest.mark.parametrize("what", MORE_SPECIFIC)
def test_2_6b_the_more_specific_route_decides(what: str) -> None:
    more, less = (API.route(f"r{index}", **one) for index, one in enumerate(MORE_SPECIFIC[what]))  # type: ignore[arg-type]
    refused = {"ambient": "MESH627"} if what == "a regular expression, then a prefix" else {}
    meant = Meant(API, WEB, Timeout(more, "1s"), Timeout(less, "2s"), **refused)
    everything = get("/a/b", headers={"x": "1", "y": "1"}, query={"p": "1", "q": "1"})
    assert meant.timeout(everything) == 1000


def test_2_6c_what_no_route_matches_belongs_to_the_rest_of_the_service() -> None:
    meant = Meant(API, WEB, Timeout(API.route("r", path="/r"), "1s"), Timeout(API, "5s"), Retry.never(API))
    assert [meant.timeout(get(path)) for path in ("/r", "/", "/other")] == [1000, 5000, 5000]


def test_2_6d_only_routes_that_a_policy_about_requests_is_attached_to_take_part() -> None:
    narrow = API.route("narrow", path="/a/b")
    wide = Timeout(API.route("wide", path="/a/*"), "1s")
    meant = Meant(API, WEB, narrow, Allow(narrow, callers=(WEB,)), Allow(API, callers=(WEB,)), wide)
    assert meant.timeout(get("/a/b")) == 1000


def test_2_7_routes_that_tie_are_an_error() -> None:
    one, other = API.route("a", headers=(Header("x", "1"),)), API.route("b", headers=(Header("y", "1"),))
    assert codes_everywhere(API, Timeout(one, "1s"), Timeout(other, "2s")) == {"MESH331"}
    Meant(API, WEB, Timeout(one, "1s"), Timeout(other, "1s"))  # they do the same
    first, second = API.route("a", path=Regex(".*a")), API.route("b", path=Regex("/b.*"))
    assert codes_everywhere(API, Timeout(first, "1s"), Timeout(second, "2s")) == {"MESH332"}


def test_2_8a_requests_are_seen_on_ports_of_http_http2_and_grpc() -> None:
    ports = tuple(Port(80 + n, name=f"p{n}", protocol=one) for n, one in enumerate(("http", "http2", "grpc")))  # type: ignore[arg-type]
    service = Service("three", PROD, ports=ports)
    meant = Meant(service, WEB, Timeout(service, "1s"))
    for port in ports:
        assert meant.timeout(Request(WEBS, "prod/three", port.number, "POST", "/a.B/c")) == 1000


def test_2_8b_on_tcp_and_tls_ports_there_are_no_requests() -> None:
    ports = (Port(80, name="a"), Port(99, name="b", protocol="tcp"), Port(98, name="c", protocol="tls"))
    service = Service("mixed", PROD, ports=ports)
    meant = Meant(service, WEB, Timeout(service, "1s"))
    assert meant.timeout(Request(WEBS, "prod/mixed", 80, "GET", "/")) == 1000
    assert all(meant.is_left_alone(Request(WEBS, "prod/mixed", port)) for port in (98, 99))
    bytes_only = Service("bytes", PROD, port=99, protocol="tcp")
    assert codes_everywhere(bytes_only, Timeout(bytes_only, "1s")) == {"MESH320"}


def test_2_8c_a_port_whose_name_says_another_protocol_is_told() -> None:
    service = Service("odd", PROD, ports=(Port(80, name="tcp-api"),))
    bundle = meshdsl.build([service, Timeout(service, "1s")], meshdsl.Istio())
    assert [one.code for one in bundle.warnings] == ["MESH614"]
