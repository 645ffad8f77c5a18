"""Pauses between tries: short at first, then hourly, through a night without a gateway."""

from datetime import timedelta

import pytest

from activities.notifications.courier import FIRST_PAUSE, pause
from hotline.settings import Settings
from readmodel.notifications import LATE_TRIES, LONGEST_HOLD

MAX_TRIES = Settings.model_fields["courier_max_tries"].default


def through(tries: int, chance: float) -> timedelta:
    """From the first of so many tries to the last."""
    return sum((pause(made, chance) for made in range(1, tries)), timedelta())


def test_pauses_double_to_an_hour_and_part_the_crowd() -> None:
    assert [pause(tries, 1) / FIRST_PAUSE for tries in (1, 2, 3, 8)] == [1, 2, 4, 128]
    assert pause(1, 0) == FIRST_PAUSE / 2
    assert pause(1000, 1) == timedelta(hours=1)


@pytest.mark.parametrize("chance", [0, 0.5, 1])
def test_a_message_survives_a_night_and_is_given_up_within_a_day(chance: float) -> None:
    assert timedelta(hours=12) < through(MAX_TRIES, chance) < timedelta(hours=25.5)


@pytest.mark.parametrize("chance", [0, 0.5, 1])
def test_an_emergency_does_not_wait_long_at_first(chance: float) -> None:
    """Half a dozen tries within a minute, and its case is told within five."""
    assert through(6, chance) <= timedelta(minutes=1, seconds=2)
    assert through(LATE_TRIES, chance) < timedelta(minutes=5)


def test_all_that_is_not_late_is_tried_again_within_the_longest_hold() -> None:
    assert pause(LATE_TRIES - 1, 1) < LONGEST_HOLD
