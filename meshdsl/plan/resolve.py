"""From policy objects in any order to the plan: inherited, defaulted, named and ordered, before any mesh is known."""

from __future__ import annotations

from collections.abc import Iterable

from meshdsl.diagnostics import CompileError, Diagnostic
from meshdsl.model import inventory, operation, security, traffic
from meshdsl.model.base import Policy
from meshdsl.model.policy_set import PolicySet
from meshdsl.plan import intent, rights
from meshdsl.plan.access import access, account_of
from meshdsl.plan.attach import Attachments, Place, namespace_of, place_of, place_text, source_of
from meshdsl.plan.intent import Port, Protocol
from meshdsl.plan.matching import TooMany, Undecidable
from meshdsl.plan.region import RequestPolicies
from meshdsl.plan.source import Source
from meshdsl.plan.table import Ambiguous, Contradiction, table
from meshdsl.values import milliseconds


def resolve(policies: PolicySet) -> intent.Plan:
    """What the policies mean.

    Args:
        policies: those of one target; the order of objects does not matter.

    Returns:
        The plan, sorted by name.

    Raises:
        CompileError: policies contradict each other or refer to what is not there; with every diagnostic.
    """
    unread = {type(one) for one in policies.objects if isinstance(one, Policy)} - _READ
    if unread:
        # A kind that no stage reads would compile to nothing, in silence.
        raise TypeError(f"no stage reads policies of the kinds {sorted(kind.__name__ for kind in unread)}")
    attachments = Attachments(policies.objects)
    resolver = _Resolver(policies, attachments)
    plan = intent.Plan(
        set_name=policies.name,
        mesh=resolver.mesh(),
        namespaces=tuple(resolver.namespace(name) for name in sorted(attachments.namespaces)),
        services=tuple(resolver.service(attachments.services[key]) for key in sorted(attachments.services)),
    )
    if attachments.diagnostics:
        raise CompileError(attachments.diagnostics)
    return plan


_READ: frozenset[type[Policy]] = frozenset(
    {
        *RequestPolicies.KINDS,
        traffic.Split,
        traffic.Breaker,
        security.Allow,
        security.Deny,
        security.DefaultDeny,
        security.MutualTls,
        operation.Proxy,
    }
)
"""The kinds of policy that the plan takes in."""


