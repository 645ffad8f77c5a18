"""An API process whose clock differs from Temporal's registers nothing and changes nothing, and says so."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError

from activities.names import complaint_id
from api.sign_in.security import request_key
from api.temporal.server import CLOCK_OFF, TOLERANCE, ClockCheck, temporal_time
from domain.shared.actors import Actor, Role
from domain.shared.numbers import local_day, number_of
from tests.support.api import Api, Json, further_api, problem, running_api
from tests.support.hotline import until
from tests.support.proxy import relay
from tests.support.sealing import SEALING

pytestmark = pytest.mark.asyncio(loop_scope="session")

THREE_DAYS = timedelta(days=3)
INCIDENT = {"services": ["no_water"], "districts": ["gangkou"], "title": "爆管停水 burst main"}


@pytest_asyncio.fixture(loop_scope="session", params=[THREE_DAYS, -THREE_DAYS], ids=["ahead", "behind"])
async def off(request: pytest.FixtureRequest, on_sqlite: Api) -> AsyncIterator[Api]:
    """An API process whose clock is three days off; its service is the one of `on_sqlite`."""
    async with further_api(on_sqlite, lambda: datetime.now(UTC) + request.param) as api:
        yield api


def clock_off(answer: httpx.Response) -> Json:
    found = problem(answer, 503, "clock-off")
    assert answer.headers["Retry-After"]
    assert "259200 s" in found["detail"] or "259199 s" in found["detail"]
    assert "NTP" in found["detail"]
    return found


async def test_a_registration_is_refused_and_starts_nothing(on_sqlite: Api, off: Api) -> None:
    mine, me = uuid.uuid4().hex, Actor(id="chen", role=Role.AGENT)
    clock_off(await off.register(key=mine))
    clock_off(await off.post("/v1/incidents", INCIDENT, "zhou", mine))
    days = [local_day(datetime.now(UTC) + off_by) for off_by in (timedelta(), THREE_DAYS, -THREE_DAYS)]
    numbers = [number_of(day, request_key(me, mine)) for day in days]
    for number in numbers:
        with pytest.raises(RPCError, match="not found"):
            await off.temporal.get_workflow_handle(complaint_id(number)).describe()
    number = (await on_sqlite.register(key=mine)).json()["number"]
    assert number in {numbers[0], number_of(local_day(datetime.now(UTC)), request_key(me, mine))}, "midnight may pass"


async def test_an_action_is_refused_and_changes_nothing(on_sqlite: Api, off: Api) -> None:
    number = await on_sqlite.case_in("registered")
    clock_off(await off.act(number, "dispatch", {"department": "repair"}))
    case = (await off.get(f"/v1/complaints/{number}")).json()
    assert (case["state"], case["version"]) == ("registered", 1)
    assert (await on_sqlite.act(number, "dispatch", {"department": "repair"})).status_code == 200


async def test_queries_and_lists_go_on(on_sqlite: Api, off: Api) -> None:
    number = await on_sqlite.case_in("registered")
    assert (await off.get(f"/v1/complaints/{number}")).status_code == 200
    assert (await off.get("/v1/complaints")).json()["items"]


async def test_ready_says_by_how_much_and_what_to_do(off: Api) -> None:
    answer = await off.http.get("/readyz")
    found = answer.json()
    assert (answer.status_code, found["status"], found["clock"]["ok"]) == (503, "unavailable", False)
    assert "NTP" in found["clock"]["detail"]
    assert found["temporal"]["ok"]
    assert "\nhotline_readiness 0.0\n" in (await off.http.get("/metrics")).text


async def test_a_right_clock_is_measured_although_no_worker_runs(temporal: Client, tmp_path: Path) -> None:
    async with running_api(temporal, f"sqlite:///{tmp_path}/hotline.db", tmp_path, at_work=False) as api:
        found = (await api.http.get("/readyz")).json()
        assert (found["worker"]["ok"], found["clock"]["ok"]) == (False, True)
        assert "0 s" in found["clock"]["detail"]
        assert (await api.register()).is_success


async def test_the_time_read_is_that_of_the_call(temporal: Client) -> None:
    for _ in range(3):
        before = datetime.now(UTC)
        read = await temporal_time(temporal)
        assert read is not None
        assert before <= read <= datetime.now(UTC)


async def test_a_clock_that_steps_is_noticed_by_the_next_request(on_sqlite: Api) -> None:
    wrong = timedelta()
    async with further_api(on_sqlite, lambda: datetime.now(UTC) + wrong) as api:
        assert (await api.register()).status_code == 201
        wrong = TOLERANCE + timedelta(seconds=2)
        problem(await api.register(), 503, CLOCK_OFF.slug)
        wrong = TOLERANCE - timedelta(seconds=2)
        assert (await api.register()).status_code == 201


async def test_a_clock_that_cannot_be_measured_leaves_the_answer_to_temporal(on_sqlite: Api) -> None:
    async with relay(on_sqlite.temporal.service_client.config.target_host) as way:
        client = await Client.connect(f"127.0.0.1:{way.port}", **SEALING)
        check = ClockCheck(lambda: datetime.now(UTC) + THREE_DAYS, lambda: temporal_time(client))
        await way.cut()
        assert await check.offset() is None
        await check.require()
        await way.mend()
        measured = await until(check.offset, lambda seen: seen is not None)
        assert measured is not None
        assert abs(measured - THREE_DAYS) < TOLERANCE
        await check.close()


async def test_a_measurement_is_kept_while_temporal_is_away() -> None:
    answers: list[datetime | None] = [datetime.now(UTC), None]
    asked = 0

    async def temporal() -> datetime | None:
        nonlocal asked
        asked += 1
        return answers.pop(0) if answers else None

    check = ClockCheck(lambda: datetime.now(UTC), temporal)
    for _ in range(5):
        assert await check.offset() is not None
    assert asked == 1
