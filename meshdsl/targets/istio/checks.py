"""What Istio would take and read differently, or drop: rules that span fields.

Each function looks for one trap and is named after what it asks, so that another target made of the same objects can
choose those that hold for it. None looks at levels of support: that is the table's affair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from meshdsl.diagnostics import Diagnostic, Severity
from meshdsl.plan.intent import Plan, Service
from meshdsl.plan.source import Source
from meshdsl.targets.base import Target, refused
from meshdsl.targets.istio import authorization_policy, peer_authentication
from meshdsl.targets.istio.access_checks import (
    access_can_be_written,
    closed_by_the_mesh,
    first_policy,
    pods_have_one_service,
    workload_ports_are_known,
)
from meshdsl.targets.istio.enrolment import pod_template, proxy_of
from meshdsl.targets.istio.request_checks import (
    conditions_see_what_was_sent,
    edits_arrive,
    retries_see_what_fails,
)

_PROTOCOLS_WITHOUT_REQUESTS: Final = frozenset({"tcp", "tls", "https", "mongo", "mysql", "redis", "udp"})
"""Prefixes of a port name by which Istio takes the port's traffic for bytes (``pkg/config/protocol``)."""


def sidecar_checks(plan: Plan, target: Target, root_namespace: str, revision: str) -> Iterator[Diagnostic]:
    """All of them, for sidecars; ``revision`` is that of the control plane where a policy names none."""
    yield from root_namespace_is_the_mesh(plan, root_namespace)
    yield from names_are_free(plan)
    yield from pods_have_one_service(plan, target)
    for service in plan.services:
        yield from protocols_are_not_contradicted(service)
        yield from retries_see_what_fails(service)
        yield from edits_arrive(service)
        yield from conditions_see_what_was_sent(service)
        yield from access_can_be_written(service)
        yield from workload_ports_are_known(service)
        yield from enrolment_takes_effect(service, plan, revision)
        yield from pods_can_be_reached(service, plan, revision)


def protocols_are_not_contradicted(service: Service) -> Iterator[Diagnostic]:
    """Whether a port that speaks HTTP has a name by which Istio takes it for something else. A warning.

    ``appProtocol`` goes before the name, and we do not see it.
    """
    for port in service.http_ports:
        if port.name.split("-")[0] in _PROTOCOLS_WITHOUT_REQUESTS:
            found = refused(
                "MESH614",
                f"{service}: port {port.number} speaks {port.protocol.value}, its name {port.name!r} says otherwise",
                service.source,
                field="ports",
                reason="without appProtocol, Istio goes by the name, and no rule about requests would hold",
                help=f"set appProtocol: {port.protocol.value} in the Kubernetes Service, or name the port http-…",
            )
            yield replace(found, severity=Severity.WARNING)


# ------------------------------------------------------------------------------------------- names and namespaces


def root_namespace_is_the_mesh(plan: Plan, root_namespace: str) -> Iterator[Diagnostic]:
    """Whether a policy for the root namespace alone is asked for: Istio would apply it to the whole mesh."""
    found: list[tuple[str, Source]] = []
    for namespace in plan.namespaces:
        if namespace.name == root_namespace:
            if namespace.mtls is not None:
                found.append(("the mTLS mode of the namespace", namespace.mtls.source))
            if namespace.own_default_deny is not None:
                found.append(("the default deny of the namespace", namespace.own_default_deny))
    for service in plan.services_in(root_namespace):
        access = service.access
        if service.mtls is not None:
            found.append((f"the mTLS mode of {service}", service.mtls.source))
        if access.deny or (access.closed and not closed_by_the_mesh(service, plan, root_namespace)):
            found.append((f"who may call {service}", first_policy(service)))
    for what, source in found:
        yield refused(
            "MESH606",
            f"{what} cannot be set for {root_namespace!r} alone",
            source,
            reason=f"{root_namespace!r} is Istio's root namespace: access policies there hold for every namespace, and"
            " mTLS modes for the mesh or not at all",
            help="use Mesh() as the subject, or run the workload in another namespace",
        )


def names_are_free(plan: Plan) -> Iterator[Diagnostic]:
    """Whether two objects of one kind would bear the same name."""
    taken: dict[tuple[str, str, str], tuple[str, Source]] = {}
    for kind, namespace, name, what, source in _names(plan):
        first = taken.setdefault((kind, namespace, name), (what, source))
        if first != (what, source):
            yield refused(
                "MESH607",
                f"{what} and {first[0]} would both be the {kind} {namespace}/{name}",
                source,
                help="rename one of the services, or give one of them no policy of this kind",
                related=((first[0], first[1].origin),) if first[1].origin is not None else (),
            )


