"""Keys that processes state in SQL: one seals once all that are alive have it."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from temporalio.client import Client

from api.__main__ import serve
from hotline import installation, keys
from hotline.installation import require_own
from hotline.keys import KeysError, renew_repeatedly, ring_of
from hotline.settings import Settings
from readmodel.base.database import BUSY_SECONDS, opened, reading, writing
from readmodel.migrate import migrate
from readmodel.processes import LIVE, keys_by_process, last_sealed, state
from tests.support.hotline import PATIENCE_SECONDS, until
from tests.support.rings import ring_at


@pytest.fixture
def machines(database_url: str, tmp_path: Path) -> tuple[Settings, Settings]:
    """Two machines with a file of one key each, that of the second copied from the first."""
    first, second = (Settings(data_dir=tmp_path / name, database_url=database_url) for name in ("first", "second"))
    migrate(database_url)
    ring_at(first.keys_file)
    second.data_dir.mkdir()
    second.keys_file.write_bytes(first.keys_file.read_bytes())
    return first, second


def renew(settings: Settings, program: str) -> None:
    """Let a process of these settings state its keys, and learn those of others."""
    with opened(settings.database_url) as database, writing(database) as connection:
        keys.renew(connection, ring_of(settings), program)


def stated(settings: Settings, process: str, ids: set[str], ago: timedelta = timedelta(0)) -> None:
    """Let another process state its keys."""
    with opened(settings.database_url) as database, writing(database) as connection:
        state(connection, process, ids, datetime.now(UTC) - ago)


def test_a_new_key_is_first_readable_everywhere_and_then_seals(machines: tuple[Settings, Settings]) -> None:
    first, second = machines
    ring, other = map(ring_of, machines)
    renew(first, "api")
    renew(second, "worker")
    old, new = ring.newest(), ring.rotate().key
    renew(first, "api")
    assert ring.newest() == old
    other.merge(first.keys_file)
    assert (other.find(new.id), other.newest()) == (new, old)
    renew(second, "worker")
    renew(first, "api")
    assert (ring.newest(), other.newest()) == (new, new)
    with opened(first.database_url) as database, reading(database) as connection:
        found, sealed = keys_by_process(connection, datetime.now(UTC)), last_sealed(connection)
    assert [{*ids} for ids in found.values()] == [{old.id.hex(), new.id.hex()}] * 2
    assert sealed.keys() == {old.id.hex(), new.id.hex()}
    assert sealed[old.id.hex()] < sealed[new.id.hex()]


def test_containers_with_one_name_and_process_id_are_told_apart(
    machines: tuple[Settings, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = machines
    for run, settings in (("1", first), ("2", second)):
        monkeypatch.setattr(keys, "_RUN", run)
        renew(settings, "worker")
    ring_of(second).rotate()
    renew(second, "worker")
    assert ring_of(second).newest() == ring_of(first).newest()


def test_a_process_that_died_keeps_no_key_from_sealing(machines: tuple[Settings, Settings]) -> None:
    first, _ = machines
    ring = ring_of(first)
    old, new = ring.newest(), ring.rotate().key
    stated(first, "worker", {old.id.hex()}, LIVE - timedelta(seconds=10))
    renew(first, "api")
    assert ring.newest() == old
    stated(first, "worker", {old.id.hex()}, LIVE + timedelta(seconds=1))
    renew(first, "api")
    assert ring.newest() == new


@pytest.mark.asyncio
async def test_what_was_known_counts_while_sql_is_silent_which_is_logged_once(
    machines: tuple[Settings, Settings], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = machines
    ring = ring_of(first)
    old = ring.newest()
    stated(first, "worker", {old.id.hex()})
    renew(first, "api")
    ring.rotate()
    tries = 0

    async def silent(*_: object) -> None:
        nonlocal tries
        tries += 1
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(keys, "write_in_thread", silent)
    monkeypatch.setattr(keys, "STATE_SECONDS", 0)
    with opened(first.database_url) as database:
        keeping = asyncio.create_task(renew_repeatedly(database, ring, "api"))
        await until(lambda: asyncio.sleep(0, tries), lambda found: found > 3)
        keeping.cancel()
    assert ring.newest() == old
    assert [each.getMessage() for each in caplog.records] == [
        "SQL is not told which keys this process has: OperationalError"
    ]


@pytest.mark.asyncio
async def test_an_api_states_its_keys_while_temporal_is_silent(machines: tuple[Settings, Settings]) -> None:
    first, _ = machines
    await require_own(await Client.connect("127.0.0.1:1", lazy=True), first, "api")
    with opened(first.database_url) as database, reading(database) as connection:
        [found] = keys_by_process(connection, datetime.now(UTC)).values()
    assert found == {*ring_of(first).ids()}


@pytest.mark.asyncio
async def test_an_api_ends_if_it_cannot_state_its_keys_any_more(
    machines: tuple[Settings, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise ArithmeticError

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(keys, "write_in_thread", fails)
    with pytest.raises(ArithmeticError):
        await asyncio.wait_for(serve(machines[0].model_copy(update={"api_port": port})), PATIENCE_SECONDS)


def test_processes_with_keys_of_their_own_seal_nothing_and_say_so(machines: tuple[Settings, Settings]) -> None:
    first, second = machines
    second.keys_file.unlink()
    ring_at(second.keys_file)
    renew(first, "api")
    renew(second, "worker")
    renew(first, "api")
    for ring in map(ring_of, machines):
        with pytest.raises(KeysError, match=r"keys differ.*`hotline keys merge FILE`"):
            ring.newest()
    ring_of(second).merge(first.keys_file)
    renew(second, "worker")
    renew(first, "api")
    assert ring_of(first).newest() == ring_of(second).newest() == ring_at(first.keys_file).newest()


@pytest.mark.asyncio
async def test_a_command_learns_and_states_nothing_while_another_writes(machines: tuple[Settings, Settings]) -> None:
    first, _ = machines
    stated(first, "worker", {"00000000"})
    away = await Client.connect("127.0.0.1:1", lazy=True)
    with opened(first.database_url) as database, writing(database):
        await asyncio.wait_for(require_own(away, first), BUSY_SECONDS)
    with pytest.raises(KeysError, match="keys differ"):
        ring_of(first).newest()
    with opened(first.database_url) as database, reading(database) as connection:
        assert keys_by_process(connection, datetime.now(UTC)).keys() == {"worker"}
        assert last_sealed(connection) == {}


@pytest.mark.asyncio
async def test_a_program_starts_while_sql_is_silent_and_says_that_it_has_stated_nothing(
    machines: tuple[Settings, Settings], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(installation, "renew", silent)
    await require_own(await Client.connect("127.0.0.1:1", lazy=True), machines[0], "api")
    assert "keys can be neither stated nor compared: OperationalError of SQL" in caplog.text


class SlowClock(datetime):
    """Clock of a machine that is ten minutes slow."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) - timedelta(minutes=10)


def test_a_machine_whose_clock_is_slow_counts_and_leaves_others_counting(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(postgresql_url)
    with opened(postgresql_url) as database, writing(database) as connection:
        state(connection, "api", {"aa"}, datetime.now(UTC))
        with monkeypatch.context() as slow:
            slow.setattr("readmodel.processes.datetime", SlowClock)
            state(connection, "worker", {"bb"}, SlowClock.now(UTC))
            seen = keys_by_process(connection, SlowClock.now(UTC))
        assert seen == keys_by_process(connection, datetime.now(UTC)) == {"api": {"aa"}, "worker": {"bb"}}
