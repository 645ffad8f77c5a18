"""The reconciler on a real server: SQL catches up with Temporal unasked, and lost workflows are reported."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import Engine
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.cases import BulkThrottle
from activities.names import complaint_id
from activities.poller import PollerRun
from activities.recovery import case_workflows, reconcile
from activities.recovery.case_workflows import CaseRun, CaseWorkflows
from activities.recovery.reconcile import Reconciler, Repairs
from activities.recovery.report import ReconcilerReport
from activities.run_status import NOT_OVER
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.refuse import Refuse
from domain.case.actions.return_ import Return
from domain.case.actions.sign_for import SignFor
from domain.case.bulk import Handover
from hotline.recovery.rebuild import in_sql_until
from hotline.recovery.rebuild_workflows import STARTED, WorkflowRebuild
from readmodel.base.database import read_in_thread, reading, writing
from readmodel.cases.queries import list_cases
from readmodel.cases.search import CaseFilters
from readmodel.people.workload import begin_handover, handovers_under_way
from readmodel.writer import GroupWriter
from tests.support.hotline import ADMIN, PATIENCE_SECONDS, Complaint, Hotline, metadata, until
from tests.support.lost import delete, reset
from tests.support.reconciler import refuse_lists, running_reconciled
from tests.support.rows import execute
from tests.support.sealing import stranger
from workflows.bulk import HandoverStart
from workflows.clients.bulk import start_handover
from workflows.clients.start import Request
from workflows.clients.upkeep import RECONCILER, last_report
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.kit.search_attributes import CHANGED_AT, typed
from workflows.kit.words import CatalogueNames

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    """A server of its own, whose list has nothing but these cases, and a reconciler that looks many times a second."""
    async with running_reconciled(tmp_path_factory.mktemp("reconciler")) as running:
        yield running


def forget(engine: Engine, complaint: Complaint) -> None:
    """Delete all rows of the case."""
    tables = ("notifications", "search_words", "clocks", "events", "cases")
    # The table names are the test's own.
    deletions = [f"DELETE FROM {table} WHERE number = :number" for table in tables]
    execute(engine, *deletions, number=complaint.number)


async def reset_to_start(hotline: Hotline, complaint: Complaint) -> None:
    """Reset the case to its first task."""
    await reset(hotline.client, complaint.handle.id)
    complaint.handle = hotline.client.get_workflow_handle_for(ComplaintWorkflow.run, complaint.handle.id)


async def test_an_action_whose_sender_died_is_written_with_its_notifications(hotline: Hotline) -> None:
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"), unwritten=True)
    assert [row["action"] for row in await complaint.published(2)] == ["register", "dispatch"]
    [notice] = [row for row in await complaint.rows("notifications") if row["kind"] == "dispatch"]
    assert notice["status"] == "due"


async def test_a_case_whose_registration_was_never_written_is_listed(hotline: Hotline) -> None:
    complaint = await hotline.start(unwritten=True)
    assert await complaint.rows("cases") == []
    await complaint.published(1)


async def test_a_change_dated_in_the_future_is_compared_as_well(hotline: Hotline) -> None:
    """The clock of the machine was set back: the last change of the case is ahead of the present."""
    complaint = await hotline.start(at=datetime.now(UTC) + timedelta(minutes=4), unwritten=True)
    await complaint.published(1)


@pytest.mark.parametrize("ended", [False, True])
async def test_committed_rows_that_sql_lost_are_written_from_the_history(
    hotline: Hotline, owner: Engine, ended: bool
) -> None:
    """As after a restore of yesterday's backup. The notifications were sent, so they are not due again."""
    complaint = await hotline.start()
    for body in (Dispatch(department="repair"), SignFor(), Comment(note="用户又来电")):
        await complaint.act(body)
    if ended:
        await complaint.act(Return(reason="非供水范围"))
        await complaint.act(Refuse(reason="非供水范围"))
        await complaint.closed()
    version = 6 if ended else 4
    await complaint.published(version)
    before = await complaint.rows("cases")
    execute(
        owner,
        "DELETE FROM notifications WHERE number = :number AND seq > 1",
        "DELETE FROM events WHERE number = :number AND seq > 1",
        "UPDATE cases SET version = 1, state = 'registered', changed_at = registered_at WHERE number = :number",
        number=complaint.number,
    )
    await complaint.published(version)
    assert await complaint.rows("cases") == before
    assert {row["status"] for row in await complaint.rows("notifications") if row["seq"] > 1} == {"sent"}


