"""What an HTTPRoute at a waypoint cannot say, or would say of other requests: rules that span fields.

istiod sorts the rules of an HTTPRoute by itself and has no word for some conditions, and none of it is an error there:
the request is treated in another way. So it is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Final

from meshdsl.diagnostics import Diagnostic
from meshdsl.plan.intent import Port, Service
from meshdsl.plan.matching import Undecidable, intersection
from meshdsl.plan.requests import Match, PathKind, Rule
from meshdsl.targets.ambient.http_route import ALWAYS_RETRIED, CODES, has_path_regex
from meshdsl.targets.base import at_least, refused
from meshdsl.targets.gateway_limits import check_redirect

ALL_PORTS_SINCE: Final = "1.30"
"""The first Istio whose waypoints read the routes of every port of a service."""


def routes_can_be_written(service: Service, port: Port, gateway_api: str) -> Iterator[Diagnostic]:
    """Whether each rule of a port's table can be written, and keeps its place.

    Args:
        service: whose port it is.
        port: with its table.
        gateway_api: version of the installed CRDs.
    """
    for rule in port.rules:
        where = f"rule {rule.name} of port {port.number} of {service}"
        yield from _retries(rule, service)
        yield from _path_is_replaced_whole(rule, where)
        yield from check_redirect(rule, service, port, gateway_api)
    yield from _order_is_kept(service, port)


def one_port_has_routes(service: Service, version: str) -> Iterator[Diagnostic]:
    """Whether a waypoint of this version reads the routes of all ports.

    istiod makes a VirtualService of its own for each port that a route names as its parent, and before 1.30 a waypoint
    takes the first of a host and no other (``pilot/pkg/networking/core/listener_waypoint.go``).
    """
    ports = [port for port in service.ports if port.rules]
    if len(ports) < 2 or at_least(version, ALL_PORTS_SINCE):
        return
    yield refused(
        "MESH634",
        f"{service} has routes on {len(ports)} ports, of which a waypoint of Istio {version} reads those of one",
        ports[1].rules[0].source,
        reason=f"the routes of the others would be left out without a word; since {ALL_PORTS_SINCE} all are read",
        help=f"use Istio {ALL_PORTS_SINCE} or newer, or limit the policies to routes of one port",
    )


def _retries(rule: Rule, service: Service) -> Iterator[Diagnostic]:
    """What is said of the policy, and not of the rule: a policy is a rule for each method, and is shown once."""
    policy = rule.retry
    if policy is None:
        return
    lost = [name for name in policy.conditions if name not in CODES and name not in ALWAYS_RETRIED]
    if "reset" in lost and (len(policy.conditions) > 1 or policy.statuses):
        lost.remove("reset")  # the approximation of MESH514
    if lost:
        yield refused(
            "MESH624",
            f"{service} retries on {', '.join(lost)}, which an HTTPRoute cannot say",
            policy.source,
            field="retry_on",
            reason="it names HTTP statuses; beside them only connect-failure, refused-stream, unavailable and cancelled"
            " are retried",
            help="leave it out, or name HTTP statuses",
        )
    total = rule.timeout
    if total is not None and policy.per_try_timeout is not None and policy.per_try_timeout > total.request:
        yield refused(
            "MESH625",
            f"a retry of {service} gives each try longer than the whole request",
            policy.source,
            field="per_try_timeout",
            reason="the API server takes no backendRequest timeout beyond the request's",
            help="make per_try_timeout at most the timeout",
            related=(("the timeout", total.source.origin),) if total.source.origin is not None else (),
        )


def _path_is_replaced_whole(rule: Rule, where: str) -> Iterator[Diagnostic]:
    if rule.rewrite is None or rule.rewrite.path in (None, "/") or rule.match.path is not None:
        return
    yield refused(
        "MESH628",
        f"{where} puts {rule.rewrite.path} before every path",
        rule.rewrite.source,
        field="path",
        reason=f"Istio replaces the prefix / by it and loses the slash between: /a would become {rule.rewrite.path}a",
        help='rewrite a route with a path, such as path="/v1/*"',
    )


def _order_is_kept(service: Service, port: Port) -> Iterator[Diagnostic]:
    as_regex = has_path_regex(port)
    ranks = [_rank(rule.match, as_regex=as_regex) for rule in port.rules]
    if all(before <= after for before, after in pairwise(ranks)):
        return
    for (rule, rank), (later, later_rank) in combinations(zip(port.rules, ranks, strict=True), 2):
        if later_rank < rank and _may_overlap(rule.match, later.match):
            yield refused(
                "MESH627",
                f"rule {later.name} of port {port.number} of {service} would overtake rule {rule.name}",
                later.source,
                reason="Istio sorts the rules of an HTTPRoute: exact paths, then prefixes, then regular expressions by"
                " their length, then by method, headers and query",
                help="write the regular expression as exact paths or prefixes, or keep the two from overlapping",
                related=((f"rule {rule.name}", rule.source.origin),) if rule.source.origin is not None else (),
            )


def _rank(match: Match, *, as_regex: bool) -> tuple[int, int, bool, int, int]:
    """Where istiod puts a rule; the smallest comes first."""
    kind, length = (2, len(".*")) if as_regex else (1, len("/"))
    if match.path is not None:
        kind = {PathKind.EXACT: 0, PathKind.PREFIX: 1, PathKind.REGEX: 2}[match.path.kind]
        length = len(match.path.value)
    return kind, -length, match.method is None, -len(match.headers), -len(match.query)


def _may_overlap(one: Match, other: Match) -> bool:
    try:
        return intersection(one, other) is not None
    except Undecidable:
        return True
