"""Rates (率): shares of a whole from 0 to 1, as every report gives them."""

PLACES = 4
"""Decimal places of a rate."""


def rate(part: int, whole: int) -> float | None:
    """Return the share; None without a whole."""
    return round(part / whole, PLACES) if whole else None
