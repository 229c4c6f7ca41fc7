"""Builds that are killed, starved, interrupted and run against each other (faults 1 to 4 and 56).

After each fault: every file is whole, old or new; what is not ours is as it was; and the next build makes the folder
exactly what it should be.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from meshdsl import output
from meshdsl.diagnostics import OutputError
from meshdsl.manifest import FILE_MARK

BUILDER = [sys.executable, "-m", "tests.faults.builder"]
ROOT = Path(__file__).parents[2]


def text(body: str) -> str:
    return f"{FILE_MARK}\n{body * 50}\n"


OLD = {"_mesh.yaml": text("old"), "a/x.yaml": text("old"), "a/y.yaml": text("same"), "gone/z.yaml": text("old")}
NEW = {"_mesh.yaml": text("new"), "a/x.yaml": text("new"), "a/y.yaml": text("same"), "made/n.yaml": text("new")}
MANY = {**NEW, **{f"a/many{number}.yaml": text("new") for number in range(40)}}
"""So many in one folder that several are written at once."""
USERS = {"README.md": "mine", "a/notes.yaml": "kind: Mine\n", "gone/keep": "mine"}


class Builder:
    """Orders to one ``builder`` process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            BUILDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, bufsize=1
        )

    def order(self, directory: Path, files: dict[str, str], **how: Any) -> tuple[int, list[list[str]]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"directory": str(directory), "files": files, **how}) + "\n")
        status, refused = json.loads(self.process.stdout.readline())
        return status, refused

    def close(self) -> None:
        with self.process as process:
            assert process.stdin is not None
            process.stdin.close()


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    builder = Builder()
    yield builder
    builder.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return prepared(tmp_path / "out")


def prepared(directory: Path) -> Path:
    """A folder with the old build and files of the user's in it."""
    shutil.rmtree(directory, ignore_errors=True)
    output.write(OLD, directory)
    for path, content in USERS.items():
        (directory / path).write_text(content)
    return directory


def tree(directory: Path) -> dict[str, str]:
    return {p.relative_to(directory).as_posix(): p.read_text() for p in sorted(directory.rglob("*")) if p.is_file()}


def temporary(path: str) -> bool:
    return path.endswith(".tmp")


def check_whole(directory: Path) -> None:
    """Every file is as it was or as it is to be, and none is missing that is both before and after."""
    found = {path: content for path, content in tree(directory).items() if not temporary(path)}
    for path, content in found.items():
        assert content in {OLD.get(path), NEW.get(path), USERS.get(path)}, path
    assert found.keys() >= (OLD.keys() & NEW.keys()) | USERS.keys()


def check_completed(directory: Path) -> None:
    """The next build makes the folder what it is to be, left-over files of the killed one removed."""
    output.write(NEW, directory)
    assert tree(directory) == NEW | USERS
    assert output.compare(NEW, directory).is_empty


def test_a_build_killed_at_any_system_call_leaves_whole_files_and_the_next_completes_it(
    builder: Builder, out: Path
) -> None:
    trees = set()
    for count in range(1, 1000):
        status, _ = builder.order(out, NEW, kill_at=count)
        check_whole(out)
        trees.add(tuple(sorted(tree(out).items())))
        check_completed(out)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        prepared(out)
    assert count > 40, "the build was hardly killed at all"
    assert len(trees) > 10, "the kills met the same state again and again"


