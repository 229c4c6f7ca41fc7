"""Faults in the functions that make the manifests: each replaces one of ``meshdsl.targets``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from meshdsl.plan.requests import Match, Path, PathKind, Retry
from meshdsl.plan.rights import Anyone, Callers
from tests.simulate.mutations import Fault, lowering

Change = Callable[[Any], Any]
VS, AP, DR = "istio.virtual_service", "istio.authorization_policy", "istio.destination_rule"


def gives(value: Any) -> Change:
    """A function that always returns this."""
    return lambda _: lambda *a, **k: value


def yields_nothing(_: Any) -> Any:
    def nothing(*a: Any, **k: Any) -> Iterator[Any]:
        yield from ()

    return nothing


def then(change: Callable[[Any], Any]) -> Change:
    """What the function returns, changed."""
    return lambda original: lambda *a, **k: change(original(*a, **k))


def given(change: Callable[..., tuple[Any, ...]]) -> Change:
    """The function with other arguments by position."""
    return lambda original: lambda *a, **k: original(*change(*a), **k)


def without(*keys: str) -> Change:
    """What the function returns, without some keys."""
    return then(lambda body: {key: value for key, value in body.items() if key not in keys})


def _other_path(kind: PathKind) -> Change:
    """The condition on the path is read as one of another kind."""

    def changed(rule: Any, *rest: Any) -> tuple[Any, ...]:
        path = rule.match.path
        return (
            (rule, *rest)
            if path is None
            else (replace(rule, match=replace(rule.match, path=Path(kind, path.value))), *rest)
        )

    return given(changed)


def _match_without(**parts: Any) -> Change:
    return given(lambda match, *rest: (replace(match, **parts), *rest))


def _in_seconds(ms: int) -> str:
    return f"{max(1, ms // 1000)}s"


def _some_callers(callers: Callers) -> Callers:
    return replace(callers, accounts=callers.accounts[:1])


def _without_domain(found: list[str]) -> list[str]:
    return [f"*{one[one.index('/ns/') :]}" if "/ns/" in one else one for one in found]


def _retry(**parts: Any) -> Change:
    """The retry policy with other fields."""

    def changed(retry: Retry | None, *rest: Any) -> tuple[Any, ...]:
        return (None if retry is None else replace(retry, **parts), *rest)

    return given(changed)


_METHODS_LOST = _match_without(method=None)

ISTIO: Final = [
    lowering("traffic", "prefixes are exact", f"{VS}:_paths", _other_path(PathKind.EXACT)),
    lowering("traffic", "exact paths are prefixes", f"{VS}:_paths", _other_path(PathKind.PREFIX)),
    lowering("traffic", "no path is compared", f"{VS}:_paths", gives([({}, None)])),
    lowering("traffic", "only what is below a prefix", f"{VS}:_paths", then(lambda found: list(found)[-1:])),
    lowering("traffic", "only the segment of a prefix", f"{VS}:_paths", then(lambda found: list(found)[:1])),
    lowering("traffic", "no condition but the path", f"{VS}:_conditions", gives({})),
    lowering("traffic", "no method", f"{VS}:_conditions", without("method")),
    lowering("traffic", "no headers", f"{VS}:_conditions", without("headers")),
    lowering("traffic", "no query parameters", f"{VS}:_conditions", without("queryParams")),
    lowering("regex", "regular expressions are texts", f"{VS}:_string_matches", lambda _: lambda conditions: {
        one.name: {"exact": one.value} for one in conditions
    }),
    lowering("traffic", "texts are prefixes", f"{VS}:_string_matches", lambda _: lambda conditions: {
        one.name: {"prefix": one.value} for one in conditions
    }),
    lowering("traffic", "routes in reverse", f"{VS}:http_routes", then(lambda found: found[::-1])),
    lowering("traffic", "no catch-all", f"{VS}:http_routes", then(lambda found: found[:-1])),
    lowering("retries", "routes by name", f"{VS}:http_routes", then(lambda found: sorted(found, key=lambda r: r["name"]))),
    lowering("ports", "routes of the first port", f"{VS}:http_routes", then(lambda found: found[:1])),
    lowering("traffic", "no timeout", f"{VS}:http_route_action", without("timeout")),
    lowering("traffic", "no retries written", f"{VS}:http_route_action", without("retries")),
    lowering("edits", "no headers edited", f"{VS}:http_route_action", without("headers")),
    lowering("istio only", "no mirror", f"{VS}:http_route_action", without("mirrors")),
    lowering("istio only", "no rewrite", f"{VS}:http_route_action", without("rewrite")),
    lowering("failures", "no fault", f"{VS}:http_route_action", without("fault")),
    lowering("traffic", "durations in seconds", f"{VS}:duration_text", lambda _: _in_seconds),
    lowering("traffic", "durations a thousand times as long", f"{VS}:duration_text", given(lambda ms: (1000 * ms,))),
    lowering("traffic", "weights are shared evenly", f"{VS}:route", then(
        lambda found: [{**one, "weight": 50} if "weight" in one else one for one in found]
    )),
    lowering("traffic", "the heaviest gets all", f"{VS}:route", then(lambda found: found[:1])),
    lowering("traffic", "no subset", f"{VS}:destination", given(lambda host, port, _: (host, port, None))),
    lowering("ports", "the wrong port", f"{VS}:destination", given(lambda host, port, version: (host, 161 - port, version))),
    lowering("retries", "attempts counts tries", f"{VS}:retries", then(
        lambda body: {**body, "attempts": body["attempts"] + 1} if body["attempts"] else body
    )),
    lowering("retries", "no statuses", f"{VS}:retries", _retry(statuses=())),
    lowering("retries", "no conditions", f"{VS}:retries", _retry(conditions=())),
    lowering("retries", "no bound of each try", f"{VS}:retries", _retry(per_try_timeout=None)),
    lowering("retries", "never is once", f"{VS}:retries", then(
        lambda body: body if body["attempts"] else {"attempts": 1, "retryOn": "5xx"}
    )),
    lowering("retries", "never is not written", f"{VS}:retries", then(
        lambda body: body if body["attempts"] else {"attempts": 2, "retryOn": "connect-failure,refused-stream"}
    )),
    lowering("istio only", "no backoff", f"{VS}:retries", _retry(backoff=None)),
    lowering("failures", "delay and abort share a percentage", f"{VS}:fault", then(
        lambda body: {**body, "abort": {**body["abort"], "percentage": body["delay"]["percentage"]}}
    )),
    lowering("edits", "percent signs as they are", f"{VS}:literal", lambda _: lambda value: value),
    lowering("edits", "nothing is removed", f"{VS}:_edits", without("remove")),
    lowering("edits", "added headers are set", f"{VS}:_edits", then(
        lambda body: {("set" if key == "add" else key): value for key, value in body.items()}
    )),
    lowering("edits", "the response is the request", f"{VS}:headers", then(
        lambda body: {**body, "response": body["request"]} if "response" in body else body
    )),
    lowering("redirect", "always for ever", f"{VS}:redirect", then(lambda body: {**body, "redirectCode": 301})),
    lowering("redirect", "no host", f"{VS}:redirect", without("authority")),
    lowering("redirect", "no path", f"{VS}:redirect", without("uri")),
    lowering("istio only", "copies of everything", f"{VS}:mirror", without("percentage")),
    lowering("traffic", "subsets without labels", "istio.target:destination_rule", then(
        lambda one: replace(one, body={**one.body, "spec": {**one.body["spec"], "subsets": [
            {"name": name} for name in ("v1", "v2")
        ]}})
    )),
    lowering("istio only", "no limits", f"{DR}:traffic_policy", without("connectionPool")),
    lowering("traffic", "no ejection", f"{DR}:traffic_policy", without("outlierDetection")),
    lowering("istio only", "limits of requests only", f"{DR}:connection_pool", without("tcp")),
    lowering("istio only", "a default where nothing is counted", f"{DR}:outlier_detection", then(
        lambda body: {**body, "consecutive5xxErrors": body["consecutive5xxErrors"] or 5}
    )),
]  # fmt: skip

RIGHTS: Final = [
    lowering("callers", "any trust domain", f"{AP}:principals", then(_without_domain)),
    lowering("callers", "one caller of several", f"{AP}:principals", given(
        lambda callers, target: (_some_callers(callers), target)
    )),
    lowering("callers", "no namespaces", f"{AP}:principals", given(
        lambda callers, target: (replace(callers, namespaces=()), target)
    )),
    lowering("callers", "a namespace is a prefix", f"{AP}:principals", then(
        lambda found: [f"{one[:-2]}*" if one.endswith("/*") else one for one in found]
    )),
    lowering("callers", "anyone at all is anyone in the mesh", f"{AP}:principals", given(
        lambda callers, target: (
            replace(callers, anyone=Anyone.IN_MESH) if callers.anyone is Anyone.AT_ALL else callers, target
        )
    )),
    lowering("callers", "every caller is the same", f"{AP}:principals", gives(["example.org/ns/front/sa/web"])),
    lowering("callers", "the policy selects by another label", f"{AP}:selector", gives(
        {"selector": {"matchLabels": {"name": "api"}}}
    )),
    lowering("callers", "no allow is written", "istio.target:allow_policy" , then(
        lambda one: replace(one, body={**one.body, "spec": {"action": "ALLOW", "selector": one.body["spec"]["selector"]}})
    )),
]  # fmt: skip

REQUEST_RIGHTS: Final = [
    lowering("requests", "no rule looks at requests", f"{AP}:rule", without("to")),
    lowering("requests", "no rule looks at headers", f"{AP}:rule", without("when")),
    lowering("requests", "no rule looks at callers", f"{AP}:rule", without("from")),
    lowering("requests", "a prefix is one of characters", f"{AP}:path_patterns", then(
        lambda found: (f"{found[0]}*",) if len(found) > 1 else found
    )),
    lowering("requests", "a prefix is exact", f"{AP}:path_patterns", then(lambda found: found[:1])),
    lowering("requests", "a prefix without itself", f"{AP}:path_patterns", then(lambda found: found[-1:])),
    lowering("requests", "every header need only be there", f"{AP}:when", then(lambda body: {**body, "values": ["*"]})),
    lowering("requests", "another header", f"{AP}:when", then(lambda body: {**body, "key": "request.headers[x-other]"})),
    lowering("ports", "no ports", f"{AP}:named_ports", gives(())),
    lowering("denied", "a DENY of every request", f"{AP}:rule", without("to")),
    lowering("denied", "a DENY of nobody below", f"{AP}:path_patterns", then(lambda found: found[:1])),
]  # fmt: skip

ISTIO_RIGHTS: Final = [
    lowering("ports", "the Service's ports", "istio.target:allow_policy", lambda original: lambda *a: original(
        *a, ports_of=lambda ports: [str(port.number) for port in ports]
    )),
    lowering("denied", "no DENY", "istio.target:deny_policy", lambda _: lambda service, target, plan: _allowing(service, target, plan)),
    lowering("denied", "modes are swapped", "istio.peer_authentication:_peer_authentication", given(
        lambda mtls, *rest: (replace(mtls, mode=type(mtls.mode)("permissive" if mtls.mode == "strict" else "strict")), *rest)
    )),
    lowering("open", "a service's mode is the namespace's", "istio.target:service_peer_authentication", then(
        lambda one: replace(one, body={**one.body, "spec": {"mtls": one.body["spec"]["mtls"]}})
    )),
]  # fmt: skip


def _allowing(service: Any, target: Any, plan: Any) -> Any:
    """The DENY policy with the rules of nobody."""
    from meshdsl.targets.istio.authorization_policy import deny_policy

    found = deny_policy(service, target, plan)
    rules = [{"from": [{"source": {"principals": ["example.org/ns/none/sa/none"]}}]}]
    return replace(found, body={**found.body, "spec": {**found.body["spec"], "rules": rules}})


GATEWAY: Final = [
    lowering("traffic", "prefixes are exact", "gateway_api:http_route_match", given(
        lambda match: (_exact(match),)
    )),
    lowering("traffic", "no method", "gateway_api:http_route_match", _METHODS_LOST),
    lowering("traffic", "no headers", "gateway_api:http_route_match", _match_without(headers=())),
    lowering("traffic", "no query parameters", "gateway_api:http_route_match", _match_without(query=())),
    lowering("traffic", "weights are shared evenly", "gateway_api:backend_refs", then(
        lambda found: [{**one, "weight": 1} for one in found]
    )),
    lowering("traffic", "every backend is the service", "gateway_api:_backend_name", lambda _: lambda service, version: service),
    lowering("traffic", "rules that differ are merged", "gateway_api:merged", lambda _: lambda rules: [tuple(rules)]),
    lowering("edits", "no filters", "gateway_api:filters", gives([])),
    lowering("edits", "the request's edits only", "gateway_api:header_filters", then(lambda found: found[:1])),
    lowering("redirect", "always for ever", "gateway_api:redirect_filter", then(
        lambda one: {**one, "requestRedirect": {**one["requestRedirect"], "statusCode": 301}}
    )),
]  # fmt: skip


def _exact(match: Match) -> Match:
    return match if match.path is None else replace(match, path=Path(PathKind.EXACT, match.path.value))


def _all_versions(one: Any) -> Any:
    return replace(one, body={**one.body, "spec": {**one.body["spec"], "selector": {"app": "api"}}})


AMBIENT: Final = [
    lowering("split", "versions are not told apart", "gateway_api:version_service", then(_all_versions)),
    lowering("traffic", "no timeout and no retry", "ambient.http_route:settings", gives({})),
    lowering("retries", "no retry", "ambient.http_route:settings", without("retry")),
    lowering("retries", "attempts counts tries", "ambient.http_route:retry", then(
        lambda body: {**body, "attempts": body["attempts"] + 1}
    )),
    lowering("retries", "no codes", "ambient.http_route:retry", without("codes")),
    lowering("regex", "the catch-all is a prefix", "ambient.http_route:has_path_regex", gives(False)),
    lowering("edits", "percent signs as they are", "ambient.http_route:literal", lambda _: lambda value: value),
    lowering("istio only", "nothing is bound to the waypoint", "ambient.target:binding", yields_nothing),
    lowering("requests", "no fence", "ambient.access:is_fenced", gives(False)),
    lowering("requests", "the fence is another's", "ambient.access:waypoint_principal", gives("example.org/ns/front/sa/web")),
    lowering("ports", "the fence lets everybody past", "ambient.access:allowed_past", lambda _: lambda service: service.access.allow,
             "ztunnel drops a rule of an ALLOW that looks at requests (measured)"),
    lowering("ports", "the fence lets nobody past", "ambient.access:allowed_past", gives(())),
    lowering("requests", "rules of requests at ztunnel", "ambient.access:target_refs", gives({"selector": {"matchLabels": {"app": "api"}}})),
    lowering("ports", "the workload's ports in a waypoint", f"{AP}:service_ports", lambda _: lambda ports: [str(p.target) for p in ports]),
]  # fmt: skip

LINKERD: Final = [
    lowering("split", "versions are not told apart", "linkerd.service:version_service", then(_all_versions)),
    lowering("traffic", "no timeouts", "linkerd.http_route:_timeouts", gives({})),
    lowering("retries", "no retries", "linkerd.http_route:retry_annotations", gives({})),
    lowering("retries", "attempts counts tries", "linkerd.http_route:retry_annotations", then(
        lambda found: {**found, "retry.linkerd.io/limit": str(int(found["retry.linkerd.io/limit"]) + 1)}
    )),
    lowering("retries", "no statuses", "linkerd.http_route:retry_annotations", _retry(statuses=())),
    lowering("retries", "no bound of each try", "linkerd.http_route:retry_annotations", _retry(per_try_timeout=None)),
    lowering("retries", "one class of routes", "linkerd.http_route:classes", lambda _: _one_class),
    lowering("regex", "regular expressions without anchors", "gateway_api:regex", lambda _: lambda pattern, anchor: pattern),
    lowering("traffic", "the breaker counts to one", "linkerd.service:duration_text", lambda _: lambda ms: "1s"),
    lowering("callers", "another trust domain", "linkerd.authorization:_Writer.policies", lambda original: _other_domain(original)),
    lowering("callers", "no rule is written", "linkerd.authorization:_Writer.policies", yields_nothing),
    lowering("callers", "rules of another port", "linkerd.authorization:applicable", gives([])),
    lowering("requests", "no probes", "linkerd.authorization:grants", lambda original: lambda allows, listener: original(
        allows, replace(listener, probes=())
    )),
    lowering("requests", "overlaps belong to nobody", "linkerd.authorization:atoms", lambda _: lambda granted: list(dict(granted).items())),
    lowering("requests", "all callers of a port are alike", "linkerd.authorization:atoms", then(
        lambda found: [(match, Callers(anyone=Anyone.IN_MESH)) for match, _ in found]
    )),
    lowering("callers", "Servers let everybody in", "linkerd.authorization:server", lambda original: lambda *a, **k: original(
        *a, **{**k, "access_policy": "all-unauthenticated"}
    )),
    lowering("mesh", "no namespace is closed", "linkerd.namespace:default_inbound_policy", gives("all-authenticated")),
    lowering("open", "strict is permissive", "linkerd.namespace:open_policy", gives("all-unauthenticated")),
    lowering("open", "a service's own mode is lost", "linkerd.target:open_servers", yields_nothing),
]  # fmt: skip


def _one_class(port: Any, *, timeout_field: bool) -> Any:
    from meshdsl.targets.linkerd.http_route import _key

    return {_key(port.rules[0], timeout_field=timeout_field): port.rules} if port.rules else {}


def _other_domain(original: Any) -> Any:
    def policies(self: Any, *a: Any, **k: Any) -> Any:
        self._identity_suffix = "serviceaccount.identity.linkerd.cluster.local"
        return original(self, *a, **k)

    return policies


FAULTS: Final[list[Fault]] = [
    *(make("istio") for make in (*ISTIO, *RIGHTS, *REQUEST_RIGHTS, *ISTIO_RIGHTS)),
    *(make("ambient") for make in (*GATEWAY, *AMBIENT, *(m for m in REQUEST_RIGHTS if m("").subject == "requests"))),
    *(make("linkerd") for make in (*GATEWAY, *LINKERD)),
]
"""All of them."""
