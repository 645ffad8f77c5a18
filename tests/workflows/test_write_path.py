"""Several writers of one case: in any order, late or twice, they leave the rows of one writer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from temporalio.client import WorkflowExecutionDescription, WorkflowUpdateFailedError
from temporalio.service import RPCError

from activities.cases import Projection
from api.edge.middleware import Metrics
from api.sql import ProjectionWriter, Reader
from domain.case.actions import ACTION_OF
from domain.case.actions.comment import Comment
from domain.case.actions.complete import Complete
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.involve import Involve
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.actions.urge import Urge
from domain.case.actions.withdraw import Withdraw
from domain.case.automatic.internal_updates import Undelivered
from domain.case.case import Case
from domain.case.lifecycle import Event
from domain.case.state import ProjectionBatch
from domain.kit.event import ActionBody
from domain.shared.value import to_milliseconds
from hotline.recovery.histories import read_case
from hotline.recovery.rebuild import repair_case
from readmodel.base.database import engine as engine_of
from readmodel.base.database import writing
from readmodel.cases.tables import cases, events
from readmodel.projection import NotRegisteredError, write
from readmodel.writer import GroupWriter
from tests.support.hotline import ADMIN, PATIENCE_SECONDS, Complaint, Hotline, running_hotline, until
from tests.support.rows import clear, everything
from tests.support.temporal import temporal_server
from workflows.complaint.messages import ComplaintStart
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.kit import search_attributes as keys

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIMIT = "limit.historyCount.suggestContinueAsNew=60"
"""Some ten actions: the longest plans take a case into its next run."""
BODIES: dict[str, ActionBody] = {
    ACTION_OF[type(body)].name: body
    for body in (
        Comment(note="用户又来电"),
        Dispatch(department="repair"),
        SignFor(),
        Involve(department="network", task="查管网"),
        RequestApproval(subject="换表"),
        DecideApproval(approved=True),
        Suspend(reason="等用户"),
        Urge(),
        Complete(result="阀芯已复位"),
        Reply(message="已恢复供水"),
        FollowUp(outcome="dissatisfied"),
        Withdraw(reason="用户撤销"),
    )
}
"""Body of each action that a process may send."""


class Act(NamedTuple):
    """A process sends an action: one of those that are possible then. Its batch is written now, meanwhile, or held."""

    process: int
    choice: int
    fate: str


class Step(NamedTuple):
    """Anything else: `write` a held batch, `rerun` an old activity, `repair` as the reconciler does, `skip` time.

    `both` processes act at once, or somebody acts in the `ui`; `publish` and `undelivered` are the service's own.
    """

    kind: str
    choice: int


fates = st.sampled_from(["now", "meanwhile", "held", "held"])
acts = st.builds(Act, st.integers(0, 1), st.integers(0, 11), fates)
kinds = st.sampled_from(["write", "write", "rerun", "repair", "both", "ui", "publish", "undelivered", "skip"])
plans = st.lists(st.one_of(acts, acts, st.builds(Step, kinds, st.integers(0, 11))), min_size=3, max_size=16)
examples = settings(
    deadline=None,
    # A plan that fails is short enough to be read, and may wait a minute for rows that never come.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True, repr=False)  # a plan that fails is shown with it, and with all cases that its writers know
class Service:
    """A worker, and two API processes beside it, on one database."""

    hotline: Hotline
    database: Engine
    processes: tuple[ProjectionWriter, ProjectionWriter]
    activity: Projection


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder: Path = tmp_path_factory.mktemp("write-path")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(await temporal_server(LIMIT))
        hotline = await stack.enter_async_context(running_hotline(server, folder, database_url=module_database_url))
        one, other = [await stack.enter_async_context(api_process(hotline)) for _ in range(2)]
        database = engine_of(module_database_url)
        writer = await stack.enter_async_context(GroupWriter(database))
        yield Service(hotline, database, (one, other), Projection(writer, hotline.client, PATIENCE_SECONDS))
        database.dispose()


@asynccontextmanager
async def api_process(hotline: Hotline) -> AsyncIterator[ProjectionWriter]:
    """Writer of another API process: it has connections of its own, and knows what it has committed itself."""
    database, reading = (
        engine_of(hotline.settings.database_url),
        engine_of(hotline.settings.database_url, read_only=True),
    )
    reader = Reader(reading, PATIENCE_SECONDS, lambda: "0760")
    async with GroupWriter(database) as writer:
        projection = Projection(writer, hotline.client, PATIENCE_SECONDS)
        yield ProjectionWriter(projection, reader, Metrics(lambda: 0))
    reader.close()
    database.dispose()
    reading.dispose()


class Play:
    """One case, and the batches that its senders have been given."""

    def __init__(self, service: Service, complaint: Complaint) -> None:
        self._service = service
        self._complaint = complaint
        self._given: list[tuple[ProjectionWriter, ProjectionBatch]] = []
        self._writing: list[asyncio.Task[None]] = []
        self._over = False

    @classmethod
    async def begin(cls, service: Service, fate: str) -> "Play":
        """Register a case; its first batch is written as `fate` says."""
        registration = service.hotline.registration()
        case, first = Case.register(registration)
        start = ComplaintStart(source=registration, sender_version=case.version)
        play = cls(service, await service.hotline.begin(start, case))
        await play._give(0, ProjectionBatch.of(case, first, to_milliseconds(case.registered_at)), fate)
        return play

    async def go(self, step: Act | Step) -> None:
        """Take a step; nothing happens where it is not possible. SQL never shows half of a version."""
        if isinstance(step, Act):
            await self._act(*step)
        elif step.kind == "write":
            await self._write(*self._given[step.choice % len(self._given)])
        elif step.kind == "rerun":
            await self._service.activity.publish(self._given[step.choice % len(self._given)][1])
        elif step.kind == "repair":
            with suppress(NotRegisteredError):  # Temporal does not list the case yet
                await repair_case(self._service.hotline.client, self._service.database, self._complaint.number, None)
        elif not self._over:
            await self._tell(step)
        for version, count in await asyncio.to_thread(self._shown):
            assert version == count

    async def settle(self, order: Sequence[int]) -> tuple[list[Event], Any]:
        """Publish what nobody has written, then write old batches again in this order; the events and `ChangedAt`."""
        await self._service.processes[0].projection.signal_publish(self._complaint.number)
        await asyncio.gather(*self._writing)
        version = (await self._complaint.view()).version
        await until(lambda: asyncio.to_thread(self._shown), lambda shown: shown == [(version, version)])
        # An activity that ends after its case would write into the rows of the next play.
        idle = await until(self._complaint.handle.describe, lambda found: not found.raw_description.pending_activities)
        with suppress(RPCError):  # it may have ended
            await self._complaint.handle.terminate()
        recorded = (await read_case(self._service.hotline.client, await self._runs())).batches
        await asyncio.gather(*(self._service.activity.publish(recorded[place % len(recorded)]) for place in order))
        found = {event.seq: event for batch in recorded for event in batch.events}
        return [found[seq] for seq in sorted(found)], idle.typed_search_attributes[keys.CHANGED_AT]

    async def _tell(self, step: Step) -> None:
        if step.kind == "both":
            await asyncio.gather(*(self._act(process, step.choice + process, "now") for process in (0, 1)))
        elif step.kind == "ui":
            await self._act(None, step.choice, "now")
        elif step.kind == "publish":
            await self._service.processes[0].projection.signal_publish(self._complaint.number)
        elif step.kind == "undelivered":
            with suppress(WorkflowUpdateFailedError):  # it is known already
                await self._complaint.handle.execute_update(
                    ComplaintWorkflow.undelivered, Undelivered(key="k", channel="sms", error="HTTP 503")
                )
        else:
            self._over = not (await self._complaint.ahead(minutes=1 + 7 * step.choice)).available_actions

    async def _act(self, process: int | None, choice: int, fate: str) -> None:
        possible = [name for name in (await self._complaint.view(ADMIN)).available_actions if name in BODIES]
        self._over = not possible
        if self._over:
            return
        body, number = BODIES[possible[choice % len(possible)]], self._complaint.number
        acknowledged = None if process is None else self._service.processes[process].acknowledged(number)
        try:
            outcome = await self._complaint.send(body, acknowledged)
        except WorkflowUpdateFailedError:  # the other process was first
            return
        self._over = isinstance(body, Withdraw)
        if process is not None and outcome.batch:
            await self._give(process, outcome.batch, fate)

    async def _give(self, process: int, batch: ProjectionBatch, fate: str) -> None:
        given = self._service.processes[process], batch
        self._given.append(given)
        if fate == "meanwhile":
            self._writing.append(asyncio.create_task(self._write(*given)))
        elif fate == "now":
            await self._write(*given)

    async def _write(self, process: ProjectionWriter, batch: ProjectionBatch) -> None:
        """Write it as the API does; the case that the API answers with is at least at this version."""
        case, committed = await process.write(batch)
        assert committed
        assert case
        assert case.version >= batch.case.version

    def _shown(self) -> list[tuple[int, int]]:
        """Return version and number of events of the case in SQL, in one look; empty if it is not there."""
        with self._service.database.connect() as connection:
            query = select(cases.c.version, func.count(events.c.seq)).join(events, events.c.number == cases.c.number)
            found = connection.execute(query.where(cases.c.number == self._complaint.number).group_by(cases.c.version))
            return [tuple(row) for row in found]

    async def _runs(self) -> list[WorkflowExecutionDescription]:
        client, run_id, found = self._service.hotline.client, self._complaint.handle.first_execution_run_id, []
        while run_id:
            handle = client.get_workflow_handle(self._complaint.handle.id, run_id=run_id)
            found.append(await handle.describe())
            last = (await handle.fetch_history()).events[-1]
            run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        return found


def written_in_order(database: Engine, happened: Sequence[Event], changed_at: Any) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of one writer that writes every event of the case in order."""
    clear(database)
    for seq in range(1, len(happened) + 1):
        with writing(database) as connection:
            write(connection, [ProjectionBatch.of(Case.fold(happened[:seq]), happened[seq - 1 : seq], changed_at)])
    return everything(database)


async def leaves_the_same_rows(service: Service, first: str, plan: list[Act | Step], order: list[int]) -> None:
    await asyncio.to_thread(clear, service.database)
    play = await Play.begin(service, first)
    for step in plan:
        await play.go(step)
    happened, changed_at = await play.settle(order)
    found = await asyncio.to_thread(everything, service.database)
    assert [event.seq for event in happened] == list(range(1, len(happened) + 1))
    assert found == await asyncio.to_thread(written_in_order, service.database, happened, changed_at)


orders = st.lists(st.integers(0, 40), max_size=8)


@pytest.mark.slow
@settings(examples, max_examples=20)
@given(first=fates, plan=plans, order=orders)
async def test_any_interleaving_of_writers_leaves_the_rows_of_one(
    service: Service, first: str, plan: list[Act | Step], order: list[int]
) -> None:
    await leaves_the_same_rows(service, first, plan, order)


@pytest.mark.night
@settings(examples, max_examples=150)
@given(first=fates, plan=plans, order=orders)
async def test_many_interleavings_of_writers_leave_the_rows_of_one(
    service: Service, first: str, plan: list[Act | Step], order: list[int]
) -> None:
    await leaves_the_same_rows(service, first, plan, order)
