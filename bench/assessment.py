"""Time of the assessment of a month among a million cases of three years, and of the lists behind its numbers.

The activity of the worker computes the figures, with ten calls for each case, and one case in a hundred excluded; the
last month three times, as from its draft to its end, when it also deletes what it computed first. Lists are those of
every kind of subject and of entry, for the subject with the most entries and the one with the fewest, the first page
and the last one.
"""

import asyncio
import gc
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from zoneinfo import ZoneInfo

import psutil
from sqlalchemy import ColumnElement, Engine, func, insert, literal, select
from temporalio.testing import ActivityEnvironment

from activities.assessments import AssessmentActivities
from api.assessments import answers
from api.exports.files import lines
from bench import postgres
from bench.assessment_data import fill
from bench.calls import START, processors_of
from bench.measure import MILLISECONDS
from bench.report import Figure
from bench.server import tell
from domain.assessment.assessment import Assessment, AssessmentOpening, Computing
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.figures import EntryKind, Subject
from domain.catalogue.terms import Edition
from domain.reports.report import month_bounds, month_of, next_month
from hotline.files.catalogue import load_catalogue
from hotline.process import collect_less
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.assessments.computation import SUBJECTS, figure_entries
from readmodel.assessments.months import Number, cases_behind
from readmodel.base.database import ReadConnection, engine, reading, writing
from readmodel.migrate import migrate
from readmodel.writer import GroupWriter

MONTHS = (1, 18, 35)
"""Months that are assessed, of 36: an early one, one in the middle, the last one."""
COMPUTATIONS = 3
"""Computations of the last month."""
OF_EXPORT = COMPUTATIONS + 1
"""Number of a computation with the entries that are exported."""
PAGE, REPEATS, SHOWN = 50, 3, 5
EXPORTED = 100_000
MEBIBYTE = 1024**2
_row = figure_entries.c


@dataclass(frozen=True)
class Computed:
    """Computation of one month: its entries, the seconds on the clock, and of processors in PostgreSQL and Python."""

    month: str
    serial: int
    entries: int
    seconds: float
    processor_seconds: float

    @property
    def name(self) -> str:
        """Month and number of the computation."""
        return f"{self.month}, computation {self.serial}"


@dataclass(frozen=True)
class Listed:
    """Page of the list behind a number."""

    number: str
    rows: int
    milliseconds: float


@dataclass(frozen=True)
class Exported:
    """Export of many entries: the seconds that it took, and by how much the memory of the process grew."""

    entries: int
    seconds: float
    mebibytes: float


