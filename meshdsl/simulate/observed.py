"""What a cluster has instead of what the policies declare: its own Services, and the pods of its workloads.

Ports, selectors, labels and service accounts of a live cluster take the place of the declared ones, service by service,
so that a question about a cluster is answered for what runs there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from meshdsl.simulate.inventory import Inventory, KubeService, Port
from meshdsl.simulate.words import Labels

_PROTOCOLS = ("http", "http2", "grpc", "tcp", "tls")
_APP_PROTOCOLS = {
    "kubernetes.io/h2c": "http2",
    "kubernetes.io/ws": "http",
    "kubernetes.io/wss": "tls",
    "https": "tls",
    "mongo": "tcp",
    "mysql": "tcp",
    "redis": "tcp",
    "grpc-web": "http",
}
"""What is not called by its protocol: Kubernetes' own names, and Istio's (istio.io, protocol selection)."""
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")


def observed(declared: Inventory, objects: Iterable[Mapping[str, Any]], complete: Collection[str] = ()) -> Inventory:
    """The inventory with what a cluster really has.

    Args:
        declared: what the policies declare; it stays for services that the cluster does not show.
        objects: of the cluster; only whole Services, Deployments, StatefulSets and DaemonSets are looked at.
        complete: namespaces of which every Service is among the objects, ``""`` for all: what is declared there and
            not among them does not exist.
    """
    seen = list(objects)
    if complete:
        there = {f"{_namespace(one)}/{one['metadata']['name']}" for one in seen if one.get("kind") == "Service"}
        declared = Inventory(
            {
                name: one
                for name, one in declared.services.items()
                if name in there or ("" not in complete and one.namespace not in complete)
            }
        )
    workloads = [one for one in seen if one.get("kind") in _WORKLOADS and "template" in (one.get("spec") or {})]
    services = [one for one in seen if one.get("kind") == "Service" and (one.get("spec") or {}).get("ports")]
    return declared.with_services(_service(one, workloads, declared) for one in services)


def _service(body: Mapping[str, Any], workloads: Sequence[Mapping[str, Any]], declared: Inventory) -> KubeService:
    metadata, spec = body["metadata"], body["spec"]
    namespace, name = _namespace(body), metadata["name"]
    known = declared.services.get(f"{namespace}/{name}")
    selector: Labels = frozenset((spec.get("selector") or {}).items())
    ports = tuple(_port(port, known) for port in spec["ports"] if port.get("protocol", "TCP") == "TCP")
    one = KubeService(namespace, name, selector, ports, pods=(selector,))
    if known is not None:
        one = replace(known, selector=selector, ports=ports)
    pods = list(_pods(namespace, selector, workloads))
    if not pods:
        return one
    labels = tuple(dict.fromkeys(pod for pod, _ in pods))
    return replace(
        one, account=pods[0][1], pods=labels, versions=tuple(_version(pod, selector, known) for pod in labels)
    )


def _pods(namespace: str, selector: Labels, workloads: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Labels, str]]:
    """Labels and service account of the pods that a selector takes; none selects nothing."""
    for one in workloads:
        template = one["spec"]["template"]
        labels: Labels = frozenset(((template.get("metadata") or {}).get("labels") or {}).items())
        if _namespace(one) == namespace and selector and selector <= labels:
            yield labels, (template.get("spec") or {}).get("serviceAccountName") or "default"


def _namespace(body: Mapping[str, Any]) -> str:
    return str(body["metadata"].get("namespace") or "default")


def _version(pod: Labels, selector: Labels, known: KubeService | None) -> str:
    """The version that a sort of pod is: as declared, else by the label that everybody uses for it."""
    if known is not None:
        for labels, version in zip(known.pods, known.versions, strict=True):
            if labels - known.selector <= pod - selector and version:
                return version
    return dict(pod).get("version", "")


def _port(port: Mapping[str, Any], known: KubeService | None) -> Port:
    number, name = port["port"], port.get("name", "")
    declared = known.port(number) if known is not None else None
    said = _APP_PROTOCOLS.get(port.get("appProtocol", ""), port.get("appProtocol", "")) or name.partition("-")[0]
    protocol = said if said in _PROTOCOLS else declared.protocol if declared is not None else "tcp"
    return Port(number, port.get("targetPort", number), protocol, name)
