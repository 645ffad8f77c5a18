"""Case numbers: what a slip of the tongue cannot turn into somebody else's case."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.numbers import NumberError, check_digit, day_before, local_day, number_of, parse_number

DIGITS = st.text("0123456789", min_size=12, max_size=12)


def test_the_check_digit_is_that_of_the_standard() -> None:
    assert check_digit("0794") == "5"


@given(DIGITS, st.integers(0, 12), st.integers(1, 9))
def test_every_single_wrong_digit_is_found(body: str, place: int, change: int) -> None:
    number = body + check_digit(body)
    wrong = number[:place] + str((int(number[place]) + change) % 10) + number[place + 1 :]
    with pytest.raises(NumberError, match="check digit"):
        parse_number(wrong)


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


def test_the_day_before_the_first_of_a_month() -> None:
    assert day_before(date(2026, 3, 1)) == date(2026, 2, 28)
