"""What is known of the kinds we write, as tables: for comparing without their schemas, and what no schema says.

The first table has the defaults and the lists with keys, in the words of a structural schema; a test holds it against
the CRDs. A schema that a cluster has is used instead. The others say what schemas do not: which texts are amounts,
which lists have no order although their schema does not say so, and what a server fills in by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from meshdsl.compare.amounts import Amount
from meshdsl.values import Json

Schema = Mapping[str, Any]
"""A structural schema, or the part of one that is known."""

GroupKind = tuple[str, str]

GATEWAY_API: Final = "gateway.networking.k8s.io"
_LINKERD: Final = "policy.linkerd.io"


def is_istio(group: str) -> bool:
    """Whether a group is of Istio's own kinds."""
    return group.endswith(".istio.io")


# ------------------------------------------------------------------------------------------------------------- schemas


def _of(properties: Mapping[str, Any], default: Json = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"properties": properties}
    return schema if default is None else {**schema, "default": default}


def _is(value: Json) -> dict[str, Any]:
    return {"default": value}


def _list(items: Schema, *keys: str) -> dict[str, Any]:
    topology = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)} if keys else {}
    return {"items": items, **topology}


_ANY_PATH: Final[Json] = {"type": "PathPrefix", "value": "/"}
_TYPED = _list(_of({"type": _is("Exact")}), "name")
_HEADERS = _of({"add": _list({}, "name"), "set": _list({}, "name")})
_TO_SERVICE = {"group": _is(""), "kind": _is("Service")}
_FILTERS = _list(
    _of(
        {
            "requestHeaderModifier": _HEADERS,
            "responseHeaderModifier": _HEADERS,
            "requestRedirect": _of({"statusCode": _is(302)}),
            "requestMirror": _of({"backendRef": _of(_TO_SERVICE), "fraction": _of({"denominator": _is(100)})}),
        }
    )
)
_MATCHES = _list(
    _of(
        {
            "path": _of({"type": _is("PathPrefix"), "value": _is("/")}, _ANY_PATH),
            "headers": _TYPED,
            "queryParams": _TYPED,
        }
    )
)
_PARENTS = _list(_of({"group": _is(GATEWAY_API), "kind": _is("Gateway")}))
_RULE = _of(
    {
        "matches": {**_MATCHES, "default": [{"path": _ANY_PATH}]},
        "filters": _FILTERS,
        "backendRefs": _list(_of({**_TO_SERVICE, "weight": _is(1), "filters": _FILTERS})),
    }
)
_LISTENER = _of({"allowedRoutes": _of({"namespaces": _of({"from": _is("Same")})}, {"namespaces": {"from": "Same"}})})
_SERVICE = _of(
    {
        "type": _is("ClusterIP"),
        "sessionAffinity": _is("None"),
        "internalTrafficPolicy": _is("Cluster"),
        "ports": _list(_of({"protocol": _is("TCP")}), "port", "protocol"),
    }
)

SCHEMAS: Final[Mapping[GroupKind, Schema]] = {
    ("", "Service"): _of({"spec": _SERVICE}),
    (GATEWAY_API, "HTTPRoute"): _of({"spec": _of({"parentRefs": _PARENTS, "rules": _list(_RULE)})}),
    (GATEWAY_API, "Gateway"): _of({"spec": _of({"listeners": _list(_LISTENER, "name")})}),
    (_LINKERD, "Server"): _of({"spec": _of({"accessPolicy": _is("deny"), "proxyProtocol": _is("unknown")})}),
}
"""Defaults and keyed lists of the kinds we write. Istio's and the other Linkerd kinds have none."""

SAME_VERSIONS: Final[Mapping[GroupKind, frozenset[str]]] = {
    (GATEWAY_API, "HTTPRoute"): frozenset({"v1", "v1beta1"}),
    (GATEWAY_API, "Gateway"): frozenset({"v1", "v1beta1"}),
    (_LINKERD, "Server"): frozenset({"v1beta2", "v1beta3"}),
}
"""Versions whose fields mean the same. All of Istio's kinds are the same in all versions."""

