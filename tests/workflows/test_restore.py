"""A backup of the read model is put back: the reconciler brings it to the present, unasked."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.withdraw import Withdraw
from hotline.rebuild import in_sql_until
from tests.support.hotline import running_hotline, until
from tests.support.reconciler import reconcile_at_once
from tests.support.temporal import temporal_server
from workflows.clients.singletons import RECONCILER

pytestmark = pytest.mark.asyncio(loop_scope="module")


def back_up(file: Path, backup: Path) -> None:
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)


def put_back(backup: Path, file: Path) -> None:
    for path in file.parent.glob(f"{file.name}*"):
        path.unlink()
    backup.rename(file)


async def test_a_read_model_of_yesterday_is_brought_to_the_present_and_nobody_is_told_again(
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
            await ended.act(Withdraw(reason="用户撤销"))
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
