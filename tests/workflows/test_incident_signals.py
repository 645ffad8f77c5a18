"""Signals to incidents are not signed: they are hints, and change no case, whoever sends them."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment
from temporalio.worker import Worker

from activities.cases import CaseUpdates
from activities.incidents import CaseSignal, IncidentActivities, IncidentMessages
from activities.names import ABSORB, UNSEALED, complaint_id
from domain.case.actions.link_incident import LinkIncident
from domain.incident.actions import Dismiss, Inform, Merge
from domain.incident.incident import Absorbed, Incident, News, Settling
from domain.incident.state import Scope
from domain.kit.event import ActionBody, Command
from tests.support.causes import OVER, Cause, actions, count_of, declare, linked, replied, told
from tests.support.hotline import ADMIN, PATIENCE_SECONDS, Complaint, Hotline, number_at, running_hotline, until
from tests.support.incidents import opening
from tests.support.sealing import stranger
from tests.support.temporal import temporal_server
from tests.workflows.test_incident import completed
from workflows.clients.incidents import incident_options
from workflows.incident.messages import IncidentStart
from workflows.incident.workflow import MOST_IN_SIGNAL
from workflows.kit.entity import LONG_HISTORY
from workflows.kit.words import CatalogueNames

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def signalled(hotline: Hotline, cause: Cause, signal: str, *complaints: Complaint) -> None:
    """Send a signal as whoever reaches Temporal's port can."""
    handle = stranger(hotline.client).get_workflow_handle(cause.handle.id)
    await handle.signal(signal, [complaint.number for complaint in complaints])


async def silent(hotline: Hotline, number: str) -> None:
    """Start a case as whoever reaches Temporal's port can, on a queue that no worker polls."""
    client = stranger(hotline.client)
    await client.start_workflow("ComplaintWorkflow", id=complaint_id(number), task_queue="nobody")


async def resting(hotline: Hotline, queue: str, **carried: Any) -> Cause:
    """An incident in its next run, on a queue whose worker is still to come."""
    at = datetime.now(UTC)
    incident, first = Incident.open(opening(ADMIN, at))
    start = IncidentStart(source=incident, changed_at=first.at, sender_version=incident.version, **carried)
    await hotline.client.start_workflow(
        "IncidentWorkflow", start, task_queue=queue, **incident_options(incident, CatalogueNames())
    )
    return Cause(hotline, incident.number)


async def test_cases_signal_together_while_calls_pour_in(hotline: Hotline) -> None:
    """A signal has the cases of a moment, the next one those of the pause, so the history grows slowly."""
    cause, messages = await declare(hotline, "west"), IncidentMessages(hotline.client)

    def signal() -> asyncio.Task[bool]:
        message = CaseSignal(incident=cause.number, signal="linked", number=hotline.registration().number)
        return asyncio.create_task(messages.signal(message))

    assert all(await asyncio.gather(*(signal() for _ in range(20))))
    first = signal()
    await cause.waits_for(20)
    assert all(await asyncio.gather(first, signal()))
    await cause.waits_for(22)
    events = (await cause.handle.fetch_history()).events
    assert sum(event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED for event in events) == 2


async def test_a_case_that_says_nothing_of_the_kind_stays_with_its_incident(hotline: Hotline) -> None:
    cause = await declare(hotline, "west")
    stays, leaves = await linked(hotline, cause, 2)
    await signalled(hotline, cause, "unlinked", stays)
    await until(partial(completed, cause, "find_unlinked_cases"), lambda asked: asked == 1)
    assert (await cause.seen()).waiting == 2
    await leaves.act(LinkIncident(incident=None))
    await cause.waits_for(1)
    await cause.act(OVER)
    await replied(stays)
    assert (await cause.published("declare", "resolve", "finish"))[-1]["data"] == '{"settled":1}'


