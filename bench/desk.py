"""Time and size of pages of the desk among a million cases on PostgreSQL, and cases per second beside 60 readers.

One reader at a time reads the million over HTTP; Temporal does not run, as no page asks it. The cases end now. Those
that are read have a long timeline. Figures of today and of the month are read anew every 5 s: their p99 counts.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, islice
from typing import Any

import aiohttp
import psycopg

from bench import calls, lists, load
from bench.calls import api_alone
from bench.load import Hotline
from bench.measure import Round, quantile
from bench.report import Figure
from bench.reports import add_work
from bench.server import HTTP_OK, Service, ServiceError, tell
from domain.incident.actions import DispatchIncident, Inform, Resolve, SignForIncident
from domain.incident.incident import Incident, IncidentBatch, News
from domain.incident.state import Opening, Scope
from domain.kit.event import Command
from domain.shared.actors import Actor, Person, Role
from domain.shared.numbers import NumberError, parse_number
from readmodel.base.database import WriteConnection, opened, writing
from readmodel.incidents import inform, linked, write
from readmodel.people.people import issue

CASES, QUICK_CASES = 1_000_000, 20_000
READS, QUICK_READS = 200, 20
COUNTS = "counts", "/desk/counts?tab=late"
STARTS, LISTS, ENTITIES = ("start page", "crew"), ("list of 200", "incidents", "call-backs"), ("case", "incident")
BARS = dict.fromkeys(STARTS, 100) | dict.fromkeys(LISTS, 150) | dict.fromkeys(ENTITIES, 80)
"""Most milliseconds at the median, by page. The crew's is its start page."""
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
FROM cases, generate_series(2, %(entries)s) AS seq WHERE number = ANY(%(numbers)s)
"""
LENGTHENED = """
UPDATE cases SET version = %(entries)s, document = jsonb_set(document::jsonb, '{version}', to_jsonb(%(entries)s))
WHERE number = ANY(%(numbers)s)
"""
OPEN_INCIDENT, NEWS = "i26110199999", 3
SURGE = """
UPDATE cases SET incident = %(number)s
WHERE registered_at > %(now)s - interval '2 days' AND service_code IN ('leak', 'no_water') AND hashtext(number) %% 2 = 0
"""
MISSED = """
INSERT INTO call_backs (call_id, phone_term, since, tries, ended_at, result)
SELECT call_id, phone_term, ended_at, 1, CASE WHEN is_old THEN ended_at + interval '1 hour' END,
       CASE WHEN is_old THEN 'reached' END
FROM (SELECT *, ended_at < %(now)s - interval '8 hours' AS is_old FROM calls) AS made
WHERE outcome = 'abandoned' AND ended_at > %(now)s - interval '30 days'
"""
SHOWN_ACTIONS, BOARD_READS_EVERY = 20, 0.5
"""Actions that a board is waited for, and seconds over which they are spread, as it reads so often."""


async def measure(*, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Measure pages of the desk. The first page of each kind is not counted."""
    (count, reads), now = (QUICK_CASES, QUICK_READS) if quick else (CASES, READS), datetime.now(UTC)
    with lists.filled(count, add_work, partial(calls.add, count=count * 10, end=now), end=now) as server:
        tell("  the cases are there")
        numbers = long_cases(server.uri)
        crew_key = add_rest(server.url, server.uri, now)
        async with (
            api_alone(server.url) as (url, key),
            signed_in(url, key) as session,
            signed_in(url, crew_key) as crew,
        ):
            sample, sizes = Round(), dict[str, int]()
            for place in range(-1, reads):
                number = numbers[place % len(numbers)]
                for name, path in paths(number).items():
                    with (sample if place >= 0 else Round()).timed(name):
                        size = await read(crew if name == "crew" else session, path)
                    sizes[name] = max(size, sizes.get(name, 0))
    figures = [
        *(
            Figure(f"{name} among {count:,} cases, p50", sample.milliseconds(name, 0.5), "ms", BARS.get(name))
            for name in sizes
        ),
        *(Figure(f"  {name}, p99", sample.milliseconds(name, 0.99), "ms") for name in sizes),
        *(
            Figure(f"  {name}, without compression", size, "bytes", None if "export" in name else MOST_BYTES)
            for name, size in sizes.items()
        ),
    ]
    return figures, {"latencies": sample.latencies, "sizes": sizes}


def paths(number: str) -> Mapping[str, str]:
    """Return the pages to measure, that of a case for this one."""
    return {
        "start page": "/desk",
        "list of 200": "/desk?tab=all",
        "case": f"/desk/cases/{number}",
        COUNTS[0]: COUNTS[1],
        "incidents": "/desk/incidents",
        "incident": f"/desk/incidents/{OPEN_INCIDENT}",
        "call-backs": "/desk/call-backs",
        "crew": "/desk/crew",
        "today": "/desk/today",
        "this month": "/desk/reports/this-month?format=html",
        "intake": "/desk/intake",
        "board": "/board",
        "export of the late": "/desk/export?tab=late&format=csv",
    }


