r"""Making text from policy files and clusters safe to show.

A name in a policy or in a live object may hold escape sequences that repaint a terminal, or bidirectional controls
that make a line read as something else (CVE-2021-42574). They are shown as ``\x1b`` or ``\u202e``.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>|#~!&$]|^(?=[-+] |\d+[.)] )")
_MENTION = re.compile(r"@(?=\w)")


def visible(text: str) -> str:
    """The text with control, bidirectional and invisible characters escaped; newlines and tabs stay."""
    return _UNSAFE.sub(_escaped, text)


def one_line(text: str) -> str:
    """As :func:`visible`, with newlines and tabs escaped as well."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def escaped(text: str) -> str:
    """Text on one line that Markdown shows as it is: it opens neither HTML nor a link, and mentions nobody."""
    return _MENTION.sub(
        "&#64;", _SPECIAL.sub(lambda found: f"&#{ord(found.group())};" if found.group() else "\\", one_line(text))
    )


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
