"""A plan while it is read back: services by name, filled in object by object, and what could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from meshdsl.plan.intent import Breaker, Mesh, Namespace, Plan, Port, Protocol, Proxy, Resources, Service
from meshdsl.plan.requests import Match, Rule
from meshdsl.plan.rights import Access, Allow, Deny, Mtls, MtlsMode
from meshdsl.plan.source import NOWHERE


class Facet(StrEnum):
    """A part of a service, a namespace or the mesh that is read back whole or not at all."""

    ACCESS = "access"
    BREAKER = "breaker"
    MTLS = "mTLS"
    PROXY = "proxy"
    RULES = "rules"


Doubt = tuple[str, str, Facet]
"""Namespace and name of a service of which a part could not be read; without a name, the namespace; or the mesh."""

_MOST_PARTS = 5
"""More parts than this are counted and not named in a note."""


@dataclass
class ServiceDraft:
    """A service: what is known of it, and what was read of its policies.

    Attributes:
        base: without any policy; from the inventory, or as the objects let it be seen.
        declared: the inventory has it, so objects teach nothing about its ports, labels and versions.
        meant: some object is about it.
        rules: tables by port number.
    """

    base: Service
    declared: bool = False
    meant: bool = False
    rules: dict[int, list[Rule]] = field(default_factory=dict)
    breaker: Breaker | None = None
    allow: list[Allow] = field(default_factory=list)
    deny: list[Deny] = field(default_factory=list)
    closed: bool = False
    mode: MtlsMode | None = None
    enrolled: bool | None = None
    revision: str = ""
    resources: Resources | None = None

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)"""
        return self.base.namespace, self.base.name

    @property
    def ports(self) -> tuple[Port, ...]:
        """The ports that are known."""
        return self.base.ports

    def port(self, number: int, protocol: Protocol = Protocol.HTTP, *, target: int | str | None = None) -> None:
        """Learn of a port, or of where a known one leads to, unless the service is declared."""
        known = {port.number: port for port in self.ports}
        if self.declared or (number in known and target is None):
            return
        if number in known:
            known[number] = replace(known[number], target=target or number)
        else:
            known[number] = Port(number, "", protocol, number if target is None else target)
        self.base = replace(self.base, ports=tuple(known[one] for one in sorted(known)))

    def learn(self, *, labels: Mapping[str, str] | None = None, versions: Iterable[str] = (), by: str = "") -> None:
        """Learn of labels and versions, unless the service is declared."""
        if self.declared:
            return
        known = dict.fromkeys((*self.base.versions, *versions))
        plain = [(key, value) for key, value in (labels or {}).items() if isinstance(value, str)]
        self.base = replace(
            self.base,
            labels=tuple(sorted(plain)) if plain else self.base.labels,
            versions=tuple(known),
            version_label=by or self.base.version_label,
        )

    def proxy(self) -> Proxy | None:
        """The policy that its workload's labels and annotations come to."""
        found = Proxy(self.enrolled, self.revision, self.resources)
        return None if found == Proxy(None) else found


@dataclass
class NamespaceDraft:
    """A namespace."""

    mode: MtlsMode | None = None
    default_deny: bool = False
    enrolled: bool | None = None
    revision: str = ""
    resources: Resources | None = None

    def proxy(self) -> Proxy | None:
        """The policy that its labels and annotations come to."""
        found = Proxy(self.enrolled, self.revision if self.enrolled else "", self.resources)
        return None if found == Proxy(None) else found


