"""Rules that do not depend on a mesh."""

from __future__ import annotations

import pytest
from pydantic import Field

import meshdsl
from meshdsl import (
    Allow,
    Anyone,
    Breaker,
    Deny,
    MutualTls,
    Namespace,
    Policy,
    Port,
    Proxy,
    Redirect,
    Retry,
    Service,
    Split,
    Timeout,
    Workload,
)
from meshdsl.checks import check
from meshdsl.diagnostics import Severity
from meshdsl.model.base import Declared
from meshdsl.plan.resolve import resolve


def codes(*policies: Declared) -> list[str]:
    return [found.code for found in check(resolve(meshdsl.PolicySet(policies)))]


prod = Namespace("prod")
web = Service("web", prod, port=80)
api = Service("api", prod, port=8080, replicas=3)
strict = MutualTls(prod, mode="strict")


def test_what_is_never_to_be_tried_again_and_belongs_to_a_route_that_is() -> None:
    posts, below = api.route("posts", methods=("POST",)), api.route("below", path="/a/*")
    never = Retry.never(posts)
    around = Retry(api, attempts=1, retry_on=("5xx",), methods="any")
    taken = Timeout(below, "1s")
    assert codes(never, around, taken) == ["MESH415"]
    assert codes(never, around) == codes(never, taken) == codes(around, taken) == []
    assert codes(never, around, taken, Retry.never(below)) == []
    on_purpose = Retry(below, attempts=2, retry_on=("5xx",), methods="any")
    assert codes(never, around, taken, on_purpose) == []
    idempotent = Retry(prod, attempts=1, retry_on=("5xx",))
    assert codes(never, taken, idempotent) == []
    (found,) = check(resolve(meshdsl.PolicySet((never, around, taken))))
    assert (found.severity, found.origin) == (Severity.WARNING, never.origin)
    assert "by rule below of prod/api" in found.message
    one_line = (Retry(api, attempts=1, retry_on=("5xx",), methods="any"), Retry.never(posts), Timeout(below, "1s"))
    assert codes(*one_line) == ["MESH415"]


def test_access_rules_on_a_service_that_is_kept_out_of_the_mesh() -> None:
    rule = Allow(api, callers=(web,))
    outside = Service("job", "batch", port=80)
    assert codes(rule, Proxy(prod, enrolled=True)) == []
    assert "MESH405" in codes(rule, Proxy(prod, enrolled=False))
    assert codes(Allow(outside, callers=(web,)), Proxy(prod, enrolled=False)) == ["MESH401"]


def test_strict_mtls_on_what_is_kept_out_of_the_mesh() -> None:
    out, deployment = Proxy(prod, enrolled=False), Workload("Deployment", "w")
    job = Service("job", prod, port=80, workload=deployment)
    assert codes(strict, out) == ["MESH413"]
    assert codes(strict, out, api, web) == ["MESH413"]
    assert codes(MutualTls(meshdsl.Mesh(), mode="strict"), out) == ["MESH413"]
    assert codes(MutualTls(meshdsl.Mesh(), mode="strict"), MutualTls(prod, mode="permissive"), out) == []
    assert codes(MutualTls(api, mode="strict"), out) == ["MESH413"]
    assert codes(strict, MutualTls(api, mode="permissive"), Proxy(api, enrolled=False)) == []
    assert codes(strict, Proxy(job, enrolled=False)) == ["MESH413"]
    assert codes(MutualTls(job, mode="strict"), Proxy(job, enrolled=True), out) == []
    assert codes(out) == []


def test_a_namespace_that_is_kept_out_is_not_closed() -> None:
    out, job = Proxy(prod, enrolled=False), Service("job", prod, port=80)
    assert codes(meshdsl.DefaultDeny(prod), out) == ["MESH405"]
    assert codes(meshdsl.DefaultDeny(prod), out, Allow(api, callers=Anyone.in_mesh())) == ["MESH405"]
    assert codes(meshdsl.DefaultDeny(prod), out, job, Proxy(job, enrolled=True)) == ["MESH405"]


def test_callers_that_are_kept_out_have_no_identity() -> None:
    outside = Service("job", "batch", port=80)
    assert codes(Allow(api, callers=(outside,)), Proxy(Namespace("batch"), enrolled=False)) == ["MESH401"]


def test_a_shared_service_account_is_one_caller() -> None:
    other = Service("other", prod, port=80, service_account="web")
    timeout = Timeout(other, "1s")
    assert codes(Allow(api, callers=(web,)), timeout) == ["MESH402"]
    assert codes(Allow(api, callers=(web,), accept=("MESH402",)), timeout) == []


