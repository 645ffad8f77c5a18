"""Amounts of money, rates (率), and the one rule by which every figure is rounded: half up."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

ZERO = Decimal("0.00")

# `abs` makes 0 of minus zero, which `ge=0` lets pass.
_TWO_PLACES = AfterValidator(lambda amount: abs(amount.quantize(ZERO)))

_AS_GIVEN: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 9_999_999_999.99, "multipleOf": 0.01},
        {"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,2})?$"},
    ]
}
"""Schema of an amount in a request; pydantic's own permits texts that it refuses."""
Money = Annotated[
    Decimal,
    Field(ge=0, max_digits=12, decimal_places=2),
    _TWO_PLACES,
    WithJsonSchema(_AS_GIVEN, mode="validation"),
]
"""An amount with exactly two decimal places, whether it was given as `860`, `"860.0"` or `"860.00"`."""
PositiveMoney = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2), _TWO_PLACES]


PLACES = 4
"""Decimal places of a rate."""


def half_up(part: Decimal | int, whole: Decimal | int = 1, places: int = 2) -> Decimal:
    """Return a quotient to so many decimal places; half of the last place is rounded up."""
    return (Decimal(part) / whole).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def ratio(part: int, whole: int) -> Decimal | None:
    """Return the share from 0 to 1, as every report gives it; None without a whole."""
    return half_up(part, whole, PLACES) if whole else None


def rate(part: int, whole: int) -> float | None:
    """Return the share as a float; None without a whole."""
    share = ratio(part, whole)
    return None if share is None else float(share)
