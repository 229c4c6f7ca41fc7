"""What of a plan the objects of a mesh can tell: the form in which a plan is compared with one that was read back.

Everywhere: the line that something stands on, which policy weighed the backends, and what the inventory alone knows
(it is taken from the inventory on both sides). The order and cutting of access rules is no meaning.

Istio cannot tell whether a sidecar's resources were set on the service or its namespace, whether a rule names all HTTP
ports or none, service ports with the same target from another, a route that only repeats the catch-all after it,
the weight of a single version, and the port of a redirect to another host if it is the service's.

Ambient cannot tell which conditions of retries stood for the statuses, nor those that always come along, and a
revision without enrolment.

Linkerd cannot tell who set a mode or default deny, the mode of what is closed, the interval, cap and other limits of a
breaker, resets among the conditions of retries, how allow rules were cut, and probes from allowed requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from meshdsl.compare.readback.gateway import from_codes
from meshdsl.compare.readback.linkerd import Granted, folded
from meshdsl.plan.intent import Breaker, Mesh, Namespace, Outlier, Plan, Port, Proxy, Service
from meshdsl.plan.requests import Backend, Match, Retry, Rule
from meshdsl.plan.rights import Access, Allow, Callers, Deny, Mtls
from meshdsl.plan.source import NOWHERE
from meshdsl.targets.ambient import Ambient
from meshdsl.targets.ambient.http_route import retry as http_route_retry
from meshdsl.targets.ambient.waypoint import needs_waypoint
from meshdsl.targets.base import Target
from meshdsl.targets.istio import Istio
from meshdsl.targets.istio.access_checks import closed_by_the_mesh
from meshdsl.targets.linkerd import Linkerd
from meshdsl.targets.linkerd.atoms import applicable, atoms, grants, union
from meshdsl.targets.linkerd.server import listeners
from meshdsl.targets.linkerd.traffic_split import splits_by_smi


def told(plan: Plan, target: Target) -> Plan:
    """A plan without what objects of a target cannot tell.

    Args:
        plan: that compiles for the target.
        target: with its profile.

    Returns:
        What ``plan_of`` reads from its manifests with this plan as the inventory.
    """
    if isinstance(target, Linkerd):
        return _Linkerd(plan, target).plan()
    return _Istio(plan, target).plan()


def _plain(rule: Rule) -> Rule:
    """A rule without the sources that take part in comparison, on every mesh."""
    return replace(rule, split=None, canary=None)


# ------------------------------------------------------------------------------------------------ Istio and ambient


class _Istio:
    """What VirtualServices or HTTPRoutes, DestinationRules and Istio's security policies tell."""

    def __init__(self, plan: Plan, target: Target) -> None:
        self._plan, self._target = plan, target
        self._ambient = isinstance(target, Ambient)
        self._revision = target.revision if isinstance(target, (Istio, Ambient)) else ""

    def plan(self) -> Plan:
        mesh = self._plan.mesh
        return Plan(
            self._plan.set_name,
            replace(mesh, default_deny=NOWHERE if mesh.default_deny is not None else None),
            tuple(self._namespace(one) for one in self._plan.namespaces),
            tuple(self._service(one) for one in self._plan.services),
        )

    def _namespace(self, namespace: Namespace) -> Namespace:
        proxy = namespace.proxy
        if proxy is not None:
            proxy = replace(proxy, resources=None, revision=self._rev(proxy, namespace))
        return replace(
            namespace,
            own_default_deny=NOWHERE if namespace.own_default_deny is not None else None,
            proxy=proxy if proxy != Proxy(None) else None,
        )

    def _rev(self, proxy: Proxy, namespace: Namespace) -> str:
        """The revision, where it is written: on a namespace that is enrolled, on ambient on its waypoint."""
        if not proxy.enrolled or proxy.revision == self._revision:
            return ""
        if isinstance(self._target, Ambient):
            stands = any(needs_waypoint(service) for service in self._plan.services_in(namespace.name))
            return proxy.revision if self._target.waypoint == "create" and stands else ""
        return proxy.revision

    def _service(self, service: Service) -> Service:
        return replace(
            service,
            ports=tuple(replace(port, rules=tuple(self._rules(port))) for port in service.ports),
            access=self._access(service),
            proxy=self._proxy(service),
        )

    def _proxy(self, service: Service) -> Proxy | None:
        own = service.proxy
        above = self._plan.namespace(service.namespace).proxy
        if service.workload is None or (own is None and above is None):
            return None
        resources = (own or above or Proxy(None)).resources if not self._ambient else None
        enrolled = own.enrolled if own is not None else None
        revision = own.revision if own is not None and enrolled and not self._ambient else ""
        found = Proxy(
            enrolled, "" if revision == self._revision else revision, resources, (own or above or Proxy(None)).source
        )
        return found if found != Proxy(None) else None

    def _rules(self, port: Port) -> Iterable[Rule]:
        rules = [self._rule(rule, port) for rule in port.rules]
        if not self._ambient:
            # What only repeats the catch-all after it is not written.
            while len(rules) > 1 and _same_route(rules[-2], rules[-1]):
                del rules[-2]
        return rules

    def _rule(self, rule: Rule, port: Port) -> Rule:
        rule = _plain(rule)
        if len(rule.backends) == 1 and not self._ambient:
            rule = replace(rule, backends=(Backend(rule.backends[0].version, 1),))
        redirect = rule.redirect
        if redirect is not None and redirect.host is not None and redirect.port == port.number and not self._ambient:
            rule = replace(rule, redirect=replace(redirect, port=None))
        return replace(rule, retry=_by_codes(rule.retry)) if self._ambient else rule

    def _access(self, service: Service) -> Access:
        access = service.access
        if self._ambient and closed_by_the_mesh(service, self._plan, getattr(self._target, "root_namespace", "")):
            access = replace(access, deny=())
        at_waypoint = self._ambient and needs_waypoint(service)
        return Access(
            access.closed,
            tuple(replace(rule, ports=_ports(rule, service, at_waypoint=at_waypoint)) for rule in access.allow),
            tuple(replace(rule, ports=_ports(rule, service, at_waypoint=at_waypoint)) for rule in access.deny),
        )


