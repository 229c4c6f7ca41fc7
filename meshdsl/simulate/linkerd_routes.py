"""Which rule of which route takes a request, on Linkerd: the caller's proxy and the callee's decide alike.

All routes of a Service's port, or of a Server, are one list, the oldest first. Of the matches that hold the greatest
wins: by the host, then by the *length* of what the path condition matched (an exact path and a regular expression
matched all of it, and neither ranks above a prefix), then by the number of headers, of query parameters, by a method;
what is equal then goes to the older route and the earlier rule (``linkerd2-proxy: linkerd/http/route/src``; measured).

A route with a filter that the mesh does not have is accepted and is not there (measured).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meshdsl.simulate.fields import (
    Body,
    Condition,
    group_of,
    mapping,
    name_of,
    namespace_of,
    not_known,
    only,
    sequence,
    title,
    unknown_fields,
)
from meshdsl.simulate.http_route import PREFIX, Match, Route, Rule, parents_of, route_of
from meshdsl.simulate.words import NotModelled, Request
from meshdsl.values import regex_text

POLICY: Final = "policy.linkerd.io"
REQUEST_HEADERS, RESPONSE_HEADERS, REDIRECT = "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect"
_FILTERS: Final = frozenset({REQUEST_HEADERS, RESPONSE_HEADERS, REDIRECT})
RULE_FIELDS: Final = frozenset(
    {"name", "matches", "filters", "backendRefs", "timeouts", "retry", "sessionPersistence"}
)  # fmt: skip
"""What a rule may say; ``retry`` and ``sessionPersistence`` are not read (GEP-1731, GEP-1619)."""
_SPEC_FIELDS: Final = frozenset({"parentRefs", "hostnames", "rules", "useDefaultGateways"})
Rank = tuple[int, ...]


def searched(pattern: str, where: str) -> Callable[[str], bool]:
    """A regular expression as the proxy reads it: the leftmost match, of the first alternative that fits, must be all.

    So ``/foo|/foo/bar`` does not match ``/foo/bar`` (``match/path.rs``, ``match/header.rs``; measured).

    Raises:
        NotModelled: it is in a syntax that is not shared with Python.
    """
    try:
        search = re.compile(regex_text(pattern), re.ASCII).search
    except ValueError as error:
        raise NotModelled(where, str(error)) from None

    def holds(value: str) -> bool:
        found = search(value)
        return found is not None and found.span() == (0, len(value))

    return holds


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A match of a rule of a route.

    Attributes:
        route: it is of.
        rule: it is of.
        match: what it asks for.
        length: of what its path condition matches; None for the whole path.
        rest: what else makes it greater.
        hosts: the hostnames of the route; none for every host.
    """

    route: Route
    rule: Rule
    match: Match
    length: int | None
    rest: Rank
    hosts: tuple[str, ...] = ()

    def rank(self, request: Request, host: Rank) -> Rank:
        """The greater, the better, among those that hold."""
        return (*host, len(request.path) if self.length is None else self.length, *self.rest)


