"""The table of routes that a caller's sidecar has for a service and a port.

Of the VirtualServices that name a service, and that its callers' namespace sees, one counts
(``BuildSidecarVirtualHostWrapper`` in ``pilot/pkg/networking/core/route/route.go``, ``SelectVirtualServices`` in
``pilot/pkg/model/virtualservice.go``): one that names it in full before one with a wildcard, the longer wildcard before
the shorter; of those that are left, one that is private to the namespace, then one that is exported to it by name, then
a public one; then the oldest. One of which no rule is for this proxy and port is as if it were not there. Rules are
tried in their order; where none matches, the proxy answers 404; a service that no VirtualService names has one rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from meshdsl.simulate.fields import (
    Body,
    Condition,
    all_hold,
    by_age,
    mapping,
    namespace_of,
    not_known,
    only,
    sequence,
    title,
)
from meshdsl.simulate.inventory import KubeService
from meshdsl.simulate.istio_destination import Destinations
from meshdsl.simulate.istio_hosts import Hosts, matches, seen_by
from meshdsl.simulate.istio_match import MESH_GATEWAY, Client, conditions, takes_client
from meshdsl.simulate.istio_route import Action, Actions, Target
from meshdsl.simulate.words import MESH, LeftToMesh, NotModelled, Request

_SPEC: Final = ("hosts", "gateways", "exportTo", "http", "tcp", "tls")
_LEVELS: Final = ("private", "exported", "public")


@dataclass(slots=True, eq=False)
class Entry:
    """A rule as one of its matches makes it.

    Attributes:
        where: the object and the field.
        conditions: all that is asked of a request.
        rule: as it is written.
        match: as it is written.
        namespace: of the object.
    """

    where: str
    conditions: tuple[Condition[Request], ...]
    rule: Body
    match: Body
    namespace: str
    actions: Actions
    _action: Action | None = None

    def holds(self, request: Request) -> bool:
        """Whether it takes a request."""
        return all_hold(self.conditions, request)

    @property
    def action(self) -> Action:
        """What it does. Raises NotModelled if it says something that is not known."""
        if self._action is None:
            rule_where = self.where.partition(".match[")[0]
            self._action = self.actions.of(self.rule, self.match, self.namespace, rule_where)
        return self._action


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The routes of one proxy for one service and port.

    Attributes:
        where: the VirtualService that they are from; empty if there is none.
        entries: in the order in which they are tried.
        passed_over: VirtualServices that do not count, each with the reason.
        skipped: rules that this proxy does not have, each with the reason.
        doubt: why it is not known whether the proxy has any of the rules, if it is not.
    """

    where: str
    entries: tuple[Entry, ...]
    passed_over: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    doubt: NotModelled | None = None

    def entry(self, request: Request) -> Entry | None:
        """The rule that takes a request; None if none does."""
        for one in self.entries:
            if one.holds(request):
                return one
        if self.doubt is not None:
            raise self.doubt
        return None


