"""Time of a day's and a month's report out of a million cases, and memory of the API while it exports 100,000 of them.

PostgreSQL adds what reports count besides the cases of `bench.lists_data`: three promises a case, one in twelve of them
missed; dispatches, completed work and returns; decisions on money; ten calls a case.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import psycopg
from psycopg import Cursor
from sqlalchemy import Engine

from bench import calls, lists
from bench.measure import MILLISECONDS
from bench.report import Figure
from bench.server import tell
from domain.catalogue.catalogue import Catalogue
from domain.reports.report import Period, ReportKind
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.base.database import engine, reading
from readmodel.reports.reports import TABLE_QUERIES, make
from readmodel.reports.scope import ReportScope

PERIODS = {ReportKind.DAILY: "2026-10-29", ReportKind.MONTHLY: "2026-10"}
BARS = {ReportKind.DAILY: 500, ReportKind.MONTHLY: None}
"""Most milliseconds that a report may take."""
REPEATS = 5
FEW, MANY = 10_000, 100_000
"""Rows of the exports whose memory is compared."""
MOST_GROWTH = 20
"""MiB that the longer export may take more."""
FORMATS = ("csv", "xlsx")
MADE_AT = datetime(2026, 11, 1, tzinfo=UTC)
WORK = """
SELECT setseed(0.5);
INSERT INTO clocks (number, serial, name, cycle, status, calendar, budget_seconds, consumed_seconds, started_at,
                    stopped_at, missed_at, part, rung, version)
SELECT number, serial, name, 1, CASE WHEN missed THEN 'missed' ELSE 'met' END, 'always', 3600, 1800, registered_at,
       registered_at + took, CASE WHEN missed THEN registered_at + took / 2 END, 0, missed::int * 100, 7
FROM (SELECT number, registered_at, serial, name, random() < 1 / 12.0 AS missed, random() * interval '30 hours' AS took
      FROM cases, (VALUES (1, 'acknowledge'), (2, 'resolve'), (3, 'reply')) AS promised (serial, name)) AS made;
INSERT INTO events (number, seq, at, actor, role, people, action, from_state, to_state, cycle, data)
SELECT number, seq, registered_at + seq * random() * interval '3 hours', 'bench', 'crew', '{}', action,
       from_state, to_state, 1, data::json
FROM (SELECT number, registered_at, seq, action, from_state, to_state,
             CASE WHEN action = 'dispatch' THEN '{"department":"' || department || '"}'
                  WHEN random() < 0.02 THEN '{"result":"-","findings":["cut_off_in_error"]}'
                  ELSE '{"result":"-"}' END AS data
      FROM cases, (VALUES (2, 'dispatch', 'registered', 'dispatched'), (3, 'sign_for', 'dispatched', 'in_progress'),
                          (4, 'complete', 'in_progress', 'pending_reply')) AS done (seq, action, from_state, to_state)
      WHERE department IS NOT NULL AND (seq < 4 OR closed_at IS NOT NULL)) AS made;
INSERT INTO events (number, seq, at, actor, role, people, action, from_state, to_state, cycle, data)
SELECT number, 5, registered_at + random() * interval '20 hours', 'bench', 'crew', '{}', 'return', 'dispatched',
       'pending_redispatch', 1, '{"reason":"-"}' FROM cases WHERE department IS NOT NULL AND random() < 0.03;
INSERT INTO decisions (number, seq, decided_at, kind, approved, amount_fen, currency)
SELECT number, 6, registered_at + random() * interval '40 hours',
       (ARRAY['credit', 'funded_repair', 'waiver'])[1 + floor(random() * 3)::int], random() < 0.8,
       floor(random() * 50000)::bigint, 'CNY' FROM cases WHERE random() < 0.01
