"""The ring of keys: private, rotated without losing what was sealed before, and sealing with what all can open."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activities.sealing.keys import derived
from hotline.cli.main import app
from hotline.keys import KeysError, Ring, ring_of
from hotline.settings import Settings
from readmodel.processes import LIVE
from tests.support.rings import ring_at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys.json"


def test_a_ring_makes_no_key_by_itself(path: Path) -> None:
    keys = Ring(path)
    assert (keys.list(), keys.find(b"none"), keys.fault()) == ((), None, f"there is no file {path}")
    with pytest.raises(KeysError, match=r"there is no file .*keys\.json"):
        keys.newest()
    assert not path.parent.exists()
    made = keys.rotate().key
    assert (keys.newest(), Ring(path).newest(), keys.fault()) == (made, made, None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_each_purpose_has_a_key_of_its_own(path: Path) -> None:
    secret = ring_at(path).newest().secret
    made = {derived(secret, purpose, 32) for purpose in ("payloads", "links", "session", "oidc", "confirmation")}
    assert (len(made), secret in made) == (5, False)


def test_after_a_rotation_the_new_key_seals_and_the_old_one_is_known(path: Path) -> None:
    keys, worker = ring_at(path), ring_at(path)
    old = keys.newest()
    assert worker.find(old.id) == old
    assert keys.rotate().id == keys.newest().id.hex() != old.id.hex()
    assert worker.find(keys.newest().id) == keys.newest()
    assert worker.find(old.id) == old
    assert worker.find(b"none") is None


def test_a_file_that_holds_no_keys_is_named_and_kept(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"keys": []}')
    with pytest.raises(KeysError, match=r"keys\.json holds no keys: keys"):
        Ring(path).newest()
    assert path.read_text() == '{"keys": []}'


def test_a_file_broken_by_hand_stops_no_running_process(path: Path) -> None:
    keys = ring_at(path)
    key = keys.newest()
    path.write_text("{")
    assert (keys.newest(), keys.find(key.id)) == (key, key)


def test_the_commands_show_no_secret(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_KEYS_FILE", str(path))
    rotated = CliRunner().invoke(app, ["keys", "rotate"])
    listed = CliRunner().invoke(app, ["keys", "list"])
    newest = Ring(path).newest()
    assert rotated.output.startswith(f"key {newest.id.hex()} seals once every process has it")
    assert newest.id.hex() in listed.output
    assert newest.secret.hex() not in rotated.output + listed.output + repr(Ring(path).list())


def test_keys_of_a_backup_are_merged_in_the_order_of_their_making(path: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.json"
    lost = [Ring(backup).rotate().id for _ in range(2)]
    present = ring_at(path)
    newest = present.newest()
    assert [key.id for key in present.merge(backup)] == lost
    assert [key.id for key in present.list()] == [*lost, newest.id.hex()]
    assert present.newest() == newest
    assert present.merge(backup) == ()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_merged_is_refused_in_words(path: Path, tmp_path: Path) -> None:
    keys, other = ring_at(path), tmp_path / "other.json"
    kept = keys.newest()
    with pytest.raises(KeysError, match=r"there is no file .*other\.json"):
        keys.merge(other)
    other.write_text("[]")
    with pytest.raises(KeysError, match=r"other\.json holds no keys"):
        keys.merge(other)
    other.write_text(path.read_text().replace(kept.secret.hex(), "0" * 64))
    with pytest.raises(KeysError, match=f"other secrets of the keys {kept.id.hex()}"):
        keys.merge(other)
    assert keys.newest() == kept


def test_the_command_merges(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_KEYS_FILE", str(path))
    backup = tmp_path / "backup.json"
    lost = ring_at(backup).newest().id.hex()
    merged = [CliRunner().invoke(app, ["keys", "merge", str(backup)]).output for _ in range(2)]
    assert merged == [f"added: {lost}\n", "no key was missing\n"]


def test_keys_of_the_environment_count_and_are_changed_by_no_command(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring_at(path)
    given = ring_at(tmp_path / "given.json")
    monkeypatch.setenv("HOTLINE_KEYS_FILE", str(path))
    monkeypatch.setenv("HOTLINE_KEYS", (tmp_path / "given.json").read_text())
    ring = ring_of(Settings())
    assert (ring.newest(), ring.find(given.newest().id), ring.fault()) == (given.newest(), given.newest(), None)
    assert given.newest().id.hex() in CliRunner().invoke(app, ["keys", "list"]).output
    assert given.newest().secret.hex() not in repr(Settings())
    before = path.read_bytes()
    for command in (["rotate"], ["merge", str(path)]):
        with pytest.raises(KeysError, match="HOTLINE_KEYS gives the keys, so no command changes them"):
            CliRunner().invoke(app, ["keys", *command], catch_exceptions=False)
    assert path.read_bytes() == before
    monkeypatch.setenv("HOTLINE_KEYS", json.dumps({"keys": [{"id": "12345678", "secret": "tooshort"}]}))
    with pytest.raises(KeysError, match=r"HOTLINE_KEYS holds no keys: keys\[0\]\.secret") as refused:
        ring_of(Settings()).list()
    assert "tooshort" not in str(refused.value)


def test_only_what_every_other_process_has_seals(path: Path) -> None:
    ring = ring_at(path)
    old = ring.newest()
    new = ring.rotate().key
    assert ring.newest() == new
    for others, seals in (
        ([{old.id.hex()}], old),
        ([{old.id.hex(), new.id.hex()}, {old.id.hex()}], old),
        ([{old.id.hex(), new.id.hex()}] * 2, new),
        # One that has no key, or other keys, stops nobody but itself.
        ([{old.id.hex(), new.id.hex()}, set()], new),
        ([{old.id.hex(), new.id.hex()}, {"00000000"}], new),
        ([set[str]()], new),
        ([{old.id.hex(), new.id.hex()}, {old.id.hex()}, set()], old),
        ([], new),
    ):
        ring.share(others)
        assert ring.newest() == seals
    # Neither key is of all, and neither of more processes than the other.
    for others in [{"00000000"}], [{old.id.hex()}, {new.id.hex()}], [{"00000000"}] * 2:
        ring.share(others)
        with pytest.raises(KeysError, match=r"keys differ.*`hotline keys merge FILE`"):
            ring.newest()


def test_a_key_that_was_made_since_the_others_were_asked_seals_later(path: Path) -> None:
    ring = ring_at(path)
    old = ring.newest()
    ring.share([ring.ids()])
    ring.rotate()
    assert ring.newest() == old


def test_a_key_that_sealed_a_moment_ago_is_not_replaced_yet(path: Path) -> None:
    """The date that is asked for does not matter: a process may go on with the key for a minute."""
    at = noon = datetime(2026, 9, 7, 4, tzinfo=UTC)
    ring = Ring(path, clock=lambda: at)
    old, _ = ring.rotate(), ring.rotate()
    at = noon + LIVE
    assert ring.replaced(noon + timedelta(days=9), {old.id: noon}) == {}
    at += timedelta(seconds=1)
    assert ring.replaced(noon + timedelta(days=9), {old.id: noon}) == {old.id: noon}
