"""``meshdsl init``: what it makes works at once, and it overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    assert "meshdsl.dev/set: my-shop" in (repository / "out" / "istio" / "shop" / "api.yaml").read_text()


def test_it_refuses_with_the_files_that_exist_and_writes_none(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "access.py").write_text("mine\n")
    (tmp_path / "README.md").symlink_to("nowhere")
    done = meshdsl("init", cwd=tmp_path)
    assert done.returncode == 2
    assert "MESH081: policies/access.py exists" in done.stderr
    assert "MESH081: README.md exists" in done.stderr
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
