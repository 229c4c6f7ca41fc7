"""AuthorizationPolicy: who may call a workload, and with which requests.

A workload is closed by the first ALLOW policy that selects it, and ALLOW policies add up; DENY comes before them. So a
service has at most one of each: ``<service>`` with everything that is allowed (no rule at all refuses everything) and
``<service>-deny``. ``default-deny`` closes a namespace or the mesh and takes nothing from what an ALLOW opens. Even
where there are no rules the list is written: then it is ours, and an apply takes out what somebody else put into it.

Identities are always written with the trust domain, as principals: ``namespaces`` and ``serviceAccounts`` match any
trust domain. A rule that looks at requests always names ports: on a port that Istio reads as TCP a DENY loses its HTTP
part and would refuse everything (``pilot/pkg/security/authz/model``).

Where a policy is attached and which ports its enforcer sees (the workload's in a sidecar and in ztunnel, the Service's
in a waypoint) is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from meshdsl.diagnostics import Origin
from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Plan, Port, Service
from meshdsl.plan.requests import Condition, Path, PathKind
from meshdsl.plan.rights import Allow, Anyone, Callers, Deny
from meshdsl.plan.source import Source
from meshdsl.targets.base import Target
from meshdsl.values import Json

API_VERSION: Final = "security.istio.io/v1"
DEFAULT_DENY: Final = "default-deny"
MAX_RULES: Final = 512
"""Rules of one policy (``maxItems`` of the CRD)."""

PortsOf = Callable[[Iterable[Port]], list[str]]


def default_deny(source: Source, plan: Plan, *, namespace: str, owner: tuple[str, str]) -> Manifest:
    """What no ALLOW opens is refused, in a namespace; in the root namespace, in the mesh."""
    return manifest(
        ObjectRef(API_VERSION, "AuthorizationPolicy", namespace, DEFAULT_DENY),
        Phase.CLOSING,
        plan.set_name,
        content={"spec": {"action": "ALLOW", "rules": []}},
        owner=owner,
        origins=(source.origin,) if source.origin is not None else (),
    )


def allow_name(service: Service) -> str:
    """The name of the policy with a service's allow rules."""
    return service.name


def deny_name(service: Service) -> str:
    """The name of the policy with a service's deny rules."""
    return f"{service.name}-deny"


def selector(service: Service) -> dict[str, Json]:
    """The attachment to the pods of a service."""
    return {"selector": {"matchLabels": dict(service.labels)}}


def workload_ports(ports: Iterable[Port]) -> list[str]:
    """Ports as a sidecar or ztunnel sees them: the workload's. A named one is refused before (MESH602)."""
    return list(dict.fromkeys(str(port.target) for port in ports))


def service_ports(ports: Iterable[Port]) -> list[str]:
    """Ports as a waypoint sees them: the Service's."""
    return [str(port.number) for port in ports]


def allow_policy(
    service: Service,
    target: Target,
    plan: Plan,
    *,
    rules: Sequence[Allow] | None = None,
    attachment: Mapping[str, Json] | None = None,
    ports_of: PortsOf = workload_ports,
) -> Manifest:
    """The policy that closes a service but for its allow rules; without any rule it refuses every request.

    Args:
        service: the intent.
        target: whose trust domain identities have.
        plan: what the service is part of.
        rules: those to write; all of the service if not given.
        attachment: ``selector`` or ``targetRefs``; the service's pods if not given.
        ports_of: ports as the enforcer sees them.
    """
    chosen = service.access.allow if rules is None else rules
    return _policy(service, target, plan, allow_name(service), "ALLOW", chosen, attachment, ports_of)


def deny_policy(
    service: Service,
    target: Target,
    plan: Plan,
    *,
    rules: Sequence[Deny] | None = None,
    attachment: Mapping[str, Json] | None = None,
    ports_of: PortsOf = workload_ports,
) -> Manifest:
    """The policy of a service's deny rules, of which there must be one: Istio refuses a DENY without rules.

    Args:
        service: the intent.
        target: whose trust domain identities have.
        plan: what the service is part of.
        rules: those to write; all of the service if not given.
        attachment: ``selector`` or ``targetRefs``; the service's pods if not given.
        ports_of: ports as the enforcer sees them.
    """
    chosen = service.access.deny if rules is None else rules
    return _policy(service, target, plan, deny_name(service), "DENY", chosen, attachment, ports_of)


def _policy(
    service: Service,
    target: Target,
    plan: Plan,
    name: str,
    action: str,
    rules: Sequence[Allow | Deny],
    attachment: Mapping[str, Json] | None,
    ports_of: PortsOf,
) -> Manifest:
    attached = selector(service) if attachment is None else attachment
    written: list[Json] = [rule(one, service, target, ports_of) for one in rules]
    spec: dict[str, Json] = {**attached, "action": action, "rules": written}
    origins: dict[Origin, None] = {one.source.origin: None for one in rules if one.source.origin is not None}
    return manifest(
        ObjectRef(API_VERSION, "AuthorizationPolicy", service.namespace, name),
        Phase.ACCESS,
        plan.set_name,
        content={"spec": spec},
        owner=(service.namespace, service.name),
        origins=tuple(origins),
    )


def rule(intent: Allow | Deny, service: Service, target: Target, ports_of: PortsOf = workload_ports) -> dict[str, Json]:
    """One rule: from AND to AND when. An empty one matches every request."""
    body: dict[str, Json] = {}
    source = principals(intent.callers, target)
    if source:
        body["from"] = [{"source": {"principals": source}}]
    operation: dict[str, Json] = {}
    if intent.methods:
        operation["methods"] = list(intent.methods)
    if intent.paths:
        operation["paths"] = [text for path in intent.paths for text in path_patterns(path)]
    ports = ports_of(named_ports(intent, service))
    if ports:
        operation["ports"] = ports
    if operation:
        body["to"] = [{"operation": operation}]
    if intent.headers:
        body["when"] = [when(header) for header in intent.headers]
    return body


def principals(callers: Callers, target: Target) -> list[str]:
    """Identities without ``spiffe://``; empty for anyone at all, which is no condition."""
    if callers.anyone is Anyone.AT_ALL:
        return []
    if callers.anyone is Anyone.IN_MESH:
        return ["*"]
    accounts = [f"{target.trust_domain}/ns/{a.namespace}/sa/{a.name}" for a in callers.accounts]
    return accounts + [f"{target.trust_domain}/ns/{namespace}/*" for namespace in callers.namespaces]


def named_ports(intent: Allow | Deny, service: Service) -> tuple[Port, ...]:
    """The ports that a rule is written for; none if it holds on every port and looks at no request."""
    if intent.ports:
        return tuple(port for port in service.ports if port.number in intent.ports)
    return service.http_ports if intent.is_http else ()


def path_patterns(path: Path) -> tuple[str, ...]:
    """A path as Istio compares it: a prefix of whole segments is the segment itself and everything below it."""
    return (path.value, f"{path.value}/*") if path.kind is PathKind.PREFIX else (path.value,)


def when(header: Condition) -> dict[str, Json]:
    """A condition on a header: an exact value, or ``*`` for one that is there."""
    return {"key": f"request.headers[{header.name}]", "values": ["*" if header.regex else header.value]}
