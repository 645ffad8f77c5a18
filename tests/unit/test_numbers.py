"""Case numbers: what a slip of the tongue cannot turn into somebody else's case."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum import verhoeff

from domain.shared.numbers import (
    SETTLED,
    STARTS_END,
    NumberError,
    days_around,
    local_day,
    number_of,
    parse_number,
    time_to_settle,
    time_to_start,
)

DIGITS = "0123456789"
BODIES = st.text(DIGITS, min_size=12, max_size=12)


def numbered(body: str) -> str:
    """The one number that begins with these digits."""
    return body + verhoeff.calc_check_digit(body)


def slips(number: str, place: int) -> Iterator[str]:
    """Yield what a wrong digit at this place, and a swap with a different neighbour behind it, make of the number."""
    before, digit, behind = number[:place], number[place], number[place + 1 :]
    yield from (before + wrong + behind for wrong in DIGITS if wrong != digit)
    if behind and behind[0] != digit:
        yield before + behind[0] + digit + behind[1:]


def is_refused(number: str) -> bool:
    try:
        parse_number(number)
    except NumberError as error:
        return "check digit" in str(error)
    return False


@pytest.mark.parametrize(("start", "count"), [*((start, 2) for start in range(9)), (9, 3)])
def test_every_wrong_digit_and_every_swap_of_neighbours_is_found(start: int, count: int) -> None:
    """In any two digits at every place, and in the last three with the check digit, which follows from them.

    What stands around a slip cancels out.
    """
    for digits in range(10**count):
        number = parse_number(numbered(f"{digits:0{start + count}}".ljust(12, "0")))
        assert all(is_refused(slip) for place in range(start, start + count + 1) for slip in slips(number, place))


@given(BODIES, st.integers(0, 12))
def test_slips_are_found_whatever_the_other_digits(body: str, place: int) -> None:
    assert all(is_refused(slip) for slip in slips(numbered(body), place))


@given(st.dates(date(2026, 1, 1), date(2099, 12, 31)), st.text(), st.integers(0, 19))
def test_a_number_says_its_day_and_reads_as_itself(day: date, key: str, draw: int) -> None:
    number = number_of(day, key, draw)
    assert number[:6] == f"{day:%y%m%d}"
    assert parse_number(f"{number[:6]}-{number[6:9]} {number[9:]}") == number


def test_the_same_key_draws_the_same_numbers_and_other_keys_others() -> None:
    day = date(2026, 8, 3)
    assert number_of(day, "a") == number_of(day, "a")
    assert len({number_of(day, key, draw) for key in "ab" for draw in range(5)}) == 10


@pytest.mark.parametrize(
    ("hour", "day"), [(15, date(2026, 8, 3)), (16, date(2026, 8, 4)), (0, date(2026, 8, 3)), (23, date(2026, 8, 4))]
)
def test_the_day_is_that_of_the_city(hour: int, day: date) -> None:
    assert local_day(datetime(2026, 8, 3, hour, 30, tzinfo=UTC)) == day


ZONES = st.sampled_from(["Asia/Shanghai", "Europe/London", "Africa/Cairo", "Asia/Beirut", "America/St_Johns"])
"""In two of them the clocks of summer are set at midnight."""


@given(st.integers(0, 2 * 365 * 86_400), ZONES)
@example(112 * 86_400, "Africa/Cairo")  # the next day begins at one
@example(301 * 86_400, "Africa/Cairo")  # one that has 25 hours
def test_a_day_is_settled_after_the_last_start_of_the_day_before(seconds: int, zone: str) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    today = local_day(at, zone)
    midnight = at + time_to_start(today, at, zone) - STARTS_END
    assert local_day(midnight - timedelta(microseconds=1), zone) == today
    assert local_day(midnight, zone) - timedelta(days=1) == today
    assert time_to_settle(midnight, zone) == SETTLED > STARTS_END


@pytest.mark.parametrize(
    ("clock", "days"),
    [("23:59:57", ["2026-08-02"]), ("23:59:59", ["2026-08-02", "2026-08-04"]), ("00:00:00", ["2026-08-02"])],
)
def test_a_request_is_looked_for_under_the_day_that_another_clock_shows(clock: str, days: list[str]) -> None:
    at = datetime.fromisoformat(f"2026-08-03T{clock}+08:00").astimezone(UTC)
    assert [day.isoformat() for day in days_around(at)] == days
