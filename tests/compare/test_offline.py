"""Reading dumps and folders: whole or not at all, bounded, exact, and nothing of Secrets."""

from __future__ import annotations

import io
import json
import traceback
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from meshdsl import render
from meshdsl.codes import PAGES
from meshdsl.compare import documents, offline, reading
from meshdsl.compare.live import Snapshot
from tests.compare.live import MESHES, bundle

SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {}\n  namespace: prod\n"


def snapshot(text: str, name: str = "dump.yaml") -> Snapshot:
    return offline.texts({name: text})


def refused(text: str, name: str = "dump.yaml") -> tuple[str, int, str]:
    """The code, line and sentence of the first problem."""
    with pytest.raises(offline.ReadError) as caught:
        snapshot(text, name)
    assert caught.value.exit_code == 3
    found = caught.value.diagnostics[0]
    assert found.origin is not None
    assert found.code in PAGES
    return found.code, found.origin.line, found.message


def names(found: Snapshot) -> list[str]:
    return [one["metadata"]["name"] for one in found.objects]


@pytest.fixture(params=["c", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both of PyYAML's parsers."""
    if request.param == "python":
        monkeypatch.setattr(offline, "_PARSER", yaml.SafeLoader)
    return str(request.param)


# ------------------------------------------------------------------------------------------------------ what can be read


@pytest.mark.parametrize("mesh", MESHES)
def test_what_we_write_is_read_back_the_same(mesh: str, parser: str, tmp_path: Path) -> None:
    made = bundle(mesh)
    made.write(tmp_path)
    found = offline.read(tmp_path)
    by_name = {documents.key_of(one): one for one in found.objects}
    assert by_name == {documents.key_of(one.body): json.loads(json.dumps(one.body)) for one in made.manifests}
    assert found.applied == {documents.key_of(one.body) for one in made.manifests if one.partial}
    assert found.applied
    assert {(scope.kind.kind, scope.namespace) for scope in found.scopes} == {
        (one.ref.kind, one.ref.namespace) for one in made.manifests
    }


def test_a_partial_manifest_is_known_in_a_stream_without_header() -> None:
    made = bundle("istio")
    text = render.stream(made.manifests)
    assert documents.PARTIAL_MARK in text
    assert snapshot(text).applied == {documents.key_of(one.body) for one in made.manifests if one.partial}


def test_lists_and_json_are_opened(parser: str) -> None:
    items = [{"metadata": {"name": "a", "namespace": "prod"}}, {"metadata": {"name": "b", "namespace": "prod"}}]
    own = {"apiVersion": "apps/v1", "kind": "DeploymentList", "metadata": {}, "items": items}
    text = SERVICE.format("c").replace("\n", "\n    ").strip()
    assert names(snapshot(json.dumps(own), "x.json")) == ["a", "b"]
    assert names(snapshot(json.dumps(own) + json.dumps(yaml.safe_load(SERVICE.format("c"))))) == ["a", "b", "c"]
    assert names(snapshot(f"kind: List\napiVersion: v1\nitems:\n  - {text}\n")) == ["c"]
    assert snapshot("kind: List\napiVersion: v1\nitems:\n").objects == ()


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(("\ufeff" + SERVICE.format("api")).encode())

    monkeypatch.setattr(offline.sys, "stdin", Input)
    assert names(offline.read("-")) == ["api"]


def test_definitions_stand_apart() -> None:
    text = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.b}\n"
    found = snapshot(text + "---\n" + SERVICE.format("api"))
    assert names(found) == ["api"]
    assert found.crds is not None
    assert [one["metadata"]["name"] for one in found.crds] == ["a.b"]
    assert snapshot(SERVICE.format("api")).crds is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("", None),
        ("0x1F", 31),
        ("010", 8),
        ("0o17", 15),
        ("1_000", 1000),
        ("-7", -7),
        ("1:30", "1:30"),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        ("60s", "60s"),
        ("2026-01-01", "2026-01-01"),
        ("=", "="),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ('"yes"', "yes"),
        ('"\\x1b[31m\\u202e"', "\x1b[31m\u202e"),
    ],
)
def test_scalars_mean_what_kubectl_takes_them_for(text: str, value: Any, parser: str) -> None:
    found = snapshot(f"{SERVICE.format('api')}spec:\n  field: {text}\n").objects[0]["spec"]["field"]
    assert found == value
    assert type(found) is type(value)


def test_keys_and_merges_are_kubectls(parser: str) -> None:
    text = f"{SERVICE.format('api')}a: &a {{x: 1, z: 2}}\nspec: {{<<: *a, z: 3, 80: p, on: q}}\n"
    assert snapshot(text).objects[0]["spec"] == {"x": 1, "z": 3, "80": "p", "true": "q"}


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=80), inner)
        ),
        max_leaves=12,
    )
)
def test_every_value_that_we_write_is_read_back(value: Any) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": value}
    for text in (render.render(body), json.dumps(body)):
        assert snapshot(text).objects[0] == body


# ------------------------------------------------------------------------------------------------------- what is refused


def test_a_key_that_is_twice_is_refused_with_its_line(parser: str) -> None:
    assert refused(SERVICE.format("a") + "kind: Service\n") == (
        "MESH823",
        6,
        'the key "kind" is there twice in one mapping',
    )
    assert refused('{"apiVersion": "v1",\n "apiVersion": "v1"}', "x.json")[:2] == ("MESH823", 2)


@pytest.mark.parametrize("text", ["a: [1, 2\nb: 3\n", "a: b: c\n", "\tx: 1\n", "a: *b\n", "a: &a [*a]\n", "a: .inf\n"])
def test_broken_yaml_is_refused_with_its_line(text: str, parser: str) -> None:
    code, line, _ = refused(SERVICE.format("a") + "---\n" + text)
    assert code == "MESH822"
    assert line in (7, 8)


