"""Both stores carry the id of the installation; what belongs to another one is refused."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    PollActivityTaskQueueRequest,
    RespondActivityTaskFailedRequest,
)
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.converter import JSONPlainPayloadConverter
from temporalio.testing import WorkflowEnvironment

import worker
from activities.run_status import if_found
from hotline import installation
from hotline.installation import ForeignStoreError, Stores, adopt, compare_stores
from hotline.settings import Settings
from hotline.temporal.cluster import prepare
from hotline.temporal.converter import sealing
from readmodel.migrate import migrate
from tests.support.hotline import running_hotline, until
from tests.support.lost import terminate
from tests.support.rings import ring_at
from tests.support.sealing import SEALING, stranger, with_options
from tests.support.temporal import temporal_server
from tests.workflows.test_envelope import waits
from tests.workflows.test_hijacked_tasks import hijack, schedule
from tests.workflows.test_late_cases import timer
from tests.workflows.test_no_cases import nested
from workflows.clients.upkeep import (
    COURIER,
    INSTALLATION,
    POLLERS,
    SCHEDULE,
    SURGE_WATCH,
    Singleton,
    installation_of,
    start_ended,
)
from workflows.singletons import MEMO

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """A server of its own, on which each test has namespaces of its own."""
    async with await temporal_server() as environment:
        yield environment


async def namespace(server: WorkflowEnvironment, name: str, *, made: bool = True) -> Client:
    """A client of this namespace, as of a Temporal of its own."""
    address = server.client.service_client.config.target_host
    client = await Client.connect(address, namespace=name, **SEALING)
    if made:
        await prepare(client, timedelta(days=1))
    return client


def read_model(folder: Path) -> Settings:
    """Settings with a read model of its own."""
    settings = Settings(data_dir=folder)
    migrate(settings.database_url)
    return settings


async def test_both_stores_get_one_id_and_either_gets_it_back(server: WorkflowEnvironment, tmp_path: Path) -> None:
    client, settings = await namespace(server, "first"), read_model(tmp_path / "one")
    with pytest.raises(ForeignStoreError, match="has no id of an installation"):
        (await compare_stores(client, settings)).require_ids()
    given = await adopt(client, settings)
    assert given
    assert (await compare_stores(client, settings)).are_of_one_installation
    assert await adopt(client, settings) == given
    assert await adopt(client, read_model(tmp_path / "empty")) == given
    assert await adopt(other := await namespace(server, "empty"), settings) == given
    assert await installation_of(other) == given


async def test_two_that_adopt_at_once_agree(server: WorkflowEnvironment, tmp_path: Path) -> None:
    client, settings = await namespace(server, "crowd"), read_model(tmp_path)
    given = {*await asyncio.gather(*(adopt(client, settings) for _ in range(4)))}
    assert given == {await installation_of(client)}
    assert (await compare_stores(client, settings)).are_of_one_installation


async def test_the_store_of_another_installation_is_refused_by_name(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    mine, mine_sql = await namespace(server, "mine"), read_model(tmp_path / "mine")
    theirs, their_sql = await namespace(server, "theirs"), read_model(tmp_path / "theirs")
    ids = [await adopt(mine, mine_sql), await adopt(theirs, their_sql)]
    with pytest.raises(ForeignStoreError) as refused:
        await adopt(theirs, mine_sql)
    assert all(str(each) in str(refused.value) for each in (*ids, "TEMPORAL_ADDRESS", "namespace theirs"))
    with pytest.raises(ForeignStoreError):
        await compare_stores(mine, their_sql)
    assert [await installation_of(each) for each in (mine, theirs)] == ids


async def test_what_does_not_answer_is_not_compared_and_not_made(server: WorkflowEnvironment, tmp_path: Path) -> None:
    nowhere = Settings(data_dir=tmp_path / "none")
    client = await namespace(server, "alone")
    assert await adopt(client, nowhere) is None
    assert not nowhere.data_dir.exists()
    assert await installation_of(client) is None
    settings = read_model(tmp_path / "kept")
    away = await Client.connect("127.0.0.1:1", lazy=True)
    assert await adopt(away, settings) is None
    assert not (await compare_stores(away, settings)).are_of_one_installation
    # Before `hotline temporal-setup` there is no namespace that could carry it.
    assert await adopt(await namespace(server, "missing", made=False), settings) is None
    await compare_stores(client, settings)


async def test_a_terminated_workflow_of_the_id_comes_back_with_it(server: WorkflowEnvironment, tmp_path: Path) -> None:
    client, settings = await namespace(server, "ended"), read_model(tmp_path)
    given = await adopt(client, settings)
    await terminate(client, INSTALLATION.id)
    assert await installation_of(client) == given
    await start_ended(client, settings.task_queue)
    assert await status(client, INSTALLATION.id) == "RUNNING"
    assert await installation_of(client) == given


async def test_an_id_that_somebody_puts_in_its_place_goes_with_its_workflow(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    client, settings = await namespace(server, "replaced"), read_model(tmp_path)
    given = await adopt(client, settings)
    await terminate(client, INSTALLATION.id)
    await INSTALLATION.start(client, settings.task_queue, {MEMO: JSONPlainPayloadConverter().to_payload("theirs")})
    with pytest.raises(ForeignStoreError, match="theirs"):
        await adopt(client, settings)
    request = DeleteWorkflowExecutionRequest(
        namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=INSTALLATION.id)
    )
    while await installation_of(client):
        await if_found(client.workflow_service.delete_workflow_execution(request))
        await asyncio.sleep(0.2)
    assert await adopt(client, settings) == given


async def status(client: Client, workflow: str) -> str:
    """Return the status of the latest run of the workflow."""
    found = (await client.get_workflow_handle(workflow).describe()).status
    return found.name if found else ""


@pytest.mark.parametrize("singleton", POLLERS, ids=lambda each: each.id)
async def test_what_runs_for_ever_is_started_again_while_the_worker_runs(
    server: WorkflowEnvironment, tmp_path: Path, singleton: Singleton, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert worker.MAINTENANCE_SECONDS < 60
    monkeypatch.setattr(worker, "MAINTENANCE_SECONDS", 0.1)
    client, settings = await namespace(server, singleton.id), read_model(tmp_path)
    await adopt(client, settings)

    async def runs() -> bool:
        return await if_found(status(client, singleton.id)) == "RUNNING"

    keeping = asyncio.create_task(worker.maintain_singletons(client, settings))
    await until(runs, bool)
    await terminate(client, singleton.id)
    await until(runs, bool)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def is_scheduled(client: Client) -> bool:
    """Return True if Temporal has the Schedule."""
    return await if_found(client.get_schedule_handle(SCHEDULE).describe()) is not None


async def test_what_runs_is_asked_and_not_started(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, settings = await namespace(server, "asked"), read_model(tmp_path)
    await adopt(client, settings)
    await start_ended(client, settings.task_queue)
    assert [await status(client, each.id) for each in POLLERS] == ["RUNNING"] * len(POLLERS)
    started: list[str] = []

    async def start(singleton: Singleton, *_: object) -> None:
        started.append(singleton.id)

    monkeypatch.setattr(Singleton, "start", start)
    await start_ended(client, settings.task_queue)
    assert started == []
    await terminate(client, COURIER.id)
    await start_ended(client, settings.task_queue)
    assert started == [COURIER.id]


@pytest.mark.parametrize(
    "taken",
    [
        {"task_queue": "somebody-elses"},
        {"workflow": "InstallationWorkflow"},
        {"start_delay": timedelta(days=3650)},
    ],
    ids=lambda taken: next(iter(taken)),
)
async def test_what_runs_for_ever_takes_the_place_of_a_workflow_of_somebody_else(
    server: WorkflowEnvironment, tmp_path: Path, taken: dict[str, Any]
) -> None:
    client, settings = await namespace(server, f"taken-{next(iter(taken))}"), read_model(tmp_path)
    options = {"workflow": "SurgeWatchWorkflow", "task_queue": settings.task_queue} | taken
    theirs = await stranger(client).start_workflow(id=SURGE_WATCH.id, **options)
    await start_ended(client, settings.task_queue)
    found = await client.get_workflow_handle(SURGE_WATCH.id).describe()
    assert found.run_id != theirs.first_execution_run_id
    assert (found.workflow_type, found.task_queue) == ("SurgeWatchWorkflow", settings.task_queue)


@pytest.mark.parametrize("singleton", [COURIER, INSTALLATION])
async def test_what_runs_for_ever_is_started_again_when_it_cannot_be_decoded(
    tmp_path: Path, singleton: Singleton
) -> None:
    """Somebody else has failed an activity of it so, to be tried again."""
    async with await temporal_server() as server:
        client, settings = server.client, read_model(tmp_path)
        ring_at(settings.keys_file)
        given = await adopt(client, settings)
        handle = client.get_workflow_handle(singleton.id)
        await start_ended(client, settings.task_queue)
        for each in {*POLLERS, INSTALLATION} - {singleton}:
            await terminate(client, each.id)
        asked = schedule(settings.task_queue, "deliver_notifications", 1)
        await hijack(client, settings.task_queue, asked)
        first = await handle.describe()
        poll = PollActivityTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=settings.task_queue), identity="nobody"
        )
        task = await client.workflow_service.poll_activity_task_queue(poll)
        await client.workflow_service.respond_activity_task_failed(
            RespondActivityTaskFailedRequest(namespace=client.namespace, task_token=task.task_token, failure=nested(98))
        )
        assert await installation_of(client) == given
        await start_ended(client, settings.task_queue)
        again = await handle.describe()
        assert again.run_id != first.run_id
        assert again.status is WorkflowExecutionStatus.RUNNING
        assert await installation_of(client) == given


async def test_the_id_is_kept_when_the_tasks_of_its_workflow_fail(tmp_path: Path) -> None:
    """Somebody else, as its worker, has asked for a timer that it does not have."""
    async with await temporal_server() as server:
        client, settings = server.client, read_model(tmp_path)
        ring_at(settings.keys_file)
        given = await adopt(client, settings)
        await hijack(client, settings.task_queue, timer(1, 1))
        handle = client.get_workflow_handle(INSTALLATION.id)
        first = await handle.describe()
        async with running_hotline(server, tmp_path):
            await waits(handle)

            async def looks() -> str | None:
                await start_ended(client, settings.task_queue)
                return (await handle.describe()).run_id

            await until(looks, lambda run: run != first.run_id)
        assert await installation_of(client) == given


async def test_a_schedule_that_was_deleted_comes_back_while_the_worker_runs(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "MAINTENANCE_SECONDS", 0.1)
    caplog.set_level("INFO", "hotline.worker")
    client, settings = await namespace(server, "scheduled"), read_model(tmp_path)
    await adopt(client, settings)
    keeping = asyncio.create_task(worker.maintain_singletons(client, settings))
    made = f"the Schedule {SCHEDULE} was not there, and is made"

    async def told() -> list[str]:
        return [each.levelname for each in caplog.records if each.getMessage() == made]

    await until(told, ["INFO"].__eq__)
    await client.get_schedule_handle(SCHEDULE).delete()
    await until(told, ["INFO", "WARNING"].__eq__)
    await until(lambda: is_scheduled(client), bool)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_a_worker_goes_on_while_no_other_process_has_its_keys(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "MAINTENANCE_SECONDS", 0.1)
    client, settings = await namespace(server, "keys-differ"), read_model(tmp_path)
    await adopt(client, settings)
    ring = ring_at(settings.keys_file)
    ring.share([{"another"}])
    keeping = asyncio.create_task(worker.maintain_singletons(with_options(client, **sealing(ring)), settings))

    async def told() -> bool:
        assert not keeping.done()
        return "the Schedule cannot be looked after: keys differ" in caplog.text

    await until(told, bool)
    ring.share([])
    await until(lambda: is_scheduled(client), bool)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_a_worker_without_sql_starts_nothing_before_the_stores_are_compared(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "AGAIN_SECONDS", 0.1)
    compared: list[Stores] = []

    async def counted(client: Client, settings: Settings) -> Stores:
        compared.append(await compare_stores(client, settings))
        return compared[-1]

    monkeypatch.setattr(installation, "compare_stores", counted)
    client, settings = await namespace(server, "sql-away"), Settings(data_dir=tmp_path / "mine")
    ring_at(settings.keys_file)
    await adopt(client, read_model(tmp_path / "copied-from"))
    keeping = asyncio.create_task(worker.maintain_singletons(client, settings))

    async def looks() -> int:
        return len(compared)

    before = await looks()
    await until(looks, lambda found: found > before + 3)
    started = [await if_found(status(client, each.id)) for each in POLLERS]
    assert started == [None] * len(POLLERS)
    assert [each async for each in await client.list_schedules()] == []
    read_model(tmp_path / "mine")
    await adopt(client, settings)

    async def all_run() -> bool:
        return all([await if_found(status(client, each.id)) == "RUNNING" for each in POLLERS])

    await until(all_run, bool)
    await until(lambda: is_scheduled(client), bool)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_a_running_worker_ends_when_a_store_turns_out_to_be_another_ones(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    client, mine, theirs = (
        await namespace(server, "late"),
        read_model(tmp_path / "mine"),
        read_model(tmp_path / "theirs"),
    )
    await adopt(client, theirs)
    await adopt(await namespace(server, "elsewhere"), mine)
    with pytest.raises(ForeignStoreError):
        await worker.maintain_singletons(client, mine)
