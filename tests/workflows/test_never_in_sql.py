"""Callers and staff hear of all that SQL never had, whoever writes it in the end: rebuild, reconciler or the case."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.cases import BulkThrottle
from activities.names import ABSORB, complaint_id
from activities.recovery import reconcile
from activities.recovery.case_workflows import CaseRun, CaseWorkflows
from activities.recovery.reconcile import Reconciler, Repairs
from activities.recovery.report import ReconcilerReport
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.state import ProjectionBatch
from domain.incident.actions import Inform
from domain.incident.incident import Absorbed
from domain.incident.state import Scope
from hotline.recovery import rebuild as module
from hotline.recovery.histories import chains
from hotline.recovery.rebuild import rebuild, repair_case, repair_incidents
from hotline.recovery.rebuild_workflows import STARTED
from readmodel.projection import NotRegisteredError
from readmodel.writer import GroupWriter
from tests.support.causes import declare, linked
from tests.support.hotline import Complaint, Hotline, running_hotline, until
from tests.support.lost import reset, terminate
from tests.support.reconciler import reconcile_at_once
from tests.support.rows import clear, execute
from tests.support.temporal import temporal_server
from tests.workflows.test_forged_histories import on_queue
from tests.workflows.test_hijacked_tasks import events, ours
from tests.workflows.test_rebuild_workflows import again, rebuilder
from tests.workflows.test_unopened_histories import asks
from workflows.clients.upkeep import last_report
from workflows.incident.workflow import IncidentWorkflow

MANY_LOOKS = 100

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    """A server of its own, as a rebuild takes in every case there is."""
    async with (
        await temporal_server() as server,
        running_hotline(server, tmp_path_factory.mktemp("unsent")) as running,
    ):
        yield running


async def told(complaint: Complaint) -> int:
    """Count the notifications about the complaint."""
    return len(await complaint.rows("notifications"))


async def test_a_command_that_a_reset_has_undone_is_carried_out_when_it_is_sent_again(
    hotline: Hotline, owner: Engine
) -> None:
    """SQL has something else of its version, and the workflow is rebuilt from SQL."""
    complaint = await hotline.start()
    await complaint.act(Comment(note="用户又来电"), key="once", digest="said", unwritten=True)
    await reset(hotline.client, complaint.handle.id)
    await again(hotline, complaint).act(Dispatch(department="repair"))
    await terminate(hotline.client, complaint.handle.id)
    assert await rebuilder(hotline, owner).one(complaint.number) == STARTED
    back = again(hotline, complaint)
    assert (await back.view()).version == 2
    assert (await back.act(Comment(note="用户又来电"), key="once", digest="said")).version == 3


async def test_what_sql_never_had_is_left_to_its_case(hotline: Hotline, owner: Engine) -> None:
    """Its sender died before it wrote anything: its notifications are still to be sent."""
    complaint = await hotline.start(unwritten=True)
    name = complaint_id(complaint.number)
    await until(lambda: chains(hotline.client), lambda found: name in found)
    assert await complaint.rows("cases") == []
    assert (await rebuild(hotline.client, owner)).left_by(NotRegisteredError) == ()
    await complaint.published(1)
    assert {row["status"] for row in await complaint.rows("notifications")} == {"due"}
    await complaint.handle.terminate()


@pytest.mark.parametrize("ended", [False, True])
async def test_what_sql_never_had_is_sent_although_sql_has_lost_what_came_before(
    hotline: Hotline, owner: Engine, ended: bool
) -> None:
    """A backup is put back after an outage, in which actions were answered with 202."""
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    await complaint.act(Comment(note="用户又来电"))
    await complaint.published(3)
    await complaint.act(Dispatch(department="metering"), unwritten=True)
    if ended:
        await complaint.handle.terminate()
    execute(
        owner,
        f"DELETE FROM notifications WHERE number = '{complaint.number}' AND seq > 1",
        f"DELETE FROM events WHERE number = '{complaint.number}' AND seq > 1",
        f"UPDATE cases SET version = 1, changed_at = registered_at WHERE number = '{complaint.number}'",
    )
    await rebuild(hotline.client, owner)
    await complaint.published(4)
    told = {(row["seq"], row["status"]) for row in await complaint.rows("notifications") if row["seq"] > 1}
    assert told == {(2, "sent"), (4, "due")}


async def test_what_sql_never_had_is_sent_although_the_read_model_is_a_new_one(
    hotline: Hotline, owner: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was lost, and actions were answered with 202 until there was another one."""
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    await complaint.act(Comment(note="用户又来电"))
    await complaint.published(3)
    last = await complaint.changed_at()

    async def known(_: Client) -> datetime:
        return last

    monkeypatch.setattr(module, "in_sql_until", known)
    await complaint.act(Dispatch(department="metering"), unwritten=True)
    clear(owner)
    await rebuild(hotline.client, owner)
    await complaint.published(4)
    told = {(row["seq"], row["status"]) for row in await complaint.rows("notifications") if row["seq"] > 1}
    assert told == {(2, "sent"), (4, "due")}
    await complaint.handle.terminate()


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("refused", ["news", "batch"])
async def test_news_that_sql_never_had_are_sent(
    hotline: Hotline, owner: Engine, monkeypatch: pytest.MonkeyPatch, ended: bool, refused: str
) -> None:
    """SQL did not take them, or the event before them; the incident goes on, or was ended by hand."""
    cause = await declare(hotline, "east" if ended else "west")
    [complaint] = await linked(hotline, cause, 1)
    write = GroupWriter.run
    before, tries = await told(complaint), 0

    async def refusing(writer: GroupWriter, work: Any) -> Any:
        nonlocal tries
        if refused in getattr(work, "keywords", {}):
            tries += 1
            raise ApplicationError("SQL: database is locked")
        return await write(writer, work)

    async def tried() -> int:
        return tries

    with monkeypatch.context() as away:
        away.setattr(GroupWriter, "run", refusing)
        await cause.act(Inform(message="正在抢修"))
        await until(tried, bool)
        if ended:
            await cause.handle.terminate()
        await rebuild(hotline.client, owner)
        assert await told(complaint) == before + ended
    await until(partial(told, complaint), (before + 1).__eq__)
    [news] = [row for row in await complaint.rows("notifications") if row["kind"] == "incident_inform"]
    assert news["status"] == "due"
    for handle in (complaint.handle, *([] if ended else [cause.handle])):
        await handle.terminate()


