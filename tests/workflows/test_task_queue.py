"""Tasks that somebody has given to a version of workers of their own, or limited, come back to the service's."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.workflowservice.v1 import (
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentManagerRequest,
    SetWorkerDeploymentRampingVersionRequest,
    UpdateTaskQueueConfigRequest,
)
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker, WorkerDeploymentConfig

import worker
from activities.run_status import RUNNING
from api.health import Component
from api.health.temporal import TemporalHealth
from hotline.installation import adopt
from hotline.settings import Settings
from hotline.temporal.cluster import prepare
from readmodel.migrate import migrate
from tests.support.hotline import until
from tests.support.sealing import SEALING, stranger
from tests.support.temporal import TEMPORAL
from workflows.clients import upkeep
from workflows.clients.upkeep import COURIER, RECONCILER, deployments_in

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
QUEUE = "theirs"
TOO_LONG = "x" * 1001
"""Id that Temporal refuses."""


@workflow.defn(sandboxed=False)
class Theirs:
    """Workflow that anybody's worker may run."""

    @workflow.run
    async def run(self) -> str:
        return "done"


@activity.defn
async def theirs() -> str:
    return "done"


async def writable() -> None:
    """Find no fault in the disk."""


def names_it(part: Component) -> bool:
    return "'a deployment'" in part.detail


async def given_away(client: Client, queue: str, *, ramping: bool) -> None:
    """Give the tasks of the queue to a version of which a worker ran for a moment, and which has a manager."""
    service = client.workflow_service
    version = WorkerDeploymentVersion("a deployment", "1")
    of_it: dict[str, Any] = {"namespace": client.namespace, "deployment_name": version.deployment_name}

    async def given() -> bool:
        named = of_it | {"build_id": version.build_id}
        try:
            if ramping:
                request = SetWorkerDeploymentRampingVersionRequest(**named, percentage=100)
                await service.set_worker_deployment_ramping_version(request)
            else:
                await service.set_worker_deployment_current_version(SetWorkerDeploymentCurrentVersionRequest(**named))
        except RPCError:  # its worker is not known yet
            return False
        return True

    config = WorkerDeploymentConfig(
        version=version, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.PINNED
    )
    async with Worker(stranger(client), task_queue=queue, workflows=[Theirs], deployment_config=config):
        await until(given, bool)
    manager = SetWorkerDeploymentManagerRequest(**of_it, manager_identity="somebody", identity="somebody")
    await service.set_worker_deployment_manager(manager)


async def connected(server: WorkflowEnvironment, namespace: str) -> tuple[Client, TemporalHealth]:
    address = server.client.service_client.config.target_host
    client = await Client.connect(address, namespace=namespace, **SEALING)
    await prepare(client, timedelta(days=1))
    return client, TemporalHealth(client, QUEUE, writable)


@pytest.mark.parametrize("ramping", [False, True], ids=["current", "ramping"])
async def test_tasks_that_went_to_a_version_come_back_while_a_worker_runs(
    server: WorkflowEnvironment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    ramping: bool,
) -> None:
    assert worker.MAINTENANCE_SECONDS < 60
    monkeypatch.setattr(worker, "MAINTENANCE_SECONDS", 0.1)
    client, health = await connected(server, f"taken-{ramping}")
    settings = Settings(data_dir=tmp_path, task_queue=QUEUE)
    migrate(settings.database_url)
    await adopt(client, settings)
    await given_away(client, QUEUE, ramping=ramping)
    assert not (await until(health.worker, names_it)).ok
    async with Worker(stranger(client), task_queue=QUEUE, workflows=[Theirs]):
        keeping = asyncio.create_task(worker.maintain_singletons(client, settings))
        await until(health.worker, lambda each: each.ok)
        assert await stranger(client).execute_workflow(Theirs.run, id="any", task_queue=QUEUE) == "done"
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert "'a deployment'" in caplog.text


