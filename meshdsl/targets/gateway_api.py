"""What Ambient and Linkerd share: the parts of an HTTPRoute, the Service of one version, and their limits.

Both meshes read ``gateway.networking.k8s.io/v1`` HTTPRoutes whose parent is a Service, and both know the versions of a
service only as Services of their own. What differs between them (classes of routes, annotations, retries, the spelling
of ``appProtocol``) is passed in; nothing here knows which mesh asks.

Every default that the API server would add is written: ``group``, ``kind``, ``weight``, ``path``, the ``type`` of each
condition. So what is compiled and what is stored are the same text, and a comparison has nothing to explain away. What
does not fit into these objects is refused beforehand, by ``gateway_limits``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from meshdsl.diagnostics import Origin
from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Port, Service
from meshdsl.plan.requests import Condition, HeaderEdits, Headers, Match, Mirror, PathKind, Redirect, Rewrite, Rule
from meshdsl.values import Json, percent_number

API_VERSION: Final = "gateway.networking.k8s.io/v1"
MAX_MATCHES_IN_A_RULE: Final = 64

ANY_PATH: Final[Mapping[str, Json]] = {"type": "PathPrefix", "value": "/"}
ANY_PATH_AS_REGEX: Final[Mapping[str, Json]] = {"type": "RegularExpression", "value": ".*"}

_PATH_TYPES: Final = {PathKind.EXACT: "Exact", PathKind.PREFIX: "PathPrefix", PathKind.REGEX: "RegularExpression"}


# ------------------------------------------------------------------------------------------------------- HTTPRoute


def http_route(
    ref: tuple[str, str],
    set_name: str,
    *,
    parent: Mapping[str, Json],
    rules: Sequence[Json],
    owner: tuple[str, str],
    origins: tuple[Origin, ...] = (),
    annotations: Mapping[str, str] | None = None,
    phase: Phase = Phase.ROUTE,
) -> Manifest:
    """An HTTPRoute with one parent.

    Args:
        ref: (namespace, name).
        set_name: name of the policy set.
        parent: from :func:`parent_ref`, or a reference to something else.
        rules: from :func:`route_rules`, at least one.
        owner: see :class:`Manifest`.
        origins: the policies that ask for it.
        annotations: of the route object.
        phase: ``ROUTE``, or ``ACCESS`` for a route that only carries authorization.
    """
    return manifest(
        ObjectRef(API_VERSION, "HTTPRoute", *ref),
        phase,
        set_name,
        content={"spec": {"parentRefs": [parent], "rules": list(rules)}},
        owner=owner,
        origins=origins,
        annotations=annotations,
    )


def parent_ref(service: Service, port: Port) -> dict[str, Json]:
    """The Service as a route's parent. Group and kind are written: the CRD's defaults mean a Gateway."""
    return {
        "group": "",
        "kind": "Service",
        "name": service.name,
        "namespace": service.namespace,
        "port": port.number,
    }


def route_rules(
    rules: Sequence[Rule],
    service: Service,
    port: Port,
    *,
    anchor: bool,
    any_path: Mapping[str, Json] = ANY_PATH,
    header_value: Callable[[str], str] = str,
    settings: Callable[[Rule], Mapping[str, Json]] = lambda _: {},
) -> list[Json]:
    """The ``rules`` of an HTTPRoute, in the order of the plan; neighbours that do the same become one rule.

    Args:
        rules: of one port's table, or of one class of it.
        service: whose port it is.
        port: the rules' port.
        anchor: see :func:`http_route_match`.
        any_path: see :func:`http_route_match`.
        header_value: how a mesh writes the value of a header edit.
        settings: further fields of a rule, such as ``timeouts``; it may look at everything but name and match.
    """
    written: list[Json] = []
    for group in merged(rules):
        first = group[0]
        body: dict[str, Json] = {
            "matches": [http_route_match(rule.match, anchor=anchor, any_path=any_path) for rule in group]
        }
        if edits := filters(first, header_value=header_value):
            body["filters"] = edits
        if first.redirect is None:
            body["backendRefs"] = backend_refs(first, service, port)
        written.append({**body, **settings(first)})
    return written


def merged(rules: Iterable[Rule]) -> list[tuple[Rule, ...]]:
    """Neighbouring rules with the same action, as groups of at most 64.

    Both meshes order matches, not rules, so a rule with several matches is the same as as many rules in a row. A
    rule that rewrites the path stays alone: ``replacePrefixMatch`` demands exactly one prefix match (CEL of the CRD).
    """
    groups: list[list[Rule]] = []
    for rule in rules:
        alone = rule.rewrite is not None and rule.rewrite.path is not None
        last = groups[-1] if groups else None
        if last and not alone and len(last) < MAX_MATCHES_IN_A_RULE and last[0].action == rule.action:
            last.append(rule)
        else:
            groups.append([rule])
    return [tuple(group) for group in groups]


def http_route_match(match: Match, *, anchor: bool, any_path: Mapping[str, Json] = ANY_PATH) -> dict[str, Json]:
    """One conjunction of conditions.

    Args:
        match: the conditions.
        anchor: write a regular expression as ``^(?:…)$``, for a mesh that searches rather than compares the whole.
        any_path: what stands for "no condition on the path". A mesh that ranks a prefix above a regular expression
            needs :data:`ANY_PATH_AS_REGEX` in a table that has a path regex: the catch-all would shadow it.
    """
    body: dict[str, Json] = {"path": dict(any_path)}
    if match.path is not None:
        is_regex = match.path.kind is PathKind.REGEX
        value = regex(match.path.value, anchor=anchor) if is_regex else match.path.value
        body["path"] = {"type": _PATH_TYPES[match.path.kind], "value": value}
    if match.headers:
        body["headers"] = [_condition(header, anchor=anchor) for header in match.headers]
    if match.query:
        body["queryParams"] = [_condition(parameter, anchor=anchor) for parameter in match.query]
    if match.method is not None:
        body["method"] = match.method
    return body


def regex(pattern: str, *, anchor: bool) -> str:
    """A regular expression; anchored so that an alternation (``/a|/a/b``) is compared with the whole, too."""
    return f"^(?:{pattern})$" if anchor else pattern


def _condition(condition: Condition, *, anchor: bool) -> dict[str, Json]:
    if condition.regex:
        value = regex(condition.value, anchor=anchor)
        return {"type": "RegularExpression", "name": condition.name, "value": value}
    return {"type": "Exact", "name": condition.name, "value": condition.value}


def backend_refs(rule: Rule, service: Service, port: Port) -> list[Json]:
    """The weighted backends of a rule: the Service of each version, or the service itself.

    The namespace is always written: without it, meshes disagree on whose it is.
    """
    return [
        {
            **_service_ref(_backend_name(service.name, backend.version), service.namespace, port.number),
            "weight": backend.weight,
        }
        for backend in rule.backends
    ]


def _service_ref(name: str, namespace: str, port: int) -> dict[str, Json]:
    return {"group": "", "kind": "Service", "name": name, "namespace": namespace, "port": port}


def _backend_name(service: str, version: str | None) -> str:
    return service if version is None else version_service_name(service, version)


# --------------------------------------------------------------------------------------------------------- filters


def filters(rule: Rule, *, header_value: Callable[[str], str] = str) -> list[Json]:
    """The filters of a rule: request headers, response headers, mirror, rewrite, redirect; each at most once."""
    written: list[Json] = []
    if rule.headers is not None:
        written += header_filters(rule.headers, header_value)
    if rule.mirror is not None:
        written.append(mirror_filter(rule.mirror))
    if rule.rewrite is not None:
        written.append(rewrite_filter(rule.rewrite, rule.match))
    if rule.redirect is not None:
        written.append(redirect_filter(rule.redirect))
    return written


def header_filters(headers: Headers, header_value: Callable[[str], str] = str) -> list[Json]:
    """``RequestHeaderModifier`` and ``ResponseHeaderModifier``."""
    written: list[Json] = []
    if headers.request is not None:
        edits = _edits(headers.request, header_value)
        written.append({"type": "RequestHeaderModifier", "requestHeaderModifier": edits})
    if headers.response is not None:
        edits = _edits(headers.response, header_value)
        written.append({"type": "ResponseHeaderModifier", "responseHeaderModifier": edits})
    return written


def _edits(edits: HeaderEdits, header_value: Callable[[str], str]) -> dict[str, Json]:
    body: dict[str, Json] = {}
    for key, pairs in (("set", edits.set), ("add", edits.add)):
        if pairs:
            body[key] = [{"name": name, "value": header_value(value)} for name, value in pairs]
    if edits.remove:
        body["remove"] = list(edits.remove)
    return body


def mirror_filter(mirror: Mirror) -> dict[str, Json]:
    """``RequestMirror``. A whole percentage is written as one; a finer one as a fraction of a million.

    100 % is written without either field, which every version of the CRDs has; a share needs Gateway API 1.3.
    """
    namespace, name = mirror.service
    body: dict[str, Json] = {"backendRef": _service_ref(_backend_name(name, mirror.version), namespace, mirror.port)}
    percent = percent_number(mirror.percent)
    if isinstance(percent, float):
        body["fraction"] = {"numerator": int(mirror.percent * 10_000), "denominator": 1_000_000}
    elif percent != 100:
        body["percent"] = percent
    return {"type": "RequestMirror", "requestMirror": body}


def rewrite_filter(rewrite: Rewrite, match: Match) -> dict[str, Json]:
    """``URLRewrite``. What a rule without a path matched is the prefix ``/``."""
    body: dict[str, Json] = {}
    if rewrite.host is not None:
        body["hostname"] = rewrite.host
    if rewrite.path is not None:
        if match.path is None or match.path.kind is PathKind.PREFIX:
            body["path"] = {"type": "ReplacePrefixMatch", "replacePrefixMatch": rewrite.path}
        else:
            body["path"] = {"type": "ReplaceFullPath", "replaceFullPath": rewrite.path}
    return {"type": "URLRewrite", "urlRewrite": body}


def redirect_filter(redirect: Redirect) -> dict[str, Json]:
    """``RequestRedirect``; a part that is not named keeps what the request had."""
    body: dict[str, Json] = {}
    if redirect.scheme is not None:
        body["scheme"] = redirect.scheme
    if redirect.host is not None:
        body["hostname"] = redirect.host
    if redirect.path is not None:
        body["path"] = {"type": "ReplaceFullPath", "replaceFullPath": redirect.path}
    if redirect.port is not None:
        body["port"] = redirect.port
    body["statusCode"] = redirect.status
    return {"type": "RequestRedirect", "requestRedirect": body}


# ------------------------------------------------------------------------------------------ the Service of a version


def version_service_name(service: str, version: str) -> str:
    """The name of the Service that selects the pods of one version."""
    return f"{service}-{version}"


def version_service(
    service: Service,
    version: str,
    set_name: str,
    *,
    app_protocol: Callable[[Port], str],
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    origins: tuple[Origin, ...] = (),
) -> Manifest:
    """The Service of one version, wholly ours: same ports, selector of the service and the version label.

    Args:
        service: of which it is a version.
        version: its name.
        set_name: name of the policy set.
        app_protocol: what a port speaks, as the mesh wants to read it; empty writes none.
        labels: further labels of the object.
        annotations: of the object.
        origins: the policies that ask for it.
    """
    ports: list[Json] = []
    for port in service.ports:
        body: dict[str, Json] = {"name": port.name} if port.name else {}
        body |= {"port": port.number, "protocol": "TCP", "targetPort": port.target}
        if spoken := app_protocol(port):
            body["appProtocol"] = spoken
        ports.append(body)
    return manifest(
        ObjectRef("v1", "Service", service.namespace, version_service_name(service.name, version)),
        Phase.DESTINATION,
        set_name,
        content={
            "spec": {
                "type": "ClusterIP",
                "selector": dict(sorted(service.version_labels(version).items())),
                "ports": ports,
                "sessionAffinity": "None",
                "internalTrafficPolicy": "Cluster",
            }
        },
        owner=(service.namespace, service.name),
        origins=origins,
        labels=labels,
        annotations=annotations,
    )
