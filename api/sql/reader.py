"""Reads of SQL from the event loop: each in a thread, with a time limit."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from api.problems import ProblemError, unavailable
from domain.case.case import Case
from domain.case.events import Event
from domain.case.intake import Caller, Intake
from domain.case.parts import PartState
from domain.customers.customer import CallerRecord, Thanks
from domain.incident.incident import Incident
from domain.incident.kind import IncidentEvent
from domain.incident.lifecycle import IncidentState
from domain.incident.opening import Scope
from readmodel import incidents
from readmodel.caller_records import caller_record, customer_record, thanks_between
from readmodel.case_queries import get_case, list_cases, versions
from readmodel.database import ReadConnection, reading
from readmodel.dead_letters import DeadLetter, dead_letters
from readmodel.decisions import Credited, Total, credited, totals
from readmodel.paging import Page, Place
from readmodel.parts import PartOfCase, list_parts
from readmodel.recognition import UNKNOWN_CALLER, CallerFacts, recognise
from readmodel.search import CaseFilters
from readmodel.timelines import Timeline, documents, incident_timeline, timeline

T = TypeVar("T")
log = logging.getLogger("hotline.api")

THREADS = 4
"""Reads at the same time; fewer than the connections of the engine's pool."""
ANSWER_SECONDS = 5.0
"""Longest wait for a read: a little more than PostgreSQL gives one statement."""
RETRY_SECONDS = 5


