"""Access that is wider or narrower than it reads.

A finding here is an error that its author can accept, by code, on the policy.
"""

from __future__ import annotations

from collections.abc import Iterator

from meshdsl.diagnostics import Diagnostic
from meshdsl.plan.intent import Plan, Service
from meshdsl.plan.rights import Allow, Anyone, Deny, MtlsMode

SHARED_ACCOUNT = "MESH402"
ANYONE_UNDER_STRICT = "MESH403"
DENY_WITHOUT_IDENTITY = "MESH404"


def check(service: Service, plan: Plan) -> Iterator[Diagnostic]:
    """What is wrong with one service's access rules."""
    rules: tuple[Allow | Deny, ...] = (*service.access.allow, *service.access.deny)
    for rule in rules:
        yield from _callers_in_mesh(service, rule, plan)
        yield from _shared_accounts(service, rule, plan)
    yield from _ports_told_apart(service)
    yield from _anyone_under_strict(service)
    yield from _deny_without_identity(service)


def _callers_in_mesh(service: Service, rule: Allow | Deny, plan: Plan) -> Iterator[Diagnostic]:
    """A caller that is kept out of the mesh has no identity."""
    for account in rule.callers.accounts:
        for caller in plan.callers.get(account, ()):
            proxy = plan.enrolment(caller)
            if proxy is not None and proxy.enrolled is False:
                yield Diagnostic(
                    "MESH401",
                    f"{service} names {caller} as a caller, which is kept out of the mesh",
                    rule.source.origin,
                    "callers",
                    reason="a workload outside the mesh has no identity, so the rule would never match it",
                    help="enrol it, or name Anyone.at_all() where plain text is taken",
                    related=(("it is kept out here", proxy.source.origin),) if proxy.source.origin else (),
                )


def _ports_told_apart(service: Service) -> Iterator[Diagnostic]:
    """A target port by number and one by name may be the same port of the pods."""
    named = {port.number for port in service.ports if isinstance(port.target, str)}
    numbered = {port.number for port in service.ports if not isinstance(port.target, str)}
    rules: tuple[Allow | Deny, ...] = (*service.access.allow, *service.access.deny)
    for rule in rules:
        ports = set(rule.ports)
        if (ports & named and numbered - ports) or (ports & numbered and named - ports):
            yield Diagnostic(
                "MESH407",
                f"a rule of {service} is for some of its ports, of which pods may have only one",
                rule.source.origin,
                "ports",
                reason="one target port is a number and another a name, which may name the same port of the pods; there"
                " the rule would hold for both",
                help="give all target ports as numbers, or all as names",
                related=(("the service is here", service.source.origin),) if service.source.origin else (),
            )


def _shared_accounts(service: Service, rule: Allow | Deny, plan: Plan) -> Iterator[Diagnostic]:
    """Services that run as one service account are one caller."""
    if SHARED_ACCOUNT in rule.source.accept:
        return
    for account in rule.callers.accounts:
        same = plan.callers.get(account, ())
        if len(same) > 1:
            names = ", ".join(str(caller) for caller in same)
            yield Diagnostic(
                SHARED_ACCOUNT,
                f"the rule of {service} names a caller whose service account {account.namespace}/{account.name} is"
                f" shared: {names}",
                rule.source.origin,
                "callers",
                reason="a mesh knows callers by their service account, so the rule holds for all of them",
                help=f'give each its own service_account, or accept it: accept=("{SHARED_ACCOUNT}",)',
            )


def _anyone_under_strict(service: Service) -> Iterator[Diagnostic]:
    if service.effective_mtls is not MtlsMode.STRICT:
        return
    for rule in service.access.allow:
        if rule.callers.anyone is Anyone.AT_ALL:
            yield Diagnostic(
                ANYONE_UNDER_STRICT,
                f"{service} allows anyone at all, but its mTLS is strict",
                rule.source.origin,
                "callers",
                reason="strict mTLS refuses every caller without an identity, before any rule is looked at",
                help='write Anyone.in_mesh(), or MutualTls(service, mode="permissive")',
            )


def _deny_without_identity(service: Service) -> Iterator[Diagnostic]:
    """Plain text has no identity, so a deny of named callers does not hold for it."""
    access = service.access
    if service.effective_mtls is MtlsMode.STRICT:
        return
    if access.closed and not any(rule.callers.anyone is Anyone.AT_ALL for rule in access.allow):
        return
    for rule in access.deny:
        if rule.callers.anyone is not Anyone.AT_ALL and DENY_WITHOUT_IDENTITY not in rule.source.accept:
            yield Diagnostic(
                DENY_WITHOUT_IDENTITY,
                f"{service} takes plain text, so a denied caller only has to leave the mesh out",
                rule.source.origin,
                "callers",
                reason="a request without mTLS has no identity that the rule could match",
                help=f'set MutualTls(…, mode="strict"), or accept it: accept=("{DENY_WITHOUT_IDENTITY}",)',
            )
