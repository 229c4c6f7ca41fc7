"""Edits of headers that no policy can keep, and access rules that look at what a policy changes on the way.

Some headers are not the message's but the connection's, or say where the message ends: each proxy on the way writes
its own (RFC 9110, 7.6.1 and 8.6). An edit of one is dropped, or breaks the next connection or the body.

A rule about a path or a header is decided before the callee: by its sidecar, which sees what the caller's proxy made of
the request, or by a waypoint, which decides before it rewrites. The same policies would let in other requests on other
meshes, and a Deny by a header that is removed on the way would hold for nobody. So the two do not go together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshdsl.diagnostics import Diagnostic, Origin
from meshdsl.plan.intent import Port, Service
from meshdsl.plan.matching import Undecidable, intersection
from meshdsl.plan.requests import Headers, Match, Path, PathKind, Rule
from meshdsl.plan.rights import Allow, Deny
from meshdsl.plan.source import Source

EDITED = "MESH406"
OF_A_CONNECTION = "MESH414"
_ITS_OWN: Final = (
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)


def check(service: Service) -> Iterator[Diagnostic]:
    """Each edit of a service that no proxy could keep, and each access rule of it that looks at what is changed."""
    yield from _of_a_connection(service)
    yield from _looked_at(service)


def _of_a_connection(service: Service) -> Iterator[Diagnostic]:
    """Each edit of a header that is a connection's; once, however many rules it is for."""
    seen: set[tuple[Origin | None, str, str]] = set()
    for rule in (rule for port in service.ports for rule in port.rules):
        if rule.headers is None:
            continue
        origin = rule.headers.source.origin
        for field, name in _edits(rule.headers):
            if name not in _ITS_OWN or (origin, field, name) in seen:
                continue
            seen.add((origin, field, name))
            yield Diagnostic(
                OF_A_CONNECTION,
                f"the header {name} cannot be edited for {service}",
                origin,
                field,
                reason="it is of one connection, or says where a message ends, and each proxy writes its own",
                help="leave it out, or use a header of your own",
            )


def _edits(headers: Headers) -> Iterator[tuple[str, str]]:
    """Each argument of a policy, and a header that it names."""
    for message, edits in (("request", headers.request), ("response", headers.response)):
        if edits is not None:
            yield from ((f"{message}_set", name) for name, _ in edits.set)
            yield from ((f"{message}_add", name) for name, _ in edits.add)
            yield from ((f"{message}_remove", name) for name in edits.remove)


def _looked_at(service: Service) -> Iterator[Diagnostic]:
    """Each access rule of a service that would be asked about a path or header which is not what the caller sent."""
    rules: tuple[Allow | Deny, ...] = (*service.access.allow, *service.access.deny)
    for rule in rules:
        found = next(_changes(service, rule), None)
        if found is not None:
            what, source = found
            yield Diagnostic(
                EDITED,
                f"a rule about who may call {service} looks at {what}, which is changed on the way",
                rule.source.origin,
                reason="some meshes decide before it is changed and others after, so the rule would let in different"
                " requests on each",
                help="let the rule look at something else, or leave what it looks at as the caller sent it",
                related=(("it is changed here", source.origin),) if source.origin is not None else (),
            )


def _changes(service: Service, rule: Allow | Deny) -> Iterator[tuple[str, Source]]:
    """What a rule looks at and the routes of a port change, and by which policy."""
    names = {header.name for header in rule.headers}
    for port in _ports(service, rule):
        for route in port.rules:
            request = route.headers.request if route.headers is not None else None
            if route.headers is not None and request is not None:
                edited = {*dict(request.set), *dict(request.add), *request.remove}
                for name in sorted(names & edited):
                    yield f"the header {name!r}", route.headers.source
            if route.rewrite is not None and route.rewrite.path is not None:
                ways = (route.match.path, _rewritten(route))
                if any(_may_share(path, way) for path in rule.paths for way in ways):
                    yield "a path", route.rewrite.source


def _ports(service: Service, rule: Allow | Deny) -> Iterator[Port]:
    return (port for port in service.ports if not rule.ports or port.number in rule.ports)


def _rewritten(route: Rule) -> Path | None:
    """The paths that the service sees; None for all."""
    assert route.rewrite is not None
    assert route.rewrite.path is not None
    if route.match.path is not None and route.match.path.kind is not PathKind.PREFIX:
        return Path(PathKind.EXACT, route.rewrite.path)
    prefix = route.rewrite.path.rstrip("/")
    return Path(PathKind.PREFIX, prefix) if prefix else None


def _may_share(one: Path, other: Path | None) -> bool:
    try:
        return intersection(Match(path=one), Match(path=other)) is not None
    except Undecidable:
        return True
