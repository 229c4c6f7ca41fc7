"""The parts of an HTTPRoute, in the words of the readings. Who wins among matches is each mesh's own affair.

What the API server would add by default is added here (Gateway API, ``apis/v1/httproute_types.go``), so that a route
that was never stored reads like one that was. A match knows its parts (kind and length of the path, a method, how many
headers and query parameters), from which each mesh makes its own order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meshdsl.simulate.fields import (
    Body,
    Condition,
    Holds,
    all_hold,
    group_of,
    mapping,
    matcher,
    name_of,
    namespace_of,
    not_known,
    only,
    sequence,
    text,
    title,
    unknown_fields,
    whole,
)
from meshdsl.simulate.inventory import Inventory, KubeService, Port
from meshdsl.simulate.words import Backend, NotModelled, Redirected, Request

GATEWAY_API: Final = "gateway.networking.k8s.io"
EXACT, PREFIX, REGEX = "Exact", "PathPrefix", "RegularExpression"
RULE_FIELDS: Final = ("name", "matches", "filters", "backendRefs", "timeouts")
"""The fields of a rule in the standard channel, without session persistence."""

Matcher = Callable[[str, str], Callable[[str], bool]]
"""From a regular expression and its place to what tells whether a text matches it; raises NotModelled."""

_ROOT: Final[Body] = {"type": PREFIX, "value": "/"}
_CONTENT: Final = {"URLRewrite": "urlRewrite", "CORS": "cors"}
_APP_PROTOCOLS: Final = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http", "grpc-web": "http", "https": "tls"}
_PROTOCOLS: Final = frozenset({"http", "http2", "grpc", "tcp", "tls"})


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """One of the matches of a rule.

    Attributes:
        where: the object and the field.
        kind: of its path: ``Exact``, ``PathPrefix`` or ``RegularExpression``.
        path: value of its path.
        method: the method, or None for any.
        headers: how many headers it asks for.
        query: how many query parameters it asks for.
        conditions: all that it asks for.
    """

    where: str
    kind: str
    path: str
    method: str | None
    headers: int
    query: int
    conditions: tuple[Condition[Request], ...]

    def holds(self, request: Request) -> bool:
        """Whether a request fulfils it. Raises NotModelled if a field that is not known decides."""
        return all_hold(self.conditions, request)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule of a route.

    Attributes:
        where: the object and the field.
        body: as it is written.
        matches: one of them must hold.
    """

    where: str
    body: Body
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Parent:
    """What a route is attached to.

    Attributes:
        group: of its kind: ``""`` for a Service.
        port: of a Service; None for all its ports.
        section: a part of it, such as a listener; empty for the whole.
    """

    group: str
    kind: str
    namespace: str
    name: str
    port: int | None = None
    section: str = ""

    @property
    def is_service(self) -> bool:
        """Whether it is a Kubernetes Service, the parent of a mesh's route."""
        return (self.group, self.kind) in (("", "Service"), ("core", "Service"))


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """An HTTPRoute: its parents and its rules, in their order."""

    body: Body
    parents: tuple[Parent, ...]
    rules: tuple[Rule, ...]

    @property
    def where(self) -> str:
        """What it is called in an answer."""
        return title(self.body)

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return namespace_of(self.body)


def parents_of(body: Body) -> tuple[Parent, ...]:
    """What a route is attached to. Raises NotModelled where that cannot be read."""
    where = title(body)
    found = sequence(mapping(body.get("spec"), where).get("parentRefs"), f"{where} spec.parentRefs")
    return tuple(_parent(mapping(one, f"{where} spec.parentRefs"), body) for one in found)


def route_of(body: Body, regex: Matcher = matcher) -> Route:
    """A route, read.

    Args:
        body: an HTTPRoute, also one of ``policy.linkerd.io``.
        regex: how the mesh reads a regular expression; one of the whole text by default.

    Raises:
        NotModelled: its parents or its rules cannot be read at all. What is unknown about a match is raised when a
            request depends on it; about the rest of a rule, by whoever uses that rule.
    """
    where = title(body)
    spec = mapping(body.get("spec"), where)
    rules = spec.get("rules")
    given = sequence([{}] if rules is None else rules, f"{where} spec.rules")
    return Route(
        body, parents_of(body), tuple(_rule(one, f"{where} spec.rules[{n}]", regex) for n, one in enumerate(given))
    )


def filters(rule: Rule, known: Iterable[str]) -> Iterator[tuple[str, Body, str]]:
    """Type, content and place of each filter of a rule.

    Raises:
        NotModelled: there is one of another type than the known ones.
    """
    for n, one in enumerate(sequence(rule.body.get("filters"), f"{rule.where}.filters")):
        where = f"{rule.where}.filters[{n}]"
        kind = text(mapping(one, where).get("type"), where)
        if kind not in known:
            raise NotModelled(where, f"a filter {kind} is not modelled")
        content = _CONTENT.get(kind, kind[0].lower() + kind[1:])
        yield kind, mapping(only(one, ("type", content), where).get(content), where), f"{where}.{content}"


