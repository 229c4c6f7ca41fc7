"""Small valid objects, one of each kind that meshdsl emits, and a way to spoil them: the oracle's own controls."""

from __future__ import annotations

import copy
from typing import Any

REMOVED = object()
"""Given to :func:`changed`, takes a field away."""

_META = {"name": "api", "namespace": "prod", "labels": {"app.kubernetes.io/managed-by": "meshdsl"}}
_PARENT = {"group": "", "kind": "Service", "name": "api", "namespace": "prod", "port": 8080}
_BACKEND = {"group": "", "kind": "Service", "name": "api-v1", "namespace": "prod", "port": 8080, "weight": 1}
_REF = {"group": "policy.linkerd.io", "kind": "Server", "name": "api"}


def _object(api_version: str, kind: str, spec: dict[str, Any] | None = None) -> dict[str, Any]:
    body = {"apiVersion": api_version, "kind": kind, "metadata": copy.deepcopy(_META)}
    return body if spec is None else {**body, "spec": spec}


HTTP_ROUTE = _object(
    "gateway.networking.k8s.io/v1",
    "HTTPRoute",
    {
        "parentRefs": [_PARENT],
        "rules": [
            {
                "name": "default",
                "matches": [
                    {
                        "path": {"type": "PathPrefix", "value": "/a"},
                        "headers": [{"name": "x-a", "type": "Exact", "value": "1"}],
                        "queryParams": [{"name": "q", "type": "Exact", "value": "1"}],
                        "method": "GET",
                    }
                ],
                "filters": [
                    {
                        "type": "RequestMirror",
                        "requestMirror": {"backendRef": {**_BACKEND, "weight": REMOVED}, "percent": 5},
                    },
                ],
                "timeouts": {"request": "5s", "backendRequest": "2s"},
                "backendRefs": [_BACKEND],
            }
        ],
    },
)
del HTTP_ROUTE["spec"]["rules"][0]["filters"][0]["requestMirror"]["backendRef"]["weight"]

HTTP_ROUTE_RETRY = copy.deepcopy(HTTP_ROUTE)
HTTP_ROUTE_RETRY["spec"]["rules"][0]["retry"] = {"codes": [500, 503], "attempts": 3, "backoff": "100ms"}

GRPC_ROUTE = _object(
    "gateway.networking.k8s.io/v1",
    "GRPCRoute",
    {
        "parentRefs": [_PARENT],
        "rules": [
            {
                "matches": [{"method": {"type": "Exact", "service": "shop.Cart", "method": "Add"}}],
                "backendRefs": [_BACKEND],
            }
        ],
    },
)
GATEWAY = _object(
    "gateway.networking.k8s.io/v1",
    "Gateway",
    {
        "gatewayClassName": "istio-waypoint",
        "listeners": [
            {"name": "mesh", "port": 15008, "protocol": "HBONE", "allowedRoutes": {"namespaces": {"from": "Same"}}}
        ],
    },
)
VIRTUAL_SERVICE = _object(
    "networking.istio.io/v1",
    "VirtualService",
    {
        "hosts": ["api.prod.svc.cluster.local"],
        "http": [
            {
                "name": "default",
                "match": [{"uri": {"exact": "/a"}, "port": 8080}],
                "route": [
                    {
                        "destination": {"host": "api.prod.svc.cluster.local", "subset": "v1", "port": {"number": 8080}},
                        "weight": 90,
                    },
                    {
                        "destination": {"host": "api.prod.svc.cluster.local", "subset": "v2", "port": {"number": 8080}},
                        "weight": 10,
                    },
                ],
                "timeout": "5s",
                "retries": {"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx,reset"},
            }
        ],
    },
)
DESTINATION_RULE = _object(
    "networking.istio.io/v1",
    "DestinationRule",
    {
        "host": "api.prod.svc.cluster.local",
        "trafficPolicy": {
            "connectionPool": {"tcp": {"maxConnections": 100}, "http": {"http2MaxRequests": 1000}},
            "outlierDetection": {"consecutive5xxErrors": 5, "interval": "30s", "maxEjectionPercent": 50},
        },
        "subsets": [{"name": "v1", "labels": {"version": "v1"}}],
    },
)
ISTIO_POLICY = _object(
    "security.istio.io/v1",
    "AuthorizationPolicy",
    {
        "selector": {"matchLabels": {"app": "api"}},
        "action": "ALLOW",
        "rules": [
            {
                "from": [{"source": {"principals": ["cluster.local/ns/prod/sa/web"]}}],
                "to": [{"operation": {"methods": ["GET"], "ports": ["8080"]}}],
            }
        ],
    },
)
PEER_AUTHENTICATION = _object("security.istio.io/v1", "PeerAuthentication", {"mtls": {"mode": "STRICT"}})
SERVER = _object(
    "policy.linkerd.io/v1beta3",
    "Server",
    {
        "podSelector": {"matchLabels": {"app": "api"}},
        "port": 8080,
        "proxyProtocol": "HTTP/1",
        "accessPolicy": "deny",
    },
)
LINKERD_POLICY = _object(
    "policy.linkerd.io/v1alpha1",
    "AuthorizationPolicy",
    {
        "targetRef": _REF,
        "requiredAuthenticationRefs": [{"group": "policy.linkerd.io", "kind": "MeshTLSAuthentication", "name": "web"}],
    },
)
MESH_TLS = _object(
    "policy.linkerd.io/v1alpha1",
    "MeshTLSAuthentication",
    {"identityRefs": [{"kind": "ServiceAccount", "name": "web", "namespace": "prod"}]},
)
NETWORK = _object(
    "policy.linkerd.io/v1alpha1", "NetworkAuthentication", {"networks": [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]}
)
TRAFFIC_SPLIT = _object(
    "split.smi-spec.io/v1alpha1",
    "TrafficSplit",
    {"service": "api", "backends": [{"service": "api-v1", "weight": 90}, {"service": "api-v2", "weight": 10}]},
)
SERVICE = _object(
    "v1",
    "Service",
    {
        "type": "ClusterIP",
        "selector": {"app": "api", "version": "v1"},
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080, "appProtocol": "http"}],
    },
)
VALID = {
    name: body
    for name, body in sorted(globals().items())
    if name[0] != "_" and isinstance(body, dict) and "apiVersion" in body
}


def changed(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with other values at some paths: ``changed(ROUTE, spec__rules__0__name="x")``."""
    result = copy.deepcopy(body)
    for path, value in changes.items():
        parts = path.split("__")
        place: Any = result
        for part in parts[:-1]:
            place = place[int(part)] if part.isdigit() else place[part]
        last: Any = int(parts[-1]) if parts[-1].isdigit() else parts[-1]
        if value is REMOVED:
            del place[last]
        else:
            place[last] = value
    return result
