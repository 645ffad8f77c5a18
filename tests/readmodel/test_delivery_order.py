"""A recipient is told of a case in the order of time, but not held up by what fails for long or may not be sent yet."""

from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, delete, update

from activities.notifications import courier
from domain.incident.incident import News
from readmodel import incidents, notifications
from readmodel.base.database import WriteConnection
from readmodel.cases.tables import cases
from readmodel.notifications import DUE, QuietUntil, deliveries
from readmodel.writer import GroupWriter
from tests.support.batches import call, published
from tests.support.build import INCIDENT
from tests.support.fake_channel import FakeHarness, never


@pytest.fixture
async def harness(database: Engine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeHarness]:
    monkeypatch.setattr(courier, "FIRST_PAUSE", timedelta(milliseconds=20))
    async with GroupWriter(database) as writer:
        yield FakeHarness(database, writer)


@pytest.mark.parametrize("kind", ["news", "reply"])
async def test_a_caller_is_told_of_incident_and_case_in_the_order_of_time(harness: FakeHarness, kind: str) -> None:
    """Whichever comes first fails at first; the place among the events of the incident or of the case says nothing."""
    harness.singly = True
    batches = published(call(1))
    number, replied = batches[0].number, next(each for each in batches if each.events[-1].action == "reply").events[-1]
    earlier = kind == "news"
    news = News(
        incident=INCIDENT,
        seq=40 if earlier else 1,
        at=replied.at + timedelta(minutes=-1 if earlier else 1),
        message="预计五时恢复",
        message_en="Expected back at five.",
        numbers=(number,),
    )
    keys = [f"{INCIDENT}-{news.seq}-caller:{number}", f"{number}-{replied.seq}-caller:{number}"]
    first = keys[0 if earlier else 1]
    for batch in batches:
        await harness.writer.submit(batch)
    await harness.writer.run(partial(incidents.inform, news=news, numbers=news.numbers))
    harness.channel.broken[first] = "line busy"
    async with harness.running():
        await harness.once(lambda found: any(row["tries"] >= 3 for row in found))
        assert not {*keys} & {*harness.channel.told}
        harness.channel.broken.clear()
        await harness.settled("sent")
    assert [key for key in harness.channel.told if key in keys] == (keys if earlier else keys[::-1])


def to_callers(recipient: str, _: bool) -> list[str]:
    return ["fake"] if recipient.startswith("caller:") else []


def take(harness: FakeHarness, at: datetime, quiet_until: QuietUntil = never) -> Awaitable[list[str]]:
    """Route what is due to callers and take it; return the keys."""

    def work(connection: WriteConnection) -> list[str]:
        notifications.route(connection, to_callers, at, limit=100)
        return [each.key for each in notifications.take(connection, "fake", quiet_until, at, limit=100)]

    return harness.writer.run(work)


@pytest.mark.parametrize(("tries", "holds"), [(1, True), (7, True), (8, False), (20, False)])
async def test_a_late_delivery_holds_back_no_later_one_and_what_is_held_back_waits(
    harness: FakeHarness, *, tries: int, holds: bool
) -> None:
    at = datetime.now(UTC)
    registered, first, second = published(call(1), ("send_link", "answer"))
    for batch in (registered, first):
        await harness.writer.submit(batch)
    [key] = await take(harness, at)
    await harness.writer.submit(second)
    failed = update(deliveries).values(status=DUE, tries=tries, next_try_at=at + timedelta(minutes=2))
    await harness.writer.run(lambda sql: sql.execute(failed).rowcount)
    later = at + timedelta(minutes=1)
    taken = await take(harness, later)
    assert taken == ([] if holds else [key.replace("-2-", "-3-")])
    # What cannot reach a recipient makes no courier late; an earlier one that nobody has tried does.
    assert await harness.writer.run(partial(notifications.oldest_due, at=later)) is None
    untried = update(deliveries).where(deliveries.c.key == key).values(tries=0)
    await harness.writer.run(lambda sql: sql.execute(untried).rowcount)
    assert await harness.writer.run(partial(notifications.oldest_due, at=later)) == (later if holds else None)


@pytest.mark.parametrize("tries", [0, 1])
async def test_an_emergency_is_not_held_back_by_what_waits_for_the_morning(harness: FakeHarness, *, tries: int) -> None:
    """Nor is anything due all night that is held back. In the morning the order is that of the events again."""
    at = datetime.now(UTC)
    morning = at + timedelta(hours=8)

    def quiet_until(_: str, priority: str, now: datetime) -> datetime | None:
        return None if priority == "P1" or now >= morning else morning

    batches = published(call(1), ("send_link", "send_link", "send_link", "answer"))
    number = batches[0].number
    for batch in batches[:2]:
        await harness.writer.submit(batch)
    assert await take(harness, at, quiet_until) == []
    tried = update(deliveries).values(tries=tries)
    await harness.writer.run(lambda sql: sql.execute(tried).rowcount)
    for batch in batches[2:4]:
        await harness.writer.submit(batch)
    assert await take(harness, at, quiet_until) == []
    assert await harness.writer.run(partial(notifications.oldest_due, at=morning - timedelta(hours=1))) is None
    await harness.writer.submit(batches[4])
    now_urgent = update(cases).values(priority="P1")
    await harness.writer.run(lambda sql: sql.execute(now_urgent).rowcount)
    assert await take(harness, at, quiet_until) == [f"{number}-5-caller:{number}"]
    told = delete(deliveries).where(deliveries.c.status == "sending")
    await harness.writer.run(lambda sql: sql.execute(told).rowcount)
    for seq in (2, 3, 4):
        assert await take(harness, morning, quiet_until) == [f"{number}-{seq}-caller:{number}"]
        await harness.writer.run(lambda sql: sql.execute(told).rowcount)
