"""Servers: the workload ports on which Linkerd decides who may come in.

A Server selects pods and a port of theirs, by number or container port name; it knows no Service. So service ports
with one target are one Server (of two Servers on one port, the older silently wins), and each Server is named after
the first service port it stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from meshdsl.diagnostics import Origin
from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Plan, Port, Protocol, Service
from meshdsl.targets.linkerd.namespace import open_policy

API_VERSION: Final = "policy.linkerd.io/v1beta3"


@dataclass(frozen=True, slots=True)
class Listener:
    """A port of a workload.

    Attributes:
        name: of its Server.
        target: number, or name of the container port.
        ports: the ports of the service that lead to it, at least one.
        probes: paths of the HTTP probes that the kubelet sends to it.
    """

    name: str
    target: int | str
    ports: tuple[Port, ...]
    probes: tuple[str, ...]

    @property
    def is_http(self) -> bool:
        """Whether requests are seen on it."""
        return any(port.is_http for port in self.ports)

    @property
    def proxy_protocol(self) -> str:
        """What the proxy takes the port for.

        ``unknown`` looks at each connection: an HTTP port may be asked in HTTP/1 and HTTP/2, and the kubelet probes in
        HTTP/1 whatever the port speaks; what turns out not to be HTTP is judged by the Server's own policies alone, and
        so refused where only requests are allowed. ``opaque`` spares protocols in which the server speaks first the ten
        seconds that detection would wait; a port that the kubelet asks by HTTP is none of them, and its probes are let
        in only if they are known for requests.
        """
        protocols = {port.protocol for port in self.ports}
        if not self.is_http:
            return "unknown" if self.probes else "opaque"
        if protocols <= {Protocol.HTTP2, Protocol.GRPC} and not self.probes:
            return "HTTP/2"
        return "unknown"


def listeners(service: Service) -> tuple[Listener, ...]:
    """The workload ports behind a service, in the order of its ports."""
    by_target: dict[int | str, list[Port]] = {}
    for port in service.ports:
        by_target.setdefault(port.target, []).append(port)
    return tuple(
        Listener(
            f"{service.name}-{ports[0].number}",
            target,
            tuple(ports),
            tuple(dict.fromkeys(probe.path for probe in service.probes if probe.port == target)),
        )
        for target, ports in by_target.items()
    )


def server(
    service: Service, listener: Listener, set_name: str, *, access_policy: str, origins: tuple[Origin, ...]
) -> Manifest:
    """The Server of one workload port.

    Args:
        service: whose pods it selects.
        listener: the port.
        set_name: name of the policy set.
        access_policy: what is allowed beside the policies that refer to it: ``deny``, ``all-authenticated`` …
        origins: the policies that ask for it.
    """
    return manifest(
        ObjectRef(API_VERSION, "Server", service.namespace, listener.name),
        Phase.ACCESS,
        set_name,
        content={
            "spec": {
                "podSelector": {"matchLabels": dict(service.labels)},
                "port": listener.target,
                "proxyProtocol": listener.proxy_protocol,
                "accessPolicy": access_policy,
            }
        },
        owner=(service.namespace, service.name),
        origins=origins,
    )


def has_servers(service: Service, plan: Plan) -> bool:
    """Whether a service gets Servers: because it is closed, or its mTLS mode is not the namespace's."""
    return service.access.closed or _own_mode(service, plan)


def open_servers(service: Service, plan: Plan) -> Iterator[Manifest]:
    """Servers that let in whom the service's own mTLS mode lets in, where that is not the namespace's."""
    if service.mtls is None or not _own_mode(service, plan):
        return
    origins = (service.mtls.source.origin,) if service.mtls.source.origin else ()
    for listener in listeners(service):
        policy = open_policy(service.mtls.mode)
        yield server(service, listener, plan.set_name, access_policy=policy, origins=origins)


def _own_mode(service: Service, plan: Plan) -> bool:
    return service.mtls is not None and service.mtls.mode is not plan.namespace(service.namespace).effective_mtls