def _names(plan: Plan) -> Iterator[tuple[str, str, str, str, Source]]:
    for namespace in plan.namespaces:
        where = f"namespace {namespace.name}"
        if namespace.own_default_deny is not None:
            name = authorization_policy.DEFAULT_DENY
            source = namespace.own_default_deny
            yield "AuthorizationPolicy", namespace.name, name, f"the default deny of {where}", source
        if namespace.mtls is not None:
            name = peer_authentication.OF_A_SCOPE
            yield "PeerAuthentication", namespace.name, name, f"the mode of {where}", namespace.mtls.source
    for service in plan.services:
        at = service.namespace
        if service.access.closed:
            name = authorization_policy.allow_name(service)
            yield "AuthorizationPolicy", at, name, f"the allow rules of {service}", service.source
        if service.access.deny:
            name = authorization_policy.deny_name(service)
            yield "AuthorizationPolicy", at, name, f"the deny rules of {service}", service.access.deny[0].source
        if service.mtls is not None:
            yield "PeerAuthentication", at, service.name, f"the mode of {service}", service.mtls.source
        # What their namespace says is the same for two services of one workload; what they say themselves may differ.
        if service.workload is not None and service.proxy is not None:
            yield service.workload.kind, at, service.workload.name, f"the proxy of {service}", service.proxy.source


# ------------------------------------------------------------------------------------------------------- enrolment


def enrolment_takes_effect(service: Service, plan: Plan, revision: str) -> Iterator[Diagnostic]:
    """Whether what a service says of its enrolment holds against its namespace's label.

    Istio: pods are kept out if either their namespace or they themselves say so, and a namespace's revision goes
    before a pod's. ``revision`` is that of the control plane where a policy names none.
    """
    own = service.proxy
    around = plan.namespace(service.namespace).proxy
    if own is None:
        return
    if own.enrolled is None and own.revision:
        yield refused(
            "MESH609",
            f"the policy names a revision for {service} and does not enrol it",
            own.source,
            field="revision",
            reason="the revision of a pod is part of the label that enrols it",
            help="add enrolled=True",
        )
    if not own.enrolled or around is None or around.enrolled is None:
        return
    if not around.enrolled:
        why = "the namespace is kept out, and Istio then injects no sidecar whatever the pod says"
        way = "leave enrolled=False out of the namespace's policy, and enrol its services one by one"
    elif (own.revision or revision) != (around.revision or revision):
        why = "the namespace is enrolled by another revision, and its label goes before the pod's"
        way = "use one revision for the namespace, or enrol its services one by one"
    else:
        return
    yield refused(
        "MESH609",
        f"{service} would not be enrolled as the policy says",
        own.source,
        reason=why,
        help=way,
        related=(("the namespace's policy", around.source.origin),) if around.source.origin is not None else (),
    )


def pods_can_be_reached(service: Service, plan: Plan, revision: str) -> Iterator[Diagnostic]:
    """Whether what the pods of a service need can be written: their workload is known, resources are complete."""
    proxy = proxy_of(service, plan)
    if proxy is None or not pod_template(service, plan, revision):
        return
    if service.workload is None:
        yield refused(
            "MESH610",
            f"the workload behind {service} is not known, so its pods cannot be labelled or given resources",
            proxy.source,
            reason="Istio reads both from the pod template of the Deployment, StatefulSet or DaemonSet",
            help='name it: Service(…, workload=Workload("Deployment", "…"))',
            related=(("the service", service.source.origin),) if service.source.origin is not None else (),
        )
    resources = proxy.resources
    if resources is not None:
        given = {
            "cpu_request": resources.cpu_request,
            "cpu_limit": resources.cpu_limit,
            "memory_request": resources.memory_request,
            "memory_limit": resources.memory_limit,
        }
        missing = [name for name, value in given.items() if not value]
        if missing:
            yield refused(
                "MESH611",
                f"the resources of the sidecars of {service} are given in part",
                proxy.source,
                reason="as soon as one is set on a pod, Istio leaves the mesh's own values for the others out, so that"
                " they would have none",
                help=f"add {', '.join(f'{name}=…' for name in missing)}",
            )
