"""Rates (率), and the one rule by which every figure is rounded: half up."""

from decimal import ROUND_HALF_UP, Decimal

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
