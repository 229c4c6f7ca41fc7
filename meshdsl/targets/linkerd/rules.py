"""What Linkerd cannot do although each field alone is supported: the rules that span fields, services and objects."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from meshdsl.diagnostics import Diagnostic, Origin, Severity
from meshdsl.plan.intent import Plan, Port, Service
from meshdsl.plan.requests import Rule
from meshdsl.plan.rights import Allow
from meshdsl.plan.source import Source
from meshdsl.targets.base import refused
from meshdsl.targets.gateway_limits import check_match, check_redirect, check_rules, check_version_services
from meshdsl.targets.linkerd import opaque
from meshdsl.targets.linkerd.atoms import Inexact, applicable, atoms, grants
from meshdsl.targets.linkerd.http_route import RESETS, classes
from meshdsl.targets.linkerd.namespace import proxy_annotations
from meshdsl.targets.linkerd.order import misordered
from meshdsl.targets.linkerd.server import Listener, has_servers, listeners
from meshdsl.targets.linkerd.traffic_split import splits_by_smi

_ARRIVES_AS = 502
"""What the callee's proxy answers for an application that resets or refuses (measured)."""


def check(
    plan: Plan, *, timeout_field: bool, smi: bool, gateway_api: str, opaque_ports: frozenset[int]
) -> Iterator[Diagnostic]:
    """Every finding of Linkerd's own rules.

    Args:
        plan: what is meant.
        timeout_field: whether a timeout is a field of the rule; else it is part of the route's class.
        smi: whether splits are written as TrafficSplits.
        gateway_api: version of the installed Gateway API CRDs.
        opaque_ports: that the mesh takes for bytes by their number.
    """
    yield from check_version_services(plan, lambda service: service.used_versions)
    for service in plan.services:
        if smi and splits_by_smi(service):
            yield from _only_weights(service)
        else:
            for port in service.ports:
                yield from _routes(service, port, timeout_field=timeout_field)
                for rule in port.rules:
                    yield from check_redirect(rule, service, port, gateway_api)
        yield from opaque.check(service, plan, opaque_ports)
        yield from _proxy(service)
        yield from _no_ports(service, plan)
        yield from _probes_are_known(service)
        if service.access.closed:
            for listener in listeners(service):
                yield from _access(service, listener)
    yield from _overlapping_servers(plan)


def _probes_are_known(service: Service) -> Iterator[Diagnostic]:
    """Routes on a Server take away the route by which the mesh lets in the probes of a pod by itself. A warning."""
    if service.access.closed and service.access.is_http and not service.probes_known:
        yield Diagnostic(
            "MESH650",
            f"{service} does not say whether the kubelet probes it over HTTP",
            service.source.origin,
            reason="who may call it depends on the request, and then Linkerd lets in only the probes that are declared",
            help='declare probes=(Probe("/healthz", port=8080),), or probes=() if it has none',
            severity=Severity.WARNING,
        )


# --------------------------------------------------------------------------------------------------------- routes


def _routes(service: Service, port: Port, *, timeout_field: bool) -> Iterator[Diagnostic]:
    by_class = classes(port, timeout_field=timeout_field)
    for rules in by_class.values():
        yield from check_rules(rules, service, port, anchor=True)
    for rule in port.rules:
        yield from _reset_alone(service, rule)
    for first, second, by_age in misordered(port, list(by_class.values())):
        where = f"port {port.number} of {service}"
        reason = (
            "this mesh ranks both alike, and as their retries or timeouts put them into two objects, the older one wins"
            if by_age
            else "this mesh orders by the length of the matched path, then headers, query parameters and method"
        )
        yield refused(
            "MESH642",
            f"rule {first.name} of {where} would not always come before rule {second.name}",
            first.source,
            reason=reason,
            help="let both have the same treatment, or tell them apart by a header, a method or a longer path",
            related=_related(second.name, second.source),
        )


def _reset_alone(service: Service, rule: Rule) -> Iterator[Diagnostic]:
    retry = rule.retry
    if retry is None:
        return
    resets = [name for name in retry.conditions if name in RESETS]
    covered = {"5xx", "gateway-error"} & set(retry.conditions) or _ARRIVES_AS in retry.statuses
    if not resets or covered:
        return
    yield refused(
        "MESH641",
        f"the retries of {service} name {', '.join(resets)} without 5xx or gateway-error",
        retry.source,
        field="retry_on",
        reason="the mesh retries by status alone; a reset or refused connection arrives as 502, among others",
        help='add "gateway-error" to retry_on, which retries 502, 503 and 504',
    )


