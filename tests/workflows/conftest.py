"""One Temporal server and one worker for all workflow tests of a process; every test has complaints of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.support.hotline import Hotline, running_hotline


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hotline(server: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    async with running_hotline(server, tmp_path_factory.mktemp("hotline")) as running:
        yield running
