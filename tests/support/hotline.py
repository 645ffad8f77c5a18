"""A hotline for tests: the real worker on a real Temporal server, driven by the plain client, its time skipped."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Engine, text
from stdnum import verhoeff
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

import worker
from activities.cases import Projection
from activities.names import complaint_id
from domain.case.actions import ACTION_OF
from domain.case.actions.register import Registration
from domain.case.case import Case
from domain.case.intake import Intake, Location
from domain.case.state import BatchAnswer, ProjectionBatch
from domain.case.views import CaseView, Outcome
from domain.kit.event import ActionBody, Command
from domain.shared.actors import Actor, Role
from domain.shared.numbers import local_day
from domain.shared.value import to_milliseconds
from hotline.files.catalogue import load_catalogue
from hotline.recovery.histories import returned
from hotline.recovery.payloads import Origin
from hotline.settings import DEFAULT_CATALOGUE, Settings
from hotline.temporal.converter import SealingOptions
from readmodel.base.database import engine as engine_of
from readmodel.migrate import migrate
from readmodel.writer import GroupWriter
from tests.support.sealing import with_options
from workflows.clients.start import TASK_TIMEOUT
from workflows.complaint.messages import ComplaintStart, search_attributes, summary
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.kit.search_attributes import typed

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.02
ADMIN = Actor(id="chief", role=Role.ADMIN)
OWNER = "chen"

T = TypeVar("T")
_places = itertools.count(1)


def number_at(at: datetime, place: int) -> str:
    """The number of a case of that day."""
    digits = f"{local_day(at):%y%m%d}{place:06}"
    return digits + verhoeff.calc_check_digit(digits)


async def until(look: Callable[[], Awaitable[T]], holds: Callable[[T], bool], within: float = PATIENCE_SECONDS) -> T:
    """Return the first result of `look` that holds. Raises TimeoutError, naming the last result."""
    ends = time.monotonic() + within
    while not holds(seen := await look()):
        if time.monotonic() > ends:
            raise TimeoutError(f"still {seen!r} after {within} s")
        await asyncio.sleep(PAUSE_SECONDS)
    return seen


async def metadata(handle: WorkflowHandle[Any, Any]) -> WorkflowMetadata:
    """Return the description of a workflow that the Temporal UI shows."""
    found: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return found


class Complaint:
    """One running complaint."""

    def __init__(self, hotline: "Hotline", number: str, handle: WorkflowHandle[ComplaintWorkflow, None]) -> None:
        self.number = number
        self.handle = handle
        self.acknowledged = 0
        self._hotline = hotline

    async def act(
        self,
        body: ActionBody,
        by: Actor = ADMIN,
        key: str = "",
        digest: str = "",
        *,
        case_writes: bool = False,
        unwritten: bool = False,
    ) -> Outcome:
        """Send the update of this body, and write what it returns as the API does.

        `case_writes`: leave the batch to the case. `unwritten`: die before the batch is written.
        """
        outcome = await self.send(body, None if case_writes else self.acknowledged, by, key, digest)
        if not unwritten:
            await self._write(outcome.batch)
        return outcome

    async def send(
        self, body: ActionBody, acknowledged: int | None, by: Actor = ADMIN, key: str = "", digest: str = ""
    ) -> Outcome:
        """Send the update of this body, and write nothing."""
        command: Command[Any] = Command(actor=by, body=body, key=key, digest=digest, acknowledged=acknowledged)
        outcome = await self.handle.execute_update(
            ACTION_OF[type(body)].name, command, result_type=Outcome, id=key or None
        )
        return cast("Outcome", outcome)

    async def tell(self, update: Any, value: Any) -> None:
        """Send an update that is no action, and write what it returns."""
        returned: BatchAnswer = await self.handle.execute_update(update, value)
        await self._write(returned.batch)

    async def returned(self) -> list[list[str]]:
        """The actions in each batch that the case has returned; the first is that of its registration."""
        history = await self.handle.fetch_history()
        client = self._hotline.client
        origin = Origin(client.data_converter, client.namespace, self.handle.id)
        batches = [batch for event in history.events for batch in await returned(origin, event)]
        return [[event.action for event in batch.events] for batch in batches]

    async def _write(self, batch: ProjectionBatch | None) -> None:
        if batch and await self._hotline.projection.write(batch):
            self.acknowledged = batch.case.version

    async def view(self, actor: Actor | None = None) -> CaseView:
        """The live case, by the workflow's query; asked again of a run that is too new to answer."""

        async def look() -> CaseView | None:
            try:
                return await self.handle.query(ComplaintWorkflow.case, actor)
            except RPCError as error:
                if error.status is RPCStatusCode.FAILED_PRECONDITION:
                    return None
                raise

        view = await until(look, lambda seen: seen is not None)
        assert view is not None
        return view

    async def now(self) -> datetime:
        """The time of this workflow."""
        return await self._hotline.server.get_current_time(self.handle)

    async def ahead(self, **delta: float) -> CaseView:
        """Skip time, and see the case when all that fell due has happened."""
        await self._hotline.server.fast_forward(self.handle, timedelta(**delta))
        return await self.view()

    async def published(self, version: int) -> list[dict[str, Any]]:
        """The case's events in SQL, once this version is there."""
        return await until(self.rows, lambda rows: len(rows) >= version)

    async def rows(self, table: str = "events") -> list[dict[str, Any]]:
        """Return the case's rows of this table in SQL."""

        def read() -> list[dict[str, Any]]:
            with self._hotline.engine.connect() as connection:
                # The table names are the tests' own.
                query = text(f"SELECT * FROM {table} WHERE number = :number")
                found = connection.execute(query, {"number": self.number})
                return [dict(row) for row in found.mappings()]

        return await asyncio.to_thread(read)

    async def changed_at(self) -> datetime:
        """Return the instant of the last change, as SQL has it."""
        [row] = await self.rows("cases")
        return datetime.fromisoformat(row["changed_at"]).replace(tzinfo=UTC)

    async def lost(self) -> str | None:
        """Return the mark of a lost workflow, as SQL has it."""
        [row] = await self.rows("cases")
        return cast("str | None", row["lost"])

    async def closed(self) -> None:
        """Wait until the workflow has ended."""
        await asyncio.wait_for(self.handle.result(), PATIENCE_SECONDS)


