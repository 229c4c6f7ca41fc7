"""Who may call what, read from a real server: what was applied, and what somebody else has put beside it."""

from __future__ import annotations

import meshdsl
from meshdsl import Allow, DefaultDeny, Istio, MutualTls, Namespace, PolicySet, Proxy, Service, build
from tests.live.api import Body, accepted
from tests.live.comparing import apply, cluster_of, remove
from tests.live.emitted import Build
from tests.live.server import Server

SPACE = Namespace("reach")
WEB, API = Service("web", SPACE, port=80), Service("api", SPACE, port=80)
POLICIES = PolicySet(
    (
        WEB,
        API,
        Proxy(SPACE),
        MutualTls(SPACE, mode="strict"),
        DefaultDeny(SPACE),
        Allow(API, callers=(WEB,), methods=("GET",)),
    ),
    name="reach",
)


def test_a_live_mesh_says_who_may_call_whoever_wrote_the_rules(own: Server) -> None:
    made = Build("reach", build(POLICIES, Istio()), POLICIES)
    space: Body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE.name}}
    accepted(answer for answer in [own.api.create(space)] if answer.status != 409)
    services: list[Body] = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": one.name, "namespace": SPACE.name},
            "spec": {"selector": {"app": one.name}, "ports": [{"name": "http", "port": 80}]},
        }
        for one in (WEB, API)
    ]
    try:
        accepted([own.api.create(one) for one in services])
        apply(own, [made])
        assert asked(own, made) == [(("reach/web",), ("GET",), "AuthorizationPolicy reach/api")]
        theirs: Body = {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "theirs", "namespace": SPACE.name},
            "spec": {
                "selector": {"matchLabels": {"app": "api"}},
                "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/ci/sa/robot"]}}]}],
            },
        }
        accepted([own.api.create(theirs)])
        assert asked(own, made) == [
            (("service account ci/robot",), (), "AuthorizationPolicy reach/theirs"),
            (("reach/web",), ("GET",), "AuthorizationPolicy reach/api"),
        ]
        accepted([own.api.delete(theirs)])
    finally:
        for one in services:
            own.api.delete(one)
        remove(own, [made])


def asked(own: Server, made: Build) -> list[tuple[tuple[str, ...], tuple[str, ...], str]]:
    """Who can call the api now."""
    with cluster_of(own) as cluster:
        answer = meshdsl.access(made.bundle, cluster).to("reach/api")
    assert answer.is_complete
    return [(row.callers, row.methods, row.because[0].what) for row in answer.rows]
