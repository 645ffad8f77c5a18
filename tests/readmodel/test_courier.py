"""The courier sends what is due once, whatever happens to channel, SQL or courier."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, event, update
from temporalio.testing import ActivityEnvironment

from activities import poller
from activities.notifications import courier
from readmodel import notifications, processes
from readmodel.notifications import DUE, Delivery, deliveries
from readmodel.writer import GroupWriter
from tests.support.batches import call, published
from tests.support.fake_channel import PATIENCE, FakeHarness, never, to_fake, told_of
from tests.support.outage import complained, down


@pytest.fixture
async def harness(database: Engine) -> AsyncIterator[FakeHarness]:
    async with GroupWriter(database) as writer:
        yield FakeHarness(database, writer)


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "FIRST_PAUSE", timedelta(milliseconds=20))


async def test_what_is_due_is_delivered_once_and_marked(harness: FakeHarness) -> None:
    keys = await harness.notify(25)
    async with harness.running():
        marked = await harness.settled("sent")
    assert sorted(harness.channel.told) == keys
    assert all(row["tries"] == 1 and row["sent_at"] and row["next_try_at"] is None for row in marked)


async def test_a_case_is_told_of_in_the_order_of_its_events(harness: FakeHarness) -> None:
    for batch in published(call(1)):
        await harness.writer.submit(batch)
    async with harness.running():
        await harness.settled("sent")
    places = [int(key.split("-")[1]) for key in harness.channel.told]
    assert places == sorted(places)
    assert places[-1] == 7


@pytest.mark.parametrize("singly", [True, False])
async def test_a_recipient_is_told_of_a_case_in_order_also_after_a_failure(harness: FakeHarness, singly: bool) -> None:
    harness.singly = singly
    batches = published(call(1))
    for batch in batches:
        await harness.writer.submit(batch)
    first = f"{batches[0].number}-1-dispatcher"
    harness.channel.broken[first] = "line busy"
    async with harness.running():
        await harness.once(lambda found: any(row["tries"] >= 3 for row in found))
        others = [key for key in harness.channel.told if key.endswith("-dispatcher")]
        harness.channel.broken.clear()
        await harness.settled("sent")
    assert others == []
    told: dict[str, list[int]] = defaultdict(list)
    for key in harness.channel.told:
        _, place, recipient = key.split("-", maxsplit=2)
        told[recipient].append(int(place))
    assert max(map(len, told.values())) > 1
    assert all(places == sorted(places) for places in told.values())


async def test_a_slow_delivery_holds_up_no_other(harness: FakeHarness) -> None:
    """As soon as one is done, the next is taken; never are more under way than the channel may have."""
    harness.singly, harness.polling = True, harness.polling._replace(batch=3)
    keys = await harness.notify(12)
    goes_on, original, busy, most = asyncio.Event(), harness.channel.deliver, 0, 0

    async def deliver(given: Sequence[Delivery]) -> Mapping[str, str]:
        nonlocal busy, most
        busy += len(given)
        most = max(most, busy)
        if given[0].key == keys[0]:
            await goes_on.wait()
        failed = await original(given)
        busy -= len(given)
        return failed

    harness.channel.deliver = deliver  # type: ignore[method-assign,assignment]
    async with harness.running():
        await harness.once(lambda found: [row["status"] for row in found].count("sent") == 11)
        assert keys[0] not in harness.channel.told
        goes_on.set()
        await harness.settled("sent")
    assert most <= 3
    assert len(harness.channel.told) == 12


async def test_the_oldest_that_is_due_is_told(harness: FakeHarness) -> None:
    at, before = datetime.now(UTC), datetime.now(UTC) - timedelta(minutes=27)
    ask = partial(notifications.oldest_due, at=at + timedelta(minutes=1))
    assert await harness.writer.run(ask) is None
    [key, _] = await harness.notify(2)
    routed = await harness.writer.run(ask)
    assert routed is not None
    async with harness.running():
        await harness.settled("sent")
    assert await harness.writer.run(ask) is None
    due = update(deliveries).where(deliveries.c.key == key).values(status=DUE, next_try_at=before)
    await harness.writer.run(lambda sql: sql.execute(due).rowcount)
    assert await harness.writer.run(ask) == before


async def test_new_notifications_of_this_process_are_seen_at_once(harness: FakeHarness) -> None:
    harness.polling = harness.polling._replace(poll_seconds=3600.0)
    async with harness.running():
        await harness.notify(1)
        await harness.told(1)
        await harness.notify(1, first=5)
        await harness.told(2)


async def test_those_of_another_process_are_seen_at_the_next_poll(harness: FakeHarness, database: Engine) -> None:
    async with harness.running(), GroupWriter(database) as other:
        await other.submit(published(call(1), ())[0])
        await harness.settled("sent")
    assert len(harness.channel.told) == 1


async def test_more_than_a_batch_is_taken_in_turns(harness: FakeHarness) -> None:
    harness.polling = harness.polling._replace(batch=10)
    keys = await harness.notify(35)
    async with harness.running():
        await harness.settled("sent")
    assert sorted(harness.channel.told) == keys


async def test_what_fails_is_tried_again_with_growing_pauses(harness: FakeHarness) -> None:
    [key, _] = await harness.notify(2)
    harness.channel.broken[key] = "line busy"
    async with harness.running():
        await harness.once(lambda found: found[0]["tries"] >= 3)
        harness.channel.broken.clear()
        [failed, fine] = await harness.settled("sent")
    assert failed["tries"] >= 3
    assert failed["last_error"] is None
    assert fine["tries"] == 1
    assert harness.channel.told.count(key) == 1


async def test_a_channel_that_raises_failed_with_all(harness: FakeHarness) -> None:
    await harness.notify(3)
    harness.channel.raises = OSError("no space left on /secret/path")
    async with harness.running():
        await harness.once(lambda found: {row["last_error"] for row in found} == {"OSError"})
        harness.channel.raises = None
        await harness.settled("sent")
    assert len(harness.channel.told) == 3


async def test_after_the_last_try_the_case_is_told_and_it_is_a_dead_letter(harness: FakeHarness) -> None:
    harness.polling = harness.polling._replace(max_tries=3)
    keys = await harness.notify(2)
    harness.channel.broken[keys[0]] = "no such number"
    async with harness.running():
        [dead, sent] = await harness.settled("sent", "dead")
        await harness.notify(1, first=5)
        await harness.settled("sent", "dead")
    assert (dead["status"], dead["tries"], dead["last_error"], dead["next_try_at"]) == (
        "dead",
        3,
        "no such number",
        None,
    )
    assert sent["status"] == "sent"
    assert harness.channel.dead == [told_of(keys[0], "no such number")]


@pytest.mark.slow
async def test_a_late_notification_is_told_to_its_case_and_tried_on(harness: FakeHarness) -> None:
    [key] = await harness.notify(1)
    harness.channel.broken[key] = "out of order"
    async with harness.running():
        [row] = await harness.once(lambda found: found[0]["tries"] > notifications.LATE_TRIES)
        assert row["status"] in {"due", "sending"}
        assert harness.channel.dead == [told_of(key, "out of order")]
        harness.channel.broken.clear()
        await harness.settled("sent")
    assert harness.channel.told == [key]


async def test_no_notification_is_dead_before_its_case_is_told(harness: FakeHarness) -> None:
    harness.polling = harness.polling._replace(max_tries=1)
    [key] = await harness.notify(1)
    harness.channel.broken[key] = "no such number"
    harness.channel.deaf = True
    async with harness.running():
        await harness.once(lambda found: found[0]["tries"] >= 2)
        harness.channel.deaf = False
        await harness.settled("dead")
    assert harness.channel.dead == [told_of(key, "no such number")]


async def test_a_case_that_was_out_of_reach_is_told_at_the_next_try(
    harness: FakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "LATE_TRIES", 1)
    [key] = await harness.notify(1)
    harness.channel.broken[key] = "out of order"
    harness.channel.deaf = True
    async with harness.running():
        await harness.once(lambda found: found[0]["tries"] >= 1 and found[0]["status"] == "due")
        harness.channel.deaf = False
        await harness.once(lambda _: bool(harness.channel.dead))
        # Once it knows, it is not told again.
        await harness.once(lambda found: found[0]["tries"] >= 3)
        harness.channel.broken.clear()
        await harness.settled("sent")
    assert harness.channel.dead == [told_of(key, "out of order")]


@pytest.mark.parametrize("delivered", [True, False], ids=["after delivery", "before delivery"])
async def test_a_courier_killed_in_the_middle_sends_nothing_twice_or_never(
    harness: FakeHarness, *, delivered: bool
) -> None:
    """It had taken messages and did not live to mark them; the channel knows which it delivered."""
    keys = await harness.notify(5)
    at = datetime.now(UTC)
    await harness.writer.run(partial(notifications.route, channels_to=to_fake, at=at, limit=10))
    taken = await harness.writer.run(partial(notifications.take, channel="fake", quiet_until=never, at=at, limit=3))
    assert len(taken) == 3
    if delivered:
        await harness.channel.deliver(taken[:2])
    async with harness.running():
        marked = await harness.settled("sent")
    assert sorted(harness.channel.told) == keys
    assert [row["tries"] for row in marked] == [1] * 5


@pytest.mark.parametrize("of_another_worker", [False, True])
async def test_of_two_couriers_at_once_the_second_settles_and_sends_nothing(
    harness: FakeHarness, of_another_worker: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody starts it under another id, while the first is sending; it goes on when the first has ended."""
    monkeypatch.setattr(courier, "CLAIM_PAUSE_SECONDS", 0.05)
    harness.singly = True
    keys = await harness.notify(3)
    goes_on, original, claims = asyncio.Event(), harness.channel.deliver, list[bool]()
    claim = processes.claim

    async def deliver(given: Sequence[Delivery]) -> Mapping[str, str]:
        failed = await original(given)
        await goes_on.wait()
        return failed

    def noted(*arguments: Any, **named: Any) -> bool:
        claims.append(claim(*arguments, **named))
        return claims[-1]

    monkeypatch.setattr(processes, "claim", noted)
    harness.channel.deliver = deliver  # type: ignore[method-assign,assignment]
    first = harness.courier()
    async with harness.running(first):
        await harness.told(3)
        async with harness.running(harness.courier() if of_another_worker else first):
            await harness.once(lambda _: claims.count(False) >= 3)
            assert await harness.statuses() == ["sending"] * 3
            goes_on.set()
            marked = await harness.settled("sent")
    assert sorted(harness.channel.told) == keys
    assert [row["tries"] for row in marked] == [1] * 3


