"""A migrated database of each kind, for examples of the documentation that are computed."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from readmodel.base.database import engine
from readmodel.migrate import migrate


@pytest.fixture
def database(database_url: str) -> Iterator[Engine]:
    migrate(database_url)
    made = engine(database_url)
    yield made
    made.dispose()
