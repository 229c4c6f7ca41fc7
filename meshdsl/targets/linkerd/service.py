"""Services of versions, and the breaker's annotations on the service itself.

The breaker stands on the service that callers name: the proxy takes it from a route's parent and never from its
backends (``policy-controller/k8s/index/src/outbound/index.rs``; measured: on the Service of a version it does nothing).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshdsl.diagnostics import Origin
from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Port, Protocol, Service
from meshdsl.targets.gateway_api import version_service
from meshdsl.values import duration_text

LONGEST_EJECTION_MS: Final = 300_000
"""Envoy's default ``max_ejection_time``, so that a pod stays out for as long as on the other meshes at most."""

_APP_PROTOCOLS: Final = {
    Protocol.HTTP: "http",
    Protocol.HTTP2: "kubernetes.io/h2c",
    Protocol.GRPC: "kubernetes.io/h2c",
    # Any other value, "tcp" and "tls" too, makes the port opaque; what the parent Service says is what holds.
    Protocol.TCP: "",
    Protocol.TLS: "",
}


def app_protocol(port: Port) -> str:
    """``appProtocol`` as Linkerd reads it (``policy-controller/core/src/outbound.rs``)."""
    return _APP_PROTOCOLS[port.protocol]


def version_services(service: Service, set_name: str) -> Iterator[Manifest]:
    """A Service for each version that some rule sends requests to."""
    origins = split_origins(service)
    for version in service.used_versions:
        yield version_service(service, version, set_name, app_protocol=app_protocol, origins=origins)


def split_origins(service: Service) -> tuple[Origin, ...]:
    """The policies that split a service."""
    sources = [rule.split for port in service.ports for rule in port.rules if rule.split is not None]
    return tuple(dict.fromkeys(source.origin for source in sources if source.origin is not None))


def breaker_annotations(service: Service) -> Iterator[Manifest]:
    """Consecutive failure accrual on the Service, which is not ours: a partial object.

    ``min-penalty`` is the base ejection time and is never 0, with which the breaker protects nothing (measured). One
    parameter that does not parse drops the whole breaker without a word, so each is written in its canonical form.
    """
    breaker = service.breaker
    if breaker is None or breaker.outlier is None or breaker.outlier.consecutive_5xx is None:
        return
    base = breaker.outlier.base_ejection_time
    prefix = "balancer.linkerd.io/failure-accrual"
    yield manifest(
        ObjectRef("v1", "Service", service.namespace, service.name),
        Phase.DESTINATION,
        "",
        content={},
        owner=(service.namespace, service.name),
        origins=(breaker.source.origin,) if breaker.source.origin else (),
        annotations={
            prefix: "consecutive",
            f"{prefix}-consecutive-max-failures": str(breaker.outlier.consecutive_5xx),
            f"{prefix}-consecutive-min-penalty": duration_text(base),
            f"{prefix}-consecutive-max-penalty": duration_text(max(base, LONGEST_EJECTION_MS)),
            f"{prefix}-consecutive-jitter-ratio": "0.5",
        },
        partial=True,
    )
