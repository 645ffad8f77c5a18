"""Changes that only a run before a reset has, or before a copied start: they are told, and come back to SQL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.common import RawValue

from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from hotline.recovery.rebuild import rebuild
from hotline.recovery.rebuild_workflows import RUNS, STARTED
from hotline.recovery.verify import verify
from readmodel.base.database import engine as engine_of
from readmodel.projection import DivergedError
from tests.support.hotline import Complaint, Hotline, running_hotline, until
from tests.support.lost import reset
from tests.support.reconciler import has_swept, reconcile_at_once
from tests.support.sealing import stranger
from tests.support.temporal import temporal_server
from tests.workflows.test_rebuild_workflows import again, rebuilder
from workflows.clients.service import RECONCILER

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
    await client.start_workflow("ComplaintWorkflow", copied, id=workflow, task_queue=queue)


LOSSES = pytest.mark.parametrize("lose", [reset, start_again])


async def begun_again(hotline: Hotline, lose: Callable[[Client, str], Awaitable[None]]) -> Complaint:
    """A case that begins again after a comment that SQL has not got."""
    case = await hotline.start()
    await case.act(Comment(note="再催"), unwritten=True)
    await lose(stranger(hotline.client), case.handle.id)
    return again(hotline, case)


async def differences(hotline: Hotline) -> list[Any]:
    return (await verify(hotline.client, hotline.engine, hotline.settings.task_queue)).differences


@LOSSES
async def test_what_only_the_ended_run_has_is_told_and_comes_back(
    hotline: Hotline, lose: Callable[[Client, str], Awaitable[None]]
) -> None:
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
async def test_what_the_present_run_and_sql_have_otherwise_is_told(
    hotline: Hotline, lose: Callable[[Client, str], Awaitable[None]]
) -> None:
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
    assert (await differences(hotline), (await rebuild(hotline.client, owner)).failed) == ([], {})
    owner.dispose()


async def test_of_two_ended_runs_that_sql_lacks_the_first_counts(hotline: Hotline) -> None:
    case = await begun_again(hotline, reset)
    await case.act(Dispatch(department="repair"), unwritten=True)
    await case.handle.terminate()
    runs = f'WorkflowId = "{case.handle.id}"'
    await until(lambda: hotline.client.count_workflows(runs), lambda found: found.count == 2)
    owner = engine_of(hotline.settings.database_url)
    assert await rebuilder(hotline, owner).one(case.number) == STARTED
    assert [row["action"] for row in await case.rows()] == ["register", "comment"]
    assert (await rebuild(hotline.client, owner)).failed == {}
    owner.dispose()
