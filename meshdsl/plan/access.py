"""Who may call a service: the Allow and Deny policies that hold for it, with callers resolved to identities."""

from __future__ import annotations

from collections.abc import Iterator

from meshdsl.diagnostics import Diagnostic
from meshdsl.model.inventory import Namespace, Route, Service
from meshdsl.model.security import Allow as AllowPolicy
from meshdsl.model.security import Anyone as AnyoneCaller
from meshdsl.model.security import DefaultDeny, ServiceAccount
from meshdsl.model.security import Deny as DenyPolicy
from meshdsl.plan.attach import Attachments, namespace_of, source_of
from meshdsl.plan.intent import Port
from meshdsl.plan.requests import Condition, Path
from meshdsl.plan.rights import Access, Account, Allow, Anyone, Callers, Deny
from meshdsl.plan.table import Contradiction, header_condition, path_of, sorted_conditions

Rule = AllowPolicy | DenyPolicy


def account_of(service: Service) -> Account:
    """The identity of a service's pods."""
    return Account(namespace_of(service), service.service_account or service.name)


def access(attachments: Attachments, service: Service, ports: tuple[Port, ...]) -> tuple[Access, list[Rule]]:
    """The access rules of a service, and the policies that made them.

    A service is closed as soon as an Allow or a DefaultDeny holds for it.
    """
    place = (namespace_of(service), service.name)
    allows = list(_rules(attachments, AllowPolicy, place))
    denies = list(_rules(attachments, DenyPolicy, place))
    closed = bool(allows) or attachments.nearest(DefaultDeny, place[:1]) is not None
    if not (closed or denies):
        return Access(), []
    resolved = _Resolved(attachments, service, ports)
    matching = [rule for rule in allows if not resolved.matches_nothing(rule)]
    return (
        Access(closed, tuple(resolved.allow(rule) for rule in matching), tuple(resolved.deny(rule) for rule in denies)),
        [*allows, *denies],
    )


def _rules(attachments: Attachments, kind: type[Rule], place: tuple[str, str]) -> Iterator[Rule]:
    yield from attachments.adding(kind, place)
    for route in attachments.attached_routes(place):
        yield from (rule for rule in attachments.adding(kind, (*place, route.name)) if rule.subject is route)


