"""Redirects that answer a request with the URL that it asked for.

The caller would ask for the same again, without end. Meshes differ in what they do with it, too: some send the
redirect, and one lets the request through instead (``linkerd2-proxy: linkerd/http/route/src/http/filter/redirect.rs``
drops a redirect whose location is the request's own). So neither is meant anywhere.

What a caller calls a service is not known here: each of a service's names stands for the service.
"""

from __future__ import annotations

from collections.abc import Iterator

from meshdsl.diagnostics import Diagnostic, Origin
from meshdsl.plan.intent import Port, Service
from meshdsl.plan.matching import Undecidable, intersection, within
from meshdsl.plan.requests import Match, Path, PathKind, Redirect

CIRCLE = "MESH412"


def check(service: Service) -> Iterator[Diagnostic]:
    """Each redirect of a service that some request would be sent back to itself by; one finding a redirect."""
    seen: set[Origin | None] = set()
    for port in service.ports:
        for index, rule in enumerate(port.rules):
            redirect = rule.redirect
            if redirect is None or redirect.source.origin in seen or not _stays(redirect, service, port):
                continue
            if not _is_asked(redirect.path, rule.match, [one.match for one in port.rules[:index]]):
                continue
            seen.add(redirect.source.origin)
            what = "a request" if redirect.path is None else f"a request for {redirect.path}"
            yield Diagnostic(
                CIRCLE,
                f"{what} to port {port.number} of {service} is redirected to itself",
                redirect.source.origin,
                next((name for name in ("path", "port", "host") if getattr(redirect, name) is not None), ""),
                reason="the caller would ask for the same URL again, without end",
                help="redirect to another path, host or port, or leave that request out: a route of its own on that"
                " path, or with port=, takes it",
            )


def _stays(redirect: Redirect, service: Service, port: Port) -> bool:
    """Whether a redirect keeps scheme, host and port. Callers in the mesh ask by ``http``."""
    if redirect.scheme == "https" or redirect.port not in (None, port.number):
        return False
    name = f"{service.name}.{service.namespace}"
    names = (None, service.name, name, f"{name}.svc")
    return redirect.host in names or str(redirect.host).startswith(f"{name}.svc.")


def _is_asked(path: str | None, match: Match, earlier: list[Match]) -> bool:
    """Whether a rule takes some request for a path, any if it is None, that no earlier rule takes."""
    if path is None:
        return True
    try:
        asked = intersection(match, Match(Path(PathKind.EXACT, path)))
    except Undecidable:
        return True
    return asked is not None and not any(within(asked, one) for one in earlier)
