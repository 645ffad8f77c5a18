"""Answers while something is down; when it is back, nothing is lost or done twice."""

import time
import uuid
from pathlib import Path

import pytest
from temporalio.client import Client

import worker
from hotline.settings import Settings
from hotline.temporal.converter import DATA_CONVERTER
from readmodel.database import engine
from tests.support.api import CALL, Api, problem, running_api, whenever
from tests.support.hotline import until
from tests.support.outage import down
from tests.support.proxy import relay

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROMISED_SECONDS = 10.0
"""Longest time until an answer comes, whatever is down."""


def key() -> str:
    return str(uuid.uuid4())


async def test_the_default_times_keep_the_promise(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert settings.update_timeout_seconds < PROMISED_SECONDS
    assert settings.sql_wait_seconds < PROMISED_SECONDS / 2


async def test_with_sql_down_everything_is_taken_and_appears_when_it_is_back(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    database = engine(database_url)
    async with running_api(temporal, database_url, tmp_path, sql_wait_seconds=0.3) as made:
        before = await made.case_in("registered")
        with down(database):
            taken = await made.register({**CALL, "description": "SQL 停了"})
            assert taken.status_code == 202
            number = taken.json()["number"]
            acted = await made.act(number, "dispatch", {"department": "repair"}, "zhou")
            assert (acted.status_code, acted.json()["state"]) == (202, "dispatched")
            refused = await made.act(number, "arrive", {}, "wu")
            assert problem(refused, 409, "out-of-turn")["state"] == "dispatched"
            # One case is read from its workflow where SQL does not show it.
            alone = await made.complaint(number, "wu")
            assert alone["state"] == "dispatched"
            assert whenever(alone["available_actions"]) == ["sign_for", "return", "comment"]
            assert (await made.complaint(before))["state"] == "registered"
            readiness = (await made.http.get("/readyz")).json()
            assert readiness["temporal"]["ok"]
            assert (readiness["status"], readiness["sql"]["ok"]) == ("degraded", False)
            assert readiness["sql"]["remedy"]
            if database_url.startswith("postgresql"):
                problem(await made.get("/v1/complaints"), 503, "read-model-unavailable")
                # Nobody can tell: SQL keeps cases that Temporal has forgotten.
                problem(await made.get("/v1/complaints/2001010000008"), 503, "read-model-unavailable")
                problem(await made.act("2001010000008", "arrive"), 503, "read-model-unavailable")
            assert (await made.http.get("/readyz")).status_code == 200
        assert await until(lambda: made.actions(number), lambda found: len(found) == 2) == ["register", "dispatch"]
        assert (await made.complaint(number))["description"] == "SQL 停了"
        assert (await made.act(number, "sign_for", {}, "wu")).status_code == 200
    database.dispose()


async def test_with_the_worker_down_a_case_is_registered_and_listed_and_an_action_waits(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    mine, theirs = key(), key()
    changes = {"sql_wait_seconds": 0.1, "update_timeout_seconds": 0.5}
    async with running_api(temporal, database_url, tmp_path, at_work=False, **changes) as made:
        taken = await made.register(key=mine)
        assert taken.status_code == 201
        number = taken.json()["number"]
        again = await made.register(key=mine)
        assert (again.status_code, again.json()["number"], again.json()["version"]) == (201, number, 1)
        assert (await made.complaint(number))["state"] == "registered"
        listed = await made.get("/v1/complaints", state="registered")
        assert number in [item["number"] for item in listed.json()["items"]]
        waiting = await made.act(number, "dispatch", {"department": "repair"}, "zhou", theirs)
        assert "same Idempotency-Key" in problem(waiting, 503, "no-answer-in-time")["detail"]
        assert int(waiting.headers["retry-after"]) > 0
        problem(await made.act(number, "dispatch", {"department": "moon"}, key=key()), 422, "unknown-department")
        async with worker.running(temporal, made.settings):
            answer = await until(lambda: dispatched(made, number, theirs), lambda found: found == (200, "dispatched"))
            assert answer == (200, "dispatched")
            assert await made.actions(number) == ["register", "dispatch"]


async def dispatched(made: Api, number: str, mine: str) -> tuple[int, str | None]:
    """Send the dispatch with this key; return the status code and the state in the answer."""
    answer = await made.act(number, "dispatch", {"department": "repair"}, "zhou", mine)
    return answer.status_code, answer.json().get("state")


async def test_with_temporal_down_nothing_is_pretended(temporal: Client, tmp_path: Path) -> None:
    mine = key()
    async with relay(temporal.service_client.config.target_host) as way:
        client = await Client.connect(f"127.0.0.1:{way.port}", data_converter=temporal.data_converter)
        url = f"sqlite:///{tmp_path / 'hotline.db'}"
        async with (
            running_api(client, url, tmp_path, at_work=False, update_timeout_seconds=1.0) as made,
            worker.running(temporal, made.settings),
        ):
            number = await made.case_in("registered")
            await way.cut()
            for answer in (
                await made.register(key=mine),
                await made.act(number, "dispatch", {"department": "repair"}, "zhou", mine),
            ):
                assert answer.status_code == 503
                assert problem(answer, 503, answer.json()["type"].rpartition(":")[2])
                assert int(answer.headers["retry-after"]) > 0
            # What SQL shows can be read all the same.
            assert (await made.complaint(number))["version"] == 1
            ready = await made.http.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
            await way.mend()
            registered = await until(lambda: made.register(key=mine), lambda answer: answer.status_code == 201)
            acted = await until(lambda: dispatched(made, number, mine), lambda found: found[0] == 200)
            assert acted == (200, "dispatched")
            assert await made.actions(registered.json()["number"]) == ["register"]
            assert await made.actions(number) == ["register", "dispatch"]


async def test_the_api_starts_and_says_so_while_temporal_is_not_there_yet(tmp_path: Path) -> None:
    client = await Client.connect("127.0.0.1:1", lazy=True, data_converter=DATA_CONVERTER)
    async with running_api(client, f"sqlite:///{tmp_path / 'hotline.db'}", tmp_path, at_work=False) as made:
        assert (await made.http.get("/healthz")).json() == {"status": "alive"}
        began = time.monotonic()
        problem(await made.register(), 503, "temporal-unavailable")
        assert (await made.http.get("/readyz")).status_code == 503
        assert time.monotonic() - began < PROMISED_SECONDS
