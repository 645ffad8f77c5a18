"""The read model out of Temporal: what was lost in SQL is written again, and nobody hears of it twice."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Engine, text
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.client import Client, WorkflowExecution

from activities.names import complaint_id, incident_id
from activities.run_status import ForeignError, UnopenedError, UnreadableError
from activities.sealing.keys import Key
from domain.calls.call import Call
from domain.case.actions.arrive import Arrive
from domain.case.actions.comment import Comment
from domain.case.actions.complete import Complete
from domain.case.actions.correct import Correct
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.reply import Reply
from domain.case.actions.sign_for import SignFor
from domain.case.intake import Intake, Location
from domain.incident.actions import Inform, Resolve
from hotline.recovery import rebuild as module
from hotline.recovery.histories import CaseHistory, chains, read_case
from hotline.recovery.rebuild import in_sql_until, rebuild
from readmodel.base.database import engine as engine_of
from readmodel.base.database import writing
from readmodel.callers import note_recognised
from readmodel.calls.calls import save_calls
from readmodel.calls.tables import call_backs, calls
from readmodel.projection import DivergedError, NotRegisteredError
from tests.support.build import MONDAY, minutes
from tests.support.causes import declare, linked
from tests.support.hotline import PATIENCE_SECONDS, Complaint, Hotline, running_hotline, until
from tests.support.lost import delete
from tests.support.rows import execute
from tests.support.rows import rows as table_rows
from tests.support.sealing import KEY, sealing_by, stranger, with_options
from tests.support.temporal import temporal_server
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.workflow import IncidentWorkflow

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

TABLES = ("cases", "search_words", "clocks", "follow_ups", "events", "incidents", "incident_events", "notifications")
KEPT_BY_COURIER = ("status", "tries", "next_try_at", "sent_at", "last_error")
STRAIGHT = (
    Dispatch(department="repair"),
    SignFor(),
    Arrive(),
    Complete(result="阀芯已复位"),
    Reply(message="已恢复供水"),
    FollowUp(outcome="satisfied"),
)
Rows = dict[str, list[dict[str, Any]]]
CALL = Call("1785729600.118", MONDAY, None, MONDAY + minutes(1), caller_phone="88237777")
"""A call that nobody answered; one of the cases names it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    """A server of its own, as a rebuild takes in every case there is; long cases change runs early."""
    limit = "limit.historyCount.suggestContinueAsNew=25"
    async with (
        await temporal_server(limit) as server,
        running_hotline(server, tmp_path_factory.mktemp("rebuild")) as running,
    ):
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def complaints(hotline: Hotline) -> list[Complaint]:
    """One that was closed in several runs, a late one whose caller was corrected, one that was only registered."""
    closed, late = [await hotline.start() for _ in range(2)]
    fresh = await hotline.start(intake=Intake(service_code="no_water", description="家里没水", call_id=CALL.call_id))
    for version, body in enumerate(STRAIGHT, start=1):
        await closed.published(version)
        await closed.act(body)
    await late.act(Dispatch(department="repair"))
    await late.act(Correct(reason="another place", location=Location(address="莲塘东路18号")))
    await late.published(3)
    await late.ahead(minutes=11)
    await all_told(hotline, [closed, late, fresh])
    database = engine_of(hotline.settings.database_url)
    with writing(database) as connection:
        note_recognised(connection, late.number, 3)
    database.dispose()
    assert len((await chains(hotline.client))[complaint_id(closed.number)]) > 1
    return [closed, late, fresh]


async def all_told(hotline: Hotline, complaints: list[Complaint]) -> None:
    """Everything is in SQL, its case knows that, and the list of workflows shows every case."""

    async def open_batches() -> int:
        described = [(await each.handle.describe()).raw_description for each in complaints]
        return sum(len(each.pending_activities) + each.HasField("pending_workflow_task") for each in described)

    for each in complaints:
        await each.published((await each.view()).version)
    await until(open_batches, lambda count: count == 0)
    await until(lambda: chains(hotline.client), lambda found: len(found) >= len(complaints))


