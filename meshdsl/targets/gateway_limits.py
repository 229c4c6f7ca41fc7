"""What does not fit into the objects of :mod:`meshdsl.targets.gateway_api`, and the names their Services need.

The limits are those of the CRD (``config/crd/standard/gateway.networking.k8s.io_httproutes.yaml``, 1.5). They are
checked before anything is lowered, so that the API server never is the first to say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from meshdsl.diagnostics import Diagnostic
from meshdsl.plan.intent import Plan, Port, Service
from meshdsl.plan.requests import HeaderEdits, Match, PathKind, Rule
from meshdsl.targets.base import at_least, refused
from meshdsl.targets.gateway_api import merged, regex, version_service_name
from meshdsl.values import service_name

MAX_RULES: Final = 16
MAX_MATCHES: Final = 128
MAX_ITEMS: Final = 16
"""Of header conditions, query conditions, backends, and of each list of header edits."""
ALL_REDIRECTS_SINCE: Final = "1.5"
"""The first Gateway API whose standard HTTPRoute surely takes the statuses 303, 307 and 308."""
MAX_VALUE: Final = 1024
"""Characters of a path or query value; an anchored regular expression is six longer than what was written."""


def check_version_services(plan: Plan, versions: Callable[[Service], Iterable[str]]) -> Iterator[Diagnostic]:
    """Whether the Services of versions can have their names.

    Args:
        plan: everything that is declared.
        versions: the versions of a service that get a Service of their own.
    """
    taken = {(service.namespace, service.name): service for service in plan.services}
    for service in plan.services:
        for version in versions(service):
            name = version_service_name(service.name, version)
            try:
                service_name(name)
            except ValueError as error:
                yield refused(
                    "MESH671",
                    f"version {version} of {service} cannot have a Service of its own named {name}",
                    service.source,
                    field="versions",
                    reason=str(error),
                    help="give the version or the service a shorter or plainer name",
                )
                continue
            other = taken.setdefault((service.namespace, name), service)
            if other is not service:
                related = ((f"{other} is declared here", other.source.origin),) if other.source.origin else ()
                yield refused(
                    "MESH672",
                    f"version {version} of {service} needs a Service named {name}, and {other} has that name",
                    service.source,
                    field="versions",
                    reason="this mesh knows a version only as a Service named SERVICE-VERSION",
                    help="rename the version or one of the services",
                    related=related,
                )


def check_rules(rules: Sequence[Rule], service: Service, port: Port, *, anchor: bool) -> Iterator[Diagnostic]:
    """Whether rules fit into one HTTPRoute.

    Args:
        rules: that become one object.
        service: whose port it is, for the message.
        port: the rules' port.
        anchor: whether regular expressions are written anchored, which makes them six characters longer.
    """
    groups = merged(rules)
    where = f"port {port.number} of {service}"
    if len(groups) > MAX_RULES:
        yield refused(
            "MESH673",
            f"the routes of {where} need {len(groups)} rules, and an HTTPRoute holds {MAX_RULES}",
            groups[MAX_RULES][0].source,
            reason="neighbouring rules that do the same are written as one already",
            help="give fewer routes a treatment of their own, or split the service",
        )
    if len(rules) > MAX_MATCHES:
        yield refused(
            "MESH674",
            f"the routes of {where} need {len(rules)} matches, and an HTTPRoute holds {MAX_MATCHES}",
            rules[MAX_MATCHES].source,
            help="name fewer methods, paths or headers, or split the service",
        )
    for rule in rules:
        for what in _too_much(rule, anchor=anchor):
            yield refused("MESH675", f"rule {rule.name} of {where} has {what}", rule.source, help="split or shorten it")


def check_redirect(rule: Rule, service: Service, port: Port, gateway_api: str) -> Iterator[Diagnostic]:
    """Whether the installed CRDs take the status of a redirect.

    Args:
        rule: that may redirect.
        service: whose port it is, for the message.
        port: the rule's port.
        gateway_api: version of the installed CRDs.
    """
    if rule.redirect is None or rule.redirect.status in (301, 302) or at_least(gateway_api, ALL_REDIRECTS_SINCE):
        return
    yield refused(
        "MESH677",
        f"rule {rule.name} of port {port.number} of {service} redirects with status {rule.redirect.status}",
        rule.redirect.source,
        field="status",
        reason=f"the HTTPRoute of Gateway API {gateway_api} takes 301 and 302 alone",
        help=f"use 301 or 302, or install Gateway API {ALL_REDIRECTS_SINCE} and set"
        f' gateway_api = "{ALL_REDIRECTS_SINCE}"',
    )


def check_match(match: Match, *, anchor: bool) -> Iterator[str]:
    """What a match has too much of for an HTTPRoute, in words; nothing if it fits."""
    if len(match.headers) > MAX_ITEMS:
        yield f"{len(match.headers)} header conditions; an HTTPRoute takes {MAX_ITEMS}"
    if len(match.query) > MAX_ITEMS:
        yield f"{len(match.query)} query conditions; an HTTPRoute takes {MAX_ITEMS}"
    for what, parts in (("header", match.headers), ("query parameter", match.query)):
        names = [part.name for part in parts]
        if len(set(names)) != len(names):
            yield f"two conditions on one {what}; an HTTPRoute takes one"
    if match.path is not None:
        is_regex = match.path.kind is PathKind.REGEX
        if len(regex(match.path.value, anchor=anchor and is_regex)) > MAX_VALUE:
            yield f"a path of more than {MAX_VALUE} characters as it is written"
    for part in match.query:
        if len(regex(part.value, anchor=anchor and part.regex)) > MAX_VALUE:
            yield f"a query value of more than {MAX_VALUE} characters as it is written"


def _too_much(rule: Rule, *, anchor: bool) -> Iterator[str]:
    yield from check_match(rule.match, anchor=anchor)
    if len(rule.backends) > MAX_ITEMS:
        yield f"{len(rule.backends)} backends; an HTTPRoute takes {MAX_ITEMS}"
    for edits in _all_edits(rule):
        longest = max(len(edits.set), len(edits.add), len(edits.remove))
        if longest > MAX_ITEMS:
            yield f"{longest} edits of headers in one list; an HTTPRoute takes {MAX_ITEMS}"


def _all_edits(rule: Rule) -> Iterator[HeaderEdits]:
    if rule.headers is not None:
        yield from (edits for edits in (rule.headers.request, rule.headers.response) if edits is not None)
