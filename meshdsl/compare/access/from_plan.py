"""The access of a plan, as ``docs/semantics.md`` §4 and §5 say. No mesh is known here."""

from __future__ import annotations

from functools import lru_cache

from meshdsl.compare.access.model import (
    EVERYONE,
    KEPT,
    MESHED,
    AccessModel,
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


def of_plan(plan: Plan) -> AccessModel:
    """Who may call the services of a plan, and what else runs in its namespaces.

    Args:
        plan: everything that is meant.
    """
    services = {str(service): _service(service) for service in plan.services}
    services |= {f"{namespace.name}/*": _rest(namespace) for namespace in plan.namespaces}
    return AccessModel(services, meant=True)


def _service(service: Service) -> ServiceAccess:
    probes = {
        (port.number, probe.path) for probe in service.probes for port in service.ports if port.target == probe.port
    }
    return ServiceAccess({port.number: (_way(service, port),) for port in service.ports}, frozenset(probes))


def _way(service: Service, port: Port) -> Way:
    access = service.access
    return Way(
        deny=tuple(_rule(rule) for rule in access.deny if _concerns(rule, port)),
        allow=tuple(_rule(rule) for rule in access.allow if _concerns(rule, port)) if access.closed else None,
        plain=service.effective_mtls is not MtlsMode.STRICT,
    )


def _rest(namespace: Namespace) -> ServiceAccess:
    way = Way(allow=() if namespace.default_deny else None, plain=namespace.effective_mtls is not MtlsMode.STRICT)
    return ServiceAccess({0: (way,)})


def _concerns(rule: Allow | Deny, port: Port) -> bool:
    return (not rule.ports or port.number in rule.ports) and (port.is_http or not rule.is_http)


def _rule(rule: Allow | Deny) -> Rule:
    tests = tuple(Where(h.name, frozenset({value_test(h.value, regex=h.regex)})) for h in rule.headers)
    return Rule(_who(rule.callers), kept(Requests(some(rule.methods), _paths(rule.paths), tests)))


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
