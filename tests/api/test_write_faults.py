"""Versions that do not fit: SQL ahead of a workflow, SQL behind it, and two API processes on one case."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, delete, select
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from activities.names import complaint_id, incident_id
from activities.sealing.keys import Key
from api.app import Backend, create_app
from api.temporal.client import ComplaintClient
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.views import Outcome
from domain.kit.event import Command
from hotline.recovery.histories import read_case
from hotline.recovery.rebuild_workflows import STARTED, WorkflowRebuild
from readmodel.base.database import engine, writing
from readmodel.migrate import metadata
from tests.support import lost
from tests.support.api import KEPT, Api, further_api, problem, running_api, served
from tests.support.batches import project
from tests.support.hotline import ADMIN, until
from tests.support.outage import down
from tests.support.sealing import sealing_by, with_options
from workflows.kit.words import CatalogueNames

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

AT_ONCE = 40
IN_FLIGHT = 10
"""Updates of a workflow that Temporal has in flight at most."""
OF_CASES = [table for table in metadata.sorted_tables if "number" in table.c]


async def reset(api: Api, number: str) -> WorkflowHandle[object, object]:
    """Reset the workflow of the case to its beginning, as an operator may in the Temporal UI; return the new run."""
    handle = api.temporal.get_workflow_handle(complaint_id(number))
    history = await handle.fetch_history()
    first = next(each for each in history.events if each.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    request = ResetWorkflowExecutionRequest(
        namespace=api.temporal.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id),
        reason="-",
        request_id=uuid.uuid4().hex,
        workflow_task_finish_event_id=first.event_id,
        reset_reapply_exclude_types=[ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE],
    )
    answer = await api.temporal.workflow_service.reset_workflow_execution(request)
    return api.temporal.get_workflow_handle(handle.id, run_id=answer.run_id)


@asynccontextmanager
async def process_with(backend: Backend, made: Api) -> AsyncIterator[Api]:
    """Another API process of the same service, with this backend."""
    async with (
        served(create_app(backend), made.settings) as url,
        httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, limits=KEPT) as http,
    ):
        yield replace(made, url=url, http=http)


def forget(database: Engine, number: str) -> None:
    """Delete the rows of the case."""
    with writing(database) as connection:
        for table in reversed(OF_CASES):
            connection.execute(delete(table).where(table.c.number == number))


def tables_with(database: Engine, number: str) -> list[str]:
    """Return the names of the tables that have rows of the case."""
    with database.connect() as connection:
        return [
            table.name
            for table in OF_CASES
            if connection.execute(select(table.c.number).where(table.c.number == number)).first()
        ]


async def test_a_version_from_the_future_is_refused_and_leaves_nothing_in_the_history(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    run = await reset(on_sqlite, number)
    found = problem(await on_sqlite.act(number, "comment", {"note": "在家"}, "wu"), 409, "behind-sql")
    assert found["detail"].startswith("SQL has more than its workflow, which was reset or replaced.")
    # Whoever may not read the case learns neither.
    assert found.keys().isdisjoint({"state", "version"})
    accepted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    assert [event for event in (await run.fetch_history()).events if event.event_type == accepted] == []
    assert (await on_sqlite.complaint(number))["version"] == 3
    await run.terminate()


async def test_events_after_a_reset_are_answered_409_and_not_written(on_both: Api) -> None:
    """Another API process does not know which version SQL has: the workflow takes its action, and SQL does not."""
    number = await on_both.case_in("dispatched")
    run = await reset(on_both, number)
    async with further_api(on_both, on_both.clock) as other:
        for _ in range(2):
            answer = await other.act(number, "dispatch", {"department": "metering"}, "zhou", key="once")
            found = problem(answer, 409, "behind-sql")
            assert (found["state"], found["version"]) == ("dispatched", 2)
            assert f"hotline rebuild workflows --case {number}" in found["detail"]
        after = await other.complaint(number)
        assert (after["version"], after["department"]) == (2, "repair")
        assert await other.actions(number) == ["register", "dispatch"]
    await run.terminate()


@pytest.mark.parametrize("remembered", [2, 3])
async def test_a_process_that_remembers_a_version_does_not_append_another_history_to_it(
    on_both: Api, remembered: int
) -> None:
    """After a reset the workflow has reached that version again, and gone on, by other events than SQL has."""
    number = await on_both.case_in("dispatched")
    async with further_api(on_both, on_both.clock) as third:
        if remembered < 3:
            assert (await third.act(number, "sign_for", {}, "wu")).status_code == 200
        else:
            assert (await on_both.act(number, "sign_for", {}, "wu")).status_code == 200
        rows = await on_both.actions(number)
        run = await reset(on_both, number)
        async with further_api(on_both, on_both.clock) as other:
            for by, action, body in (("zhou", "dispatch", {"department": "metering"}), ("sun", "sign_for", {})):
                problem(await other.act(number, action, body, by), 409, "behind-sql")
        problem(await on_both.act(number, "comment", {"note": "在家"}), 409, "behind-sql")
        problem(await on_both.act(number, "comment", {"note": "仍在家"}), 409, "behind-sql")
        assert await on_both.actions(number) == rows
        assert (await on_both.complaint(number))["department"] == "repair"
    await run.terminate()


async def rebuilt(api: Api, number: str) -> str:
    """Rebuild the workflow of a case or incident, as the command does."""
    database, names = engine(api.settings.database_url), CatalogueNames.of(api.backend.catalogue)
    try:
        return await WorkflowRebuild(api.temporal, database, api.settings.task_queue, lambda: names).one(number)
    finally:
        database.dispose()


@pytest.mark.parametrize("loss", [lost.terminate, lost.delete])
async def test_an_action_on_a_case_that_has_lost_its_workflow_says_how_to_bring_it_back(
    on_sqlite: Api, loss: Callable[[Client, str], Awaitable[None]]
) -> None:
    """This API process remembers its version. After the command, the same request is carried out."""
    number = await on_sqlite.case_in("dispatched")
    await loss(on_sqlite.temporal, complaint_id(number))
    found = problem(await on_sqlite.act(number, "sign_for", {}, "wu", key="once"), 409, "workflow-lost")
    assert (found["state"], found["version"], found["accepted"]) == ("dispatched", 2, [])
    assert f"`hotline rebuild workflows --case {number}`" in found["detail"]
    assert await rebuilt(on_sqlite, number) == STARTED
    answer = await on_sqlite.act(number, "sign_for", {}, "wu", key="once")
    assert (answer.status_code, answer.json()["version"]) == (200, 3)


async def test_a_closed_case_that_may_be_reopened_can_lose_its_workflow_too(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("pending_reply")
    for action, body in (("reply", {"message": "好了"}), ("follow_up", {"outcome": "satisfied"})):
        assert (await on_sqlite.act(number, action, body)).status_code == 200
    await lost.delete(on_sqlite.temporal, complaint_id(number))
    problem(await on_sqlite.act(number, "reopen", {"reason": "又停水了"}), 409, "workflow-lost")
    assert await rebuilt(on_sqlite, number) == STARTED
    assert (await on_sqlite.act(number, "reopen", {"reason": "又停水了"})).status_code == 200


async def test_an_incident_that_has_lost_its_workflow_is_not_called_over(on_sqlite: Api) -> None:
    body = {"title": "爆管", "services": ["no_water"], "districts": ["nantou"]}
    number = (await on_sqlite.post("/v1/incidents", body, "zhou")).json()["number"]
    await lost.delete(on_sqlite.temporal, incident_id(number))
    path = f"/v1/incidents/{number}/actions/dispatch"
    found = problem(await on_sqlite.post(path, {"department": "repair"}), 409, "workflow-lost")
    assert f"--case {number}" in found["detail"]
    assert await rebuilt(on_sqlite, number) == STARTED
    assert (await on_sqlite.post(path, {"department": "repair"})).status_code == 200
    await lost.terminate(on_sqlite.temporal, incident_id(number))


async def test_an_action_on_a_case_that_sql_has_lost_is_answered_202_and_not_half_written(on_both: Api) -> None:
    number = await on_both.case_in("dispatched")
    database = engine(on_both.settings.database_url)
    await asyncio.to_thread(forget, database, number)
    for action, body in (("sign_for", {}), ("comment", {"note": "在家"})):
        answer = await on_both.act(number, action, body, "wu")
        assert (answer.status_code, answer.json()["state"]) == (202, "in_progress")
        assert await asyncio.to_thread(tables_with, database, number) == []
    handle = on_both.temporal.get_workflow_handle(complaint_id(number))
    # As a rebuild does: from the history, which has every batch.
    await asyncio.to_thread(
        project, on_both.settings.database_url, (await read_case(on_both.temporal, [await handle.describe()])).batches
    )
    whole = ["register", "dispatch", "sign_for", "comment"]
    assert await until(lambda: on_both.actions(number), lambda found: len(found) >= len(whole)) == whole
    assert (await on_both.act(number, "arrive", {}, "wu")).status_code == 200
    database.dispose()


async def test_what_sql_did_not_take_is_not_acknowledged(temporal: Client, tmp_path: Path, sqlite_url: str) -> None:
    """The case keeps it, and publishes it when SQL is back, although nobody acts again and nobody compares."""
    database = engine(sqlite_url)
    async with running_api(temporal, sqlite_url, tmp_path, sql_wait_seconds=0.3) as made:
        number = await made.case_in("in_progress")
        with down(database):
            # While the first waits in an activity, the sender of the others is believed to write them.
            answers = [await made.act(number, "comment", {"note": f"{place}"}, "wu") for place in range(4)]
            assert [(answer.status_code, answer.json()["version"]) for answer in answers] == [
                (202, version) for version in range(4, 8)
            ]
        whole = ["register", "dispatch", "sign_for", *["comment"] * 4]
        assert await until(lambda: made.actions(number), lambda found: len(found) >= len(whole)) == whole
    database.dispose()


async def test_actions_of_one_process_on_one_case_wait_there_and_not_at_temporal(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await on_sqlite.case_in("in_progress")
    in_flight, most = 0, 0
    update = WorkflowHandle.execute_update

    async def counted(handle: WorkflowHandle[Any, Any], *args: Any, **options: Any) -> Any:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        try:
            return await update(handle, *args, **options)
        finally:
            in_flight -= 1

    monkeypatch.setattr(WorkflowHandle, "execute_update", counted)
    notes = [on_sqlite.act(number, "comment", {"note": f"{place}"}, "wu") for place in range(IN_FLIGHT)]
    assert [answer.status_code for answer in await asyncio.gather(*notes)] == [200] * IN_FLIGHT
    assert most == 1


async def test_a_case_that_is_no_longer_in_memory_is_acted_on_all_the_same(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process remembers the cases that somebody acted on last, and no more than that."""
    monkeypatch.setattr("api.sql.CASES_IN_MEMORY", 2)
    backend = Backend(on_sqlite.settings, on_sqlite.temporal, on_sqlite.clock)
    async with process_with(backend, on_sqlite) as made:
        numbers = [await made.case_in("registered") for _ in range(3)]
        assert [backend.projection.acknowledged(number) for number in numbers] == [0, 1, 1]
        answer = await made.act(numbers[0], "comment", {"note": "在家"})
        assert (answer.status_code, answer.json()["version"]) == (200, 2)
        assert [backend.projection.acknowledged(number) for number in numbers] == [2, 0, 1]


