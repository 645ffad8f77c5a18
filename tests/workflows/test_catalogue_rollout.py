"""A catalogue that is put in force reaches every open case once, whatever is registered, closed or ended meanwhile."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Engine
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError

from activities.cases import CaseUpdates
from domain.case.actions.complete import Complete
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.refuse import Refuse
from domain.case.actions.reply import Reply
from domain.case.actions.sign_for import SignFor
from domain.catalogue.catalogue import Catalogue
from domain.kit.event import ActionBody
from domain.shared.errors import OperatorError
from hotline.files.catalogue_store import edition_of
from hotline.files.data_folder import ServingLock
from tests.support.bulk import put_in_force
from tests.support.histories import opened
from tests.support.hotline import Complaint, Hotline, number_at, running_hotline, until
from tests.support.rows import execute
from tests.support.sealing import stranger
from tests.support.temporal import temporal_server
from workflows.bulk import CatalogueRolloutWorkflow, RolloutProgress
from workflows.clients.bulk import cancel_rollout, rollout_id, start_rollout
from workflows.clients.start import MEMO, Request

pytestmark = [pytest.mark.asyncio(loop_scope="function"), pytest.mark.slow]

STRAIGHT: tuple[ActionBody, ...] = (
    Dispatch(department="repair"),
    SignFor(),
    Complete(result="阀芯已复位"),
    Reply(message="已恢复供水"),
    FollowUp(outcome="satisfied"),
)
SETTLE_SECONDS = 120
Round = WorkflowHandle[CatalogueRolloutWorkflow, dict[str, int]]


@pytest_asyncio.fixture
async def hotline(tmp_path: Path) -> AsyncIterator[Hotline]:
    """Cases of its own, as a rollout takes in every case there is."""
    async with await temporal_server() as server, running_hotline(server, tmp_path) as running:
        yield running


def slower(catalogue: Catalogue, factor: int = 2) -> Catalogue:
    """So many times as much time for everything."""
    return catalogue.model_copy(update={"time_scale": 1 / factor, "name": f"{factor} times"})


async def begin(hotline: Hotline, catalogue: Catalogue, settle_seconds: float = 0, page: int = 500) -> Round:
    start = put_in_force(hotline, catalogue, settle_seconds=settle_seconds, page=page)
    return await start_rollout(hotline.client, hotline.settings.task_queue, start)


async def published(complaint: Complaint) -> Counter[str]:
    """Count the case's events in SQL by action, once all are there."""
    rows = await complaint.published((await complaint.view()).version)
    return Counter(row["action"] for row in rows)


async def test_every_open_case_is_reached_once_and_a_second_rollout_changes_nothing(hotline: Hotline) -> None:
    fresh, sent, closed, ended = [await hotline.start() for _ in range(4)]
    await sent.act(Dispatch(department="repair"))
    for body in STRAIGHT:
        await closed.act(body)
    await ended.act(Refuse(reason="非供水范围"))
    for complaint in (fresh, sent, closed):
        await published(complaint)
    await ended.closed()
    catalogue = slower(hotline.catalogue)
    assert await (await begin(hotline, catalogue)).result() == {"changed": 3}
    assert [(await published(complaint))["catalogue_change"] for complaint in (fresh, sent, closed)] == [1, 1, 1]
    resolve = next(clock for clock in (await sent.view()).clocks if clock.name == "resolve")
    assert resolve.budget_seconds == 172_800
    assert await (await begin(hotline, catalogue)).result() == {"same": 3}
    assert [(await published(complaint))["catalogue_change"] for complaint in (fresh, sent, closed)] == [1, 1, 1]


async def test_it_waits_for_a_worker_that_can_read_its_catalogue(hotline: Hotline) -> None:
    """By this memo a worker knows what the service started: it does not end it as garbage."""
    running = await begin(hotline, hotline.catalogue)
    request = await (await running.describe()).memo_value(MEMO, type_hint=Request)
    assert request.key == edition_of(hotline.catalogue).digest
    await running.result()


async def test_a_case_returns_only_what_sql_lacks(hotline: Hotline) -> None:
    complaint = await hotline.start()
    await published(complaint)
    for factor in (2, 3):
        await (await begin(hotline, slower(hotline.catalogue, factor))).result()
    assert await complaint.returned() == [["register"], ["catalogue_change"], ["catalogue_change"]]


