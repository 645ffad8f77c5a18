"""SQL takes nothing from a run that is started again after the end, and nobody is told of what it does."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Engine
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import (
    RawValue,
    RetryPolicy,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from domain.case.actions.comment import Comment
from domain.case.actions.refuse import Refuse
from domain.case.case import Case
from domain.case.state import ProjectionBatch
from domain.incident.actions import Confirm, Inform
from domain.incident.incident import Incident
from domain.incident.state import Opening, Scope
from domain.shared.actors import SYSTEM
from domain.shared.value import to_milliseconds
from hotline.recovery.rebuild_workflows import STARTED
from readmodel.base.database import engine
from tests.support.build import INCIDENT as INCIDENT_NUMBER
from tests.support.causes import OVER, Cause, declare
from tests.support.copies import copied, send, send_to_next_run
from tests.support.hotline import ADMIN, Complaint, Hotline, running_hotline, until
from tests.support.lost import delete, reset, terminate
from tests.support.reconciler import running_reconciled
from tests.support.sealing import stranger
from tests.workflows.test_incident import completed
from tests.workflows.test_rebuild_workflows import again, rebuilder
from workflows.clients.incidents import incident_options
from workflows.clients.upkeep import last_report
from workflows.complaint.messages import ComplaintStart
from workflows.incident.messages import IncidentStart
from workflows.incident.workflow import IncidentWorkflow
from workflows.kit.search_attributes import INCIDENT, REGISTRY, STATE
from workflows.kit.words import CatalogueNames

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    """A server of its own, and a reconciler that looks many times a second."""
    async with running_reconciled(tmp_path_factory.mktemp("started-again")) as running:
        yield running


@pytest.mark.parametrize("goes_on", [False, True])
async def test_a_case_that_is_started_again_after_its_end_is_ended_and_listed(hotline: Hotline, goes_on: bool) -> None:
    registration = hotline.registration()
    case, events = Case.register(registration)
    start = ComplaintStart(source=registration, sender_version=case.version)
    first = await hotline.begin(start, case)
    await hotline.projection.write(ProjectionBatch.of(case, events, to_milliseconds(case.registered_at)))
    await first.act(Refuse(reason="非供水范围"))
    await first.closed()
    tables = ("cases", "events", "notifications")
    before = [await first.rows(table) for table in tables]
    if goes_on:
        with suppress(RPCError):  # the run may be ended before it answers
            await hotline.start_with(Comment(note="再催"), number=first.number, at=registration.at)
    else:
        await hotline.begin(start, case)
    latest = hotline.client.get_workflow_handle(first.handle.id)
    await until(latest.describe, lambda found: found.status is WorkflowExecutionStatus.TERMINATED)
    await until(lambda: last_report(hotline.client), lambda seen: bool(seen and first.number in seen.not_begun))
    assert [await first.rows(table) for table in tables] == before


async def test_a_case_that_somebody_starts_again_is_listed_whatever_its_attributes_say(hotline: Hotline) -> None:
    """Its start is a copy that is still valid, and the attributes are those that it had later."""
    complaint = await hotline.start()
    await complaint.act(Comment(note="用户又来电"))
    events = (await complaint.handle.fetch_history()).events
    copied = events[0].workflow_execution_started_event_attributes.input.payloads
    shown = (await complaint.handle.describe()).typed_search_attributes
    ours = [pair for pair in shown if pair.key in REGISTRY]
    chosen = [SearchAttributePair(STATE, "closed"), SearchAttributePair(INCIDENT, INCIDENT_NUMBER)]
    state = [*chosen, *(pair for pair in ours if pair.key != STATE)]
    await complaint.handle.terminate()
    again = await stranger(hotline.client).start_workflow(
        "ComplaintWorkflow",
        RawValue(copied[0]),
        id=complaint.handle.id,
        task_queue=hotline.settings.task_queue,
        search_attributes=TypedSearchAttributes(state),
    )
    await until(complaint.lost, lambda mark: mark == "reset")
    shown = (await again.describe()).typed_search_attributes
    assert (shown[STATE], shown.get(INCIDENT)) == ("registered", None)


@pytest.mark.parametrize("workflow", ["ComplaintWorkflow", "IncidentWorkflow", "CourierWorkflow"])
async def test_a_run_that_temporal_starts_anew_whenever_it_times_out_is_listed(hotline: Hotline, workflow: str) -> None:
    """One plain message: its attributes are a copy, and no worker gets a task of it in time."""
    is_case = workflow == "ComplaintWorkflow"
    replaced = await hotline.start() if is_case else await declare(hotline, "tanzhou")
    await (replaced.act(Comment(note="-")) if isinstance(replaced, Complaint) else replaced.published("declare"))
    shown = (await replaced.handle.describe()).typed_search_attributes
    attributes = TypedSearchAttributes([pair for pair in shown if pair.key in REGISTRY])

    async def times_out() -> bool:
        run = await stranger(hotline.client).start_workflow(
            workflow,
            id=replaced.handle.id,
            task_queue=hotline.settings.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
            search_attributes=attributes,
            run_timeout=timedelta(milliseconds=1),
            retry_policy=RetryPolicy(initial_interval=timedelta(hours=1)),
        )
        first = hotline.client.get_workflow_handle(run.id, run_id=run.first_execution_run_id)
        seen = await until(first.describe, lambda seen: seen.status is not WorkflowExecutionStatus.RUNNING)
        return seen.status is WorkflowExecutionStatus.TIMED_OUT

    await until(times_out, bool)  # a worker that is faster has it fail
    name = replaced.number if is_case else replaced.handle.id

    async def stuck() -> bool:
        report = await last_report(hotline.client)
        return report is not None and name in report.stuck

    await until(stuck, bool)
    await terminate(hotline.client, replaced.handle.id)
    owner = engine(hotline.settings.database_url)
    assert await rebuilder(hotline, owner).one(replaced.number) == STARTED
    owner.dispose()
    await until(stuck, lambda is_stuck: not is_stuck)
    await terminate(hotline.client, replaced.handle.id)


async def test_an_incident_that_is_started_again_after_its_end_takes_no_case(hotline: Hotline) -> None:
    at, names = datetime.now(UTC), CatalogueNames.of(hotline.catalogue)
    scope = Scope(services=("no_water",), districts=("tanzhou",))
    opening = Opening(number=INCIDENT_NUMBER, at=at, actor=ADMIN, title="爆管", scope=scope, since=at)
    incident, _ = Incident.open(opening)
    run = partial(
        hotline.client.start_workflow,
        IncidentWorkflow.run,
        IncidentStart(source=opening, names=names),
        task_queue=hotline.settings.task_queue,
        **incident_options(incident, names),
    )
    cause = Cause(hotline, INCIDENT_NUMBER)
    await run()
    await cause.act(OVER)
    await cause.handle.result()
    later = await hotline.start(district="tanzhou")
    again = await run()
    seen = await until(again.describe, lambda found: found.status is not WorkflowExecutionStatus.RUNNING)
    assert seen.status is WorkflowExecutionStatus.TERMINATED
    assert (await later.view()).incident is None


async def task_of(cause: Cause, activity: str) -> int:
    """Return which of its workflow tasks asked for this activity, from 0 on."""
    history = (await cause.handle.fetch_history()).events
    done = [event.event_id for event in history if event.HasField("workflow_task_completed_event_attributes")]
    asked = [event.activity_task_scheduled_event_attributes for event in history]
    return next(
        done.index(each.workflow_task_completed_event_id) for each in asked if each.activity_type.name == activity
    )


@pytest.mark.parametrize("asks", ["gather_cases", "link_named_cases"])
async def test_an_incident_that_is_reset_after_its_end_links_no_case(
    server: WorkflowEnvironment, tmp_path: Path, asks: str
) -> None:
    """The earlier batches are replayed, so no write meets the end that SQL has. No reconciler looks yet."""
    async with running_hotline(server, tmp_path, task_queue=asks) as hotline:
        number = hotline.registration().number
        cause = await declare(hotline, "tanzhou", actor=SYSTEM, calls=11)
        await cause.published("suspect")
        await cause.act(Confirm(cases=(number,)))
        await until(partial(completed, cause, asks), bool)
        await cause.act(OVER)
        await cause.handle.result()
        district = "tanzhou" if asks == "gather_cases" else "west"
        later = await hotline.start(number=number, district=district)
        again = asks == "link_named_cases"  # the confirmation is of the task that asks
        await reset(hotline.client, cause.handle.id, task=await task_of(cause, asks), again=again)
        await until(partial(completed, cause, asks), bool)
        assert (await later.view()).incident is None
        await cause.handle.terminate()


@pytest.mark.parametrize("runs", [1, 2])
async def test_a_rebuilt_case_does_nothing_that_was_sealed_before(hotline: Hotline, owner: Engine, runs: int) -> None:
    """Nothing but SQL knows what the deleted run has done. Somebody has copied it, and sends it to one of two runs."""
    complaint = await hotline.start()
    case, client = complaint.handle.id, hotline.client
    await complaint.act(Comment(note="再催"), key="told")
    [update] = await copied(client, case)
    await delete(client, case)
    assert await rebuilder(hotline, owner).one(complaint.number) == STARTED
    await (send if runs == 1 else send_to_next_run)(client, case, update)
    back = again(hotline, complaint)
    assert (await back.view()).version == 2
    assert (await back.act(Comment(note="再催"))).version == 3


@pytest.mark.parametrize("runs", [1, 2])
async def test_a_rebuilt_incident_does_nothing_that_was_sealed_before(
    hotline: Hotline, owner: Engine, runs: int
) -> None:
    cause = await declare(hotline, "nantou")
    incident, client = cause.handle.id, hotline.client
    await cause.act(Inform(message="正在抢修"))
    await cause.published("declare", "inform")
    [update] = await copied(client, incident)
    await delete(client, incident)
    assert await rebuilder(hotline, owner).one(cause.number) == STARTED
    await (send if runs == 1 else partial(send_to_next_run, wake="linked"))(client, incident, update)
    assert (await cause.seen()).version == 2
    assert (await cause.act(Inform(message="即将恢复"))).version == 3
