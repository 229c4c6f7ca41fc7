"""Apply, compare, and say what differs: what the live tests share."""

from __future__ import annotations

from collections.abc import Iterator

from meshdsl.cluster import KubectlCluster
from meshdsl.compare.report import DiffReport
from tests.live import emitted
from tests.live.api import accepted, at_once
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
    spaces = [body for body in bodies if body["kind"] == "Namespace"]
    bare = [{**body, "metadata": {"name": body["metadata"]["name"]}} for body in spaces]
    accepted(at_once(server.api.apply, bare))
