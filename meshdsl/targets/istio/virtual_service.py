"""VirtualService: the route tables of a service's HTTP ports, as the callers' sidecars read them.

One object for one host. Sidecars take the oldest VirtualService of a host and drop the others without a word
(``pilot/pkg/networking/core/httproute.go``), so all ports share it and their matches say which one they mean. Routes
are written in the order of the plan, since the first that matches wins; the last of each port matches everything,
because a request that no route takes is answered with 404.

Nothing is left to a default of the mesh: retries are written where there are none (``attempts: 0``), percentages
where they are 100, and ``exportTo``, whose default an operator may narrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Final

from meshdsl.diagnostics import Origin
from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Plan, Port, Service
from meshdsl.plan.requests import (
    Backend,
    Condition,
    Fault,
    HeaderEdits,
    Headers,
    Match,
    Mirror,
    PathKind,
    Redirect,
    Retry,
    Rule,
)
from meshdsl.plan.source import Source
from meshdsl.targets.base import Target
from meshdsl.values import Json, duration_text, percent_number

API_VERSION: Final = "networking.istio.io/v1"

HTTP_PORT: Final = 80
"""The port that a URL with the scheme ``http`` need not name."""


def virtual_service(service: Service, target: Target, plan: Plan) -> Manifest:
    """The routes of every port of a service that has rules."""
    ref = ObjectRef(API_VERSION, "VirtualService", service.namespace, service.name)
    spec: dict[str, Json] = {
        "hosts": [target.fqdn(service.namespace, service.name)],
        "exportTo": ["*"],
        "http": http_routes(service, target),
    }
    return manifest(
        ref,
        Phase.ROUTE,
        plan.set_name,
        content={"spec": spec},
        owner=(service.namespace, service.name),
        origins=_origins(service),
    )


def http_routes(service: Service, target: Target) -> list[Json]:
    """The routes, in the order in which they are tried.

    Neighbours that do the same become one route with several matches. Order never changes, and a route that only
    repeats what the catch-all after it does is swallowed by it.
    """
    ports = [port for port in service.ports if port.rules]
    written: list[Json] = []
    for port in ports:
        name = "{}" if len(ports) == 1 else f"{{}}-{port.number}"
        on_port: dict[str, Json] = {"port": port.number} if len(service.ports) > 1 else {}
        groups: list[tuple[str, list[dict[str, Json]], dict[str, Json]]] = []
        for rule, match, action in _routes(port, service, target):
            last = groups[-1] if groups else None
            if last is None or last[2] != action:
                groups.append((name.format(rule.name), [match], action))
            elif match:
                last[1].append(match)
            elif "rewrite" in action and any("uri" in one for one in last[1]):
                # The same text in place of a whole path and of the prefix "/" are two things.
                groups.append((name.format(rule.name), [match], action))
            else:
                groups[-1] = (name.format(rule.name), [match], action)
        for title, matches, action in groups:
            full = [{**match, **on_port} for match in matches] if on_port else matches
            written.append({"name": title, **({"match": full} if all(full) else {}), **action})
    return written


def _routes(port: Port, service: Service, target: Target) -> Iterator[tuple[Rule, dict[str, Json], dict[str, Json]]]:
    """The rules of a port, each as a match and what is done; several times where the mesh needs several."""
    before: tuple[object, ...] | None = None
    action: dict[str, Json] = {}
    for rule in port.rules:
        for path, rewritten in _paths(rule):
            does = (rule.action, rewritten)
            if does != before:  # most rules do what the one before them does
                before, action = does, http_route_action(rule, port, service, target, rewritten)
            yield rule, {**path, **_conditions(rule.match)}, action


def _paths(rule: Rule) -> Iterator[tuple[dict[str, Json], str | None]]:
    """The path conditions of a rule, each with the text that replaces what it matched, if the rule rewrites.

    A prefix of a VirtualService is one of characters: ``/a`` takes ``/ab`` too. A prefix of whole segments is
    therefore written as the segment itself and everything below it, and the two are rewritten each in its own way, so
    that no slash is doubled or lost.
    """
    path = rule.match.path
    new = rule.rewrite.path if rule.rewrite is not None else None
    below = None if new is None else new.rstrip("/") + "/"
    if path is None:
        # Envoy's route for it is the prefix "/", which is what is replaced.
        yield {}, below
    elif path.kind is PathKind.PREFIX:
        yield {"uri": {"exact": path.value}}, new
        yield {"uri": {"prefix": f"{path.value}/"}}, below
    else:
        yield {"uri": {path.kind.value: path.value}}, new


def _conditions(match: Match) -> dict[str, Json]:
    body: dict[str, Json] = {}
    if match.method is not None:
        body["method"] = _exact(match.method)
    if match.headers:
        body["headers"] = _string_matches(match.headers)
    if match.query:
        body["queryParams"] = _string_matches(match.query)
    return body


@cache
def _exact(method: str) -> Json:
    return {"exact": method}


# One table repeats its header conditions in most of its matches: shared, they cost their memory once.
@lru_cache(maxsize=64)
def _string_matches(conditions: tuple[Condition, ...]) -> dict[str, Json]:
    return {c.name: {"regex" if c.regex else "exact": c.value} for c in conditions}


def http_route_action(
    rule: Rule, port: Port, service: Service, target: Target, rewritten: str | None = None
) -> dict[str, Json]:
    """Everything of an ``http`` entry but its name and matches.

    ``rewritten`` is what replaces the matched part of the path, None to leave it.
    """
    if rule.redirect is not None:
        return {"redirect": redirect(rule.redirect, port)}
    body: dict[str, Json] = {"route": route(rule.backends, port, service, target)}
    rewrite: dict[str, Json] = {} if rewritten is None else {"uri": rewritten}
    if rule.rewrite is not None and rule.rewrite.host is not None:
        rewrite["authority"] = rule.rewrite.host
    if rewrite:
        body["rewrite"] = rewrite
    if rule.timeout is not None:
        body["timeout"] = duration_text(rule.timeout.request)
    body["retries"] = retries(rule.retry)
    if rule.fault is not None:
        body["fault"] = fault(rule.fault)
    if rule.mirror is not None:
        body["mirrors"] = [mirror(rule.mirror, target)]
    if rule.headers is not None:
        body["headers"] = headers(rule.headers)
    return body


def route(backends: tuple[Backend, ...], port: Port, service: Service, target: Target) -> list[Json]:
    """The destinations, with weights where there are several (the weight of a single one is ignored)."""
    host = target.fqdn(service.namespace, service.name)
    return [
        {
            "destination": destination(host, port.number, backend.version),
            **({"weight": backend.weight} if len(backends) > 1 else {}),
        }
        for backend in backends
    ]


def destination(host: str, port: int, version: str | None) -> dict[str, Json]:
    """A host with its port, always, since a service of several ports has no port of its own; and a subset."""
    body: dict[str, Json] = {"host": host, "port": {"number": port}}
    if version is not None:
        body["subset"] = version
    return body


def retries(retry: Retry | None) -> dict[str, Json]:
    """The retry policy. Without one the mesh would retry twice, whatever the method, so none is written as 0.

    ``retryOn`` has no spaces (istiod splits it at commas and does not trim) and is never left out: without it no HTTP
    status is retried at all.
    """
    if retry is None:
        return {"attempts": 0}
    body: dict[str, Json] = {"attempts": retry.attempts}
    if retry.per_try_timeout is not None:
        body["perTryTimeout"] = duration_text(retry.per_try_timeout)
    body["retryOn"] = ",".join([*retry.conditions, *map(str, retry.statuses)])
    if retry.backoff is not None:
        body["backoff"] = duration_text(retry.backoff)
    return body


def fault(intent: Fault) -> dict[str, Json]:
    """Delay and abort. A percentage that is left out means none of the requests, so it is always written."""
    body: dict[str, Json] = {}
    if intent.delay is not None:
        body["delay"] = {
            "fixedDelay": duration_text(intent.delay.duration),
            "percentage": {"value": percent_number(intent.delay.percent)},
        }
    if intent.abort is not None:
        body["abort"] = {
            "httpStatus": intent.abort.status,
            "percentage": {"value": percent_number(intent.abort.percent)},
        }
    return body


def mirror(intent: Mirror, target: Target) -> dict[str, Json]:
    """Where the copies go. A percentage that is left out means all of them, so it is always written."""
    return {
        "destination": destination(target.fqdn(*intent.service), intent.port, intent.version),
        "percentage": {"value": percent_number(intent.percent)},
    }


def headers(intent: Headers) -> dict[str, Json]:
    """Edits of the request and the response."""
    body: dict[str, Json] = {}
    if intent.request is not None:
        body["request"] = _edits(intent.request)
    if intent.response is not None:
        body["response"] = _edits(intent.response)
    return body


def _edits(edits: HeaderEdits) -> dict[str, Json]:
    body: dict[str, Json] = {}
    if edits.set:
        body["set"] = {name: literal(value) for name, value in edits.set}
    if edits.add:
        body["add"] = {name: literal(value) for name, value in edits.add}
    if edits.remove:
        body["remove"] = list(edits.remove)
    return body


def literal(value: str) -> str:
    """A header value that Envoy takes as it is: ``%`` opens one of its format operators, ``%%`` is a percent sign."""
    return value.replace("%", "%%")


def redirect(intent: Redirect, port: Port) -> dict[str, Json]:
    """Where the caller is sent. The query is kept (Envoy's ``path_redirect`` replaces the path alone).

    Envoy drops the port as soon as the host is replaced, and keeps it otherwise; so with a new host it is written.
    """
    body: dict[str, Json] = {}
    if intent.scheme is not None:
        body["scheme"] = intent.scheme
    if intent.host is not None:
        body["authority"] = intent.host
    if intent.port is not None:
        body["port"] = intent.port
    elif intent.host is not None and port.number != HTTP_PORT:
        body["port"] = port.number
    if intent.path is not None:
        body["uri"] = intent.path
    body["redirectCode"] = intent.status
    return body


def _origins(service: Service) -> tuple[Origin, ...]:
    found: dict[Origin, None] = {}
    for port in service.ports:
        for rule in port.rules:
            parts = (rule.timeout, rule.retry, rule.fault, rule.mirror, rule.headers, rule.rewrite, rule.redirect)
            sources: list[Source | None] = [rule.source, rule.split, rule.canary]
            sources += [part.source for part in parts if part is not None]
            found.update({s.origin: None for s in sources if s is not None and s.origin is not None})
    return tuple(found)
