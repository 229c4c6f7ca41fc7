"""Linkerd's annotations, TrafficSplits, Servers and authorizations, read back into intents.

Rules of access cannot be told apart again once they are cut into routes with sets of callers, so both directions are
brought into one form: an Allow for each set of callers, with the methods, paths and ports that they share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from meshdsl.compare.readback import texts
from meshdsl.compare.readback.draft import Draft, Facet, NamespaceDraft, ServiceDraft
from meshdsl.compare.readback.gateway import read_match
from meshdsl.compare.readback.texts import Unreadable, mapping, objects, text
from meshdsl.plan.intent import Breaker, Outlier, Port, Protocol, Resources
from meshdsl.plan.requests import Backend, Condition, Match, Path, Rule
from meshdsl.plan.rights import Account, Allow, Anyone, Callers, MtlsMode
from meshdsl.targets.linkerd import Linkerd
from meshdsl.targets.linkerd.atoms import union

OPEN: Final = {"all-authenticated": MtlsMode.STRICT, "all-unauthenticated": MtlsMode.PERMISSIVE}
_ACCRUAL: Final = "balancer.linkerd.io/failure-accrual"
_RESOURCES: Final = ("proxy-cpu-request", "proxy-cpu-limit", "proxy-memory-request", "proxy-memory-limit")


# ------------------------------------------------------------------------------------------------------- annotations


def namespace_annotations(draft: Draft, live: Mapping[str, Any]) -> None:
    """Injection, sidecar resources, and what is allowed on ports without a Server."""
    _, _, name = texts.name_of(live)
    annotations = texts.annotations_of(live)
    policy = annotations.get("config.linkerd.io/default-inbound-policy", "")
    said = NamespaceDraft()
    _proxy(said, annotations)
    if said == NamespaceDraft() and not policy:
        return
    namespace = draft.namespace(name)
    _proxy(namespace, annotations)
    if policy == "deny":
        namespace.default_deny = True
    elif policy in OPEN:
        namespace.mode = OPEN[policy]
    elif policy:
        draft.unread(f"the inbound policy {policy} of namespace {name}", (name, ""), Facet.ACCESS)
        draft.doubts.add((name, "", Facet.MTLS))


def pod_template(draft: Draft, live: Mapping[str, Any], services: list[ServiceDraft]) -> None:
    """Injection and resources of the pods of one workload."""
    spec = mapping(live.get("spec"))
    if live.get("kind") == "CronJob":
        spec = mapping(mapping(spec.get("jobTemplate")).get("spec"))
    annotations = texts.annotations_of(mapping(spec.get("template")))
    probe = NamespaceDraft()
    _proxy(probe, annotations)
    if probe.proxy() is None:
        return
    if not services:
        draft.unread(f"the sidecar settings of {' '.join(texts.name_of(live)[::2])}")
    for service in services:
        service.meant = True
        _proxy(service, annotations)


def _proxy(subject: NamespaceDraft | ServiceDraft, annotations: Mapping[str, str]) -> None:
    if "linkerd.io/inject" in annotations:
        subject.enrolled = annotations["linkerd.io/inject"] in ("enabled", "ingress")
    resources = Resources(*(annotations.get(f"config.linkerd.io/{key}", "") for key in _RESOURCES))
    if resources != Resources():
        subject.resources = resources


def breaker(draft: Draft, live: Mapping[str, Any]) -> None:
    """The failure accrual of a Service. What Linkerd does not know of a breaker is 0."""
    annotations = texts.annotations_of(live)
    mode = annotations.get(_ACCRUAL)
    if mode is None:
        return
    _, namespace, name = texts.name_of(live)
    try:
        found = _consecutive(mode, annotations)
    except Unreadable as error:
        draft.unread(f"{error} of Service {namespace}/{name}", (namespace, name), Facet.BREAKER)
        return
    service = draft.service(namespace, name)
    service.meant = True
    service.breaker = found


def _consecutive(mode: str, annotations: Mapping[str, str]) -> Breaker:
    what, prefix = "the failure accrual", f"{_ACCRUAL}-consecutive"
    if mode != "consecutive":
        raise Unreadable(what)
    failures = texts.number(annotations.get(f"{prefix}-max-failures", "7"), what)
    penalty = texts.milliseconds(annotations.get(f"{prefix}-min-penalty", "1s"), what)
    return Breaker(None, Outlier(failures, None, 0, penalty, 0))


def traffic_split(draft: Draft, live: Mapping[str, Any]) -> None:
    """A split of SMI: the same shares on every port."""
    _, namespace, name = texts.name_of(live)
    spec = mapping(live.get("spec"))
    service = draft.service(namespace, text(spec.get("service")))
    try:
        backends = _shares(draft, service, spec)
    except Unreadable as error:
        draft.unread(f"{error} of TrafficSplit {namespace}/{name}", service)
        return
    service.meant = True
    if not service.ports:
        service.port(80)
    for port in service.ports:
        if port.is_http and backends:
            service.rules[port.number] = [Rule("", Match(), tuple(backends))]


def _shares(draft: Draft, service: ServiceDraft, spec: Mapping[str, Any]) -> list[Backend]:
    backends = []
    for one in objects(spec.get("backends")):
        host = text(one.get("service"))
        known, version = draft.versions.get((service.base.namespace, host), (host, None))
        if known != service.base.name:
            raise Unreadable("a backend that is no version")
        weight = texts.number(one.get("weight", 0), "a weight")
        if version is not None:
            service.learn(versions=(version,))
        if weight:
            backends.append(Backend(version, weight))
    return backends


# ------------------------------------------------------------------------------------------------------------ access


class Granted(NamedTuple):
    """Callers that may make the requests of a match on some ports; of None, whatever comes."""

    match: Match | None
    ports: tuple[int, ...]
    callers: Callers


class Access:
    """Servers with the routes, policies and authentications that refer to them, of all namespaces at once."""

    def __init__(self, draft: Draft, target: Linkerd) -> None:
        self._draft, self._target = draft, target
        self._servers: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._routes: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        self._policies: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        self._authentications: dict[tuple[str, str, str], Mapping[str, Any]] = {}

    def add(self, live: Mapping[str, Any]) -> None:
        """An object, to be read when all are there."""
        kind, namespace, name = texts.name_of(live)
        spec = mapping(live.get("spec"))
        if kind == "Server":
            self._servers[namespace, name] = live
        elif kind == "HTTPRoute":
            for parent in sorted(_parents(live)):
                self._routes.setdefault(parent, []).append(live)
        elif kind == "AuthorizationPolicy":
            ref = mapping(spec.get("targetRef"))
            self._policies.setdefault((namespace, text(ref.get("kind")), text(ref.get("name"))), []).append(live)
        else:
            self._authentications[kind, namespace, name] = live

    def read(self) -> None:
        """Everything that was added."""
        granted: dict[tuple[str, str], list[Granted]] = {}
        used: set[tuple[str, str, str]] = set()
        for (namespace, name), live in self._servers.items():
            found = self._server(namespace, name, mapping(live.get("spec")))
            used.add((namespace, "Server", name))
            if found is None:
                continue
            service, ports = found
            mine = granted.setdefault(service.key, [])
            mine += self._grants(service, "Server", name, None, ports)
            for route in self._routes.get((namespace, name), ()):
                _, _, own = texts.name_of(route)
                used.add((namespace, "HTTPRoute", own))
                for match in self._matches(route, service):
                    mine += self._grants(service, "HTTPRoute", own, match, ports)
        for key, grants in granted.items():
            service = self._draft.service(*key)
            service.allow += folded(grants, service.ports)
        for key3 in sorted(self._policies.keys() - used):
            for policy in self._policies[key3]:
                self._draft.unread(f"AuthorizationPolicy {'/'.join(texts.name_of(policy)[1:])}")

    def _server(
        self, namespace: str, name: str, spec: Mapping[str, Any]
    ) -> tuple[ServiceDraft, tuple[int, ...]] | None:
        selector = mapping(mapping(spec.get("podSelector")).get("matchLabels"))
        stem, _, number = name.rpartition("-")
        service = self._draft.selected(namespace, selector, (stem,))
        policy = text(spec.get("accessPolicy", "deny"))
        if service is None or (policy != "deny" and policy not in OPEN):
            self._draft.unread(f"Server {namespace}/{name}", service, Facet.ACCESS)
            if service is not None:
                self._draft.doubts.add((*service.key, Facet.MTLS))
            return None
        target = spec.get("port")
        if isinstance(target, (int, str)):
            protocol = Protocol.TCP if spec.get("proxyProtocol") == "opaque" else Protocol.HTTP
            guess = int(number) if stem == service.base.name and number.isdigit() else target
            if isinstance(guess, int) and not any(port.target == target for port in service.ports):
                service.port(guess, protocol, target=target)
        ports = tuple(port.number for port in service.ports if port.target == target)
        if not ports:
            self._draft.unread(f"Server {namespace}/{name}", service, Facet.ACCESS)
            return None
        service.meant = True
        if policy == "deny":
            service.closed = True
        else:
            service.mode = OPEN[policy]
        return service, ports

    def _matches(self, route: Mapping[str, Any], service: ServiceDraft) -> list[Match]:
        found = []
        for rule in list(objects(mapping(route.get("spec")).get("rules"))) or [{}]:
            for match in list(objects(rule.get("matches"))) or [{}]:
                try:
                    found.append(read_match(match, anchored=True))
                except Unreadable as error:
                    title = f"HTTPRoute {'/'.join(texts.name_of(route)[1:])}"
                    self._draft.unread(f"{error} of {title}", service, Facet.ACCESS)
        return found

    def _grants(
        self, service: ServiceDraft, kind: str, name: str, match: Match | None, ports: tuple[int, ...]
    ) -> list[Granted]:
        found, namespace = [], service.base.namespace
        for policy in self._policies.get((namespace, kind, name), ()):
            refs = list(objects(mapping(policy.get("spec")).get("requiredAuthenticationRefs")))
            try:
                callers = self._callers(refs, namespace)
            except Unreadable as error:
                title = f"AuthorizationPolicy {'/'.join(texts.name_of(policy)[1:])}"
                self._draft.unread(f"{error} of {title}", service, Facet.ACCESS)
                continue
            found.append(Granted(match, ports, callers))
        return found

    def _callers(self, refs: list[Mapping[str, Any]], namespace: str) -> Callers:
        if not refs:
            return Callers(anyone=Anyone.AT_ALL)
        if len(refs) > 1:
            raise Unreadable("two authentications at once")
        ref = refs[0]
        kind, name, where = text(ref.get("kind")), text(ref.get("name")), text(ref.get("namespace")) or namespace
        if kind == "ServiceAccount":
            return Callers((Account(where, name),))
        live = self._authentications.get((kind, where, name))
        if live is None:
            raise Unreadable(f"the {kind} {where}/{name}, which is not there,")
        spec = mapping(live.get("spec"))
        if kind == "NetworkAuthentication":
            if {text(one.get("cidr")) for one in objects(spec.get("networks"))} >= {"0.0.0.0/0", "::/0"}:
                return Callers(anyone=Anyone.AT_ALL)
            raise Unreadable("callers by address")
        return union([self._identities(spec), self._references(spec, where)])

    def _identities(self, spec: Mapping[str, Any]) -> Callers:
        accounts, namespaces = set(), set()
        for identity in texts.texts(spec.get("identities")):
            if identity == "*":
                return Callers(anyone=Anyone.IN_MESH)
            name, _, rest = identity.partition(".")
            namespace, _, suffix = rest.partition(".")
            if suffix != self._target.identity_suffix:
                raise Unreadable(f"the identity {identity}")
            if name == "*":
                namespaces.add(namespace)
            else:
                accounts.add(Account(namespace, name))
        return Callers(tuple(sorted(accounts)), tuple(sorted(namespaces)))

    def _references(self, spec: Mapping[str, Any], namespace: str) -> Callers:
        accounts, namespaces = set(), set()
        for ref in objects(spec.get("identityRefs")):
            if ref.get("kind") == "Namespace":
                namespaces.add(text(ref.get("name")) or namespace)
            else:
                accounts.add(Account(text(ref.get("namespace")) or namespace, text(ref.get("name"))))
        return Callers(tuple(sorted(accounts)), tuple(sorted(namespaces)))


def _parents(route: Mapping[str, Any]) -> set[tuple[str, str]]:
    namespace = texts.name_of(route)[1]
    return {
        (text(parent.get("namespace")) or namespace, text(parent.get("name")))
        for parent in objects(mapping(route.get("spec")).get("parentRefs"))
        if parent.get("kind") == "Server"
    }


# ----------------------------------------------------------------------------------------------------- the one form

_Key = tuple[Callers, frozenset[str], frozenset[Path], tuple[Condition, ...], frozenset[int]]


def folded(granted: Iterable[Granted], ports: tuple[Port, ...]) -> list[Allow]:
    """The fewest rules that grant the same: one for each set of callers, with what they share.

    Args:
        granted: one match, its ports and its callers each; the callers of equal ones add up.
        ports: all of the service.
    """
    callers: dict[tuple[Match | None, tuple[int, ...]], list[Callers]] = {}
    for one in granted:
        callers.setdefault((one.match, one.ports), []).append(one.callers)
    found: list[_Key] = []
    for (match, numbers), named in callers.items():
        m = match or Match()
        paths = frozenset([m.path] if m.path is not None else [])
        found.append((union(named), frozenset([m.method] if m.method else []), paths, m.headers, frozenset(numbers)))
    for part in (1, 2, 4):
        found = _merged(found, part)
    every, http = {p.number for p in ports}, {p.number for p in ports if p.is_http}
    allows = [
        Allow(
            who,
            tuple(sorted(methods)),
            tuple(sorted(paths, key=lambda path: (path.value, path.kind))),
            headers,
            () if on == every or ((methods or paths or headers) and on == http) else tuple(sorted(on)),
        )
        for who, methods, paths, headers, on in found
    ]
    return sorted(allows, key=repr)


def _merged(keys: list[_Key], part: int) -> list[_Key]:
    """Those that differ in one part alone, together; one that is open there takes in the others."""
    groups: dict[tuple[Any, ...], list[frozenset[Any]]] = {}
    for key in keys:
        groups.setdefault((*key[:part], *key[part + 1 :]), []).append(key[part])  # type: ignore[arg-type]

    def join(sets: list[frozenset[Any]]) -> frozenset[Any]:
        return frozenset() if part != 4 and frozenset() in sets else frozenset().union(*sets)

    return [(*rest[:part], join(sets), *rest[part:]) for rest, sets in groups.items()]
