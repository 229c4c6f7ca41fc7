"""``meshdsl trace --live``, as a user types it: the answer is read from the objects that the cluster has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import emitted
from tests.live.api import accepted, path_of
from tests.live.comparing import apply, remove
from tests.live.emitted import Build
from tests.live.server import ADMIN, READER, Server

ROOT = Path(__file__).parents[2]
PAGE = ("--from", "bookinfo/productpage", "--to", "bookinfo/reviews", "GET", "/reviews/7")


@pytest.fixture(params=["istio", "ambient", "linkerd"])
def applied(own: Server, request: pytest.FixtureRequest) -> Iterator[Build]:
    (build,) = (one for one in emitted.builds() if one.name == f"bookinfo on {request.param}")
    emitted.prepare(own.api, [build])
    for one in build.bundle.plan.services:  # as their owners would have made them
        ports = [{"name": "http", "port": port.number, "targetPort": port.target} for port in one.ports]
        spec = {"selector": dict(one.labels), "ports": ports}
        metadata = {"name": one.name, "namespace": one.namespace}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
        own.api.delete(service)
        accepted([own.api.create({**service, "spec": spec})])
    apply(own, [build])
    for body in build.bodies(partial=False):
        if body["kind"] == "Gateway":  # what Istio's controller writes once the waypoint runs
            path = f"{path_of(body)}/{body['metadata']['name']}/status"
            status = {"status": {"addresses": [{"type": "IPAddress", "value": "10.0.0.9"}]}}
            accepted([own.api.request("PATCH", path, status, form="application/merge-patch+json")])
    yield build
    remove(own, [build])


def trace(server: Server, user: str, build: Build, *arguments: str) -> tuple[int, str]:
    environment = {
        **os.environ,
        "KUBECONFIG": str(server.kubeconfig(user)),
        "PATH": f"{Path(server.kubectl).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "meshdsl", "trace", *arguments, "--cluster", build.bundle.target.name]
    done = subprocess.run(
        command,
        cwd=ROOT / "examples" / "bookinfo",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "internal error" not in done.stderr
    return done.returncode, done.stdout or done.stderr


def answer(server: Server, build: Build, *arguments: str) -> dict[str, Any]:
    code, text = trace(server, ADMIN, build, *arguments, "--live", "--format", "json")
    assert code == 0, text
    found: dict[str, Any] = json.loads(text)["traces"][0]
    return found


def test_the_objects_of_the_cluster_answer_as_the_policies_mean(own: Server, applied: Build) -> None:
    assert answer(own, applied, *PAGE)["versions"] == {"v1": 90, "v2": 10}
    assert answer(own, applied, *PAGE, "-H", "end-user: jason")["versions"] == {"v2": 100}
    stranger = ("--from", "anyone", *PAGE[2:])
    assert answer(own, applied, *stranger)["verdict"] in ("denied", "no route")


def test_what_somebody_else_applied_counts(own: Server, applied: Build) -> None:
    """A share that was moved by hand is what the cluster does, and what the policies mean is said beside it."""
    kind, path = ("VirtualService", "route") if applied.bundle.target.name == "istio" else ("HTTPRoute", "backendRefs")
    (body,) = (
        one
        for one in applied.bodies(partial=False)
        if one["kind"] == kind and one["metadata"]["name"].startswith("reviews") and "weight" in json.dumps(one)
    )
    rules = body["spec"]["http" if kind == "VirtualService" else "rules"]
    for rule in rules:
        for destination, weight in zip(rule.get(path, ()), (50, 50), strict=False):
            if len(rule[path]) == 2:
                destination["weight"] = weight
    accepted([own.api.apply(body)])
    assert answer(own, applied, *PAGE)["versions"] == {"v1": 50, "v2": 50}
    code, text = trace(own, ADMIN, applied, *PAGE, "--live")
    assert code == 0
    assert "the policies mean: allowed, v1 90 %, v2 10 %" in text


def test_a_port_that_the_cluster_does_not_have_is_said(own: Server, applied: Build) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "reviews", "namespace": "bookinfo"}}
    own.api.delete(service)
    accepted([own.api.create({**service, "spec": {"selector": {"app": "reviews"}, "ports": [{"port": 80}]}})])
    code, text = trace(own, ADMIN, applied, *PAGE, "--live")
    assert code == 3
    assert "Service bookinfo/reviews of the cluster has no port 9080; it has 80" in text


def test_what_may_not_be_read_makes_the_answer_unknown(own: Server, applied: Build) -> None:
    code, text = trace(own, READER, applied, *PAGE, "--live")
    assert code == 3
    assert "forbidden" in text


def test_the_role_that_is_printed_is_enough(own: Server, applied: Build) -> None:
    code, text = trace(own, ADMIN, applied, *PAGE, "--show-rbac")
    assert code == 0
    import yaml

    role = yaml.safe_load(text)
    role["metadata"]["name"] = f"trace-{applied.bundle.target.name}"
    user = f"{READER}"
    own.allow(role, user)
    code, text = trace(own, user, applied, *PAGE, "--live")
    assert code == 0, text
    assert "v1 90 %, v2 10 %" in text
    verbs = {event["verb"] for event in own.requests_of(user)}
    assert verbs <= {"get", "list"}
