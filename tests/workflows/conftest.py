"""One Temporal server and one worker for all workflow tests of a process; every test has complaints of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Engine
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from readmodel.base.database import engine as engine_of
from tests.support.hotline import Hotline, running_hotline
from tests.support.reconciler import running_reconciled
from tests.support.temporal import temporal_server


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """A server on which no API draws numbers: those of these tests count up, and might meet them."""
    async with await temporal_server() as environment:
        yield environment


@pytest.fixture(scope="package")
def temporal(server: WorkflowEnvironment) -> Client:
    """A client of that server."""
    return server.client


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def hotline(server: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    async with running_hotline(server, tmp_path_factory.mktemp("hotline")) as running:
        yield running


@pytest.fixture
def owner(hotline: Hotline) -> Iterator[Engine]:
    """The engine that may write to the read model of this hotline."""
    made = engine_of(hotline.settings.database_url)
    yield made
    made.dispose()


@pytest_asyncio.fixture(loop_scope="module")
async def reconciled(tmp_path: Path) -> AsyncIterator[Hotline]:
    """A server of its own, and a reconciler that looks many times a second."""
    async with running_reconciled(tmp_path) as running:
        yield running
