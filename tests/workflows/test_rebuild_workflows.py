"""Lost workflows come back from SQL: as the case was, once, and nobody is told twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic_core import from_json
from sqlalchemy import Engine

from activities.cases import BulkThrottle
from activities.names import incident_id
from activities.recovery.case_workflows import CaseWorkflows
from activities.run_status import NOT_OVER
from domain.case.actions.comment import Comment
from domain.case.actions.complete import Complete
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.refuse import Refuse
from domain.case.actions.reopen import Reopen
from domain.case.actions.reply import Reply
from domain.case.actions.sign_for import SignFor
from domain.case.actions.withdraw import Withdraw
from domain.case.lifecycle import State
from domain.incident.actions import Inform
from hotline.recovery.rebuild import rebuild, repair_case
from hotline.recovery.rebuild_workflows import OVER, REPLACED, RUNS, STARTED, NotRebuiltError, WorkflowRebuild
from readmodel.base.database import engine as engine_of
from readmodel.base.database import reading
from readmodel.projection import DivergedError
from readmodel.recovery import recorded_case
from tests.support.causes import OVER as IT_IS_OVER
from tests.support.causes import Cause, declare, linked, replied, told
from tests.support.hotline import Complaint, Hotline, running_hotline, until
from tests.support.lost import LOSSES, delete, reset, terminate
from tests.support.rows import execute
from tests.support.sealing import stranger
from tests.support.temporal import temporal_server
from workflows.kit.words import CatalogueNames

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

CLOSED = (
    Dispatch(department="repair"),
    SignFor(),
    Complete(result="阀芯已复位"),
    Reply(message="已恢复供水"),
    FollowUp(outcome="satisfied"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    """A server of its own, as a rebuild of all takes in every case there is."""
    folder = tmp_path_factory.mktemp("rebuild-workflows")
    async with await temporal_server() as server, running_hotline(server, folder) as running:
        yield running


def rebuilder(hotline: Hotline, owner: Engine, *, drop_unopened: bool = False) -> WorkflowRebuild:
    names = CatalogueNames.of(hotline.catalogue)
    queue = hotline.settings.task_queue
    return WorkflowRebuild(hotline.client, owner, queue, lambda: names, drop_unopened=drop_unopened)


def again(hotline: Hotline, complaint: Complaint) -> Complaint:
    """The case, in the run that there is now, as an API process that has just started knows it."""
    handle = hotline.client.get_workflow_handle(complaint.handle.id)
    return Complaint(hotline, complaint.number, handle)


async def run_of(complaint: Complaint) -> str | None:
    """Return the id of the run that there is now."""
    return (await complaint.handle.describe()).run_id


async def escalations(complaint: Complaint) -> list[Any]:
    """Return the escalations of the first promise to sign for, in order, once all that are due have happened."""
    version = (await complaint.view()).version
    events = sorted(await complaint.published(version), key=lambda row: row["seq"])
    return [row["data"] for row in events if row["action"] == "escalate" and "acknowledge" in row["data"]]


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_lost_case_comes_back_as_it_was_and_each_step_happens_once(
    hotline: Hotline, owner: Engine, loss: str
) -> None:
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    await complaint.ahead(minutes=6)
    assert len(await escalations(complaint)) == 1
    await complaint.published(3)
    before = {row["key"]: row for row in await complaint.rows("notifications")}
    shown = (await complaint.handle.describe()).typed_search_attributes
    execute(owner, "UPDATE cases SET lost = :why WHERE number = :number", why=loss, number=complaint.number)
    await LOSSES[loss](hotline.client, complaint.handle.id)

    assert await rebuilder(hotline, owner).one(complaint.number) == STARTED
    back = again(hotline, complaint)
    assert (await back.view()).version == 3
    assert (await back.handle.describe()).typed_search_attributes == shown
    assert await back.lost() is None
    assert len(await escalations(back)) == 1
    await back.ahead(minutes=11)
    assert len(await escalations(back)) == 3
    assert len({*await escalations(back)}) == 3
    await back.act(SignFor())
    after = {row["key"]: row for row in await back.rows("notifications")}
    assert {key: after[key] for key in before} == before
    assert [row["seq"] for row in await back.published(6)] == list(range(1, 7))
    assert await rebuilder(hotline, owner).one(complaint.number) == RUNS


async def test_steps_that_fell_due_while_the_workflow_was_away_happen_once_in_order(
    hotline: Hotline, owner: Engine
) -> None:
    """As if it had been lost twenty minutes ago."""
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    recorded = recorded_of(owner, complaint)
    await delete(hotline.client, complaint.handle.id)
    for seq, event in enumerate(recorded.events, start=1):
        at = f"{event.at - timedelta(minutes=20):%Y-%m-%d %H:%M:%S.%f}"
        execute(
            owner, "UPDATE events SET at = :at WHERE number = :n AND seq = :seq", at=at, n=complaint.number, seq=seq
        )
    assert await rebuilder(hotline, owner).one(complaint.number) == STARTED
    back = again(hotline, complaint)
    events = sorted(await back.published(7), key=lambda row: row["seq"])
    assert [from_json(row["data"])["percent"] for row in events[2:]] == [50, 75, 100, 150, 200]
    assert sorted(row["at"] for row in events) == [row["at"] for row in events]
    assert {row["status"] for row in await told(back, "escalate")} == {"due"}
    assert (await back.view()).version == 7


def recorded_of(owner: Engine, complaint: Complaint) -> Any:
    with reading(owner) as connection:
        return recorded_case(connection, complaint.number)


async def test_what_a_terminated_run_has_told_nobody_is_written_first(hotline: Hotline, owner: Engine) -> None:
    """Its sender died before it wrote. The event is the case's, and its notifications are sent."""
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"), unwritten=True)
    await terminate(hotline.client, complaint.handle.id)
    assert await rebuilder(hotline, owner).one(complaint.number) == STARTED
    assert (await again(hotline, complaint).view()).state is State.DISPATCHED
    assert [row["status"] for row in await told(complaint, "dispatch")] == ["due"]


