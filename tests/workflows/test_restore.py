"""A backup of the read model is put back: the reconciler brings it to the present, unasked."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from activities.recovery import reconcile
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.refuse import Refuse
from domain.incident.actions import Inform
from hotline.recovery.rebuild import in_sql_until
from readmodel.base.database import engine as engine_of
from tests.support.causes import OVER, declare, linked
from tests.support.hotline import Hotline, running_hotline, until
from tests.support.reconciler import reconcile_at_once
from tests.support.rows import clear, execute
from tests.support.temporal import temporal_server
from workflows.clients.upkeep import RECONCILER

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


def back_up(file: Path, backup: Path) -> None:
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)


def put_back(backup: Path, file: Path) -> None:
    for path in file.parent.glob(f"{file.name}*"):
        path.unlink()
    backup.rename(file)


async def test_a_read_model_of_yesterday_catches_up_without_new_notifications(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older file is put back while the service is stopped. Cases have been registered, changed and ended since."""
    reconcile_at_once(monkeypatch)
    file, backup = tmp_path / "hotline.db", tmp_path / "yesterday.db"
    async with await temporal_server() as server:
        async with running_hotline(server, tmp_path, reconcile_seconds=0.1) as running:
            await RECONCILER.start(running.client, running.settings.task_queue)
            changed, ended, other = [await running.start() for _ in range(3)]
            back_up(file, backup)
            await changed.act(Dispatch(department="repair"))
            await ended.act(Refuse(reason="非供水范围"))
            await ended.closed()
            fresh = await running.start()
            since = [changed, ended, fresh]
            last = max([await each.changed_at() for each in since])
            before = [(await each.rows("cases"), await each.rows()) for each in since]

            async def later() -> datetime | None:
                await other.act(Comment(note="用户又来电"))
                return await in_sql_until(running.client)

            await until(later, lambda known: bool(known and known >= last))
        put_back(backup, file)
        async with running_hotline(server, tmp_path, reconcile_seconds=0.1) as running:
            for each in since:
                each._hotline = running
            for each, (_, events) in zip(since, before, strict=True):
                await each.published(len(events))
            assert [(await each.rows("cases"), await each.rows()) for each in since] == before
            told = [(each, row) for each in since for row in await each.rows("notifications")]
            assert {row["status"] for each, row in told if row["seq"] > 1 or each is fresh} == {"sent"}


async def test_a_read_model_that_is_emptied_under_a_live_worker_comes_back(
    reconciled: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before the next sweep is due: cases that no look sees, one that has ended, and an incident."""
    monkeypatch.setattr(reconcile, "SWEEP_EVERY", timedelta(hours=1))
    monkeypatch.setattr(reconcile, "SWEEP_ENDED_EVERY", timedelta(days=1))
    running, ended, other = [await reconciled.start() for _ in range(3)]
    cause = await declare(reconciled, "nantou")
    await running.act(Dispatch(department="repair"))
    await ended.act(Refuse(reason="非供水范围"))
    await ended.closed()
    declared = await cause.published("declare")
    before = [await running.published(2), await ended.published(2)]
    last = max([await each.changed_at() for each in (running, ended)])

    async def later() -> datetime | None:
        await other.act(Comment(note="用户又来电"))
        return await in_sql_until(reconciled.client)

    await until(later, lambda known: bool(known and known >= last))
    owner = engine_of(reconciled.settings.database_url)
    clear(owner)
    owner.dispose()
    assert [await running.published(2), await ended.published(2)] == before
    assert await cause.published("declare") == declared


async def test_incidents_that_sql_lost_come_back_with_their_news(reconciled: Hotline) -> None:
    """One that goes on, and one that has ended since the backup. What was sent is not sent again."""
    going, ended = await declare(reconciled, "nantou"), await declare(reconciled, "dongfeng")
    [complaint] = await linked(reconciled, going, 1)
    await going.act(Inform(message="正在抢修"))
    await until(
        partial(complaint.rows, "notifications"), lambda rows: "incident_inform" in {row["kind"] for row in rows}
    )
    for cause in (going, ended):
        await cause.published("declare", *(["inform"] if cause is going else []))
    await ended.act(OVER)
    await ended.handle.result()
    before = [await ended.published("declare", "resolve", "finish"), await going.published("declare", "inform")]
    owner = engine_of(reconciled.settings.database_url)
    execute(
        owner,
        "DELETE FROM notifications WHERE kind LIKE 'incident%'",
        "DELETE FROM incident_events WHERE seq > 1 OR number = :going",
        "DELETE FROM incidents WHERE number = :going",
        "UPDATE incidents SET version = 1, state = 'confirmed', closed_at = NULL WHERE number = :ended",
        going=going.number,
        ended=ended.number,
    )
    owner.dispose()
    after = [await ended.published("declare", "resolve", "finish"), await going.published("declare", "inform")]
    assert after == before
    for cause in (going, ended):
        assert {row["status"] for row in await cause.messages()} == {"sent"}
    news = [row for row in await complaint.rows("notifications") if row["kind"] == "incident_inform"]
    assert [row["status"] for row in news] == ["sent"]
