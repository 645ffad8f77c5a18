"""Time and size of pages of the desk among a million cases on PostgreSQL, and cases per second beside 60 readers.

One reader at a time reads the million over HTTP; Temporal does not run, as no page asks it. The cases that are read
have a long timeline.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from itertools import cycle, islice
from typing import Any

import aiohttp
import psycopg

from bench import lists, load
from bench.calls import api_alone
from bench.load import Hotline
from bench.measure import Round
from bench.report import Figure
from bench.server import HTTP_OK, Service, ServiceError, tell
from domain.shared.numbers import NumberError, parse_number

CASES, QUICK_CASES = 1_000_000, 20_000
READS, QUICK_READS = 200, 20
COUNTS = "counts", "/desk/counts?tab=late"
BARS = {"start page": 100, "list of 200": 150, "case": 80, "counts": None}
"""Most milliseconds at the median, by page."""
MOST_BYTES = 60_000
PEOPLE, READ_EVERY, COUNTED_EVERY = 60, 30.0, 15.0
"""People with the desk open, and seconds between two pages of one, and between two reads of the counts."""
PLAYED, QUICK_PLAYED, WARM, CONCURRENT = 1500, 60, 20, 20
SEEN, ENTRIES = 50, 100
"""Cases that are read in turns, and the entries of each timeline."""
COMMENTS = """
INSERT INTO events (number, seq, at, actor, role, people, action, to_state, cycle, data)
SELECT number, seq, registered_at + seq * interval '1 minute', owner, 'agent', '{}', 'comment', state, 1,
       json_build_object('note', %(note)s::text)
FROM cases, generate_series(2, %(entries)s) AS seq WHERE number = ANY(%(numbers)s) ON CONFLICT DO NOTHING
"""
LENGTHENED = """
UPDATE cases SET version = %(entries)s, document = jsonb_set(document::jsonb, '{version}', to_jsonb(%(entries)s))
WHERE number = ANY(%(numbers)s)
"""


async def measure(*, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Measure pages of the desk. The first page of each kind is not counted."""
    count, reads = (QUICK_CASES, QUICK_READS) if quick else (CASES, READS)
    with lists.filled(count) as server:
        tell("  the cases are there")
        numbers = long_cases(server.uri)
        async with api_alone(server.url) as (url, key), signed_in(url, key) as session:
            sample, sizes = Round(), dict[str, int]()
            for place in range(-1, reads):
                number = numbers[place % len(numbers)]
                for name, path in paths(number).items():
                    with (sample if place >= 0 else Round()).timed(name):
                        size = await read(session, path)
                    sizes[name] = max(size, sizes.get(name, 0))
    figures = [
        *(
            Figure(f"{name} among {count:,} cases, p50", sample.milliseconds(name, 0.5), "ms", BARS[name])
            for name in BARS
        ),
        *(Figure(f"  {name}, p99", sample.milliseconds(name, 0.99), "ms") for name in BARS),
        *(Figure(f"  {name}, without compression", sizes[name], "bytes", MOST_BYTES) for name in BARS),
    ]
    return figures, {"latencies": sample.latencies, "sizes": sizes}


def paths(number: str) -> Mapping[str, str]:
    """Return the pages of BARS, that of a case for this one."""
    return {
        "start page": "/desk",
        "list of 200": "/desk?tab=all",
        "case": f"/desk/cases/{number}",
        COUNTS[0]: COUNTS[1],
    }


def long_cases(uri: str) -> list[str]:
    """Give some open cases a timeline of ENTRIES comments; return their numbers."""
    with psycopg.connect(uri) as connection:
        chosen = "SELECT number FROM cases WHERE closed_at IS NULL ORDER BY hashtext(number)"
        # The data have numbers of every check digit; the desk opens those with the right one.
        numbers = [*islice((number for (number,) in connection.execute(chosen) if _is_valid(number)), SEEN)]
        connection.execute(COMMENTS, {"numbers": numbers, "entries": ENTRIES, "note": "再次来电，请尽快派人。" * 5})
        connection.execute(LENGTHENED, {"numbers": numbers, "entries": ENTRIES})
    return numbers


def _is_valid(number: str) -> bool:
    with suppress(NumberError):
        return parse_number(number) == number
    return False


@asynccontextmanager
async def signed_in(url: str, key: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield the session of a browser in which the person of this key has signed in."""
    jar = aiohttp.CookieJar(unsafe=True)  # it takes cookies of an address
    async with aiohttp.ClientSession(url, cookie_jar=jar) as session:
        async with session.post("/sign-in", data={"key": key}, allow_redirects=False) as response:
            if not session.cookie_jar:
                raise ServiceError(f"the sign-in is answered {response.status}")
        yield session


async def read(session: aiohttp.ClientSession, path: str) -> int:
    """Return the size of a page in bytes. Raises ServiceError if it is not there."""
    async with session.get(path, allow_redirects=False) as response:
        if response.status != HTTP_OK:
            raise ServiceError(f"{path} is answered {response.status}: {await response.text()}")
        return len(await response.read())


async def beside_people(service: Service, *, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Measure cases per second alone, beside PEOPLE at the desk, and alone again."""
    cases, sample = QUICK_PLAYED if quick else PLAYED, Round()
    drive = partial(load.drive, [service.url], service.key, cases=cases, concurrent=CONCURRENT, warm=WARM)
    async with Hotline(service.url, service.key) as hotline:
        number = await hotline.register(Round())
    before = await drive()
    async with AsyncExitStack() as stack:
        people = [await stack.enter_async_context(signed_in(service.url, service.key)) for _ in range(PEOPLE)]
        async with asyncio.TaskGroup() as group:
            begun = [
                group.create_task(_repeat(person, [*pages], every, place / PEOPLE, sample))
                for place, person in enumerate(people)
                for pages, every in ((list(paths(number).items())[:3], READ_EVERY), ([COUNTS], COUNTED_EVERY))
            ]
            beside = await drive()
            for each in begun:
                each.cancel()
    after = await drive()
    alone = (before.rate + after.rate) / 2
    figures = [
        Figure(f"cases per second beside {PEOPLE} people, of those alone", beside.rate / alone, at_least=0.9),
        Figure("cases per second, alone before and after", alone, "/s"),
        *(Figure(f"  {name} meanwhile, p50", sample.milliseconds(name, 0.5), "ms") for name in sample.latencies),
    ]
    return figures, {"rates": [before.rate, beside.rate, after.rate], "latencies": sample.latencies}


async def _repeat(
    person: aiohttp.ClientSession, pages: Sequence[tuple[str, str]], every: float, begin: float, sample: Round
) -> None:
    """Read one page after the other, first after the share `begin` of the time between two."""
    await asyncio.sleep(begin * every)
    for name, path in cycle(pages):
        with sample.timed(name):
            await read(person, path)
        await asyncio.sleep(every)
