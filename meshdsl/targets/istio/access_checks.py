"""What Istio would read differently, or drop, of who may call whom.

Each function looks for one trap and is named after what it asks, so that another target made of the same objects can
choose those that hold for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from meshdsl.diagnostics import Diagnostic
from meshdsl.plan.intent import Plan, Service
from meshdsl.plan.requests import Condition, Path, PathKind
from meshdsl.plan.rights import PRESENT, Allow, Deny
from meshdsl.plan.source import Source
from meshdsl.targets.base import Target, refused
from meshdsl.targets.istio.authorization_policy import MAX_RULES, named_ports, rule


def rules_of(service: Service) -> tuple[Allow | Deny, ...]:
    """The allow rules of a service, then its deny rules."""
    return (*service.access.allow, *service.access.deny)


def closed_by_the_mesh(service: Service, plan: Plan, root_namespace: str) -> bool:
    """Whether a service of the root namespace is closed already, by the default deny of the mesh.

    A policy of its own would there select pods of every namespace.
    """
    return service.namespace == root_namespace and plan.mesh.default_deny is not None and not service.access.allow


def access_can_be_written(service: Service) -> Iterator[Diagnostic]:
    """Whether each access rule of a service means to Istio what it means."""
    access = service.access
    for what, sources in (("allow", [r.source for r in access.allow]), ("deny", [r.source for r in access.deny])):
        if len(sources) > MAX_RULES:
            yield refused(
                "MESH608",
                f"{service} has {len(sources)} {what} rules; an AuthorizationPolicy has at most {MAX_RULES}",
                sources[MAX_RULES],
                help="name several callers, methods or paths in one policy",
            )
    for denied in access.deny:  # in an allow, a regular expression is a feature of its own
        yield from _no_regex(denied, service)
    for one in rules_of(service):
        yield from _no_pattern(one, service)


def _no_regex(one: Deny, service: Service) -> Iterator[Diagnostic]:
    regexes = [("headers", f"the header {h.name!r}") for h in one.headers if h.regex and h.value != PRESENT]
    regexes += [("paths", "a path") for path in one.paths if path.kind is PathKind.REGEX]
    for field, what in regexes:
        yield refused(
            "MESH604",
            f"who may call {service} cannot depend on {what} by regular expression",
            one.source,
            field=field,
            reason="an AuthorizationPolicy compares with exact values, prefixes and suffixes only",
            help='name the values, use a path such as "/a/*", or only ask that the header is there: Header("x-name")',
        )


def _no_pattern(one: Allow | Deny, service: Service) -> Iterator[Diagnostic]:
    for field, parts in (("headers", one.headers), ("paths", one.paths)):
        for part in parts:
            if _reads_as_pattern(part):
                yield refused(
                    "MESH601",
                    f"Istio would read {part.value!r}, in who may call {service}, as a pattern",
                    one.source,
                    field=field,
                    reason="in an AuthorizationPolicy a '*' at the start or end of a value, and '*' or '{' in a path,"
                    " stand for anything, and cannot be escaped",
                    help="ask for a value without these characters",
                )


def _reads_as_pattern(part: Condition | Path) -> bool:
    if isinstance(part, Path):
        return part.kind is not PathKind.REGEX and ("*" in part.value or "{" in part.value)
    return not part.regex and (part.value.startswith("*") or part.value.endswith("*"))


def workload_ports_are_known(service: Service) -> Iterator[Diagnostic]:
    """Whether the ports of each access rule can be named as a sidecar or ztunnel sees them: by workload port."""
    for one in rules_of(service):
        ports = named_ports(one, service)
        field = "ports" if one.ports else ""
        if one.is_http and not ports:
            yield refused(
                "MESH602",
                f"who may call {service} depends on the request, but no port of it speaks HTTP",
                one.source,
                reason="on other ports Istio would drop the rule, or that part of it",
                help='declare the port with protocol="http", "http2" or "grpc"',
            )
        for port in ports:
            if isinstance(port.target, str):
                yield refused(
                    "MESH602",
                    f"the number of workload port {port.target!r}, behind port {port.number} of {service}, is needed",
                    one.source,
                    field=field,
                    reason="an AuthorizationPolicy takes numbers only, and a rule about requests names its ports",
                    help=f"give the number: Port({port.number}, target=…) or Service(…, target_port=…)",
                )
        targets = {port.target for port in ports}
        others = [port for port in service.ports if ports and port not in ports and port.target in targets]
        if others:
            yield refused(
                "MESH603",
                f"the rule about port {ports[0].number} of {service} would hold for port {others[0].number} as well",
                one.source,
                field=field,
                reason="both lead to the same workload port, which is all that the pod's proxy sees",
                help="name both ports in the policy, or give them workload ports of their own",
            )


def pods_have_one_service(plan: Plan, target: Target) -> Iterator[Diagnostic]:
    """Whether a policy of one service would also hold for the pods of another, which means something else.

    Policies select pods by labels, so a service whose labels are part of another's reaches that one's pods too; and
    one with more labels reaches some of the pods of another with fewer.
    """
    by_label: dict[tuple[str, tuple[str, str]], list[Service]] = defaultdict(list)
    for service in plan.services:
        for label in service.labels:
            by_label[service.namespace, label].append(service)
    for service in plan.services:
        if not (service.access.closed or service.access.deny or service.mtls):
            continue
        closes = service.access.closed or bool(service.access.deny)
        for other in by_label[service.namespace, service.labels[0]]:
            if other is service or not set(service.labels) <= set(other.labels):
                continue
            other_access = closes and _access(service, target) != _access(other, target)
            other_mode = service.mtls is not None and service.effective_mtls != other.effective_mtls
            if other_access or other_mode:
                yield _of_two_services(service, other, "the pods")
    yield from _pods_have_no_wider_service(plan)


def _pods_have_no_wider_service(plan: Plan) -> Iterator[Diagnostic]:
    """Of services without policies of their own, since one with some is found by its own labels."""
    bare: dict[tuple[str, frozenset[tuple[str, str]]], list[Service]] = defaultdict(list)
    sizes: dict[str, set[int]] = defaultdict(set)
    for other in plan.services:
        if not (other.access.closed or other.access.deny or other.mtls):
            bare[other.namespace, frozenset(other.labels)].append(other)
            sizes[other.namespace].add(len(other.labels))
    for service in plan.services:
        closes = service.access.closed or bool(service.access.deny)
        if not (closes or service.mtls):
            continue
        for size in sorted(size for size in sizes[service.namespace] if size < len(service.labels)):
            for labels in combinations(service.labels, size):
                for other in bare.get((service.namespace, frozenset(labels)), ()):
                    if closes or service.effective_mtls != other.effective_mtls:
                        yield _of_two_services(service, other, "some of the pods")


def _of_two_services(service: Service, other: Service, pods: str) -> Diagnostic:
    return refused(
        "MESH605",
        f"policies of {service} would also hold for {pods} of {other}, which has others",
        first_policy(service),
        reason="the labels that select the pods of the one are among those of the other",
        help="give both services the same policies, or labels of their own",
        related=((f"{other}", other.source.origin),) if other.source.origin is not None else (),
    )


def _access(service: Service, target: Target) -> tuple[object, ...]:
    allow = [rule(one, service, target) for one in service.access.allow]
    deny = [rule(one, service, target) for one in service.access.deny]
    return service.access.closed, allow, deny


def first_policy(service: Service) -> Source:
    """Where to point at for the access or mode of a service."""
    for one in rules_of(service):
        return one.source
    return service.mtls.source if service.mtls is not None else service.source
