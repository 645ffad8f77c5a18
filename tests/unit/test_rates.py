"""Rounding: rates, days, money and points follow one rule, half up."""

from decimal import Decimal

import pytest

from domain.shared.value import half_up, rate, ratio


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(1, 32, 0.0313), (3, 32, 0.0938), (1, 3, 0.3333), (2, 3, 0.6667), (0, 7, 0.0), (7, 7, 1.0), (1, 0, None)],
)
def test_a_rate_has_four_places_half_up(part: int, whole: int, expected: float | None) -> None:
    """An even last place is rounded up as well: 1 of 32 is 0.03125."""
    assert rate(part, whole) == expected
    assert ratio(part, whole) == (None if expected is None else Decimal(str(expected)))


@pytest.mark.parametrize(("value", "expected"), [("0.125", "0.13"), ("0.135", "0.14"), ("0.1249", "0.12")])
def test_points_and_money_have_two_places_half_up(value: str, expected: str) -> None:
    assert half_up(Decimal(value)) == Decimal(expected)
