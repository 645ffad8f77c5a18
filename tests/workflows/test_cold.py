"""A worker that remembers nothing: every task is computed from the whole history, as when too many cases are open."""

import asyncio
import itertools
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Engine
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from activities.cases import CaseUpdates
from activities.names import SETTLE, incident_id
from domain.case.actions.arrive import Arrive
from domain.case.actions.comment import Comment
from domain.case.actions.complete import Complete
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.hand_over import HandOver
from domain.case.actions.link_incident import SETTLED, LinkIncident, Settled, Settlement
from domain.case.actions.reply import Reply
from domain.case.actions.sign_for import SignFor
from domain.case.automatic.internal_updates import Recognised
from domain.case.intake import IntakeFlag
from domain.incident.actions import INCIDENT_ACTION_OF, DispatchIncident, Inform, Merge, Resolve, SignForIncident
from domain.incident.state import Opening, Scope
from domain.kit.event import Command
from hotline.temporal.converter import runner
from readmodel.incidents import unclaimed
from tests.support.hotline import ADMIN, Complaint, Hotline, running_hotline, until
from tests.support.sealing import SEALING
from tests.workflows.test_host import at_rest
from workflows.clients.incidents import start_incident
from workflows.clients.start import Request
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.messages import IncidentOutcome
from workflows.incident.workflow import IncidentWorkflow
from workflows.kit.words import CatalogueNames

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="cold")
async def _cold(server: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    settings: dict[str, Any] = {"max_cached_workflows": 0, "task_queue": "cold"}
    async with running_hotline(server, tmp_path_factory.mktemp("cold"), **settings) as running:
        yield running


async def replays(handle: WorkflowHandle[Any, Any]) -> None:
    history = await handle.fetch_history()
    replayer = Replayer(
        workflows=[ComplaintWorkflow, IncidentWorkflow],
        workflow_runner=runner(sandbox=False),
        namespace=handle._client.namespace,
        **SEALING,
    )
    await replayer.replay_workflow(history)


async def begun(cold: Hotline, known_by: str) -> WorkflowHandle[Any, Any]:
    """An incident with a scope that has no other cases, at rest."""
    at = datetime.now(UTC)
    scope = Scope(services=("no_water",), districts=(known_by,))
    opening = Opening(at=at, actor=ADMIN, title="-", scope=scope, since=at)
    incident, *_ = await start_incident(
        cold.client, cold.settings.task_queue, opening, Request(key=known_by), CatalogueNames()
    )
    return cold.client.get_workflow_handle(incident_id(incident.number))


def number_of(incident: WorkflowHandle[Any, Any]) -> str:
    return incident.id.removeprefix(incident_id(""))


async def rests(handle: WorkflowHandle[Any, Any], activities: int = 0) -> None:
    """No more than so many activities are asked for, and nothing waits to be computed."""

    async def look() -> tuple[int, bool]:
        described = (await handle.describe()).raw_description
        return len(described.pending_activities), described.HasField("pending_workflow_task")

    await until(look, lambda pending: pending == (activities, False))


async def knows(incident: WorkflowHandle[Any, Any], complaint: Complaint) -> None:
    """The case has told the incident. Nobody asks before: each question would have a case that is telling forgotten."""
    await rests(complaint.handle)
    await until(lambda: incident.query(IncidentWorkflow.incident), lambda seen: seen.waiting == 1)


@pytest.mark.slow
async def test_a_case_that_is_forgotten_after_each_step_goes_on_from_its_history(cold: Hotline) -> None:
    complaint = await cold.start()
    flags = iter(IntakeFlag)
    for body in (
        Dispatch(department="repair"),
        SignFor(),
        Arrive(),
        Complete(result="-"),
        Reply(message="-"),
        FollowUp(outcome="satisfied"),
    ):
        # The task that learns that SQL has the step before asks for nothing: the update comes right after it.
        await at_rest(complaint)
        await complaint.act(body)
        if flag := next(flags, None):
            await complaint.tell(ComplaintWorkflow.recognise, Recognised(flags=(flag,)))
    await at_rest(complaint)
    assert (await complaint.view()).flags == tuple(sorted(IntakeFlag))
    await replays(complaint.handle)


@pytest.mark.slow
async def test_an_action_after_skipped_time_is_replayed(cold: Hotline) -> None:
    """By the time of the case it was sealed half an hour before, which no test is to notice by chance."""
    complaint = await cold.start()
    await complaint.ahead(minutes=30)
    await complaint.act(Dispatch(department="repair"))
    await at_rest(complaint)
    await replays(complaint.handle)


@pytest.mark.slow
async def test_a_refusal_while_sql_is_written_leaves_the_case_whole(cold: Hotline) -> None:
    """It asks for nothing, nor does the task that learns that SQL has it: two in a row, and then comes an update."""
    complaint = await cold.start()
    owners = iter("ABCDE")
    for body in (Dispatch(department="repair"), SignFor(), Arrive(), Complete(result="-"), Reply(message="-")):
        await at_rest(complaint)
        await complaint.act(body)
        with pytest.raises(WorkflowUpdateFailedError):
            await complaint.act(Dispatch(department="repair"))
        await complaint.act(HandOver(owner=next(owners)))
    await at_rest(complaint)
    await replays(complaint.handle)


@pytest.mark.slow
@pytest.mark.parametrize("at_intake", [True, False])
async def test_a_case_that_was_linked_and_forgotten_is_settled(cold: Hotline, at_intake: bool) -> None:
    """Nobody writes the batch that it returns: then it is in SQL with what happens next."""
    incident = await begun(cold, "at_intake" if at_intake else "by_hand")
    number = number_of(incident)
    complaint = await cold.start(incident=number if at_intake else None)
    await at_rest(complaint)
    if not at_intake:
        await complaint.act(LinkIncident(incident=number))
        await at_rest(complaint)
    settlement = Settlement(incident=number, result="-", message="-")
    answer: Settled = await complaint.handle.execute_update(SETTLE, settlement, result_type=Settled)
    assert answer.outcome == SETTLED
    assert answer.batch is not None
    await rests(complaint.handle)
    await complaint.act(FollowUp(outcome="satisfied"))
    await at_rest(complaint)
    assert len(await complaint.rows()) == (await complaint.view()).version
    await replays(complaint.handle)


@pytest.mark.slow
async def test_a_case_settled_while_it_publishes_asks_for_the_same_on_replay(cold: Hotline) -> None:
    """The answer of SQL and the settlement arrive together, in either order: neither makes the case publish."""
    incident = await begun(cold, "busy")
    number = number_of(incident)
    for _ in range(3):
        complaint = await cold.start(incident=number)
        await at_rest(complaint)
        with busy(cold.engine):
            await complaint.act(Comment(note="-"))
            settlement = Settlement(incident=number, result="-", message="-")
            await complaint.handle.execute_update(SETTLE, settlement, result_type=Settled)
        await rests(complaint.handle)
        await complaint.act(FollowUp(outcome="satisfied"))
        await at_rest(complaint)
        assert len(await complaint.rows()) == (await complaint.view()).version
        await replays(complaint.handle)


@contextmanager
def busy(database: Engine) -> Iterator[None]:
    """Nobody else can write to the database meanwhile."""
    with closing(sqlite3.connect(str(database.url.database), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.mark.slow
async def test_an_incident_that_is_forgotten_after_each_step_goes_on_from_its_history(cold: Hotline) -> None:
    """Cases are linked while it waits for SQL: their signals ask for nothing, and neither does the answer of SQL."""
    incident = await begun(cold, "forgotten")
    no_case = itertools.count(9_000_000_000_000)
    linked: list[str] = []
    for body in (
        DispatchIncident(department="repair"),
        Inform(message="-"),
        SignForIncident(),
        Inform(message="-"),
        Inform(message="-"),
        Resolve(result="-", message="-"),
    ):
        with busy(cold.engine):
            command = Command(actor=ADMIN, body=body)
            await incident.execute_update(INCIDENT_ACTION_OF[type(body)].name, command, result_type=IncidentOutcome)
            linked.append(str(next(no_case)))
            await incident.signal("linked", linked[-1:])
            # The answer takes the workflow past the signal.
            waiting = (await incident.query(IncidentWorkflow.incident)).waiting
        if not isinstance(body, Resolve):  # which sets about the cases at once
            assert waiting == len(linked)
            await rests(incident)
    await incident.result()
    await replays(incident)


@pytest.mark.slow
async def test_an_incident_that_asks_its_cases_and_is_merged_goes_on_from_its_history(cold: Hotline) -> None:
    """A signal says that the case has left, while SQL is waited for: the incident asks, and the case has not."""
    incident, other = await begun(cold, "asks"), await begun(cold, "absorbs")
    complaint = await cold.start(incident=number_of(incident))
    await knows(incident, complaint)
    for body in (Inform(message="-"), Inform(message="-")):
        with busy(cold.engine):
            await incident.execute_update("inform", Command(actor=ADMIN, body=body), result_type=IncidentOutcome)
            await incident.signal("unlinked", [complaint.number])
            await incident.query(IncidentWorkflow.incident)
        await rests(incident)
        assert (await incident.query(IncidentWorkflow.incident)).waiting == 1
    await incident.execute_update("merge", Command(actor=ADMIN, body=Merge(into=number_of(other))))
    await incident.result()
    await knows(other, complaint)
    await other.execute_update("resolve", Command(actor=ADMIN, body=Resolve(result="-", message="-")))
    await other.result()
    for each in (incident, other):
        await replays(each)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["merge", "resolve"])
async def test_an_incident_that_ends_when_a_case_has_answered_goes_on_from_its_history(
    cold: Hotline, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """SQL answers, then the case: neither asks for anything, so the second answer may come together with the update."""
    may_answer, is_linked = asyncio.Event(), CaseUpdates.is_linked

    async def late(*question: Any) -> bool | None:
        await may_answer.wait()
        return await is_linked(*question)

    monkeypatch.setattr(CaseUpdates, "is_linked", late)
    incident, other = await begun(cold, f"answered_{end}"), await begun(cold, f"other_{end}")
    complaint = await cold.start(incident=number_of(incident))
    await knows(incident, complaint)
    with busy(cold.engine):
        await incident.execute_update(
            "inform", Command(actor=ADMIN, body=Inform(message="-")), result_type=IncidentOutcome
        )
        await incident.signal("unlinked", [complaint.number])
        await rests(incident, activities=2)
    await rests(incident, activities=1)
    may_answer.set()
    await rests(incident)
    ends = {"merge": Merge(into=number_of(other)), "resolve": Resolve(result="-", message="-")}
    await incident.execute_update(end, Command(actor=ADMIN, body=ends[end]), result_type=IncidentOutcome)
    await incident.result()
    await replays(incident)


@pytest.mark.slow
async def test_an_incident_that_absorbs_another_as_its_timer_fires_replays(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer of its second search asks for nothing during the first one: it may come together with the update."""
    # Which the sandbox would not see.
    monkeypatch.setattr("workflows.incident.workflow.SECOND_SEARCH", timedelta(seconds=1))
    settings: dict[str, Any] = {"max_cached_workflows": 0, "task_queue": "second search", "sandbox": False}
    async with running_hotline(server, tmp_path, **settings) as cold:
        other = await begun(cold, "merged")
        await rests(other)
        may_find = threading.Event()

        def late(*question: Any) -> Any:
            may_find.wait(60)
            return unclaimed(*question)

        monkeypatch.setattr("activities.incidents.unclaimed", late)
        incident = await begun(cold, "takes")
        await rests(incident, activities=1)
        for number in ("9000000000001", "9000000000002"):
            await incident.signal("linked", [number])
            await rests(incident, activities=1)
        await until(partial(has_fired, incident), bool)
        await rests(incident, activities=1)
        merge = Command(actor=ADMIN, body=Merge(into=number_of(incident)))
        await other.execute_update("merge", merge, result_type=IncidentOutcome)
        await until(lambda: incident.query(IncidentWorkflow.incident), lambda seen: seen.incident.version > 1)
        may_find.set()
        await other.result()
        await rests(incident)
        await replays(incident)


async def has_fired(handle: WorkflowHandle[Any, Any]) -> bool:
    history = await handle.fetch_history()
    return any(event.HasField("timer_fired_event_attributes") for event in history.events)
