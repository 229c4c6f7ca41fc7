"""What is answered about who may call what: exactly what the policies say, request by request, and by which rule."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings

import meshdsl
from meshdsl import (
    Allow,
    Anyone,
    DefaultDeny,
    Deny,
    Header,
    MutualTls,
    Namespace,
    Port,
    Proxy,
    Reach,
    Regex,
    Service,
    ServiceAccount,
    compiler,
)
from meshdsl.compare.access import of_plan
from meshdsl.compare.access.decide import patterns
from meshdsl.compare.kinds import OF_TARGET
from meshdsl.compare.live import Applied, Scope, Snapshot, Unknown
from meshdsl.compare.reach.service import ServiceView
from tests import golden
from tests.compare.access_classes import cell, identity_bit
from tests.reading import policies as meaning
from tests.reading.questions import questions
from tests.reading.words import Caller, Request
from tests.strategies import policy_sets

EXAMPLES = int(os.environ.get("MESHDSL_ACCESS", "60"))
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def identity(caller: Caller) -> str:
    """A caller as models write identities."""
    return "" if caller.plain else f"{caller.trust}/ns/{caller.namespace}/sa/{caller.account}"


def plan_of(policies: meshdsl.PolicySet) -> meshdsl.plan.intent.Plan | None:
    """What the policies mean on Istio, if they mean something."""
    try:
        return compiler.meaning(compiler.meant_for(policies, meshdsl.Istio()), "test")
    except meshdsl.CompileError:
        return None


@SETTINGS
@given(policy_sets())
def test_a_request_is_in_the_rows_exactly_if_the_policies_allow_it(policies: meshdsl.PolicySet) -> None:
    plan = plan_of(policies)
    if plan is None:
        return
    reading = meaning.Reading(policies, "istio")
    model = of_plan(plan)
    views = {name: ServiceView(name, one) for name, one in model.services.items()}
    rows = {name: list(view.rectangles()) for name, view in views.items()}
    for request in questions(policies, 60):
        view = views[request.service]
        known = sorted(set(patterns(way for ways in view.access.ports.values() for way in ways)))
        who = identity_bit(view, identity(request.caller), known)  # type: ignore[arg-type]
        one = cell(view, request.method, request.path or "/", request.headers)  # type: ignore[arg-type]
        found = [
            row
            for row, ports, _, _ in rows[request.service]
            if (not ports or request.port in ports) and row.callers & who and view._cells(row) & one
        ]
        service = reading.services[request.service]
        allowed = reading.allowed(service, request, http=bool(request.method))
        assert bool(found) is allowed, request
        assert len(found) < 2, "rows do not overlap"


@SETTINGS
@given(policy_sets())
def test_the_words_of_rows_and_the_cells_say_the_same(policies: meshdsl.PolicySet) -> None:
    plan = plan_of(policies)
    if plan is None:
        return
    report = meshdsl.access(plan)
    matrix = report.matrix("service")
    reading = meaning.Reading(policies, "istio")
    answers = {str(service): report.to(str(service)) for service in plan.services}
    kept_out = {str(service) for service in plan.services if str(service) in report.names.kept_out}
    seen: dict[tuple[str, str], set[bool]] = {}
    for request in questions(policies, 60):
        if request.service in kept_out:
            continue  # without a proxy nothing is refused, which the evaluator of policies does not know
        allowed = reading.allowed(reading.services[request.service], request, http=bool(request.method))
        rows = answers[request.service].rows
        if all(is_readable(row) for row in rows):
            assert any(row_holds(row, request, rows, plan) for row in rows) is allowed, (request, rows)
        caller = row_of(matrix, request.caller, plan)
        if caller:
            seen.setdefault((caller, request.service), set()).add(allowed)
    for (caller, service), answers_ in seen.items():
        reach = matrix.cell(caller, service).reach
        if answers_ == {True, False}:
            assert reach is Reach.SOME, (caller, service)
        else:
            assert reach is not (Reach.NONE if True in answers_ else Reach.ALL), (caller, service)


def is_readable(row: meshdsl.AccessRow) -> bool:
    """Whether the words of a row are plain enough to be read here."""
    words = " ".join(row.paths)
    return not row.conditions and not row.undecided and not re.search(r" except |other path| not matching ", words)


def row_holds(row: meshdsl.AccessRow, request: Request, rows: Iterable[meshdsl.AccessRow], plan: object) -> bool:
    """Whether a row, as it is worded, is about a request."""
    return (
        (not row.ports or request.port in row.ports)
        and (not row.methods or request.method in row.methods)
        and request.method not in row.not_methods
        and (not row.paths or any(path_holds(word, request.path) for word in row.paths))
        and any(caller_holds(word, request.caller, plan) for word in row.callers)
        and not any(caller_holds(word, request.caller, plan) for word in row.excepted)
    )


def path_holds(word: str, path: str) -> bool:
    """Whether a path is meant by a word."""
    if word.startswith("Regex("):
        return re.fullmatch(word[7:-2], path) is not None
    if word.endswith("/*"):
        return path == word[:-2] or path.startswith(word[:-1])
    word, _, without = word.partition(" without ")
    return path.startswith(word[:-1]) and path != without if without else path == word


def caller_holds(word: str, caller: Caller, plan: object) -> bool:
    """Whether a caller is meant by a word."""
    if word in ("everyone", "callers outside the mesh"):
        return caller.plain or word == "everyone"
    if caller.plain:
        return False
    if word == "everyone in the mesh":
        return True
    if caller.trust:
        return word == "every account of other trust domains"
    if word == f"every account of {caller.namespace}":
        return True
    return word == named(caller, plan)


def named(caller: Caller, plan: object) -> str:
    """A caller as rows name it."""
    who = f"{caller.namespace}/{caller.account}"
    services = [str(one) for one in plan.services if f"{one.namespace}/{one.account}" == who]  # type: ignore[attr-defined]
    if not services:
        return f"service account {who}"
    if len(services) == 1:
        return services[0]
    if len(services) == 2:
        return f"{services[0]} and {services[1]} (both run as {who})"
    return f"{', '.join(services[:-1])} and {services[-1]} (all run as {who})"


def row_of(matrix: meshdsl.AccessMatrix, caller: Caller, plan: object) -> str:
    """The row of a matrix that a caller is in."""
    if caller.plain:
        return "callers outside the mesh"
    if caller.trust:
        return ""
    name = named(caller, plan).partition(" and ")[0].partition(", ")[0]
    others = f"every other account of {caller.namespace}"
    return next((one for one in (name, others) if one in matrix.callers), "every other account in the mesh")


# ----------------------------------------------------------------------------------------------- which rule decides

prod = Namespace("prod")
web, api, db = Service("web", prod, port=80), Service("api", prod, port=80), Service("db", prod, port=80)
inventory = (prod, web, api, db)


def report_of(*policies: object, target: meshdsl.Istio | None = None) -> meshdsl.AccessReport:
    """The answers about a small inventory: of its plan, or with a target of its manifests."""
    given = meshdsl.PolicySet((*inventory, *policies))  # type: ignore[arg-type]
    if target is None:
        return meshdsl.access(compiler.meaning(given, "test"))
    bundle = meshdsl.build(given, target)
    return meshdsl.access(bundle, bundle)


def said(answer: meshdsl.AccessAnswer) -> list[tuple[object, ...]]:
    """The rows in short: service, callers, methods, paths, and the lines that decide, counted from the first."""
    return [(row.service, row.callers, row.methods, row.paths) for row in answer.rows]


def lines(reasons: Iterable[meshdsl.AccessReason]) -> list[int]:
    """The lines of some reasons."""
    return [one.origin.line for one in reasons if one.origin is not None]


def test_each_rule_has_its_row_and_a_rule_that_adds_nothing_is_named_beside_the_one_that_covers_it() -> None:
    wide = Allow(api, callers=(web,))
    narrow = Allow(api, callers=(web,), methods=("GET",))
    other = Allow(api, callers=(db,), paths=("/export/*",))
    answer = report_of(wide, narrow, other).to("prod/api")
    assert said(answer) == [
        ("prod/api", ("prod/web",), (), ()),
        ("prod/api", ("prod/db",), (), ("/export/*",)),
    ]
    assert [lines(row.because) for row in answer.rows] == [
        [wide.origin.line, narrow.origin.line],
        [other.origin.line],
    ]


def test_a_deny_is_named_where_it_takes_something_away() -> None:
    allow = Allow(api, callers=(web, db))
    deny = Deny(api, callers=(db,), methods=("DELETE",))
    answer = report_of(allow, deny).to("prod/api")
    assert {(row.callers, row.not_methods) for row in answer.rows} == {(("prod/db",), ("DELETE",)), (("prod/web",), ())}
    limited = [row for row in answer.rows if row.not_methods]
    assert lines(limited[0].limits) == [deny.origin.line]
    matrix = report_of(allow, deny).matrix()
    assert matrix.cell("prod/db", "prod/api").reach is Reach.SOME
    assert lines(matrix.cell("prod/db", "prod/api").because) == [allow.origin.line, deny.origin.line]
    assert matrix.cell("prod/web", "prod/api").reach is Reach.ALL


def test_paths_without_what_a_regular_expression_covers_are_every_path_that_does_not_match() -> None:
    numbers = Deny(api, callers=(web,), paths=(meshdsl.Regex("/[0-9]"),))
    answer = report_of(Allow(api, callers=(web,)), numbers).to("prod/api")
    assert [row.paths for row in answer.rows] == [("every path not matching Regex('/[0-9]')",)]


def test_a_deny_of_one_caller_is_named_neither_at_the_row_of_another_nor_for_everyone_else() -> None:
    fence, allow = DefaultDeny(prod), Allow(api, callers=(web, db), methods=("GET", "POST"))
    deny = Deny(api, callers=(db,), methods=("POST",))
    answer = report_of(fence, allow, deny).to("prod/api")
    assert {row.callers: lines(row.limits) for row in answer.rows} == {
        ("prod/web",): [],
        ("prod/db",): [deny.origin.line],
    }
    assert lines(answer.refused["prod/api"]) == [fence.origin.line]


def test_a_deny_is_named_for_everyone_else_where_it_refuses_everything_to_a_caller_without_a_row() -> None:
    fence, allow, deny = DefaultDeny(prod), Allow(api, callers=(web, db)), Deny(api, callers=(db,))
    answer = report_of(fence, allow, deny).to("prod/api")
    assert [row.callers for row in answer.rows] == [("prod/web",)]
    assert deny.origin.line in lines(answer.refused["prod/api"])


def test_whom_a_row_leaves_out_is_left_out_by_a_deny_that_is_named() -> None:
    allow, deny = Allow(api, callers=Anyone.at_all()), Deny(api, callers=(db,))
    (row,) = report_of(allow, deny).to("prod/api").rows
    assert (row.callers, row.excepted) == (("everyone",), ("prod/db",))
    assert lines(row.limits) == [deny.origin.line]


def test_a_service_without_policies_is_open_and_says_so() -> None:
    answer = report_of().to("prod/api")
    assert [(row.callers, row.is_all, row.because[0].what) for row in answer.rows] == [
        (("everyone",), True, "no policy says who may call")
    ]
    assert answer.refused == {}
    assert answer.is_complete


def test_strict_mtls_keeps_callers_outside_the_mesh_out_and_is_named() -> None:
    strict = MutualTls(prod, mode="strict")
    answer = report_of(strict).to("prod/api")
    assert [row.callers for row in answer.rows] == [("everyone in the mesh",)]
    assert lines(answer.refused["prod/api"]) == [strict.origin.line]
    permissive = report_of(strict, MutualTls(api, mode="permissive")).to("prod/api")
    assert [row.callers for row in permissive.rows] == [("everyone",)]


def test_what_is_not_declared_is_a_column_of_its_own() -> None:
    deny = DefaultDeny(prod)
    assert [row.callers for row in report_of().to("prod/*").rows] == [("everyone",)]
    closed = report_of(deny)
    assert closed.to("prod/*").rows == ()
    assert lines(closed.to("prod/*").refused["prod/*"]) == [deny.origin.line]
    assert closed.matrix().cell("prod/web", "prod/*").reach is Reach.NONE


def test_services_that_share_an_account_are_named_together() -> None:
    shared = [Service(name, prod, port=80, service_account="robot") for name in ("one", "two")]
    report = report_of(*shared, Allow(api, callers=(shared[0],), accept=("MESH402",)))
    assert report.to("prod/api").rows[0].callers == ("prod/one and prod/two (both run as prod/robot)",)
    matrix = report.matrix()
    assert matrix.cell("prod/one", "prod/api") == matrix.cell("prod/two", "prod/api")
    assert any("no rule tells them apart" in remark for remark in matrix.remarks)
    assert [row.service for row in report.caller("prod/two").rows if row.service == "prod/api"] == ["prod/api"]


def test_an_ingress_that_no_service_declares_is_an_account() -> None:
    ingress = ServiceAccount("istio-ingress", "gateway")
    report = report_of(DefaultDeny(prod), Allow(web, callers=(ingress,), methods=("GET",)))
    assert report.to("prod/web").rows[0].callers == ("service account istio-ingress/gateway",)
    for name in ("istio-ingress/gateway", "account:istio-ingress/gateway"):
        assert said(report.caller(name)) == [("prod/web", ("service account istio-ingress/gateway",), ("GET",), ())]
    assert report.matrix("namespace").cell("istio-ingress", "prod").reach is Reach.SOME


def test_a_rule_about_requests_does_not_reach_a_port_of_bytes() -> None:
    mixed = Service("mixed", prod, ports=(Port(80, name="http"), Port(99, name="db", protocol="tcp")))
    answer = report_of(
        mixed, Allow(mixed, callers=(web,), methods=("GET",), ports=(80,)), Allow(mixed, callers=(db,), ports=(99,))
    ).to("prod/mixed")
    assert [(row.callers, row.ports, row.methods) for row in answer.rows] == [
        (("prod/db",), (99,), ()),
        (("prod/web",), (80,), ("GET",)),
    ]


def test_a_service_without_ports_calls_and_cannot_be_called() -> None:
    job = Service("job", prod)
    report = report_of(job, Allow(api, callers=(job,)))
    answer = report.to("prod/job")
    assert (answer.rows, [one.what for one in answer.refused["prod/job"]]) == ((), ["it declares no port"])
    assert report.matrix().cell("prod/web", "prod/job").reach is Reach.NONE
    assert report.matrix().cell("prod/job", "prod/api").reach is Reach.ALL
    (node,) = [node for node in meshdsl.graph(report.plan).nodes if node.name == "job"]
    assert node.open_to == ""


def test_a_namespace_and_whoever_is_in_it() -> None:
    test = Namespace("test")
    report = report_of(test, Allow(api, callers=(test,)), Deny(api, callers=(ServiceAccount("test", "x"),)))
    (row,) = report.to("prod/api").rows
    assert row.callers == ("every other account of test",)
    assert ("prod/api", ("every other account of test",), (), ()) in said(report.caller("test/*"))
    matrix = report.matrix()
    assert matrix.cell("every other account of test", "prod/api").reach is Reach.ALL
    assert matrix.cell("service account test/x", "prod/api").reach is Reach.NONE
    assert report.matrix("namespace").cell("test", "prod").reach is Reach.SOME


def test_anyone_in_the_mesh_and_anyone_at_all() -> None:
    report = report_of(Allow(api, callers=Anyone.in_mesh()), Allow(web, callers=Anyone.at_all(), methods=("GET",)))
    assert [row.service for row in report.caller("outside").rows] == ["prod/*", "prod/db", "prod/web"]
    assert [row.service for row in report.caller("anyone").rows] == ["prod/*", "prod/api", "prod/db", "prod/web"]
    assert report.to("prod/api").rows[0].callers == ("everyone in the mesh",)


def test_who_is_kept_out_of_the_mesh_is_a_caller_without_identity_and_refuses_nobody() -> None:
    out = Proxy(db, enrolled=False)
    report = report_of(out, DefaultDeny(prod), Allow(api, callers=Anyone.at_all()))
    assert [row.service for row in report.caller("prod/db").rows] == ["prod/api", "prod/db"]
    (row,) = report.to("prod/db").rows
    assert (row.callers, lines(row.because)) == (("everyone",), [out.origin.line])
    assert report.matrix().cell("prod/db", "prod/web").reach is Reach.NONE
    assert any("prod/db is kept out" in remark for remark in report.matrix().remarks)


def test_headers_and_regular_expressions_are_conditions_of_a_row() -> None:
    report = report_of(Allow(api, callers=(web,), headers=(Header("x-a", "1"),), paths=(Regex("/v[12]/.*"),)))
    (row,) = report.to("prod/api").rows
    assert (row.conditions, row.paths) == (("with x-a: 1",), ("Regex('/v[12]/.*')",))
    assert row.undecided == ()


def test_whether_two_regular_expressions_overlap_is_not_decided_and_said() -> None:
    rules = Allow(api, callers=(web,), paths=(Regex("/a+"),)), Deny(api, callers=(web,), paths=(Regex("/a?b?"),))
    answer = report_of(*rules).to("prod/api")
    assert any(row.undecided for row in answer.rows)
    assert not answer.is_complete


def test_nobody_of_that_name_is_told_with_the_nearest() -> None:
    report = report_of()
    with pytest.raises(meshdsl.ConfigError, match="no service 'prod/apy'") as wrong:
        report.to("prod/apy")
    assert "did you mean 'prod/api'?" in wrong.value.diagnostics[0].help
    with pytest.raises(meshdsl.ConfigError, match="no caller 'webb'") as wrong:
        report.caller("webb")
    assert "account:NAMESPACE/NAME" in wrong.value.diagnostics[0].help


# --------------------------------------------------------------------------------------------------------- manifests


def test_manifests_answer_the_same_with_their_objects_and_fields() -> None:
    policies = (MutualTls(prod, mode="strict"), DefaultDeny(prod), Allow(api, callers=(web,), methods=("GET",)))
    meant, read = report_of(*policies), report_of(*policies, target=meshdsl.Istio())
    assert said(meant.to("prod/api")) == said(read.to("prod/api"))
    (row,) = read.to("prod/api").rows
    assert [str(one) for one in row.because] == ["AuthorizationPolicy prod/api spec.rules[0]"]
    refused = {one.what for one in read.to("prod/api").refused["prod/api"]}
    assert "PeerAuthentication prod/default" in refused


@pytest.mark.parametrize("target", [meshdsl.Istio(), meshdsl.Ambient(), meshdsl.Linkerd()], ids=lambda one: one.name)
def test_every_row_of_manifests_names_an_object(target: meshdsl.Istio) -> None:
    policies = (
        MutualTls(prod, mode="strict"), DefaultDeny(prod), Proxy(prod),
        Allow(api, callers=(web,), methods=("GET",)), Allow(db, callers=(api,)),
    )  # fmt: skip
    report = report_of(*policies, target=target)
    rows = [*report.to("prod/api").rows, *report.caller("prod/api").rows]
    assert len(rows) == 2
    assert all(re.match(r"(AuthorizationPolicy|Server) ", one.what) for row in rows for one in row.because)


def test_what_an_object_does_that_cannot_be_decided_is_named_and_only_where_it_plays_a_part() -> None:
    bundle = meshdsl.build(meshdsl.PolicySet((*inventory, Allow(api, callers=(web,)))), meshdsl.Istio())
    rule = {"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}]}
    theirs = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "theirs", "namespace": "prod"},
        "spec": {"selector": {"matchLabels": {"app": "db"}}, "rules": [rule]},
    }
    report = meshdsl.access(bundle, [*(one.body for one in bundle.manifests), theirs])
    answer = report.to("prod/db")
    assert answer.undecided == ("AuthorizationPolicy prod/theirs: ipBlocks cannot be decided: the rows name it",)
    assert not answer.is_complete
    assert answer.rows[0].conditions == ("where ipBlocks is 10.0.0.0/8",)
    assert report.to("prod/api").is_complete
    assert not report.matrix().is_complete


def test_objects_are_not_read_for_a_plan_alone() -> None:
    bundle = meshdsl.build(meshdsl.PolicySet(inventory), meshdsl.Istio())
    with pytest.raises(TypeError, match="give the bundle"):
        meshdsl.access(bundle.plan, bundle)


class Half:
    """A cluster that answers everything but one kind."""

    name = "half"

    def __init__(self, bundle: meshdsl.Bundle, code: str) -> None:
        self.bundle, self.code = bundle, code
        self.asked: list[str] = []

    def snapshot(self, scopes: Iterable[object], keep: object = None) -> Snapshot:
        self.asked = sorted(map(str, scopes))
        kind = next(kind for kind in OF_TARGET["istio"] if kind.kind == "AuthorizationPolicy")
        unknown = (Unknown(Scope(kind, "prod"), "forbidden: user ci may not list them", self.code),)
        return Snapshot(tuple(one.body for one in self.bundle.manifests), unknown=unknown)

    def stream(self, scope: object) -> Iterable[dict[str, object]]:
        raise NotImplementedError

    def apply_dry_run(self, body: object) -> Applied:
        raise NotImplementedError


def test_what_could_not_be_read_is_named_and_no_row_is_made_up() -> None:
    bundle = meshdsl.build(meshdsl.PolicySet((*inventory, Allow(api, callers=(web,)))), meshdsl.Istio())
    cluster = Half(bundle, "forbidden")
    report = meshdsl.access(bundle, cluster)
    for answer in (report.to("prod/api"), report.caller("prod/web"), report.matrix()):
        assert [one.reason for one in answer.unknown] == ["forbidden: user ci may not list them"]
        assert not answer.is_complete
    assert report.to("prod/api").rows == ()
    assert report.matrix().services == ()
    assert "AuthorizationPolicy.security.istio.io in istio-system" in cluster.asked
    assert not any(scope.startswith(("VirtualService", "DestinationRule")) for scope in cluster.asked)


def test_a_kind_that_is_not_installed_has_no_objects_and_that_is_said() -> None:
    bundle = meshdsl.build(meshdsl.PolicySet((*inventory, Allow(api, callers=(web,)))), meshdsl.Istio())
    answer = meshdsl.access(bundle, Half(bundle, "not-installed")).to("prod/api")
    assert answer.is_complete
    assert "AuthorizationPolicy.security.istio.io is not installed" in answer.remarks
    missing = meshdsl.access(bundle, Half(bundle, "not-in-dump")).to("prod/api")
    assert missing.rows
    assert not missing.is_complete


def test_part_of_a_name_in_a_rule_of_others_matches_whom_it_matches() -> None:
    bundle = meshdsl.build(meshdsl.PolicySet((*inventory, Allow(api, callers=(db,)))), meshdsl.Istio())
    rule = {"from": [{"source": {"principals": ["*/sa/web"]}}]}
    theirs = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "theirs", "namespace": "prod"},
        "spec": {"selector": {"matchLabels": {"app": "api"}}, "rules": [rule]},
    }
    report = meshdsl.access(bundle, [*(one.body for one in bundle.manifests), theirs])
    matrix = report.matrix()
    assert [matrix.cell(f"prod/{name}", "prod/api").reach for name in ("web", "db", "api")] == ["all", "all", "none"]
    assert [row.service for row in report.caller("account:elsewhere/web").rows if row.service == "prod/api"] == [
        "prod/api"
    ]
    assert report.matrix("namespace").cell("prod", "prod").reach is Reach.SOME


def test_what_is_certain_about_objects_is_a_remark_and_leaves_nothing_open() -> None:
    target = meshdsl.Ambient()
    bundle = meshdsl.build(meshdsl.PolicySet((*inventory, Allow(api, callers=(web,), methods=("GET",)))), target)
    fenceless = [one.body for one in bundle.manifests if not one.ref.name.endswith(".fence")]
    answer = meshdsl.access(bundle, fenceless).to("prod/api")
    assert any("going past its waypoint" in remark for remark in answer.remarks)
    assert answer.is_complete
    assert any(row.callers == ("everyone",) and row.is_all for row in answer.rows)


COMPILED = [
    (case, name) for case in golden.cases() for name in case.targets() if (case.folder / f"{name}.yaml").exists()
]


@pytest.mark.parametrize(("case", "name"), COMPILED, ids=str)
def test_every_case_is_answered_from_its_manifests_as_its_policies_mean_it(case: golden.Case, name: str) -> None:
    policies = golden.loaded(case)
    assert isinstance(policies, meshdsl.PolicySet)
    bundle = meshdsl.build(policies, case.target(name))
    meant, read = meshdsl.access(bundle), meshdsl.access(bundle, bundle)
    probed = any(service.probes for service in bundle.plan.services)
    for by in ("service", "namespace"):
        mine, theirs = meant.matrix(by), read.matrix(by)  # type: ignore[arg-type]
        assert theirs.is_complete
        assert mine.services == theirs.services
        for service in mine.services:
            for caller in {*mine.callers, *theirs.callers}:
                if not probed:  # on some meshes a declared probe is let in for everyone
                    assert mine.cell(caller, service).reach is theirs.cell(caller, service).reach, (caller, service)
    graph = meshdsl.graph(bundle)
    assert {node.key for node in graph.nodes} >= set(map(str, bundle.plan.services))
