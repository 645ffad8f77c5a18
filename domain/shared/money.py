"""Amounts of money, as the catalogue and the requests for approval state them."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

ZERO = Decimal("0.00")

# `abs` makes 0 of minus zero, which `ge=0` lets pass.
_TWO_PLACES = AfterValidator(lambda amount: abs(amount.quantize(ZERO)))

Money = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2), _TWO_PLACES]
"""An amount with exactly two decimal places, whether it was given as `860`, `"860.0"` or `"860.00"`."""
PositiveMoney = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2), _TWO_PLACES]
