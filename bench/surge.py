"""One incident and its cases: the time until all are replied to, and the wait of a burst main in the middle.

The incident is declared first, so every call is linked as it is registered. Emergencies are registered and dispatched
on the idle service, while calls come in, and while the cases are settled, one at a time, as an agent would. The idle
service is timed at the start and again at the end: a shared machine may change its pace by half within minutes.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from bench.load import Hotline
from bench.measure import Round, closed_loop, quantile
from bench.server import Service, ServiceError

LINES = 20
"""Calls that are taken at the same time: twice the agents of the company."""
IDLE_EMERGENCIES = 30
PAGE = 20
"""Cases that the department's list shows. So many emergencies come first, as a longer list takes longer."""
BETWEEN_EMERGENCIES_SECONDS = 3.0
LOOK_EVERY_SECONDS = 1.0
QUEUE_LOOK_SECONDS = 0.01
SETTLED_WITHIN_SECONDS = 1800.0
INCIDENT = {"title": "Trunk main 主干管爆裂", "services": ["no_water"], "districts": ["west"]}
EMERGENCY = {
    "service_code": "burst_main",
    "location": {"district": "east", "address": "中山三路 1 号"},
    "description": "The road is under water. 路面冒水。",
}


@dataclass
class Emergencies:
    """Seconds from the call to its place in the department's queue, and when each call came."""

    seconds: list[float] = field(default_factory=list)

    def share(self, share: float) -> float:
        """Return the time, in seconds, that this share of the calls does not exceed."""
        return quantile(self.seconds, share)


@dataclass
class Surge:
    """Result of the benchmark; times are in seconds."""

    cases: int
    calls_per_second: float
    settled: float
    states: dict[str, int]
    idle: Emergencies
    while_calling: Emergencies
    while_settling: Emergencies
    idle_again: Emergencies
    memory: dict[str, float]


class Desk(Hotline):
    """A client that takes calls of an incident, and acts on it."""

    async def call(self, sample: Round) -> None:
        """Register one more caller of the incident, with a telephone number and an address of their own."""
        one = uuid.uuid4().int
        body = {
            "service_code": "no_water",
            "caller": {"name": "来电人", "phone": f"138{one % 10**8:08}"},
            "location": {"district": "west", "address": f"下闸新村 {one % 10**6} 号"},
            "description": "No water. 家里没水。",
        }
        with sample.timed("register"):
            answer = await self.post("", body, uuid.uuid4().hex, sample)
        if orjson.loads(answer)["incident"] is None:
            raise ServiceError("a call of the incident was not linked to it")

    async def emergency(self, into: Emergencies) -> None:
        """Register a burst main, dispatch it, and wait until it is in the department's queue."""
        sample = Round()
        began = time.perf_counter()
        number = orjson.loads(await self.post("", EMERGENCY, uuid.uuid4().hex, sample))["number"]
        await self.act(number, "dispatch", {"department": "repair"}, sample)
        while not await self.queued(number):  # noqa: ASYNC110 - the list is another process's
            await asyncio.sleep(QUEUE_LOOK_SECONDS)
        into.seconds.append(time.perf_counter() - began)

    async def queued(self, number: str) -> bool:
        """Return True if the department's list of cases to sign for shows it."""
        found = await self.get(f"/v1/complaints?department=repair&state=dispatched&limit={PAGE}")
        return any(item["number"] == number for item in found["items"])

    async def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """Return the answer to a GET of a path."""
        assert self._session is not None, "use `async with`"
        async with self._session.get(self._root + path) as response:
            return orjson.loads(await response.read())

    async def direct(self, path: str, body: Any) -> Any:  # noqa: ANN401 - any JSON
        """Send a request about an incident."""
        assert self._session is not None, "use `async with`"
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._root + path, data=orjson.dumps(body), headers=headers) as response:
            answer = orjson.loads(await response.read())
        if not response.ok:
            raise ServiceError(f"{path}: {answer}")
        return answer

    @property
    def _root(self) -> str:
        return self._url.removesuffix("/v1/complaints")


async def measure(service: Service, cases: int) -> Surge:
    """Play the incident once."""
    async with Desk(service.url, service.key) as desk:
        calling, settling = Emergencies(), Emergencies()
        for _ in range(PAGE):
            await desk.emergency(Emergencies())
        idle = await _while_idle(desk)
        number = (await desk.direct("/v1/incidents", INCIDENT))["number"]
        await _linking(desk)
        called = await _with_emergencies(desk, calling, lambda: closed_loop(desk.call, cases, LINES))
        path = f"/v1/incidents/{number}"
        await desk.direct(f"{path}/actions/dispatch", {"department": "repair"})
        began = time.perf_counter()
        await desk.direct(f"{path}/actions/resolve", {"result": "The main is repaired.", "message": "已恢复供水。"})
        states = await _with_emergencies(desk, settling, lambda: _settled(desk, path, cases))
        taken = time.perf_counter() - began
        memory = service.memory()
        idle_again = await _while_idle(desk)
    return Surge(cases, called.rate, taken, states, idle, calling, settling, idle_again, memory)


async def _while_idle(desk: Desk) -> Emergencies:
    into = Emergencies()
    for _ in range(IDLE_EMERGENCIES):
        await desk.emergency(into)
        await asyncio.sleep(BETWEEN_EMERGENCIES_SECONDS)
    return into


async def _linking(desk: Desk) -> None:
    """Wait until calls are linked: the API looks once a second which incidents are open."""
    give_up_at = time.monotonic() + SETTLED_WITHIN_SECONDS
    while time.monotonic() < give_up_at:
        try:
            await desk.call(Round())
        except ServiceError:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        else:
            return


async def _with_emergencies(desk: Desk, into: Emergencies, work: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - of the work
    """Do the work, and let burst mains be called in meanwhile, one after the other."""

    async def again_and_again() -> None:
        while True:
            await desk.emergency(into)
            await asyncio.sleep(BETWEEN_EMERGENCIES_SECONDS)

    calls = asyncio.create_task(again_and_again())
    try:
        return await work()
    finally:
        calls.cancel()
        await asyncio.wait({calls})


async def _settled(desk: Desk, path: str, cases: int) -> dict[str, int]:
    """Wait until SQL shows a reply for every case; return the number of cases by state."""
    give_up_at = time.monotonic() + SETTLED_WITHIN_SECONDS
    found: Any = None
    while time.monotonic() < give_up_at:
        found = await desk.get(path)
        states: dict[str, int] = found["cases_by_state"]
        if found["state"] == "resolved" and states.get("pending_follow_up", 0) >= cases:
            return states
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    raise ServiceError(f"not settled within {SETTLED_WITHIN_SECONDS:.0f} s: {found}")
