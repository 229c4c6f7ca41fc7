"""One rule of an AuthorizationPolicy, as the proxy that enforces it reads it.

Strings are exact, a prefix (``abc*``), a suffix (``*abc``) or ``*``; a star in the middle is itself. Fields of a source
or operation hold together, values of a field are alternatives (``pilot/pkg/security/authz/model``). What looks at
requests is dropped where there are none: an ALLOW rule whole; of a DENY rule only that part, so that it refuses more;
and in ztunnel a DENY clause of which nothing is left does nothing, so that it refuses nobody (measured).

What cannot be decided, such as addresses and claims of tokens, stays in the rule as a condition with a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Protocol

from meshdsl.compare.access.model import (
    ANY,
    KEPT,
    PRESENT,
    PathTest,
    Requests,
    Rule,
    Term,
    Where,
    kept,
    some,
    uninterpreted,
    union,
)
from meshdsl.values import METHODS

Body = Mapping[str, Any]


class Note(Protocol):
    """Takes a sentence."""

    def __call__(self, sentence: str, certain: bool = False) -> None:  # noqa: FBT001, FBT002
        """Remember it."""


class Sees(Enum):
    """What the enforcing proxy sees of a port."""

    REQUESTS = "requests"
    BYTES = "bytes"
    ZTUNNEL = "connections at ztunnel"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule is enforced.

    Attributes:
        sees: what the proxy sees.
        port: the port that it knows; None if that is not known here.
        others: further ports of the workload, which that one is not.
        deny: whether the rule is one of a DENY policy.
        namespace: of the policy.
        trust_domain: of the mesh.
        note: takes a sentence about what cannot be decided; if it is certain, about what is good to know.
    """

    sees: Sees
    port: int | None
    others: frozenset[str]
    deny: bool
    namespace: str
    trust_domain: str
    note: Note


_IDENTITY: Final = {
    "principals": "principal", "namespaces": "namespace", "serviceAccounts": "account", "trustDomains": "trust domain",
}  # fmt: skip
_ADDRESSES: Final = ("ipBlocks", "remoteIpBlocks", "requestPrincipals")
_REQUEST_SOURCE: Final = ("requestPrincipals", "remoteIpBlocks")
_ZTUNNEL_KEYS: Final = frozenset(
    {"source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port"}
)
_WHEN_IDENTITY: Final = {
    "source.principal": "principals", "source.namespace": "namespaces", "source.serviceAccount": "serviceAccounts",
    "source.trustDomain": "trustDomains",
}  # fmt: skip
_HEADER: Final = re.compile(r"request\.headers\[(.+)\]")


def rules_of(rule: Body, place: Place) -> Iterator[Rule]:
    """What is left of a rule where it is enforced, an alternative each; nothing if it holds for nobody there."""
    read = _visible(rule, place)
    if read is None:
        return
    sources, operations, when = read
    terms = [_source(one, place) for one in sources] or [(Term(), ())]
    requests = [one for one in (_operation(one, place) for one in operations) if one is not None]
    if operations and not requests:
        return
    fields, tests = _when(when, place)
    if fields is None:
        return
    plain = tuple(
        Term((*term.fields, *fields.fields), term.excluded | fields.excluded) for term, own in terms if not own
    )
    for one in requests or [ANY]:
        if plain:
            yield Rule(union(plain), kept(_with(one, tests)))
        for term, own in terms:
            if own:
                who = Term((*term.fields, *fields.fields), term.excluded | fields.excluded)
                yield Rule((who,), kept(_with(one, (*tests, *own))))


def _with(one: Requests, tests: tuple[Where, ...]) -> Requests:
    if not tests:
        return one
    return Requests(one.methods, one.paths, one.tests + tests, one.not_methods, one.not_paths)


# -------------------------------------------------------------------------------------------------------- what is seen


