"""TrafficSplit: the split of the Service Mesh Interface, for installations that still have linkerd-smi.

The extension turns a TrafficSplit into a ServiceProfile, and a ServiceProfile switches HTTPRoutes, retries, timeouts
and the breaker off for the whole service (measured). So a service that is split this way has weights and nothing else;
``rules`` refuses the rest. ``v1alpha1`` is the version that the extension stores and Flagger writes.
"""

from __future__ import annotations

from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Service
from meshdsl.plan.requests import Backend
from meshdsl.targets.gateway_api import version_service_name
from meshdsl.targets.linkerd.service import split_origins


def splits_by_smi(service: Service) -> bool:
    """Whether requests to a service go to its versions, so that SMI needs a TrafficSplit for it."""
    return bool(service.used_versions)


def traffic_split(service: Service, set_name: str) -> Manifest:
    """The TrafficSplit of a service, for all its ports."""
    return manifest(
        ObjectRef("split.smi-spec.io/v1alpha1", "TrafficSplit", service.namespace, service.name),
        Phase.ROUTE,
        set_name,
        content={
            "spec": {
                "service": service.name,
                "backends": [
                    {"service": _name(service, backend), "weight": backend.weight}
                    for backend in split_backends(service)
                ],
            }
        },
        owner=(service.namespace, service.name),
        origins=split_origins(service),
    )


def split_backends(service: Service) -> tuple[Backend, ...]:
    """The backends of the first table; ``rules`` has made sure that every port has the same."""
    return next(port.rules[-1].backends for port in service.ports if port.rules)


def _name(service: Service, backend: Backend) -> str:
    return service.name if backend.version is None else version_service_name(service.name, backend.version)
