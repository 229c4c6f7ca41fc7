"""Conditions on a request: headers, cookies, query parameters, paths, and how they are combined."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from meshdsl.model.base import Value
from meshdsl.model.types import CheckedBy, HeaderName, describe
from meshdsl.model.types import text as text_of
from meshdsl.values import header_value, path_text, regex_text


class Regex(Value):
    """A regular expression that must match the whole value, in the syntax that RE2 and Rust share.

    Args:
        pattern: at most 1024 characters; no look-around, no back-references.
    """

    pattern: Annotated[str, text_of(regex_text)] = Field(kw_only=False, description="a regular expression (RE2)")


def _header_value(value: object) -> object:
    if isinstance(value, str):
        return header_value(value)
    if not isinstance(value, Regex):
        raise ValueError(f'a string or Regex("…") is expected, not {describe(value)}')
    return value


ValueLike = Annotated[str | Regex, CheckedBy(_header_value)]


class Header(Value):
    """A request header has this value.

    Args:
        name: compared without regard to case.
        value: the exact value, a :class:`Regex`, or None: the header is there, whatever its value.
    """

    name: HeaderName = Field(kw_only=False, description="name of the header")
    value: ValueLike | None = Field(
        default=None, kw_only=False, description='the value, a Regex("…"), or None: it is there'
    )


def _cookie_name(value: str) -> str:
    if re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}", value) is None:
        raise ValueError(f"a cookie name is made of letters, digits and !#$%&'*+.^_`|~-, not {value!r}")
    return value


def _cookie_value(value: str) -> str:
    if re.fullmatch(r"[!#-+\--:<-\[\]-~]{1,400}", value) is None:
        raise ValueError(
            f"a cookie value is 1 to 400 visible characters without space, comma, ';', '\"', '\\', not {value!r}"
        )
    return value


class Cookie(Value):
    """The request carries this cookie.

    Args:
        name: compared exactly.
        value: compared exactly.
    """

    name: Annotated[str, text_of(_cookie_name)] = Field(kw_only=False, description="name of the cookie")
    value: Annotated[str, text_of(_cookie_value)] = Field(kw_only=False, description="its exact value")


def _query_name(value: str) -> str:
    if re.fullmatch(r"[-A-Za-z0-9._~]{1,256}", value) is None:
        raise ValueError(f"a query parameter's name is letters, digits, '-', '.', '_' and '~', not {value!r}")
    return value


class Query(Value):
    """A query parameter has this value.

    Args:
        name: compared exactly.
        value: the exact value, or a :class:`Regex`.
    """

    name: Annotated[str, text_of(_query_name)] = Field(kw_only=False, description="name of the query parameter")
    value: ValueLike = Field(kw_only=False, description='the value, or a Regex("…")')


Single = Header | Cookie | Query


def _condition(value: object) -> object:
    if not isinstance(value, (Header, Cookie, Query, AllOf, AnyOf)):
        raise ValueError(
            f"a Header, Cookie or Query, or all_of(…) or any_of(…) of them, is expected, not {describe(value)}"
        )
    return value


_Condition = Annotated[Value, CheckedBy(_condition)]


class AllOf(Value):
    """All conditions hold. Written ``all_of(…)``."""

    conditions: tuple[_Condition, ...] = Field(kw_only=False, min_length=1, description="conditions that all hold")


class AnyOf(Value):
    """At least one condition holds. Written ``any_of(…)``."""

    conditions: tuple[_Condition, ...] = Field(kw_only=False, min_length=1, description="conditions, one is enough")


ConditionLike = Annotated[Header | Cookie | Query | AllOf | AnyOf, CheckedBy(_condition)]


def all_of(*conditions: Header | Cookie | Query | AllOf | AnyOf) -> AllOf:
    """All of these conditions: ``all_of(Header("x-canary", "true"), Query("debug", "1"))``."""
    return AllOf(conditions)


def any_of(*conditions: Header | Cookie | Query | AllOf | AnyOf) -> AnyOf:
    """At least one of these conditions: ``any_of(Header("x-canary", "true"), Cookie("canary", "1"))``."""
    return AnyOf(conditions)


def _path(value: object) -> object:
    if isinstance(value, Regex):
        return value
    if not isinstance(value, str):
        raise ValueError(f'a path is "/a/b", "/a/*" or Regex("…"), not {describe(value)}')
    path_text(value.removesuffix("*") if value.endswith("/*") else value, given=value)
    return value


PathLike = Annotated[str | Regex, CheckedBy(_path)]
"""``"/a/b"`` (exact), ``"/a/*"`` (this segment and all below, never ``/ab``) or ``Regex("…")`` (full match)."""
