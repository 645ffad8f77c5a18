"""Waiting for SQL: one look for all, none for nobody, and no long wait for what is known to be down."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import pytest

from api.sql.visibility import LOOKS, PATIENCE, TICK_SECONDS, Visibility

LONG = 20.0


class Sql:
    """Stand-in for SQL: the versions that it shows, and each time that it was asked."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.asked: list[frozenset[str]] = []
        self.down = False
        self.stumbles = 0
        self._asked = asyncio.Event()

    async def look(self, numbers: Sequence[str]) -> Mapping[str, int]:
        self.asked.append(frozenset(numbers))
        self._asked.set()
        if self.down or len(self.asked) <= self.stumbles:
            raise ConnectionError("down")
        return {number: version for number, version in self.versions.items() if number in numbers}

    async def looks(self, count: int) -> None:
        """Wait until it was asked so often more."""
        for _ in range(count):
            self._asked.clear()
            await asyncio.wait_for(self._asked.wait(), LONG)


@pytest.fixture
def sql() -> Sql:
    return Sql()


@pytest.fixture
def visibility(sql: Sql) -> Visibility:
    return Visibility(sql.look, tick_seconds=0)


async def test_a_version_is_waited_for_until_it_is_there(sql: Sql, visibility: Visibility) -> None:
    waiting = asyncio.create_task(visibility.shows("1", 3, LONG))
    for version in (1, 2):
        sql.versions["1"] = version
        await sql.looks(2)
        assert not waiting.done()
    sql.versions["1"] = 4
    assert await waiting


async def test_one_look_serves_all_who_wait(sql: Sql, visibility: Visibility) -> None:
    waiting = [asyncio.create_task(visibility.shows(number, 1, LONG)) for number in ("1", "2", "2")]
    await sql.looks(2)
    assert sql.asked[-1] == {"1", "2"}
    sql.versions["2"] = 1
    assert await asyncio.gather(*waiting[1:]) == [True, True]
    await sql.looks(2)
    assert sql.asked[-1] == {"1"}
    sql.versions["1"] = 1
    assert await waiting[0]


async def test_nobody_waits_nobody_looks(sql: Sql, visibility: Visibility) -> None:
    sql.versions["1"] = 1
    assert await visibility.shows("1", 1, LONG)
    asked = len(sql.asked)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(sql.asked) == asked


async def test_patience_ends(sql: Sql, visibility: Visibility) -> None:
    assert not await visibility.shows("1", 1, 0.01)
    assert sql.asked


async def test_who_waits_for_a_dead_database_is_told_soon(sql: Sql, visibility: Visibility) -> None:
    sql.down = True
    began = time.monotonic()
    assert not await visibility.shows("1", 1, LONG)
    assert len(sql.asked) == PATIENCE
    assert not await visibility.shows("1", 1, LONG)
    assert len(sql.asked) == PATIENCE + 1
    assert time.monotonic() - began < LONG


async def test_a_database_that_is_back_is_believed_at_once(sql: Sql, visibility: Visibility) -> None:
    sql.down = True
    assert not await visibility.shows("1", 1, LONG)
    sql.down, sql.versions["1"] = False, 1
    assert await visibility.shows("1", 1, LONG)


async def test_failures_below_patience_are_waited_out(sql: Sql, visibility: Visibility) -> None:
    sql.stumbles, sql.versions["1"] = PATIENCE - 1, 1
    assert await visibility.shows("1", 1, LONG)
    assert len(sql.asked) == PATIENCE


async def test_closing_lets_nobody_wait(sql: Sql, visibility: Visibility) -> None:
    waiting = asyncio.create_task(visibility.shows("1", 1, LONG))
    await sql.looks(1)
    await visibility.close()
    assert not await waiting


async def test_whoever_is_cancelled_leaves(sql: Sql, visibility: Visibility) -> None:
    waiting = asyncio.create_task(visibility.shows("1", 1, LONG))
    await sql.looks(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    sql.versions["2"] = 1
    assert await visibility.shows("2", 1, LONG)
    assert sql.asked[-1] == {"2"}


async def test_a_busy_machine_is_left_to_its_work_and_a_quiet_one_is_asked_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, pauses, began, takes, rest = 0.0, list[float](), dict[str, float](), 0.06, asyncio.sleep

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        pauses.append(seconds)
        await rest(0)

    async def look(numbers: Sequence[str]) -> Mapping[str, int]:
        return {number: 1 for number in numbers if now >= began[number] + takes}

    monkeypatch.setattr("api.sql.visibility.asyncio.sleep", sleep)
    monkeypatch.setattr("api.sql.visibility.time.perf_counter", lambda: now)
    visibility = Visibility(look)

    async def show(number: str, ahead: float = 0.0) -> None:
        began[number] = now - ahead
        assert await visibility.shows(number, 1, LONG)

    for turn in range(30):
        # Two of three are written just before the first look.
        await asyncio.gather(show(f"{turn} a", takes), show(f"{turn} b", takes), show(f"{turn} c"))
    assert pauses[-1] >= takes / LOOKS / 4
    takes = 0.0
    for turn in range(10):
        await show(f"quiet {turn}")
    assert pauses[-1] == TICK_SECONDS
