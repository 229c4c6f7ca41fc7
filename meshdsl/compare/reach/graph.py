"""``meshdsl.graph``: the services of a plan, and who is allowed by name to call whom.

An edge is an ``Allow`` that names the caller and lets it make some request, after every ``Deny``. Nothing is invented:
a service that is open, or that lets everyone in the mesh in, says so at its node, and has no edge from everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from meshdsl.compare.access.callers import ANOTHER
from meshdsl.compare.access.model import AccessReason, account
from meshdsl.compare.reach.answers import AccessRow, Reach
from meshdsl.compare.reach.matrix import Column, column_of
from meshdsl.compare.reach.report import AccessReport
from meshdsl.compare.reach.service import ServiceView, reason_of_source
from meshdsl.compare.reach.who import Names
from meshdsl.compiler import Bundle
from meshdsl.plan.intent import Plan, Service
from meshdsl.plan.rights import Account, Allow, MtlsMode

NodeKind = Literal["service", "account", "namespace"]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A service, or a caller that is none: a bare service account, or every account of a namespace.

    Attributes:
        key: unique in the graph: ``"prod/api"``, ``"account:ingress/gateway"``, ``"prod/*"``.
        namespace: that it is in.
        name: there; ``"*"`` for every account.
        kind: what it is.
        service: its intent, with versions and routes; None for what is no service.
        mtls: the mode that holds for it; None if no policy says.
        open_to: ``"everyone"`` (callers outside the mesh too), ``"the mesh"``, or empty where callers must be named.
        open_reach: whether that is for every request or for some.
        open_because: what opens it.
        is_kept_out: it is kept out of the mesh, has no identity and refuses nobody.
    """

    key: str
    namespace: str
    name: str
    kind: NodeKind
    service: Service | None = None
    mtls: MtlsMode | None = None
    open_to: str = ""
    open_reach: Reach = Reach.NONE
    open_because: tuple[AccessReason, ...] = ()
    is_kept_out: bool = False


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """Somebody who is allowed by name to call a service.

    Attributes:
        caller: key of the calling node.
        service: key of the called one.
        reach: every request, or some.
        rows: which requests.
        because: the policies that name it.
    """

    caller: str
    service: str
    reach: Reach
    rows: tuple[AccessRow, ...] = ()
    because: tuple[AccessReason, ...] = ()


@dataclass(frozen=True, slots=True)
class MeshGraph:
    """Services and declared calls, in a fixed order.

    Attributes:
        name: of the policy set.
        nodes: by namespace and name.
        edges: by caller and service.
    """

    name: str
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]

    def of_namespace(self, namespace: str) -> MeshGraph:
        """What is in a namespace, and who is connected with it by an edge."""
        return self._around({node.key for node in self.nodes if node.namespace == namespace})

    def of_service(self, key: str) -> MeshGraph:
        """A service, who may call it, and whom it may call."""
        return self._around({key})

    def _around(self, middle: set[str]) -> MeshGraph:
        edges = tuple(edge for edge in self.edges if middle & {edge.caller, edge.service})
        kept = middle | {key for edge in edges for key in (edge.caller, edge.service)}
        return replace(self, nodes=tuple(node for node in self.nodes if node.key in kept), edges=edges)


def graph(of: Bundle | Plan, *, namespace: str | None = None, service: str | None = None) -> MeshGraph:
    """Services, canaries and declared calls.

    Args:
        of: what :func:`meshdsl.build` returns, or the plan of it, ``bundle.plan``.
        namespace: only what is in it, with whom it is connected; everything if None.
        service: only this service ``"prod/api"``, who may call it, and whom it may call.

    Raises:
        ConfigError: there is no such namespace or service.

    Example:
        >>> [f"{edge.caller} → {edge.service}" for edge in meshdsl.graph(bundle).edges]
        ['prod/web → prod/api']
    """
    plan = of.plan if isinstance(of, Bundle) else of
    whole = _Drawing(plan).graph()
    names = AccessReport(plan).names
    if namespace is not None:
        whole = whole.of_namespace(names.namespace(namespace))
    if service is not None:
        whole = whole.of_service(names.service(service))
    return whole


class _Drawing:
    """Collects nodes and edges of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        report = AccessReport(plan)
        self._names: Names = report.names
        self._columns = {name: column_of(ServiceView(name, one)) for name, one in report.services.items()}
        self._nodes: dict[str, GraphNode] = {}
        self._edges: dict[tuple[str, str], GraphEdge] = {}

    def graph(self) -> MeshGraph:
        for service in self._plan.services:
            self._nodes[str(service)] = self._node(service, self._columns[str(service)])
        for service in self._plan.services:
            if not self._nodes[str(service)].is_kept_out:
                self._calls(service)
        nodes = sorted(self._nodes.values(), key=lambda node: (node.namespace, node.kind != "service", node.name))
        return MeshGraph(self._plan.set_name, tuple(nodes), tuple(edge for _, edge in sorted(self._edges.items())))

    def _node(self, service: Service, column: Column) -> GraphNode:
        name = str(service)
        node = GraphNode(name, service.namespace, service.name, "service", service, service.effective_mtls)
        node = replace(node, is_kept_out=name in self._names.kept_out)
        for who, cell in (("everyone", column.plain), ("the mesh", column.others)):
            if cell.reach is not Reach.NONE:
                return replace(node, open_to=who, open_reach=cell.reach, open_because=cell.because)
        return node

    def _calls(self, service: Service) -> None:
        for allow in service.access.allow:
            for one in allow.callers.accounts:
                identity = account(one.namespace, one.name)
                for key in self._callers(one.namespace, one.name):
                    self._edge(key, service, allow, identity)
            for namespace in allow.callers.namespaces:
                key = f"{namespace}/*"
                self._nodes.setdefault(key, GraphNode(key, namespace, "*", "namespace"))
                self._edge(key, service, allow, account(namespace, ANOTHER))

    def _callers(self, namespace: str, name: str) -> Iterable[str]:
        """The nodes that have an account: services in the mesh, or itself."""
        known = [str(one) for one in self._plan.callers.get(Account(namespace, name), ())]
        found = [key for key in known if key not in self._names.kept_out]
        if found:
            return found
        key = f"account:{namespace}/{name}"
        self._nodes.setdefault(key, GraphNode(key, namespace, name, "account"))
        return [key]

    def _edge(self, caller: str, service: Service, allow: Allow, identity: str) -> None:
        column = self._columns[str(service)]
        cell = column.of(identity)
        if cell.reach is Reach.NONE:  # a Deny takes all of it away
            return
        key = (caller, str(service))
        before = self._edges.get(key)
        reason = reason_of_source(allow.source)
        because = (*(before.because if before else ()), reason)
        rows = before.rows if before else tuple(self._rows(column.view, identity))
        self._edges[key] = GraphEdge(caller, str(service), cell.reach, rows, tuple(dict.fromkeys(because)))

    def _rows(self, view: ServiceView, identity: str) -> Iterator[AccessRow]:
        yield from view.rows(self._names, view.bit_of(identity))