class Hotline:
    """Starts complaints against one server, worker and database."""

    def __init__(
        self,
        server: WorkflowEnvironment,
        settings: Settings,
        engine: Engine,
        projection: Projection,
        client: Client | None = None,
    ) -> None:
        self.server = server
        self.client = client or server.client
        self.settings = settings
        self.engine = engine
        self.projection = projection
        self.catalogue = load_catalogue(settings.catalogue)

    def registration(self, service: str = "no_water", district: str = "west", **changes: Any) -> Registration:
        """A registration at the present instant, under the catalogue's terms."""
        at = datetime.now(UTC)
        values = {
            "number": number_at(at, next(_places)),
            "at": at,
            "actor": ADMIN,
            "owner": OWNER,
            "intake": Intake(service_code=service, description="家里没水", location=Location(district=district)),
            "terms": self.catalogue.terms(service, district, at),
        }
        return Registration.model_validate({**values, **changes})

    async def start(
        self, service: str = "no_water", district: str = "west", *, unwritten: bool = False, **changes: Any
    ) -> Complaint:
        """Register a complaint as the API does. `unwritten`: die before the batch is written."""
        registration = self.registration(service, district, **changes)
        case, events = Case.register(registration)
        complaint = await self.begin(ComplaintStart(source=registration, sender_version=case.version), case)
        if not unwritten:
            await self.projection.write(ProjectionBatch.of(case, events, to_milliseconds(case.registered_at)))
        return complaint

    async def begin(self, start: ComplaintStart, case: Case) -> Complaint:
        """Start the workflow of this case, and write nothing."""
        handle = await self.client.start_workflow(
            ComplaintWorkflow.run,
            start,
            id=complaint_id(case.number),
            task_queue=self.settings.task_queue,
            search_attributes=typed(search_attributes(case, to_milliseconds(case.registered_at))),
            static_summary=summary(case),
            task_timeout=TASK_TIMEOUT,
        )
        return Complaint(self, case.number, handle)

    async def start_with(self, body: ActionBody, **changes: Any) -> Complaint:
        """Register a complaint whose first task has this update in it."""
        registration = self.registration(**changes)
        case, _ = Case.register(registration)
        start = WithStartWorkflowOperation(
            ComplaintWorkflow.run,
            ComplaintStart(source=registration),
            id=complaint_id(registration.number),
            task_queue=self.settings.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            search_attributes=typed(search_attributes(case, to_milliseconds(case.registered_at))),
        )
        command: Command[Any] = Command(actor=ADMIN, body=body)
        await self.client.execute_update_with_start_workflow(
            ACTION_OF[type(body)].name, command, start_workflow_operation=start
        )
        return Complaint(self, registration.number, await start.workflow_handle())


@asynccontextmanager
async def running_hotline(
    server: WorkflowEnvironment, folder: Path, sealing: SealingOptions | None = None, **changes: Any
) -> AsyncIterator[Hotline]:
    """A worker at work on this server, with a migrated SQLite read model in `folder`."""
    settings = Settings(data_dir=folder, catalogue=DEFAULT_CATALOGUE, **{"sandbox": True, **changes})
    migrate(settings.database_url)
    engine, writing = engine_of(settings.database_url, read_only=True), engine_of(settings.database_url)
    client = with_options(server.client, **sealing) if sealing else server.client
    async with worker.running(client, settings), GroupWriter(writing) as writer:
        projection = Projection(writer, client, PATIENCE_SECONDS)
        yield Hotline(server, settings, engine, projection, client)
    engine.dispose()
    writing.dispose()
