"""What a waypoint does with a request: the HTTPRoutes of a Service, made one table.

istiod makes a VirtualService of the routes of one namespace, parent and port, sorted: an exact path, then a prefix,
then a regular expression; then the longer path; then a method; then more headers; then more query parameters; then the
older route; then the earlier rule (``sortHTTPRoutes`` in ``pilot/pkg/config/kube/gateway/conversion.go``). With a
route, what no rule matches is answered 404; where all weights are 0, 500. ``retry`` comes on top of the mesh's own
conditions, and ``backendRequest`` without ``retry`` takes the place of ``request``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from meshdsl.simulate import http_route
from meshdsl.simulate.fields import Body, by_age, milliseconds, number, only, whole
from meshdsl.simulate.inventory import Inventory, KubeService
from meshdsl.simulate.istio_destination import Destinations, breaker
from meshdsl.simulate.istio_hosts import Hosts
from meshdsl.simulate.istio_route import DEFAULT_CONDITIONS, literal
from meshdsl.simulate.words import (
    MESH,
    Backend,
    Breaker,
    LeftToMesh,
    NotModelled,
    Request,
    Retries,
    Traffic,
    answered_by_proxy,
    shares,
)

FILTERS: Final = (
    "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "RequestMirror", "URLRewrite", "CORS",
)  # fmt: skip
_RANKS: Final = {http_route.EXACT: 3, http_route.PREFIX: 2, http_route.REGEX: 1}
_DEFAULT_ATTEMPTS: Final = 2


@dataclass(slots=True, eq=False)
class Entry:
    """A rule as one of its matches makes it.

    Attributes:
        rule: of the route.
        match: one of its matches.
    """

    rule: http_route.Rule
    match: http_route.Match
    namespace: str
    routes: WaypointRoutes
    _traffic: Callable[[Request], Traffic] | None = None

    def traffic(self, request: Request) -> Traffic:
        """What is done with a request. Raises NotModelled if the rule says something that is not known."""
        if self._traffic is None:
            self._traffic = self.routes.action(self)
        return self._traffic(request)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The rules of a waypoint for a Service and a port, in the order in which they are tried.

    Attributes:
        routes: the HTTPRoutes that they are from; none if the Service has none.
    """

    routes: tuple[str, ...]
    entries: tuple[Entry, ...]
    default: Traffic | None

    def entry(self, request: Request) -> Entry | None:
        """The rule that takes a request; None if none does."""
        for one in self.entries:
            if one.match.holds(request):
                return one
        return None