def rows(engine: Engine) -> Rows:
    with engine.connect() as connection:
        # The names are the test's own.
        found = {table: connection.execute(text(f"SELECT * FROM {table}")).mappings() for table in TABLES}
        return {table: sorted(map(dict, each), key=repr) for table, each in found.items()}


def without_courier(found: Rows) -> Rows:
    kept = [
        {name: value for name, value in row.items() if name not in KEPT_BY_COURIER} for row in found["notifications"]
    ]
    return {**found, "notifications": kept}


def empty(engine: Engine) -> None:
    execute(engine, *(f"DELETE FROM {table}" for table in reversed(TABLES)))


async def test_an_empty_read_model_is_filled_again(
    hotline: Hotline, owner: Engine, complaints: list[Complaint]
) -> None:
    with writing(owner) as connection:
        save_calls(connection, [CALL], at=CALL.started_at)
    before, kept = rows(owner), [table_rows(owner, table) for table in (calls, call_backs)]
    empty(owner)
    heard: list[tuple[int, int]] = []
    found = await rebuild(hotline.client, owner, lambda done, total: heard.append((done, total)))
    after = rows(owner)

    assert (found.cases, found.left_by(NotRegisteredError), heard) == (len(complaints), (), [(3, 3)])
    assert without_courier(after) == without_courier(before)
    assert CALL.call_id in {row["call_id"] for row in after["cases"]}
    assert [table_rows(owner, table) for table in (calls, call_backs)] == kept
    assert [len(found) for found in kept] == [1, 1]
    told = {(row["status"], row["next_try_at"]) for row in after["notifications"]}
    assert told == {("sent", None)}
    assert await rebuild(hotline.client, owner) == found
    assert rows(owner) == after