async def test_actions_of_two_processes_on_one_case_are_all_done_once_and_in_order(on_both: Api) -> None:
    """Temporal takes ten updates of a workflow at a time."""
    number = await on_both.case_in("in_progress")
    async with further_api(on_both, on_both.clock) as one, further_api(on_both, on_both.clock) as other:
        senders = [(one, other)[place % 2] for place in range(AT_ONCE)]
        answers = await asyncio.gather(
            *(api.act(number, "comment", {"note": f"{place}"}, "wu") for place, api in enumerate(senders))
        )
    assert [answer.status_code for answer in answers] == [200] * AT_ONCE
    timeline = (await on_both.get(f"/v1/complaints/{number}/timeline", limit=200)).json()["items"]
    assert [item["seq"] for item in timeline] == [*range(1, AT_ONCE + 4)]
    notes = {int(item["data"]["note"]): item["seq"] for item in timeline[3:]}
    assert sorted(notes) == [*range(AT_ONCE)]
    # A process that did not have the case in memory has read it, by then with what the other one had done.
    assert all(answer.json()["version"] >= notes[place] for place, answer in enumerate(answers))


async def test_an_action_waits_until_temporal_has_room_for_it(on_sqlite: Api) -> None:
    """Four times as many of other senders are under way as Temporal takes: what it refuses is sent again."""
    number = await on_sqlite.case_in("registered")
    handle = on_sqlite.temporal.get_workflow_handle(complaint_id(number))
    command = Command(actor=ADMIN, body=Comment(note="他人"))

    async def comment(key: str) -> Any:
        """The SDK itself gives up what Temporal refuses for too long."""
        while True:
            try:
                return await handle.execute_update("comment", command, id=key)
            except RPCError as error:
                if error.status not in (RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.UNAVAILABLE):
                    raise

    async with further_api(on_sqlite, on_sqlite.clock) as made:
        others = [asyncio.ensure_future(comment(f"{place}")) for place in range(AT_ONCE)]
        assert (await made.act(number, "comment", {"note": "在家"})).status_code == 200
        await asyncio.gather(*others)
    whole = ["register", *["comment"] * (AT_ONCE + 1)]
    assert await until(lambda: on_sqlite.actions(number), lambda found: len(found) >= len(whole)) == whole


