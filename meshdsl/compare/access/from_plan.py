"""The access of a plan, as ``docs/semantics.md`` §4 and §5 say. No mesh is known here."""

from __future__ import annotations

from functools import lru_cache

from meshdsl.compare.access.model import (
    EVERYONE,
    KEPT,
    MESHED,
    AccessModel,
    AccessReason,
    Cause,
    PathTest,
    Requests,
    Rule,
    ServiceAccess,
    Way,
    Where,
    Who,
    account,
    accounts_of,
    kept,
    named,
    path_tests,
    some,
    value_test,
)
from meshdsl.plan.intent import Namespace, Plan, Port, Service
from meshdsl.plan.requests import Path
from meshdsl.plan.rights import Allow, Anyone, Callers, Deny, MtlsMode
from meshdsl.plan.source import Source

Reasons = tuple[AccessReason, ...]


def of_plan(plan: Plan) -> AccessModel:
    """Who may call the services of a plan, and what else runs in its namespaces.

    Args:
        plan: everything that is meant.
    """
    services = {str(service): _service(service, plan) for service in plan.services}
    services |= {f"{namespace.name}/*": _rest(namespace, plan) for namespace in plan.namespaces}
    return AccessModel(services, meant=True)


def _service(service: Service, plan: Plan) -> ServiceAccess:
    probes = {
        (port.number, probe.path) for probe in service.probes for port in service.ports if port.target == probe.port
    }
    closed_by, plain_by = _closed_by(service, plan), _plain_by(service, plan)
    ways = {port.number: (_way(service, port, closed_by, plain_by),) for port in service.ports}
    return ServiceAccess(ways, frozenset(probes))


def _way(service: Service, port: Port, closed_by: Reasons, plain_by: Reasons) -> Way:
    access = service.access
    return Way(
        deny=tuple(_rule(rule) for rule in access.deny if _concerns(rule, port)),
        allow=tuple(_rule(rule) for rule in access.allow if _concerns(rule, port)) if access.closed else None,
        plain=service.effective_mtls is not MtlsMode.STRICT,
        closed_by=closed_by,
        plain_by=plain_by,
    )


def _rest(namespace: Namespace, plan: Plan) -> ServiceAccess:
    way = Way(
        allow=() if namespace.default_deny else None,
        plain=namespace.effective_mtls is not MtlsMode.STRICT,
        closed_by=_default_deny(namespace, plan),
        plain_by=_plain_by(namespace, plan),
    )
    return ServiceAccess({0: (way,)})


def _closed_by(service: Service, plan: Plan) -> Reasons:
    """What closes a service: a DefaultDeny, else its Allows."""
    if not service.access.closed:
        return ()
    by_default = _default_deny(plan.namespace(service.namespace), plan)
    if by_default:
        return by_default
    allows = tuple(_reason(rule.source, "Allow") for rule in service.access.allow)
    return allows or (AccessReason("an Allow that looks at requests, of which there are none here"),)


def _default_deny(namespace: Namespace, plan: Plan) -> Reasons:
    source = namespace.own_default_deny or plan.mesh.default_deny
    return (_reason(source, "DefaultDeny"),) if source is not None else ()


def _plain_by(subject: Service | Namespace, plan: Plan) -> Reasons:
    """What sets the mode of mTLS that holds: on the service, its namespace or the mesh."""
    around = plan.namespace(subject.namespace).mtls if isinstance(subject, Service) else None
    mtls = subject.mtls or around or plan.mesh.mtls
    return (_reason(mtls.source, "MutualTls"),) if mtls is not None else ()


def _reason(source: Source, kind: str) -> AccessReason:
    return AccessReason(kind, origin=source.origin)


def _concerns(rule: Allow | Deny, port: Port) -> bool:
    return (not rule.ports or port.number in rule.ports) and (port.is_http or not rule.is_http)


def _rule(rule: Allow | Deny) -> Rule:
    tests = tuple(Where(h.name, frozenset({value_test(h.value, regex=h.regex)})) for h in rule.headers)
    requests = kept(Requests(some(rule.methods), _paths(rule.paths), tests))
    return Rule(_who(rule.callers), requests, Cause(_reason(rule.source, type(rule).__name__)))


@lru_cache(maxsize=KEPT)
def _paths(paths: tuple[Path, ...]) -> frozenset[PathTest] | None:
    found: set[PathTest] = set()
    for path in paths:
        tests = path_tests(path)
        if tests is None:
            return None
        found |= tests
    return frozenset(found) or None


def _who(callers: Callers) -> Who:
    if callers.anyone is not None:
        return EVERYONE if callers.anyone is Anyone.AT_ALL else MESHED
    patterns = [account(one.namespace, one.name) for one in callers.accounts]
    return named(*patterns, *map(accounts_of, callers.namespaces))
