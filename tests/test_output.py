"""What a build does to its folder: only files of ours, only what changed, nothing through a link, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshdsl import codes, output
from meshdsl.diagnostics import OutputError
from meshdsl.manifest import FILE_MARK
from meshdsl.output import Differences, Written, compare, write, write_all


def text(body: str) -> str:
    return f"{FILE_MARK}\n{body}\n"


FILES = {
    "_mesh.yaml": text("mesh"),
    "prod/_namespace.yaml": text("namespace"),
    "prod/api.yaml": text("api"),
    "prod/web.yaml": text("web"),
    "shop/cart.yaml": text("cart"),
}


def tree(directory: Path) -> dict[str, str]:
    """Every file below a folder, temporary ones too; links as what they say."""
    return {
        path.relative_to(directory).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def refusal(files: dict[str, str], directory: Path, *, also_compare: bool = True) -> list[str]:
    """The codes with which a build is refused; nothing may have changed."""
    before = tree(directory.parent)
    with pytest.raises(OutputError) as caught:
        write(files, directory, lock_seconds=0.05)
    assert tree(directory.parent) == before
    assert caught.value.exit_code == 3
    assert all(d.reason and d.help for d in caught.value.diagnostics)
    found = [d.code for d in caught.value.diagnostics]
    if also_compare:
        with pytest.raises(OutputError) as caught:
            compare(files, directory)
        assert [d.code for d in caught.value.diagnostics] == found
    return found


def test_a_first_build_writes_all_and_a_second_nothing(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    assert compare(FILES, out) == Differences(missing=tuple(sorted(FILES)))
    assert not out.exists()
    assert write(FILES, out) == Written(written=tuple(sorted(FILES)))
    assert tree(out) == FILES
    assert compare(FILES, out).is_empty
    before = {path: path.stat() for path in out.rglob("*")}
    assert write(FILES, out) == Written(unchanged=tuple(sorted(FILES)))
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == {p: s.st_mtime_ns for p, s in before.items()}
    assert {path: path.stat().st_ino for path in out.rglob("*")} == {p: s.st_ino for p, s in before.items()}


def test_a_build_that_changes_nothing_writes_renames_and_flushes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(FILES, tmp_path / "out")
    for name in ("write", "replace", "fsync", "unlink", "mkdir", "rmdir", "fchmod"):
        monkeypatch.delattr(os, name)
    assert write(FILES, tmp_path / "out").written == ()


def test_a_change_writes_what_changed_and_removes_what_is_stale(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(FILES, out)
    files = {"prod/api.yaml": text("new"), "prod/web.yaml": text("web"), "new/x.yaml": text("x")}
    stale = ("_mesh.yaml", "prod/_namespace.yaml", "shop/cart.yaml")
    assert compare(files, out) == Differences(missing=("new/x.yaml",), changed=("prod/api.yaml",), stale=stale)
    assert write(files, out) == Written(("new/x.yaml", "prod/api.yaml"), ("prod/web.yaml",), stale)
    assert tree(out) == files
    assert not (out / "shop").exists()
    assert write({}, out).removed == tuple(sorted(files))
    assert not out.exists()


@pytest.mark.parametrize(
    "longer", [text("api") + "more\n", text("api")[:-1], text("apj"), FILE_MARK + "\n"], ids=["longer", "shorter", "same size", "mark"]
)  # fmt: skip
def test_any_other_content_of_a_file_of_ours_is_a_change(tmp_path: Path, longer: str) -> None:
    out = tmp_path / "out"
    write({"prod/api.yaml": longer}, out)
    assert compare(FILES, out).changed == ("prod/api.yaml",)
    write(FILES, out)
    assert tree(out) == FILES


USERS = {
    "README.md": "mine",
    "kustomization.yaml": text("ours by its first line, not by its place"),
    "prod/notes.txt": text("not by its name"),
    "prod/other.yaml": "kind: Mine\n",
    "prod/empty.yaml": "",
    "prod/Upper.yaml": text("not by its name"),
    "prod/api.yaml.orig": text("not by its name"),
    "prod/sub/api.yaml": text("too deep"),
    "prod/.meshdsl-7.tmp": "somebody's",
    "shop/late-mark.yaml": f"\n{FILE_MARK}\n",
    "tools/run.sh": "echo",
    ".git/config": "x",
    ".github/api.yaml": text("no namespace is called so"),
}


def test_files_that_are_not_ours_are_never_touched(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for path, content in USERS.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(content.encode())
    (out / "empty").mkdir()
    (tmp_path / "elsewhere.yaml").write_text(text("linked"))
    (out / "prod" / "link.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    (out / "linked").symlink_to(tmp_path)
    (out / "file").write_text("a file named like a namespace")
    os.mkfifo(out / "prod" / "pipe.yaml")
    users = {path.relative_to(out) for path in out.rglob("*")}
    before = {path: (out / path).lstat().st_mtime_ns for path in users if not (out / path).is_dir()}
    write(FILES, out)
    assert compare(FILES, out).is_empty
    write({}, out)
    assert {path.relative_to(out) for path in out.rglob("*")} == users
    assert {path: (out / path).lstat().st_mtime_ns for path in before} == before
    assert {path: (out / path).read_bytes().decode() for path in USERS} == USERS


@pytest.mark.parametrize(
    "content", ["kind: Mine\n", "", f"\ufeff{FILE_MARK}\n", f"{FILE_MARK} \n", "<<<<<<< HEAD\n" + FILE_MARK]
)
def test_a_file_of_somebody_else_where_ours_goes_is_refused_before_any_write(tmp_path: Path, content: str) -> None:
    out = tmp_path / "out"
    (out / "prod").mkdir(parents=True)
    (out / "prod" / "api.yaml").write_text(content)
    (out / "_mesh.yaml").write_text(content)
    assert refusal(FILES, out) == ["MESH705", "MESH705"]


def test_line_ends_of_another_system_are_a_change_of_a_file_of_ours(tmp_path: Path) -> None:
    write(FILES, tmp_path / "out")
    for path in ("prod/api.yaml", "shop/cart.yaml"):
        (tmp_path / "out" / path).write_bytes(FILES[path].replace("\n", "\r\n").encode())
    files = {path: content for path, content in FILES.items() if path != "shop/cart.yaml"}
    assert compare(files, tmp_path / "out") == Differences(changed=("prod/api.yaml",), stale=("shop/cart.yaml",))
    write(files, tmp_path / "out")
    assert {path: content.encode() for path, content in files.items()} == {
        path: (tmp_path / "out" / path).read_bytes() for path in tree(tmp_path / "out")
    }


def test_what_is_wrong_in_one_of_several_folders_leaves_all_as_they_are(tmp_path: Path) -> None:
    one, two, three, four = (tmp_path / "out" / name for name in ("one", "two", "three", "four"))
    write({"prod/api.yaml": text("old")}, one)
    for folder in (two, three):
        (folder / "prod").mkdir(parents=True)
        (folder / "prod" / "api.yaml").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(OutputError) as caught:
        write_all(dict.fromkeys((one, two, three, four), FILES))
    assert [
        (d.code, str(folder) in str(d.origin)) for d, folder in zip(caught.value.diagnostics, (three, two), strict=True)
    ] == [("MESH705", True)] * 2
    assert tree(tmp_path) == before
    assert not four.exists()
    for folder in (two, three):
        shutil.rmtree(folder)
    assert set(write_all(dict.fromkeys((one, two, three, four), FILES))) == {one, two, three, four}
    assert tree(one) == tree(two) == tree(four) == FILES


def test_a_disk_that_fills_up_in_the_second_folder_leaves_the_first_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        write({"prod/api.yaml": text("old")}, folder)
    before, written, real = tree(tmp_path), [0], os.write

    def full(descriptor: int, data: bytes) -> int:
        written[0] += 1
        if written[0] > len(FILES):
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OutputError, match="MESH708"):
        write_all({one: FILES, two: FILES})
    assert tree(tmp_path) == before


def test_the_file_above_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    for call in (write, compare):
        with pytest.raises(OutputError) as caught:
            call(FILES, tmp_path / "out" / "prod-eu")
        assert str(caught.value) == f"{tmp_path / 'out'}: MESH703: this is not a folder"


# --- Links (fault 6)


@pytest.mark.parametrize("target", ["elsewhere", "nowhere", "file"])
@pytest.mark.parametrize("place", ["out", "out/prod", "out/prod/api.yaml", "out/_mesh.yaml"])
def test_nothing_is_written_through_a_link(tmp_path: Path, place: str, target: str) -> None:
    (tmp_path / "elsewhere" / "prod").mkdir(parents=True)
    (tmp_path / "elsewhere" / "prod" / "api.yaml").write_text(text("old"))
    (tmp_path / "file").write_text(text("old"))
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).symlink_to(tmp_path / target)
    assert refusal(FILES, tmp_path / "out") == ["MESH704"]


def test_a_link_above_the_folder_is_refused_if_it_comes_with_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, elsewhere = tmp_path / "repository", tmp_path / "elsewhere"
    repository.mkdir()
    elsewhere.mkdir()
    (repository / "out").symlink_to(elsewhere)
    monkeypatch.chdir(repository)
    for directory in (Path("out/prod-eu"), repository / "out" / "prod-eu", Path("out/a/b")):
        assert refusal(FILES, directory) == ["MESH704"]
    assert list(elsewhere.iterdir()) == []
    monkeypatch.chdir(tmp_path / "elsewhere")
    for refused in (write, compare):
        with pytest.raises(OutputError, match="MESH704"):
            refused(FILES, repository / "out" / "prod-eu", root=repository)
    assert list(elsewhere.iterdir()) == []
    checkout = tmp_path / "checkout"
    checkout.symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    assert write(FILES, checkout / "out", root=checkout).written  # the repository itself may be reached by a link
    (tmp_path / "home").symlink_to(elsewhere)
    monkeypatch.chdir(repository)
    write(FILES, tmp_path / "home" / "out")  # not below the working directory: the user's own affair
    assert tree(elsewhere / "out") == FILES


# --- Paths (faults 7, 8)


@pytest.mark.parametrize(
    "path",
    ["../x.yaml", "/etc/x.yaml", "prod/../x.yaml", "prod//x.yaml", "prod/x", "prod/x.yml", "x.yaml", "a/b/c.yaml", "prod/.yaml",
     "prod/-rf.yaml", "-rf/x.yaml", "prod/x\0.yaml", "prod/X.yaml", "Prod/x.yaml", "prod/x y.yaml", "prod/é.yaml", "prod/x.yaml\n",
     "", "/", "prod/", "/_mesh.yaml", "prod/_mesh.yaml", "_namespace.yaml", "./_mesh.yaml", "prod/..yaml", "prod/x..yaml",
     "a.b/x.yaml", "prod/" + "a" * 64 + ".yaml", "a" * 64 + "/x.yaml", "prod/" + ".".join(["a" * 50] * 5) + ".yaml",
     "prod/.meshdsl-1.tmp", "~/x.yaml", "prod\\x.yaml", "ﬁ/x.yaml"],
)  # fmt: skip
def test_a_path_that_no_namespace_and_service_make_is_refused(tmp_path: Path, path: str) -> None:
    assert refusal({**FILES, path: text("x")}, tmp_path / "out") == ["MESH702"]
    assert not (tmp_path / "out").exists()


VALID = re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])+yaml")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    folder=st.text(max_size=6) | st.text("ab./-_A", max_size=70),
    file=st.text(max_size=6) | st.text("ab./-_A", max_size=70),
)
def test_no_path_leaves_the_folder_and_no_two_are_one_where_case_does_not_count(
    tmp_path: Path, folder: str, file: str
) -> None:
    out = tmp_path / "out"
    path = f"{folder}/{file}.yaml"
    if not VALID.fullmatch(path):
        with pytest.raises(OutputError, match="MESH702"):
            write({path: text("x")}, out)
        assert not out.exists()
        return
    write({path: text("x")}, out)
    assert Path(os.path.realpath(out / path)) == out.resolve() / folder / f"{file}.yaml"
    assert path == path.lower()
    assert path.isascii()
    assert tree(tmp_path) == {f"out/{path}": text("x")}
    shutil.rmtree(out)


def test_the_longest_names_of_kubernetes_fit(tmp_path: Path) -> None:
    files = {f"{'n' * 63}/{'s' * 63}.yaml": text("x"), f"prod/{'.'.join(['a' * 62] * 3)}.yaml": text("y")}
    assert write(files, tmp_path / "out").written == tuple(sorted(files))


def test_a_text_without_our_first_line_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="header"):
        write({"_mesh.yaml": "kind: X\n"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- Modes and permissions (fault 9)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    previous = os.umask(umask)
    try:
        write(FILES, tmp_path / "deep" / "out")
    finally:
        os.umask(previous)
    modes = {path.is_dir(): set[int]() for path in (tmp_path / "deep").rglob("*")}
    for path in (tmp_path / "deep", *(tmp_path / "deep").rglob("*")):
        modes[path.is_dir()].add(stat.S_IMODE(path.stat().st_mode))
    assert modes == {True: {0o755}, False: {0o644}}


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """A folder that nobody may change, root neither."""
    root = os.geteuid() == 0
    thaw = ["chattr", "-i", str(folder)] if root else ["chmod", "755", str(folder)]
    freeze = ["chattr", "+i", str(folder)] if root else ["chmod", "555", str(folder)]
    if root and not shutil.which("chattr"):
        pytest.skip("root writes everywhere, and there is no chattr")
    if subprocess.run(freeze, check=False, capture_output=True).returncode:
        pytest.skip("root writes everywhere, and this file system has no immutable flag")
    try:
        yield
    finally:
        subprocess.run(thaw, check=True)


def test_a_folder_that_cannot_be_written_is_refused_before_any_write(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(FILES, out)
    files = {**FILES, "prod/api.yaml": text("new"), "_mesh.yaml": text("new")}
    with frozen(out):
        assert refusal(files, out, also_compare=False) == ["MESH707"]
        assert refusal({**FILES, "new/x.yaml": text("x")}, out, also_compare=False) == ["MESH707"]
        assert write(FILES, out).written == ()  # nothing to do is no reason to fail
        assert compare(files, out).changed == ("_mesh.yaml", "prod/api.yaml")


def test_a_stale_file_that_cannot_be_removed_is_met_before_any_write(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(FILES, out)
    with frozen(out / "shop"):
        assert refusal({"_mesh.yaml": text("new")}, out, also_compare=False) == ["MESH707"]


@pytest.mark.parametrize("place", ["out", "out/prod"])
def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text(text("x"))
    assert refusal(FILES, tmp_path / "out") == ["MESH703"]


def test_a_file_above_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert refusal(FILES, tmp_path / "file" / "out") == ["MESH703"]


def test_a_folder_or_pipe_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out" / "prod" / "api.yaml").mkdir(parents=True)
    os.mkfifo(tmp_path / "out" / "_mesh.yaml")
    assert refusal(FILES, tmp_path / "out") == ["MESH703", "MESH703"]


# --- The lock (fault 4)


def test_a_build_waits_for_another_and_then_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(FILES, out)
    files = {**FILES, "_mesh.yaml": text("new")}
    other = os.open(out, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert refusal(files, out, also_compare=False) == ["MESH710"]
    assert compare(files, out).changed == ("_mesh.yaml",)
    timer = threading.Timer(0.1, os.close, [other])
    timer.start()
    assert write(files, out, lock_seconds=30).written == ("_mesh.yaml",)
    timer.join()


def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    write(FILES, tmp_path / "out")
    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert refusal({}, tmp_path / "out", also_compare=False) == ["MESH710"]


def test_every_code_of_output_has_a_page_and_every_page_a_use() -> None:
    package = Path(output.__file__).parent
    used = {
        code
        for path in (*package.glob("*.py"), package.parent / "render.py")
        for code in re.findall(r'"(MESH7\d\d)"', path.read_text())
    }
    assert used == {code for code in codes.PAGES if code.startswith("MESH7")}
