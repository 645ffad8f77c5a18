"""Time of reports of calls out of ten million of three years, and of the look-up of a caller among a million cases.

PostgreSQL makes the calls itself, the same every time: more by day than by night, one in twelve abandoned, of 60 agents
of whom 12 are there at a time, with waits and talks to the millisecond.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import psycopg
from sqlalchemy import Engine, text

from bench import lists, postgres
from bench.measure import Round, processor_seconds
from bench.report import Figure
from bench.server import (
    FOLDER_PREFIX,
    INSTALLED_HERE,
    LOOK_EVERY_SECONDS,
    READY_WITHIN_SECONDS,
    clean_environment,
    run,
    tell,
)
from hotline.local.service import GRACE_SECONDS
from hotline.local.supervisor import Program, Supervisor
from readmodel.base.database import engine, reading
from readmodel.calls.calls import EPOCH, SLOT
from readmodel.calls.report import Grouping, call_report
from readmodel.migrate import migrate
from tests.support.ports import free_ports

ZONE = ZoneInfo("Asia/Shanghai")
START, END = (datetime(year, 11, 1, tzinfo=ZONE).astimezone(UTC) for year in (2023, 2026))
ASKED = {
    "a month": (timedelta(days=31), tuple(Grouping)),
    "93 days": (timedelta(days=93), (Grouping.HOUR,)),
    "a year": (timedelta(days=365), (Grouping.DAY, Grouping.AGENT)),
}
"""The last part of the calls that is reported, with its groups: the usual reports, and the longest that are allowed."""
REPEATS = 5
LOOKUPS = 500
FILL = """
INSERT INTO calls (call_id, started_at, answered_at, ended_at, queue, caller_phone, agent, timing,
                   agent_known, hung_up, outcome, slot, wait_ms, talk_ms, phone_term)
SELECT number, started_at, CASE WHEN answered THEN started_at + wait_ms * interval '1 ms' END,
       started_at + (wait_ms + CASE WHEN answered THEN talk_ms ELSE 0 END) * interval '1 ms', 'hotline', phone,
       CASE WHEN answered THEN agent END, 2, true, false,
       CASE WHEN answered THEN 'answered' WHEN wait_ms < 5000 THEN 'short_abandoned' ELSE 'abandoned' END,
       floor(extract(epoch FROM started_at - %(epoch)s) / %(slot)s), wait_ms, CASE WHEN answered THEN talk_ms END, phone
FROM (SELECT number, random() > 1 / 12.0 AS answered, 'agent-' || floor(number * 48.0 / %(count)s + 12 * random() ^ 2)
                 AS agent,
             %(start)s + floor(number * %(days)s / %(count)s) * interval '1 day'
                 + floor((random() + random()) * 43200000) * interval '1 ms' AS started_at,
             floor(-ln(1 - random()) * 12000) AS wait_ms, floor(-ln(1 - random()) * 180000) AS talk_ms,
             '13' || lpad(floor(random() * 1000000000)::text, 9, '0') AS phone
      FROM generate_series(0::numeric, %(count)s - 1) AS number) AS made
"""


@dataclass(frozen=True)
class Report:
    """Median times of a report, in seconds: on the clock, and of the processors in PostgreSQL and Python together."""

    name: str
    calls: int
    seconds: float
    processor_seconds: float

    @property
    def bar_seconds(self) -> float | None:
        """Most seconds that it may take; None for a period longer than a month."""
        return 1 if self.name.startswith("a month") else None


async def measure(*, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Measure reports of calls, and the look-up of a caller, on PostgreSQL."""
    count, cases = (200_000, 50_000) if quick else (10_000_000, 1_000_000)
    found = await postgres.in_thread(reports, count)
    looked_up = await lookups(cases)
    figures = [
        *(Figure(f"{one.name}, {one.calls:,} of {count:,} calls", one.seconds, "s", one.bar_seconds) for one in found),
        *(Figure(f"  processor time, {one.name}", one.processor_seconds, "s") for one in found),
        Figure(f"look-up of a caller, {cases:,} cases, p99", looked_up.milliseconds("lookup", 0.99), "ms", at_most=50),
        Figure("the same, p50", looked_up.milliseconds("lookup", 0.5), "ms"),
    ]
    return figures, {"reports": [asdict(one) for one in found], "lookups": looked_up.latencies}


