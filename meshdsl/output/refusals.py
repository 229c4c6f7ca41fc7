"""What output says when it refuses or fails. Codes MESH702 to MESH710."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from meshdsl.diagnostics import Diagnostic
from meshdsl.manifest import FILE_MARK

NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SHOWN = 10


def no_such_path(path: str) -> Diagnostic:
    """A path that no file of ours has."""
    return Diagnostic(
        "MESH702",
        f"The output cannot have a file {path!r}.",
        reason="Files are NAMESPACE/SERVICE.yaml, NAMESPACE/_namespace.yaml or _mesh.yaml.",
        help="Name namespaces and services as Kubernetes does: lower-case letters, digits and '-'.",
    )


def not_locked(error: OSError, directory: Path, waited: float | None) -> Diagnostic:
    """The lock did not come free in ``waited`` seconds, or (None) the file system has no locks."""
    if waited is None:
        return Diagnostic(
            "MESH710", f"{directory} cannot be locked.", reason=_sentence(error), help="Build into a local folder."
        )
    return Diagnostic(
        "MESH710",
        f"Another build is writing to {directory}.",
        reason=f"Its lock did not come free in {waited:g} s.",
        help="Wait for the other build, then build again.",
    )


def _sentence(error: OSError) -> str:
    return f"The system answered: {error.strerror or error}."


def in_the_way(error: OSError, path: Path) -> Diagnostic:
    """Why something that is there cannot be read or gone through."""
    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR):
        if error.errno == errno.ELOOP or path.is_symlink():
            return Diagnostic(
                "MESH704",
                f"{path} is a symbolic link.",
                reason="Written through a link, output could change files anywhere.",
                help="Replace it by a real folder or file, or name its destination as the output folder.",
            )
        what = "not a file" if error.errno == errno.EISDIR else "not a folder"
        return Diagnostic(
            "MESH703", f"{path} is {what}.", reason="The output goes there.", help="Move it, or choose another folder."
        )
    return Diagnostic(
        "MESH706", f"{path} cannot be read.", reason=_sentence(error), help="Give the user that builds the right to."
    )


def foreign(path: Path) -> Diagnostic:
    """A file that somebody else wrote, where one of ours is to be."""
    return Diagnostic(
        "MESH705",
        f"{path} is not ours and would be overwritten.",
        reason=f'Its first line is not "{FILE_MARK}".',
        help="Move it away or delete it, then build again.",
    )


def failed(error: OSError, path: Path, done: Sequence[str]) -> Diagnostic:
    """Why a write failed, and what was replaced or removed before."""
    if error.errno in _NO_ROOM:
        code, message, way_out = "MESH708", f"There is no room for {path}.", "Make room, then build again."
    elif error.errno in NOT_ALLOWED:
        code, message, way_out = "MESH707", f"{path} cannot be written.", "Give the user that builds the right to."
    else:
        code, message, way_out = "MESH709", f"Writing {path} failed.", "Mend the cause, then build again."
    shown = ", ".join(done[:_SHOWN]) + (f" and {len(done) - _SHOWN} more" if len(done) > _SHOWN else "")
    state = f"Done before it: {shown}. The next build does the rest." if done else "Every file is as it was."
    return Diagnostic(code, message, reason=f"{_sentence(error)} {state}", help=way_out)
