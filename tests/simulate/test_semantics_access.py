"""A test for each sentence of ``docs/semantics.md`` §4 to §6: who may call, mTLS, and what is in the mesh.

The name of a test begins with the label of its sentence; ``docs/semantics-tests.md`` has the table.
"""

from __future__ import annotations

from typing import Any

import pytest

import meshdsl
from meshdsl import (
    Allow,
    Anyone,
    DefaultDeny,
    Deny,
    Header,
    Headers,
    Mesh,
    MutualTls,
    Proxy,
    Rewrite,
    Service,
    ServiceAccount,
    Timeout,
    Workload,
)
from meshdsl.simulate.agree import agree
from meshdsl.simulate.allowances import arriving
from meshdsl.simulate.words import OUTSIDE, Caller, Request
from tests.simulate.meant import (
    API,
    ELSEWHERE,
    FRONT,
    JOB,
    JOBS,
    MANY,
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

STRICT = MutualTls(PROD, mode="strict")
EVERYONE = (WEBS, JOBS, Caller("x", "y"), OUTSIDE)
DENY = {"linkerd": "MESH548"}


def let_in(meant: Meant, *callers: Caller) -> list[bool]:
    return [meant.allows(get(caller=caller)) for caller in callers]


# ------------------------------------------------------------------------------------------------------- open, closed


def test_4_1_without_rules_a_service_is_open() -> None:
    for policies in ((), (Timeout(API, "1s"),), (Allow(WEB, callers=(JOB,)), DefaultDeny(FRONT))):
        meant = Meant(API, WEB, JOB, *policies)
        assert all(meant.allows(get("/x", caller, "DELETE")) for caller in EVERYONE)


@pytest.mark.parametrize("closing", [Allow(API, callers=(WEB,)), DefaultDeny(PROD), DefaultDeny(Mesh())], ids=repr)
def test_4_2a_an_allow_or_a_default_deny_closes_a_service(closing: Any) -> None:
    assert let_in(Meant(API, WEB, closing), JOBS, OUTSIDE) == [False, False]


def test_4_2a_a_deny_alone_closes_nothing() -> None:
    assert let_in(Meant(API, WEB, STRICT, Deny(API, callers=(WEB,)), **DENY), WEBS, JOBS) == [False, True]


def test_4_2b_a_closed_service_lets_in_what_some_allow_matches() -> None:
    meant = Meant(API, WEB, JOB, Allow(API, callers=(WEB,), paths=("/a",)), Allow(API, callers=(JOB,), paths=("/b",)))
    assert [meant.allows(get(path, who)) for who in (WEBS, JOBS) for path in ("/a", "/b")] == [True, False, False, True]


def test_4_3_a_deny_refuses_whatever_is_allowed() -> None:
    route, deny = API.route("r", methods=("GET",)), Deny(Mesh(), callers=(WEB,))
    strict = MutualTls(Mesh(), mode="strict")
    meant = Meant(API, WEB, JOB, strict, Allow(route, callers=(WEB,)), Allow(API, callers=(WEB, JOB)), deny, **DENY)
    assert let_in(meant, WEBS, JOBS) == [False, True]


# ------------------------------------------------------------------------------------------------------------- a rule


def test_4_4a_a_rule_matches_if_all_that_it_names_does() -> None:
    rule = Allow(
        MANY,
        callers=(WEB, JOB),
        methods=("GET", "PUT"),
        paths=("/a", "/b/*"),
        ports=(80,),
        headers=(Header("x", "1"), Header("y", "1")),
    )
    meant = Meant(MANY, WEB, JOB, rule)
    both = {"x": "1", "y": "1"}

    def asked(caller: Caller = WEBS, method: str = "GET", path: str = "/a", port: int = 80, **headers: str) -> bool:
        return meant.allows(Request(caller, "prod/many", port, method, path, headers or both))

    assert asked()
    assert asked(JOBS, "PUT", "/b/c")
    others = (
        asked(Caller("x", "y")),
        asked(method="POST"),
        asked(path="/c"),
        asked(port=81),
        asked(x="1"),
        asked(x="1", y="2"),
    )
    assert others == (False,) * 6


def test_4_4b_what_is_not_given_does_not_restrict() -> None:
    meant = Meant(MANY, WEB, Allow(MANY, callers=(WEB,)))
    assert all(meant.allows(many(port, method, path)) for port in (80, 81) for method in "GX" for path in ("/", "/a"))
    assert meant.allows(many(99, ""))


def test_4_4c_a_route_takes_the_place_of_methods_path_headers_and_port() -> None:
    route = MANY.route("r", methods=("GET",), path="/a/*", headers=(Header("x", "1"),), port=81)
    meant = Meant(MANY, WEB, Allow(route, callers=(WEB,)))

    def asked(method: str = "GET", path: str = "/a/b", port: int = 81, **headers: str) -> bool:
        return meant.allows(Request(WEBS, "prod/many", port, method, path, headers))

    assert asked(x="1")
    assert [asked("PUT", x="1"), asked(path="/b", x="1"), asked(port=80, x="1"), asked(x="2")] == [False] * 4


def test_4_4c_a_rule_of_a_namespace_or_the_mesh_holds_for_each_service() -> None:
    to_job = Request(WEBS, "prod/job", 80, "GET", "/")
    for subject in (PROD, Mesh()):
        meant = Meant(API, WEB, JOB, Allow(subject, callers=(WEB,)))
        assert [meant.allows(one) for one in (get(), to_job, get(caller=JOBS))] == [True, True, False]


# ------------------------------------------------------------------------------------------------------------ callers


def test_4_5a_who_is_meant_by_each_kind_of_caller() -> None:
    named = Service("named", FRONT, port=80, service_account="other")
    asked = (Caller("front", "other"), Caller("front", "named"), Caller("ops", "bot"), Caller("x", "bot"), OUTSIDE)

    def allowed(*callers: Any) -> list[bool]:
        return let_in(Meant(API, named, Allow(API, callers=callers)), *asked)

    assert allowed(named) == [True, False, False, False, False]
    assert allowed(ServiceAccount("ops", "bot")) == [False, False, True, False, False]
    assert allowed(FRONT) == [True, True, False, False, False]
    assert allowed(Anyone.in_mesh()) == [True, True, True, True, False]
    assert allowed(Anyone.at_all()) == [True] * 5


def test_4_5a_a_name_is_one_of_the_meshs_own_trust_domain() -> None:
    meant = Meant(API, WEB, Allow(API, callers=(WEB, FRONT)))
    assert let_in(meant, WEBS, ELSEWHERE) == [True, False]


def test_4_5b_a_caller_in_plain_text_is_matched_by_anyone_at_all_only() -> None:
    for callers in ((WEB,), (FRONT,), Anyone.in_mesh()):
        assert let_in(Meant(API, WEB, Allow(API, callers=callers)), OUTSIDE) == [False]
    assert let_in(Meant(API, WEB, Allow(API, callers=Anyone.at_all())), OUTSIDE) == [True]


# ----------------------------------------------------------------------------------------------- ports, DefaultDeny


def test_4_6_a_rule_about_requests_matches_nothing_on_a_port_that_is_not_http() -> None:
    rules: list[dict[str, Any]] = [{"methods": ("GET",)}, {"paths": ("/*",)}, {"headers": (Header("x"),)}]
    for rule in rules:
        meant = Meant(MANY, WEB, Allow(PROD, callers=(WEB,), **rule))
        assert not meant.allows(many(99, ""))
    assert Meant(MANY, WEB, Allow(PROD, callers=(WEB,))).allows(many(99, ""))


def test_4_7a_a_default_deny_closes_its_namespace_and_what_else_runs_there() -> None:
    meant = Meant(API, WEB, JOB, DefaultDeny(PROD))
    asked = [get(), Request(WEBS, "prod/job", 80, "GET", "/"), Request(JOBS, "front/web", 80, "GET", "/")]
    assert [meant.allows(one) for one in asked] == [False, False, True]
    for target in MESHES.values():  # `agree` asks a service that nobody declares, too
        assert agree(meshdsl.build([API, WEB, JOB, DefaultDeny(PROD)], target)).holds


def test_4_7b_on_the_mesh_it_closes_every_namespace() -> None:
    meant = Meant(API, WEB, JOB, DefaultDeny(Mesh()))
    asked = [get(), Request(WEBS, "prod/job", 80, "GET", "/"), Request(JOBS, "front/web", 80, "GET", "/")]
    assert [meant.allows(one) for one in asked] == [False, False, False]


def test_4_8_a_declared_probe_is_let_in_by_exact_path_with_get_where_the_mesh_must_be_told() -> None:
    meant = Meant(API, WEB, Allow(API, callers=(WEB,), paths=("/a",)))

    def kubelet(path: str, method: str = "GET") -> Request:
        return get(path, OUTSIDE, method, by_name=False)

    asked = [kubelet("/healthz"), kubelet("/healthz/"), kubelet("/healthz", "POST"), kubelet("/other")]
    assert [meant.one(one, lambda answer: answer.probe, on="meant on linkerd") for one in asked] == [True] + [False] * 3
    for reading in meant.of("linkerd"):
        assert [reading.answer(one).allowed for one in asked] == [True, False, False, False]


def test_4_9a_rules_are_enforced_whoever_calls_and_however() -> None:
    meant = Meant(API, WEB, Allow(API, callers=(WEB,)))
    assert let_in(meant, WEBS, JOBS, OUTSIDE) == [True, False, False]
    assert [meant.allows(get(caller=who, by_name=False)) for who in (JOBS, OUTSIDE)] == [False, False]


def test_4_9b_a_rule_about_what_is_edited_is_an_error() -> None:
    by_header = Allow(API, callers=(WEB,), headers=(Header("x", "1"),))
    assert codes_everywhere(API, WEB, by_header, Headers(API, request_set={"x": "1"})) == {"MESH406"}
    moved = Rewrite(API.route("r", path="/a"), path="/b", only=("istio", "ambient"))
    found = [codes(MESHES[mesh], API, WEB, Allow(API, callers=(WEB,), paths=("/b",)), moved) for mesh in MESHES]
    assert found == ["MESH406", "MESH406", ""]


def test_4_10a_anyone_at_all_under_strict_mtls_is_an_error() -> None:
    assert codes_everywhere(API, STRICT, Allow(API, callers=Anyone.at_all())) == {"MESH403"}


def test_4_10b_a_deny_by_identity_where_plain_text_is_taken_is_an_error() -> None:
    deny = Deny(API, callers=(WEB,))
    assert codes(meshdsl.Istio(), API, WEB, deny) == "MESH404"
    assert codes(meshdsl.Istio(), API, WEB, STRICT, deny) == ""
    accepted = Meant(API, WEB, Deny(API, callers=(WEB,), accept=("MESH404",)), **DENY)
    assert let_in(accepted, WEBS, OUTSIDE) == [False, True]  # whoever leaves the mesh out is not denied


def test_4_11a_rules_are_about_ports_of_the_service() -> None:
    meant = Meant(API, WEB, Allow(API, callers=(WEB,), ports=(8080,)))  # the pods' port is 9000
    assert let_in(meant, WEBS, JOBS) == [True, False]
    assert codes_everywhere(API, WEB, Allow(API, callers=(WEB,), ports=(9000,))) == {"MESH342"}


@pytest.mark.parametrize(("mesh", "closed"), [("istio", True), ("ambient", True), ("linkerd", False)])
def test_4_11b_a_port_that_is_not_declared_is_closed_with_them_but_for_linkerd(mesh: str, closed: bool) -> None:
    stranger = Request(JOBS, "prod/api", 8080)
    pod = frozenset({("app", "api"), ("version", "v1")})
    for policies, refused in (((), closed), ((DefaultDeny(PROD),), True)):
        for reading in Meant(API, WEB, Allow(API, callers=(WEB,)), *policies).of(mesh):
            admits: Any = reading
            assert admits.admits("prod", pod, stranger, 9999, http=False) is not refused


# --------------------------------------------------------------------------------------------------------- §5, §6


def test_5_1_strict_refuses_plain_text_on_every_port() -> None:
    meant = Meant(MANY, WEB, MutualTls(MANY, mode="strict"))
    assert [meant.allows(many(port, "GET", caller=OUTSIDE)) for port in (80, 81)] == [False, False]
    assert not meant.allows(many(99, "", caller=OUTSIDE))
    assert all((meant.allows(many(80)), meant.allows(many(99, ""))))


def test_5_2_permissive_takes_both() -> None:
    meant = Meant(API, WEB, STRICT, MutualTls(API, mode="permissive"))
    assert let_in(meant, WEBS, OUTSIDE) == [True, True]


def test_5_3a_it_is_a_decision_of_the_callee() -> None:
    meant = Meant(API, WEB, JOB, MutualTls(FRONT, mode="strict"))
    assert let_in(meant, OUTSIDE) == [True]
    assert not meant.allows(Request(OUTSIDE, "front/web", 80, "GET", "/"))


def test_5_3b_callers_in_the_mesh_that_call_by_name_use_mtls() -> None:
    meant = Meant(API, WEB, JOB, MutualTls(FRONT, mode="strict"))
    assert [meant.one(get(caller=who), lambda answer: answer.mtls) for who in (WEBS, OUTSIDE)] == [True, False]
    for mode in ("strict", "permissive"):
        assert Meant(API, WEB, MutualTls(API, mode=mode)).one(get(), lambda answer: answer.mtls)  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", [MutualTls(API, mode="strict"), Allow(API, callers=(WEB,))], ids=["mtls", "allow"])
def test_5_3c_who_calls_a_pods_address_comes_without_its_identity_on_istio_alone(policy: object) -> None:
    meant = Meant(API, WEB, policy)
    called = get(by_name=False)
    answers = {mesh: [reading.answer(called) for reading in meant.of(mesh)] for mesh in MESHES}
    assert {mesh: {one.allowed for one in found} for mesh, found in answers.items()} == {
        "istio": {False},
        "ambient": {True},
        "linkerd": {True},
    }
    assert [one.mtls for one in answers["istio"]] == [False]
    assert all(
        reading.answer(arriving(called, "istio")).allowed is False for reading in meant.of("what is meant on istio")
    )


def test_5_4_without_a_policy_the_default_of_the_mesh_holds() -> None:
    for target in MESHES.values():
        for policies in ((), (Allow(API, callers=(WEB,)),)):
            kinds = {one.ref.kind for one in meshdsl.build([API, WEB, *policies], target).manifests}
            assert "PeerAuthentication" not in kinds
    assert let_in(Meant(API, WEB), WEBS, OUTSIDE) == [True, True]


def test_5_5_strict_and_access_rules_are_errors_on_what_is_kept_out_of_the_mesh() -> None:
    out = Proxy(PROD, enrolled=False)
    for strict in (STRICT, MutualTls(Mesh(), mode="strict"), MutualTls(API, mode="strict")):
        assert codes_everywhere(API, WEB, strict, out) == {"MESH413"}
    assert codes_everywhere(API, WEB, Allow(API, callers=(WEB,)), out) == {"MESH405"}


def test_6_1a_without_a_proxy_nothing_of_it_holds() -> None:
    meant = Meant(API, WEB, Proxy(PROD, enrolled=False))
    assert meant.one(get(), lambda answer: answer.mtls) is False


def fields(mesh: str, *objects: Any) -> dict[str, Any]:
    """Labels and annotations that are written on each object, and on the pods that it makes."""
    found = {}
    for one in meshdsl.build([API, *objects], MESHES[mesh]).manifests:
        body: Any = one.body
        template = body.get("spec", {}).get("template", {}).get("metadata", {})
        names = [{**at.get("labels", {}), **at.get("annotations", {})} for at in (body["metadata"], template)]
        found[f"{one.ref.kind} {one.ref.name}"] = {**names[0], **names[1]}
    return found


ENROLMENT = {
    "istio": ("istio-injection", "enabled", "disabled"),
    "ambient": ("istio.io/dataplane-mode", "ambient", "none"),
    "linkerd": ("linkerd.io/inject", "enabled", "disabled"),
}


@pytest.mark.parametrize("mesh", MESHES)
def test_6_1b_a_namespace_is_enrolled_by_a_proxy_only(mesh: str) -> None:
    name, _, _ = ENROLMENT[mesh]
    assert all(name not in one for one in fields(mesh, Timeout(API, "1s"), STRICT).values())


@pytest.mark.parametrize("mesh", MESHES)
def test_6_2a_a_proxy_puts_the_workloads_of_a_namespace_into_the_mesh_or_keeps_them_out(mesh: str) -> None:
    name, within, out = ENROLMENT[mesh]
    assert fields(mesh, Proxy(PROD))["Namespace prod"][name] == within
    assert fields(mesh, Proxy(PROD, enrolled=False))["Namespace prod"][name] == out


@pytest.mark.parametrize("mesh", ["istio", "linkerd"])
def test_6_2b_a_sidecar_is_asked_for_where_pods_are_made_so_those_that_run_have_none(mesh: str) -> None:
    assert fields(mesh, Proxy(PROD)).keys() == {"Namespace prod"}  # no workload is touched, so none starts again


def test_6_3_a_revision_is_that_of_the_control_plane() -> None:
    assert fields("istio", Proxy(PROD, revision="canary"))["Namespace prod"]["istio.io/rev"] == "canary"
    assert codes(MESHES["linkerd"], API, Proxy(PROD, revision="canary")) == "MESH561"


def test_6_4_resources_are_those_of_each_sidecar_and_refused_where_there_is_none() -> None:
    api = Service("api", PROD, port=80, workload=Workload("Deployment", "api"))
    sizes = {"cpu_request": "100m", "cpu_limit": "1", "memory_request": "64Mi", "memory_limit": "128Mi"}
    proxy = Proxy(PROD, **sizes)  # type: ignore[arg-type]
    bundles = [meshdsl.build([api, proxy], MESHES[mesh]) for mesh in ("istio", "linkerd")]
    for bundle in bundles:
        written = "".join(bundle.files().values())
        assert all(f'"{size}"' in written or f": {size}\n" in written for size in sizes.values()), written
    assert codes(MESHES["ambient"], api, proxy) == "MESH562"


def test_6_5_on_a_service_it_is_for_its_workload_alone() -> None:
    api, job = (Service(name, PROD, port=80, workload=Workload("Deployment", name)) for name in ("api", "job"))
    for mesh in MESHES:
        bundle = meshdsl.build([api, job, Proxy(api, enrolled=False)], MESHES[mesh])
        assert {(one.ref.kind, one.ref.name) for one in bundle.manifests} == {("Deployment", "api")}
    plan = Meant(api, job, Proxy(api, enrolled=False))
    asked = [Request(WEBS, f"prod/{name}", 80, "GET", "/") for name in ("api", "job")]
    assert [plan.one(one, lambda answer: answer.mtls, on="meant on istio") for one in asked] == [False, True]


def test_4_12_a_pods_address_does_not_get_around_the_rules_of_a_waypoint() -> None:
    meant = Meant(API, WEB, STRICT, Allow(API, callers=(WEB,), methods=("GET",)))
    for reading in meant.of("ambient"):
        assert reading.answer(get()).allowed
        assert not reading.answer(get(by_name=False)).allowed
