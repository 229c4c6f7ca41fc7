"""Which DestinationRule a proxy uses for a host, and what it says: labels of subsets, limits, ejection, client TLS.

The rules of the calling proxy's namespace come first, then those of the service's, then those of the root namespace;
the first of these that has a rule for the host decides alone (``pilot/pkg/model/push_context.go``,
``destinationRule``). Rules of one namespace and host are one: subsets of both, and the first ``trafficPolicy``
(``mergeDestinationRule``). A port's settings take the place of the whole policy; a subset's replace it block by block.

The sidecar of each pod of the service keeps the limits of the host once more, for all callers together: those that it
finds in the same way, whatever subsets say (measured; ``buildInboundCluster`` in
``pilot/pkg/networking/core/cluster_builder.go``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from meshdsl.simulate.fields import (
    Body,
    by_age,
    labelled,
    mapping,
    milliseconds,
    namespace_of,
    only,
    sequence,
    title,
    whole,
)
from meshdsl.simulate.istio_hosts import Hosts, matches, seen_by
from meshdsl.simulate.words import Breaker, Labels, Limits, NotModelled

_BLOCKS: Final = ("connectionPool", "outlierDetection", "loadBalancer", "tls", "tunnel", "proxyProtocol", "retryBudget")
_TCP: Final = ("maxConnections", "connectTimeout", "tcpKeepalive", "maxConnectionDuration", "idleTimeout")
_HTTP: Final = (
    "http1MaxPendingRequests", "http2MaxRequests", "maxRequestsPerConnection", "maxRetries", "idleTimeout",
    "h2UpgradePolicy", "useClientProtocol", "maxConcurrentStreams", "http2KeepAlive",
)  # fmt: skip
"""Of these, what an answer has no word for changes neither where one request goes nor how often it is tried."""
_OUTLIER: Final = (
    "consecutive5xxErrors", "consecutiveGatewayErrors", "interval", "baseEjectionTime", "maxEjectionPercent",
    "minHealthPercent",
)  # fmt: skip
_RULE: Final = ("host", "trafficPolicy", "subsets", "exportTo", "workloadSelector")


@dataclass(frozen=True, slots=True, eq=False)
class Subset:
    """A subset: the labels of its pods, and what it says beside the rule's own policy."""

    labels: Labels
    policy: Body
    where: str


@dataclass(frozen=True, slots=True, eq=False)
class Destination:
    """What a proxy knows of a host: one DestinationRule, or several of one namespace made one."""

    where: str
    policy: Body
    subsets: Mapping[str, Subset]
    limits: dict[tuple[object, ...], Breaker | None] = field(default_factory=dict)
    """Of each port and subset that was asked for: many rules lead to one."""

    def settings(self, port: int, subset: str) -> tuple[Body, str]:
        """The policy for a port and a subset (empty for none), and where it stands."""
        policy, where = _of_port(self.policy, port, f"{self.where} spec.trafficPolicy")
        own = self.subsets.get(subset)
        if own is None or not own.policy:
            return policy, where
        more, more_where = _of_port(own.policy, port, f"{own.where}.trafficPolicy")
        return {**policy, **{block: value for block, value in more.items() if value is not None}}, more_where


NOTHING: Final = Destination("", {}, {})
"""What a proxy knows of a host without a DestinationRule."""


