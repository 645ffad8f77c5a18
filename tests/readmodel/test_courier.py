"""The courier relays what is due, once, whatever happens to channel, SQL or courier."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, event
from temporalio.testing import ActivityEnvironment

from activities.notifications import courier as notification
from activities.notifications import lane
from activities.notifications.courier import Courier
from activities.notifications.lane import Lane, Mailbox
from readmodel.mailbox import Message, Report, exchange
from readmodel.tables import notifications
from readmodel.writer import GroupWriter
from tests.support.batches import call, published
from tests.support.outage import complained, down
from tests.support.rows import rows

PATIENCE = 10.0


class Fake:
    """A channel, and a case's ear, that remember what they were told and fail as they are told to."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.broken: dict[str, str] = {}
        self.dead: list[tuple[str, str]] = []
        self.deaf = False
        self.raises: Exception | None = None

    async def deliver(self, messages: Sequence[Message]) -> Mapping[str, str]:
        if self.raises:
            raise self.raises
        self.told += [message.key for message in messages if message.key not in self.broken]
        return {message.key: self.broken[message.key] for message in messages if message.key in self.broken}

    async def delivered(self, keys: Collection[str]) -> set[str]:
        return {*keys} & {*self.told}

    async def give_up(self, number: str, key: str) -> None:
        if self.deaf:
            raise ConnectionError
        self.dead.append((number, key))