class Tables:
    """The VirtualServices, and the tables that they make.

    Args:
        bodies: the VirtualServices.
        hosts: of the mesh.
        destinations: the DestinationRules.
        default_retries: whether the mesh-wide default retry policy is on.
    """

    def __init__(
        self, bodies: Iterable[Body], hosts: Hosts, destinations: Destinations, *, default_retries: bool
    ) -> None:
        self._hosts = hosts
        self._destinations = destinations
        self._default: LeftToMesh | None = MESH if default_retries else None
        self._exact: dict[str, list[Body]] = {}
        self._wild: list[tuple[str, Body]] = []
        for body in by_age(bodies):
            spec = mapping(body.get("spec"), title(body))
            if MESH_GATEWAY not in (spec.get("gateways") or [MESH_GATEWAY]):
                continue
            for host in sequence(spec.get("hosts"), f"{title(body)} spec.hosts"):
                name = hosts.resolved(str(host), namespace_of(body))
                if "*" in name:
                    self._wild.append((name, body))
                else:
                    self._exact.setdefault(name, []).append(body)

    def table(self, client: Client, service: KubeService, port: int) -> Table:
        """The routes of a proxy for a service and a port.

        Raises:
            NotModelled: which VirtualService counts depends on something that is not known.
        """
        host = self._hosts.fqdn(service)
        passed_over: list[tuple[str, str]] = []
        chosen: Table | None = None
        for body, found in self._candidates(host, client.namespace):
            if chosen is not None:
                passed_over.append((title(body), _why(host, chosen.where)))
                continue
            entries, skipped, doubt = self._entries(body, client, service, port)
            if entries:
                chosen = Table(title(body), entries, (), skipped, doubt)
            else:
                passed_over.append((title(body), f"no rule of it is for {found} and port {port}"))
        if chosen is None:
            self._undecided(service, port)
            chosen = Table("", (self._default_entry(client, service, port),))
        return replace(chosen, passed_over=tuple(passed_over))

    def connection(self, client: Client, service: KubeService, port: int) -> Target:
        """Where the bytes of a proxy go, on a port that is not HTTP.

        Raises:
            NotModelled: a VirtualService says something about connections to that port.
        """
        for body, _ in self._candidates(self._hosts.fqdn(service), client.namespace):
            spec = mapping(body.get("spec"), title(body))
            for kind in ("tcp", "tls"):
                for n, rule in enumerate(sequence(spec.get(kind), f"{title(body)} spec.{kind}")):
                    ports = {mapping(one, kind).get("port", port) for one in rule.get("match") or [{}]}
                    if port in ports:
                        raise NotModelled(f"{title(body)} spec.{kind}[{n}]", "routes of connections are not modelled")
        return self._default_entry(client, service, port).action.targets[0]

    def _candidates(self, host: str, namespace: str) -> Iterator[tuple[Body, str]]:
        """The VirtualServices that name a host and are seen, in the order in which they count."""
        whom = f"callers in {namespace}"
        yield from ((body, whom) for body in _seen(self._exact.get(host, ()), namespace))
        if self._exact.get(host) and any(_seen(self._exact[host], namespace)):
            return  # a wildcard is for what no VirtualService names in full
        for pattern in sorted({one for one, _ in self._wild if matches(one, host)}, key=len, reverse=True):
            found = list(_seen([body for one, body in self._wild if one == pattern], namespace))
            if found:
                yield from ((body, whom) for body in found[:1])
                return

    def _undecided(self, service: KubeService, port: int) -> None:
        """A host with a dot that is no full name holds on port 80, for callers who use just that name."""
        if port != 80:
            return
        for short in (f"{service.name}.{service.namespace}", f"{service.name}.{service.namespace}.svc"):
            for body in self._exact.get(short, ()):
                raise NotModelled(f"{title(body)} spec.hosts", f"{short} holds for callers who use just that name")

    def _entries(
        self, body: Body, client: Client, service: KubeService, port: int
    ) -> tuple[tuple[Entry, ...], tuple[tuple[str, str], ...], NotModelled | None]:
        where = title(body)
        spec = only(body.get("spec"), _SPEC, f"{where} spec")
        actions = Actions(self._hosts, self._destinations, client, port, self._default)
        authorities = self._hosts.authorities(service, port)
        entries: list[Entry] = []
        skipped: list[tuple[str, str]] = []
        certain, doubt = False, None
        for n, rule in enumerate(sequence(spec.get("http"), f"{where} spec.http")):
            place = f"{where} spec.http[{n}]"
            matches_ = sequence(mapping(rule, place).get("match"), f"{place}.match")
            for m, match in enumerate(matches_ or [{}]):
                one = f"{place}.match[{m}]" if matches_ else place
                asked: tuple[Condition[Request], ...] = ()
                try:
                    if not takes_client(mapping(match, one), client, port, one):
                        skipped.append((one, f"it is not for {client.namespace} and port {port}"))
                        continue
                    certain = True
                except NotModelled as error:
                    doubt = error
                    asked = (Condition(not_known(error.where, error.why), "sourceLabels", "not modelled"),)
                asked = conditions(mapping(match, one), authorities, one) + asked
                entries.append(Entry(one, asked, rule, match, namespace_of(body), actions))
        return tuple(entries), tuple(skipped), None if certain else doubt

    def _default_entry(self, client: Client, service: KubeService, port: int) -> Entry:
        """``buildSidecarVirtualHostForService``: everything goes to the service."""
        host = self._hosts.fqdn(service)
        rule: dict[str, Any] = {"route": [{"destination": {"host": host, "port": {"number": port}}}]}
        # What nobody has said anything about is left to the mesh, whatever its operator made of its default.
        actions = Actions(self._hosts, self._destinations, client, port, MESH)
        return Entry("", (), rule, {}, service.namespace, actions)


def _why(host: str, chosen: str) -> str:
    return f"{chosen} names {host} too and comes first: of two, a private one, then the older, then the first given"


def _seen(bodies: Iterable[Body], namespace: str) -> Iterator[Body]:
    """Those that the proxies of a namespace see: private ones first, then exported, then public, each by age."""
    levels: dict[str, list[Body]] = {level: [] for level in _LEVELS}
    for body in bodies:
        level = seen_by(body, namespace)
        if level is not None:
            levels[level].append(body)
    for level in _LEVELS:
        yield from levels[level]