async def test_an_api_that_seals_with_a_key_of_its_own_is_told_so(on_sqlite: Api) -> None:
    """It was given another file of keys than the worker: nothing is done, and the next try is."""
    number, key = await on_sqlite.case_in("registered"), uuid.uuid4().hex
    client = with_options(on_sqlite.temporal, **sealing_by(Key(b"othr", b"another secret")))
    async with process_with(Backend(on_sqlite.settings, client, on_sqlite.clock), on_sqlite) as strange:
        answer = await strange.act(number, "dispatch", {"department": "repair"}, key=key)
        assert (
            "not sealed for this request with a key of this API"
            in problem(answer, 503, "temporal-unavailable")["detail"]
        )
    await done_once(on_sqlite, number, key)


class NewerDispatch(Dispatch):
    hurry: bool


class OlderOutcome(Outcome):
    """The answer to an action in a release that knew fewer kinds of events."""

    batch: None = None


async def refused(api: Api, number: str, key: str) -> None:
    answer = await api.act(number, "dispatch", {"department": "repair"}, key=key)
    assert "different releases" in problem(answer, 503, "temporal-unavailable")["detail"]


async def done_once(api: Api, number: str, key: str) -> None:
    answer = await api.act(number, "dispatch", {"department": "repair"}, key=key)
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert await api.actions(number) == ["register", "dispatch"]


