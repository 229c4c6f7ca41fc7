"""Starting quickly is a feature: what ``--version`` and ``--help`` may not import, and what they say."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from meshdsl.version import VERSION

ROOT = Path(__file__).parents[2]
HEAVY = {"pydantic", "pydantic_core", "yaml", "jinja2", "deepdiff", "importlib.metadata", "asyncio", "http"}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["build", "--help"], ["explain", "--help"], []])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from meshdsl.cli import main; main(sys.argv[1:]);print('MODULES', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    modules = set(done.stderr.rpartition("MODULES ")[2].split())
    assert "click" in modules
    assert not modules & HEAVY


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_every_help_ends_with_an_example() -> None:
    from meshdsl.cli.app import app

    for command in (app, *app.commands.values()):
        assert command.epilog is not None
        assert command.epilog.rstrip().rpartition("Example:")[2].strip().startswith("meshdsl ")


def test_help_cuts_no_command_short() -> None:
    code = "from meshdsl.cli import main; main(['--help'])"
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "..." not in text.partition("Commands:")[2].partition("Exit codes")[0]


def test_help_names_the_exit_codes_and_shell_completion() -> None:
    done = subprocess.run([sys.executable, "-m", "meshdsl", "--help"], capture_output=True, text=True, check=True)
    for text in ("Exit codes: 0 fine", "_MESHDSL_COMPLETE=bash_source", "zsh_source", "fish_source"):
        assert text in done.stdout
