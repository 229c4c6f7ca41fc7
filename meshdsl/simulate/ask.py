"""From what a person writes to a :class:`~meshdsl.simulate.words.Request`: who, to what, which request.

Everything is looked up in the plan, so that a typing error is told with what was probably meant and never answered as
if it were a question about a service that nobody has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final
from urllib.parse import parse_qsl

from meshdsl.diagnostics import Diagnostic, MeshdslError
from meshdsl.plan.intent import Plan, Port, Service
from meshdsl.simulate.words import NOBODY, OUTSIDE, Caller, Request
from meshdsl.values import METHODS, dns_label, dns_name, header_name, header_value, meant_services

ANYONE: Final = "anyone"
"""Stands for a caller in the mesh whom no policy names."""
OUTSIDER: Final = "outside"
"""Stands for a caller outside the mesh, in plain text."""
ACCOUNT: Final = "account:"
"""Opens the name of a bare service account: ``account:prod/ci``."""


class QuestionError(MeshdslError):
    """What was asked makes no sense for these policies."""

    exit_code = 2


def caller(plan: Plan, name: str) -> Caller:
    """Who is meant.

    Args:
        plan: with the services.
        name: a service (``"prod/web"``), a bare service account (``"account:prod/ci"``), ``"anyone"`` for a caller in
            the mesh whom no policy names, or ``"outside"`` for one outside the mesh. A service whose pods are kept out
            of the mesh is outside. An account that a rule names needs no prefix, if no service is called so.

    Raises:
        QuestionError: there is no such service (MESH071), or it is no name of an account (MESH901).
    """
    if name == ANYONE:
        return NOBODY
    if name == OUTSIDER:
        return OUTSIDE
    if name.startswith(ACCOUNT):
        namespace, _, account = name.removeprefix(ACCOUNT).partition("/")
        try:
            return Caller(dns_label(namespace, "a namespace"), dns_name(account, "a service account"))
        except ValueError as error:
            way_out = "write it as account:NAMESPACE/NAME"
            raise _wrong("MESH901", f"{name!r} is no service account", reason=str(error), help=way_out) from None
    if name not in map(str, plan.services) and name in named_accounts(plan):
        return Caller(*name.split("/"))
    one = service(plan, name, f"a service account is {ACCOUNT}NAMESPACE/NAME; there are also {ANYONE} and {OUTSIDER}")
    return OUTSIDE if plan.is_kept_out(one) else Caller(one.namespace, one.account)


def named_accounts(plan: Plan) -> frozenset[str]:
    """The service accounts that rules of access name, as ``"namespace/name"``."""
    access = [one.access for one in plan.services]
    callers = [rule.callers for one in access for rule in one.allow] + [
        rule.callers for one in access for rule in one.deny
    ]
    return frozenset(f"{account.namespace}/{account.name}" for one in callers for account in one.accounts)


def service(plan: Plan, name: str, else_help: str = "") -> Service:
    """The service of that name, ``"namespace/name"``.

    Raises:
        QuestionError: there is none (MESH071).
    """
    namespace, _, short = name.partition("/")
    try:
        return plan.service(namespace, short)
    except KeyError:
        known = [str(one) for one in plan.services]
        close = meant_services(name, known)
        there = f"there are {', '.join(known[:10])}" if known else "there are no services"
        nearest = f"did you mean {' or '.join(map(repr, close))}?" if close else there
        message = f"there is no service {name!r}"
        told = "; ".join(filter(None, (nearest, else_help))).replace("?;", "?")
        raise _wrong("MESH071", message, help=told) from None


def question(
    plan: Plan,
    source: str,
    to: str,
    method: str = "",
    path: str = "",
    *,
    headers: Mapping[str, str] | Iterable[str] = (),
    query: Mapping[str, str] | None = None,
    port: int | str | None = None,
    by_name: bool = True,
) -> Request:
    """The request that is meant.

    Args:
        plan: with the services.
        source: who sends it, as :func:`caller` reads it.
        to: the service, ``"prod/api"``, or with its port's number or name, ``"prod/api:8080"``.
        method: such as ``"GET"``; empty with a path for GET, and without one for a connection.
        path: with its query, if it has one; ``"/"`` where a method is given without it.
        headers: a mapping, or texts ``"name: value"``. Each name once.
        query: parameters beside those in the path. Each once.
        port: number or name, where ``to`` does not say it. Without either, the only port, or the only one that speaks
            HTTP.
        by_name: whether the caller uses the Service's name; False if it calls a pod's address.

    Raises:
        QuestionError: there is no such service (MESH071) or port (MESH904), the method is none that anybody knows
            (MESH902), the path is none (MESH903), a header has no colon or cannot be one (MESH905), a header or
            parameter is given twice (MESH906), or the port does not speak HTTP (MESH907).
    """
    name, colon, said = to.partition(":")
    one = service(plan, name)
    wants_http = bool(method or path)
    chosen = _port(one, said if colon else port, wants_http=wants_http)
    who = caller(plan, source)
    asked_for = source if source in map(str, plan.services) else ""
    if not wants_http:
        return Request(who, str(one), chosen.number, by_name=by_name, asked_for=asked_for)
    if not chosen.is_http:
        raise _wrong(
            "MESH907",
            f"port {chosen.number} of {one} speaks {chosen.protocol}, so there are no requests on it",
            help="leave method and path away to ask about a connection",
        )
    bare, _, text = path.partition("?")
    return Request(
        who,
        str(one),
        chosen.number,
        _method(method or "GET"),
        _path(bare or "/"),
        _once(_headers(headers), "header"),
        _once([*parse_qsl(text, keep_blank_values=True), *_parameters(query or {})], "query parameter"),
        by_name,
        asked_for,
    )


def _port(one: Service, said: int | str | None, *, wants_http: bool) -> Port:
    ports = ", ".join(f"{port.number}{f' ({port.name})' if port.name else ''}" for port in one.ports)
    there = f"it has {ports}" if ports else "it has none"
    if said is not None:
        for port in one.ports:
            if said and str(said) in (str(port.number), port.name):
                return port
        raise _wrong("MESH904", f"{one} has no port {said}" if said else "no port is named after the colon", help=there)
    candidates = [port for port in one.ports if port.is_http] if wants_http else list(one.ports)
    if len(candidates) == 1:
        return candidates[0]
    if not one.ports:
        raise _wrong("MESH904", f"{one} has no port", reason="it is declared without one: nobody can call it")
    if wants_http and not candidates:
        raise _wrong("MESH907", f"no port of {one} speaks HTTP", help="leave method and path away")
    raise _wrong("MESH904", f"{one} has several ports", help=f"write {one}:PORT; {there}")


def _method(method: str) -> str:
    if method in METHODS:
        return method
    close = [method.upper()] if method.upper() in METHODS else get_close_matches(method.upper(), METHODS, 1, 0.5)
    meant = f"did you mean {close[0]}? " if close else ""
    raise _wrong(
        "MESH902",
        f"{method!r} is not a method of HTTP",
        reason="methods are compared literally, with their case",
        help=f"{meant}there are {', '.join(METHODS)}",
    )


def _path(path: str) -> str:
    wrong = [character for character in path if not "!" <= character <= "~" or character == "#"]
    wrong += ["%"] if _STRAY.search(path) else []
    if path.startswith("/") and not wrong:
        return path
    why = f"{wrong[0]!r} cannot stand in it as it is" if wrong else "it does not begin with a slash"
    raise _wrong(
        "MESH903",
        f"{path!r} is not a path",
        reason=why,
        help="write it as it is sent, such as /v1/items?page=2, with other characters percent-encoded",
    )


_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _headers(given: Mapping[str, str] | Iterable[str]) -> Iterator[tuple[str, str]]:
    pairs = given.items() if isinstance(given, Mapping) else map(_header, given)
    for name, value in pairs:
        if not isinstance(value, str):
            raise _wrong("MESH905", f"the value of the header {name!r} is not text", help=f"write {str(value)!r}")
        if not name.strip() and ":" not in value:
            raise _wrong("MESH905", "a header has no name", help="write it as 'x-canary: true'")
        if name.strip().lower() in ("", "host"):
            why = "what a mesh makes of the host depends on how the caller reaches the service: leave it away"
            raise _wrong("MESH905", "the host, or a pseudo header such as :authority, cannot be asked about", help=why)
        try:
            bare = value.strip(" \t")
            yield header_name(name.strip()), bare and header_value(bare)
        except ValueError as error:
            raise _wrong("MESH905", f"{name!r}: {value!r} is not a header", reason=str(error)) from None


def _parameters(given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if not isinstance(value, str):
            what = f"the value of the query parameter {name!r} is not text"
            raise _wrong("MESH905", what, help=f"write {str(value)!r}")
        yield name, value


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise _wrong("MESH905", f"{text!r} is not a header: it has no colon", help="write it as 'x-canary: true'")
    return name, value


def _once(pairs: Iterable[tuple[str, str]], what: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise _wrong(
                "MESH906",
                f"the {what} {name!r} is given twice",
                reason=f"a {what} is taken to occur once in a request (docs/semantics.md §2)",
            )
        found[name] = value
    return found


def _wrong(code: str, message: str, *, reason: str = "", help: str = "") -> QuestionError:
    return QuestionError([Diagnostic(code, message, reason=reason, help=help)])
