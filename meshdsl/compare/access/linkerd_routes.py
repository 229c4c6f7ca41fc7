"""HTTPRoutes on a Server as routes of a model: what each match matches, and how it ranks.

The proxy prefers the longer path that a condition matched, then more headers, more query parameters, then a method
(``linkerd2-proxy: linkerd/http/route/src/http/match.rs``; measured). A prefix is of whole segments; exact paths and
regular expressions match the whole path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshdsl.compare.access.model import PathTest, Requests, Route, Rule, Where, prefix_tests, regex_tests, value_test

Body = Mapping[str, Any]


def routes_of(route: Body, grants: tuple[Rule, ...]) -> Iterator[Route]:
    """The matches of a route, in order; a rule without matches takes every request."""
    for rule in route["spec"].get("rules") or ():
        matches: Sequence[Body] = rule.get("matches") or ({},)
        yield from (_route(match, grants) for match in matches)


def _route(match: Body, grants: tuple[Rule, ...]) -> Route:
    paths, length = _path(match.get("path") or {})
    headers, query = match.get("headers") or (), match.get("queryParams") or ()
    tests = [_test(str(one["name"]).lower(), one) for one in headers]
    tests += [_test(f"query parameter {one['name']}", one) for one in query]
    method = match.get("method")
    requests = Requests(frozenset({method}) if method else None, paths, tuple(tests))
    return Route(requests, length, (len(headers), len(query), bool(method)), grants)


def _path(path: Body) -> tuple[frozenset[PathTest] | None, int]:
    """The condition on the path, and the length of the prefix; 0 where the whole path is matched."""
    kind, value = path.get("type", "PathPrefix"), str(path.get("value", "/"))
    if kind == "Exact":
        return frozenset({("exact", value)}), 0
    if kind == "RegularExpression":
        return regex_tests(value), 0
    return prefix_tests(value), len(value.rstrip("/") or "/")


def _test(name: str, one: Body) -> Where:
    return Where(name, frozenset({value_test(str(one.get("value", "")), regex=one.get("type") == "RegularExpression")}))
