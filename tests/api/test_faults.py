"""Refusals, repetitions and starts while a part is down. tests/api/test_outages.py has what each request answers."""

import uuid
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

import worker
from api.edge.problems import ProblemError
from api.temporal.errors import answering
from readmodel.base.database import engine
from tests.support.api import CALL, offered, problem, running_api, whenever
from tests.support.outage import unanswering
from tests.support.sealing import DATA_CONVERTER

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.slow
async def test_with_sql_down_a_case_is_refused_and_read_as_its_workflow_has_it(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    database = engine(database_url)
    async with running_api(temporal, database_url, tmp_path, sql_wait_seconds=0.3) as made:
        with unanswering(database):
            number = (await made.register({**CALL, "description": "SQL 停了"})).json()["number"]
            assert (await made.act(number, "dispatch", {"department": "repair"}, "zhou")).status_code == 202
            assert problem(await made.act(number, "arrive", {}, "wu"), 409, "out-of-turn")["state"] == "dispatched"
            alone = await made.complaint(number, "wu")
            assert (alone["state"], alone["description"]) == ("dispatched", "SQL 停了")
            assert whenever(alone["available_actions"]) == offered("wu", "dispatched")
            # Nobody can tell: SQL keeps cases that Temporal has forgotten.
            problem(await made.get("/v1/complaints/2001010000008"), 503, "read-model-unavailable")
            problem(await made.act("2001010000008", "arrive"), 503, "read-model-unavailable")
    database.dispose()


async def test_without_a_worker_a_repeated_registration_is_the_same_case(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    mine = str(uuid.uuid4())
    async with running_api(temporal, database_url, tmp_path, at_work=False, update_timeout_seconds=0.5) as made:
        number = (await made.register(key=mine)).json()["number"]
        again = await made.register(key=mine)
        assert (again.status_code, again.json()["number"], again.json()["version"]) == (201, number, 1)
        refused = await made.act(number, "dispatch", {"department": "moon"})
        problem(refused, 422, "unknown-department")


@pytest.mark.slow
async def test_after_a_worker_has_stopped_a_call_is_taken_and_listed_and_an_action_is_not(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    async with running_api(temporal, database_url, tmp_path, at_work=False, update_timeout_seconds=0.5) as made:
        async with worker.running(temporal, made.settings):
            before = await made.case_in("dispatched")
        taken = await made.register()
        assert taken.status_code == 201
        listed = [item["number"] for item in (await made.get("/v1/complaints")).json()["items"]]
        assert listed == [taken.json()["number"], before]
        for number in listed:
            problem(await made.act(number, "comment", {"note": "又来电"}), 503, "no-answer-in-time")


async def test_the_api_starts_and_says_so_while_temporal_is_not_there_yet(tmp_path: Path) -> None:
    client = await Client.connect("127.0.0.1:1", lazy=True, data_converter=DATA_CONVERTER)
    async with running_api(client, f"sqlite:///{tmp_path / 'hotline.db'}", tmp_path, at_work=False) as made:
        assert (await made.http.get("/healthz")).json() == {"status": "alive"}
        problem(await made.register(), 503, "temporal-unavailable")
        assert (await made.http.get("/readyz")).status_code == 503


async def test_an_action_that_no_worker_computes_is_answered_as_not_taken() -> None:
    """Temporal refuses updates after it has waited for a worker that hangs."""
    failed = RPCError("Workflow Task in failed state", RPCStatusCode.FAILED_PRECONDITION, b"")
    with pytest.raises(ProblemError) as raised:
        async with answering(8, "The action"):
            raise failed
    assert raised.value.problem.type.endswith("no-answer-in-time")
    assert "no worker" in str(raised.value.problem.detail)
