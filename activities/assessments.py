"""Activities of the monthly assessment (考核): compute the figures, draw the sample, publish the month in SQL."""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from pydantic_core import to_json
from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.cases import plain_errors, read
from domain.assessment.assessment import Assessment, AssessmentBatch, Computing, DrawingSample, Drawn, draw
from domain.assessment.state import Computation, Result
from domain.calls.call import CallFigures, CallOutcome
from domain.catalogue.figures import ANSWERED_IN_15S, CALL_FIGURES, CALLS_ANSWERED, CONNECTED_RATE, Figure, Subject
from domain.shared.errors import BEHIND_SQL
from domain.shared.value import exhaustive
from readmodel.assessments import computation, months
from readmodel.base.database import read_in_thread
from readmodel.calls.report import Grouping, call_report
from readmodel.writer import GroupWriter

SLICE = 1000
"""Cases that are read together, and whose entries are written in one transaction: others write meanwhile."""
SLICES_AHEAD = 2
"""Slices that are read while one is written."""
IN_TIME_SECONDS = 15
"""Wait within which a call counts as answered in time."""


class AssessmentActivities:
    """The activities of assessments."""

    def __init__(self, writer: GroupWriter, engine: Engine) -> None:
        self._writer = writer
        self._engine = engine

    @activity.defn(name="publish_assessment")
    async def publish(self, batch: AssessmentBatch) -> int | None:
        """Commit the row of the assessment, its events and notifications; return the version of a later row."""
        with plain_errors():
            return await self._writer.run(partial(months.write, batch=batch))

    @activity.defn(name="compute_figures")
    async def compute(self, computing: Computing) -> Computation:
        """Compute the month under a new number. Run again, it writes the same rows.

        Raises ApplicationError if the month has this number already: nothing of what people see is replaced.
        """
        month, kept = computing.assessment, computing.assessment.computed
        shown = await read(self._engine, lambda sql: months.get(sql, month.number))
        if shown and shown.computed and shown.computed.serial >= computing.serial:
            message = f"SQL has computation {shown.computed.serial} of {month.number}: it was reset, or started again."
            raise ApplicationError(message, type=BEHIND_SQL.error_type, non_retryable=True)
        with plain_errors():
            await save_call_figures(self._engine, self._writer, month)
            await self._writer.run(partial(computation.forget, month=month.number, keep=kept.serial if kept else None))
            return await compute(
                self._engine, self._writer, month, computing.as_of, computing.serial, activity.heartbeat
            )

    @activity.defn(name="draw_sample")
    async def draw_sample(self, drawing: DrawingSample) -> Drawn:
        cases = await read(self._engine, lambda sql: months.registered(sql, drawing.month, drawing.computation))
        return Drawn(sample=draw(drawing.seed, drawing.per_agent, cases))


async def compute(
    engine: Engine,
    writer: GroupWriter,
    month: Assessment,
    as_of: datetime,
    serial: int,
    heartbeat: Callable[[], None] = lambda: None,
) -> Computation:
    """Call `heartbeat` after each slice of cases; the next ones are read while one is written."""
    digest, entries = hashlib.sha256(), 0
    left_out = await read_in_thread(engine, partial(computation.excluded, month=month, as_of=as_of))
    found = await read_in_thread(engine, partial(computation.candidates, since=month.since, until=month.until))

    async def write(rows: list[computation.EntryRow]) -> None:
        nonlocal entries
        if rows:
            # As one array, whichever cases are read together.
            digest.update(to_json(rows)[1:-1] + b",")
            entries += len(rows)
            await writer.run(partial(computation.write_entries, month=month.number, computation=serial, rows=rows))
        heartbeat()

    await write(computation.inspection_rows(month, left_out))
    reading = deque[asyncio.Task[list[computation.EntryRow]]]()
    for start in range(0, len(found), SLICE):
        part = found[start : start + SLICE]
        read_part = partial(computation.entry_rows, month=month, candidates=part, left_out=left_out)
        reading.append(asyncio.create_task(read_in_thread(engine, read_part)))
        if len(reading) > SLICES_AHEAD:
            await write(await reading.popleft())
    while reading:
        await write(await reading.popleft())
    queries = (partial(computation.items_of, month=month, computation=serial, by=by) for by in Subject)
    counted = await asyncio.gather(*(read_in_thread(engine, query) for query in queries))
    items = [item for of_kind in counted for item in of_kind]
    digest.update(to_json(items))
    await writer.run(partial(computation.write_items, month=month.number, computation=serial, items=items))
    results = tuple(Result.taken_from(item) for item in items if item.score is not None)
    return Computation(serial=serial, as_of=as_of, digest=digest.hexdigest(), entries=entries, results=results)


async def save_call_figures(engine: Engine, writer: GroupWriter, month: Assessment) -> None:
    """Save the figures of calls as they are now: no event of a case tells them, and calls may be reported later."""
    zone = ZoneInfo(month.standard.calendar.timezone)
    report = await read_in_thread(engine, lambda sql: call_report(sql, Grouping.AGENT, month.since, month.until, zone))
    # A report has a line for everybody on duty as well; without a call there is nothing to assess.
    agents = ((item.key, item.figures.calls[CallOutcome.ANSWERED]) for item in report.items if item.key)
    values = [
        months.GivenValue(CALLS_ANSWERED.name, Subject.AGENT, agent, answered, answered)
        for agent, answered in agents
        if answered
    ]
    total, company = report.total.figures, Subject.COMPANY
    for figure, value_of in _OF_COMPANY.items() if total.offered else ():
        value, part, whole = value_of(total, total.calls[CallOutcome.ANSWERED])
        if value is not None:
            values.append(months.GivenValue(figure.name, company, company.value, value, part, whole))
    figures = [figure.name for figure in CALL_FIGURES]
    await writer.run(partial(months.replace_given_values, month=month.number, figures=figures, values=values))


_OF_COMPANY: Mapping[Figure, Callable[[CallFigures, int], tuple[float | None, int, int | None]]] = exhaustive(
    "_OF_COMPANY",
    CALL_FIGURES,
    {
        CONNECTED_RATE: lambda calls, answered: (calls.connected_rate, answered, calls.offered),
        ANSWERED_IN_15S: lambda calls, answered: (
            calls.answered_within(IN_TIME_SECONDS),
            calls.in_time(IN_TIME_SECONDS),
            answered,
        ),
        CALLS_ANSWERED: lambda _, answered: (answered, answered, None),
    },
)
"""Value of each figure of calls with its numerator and denominator, of the company's calls and those answered."""


async def verify(engine: Engine, month: Assessment, as_of: datetime) -> Computation:
    """Compute a month again as of its last computation, and keep nothing of it."""
    clear = partial(computation.forget, month=month.number, only=computation.CHECK)
    # A comparison that was broken off has left its rows.
    async with GroupWriter(engine) as writer:
        await writer.run(clear)
        try:
            return await compute(engine, writer, month, as_of, computation.CHECK)
        finally:
            await writer.run(clear)
