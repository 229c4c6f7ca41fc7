"""What output says when it refuses or fails. Codes MESH702 to MESH710.

Each finding is about a file or a folder, which is its origin: reports show it relative to where they are read, so no
sentence repeats it.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from meshdsl.diagnostics import Diagnostic, Origin
from meshdsl.manifest import FILE_MARK

NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SHOWN = 10


def no_such_path(path: str) -> Diagnostic:
    """A path that no file of ours has."""
    return Diagnostic(
        "MESH702",
        f"the output cannot have a file {path!r}",
        reason="files are NAMESPACE/SERVICE.yaml, NAMESPACE/_namespace.yaml or _mesh.yaml",
        help="name namespaces and services as Kubernetes does: lower-case letters, digits and '-'",
    )


def not_locked(error: OSError, directory: Path, waited: float | None) -> Diagnostic:
    """The lock did not come free in ``waited`` seconds, or (None) the file system has no locks."""
    if waited is None:
        return Diagnostic(
            "MESH710",
            "this folder cannot be locked",
            _at(directory),
            reason=_answer(error),
            help="build into a local folder",
        )
    return Diagnostic(
        "MESH710",
        "another build is writing to this folder",
        _at(directory),
        reason=f"its lock did not come free in {waited:g} s",
        help="wait for the other build, then build again",
    )


def _at(path: Path) -> Origin:
    return Origin(str(path), 0)


def _answer(error: OSError) -> str:
    return f"the system answered: {error.strerror or error}"


def in_the_way(error: OSError, path: Path) -> Diagnostic:
    """Why something that is there cannot be read or gone through."""
    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR):
        if error.errno == errno.ELOOP or path.is_symlink():
            return Diagnostic(
                "MESH704",
                "this is a symbolic link",
                _at(path),
                reason="written through a link, output could change files anywhere",
                help="replace it by a real folder or file, or name its destination as the output folder",
            )
        what = "not a file" if error.errno == errno.EISDIR else "not a folder"
        return Diagnostic(
            "MESH703",
            f"this is {what}",
            _at(path),
            reason="the output goes there",
            help="move it, or choose another folder",
        )
    return Diagnostic(
        "MESH706",
        "this cannot be read",
        _at(path),
        reason=_answer(error),
        help="give the user that builds the right to",
    )


def foreign(path: Path) -> Diagnostic:
    """A file that somebody else wrote, where one of ours is to be."""
    return Diagnostic(
        "MESH705",
        "this file is not ours and would be overwritten",
        _at(path),
        reason=f'its first line is not "{FILE_MARK}"',
        help="move it away or delete it, then build again",
    )


def failed(error: OSError, path: Path, done: Sequence[str]) -> Diagnostic:
    """Why a write failed, and what was replaced or removed before."""
    if error.errno in _NO_ROOM:
        code, message, way_out = "MESH708", "there is no room for this", "make room, then build again"
    elif error.errno in NOT_ALLOWED:
        code, message, way_out = "MESH707", "this cannot be written", "give the user that builds the right to"
    else:
        code, message, way_out = "MESH709", "writing this failed", "mend the cause, then build again"
    shown = ", ".join(done[:_SHOWN]) + (f" and {len(done) - _SHOWN} more" if len(done) > _SHOWN else "")
    state = f"done before it: {shown}; the next build does the rest" if done else "every file is as it was"
    return Diagnostic(code, message, _at(path), reason=f"{_answer(error)}; {state}", help=way_out)