def long_cases(uri: str) -> list[str]:
    """Give some open cases a timeline of ENTRIES comments; return their numbers."""
    with psycopg.connect(uri) as connection:
        chosen = "SELECT number FROM cases WHERE closed_at IS NULL ORDER BY hashtext(number)"
        # The data have numbers of every check digit; the desk opens those with the right one.
        numbers = [*islice((number for (number,) in connection.execute(chosen) if _is_valid(number)), SEEN)]
        connection.execute("DELETE FROM events WHERE number = ANY(%s) AND seq > 1", [numbers])
        connection.execute(COMMENTS, {"numbers": numbers, "entries": ENTRIES, "note": "再次来电，请尽快派人。" * 5})
        connection.execute(LENGTHENED, {"numbers": numbers, "entries": ENTRIES})
    return numbers


def _is_valid(number: str) -> bool:
    with suppress(NumberError):
        return parse_number(number) == number
    return False


def add_rest(url: str, uri: str, now: datetime) -> str:
    """Add call-backs, the incidents of the cases and an open one of two days; return the key of a crew's person."""
    with psycopg.connect(uri) as connection:
        connection.execute(MISSED, {"now": now})
        connection.execute(SURGE, {"number": OPEN_INCIDENT, "now": now})
        chosen = "SELECT incident, min(registered_at) FROM cases WHERE incident IS NOT NULL GROUP BY incident"
        found = connection.execute(chosen).fetchall()
    crew = Person(id=lists.CREW["assignee"], name="梁伟", role=Role.CREW, department="repair")
    with opened(url) as database, writing(database) as writer:
        for number, since in found:
            _add_incident(writer, number, since)
        return issue(writer, crew, now)[1]


def _add_incident(connection: WriteConnection, number: str, since: datetime) -> None:
    """Add an incident with news for its callers; all but OPEN_INCIDENT are over."""
    actor, scope = Actor(id="chief", role=Role.ADMIN), Scope(services=("leak", "no_water"))
    opening = Opening(number=number, at=since, actor=actor, title="主干管爆裂 Trunk main", scope=scope, since=since)
    incident, opened_by = Incident.open(opening)
    news = [Inform(message="正在抢修，请耐心等待。")] * NEWS
    ending = [] if number == OPEN_INCIDENT else [Resolve(result="-", message="-")]
    events = [opened_by]
    for step, body in enumerate((DispatchIncident(department="repair"), SignForIncident(), *news, *ending), 1):
        events += incident.apply(Command[Any](actor=actor, body=body), since + timedelta(minutes=step))
    if ending:
        events.append(incident.finish(since + timedelta(days=1), {}))
    write(connection, IncidentBatch(incident=incident, events=tuple(events)))
    for each in filter(None, (News.of(incident, event, linked(connection, number)) for event in events)):
        inform(connection, each, each.numbers, sent=True)


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
    """Return the size of a page without its pictures, in bytes. Raises ServiceError if it is not there."""
    async with session.get(path, allow_redirects=False) as response:
        if response.status != HTTP_OK:
            raise ServiceError(f"{path} is answered {response.status}: {await response.text()}")
        return len(re.sub(rb"(?s)<svg.*?</svg>", b"", await response.read()))


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
    shown = await _shown_on_board(service)
    alone = (before.rate + after.rate) / 2
    figures = [
        Figure(f"cases per second beside {PEOPLE} people, of those alone", beside.rate / alone, at_least=0.9),
        Figure("cases per second, alone before and after", alone, "/s"),
        *(Figure(f"  {name} meanwhile, p50", sample.milliseconds(name, 0.5), "ms") for name in sample.latencies),
        Figure(f"from the answer to the board's event, longest of {len(shown)}", max(shown), "s", at_most=1),
        Figure("the same, p50", quantile(shown, 0.5), "s"),
    ]
    raw = {"rates": [before.rate, beside.rate, after.rate], "latencies": sample.latencies, "shown": shown}
    return figures, raw


async def _shown_on_board(service: Service) -> list[float]:
    """Return the seconds from the answer to a registration until the stream of a board shows the case."""
    seconds = list[float]()
    async with (
        Hotline(service.url, service.key) as hotline,
        signed_in(service.url, service.key) as screen,
        screen.get("/board/events") as stream,
    ):
        for place in range(SHOWN_ACTIONS):
            await asyncio.sleep(BOARD_READS_EVERY * place / SHOWN_ACTIONS)
            number = (await hotline.register(Round())).encode()
            answered = time.perf_counter()
            while number not in await stream.content.readline():
                pass
            seconds.append(time.perf_counter() - answered)
    return seconds


async def _repeat(
    person: aiohttp.ClientSession, pages: Sequence[tuple[str, str]], every: float, begin: float, sample: Round
) -> None:
    """Read one page after the other, first after the share `begin` of the time between two."""
    await asyncio.sleep(begin * every)
    for name, path in cycle(pages):
        with sample.timed(name):
            await read(person, path)
        await asyncio.sleep(every)
