"""Live objects as a cluster would have them, made of bundles: what a server, kubectl and others add."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import meshdsl
from meshdsl import Allow, Breaker, Canary, MutualTls, Namespace, Proxy, Retry, Service, Timeout
from meshdsl.compare.diff import diff
from meshdsl.compare.documents import kind_of
from meshdsl.compare.live import Scope, Snapshot
from meshdsl.compare.normalise import key_of
from meshdsl.compare.offline import read
from meshdsl.compare.report import DiffReport
from meshdsl.compiler import Bundle
from meshdsl.model.policy_set import PolicySet
from tests import oracle
from tests.oracle import crds

WORKLOAD = meshdsl.Workload("Deployment", "api")
MESHES = ("istio", "ambient", "linkerd")
_TARGETS: dict[str, Any] = {
    "istio": meshdsl.Istio(),
    "ambient": meshdsl.Ambient(default_retries="off", gateway_api_channel="experimental"),
    "linkerd": meshdsl.Linkerd(),
}


@cache
def bundle(mesh: str, *, percent: int = 10, name: str = "shop", breaker: bool = True, proxy: bool = True) -> Bundle:
    """A service with a bit of everything."""
    prod = Namespace("prod")
    web = Service("web", prod, port=80)
    api = Service("api", prod, port=8080, versions=("v1", "v2"), replicas=6, workload=WORKLOAD)
    policies: list[Any] = [
        web,
        MutualTls(prod, mode="strict"),
        Canary(api, stable="v1", canary="v2", percent=percent),
        Timeout(api, "60s"),
        Retry(api, attempts=3, retry_on=("5xx", "reset", "connect-failure")),
        Allow(api, callers=(web,)),
    ]
    if breaker:
        policies.append(Breaker(api, consecutive_5xx=5, interval="30s", base_ejection_time="30s"))
    if proxy and mesh != "ambient":
        policies.append(Proxy(api, cpu_request="100m", cpu_limit="1", memory_request="128Mi", memory_limit="256Mi"))
    target = _TARGETS[mesh]
    every = {f"MESH5{number:02d}" for number in range(1, 63)}
    object.__setattr__(target, "accept", tuple(sorted(every)))
    return meshdsl.build(PolicySet(tuple(policies), name), target)


def stored(body: Any, *, manager: str = "kubectl", defaults: bool = True) -> dict[str, Any]:
    """An object as a server keeps it: defaults, and metadata of its own."""
    whole: dict[str, Any] = copy.deepcopy(dict(body))
    if defaults and oracle.available():
        whole = oracle.defaulted(whole, gateway_api_channel="experimental", partial=True)
    metadata = dict(whole["metadata"])
    own = {f"f:{k}": _fields(v) for k, v in metadata.items() if k in ("labels", "annotations")}
    tree = {"f:metadata": own} if own else {}
    tree |= {f"f:{k}": _fields(v) for k, v in body.items() if k not in ("apiVersion", "kind", "metadata")}
    whole["metadata"] = {
        **metadata,
        "uid": "6a7e",
        "resourceVersion": "1412",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": tree}],
    }
    whole["status"] = {"conditions": [{"type": "Accepted", "status": "True"}]}
    return whole


def _fields(value: Any) -> Any:
    return {f"f:{k}": _fields(v) for k, v in value.items()} if isinstance(value, dict) else {}


def cluster(of: Bundle, **more: Any) -> Snapshot:
    """A cluster to which a bundle was applied."""
    return snapshot([stored(one.body, manager="meshdsl") for one in of.manifests], **more)


def snapshot(objects: list[dict[str, Any]], **more: Any) -> Snapshot:
    """Objects as a cluster that was read whole."""
    scopes = frozenset(Scope(kind_of(one), "") for one in objects)
    return Snapshot(**{"objects": tuple(objects), "scopes": scopes, "name": "test", **more})


def fields(of: Bundle, live: Any, **options: Any) -> DiffReport:
    """The difference without its meaning."""
    return diff(of, live, views=("fields",), **options)


def changed(of: Bundle, kind: str, name: str, change: Any) -> Snapshot:
    """A cluster in which one object was changed after the apply."""
    objects = [stored(one.body, manager="meshdsl") for one in of.manifests]
    found = [one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name]
    assert found, sorted(key_of(one)[1:] for one in objects)
    change(found[0])
    return snapshot(objects)


@cache
def definitions(*folders: str) -> tuple[Any, ...]:
    """The CustomResourceDefinitions of some folders."""
    return tuple(one for folder in folders for one in read(crds.FOLDER / folder).crds or ())


def every_definition(channel: str = "experimental") -> tuple[Any, ...]:
    """What a cluster of all meshes has installed."""
    return definitions(crds.ISTIO, crds.LINKERD, crds.SMI, crds.GATEWAY_API[channel])