async def test_what_an_incident_accepts_while_it_is_published_comes_back(hotline: Hotline, owner: Engine) -> None:
    """Neither the sender of the action nor the activity could write it, and then the incident was ended by hand."""
    waiting = on_queue(hotline, "accepted")
    async with ours(hotline.client, "accepted", IncidentWorkflow):
        cause = await declare(waiting, "west")
        await until(lambda: events(cause.handle), lambda found: any(map(asks, found)))
        await cause.act(Inform(message="正在抢修"))
        scope = Scope(services=("no_water",), districts=("east",))
        absorbed = Absorbed(incident="i26120100001", into=cause.number, scope=scope)
        await cause.handle.execute_update(ABSORB, absorbed)
    await cause.handle.terminate()
    assert await rebuilder(waiting, owner).one(cause.number) == STARTED
    assert [row["action"] for row in await cause.timeline()] == ["declare", "inform", "absorb"]
    assert {row["status"] for row in await cause.messages()} == {"due"}
    await cause.handle.terminate()


async def test_an_incident_that_was_ended_before_a_worker_had_it_comes_back(hotline: Hotline, owner: Engine) -> None:
    waiting = on_queue(hotline, "declared")
    cause = await declare(waiting, "west")
    await cause.handle.terminate()
    assert await rebuilder(waiting, owner).one(cause.number) == STARTED
    assert [row["action"] for row in await cause.timeline()] == ["declare"]
    await cause.handle.terminate()


