"""How access changes from one plan to the next, with what the plans of single services do not say.

What is no longer declared is still there and loses its policies; pods outside the mesh have no proxy that refuses
anything; pods that run as another account gain its rights; and some meshes open declared probes to everyone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from meshdsl.compare.access.difference import changes
from meshdsl.compare.access.from_plan import of_plan
from meshdsl.compare.access.model import EVERYONE, AccessModel, Requests, Rule, ServiceAccess, Way, kept
from meshdsl.compare.report import AccessChange
from meshdsl.plan.intent import Namespace, Plan, Service
from meshdsl.plan.rights import Account, MtlsMode
from meshdsl.targets.base import Target

MESH = "the mesh"
"""The subject of what concerns every service."""

_OPEN = Way()


def between(before: Plan, after: Plan, was: Target | None, now: Target) -> tuple[AccessChange, ...]:
    """Who may call what from now on, and who no longer.

    Args:
        before: what holds.
        after: what would hold.
        was: what the first plan is compiled for; None if that is not known.
        now: what the second one is compiled for.
    """
    old, new = dict(_model(before, (was or now).name).services), dict(_model(after, now.name).services)
    gone = old.keys() - new.keys()
    for name in gone:
        new[name] = _undeclared(old[name], name, after)
    for name in new.keys() - old.keys():
        if name.endswith("/*"):  # a namespace is there before it is declared
            old[name] = _undeclared(new[name], name, before)
    for name in old:
        if _leaves(name, before, after):
            new[name] = _opened(new[name])
    found = [
        replace(one, sentence=f"{one.sentence}, which is no longer declared") if one.service in gone else one
        for one in changes(AccessModel(old, meant=True), AccessModel(new, meant=True))
    ]
    return (*found, *_pods(before, after), *_trust(was, now))


def trust_domain(target: Target) -> str:
    """The trust domain of the identities that rules name."""
    return str(getattr(target, "identity_trust_domain", "") or target.trust_domain)


def _model(plan: Plan, target: str) -> AccessModel:
    """The access of a plan on a mesh; who is kept out of it is open."""
    services = dict(of_plan(plan).services)
    for service in plan.services:
        name = str(service)
        if target == "linkerd" and service.access.closed and service.access.is_http:
            services[name] = _probed(services[name])
    for name, one in services.items():
        if _enrolled(plan, name) is False:
            services[name] = _opened(one)
    return AccessModel(services, meant=True)


def _probed(one: ServiceAccess) -> ServiceAccess:
    """Where routes decide, declared probes have one of their own, which is open to everyone."""
    ports = dict(one.ports)
    for number, path in sorted(one.probes):
        get = kept(Requests(frozenset({"GET"}), frozenset({("exact", path)})))
        ports[number] = (*ports[number], Way(allow=(Rule(EVERYONE, get),)))
    return replace(one, ports=ports)


def _opened(one: ServiceAccess) -> ServiceAccess:
    return replace(one, ports=dict.fromkeys(one.ports, (_OPEN,)))


def _undeclared(one: ServiceAccess, name: str, plan: Plan) -> ServiceAccess:
    """What is there without being declared: what is set on its namespace, or the mesh, holds for it."""
    space = _namespace(plan, name)
    mode = space.effective_mtls if space else plan.mesh.mtls.mode if plan.mesh.mtls else None
    closed = (space is not None and space.default_deny) or plan.mesh.default_deny is not None
    way = Way(allow=() if closed else None, plain=mode is not MtlsMode.STRICT)
    if _enrolled(plan, name) is False:
        way = _OPEN
    return replace(one, ports=dict.fromkeys(one.ports, (way,)))


# ------------------------------------------------------------------------------------------------------- enrolment


def _leaves(name: str, before: Plan, after: Plan) -> bool:
    """Whether pods that a policy had enrolled are enrolled by none any more."""
    return bool(_enrolled(before, name)) and not _enrolled(after, name)


def _enrolled(plan: Plan, name: str) -> bool | None:
    """Whether a policy has the pods in the mesh, or out of it; None if none says."""
    service, space = _service(plan, name), _namespace(plan, name)
    for subject in (service, space):
        if subject is not None and subject.proxy is not None and subject.proxy.enrolled is not None:
            return subject.proxy.enrolled
    return None


def _service(plan: Plan, name: str) -> Service | None:
    namespace, _, own = name.partition("/")
    try:
        return plan.service(namespace, own)
    except KeyError:
        return None


def _namespace(plan: Plan, name: str) -> Namespace | None:
    try:
        return plan.namespace(name.partition("/")[0])
    except KeyError:
        return None


# -------------------------------------------------------------------------------------------------------- accounts


def _pods(before: Plan, after: Plan) -> Iterator[AccessChange]:
    """Services whose pods begin to run as an account that might call others before."""
    held, holds = _rights(before), _rights(after)
    for service in after.services:
        was, name = _service(before, str(service)), str(service)
        if was is not None and was.account == service.account:
            continue
        account = Account(service.namespace, service.account)
        had = held.get(Account(was.namespace, was.account), frozenset()) if was is not None else frozenset()
        gained = sorted((held.get(account, frozenset()) & holds.get(account, frozenset())) - had - {name})
        if gained:
            who = f"{account.namespace}/{account.name}"
            sentence = f"pods of {name} now run as {who}: they may call what it may of {', '.join(gained)}"
            yield AccessChange(name, widened=True, callers=(who,), ports=(), methods=(), paths=(), sentence=sentence)


def _rights(plan: Plan) -> dict[Account, frozenset[str]]:
    """The closed services that a rule lets each account call, by its name."""
    found: dict[Account, frozenset[str]] = {}
    for service in plan.services:
        for allow in service.access.allow:
            for account in allow.callers.accounts:
                found[account] = found.get(account, frozenset()) | {str(service)}
    return found


def _trust(was: Target | None, now: Target) -> Iterator[AccessChange]:
    """Every rule names principals of the trust domain."""
    if was is None or trust_domain(was) == trust_domain(now):
        return
    for widened, domain in ((True, trust_domain(now)), (False, trust_domain(was))):
        who = f"accounts of trust domain {domain}"
        may = "may now" if widened else "may no longer"
        yield AccessChange(MESH, widened, (who,), (), (), (), f"{who} {may} make the requests that rules let them make")
