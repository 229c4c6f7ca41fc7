"""The rules of an AuthorizationPolicy, as the proxy that enforces them reads them.

Three readers, one language. A sidecar or waypoint on a port with requests reads everything. On other ports an ALLOW
rule that is about requests is not there at all, and a DENY rule loses what is about requests
(``pilot/pkg/security/authz/model/model.go``, ``checkError``). ztunnel has no requests: there an ALLOW rule that is
about them is not there either, and of a DENY rule a clause of which nothing is left never holds, so that the rule does
nothing (``pilot/pkg/serviceregistry/ambient/authorization.go``, ``handleRule``; ``ztunnel/src/rbac.rs``; measured).

Texts are exact, ``*abc``, ``abc*``, or ``*`` for anything that is there; a star in the middle is a star.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from meshdsl.envoy import CHANGED
from meshdsl.simulate.fields import (
    Body,
    Condition,
    all_hold,
    mapping,
    not_known,
    sequence,
    some_hold,
    unknown_fields,
)
from meshdsl.simulate.words import NotModelled, Request


class Reader(StrEnum):
    """Who enforces a policy, and on what."""

    REQUESTS = "a proxy on a port with requests"
    BYTES = "a proxy on a port without requests"
    ZTUNNEL = "ztunnel"


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the enforcing proxy sees.

    Attributes:
        request: as it comes in there.
        principal: of the peer's certificate, without ``spiffe://``; empty for plain text.
        authorities: that the ``Host`` header may have.
        has_token: whether it carries a token that a RequestAuthentication looks at; None if none does.
    """

    request: Request
    principal: str
    authorities: tuple[str, ...] = ()
    has_token: bool | None = None


