"""What Linkerd's proxy of the caller does with a request once a rule has taken it.

Retries and timeouts are annotations of the route object and, where it has none of a family, of the Service that is
called; the two families are inherited apart from each other, and each as a whole (``grpc/src/outbound/http.rs``;
measured). A backend that is not there answers its share with 500. A single backend gets everything, whatever its
weight (measured).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from meshdsl.simulate import linkerd_annotations as said
from meshdsl.simulate.fields import Body, group_of, mapping, milliseconds, namespace_of, only, sequence, whole
from meshdsl.simulate.http_route import edits, filters
from meshdsl.simulate.inventory import KubeService
from meshdsl.simulate.linkerd_annotations import NO_TIMEOUTS, Timeouts, Unreadable
from meshdsl.simulate.linkerd_objects import Objects, annotations_of
from meshdsl.simulate.linkerd_routes import (
    POLICY,
    REDIRECT,
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    RULE_FIELDS,
    Candidate,
)
from meshdsl.simulate.words import (
    Backend,
    Breaker,
    Labels,
    NotModelled,
    Redirected,
    Request,
    Retries,
    Shares,
    Traffic,
    shares,
)
from meshdsl.targets.base import at_least
from meshdsl.values import duration_text

Target = tuple[str, Labels, int | str]
"""Namespace and labels of pods, and the port of theirs."""
Edit = tuple[str, str, str, str]
WHOLE: Final = Fraction(100)
_BACKEND_FIELDS: Final = ("group", "kind", "name", "namespace", "port", "weight", "filters")


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """What is done with the requests of a rule.

    Attributes:
        backends: the share of each.
        targets: the pods that may see a request.
        timeout: in milliseconds.
        retry: None for never.
        abort: the percentage that the proxy answers by itself, and the status.
        edits: of headers.
        redirect: from a request to the answer; None if there is none.
        breaker: of the Service that is called.
        notes: what each of these comes from: a sentence and the object and field.
    """

    backends: Shares = frozenset()
    targets: tuple[Target, ...] = ()
    timeout: int | None = None
    retry: Retries | None = None
    abort: tuple[Fraction, int] | None = None
    edits: frozenset[Edit] = frozenset()
    redirect: Callable[[Request], Redirected] | None = None
    breaker: Breaker | None = None
    notes: tuple[tuple[str, str], ...] = ()

    def traffic(self, request: Request) -> Traffic:
        """What becomes of a request."""
        if self.redirect is not None:
            sent = self.redirect(request)
            # A redirect to where the request is already is none (linkerd2-proxy: http/filter/redirect.rs).
            if (sent.scheme, sent.host, sent.port, sent.path) != ("http", None, request.port, request.path):
                return Traffic(path=request.path, redirect=sent)
        return Traffic(
            self.backends, self.timeout, self.retry, None, self.abort, None, self.edits, request.path, None, None,
            self.breaker,
        )  # fmt: skip


class Called:
    """A Service that is called on one of its ports: what routes inherit from it.

    Attributes:
        service: the Service.
        port: its number.
        backends: where requests go without a route.
        targets: the pods behind it.
    """

    def __init__(self, objects: Objects, service: KubeService, port: int) -> None:
        self.objects = objects
        self.service = service
        self.port = port
        self.where = f"Service {service}"
        self.annotations = objects.annotations.get(str(service), {})
        self.backends = shares([(service.backend(port), 1)])
        self.targets = targets_of(service, port)
        self.unread: list[tuple[str, str]] = []

    def timeouts(self) -> Timeouts:
        """Its own; none if one of them does not parse (measured)."""
        try:
            return said.timeouts(self.annotations)
        except Unreadable as error:
            self.unread.append((f"{error}: the Service has no timeouts", self.where))
            return NO_TIMEOUTS

    def retries(self, *, grpc: bool) -> Retries | None:
        """Its own; none if one of the annotations does not parse (measured)."""
        try:
            return said.retries(self.annotations, grpc=grpc)
        except Unreadable as error:
            self.unread.append((f"{error}: the Service has no retries", self.where))
            return None

    def breaker(self) -> Breaker | None:
        """Of this Service, whatever its routes' backends say (measured). Raises NotModelled for one without words."""
        unified = at_least(self.objects.target.version, "2.20")
        try:
            return said.breaker(self.annotations, self.where, unified=unified)
        except Unreadable as error:
            self.unread.append((f"{error}: the Service has no breaker", self.where))
            return None

    def default(self) -> Action:
        """What is done without any route. Raises NotModelled."""
        retry, limits = self.retries(grpc=False), self.timeouts()
        timeout = bound(limits, retry, self.where)
        return Action(
            self.backends, self.targets, timeout, retry, breaker=self.breaker(),
            notes=(*_notes(timeout, self.where, retry, self.where), *self.unread),
        )  # fmt: skip

    def plain(self) -> Action:
        """What is done where nothing that is said of the Service counts."""
        return Action(self.backends, self.targets)


