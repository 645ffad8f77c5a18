"""Keys that processes state in SQL: one seals once all that are alive have it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hotline.keys import KeysError, renew, ring_of
from hotline.settings import Settings
from readmodel.database import opened, reading, writing
from readmodel.migrate import migrate
from readmodel.process_keys import LIVE, keys_by_process, last_sealed, state
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


def test_what_was_known_counts_while_sql_is_silent(machines: tuple[Settings, Settings], tmp_path: Path) -> None:
    first, _ = machines
    ring = ring_of(first)
    old = ring.newest()
    stated(first, "worker", {old.id.hex()})
    renew(first, "api")
    ring.rotate()
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"garbage" * 4096)
    renew(first.model_copy(update={"database_url": f"sqlite:///{broken}"}), "api")
    assert ring.newest() == old


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


def test_a_command_states_nothing(machines: tuple[Settings, Settings]) -> None:
    first, _ = machines
    stated(first, "worker", {"00000000"})
    renew(first)
    with pytest.raises(KeysError, match="keys differ"):
        ring_of(first).newest()
    with opened(first.database_url) as database, reading(database) as connection:
        assert keys_by_process(connection, datetime.now(UTC)).keys() == {"worker"}
        assert last_sealed(connection) == {}