def test_anyone_at_all_contradicts_strict_mtls() -> None:
    rule = Allow(api, callers=Anyone.at_all())
    assert codes(rule, strict) == ["MESH403"]
    assert codes(rule, strict, MutualTls(api, mode="permissive")) == []


def test_a_denied_caller_could_come_in_plain_text() -> None:
    deny = Deny(api, callers=(web,))
    assert codes(deny) == ["MESH404"]
    assert codes(deny, strict) == []
    assert codes(deny, Allow(api, callers=Anyone.in_mesh())) == []
    assert codes(deny, Allow(api, callers=Anyone.at_all())) == ["MESH404"]
    assert codes(Deny(api, callers=Anyone.at_all())) == []
    assert codes(Deny(api, callers=(web,), accept=("MESH404",))) == []


@pytest.mark.parametrize(("percent", "expected"), [(33, ["MESH410"]), (34, []), (100, [])])
def test_a_breaker_that_can_never_eject(percent: int, expected: list[str]) -> None:
    assert codes(Breaker(api, consecutive_5xx=5, max_ejection_percent=percent)) == expected


def test_a_breaker_counts_the_pods_of_a_version() -> None:
    service = Service("v", prod, port=80, replicas=4, versions=("v1", "v2"))
    breaker = Breaker(service, consecutive_5xx=5, max_ejection_percent=30)
    assert codes(breaker) == []
    assert codes(breaker, Split(service, weights={"v1": 1, "v2": 1})) == ["MESH410"]


def test_a_target_port_by_number_and_one_by_name_are_not_told_apart() -> None:
    ports = (Port(80, name="a", target=8080), Port(81, name="b", target="http"))
    service = Service("mixed", prod, ports=ports)
    assert (
        codes(Allow(service, callers=(web,), ports=(80,)), Allow(service, callers=(api,), ports=(81,)))[0] == "MESH407"
    )
    assert codes(Allow(service, callers=(web,))) == []


def test_two_services_of_one_workload_may_have_the_same_proxy() -> None:
    workload = Workload("Deployment", "both")
    services = [Service(name, prod, port=port, workload=workload) for name, port in (("one", 80), ("two", 81))]
    proxy = Proxy(prod, cpu_request="1m", cpu_limit="1m", memory_request="1Mi", memory_limit="1Mi")
    bundle = meshdsl.build([*services, proxy], meshdsl.Istio())
    assert [m.ref.kind for m in bundle.manifests].count("Deployment") == 1


@pytest.mark.parametrize(("per_try", "expected"), [("5s", []), ("5001ms", ["MESH411"])])
def test_a_try_that_is_longer_than_the_request(per_try: str, expected: list[str]) -> None:
    retry = Retry(api, attempts=1, retry_on=("5xx",), per_try_timeout=per_try, methods="any")
    assert codes(Timeout(api, "5s"), retry) == expected


def test_a_redirect_never_answers_with_the_url_that_was_asked_for() -> None:
    below, both = api.route("below", path="/a/*"), Service("both", prod, ports=(Port(80, name="a"), Port(81, name="b")))
    assert codes(Redirect(below, path="/a")) == ["MESH412"]
    assert codes(Redirect(below, path="/ab")) == []
    assert codes(Redirect(below, path="/a"), Timeout(api.route("a", path="/a"), "1s")) == []
    get = api.route("a", path="/a", methods=("GET",))
    assert codes(Redirect(below, path="/a"), Timeout(get, "1s")) == ["MESH412"]  # by the other methods
    assert codes(Redirect(api, host="api", path="/a")) == ["MESH412"]
    assert codes(Redirect(api, host="api.prod.svc.example.org")) == ["MESH412"]
    assert codes(Redirect(api, host="api.test")) == []
    assert codes(Redirect(api, scheme="https", port=8080)) == []
    assert codes(Redirect(both, path="/a")) == ["MESH412"]
    assert codes(Redirect(both, port=81)) == ["MESH412"]
    assert codes(Redirect(both.route("a", port=80), port=81)) == []


def test_a_kind_that_no_stage_reads_is_never_lost() -> None:
    class Cors(Policy):
        subject: Service = Field(kw_only=False)

    with pytest.raises(TypeError, match="Cors"):
        meshdsl.build([Cors(api)], meshdsl.Istio())
