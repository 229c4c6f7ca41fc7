"""Enrolment: labels of a namespace or of a workload's pods, and the resources of their sidecars.

These are fields of objects that belong to others, so the manifests are partial. A namespace is enrolled by
``istio-injection`` or, for a control plane of its own, ``istio.io/rev``; never by both, because the first wins. What a
sidecar may use is told by annotations of the pod template, which is why the workload must be known.
"""

from __future__ import annotations

from typing import Final

from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Namespace, Plan, Proxy, Resources, Service, Workload
from meshdsl.values import Json

INJECTION: Final = "istio-injection"
REVISION: Final = "istio.io/rev"
INJECT_POD: Final = "sidecar.istio.io/inject"

_ANNOTATIONS: Final = (
    ("sidecar.istio.io/proxyCPU", "cpu_request"),
    ("sidecar.istio.io/proxyCPULimit", "cpu_limit"),
    ("sidecar.istio.io/proxyMemory", "memory_request"),
    ("sidecar.istio.io/proxyMemoryLimit", "memory_limit"),
)


def namespace_labels(proxy: Proxy, revision: str) -> dict[str, str]:
    """The label that enrols the pods of a namespace or keeps them out; none if the policy says neither.

    ``revision`` is that of the control plane where the policy names none; empty for the default one.
    """
    if proxy.enrolled is None:
        return {}
    if not proxy.enrolled:
        return {INJECTION: "disabled"}
    chosen = proxy.revision or revision
    return {REVISION: chosen} if chosen else {INJECTION: "enabled"}


def namespace_enrolment(namespace: Namespace, proxy: Proxy, plan: Plan, labels: dict[str, str]) -> Manifest:
    """Labels of a namespace, as a patch."""
    return manifest(
        ObjectRef("v1", "Namespace", "", namespace.name),
        Phase.NAMESPACE,
        plan.set_name,
        content={},
        owner=(namespace.name, ""),
        origins=(proxy.source.origin,) if proxy.source.origin is not None else (),
        labels=labels,
        partial=True,
    )


def proxy_of(service: Service, plan: Plan) -> Proxy | None:
    """The policy that holds for a service's pods: its own, whole, or its namespace's."""
    return service.proxy if service.proxy is not None else plan.namespace(service.namespace).proxy


def pod_labels(proxy: Proxy, revision: str) -> dict[str, str]:
    """The labels by which pods are enrolled or kept out whatever their namespace says of it."""
    if proxy.enrolled is None:
        return {}
    labels = {INJECT_POD: "true" if proxy.enrolled else "false"}
    chosen = proxy.revision or revision
    return {**labels, REVISION: chosen} if proxy.enrolled and chosen else labels


def pod_annotations(resources: Resources) -> dict[str, str]:
    """The annotations that set a sidecar's requests and limits."""
    return {key: getattr(resources, name) for key, name in _ANNOTATIONS if getattr(resources, name)}


def pod_template(service: Service, plan: Plan, revision: str) -> dict[str, Json]:
    """The metadata that the pods of a service need; empty if no policy says anything of them.

    Enrolment is written for a policy on the service alone: a namespace's own label does it for all its pods.
    """
    proxy = proxy_of(service, plan)
    if proxy is None:
        return {}
    metadata: dict[str, Json] = {}
    labels = pod_labels(service.proxy, revision) if service.proxy is not None else {}
    annotations = pod_annotations(proxy.resources) if proxy.resources is not None else {}
    if labels:
        metadata["labels"] = dict(sorted(labels.items()))
    if annotations:
        metadata["annotations"] = dict(sorted(annotations.items()))
    return metadata


def workload_enrolment(service: Service, workload: Workload, proxy: Proxy, plan: Plan, metadata: Json) -> Manifest:
    """Labels and annotations of a workload's pod template, as a patch."""
    return manifest(
        ObjectRef(workload.api_version, workload.kind, service.namespace, workload.name),
        Phase.NAMESPACE,
        plan.set_name,
        content={"spec": {"template": {"metadata": metadata}}},
        owner=(service.namespace, service.name),
        origins=(proxy.source.origin,) if proxy.source.origin is not None else (),
        partial=True,
    )
