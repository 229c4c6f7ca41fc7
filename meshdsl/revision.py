"""Writes the files of a git revision to a private folder, so that its policies can be compiled.

They come from git's objects, by ``git ls-tree`` and ``git cat-file``: the working tree, the index and the stash are
not touched, no hook and no filter of the repository runs, and nothing is fetched. (``git archive`` would leave out
what ``export-ignore`` names, and rewrite what ``export-subst`` names.)

A tree of git can hold what no folder should: names with ``..``, and symbolic links that lead anywhere. The first are
refused. Links are kept, as policies may be links to other policies; one that leads out of the tree leads to an empty
folder beside it, where it can do no harm and is reported as any link that leads out. Submodules are empty folders.

It knows nothing of policies.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from meshdsl.diagnostics import ConfigError, Diagnostic, MeshdslError

_REFUSED_PARTS = frozenset({b"", b".", b"..", b".git"})
_LINK, _SUBMODULE, _PROGRAM = b"120000", b"160000", b"100755"
_ENVIRONMENT = {
    "LC_ALL": "C",
    # Nothing is asked, locked or fetched: a blob that is not here is an error, not a download.
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
}


class GitError(MeshdslError):
    """Git, or the disk, could not do it."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a revision.

    Attributes:
        name: as the user wrote it.
        commit: the hash that it stands for.
        root: the private folder that the files are in.
        inside: the folder that stands for the one the revision was asked for in.
        submodules: paths of folders whose files are not there.
    """

    name: str
    commit: str
    root: Path
    inside: Path
    submodules: tuple[str, ...]

    def shown(self, file: str) -> str:
        """A file of the private folder as ``REV:path``; another as it is."""
        root = f"{self.root}{os.sep}"
        return f"{self.name}:{file.removeprefix(root)}" if file.startswith(root) else file

    def words(self, text: str) -> str:
        """A sentence that names files of the private folder, with ``REV:path`` in their place."""
        return text.replace(f"{self.root}{os.sep}", f"{self.name}:").replace(str(self.root), f"{self.name}:")


@contextmanager
def checked_out(revision: str, folder: Path) -> Iterator[Tree]:
    """The files of a revision, in a folder of mode 0700 that is removed at the end.

    Args:
        revision: anything that git resolves to a commit.
        folder: in the repository.

    Raises:
        ConfigError: there is no repository, or no such revision (exit code 2).
        GitError: git is not there or failed, or the tree cannot be written out (exit code 3).
    """
    top = Path(os.fsdecode(_top(folder)))
    commit = _commit(revision, top)
    private = Path(os.path.realpath(tempfile.mkdtemp(prefix="meshdsl-revision-")))
    try:
        # The files are in a folder of the repository's name, which can be the name of a package.
        root = private / "tree" / (top.name or "root")
        submodules = _write(_entries(top, commit), top, root, private / "outside")
        inside = root / os.path.relpath(os.path.realpath(folder), os.path.realpath(top))
        yield Tree(revision, commit, root, Path(os.path.normpath(inside)), submodules)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _top(folder: Path) -> bytes:
    try:
        return _git(folder, "rev-parse", "--show-toplevel").removesuffix(b"\n")
    except subprocess.CalledProcessError as error:
        said = _said(error)
        if "not a git repository" not in said:
            raise GitError([Diagnostic("MESH873", "git cannot read this repository", reason=said)]) from None
        raise ConfigError(
            [
                Diagnostic(
                    "MESH872",
                    f"{str(folder)!r} is in no git repository",
                    help="run it in a clone, or compare with a folder or a dump: --against DIR",
                )
            ]
        ) from None


def _commit(revision: str, top: Path) -> str:
    try:
        # --end-of-options: a revision that begins with "-" is no option.
        given = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return _git(top, *given).decode().strip()
    except (subprocess.CalledProcessError, ValueError):
        raise ConfigError(
            [
                Diagnostic(
                    "MESH871",
                    f"there is no revision {revision!r}",
                    reason="git does not resolve it to a commit",
                    help="git log shows what there is; a shallow checkout needs git fetch first",
                )
            ]
        ) from None


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: bytes
    blob: bytes
    path: str


def _entries(top: Path, commit: str) -> list[_Entry]:
    entries = []
    for line in _git(top, "ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0")[:-1]:
        attributes, _, path = line.partition(b"\t")
        if not _REFUSED_PARTS.isdisjoint(path.lower().split(b"/")):
            raise _unusable(top.name, f"it has a file named {os.fsdecode(path)!r}, which no checkout would write")
        mode, _, blob = attributes.split(b" ")
        entries.append(_Entry(mode, blob, os.fsdecode(path)))
    return entries


def _write(entries: list[_Entry], top: Path, root: Path, outside: Path) -> tuple[str, ...]:
    """Write all entries; returns the paths of submodules."""
    try:
        root.mkdir(parents=True)
        outside.mkdir()
        links = list(_write_files(entries, top, root))
        _write_links(links, root, outside)
    except OSError as error:
        raise _unusable(root.name, f"{error.filename or root}: {error.strerror or error}") from error
    return tuple(entry.path for entry in entries if entry.mode == _SUBMODULE)


def _write_files(entries: list[_Entry], top: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """Write everything but links, which are given back with what they lead to: none is ever written through."""
    for entry in entries:
        path = root / entry.path
        (path if entry.mode == _SUBMODULE else path.parent).mkdir(parents=True, exist_ok=True)
    blobs = [entry for entry in entries if entry.mode != _SUBMODULE]
    for entry, data in zip(blobs, _contents(top, blobs), strict=True):
        path = root / entry.path
        if entry.mode == _LINK:
            yield path, os.fsdecode(data)
            continue
        mode = 0o700 if entry.mode == _PROGRAM else 0o600
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)


def _write_links(links: list[tuple[Path, str]], root: Path, outside: Path) -> None:
    for path, target in links:
        path.symlink_to(target)
    # Where a link leads is known when all are there.
    for path, _ in links:
        if not Path(os.path.realpath(path)).is_relative_to(root):
            path.unlink()
            path.symlink_to(outside)


def _contents(top: Path, entries: list[_Entry]) -> Iterator[bytes]:
    """The data of each entry, from one process."""
    with tempfile.TemporaryFile() as question:
        # A file, not a pipe: git would wait for us to read its answers while we wait for it to read the question.
        question.writelines(entry.blob + b"\n" for entry in entries)
        question.seek(0)
        with subprocess.Popen(  # noqa: S603  # no shell, and nothing of the user's
            [_program(), "cat-file", "--batch", "--buffer"],
            cwd=top,
            env=_environment(),
            stdin=question,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                assert process.stdout is not None
                for entry in entries:
                    header = process.stdout.readline().split()
                    is_there = len(header) == 3 and header[1] == b"blob"
                    data = process.stdout.read(int(header[2]) + 1) if is_there else b""
                    if not is_there or len(data) != int(header[2]) + 1:
                        raise _unusable(top.name, f"git has no content of {entry.path!r}")
                    yield data[:-1]
            finally:
                process.kill()


def _unusable(what: str, why: str) -> GitError:
    return GitError([Diagnostic("MESH874", f"the revision of {what!r} cannot be written out", reason=why)])


def _program() -> str:
    program = shutil.which("git")
    if program is None:
        raise GitError([Diagnostic("MESH873", "git is not there", help="install git, or compare with a folder")])
    return program


def _environment() -> dict[str, str]:
    # In a hook git sets GIT_DIR and others for the repository that it runs in: it is not always ours.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or "CONFIG" in name}
    return kept | _ENVIRONMENT


def _git(folder: Path, *arguments: str) -> bytes:
    """What a command of git prints. Raises CalledProcessError with what it says."""
    done = subprocess.run(  # noqa: S603  # no shell, and a revision cannot be an option
        [_program(), *arguments],
        cwd=folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return done.stdout


def _said(error: subprocess.CalledProcessError) -> str:
    said: bytes = error.stderr
    return said.decode(errors="backslashreplace").strip().removeprefix("fatal: ") or f"exit code {error.returncode}"
