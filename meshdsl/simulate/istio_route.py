"""What an ``http`` rule of a VirtualService does with a request.

Everything that is the same for each request is read once. As ``translateRoute`` in
``pilot/pkg/networking/core/route/route.go`` has it: without ``retries`` the mesh's own default holds, with
``attempts: 0`` (or none) nothing is tried again; a percentage that is not given is 0 for a fault and 100 for a mirror;
a single destination gets everything, whatever its weight; of several, those with weight 0 get nothing; a destination
that is not there is answered with 503 (measured: a subset that does not exist).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any, Final

from meshdsl.simulate.fields import Body, mapping, milliseconds, number, only, sequence, text, whole
from meshdsl.simulate.istio_destination import Destinations, breaker, tls_mode
from meshdsl.simulate.istio_hosts import Hosts
from meshdsl.simulate.istio_match import Client, rewritten_by_regex, uri_of
from meshdsl.simulate.words import (
    Backend,
    Breaker,
    LeftToMesh,
    NotModelled,
    Redirected,
    Request,
    Retries,
    Traffic,
    answered_by_proxy,
    shares,
)

Edit = tuple[str, str, str, str]
_RULE: Final = (
    "name", "match", "route", "redirect", "directResponse", "rewrite", "timeout", "retries", "fault", "mirror",
    "mirrors", "mirrorPercentage", "mirrorPercent", "corsPolicy", "headers",
)  # fmt: skip
DEFAULT_CONDITIONS: Final = frozenset({"connect-failure", "refused-stream", "unavailable", "cancelled"})
"""What is tried again where nobody says (``retry.go``; measured: no HTTP status is)."""
_CONDITIONS: Final = DEFAULT_CONDITIONS | {
    "5xx", "gateway-error", "reset", "reset-before-request", "retriable-4xx", "retriable-status-codes",
    "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure", "deadline-exceeded", "internal",
    "resource-exhausted",
}  # fmt: skip
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Where a destination leads.

    Attributes:
        backend: the pods, or the answer of the proxy itself.
        breaker: what the calling proxy keeps for them.
        tls: mode of client TLS that a DestinationRule asks for; empty where it is left to the mesh.
        where: that stands.
        rule: the DestinationRule that is read; empty for none.
        hidden: DestinationRules for the same host that are not.
    """

    backend: Backend
    breaker: Breaker | None = None
    tls: str = ""
    where: str = ""
    rule: str = ""
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """What a rule does.

    Attributes:
        traffic: called with a request.
        targets: where it may go; empty for a redirect or an answer of the proxy.
    """

    traffic: Callable[[Request], Traffic]
    targets: tuple[Target, ...] = ()


