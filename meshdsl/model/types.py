"""The types of the fields that users write: what an editor offers, and one validator for each.

A union of classes is checked by one function rather than by pydantic's union, so that a wrong value is answered with
one sentence in our words instead of one for each member of the union.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from meshdsl import values
from meshdsl.values import dns_label, header_name, header_value, label_key, label_value, percentage, quantity

Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
ProtocolName = Literal["http", "http2", "grpc", "tcp", "tls"]
RetryOn = Literal[
    "5xx",
    "gateway-error",
    "reset",
    "connect-failure",
    "refused-stream",
    "retriable-4xx",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
]


class CheckedBy:
    """Says that one function checks a field and makes its value, whatever the annotation tells editors.

    As pydantic's ``PlainValidator``, which makes the annotated type ready as well, to write it as JSON: nobody writes
    policies as JSON, and it would take half of the time in which a kind of policy is made ready.
    """

    def __init__(self, check: Callable[[Any], object]) -> None:
        self.check = check

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """What pydantic asks of an annotation."""
        return core_schema.no_info_plain_validator_function(self.check)


def _duration(value: str | timedelta) -> timedelta:
    return timedelta(milliseconds=values.milliseconds(value))


def text(check: Callable[[str], str]) -> CheckedBy:
    """A validator of strings that answers anything else with the same sentence."""

    def validate(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"a string is expected, not {value!r}")
        return check(value)

    return CheckedBy(validate)


def instance(*kinds: type, expected: str) -> CheckedBy:
    """A validator that takes instances of some classes.

    Args:
        *kinds: those classes.
        expected: what is expected, for the sentence: "a Service, a Route or 'namespace/service'".
    """

    def validate(value: object) -> object:
        if not isinstance(value, kinds):
            raise ValueError(f"{expected} is expected, not {describe(value)}")
        return service_text(value) if isinstance(value, str) else value

    return CheckedBy(validate)


def describe(value: object) -> str:
    """A value for a sentence: short, with its type where the value does not tell."""
    name = getattr(value, "name", None)
    if isinstance(name, str):
        return f"{type(value).__name__} {name!r}"
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"


def service_text(value: str) -> str:
    """A reference to a service by name: ``"namespace/service"``."""
    namespace, slash, name = value.partition("/")
    if not slash or "/" in name:
        raise ValueError(f'a service is referred to as "namespace/service", not {value!r}')
    dns_label(namespace, "a namespace")
    dns_label(name, "a service name")
    return value


def _headers(value: Mapping[str, str]) -> Mapping[str, str]:
    return {header_name(name): header_value(text) for name, text in value.items()}


def _labels(value: Mapping[str, str]) -> Mapping[str, str]:
    if not value:
        raise ValueError("at least one label is needed to select pods")
    return {label_key(key): label_value(text) for key, text in value.items()}


def _percentage(value: Any) -> Decimal:
    if not isinstance(value, (int, float, Decimal)):
        raise ValueError(f"a percentage is a number from 0 to 100, such as 12.5, not {value!r}")
    return percentage(value)


DurationLike = Annotated[str | timedelta, CheckedBy(_duration)]
"""``"250ms"``, ``"5s"``, ``"1m30s"`` or a ``timedelta``; kept as a ``timedelta``."""

PercentLike = Annotated[int | float | Decimal, CheckedBy(_percentage)]
"""0 to 100 with at most four decimals; kept as a ``Decimal``."""

DnsLabel = Annotated[str, text(dns_label)]
ServiceName = Annotated[str, text(values.service_name)]
HostName = Annotated[str, text(values.dns_name)]
HeaderName = Annotated[str, text(header_name)]
HeaderText = Annotated[str, text(header_value)]
HeaderMap = Annotated[Mapping[str, str], AfterValidator(_headers)]
LabelMap = Annotated[Mapping[str, str], AfterValidator(_labels)]
LabelValue = Annotated[str, text(label_value)]
LabelKey = Annotated[str, text(label_key)]
PathText = Annotated[str, text(values.path_text)]
Quantity = Annotated[str, text(quantity)]