@pytest.mark.parametrize("replaced", [1, 2, 3])
def test_a_build_killed_at_a_rename_has_replaced_what_came_before_it(
    builder: Builder, out: Path, replaced: int
) -> None:
    assert builder.order(out, NEW, replaced=replaced)[0] == -signal.SIGKILL
    found = tree(out)
    assert sum(found.get(path) == NEW[path] for path in ("_mesh.yaml", "a/x.yaml", "made/n.yaml")) == replaced - 1
    assert found["gone/z.yaml"] == OLD["gone/z.yaml"], "removed before all was written"
    check_completed(out)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_build_killed_at_any_moment_leaves_whole_files_and_the_next_completes_it(
    builder: Builder, out: Path, number: int
) -> None:
    random = Random(number)
    killed = 0
    for _ in range(50):
        status, _ = builder.order(out, NEW, delay=random.uniform(0, 0.006), signal=number)
        killed += status != 0
        check_whole(out)
        check_completed(out)
        prepared(out)
    assert killed


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_interrupted_build_leaves_no_temporary_file(out: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    inject(monkeypatch, "replace", at, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        output.write(NEW, out)
    monkeypatch.undo()
    check_whole(out)
    assert not any(map(temporary, tree(out)))
    check_completed(out)


# --- Errors of the system (faults 2, 9)


def inject(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    at: int,
    error: BaseException,
    when: Callable[..., bool] = lambda *_: True,
) -> list[int]:
    """Let the ``at``-th call of ``os.name`` fail; what is returned counts the calls."""
    original, count, lock = getattr(os, name), [0], threading.Lock()

    def call(*arguments: Any, **named: Any) -> Any:
        if when(*arguments):
            with lock:
                count[0] += 1
                is_it = count[0] == at
            if is_it:
                raise error
        return original(*arguments, **named)

    monkeypatch.setattr(os, name, call)
    return count


def failure_of(files: dict[str, str], directory: Path) -> OutputError | None:
    try:
        output.write(files, directory)
    except OutputError as error:
        return error
    return None


def creates(path: object, flags: int, *_: object) -> bool:
    return bool(flags & os.O_CREAT)


WRITES: list[tuple[str, Callable[..., bool]]] = [
    ("open", creates),
    *((name, lambda *_: True) for name in ("write", "fsync", "replace", "unlink", "mkdir", "fchmod")),
]


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EIO, "MESH709"), (errno.ENOSPC, "MESH708"), (errno.EDQUOT, "MESH708"), (errno.EACCES, "MESH707"), (errno.EROFS, "MESH707")],
    ids=["EIO", "ENOSPC", "EDQUOT", "EACCES", "EROFS"],
)  # fmt: skip
@pytest.mark.parametrize(("name", "when"), WRITES, ids=[name for name, _ in WRITES])
def test_an_error_in_the_middle_says_what_was_done_and_leaves_whole_files(
    out: Path, name: str, when: Callable[..., bool], number: int, code: str
) -> None:
    failures = 0
    for at in range(1, 100):
        with pytest.MonkeyPatch.context() as patch:
            count = inject(patch, name, at, OSError(number, os.strerror(number)), when)
            caught = failure_of(NEW, out)
        if caught is None:
            assert count[0] < at
            break
        failures += 1
        (found,) = caught.diagnostics
        assert found.code == code
        assert os.strerror(number) in found.reason
        check_whole(out)
        after = tree(out)
        assert not any(map(temporary, after))
        done = {path for path in OLD.keys() | NEW.keys() if after.get(path) != OLD.get(path)}
        said = re.search(r"done before it: (.*?); the next build", found.reason)
        assert (set(said[1].split(", ")) if said else set()) == done
        if name in {"open", "write", "mkdir", "fchmod"}:
            assert after == OLD | USERS, "the files were not all put beside before the first was replaced"
            assert "every file is as it was" in found.reason
        check_completed(out)
        prepared(out)
    assert failures


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EPERM])
def test_a_file_or_folder_that_cannot_be_read_is_refused_before_any_write(out: Path, number: int) -> None:
    for at in range(1, 100):
        with pytest.MonkeyPatch.context() as patch:
            count = inject(patch, "open", at, OSError(number, os.strerror(number)))
            caught = failure_of(OLD, out)
        if count[0] < at:
            break
        assert tree(out) == OLD | USERS
        assert caught is None or {d.code for d in caught.diagnostics} == {"MESH706"}
    assert at > 5


def test_a_largest_file_size_that_a_file_passes_leaves_all_as_it_was(builder: Builder, out: Path) -> None:
    big = {**NEW, "made/n.yaml": text("long" * 1000)}
    status, refused = builder.order(out, big, largest=65_536)
    assert (status, [code for code, _ in refused]) == (3, ["MESH708"])
    assert tree(out) == OLD | USERS
    assert builder.order(out, big)[0] == 0
    assert tree(out) == big | USERS


