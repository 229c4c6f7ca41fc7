"""Apply, compare, and say what differs: what the live tests share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from meshdsl.cluster import KubectlCluster
from meshdsl.compare.live import Snapshot
from meshdsl.compare.report import DiffReport
from tests.live import emitted
from tests.live.api import Body, accepted, at_once
from tests.live.emitted import Build
from tests.live.server import ADMIN, Server


def cluster_of(server: Server, user: str = ADMIN, *, server_side: bool = False) -> KubectlCluster:
    return KubectlCluster(user, server.kubeconfig(user), kubectl=server.kubectl, server_side=server_side)


def apply(server: Server, builds: list[Build]) -> None:
    emitted.prepare(server.api, builds)
    for partial in (True, False):
        accepted(at_once(server.api.apply, [body for build in builds for body in build.bodies(partial=partial)]))


def told(build: Build, report: DiffReport) -> Iterator[str]:
    """Everything that a report says, a line each."""
    for change in report.objects:
        fields = "; ".join(f"{field.path}: {field.live!r} → {field.ours!r}" for field in change.fields)
        yield f"{build}: {change.action} {change.ref} {change.owner} {fields}"
    yield from (f"{build}: {change.subject}: {change.sentence}" for change in report.policy)
    yield from (f"{build}: {change.sentence}" for change in report.access)
    yield from (f"{build}: {finding.risk}: {finding.sentence}" for finding in report.risks)
    yield from (f"{build}: unknown: {one.reason}" for one in report.unknown)


def remove(server: Server, builds: list[Build]) -> None:
    """Delete what builds have, also what others would have made; their namespaces stay, without our fields."""
    bodies = [body for build in builds for part in (True, False) for body in build.bodies(partial=part)]
    gone = at_once(server.api.delete, [body for body in bodies if body["kind"] != "Namespace"])
    accepted(answer for answer in gone if answer.status != 404)
    accepted(at_once(server.api.apply, [bare(body) for body in bodies if body["kind"] == "Namespace"]))


def bare(body: Body) -> Body:
    """Applied, it gives up every field that was applied before."""
    metadata = {name: value for name, value in body["metadata"].items() if name in {"name", "namespace"}}
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": metadata}


def of_build(build: Build, live: Snapshot) -> Snapshot:
    """Of a snapshot, what stands in the namespaces of one build."""
    names = set(build.namespaces)

    def is_there(body: Mapping[str, Any]) -> bool:
        metadata = body["metadata"]
        return (metadata["name"] if body["kind"] == "Namespace" else metadata.get("namespace")) in names

    objects = [body for body in live.objects if is_there(body)]
    scopes = frozenset(s for s in live.scopes if s.namespace in names or not s.namespace)
    unknown = tuple(u for u in live.unknown if u.scope.namespace in names or not u.scope.namespace)
    return replace(live, objects=objects, scopes=scopes, unknown=unknown)