async def test_after_the_clock_was_set_back_what_sql_never_had_is_sent(
    hotline: Hotline, owner: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New changes are dated before the instant up to which SQL once had everything."""
    reconcile_at_once(monkeypatch)
    complaint = await hotline.start(unwritten=True)
    environment, ahead = ActivityEnvironment(), datetime.now(UTC) + timedelta(hours=1)
    async with GroupWriter(owner) as writer:
        workflows = CaseWorkflows(hotline.client, BulkThrottle(), hotline.settings.task_queue)
        repair = partial(repair_case, hotline.client, owner)
        repairs = Repairs(repair, partial(repair_incidents, hotline.client, owner))
        reconciler = Reconciler(writer, hotline.projection, owner, workflows, repairs, 0.1)

        async def work() -> None:
            report = ReconcilerReport(in_sql_until=ahead)
            while True:
                report = await environment.run(reconciler.reconcile, report)

        shifts = asyncio.create_task(work())
        await complaint.published(1)
        shifts.cancel()
        await asyncio.wait({shifts})
    assert {row["status"] for row in await complaint.rows("notifications")} == {"due"}


@pytest.mark.parametrize("registered", [False, True])
async def test_notifications_of_a_case_that_cannot_publish_for_long_are_sent(
    reconciled: Hotline, monkeypatch: pytest.MonkeyPatch, registered: bool
) -> None:
    """The reconciler knows that SQL lacks the change, whatever it repairs. It tells the case ever more rarely."""
    other = await reconciled.start()
    submit = GroupWriter.submit

    async def refusing(writer: GroupWriter, batch: ProjectionBatch) -> None:
        if batch.number != other.number:
            raise OperationalError("", {}, Exception("database is locked"))
        await submit(writer, batch)

    async def compared() -> int:
        seen = await last_report(reconciled.client)
        return seen.compared if seen else 0

    await until(lambda: last_report(reconciled.client), lambda seen: bool(seen and seen.in_sql_until))
    monkeypatch.setattr(reconcile, "SWEEP_EVERY", timedelta(hours=1))
    monkeypatch.setattr("workflows.kit.entity.RETRY", RetryPolicy(maximum_interval=timedelta(seconds=1)))
    with monkeypatch.context() as stuck:
        # The clock of the API is a little behind.
        at = datetime.now(UTC) - reconcile.OVERLAP * 0.8
        if not registered:  # before the reconciler, which looks several times a second, has it written
            stuck.setattr(GroupWriter, "submit", refusing)
        complaint = await reconciled.start(at=at, unwritten=not registered)
        stuck.setattr(GroupWriter, "submit", refusing)
        if registered:
            await complaint.act(Dispatch(department="repair"), unwritten=True)
        beyond = datetime.now(UTC) + 4 * reconcile.OVERLAP

        async def later() -> bool:
            await other.act(Comment(note="用户又来电"))
            return datetime.now(UTC) > beyond

        await until(later, bool)
        before = await compared()
        await until(compared, lambda now: now > before + MANY_LOOKS)
        assert len(await complaint.rows()) == registered
    await complaint.published(1 + registered)
    notices = [row for row in await complaint.rows("notifications") if row["seq"] == 1 + registered]
    assert {row["status"] for row in notices} == {"due"}
    history = await complaint.handle.fetch_history()
    signals = [event for event in history.events if event.HasField("workflow_execution_signaled_event_attributes")]
    assert len(signals) < MANY_LOOKS / 10


async def test_notifications_of_a_change_that_the_list_shows_late_are_sent(
    reconciled: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list shows nothing new for longer than a look goes back, and the sender died meanwhile."""
    complaint = await reconciled.start()
    stands_at, looks, chunks = await complaint.changed_at(), 0, CaseWorkflows.chunks

    async def lagging(workflows: CaseWorkflows, condition: str) -> AsyncIterator[dict[str, CaseRun]]:
        nonlocal looks
        looks += 1
        async for chunk in chunks(workflows, condition):
            yield {number: seen for number, seen in chunk.items() if seen.changed_at <= stands_at}

    with monkeypatch.context() as behind:
        behind.setattr(CaseWorkflows, "chunks", lagging)
        await complaint.act(Dispatch(department="repair"), unwritten=True)
        beyond = datetime.now(UTC) + 2 * reconcile.OVERLAP

        async def looked_beyond() -> int:
            return looks if datetime.now(UTC) > beyond else 0

        seen = await until(looked_beyond, bool)
        await until(looked_beyond, lambda later: later > seen + 1)
        assert len(await complaint.rows()) == 1
    await complaint.published(2)
    [notice] = [row for row in await complaint.rows("notifications") if row["kind"] == "dispatch"]
    assert notice["status"] == "due"
