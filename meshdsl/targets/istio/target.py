"""The target: the profile of an Istio mesh with sidecars, and which objects each intent becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from meshdsl.diagnostics import Diagnostic
from meshdsl.manifest import Manifest
from meshdsl.plan.features import Feature
from meshdsl.plan.intent import Namespace, Plan, Service
from meshdsl.targets.base import Support, Target, TargetName, require_name
from meshdsl.targets.istio.access_checks import closed_by_the_mesh
from meshdsl.targets.istio.authorization_policy import allow_policy, default_deny, deny_policy
from meshdsl.targets.istio.checks import sidecar_checks
from meshdsl.targets.istio.destination_rule import destination_rule, needs_destination_rule
from meshdsl.targets.istio.enrolment import (
    namespace_enrolment,
    namespace_labels,
    pod_template,
    proxy_of,
    workload_enrolment,
)
from meshdsl.targets.istio.peer_authentication import peer_authentication, service_peer_authentication
from meshdsl.targets.istio.support import SUPPORT
from meshdsl.targets.istio.virtual_service import virtual_service


@dataclass(frozen=True, kw_only=True)
class Istio(Target):
    """Istio with sidecars.

    Attributes:
        root_namespace: the namespace whose policies hold for the whole mesh.
        revision: of the control plane that enrols namespaces; empty for the default one.
        default_retries: whether the operator left the mesh-wide default retry policy on. Sidecars do not depend on
            it: every route says how it is retried.
    """

    root_namespace: str = "istio-system"
    revision: str = ""
    default_retries: Literal["on", "off"] = "on"

    name: ClassVar[TargetName] = "istio"
    title: ClassVar[str] = "Istio"
    versions: ClassVar[tuple[str, ...]] = ("1.28", "1.29", "1.30", "1.31")
    support: ClassVar[Mapping[Feature, Support]] = SUPPORT

    def __post_init__(self) -> None:
        """Check the profile; raise ValueError for what it cannot be."""
        super().__post_init__()
        require_name(self.root_namespace, "root_namespace")
        if self.revision:
            require_name(self.revision, "revision")
        if self.default_retries not in ("on", "off"):
            raise ValueError(f'default_retries is "on" or "off", not {self.default_retries!r}')

    def check(self, plan: Plan) -> Iterator[Diagnostic]:
        """What Istio cannot do although each field alone is supported."""
        yield from sidecar_checks(plan, self, self.root_namespace, self.revision)

    def lower_mesh(self, plan: Plan) -> Iterator[Manifest]:
        """The objects of the root namespace."""
        if plan.mesh.mtls is not None:
            yield peer_authentication(plan.mesh.mtls, plan, namespace=self.root_namespace, owner=("", ""))
        if plan.mesh.default_deny is not None:
            yield default_deny(plan.mesh.default_deny, plan, namespace=self.root_namespace, owner=("", ""))

    def lower_namespace(self, namespace: Namespace, plan: Plan) -> Iterator[Manifest]:
        """The objects of a namespace."""
        owner = (namespace.name, "")
        labels = namespace_labels(namespace.proxy, self.revision) if namespace.proxy is not None else {}
        if namespace.proxy is not None and labels:
            yield namespace_enrolment(namespace, namespace.proxy, plan, labels)
        if namespace.mtls is not None:
            yield peer_authentication(namespace.mtls, plan, namespace=namespace.name, owner=owner)
        if namespace.own_default_deny is not None:
            yield default_deny(namespace.own_default_deny, plan, namespace=namespace.name, owner=owner)

    def lower_service(self, service: Service, plan: Plan) -> Iterator[Manifest]:
        """The objects of a service, in the order in which they are applied."""
        metadata = pod_template(service, plan, self.revision)
        proxy = proxy_of(service, plan)
        if metadata and proxy is not None and service.workload is not None:
            yield workload_enrolment(service, service.workload, proxy, plan, metadata)
        if service.mtls is not None:
            yield service_peer_authentication(service, service.mtls, plan)
        if needs_destination_rule(service, plan):
            yield destination_rule(service, self, plan, versions=service.versions)
        if service.has_rules:
            yield virtual_service(service, self, plan)
        if service.access.deny:
            yield deny_policy(service, self, plan)
        if service.access.closed and not closed_by_the_mesh(service, plan, self.root_namespace):
            yield allow_policy(service, self, plan)