class _Resolver:
    """Resolves subject by subject; what is wrong is collected in the attachments' diagnostics."""

    def __init__(self, policies: PolicySet, attachments: Attachments) -> None:
        self._policies = policies
        self._attachments = attachments
        self._requests = RequestPolicies(attachments)

    # ----------------------------------------------------------------------------------------------- mesh, namespaces

    def mesh(self) -> intent.Mesh:
        """What is set on the mesh itself."""
        mtls = self._attachments.own(security.MutualTls, ())
        deny = self._attachments.own(security.DefaultDeny, ())
        return intent.Mesh(
            mtls=_mtls(mtls),
            default_deny=source_of(deny) if deny else None,
            files=self._files(mtls, deny),
        )

    def namespace(self, name: str) -> intent.Namespace:
        """What is set on a namespace, and what holds there."""
        attachments = self._attachments
        mtls = attachments.own(security.MutualTls, (name,))
        nearest = attachments.nearest(security.MutualTls, (name,))
        deny = attachments.own(security.DefaultDeny, (name,))
        proxy = attachments.own(operation.Proxy, (name,))
        return intent.Namespace(
            name=name,
            mtls=_mtls(mtls),
            effective_mtls=rights.MtlsMode(nearest.mode) if nearest else None,
            default_deny=attachments.nearest(security.DefaultDeny, (name,)) is not None,
            own_default_deny=source_of(deny) if deny else None,
            proxy=_proxy(proxy),
            source=Source(attachments.namespaces[name]),
            files=self._files(nearest, deny, proxy),
        )

    # ------------------------------------------------------------------------------------------------------- services

    def service(self, service: inventory.Service) -> intent.Service:
        """All that is meant for a service."""
        attachments = self._attachments
        namespace = namespace_of(service)
        place: Place = (namespace, service.name)
        bare = _ports(service)
        used: list[Policy] = []
        ports = tuple(self._with_rules(service, port, used) if port.is_http else port for port in bare)
        self._check_requests(service, bare)
        self._check_grpc_retries(service, bare)
        breaker = attachments.nearest(traffic.Breaker, place)
        rules, access_policies = access(attachments, service, bare)
        mtls = attachments.own(security.MutualTls, place)
        effective = attachments.nearest(security.MutualTls, place)
        proxy = attachments.own(operation.Proxy, place)
        account = account_of(service)
        return intent.Service(
            namespace=namespace,
            name=service.name,
            account=account.name,
            labels=tuple(sorted((service.labels or {"app": service.name}).items())),
            ports=ports,
            versions=service.versions,
            version_label=service.version_label,
            replicas=service.replicas,
            probes=tuple(intent.Probe(probe.path, probe.port) for probe in service.probes or ()),
            probes_known=service.probes is not None,
            workload=intent.Workload("apps/v1", service.workload.kind, service.workload.name)
            if service.workload
            else None,
            breaker=_breaker(breaker),
            access=rules,
            mtls=_mtls(mtls),
            effective_mtls=rights.MtlsMode(effective.mode) if effective else None,
            proxy=_proxy(proxy),
            source=Source(service.origin),
            files=self._files(service, *used, breaker, *access_policies, effective, proxy),
        )

    def _with_rules(self, service: inventory.Service, port: Port, used: list[Policy]) -> Port:
        regions = self._requests.regions(service, port)
        if not regions:
            return port
        for region in regions:
            used.extend(region.policies)
        try:
            rules = table(regions)
        except Ambiguous as error:
            self._ambiguous(service, error)
        except Undecidable as error:
            self._report_table(
                service,
                regions[0].source,
                "MESH332",
                f"two routes of {place_text(place_of(service))} may overlap, which cannot be decided: {error}",
                "meshes order regular expressions differently, so what both match would be handled differently",
                "tell the routes apart by method or header, or write the regular expression with a literal start",
            )
        except Contradiction as error:
            self._report_table(
                service,
                regions[0].source,
                "MESH330",
                f"conditions of {place_text(place_of(service))} contradict each other: {error}",
                "no mesh takes two conditions on one name",
                "write one condition",
            )
        except TooMany:
            self._report_table(
                service,
                regions[0].source,
                "MESH335",
                f"the routes of {place_text(place_of(service))} overlap in too many ways",
                "each intersection of two overlapping routes is a rule of its own, and an HTTPRoute has room for 128",
                "make routes disjoint, by exact paths or prefixes that do not contain each other",
            )
        else:
            return intent.Port(port.number, port.name, port.protocol, port.target, rules)
        return port

    def _report_table(
        self, service: inventory.Service, source: Source, code: str, message: str, reason: str, help_: str
    ) -> None:
        origin = source.origin or service.origin
        self._attachments.diagnostics.append(Diagnostic(code, message, origin, "", reason, help_))

    def _ambiguous(self, service: inventory.Service, error: Ambiguous) -> None:
        first, second = sorted(error.parts, key=lambda part: part.region.name)
        routes = self._attachments.routes[namespace_of(service), service.name]
        here, there = routes.get(first.region.name), routes.get(second.region.name)
        self._attachments.diagnostics.append(
            Diagnostic(
                "MESH331",
                f"routes {first.region.name!r} and {second.region.name!r} of {place_text(place_of(service))} overlap,"
                " and neither is more specific",
                here.origin if here else service.origin,
                reason="which of them a request follows would be decided by the age of objects, or differ by mesh",
                help="add a condition to one of them, or a route for the requests that both match",
                related=((f"{second.region.name!r} is here", there.origin),) if there else (),
            )
        )

    def _check_requests(self, service: inventory.Service, ports: tuple[Port, ...]) -> None:
        """Policies about requests need a port on which requests are seen."""
        opaque = [port for port in ports if not port.is_http]
        place = place_of(service)
        if not opaque and ports:
            return
        for kind in self._requests.KINDS:
            policy = self._attachments.own(kind, place)
            if policy is None:
                continue
            if len(opaque) == len(ports):
                name = type(policy).__name__
                self._attachments.diagnostics.append(
                    Diagnostic(
                        "MESH320",
                        f"{name} is about requests, but {place_text(place)} has no HTTP port",
                        policy.origin,
                        "subject",
                        reason="on a TCP or TLS port the mesh sees bytes, not requests",
                        help='declare the port\'s protocol ("http", "http2", "grpc"), or leave the policy out',
                    )
                )
            elif kind is traffic.Canary:
                self._attachments.diagnostics.append(
                    Diagnostic(
                        "MESH321",
                        f"{type(policy).__name__} cannot share out port {opaque[0].number} of {place_text(place)},"
                        " which is not HTTP",
                        policy.origin,
                        "subject",
                        reason="connections of that port would go to any version",
                        help=f'attach it to the HTTP port: service.route("…", port={_first_http(ports)})',
                    )
                )

    def _check_grpc_retries(self, service: inventory.Service, ports: tuple[Port, ...]) -> None:
        """Every gRPC call is a POST, which a Retry leaves alone unless it names it."""
        place = place_of(service)
        http = [port for port in ports if port.is_http]
        for where in (
            place,
            *((*place, route.name) for route in self._attachments.attached_routes((place[0], place[1]))),
        ):
            retry = self._attachments.own(traffic.Retry, where)
            route = self._attachments.routes[place[0], place[1]][where[2]] if len(where) > 2 else None
            meant = [port for port in http if route is None or route.port in (None, port.number)]
            if retry is None or not retry.attempts or not meant or any(p.protocol is not Protocol.GRPC for p in meant):
                continue
            if retry.methods is None or (retry.methods != "any" and "POST" not in retry.methods):
                self._attachments.diagnostics.append(
                    Diagnostic(
                        "MESH322",
                        f"Retry retries nothing: every request to {place_text(where)} is a gRPC call, and so a POST",
                        retry.origin,
                        "methods" if retry.methods else "",
                        reason="without methods, a Retry applies to idempotent methods only, and POST is not one",
                        help='write methods=("POST",) if the calls may be repeated',
                    )
                )

    def _files(self, *parts: Policy | inventory.Service | None) -> tuple[str, ...]:
        return tuple(sorted({self._policies.relative(part.origin.file) for part in parts if part is not None}))


