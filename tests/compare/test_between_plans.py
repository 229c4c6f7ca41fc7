"""Between two plans: what a policy that goes, a proxy, an account, a probe and a trust domain mean for access."""

from __future__ import annotations

from typing import Any

import pytest

import meshdsl
from meshdsl import Allow, DefaultDeny, Istio, Linkerd, MutualTls, Namespace, Probe, Proxy, Service, Workload
from meshdsl.compare.diff import diff
from meshdsl.compare.report import DiffReport, Risk

PROD = Namespace("prod")
WEB = Service("web", PROD, port=80)
ORDERS = Service("orders", PROD, port=80, workload=Workload("Deployment", "orders"))
CLOSED = (WEB, ORDERS, Allow(ORDERS, callers=(WEB,), accept=("MESH402",)))


def between(before: Any, after: Any, target: Any = None, other: Any = None) -> DiffReport:
    old, new = (meshdsl.PolicySet(tuple(one), name="shop") for one in (before, after))
    target = target or Istio()
    return diff(meshdsl.build(new, other or target), meshdsl.build(old, target))


def rows(report: DiffReport) -> list[str]:
    return [f"{'+' if one.widened else '-'} {one.sentence}" for one in report.access]


def risks(report: DiffReport) -> set[tuple[Risk, str]]:
    return {(one.risk, one.subject) for one in report.risks}


def test_a_service_that_is_no_longer_declared_is_open() -> None:
    report = between(CLOSED, (WEB,))
    assert rows(report) == ["+ everyone may now call prod/orders, which is no longer declared"]
    assert (Risk.WIDENED_ACCESS, "prod/orders") in risks(report)


def test_a_strict_service_that_is_no_longer_declared_takes_plain_text() -> None:
    report = between((WEB, ORDERS, MutualTls(ORDERS, mode="strict")), (WEB,))
    assert rows(report) == ["+ callers outside the mesh may now call prod/orders, which is no longer declared"]
    assert {(Risk.WIDENED_ACCESS, "prod/orders"), (Risk.WEAKENED_MTLS, "prod/orders")} <= risks(report)


def test_what_still_closes_a_service_that_is_no_longer_declared() -> None:
    fence = DefaultDeny(PROD)
    assert rows(between((*CLOSED, fence), (WEB, fence))) == [
        "- nobody may call prod/orders any more, which is no longer declared"
    ]


def test_an_open_service_that_is_no_longer_declared_changes_nothing() -> None:
    assert rows(between((WEB, ORDERS), (WEB,))) == []


def test_a_namespace_that_is_no_longer_declared_is_open() -> None:
    other = Service("other", Namespace("other"), port=80)
    report = between((other, WEB, DefaultDeny(PROD)), (other,))
    assert "+ everyone may now call anything else in prod, which is no longer declared" in rows(report)


def test_a_namespace_that_is_declared_was_there_before() -> None:
    other = Service("other", Namespace("other"), port=80)
    report = between((other,), (other, WEB))
    assert rows(report) == ["+ prod/web is new: everyone may call it"]
    assert "- nobody may call anything else in prod any more" in rows(
        between((other,), (other, WEB, DefaultDeny(PROD)))
    )


@pytest.mark.parametrize("subject", [ORDERS, PROD])
def test_who_is_kept_out_of_the_mesh_is_open(subject: Any) -> None:
    strict = MutualTls(subject, mode="strict")
    report = between((*CLOSED, strict), (WEB, ORDERS, Proxy(subject, enrolled=False)))
    assert "+ everyone may now call prod/orders" in rows(report)
    name = "prod/orders" if subject is ORDERS else "namespace prod"
    assert {(Risk.WIDENED_ACCESS, "prod/orders"), (Risk.WEAKENED_MTLS, name)} <= risks(report)


def test_who_is_no_longer_enrolled_is_open() -> None:
    strict = MutualTls(PROD, mode="strict")
    report = between((*CLOSED, strict, Proxy(PROD, enrolled=True)), (*CLOSED, strict))
    assert "+ everyone may now call prod/orders" in rows(report)
    assert {(Risk.WIDENED_ACCESS, "prod/orders"), (Risk.WEAKENED_MTLS, "namespace prod")} <= risks(report)


def test_enrolling_changes_no_access() -> None:
    assert rows(between(CLOSED, (*CLOSED, Proxy(PROD, enrolled=True)))) == []


@pytest.mark.parametrize("was", [True, False])
def test_pods_that_run_as_an_account_gain_its_rights(*, was: bool) -> None:
    before = (*CLOSED, Service("job", PROD, port=80)) if was else CLOSED
    report = between(before, (*CLOSED, Service("job", PROD, port=80, service_account="web")))
    assert "+ pods of prod/job now run as prod/web: they may call what it may of prod/orders" in rows(report)
    assert (Risk.WIDENED_ACCESS, "prod/job") in risks(report)


def test_an_account_without_rights_gives_none() -> None:
    job = Service("job", PROD, port=80, service_account="idle")
    assert not [one for one in rows(between((*CLOSED, Service("job", PROD, port=80)), (*CLOSED, job))) if "pods" in one]


def test_declared_probes_are_open_to_everyone_on_linkerd() -> None:
    def policies(*probes: Any) -> tuple[Any, ...]:
        api = Service("api", PROD, port=80, probes=probes)
        return (WEB, api, MutualTls(PROD, mode="strict"), Allow(api, callers=(WEB,), methods=("GET",), paths=("/v1",)))

    report = between(policies(), policies(Probe("/healthz", port=80)), Linkerd())
    assert rows(report) == ["+ everyone may now GET /healthz of prod/api"]
    assert (Risk.WIDENED_ACCESS, "prod/api") in risks(report)
    assert rows(between(policies(), policies(Probe("/healthz", port=80)), Istio())) == []


def test_another_trust_domain_changes_every_principal() -> None:
    report = between(CLOSED, CLOSED, Istio(), Istio(trust_domain="b.example"))
    assert [one.sentence for one in report.policy] == ["trust domain of the mesh: cluster.local → b.example"]
    assert [one.widened for one in report.access] == [True, False]
    assert (Risk.WIDENED_ACCESS, "the mesh") in risks(report)