def edits(
    kind: str, modifier: Body, where: str, value: Callable[[str, str], str]
) -> Iterator[tuple[str, str, str, str]]:
    """The edits of a RequestHeaderModifier or a ResponseHeaderModifier.

    Args:
        kind: of the filter.
        modifier: its content.
        where: it stands.
        value: called with a value and its place: how the mesh reads it.
    """
    message = "request" if kind == "RequestHeaderModifier" else "response"
    only(modifier, ("set", "add", "remove"), where)
    for operation in ("set", "add"):
        for one in sequence(modifier.get(operation), f"{where}.{operation}"):
            only(one, ("name", "value"), f"{where}.{operation}")
            yield message, operation, one["name"].lower(), value(one["value"], f"{where}.{operation}")
    for name in sequence(modifier.get("remove"), f"{where}.remove"):
        yield message, "remove", name.lower(), ""


def backend(reference: Any, inventory: Inventory, namespace: str, where: str) -> Backend:
    """Where a backendRef leads.

    Args:
        reference: the backendRef.
        inventory: with the Services.
        namespace: of the route, for a reference that names none.
        where: it stands.

    Raises:
        NotModelled: it is no Service, none that is known, or has filters of its own.
    """
    found = only(reference, ("group", "kind", "name", "namespace", "port", "weight"), where)
    if (found.get("group", ""), found.get("kind", "Service")) not in (("", "Service"), ("core", "Service")):
        raise NotModelled(where, f"a backend of kind {found.get('kind')} is not modelled")
    name = f"{found.get('namespace') or namespace}/{found.get('name')}"
    if name not in inventory:
        raise NotModelled(where, f"there is no Service {name} that is known")
    return inventory[name].backend(whole(found.get("port"), f"{where}.port"))


def backends(rule: Rule, inventory: Inventory, namespace: str) -> list[tuple[Backend, int]]:
    """Where the backendRefs of a rule lead, each with its weight (1 if it has none)."""
    found = sequence(rule.body.get("backendRefs"), f"{rule.where}.backendRefs")
    return [
        (
            backend(one, inventory, namespace, f"{rule.where}.backendRefs[{n}]"),
            whole(one.get("weight", 1), f"{rule.where}.backendRefs[{n}].weight"),
        )
        for n, one in enumerate(found)
    ]


def redirect(content: Body, where: str, match: Match, request: Request, *, port: int) -> Redirected:
    """A RequestRedirect.

    Args:
        content: of the filter.
        where: it stands.
        match: that took the request, for a redirect that replaces its prefix.
        request: what is redirected.
        port: that is meant where neither a port nor a scheme is given.
    """
    only(content, ("scheme", "hostname", "path", "port", "statusCode"), where)
    scheme = content.get("scheme") or "http"
    implied = {"http": 80, "https": 443}.get(scheme, port) if content.get("scheme") else port
    return Redirected(
        whole(content.get("statusCode", 302), f"{where}.statusCode"),
        scheme,
        content.get("hostname"),
        whole(content.get("port") or implied, f"{where}.port"),
        rewritten_path(content.get("path"), f"{where}.path", match, request.path),
    )


def rewritten_path(modifier: Any, where: str, match: Match, path: str) -> str:
    """The path that an HTTPPathModifier makes of another; the same if there is no modifier."""
    if modifier is None:
        return path
    how = only(modifier, ("type", "replaceFullPath", "replacePrefixMatch"), where)
    if how.get("type") == "ReplaceFullPath":
        return text(how.get("replaceFullPath"), where)
    if how.get("type") != "ReplacePrefixMatch" or match.kind != PREFIX:
        raise NotModelled(where, f"{how.get('type')} where the match is {match.kind} is not modelled")
    rest = path[len(match.path.rstrip("/")) :]
    return text(how.get("replacePrefixMatch"), where).rstrip("/") + rest or "/"


def emitted_service(body: Body) -> KubeService | None:
    """A Service that is among the objects as a whole, as meshdsl emits one for each version; None for a part of one.

    Raises:
        NotModelled: it selects nothing, or its ports cannot be read.
    """
    where = title(body)
    spec = mapping(body.get("spec"), where)
    if not spec.get("ports"):
        return None
    if not spec.get("selector"):
        raise NotModelled(f"{where} spec.selector", "a Service that selects no pods is not modelled")
    ports = tuple(
        _port(mapping(one, f"{where} spec.ports"), f"{where} spec.ports[{n}]") for n, one in enumerate(spec["ports"])
    )
    selector = frozenset(mapping(spec["selector"], f"{where} spec.selector").items())
    return KubeService(namespace_of(body), name_of(body), selector, ports, pods=(selector,))