def _visible(rule: Body, place: Place) -> tuple[list[Body], list[Body], list[Body]] | None:
    """Sources, operations and conditions that the proxy reads; None if the rule does nothing there."""
    sources: list[Body] = [one.get("source") or {} for one in rule.get("from") or ()]
    operations: list[Body] = [one.get("operation") or {} for one in rule.get("to") or ()]
    when: list[Body] = list(rule.get("when") or ())
    if place.sees is Sees.REQUESTS:
        return sources, operations, when
    at_ztunnel = place.sees is Sees.ZTUNNEL
    kept_sources: list[Body] = [{k: v for k, v in one.items() if not _about_requests(k)} for one in sources]
    kept: list[Body] = [{k: v for k, v in one.items() if k in ("ports", "notPorts")} for one in operations]
    kept_when = [one for one in when if not _key_about_requests(str(one.get("key")), at_ztunnel=at_ztunnel)]
    if (kept_sources, kept, kept_when) == (sources, operations, when):
        return sources, operations, when
    if not place.deny:
        return None
    if at_ztunnel:
        kept_sources, kept = [one for one in kept_sources if one], [one for one in kept if one]
        if len(kept_when) < len(when) or (sources and not kept_sources) or (operations and not kept):
            place.note("a DENY that looks at requests does nothing at ztunnel: it lets everyone past", certain=True)
            return None
        return kept_sources, kept, kept_when
    kept = kept if all(kept) else []
    if not kept or any(_port_holds(one.get("ports"), one.get("notPorts"), place) for one in kept):
        sentence = "a DENY that looks at requests refuses more than it says on a port that is not HTTP"
        place.note(sentence, certain=True)
    return kept_sources if all(kept_sources) else [], kept, kept_when


def _about_requests(name: str) -> bool:
    return name in _REQUEST_SOURCE or (name.startswith("not") and name[3].lower() + name[4:] in _REQUEST_SOURCE)


def _key_about_requests(key: str, *, at_ztunnel: bool) -> bool:
    return key not in _ZTUNNEL_KEYS if at_ztunnel else key.startswith("request.")


# ------------------------------------------------------------------------------------------------------------- callers


def _source(source: Body, place: Place) -> tuple[Term, tuple[Where, ...]]:
    fields: list[frozenset[str]] = []
    excluded: set[str] = set()
    tests: list[Where] = []
    for name in sorted(source):
        positive = name[3].lower() + name[4:] if name.startswith("not") else name
        values = source[name] or ()
        if not values:
            continue
        if positive in _ADDRESSES:
            tests.append(_named(positive, values, negated=positive != name))
            place.note(f"{positive} cannot be decided: the rows name it")
            continue
        patterns = _shared(tuple(_pattern(positive, str(value), place) for value in values))
        if positive == name:
            fields.append(patterns)
        else:
            excluded |= patterns
    return Term(tuple(fields), frozenset(excluded)), tuple(tests)


@lru_cache(maxsize=KEPT)
def _shared(patterns: tuple[str, ...]) -> frozenset[str]:
    return frozenset(patterns)


def _pattern(kind: str, value: str, place: Place) -> str:
    """The pattern of a value of ``principals``, ``namespaces``, ``serviceAccounts`` or ``trustDomains``."""
    if kind == "principals":
        return _principal(value, place.trust_domain)
    if kind == "namespaces":
        if value.startswith("*") and value != "*":
            place.note(f"namespaces {value!r} is read as any namespace")
            return "*"
        return "*" if value == "*" else f"~/ns/{value}" if value.endswith("*") else f"~/ns/{value}/*"
    if kind == "serviceAccounts":
        namespace, slash, name = value.rpartition("/")
        return f"~/ns/{namespace if slash else place.namespace}/sa/{name}"
    domain = "" if value == place.trust_domain else value
    if "*" in domain and domain != "*":
        place.note(f"trustDomains {value!r} is read as any trust domain")
        return "*"
    return "*" if domain == "*" else f"{domain}/*"


@lru_cache(maxsize=KEPT)
def _principal(value: str, trust_domain: str) -> str:
    if value in ("*", "**") or value.startswith("*"):
        return value
    domain, slash, rest = value.partition("/")
    return f"/{rest}" if slash and domain == trust_domain else value


# ------------------------------------------------------------------------------------------------------------ requests


def _operation(operation: Body, place: Place) -> Requests | None:
    """The requests of an operation; None if its ports leave this one out."""
    if not _port_holds(operation.get("ports"), operation.get("notPorts"), place):
        return None
    paths, not_paths = _paths(tuple(operation.get("paths") or ())), _paths(tuple(operation.get("notPaths") or ()))
    methods, not_methods = _methods(operation.get("methods"), place), _methods(operation.get("notMethods"), place)
    tests: list[Where] = []
    for name in ("hosts", "notHosts"):
        if operation.get(name):
            values = frozenset(_value(str(value).lower()) for value in operation[name])
            tests.append(Where("host", values, negated=name == "notHosts"))
    if operation.get("notPaths") and not_paths is None:
        return None  # every path is excluded
    if operation.get("notMethods") and not_methods is None:
        return None
    return Requests(methods, paths, tuple(tests), not_methods or frozenset(), not_paths or frozenset())


