"""Graphs: nothing is invented, every name is shown as it is, and the same graph is always drawn the same."""

from __future__ import annotations

import re
from html import unescape
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import meshdsl
from meshdsl import (
    Allow,
    Anyone,
    Canary,
    Cookie,
    DefaultDeny,
    Deny,
    Header,
    MutualTls,
    Namespace,
    Proxy,
    Query,
    Route,
    Service,
    ServiceAccount,
    Timeout,
    all_of,
    any_of,
    compiler,
)
from meshdsl.compare.reach.answers import AccessRow, Reach
from meshdsl.compare.reach.graph import GraphEdge, GraphNode, MeshGraph
from meshdsl.report.escape import one_line
from meshdsl.report.graph_layers import layers, ordered
from meshdsl.report.graph_layout import Box, layout
from meshdsl.report.graph_report import graph_report

prod, test = Namespace("prod"), Namespace("test")
web, api, db = (
    Service("web", prod, port=80),
    Service("api", prod, port=80, versions=("v1", "v2")),
    Service("db", test, port=80),
)
SVG = "{http://www.w3.org/2000/svg}"


def graph_of(*policies: object) -> MeshGraph:
    """The graph of a small inventory."""
    return meshdsl.graph(compiler.meaning(meshdsl.PolicySet((web, api, db, *policies)), "test"))  # type: ignore[arg-type]


def edges(graph: MeshGraph) -> list[tuple[str, str, str]]:
    """The edges in short."""
    return [(edge.caller, edge.service, edge.reach.value) for edge in graph.edges]


def test_an_edge_is_an_allow_that_names_the_caller_and_nothing_else_is_one() -> None:
    graph = graph_of(
        DefaultDeny(prod),
        Allow(api, callers=(web,), methods=("GET",)),
        Allow(api, callers=(ServiceAccount("ci", "robot"),)),
        Allow(web, callers=(test,)),
        Allow(web, callers=Anyone.in_mesh()),
    )
    assert edges(graph) == [
        ("account:ci/robot", "prod/api", "all"),
        ("prod/web", "prod/api", "some"),
        ("test/*", "prod/web", "all"),
    ]
    opened = {node.key: node.open_to for node in graph.nodes if node.open_to}
    assert opened == {"prod/web": "the mesh", "test/db": "everyone"}


def test_an_allow_that_a_deny_takes_away_is_no_edge() -> None:
    assert edges(graph_of(Allow(api, callers=(web, db)), Deny(api, callers=(web,)))) == [("test/db", "prod/api", "all")]


def test_services_that_share_an_account_both_call() -> None:
    shared = [Service(name, prod, port=80, service_account="robot") for name in ("one", "two")]
    graph = graph_of(*shared, Allow(api, callers=(shared[0],)))
    assert edges(graph) == [("prod/one", "prod/api", "all"), ("prod/two", "prod/api", "all")]


def test_who_is_kept_out_of_the_mesh_is_marked() -> None:
    (node,) = [node for node in graph_of(Proxy(db, enrolled=False)).nodes if node.key == "test/db"]
    assert node.is_kept_out


def test_versions_modes_and_openness_are_said() -> None:
    graph = graph_of(Canary(api, stable="v1", canary="v2", percent=12.5), MutualTls(web, mode="strict"))
    text = graph_report("mermaid", graph, "/")
    assert "v1 87.5 %, v2 12.5 %" in text
    assert "open to everyone" in text
    assert "open to the mesh" in text
    assert "mTLS strict" in text
    assert "mTLS as the mesh has it" in text


def test_a_part_of_a_graph_has_what_is_connected_with_it() -> None:
    whole = graph_of(Allow(api, callers=(web,)), Allow(db, callers=(api,)))
    assert [node.key for node in whole.of_service("prod/web").nodes] == ["prod/api", "prod/web"]
    assert edges(whole.of_namespace("test")) == [("prod/api", "test/db", "all")]
    assert [node.key for node in whole.of_namespace("test").nodes] == ["prod/api", "test/db"]