class Actions:
    """Reads the rules for one proxy and one port.

    Args:
        hosts: of the mesh.
        destinations: the DestinationRules.
        client: the proxy that sends.
        port: of the service that is called.
        default: what stands for a rule without ``retries``: the mesh's default, or None where it is off.
    """

    def __init__(
        self, hosts: Hosts, destinations: Destinations, client: Client, port: int, default: LeftToMesh | None
    ) -> None:
        self._hosts = hosts
        self._destinations = destinations
        self._client = client
        self._port = port
        self._default = default

    def of(self, rule: Body, match: Body, namespace: str, where: str) -> Action:
        """What a rule does with a request that one of its matches took.

        Raises:
            NotModelled: it says something that is not known.
        """
        only(rule, _RULE, where)
        if rule.get("redirect") is not None:
            return Action(_with_cors(rule, where, self._redirect(rule, where)))
        if rule.get("directResponse") is not None:
            status = whole(mapping(rule["directResponse"], where).get("status"), f"{where}.directResponse.status")
            there = shares([(answered_by_proxy(status), 1)])
            return Action(_with_cors(rule, where, lambda request: Traffic(backends=there, path=request.path)))
        weighted = list(self._weighted(rule, namespace, where))
        targets = tuple(target for target, weight in weighted if weight)
        edits, host = _edits(rule, where)
        delay, abort = _fault(rule, where)
        path, authority = _rewrite(rule.get("rewrite"), match, where)
        fixed = (
            shares((target.backend, weight) for target, weight in weighted),
            milliseconds(rule["timeout"], f"{where}.timeout") or None if "timeout" in rule else None,
            retries(rule.get("retries"), f"{where}.retries", self._default),
            delay,
            abort,
            self._mirror(rule, namespace, where),
            edits,
        )
        own, limits = authority or host, _one_breaker(targets, where)

        def traffic(request: Request) -> Traffic:
            return Traffic(*fixed, path(request.path), own, None, limits)

        return Action(_with_cors(rule, where, traffic), targets)

    def target(self, destination: Any, namespace: str, where: str) -> Target:
        """Where a destination leads.

        Raises:
            NotModelled: the host is none of a known service.
        """
        found = only(destination, ("host", "port", "subset"), where)
        host = self._hosts.resolved(text(found.get("host"), f"{where}.host"), namespace)
        service = self._hosts.service(host)
        if service is None:
            if self._hosts.is_short_name(host):
                return Target(answered_by_proxy(503))  # with a dot it is not completed: there is no such host
            raise NotModelled(f"{where}.host", f"{host} is no service that is known")
        given = mapping(found.get("port"), where).get("number")
        single = service.ports[0].number if len(service.ports) == 1 else self._port
        port = single if given is None else whole(given, f"{where}.port.number")
        subset = str(found.get("subset") or "")
        known = self._destinations.of(self._client.namespace, host, service.namespace)
        if service.port(port) is None or (subset and subset not in known.subsets):
            return Target(answered_by_proxy(503))
        labels = known.subsets[subset].labels if subset else frozenset()
        tls, place = tls_mode(known, port, subset)
        hidden = self._destinations.passed_over(self._client.namespace, host, service.namespace)
        backend = service.backend(port, labels)
        limits = breaker(known, port, subset, self._destinations.before_pods(host, service.namespace))
        return Target(backend, limits, tls, place, known.where, hidden)

    def _weighted(self, rule: Body, namespace: str, where: str) -> Iterator[tuple[Target, int]]:
        route = sequence(rule.get("route"), f"{where}.route")
        if not route:
            raise NotModelled(where, "a rule without a destination is not modelled")
        alone = len(route) == 1
        for n, one in enumerate(route):
            place = f"{where}.route[{n}]"
            found = only(one, ("destination", "weight", "headers"), place)
            if found.get("headers") and not alone:
                raise NotModelled(f"{place}.headers", "edits of one destination of several are not modelled")
            weight = 1 if alone else whole(found.get("weight") or 0, f"{place}.weight")
            if weight:
                yield self.target(found.get("destination"), namespace, f"{place}.destination"), weight
        if not alone and not any(one.get("weight") for one in route):
            raise NotModelled(f"{where}.route", "all weights are 0, which is refused")

    def _mirror(self, rule: Body, namespace: str, where: str) -> tuple[Backend, Fraction] | None:
        given = sequence(rule.get("mirrors"), f"{where}.mirrors")
        listed = [(mapping(one, where).get("destination"), one.get("percentage")) for one in given]
        if rule.get("mirror") is not None:
            old = rule.get("mirrorPercent")
            percentage = rule.get("mirrorPercentage", None if old is None else {"value": old})
            listed.append((rule["mirror"], percentage))
        mirrored = [
            (self.target(one, namespace, f"{where}.mirrors").backend, share)
            for one, percentage in listed
            if (share := percent(percentage, 100, f"{where}.mirrors"))
        ]
        if len(mirrored) > 1:
            raise NotModelled(f"{where}.mirrors", "several mirrors are not modelled")
        return mirrored[0] if mirrored else None

    def _redirect(self, rule: Body, where: str) -> Callable[[Request], Traffic]:
        """``ApplyRedirect``: a port is part of the address only if it is given, or the caller's own."""
        place = f"{where}.redirect"
        found = only(rule["redirect"], ("uri", "authority", "scheme", "port", "redirectCode", "derivePort"), place)
        if rule.get("rewrite") or rule.get("fault") or rule.get("headers"):
            raise NotModelled(where, "what stands beside a redirect is not modelled")
        status = whole(found.get("redirectCode") or 301, f"{place}.redirectCode")
        if status not in _REDIRECTS:
            raise NotModelled(f"{place}.redirectCode", f"{status} makes a rule without an action")
        scheme = str(found.get("scheme") or "http")
        standard = _DEFAULT_PORTS.get(scheme, self._port)
        if found.get("port"):
            port = whole(found["port"], f"{place}.port")
        elif found.get("authority"):
            port = self._port if found.get("derivePort") == "FROM_REQUEST_PORT" else standard
        else:  # the address of the request stays, without a port that was the old scheme's own
            port = standard if self._port == _DEFAULT_PORTS["http"] else self._port
        authority, uri = found.get("authority") or None, found.get("uri") or None

        def traffic(request: Request) -> Traffic:
            there = Redirected(status, scheme, authority, port, uri or request.path)
            return Traffic(path=request.path, redirect=there)

        return traffic


def retries(value: Any, where: str, default: LeftToMesh | None) -> Retries | LeftToMesh | None:
    """``retries`` of a rule; ``default`` where there are none.

    Raises:
        NotModelled: there is a condition or a field that is not known.
    """
    if value is None:
        return default
    known = ("attempts", "retryOn", "perTryTimeout", "backoff", "retryIgnorePreviousHosts", "retryRemoteLocalities")
    found = only(value, known, where)
    attempts = whole(found.get("attempts") or 0, f"{where}.attempts")
    if attempts <= 0:
        return None
    tokens = [one.strip() for one in str(found.get("retryOn") or "").split(",")]
    conditions = frozenset(one for one in tokens if one and not one.isdecimal())
    statuses = frozenset(int(one) for one in tokens if one.isdecimal())
    if conditions - _CONDITIONS:
        raise NotModelled(f"{where}.retryOn", f"{', '.join(sorted(conditions - _CONDITIONS))} is no condition")
    if not conditions and not statuses:
        conditions = DEFAULT_CONDITIONS
    per_try, backoff = found.get("perTryTimeout"), found.get("backoff")
    return Retries(
        attempts,
        conditions - {"retriable-status-codes"},
        statuses,
        None if per_try is None else milliseconds(per_try, f"{where}.perTryTimeout") or None,
        None if backoff is None else milliseconds(backoff, f"{where}.backoff"),
    )


