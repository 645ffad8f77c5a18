"""The file of signing keys: made once, private, rotated without losing what was signed before."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hotline.cli.main import app
from hotline.signing_keys import SigningKeyFile, SigningKeysError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "signing.json"


def test_processes_that_start_at_once_agree_on_the_key(path: Path) -> None:
    with ThreadPoolExecutor(8) as processes:
        made = set(processes.map(lambda _: SigningKeyFile(path).newest(), range(8)))
    assert len(made) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_who_may_not_make_the_file_signs_nothing_without_it(path: Path) -> None:
    keys = SigningKeyFile(path, makes=False)
    with pytest.raises(SigningKeysError, match=r"there is no file .*signing\.json"):
        keys.newest()
    assert not path.parent.exists()
    made = SigningKeyFile(path).newest()
    assert SigningKeyFile(path, makes=False).newest() == made


def test_after_a_rotation_the_new_key_signs_and_the_old_one_is_known(path: Path) -> None:
    keys, worker = SigningKeyFile(path), SigningKeyFile(path)
    old = keys.newest()
    assert worker.find(old.id) == old
    assert keys.rotate().id == keys.newest().id.hex() != old.id.hex()
    assert worker.find(keys.newest().id) == keys.newest()
    assert worker.find(old.id) == old
    assert worker.find(b"none") is None


def test_a_file_that_holds_no_keys_is_named_and_kept(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"keys": []}')
    with pytest.raises(SigningKeysError, match=r"signing\.json is not a file of signing keys: keys"):
        SigningKeyFile(path).newest()
    assert path.read_text() == '{"keys": []}'


def test_to_list_keys_makes_none(path: Path) -> None:
    keys = SigningKeyFile(path)
    assert keys.list() == ()
    assert keys.fault() == f"there is no file {path}"
    keys.newest()
    assert (len(keys.list()), keys.fault()) == (1, None)
    path.write_text("garbage")
    assert "Put back the file of the last backup" in str(keys.fault())


def test_a_file_broken_by_hand_stops_no_running_process(path: Path) -> None:
    keys = SigningKeyFile(path)
    key = keys.newest()
    path.write_text("{")
    assert (keys.newest(), keys.find(key.id)) == (key, key)


@pytest.mark.parametrize(
    ("group", "setting", "does"),
    [("signing", "HOTLINE_SIGNING_KEYS_FILE", "signs"), ("links", "HOTLINE_LINK_KEYS_FILE", "encrypts")],
)
def test_the_commands_show_no_secret(
    path: Path, monkeypatch: pytest.MonkeyPatch, group: str, setting: str, does: str
) -> None:
    monkeypatch.setenv(setting, str(path))
    rotated = CliRunner().invoke(app, [group, "rotate"])
    listed = CliRunner().invoke(app, [group, "list"])
    newest = SigningKeyFile(path).newest()
    assert rotated.output == f"key {newest.id.hex()} {does} from now on\n"
    assert newest.id.hex() in listed.output
    assert newest.secret.hex() not in listed.output


def test_a_key_may_sign_later_and_is_known_at_once(path: Path) -> None:
    """The file is copied to other machines meanwhile."""
    now = datetime(2026, 8, 3, tzinfo=UTC)
    instants = [now]
    keys = SigningKeyFile(path, lambda: instants[-1])
    old = keys.newest()
    added = keys.rotate(timedelta(minutes=10))
    found = keys.find(bytes.fromhex(added.id))
    assert found
    instants.append(now + timedelta(minutes=9))
    assert keys.newest() == old
    instants.append(now + timedelta(minutes=10))
    assert keys.newest() == found


def test_keys_of_a_backup_are_merged_in_the_order_of_their_making(path: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.json"
    lost = [SigningKeyFile(backup).rotate().id for _ in range(2)]
    present = SigningKeyFile(path)
    newest = present.newest()
    assert [key.id for key in present.merge(backup)] == lost
    assert [key.id for key in present.list()] == [*lost, newest.id.hex()]
    assert present.newest() == newest
    assert present.merge(backup) == ()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_merged_is_refused_in_words(path: Path, tmp_path: Path) -> None:
    keys, other = SigningKeyFile(path), tmp_path / "other.json"
    kept = keys.newest()
    with pytest.raises(SigningKeysError, match=r"there is no file .*other\.json"):
        keys.merge(other)
    other.write_text("[]")
    with pytest.raises(SigningKeysError, match=r"other\.json is not a file of signing keys"):
        keys.merge(other)
    other.write_text(path.read_text().replace(kept.secret.hex(), "0" * 64))
    with pytest.raises(SigningKeysError, match=f"other secrets of the keys {kept.id.hex()}"):
        keys.merge(other)
    assert keys.newest() == kept


def test_the_commands_rotate_later_and_merge(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_SIGNING_KEYS_FILE", str(path))
    backup = tmp_path / "backup.json"
    lost = SigningKeyFile(backup).newest().id.hex()
    merged = [CliRunner().invoke(app, ["signing", "merge", str(backup)]).output for _ in range(2)]
    assert merged == [f"added: {lost}\n", "no key was missing\n"]
    rotated = CliRunner().invoke(app, ["signing", "rotate", "--in", "10"]).output
    assert f"{SigningKeyFile(path).list()[-1].signs_from:%Y-%m-%d %H:%M} UTC" in rotated
    assert SigningKeyFile(path).newest().id.hex() == lost
