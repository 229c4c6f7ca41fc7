"""What Envoy makes of the path of a request before anything else looks at it.

Istio's default is to normalise paths as RFC 3986 says, and to turn backslashes into slashes: ``.`` and ``..`` are
resolved, and what never needed an escape is decoded. Slashes are not merged, and an encoded slash stays one
(``pathNormalization: BASE``; measured: ``/x/../secret`` and ``/%73ecret`` are ``/secret``, ``//secret`` is not).
"""

from __future__ import annotations

import re
from typing import Final

_ABNORMAL: Final = re.compile(r"%|\\|/\.")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")


def normalised(path: str) -> str:
    """A path as Envoy's route table, its access rules and the service see it."""
    if _ABNORMAL.search(path) is None:
        return path
    decoded = _ESCAPE.sub(_decoded, path.replace("\\", "/"))
    kept: list[str] = []
    segments = decoded.split("/")[1:]
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
            continue
        if last:
            kept.append("")
    return "/" + "/".join(kept)


def _decoded(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0]
