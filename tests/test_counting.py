"""How the tests on a real mesh judge counts: a right share is hardly ever called wrong, a wrong one is."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.mesh.expectation import is_improbable, wrong_share


@pytest.mark.parametrize(("count", "of", "percent"), [(100, 1000, 10), (70, 1000, 10), (140, 1000, 10), (0, 40, 10)])
def test_what_may_happen_is_not_improbable(count: int, of: int, percent: int) -> None:
    assert not is_improbable(count, of, Fraction(percent))


@pytest.mark.parametrize(("count", "of", "percent"), [(50, 1000, 10), (155, 1000, 10), (0, 1000, 10), (400, 400, 90)])
def test_what_happens_less_than_once_in_a_million_is(count: int, of: int, percent: int) -> None:
    assert is_improbable(count, of, Fraction(percent))


def test_all_or_nothing_is_exact() -> None:
    assert not is_improbable(40, 40, Fraction(100))
    assert is_improbable(39, 40, Fraction(100))
    assert is_improbable(1, 40, Fraction(0))


def test_what_nobody_expects_is_said() -> None:
    assert list(wrong_share("api", {"v1": 40}, {"v1": Fraction(100)})) == []
    (said,) = wrong_share("api", {"v1": 360, "v2": 40, "503": 1}, {"v1": Fraction(90), "v2": Fraction(10)})
    assert said == "api: 503 1 times of 401, expected never"
