"""Build → apply → read back → compare, on the real server: nothing differs, and a change is exactly that change.

Everything is applied as the documentation says, ``kubectl apply --server-side`` with our field manager. A namespace of its
own for every build keeps them apart; what the fields refer to stays as it was, as the server does not look at it. So only
fields are compared here: ``test_views`` compares what they mean, with the policies' own namespaces.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshdsl.compare.diff import diff
from meshdsl.compare.kinds import scopes_of
from meshdsl.compare.live import Snapshot
from tests.live import emitted
from tests.live.api import Body, accepted, at_once
from tests.live.comparing import apply, cluster_of, of_build, told
from tests.live.emitted import Build
from tests.live.server import Server


@pytest.fixture(scope="module")
def applied(server: Server) -> list[Build]:
    """Every build, applied in namespaces of its own."""
    builds = [build.moved(f"b{number}") for number, build in enumerate(emitted.builds())]
    apply(server, builds)
    return builds


def read(server: Server, builds: list[Build]) -> Snapshot:
    """One snapshot for all of them."""
    scopes = {scope for build in builds for scope in scopes_of(build.bundle)}
    with cluster_of(server) as cluster:
        return cluster.snapshot(sorted(scopes))


def is_within(ours: Any, live: Any) -> bool:
    """Whether the live value has all of ours, with nothing else in any list: read without meshdsl's own comparison."""
    if isinstance(ours, dict):
        return isinstance(live, dict) and all(name in live and is_within(ours[name], live[name]) for name in ours)
    if isinstance(ours, list):
        return isinstance(live, list) and len(ours) == len(live) and all(map(is_within, ours, live))
    return type(ours) is type(live) and bool(ours == live)


def all_is_as_meant(server: Server, builds: list[Build]) -> None:
    bodies = [(build, body) for build in builds for part in (True, False) for body in build.bodies(partial=part)]
    answers = at_once(lambda one: server.api.get(one[1]), bodies)
    wrong = [
        f"{build}: {body} is {answer.body}"
        for (build, body), answer in zip(bodies, answers, strict=True)
        if not is_within(body, answer.body)
    ]
    assert not wrong, "\n".join(wrong)


def nothing_differs(server: Server, builds: list[Build]) -> None:
    live = read(server, builds)
    found = []
    for build in builds:
        report = diff(build.bundle, of_build(build, live), views=("fields",))
        found += told(build, replace(report, risks=()))  # which are those of the namespaces' own names
        assert report.compared == len(build.bundle.manifests)
    assert not found, "\n".join(found)


def test_what_is_read_back_is_as_it_was_meant(server: Server, applied: list[Build]) -> None:
    all_is_as_meant(server, applied)


def test_what_was_applied_does_not_differ(server: Server, applied: list[Build]) -> None:
    nothing_differs(server, applied)


def test_applying_again_changes_nothing(server: Server, applied: list[Build]) -> None:
    bodies = [body for build in applied for part in (True, False) for body in build.bodies(partial=part)]
    before, after = at_once(server.api.get, bodies), at_once(server.api.apply, bodies)
    accepted(after)
    changed = [one for one, two in zip(before, after, strict=True) if _content(one.body) != _content(two.body)]
    assert not changed, "\n".join(str(answer.body) for answer in changed)


def _content(body: Body) -> Body:
    # A kind whose status has a default (Gateway) is written again by each apply: the version says nothing.
    return {**body, "metadata": {**body["metadata"], "resourceVersion": ""}}


def test_the_same_holds_after_a_restart(server: Server, applied: list[Build]) -> None:
    server.restart()
    all_is_as_meant(server, applied)
    nothing_differs(server, applied)