def test_a_full_disk_leaves_all_as_it_was(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here: what a full one does was only simulated")
    try:
        out = prepared(disk / "out")
        with pytest.raises(OutputError, match="MESH708"):
            output.write({**NEW, "made/n.yaml": text("long" * 1000)}, out)
        assert tree(out) == OLD | USERS
        check_completed(out)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", ["open", "write", "fsync", "fchmod"])
def test_an_error_among_many_files_leaves_all_as_it_was(out: Path, name: str) -> None:
    for at in (1, 10, 41):
        with pytest.MonkeyPatch.context() as patch:
            inject(patch, name, at, OSError(errno.ENOSPC, "no room"), creates if name == "open" else lambda *_: True)
            caught = failure_of(MANY, out)
        assert caught is not None
        (found,) = caught.diagnostics
        assert (found.code, "every file is as it was" in found.reason) == ("MESH708", True)
        assert tree(out) == OLD | USERS


def test_many_files_are_replaced_in_the_order_of_their_names(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inject(monkeypatch, "replace", 43, OSError(errno.EIO, "broken"))
    caught = failure_of(MANY, out)
    assert caught is not None
    first = sorted(path for path in MANY if path.startswith("a/many"))[:9]
    assert f"done before it: _mesh.yaml, {', '.join(first)} and 32 more;" in caught.diagnostics[0].reason
    monkeypatch.undo()
    assert output.write(MANY, out).written
    assert tree(out) == MANY | USERS


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_build_of_many_files_killed_at_any_moment_is_completed_by_the_next(
    builder: Builder, out: Path, number: int
) -> None:
    random = Random(number)
    killed = 0
    for _ in range(20):
        status, _ = builder.order(out, MANY, delay=random.uniform(0, 0.02), signal=number)
        killed += status != 0
        found = {path: content for path, content in tree(out).items() if not temporary(path)}
        assert all(content in {OLD.get(path), MANY.get(path), USERS.get(path)} for path, content in found.items())
        output.write(MANY, out)
        assert tree(out) == MANY | USERS
        prepared(out)
    assert killed


def test_a_write_that_takes_only_a_part_is_continued(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: original(descriptor, data[:7]))
    output.write(NEW, out)
    assert tree(out) == NEW | USERS


# --- Order on the disk (fault 3)


def check_order(events: list[tuple[str, str]]) -> None:
    """Each file is flushed before any rename; each folder that is touched is flushed after its last change."""
    renames = [number for number, (what, _) in enumerate(events) if what == "rename"]
    flushed = {where for what, where in events[: renames[0]] if what == "fsync"}
    assert {where for what, where in events if what == "written"} == flushed
    for number, (what, where) in enumerate(events):
        if what in {"rename", "unlink", "mkdir", "rmdir"}:
            assert ("fsync", where) in events[number:], f"{where} is not flushed after its {what}"
    assert renames[-1] < min(number for number, (what, _) in enumerate(events) if what == "unlink")


SAME_MESH = {**NEW, "_mesh.yaml": OLD["_mesh.yaml"]}


@pytest.mark.parametrize("files", [NEW, SAME_MESH, MANY], ids=["top changes", "only folders change", "many files"])
def test_files_are_flushed_before_renames_and_folders_after(
    out: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    (out / "gone" / "keep").unlink()
    events: list[tuple[str, str]] = []

    def place(descriptor: int) -> str:
        return (
            str(Path(f"/proc/self/fd/{descriptor}").readlink())
            if Path("/proc").exists()
            else str(os.fstat(descriptor).st_ino)
        )

    def record(name: str, what: str, where: Callable[..., str]) -> None:
        original = getattr(os, name)

        def call(*arguments: Any, **named: Any) -> Any:
            result = original(*arguments, **named)
            events.append((what, where(*arguments, **named)))
            return result

        monkeypatch.setattr(os, name, call)

    record("fsync", "fsync", place)
    record("write", "written", lambda descriptor, data: place(descriptor))
    record("replace", "rename", lambda source, target, *, src_dir_fd, dst_dir_fd: place(dst_dir_fd))
    record("unlink", "unlink", lambda name, *, dir_fd: place(dir_fd))
    record("mkdir", "mkdir", lambda name, *, dir_fd: place(dir_fd))
    record("rmdir", "rmdir", lambda name, *, dir_fd: place(dir_fd))
    output.write(files, out)
    monkeypatch.undo()
    assert {"rename", "unlink", "mkdir", "rmdir", "written"} <= {what for what, _ in events}
    check_order(events)


def test_a_new_folder_is_flushed_into_the_folder_it_is_made_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    original = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: (flushed.append(os.fstat(descriptor).st_ino), original(descriptor))
    )
    output.write(NEW, tmp_path / "deep" / "out")
    assert {tmp_path.stat().st_ino, (tmp_path / "deep").stat().st_ino} <= set(flushed)


def test_the_kernel_sees_the_same_order(out: Path, tmp_path: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not here: the order of system calls was only recorded inside Python")
    log = tmp_path / "log"
    order = json.dumps({"directory": str(out), "files": MANY})
    calls = "trace=write,fsync,rename,renameat,renameat2,unlinkat,mkdirat"
    done = subprocess.run(
        ["strace", "-f", "-y", "-e", calls, "-o", str(log), *BUILDER],
        input=order + "\n", text=True, cwd=ROOT, check=False, capture_output=True,
    )  # fmt: skip
    if done.returncode and "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    events = []
    for line in log.read_text().splitlines():
        found = re.search(r"(write|fsync|renameat2?|unlinkat|mkdirat)\(\d+<([^>]*)>", line)
        if found and found[2].startswith(str(out)):
            what = {
                "write": "written",
                "renameat": "rename",
                "renameat2": "rename",
                "unlinkat": "unlink",
                "mkdirat": "mkdir",
            }
            removes_folder = "AT_REMOVEDIR" in line
            if not removes_folder:
                events.append((what.get(found[1], found[1]), found[2]))
    assert [what for what, _ in events].count("rename") == 43
    check_order(events)


# --- Builds at the same time (fault 4)


def test_builds_at_the_same_time_leave_exactly_one_whole_build(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    builds = [
        {f"n{n % 3}/x.yaml": text(f"{n}"), f"n{n}/y.yaml": text(f"{n}"), "_mesh.yaml": text(f"{n}")} for n in range(8)
    ]
    builders = [Builder() for _ in builds]
    try:
        for one, files in zip(builders, builds, strict=True):
            assert one.process.stdin is not None
            one.process.stdin.write(json.dumps({"directory": str(out), "files": files, "times": 50}) + "\n")
        for one in builders:
            assert one.process.stdout is not None
            assert json.loads(one.process.stdout.readline()) == [0, []]
    finally:
        for one in builders:
            one.close()
    assert tree(out) in builds
