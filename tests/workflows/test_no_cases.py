"""Histories of other releases, and workflows that are no cases: they stop no comparison of the others."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import RawValue
from temporalio.worker import Worker

from activities import reconcile
from activities.history_errors import UnreadableError
from activities.keys import Key
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from hotline import rebuild
from hotline.histories import CaseHistory, read_case
from hotline.rebuild import in_sql_until
from hotline.rebuild_workflows import STARTED
from readmodel.database import engine
from tests.support.hotline import Hotline, running_hotline, until
from tests.support.sealing import KEY, sealing_by, stranger, with_options
from tests.support.temporal import temporal_server
from tests.workflows.test_rebuild_workflows import again, rebuilder
from workflows.clients.singletons import RECONCILER, last_report
from workflows.complaint import ComplaintWorkflow
from workflows.messages import ComplaintStart
from workflows.presentation.complaint import workflow_id

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.slow
async def test_a_history_that_cannot_be_read_is_reported_and_stops_nothing(
    reconciled: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another release has written it."""
    complaint = await reconciled.start()

    async def reads(client: Client, runs: Sequence[WorkflowExecution]) -> CaseHistory:
        if runs[0].id == complaint.handle.id:
            raise UnreadableError("of a newer release")
        return await read_case(client, runs)

    with monkeypatch.context() as newer:
        newer.setattr(rebuild, "read_case", reads)
        await complaint.act(Dispatch(department="repair"), unwritten=True)
        await complaint.handle.terminate()
        named = {complaint.number: "history: UnreadableError"}
        await until(lambda: last_report(reconciled.client), lambda seen: bool(seen and seen.unreadable == named))
        other = await reconciled.start()
        await other.handle.terminate("a slip of the hand")
        await until(other.lost, lambda mark: mark == "ended")
    await complaint.published(2)
    await until(lambda: last_report(reconciled.client), lambda seen: bool(seen and not seen.unreadable))


async def test_workflows_that_are_no_cases_stop_nothing(reconciled: Hotline) -> None:
    """Started by hand while no worker ran: under an id that is no number, and with what no release can read."""
    unreadable = RawValue(Payload(metadata={"encoding": b"binary/encrypted"}, data=b"?"))
    for name, argument in ((workflow_id('quote"x'), {}), (workflow_id("9999999999999"), unreadable)):
        handle = await reconciled.client.start_workflow("ComplaintWorkflow", argument, id=name, task_queue="nobody")
        await handle.terminate()
    other = await reconciled.start()
    await other.handle.terminate("a slip of the hand")
    await until(other.lost, lambda mark: mark == "ended")
    report = await last_report(reconciled.client)
    assert report
    assert report.fault is None


@pytest.mark.slow
async def test_a_case_started_by_hand_does_not_stop_the_knowledge_of_others(reconciled: Hotline) -> None:
    """Until its first change Temporal does not tell when it changed: it counts as behind, and nothing is missing."""
    registration = reconciled.registration(at=datetime.now(UTC) - timedelta(seconds=2))
    await reconciled.client.start_workflow(
        ComplaintWorkflow.run,
        ComplaintStart(source=registration),
        id=workflow_id(registration.number),
        task_queue=reconciled.settings.task_queue,
    )
    other, began_at = await reconciled.start(), datetime.now(UTC)

    async def later() -> datetime | None:
        await other.act(Comment(note="用户又来电"))
        return await in_sql_until(reconciled.client)

    await until(later, lambda known: bool(known and known >= began_at + 2 * reconcile.GRACE))


@pytest.mark.slow
async def test_a_start_that_is_sealed_with_an_unknown_key_is_listed_as_such(reconciled: Hotline) -> None:
    """The service may have started it: it neither fails nor stops the comparison of others."""
    client = with_options(reconciled.client, **sealing_by(Key(b"othr", KEY.secret)))
    registration = reconciled.registration()
    handle = await client.start_workflow(
        ComplaintWorkflow.run,
        ComplaintStart(source=registration),
        id=workflow_id(registration.number),
        task_queue=reconciled.settings.task_queue,
    )

    async def listed() -> str | None:
        report = await last_report(reconciled.client)
        return report.not_begun.get(registration.number) if report else None

    await until(listed, lambda why: why == "UnopenedError")
    report = await last_report(reconciled.client)
    assert report
    assert (report.fault, f"{registration.number} (UnopenedError)" in str(report)) == (None, True)
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    await handle.terminate()


@pytest.mark.slow
async def test_a_case_whose_tasks_fail_is_listed_as_stuck_until_it_goes_on_or_ends(tmp_path: Path) -> None:
    """By default Temporal lists it after six tasks."""
    early = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=1"
    async with (
        await temporal_server(early) as server,
        running_hotline(server, tmp_path, reconcile_seconds=0.1) as hotline,
    ):
        await RECONCILER.start(hotline.client, hotline.settings.task_queue)
        registration, client = hotline.registration(), with_options(hotline.client, **sealing_by(Key(b"othr", b"?")))
        handle = await client.start_workflow(
            ComplaintWorkflow.run,
            ComplaintStart(source=registration),
            id=workflow_id(registration.number),
            task_queue=hotline.settings.task_queue,
        )
        named = [registration.number]
        report = await until(lambda: last_report(hotline.client), lambda seen: bool(seen and seen.stuck == named))
        assert f"stuck 1: {registration.number}" in str(report)
        await handle.terminate()
        await until(lambda: last_report(hotline.client), lambda seen: bool(seen and not seen.stuck))


@workflow.defn(name="ComplaintWorkflow", sandboxed=False)
class Completes:
    @workflow.run
    async def run(self) -> None:
        """Complete the case."""


async def test_a_case_that_somebody_else_has_completed_is_lost_and_comes_back(
    reconciled: Hotline,
) -> None:
    """Its workflow was terminated, and another one under its id was answered by a worker of somebody else."""
    complaint = await reconciled.start()
    await complaint.handle.terminate()

    client = stranger(reconciled.client)
    async with Worker(client, task_queue="somebody-elses", workflows=[Completes]):
        await client.execute_workflow(Completes.run, id=complaint.handle.id, task_queue="somebody-elses")
    await until(complaint.lost, lambda mark: mark == "ended")
    owner = engine(reconciled.settings.database_url)
    assert await rebuilder(reconciled, owner).one(complaint.number) == STARTED
    owner.dispose()
    assert (await again(reconciled, complaint).act(Comment(note="好了"))).version == 2
    assert await complaint.lost() is None
