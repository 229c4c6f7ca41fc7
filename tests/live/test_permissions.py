"""What a comparison asks of an API server: nothing but get and list, with exactly the role that it prints.

The audit log of the server is the witness.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from meshdsl.cli.diff_sides import answered
from meshdsl.cluster import cluster_role
from meshdsl.compare.diff import diff
from meshdsl.compare.kinds import scopes_of
from meshdsl.compare.live import Snapshot
from tests.live import emitted
from tests.live.api import accepted
from tests.live.comparing import cluster_of, of_build, told
from tests.live.conftest import serving
from tests.live.emitted import Build
from tests.live.server import DRY_RUNNER, READER, Server

EXAMPLES = ("seed on istio", "seed on ambient", "seed on linkerd")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of which the audit log and the roles are this module's alone, with every second object applied."""
    for server in serving(tmp_path_factory, "experimental"):
        for build in examples():
            emitted.prepare(server.api, [build])
            accepted(server.api.apply(body) for body in build.bodies(partial=True))
            accepted(server.api.apply(body) for body in build.bodies(partial=False)[::2])
        yield server


def examples() -> list[Build]:
    found = [build for build in emitted.builds() if build.name in EXAMPLES]
    assert len(found) == len(EXAMPLES)
    return [build.moved(build.bundle.target.name) for build in found]


def allow(server: Server, user: str, builds: list[Build], *, server_side: bool = False) -> None:
    """Give a user the role of ``--show-rbac``, and nothing else."""
    scopes = {scope for build in builds for scope in scopes_of(build.bundle)}
    applied = [one for build in builds for one in build.bundle.manifests] if server_side else []
    role = dict(cluster_role(scopes, applied=applied, name=f"{user}-role"))
    server.allow(role, user)


def snapshot(server: Server, user: str, build: Build) -> Snapshot:
    with cluster_of(server, user) as cluster:
        found = cluster.snapshot(scopes_of(build.bundle))
    return of_build(build, found)  # the others are of the same set, and would be told to be deleted


def test_a_user_without_any_role_is_told_that_nothing_is_known(own: Server) -> None:
    (build, *_) = examples()
    live = snapshot(own, DRY_RUNNER, build)
    report = diff(build.bundle, live)
    assert not live.objects
    assert {one.code for one in report.unknown} == {"forbidden"}
    assert not report.objects, "what is not known is no difference"


def test_a_user_with_the_role_that_is_printed_sees_the_whole_difference(own: Server) -> None:
    allow(own, READER, examples())
    for build in examples():
        seen = diff(build.bundle, snapshot(own, READER, build))
        whole = diff(build.bundle, snapshot(own, "admin", build))
        assert len(whole.objects) == len(build.bodies(partial=False)[1::2])
        assert replace(seen, against="") == replace(whole, against="")
        assert not seen.unknown
        assert seen.compared == len(build.bundle.manifests)


def test_the_role_has_nothing_that_is_not_asked_for(own: Server) -> None:
    """Each resource of the role is in the audit log of the comparison, so none could be left out."""
    allow(own, READER, examples())
    for build in examples():
        snapshot(own, READER, build)
    asked = {event["objectRef"]["resource"] for event in own.requests_of(READER) if "objectRef" in event}
    scopes = {scope for build in examples() for scope in scopes_of(build.bundle)}
    rules: Any = cluster_role(scopes)["rules"]
    assert asked == {resource for rule in rules for resource in rule["resources"]}


def test_a_comparison_gets_and_lists_and_nothing_else(own: Server) -> None:
    allow(own, READER, examples())
    for build in examples():
        snapshot(own, READER, build)
    requests = own.requests_of(READER)
    assert len(requests) > 20
    assert {event["verb"] for event in requests} <= {"get", "list"}
    assert not [event for event in requests if "secrets" in event["requestURI"]]


def test_server_side_sends_nothing_but_dry_runs(own: Server) -> None:
    allow(own, DRY_RUNNER, examples(), server_side=True)
    for build in examples():
        before = versions(own, build)
        with cluster_of(own, DRY_RUNNER, server_side=True) as cluster:
            live = cluster.snapshot(scopes_of(build.bundle))
            live = of_build(build, live)
            bundle, refused = answered(cluster, build.bundle, live)
        assert not refused, [one.reason for one in refused]
        seen, plain = diff(bundle, live), diff(build.bundle, live)
        assert [(one.ref, one.action) for one in seen.objects] == [(one.ref, one.action) for one in plain.objects]
        assert versions(own, build) == before, "something was written"
    changing = [event for event in own.requests_of(DRY_RUNNER) if event["verb"] not in {"get", "list"}]
    assert len(changing) == sum(len(build.bundle.manifests) for build in examples())
    assert {event["verb"] for event in changing} == {"patch"}
    for event in changing:
        query = parse_qs(urlsplit(event["requestURI"]).query)
        assert query["dryRun"] == ["All"]
        assert query["fieldManager"] == ["meshdsl"]
        assert query["fieldValidation"] == ["Strict"]


def versions(server: Server, build: Build) -> list[str]:
    bodies = [body for part in (True, False) for body in build.bodies(partial=part)]
    return [server.api.get(body).body.get("metadata", {}).get("resourceVersion", "") for body in bodies]


def test_what_the_server_would_refuse_is_told_with_its_reason(standard: Server) -> None:
    """The standard channel has no ``retry``: a server-side apply is refused, and the comparison says what would be lost."""
    build = next(one for one in emitted.builds() if one.name == "retry-everything on ambient")
    emitted.prepare(standard.api, [build])
    with cluster_of(standard, server_side=True) as cluster:
        live = cluster.snapshot(scopes_of(build.bundle))
        _, refused = answered(cluster, build.bundle, live)
    assert [one for one in refused if "retry" in one.reason]
    dropped = [change for change in diff(build.bundle, live).objects if change.dropped]
    assert [change.ref.kind for change in dropped] == ["HTTPRoute"]
    assert all(path[-1] == "retry" for change in dropped for path in change.dropped)


def test_kubectl_applies_what_is_written_and_nothing_differs(own: Server) -> None:
    """By the user's own kubectl, both ways it can apply, from the text that ``meshdsl build`` writes."""
    for build in emitted.builds():
        if build.name not in EXAMPLES:
            continue
        for suffix, ways in (("client", ()), ("server", ("--server-side", "--field-manager=meshdsl"))):
            moved = build.moved(f"{suffix}-{build.bundle.target.name}")
            emitted.prepare(own.api, [moved])
            for path, text in moved.bundle.files().items():
                # Only some fields of these are ours: the file says that they need --server-side.
                way = ("--server-side", "--field-manager=meshdsl") if "# Only these fields are ours" in text else ways
                assert path.endswith(".yaml")
                own.kubectl_run("apply", *way, "-f", "-", text=text)
            report = diff(moved.bundle, snapshot(own, "admin", moved), views=("fields",))
            assert list(told(moved, replace(report, risks=()))) == []
