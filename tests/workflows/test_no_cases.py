"""Histories of other releases, and workflows that are no cases: they stop no comparison of the others."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio import workflow
from temporalio.api.common.v1 import Payload, SearchAttributes, WorkflowType
from temporalio.api.common.v1 import WorkflowExecution as Execution
from temporalio.api.deployment.v1 import WorkerDeploymentVersion as Version
from temporalio.api.enums.v1 import PendingActivityState as ActivityState
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import PendingActivityInfo, VersioningOverride, WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    RespondActivityTaskFailedByIdRequest,
    StartWorkflowExecutionRequest,
    UpdateWorkflowExecutionOptionsRequest,
)
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue, VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.names import complaint_id
from activities.recovery import reconcile
from activities.run_status import UnreadableError
from activities.sealing.keys import Key
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from hotline.recovery import rebuild
from hotline.recovery.histories import CaseHistory, read_case
from hotline.recovery.rebuild import in_sql_until
from hotline.recovery.rebuild_workflows import STARTED, NotRebuiltError
from readmodel.base.database import engine
from readmodel.writer import GroupWriter
from tests.support.hotline import Complaint, Hotline, running_hotline, until
from tests.support.lost import fail
from tests.support.sealing import KEY, sealing_by, stranger, with_options
from tests.support.temporal import temporal_server
from tests.workflows.test_rebuild_workflows import again, rebuilder
from workflows.clients.upkeep import RECONCILER, last_report
from workflows.complaint.messages import ComplaintStart
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.kit.search_attributes import CHANGED_AT

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


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
    for name, argument in ((complaint_id('quote"x'), {}), (complaint_id("9999999999999"), unreadable)):
        handle = await reconciled.client.start_workflow("ComplaintWorkflow", argument, id=name, task_queue="nobody")
        await handle.terminate()
    other = await reconciled.start()
    await other.handle.terminate("a slip of the hand")
    await until(other.lost, lambda mark: mark == "ended")
    report = await last_report(reconciled.client)
    assert report
    assert report.fault is None


async def test_a_case_started_by_hand_does_not_stop_the_knowledge_of_others(reconciled: Hotline) -> None:
    """Until its first change Temporal does not tell when it changed: it counts as behind, and nothing is missing."""
    registration = reconciled.registration(at=datetime.now(UTC) - timedelta(seconds=2))
    await reconciled.client.start_workflow(
        ComplaintWorkflow.run,
        ComplaintStart(source=registration),
        id=complaint_id(registration.number),
        task_queue=reconciled.settings.task_queue,
    )
    other, began_at = await reconciled.start(), datetime.now(UTC)

    async def later() -> datetime | None:
        await other.act(Comment(note="用户又来电"))
        return await in_sql_until(reconciled.client)

    await until(later, lambda known: bool(known and known >= began_at + 2 * reconcile.GRACE))


async def test_a_start_that_is_sealed_with_an_unknown_key_is_listed_as_such(reconciled: Hotline) -> None:
    """The service may have started it: it neither fails nor stops the comparison of others."""
    client = with_options(reconciled.client, **sealing_by(Key(b"othr", KEY.secret)))
    registration = reconciled.registration()
    handle = await client.start_workflow(
        ComplaintWorkflow.run,
        ComplaintStart(source=registration),
        id=complaint_id(registration.number),
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
            id=complaint_id(registration.number),
            task_queue=hotline.settings.task_queue,
        )
        named = [registration.number]
        report = await until(lambda: last_report(hotline.client), lambda seen: bool(seen and seen.stuck == named))
        assert f"stuck 1: {registration.number}" in str(report)
        await handle.terminate()
        await until(lambda: last_report(hotline.client), lambda seen: bool(seen and not seen.stuck))


async def pending(complaint: Complaint) -> list[PendingActivityInfo]:
    """Return the activities that a case waits for."""
    return list((await complaint.handle.describe()).raw_description.pending_activities)


@pytest.mark.parametrize("by", ["a pause", "a long delay"])
async def test_a_case_whose_activity_somebody_holds_up_is_listed_as_stuck(
    reconciled: Hotline, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    async def fails(*_: object) -> None:
        raise TimeoutError

    client = reconciled.client
    with monkeypatch.context() as held:
        held.setattr(GroupWriter, "submit", fails)
        if by == "a long delay":
            held.setattr(reconcile, "STUCK_AFTER", timedelta(seconds=0.4))
        complaint = await reconciled.start(unwritten=True)
        await complaint.handle.signal("publish")
        await until(lambda: pending(complaint), bool)
        if by == "a pause":
            of_case = Execution(workflow_id=complaint.handle.id)
            await client.workflow_service.pause_activity(
                PauseActivityRequest(namespace=client.namespace, execution=of_case, type="publish", reason="x")
            )
        await until(lambda: last_report(client), lambda seen: bool(seen and seen.stuck == [complaint.number]))


async def test_a_case_that_is_pinned_to_a_version_of_somebody_else_is_listed_as_stuck(reconciled: Hotline) -> None:
    complaint, client = await reconciled.start(), reconciled.client
    async with Worker(
        stranger(client),
        task_queue=reconciled.settings.task_queue,
        workflows=[Completes],
        deployment_config=WorkerDeploymentConfig(
            version=WorkerDeploymentVersion("x", "y"),
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.PINNED,
        ),
    ):
        request = UpdateWorkflowExecutionOptionsRequest(
            namespace=client.namespace,
            workflow_execution=Execution(workflow_id=complaint.handle.id),
            workflow_execution_options=WorkflowExecutionOptions(
                versioning_override=VersioningOverride(
                    pinned=VersioningOverride.PinnedOverride(
                        behavior=VersioningOverride.PinnedOverrideBehavior.PINNED_OVERRIDE_BEHAVIOR_PINNED,
                        version=Version(deployment_name="x", build_id="y"),
                    )
                )
            ),
            update_mask=FieldMask(paths=["versioning_override"]),
        )

        async def pins() -> bool:
            try:
                await client.workflow_service.update_workflow_execution_options(request)
            except RPCError:  # the queue does not know the version yet
                return False
            return True

        await until(pins, bool)
    await until(lambda: last_report(client), lambda seen: bool(seen and seen.stuck == [complaint.number]))


async def test_a_case_with_an_answer_that_cannot_be_decoded_comes_back(
    reconciled: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(*_: object) -> None:
        await asyncio.Event().wait()

    client = reconciled.client
    with monkeypatch.context() as held:
        held.setattr(GroupWriter, "submit", hangs)
        complaint = await reconciled.start(unwritten=True)
        await complaint.handle.signal("publish")
        [activity] = await until(
            lambda: pending(complaint),
            lambda found: any(each.state == ActivityState.PENDING_ACTIVITY_STATE_STARTED for each in found),
        )
        failure = nested(97)
        failure.application_failure_info.non_retryable = True
        await client.workflow_service.respond_activity_task_failed_by_id(
            RespondActivityTaskFailedByIdRequest(
                namespace=client.namespace,
                workflow_id=complaint.handle.id,
                activity_id=activity.activity_id,
                failure=failure,
            )
        )
        await complaint.handle.terminate()
    await complaint.published(1)
    owner = engine(reconciled.settings.database_url)
    assert await rebuilder(reconciled, owner).one(complaint.number) == STARTED
    owner.dispose()


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
    await until(complaint.lost, lambda mark: mark is None)  # a sweep may be under way


async def test_a_case_whose_workflow_somebody_else_has_replaced_is_lost(reconciled: Hotline) -> None:
    """By one on a queue of their own, with the same attributes."""
    complaint = await reconciled.start()
    shown = (await complaint.handle.describe()).typed_search_attributes
    await complaint.handle.terminate()
    other = await stranger(reconciled.client).start_workflow(
        "ComplaintWorkflow", id=complaint.handle.id, task_queue="nobody", search_attributes=shown
    )
    await until(complaint.lost, lambda mark: mark == "missing")
    owner = engine(reconciled.settings.database_url)
    with pytest.raises(NotRebuiltError, match="has not started runs under its id: terminate it"):
        await rebuilder(reconciled, owner).one(complaint.number)
    await other.terminate()
    assert await rebuilder(reconciled, owner).one(complaint.number) == STARTED
    owner.dispose()
    await until(complaint.lost, lambda mark: mark is None)


def dated(changed: str) -> SearchAttributes:
    """Return the search attribute with the time of the last change."""
    payload = Payload(metadata={"encoding": b"json/plain", "type": b"Datetime"}, data=changed.encode())
    return SearchAttributes(indexed_fields={CHANGED_AT.name: payload})


def nested(depth: int) -> Failure:
    """Return a failure with so many causes, one inside the other; clients of Temporal decode some 90."""
    failure = Failure(message="x", application_failure_info=ApplicationFailureInfo(type="x"))
    for _ in range(depth):
        failure = Failure(message="x", cause=failure, application_failure_info=failure.application_failure_info)
    return failure


async def start_raw(client: Client, kind: str, name: str, queue: str, **strange: Any) -> WorkflowHandle[Any, Any]:
    """Start a workflow with what no client of the SDK lets through."""
    await client.workflow_service.start_workflow_execution(
        StartWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_id=name,
            workflow_type=WorkflowType(name=kind),
            task_queue=TaskQueue(name=queue),
            request_id=uuid.uuid4().hex,
            **strange,
        )
    )
    return client.get_workflow_handle(name)


@pytest.mark.parametrize(
    "strange",
    [
        {"search_attributes": dated('"0000-01-01T00:00:00Z"')},
        {"search_attributes": dated('["2026-11-30T00:00:00Z"]')},
        {"continued_failure": nested(97)},
    ],
    ids=["the year 0", "a list", "a nested failure"],
)
@pytest.mark.parametrize("kind", ["ComplaintWorkflow", "IncidentWorkflow"])
async def test_a_start_that_the_client_cannot_read_stops_nothing(
    reconciled: Hotline, kind: str, strange: Mapping[str, Any]
) -> None:
    """Temporal takes it for somebody else's workflow."""
    client, number = reconciled.client, reconciled.registration().number
    name = complaint_id(number) if kind == "ComplaintWorkflow" else f"incident-{number}"
    delay = Duration(seconds=3600)
    handle = await start_raw(client, kind, name, reconciled.settings.task_queue, workflow_start_delay=delay, **strange)

    async def count() -> int:
        return (await client.count_workflows(f'WorkflowId = "{name}"')).count

    await until(count, lambda found: found == 1)
    other = await reconciled.start()
    await other.handle.terminate("a slip of the hand")
    await until(other.lost, lambda mark: mark == "ended")
    owner = engine(reconciled.settings.database_url)
    assert (await rebuilder(reconciled, owner).all()).failed == {}
    owner.dispose()
    await until(other.lost, lambda mark: mark is None)
    report = await until(lambda: last_report(client), lambda seen: seen is not None)
    assert report
    assert report.fault is None
    await handle.terminate()