class _Connection:
    """A thread that keeps a connection of its own, which halves the work of a small read."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._connection: Connection | None = None

    def close(self) -> None:
        """Close both."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._connection is not None:
            self._connection.close()

    async def ask(self, question: Callable[[ReadConnection], T]) -> T:
        """Return the answer, after those to earlier questions. Raises what SQL raised."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, question)

    def _ask(self, question: Callable[[ReadConnection], T]) -> T:
        if self._connection is None:
            self._connection = self._engine.connect()
        try:
            found = question(ReadConnection(self._connection))
            self._connection.rollback()
        except BaseException:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
            raise
        return found


class Reader:
    """The read model, as the API needs it.

    Args:
        engine: to read with; disposed of by `close`.
        caller_seconds: longest wait for what is known of a caller; 0 asks nothing.
        area_code: tells that of telephones which are said without one, by the catalogue in force.
    """

    def __init__(self, engine: Engine, caller_seconds: float, area_code: Callable[[], str]) -> None:
        self._engine = engine
        self._area_code = area_code
        self._caller_seconds = caller_seconds
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sql")
        # Actions and intakes must not wait behind a search.
        self._versions = _Connection(engine, "sql-versions")
        self._callers = _Connection(engine, "sql-callers")

    def close(self) -> None:
        """Close threads and connections."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for line in (self._versions, self._callers):
            line.close()
        self._engine.dispose()

    async def versions(self, numbers: Sequence[str]) -> Mapping[str, int]:
        """Return the versions that SQL shows of these cases. Raises what SQL raised."""
        return await self._versions.ask(lambda sql: versions(sql, numbers))

    async def known(self, intake: Intake, at: datetime) -> CallerFacts | None:
        """Return what is known of the caller; None if SQL does not answer in time. Raises nothing."""
        said = (intake.caller.account_no, intake.caller.phone, intake.location.address)
        if not self._caller_seconds or not any(said):
            return UNKNOWN_CALLER
        try:
            async with asyncio.timeout(self._caller_seconds):
                return await self._callers.ask(lambda sql: recognise(sql, intake, at, self._area_code()))
        except Exception as error:  # noqa: BLE001 - no error of SQL may keep a caller waiting
            log.warning("SQL does not tell who calls: %s", type(error).__name__)
            return None

    async def known_late(self, intake: Intake, at: datetime, number: str) -> CallerFacts:
        """Return what was known of the caller at `at`, before the case of this number. Raises ProblemError."""
        return await self._answer(lambda sql: recognise(sql, intake, at, self._area_code(), number))

    async def case(self, number: str) -> Case | None:
        """Return the case, or None if SQL has none. Raises ProblemError with SQL down."""
        return await self._answer(lambda sql: get_case(sql, number))

    async def page(self, filters: CaseFilters, cursor: str | None, limit: int) -> Page[Case]:
        """Return a page of cases, newest first. Raises BadCursorError, and ProblemError with SQL down."""
        return await self._answer(lambda sql: list_cases(sql, filters, cursor, limit, self._area_code()))

    async def parts(
        self, department: str, states: Collection[PartState], cursor: str | None, limit: int
    ) -> Page[PartOfCase]:
        """Return a page of a department's parts (协办), the latest first. Raises BadCursorError, and ProblemError."""
        return await self._answer(lambda sql: list_parts(sql, department, states, cursor, limit))

    async def money(self, start: datetime, end: datetime) -> tuple[Total, ...]:
        """Return the decisions on money from `start` on, before `end`, by kind. Raises ProblemError with SQL down."""
        return await self._answer(lambda sql: totals(sql, start, end))

    async def credited(self, account_no: str, since: datetime) -> Sequence[Credited]:
        """Return the credits approved for this account since then. Raises ProblemError with SQL down."""
        return await self._answer(lambda sql: credited(sql, account_no, since))

    async def thanks(self, start: datetime, end: datetime) -> tuple[Thanks, ...]:
        """Return the thanks given from `start` on, before `end`, oldest first. Raises ProblemError with SQL down."""
        return await self._answer(lambda sql: thanks_between(sql, start, end))

    async def timeline(self, number: str, after: int, limit: int) -> Timeline[Event] | None:
        """Return a page of events, oldest first; None if SQL has no such case. Raises ProblemError."""

        def ask(sql: ReadConnection) -> Timeline[Event] | None:
            page = timeline(sql, number, after, limit)
            return page if page.items or versions(sql, [number]) else None

        return await self._answer(ask)

    async def documents(self, number: str) -> tuple[Event, ...] | None:
        """Return the notices and criticisms, oldest first; None if SQL has no such case. Raises ProblemError."""

        def ask(sql: ReadConnection) -> tuple[Event, ...] | None:
            found = documents(sql, number)
            return found if found or versions(sql, [number]) else None

        return await self._answer(ask)

    async def caller(self, caller: Caller, before: Place) -> CallerRecord:
        """Return what was known of the caller before the case of this place. Raises ProblemError with SQL down."""
        return await self._answer(lambda sql: caller_record(sql, caller, before, self._area_code()))

    async def customer(self, account_no: str) -> CallerRecord | None:
        """Return what is known of a customer; None if the registry has none. Raises ProblemError with SQL down."""
        return await self._answer(lambda sql: customer_record(sql, account_no, self._area_code()))

    async def dead_letters(self, cursor: str | None, limit: int) -> Page[DeadLetter]:
        """Return a page of dead letters, the latest first. Raises BadCursorError, and ProblemError with SQL down."""
        return await self._answer(lambda sql: dead_letters(sql, cursor, limit))

    async def taking_incidents(self) -> Sequence[tuple[str, Scope]]:
        """Return the incidents that new cases are linked to. Raises what SQL raised."""
        return await self._callers.ask(incidents.taking)

    async def incident_versions(self, numbers: Sequence[str]) -> Mapping[str, int]:
        """Return the versions that SQL shows of these incidents. Raises what SQL raised."""
        return await self._versions.ask(lambda sql: incidents.versions(sql, numbers))

    async def incident(self, number: str) -> Incident | None:
        """Return the incident, or None if SQL has none. Raises ProblemError with SQL down."""
        return await self._answer(lambda sql: incidents.get(sql, number))

    async def incident_counts(self, number: str) -> dict[str, int]:
        """Return the number of its cases in each state. Raises ProblemError with SQL down."""
        return await self._answer(lambda sql: incidents.case_counts(sql, number))

    async def incident_page(self, states: Collection[IncidentState], cursor: str | None, limit: int) -> Page[Incident]:
        """Return a page of incidents, the latest first. Raises BadCursorError, and ProblemError with SQL down."""
        return await self._answer(lambda sql: incidents.page(sql, states, cursor, limit))

    async def incident_timeline(self, number: str, after: int, limit: int) -> Timeline[IncidentEvent] | None:
        """Return a page of events, oldest first; None if SQL has no such incident. Raises ProblemError."""

        def ask(sql: ReadConnection) -> Timeline[IncidentEvent] | None:
            page = incident_timeline(sql, number, after, limit)
            return page if page.items or incidents.versions(sql, [number]) else None

        return await self._answer(ask)

    async def alive(self, seconds: float) -> bool:
        """Return True if SQL answers within so many seconds, with the tables in place."""
        try:
            async with asyncio.timeout(seconds):
                await self._run(lambda sql: versions(sql, ["0"]))
        except (TimeoutError, SQLAlchemyError):
            return False
        return True

    async def _answer(self, question: Callable[[ReadConnection], T]) -> T:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._run(question)
        except (TimeoutError, SQLAlchemyError) as error:
            log.warning("SQL does not answer: %s", type(error).__name__)
            raise away() from None

    async def _run(self, question: Callable[[ReadConnection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, question)

    def _ask(self, question: Callable[[ReadConnection], T]) -> T:
        with reading(self._engine) as connection:
            return question(connection)


def away(detail: str = "SQL does not answer. Complaints are still taken, and single ones can be read.") -> ProblemError:
    """Return the problem of a read model that is down or behind."""
    return unavailable("read-model-unavailable", detail, RETRY_SECONDS)