class WaypointRoutes:
    """The routes, read for one waypoint.

    Args:
        inventory: with the Services.
        hosts: of the mesh.
        destinations: the DestinationRules.
        waypoint: namespace of the waypoint, where DestinationRules are looked up first.
        default: what stands for a rule without ``retry``: the mesh's default, or None where it is off.
    """

    def __init__(
        self,
        inventory: Inventory,
        hosts: Hosts,
        destinations: Destinations,
        waypoint: str,
        default: LeftToMesh | None,
    ) -> None:
        self._inventory = inventory
        self._hosts = hosts
        self._destinations = destinations
        self._waypoint = waypoint
        self._default = default

    def table(self, service: KubeService, port: int, bodies: Iterable[Body]) -> Table:
        """The rules for a Service and a port.

        Args:
            service: the parent.
            port: of it.
            bodies: the HTTPRoutes that have it as a parent.

        Raises:
            NotModelled: which rules count depends on something that is not known.
        """
        groups: dict[tuple[str, int | None], list[http_route.Route]] = {}
        for body in by_age(bodies):
            route = http_route.route_of(body)
            for parent in route.parents:
                own = parent.is_service and (parent.namespace, parent.name) == (service.namespace, service.name)
                here = route.namespace in (service.namespace, self._waypoint)  # others are for sidecars alone
                if own and here and parent.port in (None, port):
                    groups.setdefault((route.namespace, parent.port), []).append(route)
        if not groups:
            plain = service.backend(port)
            limits = self._breaker(service, port)
            return Table((), (), Traffic(backends=shares([(plain, 1)]), retry=MESH, breaker=limits))
        routes = [route for found in groups.values() for route in found]
        names = tuple(dict.fromkeys(route.where for route in routes))
        if len(groups) > 1:
            why = "routes with and without a port, or of two namespaces, are not one: which counts is not known"
            raise NotModelled(" and ".join(names), why)
        entries = [
            Entry(rule, match, route.namespace, self)
            for route in routes
            for rule in route.rules
            for match in rule.matches
        ]
        return Table(names, tuple(sorted(entries, key=lambda one: rank(one.match), reverse=True)), None)

    def action(self, entry: Entry) -> Callable[[Request], Traffic]:
        """What a rule does with the requests that one of its matches took."""
        rule, where = entry.rule, entry.rule.where
        only(rule.body, (*http_route.RULE_FIELDS, "retry"), where)
        mirror, edits, host, origin = None, frozenset[tuple[str, str, str, str]](), None, ""
        path: Callable[[str], str] = _same
        for kind, content, place in http_route.filters(rule, FILTERS):
            if kind == "RequestRedirect":
                return self._redirect(entry, content, place)
            if kind == "RequestMirror":
                if mirror is not None:
                    raise NotModelled(place, "several mirrors are not modelled")
                mirror = self._mirror(content, place, entry.namespace)
            elif kind == "URLRewrite":
                path, host = _rewrite(content, place, entry.match)
            elif kind == "CORS":
                origin = place
            else:
                edits |= frozenset(http_route.edits(kind, content, place, literal))
        timeouts = only(rule.body.get("timeouts"), ("request", "backendRequest"), f"{where}.timeouts")
        request_timeout = _duration(timeouts, "request", where)
        per_try = _duration(timeouts, "backendRequest", where)
        retry = rule.body.get("retry")
        retried = self._default if retry is None else _retry(retry, per_try, f"{where}.retry")
        timeout = per_try if retry is None and per_try is not None else request_timeout
        weighted, limits = self._backends(rule, entry.namespace)
        fixed = (weighted, timeout, retried, None, None, mirror, edits)

        def traffic(request: Request) -> Traffic:
            if origin and "origin" in request.headers:
                raise NotModelled(origin, "what it does with a request that has an origin is not modelled")
            return Traffic(*fixed, path(request.path), host, None, limits)

        return traffic

    def _backends(self, rule: http_route.Rule, namespace: str) -> tuple[Any, Breaker | None]:
        found = [one for one in http_route.backends(rule, self._inventory, namespace) if one[1]]
        if not found:
            return shares([(answered_by_proxy(500), 1)]), None
        limits = {
            self._breaker(self._inventory[f"{one.get('namespace') or namespace}/{one['name']}"], one["port"])
            for one in rule.body["backendRefs"]
            if one.get("weight", 1)
        }
        if len(limits) > 1:
            raise NotModelled(f"{rule.where}.backendRefs", "its backends have different breakers")
        return shares(found), limits.pop()

    def _breaker(self, service: KubeService, port: int) -> Breaker | None:
        """The breaker of the Service that a request is sent to, as the waypoint keeps it."""
        known = self._destinations.of(self._waypoint, self._hosts.fqdn(service), service.namespace)
        return breaker(known, port, "")

    def _mirror(self, content: Body, where: str, namespace: str) -> tuple[Backend, Any] | None:
        only(content, ("backendRef", "percent", "fraction"), where)
        percent = number(content.get("percent", 100), where)
        if content.get("fraction") is not None:
            fraction = only(content["fraction"], ("numerator", "denominator"), f"{where}.fraction")
            percent = 100 * number(fraction.get("numerator"), where) / number(fraction.get("denominator", 100), where)
        there = http_route.backend(content.get("backendRef"), self._inventory, namespace, f"{where}.backendRef")
        return (there, percent) if percent else None

    def _redirect(self, entry: Entry, content: Body, where: str) -> Callable[[Request], Traffic]:
        if len(entry.rule.body["filters"]) > 1 or entry.rule.body.get("retry") or entry.rule.body.get("timeouts"):
            raise NotModelled(where, "what stands beside a redirect is not modelled")

        def traffic(request: Request) -> Traffic:
            there = http_route.redirect(content, where, entry.match, request, port=request.port)
            return Traffic(path=request.path, redirect=there)

        return traffic


def rank(match: http_route.Match) -> tuple[int, int, bool, int, int]:
    """How specific a match is for Istio: the greater wins."""
    length = len(match.path.rstrip("/") or "/") if match.kind == http_route.PREFIX else len(match.path)
    return _RANKS.get(match.kind, 0), length, match.method is not None, match.headers, match.query


def with_path(traffic: Traffic, path: str) -> Traffic:
    """The same, for a request with that path."""
    return Traffic(backends=traffic.backends, retry=traffic.retry, path=path, breaker=traffic.breaker)


# --------------------------------------------------------------------------------------------------------------- parts


def _same(path: str) -> str:
    return path


def _rewrite(content: Body, where: str, match: http_route.Match) -> tuple[Callable[[str], str], str | None]:
    only(content, ("hostname", "path"), where)
    modifier = content.get("path")
    rewritten = _same if modifier is None else _rewriting(modifier, f"{where}.path", match)
    return rewritten, content.get("hostname") or None


def _rewriting(modifier: Any, where: str, match: http_route.Match) -> Callable[[str], str]:
    return lambda path: http_route.rewritten_path(modifier, where, match, path)


def _duration(timeouts: Body, name: str, where: str) -> int | None:
    value = timeouts.get(name)
    return None if value is None else milliseconds(value, f"{where}.timeouts.{name}") or None


def _retry(value: Any, per_try: int | None, where: str) -> Retries | None:
    found = only(value, ("attempts", "codes", "backoff"), where)
    attempts = whole(found.get("attempts", _DEFAULT_ATTEMPTS), f"{where}.attempts")
    if not attempts:
        return None
    codes = frozenset(whole(one, f"{where}.codes") for one in found.get("codes") or ())
    backoff = found.get("backoff")
    base = None if backoff is None else milliseconds(backoff, f"{where}.backoff")
    return Retries(attempts, DEFAULT_CONDITIONS, codes, per_try, base)
