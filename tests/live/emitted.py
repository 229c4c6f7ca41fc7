"""Everything that meshdsl emits, as the live tests send it: every case on every target, and every example."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from meshdsl import compiler
from meshdsl.compiler import Bundle
from meshdsl.config import find_config, read_config
from meshdsl.diagnostics import MeshdslError
from meshdsl.loading.load import load
from meshdsl.manifest import Manifest
from meshdsl.model.base import Policy
from meshdsl.model.policy_set import PolicySet
from tests import golden
from tests.live.api import Api, Body, accepted, at_once

_EXAMPLES = Path(__file__).parents[2] / "examples"
_WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet")


@dataclass(frozen=True)
class Build:
    """What policies became on one target."""

    name: str
    bundle: Bundle
    policies: PolicySet

    def __str__(self) -> str:
        return self.name

    @property
    def namespaces(self) -> list[str]:
        """The namespaces that it touches."""
        return sorted({_namespace(manifest) for manifest in self.bundle.manifests} - {""})

    def bodies(self, *, partial: bool) -> list[Body]:
        """Its objects: those that are wholly ours, or those of which only some fields are."""
        return [plain(manifest) for manifest in self.bundle.manifests if manifest.partial is partial]

    def without_last_policy(self) -> Build | None:
        """The same without the last policy; None if that does not compile, or nothing is left."""
        policies = [one for one in self.policies.objects if isinstance(one, Policy)]
        kept = tuple(one for one in self.policies.objects if one is not policies[-1])
        left = replace(self.policies, objects=kept)
        try:
            return Build(f"{self} without its last policy", compiler.build(left, self.bundle.target), left)
        except MeshdslError:
            return None

    def moved(self, suffix: str) -> Build:
        """The same in namespaces of its own; what its fields refer to stays, which the server does not look at."""
        manifests = tuple(_moved(manifest, suffix) for manifest in self.bundle.manifests)
        return replace(self, bundle=replace(self.bundle, manifests=manifests))


@cache
def builds() -> tuple[Build, ...]:
    """Every case on every target that takes it, and every cluster of every example."""
    return (*_cases(), *_examples())


def plain(manifest: Manifest) -> Body:
    """The body as JSON data."""
    body: Body = json.loads(json.dumps(manifest.body))
    return body


def prepare(api: Api, given: Iterable[Build]) -> None:
    """Make what manifests assume: their namespaces, and the objects of which we own only some fields."""
    given = list(given)
    names = sorted({name for build in given for name in build.namespaces})
    made = at_once(api.create, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in names])
    accepted(answer for answer in made if answer.status != 409)
    bodies = [_owned_by_others(body) for build in given for body in build.bodies(partial=True)]
    made = at_once(api.create, [body for body in bodies if body["kind"] != "Namespace"])
    accepted(answer for answer in made if answer.status != 409)


def _cases() -> Iterator[Build]:
    for case in golden.cases():
        policies = golden.loaded(case)
        for target in case.targets() if isinstance(policies, PolicySet) else ():
            try:
                yield Build(f"{case} on {target}", compiler.build(policies, case.target(target)), policies)
            except MeshdslError:
                continue  # what it refuses is held by tests/test_cases.py


def _examples() -> Iterator[Build]:
    for path in sorted(_EXAMPLES.glob("*/meshdsl.toml")):
        config = read_config(find_config(path.parent))
        for cluster in config.clusters.values():
            policies = load(config.policies, environment=cluster.environment, name=config.name, permit=config.permit)
            yield Build(f"{config.name} on {cluster.name}", compiler.build(policies, cluster.target), policies)


def _namespace(manifest: Manifest) -> str:
    return manifest.ref.name if manifest.ref.kind == "Namespace" else manifest.ref.namespace


def _moved(manifest: Manifest, suffix: str) -> Manifest:
    body = copy.deepcopy(plain(manifest))
    metadata, ref = body["metadata"], manifest.ref
    if ref.kind == "Namespace":
        metadata["name"] = f"{ref.name}-{suffix}"
        return replace(manifest, body=body, ref=replace(ref, name=metadata["name"]))
    metadata["namespace"] = f"{ref.namespace}-{suffix}"
    return replace(manifest, body=body, ref=replace(ref, namespace=metadata["namespace"]))


def _owned_by_others(body: Body) -> Body:
    """A small object of that name, as somebody else would have made it."""
    name = body["metadata"]["name"]
    made: Body = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {"name": name}}
    if body["kind"] == "Namespace":
        return made
    made["metadata"]["namespace"] = body["metadata"]["namespace"]
    if body["kind"] == "Service":
        made["spec"] = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}]}
        return made
    assert body["kind"] in _WORKLOADS, f"no example of a {body['kind']} that others own"
    labels = {"app": name}
    made["spec"] = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}},
    }
    if body["kind"] == "StatefulSet":
        made["spec"]["serviceName"] = name
    return made
