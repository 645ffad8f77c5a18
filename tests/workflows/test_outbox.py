"""Outbox, keys and `ChangedAt`: the values that the workflow of a case keeps for the senders of its updates."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Engine
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.names import UNDECODED, complaint_id
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.case import Case
from domain.case.views import CaseView, Outcome
from domain.kit.event import Command
from domain.shared.value import to_milliseconds
from hotline.recovery import rebuild_workflows
from hotline.recovery.payloads import Origin
from hotline.recovery.rebuild_workflows import STARTED
from tests.support.causes import declare
from tests.support.hotline import ADMIN, Complaint, Hotline, running_hotline, until
from tests.support.lost import terminate
from tests.support.sealing import DATA_CONVERTER, stranger
from tests.support.temporal import temporal_server
from tests.workflows.test_host import without_events
from tests.workflows.test_rebuild_workflows import again, rebuilder
from workflows.complaint.messages import ComplaintStart, search_attributes
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.kit import search_attributes as keys
from workflows.kit.entity import KEYS_KNOWN_FOR, MILLISECOND, MOST_KEYS, Done
from workflows.kit.search_attributes import typed

pytestmark = pytest.mark.asyncio(loop_scope="session")

SAME = Comment(note="用户又来电")
MOST_START_BYTES = 512 * 1024
"""Temporal warns of a message from this size on, and refuses one of 2 MB."""
AT_ONCE = 5
GARBAGE = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b"{"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def short_runs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    """A server that suggests a new run after a few actions."""
    limit = "limit.historyCount.suggestContinueAsNew=40"
    async with await temporal_server(limit) as server, running_hotline(server, tmp_path_factory.mktemp("runs")) as made:
        yield made


async def sent(complaint: Complaint, key: str) -> Outcome:
    """Send the comment with this key, under a new update id: the workflow itself has to know the key."""
    command: Command[Any] = Command(actor=ADMIN, body=SAME, key=key, digest="d", acknowledged=1)
    outcome: Outcome = await complaint.handle.execute_update("comment", command, result_type=Outcome)
    return outcome


async def known(complaint: Complaint, key: str) -> bool:
    return await complaint.handle.query("done", args=[key, ADMIN]) is not None


async def start_of(handle: WorkflowHandle[Any, Any], run_id: str) -> tuple[ComplaintStart, int]:
    """Return the start message of this run, and its size in bytes."""
    run = handle._client.get_workflow_handle(handle.id, run_id=run_id)
    converter = Origin(DATA_CONVERTER, handle._client.namespace, handle.id).of()
    async for event in run.fetch_history_events(page_size=1):
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        (start,) = await converter.decode(payloads, [ComplaintStart])
        return start, sum(payload.ByteSize() for payload in payloads)
    raise LookupError(run_id)


@workflow.defn
class Forerunner:
    """A run that ends at once; the next one is of a case."""

    @workflow.run
    async def run(self, start: ComplaintStart, task_queue: str) -> None:
        workflow.continue_as_new(args=[start], workflow=ComplaintWorkflow.__name__, task_queue=task_queue)


async def carried(hotline: Hotline, **changes: Any) -> Complaint:
    """Start a case in a later run, with what the run before it carried over."""
    registration = hotline.registration()
    case, events = Case.register(registration)
    start = ComplaintStart.model_validate({"source": case, "outbox": events, "changed_at": registration.at} | changes)
    runner = UnsandboxedWorkflowRunner()
    async with Worker(hotline.client, task_queue="before", workflows=[Forerunner], workflow_runner=runner):
        handle = await hotline.client.start_workflow(
            Forerunner.run,
            args=[start, hotline.settings.task_queue],
            id=complaint_id(case.number),
            task_queue="before",
            search_attributes=typed(search_attributes(case, to_milliseconds(case.registered_at))),
        )
        await until(handle.describe, lambda seen: seen.run_id != handle.first_execution_run_id)
    return Complaint(hotline, case.number, hotline.client.get_workflow_handle_for(ComplaintWorkflow.run, handle.id))


async def shown(complaint: Complaint) -> datetime | None:
    """Return `ChangedAt` in the Temporal UI."""
    found: datetime | None = (await complaint.handle.describe()).typed_search_attributes[keys.CHANGED_AT]
    return found


class TestSendersOfAnOlderRelease:
    async def test_one_that_acknowledges_nothing_gets_the_case_and_the_workflow_publishes(
        self, hotline: Hotline
    ) -> None:
        complaint = await hotline.start()
        command = {"actor": ADMIN.model_dump(mode="json"), "body": {"department": "repair"}, "key": "k", "digest": "d"}
        answer = await complaint.handle.execute_update("dispatch", command, result_type=dict)
        assert set(answer) == {"action", "digest", "version", "case"}
        assert (answer["action"], answer["digest"], answer["version"]) == ("dispatch", "d", 2)
        view = CaseView.model_validate(answer["case"])
        assert (view.state, view.version) == ("dispatched", 2)
        assert view.available_actions
        assert [row["action"] for row in await complaint.published(2)] == ["register", "dispatch"]


class TestKeys:
    @pytest.mark.slow
    async def test_a_key_is_known_for_48_hours(self, hotline: Hotline) -> None:
        complaint = await hotline.start()
        assert (await sent(complaint, "monday")).version == 2
        before = await complaint.ahead(seconds=KEYS_KNOWN_FOR.total_seconds() - 3600)
        assert (await sent(complaint, "monday")).version == 2
        assert (await complaint.view()).version == before.version
        after = await complaint.ahead(hours=2)
        assert (await sent(complaint, "wednesday")).version == after.version + 1
        assert [await known(complaint, key) for key in ("monday", "wednesday")] == [False, True]
        assert (await sent(complaint, "monday")).version == after.version + 2

    async def test_a_rebuild_knows_a_key_for_no_longer(
        self, hotline: Hotline, owner: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        complaint = await hotline.start()
        assert (await complaint.act(SAME, key="monday", digest="d")).version == 2
        await terminate(hotline.client, complaint.handle.id)
        monkeypatch.setattr(rebuild_workflows, "now", lambda: datetime.now(UTC) + KEYS_KNOWN_FOR)
        assert await rebuilder(hotline, owner).one(complaint.number) == STARTED
        assert (await again(hotline, complaint).act(SAME, key="monday", digest="d")).version == 3

    async def test_the_oldest_key_goes_when_there_are_too_many(self, hotline: Hotline) -> None:
        now = datetime.now(UTC)
        seen = {f"k{place}": Done(action="comment", digest="d", version=1, done_at=now) for place in range(MOST_KEYS)}
        complaint = await carried(hotline, seen=seen)
        assert await known(complaint, "k0")
        await sent(complaint, "new")
        asked = ("k0", "k1", f"k{MOST_KEYS - 1}", "new")
        assert [await known(complaint, key) for key in asked] == [False, True, True, True]

    async def test_a_key_that_is_too_long_is_refused(self, hotline: Hotline) -> None:
        """Two thousand of them travel in one start message."""
        complaint = await hotline.start()
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await complaint.handle.execute_update("comment", {"actor": ADMIN, "body": SAME, "key": "k" * 101})
        assert UNDECODED in str(refused.value.cause)

    async def test_a_version_from_the_future_is_refused_with_a_known_key_too(self, hotline: Hotline) -> None:
        """The case would believe that SQL has what nobody has written: nobody would be told of it."""
        complaint = await hotline.start()
        command: Command[Any] = Command(actor=ADMIN, body=Dispatch(department="repair"), key="k", digest="d")
        await complaint.handle.execute_update("dispatch", command.model_copy(update={"acknowledged": 1}))
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await complaint.handle.execute_update("dispatch", command.model_copy(update={"acknowledged": 10**9}))
        assert "SQL has more than its workflow" in str(refused.value.cause)
        await complaint.handle.signal(ComplaintWorkflow.publish)
        await complaint.published(2)
        assert {row["status"] for row in await complaint.rows("notifications")} == {"due"}


class TestNextRun:
    async def test_outbox_keys_and_the_instant_of_the_change_are_carried_over(self, short_runs: Hotline) -> None:
        """A batch is under way when the run is to end; what happened after it is left to senders who die."""
        complaint = await short_runs.start()
        first = (await complaint.handle.describe()).run_id
        await complaint.act(Dispatch(department="repair"), key="first", digest="d")
        with without_events(short_runs):
            await complaint.act(SAME, unwritten=True)
            await complaint.handle.signal(ComplaintWorkflow.publish)
            last = [await complaint.act(SAME, unwritten=True) for _ in range(8)][-1]
        described = await until(complaint.handle.describe, lambda seen: seen.run_id != first)
        start, _ = await start_of(complaint.handle, described.run_id)
        assert last.batch
        assert start.outbox == last.batch.events[-len(start.outbox) :]
        assert start.outbox[0].seq > 3
        assert (start.sender_version, start.changed_at) == (last.version, last.batch.changed_at)
        assert [*start.seen] == ["first"]
        assert (await complaint.act(SAME, unwritten=True)).version == last.version + 1
        await complaint.handle.signal(ComplaintWorkflow.publish)
        rows = await complaint.published(last.version + 1)
        assert [row["seq"] for row in rows] == [*range(1, last.version + 2)]
        assert [row["version"] for row in await complaint.rows("cases")] == [last.version + 1]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("known", "comments"), [(MOST_KEYS - AT_ONCE, 100), pytest.param(0, 2500, marks=pytest.mark.night)]
    )
    async def test_a_case_with_more_keyed_comments_than_are_kept_goes_on(
        self, short_runs: Hotline, known: int, comments: int
    ) -> None:
        """The start message stops to grow at MOST_KEYS keys: 100,000 comments lead to the same one as 2,500.

        An entry has 155 bytes: 35 for a key of the API, 120 for its outcome; 2,000 have 310 KB, the case some 10 KB.
        """
        now = datetime.now(UTC)
        seen = {
            f"k{place:031}": Done(action="comment", digest=f"{place:032}", version=1, done_at=now)
            for place in range(known)
        }
        complaints = [await (carried(short_runs, seen=seen) if known else short_runs.start()) for _ in range(2)]

        async def comment(complaint: Complaint, first: int) -> None:
            for key in (f"{place:032}" for place in range(first, comments, AT_ONCE)):

                async def taken(key: str = key) -> bool:
                    try:
                        await complaint.act(Comment(note="-"), key=key, digest=key)
                    except RPCError as error:
                        # Between two runs the server is busy at times; clients send the same again.
                        if error.status is not RPCStatusCode.RESOURCE_EXHAUSTED:
                            raise
                        return False
                    return True

                await until(taken, bool)

        await asyncio.gather(*(comment(each, first) for each in complaints for first in range(AT_ONCE)))
        for complaint in complaints:
            assert (await complaint.view()).version == comments + 1
            start, size = await start_of(complaint.handle, (await complaint.handle.describe()).run_id)
            assert len(start.seen) == MOST_KEYS
            assert MOST_KEYS * 150 < size < MOST_START_BYTES
            assert (await complaint.act(SAME)).version == comments + 2
            assert len(await complaint.published(comments + 2)) == comments + 2


class TestChangedAt:
    async def test_changes_of_one_instant_have_instants_of_their_own(self, hotline: Hotline) -> None:
        """Time does not move within a workflow task, which may take several updates."""
        complaint = await hotline.start()
        outcomes = await asyncio.gather(*(complaint.send(SAME, 1) for _ in range(8)))
        batches = sorted((each.batch for each in outcomes if each.batch), key=lambda batch: batch.case.version)
        assert [batch.case.version for batch in batches] == [*range(2, 10)]
        instants = [batch.changed_at for batch in batches]
        assert instants == sorted(set(instants))

    async def test_it_goes_on_while_the_clock_was_set_back(self, hotline: Hotline) -> None:
        """The run before noted a change an hour from now: the clock of the machine was set back since."""
        future = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        complaint = await carried(hotline, changed_at=future)
        instants = []
        for _ in range(3):
            batch = (await complaint.act(SAME)).batch
            assert batch
            instants.append(batch.changed_at)
        assert instants == [future + place * MILLISECOND for place in (1, 2, 3)]
        assert await until(lambda: shown(complaint), lambda seen: seen == instants[-1])


@pytest.mark.parametrize(
    ("kind", "name"),
    [("case", "of no name"), ("case", "publish"), ("incident", "of no name"), ("incident", "linked")],
)
async def test_signals_that_nobody_takes_end_no_run_but_by_the_next_one(
    short_runs: Hotline, kind: str, name: str
) -> None:
    """Temporal refuses further signals after 10,000 in a run; an incident that resolved would not hear of its cases."""
    started = (await short_runs.start() if kind == "case" else await declare(short_runs, "west")).handle
    handle = stranger(short_runs.client).get_workflow_handle(started.id)
    first = (await handle.describe()).run_id

    async def goes_on() -> bool:
        await handle.signal(name, GARBAGE)
        return (await handle.describe()).run_id != first

    await until(goes_on, bool)
