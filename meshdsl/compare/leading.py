"""What others say of requests to our services, in routes and destinations: on both sides of a difference, and so in no
row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from meshdsl.compare.live import LiveObject
from meshdsl.compare.normalise import key_of, list_of, mapping_of, text_of
from meshdsl.compare.policy_words import listed
from meshdsl.plan.intent import Plan
from meshdsl.targets.base import Target

_ISTIO: Final = frozenset({"DestinationRule", "VirtualService"})
_ROUTES: Final = frozenset({"GRPCRoute", "HTTPRoute"})


def leading(
    objects: Iterable[LiveObject], target: Target, plan: Plan, whose: Callable[[LiveObject], str]
) -> tuple[str, ...]:
    """Sentences about VirtualServices, DestinationRules and routes that are for services of ours.

    Args:
        objects: that would be there.
        target: the mesh that reads them.
        plan: whose services are ours.
        whose: what an object is, as ``is not ours``; empty for those that the policies make.
    """
    ours = {target.fqdn(one.namespace, one.name): str(one) for one in plan.services}
    found = []
    for one in objects:
        _, kind, namespace, name = key_of(one)
        if kind not in (_ROUTES if target.name == "linkerd" else _ROUTES | _ISTIO):
            continue
        words = whose(one)
        services = tuple(dict.fromkeys(_services(one, kind, namespace, target, ours))) if words else ()
        if services:
            found.append(f"{kind} {namespace}/{name} {words} and is for requests to {listed(services)}, too")
    return tuple(sorted(found))


def _services(one: LiveObject, kind: str, namespace: str, target: Target, ours: dict[str, str]) -> Iterator[str]:
    spec = mapping_of(one.get("spec"))
    if kind in _ISTIO:
        gateways, hosts = list_of(spec.get("gateways")), [spec.get("host"), *list_of(spec.get("hosts"))]
        for host in filter(None, map(text_of, hosts if not gateways or "mesh" in gateways else ())):
            if host.startswith("*"):
                yield from (name for full, name in ours.items() if full.endswith(host[1:]))
            else:
                full = host if "." in host else target.fqdn(namespace, host)
                yield from (ours[full],) if full in ours else ()
        return
    for parent in map(mapping_of, list_of(spec.get("parentRefs"))):
        full = target.fqdn(text_of(parent.get("namespace")) or namespace, text_of(parent.get("name")))
        if parent.get("kind") == "Service" and full in ours:
            yield ours[full]
