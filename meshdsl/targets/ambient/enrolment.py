"""Enrolment: the label by which ztunnel takes the traffic of a namespace's pods, or of one workload's.

There is no sidecar, so nothing is said of resources. A revision is written on the waypoint alone: ztunnel has none,
and ``istio.io/rev`` on a namespace is what a sidecar injector looks for (``mutatingwebhook.yaml``). A pod that gets a
sidecar is left out of ambient, and its sidecar reads none of the policies that are attached to a Service.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshdsl.manifest import Manifest
from meshdsl.plan.intent import Namespace, Plan, Service
from meshdsl.targets.istio.enrolment import namespace_enrolment, workload_enrolment
from meshdsl.values import Json

DATAPLANE_MODE: Final = "istio.io/dataplane-mode"


def enrolled_namespace(namespace: Namespace, plan: Plan) -> Iterator[Manifest]:
    """The label that enrols the pods of a namespace or keeps them out, if a policy says either."""
    proxy = namespace.proxy
    if proxy is not None and proxy.enrolled is not None:
        yield namespace_enrolment(namespace, proxy, plan, _label(enrolled=proxy.enrolled))


def enrolled_workload(service: Service, plan: Plan) -> Iterator[Manifest]:
    """The label of a workload's pods, if a policy on the service itself enrols them or keeps them out."""
    proxy = service.proxy
    if proxy is None or proxy.enrolled is None or service.workload is None:
        return
    metadata: Json = {"labels": _label(enrolled=proxy.enrolled)}
    yield workload_enrolment(service, service.workload, proxy, plan, metadata)


def revision_of(namespace: Namespace, profile: str) -> str:
    """The revision of the control plane that runs a namespace's waypoint: its policy's, or the profile's."""
    return (namespace.proxy.revision if namespace.proxy is not None else "") or profile


def _label(*, enrolled: bool) -> dict[str, str]:
    return {DATAPLANE_MODE: "ambient" if enrolled else "none"}
