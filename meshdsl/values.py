"""The scalar values that policies are made of: durations, percentages, names, paths.

Each kind of value has one parser and, where it is written into manifests, one formatter, so that every mesh is
given the same canonical text. The parsers raise ``ValueError`` with a sentence that says what was expected; the
model turns that into a diagnostic with the line of the argument.

This module knows nothing of policies, meshes or files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
"""What a manifest is made of."""

_DURATION = re.compile(r"(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,5})s)?(?:(\d{1,5})ms)?", re.ASCII)
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
_LABEL_KEY_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_QUANTITY = re.compile(r"[0-9]+(?:\.[0-9]{1,3})?(?:m|[kMGTPE]i?)?", re.ASCII)
_PATH_CHARACTERS = re.compile(r"[-A-Za-z0-9/._~!$&'()+,;=:@%]+", re.ASCII)

MAX_DURATION_MS = 24 * 3_600_000
"""The longest duration a policy may name: a day. Envoy, Istio and Linkerd take more; a request does not."""

MAX_MILLISECONDS = 100_000
"""From here on durations are whole seconds: a number of a Gateway API duration has five digits (GEP-2257)."""

MAX_REGEX = 1024
"""The longest regular expression Istio takes (``pkg/config/validation``: ``validateStringRegexp``)."""

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
"""The HTTP methods that Gateway API's ``HTTPMethod`` names."""


def milliseconds(value: str | timedelta) -> int:
    """The length of a duration in whole milliseconds.

    Args:
        value: ``"250ms"``, ``"5s"``, ``"1m30s"``, ``"1h"``, or a ``timedelta``.

    Raises:
        ValueError: it is not a duration, is shorter than 1 ms, longer than a day, or not in whole milliseconds
            (Istio's webhook takes whole milliseconds only, ``pkg/config/validation``), or from 100 s on not in whole
            seconds.
    """
    if isinstance(value, timedelta):
        microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
        if microseconds % 1000:
            raise ValueError("a duration is a whole number of milliseconds")
        total = microseconds // 1000
    elif isinstance(value, str):
        found = _DURATION.fullmatch(value)
        if found is None or not value:
            raise ValueError(f'a duration is written like "250ms", "5s" or "1m30s", not {value!r}')
        hours, minutes, seconds, millis = (int(part or 0) for part in found.groups())
        total = ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis
    else:
        # pydantic collects ValueError, not TypeError
        raise ValueError(_no_duration(value))  # noqa: TRY004
    if not 1 <= total <= MAX_DURATION_MS:
        raise ValueError("a duration is at least 1ms and at most 24h")
    if total % 1000 and total >= MAX_MILLISECONDS:
        raise ValueError("a duration of 100s or more is in whole seconds")
    return total


def _no_duration(value: object) -> str:
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return f'a duration has a unit: write "{value}s" or "{value}ms", not the bare number {value!r}'
    return f'a duration is written like "250ms", "5s" or "1m30s", not {value!r}'


def duration_text(ms: int) -> str:
    """A duration in one unit, as every mesh reads it: ``"90s"``, ``"250ms"``.

    Linkerd ignores a duration of two units such as ``1m30s`` without a word
    (``policy-controller/k8s/index/src/outbound/index/http.rs``), so one unit is the only form that all meshes share.
    """
    return f"{ms // 1000}s" if ms % 1000 == 0 else f"{ms}ms"


def percentage(value: float | str | Decimal) -> Decimal:
    """A percentage as an exact decimal.

    Args:
        value: 0 to 100, with at most four decimals (Envoy counts parts of a million).

    Raises:
        ValueError: it is not a number, out of range, or finer than a mesh can represent.
    """
    if isinstance(value, bool):
        raise ValueError("a percentage is a number from 0 to 100")  # noqa: TRY004
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"a percentage is a number from 0 to 100, not {value!r}") from None
    if not number.is_finite() or not 0 <= number <= 100:
        raise ValueError(f"a percentage is a number from 0 to 100, not {value}")
    if number != round(number, 4):
        raise ValueError(f"a percentage has at most four decimals (parts of a million), not {value}")
    return number


def percent_number(value: Decimal) -> int | float:
    """A percentage as the number that a manifest holds: ``10`` or ``12.5``."""
    return int(value) if value == value.to_integral_value() else float(value)


def percent_text(value: Decimal) -> str:
    """A percentage for people: ``10 %``, ``12.5 %``."""
    return f"{percent_number(value)} %"


def dns_label(value: str, what: str = "a name") -> str:
    """A Kubernetes name of one label (RFC 1123): lower case, digits and ``-``, at most 63 characters.

    Raises:
        ValueError: it is not.
    """
    if _LABEL.fullmatch(value) is None:
        raise ValueError(
            f"{what} is 1 to 63 lower-case letters, digits and '-', with a letter or digit at both ends, not {value!r}"
        )
    return value


def service_name(value: str) -> str:
    """A Kubernetes Service name (RFC 1035 before Kubernetes 1.34): a DNS label that starts with a letter."""
    if not dns_label(value, "a service name")[0].isalpha():
        raise ValueError(f"a service name starts with a letter, not {value!r}")
    return value


