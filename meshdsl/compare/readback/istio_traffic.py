"""VirtualService and DestinationRule, read back into route tables, versions and breakers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from meshdsl.compare.readback import texts
from meshdsl.compare.readback.draft import Draft, Facet, ServiceDraft
from meshdsl.compare.readback.first_match import by_first_match
from meshdsl.compare.readback.texts import Unreadable, items, mapping, objects, text
from meshdsl.plan.intent import Breaker, Outlier, Pool
from meshdsl.plan.requests import (
    RETRY_FEATURES,
    Abort,
    Backend,
    Condition,
    Delay,
    Fault,
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
from meshdsl.targets.base import Target

DEFAULT_RETRY: Final = Retry(2, ("connect-failure", "refused-stream", "cancelled", "unavailable"))
"""What a route without ``retries`` does (``pilot/pkg/networking/core/route/retry``)."""

_READ: Final = frozenset(
    ("name", "match", "route", "redirect", "rewrite", "timeout", "retries", "fault", "mirrors", "headers")
)
_READ_OF_A_MATCH: Final = frozenset(("uri", "method", "headers", "queryParams", "port", "name"))


@dataclass
class _Seen:
    """A match of one port, before prefixes of characters are put together to prefixes of segments."""

    kind: str
    value: str
    rest: Match
    action: Rule
    uri: str | None
    paired: bool = False


class VirtualServices:
    """Reads VirtualServices into a draft."""

    def __init__(self, draft: Draft, target: Target) -> None:
        self._draft, self._target = draft, target

    def read(self, live: Mapping[str, Any]) -> None:
        """One VirtualService."""
        _, namespace, name = texts.name_of(live)
        title = f"VirtualService {namespace}/{name}"
        spec = mapping(live.get("spec"))
        hosts = [texts.host(one, namespace, self._target.cluster_domain) for one in items(spec.get("hosts"))]
        gateways = texts.texts(spec.get("gateways"))
        if (gateways and "mesh" not in gateways) or not any(hosts):
            self._draft.unread(title)
            for host in hosts:
                if host is not None:
                    self._draft.doubts.add((*host, Facet.RULES))
            return
        for key in ("tls", "tcp"):
            if spec.get(key):
                self._draft.unread(f"the {key} routes of {title}")
        for host in hosts:
            if host is not None:
                self._of_service(self._draft.service(*host), spec, title)

    def _of_service(self, service: ServiceDraft, spec: Mapping[str, Any], title: str) -> None:
        entries = list(objects(spec.get("http")))
        for number in _ports_named(entries):
            service.port(number)
        if not service.ports:
            service.port(80)
        seen: dict[int, list[_Seen]] = {port.number: [] for port in service.ports if port.is_http}
        for entry in entries:
            try:
                action, uri = self._action(entry, service, title)
            except Unreadable as error:
                self._draft.unread(f"{error} of {title}", service)
                continue
            for match in list(objects(entry.get("match"))) or [{}]:
                try:
                    kind, value, rest = _match(match)
                except Unreadable as error:
                    self._draft.unread(f"{error} of {title}", service)
                    continue
                wanted = match.get("port")
                for number in (one for one in seen if wanted in (None, one)):
                    written = _redirect_without_port(action, number)
                    seen[number].append(_Seen(kind, value, rest, written, uri))
        service.meant = True
        for number, found in seen.items():
            rules = list(self._rules(found, service, title))
            try:
                rules = by_first_match(rules)
            except Unreadable as error:
                self._draft.unread(f"{error} of {title}", service)
            if rules:
                service.rules[number] = rules

    def _rules(self, seen: list[_Seen], service: ServiceDraft, title: str) -> Iterator[Rule]:
        """The rules of one port; ``/a`` and ``/a/…`` that do the same become the prefix of segments."""
        kept: list[_Seen] = []
        for one in seen:
            if one.kind != "prefix" or one.value == "/":
                kept.append(one)
                continue
            pair = next((other for other in reversed(kept) if _is_pair(other, one)), None)
            if pair is None:
                self._draft.unread(f"the string prefix {one.value} of {title}", service)
                continue
            if any(other.action != pair.action for other in kept[kept.index(pair) + 1 :]):
                self._draft.unread(f"the routes between {pair.value} and {one.value} of {title}", service)
            pair.kind, pair.paired = "segments", True
        for one in kept:
            yield _rule(one)

    def _action(self, entry: Mapping[str, Any], service: ServiceDraft, title: str) -> tuple[Rule, str | None]:
        for key in sorted(entry.keys() - _READ):
            if entry[key]:
                self._draft.unread(f"{key} of {title}")
        headers = _headers(entry.get("headers"))
        if entry.get("redirect"):
            redirect = _redirect(mapping(entry["redirect"]))
            return Rule("", Match(), (Backend(None, 1),), headers=headers, redirect=redirect), None
        rewrite = mapping(entry.get("rewrite"))
        uri = rewrite.get("uri")
        host = text(rewrite.get("authority")) or None
        rule = Rule(
            "",
            Match(),
            tuple(self._backends(entry, service)),
            timeout=_timeout(entry.get("timeout")),
            retry=_retry(entry.get("retries")),
            fault=_fault(mapping(entry.get("fault"))),
            mirror=self._mirror(entry, service),
            headers=headers,
            rewrite=Rewrite(None, host) if host is not None or uri is not None else None,
        )
        return rule, uri if isinstance(uri, str) else None

    def _backends(self, entry: Mapping[str, Any], service: ServiceDraft) -> Iterator[Backend]:
        routes = list(objects(entry.get("route")))
        for one in routes:
            destination = mapping(one.get("destination"))
            if texts.host(destination.get("host"), service.base.namespace, self._target.cluster_domain) != service.key:
                raise Unreadable("a route to another host")
            version = text(destination.get("subset")) or None
            if version is not None:
                service.learn(versions=(version,))
            weight = texts.number(one.get("weight", 0), "a weight")
            if len(routes) == 1 or weight:
                yield Backend(version, weight if len(routes) > 1 else 1)
        if not routes:
            raise Unreadable("a route without destinations")

    def _mirror(self, entry: Mapping[str, Any], service: ServiceDraft) -> Mirror | None:
        mirrors = list(objects(entry.get("mirrors")))
        if not mirrors:
            return None
        destination = mapping(mirrors[0].get("destination"))
        host = texts.host(destination.get("host"), service.base.namespace, self._target.cluster_domain)
        if host is None or len(mirrors) > 1:
            raise Unreadable("a mirror")
        port = texts.number(mapping(destination.get("port")).get("number"), "a mirror")
        percent = texts.share(mapping(mirrors[0].get("percentage")).get("value", 100), "a mirror")
        return Mirror(host, port, text(destination.get("subset")) or None, percent)


def _ports_named(entries: list[Mapping[str, Any]]) -> list[int]:
    found: set[int] = set()
    for entry in entries:
        numbers = [match.get("port") for match in objects(entry.get("match"))]
        destinations = (mapping(one.get("destination")) for one in objects(entry.get("route")))
        numbers += [mapping(destination.get("port")).get("number") for destination in destinations]
        found |= {number for number in numbers if isinstance(number, int)}
    return sorted(found)


def _is_pair(exact: _Seen, prefix: _Seen) -> bool:
    """Whether an exact path and what is below it are the two halves of a prefix of segments."""
    if exact.kind != "exact" or exact.paired or f"{exact.value}/" != prefix.value or exact.rest != prefix.rest:
        return False
    below = None if exact.uri is None else exact.uri.rstrip("/") + "/"
    return exact.action == prefix.action and below == prefix.uri


def _rule(seen: _Seen) -> Rule:
    path = {
        "exact": Path(PathKind.EXACT, seen.value),
        "segments": Path(PathKind.PREFIX, seen.value),
        "regex": Path(PathKind.REGEX, seen.value),
    }.get(seen.kind)
    rule = replace(seen.action, match=replace(seen.rest, path=path))
    if seen.uri is None:
        return rule
    new = seen.uri if path is not None else seen.uri.rstrip("/") or "/"
    return replace(rule, rewrite=Rewrite(new, rule.rewrite.host if rule.rewrite is not None else None))


def _match(match: Mapping[str, Any]) -> tuple[str, str, Match]:
    for key in sorted(match.keys() - _READ_OF_A_MATCH):
        raise Unreadable(f"the match by {key}")
    method = mapping(match.get("method"))
    if method and "exact" not in method:
        raise Unreadable("the match by a pattern of methods")
    rest = Match(
        None,
        text(method.get("exact")) or None,
        _conditions(match.get("headers")),
        _conditions(match.get("queryParams")),
    )
    uri = mapping(match.get("uri"))
    for kind in ("exact", "prefix", "regex"):
        if kind in uri:
            return kind, text(uri[kind]), rest
    return "", "", rest


def _conditions(value: Any) -> tuple[Condition, ...]:
    found: list[Condition] = []
    for name, how in sorted(mapping(value).items()):
        matcher = mapping(how)
        if "exact" in matcher:
            found.append(Condition(name, text(matcher["exact"])))
        elif "regex" in matcher:
            found.append(Condition(name, text(matcher["regex"]), regex=True))
        elif not matcher:
            found.append(Condition(name, ".*", regex=True))
        else:
            raise Unreadable(f"the prefix of {name}")
    return tuple(found)


def _timeout(value: Any) -> Timeout | None:
    if value is None:
        return None
    ms = texts.milliseconds(value, "the timeout")
    return Timeout(ms) if ms else None


def _retry(value: Any) -> Retry | None:
    if value is None:
        return DEFAULT_RETRY
    retries = mapping(value)
    attempts = texts.number(retries.get("attempts", DEFAULT_RETRY.attempts), "the retries")
    if not attempts:
        return None
    words = [word.strip() for word in text(retries.get("retryOn")).split(",") if word.strip()]
    statuses = tuple(sorted(int(word) for word in words if word.isdigit()))
    conditions = tuple(name for name in RETRY_FEATURES if name in words)
    if not words:
        conditions = DEFAULT_RETRY.conditions
    per_try, backoff = retries.get("perTryTimeout"), retries.get("backoff")
    return Retry(
        attempts,
        conditions,
        statuses,
        texts.milliseconds(per_try, "the timeout of each try") if per_try is not None else None,
        texts.milliseconds(backoff, "the backoff") if backoff is not None else None,
    )


def _fault(value: Mapping[str, Any]) -> Fault | None:
    delay, abort = mapping(value.get("delay")), mapping(value.get("abort"))
    if not (delay or abort):
        return None
    if delay and "fixedDelay" not in delay:
        raise Unreadable("the fault")
    return Fault(
        Abort(texts.number(abort.get("httpStatus"), "the fault"), _percentage(abort)) if abort else None,
        Delay(texts.milliseconds(delay["fixedDelay"], "the fault"), _percentage(delay)) if delay else None,
    )


def _percentage(value: Mapping[str, Any]) -> Any:
    return texts.share(mapping(value.get("percentage")).get("value", 0), "the fault")


def _headers(value: Any) -> Headers | None:
    found = mapping(value)
    request, response = (_edits(mapping(found.get(side))) for side in ("request", "response"))
    return Headers(request, response) if request or response else None


def _edits(value: Mapping[str, Any]) -> HeaderEdits | None:
    def pairs(key: str) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((name, text(v).replace("%%", "%")) for name, v in mapping(value.get(key)).items()))

    edits = HeaderEdits(pairs("set"), pairs("add"), tuple(sorted(texts.texts(value.get("remove")))))
    return edits if edits != HeaderEdits() else None


def _redirect(value: Mapping[str, Any]) -> Redirect:
    port = value.get("port")
    return Redirect(
        texts.number(value.get("redirectCode", 301), "the redirect"),
        text(value.get("scheme")) or None,
        text(value.get("authority")) or None,
        texts.number(port, "the redirect") if port is not None else None,
        text(value.get("uri")) or None,
    )


def _redirect_without_port(rule: Rule, number: int) -> Rule:
    """With a new host the port is written, and that of the service is what a policy without one means."""
    redirect = rule.redirect
    if redirect is None or redirect.host is None or redirect.port != number:
        return rule
    return replace(rule, redirect=replace(redirect, port=None))


# ------------------------------------------------------------------------------------------------- DestinationRule


def destination_rule(draft: Draft, target: Target, live: Mapping[str, Any]) -> None:
    """The breaker and the versions of a service; on ambient those of a version are copies of the service's."""
    _, namespace, name = texts.name_of(live)
    title = f"DestinationRule {namespace}/{name}"
    spec = mapping(live.get("spec"))
    host = texts.host(spec.get("host"), namespace, target.cluster_domain)
    if host is None:
        draft.unread(title)
        return
    if host in draft.versions and draft.known(*host) is None:
        return
    service = draft.service(*host)
    service.meant = True
    for subset in objects(spec.get("subsets")):
        labels = mapping(subset.get("labels"))
        version = text(subset.get("name"))
        label = next((key for key, value in labels.items() if value == version), "")
        service.learn(versions=(version,), by=label)
        if subset.get("trafficPolicy"):
            draft.unread(f"the traffic policy of subset {version} of {title}")
    policy = mapping(spec.get("trafficPolicy"))
    for key in sorted(policy.keys() - {"connectionPool", "outlierDetection"}):
        draft.unread(f"{key} of {title}")
    try:
        pool, outlier = _pool(mapping(policy.get("connectionPool"))), _outlier(policy.get("outlierDetection"))
    except Unreadable as error:
        draft.unread(f"{error} of {title}", service, Facet.BREAKER)
        return
    if pool is not None or outlier is not None:
        service.breaker = Breaker(pool, outlier)


def _pool(value: Mapping[str, Any]) -> Pool | None:
    tcp, http = mapping(value.get("tcp")), mapping(value.get("http"))
    limits = (
        tcp.get("maxConnections"),
        http.get("http1MaxPendingRequests"),
        http.get("http2MaxRequests"),
        http.get("maxRequestsPerConnection"),
    )
    pool = Pool(*(texts.number(limit, "the connection pool") if limit is not None else None for limit in limits))
    return pool if pool != Pool() else None


def _outlier(value: Any) -> Outlier | None:
    if not isinstance(value, Mapping):
        return None
    what = "the outlier detection"
    return Outlier(
        texts.number(value.get("consecutive5xxErrors", 5), what) or None,
        texts.number(value.get("consecutiveGatewayErrors", 0), what) or None,
        texts.milliseconds(value.get("interval", "10s"), what),
        texts.milliseconds(value.get("baseEjectionTime", "30s"), what),
        texts.number(value.get("maxEjectionPercent", 10), what),
    )
