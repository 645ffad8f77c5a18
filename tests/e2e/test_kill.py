"""`kill -9` in the middle of the traffic: afterwards nothing is missing or doubled, and no clock rang twice."""

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from activities.names import complaint_id
from demo.__main__ import CATALOGUE
from demo.calls import LEAST_CASES, Call
from demo.client import Hotline, Json
from demo.day import Day as DayShow
from demo.people import Person, Staff
from demo.plans import Wait, offered
from demo.play import Player, verify
from domain.case.case import notifications
from domain.case.state import ProjectionBatch
from domain.shared.actors import Role
from hotline.recovery.histories import chains, read_case
from hotline.settings import Settings
from hotline.temporal.connection import connect
from tests.support.directory import Directory
from tests.support.service import CHILDREN, Service

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SEED = 2009
ADMIN = Person("admin", Role.ADMIN)
DAY_SECONDS = 4.0
PATIENCE_SECONDS = 180.0
LOOK_EVERY_SECONDS = 0.1
QUICK_SECONDS = 8
"""Longest promise of a case that is left to miss it: nobody wants to wait for more."""
KILLS = {"worker": 0.15, "api": 0.35, "temporal": 0.55}
"""Share of all steps that is done when each program is killed."""
ALL_KILLED_AFTER = 0.4
ANSWERED_WITHIN_SECONDS = 10.0
SOON_SECONDS = 20.0
"""From the worker's death to the answer of the next action, on a machine that is busy with other tests."""


class Ledger:
    """Records of every case in Temporal, SQL and the channel's file; each must tell the same, once."""

    def __init__(self, service: Service, client: Client) -> None:
        self._service = service
        self._client = client
        self._settled: set[str] = set()

    async def differences(self) -> list[str]:
        """Return the present differences. A case that once agreed is not compared again: open cases go on ringing."""
        found = await chains(self._client)
        in_sql = {complaint_id(number) for (number,) in self._rows("SELECT number FROM cases")}
        wrong = [f"{one} is in one place only" for one in sorted(in_sql ^ found.keys())]
        lines = self._lines()
        for one in sorted(found.keys() & in_sql - self._settled):
            batches = (await read_case(self._client, found[one])).batches
            if differs := list(self._compare(batches, lines)):
                wrong += [f"{one}: {what}" for what in differs]
            else:
                self._settled.add(one)
        return wrong + [f"{key} was delivered {times} times" for key, times in lines.items() if times > 1]

    def _compare(self, batches: Sequence[ProjectionBatch], lines: Mapping[str, int]) -> Iterator[str]:
        number = batches[0].number
        # A batch holds every event that its sender did not know SQL to have.
        by_seq = {event.seq: event for batch in batches for event in batch.events}
        happened = [by_seq[seq] for seq in sorted(by_seq)]
        if [event.seq for event in happened] != list(range(1, len(happened) + 1)):
            yield f"its history has the events {[event.seq for event in happened]}"
        told = [(event.seq, event.action, event.actor) for event in happened]
        rows = self._rows("SELECT seq, action, actor FROM events WHERE number = ? ORDER BY seq", number)
        if rows != told:
            yield f"SQL has the events {rows}, its history {told}"
        [(version,)] = self._rows("SELECT version FROM cases WHERE number = ?", number)
        if version != len(happened):
            yield f"SQL shows version {version} of {len(happened)}"
        owed = {notice.key for batch in batches for event in batch.events for notice in notifications(number, event)}
        kept = {key for (key,) in self._rows("SELECT key FROM notifications WHERE number = ?", number)}
        if kept != owed:
            yield f"notifications differ: {sorted(kept ^ owed)}"
        if missing := sorted(owed - lines.keys()):
            yield f"not delivered: {missing}"

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._service.data_dir / "hotline.db")) as connection:
            return connection.execute(query, values).fetchall()

    def _lines(self) -> Counter[str]:
        text = (self._service.data_dir / "notifications.log").read_text(encoding="utf-8")
        return Counter(json.loads(line)["key"] for line in text.splitlines())


class Day:
    """A small day of the hotline: one case for each way a case can go, the two of the mission among them."""

    def __init__(self, player: Player, show: DayShow) -> None:
        self._player = player
        self._show = show

    @classmethod
    async def plan(cls, hotline: Hotline, run: str) -> "Day":
        offers, districts = offered(await hotline.get("/services"))
        show = DayShow(LEAST_CASES, SEED, offers, districts)
        chosen: dict[str, Call] = {}
        for call in show.calls:
            quick = all(call.offer.budgets[clock] <= QUICK_SECONDS for clock in call.plan.missed)
            if quick and not any(isinstance(move, Wait) and move.percent for move in call.plan.moves):
                chosen.setdefault(call.plan.name, call)
        show.calls = tuple(chosen.values())
        staff = Staff({offer.department for offer in offers})
        return cls(Player(hotline, staff, run, DAY_SECONDS), show)

    async def play(self) -> None:
        """Play it to its end; every case is what was planned, as HTTP shows it."""
        await self._player.play(self._show.calls, self._show.direct)
        verdict = await verify(self._player, self._show.calls, PATIENCE_SECONDS)
        assert (verdict.differences, verdict.faults) == ({}, [])

    async def reaches(self, part: float) -> None:
        """Return when this part of all steps has been done."""
        await until(lambda: self._player.done["steps"] >= part * self._player.of["steps"] > 0)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("kill"), CATALOGUE) as service:
        yield service


