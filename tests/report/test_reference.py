"""The pages made from the code: nothing is missing, the examples work, and the files in ``docs`` are up to date."""

from __future__ import annotations

import ast
import inspect
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

import meshdsl
from meshdsl import config
from meshdsl.model.base import Declared, Policy
from meshdsl.permissions import PERMISSIONS
from meshdsl.report import examples, reference, settings
from meshdsl.report.docstrings import docstring
from meshdsl.report.support import TARGETS

DOCS = Path(__file__).parents[2] / "docs"
ENTRIES = {one.name: one for one in reference.entries()}


def test_the_reference_in_docs_is_up_to_date() -> None:
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == reference.reference_markdown(), "run make docs"


def test_the_page_of_the_configuration_in_docs_is_up_to_date() -> None:
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == settings.settings_markdown(), "run make docs"


# -------------------------------------------------------------------------------------------------------- the language


def language() -> list[str]:
    """The public names that policy files are made of."""
    named = {name: getattr(meshdsl, name) for name in meshdsl.__all__}
    kinds = [name for name, one in named.items() if isinstance(one, type) and issubclass(one, Declared)]
    functions = [name for name in named if getattr(named[name], "__module__", "") == "meshdsl.model.match"]
    return sorted({*kinds, *functions} - {"Policy"})


def test_every_public_kind_is_in_the_reference() -> None:
    assert sorted(name for name in ENTRIES if "." not in name) == language()


def test_every_classmethod_and_method_that_makes_something_is_in_the_reference() -> None:
    for name in language():
        for method, one in vars(getattr(meshdsl, name)).items() if inspect.isclass(getattr(meshdsl, name)) else ():
            if not method.startswith("_") and (inspect.isfunction(one) or isinstance(one, classmethod)):
                assert f"{name}.{method}" in ENTRIES or method.startswith("model_")


@pytest.mark.parametrize("name", [one for one in language() if one not in ("Anyone", "all_of", "any_of")])
def test_every_argument_of_a_kind_is_described(name: str) -> None:
    kind = getattr(meshdsl, name)
    own = set(kind.model_fields) - (set(Policy.model_fields) if issubclass(kind, Policy) else set())
    assert {one.name for one in ENTRIES[name].arguments} == own
    for one in ENTRIES[name].arguments:
        assert one.text
        assert one.type
        assert one.default


def test_a_docstring_names_no_argument_that_is_not_there() -> None:
    for name in language():
        kind = getattr(meshdsl, name)
        if isinstance(kind, type):
            assert set(docstring(kind).arguments) <= set(kind.model_fields)


@pytest.mark.parametrize("name", [name for name, one in ENTRIES.items() if one.arguments and name != "Route"])
def test_the_example_of_an_entry_uses_it(name: str) -> None:
    assert f"{name.rpartition('.')[2]}(" in ENTRIES[name].example


@pytest.mark.parametrize("name", ENTRIES)
def test_an_example_compiles_beside_what_it_speaks_of(name: str, tmp_path: Path) -> None:
    (tmp_path / "mesh.py").write_text(kept(f"{examples.BEFORE}\n{ENTRIES[name].example}\n"), encoding="utf-8")
    meshdsl.build(meshdsl.load(tmp_path / "mesh.py"), meshdsl.Istio(accept=("MESH550",)))


def kept(source: str) -> str:
    """A policy file of these statements, each kept under a name."""
    made = [
        ast.Assign([ast.Name(f"kept_{number}", ast.Store())], one.value) if isinstance(one, ast.Expr) else one
        for number, one in enumerate(ast.parse(source).body)
    ]
    return "from meshdsl import *\n" + ast.unparse(ast.fix_missing_locations(ast.Module(made, [])))


def test_types_are_said_with_their_bounds_and_defaults_as_they_are_written() -> None:
    canary = {one.name: one for one in ENTRIES["Canary"].arguments}
    assert (canary["percent"].type, canary["percent"].default) == ("percentage", "required")
    assert (canary["when"].type, canary["when"].default) == ("condition", "none")
    breaker = {one.name: one for one in ENTRIES["Breaker"].arguments}
    assert (breaker["max_ejection_percent"].type, breaker["interval"].default) == ("whole number, 1 to 100", '`"10s"`')
    assert ENTRIES["Retry"].call == "Retry(subject, attempts=…, …)"


@pytest.mark.parametrize("name", ["retry", "Retry", "Retry.never"])
def test_a_kind_is_found_by_its_name_in_any_case(name: str) -> None:
    assert "Retry.never(subject, …)" in reference.kind_text(name)
    assert reference.kind_text("Retri") == ""
    assert reference.nearest_kind("Retri") == "Retry"


# -------------------------------------------------------------------------------------------------- the configuration


def test_every_key_of_the_configuration_is_there_once() -> None:
    top, cluster, *targets = (tuple(one.name for one in found) for _, _, found in settings.sections())
    assert top == config._TOP
    shared = {field.name for field in fields(settings.Target)}
    assert sorted(cluster) == sorted({*config._CLUSTER, *shared})
    for target, names in zip(TARGETS, targets, strict=True):
        assert {*names, *shared} == {field.name for field in fields(target)}


def test_every_setting_has_a_text_and_every_permission_is_explained() -> None:
    for _, _, found in settings.sections():
        for one in found:
            assert one.text
            assert one.type
    assert tuple(settings._PERMITTED) == PERMISSIONS


def test_the_defaults_of_the_page_are_those_of_an_empty_configuration(tmp_path: Path) -> None:
    text = '[project]\nname = "shop"\n[tool.meshdsl]\nclusters.one.target = "istio"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    read = config.read_config(tmp_path / "pyproject.toml")
    assert (read.policies, read.out, read.permit, read.name) == (
        tmp_path / "policies",
        tmp_path / "out",
        (),
        "shop",
    )
    assert read.clusters["one"].context == ""
    assert set(read.clusters["one"].environment) == {"cluster", "target"}


def test_the_example_of_the_configuration_is_one(tmp_path: Path) -> None:
    assert "tool" in tomllib.loads(settings.EXAMPLE)
    (tmp_path / "pyproject.toml").write_text(settings.EXAMPLE)
    assert config.read_config(tmp_path / "pyproject.toml").name == "shop"
