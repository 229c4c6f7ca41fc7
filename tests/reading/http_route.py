"""The parts of an HTTPRoute, in the words of the readings. Who wins among matches is each mesh's own affair.

Every field that the API would default must be there, so that no reading depends on a default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tests.reading.words import Backend, Cluster, Kube, Port, Request, Unmodelled, labelled, labels, only

Body = Mapping[str, Any]
KINDS = ("Exact", "PathPrefix", "RegularExpression")


def path_holds(path: Body, actual: str) -> bool:
    """A path match; a prefix is one of whole segments."""
    only(path, "type", "value", where="path")
    kind, value = path["type"], path["value"]
    if kind == "PathPrefix":
        prefix = value.rstrip("/")
        return actual == prefix or actual.startswith(f"{prefix}/")
    return re.fullmatch(value, actual) is not None if kind == "RegularExpression" else bool(actual == value)


def value_holds(match: Body, where: Mapping[str, str]) -> bool:
    """A match of a header or a query parameter."""
    only(match, "type", "name", "value", where="match")
    actual = where.get(match["name"])
    if actual is None:
        return False
    if match["type"] == "RegularExpression":
        return re.fullmatch(match["value"], actual) is not None
    return bool(actual == match["value"])


def match_holds(match: Body, request: Request) -> bool:
    """One of the matches of a rule."""
    only(match, "path", "method", "headers", "queryParams", where="match")
    return (
        path_holds(match["path"], request.path)
        and match.get("method", request.method) == request.method
        and all(value_holds(one, request.headers) for one in match.get("headers", ()))
        and all(value_holds(one, request.query) for one in match.get("queryParams", ()))
    )


def edits(filter_type: str, modifier: Body, text: Callable[[str], str]) -> Iterator[tuple[str, str, str, str]]:
    """The edits of a header modifier; ``text`` says how the mesh reads a value."""
    message = "request" if filter_type == "RequestHeaderModifier" else "response"
    only(modifier, "set", "add", "remove", where=filter_type)
    for operation in ("set", "add"):
        for one in modifier.get(operation, ()):
            only(one, "name", "value", where=operation)
            yield message, operation, one["name"], text(one["value"])
    for name in modifier.get("remove", ()):
        yield message, "remove", name, ""


def filters(rule: Body, known: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Type and content of each filter of a rule; one that the mesh does not know would cost the whole route."""
    for one in rule.get("filters", ()):
        kind = one["type"]
        if kind not in known:
            raise Unmodelled(f"filter {kind}")
        content = {"URLRewrite": "urlRewrite"}.get(kind, kind[0].lower() + kind[1:])
        only(one, "type", content, where="filter")
        yield kind, one[content]


def backend(reference: Body, cluster: Cluster) -> Backend:
    """Where a backendRef leads."""
    only(reference, "group", "kind", "name", "namespace", "port", "weight", where="backendRef")
    if (reference["group"], reference["kind"]) != ("", "Service"):
        raise Unmodelled(f"backendRef {reference}")
    return cluster[f"{reference['namespace']}/{reference['name']}"].backend(reference["port"])


def parent(route: Body, *, ported: bool) -> Body:
    """The one parent of a route."""
    spec = only(route["spec"], "parentRefs", "rules", where="HTTPRoute")
    (found,) = spec["parentRefs"]
    only(found, "group", "kind", "name", "namespace", *(("port",) if ported else ()), where="parentRef")
    if found["namespace"] != route["metadata"]["namespace"]:
        raise Unmodelled("a route in another namespace than its parent")
    return found  # type: ignore[no-any-return]


def emitted_service(one: Body, known_labels: tuple[str, ...]) -> Kube:
    """A Service that is emitted whole."""
    spec = only(
        one["spec"], "type", "selector", "ports", "sessionAffinity", "internalTrafficPolicy", where="Service"
    )  # fmt: skip
    only(labels(one), *known_labels, where="labels of a Service")
    ports = []
    for port in spec["ports"]:
        only(port, "name", "port", "protocol", "targetPort", "appProtocol", where="port")
        protocol = {"http": "http", "kubernetes.io/h2c": "http2"}.get(port.get("appProtocol", ""), "other")
        ports.append(Port(port["port"], port["targetPort"], protocol))
    selector = labelled(spec["selector"])
    return Kube(one["metadata"]["namespace"], one["metadata"]["name"], selector, tuple(ports), pods=(selector,))