async def test_a_case_that_is_linked_again_while_it_is_asked_stays(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has said that it is not linked, and the activity has not told that yet."""
    asked, told_again, unlinked = asyncio.Event(), asyncio.Event(), CaseUpdates.unlinked

    async def late(updates: CaseUpdates, *rest: Any) -> list[str]:
        found = await unlinked(updates, *rest)
        asked.set()
        await told_again.wait()
        return found

    monkeypatch.setattr(CaseUpdates, "unlinked", late)
    cause = await declare(hotline, "west")
    [complaint] = await linked(hotline, cause, 1)
    await complaint.act(LinkIncident(incident=None))
    await asyncio.wait_for(asked.wait(), PATIENCE_SECONDS)
    await complaint.act(LinkIncident(incident=cause.number))
    # The case has the third answer once its incident has the signal.
    await until(partial(count_of, complaint, EventType.EVENT_TYPE_MARKER_RECORDED), (3).__eq__)
    told_again.set()
    await until(partial(completed, cause, "find_unlinked_cases"), (1).__eq__)
    assert (await cause.seen()).waiting == 1
    await cause.act(OVER)
    await replied(complaint)


async def test_one_signal_leaves_room_for_the_cases_that_come_after_it(hotline: Hotline) -> None:
    cause = await declare(hotline, "west")
    theirs = stranger(hotline.client).get_workflow_handle(cause.handle.id)
    day = datetime.now(UTC) - timedelta(days=40)
    await theirs.signal("linked", [number_at(day, place) for place in range(MOST_IN_SIGNAL + 50)])
    await cause.waits_for(MOST_IN_SIGNAL)
    await linked(hotline, cause, 1)
    await cause.waits_for(MOST_IN_SIGNAL + 1)
    await cause.handle.terminate()


@pytest.mark.slow
async def test_a_case_is_asked_though_its_signal_comes_with_the_end_of_the_run(tmp_path: Path) -> None:
    """All signals come in one task, and the run is long enough to end with it."""
    limit = "limit.historyCount.suggestContinueAsNew=25"
    async with await temporal_server(limit) as server, running_hotline(server, tmp_path) as hotline:
        cause = await resting(hotline, "late", waiting=("2609070000012",))
        for numbers in ([], ["2609070000012"]):
            for _ in range(15):
                await cause.handle.signal("unlinked", numbers)
        async with running_hotline(server, tmp_path / "late", task_queue="late"):
            await cause.waits_for(0)


@pytest.mark.slow
async def test_the_run_of_an_incident_is_short_enough_to_be_replayed_between_two_signals(hotline: Hotline) -> None:
    """A run cannot end if a signal comes while it is replayed; Temporal suggests its end only at 4,096 events."""
    cause = await declare(hotline, "west")
    first = await cause.handle.describe()
    day = datetime.now(UTC) - timedelta(days=40)
    theirs = stranger(hotline.client).get_workflow_handle(cause.handle.id)
    for place in range(LONG_HISTORY):
        await theirs.signal("linked", [number_at(day, place)])
        await cause.waits_for(place + 1)
        if (await theirs.describe()).run_id != first.run_id:
            break
    ended = await hotline.client.get_workflow_handle(first.id, run_id=first.run_id).describe()
    assert ended.status is WorkflowExecutionStatus.CONTINUED_AS_NEW
    assert LONG_HISTORY < ended.history_length < LONG_HISTORY + 20
    await cause.handle.terminate()


async def test_a_case_that_is_not_linked_hears_nothing_and_is_not_settled(hotline: Hotline) -> None:
    cause, other = await declare(hotline, "shiqi"), await declare(hotline, "shiqi")
    [own], [elsewhere] = await linked(hotline, cause, 1), await linked(hotline, other, 1)
    stranger = await hotline.start(district="gangkou")
    await stranger.published(1)
    await signalled(hotline, cause, "linked", stranger, elsewhere)
    await cause.waits_for(3)
    await cause.act(Inform(message="正在抢修"))
    await until(partial(told, own, "incident_inform"), lambda rows: len(rows) == 1)
    await cause.act(OVER)
    await cause.published("declare", "inform", "resolve", "finish")
    for complaint in (stranger, elsewhere):
        assert await told(complaint, "incident_inform") == []
        assert await actions(complaint) == ["register"]
    await other.act(Dismiss(reason="误报"))


async def test_callers_are_told_though_sql_does_not_show_the_link_yet(hotline: Hotline) -> None:
    """The case is asked itself."""
    cause = await declare(hotline, "huangpu")
    complaint = await hotline.start(district="gangkou")
    await complaint.act(LinkIncident(incident=cause.number), unwritten=True)
    await cause.waits_for(1)
    await cause.act(Inform(message="正在抢修"))
    await until(partial(told, complaint, "incident_inform"), lambda rows: len(rows) == 1)
    await cause.act(OVER)


@pytest.mark.parametrize("merged", [True, False])
async def test_a_case_that_is_not_linked_goes_nowhere_with_the_others(hotline: Hotline, merged: bool) -> None:
    cause, into, other = [await declare(hotline, "dongfeng") for _ in range(3)]
    [own], [elsewhere] = await linked(hotline, cause, 1), await linked(hotline, other, 1)
    stranger = await hotline.start(district="gangkou")
    await signalled(hotline, cause, "linked", stranger, elsewhere)
    await cause.waits_for(3)
    await cause.act(Merge(into=into.number) if merged else Dismiss(reason="误报"))
    await cause.in_state("merged" if merged else "dismissed")
    assert (await own.view()).incident == (into.number if merged else None)
    assert [(await each.view()).incident for each in (stranger, elsewhere)] == [None, other.number]
    for each in (into, other):
        await each.act(Dismiss(reason="误报"))


async def test_nobody_else_widens_an_incident(hotline: Hotline) -> None:
    cause = await declare(hotline, "nantou")
    handle = stranger(hotline.client).get_workflow_handle(cause.handle.id)
    scope = Scope(services=("no_water", "leak"), districts=("west", "gangkou"))
    absorbed = Absorbed(incident="i26080347119", into=cause.number, scope=scope)
    by_hand = Command(actor=ADMIN, body=Inform(message="已恢复供水"))
    in_the_service = "Sign in to the service and act in its Temporal UI, /temporal/, or over the HTTP API:"
    for update, argument, instead in (
        (ABSORB, absorbed, "The service alone sends it."),
        ("inform", by_hand, f"{in_the_service} POST /v1/incidents/NUMBER/actions/inform."),
    ):
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(update, argument)
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == UNSEALED
        assert f"the service has not sealed it. {instead}" in refused.value.cause.message
    await handle.signal(ABSORB, absorbed)
    assert (await cause.seen()).incident.scope.districts == ("nantou",)
    await cause.act(OVER)


@workflow.defn(name="ComplaintWorkflow", sandboxed=False)
class AnswersInClear:
    """Workflow of somebody else's worker, which answers whatever it is asked."""

    @workflow.run
    async def run(self) -> None:
        """Wait for ever."""
        await workflow.wait_condition(lambda: False)

    @workflow.query(dynamic=True)
    def answer(self, name: str, arguments: Sequence[RawValue]) -> str:
        """Answer a query."""
        return f"{name} {len(arguments)}"

    @workflow.update(dynamic=True)
    async def take(self, name: str, arguments: Sequence[RawValue]) -> str:
        """Answer an update."""
        return f"{name} {len(arguments)}"


@pytest.mark.parametrize("signal", ["linked", "unlinked"])
async def test_a_case_that_somebody_else_answers_for_holds_up_no_other(hotline: Hotline, signal: str) -> None:
    cause = await declare(hotline, "sanjiao")
    [own] = await linked(hotline, cause, 1)
    client, queue, number = stranger(hotline.client), f"answers-{signal}", hotline.registration().number
    handle = client.get_workflow_handle(cause.handle.id)
    async with Worker(client, task_queue=queue, workflows=[AnswersInClear]):
        false = await client.start_workflow(AnswersInClear.run, id=complaint_id(number), task_queue=queue)
        for name in dict.fromkeys(("linked", signal)):
            await handle.signal(name, [number, "no number", "x" * 1000])
        await cause.waits_for(2)
        await cause.act(OVER)
        await replied(own)
        await false.terminate()


@pytest.mark.slow
@pytest.mark.parametrize("awaited", ["news", "the end"])
async def test_cases_that_do_not_answer_hold_up_neither_news_nor_the_end(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, awaited: str
) -> None:
    """One after the other, they would take longer than an attempt. SQL has them: their own workflows have ended."""
    monkeypatch.setattr("activities.cases.ANSWER_SECONDS", 1)
    monkeypatch.setattr("workflows.incident.workflow.IncidentWorkflow.LONGEST", timedelta(seconds=15))
    queue = f"silent {awaited}"
    async with running_hotline(server, tmp_path, task_queue=queue, sandbox=False) as hotline:
        others = [await hotline.start(district="gangkou") for _ in range(24)]
        cause = await declare(hotline, "west")
        [own] = await linked(hotline, cause, 1)
        for each in others:
            await each.published(1)
            await each.handle.terminate()
            await silent(hotline, each.number)
        await signalled(hotline, cause, "linked", *others)
        await cause.waits_for(1 + len(others))
        if awaited == "news":
            await cause.act(Inform(message="正在抢修"))
            await until(partial(told, own, "incident_inform"), lambda rows: len(rows) == 1)
        else:
            await signalled(hotline, cause, "unlinked", *others)
            await until(partial(asking, cause), bool)
            await cause.act(OVER)
            await replied(own)
        await cause.handle.terminate()


async def asking(cause: Cause) -> bool:
    pending = (await cause.handle.describe()).raw_description.pending_activities
    return any(each.activity_type.name == "find_unlinked_cases" for each in pending)


@pytest.mark.slow
@pytest.mark.parametrize("end", [OVER, Dismiss(reason="误报"), None], ids=["resolved", "dismissed", "merged"])
async def test_an_incident_ends_without_a_silent_case_that_only_a_signal_has_named(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: ActionBody | None
) -> None:
    monkeypatch.setattr("activities.cases.ANSWER_SECONDS", 1)
    monkeypatch.setattr("workflows.incident.workflow.SILENT_CASE_PAUSE", timedelta(seconds=0.1))
    monkeypatch.setattr("workflows.incident.workflow.LONGEST_SILENCE", timedelta(seconds=5))
    async with running_hotline(server, tmp_path, task_queue="named", sandbox=False) as hotline:
        cause, into = await declare(hotline, "west"), await declare(hotline, "gangkou")
        await linked(hotline, cause, 1)
        false = await hotline.start(district="dongfeng")
        await false.handle.terminate()
        await silent(hotline, false.number)
        await signalled(hotline, cause, "linked", false)
        await cause.waits_for(2)
        await cause.act(end or Merge(into=into.number))
        await cause.handle.result()
        finish = (await cause.timeline())[-1]
        assert finish["action"] == "finish"
        assert json.loads(finish["data"])["over"] == 1
        await into.handle.terminate()


@pytest.mark.parametrize(
    ("sql", "unlinked"),
    [({"return_value": ["2"]}, ["1"]), ({"side_effect": ApplicationError("SQL: down")}, [])],
    ids=["shows one", "down"],
)
async def test_a_silent_case_is_unlinked_if_sql_answers_and_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, sql: dict[str, Any], unlinked: list[str]
) -> None:
    monkeypatch.setattr("activities.cases.read", AsyncMock(**sql))
    updates = AsyncMock(**{"ask_all.return_value": (Counter(), dict.fromkeys("12", "It did not answer."))})
    settling = Settling(incident="i26080347119", numbers=("1", "2"), result="-", message="-", follow_up_percent=0)
    found = await ActivityEnvironment().run(IncidentActivities(AsyncMock(), AsyncMock(), updates).settle, settling)
    assert (found.silent, [*found.unlinked]) == (("1", "2"), unlinked)


async def test_news_go_on_after_the_last_caller_who_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.incidents.SLICE", 1)
    monkeypatch.setattr("activities.cases.read", AsyncMock(return_value=[]))
    updates, writer = AsyncMock(**{"unlinked.return_value": []}), AsyncMock()
    at = datetime.now(UTC)
    news = News(incident="i26080347119", seq=2, at=at, message="-", message_en="-", numbers=("1", "2", "3", "4"))
    environment, beats = ActivityEnvironment(), list[str]()
    environment.info = replace(environment.info, heartbeat_details=["2"])
    environment.on_heartbeat = beats.append
    await environment.run(IncidentActivities(writer, AsyncMock(), updates).inform, news)
    assert [each.args[0].keywords["numbers"] for each in writer.run.await_args_list] == [["3"], ["4"]]
    assert beats == ["3", "4"]
    assert [each.args[2] for each in updates.unlinked.await_args_list] == ["2", "3"]
