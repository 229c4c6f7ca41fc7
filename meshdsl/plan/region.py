"""The regions of a service's requests, with what the policies that are nearest to each of them say."""

from __future__ import annotations

from difflib import get_close_matches
from math import gcd
from typing import Any, ClassVar

from meshdsl.diagnostics import Diagnostic
from meshdsl.model import traffic
from meshdsl.model.base import Policy
from meshdsl.model.inventory import Route, Service
from meshdsl.plan import requests, source
from meshdsl.plan.attach import Attachments, Place, place_of, place_text, source_of
from meshdsl.plan.intent import Port
from meshdsl.plan.matching import Undecidable
from meshdsl.plan.requests import Backend, HeaderEdits, Match
from meshdsl.plan.source import Source
from meshdsl.plan.table import (
    IDEMPOTENT,
    Conjunction,
    Contradiction,
    Region,
    conjunctions,
    header_condition,
    meeting,
    path_of,
    query_condition,
    sorted_conditions,
)
from meshdsl.values import milliseconds, percentage

_WHOLE = (Backend(None, 1),)
_EVERYTHING = (Match(),)


class RequestPolicies:
    """Finds, for each part of a service's requests, the policies about requests that hold there."""

    KINDS: ClassVar[tuple[type[Policy], ...]] = (
        traffic.Canary,
        traffic.Timeout,
        traffic.Retry,
        traffic.Fault,
        traffic.Mirror,
        traffic.Headers,
        traffic.Rewrite,
        traffic.Redirect,
    )

    def __init__(self, attachments: Attachments) -> None:
        self._attachments = attachments

    def _report(
        self, code: str, message: str, policy: Policy | Route, field: str, reason: str, help_: str, **more: Any
    ) -> None:
        self._attachments.diagnostics.append(Diagnostic(code, message, policy.origin, field, reason, help_, **more))

    # -------------------------------------------------------------------------------------------------------- regions

    def regions(self, service: Service, port: Port) -> list[Region]:
        """The regions of an HTTP port: each route that a policy is attached to, and then the rest.

        Empty if no policy about requests holds for the service.
        """
        place = place_of(service)
        routes = [
            route
            for route in self._attachments.attached_routes((place[0], place[1]))
            if any(self._attachments.own(kind, (*place, route.name)) for kind in self.KINDS)
        ]
        here = [route for route in routes if self._on_port(route, service, port)]
        regions = [self._region(service, port, (*place, route.name), route) for route in here]
        rest = self._region(service, port, place, None)
        # A route of another port is a policy about requests of this service: what is left to the mesh, such as its own
        # retries, is left on no port, and a VirtualService has something for each of them.
        if not routes and not rest.policies:
            return []
        return [*regions, rest]

    def _on_port(self, route: Route, service: Service, port: Port) -> bool:
        if route.port is None or route.port == port.number:
            return True
        numbers = [service.port] if service.port is not None else [p.number for p in service.ports]
        if route.port not in numbers:
            known = ", ".join(map(str, sorted(n for n in numbers if n is not None)))
            self._report(
                "MESH323",
                f"{place_text(place_of(service))} has no port {route.port}",
                route,
                "port",
                "a route names a port of the service, not of its pods",
                f"its ports are {known}",
            )
        return False

    def _region(self, service: Service, port: Port, place: Place, route: Route | None) -> Region:
        found = {kind: policy for kind in self.KINDS if (policy := self._attachments.nearest(kind, place)) is not None}
        redirect = found.get(traffic.Redirect)
        if redirect is not None:
            self._check_redirect(redirect, place)
            found = {traffic.Redirect: redirect}
        policies = tuple(found.values())
        split = found.get(traffic.Canary)
        retry = found.get(traffic.Retry)
        timeout = found.get(traffic.Timeout)
        backends, weighed, when, canary = self._backends(service, split)
        matches = self._matches(route) if route else _EVERYTHING
        own = self._attachments.own(traffic.Canary, place)
        if own is not None and when:
            self._check_when(own, place, when, matches)
        return Region(
            name=route.name if route else "default",
            matches=matches,
            backends=backends,
            split=weighed,
            when=when,
            canary=canary,
            canary_source=source_of(split) if split is not None and when else None,
            timeout=_timeout(timeout),
            retry=_retry(retry),
            never=source_of(retry) if retry is not None else None,
            methods=_retried_methods(retry),
            fault=_fault(found.get(traffic.Fault)),
            mirror=self._mirror(service, port, found.get(traffic.Mirror)),
            headers=_headers(found.get(traffic.Headers)),
            rewrite=self._rewrite(route, found.get(traffic.Rewrite)),
            redirect=_redirect(redirect),
            source=source_of(policies[0]) if policies else source.NOWHERE,
            policies=policies,
        )

    def _matches(self, route: Route) -> tuple[Match, ...]:
        try:
            headers = sorted_conditions(tuple(header_condition(h) for h in route.headers), "header")
            query = sorted_conditions(tuple(query_condition(q) for q in route.query), "query parameter")
        except Contradiction as error:
            self._report("MESH330", str(error), route, "", "no mesh takes two conditions on one name", "write one")
            return _EVERYTHING
        path = path_of(route.path) if route.path is not None else None
        return tuple(Match(path, method, headers, query) for method in sorted(set(route.methods)) or (None,))

    def _check_when(
        self, canary: Policy, place: Place, when: tuple[Conjunction, ...], matches: tuple[Match, ...]
    ) -> None:
        """A ``when`` that no request of its own route can meet would be lost."""
        try:
            lost = not any(meeting(match, *both) for match in matches for both in when)
        except (Contradiction, Undecidable):  # told of all routes together
            return
        if lost:
            self._report(
                "MESH330",
                f"when: no request of {place_text(place)} can meet it",
                canary,
                "when",
                "the route asks for another value of the same header or query parameter",
                "leave `when` out, or attach the Canary to the service",
            )

    def _check_redirect(self, redirect: Policy, place: Place) -> None:
        """What is attached beside a redirect would have no effect, and so is refused."""
        own = place_of(getattr(redirect, "subject"))  # noqa: B009
        for kind in self.KINDS:
            for length in range(len(own), len(place) + 1):
                other = self._attachments.own(kind, place[:length])
                if other is not None and kind is not traffic.Redirect:
                    self._report(
                        "MESH312",
                        f"{type(other).__name__} has no effect: the requests of {place_text(place)} are redirected",
                        other,
                        "subject",
                        "a redirected request never reaches the service",
                        "leave it out, or attach the Redirect to a route of its own",
                        related=(("the Redirect is here", redirect.origin),),
                    )

    # ------------------------------------------------------------------------------------------------------- versions

    def _backends(
        self, service: Service, policy: Policy | None
    ) -> tuple[tuple[Backend, ...], Source | None, tuple[Conjunction, ...], str | None]:
        if isinstance(policy, traffic.Split):
            for version in policy.weights:
                self._check_version(service, version, policy, "weights")
            backends = _shared_out([(v, policy.weights[v]) for v in _in_order(service, policy.weights)])
            return backends, source_of(policy), (), None
        if not isinstance(policy, traffic.Canary):
            return _WHOLE, None, (), None
        for field in ("stable", "canary"):
            self._check_version(service, getattr(policy, field), policy, field)
        parts = int(percentage(policy.percent) * 10_000)
        backends = _shared_out([(policy.stable, 1_000_000 - parts), (policy.canary, parts)])
        try:
            when = tuple(conjunctions(policy.when)) if policy.when is not None else ()
        except Contradiction as error:
            self._report("MESH330", f"when: {error}", policy, "when", "each alternative is a rule", "use fewer")
            when = ()
        return backends, source_of(policy), when, policy.canary

    def _check_version(self, service: Service, version: str, policy: Policy, field: str) -> None:
        if version not in service.versions:
            close = get_close_matches(version, service.versions, 1, 0.5)
            declared = f"its versions are {', '.join(service.versions)}" if service.versions else "it has no versions"
            self._report(
                "MESH304",
                f"{place_text(place_of(service))} has no version {version!r}",
                policy,
                field,
                "a version that is not declared has no pods that could be told apart",
                f"did you mean {close[0]!r}?" if close else f"{declared}; declare it with versions=(…)",
            )

    def _mirror(self, service: Service, port: Port, policy: Policy | None) -> requests.Mirror | None:
        if not isinstance(policy, traffic.Mirror):
            return None
        found = self._attachments.find(policy.to, policy, "to")
        if found is None:
            return None
        to = self._attachments.services[found]
        if policy.version is not None:
            self._check_version(to, policy.version, policy, "version")
        elif to is service:
            self._report(
                "MESH325",
                f"{place_text(place_of(service))} is mirrored to itself",
                policy,
                "to",
                "every request would reach the same pods twice",
                "name a version, or another service",
            )
        numbers = [to.port] if to.port is not None else [p.number for p in to.ports]
        wanted = policy.port if policy.port is not None else port.number if port.number in numbers else None
        if wanted is None and len(numbers) == 1:
            wanted = numbers[0]
        if wanted is None or wanted not in numbers:
            self._report(
                "MESH324",
                f"it is not clear which port of {found[0]}/{found[1]} gets the copies"
                if policy.port is None
                else f"{found[0]}/{found[1]} has no port {policy.port}",
                policy,
                "port" if policy.port is not None else "to",
                f"requests of port {port.number} are copied, and it has no such port",
                f"say port=…; its ports are {', '.join(map(str, numbers)) or 'none'}",
            )
            return None
        return requests.Mirror(found, wanted, policy.version, percentage(policy.percent), source_of(policy))

    def _rewrite(self, route: Route | None, policy: Policy | None) -> requests.Rewrite | None:
        if not isinstance(policy, traffic.Rewrite):
            return None
        path = path_of(route.path) if route is not None and route.path is not None else None
        if policy.path is not None and path is not None and path.kind is requests.PathKind.REGEX:
            self._report(
                "MESH336",
                f"{place_text(place_of(route) if route else ())} has a regular expression as its path, so no rewrite",
                policy,
                "path",
                "what of the path is to be replaced is not said",
                'give the route an exact path or a prefix "/a/*"',
            )
        return requests.Rewrite(_new_path(policy, route, path), policy.host, source_of(policy))