Test = Callable[[Seen], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Clause:
    """One source, operation or condition: all that it asks must hold."""

    field: str
    conditions: tuple[Condition[Seen], ...]

    def holds(self, seen: Seen) -> bool:
        """Whether it does."""
        return all_hold(self.conditions, seen)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """``from``, ``to`` or one of ``when``: one of its clauses must hold."""

    field: str
    clauses: tuple[Clause, ...]

    def holds(self, seen: Seen) -> bool:
        """Whether one does."""
        return some_hold([one.holds for one in self.clauses], seen)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule, as one reader reads it.

    Attributes:
        where: the object and the field.
        groups: all of them must hold.
        note: what the reader makes of it that is not what it says; empty if nothing.
        absent: whether the reader does not have it at all.
    """

    where: str
    groups: tuple[Condition[Seen], ...]
    parts: tuple[Group, ...]
    note: str = ""
    absent: bool = False

    def holds(self, seen: Seen) -> bool:
        """Whether it matches. Raises NotModelled if something that is not known decides."""
        return not self.absent and all_hold(self.groups, seen)


class _AboutRequests(Exception):
    """What istiod cannot write for the reader."""


_SOURCE: Final = (
    "principals", "notPrincipals", "namespaces", "notNamespaces", "serviceAccounts", "notServiceAccounts", "ipBlocks",
    "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks", "requestPrincipals", "notRequestPrincipals", "trustDomains",
    "notTrustDomains",
)  # fmt: skip
_OPERATION: Final = ("hosts", "notHosts", "ports", "notPorts", "methods", "notMethods", "paths", "notPaths")
_EVERYWHERE: Final = frozenset({"0.0.0.0/0", "::/0"})
_L4_KEYS: Final = frozenset({"source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port"})
_SEGMENT: Final = r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]"


def rule_of(body: Any, where: str, *, deny: bool, reader: Reader, namespace: str, port: int | str) -> Rule:
    """A rule as a reader reads it.

    Args:
        body: the rule.
        where: it stands.
        deny: whether it is of a policy that denies.
        reader: who enforces it.
        namespace: of the policy, for service accounts that name none.
        port: that the reader sees.
    """
    rule = mapping(body, where)
    reading = _Reading(reader, namespace, port, deny=deny)
    try:
        parts = tuple(reading.groups(rule, where))
    except _AboutRequests as about:
        return Rule(where, (), (), f"it is about requests ({about}), so {reader} does not have it", absent=True)
    groups = (
        *(Condition(one.holds, one.field, "") for one in parts),
        *unknown_fields(rule, ("from", "to", "when"), where),
    )
    left_out = ", ".join(dict.fromkeys(reading.left_out))
    note = f"{reader} leaves out what is about requests: {left_out}" if left_out else ""
    return Rule(where, groups, parts, note)


def text_test(pattern: str) -> Callable[[str], bool]:
    """Istio's texts: ``*`` for anything but nothing, ``*abc``, ``abc*``, and exact."""
    if pattern == "*":
        return bool
    if pattern.startswith("*"):
        ending = pattern[1:]
        return lambda value: value.endswith(ending)
    if pattern.endswith("*"):
        beginning = pattern[:-1]
        return lambda value: value.startswith(beginning)
    return lambda value: value == pattern


class _Reading:
    """Reads one rule, and keeps what the reader leaves out of it."""

    def __init__(self, reader: Reader, namespace: str, port: int | str, *, deny: bool) -> None:
        self.reader = reader
        self.namespace = namespace
        self.port = port
        self.deny = deny
        self.left_out: list[str] = []

    def groups(self, rule: Body, where: str) -> Iterator[Group]:
        for field, inner, read in (("from", "source", self._source), ("to", "operation", self._operation)):
            given = sequence(rule.get(field), f"{where}.{field}")
            clauses = []
            for n, one in enumerate(given):
                place = f"{where}.{field}[{n}]"
                body = mapping(mapping(one, place).get(inner), place)
                clauses.append(Clause(f"{field}[{n}]", (*read(body, place), *unknown_fields(one, (inner,), place))))
            yield from self._group(field, clauses)
        for n, one in enumerate(sequence(rule.get("when"), f"{where}.when")):
            place = f"{where}.when[{n}]"
            yield from self._group(f"when[{n}]", [Clause(f"when[{n}]", tuple(self._when(mapping(one, place), place)))])

    def _group(self, field: str, clauses: list[Clause]) -> Iterator[Group]:
        if not clauses:
            return
        if self.reader is Reader.ZTUNNEL:  # ztunnel skips a match in which there is nothing
            yield Group(field, tuple(one for one in clauses if one.conditions))
        elif all(one.conditions for one in clauses):
            yield Group(field, tuple(clauses))

    def _source(self, source: Body, where: str) -> Iterator[Condition[Seen]]:
        yield from self._texts(source, "principals", where, _principal)
        yield from self._texts(source, "namespaces", where, self._namespace)
        yield from self._texts(source, "serviceAccounts", where, self._account)
        yield from self._blocks(source, "ipBlocks", where, requests=False)
        yield from self._blocks(source, "remoteIpBlocks", where, requests=True)
        yield from self._texts(source, "requestPrincipals", where, _token(f"{where}.requestPrincipals"), requests=True)
        if self.reader is Reader.ZTUNNEL and (source.get("trustDomains") or source.get("notTrustDomains")):
            why = "whether ztunnel looks at it depends on the version of Istio"
            yield Condition(not_known(f"{where}.trustDomains", why), "trustDomains", "not modelled")
        else:
            yield from self._texts(source, "trustDomains", where, _trust_domain)
        yield from unknown_fields(source, _SOURCE, f"{where}.source")

    def _operation(self, operation: Body, where: str) -> Iterator[Condition[Seen]]:
        yield from self._texts(operation, "ports", where, self._port_test(f"{where}.ports"))
        yield from self._texts(operation, "paths", where, _path, requests=True)
        yield from self._texts(operation, "methods", where, _method, requests=True)
        yield from self._texts(operation, "hosts", where, _host(f"{where}.hosts"), requests=True)
        yield from unknown_fields(operation, _OPERATION, f"{where}.operation")

    def _when(self, one: Body, where: str) -> Iterator[Condition[Seen]]:
        key = str(one.get("key") or "")
        values = {"values": one.get("values"), "notValues": one.get("notValues")}
        if self.reader is Reader.ZTUNNEL and key not in _L4_KEYS:
            yield from self._pair(values, key, where, _nothing, requests=True)
        elif (header := re.fullmatch(r"request\.headers\[(.+)\]", key)) and header[1].lower() in CHANGED:
            yield Condition(not_known(f"{where}.{key}", "Envoy writes this header itself"), key, "not modelled")
        elif header:
            yield from self._pair(values, key, where, _header(header[1].lower()), requests=True)
        elif key == "source.principal":
            yield from self._pair(values, key, where, _principal)
        elif key == "source.namespace":
            yield from self._pair(values, key, where, self._namespace)
        elif key == "source.serviceAccount":
            yield from self._pair(values, key, where, self._account)
        elif key == "source.trustDomain":
            yield from self._pair(values, key, where, _trust_domain)
        elif key == "destination.port":
            yield from self._pair(values, key, where, self._port_test(where))
        elif key in ("source.ip", "remote.ip"):
            given = {"ipBlocks": values["values"], "notIpBlocks": values["notValues"]}
            yield from self._blocks(given, "ipBlocks", where, requests=key == "remote.ip")
        elif key.startswith("request.auth."):
            yield from self._pair(values, key, where, _token(where), requests=True)
        else:
            yield Condition(not_known(where, f"the key {key} is not modelled"), "key", "not modelled")

    def _texts(
        self, body: Body, field: str, where: str, test: Callable[[str], Test], *, requests: bool = False
    ) -> Iterator[Condition[Seen]]:
        opposite = f"not{field[0].upper()}{field[1:]}"
        values = {"values": body.get(field), "notValues": body.get(opposite)}
        yield from self._pair(values, field, where, test, requests=requests)

    def _pair(
        self, values: Body, field: str, where: str, test: Callable[[str], Test], *, requests: bool = False
    ) -> Iterator[Condition[Seen]]:
        """One of ``values``, and none of ``notValues``; an empty list asks for nothing."""
        wanted = [str(one) for one in sequence(values.get("values"), f"{where}.{field}")]
        unwanted = [str(one) for one in sequence(values.get("notValues"), f"{where}.{field}")]
        if not wanted and not unwanted:
            return
        if requests and self.reader is not Reader.REQUESTS:
            if not self.deny:
                raise _AboutRequests(field)
            self.left_out.append(field)
            return
        if wanted:
            tests = [test(one) for one in wanted]
            yield Condition(lambda seen: some_hold(tests, seen), field, f"{field} is {' or '.join(wanted)}")
        if unwanted:
            against = [test(one) for one in unwanted]
            yield Condition(lambda seen: not some_hold(against, seen), field, f"{field} is not {' or '.join(unwanted)}")

    def _blocks(self, body: Body, field: str, where: str, *, requests: bool) -> Iterator[Condition[Seen]]:
        if requests and self.reader is Reader.ZTUNNEL:
            yield from self._texts(body, field, where, _nothing, requests=True)
            return
        blocks = frozenset(map(str, sequence(body.get(field), where)))
        against = body.get(f"not{field[0].upper()}{field[1:]}")
        if against or (blocks and not blocks >= _EVERYWHERE):
            why = "the address of the caller is not known"
            yield Condition(not_known(f"{where}.{field}", why), field, f"{field} is {', '.join(sorted(blocks))}")
        elif blocks:
            yield Condition(lambda _: True, field, f"{field} is every address")

    def _namespace(self, pattern: str) -> Test:
        """For Envoy a regular expression over the whole principal, for ztunnel a text."""
        if self.reader is Reader.ZTUNNEL:
            holds = text_test(pattern)
            return lambda seen: holds(_parts(seen.principal)[1])
        found = re.compile(f".*/ns/{pattern.replace('*', '.*')}/.*")
        return lambda seen: bool(seen.principal) and found.fullmatch(seen.principal) is not None

    def _account(self, name: str) -> Test:
        """``name`` or ``namespace/name``, of any trust domain."""
        namespace, slash, account = name.partition("/")
        wanted = (namespace, account) if slash else (self.namespace, name)
        return lambda seen: bool(seen.principal) and _parts(seen.principal)[1:] == wanted

    def _port_test(self, where: str) -> Callable[[str], Test]:
        """The port that the reader sees; by number alone."""

        def test(wanted: str) -> Test:
            if isinstance(self.port, str) and not self.port.isdecimal():
                return not_known(where, f"which number the port {self.port} has is not known")
            same = wanted == str(self.port)
            return lambda _: same

        return test


def _principal(pattern: str) -> Test:
    holds = text_test(pattern)
    return lambda seen: bool(seen.principal) and holds(seen.principal)


def _trust_domain(pattern: str) -> Test:
    holds = text_test(pattern)
    return lambda seen: bool(seen.principal) and holds(_parts(seen.principal)[0])


def _parts(principal: str) -> tuple[str, str, str]:
    """Trust domain, namespace and account of ``domain/ns/namespace/sa/account``; empty texts for none."""
    domain, _, rest = principal.partition("/ns/")
    namespace, _, account = rest.partition("/sa/")
    return domain, namespace, account


def _method(pattern: str) -> Test:
    holds = text_test(pattern)
    return lambda seen: holds(seen.request.method)


def _path(pattern: str) -> Test:
    if "{*}" in pattern or "{**}" in pattern:
        parts = re.split(r"(\{\*\*?\})", pattern)
        templates = {"{*}": f"{_SEGMENT}+", "{**}": f"(?:{_SEGMENT}|/)*"}
        found = re.compile("".join(templates.get(one) or re.escape(one) for one in parts))
        return lambda seen: found.fullmatch(seen.request.path) is not None
    holds = text_test(pattern)
    return lambda seen: holds(seen.request.path)


def _header(name: str) -> Callable[[str], Test]:
    def test(pattern: str) -> Test:
        if pattern == "*":
            return lambda seen: name in seen.request.headers
        holds = text_test(pattern)
        return lambda seen: name in seen.request.headers and holds(seen.request.headers[name])

    return test


def _host(where: str) -> Callable[[str], Test]:
    """Whatever the case; decided where it is the same for every name that the caller may have used."""

    def test(pattern: str) -> Test:
        holds = text_test(pattern.lower())

        def seen_holds(seen: Seen) -> bool:
            found = {holds(one.lower()) for one in seen.authorities}
            if len(found) != 1:
                raise NotModelled(where, "it depends on the name by which the caller calls the service")
            return found.pop()

        return seen_holds

    return test


def _token(where: str) -> Callable[[str], Test]:
    """What a token says is never known; without one, or with nobody who looks at it, there is nothing to match."""

    def test(pattern: str) -> Test:
        def holds(seen: Seen) -> bool:
            if seen.has_token:
                raise NotModelled(where, f"whether the token of the request says {pattern} is not known")
            return False

        return holds

    return test


def _nothing(_: str) -> Test:
    return lambda _: False
