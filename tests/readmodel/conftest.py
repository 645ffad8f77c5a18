"""A migrated database of each kind, to read and to write."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from readmodel.database import engine
from readmodel.migrate import migrate
from tests.readmodel.outage import impatient


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