# ------------------------------------------------------------------------------------------------------------- SMI


def _only_weights(service: Service) -> Iterator[Diagnostic]:
    """A TrafficSplit becomes a ServiceProfile, which switches routes and the breaker off for all ports."""
    first: tuple[object, ...] | None = None
    for port in service.ports:
        if not port.rules:
            yield _not_weights(service, f"port {port.number} is not split", service.source)
        for rule in port.rules:
            for what, source in _more_than_weights(rule):
                yield _not_weights(service, what, source)
        if port.rules:
            shares = port.rules[-1].backends
            if first is not None and shares != first:
                yield _not_weights(service, f"port {port.number} is split in another way", port.rules[-1].source)
            first = first or shares
    if service.breaker is not None:
        yield _not_weights(service, "it has a breaker", service.breaker.source)


def _more_than_weights(rule: Rule) -> Iterator[tuple[str, Source]]:
    if rule.canary is not None:
        yield "a canary has a when", rule.canary
    elif not rule.match.is_any:
        yield "a route takes some of its requests", rule.source
    if rule.timeout is not None:
        yield "has a timeout", rule.timeout.source
    if rule.retry is not None:
        yield "has retries", rule.retry.source
    if rule.headers is not None:
        yield "has its headers edited", rule.headers.source
    if rule.redirect is not None:
        yield "has requests redirected", rule.redirect.source


def _not_weights(service: Service, what: str, source: Source) -> Diagnostic:
    return refused(
        "MESH643",
        f"{service} is split by SMI and {what}",
        source,
        reason="a TrafficSplit splits every port by weight, and switches routes, retries, timeouts and the breaker off",
        help='set split_api = "gateway-api" for this target, or leave only the weights',
    )


# ----------------------------------------------------------------------------------------------------------- proxy


def _proxy(service: Service) -> Iterator[Diagnostic]:
    proxy = service.proxy
    if proxy is None or service.workload is not None or not proxy_annotations(proxy):
        return
    yield refused(
        "MESH644",
        f"the proxy of {service} is configured, and its workload is not named",
        proxy.source,
        reason="the injector reads a workload's annotations from its pod template, which has a kind and a name",
        help='declare it: Service(…, workload=Workload("Deployment", "…")), or configure the namespace',
    )


# ---------------------------------------------------------------------------------------------------------- access


def _access(service: Service, listener: Listener) -> Iterator[Diagnostic]:
    allows = applicable(service.access.allow, listener)
    yield from _shared_target(service, listener, allows)
    if not any(allow.is_http for allow in allows):
        return
    yield from _probe_aliases(service, listener)
    granted = grants(allows, listener)
    source = next(allow.source for allow in allows if allow.is_http)
    try:
        routes = atoms(granted)
    except Inexact as error:
        yield refused(
            "MESH648",
            f"rules that allow requests to port {listener.ports[0].number} of {service} overlap: {error}",
            source,
            field="paths",
            reason="the mesh follows one route for each request, and asks only that route's callers",
            help="give the overlapping rules the same callers, or paths that do not overlap",
            related=tuple(
                (f"this rule is one of {len(allows)}", allow.source.origin)
                for allow in allows
                if allow.is_http and allow.source.origin is not None and allow.source is not source
            ),
        )
        return
    for match, _ in routes:
        for what in check_match(match, anchor=True):
            yield refused(
                "MESH675", f"a rule that allows requests to {service} has {what}", source, help="split or shorten it"
            )


def _shared_target(service: Service, listener: Listener, allows: list[Allow]) -> Iterator[Diagnostic]:
    numbers = {port.number for port in listener.ports}
    for allow in allows:
        if allow.ports and not numbers <= set(allow.ports):
            others = ", ".join(str(number) for number in sorted(numbers - set(allow.ports)))
            yield refused(
                "MESH645",
                f"ports {', '.join(map(str, sorted(numbers)))} of {service} lead to one port of the workload, and a"
                f" rule leaves out {others}",
                allow.source,
                field="ports",
                reason="the workload's proxy sees its own port and not which port of the Service was called",
                help="name all of them, or none, or give the ports targets of their own",
            )