def with_services(inventory: Inventory, bodies: Iterable[Body]) -> Inventory:
    """An inventory with the Services that are among the objects as a whole, where it does not know them already."""
    found: list[KubeService] = []
    for body in bodies:
        if (
            body.get("kind") == "Service"
            and group_of(body) == ""
            and f"{namespace_of(body)}/{name_of(body)}" not in inventory
        ):
            try:
                one = emitted_service(body)
            except NotModelled:
                continue  # who asks for it, or refers to it, is told that it is not known
            if one is not None:
                found.append(one)
    return inventory.with_services(found) if found else inventory


# --------------------------------------------------------------------------------------------------------------- parts


def _parent(one: Body, body: Body) -> Parent:
    where = f"{title(body)} spec.parentRefs"
    port = one.get("port")
    default = group_of(body) or GATEWAY_API
    return Parent(
        str(one["group"] if one.get("group") is not None else default),
        str(one.get("kind") or "Gateway"),
        str(one.get("namespace") or namespace_of(body)),
        text(one.get("name"), where),
        None if port is None else whole(port, where),
        str(one.get("sectionName") or ""),
    )


def _rule(body: Any, where: str, regex: Matcher) -> Rule:
    rule = mapping(body, where)
    given: Sequence[Any] = sequence(rule.get("matches"), f"{where}.matches") or ({},)
    return Rule(where, rule, tuple(_match(one, f"{where}.matches[{n}]", regex) for n, one in enumerate(given)))


def _match(body: Any, where: str, regex: Matcher) -> Match:
    match = mapping(body, where)
    path = {**_ROOT, **mapping(match.get("path"), f"{where}.path")}
    method = match.get("method")
    headers = _named(match.get("headers"), f"{where}.headers", lower=True)
    query = _named(match.get("queryParams"), f"{where}.queryParams", lower=False)
    conditions: list[Condition[Request]] = (
        [_path(path, f"{where}.path", regex)] if (path["type"], path["value"]) != (PREFIX, "/") else []
    )
    if method is not None:
        conditions.append(Condition(lambda request: request.method == method, "method", f"method is {method}"))
    for name, one in headers.items():
        conditions.append(_value(one, name, f"{where}.headers", lambda request: request.headers, regex))
    for name, one in query.items():
        conditions.append(_value(one, name, f"{where}.queryParams", lambda request: request.query, regex))
    conditions += unknown_fields(match, ("path", "method", "headers", "queryParams"), where)
    return Match(where, path["type"], path["value"], method, len(headers), len(query), tuple(conditions))


def _path(path: Body, where: str, regex: Matcher) -> Condition[Request]:
    kind, value = path["type"], path["value"]
    if kind == PREFIX:
        whole_segments = value.rstrip("/")
        below = f"{whole_segments}/"
        return Condition(
            lambda request: request.path == whole_segments or request.path.startswith(below),
            "path",
            f"path is {whole_segments} or below it",
        )
    if kind == EXACT:
        return Condition(lambda request: request.path == value, "path", f"path is {value}")
    return Condition(_regex(kind, value, where, lambda request: request.path, regex), "path", f"path matches {value}")


def _value(
    match: Body, name: str, where: str, of: Callable[[Request], Mapping[str, str]], regex: Matcher
) -> Condition[Request]:
    kind, value = match.get("type") or EXACT, match.get("value")
    field = where.rpartition(".")[2]
    what = "header" if field == "headers" else "query parameter"
    if kind == EXACT:
        return Condition(lambda request: of(request).get(name) == value, field, f"{what} {name} is {value}")
    holds = _regex(kind, str(value), f"{where}[{name}]", lambda request: of(request)[name], regex)
    return Condition(
        lambda request: name in of(request) and holds(request), field, f"{what} {name} matches {value}"
    )  # fmt: skip


def _regex(kind: str, pattern: str, where: str, of: Callable[[Request], str], regex: Matcher) -> Holds:
    if kind != REGEX:
        return not_known(where, f"a match of type {kind} is not modelled")
    try:
        matches = regex(pattern, where)
    except NotModelled as error:
        return not_known(error.where, error.why)
    return lambda request: matches(of(request))


def _named(value: Any, where: str, *, lower: bool) -> dict[str, Body]:
    """By name; of two of one name the first holds, as the API has it."""
    found: dict[str, Body] = {}
    for one in sequence(value, where):
        name = str(mapping(one, where).get("name"))
        found.setdefault(name.lower() if lower else name, one)
    return found


def _port(port: Body, where: str) -> Port:
    number_ = whole(port.get("port"), where)
    name = str(port.get("name") or "")
    said = str(port.get("appProtocol") or name.partition("-")[0])
    protocol = _APP_PROTOCOLS.get(said, said)
    return Port(number_, port.get("targetPort", number_), protocol if protocol in _PROTOCOLS else "tcp", name)
