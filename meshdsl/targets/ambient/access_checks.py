"""What would be judged by the wrong identity, or by nobody, where rules stand in a waypoint and at ztunnel.

The mesh itself names none of it. A finding is an error: nothing is widened, and nobody is cut off without a word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from meshdsl.diagnostics import Diagnostic
from meshdsl.plan.intent import Plan, Service
from meshdsl.plan.rights import Access, Anyone, MtlsMode
from meshdsl.targets.ambient.access import allowed_past
from meshdsl.targets.ambient.waypoint import CREATE, is_fenced, needs_waypoint, waypoint_name
from meshdsl.targets.base import refused
from meshdsl.targets.istio.access_checks import rules_of, workload_ports_are_known
from meshdsl.targets.istio.authorization_policy import named_ports


def waypoint_is_alone(plan: Plan, profile: str) -> Iterator[Diagnostic]:
    """Whether the waypoint's name and identity are its own.

    Args:
        plan: everything.
        profile: the profile's ``waypoint``.
    """
    name = waypoint_name(profile)
    namespaces = {service.namespace for service in plan.services if needs_waypoint(service)}
    for service in plan.services:
        if service.namespace not in namespaces:
            continue
        if profile == CREATE and service.name == name:
            yield refused(
                "MESH621",
                f"{service} has the name of the waypoint that {service.namespace} needs",
                service.source,
                reason="istiod makes a Deployment, a Service and a ServiceAccount of the waypoint's name",
                help='rename the service, or let the profile name an existing waypoint (waypoint="…")',
            )
        if service.account == name:
            yield refused(
                "MESH622",
                f"{service} runs as service account {name}, which is the waypoint's",
                service.source,
                field="service_account",
                reason="services behind the waypoint let that identity in, and this workload would go past their rules",
                help="give the service an account of its own",
            )


def outsiders_are_judged(service: Service) -> Iterator[Diagnostic]:
    """Whether callers without a mesh identity, who cannot come through a waypoint, are treated as was meant."""
    if not is_fenced(service) or service.effective_mtls is MtlsMode.STRICT:
        return
    access = service.access
    let_in = [allow for allow in access.allow if allow.callers.anyone is Anyone.AT_ALL]
    judged = [allow for allow in let_in if allow not in allowed_past(service)] if access.closed else [*access.deny]
    if not judged:
        return
    yield refused(
        "MESH623",
        f"{service} lets callers without a mesh identity in, and its rules are applied in a waypoint",
        judged[0].source,
        reason="a caller outside the mesh never comes through a waypoint: it would go past the rules, or be cut off",
        help='take no plain text (MutualTls(…, mode="strict")), or leave out what needs a waypoint',
    )


def pods_have_one_way_in(plan: Plan) -> Iterator[Diagnostic]:
    """Whether a service with rules in the waypoint is the only Service in front of its pods.

    The rules belong to the Service. Through another one in front of the same pods a request either comes with the
    waypoint's identity and under other rules, or directly and into the fence. What the *policies* of a service mean for
    the pods of another is asked by Istio's ``pods_have_one_service``.
    """
    by_label: dict[tuple[str, tuple[str, str]], list[Service]] = defaultdict(list)
    for service in filter(is_fenced, plan.services):
        for label in service.labels:
            by_label[service.namespace, label].append(service)
    for other in plan.services:
        candidates = min((by_label.get((other.namespace, label), []) for label in other.labels), key=len, default=[])
        for service in candidates:
            if other is service or not set(other.labels) <= set(service.labels):
                continue
            if needs_waypoint(other) and other.access == service.access:
                continue
            yield refused(
                "MESH626",
                f"{other} selects the pods of {service} as well, whose rules are applied in a waypoint",
                other.source,
                field="labels",
                reason="the rules are those of one Service; through the other the pods would be reached under its own,"
                " or not at all",
                help="give both services the same rules and routes, or let them select different pods",
                related=((f"{service}", service.source.origin),) if service.source.origin is not None else (),
            )


def copies_are_judged(service: Service, plan: Plan) -> Iterator[Diagnostic]:
    """Whether the copies of a mirror go to a service that does not ask who sends them."""
    for port in service.ports:
        for rule in port.rules:
            mirror = rule.mirror
            if mirror is None or mirror.service == (service.namespace, service.name):
                continue
            other = plan.service(*mirror.service)
            if other.access.closed or other.access.deny:
                yield refused(
                    "MESH630",
                    f"{service} mirrors to {other}, which has access rules",
                    mirror.source,
                    reason="the copies are sent by the waypoint under its own identity, so that the rules would"
                    " judge it in place of the caller",
                    help="mirror to a service without access rules, or to a version of the service itself",
                )


def ports_are_known(service: Service) -> Iterator[Diagnostic]:
    """Whether each rule's ports can be named where it is applied.

    ztunnel sees the workload's ports, so their numbers must be known; a waypoint sees the Service's. A rule about
    requests needs a port that has some, anywhere.
    """
    if not needs_waypoint(service):
        yield from workload_ports_are_known(service)
        return
    yield from workload_ports_are_known(replace(service, access=Access(allow=allowed_past(service))))
    for rule in rules_of(service):
        if rule.is_http and not named_ports(rule, service):
            yield refused(
                "MESH602",
                f"who may call {service} depends on the request, but no port of it speaks HTTP",
                rule.source,
                reason="on other ports Istio would drop the rule, or that part of it",
                help='declare the port with protocol="http", "http2" or "grpc"',
            )


def enrolment_can_be_written(service: Service) -> Iterator[Diagnostic]:
    """Whether what a policy on one service says of its enrolment can be written on its pods."""
    proxy = service.proxy
    if proxy is None:
        return
    if proxy.enrolled is not None and service.workload is None:
        yield refused(
            "MESH610",
            f"the workload behind {service} is not known, so its pods cannot be labelled",
            proxy.source,
            reason="enrolment is read from the pod template of the Deployment, StatefulSet or DaemonSet",
            help='name it: Service(…, workload=Workload("Deployment", "…"))',
            related=(("the service", service.source.origin),) if service.source.origin is not None else (),
        )
    if proxy.revision:
        yield refused(
            "MESH632",
            f"a revision cannot be set for {service} alone",
            proxy.source,
            field="revision",
            reason="in ambient a revision says which control plane runs the waypoint, and that is one for a namespace",
            help="set it on the namespace",
        )
