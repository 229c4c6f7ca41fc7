"""Annotations: of a namespace, and of one workload's pods.

All annotations of a namespace go into one partial object, so that one object owns the decision. What a service says
for itself is written on its workload's pod template: the injector reads the pod before the namespace.
"""

from __future__ import annotations

from collections.abc import Iterator

from meshdsl.diagnostics import Origin
from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Namespace, Plan, Proxy, Service
from meshdsl.plan.rights import MtlsMode
from meshdsl.plan.source import Source
from meshdsl.values import Json


def namespace_annotations(namespace: Namespace, plan: Plan) -> Iterator[Manifest]:
    """Injection, default inbound policy and sidecar resources of a namespace, if any policy says something."""
    annotations = {} if namespace.proxy is None else proxy_annotations(namespace.proxy)
    policy = default_inbound_policy(namespace)
    if policy:
        annotations["config.linkerd.io/default-inbound-policy"] = policy
    if not annotations:
        return
    sources = [part.source for part in (namespace.proxy, namespace.mtls or plan.mesh.mtls) if part is not None]
    if namespace.default_deny:
        sources.append(namespace.own_default_deny or plan.mesh.default_deny or Source())
    yield manifest(
        ObjectRef("v1", "Namespace", "", namespace.name),
        Phase.NAMESPACE,
        plan.set_name,
        content={},
        owner=(namespace.name, ""),
        origins=_origins(sources),
        annotations=annotations,
        partial=True,
    )


def default_inbound_policy(namespace: Namespace) -> str:
    """What is allowed on ports without a Server; empty if no policy says.

    Every pod outside the mesh is unauthenticated, so ``all-authenticated`` is strict mTLS.
    """
    if namespace.default_deny:
        return "deny"
    if namespace.effective_mtls is None:
        return ""
    return open_policy(namespace.effective_mtls)


def open_policy(mode: MtlsMode) -> str:
    """The policy that allows every caller that an mTLS mode lets in."""
    return "all-authenticated" if mode is MtlsMode.STRICT else "all-unauthenticated"


def workload_annotations(service: Service) -> Iterator[Manifest]:
    """Injection and sidecar resources of one workload, on its pod template (changing it restarts the pods)."""
    if service.proxy is None or service.workload is None:
        return
    annotations = proxy_annotations(service.proxy)
    if not annotations:
        return
    workload = service.workload
    template: Json = {"template": {"metadata": {"annotations": dict(sorted(annotations.items()))}}}
    spec: Json = {"jobTemplate": {"spec": template}} if workload.kind == "CronJob" else template
    yield manifest(
        ObjectRef(workload.api_version, workload.kind, service.namespace, workload.name),
        Phase.IDENTITY,
        "",
        content={"spec": spec},
        owner=(service.namespace, service.name),
        origins=_origins([service.proxy.source]),
        partial=True,
    )


def proxy_annotations(proxy: Proxy) -> dict[str, str]:
    """``linkerd.io/inject`` and the proxy's resources; a misspelled one would be ignored in silence."""
    annotations: dict[str, str] = {}
    if proxy.enrolled is not None:
        annotations["linkerd.io/inject"] = "enabled" if proxy.enrolled else "disabled"
    if proxy.resources is not None:
        wanted = {
            "proxy-cpu-request": proxy.resources.cpu_request,
            "proxy-cpu-limit": proxy.resources.cpu_limit,
            "proxy-memory-request": proxy.resources.memory_request,
            "proxy-memory-limit": proxy.resources.memory_limit,
        }
        annotations |= {f"config.linkerd.io/{key}": value for key, value in wanted.items() if value}
    return annotations


def _origins(sources: list[Source]) -> tuple[Origin, ...]:
    return tuple(dict.fromkeys(source.origin for source in sources if source.origin is not None))
