"""The requests that tell readings apart: the boundaries of everything that the policies name.

For each service and port: every caller that is named, one that is not, one of another trust domain and one in plain
text; every method that is named and one that is not; every path with what is beside, below and above it; every header
and query parameter absent, as named, and otherwise.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterable, Iterator
from typing import Any

import meshdsl
from meshdsl.model.match import AllOf, AnyOf
from meshdsl.model.match import Regex as RegexValue
from tests.reading.words import HTTP, Caller, Cluster, Request

NOT_NAMED = Caller("elsewhere", "nobody")
PLAIN = Caller()
EXAMPLES = ("v1", "v12", "abc", "1", "/v1/a", "/v2/", "/v1", "/x", "/y", "/xy", "/items/1", "/items/a")
"""Values that some regular expression of the strategies and tests matches, and others that none does."""


def callers(policies: meshdsl.PolicySet) -> list[Caller]:
    """Everybody who is named, and those who are not."""
    found: dict[Caller, None] = {NOT_NAMED: None, PLAIN: None}
    for one in policies.objects:
        if isinstance(one, meshdsl.Service):
            found[Caller(str(one.namespace), one.service_account or one.name)] = None
        for named in getattr(one, "callers", ()):
            if isinstance(named, meshdsl.ServiceAccount):
                found[Caller(named.namespace, named.name)] = None
                found[Caller(named.namespace, named.name, "other.org")] = None
            elif isinstance(named, meshdsl.Namespace):
                found[Caller(str(named), "nobody")] = None
                found[Caller(f"{named}x", "nobody")] = None
                found[Caller(str(named), "nobody", "other.org")] = None
            elif isinstance(named, meshdsl.Service):
                found[Caller(str(named.namespace), named.service_account or named.name, "other.org")] = None
    return list(found)


def _parts(value: Any) -> Iterator[Any]:
    """Every header, cookie, query and path that a policy or its route names."""
    if isinstance(value, (meshdsl.Header, meshdsl.Cookie, meshdsl.Query, RegexValue)):
        yield value
    elif isinstance(value, (AllOf, AnyOf)):
        for one in value.conditions:
            yield from _parts(one)
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _parts(one)


def _named(policies: meshdsl.PolicySet) -> Iterator[Any]:
    """The policies, and the routes that they are attached to."""
    for one in policies.objects:
        yield one
        subject = getattr(one, "subject", None)
        if isinstance(subject, meshdsl.Route):
            yield subject


def paths(policies: meshdsl.PolicySet) -> list[str]:
    """The named paths, and those around them."""
    found = {"/": None, "/nowhere": None}
    for one in _named(policies):
        named = [*getattr(one, "paths", ()), *([one.path] if isinstance(one, meshdsl.Route) and one.path else [])]
        for path in named:
            if isinstance(path, RegexValue):
                found |= dict.fromkeys(text for text in EXAMPLES if text.startswith("/"))
                continue
            base = path.removesuffix("*").rstrip("/")
            found |= dict.fromkeys([base or "/", f"{base}/", f"{base or '/'}x", f"{base}/below", f"{base}/below/"])
            found |= dict.fromkeys([(base or "/").upper(), base.rpartition("/")[0] or "/"])
    for one in policies.objects:
        for probe in getattr(one, "probes", None) or ():
            found[probe.path] = None
    return list(found)


def methods(policies: meshdsl.PolicySet) -> list[str]:
    """The named methods, one that is retried by default and one that is not, and one that nobody names."""
    found = {"GET": None, "POST": None, "HEAD": None}
    for one in _named(policies):
        given = getattr(one, "methods", ()) or ()
        found |= dict.fromkeys(given if given != "any" else ())
    return [*found, "CONNECT"]


def _values(named: Iterable[Any]) -> dict[str, list[str | None]]:
    """For each name: absent, the values that are asked for, and another one."""
    found: dict[str, dict[str | None, None]] = {}
    cookies: list[str] = []
    for one in named:
        if isinstance(one, meshdsl.Cookie):
            cookies.append(f"{one.name}={one.value}")
            continue
        here = found.setdefault(one.name, {None: None, "other": None})
        if isinstance(one.value, RegexValue):
            here |= dict.fromkeys(text for text in EXAMPLES if not text.startswith("/"))
        elif one.value is not None:
            here[one.value] = None
            here[one.value.swapcase()] = None
    for cookie in cookies:
        here = found.setdefault("cookie", {None: None})
        here |= dict.fromkeys(
            [cookie, f"a=b; {cookie}", f"{cookie};z=1", f"{cookie}x", f"x{cookie}", "; ".join(cookies)]
        )
    return {name: list(values) for name, values in found.items()}


def questions(policies: meshdsl.PolicySet, most: int) -> Iterator[Request]:
    """Requests to every service, at most so many of each port: all of them, or an even choice that never changes."""
    cluster = Cluster.of(policies.objects)
    named = [
        part
        for one in _named(policies)
        for key in ("headers", "query", "when")
        for part in _parts(getattr(one, key, ()))
    ]
    headers = _values(part for part in named if not isinstance(part, meshdsl.Query))
    query = _values(part for part in named if isinstance(part, meshdsl.Query))
    who, where, how = callers(policies), paths(policies), methods(policies)
    choice = random.Random(7)
    meant = [_meant(one, list(headers), list(query)) for one in _named(policies)]
    for one in policies.objects:
        if not isinstance(one, meshdsl.Service):
            continue
        service = str(one)
        if not cluster[service].ports:
            for caller, by_name in itertools.product(who, (True, False)):
                yield Request(caller, service, 1234, by_name=by_name)
        for port in cluster[service].ports:
            if port.protocol not in HTTP:
                for caller, by_name in itertools.product(who, (True, False)):
                    yield Request(caller, service, port.number, by_name=by_name)
                continue
            every = [who, how, where, *headers.values(), *query.values()]
            count = 1
            for axis in every:
                count *= len(axis)
            points = itertools.product(*every) if count <= most else (_drawn(every, meant, choice) for _ in range(most))
            for caller, method, path, *values in points:
                yield Request(
                    caller,
                    service,
                    port.number,
                    method,
                    path,
                    {name: value for name, value in zip(headers, values, strict=False) if value is not None},
                    {n: v for n, v in zip(query, values[len(headers) :], strict=True) if v is not None},
                    by_name=choice.random() < 0.85,
                )


def _meant(one: Any, headers: list[str], query: list[str]) -> list[list[Any]]:
    """For each axis the values that fulfil what a policy or route asks for; none if it does not ask."""
    given = getattr(one, "methods", ()) or ()
    wanted = [*getattr(one, "paths", ()), *([one.path] if isinstance(one, meshdsl.Route) and one.path else [])]
    asked = [part for key in ("headers", "query", "when") for part in _parts(getattr(one, key, ()))]
    values: dict[tuple[bool, str], list[Any]] = {}
    for part in asked:
        name = "cookie" if isinstance(part, meshdsl.Cookie) else part.name
        text = f"{part.name}={part.value}" if isinstance(part, meshdsl.Cookie) else part.value
        values.setdefault((isinstance(part, meshdsl.Query), name), []).extend(_fulfilling(text))
    return [
        [],
        list(given) if given != "any" else [],
        [text for path in wanted for text in _fulfilling(path, is_path=True)],
        *(values.get((False, name), []) for name in headers),
        *(values.get((True, name), []) for name in query),
    ]


def _fulfilling(wanted: Any, *, is_path: bool = False) -> list[str]:
    if isinstance(wanted, RegexValue):
        return [text for text in EXAMPLES if re.fullmatch(wanted.pattern, text)]
    if wanted is None:
        return ["other"]
    if is_path and wanted.endswith("/*"):
        return [wanted[:-2] or "/", wanted[:-1], f"{wanted[:-1]}below"]
    return [wanted]


def _drawn(every: list[Any], meant: list[list[list[Any]]], choice: random.Random) -> list[Any]:
    """A point: any one, or one that fulfils what some policy asks for but for at most one axis."""
    if not meant or choice.random() < 0.3:
        return [choice.choice(axis) for axis in every]
    asked = choice.choice(meant)
    off = choice.randrange(2 * len(every))
    return [
        choice.choice(wanted) if wanted and index != off else choice.choice(axis)
        for index, (axis, wanted) in enumerate(zip(every, asked, strict=True))
    ]
