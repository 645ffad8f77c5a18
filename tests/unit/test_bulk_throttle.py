"""Work on many cases waits until people are quiet, but not for ever."""

from collections.abc import Callable

import pytest

from activities.cases import LONGEST_SECONDS, QUIET_SECONDS, BulkThrottle


class Clock:
    """A clock in seconds that goes on by what is slept; `while_asleep` is called in every sleep."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 100.0
        self.while_asleep: Callable[[], None] = lambda: None
        monkeypatch.setattr("activities.cases.asyncio.sleep", self.sleep)

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.while_asleep()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def waited(people: BulkThrottle, clock: Clock) -> float:
    began = clock()
    await people.wait()
    return clock() - began


async def test_nobody_is_waited_for_while_nobody_acts(clock: Clock) -> None:
    assert await waited(BulkThrottle(clock=clock), clock) == 0


async def test_the_wait_ends_when_people_have_been_quiet(clock: Clock) -> None:
    people = BulkThrottle(clock=clock)
    people.note_action()
    clock.seconds += QUIET_SECONDS / 3
    assert await waited(people, clock) == pytest.approx(QUIET_SECONDS * 2 / 3)
    assert await waited(people, clock) == 0


@pytest.mark.parametrize("every", [QUIET_SECONDS / 3, QUIET_SECONDS * 1.1])
async def test_people_who_act_all_the_time_leave_half_of_it(clock: Clock, every: float) -> None:
    people, spent, act_at, began = BulkThrottle(clock=clock), 0.0, clock(), clock()

    def act() -> None:
        nonlocal act_at
        if clock() >= act_at:
            people.note_action()
            act_at = clock() + every

    clock.while_asleep = act
    for _ in range(1000):
        act()
        spent += await waited(people, clock)
        clock.seconds += 0.01
    assert (clock() - began - 2 * LONGEST_SECONDS) / 2 <= spent <= (clock() - began + LONGEST_SECONDS) / 2


async def test_people_whom_the_api_serves_are_waited_for(clock: Clock) -> None:
    served_until = clock() + QUIET_SECONDS * 1.5
    people = BulkThrottle(lambda: clock() < served_until, clock)
    assert await waited(people, clock) == pytest.approx(QUIET_SECONDS * 2)
    assert await waited(people, clock) == 0
    assert await waited(BulkThrottle(lambda: True, clock), clock) == pytest.approx(LONGEST_SECONDS)