def _same_route(one: Rule, catch_all: Rule) -> bool:
    """Whether a rule is the same as the catch-all after it; a rewritten path depends on the path that was matched."""
    moved = catch_all.rewrite is not None and catch_all.rewrite.path is not None
    return one.action == catch_all.action and (not moved or one.match.path == catch_all.match.path)


def _ports(rule: Allow | Deny, service: Service, *, at_waypoint: bool) -> tuple[int, ...]:
    """The ports of a rule, with those that share a target, and none for all HTTP ports of one about requests."""
    targets = {port.target for port in service.ports if port.number in rule.ports}
    found = {
        port.number
        for port in service.ports
        if port.number in rule.ports or (port.target in targets and not at_waypoint)
    }
    http = {port.number for port in service.http_ports}
    return () if rule.is_http and found in (set(), http) else tuple(sorted(found))


def _by_codes(retry: Retry | None) -> Retry | None:
    """The retries of an HTTPRoute: statuses, and the conditions that they come to."""
    if retry is None:
        return None
    codes = http_route_retry(retry).get("codes")
    numbers = [code for code in codes if isinstance(code, int)] if isinstance(codes, list) else []
    conditions, statuses = from_codes(numbers)
    return replace(retry, conditions=conditions, statuses=statuses)


# ---------------------------------------------------------------------------------------------------------- Linkerd


