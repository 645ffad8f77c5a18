"""Local times of files, as instants in UTC."""

from datetime import UTC, datetime, tzinfo

YEARS = range(2000, 3000)
"""Years of instants, as the interface takes them."""
SHORTEST = len("2026-08-03 08:00")


def instant_of(text: str, zone: tzinfo, not_before: datetime | None = None) -> datetime:
    """Return the instant of a text like `2026-08-03 08:00:00`, of `zone` if it names no other. Raises ValueError.

    Of the two instants of an hour that is repeated in autumn, the first is meant, unless only the second is not
    earlier than `not_before`.
    """
    local = datetime.fromisoformat(text)
    if len(text) < SHORTEST or local.year not in YEARS:
        raise ValueError(text)
    if local.tzinfo is None:
        local = datetime.combine(local, local.time(), zone)  # a fourth of the time of `replace`
    instant = local.astimezone(UTC)
    if not_before is not None and instant < not_before:
        second = local.replace(fold=1).astimezone(UTC)
        if second >= not_before:
            return second
    return instant
