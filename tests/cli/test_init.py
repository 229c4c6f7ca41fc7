"""``meshdsl init``: what it makes works at once, and it overwrites nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from meshdsl.cli.init import FILES
from tests.cli.running import meshdsl, tree


def test_a_new_repository_builds_at_once_on_every_mesh(tmp_path: Path) -> None:
    done = meshdsl("init", "My Shop!", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    repository = tmp_path / "My Shop!"
    assert set(tree(repository)) == set(FILES)
    built = meshdsl("build", cwd=repository)
    assert (built.returncode, built.stderr) == (0, "")
    assert {path.name for path in (repository / "out").iterdir()} == {"istio", "ambient", "linkerd"}
    assert meshdsl("build", "--check", cwd=repository).returncode == 0
    assert "meshdsl.dev/set: my-shop" in (repository / "out" / "istio" / "prod" / "api.yaml").read_text()


def test_what_to_do_next_can_be_pasted_for_any_name_of_the_folder(tmp_path: Path) -> None:
    assert "now: cd 'my shop' && meshdsl build" in meshdsl("init", "my shop", cwd=tmp_path).stdout


def test_it_refuses_with_the_files_that_exist_and_writes_none(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "access.py").write_text("mine\n")
    (tmp_path / "README.md").symlink_to("nowhere")
    done = meshdsl("init", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("error MESH081") == 1
    assert "MESH081: README.md, policies/access.py exist\n" in done.stderr
    assert tree(tmp_path) == {"policies/access.py": b"mine\n"}


def test_a_folder_that_cannot_be_made_is_3(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = meshdsl("init", "file/below", cwd=tmp_path)
    assert done.returncode == 3
    assert "MESH082" in done.stderr


def test_every_template_is_rendered_whole() -> None:
    from meshdsl.cli.init import _render

    for name, text in _render(Path("shop")).items():
        assert "{{" not in text, name
        assert "{%" not in text, name
        assert text.endswith("\n")


@pytest.mark.parametrize("folder", [".", "/", "Ünïcode", "---"])
def test_the_name_of_the_set_is_a_label_value(folder: str) -> None:
    from meshdsl.cli.init import _set_name
    from meshdsl.values import dns_label

    assert dns_label(_set_name(Path(folder)))


@pytest.mark.parametrize(
    ("recorded", "requirement"),
    [
        (
            '{"url": "https://ci:secret@git.example/meshdsl", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}',
            "meshdsl @ git+https://git.example/meshdsl@c0ffee",
        ),
        (
            '{"url": "ssh://git@git.example/meshdsl", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}',
            "meshdsl @ git+ssh://git@git.example/meshdsl@c0ffee",
        ),
        ('{"url": "https://files.example/meshdsl.whl"}', "meshdsl @ https://files.example/meshdsl.whl"),
        ('{"url": "file:///src/meshdsl", "dir_info": {}}', "meshdsl @ file:///src/meshdsl"),
        ("", ""),
        ("{", ""),
        ("[]", ""),
        ("{}", ""),
    ],
)
def test_where_meshdsl_comes_from_is_written_without_credentials(recorded: str, requirement: str) -> None:
    from meshdsl.cli.installed import of_direct_url

    assert of_direct_url(recorded) == requirement


@pytest.mark.parametrize(
    ("requirement", "passes"),
    [("meshdsl @ git+https://git.example/meshdsl@c0ffee", True), ("meshdsl @ file:///src/meshdsl", False), ("", False)],
)
def test_ci_says_clearly_where_meshdsl_is_to_be_named(
    requirement: str, passes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshdsl.cli.init.requirement", lambda: requirement)
    from meshdsl.cli.init import _render

    texts = _render(Path("shop"))
    (tmp_path / "requirements-mesh.txt").write_text(texts["requirements-mesh.txt"])
    lines = texts["requirements-mesh.txt"].splitlines()
    assert [line for line in lines if not line.startswith("#")] == ([requirement] if requirement else [])
    (steps,) = (job["steps"] for job in yaml.safe_load(texts[".github/workflows/mesh.yaml"])["jobs"].values())
    (check,) = (step["run"] for step in steps if "::error" in step.get("run", ""))
    ran = subprocess.run(["sh", "-e", "-c", check], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == (0 if passes else 1)
    assert ("Say in this file" in ran.stdout) is not passes


def test_nothing_is_installed_by_a_bare_name() -> None:
    from meshdsl.cli.init import _render

    for name, text in _render(Path("shop")).items():
        for line in text.splitlines():
            assert "meshdsl==" not in line or line.startswith("#"), name
