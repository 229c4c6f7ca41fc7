"""What goes wrong on the way to a cluster, in words for people, and without anybody's credentials.

There are two kinds. A :class:`ClusterError` ends the command: there is no kubectl, no such context, no server. A
:class:`Failure` is the end of one request; a snapshot turns it into *unknown* for what was asked, and goes on.
Whatever kubectl, a credential plugin or a server says is shown only after :func:`redact`.
"""

from __future__ import annotations

import re
from typing import Literal

from meshdsl.diagnostics import Diagnostic, MeshdslError

FailureCode = Literal[
    "forbidden",
    "unauthorized",
    "not-installed",
    "unreachable",
    "timeout",
    "server-error",
    "invalid-answer",
    "expired",
    "refused",
]
"""The codes of ``Unknown``, and two that never leave this package: ``expired`` is a continue token that the server no
longer knows, ``refused`` an object that it does not take."""

_MAX_WORDS = 500
_HIDDEN = "(hidden)"
# No repetition before a fixed word: every line of a log goes through this, however long it is.
_NAMED_SECRET = re.compile(
    r"""(?ix)
    ( (?: authorization | cookie | token | secret | password | passwd | api-?key ) ["']? \s* [:=] \s* )
    (?: ["'\[]* (?: bearer | basic | negotiate | digest ) \s+ )?
    ["'\[]* [^\s"',;&}\]]+
    """
)
_SCHEME = re.compile(r"\b(bearer|basic|negotiate)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}")
_USER_OF_URL = re.compile(r"(://)[^/\s@]+@")


class ClusterError(MeshdslError):
    """A cluster could not be asked at all."""

    exit_code = 3


class Failure(Exception):
    """One request got no usable answer.

    Attributes:
        code: see :data:`FailureCode`.
        reason: one sentence for people.
        retry: whether the same request may do better later.
        wait: how long the server asked to wait, in seconds; None if it did not.
    """

    def __init__(self, code: FailureCode, reason: str, *, retry: bool = False, wait: float | None = None) -> None:
        self.code = code
        self.reason = reason
        self.retry = retry
        self.wait = wait
        super().__init__(f"{code}: {reason}")


def cluster_error(code: str, message: str, *, reason: str = "", help: str = "") -> ClusterError:
    """The error with one diagnostic."""
    return ClusterError([Diagnostic(code, message, reason=reason, help=help)])


def redact(text: str) -> str:
    """A text without what looks like a credential: values of authorization headers, tokens, passwords."""
    text = _NAMED_SECRET.sub(rf"\1{_HIDDEN}", text)
    text = _SCHEME.sub(rf"\1 {_HIDDEN}", text)
    text = _JWT.sub(_HIDDEN, text)
    return _USER_OF_URL.sub(rf"\1{_HIDDEN}@", text)


def words(text: str) -> str:
    """What somebody else said, as part of a sentence of ours: one line, not too long, nothing secret."""
    line = redact(" ".join(text.split()))
    return line if len(line) <= _MAX_WORDS else f"{line[: _MAX_WORDS - 1]}…"
