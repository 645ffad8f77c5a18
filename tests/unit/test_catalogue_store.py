"""Catalogue in force: put there in one step, seen by running programs, and never lost to a broken file."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.__main__ import CATALOGUE
from domain.catalogue.catalogue import Catalogue
from domain.shared.errors import FileError
from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import CatalogueInForce, CatalogueStore, edition_of, in_force_now
from hotline.settings import DEFAULT_CATALOGUE

NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)
OTHER = CATALOGUE


def started(store: CatalogueStore, file: Path) -> CatalogueInForce:
    """An API that has been started with this file."""
    begun = CatalogueInForce(store, file)
    begun.record(NOON)
    return begun


@pytest.fixture
def store(tmp_path: Path) -> CatalogueStore:
    return CatalogueStore(tmp_path / "catalogues")


@pytest.fixture(scope="module")
def default() -> Catalogue:
    return load_catalogue(DEFAULT_CATALOGUE)


@pytest.fixture(scope="module")
def other() -> Catalogue:
    return load_catalogue(OTHER)


@pytest.mark.parametrize("file", sorted(DEFAULT_CATALOGUE.parent.glob("*.toml")), ids=lambda file: file.stem)
def test_every_catalogue_is_kept_without_loss(store: CatalogueStore, file: Path) -> None:
    catalogue = load_catalogue(file)
    entry = store.put(catalogue, file, NOON, by="chief")
    assert store.load(entry.edition) == catalogue
    assert store.entries() == (entry,)


def test_a_catalogue_without_an_area_code_is_kept_without_one(store: CatalogueStore, default: Catalogue) -> None:
    before = default.model_copy(update={"area_code": ""})
    assert "area_code" not in before.model_dump_json()
    assert load_catalogue(DEFAULT_CATALOGUE.with_name("england.toml")).area_code == ""
    entry = store.put(before, DEFAULT_CATALOGUE, NOON, by="chief")
    assert store.load(entry.edition).area_code == ""


def test_codes_of_earlier_catalogues_stay_known(store: CatalogueStore) -> None:
    in_force = started(store, DEFAULT_CATALOGUE)
    store.put(load_catalogue(DEFAULT_CATALOGUE.with_name("england.toml")), OTHER, NOON, by="chief")
    known = {"networks": "networks", "repair": "repair", "抢修": "repair"}
    assert {given: in_force.former_code("department", given) for given in known} == known
    assert in_force.former_code("service", "no_water") == "no_water"
    assert in_force.former_code("district", "repair") is None


def test_a_copy_that_cannot_be_read_takes_its_own_codes_alone_with_it(
    store: CatalogueStore, tmp_path: Path, default: Catalogue
) -> None:
    in_force = started(store, DEFAULT_CATALOGUE)
    store.put(load_catalogue(DEFAULT_CATALOGUE.with_name("england.toml")), OTHER, NOON, by="chief")
    (tmp_path / "catalogues" / f"{edition_of(default).digest}.json").write_text("nothing")
    assert [in_force.former_code("department", code) for code in ("networks", "repair")] == ["networks", None]


def test_an_edition_is_known_by_its_content_alone(default: Catalogue, other: Catalogue) -> None:
    moved = default.model_copy(update={"calendar_file": "/elsewhere/zhongshan.toml"})
    assert edition_of(moved) == edition_of(default)
    assert edition_of(other).digest != edition_of(default).digest


def test_without_a_record_the_file_counts_and_is_put_on_record(store: CatalogueStore, default: Catalogue) -> None:
    assert started(store, DEFAULT_CATALOGUE).catalogue == default
    [entry] = store.entries()
    assert (entry.edition, entry.by, entry.since) == (edition_of(default), None, NOON)


def test_until_one_is_applied_an_edited_file_counts_at_the_next_start(store: CatalogueStore, other: Catalogue) -> None:
    started(store, DEFAULT_CATALOGUE)
    started(store, DEFAULT_CATALOGUE)
    assert started(store, OTHER).catalogue == other
    assert [entry.edition.digest for entry in store.entries()][1:] == [edition_of(other).digest]


def test_one_that_was_applied_counts_and_a_file_that_differs_is_remarked(
    store: CatalogueStore, other: Catalogue, tmp_path: Path
) -> None:
    store.put(other, OTHER, NOON, by="chief")
    begun = started(store, DEFAULT_CATALOGUE)
    assert (begun.catalogue, begun.sound) == (other, True)
    assert "differs" in begun.remark
    assert "cannot be used" in CatalogueInForce(store, tmp_path / "gone.toml").remark
    assert started(store, OTHER).remark == ""


def test_a_running_program_sees_another_one_at_once(
    store: CatalogueStore, default: Catalogue, other: Catalogue
) -> None:
    running = started(store, DEFAULT_CATALOGUE)
    store.put(other, OTHER, NOON, by="chief")
    assert running.catalogue == other
    store.put(default, DEFAULT_CATALOGUE, NOON, by="chief")
    assert running.catalogue == default


def test_a_broken_record_keeps_the_last_good_one_and_says_so(
    store: CatalogueStore, default: Catalogue, other: Catalogue, tmp_path: Path
) -> None:
    running = started(store, DEFAULT_CATALOGUE)
    (tmp_path / "catalogues" / "in_force.json").write_text("{")
    assert running.catalogue == default
    assert not running.sound
    assert "in_force.json" in running.remark
    (tmp_path / "catalogues" / "in_force.json").unlink()
    assert running.catalogue == default
    store.put(other, OTHER, NOON, by="chief")
    assert (running.catalogue, running.sound, running.remark) == (other, True, "")


def test_a_rollout_that_names_no_entry_has_no_catalogue_in_force(store: CatalogueStore, default: Catalogue) -> None:
    assert store.in_force(0) is None
    store.put(default, DEFAULT_CATALOGUE, NOON)
    assert (store.in_force(0), store.in_force(1)) == (None, default)


def test_a_broken_copy_leaves_the_file_of_the_setting_in_force(
    store: CatalogueStore, default: Catalogue, other: Catalogue, tmp_path: Path
) -> None:
    entry = store.put(other, OTHER, NOON, by="chief")
    (tmp_path / "catalogues" / f"{entry.edition.digest}.json").write_text("[]")
    with pytest.raises(FileError, match="apply its file again"):
        store.load(entry.edition)
    begun = started(store, DEFAULT_CATALOGUE)
    assert (begun.catalogue, begun.sound) == (default, False)


def test_commands_go_by_the_record_and_without_one_by_the_file(
    store: CatalogueStore, default: Catalogue, other: Catalogue
) -> None:
    assert in_force_now(store, DEFAULT_CATALOGUE) == default
    started(store, OTHER)
    assert in_force_now(store, DEFAULT_CATALOGUE) == other