@pytest.mark.parametrize("then", ["", "refused", "ended", "nested"])
async def test_a_case_that_somebody_else_has_failed_comes_back_with_what_sql_lacked(
    reconciled: Hotline, tmp_path: Path, then: str
) -> None:
    """Their worker took its task while no other ran; then they started another workflow under its id."""
    queue, client = f"failed-{then}", stranger(reconciled.client)
    async with running_hotline(reconciled.server, tmp_path, task_queue=queue) as served:
        complaint = await served.start()
        await complaint.act(Comment(note="用户又来电"), unwritten=True)
    await complaint.handle.signal("publish")
    await fail(client, queue)
    async with running_hotline(reconciled.server, tmp_path, task_queue=queue) as served:
        if then == "nested":
            failure = nested(97)
            other = await start_raw(client, "ComplaintWorkflow", complaint.handle.id, "x", continued_failure=failure)
            await other.terminate()
        elif then:
            polled = queue if then == "refused" else "nobody-polls"
            other = await client.start_workflow("ComplaintWorkflow", {}, id=complaint.handle.id, task_queue=polled)
            await (refused(other) if then == "refused" else other.terminate())
        owner = engine(served.settings.database_url)
        assert await rebuilder(served, owner).one(complaint.number) == STARTED
        owner.dispose()
        back = again(served, complaint)
        assert (await back.view()).version == 2
        assert [row["action"] for row in await back.rows()] == ["register", "comment"]


async def refused(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until a workflow has failed."""
    with pytest.raises(WorkflowFailureError):
        await handle.result()
