"""The end of days and months on a real server: the Schedule, what it begins, and what anybody may start by hand."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload, Payloads, WorkflowType
from temporalio.api.enums.v1 import ScheduleOverlapPolicy as RawOverlapPolicy
from temporalio.api.schedule.v1 import (
    IntervalSpec,
    Schedule,
    ScheduleAction,
    SchedulePolicies,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.api.workflow.v1 import NewWorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import UpdateScheduleRequest
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleOverlapPolicy,
    WorkflowHandle,
)
from temporalio.testing import WorkflowEnvironment

from activities.names import assessment_id
from activities.sealing.envelope import context_of
from domain.assessment.assessment import Assessment, AssessmentBatch
from domain.reports.report import Period, ReportKind, month_bounds
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.assessments import months
from readmodel.base.database import engine, read_in_thread, writing
from readmodel.reports.reports import get_report
from tests.support.assessment import BEIJING, EDITION, opening, play
from tests.support.batches import call
from tests.support.hotline import Hotline, running_hotline, until
from tests.support.sealing import stranger
from tests.workflows.test_envelope import rejected
from workflows.assessment.messages import AssessmentStart
from workflows.assessment.workflow import AssessmentWorkflow
from workflows.clients.periods import open_assessment
from workflows.clients.upkeep import SCHEDULE, describe_schedule, ensure_schedule
from workflows.singletons import PeriodEndWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")


def starting(**changes: Any) -> Schedule:
    return Schedule(action=ScheduleAction(start_workflow=NewWorkflowExecutionInfo(**changes)))


FEBRUARY = datetime(2021, 2, 10, 2, tzinfo=UTC)
NIGHT_AFTER_FEBRUARY = datetime(2021, 2, 28, 16, 20, tzinfo=UTC)
JUNE = datetime(2020, 6, 10, 2, tzinfo=UTC)
NIGHT_AFTER_JUNE = datetime(2020, 6, 30, 16, 20, tzinfo=UTC)
NIGHT_AFTER_MAY = datetime(2022, 5, 31, 16, 20, tzinfo=UTC)
NOBODYS_QUEUE = "nobody-polls"
ALLOW_ALL = RawOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL
CHANGES = {
    "a further start": Schedule(spec=ScheduleSpec(interval=[IntervalSpec(interval=Duration(seconds=60))])),
    "jitter that the client cannot read": Schedule(spec=ScheduleSpec(jitter=Duration(seconds=2**62))),
    "an end that the client cannot read": Schedule(spec=ScheduleSpec(end_time=Timestamp(seconds=-(2**60)))),
    "overlap": Schedule(policies=SchedulePolicies(overlap_policy=ALLOW_ALL)),
    "pause on failure": Schedule(policies=SchedulePolicies(pause_on_failure=True)),
    "another id": starting(workflow_id="courier"),
    "another workflow": starting(workflow_type=WorkflowType(name="AssessmentWorkflow")),
    "an argument": starting(input=Payloads(payloads=[Payload(data=b"1")])),
    "no more starts": Schedule(state=ScheduleState(limited_actions=True)),
}


@pytest_asyncio.fixture(loop_scope="session")
async def schedule(temporal: Client) -> AsyncIterator[ScheduleHandle]:
    """The Schedule of a test, which is gone afterwards, with what it has started."""
    handle = temporal.get_schedule_handle(SCHEDULE)
    yield handle
    started = started_by(await handle.describe())
    await handle.delete()
    for each in started:
        await end(temporal, each.workflow_id)


@pytest_asyncio.fixture(loop_scope="session")
async def nightly(server: WorkflowEnvironment, tmp_path: Path) -> AsyncIterator[Hotline]:
    """A hotline without cases. Each test that begins months has its own: Temporal is the same."""
    async with running_hotline(server, tmp_path, task_queue=f"nightly-{uuid.uuid4().hex}") as running:
        yield running
    for month in await months_of(running):
        await end(server.client, assessment_id(month))


async def end(client: Client, workflow: str) -> None:
    """Terminate a workflow, unless it is over."""
    handle = client.get_workflow_handle(workflow)
    if (await handle.describe()).close_time is None:
        await handle.terminate()


async def months_of(hotline: Hotline) -> list[str]:
    """Return the months that the workflows of this hotline assess, in order."""
    query = f"TaskQueue = '{hotline.settings.task_queue}' AND WorkflowType = 'AssessmentWorkflow'"
    found = [each.id async for each in hotline.client.list_workflows(query)]
    return sorted(each.removeprefix(assessment_id("")) for each in found)


def started_by(found: ScheduleDescription) -> list[ScheduleActionExecutionStartWorkflow]:
    """Return the workflows that a Schedule has started, the last one at the end."""
    actions = [each.action for each in found.info.recent_actions]
    return [action for action in actions if isinstance(action, ScheduleActionExecutionStartWorkflow)]


async def described(schedule: ScheduleHandle, starts: int = 1) -> ScheduleDescription:
    """Return the Schedule once it has started so many workflows."""
    return await until(schedule.describe, lambda found: len(started_by(found)) >= starts)


async def begun(hotline: Hotline, schedule: ScheduleHandle, starts: int = 1) -> list[str]:
    """Return the assessments that the last of so many workflows of the Schedule has begun."""
    last = started_by(await described(schedule, starts))[-1]
    handle: WorkflowHandle[Any, list[str]] = hotline.client.get_workflow_handle(
        last.workflow_id, run_id=last.first_execution_run_id, result_type=list[str]
    )
    return [name for name in await handle.result() if name.startswith("assessment-")]


async def test_reports_of_the_day_and_month_are_begun_as_well(
    nightly: Hotline, schedule: ScheduleHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_night(monkeypatch, NIGHT_AFTER_FEBRUARY)
    write_case(nightly, FEBRUARY)
    await ensure_schedule(nightly.client, nightly.settings.task_queue, "Asia/Shanghai")
    await begun(nightly, schedule)
    for kind, name in ((ReportKind.DAILY, "2021-02-28"), (ReportKind.MONTHLY, "2021-02")):
        asked = partial(get_report, period=Period.parse(kind, name))
        await until(partial(read_in_thread, nightly.engine, asked), lambda made: made is not None)


def write_case(hotline: Hotline, called: datetime) -> None:
    made = engine(hotline.settings.database_url)
    play(made, call(1, called))
    made.dispose()


def write_assessment(hotline: Hotline, name: str) -> None:
    since, ends = month_bounds(name, BEIJING)
    made, opened = Assessment.open(opening(month=name, since=since, until=ends, at=ends))
    owner = engine(hotline.settings.database_url)
    with writing(owner) as connection:
        months.write(connection, AssessmentBatch(assessment=made, events=(opened,)))
    owner.dispose()


def at_night(monkeypatch: pytest.MonkeyPatch, instant: datetime) -> None:
    """Set the clock of what is due."""
    monkeypatch.setattr("activities.reports.now", lambda: instant)


async def begin(hotline: Hotline, month: str, catalogue: Path = DEFAULT_CATALOGUE) -> bool:
    """Begin the assessment of a month in the night after February."""
    in_force, queue = load_catalogue(catalogue), hotline.settings.task_queue
    return await open_assessment(hotline.client, queue, month, NIGHT_AFTER_FEBRUARY, in_force, EDITION)


class TestSchedule:
    async def test_it_is_of_each_night_in_the_time_zone_of_the_company(
        self, temporal: Client, schedule: ScheduleHandle
    ) -> None:
        await ensure_schedule(temporal, NOBODYS_QUEUE, "Asia/Shanghai")
        found = await described(schedule)
        assert found.schedule.spec.time_zone_name == "Asia/Shanghai"
        following = found.info.next_action_times
        assert {(each.astimezone(BEIJING).hour, each.astimezone(BEIJING).minute) for each in following} == {(0, 20)}
        assert len({each.date() for each in following}) == len(following) > 1

    async def test_starts_never_overlap_and_those_of_a_year_are_made_up_for(
        self, temporal: Client, schedule: ScheduleHandle
    ) -> None:
        await ensure_schedule(temporal, NOBODYS_QUEUE, "Asia/Shanghai")
        policy = (await described(schedule)).schedule.policy
        assert (policy.overlap, policy.catchup_window) == (ScheduleOverlapPolicy.SKIP, timedelta(days=366))
        await schedule.trigger()
        found = await until(schedule.describe, lambda seen: seen.info.num_actions_skipped_overlap > 0)
        assert len(started_by(found)) == 1

    async def test_it_is_kept_as_it_is_when_a_worker_starts_again(
        self, temporal: Client, schedule: ScheduleHandle
    ) -> None:
        await ensure_schedule(temporal, NOBODYS_QUEUE, "Asia/Shanghai")
        before = await described(schedule)
        await ensure_schedule(temporal, NOBODYS_QUEUE, "Asia/Shanghai")
        after = await schedule.describe()
        assert (after.info.last_updated_at, after.info.num_actions) == (before.info.last_updated_at, 1)

    @pytest.mark.parametrize(
        ("queue", "zone"), [(NOBODYS_QUEUE, "Europe/London"), ("nobody-polls-either", "Asia/Shanghai")]
    )
    async def test_another_zone_or_queue_changes_it_and_keeps_it_paused(
        self, temporal: Client, schedule: ScheduleHandle, queue: str, zone: str
    ) -> None:
        await ensure_schedule(temporal, NOBODYS_QUEUE, "Asia/Shanghai")
        await schedule.pause(note="The standard is under review.")
        await ensure_schedule(temporal, queue, zone)
        found: Any = await schedule.describe()
        assert (found.schedule.spec.time_zone_name, found.schedule.action.task_queue) == (zone, queue)
        assert (found.schedule.state.paused, found.schedule.state.note) == (True, "The standard is under review.")

    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    async def test_what_somebody_has_changed_is_made_as_it_was_and_logged(
        self, temporal: Client, schedule: ScheduleHandle, caplog: pytest.LogCaptureFixture, change: Schedule
    ) -> None:
        await ensure_schedule(temporal, NOBODYS_QUEUE, "Asia/Shanghai")
        await schedule.pause()

        async def seen() -> Schedule:
            found = await describe_schedule(temporal)
            assert found
            return found.schedule

        def as_before(found: Schedule) -> bool:
            # The summary is sealed anew.
            found.action.start_workflow.user_metadata.CopyFrom(before.action.start_workflow.user_metadata)
            return found == before

        before = await until(seen, lambda found: found.state.paused)
        changed = Schedule()
        changed.MergeFrom(before)
        changed.MergeFrom(change)
        await temporal.workflow_service.update_schedule(
            UpdateScheduleRequest(namespace=temporal.namespace, schedule_id=SCHEDULE, schedule=changed)
        )
        await until(seen, before.__ne__)
        assert not caplog.text
        assert not await ensure_schedule(temporal, NOBODYS_QUEUE, "Asia/Shanghai")
        assert f"the Schedule {SCHEDULE} is not as the service makes it" in caplog.text
        await until(seen, as_before)

    @pytest.mark.usefixtures("schedule")
    async def test_a_summary_that_somebody_else_has_written_is_sealed_again(self, temporal: Client) -> None:
        await ensure_schedule(temporal, NOBODYS_QUEUE, "Asia/Shanghai")
        converter = temporal.data_converter.with_context(context_of(temporal.namespace, SCHEDULE))

        async def shown() -> Payload:
            found = await describe_schedule(temporal)
            assert found
            return found.schedule.action.start_workflow.user_metadata.summary

        own, theirs = await shown(), Payload(metadata={"encoding": b"json/plain"}, data=b'"-"')
        changed = await describe_schedule(temporal)
        assert changed
        changed.schedule.action.start_workflow.user_metadata.summary.CopyFrom(theirs)
        await temporal.workflow_service.update_schedule(
            UpdateScheduleRequest(namespace=temporal.namespace, schedule_id=SCHEDULE, schedule=changed.schedule)
        )
        await until(shown, theirs.__eq__)
        await ensure_schedule(temporal, NOBODYS_QUEUE, "Asia/Shanghai")
        again = await until(shown, theirs.__ne__)
        assert await converter.decode([again], [str]) == await converter.decode([own], [str])


class TestDueMonths:
    async def test_the_month_that_is_over_is_begun_once(
        self, nightly: Hotline, schedule: ScheduleHandle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at_night(monkeypatch, NIGHT_AFTER_JUNE)
        write_case(nightly, JUNE)
        await ensure_schedule(nightly.client, nightly.settings.task_queue, "Asia/Shanghai")
        assert await begun(nightly, schedule) == ["assessment-2020-06"]
        await until(lambda: read_in_thread(nightly.engine, months.months), lambda known: "2020-06" in known)
        await schedule.trigger()
        assert await begun(nightly, schedule, starts=2) == []
        await until(lambda: months_of(nightly), ["2020-06"].__eq__)

    async def test_missed_months_are_begun_the_oldest_first(
        self, nightly: Hotline, schedule: ScheduleHandle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at_night(monkeypatch, NIGHT_AFTER_MAY)
        write_case(nightly, FEBRUARY)
        for month in ("2022-01", "2022-03"):
            write_assessment(nightly, month)
        await ensure_schedule(nightly.client, nightly.settings.task_queue, "Asia/Shanghai")
        wanted = [f"assessment-2022-{month}" for month in ("02", "04", "05")]
        assert await begun(nightly, schedule) == wanted

    async def test_a_month_that_sql_does_not_have_yet_is_not_begun_again(self, nightly: Hotline) -> None:
        assert await begin(nightly, "2021-03")
        assert not await begin(nightly, "2021-03")

    @pytest.mark.parametrize(("month", "fails"), [("2021-08", True), ("2021-09", False)])
    async def test_a_foreign_run_that_failed_or_was_terminated_holds_up_no_month(
        self, nightly: Hotline, month: str, fails: bool
    ) -> None:
        queue = nightly.settings.task_queue if fails else NOBODYS_QUEUE
        theirs = await stranger(nightly.client).start_workflow(
            "AssessmentWorkflow", 1, id=assessment_id(month), task_queue=queue
        )
        if fails:
            await rejected(theirs)
        else:
            await theirs.terminate()
        assert await begin(nightly, month)

    @pytest.mark.parametrize(("month", "on_our_queue"), [("2021-10", True), ("2021-11", False)])
    async def test_a_foreign_run_that_holds_up_a_month_is_told_with_the_remedy(
        self, nightly: Hotline, caplog: pytest.LogCaptureFixture, month: str, on_our_queue: bool
    ) -> None:
        """On our queue it begins late: no worker has refused it yet."""
        queue = nightly.settings.task_queue if on_our_queue else NOBODYS_QUEUE
        late = timedelta(days=3650) if on_our_queue else None
        theirs = await stranger(nightly.client).start_workflow(
            "AssessmentWorkflow", 1, id=assessment_id(month), task_queue=queue, start_delay=late
        )
        assert not await begin(nightly, month)
        assert f"workflow assessment-{month} is not started: another, of type AssessmentWorkflow on" in caplog.text
        assert "terminate that" in caplog.text
        await theirs.terminate()
        caplog.clear()
        assert await begin(nightly, month)
        assert not await begin(nightly, month)
        assert "is not started" not in caplog.text

    async def test_a_month_that_was_done_is_not_done_again(
        self, nightly: Hotline, schedule: ScheduleHandle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Temporal has a run of it that is over, and SQL the month: so the id is free, and the month is not due."""
        at_night(monkeypatch, datetime(2021, 12, 31, 16, 20, tzinfo=UTC))
        write_case(nightly, datetime(2021, 12, 10, 2, tzinfo=UTC))
        assert await begin(nightly, "2021-12")
        await until(lambda: read_in_thread(nightly.engine, months.months), lambda known: "2021-12" in known)
        await end(nightly.client, assessment_id("2021-12"))
        await ensure_schedule(nightly.client, nightly.settings.task_queue, "Asia/Shanghai")
        assert await begun(nightly, schedule) == []

    async def test_each_month_has_a_seed_of_its_own(self, nightly: Hotline) -> None:
        for month in ("2021-06", "2021-07"):
            assert await begin(nightly, month)
        begun = await until(partial(read_in_thread, nightly.engine, months.all_months), lambda seen: len(seen) == 2)
        assert len({each.seed for each in begun}) == 2

    async def test_without_assessment_in_the_catalogue_none_is_begun(self, nightly: Hotline) -> None:
        assert not await begin(nightly, "2021-02", DEFAULT_CATALOGUE.with_name("england.toml"))

    async def test_a_month_is_judged_by_the_catalogue_in_force(self, nightly: Hotline) -> None:
        await begin(nightly, "2021-04")
        look: Callable[[], Awaitable[Assessment | None]] = lambda: read_in_thread(  # noqa: E731 - asked again
            nightly.engine, lambda sql: months.get(sql, "2021-04")
        )
        found = await until(look, lambda seen: seen is not None)
        assert found
        assert (found.edition, found.standard) == (EDITION, nightly.catalogue.standard(NIGHT_AFTER_FEBRUARY))
        assert (found.since, found.until) == month_bounds("2021-04", BEIJING)


class TestEnvelope:
    async def test_anybody_may_have_begun_what_is_due(self, nightly: Hotline) -> None:
        handle = await stranger(nightly.client).start_workflow(
            PeriodEndWorkflow.run, id=f"by-hand-{uuid.uuid4().hex}", task_queue=nightly.settings.task_queue
        )
        assert await nightly.client.get_workflow_handle(handle.id, result_type=list[str]).result() == []

    async def test_an_argument_that_somebody_adds_is_refused(self, nightly: Hotline) -> None:
        handle = await stranger(nightly.client).start_workflow(
            "PeriodEndWorkflow", "2021-02", id=f"by-hand-{uuid.uuid4().hex}", task_queue=nightly.settings.task_queue
        )
        assert "the service has not sealed it" in await rejected(handle)

    async def test_nobody_else_starts_an_assessment(self, nightly: Hotline) -> None:
        handle = await stranger(nightly.client).start_workflow(
            AssessmentWorkflow.run,
            AssessmentStart(source=opening(month="2021-05")),
            id=assessment_id("2021-05"),
            task_queue=nightly.settings.task_queue,
        )
        assert "the service has not sealed it. The service alone starts workflows" in await rejected(handle)
        assert await read_in_thread(nightly.engine, months.months) == []