# ------------------------------------------------------------------------------------------------------ what is in none

_FREE = frozenset({"labels", "matchLabels", "sourceLabels", "selector", "set", "add", "headers", "withoutHeaders"})
"""Mappings whose keys are users' words: a header ``timeout`` is no timeout."""

_ISTIO_DURATIONS = frozenset(
    {
        "backoff",
        "baseEjectionTime",
        "connectTimeout",
        "duration",
        "exponentialDelay",
        "fixedDelay",
        "idleTimeout",
        "interval",
        "maxAge",
        "maxConnectionDuration",
        "perTryTimeout",
        "time",
        "timeout",
        "warmupDurationSecs",
    }
)
_ROUTE_DURATIONS = frozenset({"request", "backendRequest", "backoff", "absoluteTimeout", "idleTimeout"})
_ANNOTATIONS: Mapping[str, Amount] = {
    "balancer.linkerd.io/failure-accrual-consecutive-max-penalty": Amount.LINKERD,
    "balancer.linkerd.io/failure-accrual-consecutive-min-penalty": Amount.LINKERD,
    "retry.linkerd.io/timeout": Amount.LINKERD,
    "timeout.linkerd.io/idle": Amount.LINKERD,
    "timeout.linkerd.io/request": Amount.LINKERD,
    "timeout.linkerd.io/response": Amount.LINKERD,
    "config.linkerd.io/proxy-cpu-limit": Amount.QUANTITY,
    "config.linkerd.io/proxy-cpu-request": Amount.QUANTITY,
    "config.linkerd.io/proxy-memory-limit": Amount.QUANTITY,
    "config.linkerd.io/proxy-memory-request": Amount.QUANTITY,
    "sidecar.istio.io/proxyCPU": Amount.QUANTITY,
    "sidecar.istio.io/proxyCPULimit": Amount.QUANTITY,
    "sidecar.istio.io/proxyMemory": Amount.QUANTITY,
    "sidecar.istio.io/proxyMemoryLimit": Amount.QUANTITY,
}


def amount_at(group: str, mesh: str, path: tuple[str | int, ...]) -> Amount | None:
    """How the text of a field is read, if it is an amount.

    Args:
        group: of the object.
        mesh: ``istio``, ``ambient`` or ``linkerd``: it reads the field.
        path: of the field.
    """
    name = path[-1]
    if not isinstance(name, str):
        return None
    if "annotations" in path:
        return _ANNOTATIONS.get(name)
    if not _FREE.isdisjoint(path):
        return None
    if is_istio(group):
        return Amount.GO if name in _ISTIO_DURATIONS else None
    if group in (GATEWAY_API, _LINKERD) and name in _ROUTE_DURATIONS:
        if group == _LINKERD:
            return Amount.GO
        return Amount.LINKERD if mesh == "linkerd" else Amount.GATEWAY_API
    return Amount.QUANTITY if len(path) > 2 and path[-3] == "resources" else None


_REQUEST_SETS = (
    "hosts",
    "methods",
    "paths",
    "ports",
    "principals",
    "namespaces",
    "serviceAccounts",
    "ipBlocks",
    "remoteIpBlocks",
    "requestPrincipals",
    "values",
)
_UNORDERED: Mapping[GroupKind, frozenset[str]] = {
    ("networking.istio.io", "VirtualService"): frozenset({"hosts", "gateways", "exportTo"}),
    ("networking.istio.io", "DestinationRule"): frozenset({"exportTo", "subsets"}),
    ("security.istio.io", "AuthorizationPolicy"): frozenset(
        {*_REQUEST_SETS, *(f"not{name[0].upper()}{name[1:]}" for name in _REQUEST_SETS)}
    ),
    (GATEWAY_API, "HTTPRoute"): frozenset({"hostnames", "parentRefs"}),
    (_LINKERD, "MeshTLSAuthentication"): frozenset({"identities", "identityRefs"}),
    (_LINKERD, "NetworkAuthentication"): frozenset({"networks"}),
    (_LINKERD, "AuthorizationPolicy"): frozenset({"requiredAuthenticationRefs"}),
}


