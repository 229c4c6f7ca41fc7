"""The waypoint of a namespace, and which Services are bound to it.

In ambient there is no proxy beside the workload. ztunnel, on the node, knows identities and ports; whatever looks at
requests (routes, breakers, access by method or path) happens in a waypoint, and only for Services bound to it. So a
namespace has one waypoint if some service needs it, each such service is bound to it by name, and each service whose
callers ztunnel judges by their identity is kept away from any waypoint by name, too: behind one, ztunnel would see the
waypoint's identity in place of the caller's, and a deny would no longer match.

A Service takes its binding from its namespace if it has none of its own (``pilot/pkg/serviceregistry/ambient/
waypoints.go``), which is why both cases are written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshdsl.diagnostics import Origin
from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Namespace, Plan, Service
from meshdsl.targets.gateway_api import API_VERSION

CREATE: Final = "create"
"""The profile's word for a waypoint of our own."""
OWN_NAME: Final = "waypoint"
"""The name of a waypoint of our own, which ``istioctl waypoint apply`` gives as well."""
UNBOUND: Final = "none"
"""What ``istio.io/use-waypoint`` says to keep a Service away from its namespace's waypoint."""

USE_WAYPOINT: Final = "istio.io/use-waypoint"
INGRESS_USE_WAYPOINT: Final = "istio.io/ingress-use-waypoint"
WAYPOINT_FOR: Final = "istio.io/waypoint-for"
REVISION: Final = "istio.io/rev"


def needs_waypoint(service: Service) -> bool:
    """Whether anything that is meant for a service happens in a waypoint: routes, a breaker, access by request.

    A breaker does so on TCP ports as well: ztunnel has no connection limits and ejects nothing.
    """
    return service.has_rules or service.breaker is not None or service.access.is_http


def is_judged_at_ztunnel(service: Service) -> bool:
    """Whether ztunnel decides by the identity of the caller."""
    return not needs_waypoint(service) and (service.access.closed or bool(service.access.deny))


def is_fenced(service: Service) -> bool:
    """Whether the waypoint judges who may call, so that nobody may go past it to the pods."""
    return needs_waypoint(service) and (service.access.closed or bool(service.access.deny))


def waypoint_name(profile: str) -> str:
    """The name of the waypoint, from the profile's ``waypoint`` field."""
    return OWN_NAME if profile == CREATE else profile


def waypoint_principal(trust_domain: str, namespace: str, name: str) -> str:
    """The waypoint's identity as a policy writes it: its service account is named after the Gateway."""
    return f"{trust_domain}/ns/{namespace}/sa/{name}"


def waypoint(namespace: Namespace, plan: Plan, *, revision: str) -> Iterator[Manifest]:
    """The waypoint's Gateway, if some service of the namespace needs one.

    Args:
        namespace: where it stands.
        plan: everything.
        revision: of the control plane that runs it; empty for the default one.
    """
    in_need = [service for service in plan.services_in(namespace.name) if needs_waypoint(service)]
    if not in_need:
        return
    labels = {WAYPOINT_FOR: "service"}
    if revision:
        labels[REVISION] = revision
    yield manifest(
        ObjectRef(API_VERSION, "Gateway", namespace.name, OWN_NAME),
        Phase.WAYPOINT,
        plan.set_name,
        content={
            "spec": {
                "gatewayClassName": "istio-waypoint",
                "listeners": [
                    {
                        "name": "mesh",
                        "port": 15008,
                        "protocol": "HBONE",
                        "allowedRoutes": {"namespaces": {"from": "Same"}},
                    }
                ],
            }
        },
        owner=(namespace.name, ""),
        origins=_origins(in_need),
        labels=labels,
    )


def binding(service: Service, set_name: str, name: str) -> Iterator[Manifest]:
    """The labels on the Service that send its requests through the waypoint, or keep them from any.

    An ingress gateway goes past waypoints unless the Service says otherwise, and the fence would then refuse a gateway
    that is an allowed caller.

    Args:
        service: whose Service it is; of the object only these labels are ours.
        set_name: name of the policy set.
        name: of the waypoint.
    """
    if needs_waypoint(service):
        labels = {USE_WAYPOINT: name, INGRESS_USE_WAYPOINT: "true"}
    elif is_judged_at_ztunnel(service):
        labels = {USE_WAYPOINT: UNBOUND}
    else:
        return
    yield manifest(
        ObjectRef("v1", "Service", service.namespace, service.name),
        Phase.BINDING,
        set_name,
        content={},
        owner=(service.namespace, service.name),
        origins=_origins([service]),
        labels=labels,
        partial=True,
    )


def _origins(services: list[Service]) -> tuple[Origin, ...]:
    found = [service.source.origin for service in services if service.source.origin is not None]
    return tuple(dict.fromkeys(found))
