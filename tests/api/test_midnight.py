"""One request on either side of midnight: two API processes make one case of it, or one incident."""

import asyncio
import math
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client

from api.edge.limits import TOO_MANY_ACTIONS, Limit
from api.edge.problems import ProblemError
from api.health.storage import Storage
from api.health.temporal import TemporalHealth
from api.temporal.client import ComplaintClient
from domain.case.case import Case
from tests.support.api import CALL, PATIENT, Agreed, Api, api_on_its_day, problem, running_api
from tests.support.build import registration
from tests.support.hotline import until
from tests.support.proxy import relay
from tests.support.sealing import SEALING
from workflows.clients.start import Request

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

MIDNIGHT = datetime(2026, 3, 9, 16, tzinfo=UTC)
"""In Beijing, between Monday and Tuesday."""
PAIRS = 12
MOMENT = timedelta(milliseconds=300)
INCIDENT = {"services": ["no_water"], "districts": ["west"], "title": "爆管停水 burst main"}

both_kinds = pytest.mark.parametrize(
    ("path", "body", "by"), [("/v1/complaints", CALL, "chen"), ("/v1/incidents", INCIDENT, "zhou")]
)


@dataclass
class Going:
    """A clock that a test sets, and that goes on from there."""

    began: datetime
    at: float = 0

    def set(self, to: datetime) -> None:
        self.began, self.at = to, time.monotonic()

    def __call__(self) -> datetime:
        return self.began + timedelta(seconds=time.monotonic() - self.at)


@dataclass
class Sides:
    """Two API processes: the clock of `before` is a moment behind that of `after`."""

    before: Api
    after: Api
    clocks: tuple[Going, Going]

    def meet(self) -> None:
        """Let one of them be just before midnight, and the other at it."""
        for clock, at in zip(self.clocks, (MIDNIGHT - MOMENT, MIDNIGHT), strict=True):
            clock.set(at)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def sides(temporal: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sides]:
    folder = tmp_path_factory.mktemp("midnight")
    clocks = (Going(MIDNIGHT), Going(MIDNIGHT))
    async with AsyncExitStack() as stack:
        url = f"sqlite:///{folder / 'hotline.db'}"
        made = await stack.enter_async_context(running_api(temporal, url, folder, at_work=False, **PATIENT))
        before, after = [await stack.enter_async_context(api_on_its_day(made, clock)) for clock in clocks]
        yield Sides(before, after, clocks)


@both_kinds
@pytest.mark.parametrize("first", ["before", "after"])
async def test_a_key_on_both_sides_of_midnight_makes_one(
    sides: Sides, path: str, body: dict[str, Any], by: str, first: str
) -> None:
    async def pair() -> list[httpx.Response]:
        mine, apis = uuid.uuid4().hex, [sides.before, sides.after]
        if first == "after":
            apis.reverse()
        return await asyncio.gather(*(api.post(path, body, by, mine) for api in apis))

    sides.meet()
    answers = await asyncio.gather(*(pair() for _ in range(PAIRS)))

    assert {answer.status_code for both in answers for answer in both} <= {201, 202}
    numbers = [{answer.json()["number"] for answer in both} for both in answers]
    assert [len(both) for both in numbers] == [1] * PAIRS
    assert len(set.union(*numbers)) == PAIRS


@both_kinds
async def test_a_clock_that_is_behind_finds_what_was_made_under_the_new_day(
    sides: Sides, path: str, body: dict[str, Any], by: str
) -> None:
    mine, numbers = uuid.uuid4().hex, []
    for api in (sides.after, sides.before):
        sides.meet()
        numbers.append((await api.post(path, body, by, mine)).json()["number"])
    assert numbers[0] == numbers[1]
    assert "260310" in numbers[0]


async def test_only_a_registration_with_a_key_waits_for_the_day_to_settle(sides: Sides) -> None:
    sides.meet()
    keyed = asyncio.create_task(sides.after.register(key=uuid.uuid4().hex))
    plain = asyncio.create_task(sides.after.register())
    done, _ = await asyncio.wait({keyed, plain}, return_when=asyncio.FIRST_COMPLETED)
    assert done == {plain}
    assert (await keyed).is_success


async def test_a_start_that_comes_too_late_for_its_day_is_not_made(sides: Sides) -> None:
    """Its clock says so at the last moment: another process may look already."""
    instants: list[datetime] = []
    mine = uuid.uuid4().hex

    def clock() -> datetime:
        return instants.pop() if instants else MIDNIGHT + timedelta(seconds=1)

    async with api_on_its_day(sides.before, clock) as late:
        # Asked by the check of the key, and by the intake.
        instants.extend([MIDNIGHT - MOMENT] * 2)
        answer = await late.register(key=mine)
    assert "Idempotency-Key" in problem(answer, 503, "no-answer-in-time")["detail"]
    sides.meet()
    assert (await sides.after.register(key=mine)).json()["number"].startswith("260310")


@pytest.mark.parametrize(("left", "waits"), [(math.inf, 20.0), (0.2, 0.2)])
async def test_a_registration_waits_as_long_as_is_set_and_no_longer_than_its_day(
    monkeypatch: pytest.MonkeyPatch, left: float, waits: float
) -> None:
    """The server is told of it, as nobody here ends the call while the event loop is held up."""
    client, start = await Client.connect("127.0.0.1:9", lazy=True, **SEALING), AsyncMock()
    monkeypatch.setattr(client, "start_workflow", start)
    complaints = ComplaintClient(client, "nobody", 20, Agreed(), Limit(TOO_MANY_ACTIONS, 0, "actions"))
    new = registration(number="2603090000017")
    assert await complaints.start(new, Case.register(new)[0], Request(key=uuid.uuid4().hex), left)
    assert start.call_args.kwargs["rpc_timeout"] == timedelta(seconds=waits)


async def test_a_start_that_gets_no_answer_in_its_time_is_not_made_later(temporal: Client) -> None:
    """Not by the client either, which tries again by itself as long as it is let."""
    async with relay(temporal.service_client.config.target_host) as way:
        client = await Client.connect(f"127.0.0.1:{way.port}", **SEALING)
        complaints = ComplaintClient(
            client, "nobody", timeout=8, clock_check=Agreed(), limit=Limit(TOO_MANY_ACTIONS, 0, "actions")
        )
        late, request = registration(number="2603090000017"), Request(key=uuid.uuid4().hex)
        await way.cut()
        with pytest.raises(ProblemError) as raised:
            await complaints.start(late, Case.register(late)[0], request, seconds=0.2)
        assert raised.value.problem.type.endswith("no-answer-in-time")
        await way.mend()
        health = TemporalHealth(client, "nobody", Storage((), {}).temporal_unwritable)
        await until(health.temporal, attrgetter("ok"))
        assert await complaints.registered_by(request, [late.number]) is None