class Destinations:
    """All DestinationRules, by namespace and host.

    Args:
        bodies: the DestinationRules.
        hosts: of the mesh.
        root: the root namespace.
    """

    def __init__(self, bodies: Iterable[Body], hosts: Hosts, root: str) -> None:
        self._hosts = hosts
        self._root = root
        self._rules: dict[str, dict[str, list[Body]]] = {}
        self._wild: dict[str, dict[str, None]] = {}
        for body in by_age(bodies):
            host = hosts.resolved(str(mapping(body.get("spec"), title(body)).get("host", "")), namespace_of(body))
            self._rules.setdefault(namespace_of(body), {}).setdefault(host, []).append(body)
            if host.startswith("*"):
                self._wild.setdefault(namespace_of(body), {})[host] = None
        self._found: dict[tuple[str, str, str], Destination] = {}
        self._inbound: dict[tuple[str, str], Destination] = {}
        self._made: dict[tuple[int, ...], Destination] = {}
        self._over: dict[tuple[str, str, str], tuple[str, ...]] = {}

    def of(self, client: str, host: str, owner: str) -> Destination:
        """What the proxies of a namespace know of a host.

        Args:
            client: namespace of the proxy.
            host: the full name.
            owner: namespace of the service.

        Raises:
            NotModelled: it depends on a field that is not known.
        """
        key = (client, host, owner)
        if key not in self._found:
            self._found[key] = self._of(client, host, owner)
        return self._found[key]

    def before_pods(self, host: str, owner: str) -> Destination:
        """What the sidecars of a service's own pods know of its host.

        Args:
            host: the full name.
            owner: namespace of the service.
        """
        key = (host, owner)
        if key not in self._inbound:
            self._inbound[key] = self._of(owner, host, owner, inbound=True)
        return self._inbound[key]

    def passed_over(self, client: str, host: str, owner: str) -> tuple[str, ...]:
        """The rules for a host that a proxy does not use, because those of another namespace come first."""
        key = (client, host, owner)
        if key not in self._over:
            self._over[key] = tuple(self._passed_over(*key))
        return self._over[key]

    def _passed_over(self, client: str, host: str, owner: str) -> Iterator[str]:
        chosen = self._namespace(client, host, owner)
        for namespace in dict.fromkeys((client, owner, self._root)):
            if namespace != chosen and self._best(namespace, host, client) is not None:
                yield from (title(body) for body in self._best(namespace, host, client) or ())

    def _of(self, client: str, host: str, owner: str, *, inbound: bool = False) -> Destination:
        namespace = self._namespace(client, host, owner, inbound=inbound)
        if namespace is None:
            return NOTHING
        bodies = self._best(namespace, host, client, inbound=inbound) or []
        key = tuple(map(id, bodies))
        if key not in self._made:  # the proxies of most namespaces see the same rules
            self._made[key] = _merged(bodies)
        return self._made[key]

    def _namespace(self, client: str, host: str, owner: str, *, inbound: bool = False) -> str | None:
        for namespace in dict.fromkeys((client, owner, self._root)):
            if self._best(namespace, host, client, inbound=inbound) is not None:
                return namespace
        return None

    def _best(self, namespace: str, host: str, client: str, *, inbound: bool = False) -> list[Body] | None:
        """The rules of a namespace for a host; None if it has none that the proxy sees."""
        rules = self._rules.get(namespace, {})
        found = [host] if host in rules else []
        found += sorted((one for one in self._wild.get(namespace, ()) if matches(one, host)), key=len, reverse=True)
        for pattern in found:  # the most specific first: ``MostSpecificHostMatch`` in ``push_context.go``
            visible = [body for body in rules[pattern] if self._applies(body, namespace, client, inbound=inbound)]
            if visible:
                return visible
        return None

    @staticmethod
    def _applies(body: Body, namespace: str, client: str, *, inbound: bool) -> bool:
        if seen_by(body, client) is None:
            return False
        if mapping(body.get("spec"), title(body)).get("workloadSelector") is None:
            return True
        if namespace == client and not inbound:
            raise NotModelled(f"{title(body)} spec.workloadSelector", "a rule for some proxies alone is not modelled")
        return False  # it is only for callers of its own namespace


def breaker(destination: Destination, port: int, subset: str, before_pods: Destination = NOTHING) -> Breaker | None:
    """Limits and ejection of a host, as the calling proxy keeps them, and the limits of each pod's; None for none.

    Args:
        destination: what the calling proxy knows of the host.
        port: of the service.
        subset: its name; empty for the whole host.
        before_pods: what the sidecars of the pods know of it; nothing where they have none.

    Raises:
        NotModelled: it depends on a field that is not known.
    """
    found = (destination if destination is not NOTHING else before_pods).limits
    key = (port, subset, destination, before_pods)
    if key not in found:
        own, there = _breaker(destination, port, subset), _breaker(before_pods, port, "")
        if there is not None:
            limits = Limits(there.connections, there.pending, there.requests, there.requests_per_connection)
            own = replace(own or Breaker(), at_pods=limits) if limits != Limits() else own
        found[key] = own
    return found[key]


