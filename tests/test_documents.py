"""What the documents show works: the README pasted line by line, the examples of ``--help``, and the links."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted({ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")})
CLUSTERS = """name = "shown"
[clusters.istio]
target = "istio"
[clusters.ambient]
target = "ambient"
default_retries = "off"
[clusters.linkerd]
target = "linkerd"
"""
MESHDSL = f'meshdsl() {{ "{sys.executable}" -m meshdsl "$@"; }}\n'


def shell(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in which ``meshdsl`` is this one."""
    identity = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **identity, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(
        ["bash", "-c", MESHDSL + script], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def block(language: str, after: str) -> str:
    """The first block of a language after a text of the README."""
    found = re.search(rf"^```{language}\n(.*?)^```$", README[README.index(after) :], re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_first_snippet_compiles_for_all_meshes_and_the_refusal_is_what_is_said(tmp_path: Path) -> None:
    (tmp_path / "meshdsl.toml").write_text(CLUSTERS)
    (tmp_path / "policies").mkdir()
    file = tmp_path / "policies" / "mesh.py"
    file.write_text(block("python", "# meshdsl"))
    done = shell("meshdsl build", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (added,) = re.findall(r"Now put `(Breaker\(.*?\),)` before", README)
    file.write_text(file.read_text().removesuffix("]\n").replace("Allow,", "Allow, Breaker,", 1) + f"    {added}\n]\n")
    assert shell("meshdsl build --cluster istio", tmp_path).returncode == 0
    assert "only approximately" in shell("meshdsl build --cluster ambient", tmp_path).stderr
    refused = shell("meshdsl build --cluster linkerd", tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.rstrip().endswith(block("", "Now put `Breaker").rstrip())


def test_the_five_minutes_work_when_they_are_pasted(tmp_path: Path) -> None:
    lines = block("sh", "## Five minutes").splitlines()
    script = "".join(f"{line}\necho == $? >&2\n" for line in lines)
    done = shell(script, tmp_path)
    codes = [int(code) for code in re.findall(r"^== (\d+)$", done.stderr, re.MULTILINE)]
    assert codes == [1 if "exit 1" in line else 0 for line in lines], done.stderr
    assert "canary of prod/api: v2 10 % → 25 %" in done.stdout
    assert "policies/traffic.py:7: error MESH204" in done.stderr


def test_the_comparisons_without_a_cluster_work_in_what_init_makes(tmp_path: Path) -> None:
    lines = [line for line in block("sh", "## What would change").splitlines() if "--against" in line]
    assert len(lines) == 3
    made = shell('meshdsl init . && meshdsl build && git init -q && git add -A && git commit -qm "Start"', tmp_path)
    assert made.returncode == 0, made.stderr
    for line in lines:
        done = shell(line, tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def helps() -> dict[str, list[str]]:
    """The examples of every command's help, but for what needs a cluster."""
    from meshdsl.cli.app import app

    found = {}
    for name, command in app.commands.items():
        text = (command.epilog or "").partition("Example:\n")[2].replace("|\n", "| ")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        found[name] = [line.partition("|")[0] for line in lines]
    return found


@pytest.mark.parametrize("name", sorted(helps()))
def test_the_examples_of_a_help_work_in_what_init_makes(name: str, tmp_path: Path) -> None:
    assert helps()[name]
    made = shell('meshdsl init . && meshdsl build && git init -q && git add -A && git commit -qm "Start"', tmp_path)
    assert made.returncode == 0, made.stderr
    for line in helps()[name]:
        done = shell(line, tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)
def test_a_link_of_a_document_leads_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in link or (document.parent / link).exists(), link
