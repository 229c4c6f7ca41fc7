"""Where the access rules of a service are applied, and what keeps anyone from going past them.

ztunnel reads policies with a ``selector``, at the pod, and knows identities and ports alone. A waypoint reads policies
with ``targetRefs`` that name the Service, and knows requests. Neither reads the other's. So a service has its rules in
one place, whole: at ztunnel if they need no more, in the waypoint if anything of the service needs one.

* An L7 rule never has a ``selector``: ztunnel drops an ALLOW and, worse, lets everything past a DENY (measured).
* Behind a waypoint ztunnel sees the waypoint's identity in place of the caller's. So a rule of identities never has a
  ``selector`` there, and the fence stands in its place: the pods take requests from the waypoint. It also opens for
  the waypoint a namespace that is closed by default.
* Whoever may make any request on a port, with no deny beside it, needs no waypoint to be judged. The fence lets such
  callers in directly as well: one outside the mesh cannot come through the waypoint, and a scraper calls the pods.
* Kubelet probes come from a link-local address that istio-cni keeps away from ztunnel; the fence does not see them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from meshdsl.diagnostics import Origin
from meshdsl.manifest import Manifest, ObjectRef, Phase, manifest
from meshdsl.plan.intent import Plan, Service
from meshdsl.plan.rights import Allow
from meshdsl.targets.ambient.waypoint import is_fenced, needs_waypoint, waypoint_name, waypoint_principal
from meshdsl.targets.istio import authorization_policy
from meshdsl.targets.istio.access_checks import closed_by_the_mesh, rules_of
from meshdsl.values import Json

if TYPE_CHECKING:
    from meshdsl.targets.ambient.target import Ambient


def policies(service: Service, target: Ambient, plan: Plan) -> Iterator[Manifest]:
    """The AuthorizationPolicies of a service: denies, allows, and the fence."""
    if closed_by_the_mesh(service, plan, target.root_namespace):
        return  # a selector in the root namespace would reach into every other one
    in_waypoint = needs_waypoint(service)
    attachment = target_refs(service) if in_waypoint else authorization_policy.selector(service)
    ports_of = authorization_policy.service_ports if in_waypoint else authorization_policy.workload_ports
    if service.access.deny:
        yield authorization_policy.deny_policy(service, target, plan, attachment=attachment, ports_of=ports_of)
    if service.access.closed:
        yield authorization_policy.allow_policy(service, target, plan, attachment=attachment, ports_of=ports_of)
    if is_fenced(service):
        yield fence(service, target, plan)


def target_refs(service: Service) -> dict[str, Json]:
    """The attachment to a Service at its waypoint."""
    return {"targetRefs": [{"group": "", "kind": "Service", "name": service.name}]}


def fence_name(service: Service) -> str:
    """The name of the fence. No Service has a dot in its name, so that none can want this one for its own rules."""
    return f"{service.name}.fence"


def fence(service: Service, target: Ambient, plan: Plan) -> Manifest:
    """The policy by which ztunnel lets nobody past the waypoint who must be judged there."""
    principal = waypoint_principal(target.trust_domain, service.namespace, waypoint_name(target.waypoint))
    rules: list[Json] = [{"from": [{"source": {"principals": [principal]}}]}]
    rules += [
        authorization_policy.rule(allow, service, target, authorization_policy.workload_ports)
        for allow in allowed_past(service)
    ]
    origins: dict[Origin, None] = {r.source.origin: None for r in rules_of(service) if r.source.origin is not None}
    return manifest(
        ObjectRef(authorization_policy.API_VERSION, "AuthorizationPolicy", service.namespace, fence_name(service)),
        Phase.ACCESS,
        plan.set_name,
        content={"spec": {**authorization_policy.selector(service), "action": "ALLOW", "rules": rules}},
        owner=(service.namespace, service.name),
        origins=tuple(origins),
    )


def allowed_past(service: Service) -> tuple[Allow, ...]:
    """The rules that ztunnel can judge by itself: they look at no request, and no deny takes something back."""
    if service.access.deny:
        return ()
    return tuple(allow for allow in service.access.allow if not allow.is_http)