def is_unordered(group: str, kind: str, path: tuple[str | int, ...]) -> bool:
    """Whether a list means the same in any order although its schema says atomic."""
    return path[-1] in _UNORDERED.get((group, kind), ())


_ISTIO_ZEROS: Mapping[str, Json] = {
    "action": "ALLOW",
    "attempts": 0,
    "http1MaxPendingRequests": 0,
    "http2MaxRequests": 0,
    "ignoreUriCase": False,
    "maxConnections": 0,
    "maxEjectionPercent": 0,
    "maxRequestsPerConnection": 0,
    "maxRetries": 0,
    "minHealthPercent": 0,
    "weight": 0,
}
"""Plain numbers, flags and words of Istio's messages: protobuf does not tell such a zero from nothing. Those that it
does tell (``consecutive5xxErrors``) are not here."""


def is_nothing(group: str, name: str, value: object, schema: Schema, parent: Schema) -> bool:
    """Whether a value means the same as no value, for Istio's kinds, which are protobuf messages.

    Args:
        group: of the object.
        name: of the field.
        value: that is there.
        schema: of the field; empty if it is not known.
        parent: schema of the mapping that holds it.
    """
    if not is_istio(group):
        return False
    if isinstance(value, list | tuple) and not value:
        return True
    if isinstance(value, Mapping | list | tuple):
        return False
    if not schema:
        return name in _ISTIO_ZEROS and type(value) is type(_ISTIO_ZEROS[name]) and value == _ISTIO_ZEROS[name]
    kind = schema.get("type")
    if kind not in ("string", "boolean", "integer", "number") or schema.get("nullable"):
        return False
    first = schema["enum"][0] if schema.get("enum") else {"string": "", "boolean": False}.get(kind, 0)
    return type(value) is type(first) and value == first and name not in _alternatives(parent)


def _alternatives(schema: Schema) -> set[str]:
    """The fields of which a message has one: there, even a zero says which."""
    found: set[str] = set()
    for word in ("oneOf", "anyOf", "allOf"):
        for part in schema.get(word, ()):
            found |= set(part.get("required", ())) | _alternatives(part)
    if "not" in schema:
        found |= _alternatives(schema["not"])
    return found


_ASSIGNED: Mapping[GroupKind, frozenset[str]] = {
    ("", "Service"): frozenset(
        {
            "allocateLoadBalancerNodePorts",
            "clusterIP",
            "clusterIPs",
            "externalTrafficPolicy",
            "healthCheckNodePort",
            "ipFamilies",
            "ipFamilyPolicy",
            "nodePort",
            "trafficDistribution",
        }
    ),
    ("", "Namespace"): frozenset({"finalizers"}),
}


def is_assigned(group: str, kind: str, path: tuple[str | int, ...]) -> bool:
    """Whether the server or a cloud fills a field in by itself, so that its being there says nothing."""
    return path[0] == "spec" and path[-1] in _ASSIGNED.get((group, kind), ())


MESH_DOMAINS: Final = ("istio.io", "linkerd.io", "mesh.linkerd.io", "meshdsl.dev")


def is_of_a_mesh(name: str) -> bool:
    """Whether a label or annotation is of a mesh, such as ``retry.linkerd.io/http``."""
    domain = name.rpartition("/")[0]
    return any(domain == one or domain.endswith(f".{one}") for one in MESH_DOMAINS)


def is_set_in_part(name: str) -> bool:
    """Whether policies may set a label or annotation of that name on an object that is not wholly ours."""
    return name == "istio-injection" or is_of_a_mesh(name)


def switches_off(group: str, kind: str, path: Sequence[str | int], value: object) -> bool:
    """Whether an annotation that we do not set keeps our object from being enforced, whoever set it."""
    named = (group, kind, tuple(path)) == ("security.istio.io", "AuthorizationPolicy", _DRY_RUN)
    return named and str(value).lower() not in ("false", "f", "0")


_DRY_RUN = ("metadata", "annotations", "istio.io/dry-run")
