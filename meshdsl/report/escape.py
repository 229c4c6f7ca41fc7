r"""Making text from policy files and clusters safe to show.

A name in a policy or in a live object may hold escape sequences that repaint a terminal, or bidirectional controls
that make a line read as something else (CVE-2021-42574). They are shown as ``\x1b`` or ``\u202e``.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def visible(text: str) -> str:
    """The text with control, bidirectional and invisible characters escaped; newlines and tabs stay."""
    return _UNSAFE.sub(_escaped, text)


def one_line(text: str) -> str:
    """As :func:`visible`, with newlines and tabs escaped as well."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
