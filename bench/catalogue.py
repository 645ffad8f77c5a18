"""Time to put a catalogue in force for many open cases: the command, from its start to its end."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.load import Hotline
from bench.measure import Round, closed_loop
from bench.server import Service, ServiceError

CONCURRENT = 20
LOOK_EVERY_SECONDS = 0.2
CAUGHT_UP_WITHIN_SECONDS = 60.0
DEFAULT = Path(__file__).resolve().parents[1] / "hotline" / "catalogues" / "zhongshan.toml"
NEW = f"""
extends = "{DEFAULT}"
name = "Zhongshan, other budgets"

[services.leak]
acknowledge = {{ minutes = 20, source = "I" }}
resolve = {{ hours = 36, source = "I" }}
reply = {{ hours = 30, source = "I" }}
"""


@dataclass(frozen=True)
class Applied:
    """Seconds that the command took; `looked` is what its look ahead takes of them, alone. `reached` counts cases."""

    cases: int
    looked: float
    seconds: float
    reached: int
    most_events: int


async def measure(service: Service, cases: int) -> Applied:
    """Register so many cases, which stay open, and apply a catalogue whose budgets differ.

    Raises:
        ServiceError: the command failed.
    """
    async with Hotline(service.url, service.key, CONCURRENT) as hotline:

        async def register(sample: Round) -> None:
            await hotline.register(sample)

        await closed_loop(register, cases, CONCURRENT)
    database = service.data_dir / "hotline.db"
    await _until(lambda: _count(database, "SELECT count(*) FROM cases WHERE state = 'registered'") >= cases)
    file = service.data_dir / "new.toml"
    file.write_text(NEW, encoding="utf-8")
    looked = await _apply(service, file, "--dry-run")
    seconds = await _apply(service, file, "--yes")
    await _until(lambda: _count(database, "SELECT count(*) FROM events WHERE action = 'catalogue_change'") >= cases)
    reached = _count(database, "SELECT count(DISTINCT number) FROM events WHERE action = 'catalogue_change'")
    twice = "SELECT max(n) FROM (SELECT count(*) AS n FROM events WHERE action = 'catalogue_change' GROUP BY number)"
    return Applied(cases, looked, seconds, reached, _count(database, twice))


async def _apply(service: Service, file: Path, how: str) -> float:
    began = time.perf_counter()
    await service.hotline("catalogue", "apply", str(file), how)
    return time.perf_counter() - began


def _count(database: Path, query: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(query).fetchone()[0])


async def _until(holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + CAUGHT_UP_WITHIN_SECONDS
    while not holds():
        if time.monotonic() > give_up_at:
            raise ServiceError(f"the read model has not caught up within {CAUGHT_UP_WITHIN_SECONDS:g} s")
        await asyncio.sleep(LOOK_EVERY_SECONDS)