def _new_path(policy: traffic.Rewrite, route: Route | None, path: requests.Path | None) -> str | None:
    """What replaces the path that a route matched.

    The Rewrite of a service puts its path before that of every request, also of those that a route takes.
    """
    if policy.path is None:
        return None
    if path is not None and policy.subject is not route:
        return policy.path.rstrip("/") + path.value
    if path is not None and path.kind is requests.PathKind.EXACT:
        return policy.path
    # What follows a prefix brings its own slash; meshes differ in what they make of a second one.
    return policy.path.rstrip("/") or "/"


def _in_order(service: Service, weights: Any) -> list[str]:
    return [version for version in service.versions if version in weights]


def _shared_out(weights: list[tuple[str, int]]) -> tuple[Backend, ...]:
    """Backends with the smallest whole weights; of a sum of 100 where whole percentages can say it."""
    kept = [(version, weight) for version, weight in weights if weight]
    divisor = gcd(*(weight for _, weight in kept)) if kept else 1
    total = sum(weight for _, weight in kept) // divisor
    factor = 100 // total if total and 100 % total == 0 else 1
    return tuple(Backend(version, weight // divisor * factor) for version, weight in kept)


def _timeout(policy: Policy | None) -> requests.Timeout | None:
    return (
        requests.Timeout(milliseconds(policy.request), source_of(policy))
        if isinstance(policy, traffic.Timeout)
        else None
    )


def _retry(policy: Policy | None) -> requests.Retry | None:
    if not isinstance(policy, traffic.Retry) or policy.attempts == 0:
        return None
    return requests.Retry(
        policy.attempts,
        tuple(name for name in requests.RETRY_FEATURES if name in policy.retry_on),
        tuple(sorted(set(policy.statuses))),
        milliseconds(policy.per_try_timeout) if policy.per_try_timeout is not None else None,
        milliseconds(policy.backoff) if policy.backoff is not None else None,
        source_of(policy),
    )


def _retried_methods(policy: Policy | None) -> tuple[str, ...] | None:
    if not isinstance(policy, traffic.Retry) or policy.methods == "any":
        return None
    return IDEMPOTENT if policy.methods is None else tuple(sorted(set(policy.methods)))


def _fault(policy: Policy | None) -> requests.Fault | None:
    if not isinstance(policy, traffic.Fault):
        return None
    abort, delay = policy.abort, policy.delay
    return requests.Fault(
        requests.Abort(abort.status, percentage(abort.percent)) if abort else None,
        requests.Delay(milliseconds(delay.duration), percentage(delay.percent)) if delay else None,
        source_of(policy),
    )


def _headers(policy: Policy | None) -> requests.Headers | None:
    if not isinstance(policy, traffic.Headers):
        return None
    request = HeaderEdits(
        tuple(sorted(policy.request_set.items())),
        tuple(sorted(policy.request_add.items())),
        tuple(sorted(set(policy.request_remove))),
    )
    response = HeaderEdits(
        tuple(sorted(policy.response_set.items())),
        tuple(sorted(policy.response_add.items())),
        tuple(sorted(set(policy.response_remove))),
    )
    nothing = HeaderEdits()
    return requests.Headers(
        request if request != nothing else None, response if response != nothing else None, source_of(policy)
    )


def _redirect(policy: Policy | None) -> requests.Redirect | None:
    if not isinstance(policy, traffic.Redirect):
        return None
    return requests.Redirect(policy.status, policy.scheme, policy.host, policy.port, policy.path, source_of(policy))
