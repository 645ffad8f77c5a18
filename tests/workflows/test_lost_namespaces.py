"""A namespace that somebody has deprecated, deleted or left without tasks is reported; the remedy brings cases back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from operator import attrgetter
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
import pytest_asyncio
from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest
from temporalio.api.workflowservice.v1 import DeprecateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

import worker
from activities.run_status import none_on
from api.health.temporal import TemporalHealth
from domain.case.lifecycle import State
from hotline.installation import adopt
from hotline.recovery.rebuild_workflows import STARTED, WorkflowRebuild
from hotline.temporal.cluster import prepare
from tests.support.hotline import Complaint, Hotline, running_hotline, until
from tests.support.lost import terminate
from tests.support.sealing import with_options
from tests.support.temporal import temporal_server
from tests.workflows.test_task_queue import given_away
from workflows.clients.upkeep import INTERNAL_QUEUE, deployments_in, describe_queue, take_back
from workflows.kit.words import CatalogueNames

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with await temporal_server() as started:
        yield started


async def starts_nothing(hotline: Hotline) -> bool:
    try:
        await hotline.start()
    except RPCError as error:
        return "Deprecated" in error.message
    return False


async def comes_back(hotline: Hotline, case: Complaint) -> Client:
    """Take the steps of docs/when-something-is-wrong.md to another namespace; return a client of it."""
    another = with_options(hotline.client, namespace="another")
    await prepare(another, timedelta(days=1))
    await adopt(another, hotline.settings)
    names = CatalogueNames.of(hotline.catalogue)
    async with worker.running(another, hotline.settings) as owner:
        rebuild = WorkflowRebuild(another, owner, "lost", lambda: names, drop_unopened=False)
        assert await rebuild.one(case.number) == STARTED
        back = await another.get_workflow_handle(case.handle.id).query("case")
        assert back["state"] == State.REGISTERED
    return another


async def test_a_deprecated_namespace_is_reported_and_cases_come_back_in_another(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    old = server.client
    async with running_hotline(server, tmp_path, task_queue="lost", sandbox=False) as hotline:
        health = TemporalHealth(old, "lost", AsyncMock(return_value=None))
        await until(health.temporal, attrgetter("ok"))
        case = await hotline.start()
        await old.workflow_service.deprecate_namespace(DeprecateNamespaceRequest(namespace=old.namespace))
        found = await until(health.temporal, lambda part: not part.ok)
        assert f"the namespace {old.namespace} to deprecated" in found.detail
        await until(lambda: starts_nothing(hotline), bool)
    another = await comes_back(hotline, case)
    await until(TemporalHealth(another, "lost", AsyncMock(return_value=None)).temporal, attrgetter("ok"))


async def end_deployment(client: Client) -> None:
    """Give our tasks to a worker deployment, and end its workflows; no worker can give them back."""
    await given_away(client, "lost", ramping=False)
    for each in (
        "temporal-sys-worker-deployment:a deployment",
        "temporal-sys-worker-deployment-version:a deployment:1",
    ):
        await terminate(client, each)
    await take_back(client, "lost")


async def take_internal(client: Client) -> None:
    """Give Temporal's own tasks to a worker deployment. It does not answer then, as its workflow stands still."""
    giving = asyncio.create_task(given_away(client, INTERNAL_QUEUE, ramping=False))

    async def taken() -> list[str]:
        return deployments_in(await describe_queue(client, INTERNAL_QUEUE))

    await until(taken, bool)
    giving.cancel()
    await asyncio.gather(giving, return_exceptions=True)


@pytest.mark.parametrize("lose", [end_deployment, take_internal])
async def test_a_queue_that_nobody_can_take_back_is_reported_and_cases_come_back_elsewhere(
    tmp_path: Path, lose: Callable[[Client], Awaitable[None]]
) -> None:
    async with await temporal_server() as own:
        async with running_hotline(own, tmp_path, task_queue="lost", sandbox=False) as hotline:
            health = TemporalHealth(own.client, "lost", AsyncMock(return_value=None))
            case = await hotline.start()
            await lose(own.client)
            found = await until(health.worker, lambda part: "'a deployment'" in part.detail)
            assert "Use another namespace" in (found.remedy or "")
        another = await comes_back(hotline, case)
        health = TemporalHealth(another, "lost", AsyncMock(return_value=None))
        assert "'a deployment'" not in (await health.worker()).detail


async def test_a_deleted_namespace_is_reported_and_the_setup_adds_it(server: WorkflowEnvironment) -> None:
    client = with_options(server.client, namespace="deleted")
    await prepare(client, timedelta(days=1))
    health = TemporalHealth(client, "lost", AsyncMock(return_value=None))
    await until(health.temporal, attrgetter("ok"))
    # The server may close the connection before it answers: what it has deleted then is not found when asked again.
    deleting = DeleteNamespaceRequest(namespace=client.namespace)
    await none_on(RPCStatusCode.NOT_FOUND, client.operator_service.delete_namespace(deleting, retry=True))
    found = await until(health.temporal, lambda part: part.detail == "has no namespace deleted")
    assert "`hotline temporal-setup`" in (found.remedy or "")
    await prepare(client, timedelta(days=1))
    await until(health.temporal, attrgetter("ok"))