def test_truncated_json_is_refused() -> None:
    whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(SERVICE.format("a"))]}, indent=1)
    for end in range(1, len(whole)):
        assert refused(whole[:end])[0] in ("MESH822", "MESH825")
        assert refused(whole[:end], "x.json")[0] == "MESH822"


def test_a_list_that_ends_before_its_kind_is_told_as_cut_off() -> None:
    text = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata:\n    name: ap"
    with pytest.raises(offline.ReadError) as caught:
        snapshot(text)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("MESH825", "a list has no kind")
    assert "cut off" in found.help


def test_tags_and_raw_control_characters_are_refused(parser: str) -> None:
    assert refused(SERVICE.format("a") + "x: !!binary aGk=\n")[:2] == ("MESH822", 6)
    assert refused(SERVICE.format("a") + "x: !!python/object:os.system {}\n")[:2] == ("MESH822", 6)
    assert refused(SERVICE.format("a") + "x: \x07\n")[:2] == ("MESH822", 6)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_a_bomb_of_aliases_is_refused_at_once(parser: str) -> None:
    assert refused(BOMB)[0] == "MESH824"  # 3.5 billion values, if it were not


@pytest.mark.parametrize("depth", [101, 1000, 100_000])
def test_what_is_nested_too_deep_is_refused(depth: int) -> None:
    assert refused("x: " + "[" * depth + "]" * depth)[0] in ("MESH824", "MESH822")
    assert refused("[" * depth + "]" * depth, "x.json")[0] == "MESH824"
    assert refused('{"a":' * depth + "1" + "}" * depth)[0] == "MESH824"


def test_reading_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVICE.format("a"))
    (tmp_path / "b.yaml").write_text(SERVICE.format("b"))
    monkeypatch.setattr(reading, "MAX_BYTES", 100)
    with pytest.raises(offline.ReadError, match="MESH824"):
        offline.read(tmp_path)
    monkeypatch.setattr(reading, "MAX_BYTES", 10_000)
    monkeypatch.setattr(reading, "MAX_NODES", 15)
    with pytest.raises(offline.ReadError, match="MESH824"):
        offline.read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "- a\n",
        "just text\n",
        "a: 1\n",
        "apiVersion: v1\nkind: Service\n",
        "apiVersion: v1\nkind: Service\nmetadata: {}\n",
        "apiVersion: v1\nkind: Service\nmetadata: {name: [a]}\n",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: [a]}\n",
        "apiVersion: v1\nkind: List\nitems: [1]\n",
        "apiVersion: v1\nkind: List\nitems: text\n",
    ],
)
def test_what_is_no_object_is_refused(text: str) -> None:
    code, line, _ = refused(SERVICE.format("a") + "---\n" + text)
    assert code == "MESH825"
    assert line in (6, 7)


def test_two_objects_of_one_name_are_refused_with_both_places() -> None:
    text = SERVICE.format("a")
    with pytest.raises(offline.ReadError) as caught:
        offline.texts({"a.yaml": text, "b.yaml": "---\n" + text})
    (found,) = caught.value.diagnostics
    assert (found.code, str(found.origin)) == ("MESH826", "b.yaml:2")
    assert [str(origin) for _, origin in found.related] == ["a.yaml:1"]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(offline.ReadError, match="MESH821"):
        offline.read(tmp_path / "gone")
    with pytest.raises(offline.ReadError, match="MESH827"):
        offline.read(tmp_path)
    (tmp_path / "a.yaml").write_bytes(b"a: b\nc: \xff\n")
    (tmp_path / "b.yaml").write_text("a: [\n")
    with pytest.raises(offline.ReadError) as caught:
        offline.read(tmp_path)
    assert [(d.code, d.origin and d.origin.line) for d in caught.value.diagnostics] == [("MESH828", 2), ("MESH822", 2)]


def test_hidden_and_other_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.yaml").write_text("not: [yaml")
    (tmp_path / "README.md").write_text("not: [yaml")
    (tmp_path / "kustomization.yaml").write_text("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n")
    (tmp_path / "b.yml").write_text("# nothing\n---\n" + SERVICE.format("b"))
    assert names(offline.read(tmp_path)) == ["b"]


# --------------------------------------------------------------------------------------------------------------- secrets

CANARY = "c4nary-t0ken"


def test_secrets_are_never_kept() -> None:
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: prod}}\nstringData: {{a: {CANARY}}}\n"
    items = [yaml.safe_load(secret), yaml.safe_load(SERVICE.format("a"))]
    own = {"apiVersion": "v1", "kind": "SecretList", "items": [{"metadata": {"name": "x"}, "data": {"a": CANARY}}]}
    for text in (
        secret + "---\n" + SERVICE.format("a"),
        json.dumps({"apiVersion": "v1", "kind": "List", "items": items}),
        json.dumps(own) + json.dumps(items[1]),
    ):
        found = snapshot(text)
        assert names(found) == ["a"]
        assert CANARY not in repr(found)
        assert all(scope.kind.kind != "Secret" for scope in found.scopes)


@pytest.mark.parametrize(
    "broken", [f"stringData: {{a: {CANARY}", f"data:\n  a: {CANARY}\n  a: {CANARY}\n", f"data: {CANARY}: {CANARY}: x\n"]
)
def test_an_error_in_a_secret_does_not_show_it(broken: str, parser: str) -> None:
    text = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n{broken}"
    with pytest.raises(offline.ReadError) as caught:
        snapshot(text)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert CANARY not in repr(caught.value.diagnostics)
