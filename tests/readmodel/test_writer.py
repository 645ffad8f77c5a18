"""The group commit: many waiters, one transaction, and nobody pays for another's fault."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError, StatementError

from domain.case.state import ProjectionBatch
from readmodel.base.database import engine
from readmodel.cases.tables import cases, events
from readmodel.projection import NotRegisteredError
from readmodel.writer import GroupWriter
from tests.support.batches import call, number, published
from tests.support.outage import down, throw_out
from tests.support.rows import rows

PATIENCE = 60.0


class Commits:
    """Counts the transactions that an engine commits."""

    def __init__(self, database: Engine) -> None:
        self.count = 0
        event.listen(database, "commit", self._note)

    def _note(self, _: Connection) -> None:
        self.count += 1


@asynccontextmanager
async def held(writer: GroupWriter) -> AsyncIterator[None]:
    """The writer's thread is busy, until the end of the block."""
    busy, release = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        busy.set()
        release.wait(PATIENCE)

    holding = asyncio.create_task(writer.run(hold))
    await asyncio.to_thread(busy.wait, PATIENCE)
    try:
        yield
    finally:
        release.set()
        await holding


def submit(writer: GroupWriter, *batches: ProjectionBatch) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(writer.submit(batch)) for batch in batches]


async def queued(tasks: list[asyncio.Task[None]]) -> None:
    """Every task has run up to where it waits for its answer."""
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


def broken(batch: ProjectionBatch) -> ProjectionBatch:
    """A batch that no database takes: its instant has no zone."""
    naive = batch.events[0].model_copy(update={"at": datetime(2026, 9, 7)})  # noqa: DTZ001 - that is what is wrong with it
    return batch.model_copy(update={"events": (naive,)})


def registrations(count: int) -> list[ProjectionBatch]:
    return [published(call(place), ())[0] for place in range(count)]


async def test_submit_returns_when_the_batch_is_committed(database: Engine) -> None:
    async with GroupWriter(database) as writer:
        await writer.submit(registrations(1)[0])
        assert [row["number"] for row in await asyncio.to_thread(rows, database, cases)] == [number(0)]


async def test_all_that_wait_share_one_transaction(database: Engine) -> None:
    async with GroupWriter(database) as writer:
        async with held(writer):
            tasks = submit(writer, *registrations(20))
            await queued(tasks)
            commits = Commits(database)
        await asyncio.gather(*tasks)
    assert commits.count == 2  # the held one, and all twenty
    assert len(rows(database, cases)) == 20


async def test_a_group_is_bounded(database: Engine) -> None:
    async with GroupWriter(database, group_size=8) as writer:
        async with held(writer):
            tasks = submit(writer, *registrations(20))
            await queued(tasks)
            commits = Commits(database)
        await asyncio.gather(*tasks)
    assert commits.count == 1 + 3


async def test_bad_batches_do_not_hinder_the_others(database: Engine) -> None:
    good = registrations(5)
    unknown = published(call(50))[1]
    async with GroupWriter(database) as writer:
        async with held(writer):
            tasks = submit(writer, *good[:2], unknown, broken(good[2]), *good[3:])
            await queued(tasks)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [
        *(type(None), type(None), NotRegisteredError, StatementError, type(None), type(None))
    ]
    assert [row["number"] for row in rows(database, cases)] == [number(place) for place in (0, 1, 3, 4)]


async def test_with_sql_down_all_waiters_are_told_and_a_retry_succeeds(database: Engine) -> None:
    batches = registrations(5)
    async with GroupWriter(database) as writer:
        await writer.submit(batches[0])
        with down(database):
            answers = await asyncio.gather(*submit(writer, *batches), return_exceptions=True)
            assert [type(answer) for answer in answers] == [OperationalError] * 5
        await asyncio.gather(*submit(writer, *batches))
    assert len(rows(database, cases)) == 5


async def test_a_server_that_was_restarted_meanwhile_is_no_error(postgresql_url: str) -> None:
    """The connection in the pool is dead, which nobody needs to hear of."""
    database = engine(postgresql_url)
    first, second = registrations(2)
    async with GroupWriter(database) as writer:
        await writer.submit(first)
        await asyncio.to_thread(throw_out, database)
        await writer.submit(second)
    assert len(rows(database, cases)) == 2
    database.dispose()


async def test_errors_hold_no_data(database: Engine) -> None:
    """Errors that are raised end in histories and logs."""
    async with GroupWriter(database) as writer:
        with pytest.raises(StatementError) as caught:
            await writer.submit(broken(registrations(1)[0]))
    assert "婆" not in str(caught.value)


async def test_nobody_waits_for_a_cancelled_batch(database: Engine) -> None:
    async with GroupWriter(database) as writer:
        async with held(writer):
            tasks = submit(writer, *registrations(2))
            await queued(tasks)
            tasks[0].cancel()
            with suppress(asyncio.CancelledError):
                await tasks[0]
        await tasks[1]
    assert [row["number"] for row in rows(database, cases)] == [number(1)]


async def test_news_is_told_when_notifications_were_committed(database: Engine) -> None:
    first, silent = published(call(1), ("comment",))
    async with GroupWriter(database) as writer:
        await writer.submit(first)
        await asyncio.wait_for(writer.notifications_written.wait(), PATIENCE)
        writer.notifications_written.clear()
        await writer.submit(silent)
        assert not writer.notifications_written.is_set()


async def test_news_is_told_although_nobody_waits_for_the_answer(database: Engine) -> None:
    [first] = published(call(1), ())
    async with GroupWriter(database) as writer:
        begun, release = threading.Event(), threading.Event()
        for step in (lambda _: begun.set(), lambda _: release.wait(PATIENCE)):
            event.listen(database, "commit", step)
        [task] = submit(writer, first)
        await asyncio.to_thread(begun.wait, PATIENCE)
        task.cancel()
        release.set()
        await asyncio.wait_for(writer.notifications_written.wait(), PATIENCE)
    assert [row["number"] for row in rows(database, cases)] == [number(1)]


async def test_a_cancelled_end_still_writes_what_was_submitted(database: Engine) -> None:
    writer = await GroupWriter(database, group_size=1).__aenter__()
    async with held(writer):
        tasks = submit(writer, *registrations(3))
        await queued(tasks)
        ending = asyncio.create_task(writer.__aexit__())
        await queued([ending])
        ending.cancel()
    await asyncio.gather(*tasks)
    assert len(rows(database, events)) == 3


async def test_closing_writes_what_was_submitted(database: Engine) -> None:
    batches = registrations(10)
    async with GroupWriter(database) as writer:
        tasks = submit(writer, *batches)
        await queued(tasks)
    await asyncio.gather(*tasks)
    assert len(rows(database, events)) == 10
    with pytest.raises(RuntimeError, match="within its `async with`"):
        await writer.submit(batches[0])


async def test_other_work_runs_in_a_transaction_of_its_own(database: Engine) -> None:
    async with GroupWriter(database) as writer:
        with pytest.raises(ZeroDivisionError):
            await writer.run(lambda _: 1 // 0)
        assert await writer.run(lambda connection: connection.dialect.name) == database.dialect.name