class _Linkerd:
    """What HTTPRoutes with annotations, Servers, and annotations of Services and namespaces tell."""

    def __init__(self, plan: Plan, target: Linkerd) -> None:
        self._plan, self._target = plan, target

    def plan(self) -> Plan:
        namespaces = {one.name: self._namespace(one) for one in self._plan.namespaces}
        return Plan(
            self._plan.set_name,
            Mesh(),
            tuple(namespaces.values()),
            tuple(self._service(one, namespaces[one.namespace]) for one in self._plan.services),
        )

    def _namespace(self, namespace: Namespace) -> Namespace:
        mode = None if namespace.default_deny else namespace.effective_mtls
        source = (namespace.mtls or self._plan.mesh.mtls or Mtls(mode)).source if mode is not None else NOWHERE
        own = namespace.own_default_deny or self._plan.mesh.default_deny
        return replace(
            namespace,
            mtls=Mtls(mode, source) if mode is not None else None,
            effective_mtls=mode,
            own_default_deny=NOWHERE if namespace.default_deny and own is not None else None,
            proxy=_proxy(namespace.proxy),
        )

    def _service(self, service: Service, namespace: Namespace) -> Service:
        mtls = service.mtls
        # Only an open service whose mode is not its namespace's gets Servers that say so.
        above = self._plan.namespace(service.namespace).effective_mtls
        if mtls is None or service.access.closed or mtls.mode is above:
            mtls = None
        smi = self._target.split_api == "smi" and splits_by_smi(service)
        return replace(
            service,
            ports=tuple(replace(port, rules=self._rules(port, smi=smi)) for port in service.ports),
            breaker=_breaker(service.breaker),
            access=self._access(service),
            mtls=mtls,
            effective_mtls=mtls.mode if mtls is not None else namespace.effective_mtls,
            proxy=_proxy(service.proxy) if service.workload is not None else None,
        )

    def _rules(self, port: Port, *, smi: bool) -> tuple[Rule, ...]:
        if smi:
            return tuple(_plain(rule) for rule in port.rules[-1:])
        return tuple(replace(_plain(rule), retry=_by_annotations(rule.retry)) for rule in port.rules)

    def _access(self, service: Service) -> Access:
        if not service.access.closed:
            return Access()
        granted: list[Granted] = []
        for listener in listeners(service):
            numbers = tuple(port.number for port in listener.ports)
            allows = applicable(service.access.allow, listener)
            found: list[tuple[Match | None, Callers]]
            if any(allow.is_http for allow in allows):
                found = list(atoms(grants(allows, listener)))
            else:
                found = [(None, union(allow.callers for allow in allows))] if allows else []
            granted += [Granted(match, numbers, callers) for match, callers in found]
        cut = (_with_line(allow, service.access.allow) for allow in folded(granted, service.ports))
        return Access(closed=True, allow=tuple(cut))


def _with_line(found: Allow, written: Iterable[Allow]) -> Allow:
    """A rule with the line of the one that it was cut from: one of the same callers, if there are several the same."""
    same = [one for one in written if _names_all(one.callers, found.callers)]
    alike = [one for one in same if (set(one.methods), set(one.paths)) == (set(found.methods), set(found.paths))]
    return replace(found, source=(alike or same)[0].source) if same else found


def _names_all(callers: Callers, some: Callers) -> bool:
    accounts, namespaces = set(some.accounts) <= set(callers.accounts), set(some.namespaces) <= set(callers.namespaces)
    return accounts and namespaces and some.anyone in (None, callers.anyone)


def _proxy(proxy: Proxy | None) -> Proxy | None:
    if proxy is None:
        return None
    found = Proxy(proxy.enrolled, "", proxy.resources, proxy.source)
    return found if found != Proxy(None) else None


def _breaker(breaker: Breaker | None) -> Breaker | None:
    if breaker is None or breaker.outlier is None or breaker.outlier.consecutive_5xx is None:
        return None
    outlier = breaker.outlier
    return Breaker(None, Outlier(outlier.consecutive_5xx, None, 0, outlier.base_ejection_time, 0), breaker.source)


def _by_annotations(retry: Retry | None) -> Retry | None:
    if retry is None:
        return None
    conditions = tuple(name for name in retry.conditions if name in ("5xx", "gateway-error"))
    statuses = {*retry.statuses, *([409] if "retriable-4xx" in retry.conditions else [])}
    return replace(retry, conditions=conditions, statuses=tuple(sorted(statuses)), backoff=None)