async def test_a_case_that_sql_does_not_have_any_more_comes_back(hotline: Hotline, owner: Engine) -> None:
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    await complaint.act(SignFor())
    forget(owner, complaint)
    await complaint.published(3)
    assert len(await complaint.rows("clocks")) > 0


async def test_events_that_sql_lost_of_a_case_whose_row_is_there_are_written(hotline: Hotline, owner: Engine) -> None:
    complaint = await hotline.start()
    for body in (Dispatch(department="repair"), SignFor(), Comment(note="用户又来电")):
        await complaint.act(body)
    before = await complaint.rows()
    execute(
        owner,
        "DELETE FROM notifications WHERE number = :number AND seq = 2",
        "DELETE FROM events WHERE number = :number AND seq = 2",
        number=complaint.number,
    )
    assert sorted(await complaint.published(4), key=repr) == sorted(before, key=repr)
    assert {row["status"] for row in await complaint.rows("notifications") if row["seq"] == 2} == {"sent"}


async def test_a_sweep_writes_an_ended_case_that_sql_has_lost(
    hotline: Hotline, owner: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No look sees it: the case ended long ago, as far as Temporal's list of recent changes tells."""

    async def nothing(_: CaseWorkflows, *__: datetime) -> AsyncIterator[dict[str, CaseRun]]:
        yield {}

    monkeypatch.setattr(CaseWorkflows, "changed_since", nothing)
    complaint = await hotline.start()
    await complaint.act(Refuse(reason="非供水范围"))
    await complaint.closed()
    await complaint.published(2)
    forget(owner, complaint)
    await complaint.published(2)
    assert {row["status"] for row in await complaint.rows("notifications")} == {"sent"}


async def test_a_change_that_sql_lost_is_written_and_not_notified_again(hotline: Hotline, owner: Engine) -> None:
    """No command has acknowledged it: the reconciler alone knows that SQL had it."""
    complaint, other = await hotline.start(), await hotline.start()
    changed_at = await complaint.changed_at()

    async def later() -> datetime | None:
        await other.act(Comment(note="用户又来电"))
        return await in_sql_until(hotline.client)

    await until(later, lambda known: bool(known and known >= changed_at))
    forget(owner, complaint)
    await complaint.published(1)
    assert {row["status"] for row in await complaint.rows("notifications")} == {"sent"}


async def test_looks_go_on_beside_a_sweep(hotline: Hotline, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one sweep goes on at a time, however long it takes."""
    begun, release, sweeps, chunks = asyncio.Event(), asyncio.Event(), 0, CaseWorkflows.chunks

    async def slow(workflows: CaseWorkflows, condition: str) -> AsyncIterator[dict[str, CaseRun]]:
        nonlocal sweeps
        if condition == NOT_OVER:
            sweeps += 1
            begun.set()
            await release.wait()
        async for chunk in chunks(workflows, condition):
            yield chunk

    with monkeypatch.context() as many:
        many.setattr(CaseWorkflows, "chunks", slow)
        await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
        complaint = await hotline.start()
        await complaint.act(Dispatch(department="repair"), unwritten=True)
        await complaint.published(2)
        assert sweeps == 1
    release.set()


async def test_a_sweep_that_the_end_of_the_worker_cuts_short_marks_nothing(hotline: Hotline, owner: Engine) -> None:
    """The next run begins it anew. The knowledge of earlier runs is kept."""
    complaint = await hotline.start()
    environment = ActivityEnvironment()
    earlier, last = datetime(2026, 9, 7, 8, tzinfo=UTC), datetime(2026, 9, 7, 9, tzinfo=UTC)
    beat = ReconcilerReport(in_sql_until=last).model_dump(mode="json")
    environment.info = replace(environment.info, heartbeat_details=[last, beat])

    class Ending(CaseWorkflows):
        async def chunks(self, condition: str) -> AsyncIterator[dict[str, CaseRun]]:
            if condition == NOT_OVER:
                environment.worker_shutdown()
            yield {}

        async def get(self, _: str) -> None:
            raise AssertionError("the sweep has gone on")

    async def repair(_: str, __: datetime | None) -> bool:
        raise AssertionError("nothing is to be repaired")

    async def nothing() -> int:
        return 0

    async with GroupWriter(owner) as writer:
        workflows = Ending(hotline.client, BulkThrottle(), hotline.settings.task_queue)
        reconciler = Reconciler(writer, hotline.projection, owner, workflows, Repairs(repair, nothing), 3600)
        run = environment.run(reconciler.reconcile, ReconcilerReport(in_sql_until=earlier))
        told = await asyncio.wait_for(run, PATIENCE_SECONDS)
    assert (told.lost, told.fault) == ({}, None)
    assert told.in_sql_until == last
    assert await complaint.lost() is None


async def test_changes_are_listed_by_slices_of_time_and_none_is_left_out(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_workflows, "RECENT_CHUNK", 2)
    monkeypatch.setattr(case_workflows, "SHORTEST_PART", timedelta(milliseconds=1))
    asked: list[list[str]] = []
    chunks = CaseWorkflows.chunks

    async def noted(workflows: CaseWorkflows, condition: str) -> AsyncIterator[dict[str, CaseRun]]:
        async for chunk in chunks(workflows, condition):
            asked.append(list(chunk))
            yield chunk

    complaints = [await hotline.start() for _ in range(7)]
    changed = [await each.changed_at() for each in complaints]
    workflows = CaseWorkflows(hotline.client, BulkThrottle(), hotline.settings.task_queue)

    async def listed() -> set[str]:
        asked.clear()
        with monkeypatch.context() as spied:
            spied.setattr(CaseWorkflows, "chunks", noted)
            # Some changed after the end that is given.
            return {number async for chunk in workflows.changed_since(changed[0], changed[4]) for number in chunk}

    def is_whole_and_sliced(found: set[str]) -> bool:
        # Between the count of a part and its list, Temporal's index may show what changed before.
        return {each.number for each in complaints} <= found and max(map(len, asked[:-1]), default=3) <= 2

    await until(listed, is_whole_and_sliced)
    assert {complaints[5].number, complaints[6].number} <= {*asked[-1]}


async def test_a_refused_start_that_is_dated_in_the_future_is_not_listed_for_ever(hotline: Hotline) -> None:
    queue, dated = hotline.settings.task_queue, typed({CHANGED_AT: datetime(2200, 1, 1, tzinfo=UTC)})
    number, began_at = hotline.registration().number, datetime.now(UTC)
    refused = await stranger(hotline.client).start_workflow(
        "ComplaintWorkflow", "garbage", id=complaint_id(number), task_queue=queue, search_attributes=dated
    )
    with pytest.raises(WorkflowFailureError):
        await refused.result()
    workflows = CaseWorkflows(hotline.client, BulkThrottle(), queue)
    later = await hotline.start()

    async def listed() -> set[str]:
        return {each async for chunk in workflows.changed_since(began_at, began_at) for each in chunk}

    await until(listed, lambda found: later.number in found and number not in found)


class TestLost:
    async def test_a_terminated_case_is_marked_listed_and_reported(self, hotline: Hotline) -> None:
        complaint = await hotline.start()
        await complaint.handle.terminate("a slip of the hand")
        await until(complaint.lost, lambda mark: mark == "ended")
        found = await until(
            lambda: last_report(hotline.client), lambda seen: bool(seen and complaint.number in seen.lost)
        )
        assert found
        assert found.lost[complaint.number] == "ended"
        with reading(hotline.engine) as connection:
            listed = list_cases(connection, CaseFilters(lost="ended"), limit=500)
        assert complaint.number in [case.number for case in listed.items]
        reconciler = hotline.client.get_workflow_handle(RECONCILER.id)
        await until(lambda: metadata(reconciler), lambda shown: complaint.number in shown.current_details)
        shown = await metadata(reconciler)
        assert "hotline rebuild workflows --case" in shown.current_details

    async def test_a_deleted_case_is_marked(self, hotline: Hotline) -> None:
        complaint = await hotline.start()
        await delete(hotline.client, complaint.handle.id)
        await until(complaint.lost, lambda mark: mark == "missing")

    async def test_a_reset_case_is_marked_and_refuses_commands_until_sql_agrees(self, hotline: Hotline) -> None:
        """SQL keeps what was acknowledged: other events of the same versions never take its place."""
        complaint = await hotline.start()
        await complaint.act(Dispatch(department="repair"))
        await complaint.act(SignFor())
        await reset_to_start(hotline, complaint)
        await until(complaint.lost, lambda mark: mark == "reset")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await complaint.act(Comment(note="再催"))
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == "conflict:behind_sql"
        rows = await complaint.rows()
        await complaint.act(Dispatch(department="metering"), case_writes=True)
        assert await complaint.rows() == rows

    async def test_a_case_that_is_found_again_loses_its_mark(self, hotline: Hotline, owner: Engine) -> None:
        complaint = await hotline.start()
        execute(owner, "UPDATE cases SET lost = 'missing' WHERE number = :number", number=complaint.number)
        await until(complaint.lost, lambda mark: mark is None)

    async def test_a_rebuilt_case_is_reported_no_longer_before_the_next_sweep(
        self, hotline: Hotline, owner: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        complaint = await hotline.start()
        await complaint.handle.terminate("a slip of the hand")
        await until(lambda: last_report(hotline.client), lambda seen: bool(seen and complaint.number in seen.lost))
        monkeypatch.setattr(reconcile, "SWEEP_EVERY", timedelta(hours=1))
        names = CatalogueNames.of(hotline.catalogue)
        rebuild = WorkflowRebuild(hotline.client, owner, hotline.settings.task_queue, lambda: names)
        assert await rebuild.one(complaint.number) == STARTED
        await until(lambda: last_report(hotline.client), lambda seen: bool(seen and complaint.number not in seen.lost))
        assert await complaint.lost() is None


async def test_a_sweep_pauses_between_pages_of_cases(hotline: Hotline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pages in Temporal and two in SQL; a look pauses for half as long."""
    pause, paused = PollerRun.pause, list[float]()

    async def noted(current: PollerRun, seconds: float) -> None:
        paused.append(seconds)
        await pause(current, seconds)

    monkeypatch.setattr(reconcile, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(PollerRun, "pause", noted)
    monkeypatch.setattr(reconcile, "CHUNK", 1)
    monkeypatch.setattr(case_workflows, "CHUNK", 1)
    for _ in range(2):
        await hotline.start()

    async def pauses() -> int:
        return paused.count(0.01)

    await until(pauses, lambda count: count >= 4)


async def test_a_handover_that_was_ended_or_moved_by_hand_is_ended_in_sql(hotline: Hotline, owner: Engine) -> None:
    """One whose workflow is not there yet, as its API has died, may still be begun."""
    begun, ended, moved = (
        Handover(id=uuid.uuid4().hex, previous_owner="chen", owner="li", reason="病假", actor=ADMIN) for _ in range(3)
    )
    with writing(owner) as connection:
        for each in (begun, ended, moved):
            begin_handover(connection, each, datetime.now(UTC))
    elsewhere = [
        await start_handover(hotline.client, "nobody-polls", HandoverStart.of(each), Request(key=each.id))
        for each in (ended, moved)
    ]
    await elsewhere[0].terminate()

    async def under_way() -> set[str]:
        return {*await read_in_thread(owner, handovers_under_way)}

    await until(under_way, lambda found: not {ended.id, moved.id} & found)
    assert begun.id in await under_way()


async def test_what_is_known_grows_while_nothing_changes(reconciled: Hotline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases that other tests have left behind in SQL would hold it up, so it has a server of its own."""
    monkeypatch.setattr(reconcile, "LONGEST_LAG", timedelta(seconds=1.5))
    await reconciled.start()
    later = datetime.now(UTC) + timedelta(seconds=1)
    await until(lambda: in_sql_until(reconciled.client), lambda known: bool(known and known >= later))


async def test_a_list_that_temporal_refuses_is_reported_and_asked_again(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        refuse_lists(away)
        await until(lambda: last_report(hotline.client), lambda seen: bool(seen and seen.fault == "RPCError"))
        complaint = await hotline.start()
        await complaint.act(Dispatch(department="repair"), unwritten=True)
    await complaint.published(2)
    await until(lambda: last_report(hotline.client), lambda seen: bool(seen and seen.fault is None))