@pytest.mark.parametrize("loss", ["ended", "reset"])
async def test_a_command_that_was_carried_out_is_not_carried_out_again(
    hotline: Hotline, owner: Engine, loss: str
) -> None:
    """Of a workflow whose history Temporal has. A second rebuild carries the keys on."""
    complaint = await hotline.start()
    first = await complaint.act(Comment(note="用户又来电"), key="once", digest="said")
    back = complaint
    for body in (Dispatch(department="repair"), SignFor()):
        await back.act(body)
        await LOSSES[loss](hotline.client, complaint.handle.id)
        assert await rebuilder(hotline, owner).one(complaint.number) == STARTED
        back = again(hotline, complaint)
    repeated = await back.act(Comment(note="用户又来电"), key="once", digest="said")
    assert (repeated.action, repeated.digest, repeated.version) == ("comment", "said", first.version)
    assert (await back.view()).version == 4


async def test_a_case_that_runs_well_is_never_touched(hotline: Hotline, owner: Engine) -> None:
    """It may be marked as lost."""
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    run = await run_of(complaint)
    execute(owner, "UPDATE cases SET lost = 'reset' WHERE number = :number", number=complaint.number)
    rebuild = rebuilder(hotline, owner)
    assert await rebuild.one(complaint.number) == RUNS
    execute(owner, "UPDATE cases SET lost = 'missing' WHERE number = :number", number=complaint.number)
    assert (await rebuild.all()).failed == {}
    assert await run_of(complaint) == run


async def test_a_reset_case_is_found_before_anybody_has_marked_it(hotline: Hotline, owner: Engine) -> None:
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    await complaint.published(2)
    await reset(hotline.client, complaint.handle.id)
    # Temporal's list lags behind.
    await until(rebuilder(hotline, owner).all, lambda found: STARTED in found.counts)
    assert (await again(hotline, complaint).view()).state is State.DISPATCHED


async def test_a_reset_case_whose_updates_were_applied_again_is_found(hotline: Hotline, owner: Engine) -> None:
    """Its last change is later than SQL's. One that is ahead of SQL only for the moment goes on."""
    complaint, ahead = await hotline.start(), await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    await complaint.act(SignFor())
    await ahead.act(Dispatch(department="repair"), unwritten=True)
    run, rows = await run_of(ahead), await complaint.rows()
    await reset(hotline.client, complaint.handle.id, again=True)

    async def listed_later() -> set[str]:
        known = {each.number: await each.changed_at() for each in (complaint, ahead)}
        running = CaseWorkflows(hotline.client, BulkThrottle(), hotline.settings.task_queue).chunks(NOT_OVER)
        seen = {number: each.changed_at async for chunk in running for number, each in chunk.items()}
        return {number for number, at in known.items() if number in seen and seen[number] > at}

    await until(listed_later, lambda found: len(found) == 2)
    found = await rebuilder(hotline, owner).all()
    assert (found.counts[STARTED], found.failed) == (1, {})
    back = again(hotline, complaint)
    assert ((await back.view()).version, await back.rows()) == (3, rows)
    assert await run_of(ahead) == run
    assert len(await ahead.published(2)) == 2
    await back.act(Comment(note="再催"))