@pytest.fixture(scope="module")
def keys(service: Service) -> dict[str, str]:
    """A key for everybody of the demo, by name."""
    directory = Directory(f"sqlite:///{service.data_dir / 'hotline.db'}")
    departments = {
        "repair",
        "secondary_supply",
        "network",
        "water_quality",
        "billing",
        "customer_service",
        "management",
    }
    return {
        person.name: directory.enter(person.name, person.role, person.department)
        for person in Staff(departments).people
        if person.role is not Role.CALLER
    }


@asynccontextmanager
async def connected(service: Service, keys: Mapping[str, str]) -> AsyncIterator[Hotline]:
    async with Hotline.at(service.api, service.admin_key, PATIENCE_SECONDS) as hotline:
        hotline.keys = keys
        yield hotline


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - nobody tells of the death of a process, or of an instant
            await asyncio.sleep(LOOK_EVERY_SECONDS)


async def all_agree(service: Service) -> None:
    """Temporal, SQL and the channel's file come to hold the same of every case."""
    ledger = Ledger(service, await connect(Settings(data_dir=service.data_dir)))
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while wrong := await ledger.differences():
        assert time.monotonic() < give_up_at, "\n".join(wrong)
        await asyncio.sleep(LOOK_EVERY_SECONDS)


async def unsigned(hotline: Hotline, key: str) -> Json:
    """A case that waits for its crew, which has four seconds."""
    body = {"service_code": "no_water", "location": {"district": "west"}, "description": "家里没水。"}
    number = (await hotline.post("/complaints", body, by=ADMIN, key=key))["number"]
    path = f"/complaints/{number}/actions/dispatch"
    return await hotline.post(path, {"department": "repair"}, by=ADMIN, key=f"{key}-dispatch")


def clock(complaint: Json, name: str) -> Json:
    found: Json
    [found] = [each for each in complaint["clocks"] if each["name"] == name]
    return found


async def test_one_program_after_the_other_is_killed_and_comes_back(service: Service, keys: Mapping[str, str]) -> None:
    async with connected(service, keys) as hotline:
        day = await Day.plan(hotline, "each")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(day.play())
            for victim, part in KILLS.items():
                await day.reaches(part)
                await asyncio.to_thread(service.kill, victim)
    await all_agree(service)
    for victim in CHILDREN:
        assert service.said().count(f"{victim} ended (SIGKILL)") == 1


async def test_all_are_killed_at_once_and_a_clock_falls_due_meanwhile(
    service: Service, keys: Mapping[str, str]
) -> None:
    async with connected(service, keys) as hotline:
        day = await Day.plan(hotline, "all")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(day.play())
            await day.reaches(ALL_KILLED_AFTER)
            before = await unsigned(hotline, "left")
            await asyncio.to_thread(service.kill, "supervisor", *CHILDREN)
            promise = clock(before, "acknowledge")
            started = datetime.fromisoformat(promise["started_at"])
            budget = timedelta(seconds=promise["budget_seconds"])
            await until(lambda: datetime.now(UTC) > started + 2 * budget)
            again = datetime.now(UTC)
            await asyncio.to_thread(service.start)
        after = await hotline.get(f"/complaints/{before['number']}")
        timeline = [item async for item in hotline.items(f"/complaints/{before['number']}/timeline")]

    assert (clock(after, "acknowledge")["status"], after["overdue"]) == ("missed", True)
    assert clock(after, "acknowledge")["missed_at"] == promise["due_at"]
    escalations = [item for item in timeline if item["action"] == "escalate" and item["data"]["clock"] == "acknowledge"]
    fell_at = {item["data"]["percent"]: datetime.fromisoformat(item["data"]["fell_at"]) for item in escalations}
    assert [item["data"]["percent"] for item in escalations] == [50, 75, 100, 150, 200]
    assert fell_at == {percent: started + budget * percent / 100 for percent in fell_at}
    assert all(datetime.fromisoformat(item["at"]) > again for item in escalations if item["data"]["percent"] >= 100)
    await all_agree(service)


async def test_while_the_worker_is_down_a_key_tells_later_what_became_of_an_action(
    service: Service, keys: Mapping[str, str]
) -> None:
    """It is frozen first, as one that is killed is back too soon, and killed then."""
    async with connected(service, keys) as hotline:
        complaint = await unsigned(hotline, "held")
        path = f"/complaints/{complaint['number']}"
        service.freeze("worker")
        began = time.monotonic()
        async with httpx.AsyncClient(base_url=f"{service.api}/v1", trust_env=False, timeout=PATIENCE_SECONDS) as http:
            headers = {"Authorization": f"Bearer {service.admin_key}", "Idempotency-Key": "held-sign"}
            answer = await http.post(f"{path}/actions/sign_for", headers=headers, json={})
        assert time.monotonic() - began < ANSWERED_WITHIN_SECONDS
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:hotline:problem:no-answer-in-time")
        assert int(answer.headers["Retry-After"]) > 0

        began = time.monotonic()
        await asyncio.to_thread(service.kill, "worker")
        signed = await hotline.post(f"{path}/actions/sign_for", {}, by=ADMIN, key="held-sign")
        assert time.monotonic() - began < SOON_SECONDS
        assert signed["state"] == "in_progress"
        again = await hotline.post(f"{path}/actions/sign_for", {}, by=ADMIN, key="held-sign")
        timeline = [item async for item in hotline.items(f"{path}/timeline")]
    assert again["state"] == "in_progress"
    assert [item["action"] for item in timeline if item["actor"] != "system"] == ["register", "dispatch", "sign_for"]
    await all_agree(service)
