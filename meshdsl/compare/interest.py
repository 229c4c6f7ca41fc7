"""What of a cluster plays a part in a comparison, and how much of it: all else need not be kept.

A cluster has far more objects than a policy set writes, and most of each is what a comparison never looks at. So every
object is looked at once, when it comes, and then kept as it is (ours, in part or in the way), kept without what its
server and its tools wrote (what others have that says who may call what, or that leads requests), or forgotten. It
must not know where objects come from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from meshdsl.compare.delegation import is_driver
from meshdsl.compare.live import LiveObject
from meshdsl.compare.normalise import (
    LAST_APPLIED,
    annotations_of,
    key_of,
    key_of_ref,
    labels_of,
    list_of,
    mapping_of,
    metadata_of,
    text_of,
)
from meshdsl.compare.ownership import MANAGER
from meshdsl.compare.pods import POD
from meshdsl.manifest import MANAGED_BY, Manifest

_ACCESS_KINDS: Final = frozenset(
    {
        "AuthorizationPolicy",
        "Gateway",
        "MeshTLSAuthentication",
        "Namespace",
        "NetworkAuthentication",
        "PeerAuthentication",
        "RequestAuthentication",
        "Server",
        "ServerAuthorization",
        "Service",
    }
)
"""Kinds that say who may call what, whoever has written them."""

_ROUTE_KINDS: Final = frozenset({"DestinationRule", "GRPCRoute", "HTTPRoute", "TrafficSplit", "VirtualService"})
"""Kinds that lead requests to Services and versions, whoever has written them: one of these may go missing."""


class Interest:
    """What a comparison with some manifests needs of an object; called with each."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        """The manifests that would be there."""
        self._refs = frozenset(key_of_ref(one.ref) for one in manifests)

    def __call__(self, live: LiveObject) -> LiveObject | None:
        """The object, or what is needed of it; None if it plays no part."""
        if self._is_ours_somehow(live):
            return live
        kind = live.get("kind")
        if kind == POD.kind:
            metadata: dict[str, Any] = {n: v for n, v in metadata_of(live).items() if n in _OF_A_POD}
            return {"apiVersion": live.get("apiVersion"), "kind": kind, "metadata": metadata}
        if kind in _ROUTE_KINDS and not _hangs_on_a_server(live):
            return _leading(live)
        if kind in _ACCESS_KINDS or kind in _ROUTE_KINDS or is_driver(live):
            return _bare(live)
        return None

    def _is_ours_somehow(self, live: LiveObject) -> bool:
        """Whether it bears the name of an object of ours, or our label, or fields that our manager set."""
        if key_of(live) in self._refs or labels_of(live).get(MANAGED_BY) == MANAGER:
            return True
        entries = list_of(metadata_of(live).get("managedFields"))
        return any(text_of(mapping_of(entry).get("manager")).partition("/")[0] == MANAGER for entry in entries)


def _hangs_on_a_server(live: LiveObject) -> bool:
    """Whether rules of Linkerd about requests hang on a route."""
    parents = list_of(mapping_of(live.get("spec")).get("parentRefs"))
    return any(mapping_of(parent).get("kind") == "Server" for parent in parents)


_WHERE_TO: Final = ("host", "backends", "hosts", "gateways", "parentRefs")


def _leading(live: LiveObject) -> LiveObject:
    """A route, or the rule of a destination, with nothing but what it leads to (``meshdsl.compare.risk_order``)."""
    metadata = {name: value for name, value in metadata_of(live).items() if name in ("name", "namespace")}
    spec = mapping_of(live.get("spec"))
    needed: dict[str, Any] = {name: spec[name] for name in _WHERE_TO if name in spec}
    if "subsets" in spec:
        needed["subsets"] = [{"name": mapping_of(one).get("name")} for one in list_of(spec["subsets"])]
    if "http" in spec:
        needed["http"] = [_part(one, ("route", "mirrors"), "destination") for one in list_of(spec["http"])]
    if "rules" in spec:
        needed["rules"] = [_rule(one) for one in list_of(spec["rules"])]
    return {"apiVersion": live.get("apiVersion"), "kind": live.get("kind"), "metadata": metadata, "spec": needed}


def _rule(rule: Any) -> dict[str, Any]:
    """A rule of a route of the Gateway API."""
    there = mapping_of(rule)
    found = _part(there, ("filters",), "requestMirror")
    return {**found, "backendRefs": there["backendRefs"]} if "backendRefs" in there else found


def _part(entry: Any, lists: Iterable[str], name: str) -> dict[str, Any]:
    """Of some lists of an entry, one field of each item that has it."""
    found: dict[str, Any] = {}
    for which in lists:
        items = [{name: item[name]} for item in list_of(mapping_of(entry).get(which)) if name in mapping_of(item)]
        if items:
            found[which] = items
    return found


_OF_A_POD: Final = frozenset({"name", "namespace", "labels"})


def _bare(live: LiveObject) -> LiveObject:
    """An object of others without status, and without what tells who wrote which field."""
    metadata = {name: value for name, value in metadata_of(live).items() if name != "managedFields"}
    annotations = annotations_of(live)
    if LAST_APPLIED in annotations:
        metadata["annotations"] = {name: value for name, value in annotations.items() if name != LAST_APPLIED}
    return {name: metadata if name == "metadata" else value for name, value in live.items() if name != "status"}
