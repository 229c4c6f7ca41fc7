"""Manifests to YAML: the only writer of YAML.

It writes block style as kubectl does, fields in the order given, and nothing that two parsers could read in two ways.
A manifest is read by kubectl (Go, YAML 1.1 with parts of 1.2), by GitOps tools and by Python; they disagree about
``y``, ``1_000``, ``1:30``, ``0o7`` and more. So a string is written plain only if it is of a small shape that every
parser takes for a string. Any other is double-quoted, one line, printable ASCII with escapes: line breaks, marks that
reverse the direction of text and look-alike letters are then visible in a review, and the bytes do not depend on the
Unicode tables of the Python that ran.

It must not know what a field means, where a file goes, or what a target is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import isfinite

from meshdsl.diagnostics import Diagnostic, OutputError
from meshdsl.manifest import FILE_MARK, Manifest
from meshdsl.values import Json

MAX_DEPTH = 100
"""How deep a body may be nested. Kubernetes objects stay under 30; PyYAML fails on about 250."""

MAX_KEY = 1000
"""How long a key may be as it is written: YAML readers take at most 1,024 characters for a key on one line."""

_MAX_INT = 2**63

# A letter or "/" first: no number, date, indicator, merge key or document mark begins like that. Then no character
# that means something inside a plain scalar, and ":" or a space only before one that means nothing after them.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@=+,*()$-]*(?:[: ][A-Za-z0-9_./@=+,*()$-]+)*")
# Durations and memory sizes, the only strings that begin with a digit and that people read in every file.
_AMOUNT = re.compile(r"[0-9]+(?:ms|s|m|h|Ki|Mi|Gi)")
# Booleans and nulls of YAML 1.1 and 1.2 in any case, and what number parsers take beyond digits.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"})
_ESCAPED = re.compile(r'[^ -~]|["\\]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_PARTIAL = "# Only these fields are ours: meshdsl build --script sets them, and leaves the rest of the object alone.\n"


class _UnwritableError(ValueError):
    """A value has no YAML that every reader takes for the same."""


def render(body: Mapping[str, Json]) -> str:
    """One object as a YAML document, without ``---``.

    Args:
        body: JSON data; fields are written in the order given.

    Returns:
        printable ASCII that ends with a line break. The same data gives the same bytes everywhere.

    Raises:
        OutputError: a value is not JSON data, a number is not finite or passes 64 bits, a string has a lone surrogate
            (kubectl rejects it), a key passes ``MAX_KEY``, or the nesting ``MAX_DEPTH``.
    """
    try:
        return _render(body)
    except _UnwritableError as error:
        raise OutputError([_unwritable("an object", error)]) from error


def document(manifests: Iterable[Manifest], sources: Iterable[str]) -> str:
    """The text of one file: a header, then the objects in the order to apply them.

    Args:
        manifests: the objects; they are sorted by phase, and keep the given order within one.
        sources: the policy files that contribute, relative to the repository. Lines are not named: a moved line must
            not change output.

    Raises:
        OutputError: as :func:`render`, once for each object, with the policy it came from.
    """
    # A file name that is not UTF-8 reaches Python with surrogates; in a comment it may be shown escaped.
    names = (source.encode("utf-8", "backslashreplace").decode() for source in sorted(set(sources)))
    header = [FILE_MARK, *(f"# Source: {_text(name)}" for name in names)]
    return "\n".join(header) + "\n" + stream(manifests)


def stream(manifests: Iterable[Manifest]) -> str:
    """All objects in the order to apply them, for ``kubectl apply --server-side --field-manager=meshdsl -f -``.

    It has no header: kept in a file, it is the user's file, which no build removes.

    Raises:
        OutputError: as :func:`render`, once for each object.
    """
    texts: list[str] = []
    findings: list[Diagnostic] = []
    for manifest in sorted(manifests, key=lambda manifest: manifest.phase):
        try:
            text = _render(manifest.body)
        except _UnwritableError as error:
            findings.append(_unwritable(str(manifest.ref), error, manifest))
        else:
            texts.append(_PARTIAL + text if manifest.partial else text)
    if findings:
        raise OutputError(findings)
    return "---\n".join(texts)


def _unwritable(what: str, error: _UnwritableError, manifest: Manifest | None = None) -> Diagnostic:
    return Diagnostic(
        "MESH701",
        f"{what} cannot be written as YAML: {error}",
        manifest.origins[0] if manifest and manifest.origins else None,
        reason="kubectl and other readers would refuse it or take it for something else",
        help="change the value in the policy that it comes from",
    )


def _render(body: Mapping[str, Json]) -> str:
    if not body:
        return "{}\n"
    out: list[str] = []
    _mapping(out, body, "", "", 1)
    return "".join(out)


def _mapping(out: list[str], value: Mapping[str, Json], pad: str, lead: str, depth: int) -> None:
    """Append the lines of a non-empty mapping. ``lead`` opens the first line, ``pad`` the others."""
    if depth > MAX_DEPTH:
        raise _UnwritableError(f"it is nested more than {MAX_DEPTH} levels deep")
    for key, item in value.items():
        name = _name(key) if type(key) is str else _key(key)
        kind = type(item)
        if kind is str:
            out.append(f"{lead}{name}: {_text(item)}\n")  # the fast path of _scalar
        elif kind is int:
            out.append(f"{lead}{name}: {_whole(item)}\n")  # type: ignore[arg-type]
        elif not item or kind is bool:
            out.append(f"{lead}{name}: {_scalar(item)}\n")
        elif kind is dict or (kind is not list and isinstance(item, Mapping)):
            out.append(f"{lead}{name}:\n")
            _mapping(out, item, pad + "  ", pad + "  ", depth + 1)  # type: ignore[arg-type]
        elif kind is list or _is_list(item):
            out.append(f"{lead}{name}:\n")
            _sequence(out, item, pad, pad, depth + 1)  # type: ignore[arg-type]
        else:
            out.append(f"{lead}{name}: {_scalar(item)}\n")
        lead = pad


def _sequence(out: list[str], value: Sequence[Json], pad: str, lead: str, depth: int) -> None:
    """Append the lines of a non-empty sequence."""
    if depth > MAX_DEPTH:
        raise _UnwritableError(f"it is nested more than {MAX_DEPTH} levels deep")
    for item in value:
        kind = type(item)
        if kind is str:
            out.append(f"{lead}- {_text(item)}\n")
        elif kind is int:
            out.append(f"{lead}- {_whole(item)}\n")  # type: ignore[arg-type]
        elif item and (kind is dict or isinstance(item, Mapping)):
            _mapping(out, item, pad + "  ", lead + "- ", depth + 1)  # type: ignore[arg-type]
        elif item and _is_list(item):
            _sequence(out, item, pad + "  ", lead + "- ", depth + 1)  # type: ignore[arg-type]
        else:
            out.append(f"{lead}- {_scalar(item)}\n")
        lead = pad


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple) or (
        isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)
    )


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise _UnwritableError(f"a key is {type(key).__name__}, not a string")
    return _name(key)


@lru_cache(maxsize=4096)
def _name(key: str) -> str:
    """A key as it is written; kept, because a few names make up most of all text."""
    text = _text(key)
    if len(text) > MAX_KEY:
        raise _UnwritableError(f"a key is longer than {MAX_KEY} characters")
    return text


def _scalar(value: object) -> str:
    """Any value on one line: a scalar, or an empty collection."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return _text(str.__str__(value))  # an enumeration's member formats as its name
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Mapping):
        return "{}"
    if _is_list(value):
        return "[]"
    raise _UnwritableError(f"a value is {type(value).__name__}, not JSON data")


def _whole(value: int) -> str:
    if not -_MAX_INT <= value < _MAX_INT:
        raise _UnwritableError("a whole number passes 64 bits")
    return int.__repr__(value)


def _float(value: float) -> str:
    if not isfinite(value):
        raise _UnwritableError("a number is not finite")
    if value.is_integer() and abs(value) < _MAX_INT:
        return str(int(value))  # integer fields of the API take no "12.0"
    text = float.__repr__(value)
    mantissa, exponent, power = text.partition("e")
    if exponent and "." not in mantissa:
        return f"{mantissa}.0e{power}"  # YAML 1.1 takes "1e+16" for a string
    return text


@lru_cache(maxsize=16_384)
def _text(text: str) -> str:
    """A string as a scalar. The verdict is kept: names, hosts and keys come again thousands of times."""
    if _PLAIN.fullmatch(text) is not None:
        return f'"{text}"' if len(text) <= 8 and text.lower() in _WORDS else text
    if _AMOUNT.fullmatch(text) is not None:
        return text
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    short = _SHORT.get(character)
    if short is not None:
        return short
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        raise _UnwritableError(f"a string has the lone surrogate U+{code:04X}, which is no character")
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
