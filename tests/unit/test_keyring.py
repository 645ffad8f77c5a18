"""API keys: made once, shown once, recognised at once, ended at once."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.keyring import TOKEN, Keyring, KeyringError, MalformedTokenError, ensure_admin_key
from domain.lifecycle import Role

NOW = datetime(2026, 3, 2, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys.json"


@pytest.fixture
def ring(path: Path) -> Keyring:
    return Keyring(path, clock=lambda: NOW)


class TestCreate:
    def test_the_key_knows_who_acts_and_in_which_role(self, ring: Keyring) -> None:
        key, token = ring.create("陈伟", Role.CREW, "repair")

        assert (key.name, key.role, key.department, key.created_at, key.revoked_at) == (
            "陈伟", Role.CREW, "repair", NOW, None,
        )  # fmt: skip
        assert ring.verify(token) == key

    def test_the_text_has_the_documented_shape(self, ring: Keyring) -> None:
        key, token = ring.create("Wang", Role.AGENT)

        assert TOKEN.fullmatch(token)
        assert token.startswith(f"hk_{key.id}_")

    def test_the_file_is_its_owners_and_holds_no_secret(self, ring: Keyring, path: Path) -> None:
        _, token = ring.create("Wang", Role.AGENT)

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert token.rpartition("_")[2] not in path.read_text(encoding="utf-8")
        assert token[12:] not in path.read_text(encoding="utf-8")

    @pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 65])
    def test_a_name_that_cannot_stand_on_an_event_is_refused(self, ring: Keyring, name: str) -> None:
        with pytest.raises(KeyringError, match="name of a person"):
            ring.create(name, Role.AGENT)

    @pytest.mark.parametrize("role", [Role.OWNER, Role.SYSTEM])
    def test_no_key_is_issued_for_an_inner_role(self, ring: Keyring, role: Role) -> None:
        with pytest.raises(KeyringError, match="accepted are admin, agent"):
            ring.create("Wang", role)

    def test_nothing_is_lost_when_many_write_at_once(self, path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: Keyring(path).create(f"agent {number}", Role.AGENT), range(24)))

        assert {key.name for key in Keyring(path).list()} == {f"agent {number}" for number in range(24)}
        assert {file.name for file in path.parent.iterdir()} == {"keys.json", "keys.json.lock"}


class TestVerify:
    @pytest.mark.parametrize(
        "token", ["", "secret", "hk_1234567_" + "a" * 43, "hk_12345678_" + "a" * 42, "hk_12345678_" + "é" * 43]
    )
    def test_a_malformed_text_is_told_what_a_key_looks_like(self, ring: Keyring, token: str) -> None:
        with pytest.raises(MalformedTokenError, match="an API key is hk_, 8 hexadecimal digits"):
            ring.verify(token)

    def test_the_words_about_a_malformed_text_do_not_repeat_it(self, ring: Keyring) -> None:
        with pytest.raises(MalformedTokenError) as refused:
            ring.verify("hunter2")

        assert "hunter2" not in str(refused.value)

    def test_an_unknown_id_and_a_wrong_secret_open_nothing(self, ring: Keyring) -> None:
        key, _ = ring.create("Wang", Role.AGENT)

        assert ring.verify(f"hk_{key.id}_{'A' * 43}") is None
        assert ring.verify(f"hk_00000000_{'A' * 43}") is None

    def test_a_running_ring_notices_what_another_process_writes(self, ring: Keyring, path: Path) -> None:
        ring.create("Wang", Role.AGENT)
        other = Keyring(path)
        key, token = other.create("Li", Role.DISPATCHER)

        assert ring.verify(token) == key
        other.revoke(key.id)
        assert ring.verify(token) is None

    def test_a_ring_that_is_broken_by_hand_keeps_those_it_knew(
        self, ring: Keyring, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        key, token = ring.create("Wang", Role.AGENT)
        ring.verify(token)
        path.write_text("{", encoding="utf-8")

        assert ring.verify(token) == key
        assert "keeping the keys read before" in caplog.text

    def test_a_ring_that_is_broken_from_the_start_says_so(self, ring: Keyring, path: Path) -> None:
        path.parent.mkdir()
        path.write_text(json.dumps({"keys": [{"id": "12345678"}]}), encoding="utf-8")

        with pytest.raises(KeyringError, match=r"keys\.json is no ring of keys"):
            ring.list()


class TestOwners:
    def test_they_are_the_staff_whose_keys_open(self, ring: Keyring) -> None:
        for name, role in (("root", Role.ADMIN), ("Wang", Role.AGENT), ("Wang", Role.CREW), ("portal", Role.CALLER)):
            ring.create(name, role)
        gone, _ = ring.create("Li", Role.AGENT)
        ring.revoke(gone.id)
        assert ring.owners() == ("Wang", "root")


class TestRevoke:
    def test_a_revoked_key_stays_listed_with_its_time(self, ring: Keyring) -> None:
        key, token = ring.create("Wang", Role.AGENT)

        assert ring.revoke(key.id).revoked_at == NOW
        assert [kept.revoked_at for kept in ring.list()] == [NOW]
        assert ring.verify(token) is None

    def test_a_second_time_keeps_the_first_time(self, path: Path) -> None:
        later = iter([NOW, NOW.replace(hour=5), NOW.replace(hour=9)])
        ring = Keyring(path, clock=lambda: next(later))
        key, _ = ring.create("Wang", Role.AGENT)

        assert ring.revoke(key.id) == ring.revoke(key.id)

    def test_an_unknown_id_is_told_where_to_look(self, ring: Keyring) -> None:
        with pytest.raises(KeyringError, match="hotline key list"):
            ring.revoke("ffffffff")


class TestAdminKey:
    def test_it_is_made_once_and_may_do_everything(self, ring: Keyring, path: Path) -> None:
        file = path.with_name("admin.key")
        path.parent.mkdir()
        ensure_admin_key(ring, file)
        token = file.read_text(encoding="utf-8").strip()
        ensure_admin_key(ring, file)

        assert file.read_text(encoding="utf-8").strip() == token
        key = ring.verify(token)
        assert key is not None
        assert key.role is Role.ADMIN
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert len(ring.list()) == 1

    def test_it_is_made_anew_once_it_opens_nothing(self, ring: Keyring, path: Path) -> None:
        file = path.with_name("admin.key")
        path.parent.mkdir()
        ensure_admin_key(ring, file)
        ring.revoke(ring.list()[0].id)
        ensure_admin_key(ring, file)

        assert ring.verify(file.read_text(encoding="utf-8").strip()) is not None
