"""Changes that only a run before a reset has, or before a copied start: they are told, and come back to SQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.incident.actions import Inform
from hotline.recovery.rebuild import rebuild
from hotline.recovery.rebuild_workflows import RUNS, STARTED
from hotline.recovery.verify import verify
from readmodel.base.database import engine as engine_of
from readmodel.projection import DivergedError
from readmodel.writer import GroupWriter
from tests.support.causes import Cause, declare, linked, told
from tests.support.hotline import Complaint, Hotline, running_hotline, until
from tests.support.lost import reset
from tests.support.reconciler import has_swept, reconcile_at_once
from tests.support.sealing import stranger
from tests.support.temporal import temporal_server
from tests.workflows.test_rebuild_workflows import again, rebuilder
from workflows.clients.upkeep import RECONCILER

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(loop_scope="module")
async def hotline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hotline]:
    """A server of its own, without a reconciler before a test starts it."""
    reconcile_at_once(monkeypatch)
    async with await temporal_server() as server, running_hotline(server, tmp_path, reconcile_seconds=0.1) as running:
        yield running


async def start_again(client: Client, workflow: str) -> None:
    """Terminate the workflow, and start it with a copy of its start."""
    handle = client.get_workflow_handle(workflow)
    first = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    await handle.terminate()
    copied, queue = RawValue(first.input.payloads[0]), first.task_queue.name
    await client.start_workflow(first.workflow_type.name, copied, id=workflow, task_queue=queue)


Lose = Callable[[Client, str], Awaitable[None]]
LOSSES = pytest.mark.parametrize("lose", [reset, start_again])


async def begun_again(hotline: Hotline, lose: Lose) -> Complaint:
    """A case that begins again after a comment that SQL has not got."""
    case = await hotline.start()
    await case.act(Comment(note="再催"), unwritten=True)
    await lose(stranger(hotline.client), case.handle.id)
    return again(hotline, case)


async def differences(hotline: Hotline) -> list[Any]:
    return (await verify(hotline.client, hotline.engine, hotline.settings.task_queue)).differences


@LOSSES
async def test_what_only_the_ended_run_has_is_told_and_comes_back(hotline: Hotline, lose: Lose) -> None:
    case = await begun_again(hotline, lose)
    await until(lambda: differences(hotline), lambda found: found == [(case.number, "history", "v1", "v2")])
    await RECONCILER.start(hotline.client, hotline.settings.task_queue)
    await until(case.lost, lambda mark: mark == "reset")
    owner = engine_of(hotline.settings.database_url)
    assert (await rebuild(hotline.client, owner)).left_by(DivergedError) == (case.handle.id,)
    assert (await rebuilder(hotline, owner).all()).counts == {STARTED: 1}
    assert [row["action"] for row in await case.rows()] == ["register", "comment"]
    assert (await again(hotline, case).view()).version == 2
    await has_swept(hotline.client)
    assert await case.lost() is None
    assert await rebuilder(hotline, owner).one(case.number) == RUNS
    await until(lambda: differences(hotline), lambda found: found == [])
    assert (await rebuild(hotline.client, owner)).failed == {}
    owner.dispose()


@LOSSES
async def test_what_the_present_run_and_sql_have_otherwise_is_told(hotline: Hotline, lose: Lose) -> None:
    case = await begun_again(hotline, lose)
    await case.act(Dispatch(department="repair"))
    await until(lambda: differences(hotline), lambda found: found == [(case.number, "history", "v2", "v2")])
    await RECONCILER.start(hotline.client, hotline.settings.task_queue)
    await until(case.lost, lambda mark: mark == "reset")
    for _ in range(3):
        await has_swept(hotline.client)
        assert await case.lost() == "reset"
    owner = engine_of(hotline.settings.database_url)
    assert (await rebuilder(hotline, owner).all()).counts == {STARTED: 1}
    assert [row["action"] for row in await case.rows()] == ["register", "dispatch"]
    await has_swept(hotline.client)
    assert await case.lost() is None
    await until(lambda: differences(hotline), lambda found: found == [])
    assert (await rebuild(hotline.client, owner)).failed == {}
    owner.dispose()


async def test_of_two_ended_runs_that_sql_lacks_the_first_counts(hotline: Hotline) -> None:
    case = await begun_again(hotline, reset)
    await case.act(Dispatch(department="repair"), unwritten=True)
    await case.handle.terminate()
    runs = f'WorkflowId = "{case.handle.id}"'
    await until(lambda: hotline.client.count_workflows(runs), lambda found: found.count == 2)
    owner = engine_of(hotline.settings.database_url)
    assert await rebuilder(hotline, owner).one(case.number) == STARTED
    await until(lambda: hotline.client.count_workflows(runs), lambda found: found.count == 3)
    assert [row["action"] for row in await case.rows()] == ["register", "comment"]
    assert (await rebuild(hotline.client, owner)).failed == {}
    owner.dispose()


async def declared_again(hotline: Hotline, monkeypatch: pytest.MonkeyPatch, lose: Lose) -> tuple[Cause, Complaint]:
    """An incident of one case that begins again after news that SQL has not got."""
    cause = await declare(hotline, "west")
    [case] = await linked(hotline, cause, 1)
    await cause.published("declare")
    write, tried = GroupWriter.run, asyncio.Event()

    async def refusing(writer: GroupWriter, work: Any) -> Any:
        if "batch" not in getattr(work, "keywords", {}):
            return await write(writer, work)
        tried.set()
        raise ApplicationError("SQL: database is locked")

    with monkeypatch.context() as away:
        away.setattr(GroupWriter, "run", refusing)
        await cause.act(Inform(message="正在抢修"))
        await tried.wait()
        await lose(stranger(hotline.client), cause.handle.id)
    await until(cause.seen, lambda seen: seen.version == 1)
    return cause, case


@LOSSES
@pytest.mark.parametrize("repaired_by", ["the reconciler", "the rebuild", "the rebuild of one"])
async def test_what_only_the_ended_run_of_an_incident_has_is_told_and_comes_back(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch, lose: Lose, repaired_by: str
) -> None:
    cause, case = await declared_again(hotline, monkeypatch, lose)
    await until(lambda: differences(hotline), lambda found: found == [(cause.number, "history", "v1", "v2")])
    owner = engine_of(hotline.settings.database_url)
    if repaired_by == "the reconciler":
        await RECONCILER.start(hotline.client, hotline.settings.task_queue)
        await cause.published("declare", "inform")
        assert await differences(hotline) == [(cause.number, "history", "v2", "v1")]
    if repaired_by == "the rebuild of one":
        assert await rebuilder(hotline, owner).one(cause.number) == STARTED
    else:
        assert (await rebuilder(hotline, owner).all()).counts == {STARTED: 1}
    assert [row["action"] for row in await cause.published("declare", "inform")] == ["declare", "inform"]
    await until(partial(told, case, "incident_inform"), lambda rows: [row["status"] for row in rows] == ["due"])
    assert (await cause.seen()).version == 2
    assert await rebuilder(hotline, owner).one(cause.number) == RUNS
    await until(lambda: differences(hotline), lambda found: found == [])
    assert (await rebuild(hotline.client, owner)).failed == {}
    owner.dispose()


@LOSSES
async def test_what_the_present_run_of_an_incident_and_sql_have_otherwise_is_told(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch, lose: Lose
) -> None:
    cause, case = await declared_again(hotline, monkeypatch, lose)
    await cause.act(Inform(message="预计两小时"))
    before = await cause.published("declare", "inform")
    await until(lambda: differences(hotline), lambda found: found == [(cause.number, "history", "v2", "v2")])
    owner = engine_of(hotline.settings.database_url)
    assert (await rebuild(hotline.client, owner)).left_by(DivergedError) == (cause.handle.id,)
    assert (await rebuilder(hotline, owner).all()).counts == {STARTED: 1}
    assert await cause.timeline() == before
    assert all("预计两小时" in news["text_zh"] for news in await told(case, "incident_inform"))
    assert (await differences(hotline), (await rebuild(hotline.client, owner)).failed) == ([], {})
    owner.dispose()


async def test_what_the_last_run_of_an_incident_has_told_after_what_sql_has_comes_back(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQL has the last run's news in place of those of the run before, and not what came after them."""
    cause, case = await declared_again(hotline, monkeypatch, reset)
    await cause.act(Inform(message="预计两小时"))
    await cause.published("declare", "inform")
    await until(partial(told, case, "incident_inform"), lambda rows: len(rows) == 1)
    write = GroupWriter.run

    async def refusing(writer: GroupWriter, work: Any) -> Any:
        if "batch" in getattr(work, "keywords", {}):
            raise ApplicationError("SQL: database is locked")
        return await write(writer, work)

    with monkeypatch.context() as away:
        away.setattr(GroupWriter, "run", refusing)
        await cause.act(Inform(message="预计三小时"))
        await cause.handle.terminate()
    owner = engine_of(hotline.settings.database_url)
    assert await rebuilder(hotline, owner).one(cause.number) == STARTED
    assert [row["action"] for row in await cause.timeline()] == ["declare", "inform", "inform"]
    assert sorted(row["seq"] for row in await told(case, "incident_inform")) == [2, 3]
    await until(lambda: differences(hotline), lambda found: found == [])
    assert (await rebuild(hotline.client, owner)).failed == {}
    owner.dispose()