async def test_a_case_keeps_its_terms_where_the_catalogue_lacks_what_it_needs(hotline: Hotline) -> None:
    without_service = await hotline.start("thanks")
    without_department = await hotline.start("no_water")
    await without_department.act(Dispatch(department="metering"))
    without_district = await hotline.start("no_water", "south")
    for complaint in (without_service, without_department, without_district):
        await published(complaint)
    lacking = slower(hotline.catalogue).model_copy(
        update={
            "services": tuple(each for each in hotline.catalogue.services if each.code != "thanks"),
            "departments": tuple(each for each in hotline.catalogue.departments if each.code != "metering"),
            "districts": tuple(each for each in hotline.catalogue.districts if each.code != "south"),
        }
    )
    assert await (await begin(hotline, lacking)).result() == {"kept": 3}
    assert (await without_department.view()).catalogue_change is None


async def test_what_was_registered_under_the_old_one_meanwhile_is_reached_as_well(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may lie before the cursor: the second pass finds it by when it was registered.

    The clock of an API process that dates it may be slow. A case that was registered under the new terms is not asked.
    """
    send, asked = CaseUpdates.send, list[str]()

    async def noted(cases: CaseUpdates, number: str, *rest: Any) -> Any:
        asked.append(number)
        return await send(cases, number, *rest)

    monkeypatch.setattr(CaseUpdates, "send", noted)
    early = await hotline.start()
    await published(early)
    catalogue = slower(hotline.catalogue)
    running = await begin(hotline, catalogue, SETTLE_SECONDS)
    await until(lambda: progress(running), lambda at: at.counts == {"changed": 1})
    late = await hotline.start(number=number_at(datetime.now(UTC), 0))
    new = await hotline.start(terms=catalogue.terms("no_water", "west", datetime.now(UTC)))
    slow = await hotline.start(at=datetime.now(UTC) - timedelta(seconds=SETTLE_SECONDS + 30))
    for complaint in (late, new, slow):
        await published(complaint)
    await hotline.server.fast_forward(running, timedelta(seconds=SETTLE_SECONDS + 1))
    assert await running.result() == {"changed": 3, "same": 1}
    assert [(await published(complaint))["catalogue_change"] for complaint in (early, late, slow)] == [1, 1, 1]
    assert sorted(asked) == sorted(each.number for each in (early, late, slow))


async def test_a_case_of_which_sql_has_lost_the_beginning_is_counted_once(hotline: Hotline, owner: Engine) -> None:
    """It stops nobody, and the second pass does not ask it again."""
    lost, other = [await hotline.start() for _ in range(2)]
    for complaint in (lost, other):
        await published(complaint)
    execute(owner, "DELETE FROM events WHERE number = :number AND seq = 1", number=lost.number)
    assert await (await begin(hotline, slower(hotline.catalogue))).result() == {"changed": 1, "silent": 1}


async def test_a_withdrawn_catalogue_is_rolled_out_to_nobody_any_more(hotline: Hotline) -> None:
    """Its start is sent again after another one, or the same one anew, was put in force: it ends, and says why."""
    complaint = await hotline.start()
    await published(complaint)
    slow = put_in_force(hotline, slower(hotline.catalogue))
    sent = partial(start_rollout, hotline.client, hotline.settings.task_queue)
    assert await (await sent(slow)).result() == {"changed": 1}
    assert await (await begin(hotline, slower(hotline.catalogue, 3))).result() == {"changed": 1}
    again = await sent(slow)
    with pytest.raises(WorkflowFailureError) as ended:
        await again.result()
    assert isinstance(ended.value.cause, ActivityError)
    assert f"({slow.edition.digest}): another catalogue was put in force since" in str(ended.value.cause.cause)
    assert (await published(complaint))["catalogue_change"] == 2
    assert await (await begin(hotline, slower(hotline.catalogue))).result() == {"changed": 1}
    with pytest.raises(WorkflowFailureError):
        await (await sent(slow)).result()


async def test_a_worker_whose_record_of_catalogues_lags_behind_waits_for_it(hotline: Hotline) -> None:
    complaint = await hotline.start()
    await published(complaint)
    catalogue = slower(hotline.catalogue)
    start = put_in_force(hotline, hotline.catalogue)
    ahead = start.model_copy(update={"edition": edition_of(catalogue), "serial": start.serial + 1})
    running = await start_rollout(hotline.client, hotline.settings.task_queue, ahead)

    async def waits() -> bool:
        pending = (await running.describe()).raw_description.pending_activities
        return any(each.last_failure.application_failure_info.type == "FileError" for each in pending)

    await until(waits, bool)
    assert put_in_force(hotline, catalogue).serial == ahead.serial
    assert await running.result() == {"changed": 1}


async def progress(running: Round) -> RolloutProgress:
    return await running.query(CatalogueRolloutWorkflow.progress)


async def test_a_rollout_that_was_overtaken_ends_and_calls_on_nobody_any_more(hotline: Hotline) -> None:
    complaint = await hotline.start()
    await published(complaint)
    old, new = slower(hotline.catalogue), slower(hotline.catalogue, 3)
    overtaken = await begin(hotline, old, SETTLE_SECONDS)
    await until(lambda: progress(overtaken), lambda at: at.counts == {"changed": 1})
    assert await cancel_rollout(hotline.client, hotline.settings.task_queue, edition_of(old))
    assert (await overtaken.describe()).status is WorkflowExecutionStatus.CANCELED
    assert not await cancel_rollout(hotline.client, hotline.settings.task_queue, edition_of(old))
    assert not await cancel_rollout(hotline.client, hotline.settings.task_queue, edition_of(new))
    assert await (await begin(hotline, new)).result() == {"changed": 1}
    rows = [row for row in await complaint.published(3) if row["action"] == "catalogue_change"]
    assert [json.loads(row["data"])["catalogue"]["name"] for row in rows] == ["2 times", "3 times"]


async def test_continue_as_new_carries_cursor_and_counts(tmp_path: Path) -> None:
    limit = "limit.historyCount.suggestContinueAsNew=25"
    async with await temporal_server(limit) as server, running_hotline(server, tmp_path) as hotline:
        complaints = [await hotline.start() for _ in range(7)]
        for complaint in complaints:
            await published(complaint)
        running = await begin(hotline, slower(hotline.catalogue), page=1)
        assert await running.result() == {"changed": 7}
        assert (
            await hotline.client.get_workflow_handle(running.id).describe()
        ).run_id != running.first_execution_run_id
        assert [(await published(complaint))["catalogue_change"] for complaint in complaints] == [1] * 7


async def test_the_ui_shows_how_far_it_is_and_calls_go_before_it(hotline: Hotline) -> None:
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    await published(complaint)
    running = await begin(hotline, slower(hotline.catalogue))
    await running.result()
    described = await running.describe()
    assert await described.static_summary() == "启用服务目录 Catalogue in force · 中山供水热线 2 times"
    assert described.raw_description.workflow_execution_info.priority.priority_key == 5
    summaries = [
        event.user_metadata.summary.data.decode()
        for event in opened(await running.fetch_history()).events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert f"1 cases to {complaint.number} 逐单改用" in json.dumps(summaries, ensure_ascii=False)


async def test_it_asks_before_each_case_whether_the_api_serves_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the API serves them all the time, it waits, and then goes on."""
    course, is_held, send = list[str](), ServingLock.is_held, CaseUpdates.send

    def looked(lock: ServingLock) -> bool:
        course.append(f"held {is_held(lock)}")
        return is_held(lock)

    async def asked(cases: CaseUpdates, *arguments: Any) -> Any:
        course.append("asked")
        return await send(cases, *arguments)

    monkeypatch.setattr(ServingLock, "is_held", looked)
    monkeypatch.setattr(CaseUpdates, "send", asked)
    async with await temporal_server() as server, running_hotline(server, tmp_path) as hotline:
        for _ in range(2):
            await published(await hotline.start())
        with ServingLock(hotline.settings.data_dir).serving():
            assert await (await begin(hotline, slower(hotline.catalogue))).result() == {"changed": 2}
    assert course.count("asked") == 2
    assert {*course} == {"held True", "asked"}
    assert course.index("asked") > 2


async def test_a_foreign_workflow_under_the_id_of_a_rollout_is_named_and_not_waited_for(hotline: Hotline) -> None:
    """Of the catalogue that is put in force, and of one that was before."""
    complaint, (old, new) = await hotline.start(), (slower(hotline.catalogue, factor) for factor in (2, 3))
    client, queue = stranger(hotline.client), hotline.settings.task_queue
    theirs = [
        await client.start_workflow("Any", id=rollout_id(edition_of(each)), task_queue="nobody-polls")
        for each in (old, new)
    ]
    assert not await cancel_rollout(hotline.client, queue, edition_of(old))
    with pytest.raises(OperatorError, match=theirs[1].id):
        await begin(hotline, new)
    await theirs[1].terminate()
    assert await (await begin(hotline, new)).result() == {"changed": 1}
    assert (await published(complaint))["catalogue_change"] == 1
