"""What was meant by a name that nothing bears."""

from __future__ import annotations

import pytest

from meshdsl.values import meant_services

KNOWN = ("prod/web", "prod/payments", "shop/web")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("prod/wep", ["prod/web"]),
        ("prd/payments", ["prod/payments"]),
        ("payment", ["prod/payments"]),
        ("web", ["prod/web", "shop/web"]),
        ("dev/web", ["prod/web", "shop/web"]),
        ("prod/nope", []),
        ("", []),
    ],
)
def test_a_service_is_meant_if_its_namespace_and_its_name_are_near(name: str, meant: list[str]) -> None:
    assert meant_services(name, KNOWN) == meant


def test_of_no_services_none_is_meant() -> None:
    assert meant_services("prod/web", ()) == []