# ------------------------------------------------------------------------------------------------------------- escaping

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@st.composite
def odd_graphs(draw: st.DrawFn) -> MeshGraph:
    """Graphs whose names, paths and headers hold whatever somebody may have written."""
    names = draw(st.lists(NAMES, min_size=2, max_size=4, unique=True))
    nodes = tuple(GraphNode(f"a/{name}", draw(st.sampled_from(["a", 'b"]', "<c>"])), name, "account") for name in names)
    row = AccessRow(nodes[0].key, (nodes[1].key,), paths=(draw(NAMES),), conditions=(draw(NAMES),))
    return MeshGraph(draw(NAMES), nodes, (GraphEdge(nodes[1].key, nodes[0].key, Reach.SOME, (row,)),))


@settings(deadline=None)
@given(odd_graphs())
@example(MeshGraph("\ufffe", (GraphNode("a/\uffff", "\ufffe", "\uffff", "account"),), ()))
def test_svg_shows_every_name_and_stays_xml(graph: MeshGraph) -> None:
    root = ET.fromstring(graph_report("svg", graph, "/"))
    shown = {one.text for one in root.iter(f"{SVG}text") if one.get("class") == "name"}
    assert shown == {
        f"account {one_line(node.name)}".replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
        for node in graph.nodes
    }
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {"svg", "title", "style", "rect", "text", "g", "path"}


@settings(deadline=None)
@given(odd_graphs())
def test_dot_strings_end_where_they_should(graph: MeshGraph) -> None:
    text = graph_report("dot", graph, "/")
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    rest = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    assert re.fullmatch(r"[-\w\s{}\[\];=,.>]*", rest, re.ASCII)
    labels = {one.replace('\\"', '"').replace("\\\\", "\\") for one in strings}
    assert {f"account {one_line(node.name)}" for node in graph.nodes} <= labels


@settings(deadline=None)
@given(odd_graphs())
def test_mermaid_labels_hold_nothing_that_ends_or_formats_them(graph: MeshGraph) -> None:
    text = graph_report("mermaid", graph, "/")
    labels = re.findall(r'"([^"\n]*)"', text)
    for label in labels:
        assert not re.search(r'[<>"`*_\[\](){}|\\]', label.replace("<br/>", "").replace("_", ""))
    decoded = {unescape(re.sub(r"#(\d+);", r"&#\1;", one)) for one in labels}
    # Some numbers are no characters of HTML; they are shown as one_line shows them, and never come here.
    assert {f"account {one_line(node.name)}" for node in graph.nodes if node.name.isascii()} <= decoded
    assert len(text.splitlines()) == 1 + 2 * len({node.namespace for node in graph.nodes}) + len(graph.nodes) + 1


# --------------------------------------------------------------------------------------------------------------- layout

GRAPHS = st.integers(2, 14).flatmap(
    lambda size: st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=30).map(
        lambda pairs: (size, pairs)
    )
)


def drawn(size: int, pairs: list[tuple[int, int]]) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """Groups and edges of a graph."""
    names = [f"n{index:02}" for index in range(size)]
    groups = {f"g{group}": names[group::3] for group in range(3) if names[group::3]}
    return groups, [(names[a], names[b]) for a, b in pairs]


def apart(boxes: list[Box]) -> bool:
    """Whether no two boxes overlap."""
    return all(
        a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y + 0.01 or b.y + b.height <= a.y + 0.01
        for index, a in enumerate(boxes)
        for b in boxes[:index]
    )


def labels(picture: str) -> list[tuple[str, Box]]:
    """The words beside the edges of a picture, and about where they are."""
    found = []
    for one in ET.fromstring(picture).iter(f"{SVG}text"):
        if one.get("class") == "label":
            words, x, y = one.text or "", float(one.get("x", 0)), float(one.get("y", 0))
            width = 5.6 * len(words)
            found.append((words, Box(x - width if one.get("text-anchor") == "end" else x, y - 8, width, 10)))
    return found


def test_words_beside_edges_do_not_lie_on_each_other() -> None:
    callers = [Service(name, prod, port=80) for name in ("cron", "worker")]
    given_ = [
        Allow(api, callers=(web,), methods=("GET", "POST"), paths=("/catalog/*", "/checkout")),
        Allow(api, callers=(callers[0],), methods=("GET",)),
        Allow(api, callers=(callers[1],), methods=("GET",), paths=("/items",)),
        Allow(api, callers=(db,), methods=("PUT",)),
    ]
    found = labels(graph_report("svg", graph_of(*callers, *given_), "/"))
    assert {"GET", "GET /items", "PUT"} <= {words for words, _ in found}
    assert apart([box for _, box in found])


