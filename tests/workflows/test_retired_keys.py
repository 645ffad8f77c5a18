"""Keys are removed once no workflow that runs needs them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from activities.sealing.envelope import key_of
from domain.case.actions.comment import Comment
from domain.case.views import Outcome
from domain.kit.event import Command
from hotline import keys
from hotline.cli import stores
from hotline.cli.main import app
from hotline.keys import Ring
from hotline.temporal.converter import sealing
from readmodel import processes as process_keys
from readmodel.base.database import opened, writing
from tests.support.hotline import ADMIN, Hotline, running_hotline, until
from tests.support.lost import reset
from tests.support.rings import ring_at
from tests.support.sealing import stranger, with_options
from tests.support.temporal import temporal_server

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
DAY = timedelta(days=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    async with (
        await temporal_server() as server,
        running_hotline(server, tmp_path_factory.mktemp("retired-keys")) as running,
    ):
        yield running


@pytest.fixture
def now(hotline: Hotline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The instant of the test, in whose environment are two keys, the second of which is a day old."""
    at = datetime.now(UTC)
    for key_made in (at - 2 * DAY, at - DAY):
        Ring(tmp_path / "keys.json", clock=lambda made=key_made: made).rotate()  # type: ignore[misc]  # mypy knows no default of a lambda
    monkeypatch.setenv("HOTLINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HOTLINE_DATABASE_URL", hotline.settings.database_url)
    monkeypatch.setenv("TEMPORAL_ADDRESS", hotline.client.service_client.config.target_host)
    return at


def seals_until_now(hotline: Hotline, key_id: str, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """State that this key has sealed until now, and that others count at once; return the instant."""
    for module in (keys, process_keys, stores):
        monkeypatch.setattr(module, "LIVE", timedelta(0))
    seals_until(hotline, key_id, at := datetime.now(UTC))
    return at


def seals_until(hotline: Hotline, key_id: str, at: datetime) -> None:
    """State in SQL that this key has sealed until an instant."""
    with opened(hotline.settings.database_url) as database, writing(database) as connection:
        process_keys.state_sealing(connection, key_id, at)


async def retired(before: datetime) -> tuple[str, str]:
    """Return what the command printed, and its error."""
    arguments = ["keys", "retire", "--before", f"{before:%Y-%m-%d}"]
    ended = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    return ended.output, str(ended.exception or "")


async def test_a_key_goes_that_sealed_last_before_every_run(hotline: Hotline, now: datetime, tmp_path: Path) -> None:
    ring = Ring(tmp_path / "keys.json")
    old, newest = ring.ids()
    seals_until(hotline, old, now - DAY)
    assert await retired(now - DAY) == (f"no key sealed last before {now - DAY:%Y-%m-%d}; the newest one stays\n", "")
    case = await hotline.start()
    assert await retired(now + DAY) == (f"retired: {old}; retire them on each other machine too\n", "")
    assert ([*ring.ids()], ring.find(bytes.fromhex(old))) == ([newest], None)
    await case.handle.terminate()


async def test_no_key_goes_that_sealed_since_a_run_began(
    hotline: Hotline, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes went on with the older key, as one of them lacked the newer one."""
    ring = Ring(tmp_path / "keys.json")
    old, newest = ring.ids()
    case = await hotline.start()
    listed = f'WorkflowId = "{case.handle.id}" AND ExecutionStatus = "Running"'
    await until(lambda: hotline.client.count_workflows(listed), lambda found: found.count == 1)
    seals_until_now(hotline, old, monkeypatch)
    output, error = await retired(now + DAY)
    assert (output, "not retired: 1 runs of workflows began before" in error, old in error) == ("", True, True)
    assert "hotline rebuild workflows" in error
    assert [*ring.ids()] == [old, newest]
    await case.handle.terminate()
    await until(lambda: hotline.client.count_workflows(listed), lambda found: found.count == 0)
    assert await retired(now + DAY) == (f"retired: {old}; retire them on each other machine too\n", "")


async def test_no_key_goes_of_which_sql_does_not_know_when_it_sealed(
    hotline: Hotline, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup of SQL was restored that is older than the key, with which a case has begun since."""
    ring = Ring(tmp_path / "keys.json")
    old, newest = ring.ids()
    case = await hotline.start()
    seals_until_now(hotline, old, monkeypatch)
    with opened(hotline.settings.database_url) as database, writing(database) as connection:
        connection.execute(process_keys.sealing_keys.delete())
    output, error = await retired(now - DAY / 2)
    assert (f"kept, as SQL does not know when they sealed last: {old}\n" in output, error) == (True, "")
    assert [*ring.ids()] == [old, newest]
    await case.handle.terminate()


async def test_no_key_goes_that_a_run_needs_which_was_reset_since(
    hotline: Hotline, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporal says of such a run that it began with the reset; its history is as old as before."""
    ring = Ring(tmp_path / "keys.json")
    old, newest = ring.ids()
    case = await hotline.start()
    replaced = seals_until_now(hotline, old, monkeypatch)
    await reset(stranger(hotline.client), case.handle.id)
    listed = f'WorkflowId = "{case.handle.id}" AND ExecutionStatus = "Running"'
    later = f'{listed} AND StartTime >= "{replaced.isoformat()}"'
    await until(lambda: hotline.client.count_workflows(later), lambda found: found.count == 1)
    output, error = await retired(now + DAY)
    assert (output, "not retired: 1 workflows were reset" in error) == ("", True)
    assert case.handle.id in error
    assert [*ring.ids()] == [old, newest]
    await case.handle.terminate()
    await until(lambda: hotline.client.count_workflows(listed), lambda found: found.count == 0)
    assert await retired(now + DAY) == (f"retired: {old}; retire them on each other machine too\n", "")


async def test_a_rotation_on_two_machines_while_a_case_runs(hotline: Hotline, tmp_path: Path) -> None:
    """The API is on the first machine; the worker is on the second, which gets the new key later."""
    file, url = tmp_path / "first.json", hotline.settings.database_url
    first, second = ring_at(file), Ring(tmp_path / "second.json")
    second.merge(file)
    [old] = first.ids()

    def all_state() -> None:
        with opened(url) as database, writing(database) as connection:
            for program, ring in (("api", first), ("worker", second), ("api", first)):
                keys.renew(connection, ring, program)

    async with running_hotline(hotline.server, tmp_path, sealing(second), task_queue="second") as worker:
        api = with_options(hotline.client, **sealing(first))
        case = await worker.start()

        async def sealed_by(note: str) -> set[str | None]:
            command: Command[Comment] = Command(actor=ADMIN, body=Comment(note=note))
            handle = api.get_workflow_handle(case.handle.id)
            await handle.execute_update("comment", command, result_type=Outcome)
            *_, asked, done = [
                payload
                for event in (await handle.fetch_history()).events
                for payload in (
                    *event.workflow_execution_update_accepted_event_attributes.accepted_request.input.args.payloads,
                    *event.workflow_execution_update_completed_event_attributes.outcome.success.payloads,
                )
            ]
            return {key_of(asked), key_of(done)}

        all_state()
        assert await sealed_by("before") == {old}
        new = first.rotate().id
        all_state()
        assert await sealed_by("on one machine") == {old}
        second.merge(file)
        all_state()
        assert await sealed_by("on both") == {new}
        await case.handle.terminate()
