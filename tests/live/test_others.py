"""What others set on our objects: a real server keeps after our apply exactly what the comparison says that it would."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meshdsl import Allow, DefaultDeny, Istio, Linkerd, MutualTls, Namespace, PolicySet, Service, Timeout, build
from meshdsl.compare.applying import after_apply
from meshdsl.compare.diff import diff
from meshdsl.compare.kinds import scopes_of
from meshdsl.compare.normalise import key_of
from meshdsl.targets.base import Target
from tests.live.comparing import apply, cluster_of, remove
from tests.live.emitted import Build
from tests.live.server import Server

EDITS: list[tuple[Target, str, str, dict[str, Any], str]] = [
    (
        Istio(),
        "authorizationpolicies.security.istio.io",
        "default-deny",
        {"spec": {"rules": [{}]}},
        "",
    ),
    (
        Istio(),
        "authorizationpolicies.security.istio.io",
        "api",
        {"spec": {"selector": {"matchLabels": {"v": "2"}}}},
        "selector.matchLabels.v, set by kubectl-patch, stays",
    ),
    (Istio(), "authorizationpolicies.security.istio.io", "api", {"spec": {"rules": [{}]}}, ""),
    (
        Istio(),
        "authorizationpolicies.security.istio.io",
        "api",
        {"metadata": {"annotations": {"istio.io/dry-run": "true"}}},
        "annotation istio.io/dry-run, set by kubectl-patch, stays",
    ),
    (
        Istio(),
        "peerauthentication",
        "default",
        {"spec": {"selector": {"matchLabels": {"app": "api"}}}},
        "selector, set by kubectl-patch, stays",
    ),
    (Istio(), "peerauthentication", "default", {"spec": {"mtls": {"mode": "PERMISSIVE"}}}, ""),
    (Istio(), "virtualservice", "api", {"spec": {"gateways": ["x/gw"]}}, "gateways, set by kubectl-patch, stays"),
    (
        Linkerd(),
        "server.policy.linkerd.io",
        "api-80",
        {"spec": {"podSelector": {"matchLabels": {"v": "2"}}}},
        "podSelector.matchLabels.v, set by kubectl-patch, stays",
    ),
    (
        Linkerd(),
        "httproute.gateway.networking.k8s.io",
        "api-80",
        {"spec": {"hostnames": ["x.example"]}},
        "hostnames, set by kubectl-patch, stays",
    ),
]


@pytest.mark.parametrize(("target", "kind", "name", "patch", "note"), EDITS)
def test_what_would_be_there_is_what_is_there_after_the_apply(
    own: Server, target: Target, kind: str, name: str, patch: dict[str, Any], note: str
) -> None:
    prod = Namespace("others")
    api, web = Service("api", prod, port=80), Service("web", prod, port=80)
    base = (DefaultDeny(prod), Allow(api, callers=(web,)), Timeout(api, "5s"))
    strict = (MutualTls(prod, mode="strict"),) if target.name == "istio" else ()
    policies = PolicySet((api, web, *base, *strict), name="others")
    made = Build("others", build(policies, target), policies)
    apply(own, [made])
    try:
        own.kubectl_run("patch", kind, name, "-n", "others", "--type=merge", "-p", json.dumps(patch))
        with cluster_of(own) as cluster:
            before = cluster.snapshot(scopes_of(made.bundle))
        report = diff(made.bundle, before)
        expected = after_apply(before.objects, made.bundle.manifests, crds=before.crds)
        apply(own, [made])
        with cluster_of(own) as cluster:
            after = cluster.snapshot(scopes_of(made.bundle))
        ours = {(one.ref.kind, one.ref.namespace, one.ref.name) for one in made.bundle.manifests}
        there, foretold = ({key_of(one): _content(one) for one in every if key_of(one)[1:] in ours}
                           for every in (after.objects, expected.objects))  # fmt: skip
        assert there == foretold
        assert bool(expected.beside) is bool(note)
        assert note in f"{report.policy_note}; {report.access_note}"
    finally:
        remove(own, [made])


def _content(one: Any) -> Any:
    """What somebody set of an object, without what a server writes."""
    metadata = {part: one["metadata"].get(part) or {} for part in ("labels", "annotations")}
    return {"metadata": metadata, **{k: v for k, v in one.items() if k not in ("metadata", "status", "apiVersion")}}
