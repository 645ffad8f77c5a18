"""One Temporal server and one worker for all workflow tests of a process; every test has complaints of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from sqlalchemy import Engine
from temporalio.testing import WorkflowEnvironment

from readmodel.database import engine as engine_of
from tests.support.hotline import Hotline, running_hotline


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hotline(server: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    async with running_hotline(server, tmp_path_factory.mktemp("hotline")) as running:
        yield running


@pytest.fixture
def owner(hotline: Hotline) -> Iterator[Engine]:
    """The engine that may write to the read model of this hotline."""
    made = engine_of(hotline.settings.database_url)
    yield made
    made.dispose()
