"""Which risks are not known, because what differs could not be read back into policies.

Of such a part nothing is said in the views of meaning: it is shown as fields. A run that looks at those views alone, or
fails on these risks, must not take that for an answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from meshdsl.compare.readback import Doubt, Facet
from meshdsl.compare.report import Action, ObjectChange, Risk, Untold
from meshdsl.compare.risk import owner
from meshdsl.plan.intent import Plan

_ACCESS_KINDS: Final = frozenset(
    {
        "AuthorizationPolicy",
        "MeshTLSAuthentication",
        "Namespace",
        "NetworkAuthentication",
        "PeerAuthentication",
        "Server",
    }
)
_KINDS: Final[Mapping[Facet, frozenset[str]]] = {
    Facet.RULES: frozenset({"HTTPRoute", "TrafficSplit", "VirtualService"}),
    Facet.BREAKER: frozenset({"DestinationRule", "Service"}),
    Facet.ACCESS: _ACCESS_KINDS | {"HTTPRoute"},
    Facet.MTLS: _ACCESS_KINDS,
}
"""The kinds that tell each part."""

_RISKS: Final[Mapping[Facet, tuple[Risk, ...]]] = {
    Facet.RULES: (Risk.MOVED_TRAFFIC, Risk.REMOVED_TIMEOUT, Risk.UNSAFE_RETRIES),
    Facet.BREAKER: (Risk.REMOVED_BREAKER,),
    Facet.ACCESS: (Risk.WEAKENED_MTLS, Risk.REMOVED_FENCE),
    Facet.MTLS: (Risk.WEAKENED_MTLS,),
}
"""What a change of each part may be. Who may call what is told by the access view, which reads objects by itself."""

_WHAT: Final[Mapping[Facet, str]] = {
    Facet.RULES: "its routes",
    Facet.BREAKER: "its breaker",
    Facet.ACCESS: "its access rules",
    Facet.MTLS: "its mTLS mode",
}


def untold(doubts: Collection[Doubt], changes: Iterable[ObjectChange], plan: Plan) -> tuple[Untold, ...]:
    """The parts that could not be read back and differ.

    Args:
        doubts: what could not be read back.
        changes: the objects that differ.
        plan: of the policies, with the services that objects are named after.
    """
    differing = [one for one in changes if one.action is not Action.CONFLICT]
    return tuple(_found(sorted(doubts), differing, plan))


def _found(doubts: Iterable[Doubt], changes: Collection[ObjectChange], plan: Plan) -> Iterator[Untold]:
    for namespace, name, facet in doubts:
        if facet in _KINDS and any(_is_about(one, namespace, name, facet, plan) for one in changes):
            subject = f"{namespace}/{name}" if name else f"namespace {namespace}" if namespace else "the mesh"
            reason = f"{_WHAT[facet]} cannot be read back, and they differ: only the fields view shows how"
            if facet in (Facet.BREAKER, Facet.MTLS):
                reason = reason.replace("they differ", "it differs")
            yield Untold(subject, _RISKS[facet], reason)


def _is_about(change: ObjectChange, namespace: str, name: str, facet: Facet, plan: Plan) -> bool:
    ref = change.ref
    if ref.kind not in _KINDS[facet]:
        return False
    if not name:
        return not namespace or namespace in (ref.namespace, ref.name)
    service = owner(ref, plan)
    mine = service is not None and (service.namespace, service.name) == (namespace, name)
    return mine or (ref.namespace, ref.name) == (namespace, name)