async def test_a_courier_that_stood_still_ends_when_another_one_has_begun(harness: FakeHarness) -> None:
    begun = harness.courier()
    running = asyncio.create_task(ActivityEnvironment().run(begun.deliver_notifications))
    await harness.notify(1)
    await harness.settled("sent")
    later = datetime.now(UTC) + timedelta(hours=1)
    take_over = partial(processes.claim, holder="another", at=later, until=later + timedelta(hours=1))
    assert await harness.writer.run(take_over)
    with pytest.raises(ExceptionGroup) as ended:
        await asyncio.wait_for(running, PATIENCE)
    assert [str(each) for each in ended.value.exceptions] == ["another courier sends"]


async def test_sql_that_is_down_is_waited_for(harness: FakeHarness, database: Engine) -> None:
    await harness.notify(1)
    async with harness.running():
        await harness.settled("sent")
        with down(database):
            await complained()
        await harness.notify(2, first=5)
        await harness.settled("sent")
    assert len(harness.channel.told) == 3


async def test_a_delivery_that_could_not_be_recorded_is_not_sent_again(harness: FakeHarness, database: Engine) -> None:
    """SQL went away between delivery and mark."""
    [key] = await harness.notify(1)
    original = harness.channel.deliver
    outage = down(database)

    async def deliver_and_lose_sql(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        failed = await original(deliveries)
        outage.__enter__()
        return failed

    harness.channel.deliver = deliver_and_lose_sql  # type: ignore[method-assign]
    async with harness.running():
        await complained()
        harness.channel.deliver = original  # type: ignore[method-assign]
        outage.__exit__(None, None, None)
        await harness.settled("sent")
    assert harness.channel.told == [key]


async def test_it_returns_when_its_worker_stops_and_marks_what_it_sent(harness: FakeHarness) -> None:
    harness.polling = harness.polling._replace(poll_seconds=3600.0)
    await harness.notify(3)
    async with harness.running():
        await harness.told(3)
    assert await harness.statuses() == ["sent"] * 3


async def test_it_sends_heartbeats_and_can_be_cancelled(harness: FakeHarness) -> None:
    beaten = asyncio.Event()
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *_: beaten.set()
    task = asyncio.create_task(environment.run(harness.courier().deliver_notifications))
    await asyncio.wait_for(beaten.wait(), PATIENCE)
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, PATIENCE)