async def test_of_two_rebuilds_at_once_one_finds_that_it_runs(hotline: Hotline, owner: Engine) -> None:
    complaint = await hotline.start()
    for loss in LOSSES.values():
        await loss(hotline.client, complaint.handle.id)
        results = await asyncio.gather(*(rebuilder(hotline, owner).one(complaint.number) for _ in range(2)))
        assert sorted(results) == [RUNS, STARTED]
        await again(hotline, complaint).act(Comment(note="在家"))


async def test_a_reset_run_with_other_events_is_replaced_and_forgotten(hotline: Hotline, owner: Engine) -> None:
    """SQL keeps its events; no later rebuild or repair takes those of the reset run for the case's."""
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    await complaint.act(SignFor())
    await reset(hotline.client, complaint.handle.id)
    other = again(hotline, complaint)
    for body in (Dispatch(department="metering"), SignFor(), Comment(note="再催")):
        await other.act(body, case_writes=True)
    replaced = hotline.client.get_workflow_handle(complaint.handle.id, run_id=await run_of(other))
    assert await rebuilder(hotline, owner).one(complaint.number) == STARTED
    ended = (await replaced.fetch_history()).events[-1].workflow_execution_terminated_event_attributes
    assert ended.reason == REPLACED
    back = again(hotline, complaint)
    assert ((await back.view()).department, (await back.view()).version) == ("repair", 3)
    await back.act(Comment(note="用户又来电"), unwritten=True)
    assert await repair_case(hotline.client, owner, complaint.number, None) is False
    assert [row["action"] for row in await back.published(4)][3] == "comment"
    assert await rebuilder(hotline, owner).one(complaint.number) == RUNS
    assert complaint.handle.id not in (await rebuild(hotline.client, owner)).left_by(DivergedError)


async def test_a_case_that_is_over_needs_no_workflow(hotline: Hotline, owner: Engine) -> None:
    """A closed or withdrawn one needs it, until nobody can reopen or reinstate it any more."""
    complaint = await hotline.start()
    for version, body in enumerate(CLOSED, start=1):
        await complaint.published(version)
        await complaint.act(body)
    await delete(hotline.client, complaint.handle.id)
    assert await rebuilder(hotline, owner).one(complaint.number) == STARTED
    back = again(hotline, complaint)
    await back.ahead(days=30)
    await back.closed()
    with pytest.MonkeyPatch.context() as later:
        later.setattr("hotline.recovery.rebuild_workflows.now", lambda: datetime.now(UTC) + timedelta(days=30))
        assert await rebuilder(hotline, owner).one(complaint.number) == OVER
    refused, withdrawn = [await hotline.start() for _ in range(2)]
    await refused.act(Refuse(reason="非供水范围"))
    await withdrawn.act(Withdraw(reason="用户撤销"))
    for each in (refused, withdrawn):
        await delete(hotline.client, each.handle.id)
    assert await rebuilder(hotline, owner).one(refused.number) == OVER
    assert await rebuilder(hotline, owner).one(withdrawn.number) == STARTED


async def test_what_cannot_be_rebuilt_is_named_and_stops_no_other(hotline: Hotline, owner: Engine) -> None:
    """SQL lacks an event; or a workflow runs under the id that the service has not started."""
    whole, torn, foreign = [await hotline.start() for _ in range(3)]
    for each in (whole, torn, foreign):
        await each.act(Dispatch(department="repair"))
        await delete(hotline.client, each.handle.id)
    execute(owner, "DELETE FROM notifications WHERE number = :number", number=torn.number)
    execute(owner, "DELETE FROM events WHERE number = :number AND seq = 1", number=torn.number)
    other = stranger(hotline.client)
    run = await other.start_workflow("ComplaintWorkflow", {"x": 1}, id=foreign.handle.id, task_queue="nobody")
    found = await rebuilder(hotline, owner).all()
    assert found.failed.keys() == {torn.number, foreign.number}
    assert "does not have all of its events" in found.failed[torn.number]
    assert "has not started" in found.failed[foreign.number]
    assert found.counts[STARTED] >= 1
    await again(hotline, whole).act(SignFor())
    await run.terminate()
    assert await rebuilder(hotline, owner).one(foreign.number) == STARTED
    with pytest.raises(NotRebuiltError, match="SQL does not have it"):
        await rebuilder(hotline, owner).one(hotline.registration().number)
    execute(owner, "UPDATE cases SET state = 'withdrawn' WHERE number = :number", number=torn.number)