class _Resolved:
    """Turns the rules of one service into parts of its plan."""

    def __init__(self, attachments: Attachments, service: Service, ports: tuple[Port, ...]) -> None:
        self._attachments = attachments
        self._service = service
        self._ports = ports

    def matches_nothing(self, rule: Rule) -> bool:
        """Whether an Allow of a namespace or the mesh looks at requests, and this service sees none."""
        explicit = isinstance(rule.subject, Service | str | Route)
        opaque = bool(self._ports) and not any(port.is_http for port in self._ports)
        return not explicit and opaque and bool(rule.methods or rule.paths or rule.headers)

    def allow(self, rule: Rule) -> Allow:
        """An Allow policy on this service."""
        methods, paths, headers, ports = self._requests(rule)
        return Allow(self._callers(rule), methods, paths, headers, ports, source_of(rule))

    def deny(self, rule: Rule) -> Deny:
        """A Deny policy on this service."""
        methods, paths, headers, ports = self._requests(rule)
        return Deny(self._callers(rule), methods, paths, headers, ports, source_of(rule))

    def _report(self, code: str, message: str, rule: Rule, field: str, reason: str, help_: str) -> None:
        self._attachments.diagnostics.append(Diagnostic(code, message, rule.origin, field, reason, help_))

    def _callers(self, rule: Rule) -> Callers:
        accounts: dict[Account, None] = {}
        namespaces: dict[str, None] = {}
        anyone: Anyone | None = None
        for caller in rule.callers if isinstance(rule.callers, tuple) else (rule.callers,):
            if isinstance(caller, AnyoneCaller):
                anyone = Anyone.AT_ALL if Anyone.AT_ALL in (anyone, caller.kind) else Anyone.IN_MESH
            elif isinstance(caller, Namespace):
                namespaces[caller.name] = None
            elif isinstance(caller, ServiceAccount):
                accounts[Account(caller.namespace, caller.name)] = None
            else:
                found = self._attachments.find(caller, rule, "callers")
                if found is not None:
                    accounts[account_of(self._attachments.services[found])] = None
        if anyone is not None and (accounts or namespaces):
            self._report(
                "MESH340",
                f"{type(rule).__name__} names callers beside Anyone.{anyone.name.lower()}()",
                rule,
                "callers",
                "anyone includes them, so the names would say nothing",
                "keep either the names or Anyone",
            )
        return Callers(tuple(sorted(accounts)), tuple(sorted(namespaces)), anyone)

    def _requests(self, rule: Rule) -> tuple[tuple[str, ...], tuple[Path, ...], tuple[Condition, ...], tuple[int, ...]]:
        subject = rule.subject
        methods, paths, ports = set(rule.methods), list(rule.paths), set(rule.ports)
        headers = [header_condition(header) for header in rule.headers]
        if isinstance(subject, Route):
            self._check_route_rule(rule, subject)
            methods |= set(subject.methods)
            paths += [subject.path] if subject.path is not None else []
            headers += [header_condition(header) for header in subject.headers]
            ports |= {subject.port} if subject.port is not None else set()
        elif not isinstance(subject, Service | str) and rule.ports:
            self._report(
                "MESH343",
                f"{type(rule).__name__} names ports of a whole namespace or mesh",
                rule,
                "ports",
                "a port belongs to a service, and the same number means something else on the next one",
                "attach the rule to the services, or leave ports out",
            )
        try:
            conditions = sorted_conditions(tuple(headers), "header")
        except Contradiction as error:
            self._report(
                "MESH330", str(error), rule, "headers", "a mesh takes one condition for each name", "merge them"
            )
            conditions = ()
        resolved_paths = [path_of(path) for path in paths]
        # "/*" is every path, and so is a list that has it.
        narrowed = (
            ()
            if None in resolved_paths
            else tuple(
                sorted({path for path in resolved_paths if path is not None}, key=lambda path: (path.value, path.kind))
            )
        )
        by_request = bool(methods or paths or conditions)  # "/*" too is a path, which bytes do not have
        return tuple(sorted(methods)), narrowed, conditions, self._check_ports(rule, ports, by_request=by_request)

    def _check_route_rule(self, rule: Rule, route: Route) -> None:
        both = [
            name
            for name, mine, its in (
                ("methods", rule.methods, route.methods),
                ("paths", rule.paths, route.path),
                ("ports", rule.ports, route.port),
            )
            if mine and its
        ]
        if both:
            self._report(
                "MESH341",
                f"{type(rule).__name__} names {both[0]}, and so does the route it is attached to",
                rule,
                both[0],
                "the two could contradict each other",
                f"leave {both[0]} out, or attach the rule to the service",
            )
        if route.query:
            self._report(
                "MESH341",
                f"{type(rule).__name__} is attached to a route that is chosen by query parameters",
                rule,
                "subject",
                "meshes decide access by caller, port, method, path and header; none of them by query parameter alike",
                "attach it to a route without query, or to the service",
            )

    def _check_ports(self, rule: Rule, ports: set[int], *, by_request: bool) -> tuple[int, ...]:
        """The ports of a rule: those it names; all HTTP ports if it looks at requests and there are others too."""
        known = {port.number: port for port in self._ports}
        http = tuple(sorted(number for number, port in known.items() if port.is_http))
        unknown = sorted(ports - known.keys())
        if unknown and isinstance(rule.subject, Service | str | Route):
            self._report(
                "MESH342",
                f"{namespace_of(self._service)}/{self._service.name} has no port {unknown[0]}",
                rule,
                "ports",
                "rules name the ports of the service, not of its pods",
                f"its ports are {', '.join(map(str, sorted(known))) or 'none'}",
            )
            return ()
        if not by_request:
            return tuple(sorted(ports))
        opaque = sorted(number for number in (ports or known.keys()) if number in known and number not in http)
        explicit = isinstance(rule.subject, Service | str | Route)
        if opaque and (explicit or isinstance(rule, DenyPolicy)):
            self._report(
                "MESH344",
                f"{type(rule).__name__} looks at requests, but port {opaque[0]} of {namespace_of(self._service)}/"
                f"{self._service.name} is not HTTP",
                rule,
                "ports" if rule.ports else "subject",
                "there the mesh sees bytes, not methods, paths or headers",
                f"name its HTTP ports: ports={http}" if http else "leave methods, paths and headers out",
            )
        return tuple(sorted(ports)) if ports else http if len(http) < len(known) else ()
