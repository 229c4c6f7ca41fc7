"""Fields: what is the same is not shown, what differs is shown as exactly that, and order counts where it means something."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshdsl import compiler
from meshdsl.compare import known
from meshdsl.compare.align import is_moved, pairs
from meshdsl.compare.amounts import Amount, amount, same_amount
from meshdsl.compare.fields import Comparison
from meshdsl.compare.normalise import agrees
from meshdsl.compare.offline import texts
from meshdsl.compare.ownership import Owners
from meshdsl.compare.report import ABSENT, Action, FieldChange
from meshdsl.compare.schema import Found, Schemas
from meshdsl.diagnostics import CompileError, MeshdslError
from tests import golden, oracle
from tests.compare.live import MESHES, bundle, changed, cluster, every_definition, fields, snapshot, stored
from tests.golden import Case
from tests.oracle import crds

NEEDS_CRDS = pytest.mark.skipif(not oracle.available(), reason=f"the CRDs are not at {oracle.FOLDER}")
PAIRS = [pytest.param(case, name, id=f"{case}-{name}") for case in golden.cases() for name in case.targets()]


def compare(ours: Any, live: Any, *, kind: str = "VirtualService", group: str = "networking.istio.io", mesh: str = "istio",
            schema: Any = None) -> list[FieldChange]:  # fmt: skip
    """Two specs of one kind."""
    whole = [
        {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec} for spec in (ours, live)
    ]
    found = Found(schema, closed=True) if schema else Found(known.SCHEMAS.get((group, kind), {}))
    comparison = Comparison(group, kind, mesh, found, Owners(whole[1], partial=False, applied=False))
    comparison.run(*whole)
    return comparison.changes


def shown(found: list[FieldChange]) -> list[tuple[str, Any, Any]]:
    return [(".".join(map(str, one.path)), one.live, one.ours) for one in found]


# -------------------------------------------------------------------------------------------------- the same is the same


@pytest.mark.parametrize(("case", "name"), PAIRS)
def test_a_case_compared_with_itself_has_no_differences(case: Case, name: str) -> None:
    policies = golden.loaded(case)
    if isinstance(policies, MeshdslError):
        return
    try:
        made = compiler.build(policies, case.target(name))
    except CompileError:
        return
    for live in (made, texts(made.files()), cluster(made)):
        report = fields(made, live)
        assert report.objects == ()
        assert report.aside == ()
        assert report.compared == len(made.manifests)
    if oracle.available():
        channel = getattr(made.target, "gateway_api_channel", "experimental")
        assert fields(made, cluster(made, crds=every_definition(channel))).objects == ()


@pytest.mark.parametrize("mesh", MESHES)
def test_views_of_the_same_are_empty(mesh: str) -> None:
    from meshdsl.compare.diff import diff

    made = bundle(mesh)
    for live in (made, texts(made.files()), cluster(made)):
        report = diff(made, live)
        assert report.is_empty
        assert report.risks == ()


@NEEDS_CRDS
@pytest.mark.parametrize("mesh", MESHES)
@pytest.mark.parametrize("live_crds", [True, False])
def test_defaults_are_no_differences(mesh: str, live_crds: bool) -> None:
    """What we leave out and the server fills in, with its schema and with what is known without."""
    made = bundle(mesh)
    definitions = every_definition() if live_crds else None
    schemas = Schemas(every_definition())
    for one in made.manifests:
        group, _, version = one.ref.api_version.rpartition("/")
        bare = _without_defaults(schemas.of(group, one.ref.kind, version).schema, json.loads(json.dumps(one.body)))
        live = stored(one.body, manager="meshdsl")
        found = Schemas(definitions).of(group, one.ref.kind, version)
        comparison = Comparison(group, one.ref.kind, mesh, found, Owners(live, partial=one.partial, applied=False))
        comparison.run(bare, {**live, "metadata": {}} | {"metadata": one.body["metadata"]})
        assert shown(comparison.changes) == []
        assert comparison.foreign == []


def _without_defaults(schema: Any, value: Any) -> Any:
    """A value without the fields that are as the schema would make them."""
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        return {
            name: _without_defaults(parts.get(name, {}), item)
            for name, item in value.items()
            if "default" not in parts.get(name, {}) or parts[name]["default"] != item
        }
    if isinstance(value, list):
        return [_without_defaults(schema.get("items", {}), item) for item in value]
    return value


@NEEDS_CRDS
def test_what_is_known_of_kinds_is_what_their_schemas_say() -> None:
    schemas = Schemas(every_definition())
    for (group, kind), part in known.SCHEMAS.items():
        if group:
            version = "v1beta3" if kind == "Server" else "v1"
            _is_part(part, schemas.of(group, kind, version).schema, kind)


def _is_part(part: Any, whole: Any, path: str) -> None:
    for word, value in part.items():
        if word == "properties":
            for name, inner in value.items():
                _is_part(inner, whole["properties"][name], f"{path}.{name}")
        elif word == "items":
            _is_part(value, whole["items"], f"{path}[]")
        else:
            assert whole.get(word) == value, f"{path}: {word}"


@NEEDS_CRDS
def test_zeros_that_mean_nothing_are_plain_numbers_of_istio() -> None:
    found: dict[str, list[Any]] = {}

    def walk(schema: Any, name: str) -> None:
        found.setdefault(name, []).append(schema)
        for inner, part in schema.get("properties", {}).items():
            walk(part, inner)
        if "items" in schema:
            walk(schema["items"], "")

    for (api, kind), one in crds.folder(crds.ISTIO).items():
        if kind in ("VirtualService", "DestinationRule", "AuthorizationPolicy") and api.endswith("/v1"):
            walk(one.schema, "")
    for name, zero in known._ISTIO_ZEROS.items():
        for schema in found[name]:
            if schema.get("type") in ("object", "array"):
                continue
            assert not schema.get("nullable"), name
            assert schema["enum"][0] == zero if "enum" in schema else zero in (0, False)


# ---------------------------------------------------------------------------------------------------------------- amounts


@given(st.integers(0, 10**7))
def test_durations_are_equal_in_every_form(ms: int) -> None:
    seconds, rest = divmod(ms, 1000)
    minutes, left = divmod(seconds, 60)
    forms = [f"{ms}ms", f"{minutes}m{left}s{rest}ms", f"{seconds}.{rest:03}s", f"{ms * 1000}us"]
    assert {amount(one, Amount.GO) for one in forms} == {amount(f"{ms}ms", Amount.GO)}
    assert not same_amount(f"{ms}ms", f"{ms + 1}ms", Amount.GO)


@given(st.integers(0, 10**9))
def test_quantities_are_equal_in_every_form(number: int) -> None:
    forms = [f"{number}", f"{number * 1000}m", f"{number}.0", f"{number}e0"]
    assert {amount(one, Amount.QUANTITY) for one in forms} == {number}
    assert same_amount(f"{number * 1024}Ki", f"{number}Mi", Amount.QUANTITY)


@pytest.mark.parametrize(
    ("one", "other", "kind", "same"),
    [
        ("60s", "1m0s", Amount.GO, True),
        ("1m30s", "90s", Amount.GATEWAY_API, True),
        ("1.5s", "1500ms", Amount.GATEWAY_API, False),
        ("1m30s", "90s", Amount.LINKERD, False),
        ("1m", "60s", Amount.LINKERD, True),
        ("1d", "24h", Amount.LINKERD, True),
        ("1", "1000m", Amount.QUANTITY, True),
        ("1G", "1Gi", Amount.QUANTITY, False),
        ("x", "y", Amount.GO, False),
        ("1e999999999", "1e999999998", Amount.QUANTITY, False),
    ],
)
def test_amounts_are_read_as_their_reader_does(one: str, other: str, kind: Amount, same: bool) -> None:
    assert same_amount(one, other, kind) is same


def test_amounts_are_compared_only_where_they_are_amounts() -> None:
    routes = [
        {"timeout": "60s", "retries": {"perTryTimeout": "1s"}, "match": [{"headers": {"timeout": {"exact": "1m"}}}]}
    ]
    other = copy.deepcopy(routes)
    other[0]["timeout"], other[0]["retries"] = "1m0s", {"perTryTimeout": "1000ms"}
    assert compare({"http": routes}, {"http": other}) == []
    other[0]["match"] = [{"headers": {"timeout": {"exact": "60s"}}}]
    assert len(compare({"http": routes}, {"http": other})) == 1
    subsets = [{"name": "v1", "labels": {"interval": "60s"}}], [{"name": "v1", "labels": {"interval": "1m"}}]
    assert len(compare({"subsets": subsets[0]}, {"subsets": subsets[1]}, kind="DestinationRule")) == 1


def test_a_compound_duration_is_no_timeout_on_linkerd() -> None:
    rules = [[{"timeouts": {"request": text}}] for text in ("90s", "1m30s")]
    differ = {
        mesh: compare({"rules": rules[0]}, {"rules": rules[1]}, kind="HTTPRoute", group=known.GATEWAY_API, mesh=mesh)
        for mesh in ("ambient", "linkerd")
    }
    assert differ["ambient"] == []
    assert shown(differ["linkerd"]) == [("spec.rules.0.timeouts.request", "1m30s", "90s")]


def test_annotations_of_resources_are_quantities() -> None:
    made = bundle("istio")

    def change(body: Any) -> None:
        body["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/proxyCPULimit"] = "1000m"

    assert fields(made, changed(made, "Deployment", "api", change)).objects == ()


def test_absent_is_zero_for_messages_that_do_not_tell_them_apart() -> None:
    rule = {"trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 0}}, "outlierDetection": {}}}
    live = {"trafficPolicy": {"connectionPool": {"tcp": {}}, "outlierDetection": {}}}
    assert compare(rule, live, kind="DestinationRule") == []
    assert compare(live, rule, kind="DestinationRule") == []
    rule["trafficPolicy"]["outlierDetection"] = {"consecutive5xxErrors": 0}
    assert len(compare(rule, live, kind="DestinationRule")) == 1
    assert compare({"rules": []}, {}, kind="AuthorizationPolicy", group="security.istio.io") == []
    assert len(compare({"rules": [{}]}, {}, kind="AuthorizationPolicy", group="security.istio.io")) == 1


def test_true_is_not_one() -> None:
    assert shown(compare({"a": 1}, {"a": True})) == [("spec.a", True, 1)]
    assert compare({"a": 1}, {"a": 1.0}) == []


# ------------------------------------------------------------------------------------------------------------------ lists


@NEEDS_CRDS
@given(st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_order_counts_only_where_it_means_something(chance: random.Random) -> None:
    made = bundle("linkerd")
    schemas = Schemas(every_definition())
    for one in made.manifests:
        group, _, version = one.ref.api_version.rpartition("/")
        schema = schemas.of(group, one.ref.kind, version).schema or known.SCHEMAS.get((group, one.ref.kind), {})
        body = json.loads(json.dumps(one.body))
        live = stored(_shuffled(schema, body, chance), manager="meshdsl")
        found = fields(made, snapshot([live], crds=every_definition())).objects
        assert [change.ref for change in found if change.action is not Action.CREATE] == []


def _shuffled(schema: Any, value: Any, chance: random.Random) -> Any:
    """The same with its sets and maps in another order."""
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        return {name: _shuffled(parts.get(name, {}), item, chance) for name, item in value.items()}
    if isinstance(value, list):
        items = [_shuffled(schema.get("items", {}), item, chance) for item in value]
        if schema.get("x-kubernetes-list-type") in ("set", "map"):
            chance.shuffle(items)
        return items
    return value


@pytest.mark.parametrize(
    ("mesh", "kind", "part"), [("istio", "VirtualService", "http"), ("ambient", "HTTPRoute", "rules")]
)
def test_another_order_of_rules_is_a_difference(mesh: str, kind: str, part: str) -> None:
    made = bundle(mesh)
    name = next(one.ref.name for one in made.manifests if one.ref.kind == kind and len(one.body["spec"][part]) > 1)  # type: ignore[call-overload,index,arg-type]

    def change(body: Any) -> None:
        body["spec"][part].reverse()

    (found,) = fields(made, changed(made, kind, name, change)).objects
    assert [one.path for one in found.fields] == [("spec", part)]
    assert "order" in found.fields[0].note
    before, after = found.fields[0].live, found.fields[0].ours
    assert isinstance(before, list)
    assert sorted(before) == sorted(after)  # type: ignore[type-var,arg-type]
    assert before != after


def test_hosts_and_methods_have_no_order() -> None:
    assert compare({"hosts": ["a", "b"]}, {"hosts": ["b", "a"]}) == []
    rules = [[{"to": [{"operation": {"methods": methods}}]}] for methods in (["GET", "PUT"], ["PUT", "GET"])]
    assert (
        compare({"rules": rules[0]}, {"rules": rules[1]}, kind="AuthorizationPolicy", group="security.istio.io") == []
    )


def test_ports_of_a_service_are_known_by_port_and_protocol() -> None:
    dns = [{"port": 53, "targetPort": 53}, {"port": 53, "protocol": "UDP", "targetPort": 53}]
    live = [
        {"port": 53, "protocol": "UDP", "targetPort": 54},
        {"port": 53, "protocol": "TCP", "targetPort": 53, "nodePort": 3},
    ]
    found = compare({"ports": dns}, {"ports": live, "clusterIP": "10.0.0.1"}, kind="Service", group="")
    assert shown(found) == [("spec.ports.port=53,protocol=UDP.targetPort", 54, 53)]


KEYS = {("spec", "ports", "port"), ("spec", "ports", "protocol"), ("spec", "listeners", "name")}
"""They say which item of a list it is."""


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        return [leaf for name, item in value.items() for leaf in _leaves(item, (*path, name))]
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return [leaf for number, item in enumerate(value) for leaf in _leaves(item, (*path, number))]
    return [path]


ALL_LEAVES = [
    pytest.param(mesh, number, path, id=f"{mesh}-{one.ref.kind}-{'.'.join(map(str, path))}")
    for mesh in MESHES
    for number, one in enumerate(bundle(mesh).manifests)
    for path in _leaves(json.loads(json.dumps(one.body)))
    if tuple(step for step in path if isinstance(step, str)) not in KEYS
    and path[0] not in ("apiVersion", "kind") and path[:2] not in (("metadata", "name"), ("metadata", "namespace"))
    and path[-1] not in ("meshdsl.dev/set", "app.kubernetes.io/managed-by")
]  # fmt: skip


@pytest.mark.parametrize(("mesh", "number", "path"), ALL_LEAVES)
def test_one_changed_leaf_is_shown_as_exactly_that(mesh: str, number: int, path: tuple[Any, ...]) -> None:
    made = bundle(mesh)
    live = [stored(one.body, manager="meshdsl") for one in made.manifests]
    place = live[number]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = _other(place[path[-1]])
    (found,) = fields(made, snapshot(live)).objects
    assert found.ref == made.manifests[number].ref
    (change,) = found.fields
    names = [step for step in change.path if isinstance(step, str) and "=" not in step]
    assert names == [step for step in path if isinstance(step, str)]
    ours: Any = made.manifests[number].body
    for step in path:
        ours = ours[step]
    assert (change.live, change.ours) == (place[path[-1]], ours)


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [*value, "other"]
    return f"{value}x" if isinstance(value, str) else {"other": "x"}


def test_items_are_found_by_name_not_by_place() -> None:
    routes = [{"name": name, "timeout": "5s"} for name in "abcd"]
    live = [*copy.deepcopy(routes[1:]), {"name": "new"}, {"name": "newer"}]
    live[1]["timeout"] = "6s"
    assert shown(compare({"http": routes}, {"http": live})) == [
        ("spec.http.name=a", ABSENT, {"name": "a", "timeout": "5s"}),
        ("spec.http.name=c.timeout", "6s", "5s"),
        ("spec.http.name=new", {"name": "new"}, ABSENT),
        ("spec.http.name=newer", {"name": "newer"}, ABSENT),
    ]


def test_rules_without_names_are_found_by_likeness() -> None:
    rules = [
        {"from": [{"source": {"principals": [f"p{n}", f"q{n}", f"r{n}"]}}], "to": [{"operation": {"ports": [n]}}]}
        for n in "123"
    ]
    live = copy.deepcopy(rules)[::-1]
    for one in live:
        one["from"][0]["source"]["principals"][0] = "x"
        one["to"].append({"operation": {"ports": ["9"]}})
    found = pairs(rules, live)
    assert [(pair.ours, pair.live) for pair in found] == [(0, 2), (1, 1), (2, 0)]
    assert is_moved(found)


@given(
    st.lists(st.sampled_from(["a", "b", "c", 1, True]), max_size=6),
    st.lists(st.sampled_from(["a", "b", 1]), max_size=6),
)
def test_every_item_is_in_exactly_one_pair(ours: list[Any], live: list[Any]) -> None:
    items = [[{"name": one} for one in side] for side in (ours, live)]
    found = pairs(*items)
    assert sorted(pair.ours for pair in found if pair.ours is not None) == list(range(len(ours)))
    assert sorted(pair.live for pair in found if pair.live is not None) == list(range(len(live)))


# ------------------------------------------------------------------------------------------------------- dropped fields


@NEEDS_CRDS
def test_a_field_that_the_cluster_does_not_have_is_said() -> None:
    made = bundle("ambient")
    definitions = every_definition("standard")
    live = cluster(made, crds=definitions)
    for one in live.objects:
        for rule in one.get("spec", {}).get("rules", ()) if one["kind"] == "HTTPRoute" else ():
            rule.pop("retry", None)
    there = [change for change in fields(made, live).objects if change.ref.kind == "HTTPRoute"]
    new = [change for change in fields(made, snapshot([], crds=definitions)).objects if change.dropped]
    assert there
    for change in (*there, *new):
        assert change.dropped
        assert all(path[-1] == "retry" for path in change.dropped)
        refused = "this cluster's HTTPRoute has no `retry`: a server-side apply of it is refused as a whole"
        assert [note.partition(", and ")[0] for note in change.notes] == [refused]
    assert all(field.path[-1] == "retry" for change in there for field in change.fields)
    assert fields(made, cluster(made, crds=every_definition("experimental"))).objects == ()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}]}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": [{"b": 1}]}, {"a": [{"b": True}]}, False),
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": {}}, {"a": []}, False),
        ({"a": (1, 2)}, {"a": [1, 2]}, False),
        ({"a": None}, {}, False),
        ({"a": "1"}, {"a": 1}, False),
    ],
)
def test_what_is_not_equal_to_the_letter_and_of_the_same_types_gets_a_closer_look(
    one: dict[str, Any], other: dict[str, Any], same: bool
) -> None:
    assert agrees(one, other) is same
    assert agrees(other, one) is same
