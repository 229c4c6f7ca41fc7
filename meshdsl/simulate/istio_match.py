"""What a match of a VirtualService asks of a request.

As ``translateRoute`` and ``TranslateRouteMatch`` in ``pilot/pkg/networking/core/route/route.go`` have it: what is about
the caller's proxy (gateways, labels, namespace, port) is decided when the table of that proxy is made; ``gateways``
takes the place of the labels and the namespace. A ``prefix`` is one of characters: ``/foo`` takes ``/foobar``. The
regular expression ``*`` and an empty match ask that a header is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from meshdsl.envoy import CHANGED
from meshdsl.simulate.fields import (
    Body,
    Condition,
    labelled,
    mapping,
    matcher,
    not_known,
    sequence,
    text,
    unknown_fields,
    whole,
)
from meshdsl.simulate.words import Labels, NotModelled, Request

MESH_GATEWAY: Final = "mesh"
_FIELDS: Final = (
    "name", "uri", "scheme", "method", "authority", "headers", "port", "sourceLabels", "gateways", "queryParams",
    "ignoreUriCase", "withoutHeaders", "sourceNamespace", "statPrefix",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Client:
    """The proxy that sends: where it runs, and the labels of the pods that have its account, if they are known."""

    namespace: str
    pods: tuple[Labels, ...]
    name: str = ""


def takes_client(match: Body, client: Client, port: int, where: str) -> bool:
    """Whether a match is among the routes that istiod sends to a proxy, for one port.

    Raises:
        NotModelled: it depends on labels of the proxy's pod that are not known.
    """
    wanted = match.get("port")
    if wanted and whole(wanted, f"{where}.port") != port:
        return False
    gateways = sequence(match.get("gateways"), f"{where}.gateways")
    if gateways:
        return MESH_GATEWAY in gateways
    if match.get("sourceNamespace") and match["sourceNamespace"] != client.namespace:
        return False
    labels = labelled(mapping(match.get("sourceLabels"), f"{where}.sourceLabels"))
    found = {labels <= pod for pod in client.pods} if labels else {True}
    if len(found) != 1:
        raise NotModelled(
            f"{where}.sourceLabels", f"it is not known whether the pods of {client.name} have these labels"
        )
    return found.pop()


def conditions(match: Body, authorities: tuple[str, ...], where: str) -> tuple[Condition[Request], ...]:
    """What a match asks of a request, once it has taken the proxy."""
    return tuple(_conditions(match, authorities, where))


def uri_of(match: Body, where: str) -> tuple[str, str]:
    """How a match compares the path, and with what; a match without ``uri`` takes every path."""
    uri = mapping(match.get("uri"), where)
    if not uri:
        return "prefix", "/"
    if len(uri) != 1 or uri.keys() - {"exact", "prefix", "regex"}:
        raise NotModelled(f"{where}.uri", f"{', '.join(sorted(uri))} is not modelled")
    ((how, value),) = uri.items()
    return how, text(value, f"{where}.uri")


def _conditions(match: Body, authorities: tuple[str, ...], where: str) -> Iterator[Condition[Request]]:
    yield from _path(match, where)
    if "method" in match:
        yield _string(match["method"], lambda request: request.method, "method", f"{where}.method")
    for name, one in mapping(match.get("headers"), f"{where}.headers").items():
        yield _header(one, name, f"{where}.headers[{name}]")
    for name, one in mapping(match.get("withoutHeaders"), f"{where}.withoutHeaders").items():
        yield _without(one, name, f"{where}.withoutHeaders[{name}]")
    for name, one in mapping(match.get("queryParams"), f"{where}.queryParams").items():
        yield _present(
            one, _of_query(name), f"query parameter {name}", f"queryParams.{name}", f"{where}.queryParams[{name}]"
        )
    if "scheme" in match:
        yield _string(match["scheme"], lambda _: "http", "scheme", f"{where}.scheme")
    if "authority" in match:
        yield _authority(match["authority"], authorities, f"{where}.authority")
    yield from unknown_fields(match, _FIELDS, where)


def _path(match: Body, where: str) -> Iterator[Condition[Request]]:
    try:
        how, value = uri_of(match, where)
    except NotModelled as error:
        yield Condition(not_known(error.where, error.why), "uri", "not modelled")
        return
    fold = bool(match.get("ignoreUriCase"))
    what = f"path{' whatever its case' if fold else ''}"
    if (how, value) == ("prefix", "/"):
        return
    if how == "regex":
        yield Condition(
            _guarded(lambda: _on_path(matcher(value, f"{where}.uri.regex"))), "uri.regex", f"path matches {value}"
        )
    elif how == "exact" and fold:
        lower = value.lower()
        yield Condition(lambda request: request.path.lower() == lower, "uri.exact", f"{what} is {value}")
    elif how == "exact":
        yield Condition(lambda request: request.path == value, "uri.exact", f"{what} is {value}")
    elif fold:
        lower = value.lower()
        yield Condition(
            lambda request: request.path.lower().startswith(lower), "uri.prefix", f"{what} begins with {value}"
        )
    else:
        yield Condition(lambda request: request.path.startswith(value), "uri.prefix", f"{what} begins with {value}")


def _on_path(holds: Callable[[str], bool]) -> Callable[[Request], bool]:
    return lambda request: holds(request.path)


def _of_query(name: str) -> Callable[[Request], str | None]:
    return lambda request: request.query.get(name)


def _of_header(name: str) -> Callable[[Request], str | None]:
    special = {":method": lambda request: request.method, ":path": lambda request: request.path}
    lower = name.lower()
    return special.get(lower) or (lambda request: request.headers.get(lower))


def _header(match: Any, name: str, where: str) -> Condition[Request]:
    if name.startswith(("@", ":authority", ":scheme")) or name.lower() == "host":
        return Condition(not_known(where, "this header is not modelled"), f"headers.{name}", "not modelled")
    if name.lower() in CHANGED:
        return Condition(not_known(where, "Envoy writes this header itself"), f"headers.{name}", "not modelled")
    return _present(match, _of_header(name), f"header {name}", f"headers.{name}", where)


def _without(match: Any, name: str, where: str) -> Condition[Request]:
    """``withoutHeaders``: a header that is not there counts as empty, unless it is asked to be there at all."""
    field = f"withoutHeaders.{name}"
    if name.startswith(("@", ":")) or name.lower() == "host":
        return Condition(not_known(where, "this header is not modelled"), field, "not modelled")
    if name.lower() in CHANGED:
        return Condition(not_known(where, "Envoy writes this header itself"), field, "not modelled")
    actual = _of_header(name)
    if _asks_presence(match):
        return Condition(lambda request: actual(request) is None, field, f"header {name} is not there")
    inner = _string(match, lambda request: actual(request) or "", f"header {name}", where)
    return Condition(lambda request: not inner.holds(request), field, f"not: {inner.text}")


def _present(
    match: Any, actual: Callable[[Request], str | None], what: str, field: str, where: str
) -> Condition[Request]:
    if _asks_presence(match):
        return Condition(lambda request: actual(request) is not None, field, f"{what} is there")
    inner = _string(match, lambda request: actual(request) or "", what, where)
    return Condition(lambda request: actual(request) is not None and inner.holds(request), field, inner.text)


def _asks_presence(match: Any) -> bool:
    return not match or (isinstance(match, Mapping) and match.get("regex") == "*")


def _string(match: Any, actual: Callable[[Request], str], what: str, where: str) -> Condition[Request]:
    """A StringMatch on something that is there."""
    if not isinstance(match, Mapping) or len(match) != 1 or match.keys() - {"exact", "prefix", "regex"}:
        return Condition(not_known(where, f"{match!r} is not modelled"), what, "not modelled")
    ((how, value),) = match.items()
    value = str(value)
    if how == "exact":
        return Condition(lambda request: actual(request) == value, what, f"{what} is {value}")
    if how == "prefix":
        return Condition(lambda request: actual(request).startswith(value), what, f"{what} begins with {value}")

    def made() -> Callable[[Request], bool]:
        holds = matcher(value, where)
        return lambda request: holds(actual(request))

    return Condition(_guarded(made), what, f"{what} matches {value}")


def _authority(match: Any, authorities: tuple[str, ...], where: str) -> Condition[Request]:
    """Decided where it is the same for every name that callers may use."""
    asked = _string(match, lambda request: request.path, "authority", where).text

    def made() -> Callable[[Request], bool]:
        found = {_string_holds(match, authority, where) for authority in authorities}
        if len(found) != 1:
            raise NotModelled(where, "it depends on the name by which the caller calls the service")
        return (lambda _: True) if found.pop() else (lambda _: False)

    return Condition(_guarded(made), "authority", asked)


def _string_holds(match: Any, value: str, where: str) -> bool:
    if not isinstance(match, Mapping) or len(match) != 1 or match.keys() - {"exact", "prefix", "regex"}:
        raise NotModelled(where, f"{match!r} is not modelled")
    ((how, wanted),) = match.items()
    if how == "regex":
        return matcher(str(wanted), where)(value)
    return value.startswith(wanted) if how == "prefix" else bool(value == wanted)


def _guarded(made: Callable[[], Callable[[Request], bool]]) -> Callable[[Request], bool]:
    """What is made now, or raises each time it is asked if it cannot be made."""
    try:
        return made()
    except NotModelled as error:
        return not_known(error.where, error.why)


def rewritten_by_regex(pattern: str, substitution: str, path: str, where: str) -> str:
    """``uriRegexRewrite``: every match replaced as RE2's GlobalReplace does it; a backslash and a digit are a group."""
    try:
        found = re.compile(pattern, re.ASCII)
    except re.error as error:
        raise NotModelled(where, str(error)) from None

    def replaced(match: re.Match[str]) -> str:
        return re.sub(r"\\([0-9\\])", lambda one: "\\" if one[1] == "\\" else match[int(one[1])] or "", substitution)

    return found.sub(replaced, path)