class House:
    """A courier at work between a database and a fake channel."""

    def __init__(self, database: Engine, writer: GroupWriter) -> None:
        self.database = database
        self.writer = writer
        self.channel = Fake()
        self.options: dict[str, Any] = {"poll_seconds": 0.05}

    def courier(self) -> Courier:
        return Courier(self.writer, Lane(Mailbox(self.writer), self.channel, self.channel.give_up, **self.options))

    async def owe(self, count: int, first: int = 0) -> list[str]:
        """Register so many cases; each owes the dispatcher one message. Answers the keys."""
        batches = [published(call(first + place), ())[0] for place in range(count)]
        await asyncio.gather(*(self.writer.submit(batch) for batch in batches))
        return [f"{batch.number}-1-dispatcher" for batch in batches]

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[ActivityEnvironment]:
        """The activity runs, until its worker is shut down at the end of the block."""
        environment = ActivityEnvironment()
        task = asyncio.create_task(environment.run(self.courier().deliver_notifications))
        try:
            yield environment
        finally:
            environment.worker_shutdown()
            await asyncio.wait_for(task, PATIENCE)

    async def statuses(self) -> list[str]:
        found = await asyncio.to_thread(rows, self.database, notifications)
        return [row["status"] for row in found]

    async def settled(self, *statuses: str) -> list[dict[str, Any]]:
        """The rows, once every one has one of these statuses."""
        return await self.once(lambda found: {row["status"] for row in found} <= {*statuses})

    async def once(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """The rows, once this holds of them. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await asyncio.to_thread(rows, self.database, notifications)
                if holds(found):
                    return found
                await asyncio.sleep(0.02)

    async def told(self, count: int) -> None:
        """The channel was told this many. Raises TimeoutError."""
        await self.once(lambda _: len(self.channel.told) >= count)


@pytest.fixture
async def house(database: Engine) -> AsyncIterator[House]:
    async with GroupWriter(database) as writer:
        yield House(database, writer)


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "FIRST_PAUSE", timedelta(milliseconds=20))


async def test_what_is_due_is_delivered_once_and_marked(house: House) -> None:
    keys = await house.owe(25)
    async with house.relaying():
        marked = await house.settled("sent")
    assert sorted(house.channel.told) == keys
    assert all(row["tries"] == 1 and row["sent_at"] and row["next_try_at"] is None for row in marked)


async def test_a_case_is_told_of_in_the_order_of_its_events(house: House) -> None:
    for batch in published(call(1)):
        await house.writer.submit(batch)
    async with house.relaying():
        await house.settled("sent")
    places = [int(key.split("-")[1]) for key in house.channel.told]
    assert places == sorted(places)
    assert places[-1] == 7


async def test_new_notifications_of_this_process_are_seen_at_once(house: House) -> None:
    house.options["poll_seconds"] = 3600.0
    async with house.relaying():
        await house.owe(1)
        await house.told(1)
        await house.owe(1, first=5)
        await house.told(2)


async def test_those_of_another_process_are_seen_at_the_next_poll(house: House, database: Engine) -> None:
    async with house.relaying(), GroupWriter(database) as other:
        await other.submit(published(call(1), ())[0])
        await house.settled("sent")
    assert len(house.channel.told) == 1


async def test_more_than_a_batch_is_taken_in_turns(house: House) -> None:
    house.options["batch"] = 10
    keys = await house.owe(35)
    async with house.relaying():
        await house.settled("sent")
    assert sorted(house.channel.told) == keys


async def test_what_fails_is_tried_again_with_growing_pauses(house: House) -> None:
    [key, _] = await house.owe(2)
    house.channel.broken[key] = "line busy"
    async with house.relaying():
        await house.once(lambda found: found[0]["tries"] >= 3)
        house.channel.broken.clear()
        [failed, fine] = await house.settled("sent")
    assert failed["tries"] >= 3
    assert failed["last_error"] is None
    assert fine["tries"] == 1
    assert house.channel.told.count(key) == 1


async def test_a_channel_that_raises_failed_with_all(house: House) -> None:
    await house.owe(3)
    house.channel.raises = OSError("no space left on /secret/path")
    async with house.relaying():
        await house.once(lambda found: {row["last_error"] for row in found} == {"OSError"})
        house.channel.raises = None
        await house.settled("sent")
    assert len(house.channel.told) == 3


async def test_after_the_last_try_the_case_is_told_and_the_letter_is_dead(house: House) -> None:
    house.options["max_tries"] = 3
    keys = await house.owe(2)
    house.channel.broken[keys[0]] = "no such number"
    async with house.relaying():
        [dead, sent] = await house.settled("sent", "dead")
        await house.owe(1, first=5)
        await house.settled("sent", "dead")
    assert (dead["status"], dead["tries"], dead["last_error"], dead["next_try_at"]) == (
        "dead",
        3,
        "no such number",
        None,
    )
    assert sent["status"] == "sent"
    assert house.channel.dead == [(dead["number"], keys[0])]


async def test_a_letter_that_is_late_is_told_to_its_case_and_tried_on(house: House) -> None:
    [key] = await house.owe(1)
    house.channel.broken[key] = "out of order"
    async with house.relaying():
        [row] = await house.once(lambda found: found[0]["tries"] > lane.LATE_TRIES)
        assert row["status"] in {"due", "sending"}
        assert house.channel.dead == [(row["number"], key)]
        house.channel.broken.clear()
        await house.settled("sent")
    assert house.channel.told == [key]


async def test_a_letter_is_not_dead_before_its_case_could_be_told(house: House) -> None:
    house.options["max_tries"] = 1
    [key] = await house.owe(1)
    house.channel.broken[key] = "no such number"
    house.channel.deaf = True
    async with house.relaying():
        await house.once(lambda found: found[0]["tries"] >= 2)
        house.channel.deaf = False
        await house.settled("dead")
    assert house.channel.dead == [("2609070000000", key)]


@pytest.mark.parametrize("delivered", [True, False], ids=["after delivery", "before delivery"])
async def test_a_courier_killed_in_the_middle_leaves_nothing_twice_or_undone(house: House, *, delivered: bool) -> None:
    """It had taken messages and did not live to mark them; the channel knows which it delivered."""
    keys = await house.owe(5)
    take = partial(exchange, report=Report(), at=datetime.now(UTC), limit=3)
    taken = await house.writer.run(take)
    assert len(taken) == 3
    if delivered:
        await house.channel.deliver(taken[:2])
    async with house.relaying():
        marked = await house.settled("sent")
    assert sorted(house.channel.told) == keys
    assert [row["tries"] for row in marked] == [1] * 5


async def test_sql_that_is_down_is_waited_for(house: House, database: Engine) -> None:
    await house.owe(1)
    async with house.relaying():
        await house.settled("sent")
        with down(database):
            await complained()
        await house.owe(2, first=5)
        await house.settled("sent")
    assert len(house.channel.told) == 3


async def test_a_message_that_could_not_be_marked_is_not_sent_again(house: House, database: Engine) -> None:
    """SQL went away between delivery and mark."""
    [key] = await house.owe(1)
    original = house.channel.deliver
    outage = down(database)

    async def deliver_and_lose_sql(messages: Sequence[Message]) -> Mapping[str, str]:
        failed = await original(messages)
        outage.__enter__()
        return failed

    house.channel.deliver = deliver_and_lose_sql  # type: ignore[method-assign]
    async with house.relaying():
        await complained()
        house.channel.deliver = original  # type: ignore[method-assign]
        outage.__exit__(None, None, None)
        await house.settled("sent")
    assert house.channel.told == [key]


async def test_it_returns_when_its_worker_stops_and_marks_what_it_sent(house: House) -> None:
    house.options["poll_seconds"] = 3600.0
    await house.owe(3)
    async with house.relaying():
        await house.told(3)
    assert await house.statuses() == ["sent"] * 3


async def test_it_beats_and_can_be_cancelled(house: House) -> None:
    beaten = asyncio.Event()
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *_: beaten.set()
    task = asyncio.create_task(environment.run(house.courier().deliver_notifications))
    await asyncio.wait_for(beaten.wait(), PATIENCE)
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, PATIENCE)


async def test_a_shift_ends_and_says_how_much_it_delivered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notification, "SHIFT", timedelta(milliseconds=300))
    await house.owe(2)
    assert await ActivityEnvironment().run(house.courier().deliver_notifications) == 2


async def test_an_idle_courier_costs_one_statement_a_poll(house: House, database: Engine) -> None:
    loop = asyncio.get_running_loop()
    asked: list[float] = []
    enough = asyncio.Event()

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if not statement.startswith("BEGIN"):
            asked.append(loop.time())
        if len(asked) > 7:
            loop.call_soon_threadsafe(enough.set)

    event.listen(database, "before_cursor_execute", note)
    house.options["poll_seconds"] = poll = 0.05
    async with house.relaying():
        await asyncio.wait_for(enough.wait(), PATIENCE)
    # The first two ask what is in doubt and what lost its channel; then there is one a poll, until the shift ends.
    assert asked[7] - asked[2] >= 5 * poll * 0.9
