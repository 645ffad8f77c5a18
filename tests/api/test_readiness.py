"""Readiness: each fault makes its part not ok, with a remedy, and calls that can be taken are taken."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, text
from temporalio.client import Client
from temporalio.service import RPCError

import worker
from activities.names import complaint_id
from activities.recovery import reconcile
from activities.recovery.report import ReconcilerReport
from activities.run_status import UNPAUSE
from api.health import Component, Readiness, readiness
from api.health import sql as health
from hotline.files.catalogue import load_catalogue
from hotline.recovery.rebuild import rebuild
from readmodel.base.database import engine, writing
from readmodel.cases.tables import cases
from readmodel.migrate import metadata
from readmodel.processes import process_name, state
from tests.support.api import Agreed, Api, Clock, further_api, running_api
from tests.support.hotline import until
from tests.support.lost import pause, unpause
from tests.support.reconciler import has_swept, reconcile_at_once, refuse_lists
from tests.support.sealing import stranger
from tests.support.temporal import temporal_server
from workflows.clients.upkeep import COURIER, POLLERS, SCHEDULE, WORKFLOW, ensure_schedule

pytestmark = pytest.mark.asyncio(loop_scope="session")

PARTS = [name for name, field in Readiness.model_fields.items() if field.annotation is Component]
OK = 200
MARGIN_SECONDS = 15
"""Time to ask, on a machine that is busy with other tests."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_temporal() -> AsyncIterator[Client]:
    """A server of its own: the courier is one for a whole namespace."""
    async with await temporal_server() as server:
        yield server.client


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered, so that each request tells what is so now."""
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0)
    monkeypatch.setattr(health, "COUNTED_SECONDS", 0)


@asynccontextmanager
async def whole(temporal: Client, folder: Path, url: str | None = None) -> AsyncIterator[Api]:
    """The service with everything at work, its courier too, on SQLite unless a URL is given."""
    async with running_api(temporal, url or f"sqlite:///{folder / 'hotline.db'}", folder) as made:
        started = [await each.start(temporal, made.settings.task_queue) for each in POLLERS]
        try:
            yield made
        finally:
            await end(temporal, *(each.id for each in started))


async def end(temporal: Client, *ids: str) -> None:
    """Terminate these workflows, unless they have ended."""
    for one in ids:
        handle = temporal.get_workflow_handle(one)
        if (await handle.describe()).close_time is None:
            await handle.terminate()


@contextmanager
def writing_to(made: Api) -> Iterator[Connection]:
    """A transaction on the service's database, past the service."""
    database = engine(made.settings.database_url)
    with database.begin() as connection:
        yield connection
    database.dispose()


async def asked(made: Api) -> dict[str, Any]:
    """The body of `/readyz`, which was answered with 200."""
    answer = await made.http.get("/readyz")
    assert answer.status_code == OK, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def becomes(made: Api, part: str, *, ok: bool) -> dict[str, Any]:
    """The part once it is known to be as given; the service is degraded, and metrics agree, if it is not ok."""

    def known(seen: dict[str, Any]) -> bool:
        return seen[part]["ok"] is ok and not str(seen[part].get("detail")).startswith("not known")

    found = await until(lambda: asked(made), known)
    if not ok:
        assert found["status"] == "degraded"
        assert found[part]["remedy"]
        measured = await metrics(made)
        assert (measured["hotline_readiness"], measured[f"hotline_part_ok {part}"]) == (1, 0)
    result: dict[str, Any] = found[part]
    return result


async def metrics(made: Api) -> dict[str, float]:
    """The gauges of readiness, by name and part."""
    families = text_string_to_metric_families((await made.http.get("/metrics")).text)
    samples = [sample for family in families for sample in family.samples]
    return {f"{each.name} {each.labels.get('part', '')}".strip(): each.value for each in samples}


@pytest.mark.slow
async def test_a_service_with_everything_at_work_is_ready_60_days_before_the_holidays_end(
    own_temporal: Client, tmp_path: Path
) -> None:
    async with whole(own_temporal, tmp_path) as made:
        ends = load_catalogue(made.settings.catalogue).calendar.covers_until
        clock = Clock(datetime.combine(ends, time(4), UTC) - timedelta(days=60))
        async with further_api(made, clock, Agreed()) as on_that_day:
            found = await until(lambda: asked(on_that_day), lambda seen: seen["status"] == "ready")
            measured = await metrics(on_that_day)
        assert {name: found[name]["ok"] for name in PARTS} == dict.fromkeys(PARTS, True)
        assert [name for name in PARTS if found[name]["remedy"]] == ["calendar"]
        assert measured["hotline_readiness"] == 2
        assert {name: measured[f"hotline_part_ok {name}"] for name in PARTS} == dict.fromkeys(PARTS, 1)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["deleted", "replaced"])
