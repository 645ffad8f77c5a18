"""A migrated database of each kind, to read and to write; and a courier on it, with receivers."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from activities.notifications import courier
from readmodel.base.database import engine
from readmodel.migrate import migrate
from readmodel.writer import GroupWriter
from tests.support.channels import CourierHarness
from tests.support.outage import impatient
from tests.support.receivers import MailServer, Receiver, mail_server, receiver


@pytest.fixture
def database(database_url: str) -> Iterator[Engine]:
    migrate(database_url)
    made = impatient(engine(database_url))
    yield made
    made.dispose()


@pytest.fixture
def reader(database: Engine) -> Iterator[Engine]:
    made = engine(database.url.render_as_string(hide_password=False), read_only=True)
    yield made
    made.dispose()


@pytest.fixture
async def harness(database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CourierHarness]:
    """A courier with short pauses: what is refused is tried again at once."""
    monkeypatch.setattr(courier, "FIRST_PAUSE", timedelta(milliseconds=20))
    async with GroupWriter(database) as writer:
        yield CourierHarness(database, writer, tmp_path)


@pytest.fixture
async def gateway() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as made:
        yield made
