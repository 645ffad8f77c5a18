"""API keys: made once, shown once, recognised at once, ended at once."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.shared.actors import Role
from hotline.keyring import TOKEN, Keyring, KeyringError, MalformedTokenError, ensure_admin_key

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
        assert token[12:] not in path.read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        "name",
        [
            *("", "  ", "two\nlines", "x" * 65, "\x1b[2J", "—", "\u0301"),
            *("\u200b", "\u200d\ufeff", "\u2800", "\u3164", "\u115f", "\u034f"),
            *(
                "Wang\u202eil",
                "Wang\u2066il\u2069",
                "\u200fWang",
                "Wa\u200bng",
                "Wa\u034fng",
                "Wang\ufe0f",
                "Wang\u3164",
            ),
        ],
    )
    def test_a_name_that_cannot_stand_on_an_event_is_refused(self, ring: Keyring, name: str) -> None:
        with pytest.raises(KeyringError, match="name of a person"):
            ring.create(name, Role.AGENT)

    @pytest.mark.parametrize("name", ["system", "SYSTEM", " System ", "ｓｙｓｔｅｍ", "ſystem"])
    def test_the_name_of_the_service_itself_is_nobodys(self, ring: Keyring, name: str) -> None:
        with pytest.raises(KeyringError, match="the service's own on events; accepted: the name of a person"):
            ring.create(name, Role.AGENT)

    @pytest.mark.parametrize("name", ["陈伟", "O'Brien-Smith 2", "José", "Nguyễn Văn A", "ناصر", "网上服务厅"])
    def test_names_of_people_are_accepted(self, ring: Keyring, name: str) -> None:
        assert ring.create(name, Role.AGENT)[0].name == name

    def test_a_crew_without_a_department_would_act_for_all_and_is_refused(self, ring: Keyring) -> None:
        with pytest.raises(KeyringError, match="a crew's key needs a department"):
            ring.create("Wang", Role.CREW)

    @pytest.mark.parametrize("role", [Role.OWNER, Role.SYSTEM])
    def test_no_key_is_issued_for_an_inner_role(self, ring: Keyring, role: Role) -> None:
        with pytest.raises(KeyringError, match="accepted are admin, agent"):
            ring.create("Wang", role)

    def test_nothing_is_lost_when_many_write_at_once(self, path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: Keyring(path).create(f"agent {number}", Role.AGENT), range(24)))

        assert {key.name for key in Keyring(path).list()} == {f"agent {number}" for number in range(24)}
        assert {file.name for file in path.parent.iterdir()} == {"keys.json", "keys.json.lock"}


class TestNamesakes:
    @pytest.mark.parametrize(
        ("first", "second"), [("Wang", " wANG "), ("José", "Jose\u0301"), ("Wang", "Ｗａｎｇ"), ("陈伟", "陈伟")]
    )
    def test_one_person_has_one_live_key(self, ring: Keyring, first: str, second: str) -> None:
        key, token = ring.create(first, Role.AGENT)
        with pytest.raises(KeyringError, match=rf"{first} has a live key, {key.id} \(agent\); accepted: another name"):
            ring.create(second, Role.AGENT)
        assert ring.verify(token) == key
        assert len(ring.list()) == 1

    def test_a_name_is_free_again_when_its_key_is_revoked(self, ring: Keyring) -> None:
        ring.revoke(ring.create("Wang", Role.AGENT)[0].id)
        assert ring.create("Wang", Role.AGENT)[0].revoked_at is None

    def test_every_live_key_of_the_person_is_revoked_for_the_new_one(self, ring: Keyring) -> None:
        _, other = ring.create("Li", Role.AGENT)
        old = [ring.create("Wang", Role.AGENT, namesakes="keep")[1] for _ in range(2)]
        key, token = ring.create("WANG", Role.MANAGER, namesakes="revoke")
        assert [ring.verify(one) for one in old] == [None, None]
        assert (ring.verify(token), ring.verify(other) is None) == (key, False)

    def test_of_many_who_ask_for_one_name_at_once_one_gets_it(self, path: Path) -> None:
        def ask(_: int) -> bool:
            try:
                Keyring(path).create("Wang", Role.AGENT)
            except KeyringError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(ask, range(24))) == 1
        assert len(Keyring(path).list()) == 1


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

        with pytest.raises(KeyringError, match=r"keys\.json is not a file of API keys"):
            ring.list()


class TestOwners:
    def test_they_are_the_staff_whose_keys_open(self, ring: Keyring) -> None:
        for name, role in (("root", Role.ADMIN), ("Wang", Role.AGENT), ("Wang", Role.MANAGER), ("portal", Role.CALLER)):
            ring.create(name, role, namesakes="keep")
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

    def test_one_that_was_moved_to_a_safe_place_stays_good(self, ring: Keyring, path: Path) -> None:
        file = path.with_name("admin.key")
        path.parent.mkdir()
        ensure_admin_key(ring, file)
        moved = file.rename(path.with_name("moved.key")).read_text(encoding="utf-8").strip()
        ensure_admin_key(ring, file)

        assert ring.verify(moved) is not None
        assert ring.verify(file.read_text(encoding="utf-8").strip()) is not None

    def test_it_is_made_anew_once_it_opens_nothing(self, ring: Keyring, path: Path) -> None:
        file = path.with_name("admin.key")
        path.parent.mkdir()
        ensure_admin_key(ring, file)
        ring.revoke(ring.list()[0].id)
        ensure_admin_key(ring, file)

        assert ring.verify(file.read_text(encoding="utf-8").strip()) is not None
