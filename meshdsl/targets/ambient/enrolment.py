"""Enrolment: the label by which ztunnel takes the traffic of a namespace's pods, or of one workload's.

There is no sidecar, so nothing is said of resources. A revision is a matter of the waypoints; the namespace's label
says which control plane looks after what is made in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshdsl.manifest import Manifest
from meshdsl.plan.intent import Namespace, Plan, Proxy, Service
from meshdsl.targets.ambient.waypoint import REVISION
from meshdsl.targets.istio.enrolment import namespace_enrolment, workload_enrolment

DATAPLANE_MODE: Final = "istio.io/dataplane-mode"


def namespace_labels(proxy: Proxy, revision: str) -> dict[str, str]:
    """The labels that enrol the pods of a namespace or keep them out; none if the policy says neither.

    Args:
        proxy: the policy of the namespace.
        revision: of the control plane; empty for the default one.
    """
    if proxy.enrolled is None:
        return {}
    if not proxy.enrolled:
        return {DATAPLANE_MODE: "none"}
    return {DATAPLANE_MODE: "ambient", **({REVISION: revision} if revision else {})}


def enrolled_namespace(namespace: Namespace, plan: Plan, revision: str) -> Iterator[Manifest]:
    """The labels of a namespace, if a policy says anything of them."""
    if namespace.proxy is not None and (labels := namespace_labels(namespace.proxy, revision)):
        yield namespace_enrolment(namespace, namespace.proxy, plan, labels)


def enrolled_workload(service: Service, plan: Plan) -> Iterator[Manifest]:
    """The label of a workload's pods, if a policy on the service itself enrols them or keeps them out."""
    proxy = service.proxy
    if proxy is None or proxy.enrolled is None or service.workload is None:
        return
    labels = {DATAPLANE_MODE: "ambient" if proxy.enrolled else "none"}
    yield workload_enrolment(service, service.workload, proxy, plan, {"labels": labels})


def revision_of(namespace: Namespace, profile: str) -> str:
    """The revision of the control plane that looks after a namespace: its policy's, or the profile's."""
    return (namespace.proxy.revision if namespace.proxy is not None else "") or profile