"""


@dataclass(frozen=True)
class Made:
    """Report: its time, and the time of each table, in milliseconds."""

    kind: str
    milliseconds: float
    tables: Mapping[str, float]


@dataclass(frozen=True)
class Exported:
    """Export: its rows, its seconds, and the most memory that the API has had since its start, in MiB."""

    format: str
    rows: int
    seconds: float
    memory: float


async def measure(*, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Measure reports and exports on PostgreSQL."""
    count, few, many = (50_000, 1_000, 10_000) if quick else (1_000_000, FEW, MANY)
    with lists.filled(count, add_work, partial(calls.add, count=count * 10)) as server:
        tell("  the cases are there")
        made = await asyncio.to_thread(reports, server.url)
        exported = [one for name in FORMATS for one in await exports(server.uri, server.url, name, (few, many))]
    figures = [
        *(
            Figure(f"{one.kind} report, {count:,} cases", one.milliseconds, "ms", BARS[ReportKind(one.kind)])
            for one in made
        ),
        *(
            Figure(f"  {one.kind}, its table {name}", milliseconds, "ms")
            for one in made
            for name, milliseconds in one.tables.items()
        ),
        *(Figure(f"export of {one.rows:,} complaints as {one.format}", one.seconds, "s") for one in exported),
        *(
            Figure(
                f"memory of the API that {many:,} rows as {name} take, beyond {few:,} rows",
                _growth(exported, name),
                "MiB",
                at_most=MOST_GROWTH,
            )
            for name in FORMATS
        ),
    ]
    return figures, {"reports": [asdict(one) for one in made], "exports": [asdict(one) for one in exported]}


def add_work(cursor: Cursor[Any]) -> None:
    """Add promises, work and decisions to the cases."""
    for statement in WORK.split(";\n"):
        cursor.execute(statement)


def reports(url: str) -> list[Made]:
    """Make each kind of report several times, and each of its tables; return the medians."""
    catalogue = load_catalogue(DEFAULT_CATALOGUE)
    database = engine(url, read_only=True)
    found = [_made(database, Period.parse(kind, name), catalogue) for kind, name in PERIODS.items()]
    database.dispose()
    return found


def _made(database: Engine, period: Period, catalogue: Catalogue) -> Made:
    scope = ReportScope.of(period, catalogue)
    tables: dict[str, list[float]] = {}
    times: list[float] = []
    for _ in range(REPEATS):
        with reading(database) as connection, _timed(times):
            make(connection, period, catalogue, MADE_AT)
        for ask in TABLE_QUERIES:
            with reading(database) as connection, _timed(tables.setdefault(ask.__name__, [])):
                ask(connection, scope)
    medians = {name: statistics.median(each) for name, each in tables.items()}
    return Made(period.kind.value, statistics.median(times), medians)


@contextmanager
def _timed(times: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    times.append((time.perf_counter() - began) * MILLISECONDS)


async def exports(uri: str, url: str, wanted: str, sizes: tuple[int, int]) -> list[Exported]:
    """Export so many complaints over HTTP, the fewer first, from an API that has done nothing else."""
    found = []
    async with calls.api_alone(url) as (address, key), aiohttp.ClientSession(address) as session:
        api = next(each for each in psutil.Process().children(recursive=True) if "api" in each.cmdline()[-1:])
        for rows in sizes:
            since = await asyncio.to_thread(_registered_since, uri, rows)
            began = time.perf_counter()
            parameters = {"format": wanted, "registered_from": since.isoformat()}
            headers = {"Authorization": f"Bearer {key}"}
            async with session.get("/v1/complaints", params=parameters, headers=headers) as response:
                response.raise_for_status()
                async for _ in response.content.iter_chunked(1 << 16):
                    pass
            found.append(Exported(wanted, rows, time.perf_counter() - began, _peak(api.pid)))
    return found


def _registered_since(uri: str, rows: int) -> datetime:
    """Return the instant since which so many cases were registered."""
    with psycopg.connect(uri) as connection:
        chosen = "SELECT registered_at FROM cases ORDER BY registered_at DESC OFFSET %s LIMIT 1"
        ((since,),) = connection.execute(chosen, [rows - 1]).fetchall()
    at: datetime = since.astimezone(UTC)
    return at


def _peak(pid: int) -> float:
    """Return the most memory that a process has had, in MiB, as the kernel tells it."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) / 1024


def _growth(exported: list[Exported], wanted: str) -> float:
    few, many = (one.memory for one in exported if one.format == wanted)
    return many - few
