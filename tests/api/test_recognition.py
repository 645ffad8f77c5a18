"""Late recognition: of a caller who was corrected, or whose flags an older worker did not know."""

import asyncio
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from temporalio.client import Client, WorkflowUpdateRPCTimeoutOrCancelledError

from activities.names import complaint_id
from api.complaints.intake import Recognition
from api.sql import ProjectionWriter, Reader
from api.temporal.client import ComplaintClient
from domain.case.actions.correct import Correct
from domain.case.automatic.internal_updates import Recognised
from domain.case.intake import Location
from domain.case.state import ProjectionBatch
from domain.customers.customer import Customer
from domain.kit.event import Command, EventData
from readmodel.base.database import reading, writing
from readmodel.callers import unrecognised
from readmodel.customers import save_customers
from tests.api.test_caller import GRANNY, api_with_customers, call, locked
from tests.support.api import further_api
from tests.support.hotline import ADMIN, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("steps", range(4))
async def test_it_ends_also_if_a_correction_comes_at_the_same_moment(steps: int) -> None:
    """By so many steps of the loop before; the process would never stop."""
    nobody = (cast(Reader, None), cast(ComplaintClient, None), cast(ProjectionWriter, None))
    recognition = Recognition(*nobody)
    recognition.start()
    await asyncio.sleep(0)
    recognition.corrected.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await recognition.close()


async def test_it_ends_also_if_a_cancellation_becomes_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Temporal's client, while it waits for the answer of a case."""
    monkeypatch.setattr("api.complaints.intake.PAUSES", (0.0,))
    asked = asyncio.Event()

    async def ask(*_: object) -> list[str]:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise WorkflowUpdateRPCTimeoutOrCancelledError from error
        return []

    reader = cast(Reader, SimpleNamespace(ask=ask))
    recognition = Recognition(reader, cast(ComplaintClient, None), cast(ProjectionWriter, None))
    recognition.start()
    await asyncio.sleep(0)
    recognition.corrected.set()
    await asked.wait()
    async with asyncio.timeout(10):
        await recognition.close()


@pytest.mark.slow
async def test_a_corrected_caller_is_recognised_and_the_other_one_is_forgotten(
    temporal: Client, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.complaints.intake.PAUSES", (0.1,) * 50)
    async with api_with_customers(temporal, database_url, tmp_path) as (made, database):
        with writing(database) as connection:
            save_customers(connection, [Customer(account_no="B-1", name="Laundry", customer_class="business")])
        number = (await call(made, {"account_no": "B-1"}))["number"]

        async def flags() -> list[str]:
            return list((await made.complaint(number))["flags"])

        for caller, known in ((GRANNY, ["hardship"]), ({"account_no": "B-1"}, []), (GRANNY, ["hardship"])):
            correction = {"reason": "another account", "caller": {"name": None, "phone": None, **caller}}
            assert (await made.act(number, "correct", correction)).status_code == 200
            # What else the case is flagged with stays; the look at the caller takes a moment.
            assert await until(flags, known.__eq__) == known
        assert (await made.actions(number)).count("recognise") == 3


@pytest.mark.slow
async def test_a_corrected_caller_is_recognised_though_a_process_ends(
    temporal: Client, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API that took the first correction never comes to the look-up; the second one is sent past it."""
    monkeypatch.setattr("api.complaints.intake.PAUSES", (3600.0,))
    async with api_with_customers(temporal, database_url, tmp_path) as (made, database):
        number = (await call(made, {"phone": "139 0000 0000"}, {}))["number"]
        correction = {"reason": "another caller", "caller": GRANNY}
        assert (await made.act(number, "correct", correction)).json()["flags"] == []
        past_it = Command(actor=ADMIN, body=Correct(reason="又更正", location=Location(address="莲塘东路18号")))
        await made.temporal.get_workflow_handle(complaint_id(number)).execute_update("correct", past_it)
        await until(partial(made.actions, number), lambda actions: actions == ["register", "correct", "correct"])
        monkeypatch.setattr("api.complaints.intake.PAUSES", (0.0,))
        monkeypatch.setattr("api.complaints.intake.EVERY_SECONDS", 0.1)
        async with further_api(made, made.clock) as other:
            known = await until(partial(other.complaint, number), lambda case: bool(case["flags"]))
            assert known["flags"] == ["hardship"]

            async def left() -> list[str]:
                with reading(database) as connection:
                    return unrecognised(connection)

            await until(left, lambda numbers: numbers == [])
        assert (await made.actions(number))[3:] == ["recognise"]


class NewerRecognised(EventData):
    flags: tuple[str, ...]


@pytest.mark.slow
async def test_a_flag_that_an_older_worker_does_not_know_is_sent_again(
    temporal: Client, tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognise, sent = ComplaintClient.recognise, list[str]()

    async def newer(client: ComplaintClient, number: str, known: Recognised, key: str) -> ProjectionBatch | None:
        sent.append(number)
        newest = NewerRecognised(flags=("a_flag_to_come",))
        return await recognise(client, number, cast("Recognised", newest) if len(sent) == 1 else known, key)

    monkeypatch.setattr(ComplaintClient, "recognise", newer)
    monkeypatch.setattr("api.complaints.intake.PAUSES", (0.1,) * 50)
    async with api_with_customers(temporal, postgresql_url, tmp_path, caller_lookup_seconds=0.05) as (made, database):
        with locked(database):
            taken = await call(made, GRANNY)
        told = await until(partial(made.complaint, taken["number"]), lambda found: bool(found["flags"]))
    assert (told["flags"], sent) == (["hardship"], [taken["number"]] * 2)
