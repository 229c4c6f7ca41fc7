"""What of a plan is not told where a kind could not be read: the parts that its objects tell, and nothing else.

A VirtualService tells how requests go and nothing of callers; so of a cluster that does not show its access policies,
the weights of a canary can still be told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from meshdsl.compare.live import Unknown
from meshdsl.compare.policy_words import listed
from meshdsl.compare.readback.draft import Doubt, Facet
from meshdsl.plan.intent import Plan
from meshdsl.targets.base import TargetName

_WORKLOADS: Final = dict.fromkeys(("DaemonSet", "Deployment", "StatefulSet"), (Facet.PROXY,))
_DRIVERS: Final = {"Canary": (Facet.RULES,), "Rollout": (Facet.RULES,)}
_LINKERD_ACCESS: Final = ("AuthorizationPolicy", "MeshTLSAuthentication", "NetworkAuthentication", "Server")
_TELLS: Final[Mapping[TargetName, Mapping[str, tuple[Facet, ...]]]] = {
    "istio": {
        **_WORKLOADS,
        **_DRIVERS,
        "Namespace": (Facet.PROXY,),
        "AuthorizationPolicy": (Facet.ACCESS,),
        "PeerAuthentication": (Facet.MTLS,),
        "DestinationRule": (Facet.BREAKER,),
        "VirtualService": (Facet.RULES,),
    },
    "ambient": {
        **_WORKLOADS,
        **_DRIVERS,
        "Namespace": (Facet.PROXY,),
        "AuthorizationPolicy": (Facet.ACCESS,),
        "PeerAuthentication": (Facet.MTLS,),
        "DestinationRule": (Facet.BREAKER,),
        "Gateway": (Facet.PROXY,),
        "HTTPRoute": (Facet.RULES,),
        "Service": (Facet.RULES,),
    },
    "linkerd": {
        **_WORKLOADS,
        **_DRIVERS,
        **dict.fromkeys(_LINKERD_ACCESS, (Facet.ACCESS, Facet.MTLS)),
        "Namespace": (Facet.ACCESS, Facet.MTLS, Facet.PROXY),
        "HTTPRoute": (Facet.RULES, Facet.ACCESS),
        "Service": (Facet.RULES, Facet.BREAKER),
        "TrafficSplit": (Facet.RULES,),
    },
}
WORDS: Final[Mapping[Facet, str]] = {
    Facet.RULES: "routes",
    Facet.BREAKER: "breakers",
    Facet.ACCESS: "access rules",
    Facet.MTLS: "mTLS modes",
    Facet.PROXY: "enrolment",
}


def withheld(unknown: Iterable[Unknown], mesh: TargetName) -> tuple[frozenset[Doubt], str]:
    """What is not told, and the sentence that says so and why.

    Args:
        unknown: what could not be read.
        mesh: that reads the objects.

    Returns:
        Pairs of a namespace (empty for all) and a part, with an empty name; and the sentence, empty if there are none.
    """
    found: dict[tuple[str, Facet], None] = {}
    why: list[str] = []
    for one in unknown:
        facets = _TELLS[mesh].get(one.scope.kind.kind, ())
        found |= dict.fromkeys((one.scope.namespace, facet) for facet in facets)
        why += [str(one.scope)] if facets else []
    if not found:
        return frozenset(), ""
    everywhere = {facet for namespace, facet in found if not namespace}
    parts: list[str] = [] if everywhere != set(Facet) else ["policies"]
    if not parts:
        parts += [WORDS[facet] for facet in Facet if facet in everywhere]
        for namespace in sorted({namespace for namespace, _ in found if namespace}):
            here = [WORDS[facet] for facet in Facet if (namespace, facet) in found and facet not in everywhere]
            parts += [f"{listed(tuple(here))} of {namespace}"] if here else []
    more = f" and {len(why) - 1} more" if len(why) > 1 else ""
    note = f"{listed(tuple(parts))} are not compared: {why[0]}{more} could not be read"
    return frozenset((namespace, "", facet) for namespace, facet in found), note


def spread(doubts: Collection[Doubt], *plans: Plan) -> frozenset[Doubt]:
    """Doubts about whole namespaces, or all of them, as doubts about each namespace and service, too."""
    found = set(doubts)
    for plan in plans:
        names = [(service.namespace, service.name) for service in plan.services]
        names += [(namespace.name, "") for namespace in plan.namespaces]
        found |= {(space, name, facet) for at, _, facet in doubts for space, name in names if at in ("", space)}
    return frozenset(found)