async def test_one_acknowledged_command_shows_that_the_empty_read_model_was_filled(
    hotline: Hotline, owner: Engine, complaints: list[Complaint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any case: not only of those that are written in the same transaction."""
    assert await in_sql_until(hotline.client) is None
    monkeypatch.setattr("hotline.recovery.rebuild.CASES_AT_ONCE", 1)
    histories = [await read_case(hotline.client, runs) for runs in (await chains(hotline.client)).values()]
    assert {bool(history.acknowledged) for history in histories} == {True, False}
    empty(owner)
    assert (await rebuild(hotline.client, owner)).cases == len(complaints)
    assert {row["status"] for row in rows(owner)["notifications"]} == {"sent"}


async def test_a_damaged_read_model_gets_back_what_it_lacks_and_nothing_else(
    hotline: Hotline, owner: Engine, complaints: list[Complaint]
) -> None:
    execute(owner, "UPDATE notifications SET status = 'due', next_try_at = created_at")
    execute(owner, "UPDATE cases SET lost = 'reset'")
    before = rows(owner)
    lost = "SELECT key FROM notifications WHERE kind = 'escalate'"
    execute(
        owner,
        f"DELETE FROM notifications WHERE key IN ({lost})",
        "DELETE FROM events WHERE seq > 2",
        "DELETE FROM clocks WHERE serial = 1",
        "UPDATE cases SET version = 1, state = 'registered', department = NULL",
    )
    await rebuild(hotline.client, owner)
    # What no command has acknowledged is left to its case.
    await all_told(hotline, complaints)
    after = rows(owner)

    assert without_courier(after) == without_courier(before)
    for row in after["notifications"]:
        assert row["status"] == ("sent" if row["kind"] == "escalate" else "due")
    assert {row["lost"] for row in after["cases"]} == {"reset"}
    execute(owner, "UPDATE cases SET lost = NULL")


async def test_a_look_up_that_is_owed_stays_owed(hotline: Hotline, owner: Engine, complaints: list[Complaint]) -> None:
    """SQL has lost what came after the correction, and not the correction."""
    late = complaints[1]
    where = f"WHERE number = '{late.number}'"
    before = f"version = 3, changed_at = (SELECT at FROM events {where} AND seq = 3)"
    execute(owner, f"UPDATE cases SET recognised_version = 1, {before} {where}")
    await rebuild(hotline.client, owner)
    await all_told(hotline, complaints)
    (row,) = [each for each in rows(owner)["cases"] if each["number"] == late.number]
    assert (row["caller_version"], row["recognised_version"]) == (3, 1)
    assert row["version"] > 3
    execute(owner, "UPDATE cases SET recognised_version = caller_version")


async def test_what_is_under_way_is_left_to_its_case(
    hotline: Hotline, owner: Engine, complaints: list[Complaint]
) -> None:
    """Its notifications were never committed, so they are still to be sent."""
    fresh = complaints[2]
    execute(owner, "ALTER TABLE events RENAME TO events_away")
    try:
        await fresh.act(Dispatch(department="repair"), case_writes=True)
        name = complaint_id(fresh.number)
        history = await read_case(hotline.client, (await chains(hotline.client))[name])
    finally:
        execute(owner, "ALTER TABLE events_away RENAME TO events")
    assert (history.acknowledged, history.runs) == (0, True)
    await rebuild(hotline.client, owner)
    await fresh.published(2)
    [notice] = [row for row in await fresh.rows("notifications") if row["kind"] == "dispatch"]
    assert notice["status"] == "due"


async def test_a_case_whose_beginning_is_forgotten_is_named(
    hotline: Hotline, owner: Engine, complaints: list[Complaint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the retention a run is gone, at times before the list knows. What SQL has of its case stays."""
    await all_told(hotline, complaints)
    name = complaint_id(complaints[0].number)

    async def forgetful(client: Client, workflow: type = ComplaintWorkflow) -> dict[str, list[Any]]:
        found = await chains(client, workflow)
        if name not in found:
            return found
        first, *rest = sorted(found[name], key=attrgetter("start_time"))
        gone = WorkflowExecutionInfo()
        gone.CopyFrom(first.raw_info)
        gone.execution.run_id = str(uuid.uuid4())
        return {**found, name: [replace(first, run_id=gone.execution.run_id, raw_info=gone), *rest]}

    monkeypatch.setattr(module, "chains", forgetful)
    before = rows(owner)
    kept = await rebuild(hotline.client, owner)
    assert (kept.cases, kept.left_by(NotRegisteredError), rows(owner)) == (3, (), before)

    empty(owner)
    found = await rebuild(hotline.client, owner)
    assert (found.cases, found.left_by(NotRegisteredError)) == (2, (name,))
    assert {row["number"] for row in rows(owner)["cases"]} == {each.number for each in complaints[1:]}


async def test_cases_that_temporal_no_longer_has_are_kept_and_counted(
    hotline: Hotline, owner: Engine, complaints: list[Complaint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed one past the retention, and an open one, whose workflow was deleted. Temporal's list lacks a third."""
    deleted = await hotline.start()
    await delete(hotline.client, deleted.handle.id)
    await rebuild(hotline.client, owner)
    # What no command has acknowledged is left to its case.
    await all_told(hotline, complaints)
    gone = {complaint_id(complaint.number) for complaint in (*complaints[:2], deleted)}

    async def without(client: Client, workflow: type = ComplaintWorkflow) -> dict[str, list[Any]]:
        return {name: runs for name, runs in (await chains(client, workflow)).items() if name not in gone}

    monkeypatch.setattr(module, "chains", without)
    before = rows(owner)
    found = await rebuild(hotline.client, owner)
    assert (found.cases, found.in_sql_alone, found.open_in_sql_alone) == (1, 2, 1)
    assert rows(owner) == before
    tables = ("notifications", "search_words", "clocks", "follow_ups", "events", "cases")
    execute(owner, *(f"DELETE FROM {each} WHERE number = :number" for each in tables), number=deleted.number)


async def test_a_comment_more_is_all_that_is_new(hotline: Hotline, owner: Engine, complaints: list[Complaint]) -> None:
    """Beside a service that runs, a rebuild does no harm."""
    late = complaints[1]
    version = (await late.view()).version
    await asyncio.gather(late.act(Comment(note="补充")), rebuild(hotline.client, owner))
    events = await late.published(version + 1)
    assert [event["seq"] for event in events] == list(range(1, version + 2))


async def told(complaint: Complaint) -> int:
    """Count the notifications about the complaint."""
    return len(await complaint.rows("notifications"))


async def test_incidents_come_back_with_their_timelines_and_what_callers_were_told(
    hotline: Hotline, owner: Engine, complaints: list[Complaint]
) -> None:
    """Of an incident that had several runs, as this server suggests them early."""
    cause = await declare(hotline, "south")
    [complaint] = await linked(hotline, cause, 1)
    for turn in range(4):
        await cause.act(Inform(message=f"第{turn}次通报"))
        await until(partial(told, complaint), (turn + 1).__eq__)
    await cause.act(Resolve(result="已换管", message="已恢复供水"))
    await cause.published("declare", *["inform"] * 4, "resolve", "finish")
    await asyncio.wait_for(cause.handle.result(), PATIENCE_SECONDS)
    begun = (await cause.handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    assert begun.continued_execution_run_id
    await all_told(hotline, [*complaints, complaint])
    before = rows(owner)
    empty(owner)
    found = await rebuild(hotline.client, owner)
    after = rows(owner)

    assert found.incidents == 1
    assert without_courier(after) == without_courier(before)
    of_it = [row for row in after["notifications"] if row["kind"].startswith("incident_")]
    assert len([row for row in of_it if row["recipient"] == f"caller:{complaint.number}"]) == 4
    assert {row["status"] for row in of_it} == {"sent"}
    assert await rebuild(hotline.client, owner) == found
    assert rows(owner) == after


async def test_a_case_whose_history_cannot_be_read_is_named_and_stops_no_other(
    hotline: Hotline, owner: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another release has written it."""
    complaint = await hotline.start()
    await until(lambda: chains(hotline.client), lambda found: complaint.handle.id in found)

    async def reads(client: Client, runs: Sequence[WorkflowExecution]) -> CaseHistory:
        if runs[0].id == complaint.handle.id:
            raise UnreadableError("of a newer release")
        return await read_case(client, runs)

    monkeypatch.setattr(module, "read_case", reads)
    before = rows(owner)
    found = await rebuild(hotline.client, owner)
    assert found.left_by(UnreadableError) == (complaint.handle.id,)
    assert not found.left_by(NotRegisteredError) + found.left_by(DivergedError)
    assert rows(owner) == before


async def test_workflows_that_the_service_has_not_started_are_named_as_such(hotline: Hotline, owner: Engine) -> None:
    """Ended before a worker saw them; an incident as well stops nothing."""
    unknown = with_options(hotline.client, **sealing_by(Key(b"othr", KEY.secret)))
    case, newer = (complaint_id(hotline.registration().number) for _ in range(2))
    for client, kind, name in (
        (stranger(hotline.client), "ComplaintWorkflow", case),
        (stranger(hotline.client), "IncidentWorkflow", incident_id("i20010100009")),
        (unknown, "ComplaintWorkflow", newer),
    ):
        await (await client.start_workflow(kind, {"x": 1}, id=name, task_queue="nobody-polls-it")).terminate()
    await until(lambda: chains(hotline.client, IncidentWorkflow), lambda found: incident_id("i20010100009") in found)
    await until(lambda: chains(hotline.client), lambda found: {case, newer} <= found.keys())
    found = await rebuild(hotline.client, owner)
    assert {case, incident_id("i20010100009")} <= {*found.left_by(ForeignError)}
    assert newer in found.left_by(UnopenedError)
    assert not {case, newer} & {*found.left_by(UnreadableError)}