async def measure(*, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Measure assessments of months, and the lists behind their numbers, on PostgreSQL."""
    count = 50_000 if quick else 1_000_000
    with postgres.running() as server:
        await asyncio.to_thread(migrate, server.url)
        catalogue = load_catalogue(DEFAULT_CATALOGUE)
        await asyncio.to_thread(fill, server.url, server.uri, catalogue, count)
        tell("  the cases are there")
        database = engine(server.url)
        *earlier, last = _months(catalogue)
        with _collecting_as_a_worker():
            computed = [each for month in earlier for each in await _computed(server, database, catalogue, month, 1)]
            computed += await _computed(server, database, catalogue, last, COMPUTATIONS)
        pages = await asyncio.to_thread(_pages, database, last)
        exported = await asyncio.to_thread(_export, database, last)
        database.dispose()
    figures = [
        Figure(
            f"a month of {count:,} cases assessed, slowest of {len(computed)}",
            max(one.seconds for one in computed),
            "s",
            at_most=10,
        ),
        *(
            Figure(f"  {one.month}, computation {one.serial}, {one.entries:,} entries", one.seconds, "s")
            for one in computed
        ),
        *(
            Figure(f"  processor time, {one.month}, computation {one.serial}", one.processor_seconds, "s")
            for one in computed
        ),
        Figure(f"slowest of {len(pages)} pages behind its numbers", pages[0].milliseconds, "ms", at_most=50),
        *(Figure(f"  {page.number}", page.milliseconds, "ms") for page in pages[:SHOWN]),
        Figure(f"{exported.entries:,} entries exported as CSV", exported.seconds, "s"),
        Figure("  growth of the memory meanwhile", exported.mebibytes, "MiB", at_most=32),
    ]
    return figures, {
        "months": [asdict(one) for one in computed],
        "pages": [asdict(page) for page in pages],
        "export": asdict(exported),
    }


@contextmanager
def _collecting_as_a_worker() -> Iterator[None]:
    """Let the collector of garbage run as often as in a worker."""
    before = gc.get_threshold()
    collect_less()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def opened(catalogue: Catalogue, month: str) -> Assessment:
    """Return the assessment of a month as it begins."""
    since, until = month_bounds(month, _zone(catalogue))
    standard = catalogue.standard(until)
    assert standard is not None
    edition = Edition(digest="0" * 12, name="Benchmark", name_zh="基准")
    opening = AssessmentOpening(
        month=month, at=until, since=since, until=until, seed=month, standard=standard, edition=edition
    )
    return Assessment.open(opening)[0]


def _zone(catalogue: Catalogue) -> ZoneInfo:
    return ZoneInfo(catalogue.calendar.timezone)


def _months(catalogue: Catalogue) -> list[str]:
    months = [month_of(START, _zone(catalogue))]
    while len(months) <= max(MONTHS):
        months.append(next_month(months[-1]))
    return [months[place] for place in MONTHS]


async def _computed(
    server: postgres.Postgres, database: Engine, catalogue: Catalogue, number: str, times: int
) -> list[Computed]:
    """Compute a month so often, each time as its activity does."""
    month, made = opened(catalogue, number), []
    async with GroupWriter(database) as writer:
        compute = AssessmentActivities(writer, database).compute
        for serial in range(1, times + 1):
            used, began = processors_of(server), time.perf_counter()
            computing = Computing(assessment=month, as_of=month.until, serial=serial)
            computation = await ActivityEnvironment().run(compute, computing)
            seconds = time.perf_counter() - began
            made.append(Computed(number, serial, computation.entries, seconds, processors_of(server) - used))
            month.note_computation(computation, None, month.until)
    return made


def _pages(database: Engine, month: str) -> list[Listed]:
    """Return the first and the last page of every list that is tried, the slowest one first."""
    pages = (page for number, count in _numbers(database, month) for page in _both_pages(database, number, count))
    return sorted(pages, key=lambda page: -page.milliseconds)


def _numbers(database: Engine, month: str) -> Iterator[tuple[Number, int]]:
    """Yield numbers with the count of their entries: of each kind, of the subjects with the most and the fewest."""
    for by, column in SUBJECTS.items():
        counted = (
            select(_row.kind, column.label("subject"), func.count().label("entries"))
            .where(_row.month == month, _row.computation == COMPUTATIONS, column.is_not(None))
            .group_by(_row.kind, column)
            .order_by(func.count().desc(), "subject")
        )
        with reading(database) as connection:
            found = connection.execute(counted).all()
        for kind in dict.fromkeys(row.kind for row in found):
            mine = [(row.subject, row.entries) for row in found if row.kind == kind]
            for subject, entries in dict.fromkeys((mine[0], mine[-1])):
                yield Number(month, COMPUTATIONS, EntryKind(kind), Subject(by), subject), entries


def _both_pages(database: Engine, number: Number, count: int) -> Iterator[Listed]:
    with reading(database) as connection:
        yield _page(connection, number, None)
        if count > PAGE:
            before = connection.execute(number.statement().offset(count - PAGE - 1).limit(1)).one()
            yield _page(connection, number, f"{before.number}-{before.serial}")


def _page(connection: ReadConnection, number: Number, cursor: str | None) -> Listed:
    def once() -> tuple[float, int]:
        began = time.perf_counter()
        rows = len(cases_behind(connection, number, cursor, PAGE).items)
        return (time.perf_counter() - began) * MILLISECONDS, rows

    times, (rows, *_) = zip(*(once() for _ in range(REPEATS)), strict=True)
    where = f"{number.kind} of {number.by} {number.subject}, {'last' if cursor else 'first'} page of {rows}"
    return Listed(where, rows, statistics.median(times))


def _export(database: Engine, month: str) -> Exported:
    """Export many entries as CSV page by page, as the API does, and look at the memory of this process meanwhile."""
    _fill_export(database, month)
    number = Number(month, OF_EXPORT, EntryKind.REGISTERED, Subject.COMPANY, Subject.COMPANY.value)
    process, entries = psutil.Process(), 0
    began, before = time.perf_counter(), process.memory_info().rss
    most, cursor = before, None
    while True:
        with reading(database) as connection:
            page = cases_behind(connection, number, cursor, answers.EXPORTED_PAGE)
        lines(answers.case_cells(page.items))
        entries, cursor = entries + len(page.items), page.next_cursor
        most = max(most, process.memory_info().rss)
        if cursor is None:
            return Exported(entries, time.perf_counter() - began, (most - before) / MEBIBYTE)


def _fill_export(database: Engine, month: str) -> None:
    """Put as many entries as are exported behind one number: those of all kinds of the month."""
    columns: list[ColumnElement[Any]] = [*figure_entries.columns]
    changed: dict[str, ColumnElement[Any]] = {
        "computation": literal(OF_EXPORT),
        "kind": literal(EntryKind.REGISTERED.value),
        "serial": func.row_number().over(),
    }
    names = [str(column.key) for column in columns]
    chosen = select(*(changed.get(name, column).label(name) for name, column in zip(names, columns, strict=True)))
    entries = chosen.where(_row.month == month, _row.computation == COMPUTATIONS).limit(EXPORTED)
    with writing(database) as connection:
        connection.execute(insert(figure_entries).from_select(names, entries))