async def test_a_sqlite_file_that_is_gone_or_another_is_told(own_temporal: Client, tmp_path: Path, change: str) -> None:
    async with whole(own_temporal, tmp_path) as made:
        assert (await asked(made))["store"]["ok"]
        file = tmp_path / "hotline.db"
        if change == "deleted":
            file.unlink()
        else:
            shutil.copyfile(file, tmp_path / "copy.db")
            (tmp_path / "copy.db").replace(file)
        store = await becomes(made, "store", ok=False)
        # A program that opens the missing file anew leaves another one in its place.
        assert f"{file}, was " in store["detail"]


@pytest.mark.slow
async def test_an_ended_worker_is_told(own_temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual time, over a minute, is for a worker whose last poll goes on: see tests/e2e/test_lost_storage.py."""
    monkeypatch.setattr("api.health.temporal.POLL_SECONDS", gone := 15)
    async with running_api(own_temporal, f"sqlite:///{tmp_path / 'hotline.db'}", tmp_path, at_work=False) as made:
        async with worker.running(own_temporal, made.settings):
            await becomes(made, "worker", ok=True)
        await until(lambda: asked(made), lambda seen: not seen["worker"]["ok"], gone + MARGIN_SECONDS)
        await becomes(made, "worker", ok=False)


@pytest.mark.slow
async def test_an_emptied_read_model_is_told_until_it_is_rebuilt(own_temporal: Client, tmp_path: Path) -> None:
    async with whole(own_temporal, tmp_path) as made:
        number = await made.case_in("registered")
        await becomes(made, "read_model", ok=True)
        database = engine(made.settings.database_url)
        with database.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        found = await becomes(made, "read_model", ok=False)
        assert found["detail"] == "SQL has 0 open cases, Temporal runs 1"
        assert "hotline rebuild readmodel" in found["remedy"]
        await rebuild(own_temporal, database)
        await becomes(made, "read_model", ok=True)
        database.dispose()
        await end(own_temporal, complaint_id(number))


@pytest.mark.slow
async def test_open_cases_that_temporal_does_not_run_are_told(own_temporal: Client, tmp_path: Path) -> None:
    async with whole(own_temporal, tmp_path) as made:
        await end(own_temporal, complaint_id(await made.case_in("registered")))
        found = await becomes(made, "read_model", ok=False)
        assert found["detail"] == "SQL has 1 open cases, Temporal runs 0"
        assert "hotline rebuild workflows" in found["remedy"]


@pytest.mark.slow
async def test_open_cases_that_the_reconciler_found_lost_are_told(own_temporal: Client, tmp_path: Path) -> None:
    async with whole(own_temporal, tmp_path) as made:
        number = await made.case_in("registered")
        await becomes(made, "reconciler", ok=True)
        await has_swept(own_temporal)  # the end of a sweep would take the mark away
        with writing_to(made) as connection:
            connection.execute(cases.update().values(lost="reset"))
        found = await becomes(made, "reconciler", ok=False)
        assert found["detail"] == f"1 open cases have lost their workflow: {number} (reset)"
        assert "lost=reset" in found["remedy"]
        assert "hotline rebuild workflows" in found["remedy"]
        await end(own_temporal, complaint_id(number))


@pytest.mark.slow
async def test_a_paused_case_and_a_paused_courier_are_named_and_an_action_says_so(
    own_temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconcile_at_once(monkeypatch)
    async with whole(own_temporal, tmp_path) as made:
        number = await made.case_in("dispatched")
        await becomes(made, "reconciler", ok=True)
        await pause(own_temporal, complaint_id(number))
        found = await becomes(made, "reconciler", ok=False)
        assert (found["detail"], found["remedy"]) == (f"1 open cases are paused: {number}", UNPAUSE)
        assert (await asked(made))["read_model"]["ok"]
        refused = await made.act(number, "sign_for")
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:hotline:problem:workflow-paused")
        assert (await made.complaint(number))["state"] == "dispatched"
        await unpause(own_temporal, complaint_id(number))
        await becomes(made, "reconciler", ok=True)
        assert (await made.act(number, "sign_for")).json()["version"] == 3

        await pause(own_temporal, COURIER.id)
        courier = await becomes(made, "courier", ok=False)
        assert (courier["detail"], UNPAUSE in courier["remedy"]) == ("its workflow is paused", True)
        await unpause(own_temporal, COURIER.id)
        await becomes(made, "courier", ok=True)
        await end(own_temporal, complaint_id(number))


async def test_a_schedule_that_somebody_has_paused_is_told(own_temporal: Client, tmp_path: Path) -> None:
    async with whole(own_temporal, tmp_path) as made:
        await ensure_schedule(own_temporal, made.settings.task_queue, "Asia/Shanghai")
        schedule = own_temporal.get_schedule_handle(SCHEDULE)
        await becomes(made, "reconciler", ok=True)
        await schedule.pause()
        found = await becomes(made, "reconciler", ok=False)
        assert found["detail"] == "the Schedule `period-end` is paused: no report or assessment begins"
        await schedule.unpause()
        await becomes(made, "reconciler", ok=True)
        await schedule.delete()


async def test_a_workflow_in_place_of_the_schedule_is_told_and_holds_up_nothing(
    own_temporal: Client, tmp_path: Path
) -> None:
    """Temporal would wait for an answer of it for half a minute."""
    async with whole(own_temporal, tmp_path) as made:
        await becomes(made, "reconciler", ok=True)
        theirs = await stranger(own_temporal).start_workflow("X", id=WORKFLOW, task_queue="nobody-polls")
        found = await becomes(made, "reconciler", ok=False)
        assert found["detail"] == "the Schedule `period-end` does not answer"
        assert f"End the workflow `{WORKFLOW}`" in found["remedy"]
        async with asyncio.timeout(MARGIN_SECONDS):
            with pytest.raises(RPCError):
                await ensure_schedule(own_temporal, made.settings.task_queue, "Asia/Shanghai")
        await theirs.terminate()
        assert await ensure_schedule(own_temporal, made.settings.task_queue, "Asia/Shanghai")
        await becomes(made, "reconciler", ok=True)
        await own_temporal.get_schedule_handle(SCHEDULE).delete()


async def test_a_sweep_that_never_ends_is_told(
    own_temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is a report of long ago, which whoever reaches Temporal's port may repeat."""

    async def report(_: Client) -> ReconcilerReport:
        return ReconcilerReport(unswept_since=datetime.now(UTC) - timedelta(hours=2, minutes=1))

    async with whole(own_temporal, tmp_path) as made:
        await becomes(made, "reconciler", ok=True)
        monkeypatch.setattr("workflows.clients.upkeep.last_report", report)
        found = await becomes(made, "reconciler", ok=False)
        assert found["detail"].startswith("it has made no whole comparison since ")
        assert "terminate `reconciler`" in found["remedy"]


async def test_cases_that_are_lost_do_not_hide_those_that_cannot_be_read(
    own_temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def report(_: Client) -> ReconcilerReport:
        return ReconcilerReport(unreadable={"2609010000027": "Progress.state: enum"})

    async with whole(own_temporal, tmp_path) as made:
        number = await made.case_in("registered")
        await becomes(made, "reconciler", ok=True)
        with writing_to(made) as connection:
            connection.execute(cases.update().values(lost="reset"))
        monkeypatch.setattr("workflows.clients.upkeep.last_report", report)
        found = await becomes(made, "reconciler", ok=False)
        lost = f"1 open cases have lost their workflow: {number} (reset)"
        assert found["detail"] == f"{lost}; cases cannot be read: 2609010000027 (Progress.state: enum)"
        assert "`hotline rebuild workflows`" in found["remedy"]
        assert "Run the release that wrote them" in found["remedy"]
        await end(own_temporal, complaint_id(number))


async def test_a_courier_that_has_ended_is_told_and_its_next_start_mends_it(
    own_temporal: Client, tmp_path: Path
) -> None:
    async with whole(own_temporal, tmp_path) as made:
        await becomes(made, "courier", ok=True)
        await end(own_temporal, COURIER.id)
        assert "terminated" in (await becomes(made, "courier", ok=False))["detail"]
        await stranger(own_temporal).start_workflow("CourierWorkflow", id=COURIER.id, task_queue="somebody-elses")
        taken = "another workflow has its id"
        await until(lambda: becomes(made, "courier", ok=False), lambda found: found["detail"] == taken)
        await end(own_temporal, COURIER.id)
        await COURIER.start(own_temporal, made.settings.task_queue)
        await becomes(made, "courier", ok=True)


async def test_a_courier_on_a_worker_of_another_database_is_told(own_temporal: Client, tmp_path: Path) -> None:
    """HOTLINE_DATABASE_URL was forgotten on that machine, so nobody is told what is due here."""
    async with whole(own_temporal, tmp_path) as made:
        await becomes(made, "courier", ok=True)
        database = engine(made.settings.database_url)
        mine = socket.gethostname(), os.getpid()
        for workers, ok in (([("elsewhere", 1), (mine[0], 1)], False), ([mine], True)):
            with writing(database) as connection:
                for each in workers:
                    state(connection, f"{process_name('worker', *each)}a1", [], datetime.now(UTC))
            found = await becomes(made, "courier", ok=ok)
            assert ("which does not use this database" in found["detail"]) != ok
        database.dispose()


@pytest.mark.slow
async def test_a_comparison_that_fails_is_told(
    own_temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporal's list of workflows does not answer, as far as the reconciler can tell."""
    reconcile_at_once(monkeypatch)
    monkeypatch.setattr(reconcile, "RETRY_SECONDS", 0.1)

    with monkeypatch.context() as away:
        refuse_lists(away)
        async with whole(own_temporal, tmp_path) as made:
            found = await becomes(made, "reconciler", ok=False)
            assert "comparison of Temporal and SQL failed: RPCError" in found["detail"]
            away.undo()
            await becomes(made, "reconciler", ok=True)


@pytest.mark.slow
async def test_cases_that_cannot_be_read_are_named(
    own_temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconcile_at_once(monkeypatch)
    async with whole(own_temporal, tmp_path) as made:
        number = await made.case_in("dispatched")
        await becomes(made, "reconciler", ok=True)
        spoil = "UPDATE cases SET document = replace(document, '\"serial\":{}1,', '\"serial\":{}1,')"
        with writing_to(made) as connection:
            connection.exec_driver_sql(spoil.format("", "-"))
        found = await becomes(made, "reconciler", ok=False)
        assert found["detail"] == f"cases cannot be read: {number} (Progress.clocks.0.serial: greater_than_equal)"
        with writing_to(made) as connection:
            connection.exec_driver_sql(spoil.format("-", ""))
        await becomes(made, "reconciler", ok=True)
        await end(own_temporal, complaint_id(number))


@pytest.mark.slow
async def test_a_courier_without_a_worker_is_told(own_temporal: Client, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hotline.db'}"
    async with running_api(own_temporal, url, tmp_path, at_work=False) as made:
        async with worker.running(own_temporal, made.settings):
            await COURIER.start(own_temporal, made.settings.task_queue)
            await becomes(made, "courier", ok=True)
        found = await becomes(made, "courier", ok=False)
        assert "wait" in found["detail"]
        await end(own_temporal, COURIER.id)


async def test_dead_letters_are_no_fault_of_the_courier(own_temporal: Client, tmp_path: Path) -> None:
    async with whole(own_temporal, tmp_path) as made:
        number = await made.case_in("dispatched")
        with writing_to(made) as connection:
            died = "UPDATE notifications SET status = 'dead', next_try_at = NULL, dead_at = created_at"
            connection.execute(text(died))
        assert (await made.get("/v1/letters")).json()["items"]
        await becomes(made, "courier", ok=True)
        await end(own_temporal, complaint_id(number))


async def test_a_postgresql_that_only_reads_is_told(own_temporal: Client, tmp_path: Path, postgresql_url: str) -> None:
    """As a standby does after a failover, which ends all connections."""
    async with whole(own_temporal, tmp_path, postgresql_url) as made:
        with writing_to(made) as connection:
            name = connection.engine.url.database
            connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
            others = "FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
            connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}"), {"name": name})
        found = await becomes(made, "sql", ok=False)
        assert "cannot be written to" in found["detail"]