class Draft:
    """What was read so far.

    Attributes:
        mode: the mTLS mode of the mesh.
        default_deny: of the mesh.
        doubts: what could not be read, so that nothing may be said of it.
        versions: (namespace, name of a Service) → (service, version), for the Services of single versions.
    """

    def __init__(self, inventory: Plan | None) -> None:
        self.mode: MtlsMode | None = None
        self.default_deny = False
        self.versions: dict[tuple[str, str], tuple[str, str]] = {}
        self._set_name = inventory.set_name if inventory is not None else ""
        self._services: dict[tuple[str, str], ServiceDraft] = {}
        self._declared: set[tuple[str, frozenset[tuple[str, str]]]] = set()
        self._by_labels: dict[tuple[str, frozenset[tuple[str, str]]], list[ServiceDraft]] | None = None
        self._namespaces: dict[str, NamespaceDraft] = {}
        self._names: dict[tuple[str, str, int, Match], str] = {}
        self._unread: list[str] = []
        self.doubts: set[Doubt] = set()
        self._kinds: Counter[str] = Counter()
        for service in inventory.services if inventory is not None else ():
            self._declare(service)
        for namespace in inventory.namespaces if inventory is not None else ():
            self.namespace(namespace.name)

    def _declare(self, service: Service) -> None:
        ports = tuple(replace(port, rules=()) for port in service.ports)
        base = replace(service, ports=ports, breaker=None, access=Access(), mtls=None, effective_mtls=None, proxy=None)
        self._services[service.namespace, service.name] = ServiceDraft(base, declared=True)
        self._declared.add((service.namespace, frozenset(service.labels)))
        for version in service.versions:
            self.versions[service.namespace, f"{service.name}-{version}"] = (service.name, version)
        for port in service.ports:
            for rule in port.rules:
                self._names[service.namespace, service.name, port.number, rule.match] = rule.name

    # ------------------------------------------------------------------------------------------------------- subjects

    def service(self, namespace: str, name: str) -> ServiceDraft:
        """A service, which is new if nothing was known of it."""
        found = self._services.get((namespace, name))
        if found is None:
            found = ServiceDraft(Service(namespace, name, name, (("app", name),), ()))
            self._services[namespace, name] = found
            self._by_labels = None
        return found

    def known(self, namespace: str, name: str) -> ServiceDraft | None:
        """A service of which something is known."""
        return self._services.get((namespace, name))

    def declares(self, namespace: str, labels: Mapping[str, object]) -> bool:
        """Whether pods of exactly these labels are those of a service that the inventory has."""
        return (namespace, frozenset((key, str(value)) for key, value in labels.items())) in self._declared

    def namespace(self, name: str) -> NamespaceDraft:
        """A namespace."""
        return self._namespaces.setdefault(name, NamespaceDraft())

    def services(self) -> Iterator[ServiceDraft]:
        """All services that are known."""
        return iter(list(self._services.values()))

    def selected(self, namespace: str, labels: Mapping[str, str], names: Iterable[str] = ()) -> ServiceDraft | None:
        """The service whose pods a selector means; of several the one that is named like the object.

        Labels are learned before anything is selected by them.
        """
        if self._by_labels is None:
            self._by_labels = {}
            for service in self._services.values():
                key = (service.base.namespace, frozenset(service.base.labels))
                self._by_labels.setdefault(key, []).append(service)
        wanted = frozenset((key, value) for key, value in labels.items() if isinstance(value, str))
        found = self._by_labels.get((namespace, wanted), []) if len(wanted) == len(labels) else []
        named = [s for s in found if s.base.name in names]
        return named[0] if named else found[0] if len(found) == 1 else None

    # ---------------------------------------------------------------------------------------------------------- notes

    def skip(self, kind: str) -> None:
        """An object of a kind that means nothing in a plan."""
        self._kinds[kind] += 1

    def unread(
        self, what: str, about: ServiceDraft | tuple[str, str] | None = None, facet: Facet = Facet.RULES
    ) -> None:
        """A part of an object that means nothing in a plan, as ``"the CORS rules of VirtualService prod/api"``.

        Args:
            what: it is.
            about: what the rest that was read cannot be told of because of it: a service, or a namespace and no name.
            facet: the part of it.
        """
        if what not in self._unread:
            self._unread.append(what)
        if about is not None:
            namespace, name = about.key if isinstance(about, ServiceDraft) else about
            self.doubts.add((namespace, name, facet))

    def parts(self) -> tuple[str, ...]:
        """What could not be read: kinds with their number, then parts of objects."""
        counted = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(self._kinds.items())]
        return (*counted, *self._unread)

    # ----------------------------------------------------------------------------------------------------------- plan

    def plan(self) -> Plan:
        """Everything that was read, sorted; services that nothing is known of but their Service are left out."""
        chosen = sorted((s for s in self._services.values() if s.declared or s.meant), key=lambda s: s.key)
        names = sorted({*self._namespaces, *(s.base.namespace for s in chosen)})
        namespaces = {name: self._namespace(name, self.namespace(name)) for name in names}
        return Plan(
            self._set_name,
            Mesh(_mtls(self.mode), NOWHERE if self.default_deny else None),
            tuple(namespaces.values()),
            tuple(self._service(draft, namespaces[draft.base.namespace]) for draft in chosen),
        )

    def _namespace(self, name: str, draft: NamespaceDraft) -> Namespace:
        return Namespace(
            name,
            mtls=_mtls(draft.mode),
            effective_mtls=draft.mode or self.mode,
            default_deny=draft.default_deny or self.default_deny,
            own_default_deny=NOWHERE if draft.default_deny else None,
            proxy=draft.proxy(),
        )

    def _service(self, draft: ServiceDraft, namespace: Namespace) -> Service:
        # Where a mode lets callers in beside the rules, as Linkerd's does, they close nothing.
        closed = draft.closed or (bool(draft.allow) and draft.mode is None) or namespace.default_deny
        return replace(
            draft.base,
            ports=tuple(self._port(draft, port) for port in draft.ports),
            breaker=draft.breaker,
            access=Access(closed, tuple(draft.allow), tuple(draft.deny)),
            mtls=_mtls(draft.mode),
            effective_mtls=draft.mode or namespace.effective_mtls,
            proxy=draft.proxy(),
        )

    def _port(self, draft: ServiceDraft, port: Port) -> Port:
        named = [
            replace(rule, name=self._names.get((*draft.key, port.number, rule.match), ""))
            for rule in draft.rules.get(port.number, ())
        ]
        return replace(port, rules=tuple(named))


def _mtls(mode: MtlsMode | None) -> Mtls | None:
    return Mtls(mode) if mode is not None else None


def note_of(unread: Iterable[str]) -> str:
    """What could not be read, as one sentence; empty if everything was."""
    every = list(dict.fromkeys(unread))
    parts = every[:_MOST_PARTS]
    if len(every) > _MOST_PARTS:
        parts.append(f"{len(every) - _MOST_PARTS} more")
    if not parts:
        return ""
    named = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    return f"{named} cannot be read back; shown as fields only"
