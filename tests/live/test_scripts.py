"""The scripts that apply, run with the real kubectl on the real server: what users have set stays, and nothing differs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshdsl import (
    Allow,
    Ambient,
    Breaker,
    Canary,
    DefaultDeny,
    Istio,
    Linkerd,
    MutualTls,
    Namespace,
    PolicySet,
    Proxy,
    Service,
    Workload,
    build,
)
from meshdsl.compare.diff import diff
from meshdsl.compare.report import DiffReport
from meshdsl.compiler import Bundle
from meshdsl.report.diff_script import Side, diff_script
from meshdsl.report.script import Place, build_script
from meshdsl.targets.base import Target
from tests.live.api import Body
from tests.live.comparing import cluster_of
from tests.live.server import ADMIN, Server

TARGETS: dict[str, Target] = {
    "istio": Istio(accept=("MESH520",)),
    "ambient": Ambient(gateway_api_channel="experimental", default_retries="off"),
    "linkerd": Linkerd(accept=("MESH521", "MESH522", "MESH523", "MESH524", "MESH525")),
}
LABELS = {"team": "payments", "pod-security.kubernetes.io/enforce": "baseline"}


class Shop:
    """What somebody has applied from the client's side, and the policies about it."""

    def __init__(self, server: Server, mesh: str) -> None:
        self.server, self.mesh, self.name = server, mesh, f"script-{mesh}"

    def bundle(self, mesh: str = "", *, proxy: bool = True, canary: bool = True) -> Bundle:
        prod = Namespace(self.name)
        web = Service("web", prod, port=80)
        api = Service("api", prod, port=8080, versions=("v1", "v2"), workload=Workload("Deployment", "api"))
        policies: list[Any] = [web, api, MutualTls(prod, mode="strict"), DefaultDeny(prod), Allow(api, callers=(web,))]
        policies += [Proxy(prod, enrolled=True)] if proxy else []
        policies += [Canary(api, stable="v1", canary="v2", percent=10)] if canary else []
        if (mesh or self.mesh) != "ambient":
            policies += [
                Proxy(api, cpu_request="100m", cpu_limit="1", memory_request="1Mi", memory_limit="2Mi")
            ] * proxy
        if (mesh or self.mesh) == "linkerd":
            policies += [Breaker(api, consecutive_5xx=5, base_ejection_time="30s")] * canary
        target = TARGETS[mesh or self.mesh]
        every = {f"MESH5{number:02d}" for number in range(1, 63)}
        object.__setattr__(target, "accept", tuple(sorted(every)))
        return build(PolicySet(tuple(policies), self.name), target)

    def objects(self) -> list[Body]:
        """As their owner has written them."""
        meta = {"labels": LABELS, "annotations": {"owner": "me"}}
        template = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "api", "image": "api:1"}]}}
        there: list[Body] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name, **meta}}]
        for name, port in (("web", 80), ("api", 8080), ("api-v1", 8080), ("api-v2", 8080)):
            spec: Body = {"selector": {"app": name}, "ports": [{"name": "http", "port": port}]}
            if name in ("web", "api"):
                where = {"name": name, "namespace": self.name, **meta}
                there.append({"apiVersion": "v1", "kind": "Service", "metadata": where, "spec": spec})
        where = {"name": "api", "namespace": self.name, **meta}
        spec = {"selector": {"matchLabels": {"app": "api"}}, "template": template}
        there.append({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": where, "spec": spec})
        return there

    def begin(self) -> None:
        for body in self.objects():
            self.server.kubectl_run("apply", "-f", "-", text=json.dumps(body))

    def compared(self, made: Bundle) -> DiffReport:
        with cluster_of(self.server) as cluster:
            return diff(made, cluster)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(self.server.kubectl).parent}:{os.environ['PATH']}"
        variables = {"PATH": path, "KUBECONFIG": str(self.server.kubeconfig(ADMIN)), "HOME": str(self.server.folder)}
        done = subprocess.run(["sh", "-s"], input=script, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + script
        return done

    def difference(self, made: Bundle) -> str:
        return diff_script([Side(self.compared(made), made, Place("live", ADMIN))])

    def owners_fields_are_there(self) -> None:
        for body in self.objects():
            live = self.server.api.get(body).body
            assert LABELS.items() <= live["metadata"]["labels"].items(), live
            assert live["metadata"]["annotations"]["owner"] == "me"
            if body["kind"] == "Service":
                assert live["spec"]["ports"][0]["port"] == body["spec"]["ports"][0]["port"]


@pytest.fixture(params=TARGETS)
def shop(own: Server, request: pytest.FixtureRequest) -> Iterator[Shop]:
    found = Shop(own, request.param)
    found.begin()
    yield found
    found.run(found.difference(build(PolicySet((Service("web", Namespace(found.name), port=80),), found.name), TARGETS[found.mesh])))  # fmt: skip


@pytest.mark.parametrize("of_build", [True, False])
def test_a_script_leaves_what_is_its_owners_and_nothing_differs_afterwards(shop: Shop, *, of_build: bool) -> None:
    made = shop.bundle()
    report = shop.compared(made)
    patched = [one for one in report.objects if one.partial]
    assert patched
    assert all(any("client-side kubectl apply" in note for note in one.notes) for one in patched)
    shop.run(build_script(made, Place("live", ADMIN)) if of_build else shop.difference(made))
    shop.owners_fields_are_there()
    assert shop.compared(made).is_empty
    assert shop.difference(made) == ""


def test_what_policies_no_longer_say_is_taken_away_and_nothing_else(shop: Shop) -> None:
    made = shop.bundle()
    shop.run(shop.difference(made))
    less = shop.bundle(proxy=False, canary=False)
    script = shop.difference(less)
    assert "null" in script, "a patch takes fields off"
    shop.run(script)
    shop.owners_fields_are_there()
    assert shop.compared(less).is_empty
    (space, *_) = shop.objects()
    assert set(shop.server.api.get(space).body["metadata"]["labels"]) == {*LABELS, "kubernetes.io/metadata.name"}
    # Their owner applies again, from the client's side, and loses nothing of ours either.
    shop.run(shop.difference(made))
    shop.begin()
    assert shop.compared(made).is_empty


def test_what_an_earlier_target_has_left_goes_and_nothing_else(shop: Shop) -> None:
    made = shop.bundle()
    for earlier in TARGETS:
        if earlier == shop.mesh:
            continue
        before = shop.bundle(earlier)
        shop.run(build_script(before, Place("live", ADMIN)))
        shop.run(shop.difference(made))
        assert shop.compared(made).is_empty
        shop.owners_fields_are_there()
        kept = {one.ref for one in made.manifests}
        for one in before.manifests:
            status = shop.server.api.get(one.body).status
            assert status == (200 if one.partial or one.ref in kept else 404), one.ref


def test_a_server_side_apply_of_our_fields_alone_takes_the_owners_away(shop: Shop) -> None:
    """Why there are scripts: if this fails, kubectl has become better, and documents can say so."""
    (space, *_) = shop.objects()
    made = shop.bundle()
    (ours,) = [one.body for one in made.manifests if one.ref.kind == "Namespace"]
    arguments = ("apply", "--server-side", "--field-manager=meshdsl", "-f", "-")
    shop.server.kubectl_run(*arguments, text=json.dumps(ours, default=dict))
    assert "team" not in shop.server.api.get(space).body["metadata"]["labels"]
    shop.begin()


def test_a_field_that_somebody_edits_is_a_conflict_that_is_foretold(shop: Shop) -> None:
    made = shop.bundle()
    shop.run(shop.difference(made))
    (ref,) = [one.ref for one in made.manifests if one.ref.kind in ("VirtualService", "HTTPRoute") and "api" in one.ref.name and "v" not in one.ref.name][:1]  # fmt: skip
    kind = "virtualservice" if ref.kind == "VirtualService" else "httproute"
    field = "http" if kind == "virtualservice" else "rules"
    live = json.loads(shop.server.kubectl_run("get", kind, ref.name, "-n", shop.name, "-o", "json"))
    rules = live["spec"][field]
    targets = rules[0]["route" if kind == "virtualservice" else "backendRefs"]
    targets[0]["weight"], targets[1]["weight"] = 0, 100
    patch = json.dumps({"spec": {field: rules}})
    shop.server.kubectl_run(
        "patch", kind, ref.name, "-n", shop.name, "--type=merge", "--field-manager=kubectl-edit", "-p", patch
    )
    (change,) = shop.compared(made).objects
    assert f"kubectl-edit owns spec.{field}: an apply asks for --force-conflicts" in change.notes
    script = shop.difference(made)
    with pytest.raises(AssertionError, match="conflict"):
        shop.run(script)
    with cluster_of(shop.server) as cluster:
        report = diff(made, cluster, adopt=True)
    shop.run(diff_script([Side(report, made, Place("live", ADMIN))], adopt=True))
    assert shop.compared(made).is_empty
