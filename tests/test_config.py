"""The configuration: which file is taken, what it says, and the line of each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meshdsl.config import find_config, read_config
from meshdsl.diagnostics import ConfigError, Diagnostic
from meshdsl.toml_lines import key_lines

GOOD = """\
name = "shop"
policies = "mesh"
out = "manifests"
permit = ["read"]

[clusters.prod-eu]
target = "istio"
version = "1.30"
context = "prod"
uid = "6a7e"
accept = ["MESH521"]
environment = { region = "eu", replicas = 6, zones = ["a", "b"] }

[clusters.edge]
target = "linkerd"
split_api = "smi"
"""


def write(folder: Path, text: str, name: str = "meshdsl.toml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def wrong(folder: Path, text: str, name: str = "meshdsl.toml") -> list[Diagnostic]:
    with pytest.raises(ConfigError) as caught:
        read_config(write(folder, text, name))
    assert caught.value.exit_code == 2
    return [found for found in caught.value.diagnostics if found.code != "MESH011"]  # most texts have no name


def test_a_configuration_is_read(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, GOOD))
    assert (config.root, config.name, config.permit) == (tmp_path, "shop", ("read",))
    assert (config.policies, config.out) == (tmp_path / "mesh", tmp_path / "manifests")
    assert list(config.clusters) == ["prod-eu", "edge"]
    prod = config.clusters["prod-eu"]
    assert (prod.target.name, prod.target.version, prod.target.accept) == ("istio", "1.30", ("MESH521",))
    assert (prod.context, prod.uid) == ("prod", "6a7e")
    assert dict(prod.environment) == {
        "cluster": "prod-eu", "target": "istio", "region": "eu", "replicas": 6, "zones": ("a", "b"),
    }  # fmt: skip


def test_the_same_table_in_pyproject_means_the_same(tmp_path: Path) -> None:
    table = GOOD.replace("[clusters", "[tool.meshdsl.clusters")
    (tmp_path / "other").mkdir()
    here = read_config(write(tmp_path, "[tool.meshdsl]\n" + table, "pyproject.toml"))
    there = read_config(write(tmp_path / "other", GOOD))
    assert here.clusters == there.clusters
    assert here.name == there.name


def test_the_name_is_that_of_the_project_whatever_the_checkout_is_called(tmp_path: Path) -> None:
    text = '[project]\nname = "My Shop"\n[tool.meshdsl.clusters.a]\ntarget = "istio"\n'
    assert read_config(write(tmp_path, text, "pyproject.toml")).name == "My-Shop"


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("meshdsl.toml", '[clusters.a]\ntarget = "istio"\n', 1),
        ("pyproject.toml", '[tool.x]\n[tool.meshdsl]\n[tool.meshdsl.clusters.a]\ntarget = "istio"\n', 2),
        ("pyproject.toml", '[project]\nname = "!"\n[tool.meshdsl.clusters.a]\ntarget = "istio"\n', 3),
    ],
)
def test_the_name_never_comes_from_the_folder(tmp_path: Path, file: str, text: str, line: int) -> None:
    folder = tmp_path / "_a shop!"
    folder.mkdir()
    with pytest.raises(ConfigError) as caught:
        read_config(write(folder, text, file))
    (found,) = caught.value.diagnostics
    assert (found.code, found.origin and found.origin.line) == ("MESH011", line)
    assert 'name = "a-shop"' in found.help


def test_the_nearest_configuration_upwards_is_found(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    top = write(tmp_path, GOOD)
    write(tmp_path / "a", '[project]\nname = "x"\n', "pyproject.toml")
    assert find_config(deep) == top
    nearer = write(tmp_path / "a", '[tool.meshdsl.clusters.a]\ntarget = "istio"\n', "pyproject.toml")
    assert find_config(deep) == nearer
    assert find_config(top) == top


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert find_config(tmp_path) is None
    with pytest.raises(ConfigError) as caught:
        read_config(None)
    assert [d.code for d in caught.value.diagnostics] == ["MESH001"]


def test_a_broken_pyproject_that_configures_meshdsl_is_not_passed_over(tmp_path: Path) -> None:
    file = write(tmp_path, '[tool.meshdsl]\nname = "a\n', "pyproject.toml")
    assert find_config(tmp_path) == file
    with pytest.raises(ConfigError):
        read_config(file)


def test_two_configurations_in_one_folder_are_refused(tmp_path: Path) -> None:
    write(tmp_path, '[tool.meshdsl]\nname = "a"\n', "pyproject.toml")
    assert "MESH003" in [d.code for d in wrong(tmp_path, GOOD)]


C = '[clusters.a]\ntarget = "istio"\n'


@pytest.mark.parametrize(
    ("text", "code", "line", "says"),
    [
        ("polices = 'x'\n" + C, "MESH004", 1, "policies"),
        ("[clusters.a]\ntarget = 'istio'\nversoin = '1.30'\n", "MESH004", 3, "version"),
        ("clusters.a.target = 'istio'\nclusters.a.conntext = 'x'\n", "MESH004", 2, "context"),
        ("[clusters]\na = { target = 'istio', versoin = '1.30' }\n", "MESH004", 2, "version"),
        ("[clusters.a]\ntarget = 'istio'\n\n['clusters'.\"a\".envionment]\nx = 1\n", "MESH004", 4, "environment"),
        ("[clusters.a]\ntarget = 'isto'\n", "MESH009", 2, "istio"),
        ("\n[clusters.a]\nversion = '1.30'\n", "MESH009", 2, "target"),
        ("[clusters.a]\ntarget = 'istio'\nversion = 1.30\n", "MESH005", 3, "quotes"),
        ("[clusters.a]\nversion = '1.5'\ntarget = 'istio'\n", "MESH010", 2, "supported: 1.28"),
        ("[clusters.a]\ntarget = 'istio'\ncluster_domain = 'A_B'\n", "MESH010", 3, "cluster_domain"),
        ("[clusters.a]\ntarget = 'istio'\ngateway_api_channel = 'beta'\n", "MESH005", 3, "experimental"),
        ("[clusters.a]\ntarget = 'istio'\naccept = [\n  'MESH521',\n  'MESH999',\n]\n", "MESH005", 5, "MESH999"),
        ("[clusters.a]\ntarget = 'istio'\naccept = 'MESH521'\n", "MESH005", 3, "a list of strings"),
        ("[clusters.a]\ntarget = 'istio'\nenvironment = 3\n", "MESH005", 3, "a table"),
        ("[clusters.a]\ntarget = 'istio'\n[clusters.a.environment]\nx = 1\ncluster = 'b'\n", "MESH005", 5, "cluster"),
        ("[clusters.Prod_EU]\ntarget = 'istio'\n", "MESH007", 1, "Prod_EU"),
        ("permit = ['read',\n  'netwrok']\n" + C, "MESH005", 2, "network"),
        ("permit = 3\n" + C, "MESH005", 1, "a list of strings"),
        ("name = 'a b'\n" + C, "MESH005", 1, "label"),
        ("name = ''\n" + C, "MESH005", 1, "empty"),
        ("policies = ''\n" + C, "MESH005", 1, "empty"),
        ("out = '.'\n" + C, "MESH006", 1, "contains"),
        ("out = 'policies/out'\n" + C, "MESH006", 1, "inside"),
        ("out = '..'\n" + C, "MESH006", 1, "contains"),
        ("name = 'a'\n", "MESH008", 1, "cluster"),
        ("clusters = 3\n", "MESH005", 1, "a table"),
        ("[clusters]\na = 3\n", "MESH005", 2, "a table"),
        ("name = 'a'\nname = 'b'\n" + C, "MESH002", 2, "TOML"),
        ("name = 'a\n", "MESH002", 1, "TOML"),
        ("[clusters.a]\ntarget = 'istio'\nversion = '1.30.2'\n", "MESH010", 3, 'write "1.30"'),
        ("[clusters.a]\ntarget = 'istio'\nversion = 'v1.30'\n", "MESH010", 3, 'write "1.30"'),
        ("\n[tool.meshdsl]\nname = 's'\n[tool.meshdsl.clusters.a]\ntarget = 'istio'\n", "MESH004", 2, "[clusters.NAME]"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_code_and_line(tmp_path: Path, text: str, code: str, line: int, says: str) -> None:
    found = wrong(tmp_path, text)
    assert [(d.code, d.origin.line if d.origin else 0) for d in found] == [(code, line)]
    assert says in f"{found[0].message} {found[0].help} {found[0].reason}"


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    found = wrong(tmp_path, "nam = 1\nout = 2\n[clusters.a]\ntarget = 'x'\n[clusters.B]\ntarget = 'istio'\n")
    assert [(d.code, d.origin.line if d.origin else 0) for d in found] == [
        ("MESH004", 1), ("MESH005", 2), ("MESH009", 4), ("MESH007", 5),
    ]  # fmt: skip


def test_a_file_that_cannot_be_read_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        read_config(tmp_path / "missing.toml")
    (tmp_path / "meshdsl.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "meshdsl.toml")
    assert "UTF-8" in str(caught.value)


@pytest.mark.parametrize("name", ["pyproject.toml", "meshdsl.toml"])
def test_a_file_without_permission_is_not_passed_over_and_exits_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file = write(tmp_path, GOOD, name)

    real_open, real_read = Path.open, Path.read_bytes

    def denied(path: Path, *arguments: Any) -> Any:
        if path == file:
            raise PermissionError(13, "Permission denied")
        return real_open(path, *arguments) if arguments else real_read(path)

    monkeypatch.setattr(Path, "open", denied)
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(ConfigError, match="Permission denied") as caught:
        read_config(find_config(tmp_path))
    assert caught.value.exit_code == 3
    assert [d.origin.file for d in caught.value.diagnostics if d.origin] == [str(file)]


@pytest.mark.parametrize("depth", [100, 10_000, 200_000])
def test_deep_nesting_is_an_error_or_is_read(tmp_path: Path, depth: int) -> None:
    found = wrong(tmp_path, "x = " + "[" * depth + "]" * depth + "\n")
    assert {d.code for d in found} <= {"MESH002", "MESH004", "MESH008"}


def test_the_lines_of_keys_are_found_in_every_form() -> None:
    text = '''# comment = 1
a.b."c d" = 1
[tool.x] # [not]
y = [ 1, "]", { z = 3 }, [2,
  3]]
s = """
[not.a.table]
k = 1 \\"""
"""
l = \'\'\'
k = 1\'\'\'
t = { q = "}#", w.e = [1] , r=2}
[[arr]]
n = 1
[arr.sub]
k = 2
[[arr]]
n = 2 # x
['quo.ted'."x\\u0041"]
v=1979-05-27 07:32:00Z
'''
    lines = key_lines(text)
    expected = {
        ("a", "b", "c d"): 2, ("tool", "x"): 3, ("tool", "x", "y"): 4, ("tool", "x", "y", 2, "z"): 4,
        ("tool", "x", "y", 3, 1): 5, ("tool", "x", "s"): 6, ("tool", "x", "l"): 10, ("tool", "x", "t", "r"): 12,
        ("tool", "x", "t", "w", "e"): 12, ("arr", 0, "n"): 14, ("arr", 0, "sub", "k"): 16, ("arr", 1, "n"): 18,
        ("quo.ted", "xA", "v"): 20,
    }  # fmt: skip
    assert {path: lines.get(path) for path in expected} == expected
    assert not {("k",), ("not",), ("comment",)} & set(lines)


def test_windows_line_ends_count_as_one(tmp_path: Path) -> None:
    file = tmp_path / "meshdsl.toml"
    file.write_bytes(b'name = "a"\r\n\r\nfoo = 1\r\n[clusters.a]\r\ntarget = "istio"\r\n')
    with pytest.raises(ConfigError) as caught:
        read_config(file)
    assert [d.origin.line for d in caught.value.diagnostics if d.origin] == [3]
