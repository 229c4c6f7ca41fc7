"""The target itself: Linkerd's profile, and which function makes which object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from meshdsl.diagnostics import Diagnostic
from meshdsl.manifest import Manifest
from meshdsl.plan.features import Feature
from meshdsl.plan.intent import Namespace, Plan, Service
from meshdsl.targets.base import Support, Target, TargetName, at_least, require_name
from meshdsl.targets.linkerd import opaque
from meshdsl.targets.linkerd.authorization import access
from meshdsl.targets.linkerd.http_route import http_routes
from meshdsl.targets.linkerd.namespace import namespace_annotations, workload_annotations
from meshdsl.targets.linkerd.rules import check
from meshdsl.targets.linkerd.server import open_servers
from meshdsl.targets.linkerd.service import breaker_annotations, version_services
from meshdsl.targets.linkerd.support import SUPPORT
from meshdsl.targets.linkerd.traffic_split import splits_by_smi, traffic_split
from meshdsl.values import dns_name


@dataclass(frozen=True, kw_only=True)
class Linkerd(Target):
    """Linkerd, with the profile of one installation.

    Attributes:
        identity_trust_domain: of the proxies' identities, where it differs from ``trust_domain`` (Helm:
            ``identityTrustDomain``).
        split_api: how traffic is split: ``"gateway-api"`` (HTTPRoute), or ``"smi"`` (TrafficSplit; the extension
            linkerd-smi must be installed, and a service that is split has weights and nothing else).
        control_plane_namespace: where Linkerd is installed; it is part of every identity.
        opaque_ports: what the mesh takes for bytes by the number of the port, of Services and of pods (Helm:
            ``proxy.opaquePorts``).
    """

    identity_trust_domain: str = ""
    split_api: Literal["gateway-api", "smi"] = "gateway-api"
    control_plane_namespace: str = "linkerd"
    opaque_ports: str = opaque.DEFAULT

    name: ClassVar[TargetName] = "linkerd"
    title: ClassVar[str] = "Linkerd"
    versions: ClassVar[tuple[str, ...]] = ("2.18", "2.19", "2.20")
    support: ClassVar[Mapping[Feature, Support]] = SUPPORT

    def __post_init__(self) -> None:
        """Fill in the identities' trust domain; refuse what is not supported with ``ValueError``."""
        super().__post_init__()
        if not self.identity_trust_domain:
            object.__setattr__(self, "identity_trust_domain", self.trust_domain)
        dns_name(self.identity_trust_domain, "identity_trust_domain")
        require_name(self.control_plane_namespace, "control_plane_namespace")
        opaque.numbers(self.opaque_ports)
        if self.split_api not in ("gateway-api", "smi"):
            raise ValueError(f'split_api is "gateway-api" or "smi", not {self.split_api!r}')

    @property
    def identity_suffix(self) -> str:
        """What follows the namespace in the identity of a workload of this mesh."""
        return f"serviceaccount.identity.{self.control_plane_namespace}.{self.identity_trust_domain}"

    @property
    def has_timeout_field(self) -> bool:
        """Whether ``timeouts.request`` of a Gateway API HTTPRoute is obeyed (linkerd2 #14750, edge-25.11.3)."""
        return at_least(self.version, "2.20")

    def check(self, plan: Plan) -> Iterator[Diagnostic]:
        """What Linkerd cannot do although each field alone is supported."""
        yield from check(
            plan,
            timeout_field=self.has_timeout_field,
            smi=self.split_api == "smi",
            gateway_api=self.gateway_api,
            opaque_ports=opaque.numbers(self.opaque_ports),
        )

    def lower_mesh(self, plan: Plan) -> Iterator[Manifest]:  # noqa: ARG002  # the mesh's own defaults are set by Helm
        """Nothing: what holds for the whole mesh is set when it is installed."""
        yield from ()

    def lower_namespace(self, namespace: Namespace, plan: Plan) -> Iterator[Manifest]:
        """The annotations of a namespace: injection, default inbound policy, sidecar resources."""
        yield from namespace_annotations(namespace, plan)

    def lower_service(self, service: Service, plan: Plan) -> Iterator[Manifest]:
        """The objects of a service, in the order to apply them."""
        yield from workload_annotations(service)
        yield from version_services(service, plan.set_name)
        yield from breaker_annotations(service)
        if self.split_api == "smi" and splits_by_smi(service):
            yield traffic_split(service, plan.set_name)
        else:
            yield from http_routes(service, plan.set_name, timeout_field=self.has_timeout_field)
        if service.access.closed:
            yield from access(service, plan.set_name, identity_suffix=self.identity_suffix)
        else:
            yield from open_servers(service, plan)
