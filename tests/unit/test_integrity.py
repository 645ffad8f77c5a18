"""Garbage in a page of the read model's file is noticed in the background, and stops nobody who writes."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from api.health import storage as integrity
from api.health.storage import READ_MODEL, Integrity, Storage, damage_of, tables_of
from tests.support.hotline import until

ROWS = 5_000
PAGE_BYTES = 4096


@pytest.fixture(autouse=True)
def _without_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "REST", 0)
    monkeypatch.setattr(integrity, "PAUSE_SECONDS", 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of two tables, one of which has many pages."""
    made = tmp_path / "hotline.db"
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE few (number TEXT PRIMARY KEY)")
        connection.execute("CREATE TABLE many (number TEXT PRIMARY KEY, words TEXT)")
        connection.executemany("INSERT INTO many VALUES (?, ?)", ((f"{place:08}", "水" * 50) for place in range(ROWS)))
        connection.commit()
    return made


def scribble(file: Path, page: int) -> None:
    """Write garbage over a page of the file."""
    with file.open("r+b") as opened:
        opened.seek(page * PAGE_BYTES)
        opened.write(b"\xa5" * PAGE_BYTES)


async def test_garbage_in_a_page_is_told_by_the_part_store(file: Path) -> None:
    checked = Integrity(file)
    storage = Storage([file.parent], {READ_MODEL: file}, checked.damage)
    assert (await storage.store()).ok
    scribble(file, ROWS * 150 // PAGE_BYTES // 2)
    store = await until(storage.store, lambda found: not found.ok)
    assert "the file of the read model is damaged: table many" in store.detail
    assert store.remedy
    assert "hotline rebuild readmodel" in store.remedy


async def test_garbage_in_the_first_page_is_told_as_well(file: Path) -> None:
    scribble(file, 0)
    checked = Integrity(file)
    storage = Storage([file.parent], {READ_MODEL: file}, checked.damage)
    assert "not a database" in (await until(storage.store, lambda found: not found.ok)).detail


async def test_a_file_that_is_sound_or_away_is_not_damaged(file: Path, tmp_path: Path) -> None:
    assert tables_of(file) == ["few", "many"]
    assert [damage_of(file, table) for table in tables_of(file)] == [None, None]
    for one in (Integrity(file), Integrity(tmp_path / "none.db"), Integrity(None)):
        assert one.damage() is None
        for task in filter(None, [one._task]):
            await task
        assert one.damage() is None


def test_a_check_stops_no_writer(file: Path) -> None:
    with closing(sqlite3.connect(file, timeout=0)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO few VALUES ('1')")
        assert damage_of(file, "few") is None
        writer.commit()


async def test_a_fault_of_the_keys_is_told_by_the_part_store(file: Path) -> None:
    faults: list[str | None] = [None]
    storage = Storage([file.parent], {READ_MODEL: file}, key_fault=lambda: faults[0])
    assert (await storage.store()).ok
    faults[0] = "there is no file keys.json"
    store = await storage.store()
    assert (store.ok, store.detail) == (False, "there is no file keys.json")
    assert "backup" in str(store.remedy)
