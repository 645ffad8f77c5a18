"""Reads of others beside six exports by one person, and six reports of a thousand calls each that come at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from api.calls import CALLS, MOST_CALLS
from bench import lists
from bench.calls import api_alone
from bench.measure import Round, closed_loop
from bench.report import Figure
from bench.server import tell

CASES, QUICK_CASES = 100_000, 5_000
READS, QUICK_READS = 2_000, 200
READERS = 4
AT_ONCE = 6
"""Exports, or reports, at once."""
EXPORTS = ("csv", "xlsx")
PAGE = "/v1/complaints"
MOST_MILLISECONDS = 500
RECORDING = "https://pbx.example/recordings/" + "r" * 378
"""With it, a thousand calls have 660 KB."""


@dataclass(frozen=True)
class Beside:
    """Milliseconds of others' reads at the 99th percentile, alone and beside exports; exports that were whole.

    `answers` counts the reports of calls by the status of their answer.
    """

    alone_p99: float
    beside_p99: float
    exported: int
    answers: Mapping[int, int]


async def measure(*, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures. The API runs alone, without Temporal, which neither reads nor calls ask."""
    count, reads = (QUICK_CASES, QUICK_READS) if quick else (CASES, READS)
    with lists.filled(count) as server:
        tell("  the cases are there")
        async with api_alone(server.url) as (url, key), _session(url, key) as session:
            seen = await _beside(session, reads)
    figures = [
        Figure(f"p99 of a page of {count:,} cases, nothing beside it", seen.alone_p99, "ms"),
        Figure(f"  beside {AT_ONCE} exports", seen.beside_p99, "ms", at_most=MOST_MILLISECONDS),
        Figure("exports that came whole meanwhile", seen.exported),
        Figure(
            f"of {AT_ONCE} reports of {MOST_CALLS:,} calls at once, not taken",
            AT_ONCE - seen.answers.get(200, 0),
            at_most=0,
        ),
    ]
    return figures, {"alone": seen.alone_p99, "beside": seen.beside_p99, "answers": dict(seen.answers)}


@asynccontextmanager
async def _session(url: str, key: str) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {key}"}
    # Connections of its own for each export and reader.
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, headers=headers, connector=connector) as session:
        yield session


async def _beside(session: aiohttp.ClientSession, reads: int) -> Beside:
    async def read(sample: Round) -> None:
        with sample.timed("page"):
            async with session.get(PAGE) as response:
                response.raise_for_status()
                await response.read()

    exported = 0

    async def export(place: int) -> None:
        nonlocal exported
        while True:
            async with session.get(PAGE, params={"format": EXPORTS[place % len(EXPORTS)]}) as response:
                response.raise_for_status()
                async for _ in response.content.iter_any():
                    pass
            exported += 1

    await closed_loop(read, READERS, READERS)
    alone = await closed_loop(read, reads, READERS)
    exports = [asyncio.create_task(export(place)) for place in range(AT_ONCE)]
    beside = await closed_loop(read, reads, READERS)
    for each in exports:
        if each.done():
            each.result()
        each.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*exports)
    answers: dict[int, int] = {}
    for status in await asyncio.gather(*(_report(session, place) for place in range(AT_ONCE))):
        answers[status] = answers.get(status, 0) + 1
    return Beside(alone.milliseconds("page", 0.99), beside.milliseconds("page", 0.99), exported, answers)


async def _report(session: aiohttp.ClientSession, place: int) -> int:
    """Report a thousand calls of its own; return the status of the answer."""
    start = datetime.now(UTC) - timedelta(days=1)
    calls = [
        {
            "call_id": f"{place}.{each}",
            "queue": "hotline",
            "caller_phone": f"0760{place:02}{each:06}",
            "started_at": (start + timedelta(seconds=each)).isoformat(),
            "answered_at": (start + timedelta(seconds=each + 5)).isoformat(),
            "ended_at": (start + timedelta(seconds=each + 90)).isoformat(),
            "recording_url": f"{RECORDING}{place}-{each}.wav",
        }
        for each in range(MOST_CALLS)
    ]
    async with session.post(CALLS, json={"items": calls}) as response:
        await response.read()
        return response.status