def dns_name(value: str, what: str = "a host") -> str:
    """A DNS name: labels joined by dots, at most 253 characters."""
    if len(value) > 253 or not all(_LABEL.fullmatch(label) for label in value.split(".")):
        raise ValueError(f"{what} is lower-case DNS labels joined by dots, at most 253 characters, not {value!r}")
    return value


def label_value(value: str) -> str:
    """A Kubernetes label value: at most 63 letters, digits, ``-``, ``_`` and ``.``."""
    if _LABEL_VALUE.fullmatch(value) is None:
        raise ValueError(f"a label value is at most 63 letters, digits, '-', '_' and '.', not {value!r}")
    return value


def label_key(value: str) -> str:
    """A Kubernetes label key: an optional DNS prefix and ``/``, then a name of at most 63 characters."""
    prefix, slash, name = value.rpartition("/")
    if slash:
        dns_name(prefix, "the prefix of a label key")
    if _LABEL_KEY_NAME.fullmatch(name) is None:
        raise ValueError(f"a label key is a name of at most 63 letters, digits, '-', '_' and '.', not {value!r}")
    return value


def header_name(value: str) -> str:
    """An HTTP header name in lower case, as HTTP/2 and every mesh compare it.

    Raises:
        ValueError: it has a character that a header name cannot have, or is a pseudo header or ``host``, which the
            meshes do not match or edit alike.
    """
    if _HEADER_NAME.fullmatch(value) is None or len(value) > 256:
        raise ValueError(f"a header name is made of letters, digits and !#$%&'*+.^_`|~-, not {value!r}")
    if value.lower() == "host":
        raise ValueError("the header 'host' cannot be matched or edited alike on every mesh; use Rewrite(host=…)")
    return value.lower()


def header_value(value: str) -> str:
    """An HTTP header value: 1 to 4096 visible ASCII characters and inner spaces."""
    if not 1 <= len(value) <= 4096 or not all(" " <= c <= "~" for c in value) or value != value.strip():
        raise ValueError(f"a header value is 1 to 4096 visible ASCII characters, no space at its ends, not {value!r}")
    return value


def quantity(value: str) -> str:
    """A Kubernetes resource quantity such as ``"100m"``, ``"0.5"`` or ``"128Mi"``."""
    if not isinstance(value, str) or _QUANTITY.fullmatch(value) is None:
        raise ValueError(f'a quantity is written like "100m", "0.5" or "128Mi", not {value!r}')
    return value


def path_text(value: str, given: str = "") -> str:
    """A literal URL path: it starts with ``/`` and has no query, no empty, ``.`` or ``..`` segment, no ``*``.

    The same rules as Gateway API's validation of ``HTTPPathMatch`` (``apis/v1/httproute_types.go``), so that what is
    compared is what every proxy sees after normalisation. ``given`` is what was written, where that has more to it.
    """
    shown = given or value
    if not value.startswith("/") or len(value) > 1024 or _PATH_CHARACTERS.fullmatch(value) is None:
        raise ValueError(f"a path starts with '/' and has no query, space or '*' in it, not {shown!r}")
    if "//" in value or any(segment in (".", "..") for segment in value.split("/")):
        raise ValueError(f"a path has no '//', '/./' or '/../' in it (proxies normalise them away), not {shown!r}")
    if "%2f" in value.lower() or re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise ValueError(f"a path has no encoded slash and no stray '%', not {shown!r}")
    return value


def regex_text(value: str) -> str:
    """A regular expression in the syntax that RE2 and Rust's ``regex`` share, at most 1024 characters.

    Raises:
        ValueError: it does not compile, is too long, or uses look-around, back-references or possessive and atomic
            groups, which neither engine has.
    """
    if not 1 <= len(value) <= MAX_REGEX:
        raise ValueError(f"a regular expression has 1 to {MAX_REGEX} characters")
    if re.search(r"(?<!\\)(?:\\\\)*(?:\(\?(?:[=!#>(]|<[=!]|P[=>])|\\[1-9]|[*+?}]\+)", value):
        raise ValueError(
            f"a regular expression has no look-around, back-reference or possessive part (RE2), not {value!r}"
        )
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression that does not compile: {error}") from None
    return value


def counted(count: int, one: str, many: str = "") -> str:
    """``1 object``, ``2 objects``; ``many`` where the plural is not made with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def meant_services(name: str, known: Iterable[str]) -> list[str]:
    """The services that were probably meant by a name that none has; empty if none is near.

    Args:
        name: as somebody wrote it.
        known: ``NAMESPACE/NAME`` of those that there are.

    Returns:
        those of this name in other namespaces, or the nearest one. Namespace and name have to be near, each by itself:
        what shares nothing but its namespace was not meant.
    """
    from difflib import SequenceMatcher  # noqa: PLC0415 - only a mistake needs it

    names = list(known)
    namespace, slash, own = name.rpartition("/")
    same = [one for one in names if one.rpartition("/")[2] == own]
    if same:
        return same

    def nearness(one: str) -> float:
        where, _, what = one.rpartition("/")
        both = [SequenceMatcher(None, own, what).ratio()]
        return min([*both, SequenceMatcher(None, namespace, where).ratio()] if slash else both)

    nearest = max(names, key=nearness, default="")
    return [nearest] if nearest and nearness(nearest) >= 0.5 else []