async def test_a_cancelled_courier_finishes_and_records_what_is_under_way(harness: FakeHarness) -> None:
    """Anybody who reaches Temporal's port can have it cancelled: nobody is to be notified twice then."""
    original, answered = harness.channel.deliver, asyncio.Event()

    async def slow(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        failed = await original(deliveries)
        await answered.wait()
        return failed

    harness.channel.deliver = slow  # type: ignore[method-assign]
    harness.singly = True
    keys = await harness.notify(2)
    environment = ActivityEnvironment()
    task = asyncio.create_task(environment.run(harness.courier().deliver_notifications))
    await harness.told(2)
    environment.cancel()
    await asyncio.sleep(0.2)
    assert not task.done()
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, PATIENCE)
    assert await harness.statuses() == ["sent"] * 2
    async with harness.running():
        keys += await harness.notify(1, first=2)
        await harness.settled("sent")
    assert sorted(harness.channel.told) == sorted(keys)


async def test_a_run_ends_and_returns_its_deliveries(harness: FakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "RUN_TIME", timedelta(milliseconds=300))
    await harness.notify(2)
    assert await ActivityEnvironment().run(harness.courier().deliver_notifications) == 2


async def test_an_idle_courier_costs_one_statement_a_poll_and_loop(harness: FakeHarness, database: Engine) -> None:
    loop = asyncio.get_running_loop()
    asked: list[float] = []
    enough = asyncio.Event()

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if not statement.startswith("BEGIN"):
            asked.append(loop.time())
        if len(asked) > 14:
            loop.call_soon_threadsafe(enough.set)

    event.listen(database, "before_cursor_execute", note)
    async with harness.running():
        await asyncio.wait_for(enough.wait(), PATIENCE)
    # The first two claim that no other courier sends, the next two ask what is in doubt and what lost its channel; then
    # each of the two loops asks once a poll.
    assert asked[14] - asked[4] >= 5 * harness.polling.poll_seconds * 0.9