def fill(uri: str, count: int) -> None:
    """Put that many calls into the table."""
    with postgres.loading(uri) as cursor:
        add(cursor, count)


def add(cursor: psycopg.Cursor[Any], count: int, end: datetime = END) -> None:
    """Add that many calls until `end`."""
    span = END - START
    values = {"count": count, "start": end - span, "epoch": EPOCH, "slot": SLOT.total_seconds(), "days": span.days}
    cursor.execute("SELECT setseed(0.5)")
    cursor.execute(FILL, values)


def reports(count: int) -> list[Report]:
    """Load that many calls into a PostgreSQL of its own and measure every report."""
    with postgres.running() as server:
        migrate(server.url)
        fill(server.uri, count)
        database = engine(server.url, read_only=True)
        found = [
            _measured(server, database, name, by, length) for name, (length, groups) in ASKED.items() for by in groups
        ]
        database.dispose()
    return found


def _measured(server: postgres.Postgres, database: Engine, name: str, by: Grouping, length: timedelta) -> Report:
    def once() -> tuple[float, float, int]:
        used, began = processors_of(server), time.perf_counter()
        report = call_report(connection, by, END - length, END, ZONE)
        return time.perf_counter() - began, processors_of(server) - used, report.total.figures.offered

    with reading(database) as connection:
        # On a busy machine the longest may take more than the service would allow.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        clock, processors, (offered, *_) = zip(*(once() for _ in range(REPEATS)), strict=True)
    return Report(f"{name} by {by}", offered, statistics.median(clock), statistics.median(processors))


def processors_of(server: postgres.Postgres) -> float:
    """Return the processor time so far of PostgreSQL and this process, in seconds."""
    return processor_seconds({"postgres": server.pid})["postgres"] + time.process_time()


async def lookups(count: int) -> Round:
    """Look up callers, one after the other, over HTTP with that many cases; the API alone runs, without Temporal."""
    sample = Round()
    with lists.filled(count) as server:
        tell("  the cases are there")
        callers = await asyncio.to_thread(_callers, server.uri)
        async with api_alone(server.url) as (url, key), aiohttp.ClientSession(url) as session:
            for caller in callers:
                with sample.timed("lookup"):
                    async with session.post(
                        "/v1/callers/lookup", json=caller, headers={"Authorization": f"Bearer {key}"}
                    ) as response:
                        response.raise_for_status()
                        await response.read()
    return sample


def _callers(uri: str) -> list[dict[str, str]]:
    """Return telephones and accounts of callers of all three years, in turns."""
    chosen = "SELECT caller_phone, caller_account_no FROM cases ORDER BY hashtext(number) LIMIT %s"
    with psycopg.connect(uri) as connection:
        found = connection.execute(chosen, [LOOKUPS // 2]).fetchall()
    return [said for phone, account_no in found for said in ({"phone": phone}, {"account_no": account_no})]


@asynccontextmanager
async def api_alone(database_url: str) -> AsyncIterator[tuple[str, str]]:
    """Yield address and key of an API on this database; there is no Temporal, which a look-up does not ask."""
    api, temporal = free_ports(2)
    url, hotline = f"http://127.0.0.1:{api}", str(INSTALLED_HERE / "hotline")
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
        environment = clean_environment(
            HOTLINE_DATA_DIR=folder,
            HOTLINE_DATABASE_URL=database_url,
            HOTLINE_API_PORT=str(api),
            HOTLINE_READS_PER_MINUTE="0",
            TEMPORAL_ADDRESS=f"127.0.0.1:{temporal}",
            TEMPORAL_CONFIG_FILE=os.devnull,
        )
        # Without it, the API takes the keys of the cases for lost.
        await run([hotline, "keys", "rotate"], environment)
        key = (await run([hotline, "key", "create", "bench", "--role", "admin"], environment)).strip()
        supervisor = Supervisor(Path(folder), tell)
        try:
            supervisor.start(Program("api", (hotline, "api"), environment, GRACE_SECONDS))
            await _until_alive(url)
            yield url, key
        finally:
            await supervisor.stop()


async def _until_alive(url: str) -> None:
    async with aiohttp.ClientSession(url) as session, asyncio.timeout(READY_WITHIN_SECONDS):
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get("/healthz") as response:
                    if response.ok:
                        return
            await asyncio.sleep(LOOK_EVERY_SECONDS)