def _breaker(destination: Destination, port: int, subset: str) -> Breaker | None:
    policy, where = destination.settings(port, subset)
    if not policy:
        return None
    only(policy, (*_BLOCKS, "portLevelSettings", "port"), where)
    for block in ("tunnel", "proxyProtocol"):
        if policy.get(block):
            raise NotModelled(f"{where}.{block}", "this field is not modelled")
    pool = only(policy.get("connectionPool"), ("tcp", "http"), f"{where}.connectionPool")
    tcp = only(pool.get("tcp"), _TCP, f"{where}.connectionPool.tcp")
    http = only(pool.get("http"), _HTTP, f"{where}.connectionPool.http")
    limits = (
        _limit(tcp, "maxConnections", where),
        _limit(http, "http1MaxPendingRequests", where),
        _limit(http, "http2MaxRequests", where),
        _limit(http, "maxRequestsPerConnection", where),
    )
    ejection = _ejection(policy.get("outlierDetection"), f"{where}.outlierDetection")
    return Breaker(*limits, *ejection) if any(one is not None for one in (*limits, *ejection)) else None


def tls_mode(destination: Destination, port: int, subset: str) -> tuple[str, str]:
    """The mode of client TLS for a host, empty where it is left to the mesh; and where it stands.

    Source: ``pilot/pkg/xds/endpoints/mtls_checker.go``.
    """
    policy, where = destination.settings(port, subset)
    tls = mapping(policy.get("tls"), f"{where}.tls")
    return (str(tls.get("mode") or "DISABLE"), f"{where}.tls") if "tls" in policy and tls else ("", "")


def _merged(bodies: list[Body]) -> Destination:
    policy: Body | None = None
    subsets: dict[str, Subset] = {}
    for body in bodies:
        where = title(body)
        spec = only(body.get("spec"), _RULE, f"{where} spec")
        if policy is None and spec.get("trafficPolicy") is not None:
            policy = mapping(spec["trafficPolicy"], where)
        for n, one in enumerate(sequence(spec.get("subsets"), f"{where} spec.subsets")):
            place = f"{where} spec.subsets[{n}]"
            found = only(one, ("name", "labels", "trafficPolicy"), place)
            labels = labelled(mapping(found.get("labels"), place))
            subset = Subset(labels, mapping(found.get("trafficPolicy"), place), place)
            subsets.setdefault(str(found.get("name")), subset)
    return Destination(" and ".join(map(title, bodies)), policy or {}, subsets)


def _of_port(policy: Body, port: int, where: str) -> tuple[Body, str]:
    for n, one in enumerate(sequence(policy.get("portLevelSettings"), where)):
        if mapping(mapping(one, where).get("port"), where).get("number") == port:
            return one, f"{where}.portLevelSettings[{n}]"
    return policy, where


def _limit(block: Body, name: str, where: str) -> int | None:
    """A limit; 0 says nothing (``pilot/pkg/networking/core/cluster_traffic_policy.go``)."""
    return whole(block.get(name) or 0, f"{where}.{name}") or None


def _ejection(outlier: Any, where: str) -> tuple[int | None, ...]:
    """Counters and times; what is not given is Envoy's own: 5 errors, 10 s, 30 s, 10 %. A counter of 0 is off."""
    if outlier is None:
        return (None,) * 5
    found = only(outlier, _OUTLIER, where)
    if found.get("minHealthPercent"):
        raise NotModelled(f"{where}.minHealthPercent", "this field is not modelled")
    errors = whole(found.get("consecutive5xxErrors", 5), where) or None
    gateway = whole(found.get("consecutiveGatewayErrors", 0), where) or None
    if errors is None and gateway is None:
        return (None,) * 5
    return (
        errors,
        gateway,
        milliseconds(found.get("interval") or "10s", where),
        milliseconds(found.get("baseEjectionTime") or "30s", where),
        whole(found.get("maxEjectionPercent") or 10, where),
    )