class Table:
    """The routes of one Service's port, or of one Server.

    Attributes:
        candidates: the matches of all of them, the oldest route first.
        names: by which a caller may call the service.
        header_names: the headers that some match looks at.

    Args:
        routes: that are there, HTTPRoutes or GRPCRoutes, the oldest first.
        names: the names of the service.
    """

    def __init__(self, routes: Iterable[Body], names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.candidates: list[Candidate] = []
        self._broken: NotModelled | None = None
        self.header_names: set[str] = set()
        for body in routes:
            try:
                self._add(body)
            except NotModelled as error:
                self._broken = self._broken or error

    def _add(self, body: Body) -> None:
        spec = mapping(body.get("spec"), title(body))
        only(spec, _SPEC_FIELDS, f"{title(body)} spec")
        grpc = body.get("kind") == "GRPCRoute"
        route = _grpc_route(body) if grpc else route_of(body, searched)
        hosts = tuple(str(one) for one in sequence(spec.get("hostnames"), f"{title(body)} spec.hostnames"))
        for rule in route.rules:
            for match in rule.matches:
                self.candidates.append((_grpc_candidate if grpc else _candidate)(route, rule, match, hosts))
            for given in sequence(rule.body.get("matches"), rule.where):
                for header in sequence(mapping(given, rule.where).get("headers"), rule.where):
                    self.header_names.add(str(mapping(header, rule.where).get("name")).lower())

    def best(self, request: Request) -> Candidate | None:
        """The match that takes a request; None if none does.

        Raises:
            NotModelled: something that is not known could decide.
        """
        if self._broken is not None:
            raise self._broken
        found: Candidate | None = None
        best: Rank = ()
        unknown: NotModelled | None = None
        for one in self.candidates:
            try:
                if not one.match.holds(request):
                    continue
                host = self.host(one, request)
            except NotModelled as error:
                unknown = unknown or error
                continue
            if host is not None:
                rank = one.rank(request, host)
                if found is None or rank > best:
                    found, best = one, rank
        if unknown is not None:
            raise unknown
        return found

    def host(self, one: Candidate, request: Request) -> Rank | None:
        """How well the hostnames of a candidate's route fit; None if they do not.

        Raises:
            NotModelled: it depends on which of its names the caller uses for the service.
        """
        hosts = one.hosts
        if not hosts:
            return _ANY_HOST
        said = request.headers.get("host")
        names = (said.partition(":")[0],) if said is not None else self.names if request.by_name else ("",)
        fits = {max(filter(None, (_host_fits(host, name) for host in hosts)), default=None) for name in names}
        if len(fits) > 1:
            raise NotModelled(
                f"{one.route.where} spec.hostnames", "it depends on the name by which the service is called"
            )
        return fits.pop()


_ANY_HOST: Final[Rank] = (0, 0)


def _host_fits(host: str, name: str) -> Rank | None:
    """An exact name ranks above a suffix, a longer above a shorter (``match/host.rs``)."""
    host, name = host.lower(), name.lower().removesuffix(".")
    if host.startswith("*."):
        return (1, len(host) - 1) if name.endswith(host[1:]) and name != host[1:] else None
    return (2, len(host)) if host.removesuffix(".") == name else None


def _candidate(route: Route, rule: Rule, match: Match, hosts: tuple[str, ...]) -> Candidate:
    length = len(match.path.rstrip("/") or "/") if match.kind == PREFIX else None
    return Candidate(route, rule, match, length, (match.headers, match.query, match.method is not None), hosts)


def is_there(route: Body) -> bool:
    """Whether the mesh indexes a route: not with a filter of a rule that it does not have (measured).

    Raises:
        NotModelled: the route was changed after it was made, so that an older version of it may still hold (measured).
    """
    for n, rule in enumerate(
        sequence(mapping(route.get("spec"), title(route)).get("rules"), f"{title(route)} spec.rules")
    ):
        where = f"{title(route)} spec.rules[{n}]"
        for one in sequence(mapping(rule, where).get("filters"), f"{where}.filters"):
            kind = mapping(one, f"{where}.filters").get("type")
            if kind not in _FILTERS:
                if (route.get("metadata") or {}).get("generation", 1) != 1:
                    raise NotModelled(
                        f"{where}.filters", f"the mesh has no {kind}: an earlier version of the route may still hold"
                    )
                return False
    if route.get("kind") == "GRPCRoute":
        return not any(method.get("type", "Exact") != "Exact" for method in _grpc_methods(route))
    return True


def refused(route: Body, parent: str) -> bool:
    """Whether the policy controller itself has said that it does not take a route for a kind of parent."""
    for one in (route.get("status") or {}).get("parents") or ():
        if one.get("controllerName") == "linkerd.io/policy-controller" and one["parentRef"].get("kind") == parent:
            for condition in one.get("conditions") or ():
                if condition.get("type") == "Accepted" and condition.get("status") == "False":
                    return True
    return False


def by_age(routes: Iterable[Body]) -> list[Body]:
    """The oldest first; of one second by group, kind, namespace and name; what has no timestamp last, in their order.

    As the policy controller sorts what it sends to a proxy (``grpc/src/outbound/http.rs``).
    """

    def age(numbered: tuple[int, Body]) -> tuple[bool, tuple[str, ...], int]:
        index, body = numbered
        created = str((body.get("metadata") or {}).get("creationTimestamp") or "")
        name = (created, group_of(body), str(body.get("kind")), namespace_of(body), name_of(body))
        return not created, name if created else (), index

    return [body for _, body in sorted(enumerate(routes), key=age)]


# ---------------------------------------------------------------------------------------------------------- GRPCRoutes


def _grpc_methods(route: Body) -> Iterable[Body]:
    for rule in (route.get("spec") or {}).get("rules") or ():
        for match in rule.get("matches") or ():
            if match.get("method"):
                yield match["method"]


def breaks_its_port(route: Body) -> str:
    """Why a GRPCRoute makes every request to its port fail; empty if it does not.

    An edit of response headers (measured), and a match by headers without a method, are sent to the proxy as
    something that it refuses, and with it all that it was told about the port (``grpc/src/outbound/grpc.rs``,
    ``linkerd2-proxy: proxy/client-policy/src/grpc.rs``; linkerd2 #14047).
    """
    for rule in (route.get("spec") or {}).get("rules") or ():
        if any(one.get("type") == RESPONSE_HEADERS for one in rule.get("filters") or ()):
            return "a GRPCRoute that edits response headers"
        if any(one.get("headers") and not one.get("method") for one in rule.get("matches") or ()):
            return "a GRPCRoute that matches headers without a method"
    return ""


def _grpc_route(body: Body) -> Route:
    where = title(body)
    rules = []
    for n, one in enumerate(sequence(mapping(body.get("spec"), where).get("rules"), where)):
        place = f"{where} spec.rules[{n}]"
        given = sequence(mapping(one, place).get("matches"), place) or ({},)
        rules.append(Rule(place, one, tuple(_grpc_match(m, f"{place}.matches[{k}]") for k, m in enumerate(given))))
    return Route(body, parents_of(body), tuple(rules))


def _grpc_match(given: Any, where: str) -> Match:
    match = mapping(given, where)
    method = mapping(match.get("method"), f"{where}.method")
    service, name = str(method.get("service") or ""), str(method.get("method") or "")
    headers = match.get("headers") or ()
    conditions: list[Condition[Request]] = [
        Condition(lambda request: request.method == "POST", "method", "method is POST"),
        Condition(lambda request: _is_call(request.path, service, name), "method", f"call is {service}/{name}"),
        *unknown_fields(match, ("method", "headers"), where),
    ]
    for one in headers:
        key, wanted = str(one.get("name")).lower(), str(one.get("value"))
        if one.get("type", "Exact") != "Exact":
            conditions.append(Condition(_grpc_header(key, wanted, where), "headers", f"header {key} matches {wanted}"))
        else:
            conditions.append(Condition(_equals(key, wanted), "headers", f"header {key} is {wanted}"))
    return Match(where, "", f"{service}/{name}", "POST", len(headers), 0, tuple(conditions))


def _equals(key: str, wanted: str) -> Callable[[Request], bool]:
    return lambda request: request.headers.get(key) == wanted


def _grpc_header(key: str, pattern: str, where: str) -> Callable[[Request], bool]:
    try:
        holds = searched(pattern, where)
    except NotModelled as error:
        return not_known(error.where, error.why)
    return lambda request: key in request.headers and holds(request.headers[key])


def _is_call(path: str, service: str, name: str) -> bool:
    parts = path.split("/")
    return len(parts) > 2 and not parts[0] and service in ("", parts[1]) and name in ("", parts[2])


def _grpc_candidate(route: Route, rule: Rule, match: Match, hosts: tuple[str, ...]) -> Candidate:
    """A call ranks by the length of its service, then of its method, then by headers (``grpc/match.rs``)."""
    service, _, name = match.path.rpartition("/")
    return Candidate(route, rule, match, len(service), (len(name), match.headers), hosts)