class TestReleases:
    """In an upgrade, a worker and an API process of different releases meet: no action is lost, or done twice."""

    async def test_an_action_that_an_older_worker_cannot_read_is_refused(
        self, on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        number, key = await on_sqlite.case_in("registered"), uuid.uuid4().hex
        update = ComplaintClient._update

        async def newer(client: ComplaintClient, number: str, action: str, command: Command[Any]) -> Outcome | None:
            sent = Command[Any].model_validate(
                {**dict(command), "body": NewerDispatch(department="repair", hurry=True)}
            )
            return await update(client, number, action, sent)

        with monkeypatch.context() as upgraded:
            upgraded.setattr(ComplaintClient, "_update", newer)
            await refused(on_sqlite, number, key)
        await done_once(on_sqlite, number, key)

    async def test_an_action_that_an_older_worker_does_not_know_is_refused(
        self, on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        number, key = await on_sqlite.case_in("registered"), uuid.uuid4().hex
        update = ComplaintClient._update

        async def newer(client: ComplaintClient, number: str, _: str, command: Command[Any]) -> Outcome | None:
            return await update(client, number, "an_action_to_come", command)

        with monkeypatch.context() as upgraded:
            upgraded.setattr(ComplaintClient, "_update", newer)
            await refused(on_sqlite, number, key)
        await done_once(on_sqlite, number, key)

    async def test_two_processes_of_different_releases_act_on_one_case(
        self, on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The older one cannot read what was done: it says so, and what it sent is done once."""
        number, key = await on_sqlite.case_in("registered"), uuid.uuid4().hex
        backend = Backend(on_sqlite.settings, on_sqlite.temporal, on_sqlite.clock)
        monkeypatch.setattr(backend.cases.client, "outcome", OlderOutcome)
        async with process_with(backend, on_sqlite) as older:
            await refused(older, number, key)
            await done_once(on_sqlite, number, key)
            await refused(older, number, key)
            assert (await older.complaint(number))["version"] == 2

    async def test_an_answer_that_an_older_process_cannot_read_is_given_again(
        self, on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        number, key = await on_sqlite.case_in("registered"), uuid.uuid4().hex
        with monkeypatch.context() as older:
            older.setattr(ComplaintClient, "outcome", OlderOutcome)
            await refused(on_sqlite, number, key)
        await done_once(on_sqlite, number, key)