def targets_of(service: KubeService, port: int) -> tuple[Target, ...]:
    """The pods behind a port of a Service."""
    found = service.backend(port)
    return tuple((service.namespace, pod, found.port) for pod in service.pods or (service.selector,))


def bound(limits: Timeouts, retry: Retries | None, where: str) -> int | None:
    """The one deadline that several timeouts make.

    ``response`` is a bound of each try; of a request that is tried once it is one like ``request``. ``idle`` ends no
    request that waits for its response (measured).

    Raises:
        NotModelled: a bound of each response beside retries.
    """
    if limits.response is None:
        return limits.request
    if limits.request is not None and limits.request <= limits.response:
        return limits.request
    if retry is not None:
        raise NotModelled(f"{where} timeout.linkerd.io/response", "a bound of each response that is tried again")
    return limits.response


# ------------------------------------------------------------------------------------------------------------ of rules


def action_of(candidate: Candidate, called: Called) -> Action:
    """What a rule of an HTTPRoute or a GRPCRoute does.

    Raises:
        NotModelled: it says something that is not known.
    """
    rule, route = candidate.rule, candidate.route.body
    only(rule.body, RULE_FIELDS, rule.where)
    grpc, own = route.get("kind") == "GRPCRoute", annotations_of(route)
    changes, redirect = _filters(candidate)
    split = _Split(candidate, called)
    if redirect is not None and rule.body.get("backendRefs"):
        raise NotModelled(f"{rule.where}.backendRefs", "beside a redirect they are not modelled")
    try:
        retry, limits = said.retries(own, grpc=grpc), said.timeouts(own)
    except Unreadable as error:
        raise NotModelled(candidate.route.where, str(error)) from None
    field = _field_timeout(candidate, called.objects)
    if limits.request is None and field is not None:
        limits = Timeouts(field, limits.response, limits.idle)
    of_retry, of_timeout = candidate.route.where, candidate.route.where if field is None else f"{rule.where}.timeouts"
    if retry is None:
        retry, of_retry = called.retries(grpc=grpc), called.where
    if limits == NO_TIMEOUTS:
        limits, of_timeout = called.timeouts(), called.where
    timeout = bound(limits, retry, of_timeout)
    return Action(
        split.backends, split.targets, timeout, retry, split.abort, frozenset(changes) | split.edits, redirect,
        called.breaker(), (*split.notes, *_notes(timeout, of_timeout, retry, of_retry), *called.unread),
    )  # fmt: skip


def _field_timeout(candidate: Candidate, objects: Objects) -> int | None:
    """``timeouts.request`` of the rule; 0 is none, and so is what does not parse. ``backendRequest`` is never read.

    Of Gateway API it is obeyed from 2.20 on and has one number and one unit (measured: ``1s500ms`` is ignored); of
    ``policy.linkerd.io`` always, and it may have several (measured).
    """
    found = mapping(candidate.rule.body.get("timeouts"), f"{candidate.rule.where}.timeouts")
    value = only(found, ("request", "backendRequest"), f"{candidate.rule.where}.timeouts").get("request")
    if value is None:
        return None
    if group_of(candidate.route.body) == POLICY:
        return milliseconds(str(value), f"{candidate.rule.where}.timeouts.request") or None
    return (said.duration(str(value)) or None) if objects.target.has_timeout_field else None


def _filters(candidate: Candidate) -> tuple[list[Edit], Callable[[Request], Redirected] | None]:
    changes: list[Edit] = []
    redirect = None
    for kind, content, where in filters(candidate.rule, (REQUEST_HEADERS, RESPONSE_HEADERS, REDIRECT)):
        if kind == REDIRECT:
            redirect = _redirect(content, where)
        elif kind == RESPONSE_HEADERS and group_of(candidate.route.body) == POLICY:
            raise NotModelled(where, "the API does not take it in a route of policy.linkerd.io")
        else:
            changes += edits(kind, content, where, lambda value, _: value)
    return changes, redirect


def _redirect(content: Body, where: str) -> Callable[[Request], Redirected]:
    """A RequestRedirect, for the full authority that the caller used (measured; ``http/filter/redirect.rs``).

    Without a port it is that of the request, unless the request had none: then it is the scheme's.
    """
    only(content, ("scheme", "hostname", "path", "port", "statusCode"), where)
    scheme, host = str(content.get("scheme") or "http"), content.get("hostname")
    status = whole(content.get("statusCode", 302), f"{where}.statusCode")
    port = whole(content["port"], f"{where}.port") if content.get("port") else None
    how = only(content.get("path"), ("type", "replaceFullPath", "replacePrefixMatch"), f"{where}.path")
    if how and how.get("type") != "ReplaceFullPath":
        raise NotModelled(f"{where}.path", f"{how.get('type')} is not modelled")
    path = str(how["replaceFullPath"]) if how else None

    def sent(request: Request) -> Redirected:
        of_scheme = 443 if scheme == "https" and request.port == 80 else request.port
        return Redirected(
            status, scheme, host, of_scheme if port is None else port, request.path if path is None else path
        )

    return sent