def test_words_that_edges_into_a_service_have_in_common_are_written_once() -> None:
    cron = Service("cron", prod, port=80)
    picture = graph_report("svg", graph_of(cron, Allow(api, callers=(web, cron), methods=("GET",))), "/")
    assert [words for words, _ in labels(picture)] == ["GET"]


ASKED = any_of(Header("x-canary", "true"), Cookie("canary", "yes"), all_of(Header("x-team", "a"), Query("debug", "1")))


@pytest.mark.parametrize("format", ["mermaid", "dot", "svg"])
def test_a_canary_that_several_conditions_lead_to_says_how_many_there_are(format: str) -> None:
    canary = Canary(api, stable="v1", canary="v2", percent=10, when=ASKED)
    graph = graph_of(
        canary, Timeout(Route(api, name="slow", path="/slow"), request="9s")
    )  # its routes ask for the same once more
    text = unescape(graph_report(format, graph, "/").replace("#61;", "="))  # type: ignore[arg-type]
    assert "x-canary = true, and 2 more: v2" in text


@pytest.mark.parametrize("format", ["dot", "svg"])
def test_what_a_pointer_shows_has_every_condition(format: str) -> None:
    graph = graph_of(Canary(api, stable="v1", canary="v2", percent=10, when=ASKED))
    text = unescape(graph_report(format, graph, "/"))  # type: ignore[arg-type]
    assert re.search(r"x-canary = true; or x-team[^\n]*; or cookie[^\n]*: v2", text)


@settings(deadline=None)
@given(GRAPHS)
def test_no_box_lies_on_another_and_no_call_leads_through_a_service_that_it_is_not_about(
    given_: tuple[int, list[tuple[int, int]]],
) -> None:
    groups, pairs = drawn(*given_)
    sizes = {name: (60.0 + 5 * index, 30.0) for index, name in enumerate(sorted(n for g in groups.values() for n in g))}
    found = layout(groups, sizes, pairs, dict.fromkeys(groups, 90.0))
    assert apart(list(found.nodes.values()))
    assert apart(list(found.groups.values()))
    for (caller, service), way in found.ways.items():
        for stop in way:
            low, high = sorted((stop.start, stop.end))
            for name, box in found.nodes.items():
                if name not in (caller, service) and low < high:
                    assert not (box.x < high and low < box.x + box.width and box.y < stop.y < box.y + box.height), name
    for name, group in groups.items():
        outer = found.groups[name]
        for node in group:
            box = found.nodes[node]
            assert outer.x <= box.x
            assert box.x + box.width <= outer.x + outer.width + 0.01
            assert box.y + box.height <= outer.y + outer.height + 0.01


@settings(deadline=None)
@given(GRAPHS, st.randoms(use_true_random=False))
def test_the_order_in_which_edges_come_does_not_matter(
    given_: tuple[int, list[tuple[int, int]]], random: object
) -> None:
    groups, pairs = drawn(*given_)
    sizes = dict.fromkeys((node for nodes in groups.values() for node in nodes), (80.0, 30.0))
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    headings = dict.fromkeys(groups, 10.0)
    assert layout(groups, sizes, pairs, headings) == layout(groups, sizes, shuffled, headings)


def test_calls_go_from_left_to_right_also_round_a_circle() -> None:
    assert layers(["a", "b", "c"], [("a", "b"), ("b", "c"), ("c", "a")]) == [["a"], ["b"], ["c"]]
    assert layers(["a", "b", "c"], [("a", "c"), ("a", "b"), ("b", "c")]) == [["a"], ["b"], ["c"]]
    assert ordered([["a", "b"], ["c", "d"]], [("a", "d"), ("b", "c")]) in (
        [["b", "a"], ["c", "d"]],
        [["a", "b"], ["d", "c"]],
    )


@pytest.mark.parametrize("format", ["mermaid", "dot", "svg"])
def test_a_graph_of_nothing_is_still_one(format: str) -> None:
    assert graph_report(format, MeshGraph("none", (), ()), "/")  # type: ignore[arg-type]
