"""Writing a git revision to a private folder: what it must not do, and what it must not lose."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from meshdsl.diagnostics import ConfigError, MeshdslError
from meshdsl.revision import GitError, checked_out
from tests.cli.running import tree as files_of

AUTHOR = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")


def git(repository: Path, *arguments: str, data: bytes | None = None) -> str:
    done = subprocess.run(
        ["git", *AUTHOR, *arguments], cwd=repository, input=data, capture_output=True, check=True, timeout=60
    )
    return done.stdout.decode().strip()


def commit(repository: Path) -> str:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "-m", "x")
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "policies").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "policies" / "a.py").write_text("first = 1\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "näme with ünicode.txt").write_bytes(b"\x00\xff")
    commit(folder)
    return folder


def special(repository: Path, *entries: tuple[str, str, bytes]) -> str:
    """A commit with entries that no checkout would make: mode, name, data."""
    lines = []
    for mode, name, data in entries:
        blob = git(repository, "hash-object", "-w", "--stdin", data=data)
        lines.append(f"{mode} blob {blob}\t{name}\0")
    tree = git(repository, "mktree", "-z", data="".join(lines).encode())
    return git(repository, "commit-tree", tree, "-m", "x")


def test_the_files_are_those_of_the_revision_and_nothing_else_is_touched(repository: Path) -> None:
    (repository / "policies" / "a.py").write_text("second = 2\n")
    (repository / "policies" / "new.py").write_text("")
    git(repository, "add", "policies/new.py")
    before, status = files_of(repository), git(repository, "status", "--porcelain")
    with checked_out("HEAD", repository / "policies") as tree:
        assert files_of(tree.root) == {
            "näme with ünicode.txt": b"\x00\xff",
            "policies/a.py": b"first = 1\n",
            "run.sh": b"#!/bin/sh\n",
        }
        assert tree.inside == tree.root / "policies"
        assert tree.root.name == "shop"
        assert os.access(tree.root / "run.sh", os.X_OK)
        private = tree.root.parents[1]
        assert private.stat().st_mode & 0o777 == 0o700
        assert tree.shown(str(tree.root / "policies" / "a.py")) == "HEAD:policies/a.py"
    assert not private.exists()
    assert (files_of(repository), git(repository, "status", "--porcelain")) == (before, status)


def test_the_folder_is_removed_when_something_fails(repository: Path) -> None:
    seen: list[Path] = []

    def fail() -> None:
        with checked_out("main", repository) as tree:
            seen.append(tree.root)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not seen[0].parents[1].exists()


def test_attributes_of_an_archive_change_nothing(repository: Path) -> None:
    (repository / ".gitattributes").write_text("policies export-ignore\nid.txt export-subst\n")
    (repository / "id.txt").write_text("$Format:%H$")
    commit(repository)
    with checked_out("HEAD", repository) as tree:
        assert (tree.root / "policies" / "a.py").read_text() == "first = 1\n"
        assert (tree.root / "id.txt").read_text() == "$Format:%H$"


def test_many_large_files_are_read_without_waiting_for_each_other(repository: Path) -> None:
    for number in range(3000):
        (repository / f"{number}.txt").write_text(f"{number}\n" * 100)
    commit(repository)
    with checked_out("HEAD", repository) as tree:
        assert (tree.root / "2999.txt").read_text() == "2999\n" * 100


def test_a_link_within_the_tree_is_kept_and_one_that_leads_out_leads_to_nothing(repository: Path) -> None:
    links = {
        "inside.py": "policies/a.py",
        "secret.py": "/etc/passwd",
        "up": "../..",
        "deep/a/b": "../..",
        # Within the tree by its letters, and out of it by where the folder on the way leads.
        "trick": "deep/a/b/../../x",
    }
    for name, target in links.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    commit(repository)
    with checked_out("HEAD", repository) as tree:
        assert (tree.root / "inside.py").read_text() == "first = 1\n"
        for name in ("secret.py", "up", "trick"):
            assert list(Path(os.path.realpath(tree.root / name)).iterdir()) == []
        assert Path(os.path.realpath(tree.root / "deep" / "a" / "b")) == tree.root


def test_nothing_is_written_through_a_link(repository: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    revision = special(repository, ("120000", "x", str(outside).encode()))
    blob = git(repository, "hash-object", "-w", "--stdin", data=b"evil")
    inner = git(repository, "mktree", "-z", data=f"100644 blob {blob}\tfile\0".encode())
    link = git(repository, "hash-object", "-w", "--stdin", data=str(outside).encode())
    # A tree that holds a link and a folder of the same name: git warns of it, and stores it.
    lines = f"120000 blob {link}\tx\0" + f"040000 tree {inner}\tx\0"
    both = git(repository, "commit-tree", git(repository, "mktree", "-z", data=lines.encode()), "-m", "x")
    with checked_out(revision, repository) as tree:
        assert tree.root.is_dir()
    with pytest.raises(GitError), checked_out(both, repository):
        pass
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["..", ".git", ".GIT"])
def test_names_that_no_checkout_would_write_are_refused(repository: Path, name: str) -> None:
    blob = git(repository, "hash-object", "-w", "--stdin", data=b"evil")
    inner = git(repository, "mktree", "-z", data=f"100644 blob {blob}\tfile\0".encode())
    outer = f"40000 {name}\0".encode() + bytes.fromhex(inner)
    tree = git(repository, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", data=outer)
    revision = git(repository, "commit-tree", tree, "-m", "x")
    with pytest.raises(GitError) as caught, checked_out(revision, repository):
        pass
    assert (caught.value.exit_code, caught.value.diagnostics[0].code) == (3, "MESH874")
    assert "which no checkout would write" in caught.value.diagnostics[0].reason


def test_a_submodule_is_an_empty_folder(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{head},vendor/lib")
    git(repository, "commit", "--quiet", "-m", "x")
    with checked_out("HEAD", repository) as tree:
        assert tree.submodules == ("vendor/lib",)
        assert list((tree.root / "vendor" / "lib").iterdir()) == []


def refused(revision: str, folder: Path) -> MeshdslError:
    with pytest.raises(MeshdslError) as caught, checked_out(revision, folder):
        pass
    return caught.value


@pytest.mark.parametrize("revision", ["nowhere", "", "HEAD~99", "--help", "-h", "HEAD:policies", "a b", "x\0y"])
def test_a_revision_that_is_not_there_is_said(repository: Path, revision: str) -> None:
    error = refused(revision, repository)
    assert isinstance(error, ConfigError)
    assert (error.exit_code, error.diagnostics[0].code) == (2, "MESH871")


def test_a_folder_that_is_in_no_repository_is_said(tmp_path: Path) -> None:
    error = refused("HEAD", tmp_path)
    assert (error.exit_code, error.diagnostics[0].code) == (2, "MESH872")


def test_a_missing_git_is_said(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    error = refused("HEAD", repository)
    assert (error.exit_code, error.diagnostics[0].code) == (3, "MESH873")


def test_a_missing_object_is_an_error_and_not_half_of_the_policies(repository: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD:policies/a.py")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    error = refused("HEAD", repository)
    assert (error.exit_code, error.diagnostics[0].code) == (3, "MESH874")
    assert "policies/a.py" in error.diagnostics[0].reason


def test_variables_that_a_hook_has_do_not_lead_elsewhere(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    with checked_out("HEAD", repository) as tree:
        assert (tree.root / "policies" / "a.py").exists()