@pytest.mark.parametrize("loss", [terminate, delete])
async def test_an_incident_comes_back_with_its_cases_and_settles_them(
    hotline: Hotline, owner: Engine, loss: Any
) -> None:
    """Both are lost. The caller was told of news once, and is replied to once."""
    cause = await declare(hotline, "south" if loss is terminate else "shiqi")
    complaint, other = await linked(hotline, cause, 2)
    await cause.act(Inform(message="正在抢修"))
    await until(partial(told, complaint, "incident_inform"), lambda rows: len(rows) == 1)
    await cause.published("declare", "inform")
    for name in (incident_id(cause.number), complaint.handle.id):
        await loss(hotline.client, name)
    assert await rebuilder(hotline, owner).one(complaint.number) == STARTED
    await cause.waits_for(2)
    assert [row["action"] for row in await complaint.rows()] == ["register"]
    await cause.act(IT_IS_OVER)
    for each in (again(hotline, complaint), other):
        assert (await replied(each)).incident == cause.number
        assert len(await told(each, "incident_inform")) == 1
    assert await cause.published("declare", "inform", "resolve", "finish")
    assert await rebuilder(hotline, owner).one(cause.number) in (OVER, RUNS)


@pytest.mark.parametrize("applied_again", [False, True])
async def test_a_reset_incident_comes_back_as_sql_has_it(hotline: Hotline, owner: Engine, applied_again: bool) -> None:
    """Callers are told once of what SQL has, and never of what the reset run has said."""
    cause = await declare(hotline, "minzhong" if applied_again else "nanlang")
    [complaint] = await linked(hotline, cause, 1)
    await cause.act(Inform(message="正在抢修"))
    await until(partial(told, complaint, "incident_inform"), lambda rows: len(rows) == 1)
    before = await cause.published("declare", "inform")
    await reset(hotline.client, incident_id(cause.number), again=applied_again)
    said = await cause.act(Inform(message="预计两小时"))
    assert said.version == 2 + applied_again
    assert (await rebuilder(hotline, owner).all()).failed == {}
    await cause.waits_for(1)
    assert await cause.timeline() == before
    await cause.act(Inform(message="预计三小时"))
    await until(partial(told, complaint, "incident_inform"), lambda rows: len(rows) == 2)
    assert [row["seq"] for row in await told(complaint, "incident_inform")] == [2, 3]
    assert await rebuilder(hotline, owner).one(cause.number) == RUNS
    await cause.act(IT_IS_OVER)
    await replied(complaint)
    await cause.handle.result()
    assert (await rebuild(hotline.client, owner)).left_by(DivergedError) == ()


async def test_a_case_of_an_incident_that_is_over_stays_settled(hotline: Hotline, owner: Engine) -> None:
    cause = await declare(hotline, "east")
    [complaint] = await linked(hotline, cause, 1)
    await cause.act(IT_IS_OVER)
    await replied(complaint)
    await cause.handle.result()
    await complaint.published((before := await complaint.view()).version)
    await delete(hotline.client, complaint.handle.id)
    assert await rebuilder(hotline, owner).one(complaint.number) == STARTED
    back = again(hotline, complaint)
    await back.act(Comment(note="谢谢"))
    assert ((await back.view()).version, (await back.view()).incident) == (before.version + 1, cause.number)


async def test_everything_comes_back_on_a_new_temporal_server(tmp_path: Path) -> None:
    """The old one is lost as a whole. A rebuild that is cut short goes on where it was."""
    async with await temporal_server() as server, running_hotline(server, tmp_path) as lost:
        opened = [await lost.start() for _ in range(20)]
        for each in opened:
            await each.act(Dispatch(department="repair"))
        closed = await lost.start()
        for body in CLOSED:
            await closed.act(body)
        cause = await declare(lost, "west", since=datetime.now(UTC) - timedelta(hours=1))
        await cause.waits_for(20)
        await cause.published("declare")
        versions = {each.number: (await each.view()).version for each in (*opened, closed)}
        for each in (*opened, closed):
            await each.published(versions[each.number])

    class CutShortError(Exception):
        """Stands for kill -9."""

    def cut_short(done: int, _: int) -> None:
        if done == 5:
            raise CutShortError

    async with await temporal_server() as server, running_hotline(server, tmp_path) as hotline:
        owner = engine_of(hotline.settings.database_url)
        rebuild = rebuilder(hotline, owner)
        with pytest.raises(CutShortError):
            await rebuild.all(cut_short)
        found = await rebuild.all()
        assert found.failed == {}
        assert found.counts[STARTED] < 21
        for each in opened:
            back = again(hotline, each)
            assert (await back.view()).version == versions[each.number]
            await back.act(SignFor())
            assert len(await back.rows()) == versions[each.number] + 1
        await again(hotline, closed).act(Reopen(reason="又停水了"))
        await Cause(hotline, cause.number).waits_for(20)
        owner.dispose()
