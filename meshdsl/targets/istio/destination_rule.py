"""DestinationRule: the versions of a service as subsets, and its breaker.

One object for one host, in the service's own namespace: the first rule found wins whole, looked for in the caller's
namespace, then the service's, then the root namespace, and rules of different namespaces are never merged
(``pilot/pkg/model/push_context.go``). It says nothing of TLS: unset, each pod is called as it expects (automatic
mTLS), while any mode written here would cut off pods outside the mesh or, in strict mode, all of them.
"""

from __future__ import annotations

from typing import Final

from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Breaker, Outlier, Plan, Pool, Service
from meshdsl.targets.base import Target
from meshdsl.values import Json, duration_text

API_VERSION: Final = "networking.istio.io/v1"


def needs_destination_rule(service: Service, plan: Plan) -> bool:
    """Whether something refers to one of its versions, or it has a breaker."""
    return service.breaker is not None or bool(plan.versions_in_use(service))


def destination_rule(
    service: Service, target: Target, plan: Plan, *, host: str | None = None, versions: tuple[str, ...] = ()
) -> Manifest:
    """The rule of one Service.

    Args:
        service: the intent.
        target: which knows full names.
        plan: what the service is part of.
        host: name of the Service in the same namespace, and of the rule; the intent's own name if not given.
        versions: a subset for each; all declared ones are written, so that none that a route names is missing.
    """
    name = host or service.name
    spec: dict[str, Json] = {"host": target.fqdn(service.namespace, name), "exportTo": ["*"]}
    if service.breaker is not None:
        spec["trafficPolicy"] = traffic_policy(service.breaker)
    if versions:
        spec["subsets"] = [{"name": version, "labels": {service.version_label: version}} for version in versions]
    breaker = service.breaker.source.origin if service.breaker is not None else None
    origins = [origin for origin in (service.source.origin if versions else None, breaker) if origin is not None]
    return manifest(
        ObjectRef(API_VERSION, "DestinationRule", service.namespace, name),
        Phase.DESTINATION,
        plan.set_name,
        content={"spec": spec},
        owner=(service.namespace, service.name),
        origins=tuple(origins),
    )


def traffic_policy(breaker: Breaker) -> dict[str, Json]:
    """The breaker of the host; subsets inherit both blocks whole."""
    body: dict[str, Json] = {}
    if breaker.pool is not None:
        body["connectionPool"] = connection_pool(breaker.pool)
    if breaker.outlier is not None:
        body["outlierDetection"] = outlier_detection(breaker.outlier)
    return body


def connection_pool(pool: Pool) -> dict[str, Json]:
    """The limits. Those of requests hold for HTTP/1.1 and HTTP/2 alike, whatever the fields are called."""
    http: dict[str, Json] = {
        key: value
        for key, value in (
            ("http1MaxPendingRequests", pool.max_pending_requests),
            ("http2MaxRequests", pool.max_requests),
            ("maxRequestsPerConnection", pool.max_requests_per_connection),
        )
        if value is not None
    }
    body: dict[str, Json] = {}
    if pool.max_connections is not None:
        body["tcp"] = {"maxConnections": pool.max_connections}
    if http:
        body["http"] = http
    return body


def outlier_detection(outlier: Outlier) -> dict[str, Json]:
    """When a pod is taken out.

    Both counters are written: the one of 5xx answers is 5 and enforced where it is left out. ``maxEjectionPercent``
    is written: its default of 10 % never ejects a pod of a service with fewer than ten.
    """
    return {
        "consecutive5xxErrors": outlier.consecutive_5xx or 0,
        "consecutiveGatewayErrors": outlier.consecutive_gateway_errors or 0,
        "interval": duration_text(outlier.interval),
        "baseEjectionTime": duration_text(outlier.base_ejection_time),
        "maxEjectionPercent": outlier.max_ejection_percent,
    }
