"""Intakes know the open incidents: right after the start, after a pause, and while SQL is slow."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from math import inf
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Engine, text
from temporalio.client import Client

from api.sql import Reader
from domain.case.intake import Location
from domain.incident.incident import Incident, IncidentBatch
from readmodel import incidents
from readmodel.base.database import engine, writing
from tests.support.api import Api, Clock, further_api, running_api
from tests.support.build import ADMIN, INCIDENT
from tests.support.hotline import until
from tests.support.incidents import opening
from tests.support.outage import unanswering

pytestmark = pytest.mark.asyncio(loop_scope="session")

BURST = 12
AGES = "api.sql.FRESH_SECONDS", "api.sql.STALE_SECONDS"


@pytest.fixture(name="database")
def _database(postgresql_url: str) -> Iterator[Engine]:
    made = engine(postgresql_url)
    yield made
    made.dispose()


@pytest.fixture(name="reader")
def _reader(postgresql_url: str) -> Iterator[Reader]:
    """A reader whose intakes wait for as long as SQL takes."""
    made = Reader(engine(postgresql_url, read_only=True), 60, lambda: "0760")
    yield made
    made.close()


@pytest_asyncio.fixture(name="api", loop_scope="session")
async def _api(temporal: Client, tmp_path: Path, postgresql_url: str) -> AsyncIterator[Api]:
    async with running_api(temporal, postgresql_url, tmp_path, at_work=False, caller_lookup_seconds=5.0) as made:
        yield made


def declare(database: Engine) -> None:
    """Write an open incident that covers the calls of these tests."""
    incident, event = Incident.open(opening(ADMIN))
    with writing(database) as connection:
        incidents.write(connection, IncidentBatch(incident=incident, events=(event,)))


@contextmanager
def locked(database: Engine) -> Iterator[None]:
    """Nobody can read incidents within the block: whoever asks for them waits until SQL gives up."""
    with database.begin() as connection:
        connection.execute(text("LOCK TABLE incidents IN ACCESS EXCLUSIVE MODE"))
        yield


async def covering(reader: Reader) -> str | None:
    return await reader.incident_covering("no_water", Location(district="west"))


async def test_the_api_reads_the_incidents_at_its_start(api: Api, database: Engine) -> None:
    declare(database)
    async with further_api(api, Clock()) as started:
        with locked(database):
            assert (await started.register()).json()["incident"] == INCIDENT


async def test_after_a_start_without_sql_all_calls_wait_for_one_read(api: Api, database: Engine) -> None:
    declare(database)
    async with AsyncExitStack() as stack:
        with unanswering(database):
            started = await stack.enter_async_context(further_api(api, Clock()))
        answers = await asyncio.gather(*(started.register() for _ in range(BURST)))
    assert [answer.json()["incident"] for answer in answers] == [INCIDENT] * BURST


async def test_a_read_that_failed_is_repeated_by_the_next_intake(
    reader: Reader, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age in AGES:
        monkeypatch.setattr(age, 3600.0)
    declare(database)
    with unanswering(database):
        assert await covering(reader) is None
    assert await until(lambda: covering(reader), bool) == INCIDENT


async def test_after_a_pause_all_calls_wait_for_one_read(
    reader: Reader, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age in AGES:
        monkeypatch.setattr(age, 0.0)
    await reader.begin()
    declare(database)
    assert await asyncio.gather(*(covering(reader) for _ in range(BURST))) == [INCIDENT] * BURST


async def test_no_call_waits_while_recent_incidents_are_renewed(
    reader: Reader, database: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for age, seconds in zip(AGES, (0.0, inf), strict=True):
        monkeypatch.setattr(age, seconds)
    declare(database)
    await reader.begin()
    with locked(database):
        assert await covering(reader) == INCIDENT
        # A call that waited would have seen SQL give up.
        assert "open incidents" not in caplog.text