def _port_holds(ports: Sequence[str] | None, excluded: Sequence[str] | None, place: Place) -> bool:
    if not ports and not excluded:
        return True
    if place.port is None:
        if ports and place.others.issuperset(map(str, ports)):
            return False
        if not ports and place.others.issuperset(map(str, excluded or ())):
            return True
        place.note("rules about ports are taken to hold where the workload's port has a name, or is not known")
        return not place.deny
    number = str(place.port)
    if excluded and any(_string_holds(str(one), number) for one in excluded):
        return False
    return not ports or any(_string_holds(str(one), number) for one in ports)


def _string_holds(pattern: str, actual: str) -> bool:
    if pattern.endswith("*"):
        return actual.startswith(pattern[:-1])
    return actual.endswith(pattern[1:]) if pattern.startswith("*") else actual == pattern


def _methods(values: Sequence[str] | None, place: Place) -> frozenset[str] | None:
    found: set[str] = set()
    if not values or "*" in values:
        return None
    if not any("*" in value for value in values):
        return some(tuple(values))
    for value in values:
        if value.startswith("*") or value.endswith("*"):
            place.note(f"methods {value!r} is read as the known methods that match")
            found |= {method for method in METHODS if _string_holds(value, method)}
        else:
            found.add(value)
    return frozenset(found)


@lru_cache(maxsize=KEPT)
def _paths(values: tuple[str, ...]) -> frozenset[PathTest] | None:
    """The paths of some strings; None for every path."""
    found = [_path(str(value)) for value in values]
    return None if None in found or not found else frozenset(one for one in found if one is not None)


def _path(value: str) -> PathTest | None:
    if value in ("*", "/*"):
        return None
    if "{" in value:
        parts = re.split(r"(\{\*\*\}|\{\*\})", value)
        return ("regex", "".join({"{*}": "[^/]+", "{**}": ".*"}.get(part) or re.escape(part) for part in parts))
    if value.endswith("*"):
        return ("starts", value[:-1])
    if value.startswith("*"):
        return ("regex", f".*{re.escape(value[1:])}")
    return ("exact", value)


def _value(value: str) -> tuple[str, str]:
    """A string as the value of a header."""
    if value == "*":
        return PRESENT
    if value.endswith("*"):
        return ("regex", f"{re.escape(value[:-1])}.*")
    return ("regex", f".*{re.escape(value[1:])}") if value.startswith("*") else ("exact", value)


def _named(what: str, values: Sequence[str], *, negated: bool) -> Where:
    return Where(uninterpreted(f"where {what} is {' or '.join(map(str, values))}").name, frozenset({PRESENT}), negated)


# ---------------------------------------------------------------------------------------------------------- conditions


def _when(when: list[Body], place: Place) -> tuple[Term | None, tuple[Where, ...]]:
    """Further fields of callers, and tests; None if a condition leaves this port out."""
    fields: list[frozenset[str]] = []
    excluded: set[str] = set()
    tests: list[Where] = []
    for one in when:
        key, values, nots = str(one.get("key")), one.get("values") or (), one.get("notValues") or ()
        header = _HEADER.fullmatch(key)
        if key in _WHEN_IDENTITY:
            kind = _WHEN_IDENTITY[key]
            fields += [frozenset(_pattern(kind, str(value), place) for value in values)] if values else []
            excluded |= {_pattern(kind, str(value), place) for value in nots}
        elif key == "destination.port":
            if not _port_holds(values, nots, place):
                return None, ()
        elif header is not None:
            name = header[1].lower()
            tests += [Where(name, frozenset(_value(str(value)) for value in values))] if values else []
            tests += [Where(name, frozenset(_value(str(value)) for value in nots), negated=True)] if nots else []
        else:
            place.note(f"{key} cannot be decided: the rows name it")
            tests += [_named(key, values, negated=False)] if values else []
            tests += [_named(key, nots, negated=True)] if nots else []
    return Term(tuple(fields), frozenset(excluded)), tuple(tests)
