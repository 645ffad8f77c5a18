"""Reads and writes of the read model from the event loop, within a time limit."""

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Concatenate, ParamSpec, TypeVar, TypeVarTuple, Unpack

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from activities.cases import Projection
from api.edge.middleware import Metrics
from api.edge.problems import BEHIND_SQL, ProblemError, declare, unavailable
from domain.assessment.assessment import Assessment, AssessmentBatch
from domain.case.case import Case
from domain.case.intake import Intake, Location
from domain.case.lifecycle import Event
from domain.case.progress import Progress
from domain.case.state import ProjectionBatch
from domain.incident.incident import Incident, IncidentBatch
from domain.incident.state import CasePlace, Scope
from domain.shared.value import to_milliseconds
from readmodel import incidents
from readmodel.assessments import months
from readmodel.base.database import ReadConnection, WriteConnection, reading, write_in_thread
from readmodel.base.paging import BadCursorError
from readmodel.callers import UNKNOWN_CALLER, CallerLookup, note_recognised, recognise
from readmodel.cases.queries import get_case, versions
from readmodel.projection import DivergedError

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Query = Callable[Concatenate[ReadConnection, P], T]
"""Function of `readmodel` that reads."""
log = logging.getLogger("hotline.api")

READ_MODEL_UNAVAILABLE = declare("read-model-unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Read model unavailable")
INVALID_CURSOR = declare("invalid-cursor", HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid cursor")
THREADS = 4
"""Reads at the same time; fewer than the connections of the engine's pool."""
ANSWER_SECONDS = 5.0
"""Longest wait for a read: a little more than PostgreSQL gives one statement."""
FRESH_SECONDS = 1.0
"""Age from which the open incidents are read again; intakes go on with the known ones meanwhile."""
STALE_SECONDS = 2.0
"""Age from which intakes wait for that read. The second search of an incident links what a younger list missed."""
SHARED_SECONDS = 5.0
"""Age up to which what was read is shared with others who ask the same."""
RETRY_SECONDS = 5


class Reader:
    """Reader of the read model, whose engine `close` disposes of.

    An intake waits for `intake_seconds` at most; with 0 it asks nothing. `area_code` is that of telephones without one.
    """

    def __init__(self, engine: Engine, intake_seconds: float, area_code: Callable[[], str]) -> None:
        self._engine = engine
        self._area_code = area_code
        self._intake_seconds = intake_seconds
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sql")
        # Intakes must not wait behind a search.
        self._intakes = ThreadPoolExecutor(1, thread_name_prefix="sql-intakes")
        self._open_incidents: Sequence[tuple[str, Scope]] = ()
        self._incidents_read_at = -math.inf
        self._incidents_reading: asyncio.Task[None] | None = None
        self._shared: dict[object, tuple[datetime, object, asyncio.Task[Any]]] = {}

    async def begin(self) -> None:
        """Read the open incidents before the first intake. Raises nothing if SQL does not answer."""
        if self._intake_seconds:
            await asyncio.wait([self._read_incidents()], timeout=ANSWER_SECONDS)

    def close(self) -> None:
        for threads in (self._threads, self._intakes):
            threads.shutdown(wait=True, cancel_futures=True)
        self._engine.dispose()

    async def ask(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raise ProblemError if SQL is down, and for a bad cursor."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self.read(query, *args, **kwargs)
        except BadCursorError as error:
            raise bad_cursor(str(error)) from None
        except (TimeoutError, SQLAlchemyError) as error:
            log.warning("SQL does not answer: %s", type(error).__name__)
            raise sql_unavailable() from None

    async def shared(self, query: Callable[[ReadConnection, datetime, Unpack[Ts]], T], now: datetime, *args: *Ts) -> T:
        """Read as `ask`, once for all who ask with the same objects within SHARED_SECONDS."""
        self._shared = {
            key: (at, given, reading)
            for key, (at, given, reading) in self._shared.items()
            if 0 <= (now - at).total_seconds() < SHARED_SECONDS and not (reading.done() and reading.exception())
        }
        key = query, *map(id, args)
        if key not in self._shared:
            # With the arguments, so that nothing else gets the id of one.
            self._shared[key] = now, args, asyncio.create_task(self.ask(query, now, *args))
        found: T = await asyncio.shield(self._shared[key][2])
        return found

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Wait as long as SQL does, and raise what it raised."""
        return await self._read_in(self._threads, lambda connection: query(connection, *args, **kwargs))

    async def _read_in(self, threads: Executor, query: Callable[[ReadConnection], T]) -> T:
        def ask() -> T:
            with reading(self._engine) as connection:
                return query(connection)

        return await asyncio.get_running_loop().run_in_executor(threads, ask)

    async def known(self, intake: Intake, at: datetime) -> CallerLookup | None:
        """Read what is known of the caller; None if SQL does not answer in time. Raises nothing."""
        contact = (intake.caller.account_no, intake.caller.phone, intake.location.address)
        if not self._intake_seconds or not any(contact):
            return UNKNOWN_CALLER
        try:
            async with asyncio.timeout(self._intake_seconds):
                return await self._read_in(self._intakes, lambda sql: recognise(sql, intake, at, self._area_code()))
        except Exception as error:  # noqa: BLE001 - no error of SQL may keep a caller waiting
            log.warning("SQL does not tell what an intake asks: %s", type(error).__name__)
            return None

    async def known_late(self, intake: Intake, at: datetime, number: str | None = None) -> CallerLookup:
        """Read what was known of the caller at `at`, before the case of this number. Raises ProblemError."""
        return await self.ask(recognise, intake, at, self._area_code(), number)

    async def incident_covering(self, service: str, location: Location) -> str | None:
        """Oldest open incident that covers both. Raises nothing: if SQL is late, those that were read last count."""
        age = time.monotonic() - self._incidents_read_at
        if self._intake_seconds and age >= FRESH_SECONDS:
            reading = self._read_incidents()
            if age >= STALE_SECONDS:
                await asyncio.wait([reading], timeout=self._intake_seconds)
        place = CasePlace(location.district, location.address, location.lat, location.lng)
        return next((number for number, scope in self._open_incidents if scope.covers(service, place)), None)

    def _read_incidents(self) -> asyncio.Task[None]:
        """Join the read that is under way, or else begin one."""
        if self._incidents_reading is None or self._incidents_reading.done():
            self._incidents_reading = asyncio.create_task(self._refresh_incidents())
        return self._incidents_reading

    async def _refresh_incidents(self) -> None:
        asked_at = time.monotonic()
        try:
            self._open_incidents = await self._read_in(self._intakes, incidents.open_scopes)
            self._incidents_read_at = asked_at
        except Exception as error:  # noqa: BLE001 - no error of SQL may keep a caller waiting
            log.warning("SQL does not tell the open incidents: %s", type(error).__name__)


def sql_unavailable(
    detail: str = "SQL does not answer. A single complaint can be read as long as its workflow answers.",
) -> ProblemError:
    return unavailable(READ_MODEL_UNAVAILABLE, detail, RETRY_SECONDS)


def bad_cursor(reason: str) -> ProblemError:
    return ProblemError(
        INVALID_CURSOR,
        f"{reason[:1].upper()}{reason[1:]}.",
        accepted=[("所得的 next_cursor", "a next_cursor"), ("不带 cursor", "no cursor")],
    )


DIRECT_WRITE_SECONDS = 30.0
"""Longest wait for the lock and the answer together: a few large imports at once are all taken."""


@dataclass(frozen=True, slots=True)
class DirectWriter:
    """Writer of transactions that change nothing if they are sent again.

    They may take seconds, and run beside those of `GroupWriter`: no batch of a case waits for an import of calls.
    They wait for each other, however many there are: SQL would give up those that wait for its lock.
    """

    engine: Engine
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def write(self, work: Callable[[WriteConnection], T]) -> T:
        """Raise ProblemError 503 if SQL does not answer in time: it may have been written all the same."""
        try:
            async with asyncio.timeout(DIRECT_WRITE_SECONDS), self._lock, asyncio.timeout(ANSWER_SECONDS):
                return await write_in_thread(self.engine, work)
        except (TimeoutError, SQLAlchemyError) as error:
            log.warning("SQL does not answer: %s", type(error).__name__)
            raise sql_unavailable(
                "SQL does not answer. Send the same again: it may have been written already, which does no harm."
            ) from None


CASES_IN_MEMORY = 1000
"""Cases that are kept in memory, some 60 KB each: those that somebody acted on last."""


@dataclass(frozen=True, slots=True)
class ProjectionWriter:
    """Writer of the batches that Temporal has returned to this process. It raises nothing if SQL is down.

    The `projection` has cases publish what SQL does not take.
    """

    projection: Projection
    reader: Reader
    metrics: Metrics
    _committed: OrderedDict[str, Case] = field(default_factory=OrderedDict)
    _versions: dict[str, int] = field(default_factory=dict)
    """Versions of incidents and assessments."""

    def acknowledged(self, number: str) -> int:
        """Version of the case or incident that SQL is known to have; 0 if none is known."""
        case = self._committed.get(number)
        return case.version if case else self._versions.get(number, 0)

    async def register(self, case: Case, events: Sequence[Event]) -> bool:
        """Write the first batch of a case; return True once it is committed. Raises ProblemError as `write` does."""
        written = self.projection.write(ProjectionBatch.of(case, events, to_milliseconds(case.registered_at)))
        committed = await self._commit(written, "case", case.number, case)
        if committed:
            self._remember(case)
        return committed

    async def write(self, batch: ProjectionBatch) -> tuple[Case | None, bool]:
        """Write what an update returned; return the case, None if it cannot be known here, and True once committed.

        Raises ProblemError if SQL has other events of the case: its workflow was reset or replaced.
        """
        committed = await self._commit(self.projection.write(batch), "case", batch.number, batch.case)
        case = self._after(batch)
        if committed and case is None:
            with suppress(ProblemError):
                case = await self.reader.ask(get_case, batch.number)
        if committed and case:
            self._remember(case)
        return case, committed

    async def has(self, number: str, version: int) -> bool:
        """Return True if SQL has this version of the case; else the case is signalled to publish it."""
        with suppress(ProblemError):
            if (await self.reader.ask(versions, [number])).get(number, 0) >= version:
                return True
        await self.projection.signal_publish(number)
        return False

    async def write_entity(self, batch: IncidentBatch | AssessmentBatch) -> bool:
        """Return True once committed; the workflow publishes the batch too. Raises ProblemError as `write` does."""
        entity: Incident | Assessment
        if isinstance(batch, IncidentBatch):
            kind, entity, write = "incident", batch.incident, partial(incidents.write, batch=batch)
        else:
            kind, entity, write = "assessment", batch.assessment, partial(months.write, batch=batch)
        committed = await self._commit(self.projection.run(write), kind, entity.number, entity)
        if committed:
            self._versions[entity.number] = max(entity.version, self._versions.get(entity.number, 0))
        return committed

    async def note_recognised(self, number: str, caller_version: int) -> None:
        """Note that this caller was looked up; if SQL does not take it, the caller is looked up again."""
        await self.projection.run(partial(note_recognised, number=number, caller_version=caller_version))

    async def _commit(
        self, written: Awaitable[bool], kind: str, number: str, entity: Progress | Incident | Assessment
    ) -> bool:
        """Return True once a batch is committed. Raises ProblemError for one that SQL will never take."""
        committed = False
        try:
            committed = await written
        except DivergedError:
            repair = f"`hotline rebuild workflows --case {number}`"
            if kind == "assessment":
                repair = f"`hotline assessment begin {number}`, once its workflow is terminated"
            detail = (
                f"SQL has other events of the {kind} {number}: its workflow was reset or replaced. What was sent is in"
                f" Temporal alone, as version {entity.version}; lists and reports keep what SQL has. An operator brings"
                f" it back as SQL has it by {repair}; then send it again."
            )
            raise ProblemError(BEHIND_SQL, detail, state=entity.state, version=entity.version, accepted=[]) from None
        finally:
            if kind == "case":
                self.metrics.wrote(committed=committed)
        return committed

    def _after(self, batch: ProjectionBatch) -> Case | None:
        """Bring the case in memory to this batch; None if it is not there, or has other terms by now.

        The answer to a repeated request has the batch of the first time, to which the case does not go back.
        """
        case = self._committed.get(batch.number)
        if case is None or case.version > batch.case.version or case.later_terms != batch.case.later_terms:
            return None
        return case.with_progress(batch.case)

    def _remember(self, case: Case) -> None:
        if case.version >= self.acknowledged(case.number):
            self._committed[case.number] = case
        self._committed.move_to_end(case.number)
        if len(self._committed) > CASES_IN_MEMORY:
            self._committed.popitem(last=False)
