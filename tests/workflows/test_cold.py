"""A worker that remembers nothing: every task is computed from the whole history, as when too many cases are open."""

import itertools
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Engine
from temporalio.client import WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from domain.commands import Arrive, Command, Complete, Dispatch, FollowUp, LinkIncident, Reply, SignFor
from domain.incident import Opening
from domain.incident_table import DispatchIncident, IncidentAction, Inform, Resolve, Scope, SignForIncident
from domain.settlement import SETTLED, Settlement
from tests.hotline import ADMIN, Hotline, hotline, until
from tests.workflows.test_host import at_rest
from workflows.complaint import ComplaintWorkflow
from workflows.incident import IncidentWorkflow
from workflows.incident_links import incident_id
from workflows.incident_start import start_incident
from workflows.messages import IncidentOutcome, Names

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="cold")
async def _cold(server: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    settings = {"max_cached_workflows": 0, "task_queue": "cold"}
    async with hotline(server, tmp_path_factory.mktemp("cold"), **settings) as running:
        yield running


async def replays(handle: WorkflowHandle[Any, Any]) -> None:
    history = await handle.fetch_history()
    replayer = Replayer(
        workflows=[ComplaintWorkflow, IncidentWorkflow],
        data_converter=pydantic_data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    await replayer.replay_workflow(history)


async def begun(cold: Hotline, known_by: str) -> WorkflowHandle[Any, Any]:
    """An incident with a scope that has no other cases, at rest."""
    at = datetime.now(UTC)
    scope = Scope(services=("no_water",), districts=(known_by,))
    opening = Opening(at=at, actor=ADMIN, title="-", scope=scope, since=at)
    number = (await start_incident(cold.client, cold.settings.task_queue, opening, known_by, Names())).number
    return cold.client.get_workflow_handle(incident_id(number))


def number_of(incident: WorkflowHandle[Any, Any]) -> str:
    return incident.id.removeprefix(incident_id(""))


async def rests(handle: WorkflowHandle[Any, Any]) -> None:
    """Nothing is asked for, and nothing waits to be computed."""

    async def look() -> tuple[int, bool]:
        described = (await handle.describe()).raw_description
        return len(described.pending_activities), described.HasField("pending_workflow_task")

    await until(look, lambda pending: pending == (0, False))


async def test_a_case_that_is_forgotten_after_each_step_goes_on_from_its_history(cold: Hotline) -> None:
    complaint = await cold.start()
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
    await at_rest(complaint)
    await replays(complaint.handle)


@pytest.mark.parametrize("at_intake", [True, False])
async def test_a_case_that_was_linked_and_forgotten_is_settled(cold: Hotline, *, at_intake: bool) -> None:
    incident = await begun(cold, "at_intake" if at_intake else "by_hand")
    number = number_of(incident)
    complaint = await cold.start(incident=number if at_intake else None)
    await at_rest(complaint)
    if not at_intake:
        await complaint.act(LinkIncident(incident=number))
        await at_rest(complaint)
    settlement = Settlement(incident=number, result="-", message="-")
    assert await complaint.handle.execute_update("settle", settlement, result_type=str) == SETTLED
    await at_rest(complaint)
    await complaint.act(FollowUp(outcome="satisfied"))
    await at_rest(complaint)
    await replays(complaint.handle)


@contextmanager
def busy(database: Engine) -> Iterator[None]:
    """Nobody else can write to the database meanwhile."""
    with closing(sqlite3.connect(str(database.url.database), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def test_an_incident_that_is_forgotten_after_each_step_goes_on_from_its_history(cold: Hotline) -> None:
    """Cases are linked while it waits for SQL: their signals ask for nothing, and neither does the answer of SQL."""
    incident = await begun(cold, "forgotten")
    known = itertools.count(1)
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
            await incident.execute_update(body.action.value, command, result_type=IncidentOutcome)
            await incident.signal("linked", f"{next(known):013}")
            # The answer takes the workflow past the signal.
            await incident.query(IncidentWorkflow.incident)
        if body.action is not IncidentAction.RESOLVE:
            await rests(incident)
    await incident.result()
    await replays(incident)