def _first_http(ports: Iterable[Port]) -> int:
    return next(port.number for port in ports if port.is_http)


def _ports(service: inventory.Service) -> tuple[Port, ...]:
    if service.port is not None:
        target = service.target_port if service.target_port is not None else service.port
        return (Port(service.port, "", Protocol(service.protocol), target),)
    return tuple(
        Port(
            port.number,
            port.name or "",
            Protocol(port.protocol),
            port.target if port.target is not None else port.number,
        )
        for port in sorted(service.ports, key=lambda port: port.number)
    )


def _mtls(policy: security.MutualTls | None) -> rights.Mtls | None:
    return rights.Mtls(rights.MtlsMode(policy.mode), source_of(policy)) if policy else None


def _proxy(policy: operation.Proxy | None) -> intent.Proxy | None:
    if policy is None:
        return None
    resources = intent.Resources(
        policy.cpu_request or "", policy.cpu_limit or "", policy.memory_request or "", policy.memory_limit or ""
    )
    enrolled = policy.enrolled
    if enrolled is None and isinstance(policy.subject, inventory.Namespace):
        enrolled = True
    return intent.Proxy(
        enrolled,
        policy.revision or "",
        resources if resources != intent.Resources() else None,
        source_of(policy),
    )


def _breaker(policy: traffic.Breaker | None) -> intent.Breaker | None:
    if policy is None:
        return None
    pool = intent.Pool(
        policy.max_connections, policy.max_pending_requests, policy.max_requests, policy.max_requests_per_connection
    )
    outlier = None
    if policy.consecutive_5xx is not None or policy.consecutive_gateway_errors is not None:
        outlier = intent.Outlier(
            policy.consecutive_5xx,
            policy.consecutive_gateway_errors,
            milliseconds(policy.interval),
            milliseconds(policy.base_ejection_time),
            policy.max_ejection_percent,
        )
    return intent.Breaker(pool if pool != intent.Pool() else None, outlier, source_of(policy))