def _probe_aliases(service: Service, listener: Listener) -> Iterator[Diagnostic]:
    """A probe on a port by name may be one on a port by number; only the pod knows."""
    targets = {port.target for port in service.ports}
    for probe in service.probes:
        if probe.port not in targets and isinstance(probe.port, str) is not isinstance(listener.target, str):
            yield refused(
                "MESH646",
                f"the probe {probe.path} of {service} is on port {probe.port}, which may be port {listener.target}",
                service.source,
                field="probes",
                reason="with rules about requests a probe needs a route on its port, or the pods become unready;"
                " whether a name and a number are one port is only known in the pod",
                help=f"write the probe's port as the service's target is written: {listener.target!r}",
            )


def _no_ports(service: Service, plan: Plan) -> Iterator[Diagnostic]:
    """Without a port there is no Server: who may come in would not be written anywhere."""
    mtls = service.mtls
    own_mode = mtls is not None and mtls.mode is not plan.namespace(service.namespace).effective_mtls
    sources = [allow.source for allow in service.access.allow] + (
        [mtls.source] if mtls is not None and own_mode else []
    )
    if service.ports or not sources:
        return  # what a DefaultDeny closes is closed by the default policy of the namespace
    yield refused(
        "MESH649",
        f"{service} has no ports, so the mesh cannot be told who may come in",
        sources[0],
        reason="the mesh decides for a port of a pod; without one the policy would come to nothing",
        help="declare the service's port or ports",
        related=_related("the service", service.source),
    )


def _overlapping_servers(plan: Plan) -> Iterator[Diagnostic]:
    """A Server selects pods, whichever Service leads to them; of two Servers on one of their ports the older wins."""
    taken: dict[tuple[str, frozenset[tuple[str, str]], int | str], Service] = {}
    closing = [service for service in plan.services if has_servers(service, plan)]
    for service in closing:
        for listener in listeners(service):
            taken.setdefault((service.namespace, frozenset(service.labels), listener.target), service)
    concerned = {service.namespace for service in closing}
    for service in plan.services:
        for labels in _subsets(service.labels) if service.namespace in concerned else ():
            for listener in listeners(service):
                other = taken.get((service.namespace, labels, listener.target))
                if other is not None and other is not service:
                    yield _one_port_of_the_same_pods(service, other, listener, plan)
    yield from _servers_of_some_pods(plan, closing, concerned)


def _servers_of_some_pods(plan: Plan, closing: list[Service], concerned: set[str]) -> Iterator[Diagnostic]:
    """A service without Servers that selects more pods than one with: some of its requests would meet that Server."""
    wider: dict[tuple[str, frozenset[tuple[str, str]], int | str], Service] = {}
    for other in plan.services:
        if other.namespace in concerned and not has_servers(other, plan):
            for listener in listeners(other):
                wider.setdefault((other.namespace, frozenset(other.labels), listener.target), other)
    for service in closing:
        for labels in _subsets(service.labels):
            for listener in listeners(service):
                found = wider.get((service.namespace, labels, listener.target))
                if found is not None and len(labels) < len(service.labels):
                    yield _one_port_of_the_same_pods(found, service, listener, plan)


def _one_port_of_the_same_pods(service: Service, other: Service, listener: Listener, plan: Plan) -> Diagnostic:
    if has_servers(service, plan):
        message = f"{service} and {other} both decide who may reach port {listener.target} of the same pods"
        reason = "the mesh follows the older of two Servers on one port and ignores the other"
    else:
        message = f"{service} leads to port {listener.target} of pods for which {other} decides who may reach it"
        reason = (
            "the mesh decides by pod and port, not by Service, so callers of the one are judged by the other's rules"
        )
    return refused(
        "MESH647",
        message,
        service.source,
        field="labels",
        reason=reason,
        help="declare one service for these pods, or give the services labels that tell their pods apart",
        related=_related(str(other), other.source),
    )


def _subsets(labels: tuple[tuple[str, str], ...]) -> Iterator[frozenset[tuple[str, str]]]:
    for size in range(1, len(labels) + 1):
        yield from map(frozenset, combinations(labels, size))


def _related(what: str, source: Source) -> tuple[tuple[str, Origin], ...]:
    return ((f"{what} is here", source.origin),) if source.origin is not None else ()
