"""The Ambient target: the profile of the mesh, and which objects each intent becomes.

Istio's functions write what both modes share (identity, destinations, the rules of an AuthorizationPolicy); here is
decided where each of them goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from meshdsl.diagnostics import Diagnostic
from meshdsl.manifest import Manifest
from meshdsl.plan.features import Feature
from meshdsl.plan.intent import Namespace, Plan, Service
from meshdsl.targets import gateway_api, gateway_limits
from meshdsl.targets.ambient import access_checks, route_checks
from meshdsl.targets.ambient.access import policies
from meshdsl.targets.ambient.enrolment import enrolled_namespace, enrolled_workload, revision_of
from meshdsl.targets.ambient.http_route import http_routes
from meshdsl.targets.ambient.support import SUPPORT
from meshdsl.targets.ambient.waypoint import CREATE, UNBOUND, USE_WAYPOINT, binding, waypoint, waypoint_name
from meshdsl.targets.base import Support, Target, TargetName, require_name
from meshdsl.targets.istio import access_checks as istio_access
from meshdsl.targets.istio import checks as istio
from meshdsl.targets.istio import request_checks
from meshdsl.targets.istio.authorization_policy import default_deny
from meshdsl.targets.istio.destination_rule import destination_rule
from meshdsl.targets.istio.peer_authentication import peer_authentication, service_peer_authentication


@dataclass(frozen=True, kw_only=True)
class Ambient(Target):
    """Istio without sidecars: ztunnel on each node, and a waypoint where requests are looked at.

    Attributes:
        root_namespace: the namespace whose policies hold for the whole mesh.
        revision: of the control plane that runs the waypoints; empty for the default one.
        default_retries: whether the operator left the mesh-wide default retry policy on. An HTTPRoute cannot say that
            nothing is retried, so that is possible only where it is ``"off"``.
        waypoint: ``"create"`` for one of our own in each namespace that needs it, or the name of an existing one in
            the namespace of each service that needs it, whose service account has the same name.
    """

    root_namespace: str = "istio-system"
    revision: str = ""
    default_retries: Literal["on", "off"] = "on"
    waypoint: str = CREATE

    name: ClassVar[TargetName] = "ambient"
    title: ClassVar[str] = "Istio Ambient"
    versions: ClassVar[tuple[str, ...]] = ("1.28", "1.29", "1.30", "1.31")
    support: ClassVar[Mapping[Feature, Support]] = SUPPORT

    def __post_init__(self) -> None:
        """Check the profile; raise ValueError for what it cannot be."""
        super().__post_init__()
        require_name(self.root_namespace, "root_namespace")
        require_name(self.waypoint, "waypoint")
        if self.waypoint == UNBOUND:
            raise ValueError('no waypoint can be named "none": Istio reads that as being bound to none')
        if self.revision:
            require_name(self.revision, "revision")
        if self.default_retries not in ("on", "off"):
            raise ValueError(f'default_retries is "on" or "off", not {self.default_retries!r}')

    def check(self, plan: Plan) -> Iterator[Diagnostic]:
        """What Ambient cannot do although each field alone is supported."""
        yield from istio.root_namespace_is_the_mesh(plan, self.root_namespace)
        yield from istio.names_are_free(plan)
        yield from istio_access.pods_have_one_service(plan, self)
        yield from gateway_limits.check_version_services(plan, plan.versions_in_use)
        yield from access_checks.waypoint_is_alone(plan, self.waypoint)
        yield from access_checks.pods_have_one_way_in(plan)
        for service in plan.services:
            yield from istio.protocols_are_not_contradicted(service)
            yield from request_checks.edits_arrive(service)
            yield from request_checks.conditions_see_what_was_sent(service)
            yield from istio_access.access_can_be_written(service)
            yield from access_checks.ports_are_known(service)
            yield from access_checks.outsiders_are_judged(service)
            yield from access_checks.copies_are_judged(service, plan)
            yield from access_checks.enrolment_can_be_written(service)
            yield from route_checks.one_port_has_routes(service, self.version)
            for port in service.ports:
                yield from gateway_limits.check_rules(port.rules, service, port, anchor=False)
                yield from route_checks.routes_can_be_written(service, port, self.gateway_api)

    def lower_mesh(self, plan: Plan) -> Iterator[Manifest]:
        """The objects of the root namespace."""
        if plan.mesh.mtls is not None:
            yield peer_authentication(plan.mesh.mtls, plan, namespace=self.root_namespace, owner=("", ""))
        if plan.mesh.default_deny is not None:
            yield default_deny(plan.mesh.default_deny, plan, namespace=self.root_namespace, owner=("", ""))

    def lower_namespace(self, namespace: Namespace, plan: Plan) -> Iterator[Manifest]:
        """The objects of a namespace."""
        owner = (namespace.name, "")
        yield from enrolled_namespace(namespace, plan)
        if namespace.mtls is not None:
            yield peer_authentication(namespace.mtls, plan, namespace=namespace.name, owner=owner)
        if self.waypoint == CREATE:
            yield from waypoint(namespace, plan, revision=revision_of(namespace, self.revision))
        if namespace.own_default_deny is not None:
            yield default_deny(namespace.own_default_deny, plan, namespace=namespace.name, owner=owner)

    def lower_service(self, service: Service, plan: Plan) -> Iterator[Manifest]:
        """The objects of a service, in the order in which they are applied."""
        yield from enrolled_workload(service, plan)
        if service.mtls is not None:
            yield service_peer_authentication(service, service.mtls, plan)
        yield from self._destinations(service, plan)
        yield from http_routes(service, plan.set_name)
        yield from policies(service, self, plan)
        yield from binding(service, plan.set_name, waypoint_name(self.waypoint))

    def _destinations(self, service: Service, plan: Plan) -> Iterator[Manifest]:
        """The Service of each version in use, kept away from any waypoint, and the breaker of each Service.

        Bound to the waypoint, the Service of a version would be a way through the fence past the rules, which belong
        to the service's own. The breaker is looked up by the Service that a request is sent to, so each has a copy.
        """
        versions = plan.versions_in_use(service)
        for version in versions:
            yield gateway_api.version_service(
                service,
                version,
                plan.set_name,
                app_protocol=lambda port: port.protocol.value,
                labels={USE_WAYPOINT: UNBOUND},
            )
        if service.breaker is not None:
            yield destination_rule(service, self, plan)
            for version in versions:
                host = gateway_api.version_service_name(service.name, version)
                yield destination_rule(service, self, plan, host=host)