def literal(value: Any, where: str) -> str:
    """A header value, which is a format of Envoy's in which ``%%`` is a percent sign.

    Raises:
        NotModelled: there is an operator in it.
    """
    given = text(value, where)
    if "%" in given.replace("%%", ""):
        raise NotModelled(where, f"the format {given!r} is not modelled")
    return given.replace("%%", "%")


def percent(value: Any, default: int, where: str) -> Fraction:
    """A Percent, cut off to what Envoy can say: four decimals."""
    if value is None:
        return Fraction(default)
    return Fraction(floor(number(mapping(value, where).get("value", 0), where) * 10_000), 10_000)


# --------------------------------------------------------------------------------------------------------------- parts


def _one_breaker(targets: Sequence[Target], where: str) -> Breaker | None:
    found = {one.breaker for one in targets if one.backend.namespace}
    if len(found) > 1:
        raise NotModelled(f"{where}.route", "its destinations have different breakers")
    return found.pop() if found else None


def _fault(rule: Body, where: str) -> tuple[tuple[Fraction, int] | None, tuple[Fraction, int] | None]:
    fault = only(rule.get("fault"), ("delay", "abort"), f"{where}.fault")
    delay = abort = None
    if fault.get("delay") is not None:
        place = f"{where}.fault.delay"
        found = only(fault["delay"], ("fixedDelay", "percentage", "percent"), place)
        share = percent(found.get("percentage"), found.get("percent") or 0, place)
        delay = (share, milliseconds(found.get("fixedDelay"), place)) if share else None
    if fault.get("abort") is not None:
        place = f"{where}.fault.abort"
        found = only(fault["abort"], ("httpStatus", "percentage"), place)
        share = percent(found.get("percentage"), 0, place)
        abort = (share, whole(found.get("httpStatus"), place)) if share else None
    return delay, abort


def _edits(rule: Body, where: str) -> tuple[frozenset[Edit], str | None]:
    """The edits of headers, and the authority if one of them is of it: ``host`` and ``:`` headers are no others."""
    route = sequence(rule.get("route"), where)
    given = [rule.get("headers"), *([mapping(route[0], where).get("headers")] if len(route) == 1 else [])]
    edits: set[Edit] = set()
    host: str | None = None
    for headers in given:
        for message, operations in only(headers, ("request", "response"), f"{where}.headers").items():
            place = f"{where}.headers.{message}"
            only(operations, ("set", "add", "remove"), place)
            for operation in ("set", "add"):
                for name, value in mapping(mapping(operations, place).get(operation), place).items():
                    lower = name.lower()
                    if lower in ("host", ":authority"):
                        host = host or (literal(value, place) if message == "request" else None)
                    elif not lower.startswith(":"):
                        edits.add((message, operation, lower, literal(value, f"{place}.{operation}.{name}")))
            removed = sequence(mapping(operations, place).get("remove"), place)
            edits |= {
                (message, "remove", one.lower(), "")
                for one in removed
                if not one.startswith(":") and one.lower() != "host"
            }
    return frozenset(edits), host


def _rewrite(rewrite: Any, match: Body, where: str) -> tuple[Callable[[str], str], str | None]:
    """What the path becomes: ``uri`` takes the place of what matched, all of it for a regular expression."""
    found = only(rewrite, ("uri", "authority", "uriRegexRewrite"), f"{where}.rewrite")
    authority = found.get("authority") or None
    if found.get("uriRegexRewrite"):
        regex = only(found["uriRegexRewrite"], ("match", "rewrite"), f"{where}.rewrite.uriRegexRewrite")
        pattern, new = str(regex.get("match", "")), str(regex.get("rewrite", ""))
        return lambda path: rewritten_by_regex(pattern, new, path, f"{where}.rewrite.uriRegexRewrite"), authority
    uri = found.get("uri")
    if not uri:
        return lambda path: path, authority
    how, matched = uri_of(match, where)
    if how != "prefix":
        return lambda _: uri, authority
    return lambda path: uri + path[len(matched) :], authority


def _with_cors(rule: Body, where: str, traffic: Callable[[Request], Traffic]) -> Callable[[Request], Traffic]:
    """A corsPolicy says something about requests of browsers alone: those that carry ``origin``."""
    if rule.get("corsPolicy") is None:
        return traffic

    def guarded(request: Request) -> Traffic:
        if "origin" in request.headers:
            raise NotModelled(f"{where}.corsPolicy", "what it does with a request that has an origin is not modelled")
        return traffic(request)

    return guarded
