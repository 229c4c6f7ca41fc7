"""The public names: what ``from meshdsl import …`` offers, and nothing else."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import meshdsl

SOURCE = Path(meshdsl.__file__)


def declared() -> dict[str, str]:
    """The names that type checkers see, with the module each comes from."""
    (block,) = (node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    return {
        alias.asname or alias.name: node.module or ""
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_a_path_that_is_none_is_told_as_it_was_written() -> None:
    with pytest.raises(meshdsl.PolicyError, match=r"not 'v1/\*'"):
        meshdsl.Allow("prod/api", callers=meshdsl.Anyone.in_mesh(), paths=("v1/*",))


def test_codes_that_a_target_accepts_are_a_tuple() -> None:
    with pytest.raises(ValueError, match="accept is a tuple of codes"):
        meshdsl.Istio(accept="MESH512")  # type: ignore[arg-type]


def test_what_type_checkers_see_is_what_is_imported_and_listed() -> None:
    assert declared() == meshdsl._HOME_OF
    assert sorted(declared()) == meshdsl.__all__
    assert dir(meshdsl) == meshdsl.__all__


@pytest.mark.parametrize("name", meshdsl.__all__)
def test_a_public_name_is_there_and_documented(name: str) -> None:
    assert inspect.getdoc(getattr(meshdsl, name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Retyr'"):
        _ = meshdsl.Retyr  # type: ignore[attr-defined]


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = (
        "import sys, meshdsl; print(sorted({'pydantic', 'yaml', 'click', 'jinja2', 'deepdiff'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_function_is_never_hidden_by_a_module_of_its_name() -> None:
    program = (
        "import meshdsl.loading.load, meshdsl.compiler, meshdsl; print(callable(meshdsl.load), callable(meshdsl.build))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True True"
