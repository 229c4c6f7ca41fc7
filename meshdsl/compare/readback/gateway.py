"""HTTPRoutes with a Service as their parent, read back into route tables, for ambient and Linkerd alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from meshdsl.compare.readback import texts
from meshdsl.compare.readback.draft import Draft, ServiceDraft
from meshdsl.compare.readback.texts import Unreadable, items, mapping, objects, text
from meshdsl.plan.matching import in_order
from meshdsl.plan.requests import (
    RETRY_FEATURES,
    Backend,
    Condition,
    HeaderEdits,
    Headers,
    Match,
    Mirror,
    Path,
    PathKind,
    Redirect,
    Retry,
    Rewrite,
    Rule,
    Timeout,
)
from meshdsl.targets.ambient.http_route import CODES

_ANCHORED = re.compile(r"\^\(\?:(.*)\)\$", re.DOTALL)
_ANY = ".*"
_READ: Final = frozenset(("name", "matches", "filters", "backendRefs", "timeouts", "retry"))


class Routes:
    """Reads HTTPRoutes of Services into a draft.

    Args:
        draft: to fill.
        linkerd: whether Linkerd reads them: retries and timeouts are annotations, and patterns are anchored.
    """

    def __init__(self, draft: Draft, *, linkerd: bool) -> None:
        self._draft, self._linkerd = draft, linkerd

    def read(self, live: Mapping[str, Any]) -> None:
        """One HTTPRoute; its parents that are no Service are left out."""
        kind, namespace, name = texts.name_of(live)
        title = f"{kind} {namespace}/{name}"
        spec = mapping(live.get("spec"))
        for parent in objects(spec.get("parentRefs")):
            if parent.get("kind") != "Service":
                continue
            if (parent.get("namespace") or namespace) != namespace:
                self._draft.unread(f"{title}, which is for callers of {namespace} alone")
                continue
            service = self._draft.service(namespace, text(parent.get("name")))
            self._of_service(service, parent.get("port"), spec, live, title)

    def _of_service(
        self, service: ServiceDraft, port: Any, spec: Mapping[str, Any], live: Mapping[str, Any], title: str
    ) -> None:
        service.meant = True
        if isinstance(port, int):
            service.port(port)
        numbers = [p.number for p in service.ports if p.is_http and port in (None, p.number)]
        found: list[Rule] = []
        for rule in list(objects(spec.get("rules"))) or [{}]:
            try:
                found += self._rules(rule, service, texts.annotations_of(live), title)
            except Unreadable as error:
                self._draft.unread(f"{error} of {title}", service)
        for number in numbers:
            table = [*service.rules.get(number, []), *found]
            service.rules[number] = sorted(table, key=lambda rule: in_order(rule.match))

    def _rules(
        self, rule: Mapping[str, Any], service: ServiceDraft, annotations: Mapping[str, str], title: str
    ) -> Iterator[Rule]:
        for key in sorted(rule.keys() - _READ):
            if rule[key]:
                self._draft.unread(f"{key} of {title}")
        headers, mirror, rewrite, redirect = self._filters(rule, service.base.namespace)
        timeouts = mapping(rule.get("timeouts"))
        retry = (
            linkerd_retry(annotations) if self._linkerd else _retry(rule.get("retry"), timeouts.get("backendRequest"))
        )
        timeout = timeouts.get("request")
        if self._linkerd and timeout is None:
            timeout = annotations.get("timeout.linkerd.io/request")
        ms = texts.milliseconds(timeout, "the timeout") if timeout is not None else 0
        backends = (Backend(None, 1),) if redirect is not None else tuple(self._backends(rule, service))
        for match in list(objects(rule.get("matches"))) or [{}]:
            yield Rule(
                "",
                read_match(match, anchored=self._linkerd),
                backends,
                timeout=Timeout(ms) if ms else None,
                retry=retry,
                mirror=mirror,
                headers=headers,
                rewrite=rewrite,
                redirect=redirect,
            )

    def _backends(self, rule: Mapping[str, Any], service: ServiceDraft) -> Iterator[Backend]:
        for ref in objects(rule.get("backendRefs")):
            weight = texts.number(ref.get("weight", 1), "a weight")
            namespace, name, version = self._service_of(ref, service.base.namespace)
            if (namespace, name) != service.key:
                raise Unreadable("a route to another Service")
            if version is not None:
                service.learn(versions=(version,))
            if weight:
                yield Backend(version, weight)

    def _service_of(self, ref: Mapping[str, Any], namespace: str) -> tuple[str, str, str | None]:
        """The service that a reference means, and its version."""
        where, name = text(ref.get("namespace")) or namespace, text(ref.get("name"))
        if ref.get("kind", "Service") != "Service":
            raise Unreadable("a backend that is no Service")
        known = self._draft.versions.get((where, name))
        return (where, known[0], known[1]) if known is not None else (where, name, None)

    def _filters(
        self, rule: Mapping[str, Any], namespace: str
    ) -> tuple[Headers | None, Mirror | None, Rewrite | None, Redirect | None]:
        edits: dict[str, HeaderEdits | None] = {}
        mirror, rewrite, redirect = None, None, None
        for one in objects(rule.get("filters")):
            kind = text(one.get("type"))
            if kind in ("RequestHeaderModifier", "ResponseHeaderModifier"):
                key = kind[0].lower() + kind[1:]
                edits[key] = self._edits(mapping(one.get(key)))
            elif kind == "RequestMirror":
                mirror = self._mirror(mapping(one.get("requestMirror")), namespace)
            elif kind == "URLRewrite":
                rewrite = _rewrite(mapping(one.get("urlRewrite")))
            elif kind == "RequestRedirect":
                redirect = _redirect(mapping(one.get("requestRedirect")))
            else:
                raise Unreadable(f"the filter {kind}")
        request, response = edits.get("requestHeaderModifier"), edits.get("responseHeaderModifier")
        return (Headers(request, response) if request or response else None), mirror, rewrite, redirect

    def _edits(self, value: Mapping[str, Any]) -> HeaderEdits | None:
        def pairs(key: str) -> tuple[tuple[str, str], ...]:
            found = ((text(one.get("name")).lower(), text(one.get("value"))) for one in objects(value.get(key)))
            return tuple(sorted((name, v if self._linkerd else v.replace("%%", "%")) for name, v in found))

        edits = HeaderEdits(pairs("set"), pairs("add"), tuple(sorted(texts.texts(value.get("remove")))))
        return edits if edits != HeaderEdits() else None

    def _mirror(self, value: Mapping[str, Any], namespace: str) -> Mirror:
        ref = mapping(value.get("backendRef"))
        where, name, version = self._service_of(ref, namespace)
        percent = texts.share(value.get("percent", 100), "a mirror")
        fraction = mapping(value.get("fraction"))
        if fraction:
            denominator = texts.number(fraction.get("denominator", 100), "a mirror")
            numerator = texts.number(fraction.get("numerator", 0), "a mirror")
            if not denominator:
                raise Unreadable("a mirror")
            percent = Decimal(numerator) * 100 / denominator
        return Mirror((where, name), texts.number(ref.get("port"), "a mirror"), version, percent)


def read_match(match: Mapping[str, Any], *, anchored: bool) -> Match:
    """One conjunction of an HTTPRoute."""
    path = mapping(match.get("path"))
    return Match(
        _path(path, anchored=anchored) if path else None,
        text(match.get("method")) or None,
        _conditions(match.get("headers"), anchored=anchored),
        _conditions(match.get("queryParams"), anchored=anchored, lower=False),
    )


def _path(path: Mapping[str, Any], *, anchored: bool) -> Path | None:
    kind, value = path.get("type", "PathPrefix"), text(path.get("value")) or "/"
    if kind == "Exact":
        return Path(PathKind.EXACT, value)
    if kind == "PathPrefix":
        return Path(PathKind.PREFIX, value.rstrip("/")) if value.rstrip("/") else None
    if kind != "RegularExpression":
        raise Unreadable(f"a path by {kind}")
    return None if value == _ANY and not anchored else Path(PathKind.REGEX, _plain(value, anchored=anchored))


def _plain(pattern: str, *, anchored: bool) -> str:
    """A pattern that is compared with the whole; one that is searched for is surrounded by what may be around it."""
    if not anchored:
        return pattern
    found = _ANCHORED.fullmatch(pattern)
    if found is None:
        raise Unreadable(f"the unanchored pattern {pattern}")
    return found[1]


def _conditions(value: Any, *, anchored: bool, lower: bool = True) -> tuple[Condition, ...]:
    found = []
    for one in objects(value):
        name = text(one.get("name")).lower() if lower else text(one.get("name"))
        if one.get("type", "Exact") == "Exact":
            found.append(Condition(name, text(one.get("value"))))
        else:
            found.append(Condition(name, _plain(text(one.get("value")), anchored=anchored), regex=True))
    return tuple(sorted(found, key=lambda condition: condition.name))


def _rewrite(value: Mapping[str, Any]) -> Rewrite:
    path = mapping(value.get("path"))
    new = path.get("replacePrefixMatch", path.get("replaceFullPath"))
    return Rewrite(new if isinstance(new, str) else None, text(value.get("hostname")) or None)


def _redirect(value: Mapping[str, Any]) -> Redirect:
    path = mapping(value.get("path"))
    if "replacePrefixMatch" in path:
        raise Unreadable("a redirect of a prefix")
    port = value.get("port")
    return Redirect(
        texts.number(value.get("statusCode", 302), "the redirect"),
        text(value.get("scheme")) or None,
        text(value.get("hostname")) or None,
        texts.number(port, "the redirect") if port is not None else None,
        text(path.get("replaceFullPath")) or None,
    )


# ----------------------------------------------------------------------------------------------------------- retries


def _retry(value: Any, per_try: Any) -> Retry | None:
    if not isinstance(value, Mapping):
        return None
    codes = {texts.number(code, "the retries") for code in items(value.get("codes"))}
    backoff = value.get("backoff")
    return Retry(
        texts.number(value.get("attempts", 2), "the retries"),
        *from_codes(codes),
        texts.milliseconds(per_try, "the timeout of each try") if per_try is not None else None,
        texts.milliseconds(backoff, "the backoff") if backoff is not None else None,
    )


def from_codes(codes: Iterable[int]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The conditions that a set of statuses stands for, and the statuses beside them."""
    rest = set(codes)
    found: list[str] = []
    for name, meant in CODES.items():
        if rest.issuperset(meant):
            found.append(name)
            rest -= set(meant)
    return tuple(name for name in RETRY_FEATURES if name in found), tuple(sorted(rest))


def linkerd_retry(annotations: Mapping[str, str]) -> Retry | None:
    """The retries that a route's annotations ask for."""
    http = annotations.get("retry.linkerd.io/http")
    if http is None:
        return None
    words = [word.strip() for word in http.split(",") if word.strip()]
    unknown = [word for word in words if word not in ("5xx", "gateway-error") and not word.isdigit()]
    if unknown:
        raise Unreadable(f"the retries on {unknown[0]}")
    per_try = annotations.get("retry.linkerd.io/timeout")
    return Retry(
        texts.number(annotations.get("retry.linkerd.io/limit", "1"), "the limit of retries"),
        tuple(name for name in RETRY_FEATURES if name in words),
        tuple(sorted(int(word) for word in words if word.isdigit())),
        texts.milliseconds(per_try, "the timeout of each try") if per_try is not None else None,
    )
