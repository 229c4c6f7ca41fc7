"""What all formats of ``meshdsl graph`` share: the words of nodes, edges and namespaces."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Literal

from meshdsl.compare.access.model import AccessReason
from meshdsl.compare.reach.answers import Reach
from meshdsl.compare.reach.graph import GraphEdge, GraphNode, MeshGraph
from meshdsl.plan.intent import Service
from meshdsl.plan.requests import Match
from meshdsl.report.access_words import requests
from meshdsl.report.finding import at, shown
from meshdsl.report.words import backends_words, match_words

GraphFormat = Literal["mermaid", "dot", "svg"]

_LONGEST = 60
"""Characters of an edge's label; what is longer is said as "some requests"."""


def title(node: GraphNode) -> str:
    """The name of a node in its namespace."""
    if node.kind == "namespace":
        return "every account"
    return node.name if node.kind == "service" else f"account {node.name}"


def versions(service: Service, *, whole: bool = False) -> Iterator[str]:
    """How requests are divided among versions, a line for each way.

    A route that goes where everything goes is not told: the table of a service is ``meshdsl explain``'s.

    Args:
        service: its intent.
        whole: every condition that leads to a way; else the plainest, and how many more there are.
    """
    found: dict[str, list[Match]] = {}
    for port in service.ports:
        for rule in port.rules:
            divided = len(rule.backends) > 1 or any(one.version for one in rule.backends)
            if rule.redirect is None and divided:
                shares = backends_words(rule.backends).removeprefix("version ")
                found.setdefault(shares, []).append(rule.match)
    said = [(_ways(matches, whole=whole), shares) for shares, matches in found.items()]
    for words, shares in sorted(said, key=lambda item: (bool(item[0]), item)):
        yield f"{words}: {shares}" if words else shares


def _ways(matches: Collection[Match], *, whole: bool) -> str:
    """The conditions of a way, the plainest first, without those that are part of another; empty for every request."""
    wheres = {_where(one) for one in matches if not any(_is_part(one, other) for other in matches)}
    first, *more = sorted(wheres, key=lambda words: (len(words), words))
    if whole:
        return "; or ".join([first, *more])
    return f"{first}, and {len(more)} more" if more else first


def _is_part(one: Match, whole: Match) -> bool:
    """Whether what matches one plainly matches the other, too, and there is more of that."""
    return (
        one != whole
        and whole.path in (None, one.path)
        and whole.method in (None, one.method)
        and set(whole.headers) <= set(one.headers)
        and set(whole.query) <= set(one.query)
    )


def _where(match: Match) -> str:
    return "" if match.is_any else match_words(match).replace("header ", "")


def modes(graph: MeshGraph, namespace: str) -> tuple[str, ...]:
    """What a namespace's services say of mTLS: one word if they agree, and then no node says it again."""
    return tuple(sorted({_mode(node) for node in graph.nodes if node.namespace == namespace and node.service}))


def _mode(node: GraphNode) -> str:
    return f"mTLS {node.mtls}" if node.mtls else "mTLS as the mesh has it"


def heading(graph: MeshGraph, namespace: str) -> str:
    """The name of a namespace, with its mode of mTLS if there is one for all its services."""
    found = modes(graph, namespace)
    return f"{namespace} · {found[0]}" if len(found) == 1 else namespace


def lines(graph: MeshGraph, node: GraphNode, *, whole: bool = False) -> list[str]:
    """What is said of a node under its name; for ``whole``, see :func:`versions`."""
    if node.service is None:
        return []
    said = list(versions(node.service, whole=whole))
    if node.is_kept_out:
        said.append("kept out of the mesh")
    elif node.open_to:
        said.append(f"open to {node.open_to}" + (" for some requests" if node.open_reach is Reach.SOME else ""))
    if len(modes(graph, node.namespace)) > 1:
        said.append(_mode(node))
    return said


def label(edge: GraphEdge) -> str:
    """Which requests an edge is about; empty for all of them."""
    if edge.reach is Reach.ALL:
        return ""
    words = "; ".join(map(requests, edge.rows))
    return words if len(words) <= _LONGEST else "some requests"


def tooltip(edge: GraphEdge, base: str) -> str:
    """An edge with its requests and the policies that name the caller."""
    what = "everything" if edge.reach is Reach.ALL else "; ".join(map(requests, edge.rows))
    return f"{edge.caller} → {edge.service}: {what} ({places(edge.because, base)})"


def places(reasons: Iterable[AccessReason], base: str) -> str:
    """Where policies stand."""
    where = (at(shown(one.origin.file, base), one.origin.line) for one in reasons if one.origin is not None)
    return ", ".join(dict.fromkeys(where))


def namespaces(graph: MeshGraph) -> list[str]:
    """The namespaces of a graph, in order."""
    return sorted({node.namespace for node in graph.nodes})
