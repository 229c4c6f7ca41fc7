"""A trace of what a cluster has: who has a proxy there, which Services exist, and what could not be read."""

from __future__ import annotations

from typing import Any

import pytest

import meshdsl
from meshdsl import Allow, Bundle, DefaultDeny, MutualTls, Namespace, PolicySet, Service, Trace
from meshdsl.simulate.readings import reading_of
from meshdsl.simulate.words import Reading, Verdict

MESHES: dict[str, Any] = {"istio": meshdsl.Istio(), "ambient": meshdsl.Ambient(), "linkerd": meshdsl.Linkerd()}
ENROLLED: dict[str, dict[str, Any]] = {
    "istio": {"labels": {"istio-injection": "enabled"}},
    "ambient": {"labels": {"istio.io/dataplane-mode": "ambient"}},
    "linkerd": {"annotations": {"linkerd.io/inject": "enabled"}},
}
KEPT_OUT: dict[str, dict[str, Any]] = {
    "istio": {"labels": {"sidecar.istio.io/inject": "false"}},
    "ambient": {"labels": {"istio.io/dataplane-mode": "none"}},
    "linkerd": {"annotations": {"linkerd.io/inject": "disabled"}},
}
OTHERWISE: dict[str, dict[str, Any]] = {
    "istio": {"labels": {"sidecar.istio.io/inject": "true"}},
    "ambient": ENROLLED["ambient"],
    "linkerd": ENROLLED["linkerd"],
}
mesh_names = pytest.mark.parametrize("mesh", list(MESHES))


def built(mesh: str) -> Bundle:
    prod = Namespace("prod")
    web, api = Service("web", prod, port=80), Service("api", prod, port=8080)
    return meshdsl.build(
        PolicySet((MutualTls(prod, mode="strict"), DefaultDeny(prod), Allow(api, callers=(web,)))), MESHES[mesh]
    )


def namespace(**metadata: Any) -> dict[str, Any]:
    """A Namespace as a server has it."""
    labels = {"kubernetes.io/metadata.name": "prod", **metadata.pop("labels", {})}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "prod", "uid": "1", "labels": labels, **metadata},
    }


def service(name: str, port: int) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": port, "name": "http", "targetPort": port}]}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "prod", "uid": "2"},
        "spec": spec,
    }


def workload(name: str, **metadata: Any) -> dict[str, Any]:
    own = {**metadata, "labels": {"app": name, **metadata.get("labels", {})}}
    spec = {"template": {"metadata": own, "spec": {"serviceAccountName": name}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "prod"},
        "spec": spec,
    }


def cluster(bundle: Bundle, *others: dict[str, Any]) -> list[Any]:
    """The manifests with what a cluster has beside them; a partial one is a part of what is there."""
    ours = [one.body for one in bundle.manifests if one.ref.kind not in ("Namespace", "Service", "Deployment")]
    return [*ours, service("web", 80), service("api", 8080), *others]


def asked(bundle: Bundle, source: str, objects: list[Any] | None, **rest: Any) -> Trace:
    question = meshdsl.question(bundle.plan, source, "prod/api", "GET", "/items")
    return meshdsl.trace_objects(bundle, question, objects, **rest)


@mesh_names
def test_where_the_namespace_is_enrolled_rules_hold(mesh: str) -> None:
    bundle = built(mesh)
    objects = cluster(bundle, namespace(**ENROLLED[mesh]), workload("web"), workload("api"))
    if mesh == "ambient":
        objects[-3]["metadata"]["labels"]["istio.io/use-waypoint"] = "waypoint"
    assert asked(bundle, "prod/web", objects).verdict is Verdict.ALLOWED
    assert asked(bundle, "anyone", objects).verdict is Verdict.DENIED
    assert asked(bundle, "outside", objects).verdict is Verdict.DENIED


@mesh_names
def test_without_a_proxy_nobody_is_refused(mesh: str) -> None:
    bundle = built(mesh)
    objects = cluster(bundle, namespace(), workload("web"), workload("api"))
    for source in ("anyone", "outside", "prod/web"):
        found = asked(bundle, source, objects)
        assert found.verdict is Verdict.ALLOWED, source
        assert any("Namespace prod" in one.where for reason in found.reasons for one in (reason, *reason.parts)) or (
            mesh == "linkerd"
        )


@mesh_names
def test_a_caller_without_a_proxy_calls_as_anybody_outside(mesh: str) -> None:
    bundle = built(mesh)
    objects = cluster(bundle, namespace(**ENROLLED[mesh]), workload("web", **KEPT_OUT[mesh]), workload("api"))
    found = asked(bundle, "prod/web", objects)
    assert found.verdict is Verdict.DENIED
    assert found.reasons[0].text.startswith("prod/web has no proxy")
    assert found.reasons[0].where == "Deployment prod/web"


@mesh_names
def test_pods_that_say_so_themselves_are_in_the_mesh(mesh: str) -> None:
    bundle = built(mesh)
    own = OTHERWISE[mesh]
    objects = cluster(bundle, namespace(), workload("web", **own), workload("api", **own))
    assert asked(bundle, "outside", objects).verdict is Verdict.DENIED


@mesh_names
def test_where_it_cannot_be_told_whether_there_is_a_proxy_the_answer_is_unknown(mesh: str) -> None:
    bundle = built(mesh)
    for more in ((), (workload("api"), workload("api", **OTHERWISE[mesh]))):
        found = asked(bundle, "outside", cluster(bundle, namespace(), *more))
        assert found.verdict is Verdict.UNKNOWN
    found = asked(bundle, "prod/web", cluster(bundle, namespace(), workload("api")))
    assert found.verdict is Verdict.UNKNOWN
    assert "whether prod/web has a proxy" in found.answer.unknown[0]


@mesh_names
def test_of_our_own_manifests_a_proxy_is_taken_for_granted_and_that_is_said(mesh: str) -> None:
    found = asked(built(mesh), "outside", None)
    assert found.verdict is Verdict.DENIED
    said = [one.text for one in found.reasons if "taken for granted" in one.text]
    assert said == ["that pods of prod have a proxy is taken for granted: nothing that was read says it"]


@mesh_names
def test_a_service_that_a_whole_list_does_not_have_does_not_exist(mesh: str) -> None:
    bundle = built(mesh)
    for complete in (("prod",), ("",)):
        found = asked(bundle, "prod/web", [], complete=complete)
        assert (found.verdict, found.answer.unknown) == (
            Verdict.UNKNOWN,
            ("Service prod/api is not there: nobody can call it",),
        )
    assert asked(bundle, "prod/web", [], complete=("test",)).verdict is Verdict.ALLOWED


def test_of_objects_that_are_not_all_known_nothing_is_told() -> None:
    found = asked(built("istio"), "prod/web", [], unknown=("AuthorizationPolicy in prod: forbidden",))
    assert (found.verdict, found.reasons) == (Verdict.UNKNOWN, ())
    assert found.answer.unknown == ("AuthorizationPolicy in prod: forbidden",)


def test_what_is_asked_often_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, made = built("istio"), list[int]()

    def counted(*given: Any) -> Reading:
        made.append(1)
        return reading_of(*given)

    monkeypatch.setattr("meshdsl.simulate.trace.reading_of", counted)
    answers = {asked(bundle, source, None).verdict for source in ("prod/web", "outside", "anyone", "prod/web")}
    assert answers == {Verdict.ALLOWED, Verdict.DENIED}
    assert len(made) == 1
    assert asked(bundle, "prod/web", []).verdict is Verdict.ALLOWED
    assert len(made) == 2