class _Split:
    """Where the backendRefs of a rule lead."""

    def __init__(self, candidate: Candidate, called: Called) -> None:
        self.backends: Shares = called.backends
        self.targets: tuple[Target, ...] = called.targets
        self.abort: tuple[Fraction, int] | None = None
        self.edits: frozenset[Edit] = frozenset()
        self.notes: list[tuple[str, str]] = []
        found = sequence(candidate.rule.body.get("backendRefs"), f"{candidate.rule.where}.backendRefs")
        if found:
            self._read(found, candidate, called)

    def _read(self, found: Any, candidate: Candidate, called: Called) -> None:
        weighted: list[tuple[Backend, int]] = []
        lost = total = 0
        targets: dict[Target, None] = {}
        changes: set[frozenset[Edit]] = set()
        for n, one in enumerate(found):
            where = f"{candidate.rule.where}.backendRefs[{n}]"
            reference = only(one, _BACKEND_FIELDS, where)
            weight = 1 if len(found) == 1 else whole(reference.get("weight", 1), f"{where}.weight")
            total += weight
            name = f"{reference.get('namespace') or called.service.namespace}/{reference.get('name')}"
            missing = _missing(reference, name, called.objects)
            if missing:
                lost += weight
                self.notes.append((f"{missing}: its share is answered with 500", where))
            elif weight:
                service, port = called.objects.inventory[name], whole(reference.get("port"), f"{where}.port")
                weighted.append((service.backend(port), weight))
                targets |= dict.fromkeys(targets_of(service, port))
                changes.add(_backend_edits(reference, where, candidate))
        if not total:
            raise NotModelled(f"{candidate.rule.where}.backendRefs", "all weights are 0")
        if len(changes) > 1:
            raise NotModelled(f"{candidate.rule.where}.backendRefs", "header edits of a part of the requests")
        self.edits = frozenset().union(*changes)
        self.backends, self.targets = shares(weighted), tuple(targets)
        if lost:
            self.abort = (WHOLE * lost / total, 500)


def is_all_zero(rule: Body) -> bool:
    """Whether a rule shares requests out among several backends without any weight: the proxy panics (measured)."""
    found = rule.get("backendRefs") or ()
    return len(found) > 1 and all(one.get("weight", 1) == 0 for one in found)


def _missing(reference: Body, name: str, objects: Objects) -> str:
    """Why a backendRef leads nowhere; empty if it leads to a Service."""
    group, kind = reference.get("group") or "", reference.get("kind") or "Service"
    if (group, kind) not in (("", "Service"), ("core", "Service")):
        return f"a backend of kind {kind} is none of a Service's"
    if not reference.get("port"):
        return "a backend without a port is none"
    if name not in objects.inventory:
        return f"there is no Service {name} that is known"
    beside = [f.get("type") for f in reference.get("filters") or ()]
    beside = [kind for kind in beside if kind not in (REQUEST_HEADERS, RESPONSE_HEADERS, REDIRECT)]
    return f"the mesh has no filter {beside[0]}" if beside else ""


def _backend_edits(reference: Body, where: str, candidate: Candidate) -> frozenset[Edit]:
    found: set[Edit] = set()
    for n, one in enumerate(sequence(reference.get("filters"), f"{where}.filters")):
        place = f"{where}.filters[{n}]"
        kind = one["type"]
        if kind == REDIRECT or (kind == RESPONSE_HEADERS and group_of(candidate.route.body) == POLICY):
            raise NotModelled(place, f"a filter {kind} of a backend is not modelled")
        content = mapping(one.get(kind[0].lower() + kind[1:]), place)
        found |= set(edits(kind, content, place, lambda value, _: value))
    return frozenset(found)


def _notes(
    timeout: int | None, of_timeout: str, retry: Retries | None, of_retry: str
) -> Iterator[tuple[str, str]]:  # fmt: skip
    if timeout is not None:
        yield f"the answer must be complete within {duration_text(timeout)}, all tries together", of_timeout
    if retry is not None:
        yield f"it is tried again up to {retry.attempts} times on {retry.ways}", of_retry
        if retry.per_try is not None:
            yield f"each try but the last has {duration_text(retry.per_try)} until its response headers", of_retry


def is_foreign(route: Body, service: KubeService) -> bool:
    """Whether a route is a consumer's: of another namespace than the Service, and then for its own callers only."""
    return namespace_of(route) != service.namespace