async def test_a_worker_looks_after_each_thing_whatever_becomes_of_the_others(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Temporal refuses one singleton, the Schedule, and one of two deployments."""
    client, _ = await connected(server, "one-fails")
    settings = Settings(data_dir=tmp_path, task_queue=QUEUE)
    migrate(settings.database_url)
    await adopt(client, settings)
    await given_away(client, QUEUE, ramping=False)
    monkeypatch.setattr(upkeep, "POLLERS", (COURIER._replace(id=TOO_LONG), RECONCILER))
    monkeypatch.setattr(upkeep, "SCHEDULE", TOO_LONG)
    monkeypatch.setattr(upkeep, "deployments_in", lambda found: ["missing", *deployments_in(found)])
    keeping = asyncio.create_task(worker.maintain_singletons(client, settings))

    async def told() -> str:
        return caplog.text

    await until(told, lambda text: "the deployment 'a deployment'" in text)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert (await client.get_workflow_handle(RECONCILER.id).describe()).status is RUNNING
    for each in (f"the workflow {TOO_LONG}", "the Schedule", "the deployment 'missing', which has our tasks,"):
        assert f"{each} cannot be looked after" in caplog.text


@pytest.mark.parametrize("ramping", [False, True], ids=["current", "ramping"])
async def test_the_remedy_of_the_part_worker_brings_tasks_back(server: WorkflowEnvironment, ramping: bool) -> None:
    client, health = await connected(server, f"remedied-{ramping}")
    await given_away(client, QUEUE, ramping=ramping)
    found = await until(health.worker, names_it)
    where = ("--namespace", client.namespace, "--address", client.service_client.config.target_host)
    for command in (found.remedy or "").split("`")[1:4:2]:
        arguments = ["a deployment" if each == "NAME" else each for each in command.split()[1:]]
        asked = await asyncio.create_subprocess_exec(TEMPORAL, *arguments, *where, "--identity", "somebody")
        assert await asked.wait() == 0
    await until(health.worker, lambda each: not names_it(each))


LIMITS = ("update_queue_rate_limit", "update_fairness_key_rate_limit_default")


def names_limit(part: Component) -> bool:
    return "limited" in part.detail


async def limited(client: Client, queue: str, limit: str) -> None:
    """Have Temporal give no activity of the queue any more, but what the server gives to who asks for it at once."""
    request = UpdateTaskQueueConfigRequest(
        namespace=client.namespace,
        identity="somebody",
        task_queue=queue,
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    getattr(request, limit).rate_limit.requests_per_second = 0
    await stranger(client).workflow_service.update_task_queue_config(request)


@pytest.mark.parametrize("limit", LIMITS)
async def test_a_limit_of_tasks_is_reported_and_removed_while_a_worker_runs(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(worker, "MAINTENANCE_SECONDS", 0.1)
    client, health = await connected(server, f"limited-{limit}")
    settings = Settings(data_dir=tmp_path, task_queue=QUEUE)
    migrate(settings.database_url)
    await adopt(client, settings)
    await limited(client, QUEUE, limit)
    assert not (await until(health.worker, names_limit)).ok
    async with Worker(stranger(client), task_queue=QUEUE, activities=[theirs]):
        asked = stranger(client).execute_activity(
            theirs, id="any", task_queue=QUEUE, start_to_close_timeout=timedelta(seconds=10)
        )
        keeping = asyncio.create_task(worker.maintain_singletons(client, settings))
        assert await asked == "done"
        await until(health.worker, lambda each: not names_limit(each))
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


@pytest.mark.parametrize("limit", LIMITS)
async def test_the_remedy_of_the_part_worker_removes_a_limit(server: WorkflowEnvironment, limit: str) -> None:
    client, health = await connected(server, f"unlimited-{limit}")
    await limited(client, QUEUE, limit)
    found = await until(health.worker, names_limit)
    where = ("--namespace", client.namespace, "--address", client.service_client.config.target_host)
    command = (found.remedy or "").split("`")[1]
    asked = await asyncio.create_subprocess_exec(TEMPORAL, *command.split()[1:], *where)
    assert await asked.wait() == 0
    await until(health.worker, lambda each: not names_limit(each))
