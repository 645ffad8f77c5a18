"""`hotline person` and `hotline key`: who is in the directory, who gets a key, and what an operator is told."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domain.shared.actors import STAFF_ROLES, Role
from hotline.cli import main as cli
from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import CatalogueStore
from hotline.settings import DEFAULT_CATALOGUE, Settings
from readmodel.people import people
from tests.support.batches import call, project, published
from tests.support.directory import Directory


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of `hotline ...`."""
    monkeypatch.setattr(sys, "argv", ["hotline", *arguments])
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def create(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    return run("key", "create", *arguments, monkeypatch=monkeypatch)


def kept() -> people.Directory:
    return Directory(Settings().database_url).read()


@pytest.mark.parametrize("given", ["repair", "抢修", "Emergency repair crew"])
def test_a_key_is_printed_alone_and_is_that_of_its_person(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    person = ("person", "add", "10023", "--name", "梁伟", "--role", "crew", "--department", given, "--district", "west")
    assert run(*person, monkeypatch=monkeypatch) == 0
    capsys.readouterr()
    assert create("10023", "--expires", "30", monkeypatch=monkeypatch) == 0
    printed = capsys.readouterr()
    [key], [found] = kept().keys, kept().people
    assert (key.person, found.name, found.role, found.department) == ("10023", "梁伟", Role.CREW, "repair")
    assert found.districts == ("west",)
    match = people.TOKEN.fullmatch(printed.out.strip())
    assert match is not None
    assert match[1] == key.id
    assert key.opens_with(match[2])
    assert key.secret_sha256 not in printed.out
    assert key.expires_at is not None
    assert timedelta(days=29) < key.expires_at - datetime.now(UTC) <= timedelta(days=30)


def test_a_person_is_added_with_the_first_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        assert create("梁伟", "--role", "crew", "--department", "repair", monkeypatch=monkeypatch) == 0
    assert ([person.id for person in kept().people], len(kept().keys)) == (["梁伟"], 2)


UNKNOWN = "there is no such department; accepted: repair (Emergency repair crew / 抢修队), "


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["crew"], "a crew needs a department"),
        (["crew", "--department", "repairs"], f"--department 'repairs': {UNKNOWN}"),
        (["agent", "--department", "repairs"], f"--department 'repairs': {UNKNOWN}"),
    ],
)
def test_a_department_that_is_missing_or_unknown_is_refused(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create("Wang", "--role", *arguments, monkeypatch=monkeypatch) == 2
    assert f"hotline: {said}" in capsys.readouterr().err


def test_departments_are_those_of_the_catalogue_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "more.toml"
    more = '[departments]\ntankers = { name = "Tankers", name_zh = "送水队" }\n'
    file.write_text(f'extends = "{DEFAULT_CATALOGUE}"\n{more}', encoding="utf-8")
    assert create("Wang", "--role", "crew", "--department", "tankers", monkeypatch=monkeypatch) == 2
    CatalogueStore(Settings().catalogues_dir).put(load_catalogue(file), file, datetime.now(UTC), by="chief")
    assert create("Wang", "--role", "crew", "--department", "tankers", monkeypatch=monkeypatch) == 0


@pytest.mark.parametrize(("first", "second"), [("Wang", "wang"), ("Ｗang", "Wang"), ("Ren\u00e9", "Rene\u0301")])
def test_an_id_is_one_persons_whatever_its_case_and_width(
    first: str, second: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(first, "--role", "agent", monkeypatch=monkeypatch) == 0
    assert create(second, "--role", "manager", monkeypatch=monkeypatch) == 2
    assert ", agent; accepted: another id, or `hotline person change`" in capsys.readouterr().err
    assert create(second, "--replace", monkeypatch=monkeypatch) == 0
    assert [key.revoked_at is None for key in kept().keys] == [False, True]
    assert {key.person for key in kept().keys} == {person.id for person in kept().people}


def test_whoever_leaves_has_no_key_any_more_and_keeps_the_id(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create("Wang", "--role", "agent", monkeypatch=monkeypatch) == 0
    assert run("person", "leave", "Wang", monkeypatch=monkeypatch) == 0
    assert "Wang has left; open cases to hand over: 0, to assign to another: 0" in capsys.readouterr().out
    assert create("Wang", "--role", "agent", monkeypatch=monkeypatch) == 2
    assert kept().keys[0].revoked_at is not None
    assert run("person", "change", "Wang", "--role", "supervisor", monkeypatch=monkeypatch) == 0
    assert create("Wang", monkeypatch=monkeypatch) == 2
    left_at = kept().people[0].left_at
    assert run("person", "leave", "Wang", monkeypatch=monkeypatch) == 0
    assert kept().people[0].left_at == left_at
    assert run("person", "back", "Wang", monkeypatch=monkeypatch) == 0
    assert create("Wang", monkeypatch=monkeypatch) == 0
    capsys.readouterr()
    assert run("person", "back", "Wang", monkeypatch=monkeypatch) == 2
    assert "Wang has not left" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ("person", "change", "Chen Jing", "--role", "crew", "--department", "repair"),
        ("key", "create", "Chen Jing", "--scope", "read", "--replace"),
    ],
    ids=" ".join,
)
def test_nobody_is_kept_from_acting_on_the_own_open_cases(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A crew owns no case, and a key that only reads does nothing to one."""
    assert create("Chen Jing", "--role", "agent", monkeypatch=monkeypatch) == 0
    project(Settings().database_url, [*published(call(1), ["dispatch"]), *published(call(2))])
    before = kept()
    capsys.readouterr()
    assert run(*command, monkeypatch=monkeypatch) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "Chen Jing owns 1 open case, on which nobody could act as the owner" in said
    assert "accepted: `hotline handover Chen Jing TO --reason TEXT --as PERSON`" in said
    assert kept() == before
    assert run(*command, "--leave-cases", monkeypatch=monkeypatch) == 0
    assert kept() != before


@pytest.mark.parametrize("role", sorted(STAFF_ROLES - {Role.CREW}))
def test_an_owner_changes_to_any_role_that_may_own_cases(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    assert create("Chen Jing", "--role", "agent", monkeypatch=monkeypatch) == 0
    project(Settings().database_url, published(call(), ["dispatch"]))
    assert run("person", "change", "Chen Jing", "--role", role, monkeypatch=monkeypatch) == 0
    assert create("Chen Jing", "--replace", monkeypatch=monkeypatch) == 0


def test_a_broken_copy_of_people_blocks_no_command_while_sql_has_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create("Wang", "--role", "agent", monkeypatch=monkeypatch) == 0
    Settings().people_file.write_text("{")
    assert run("key", "list", monkeypatch=monkeypatch) == 0
    sql = Settings().data_dir / "hotline.db"
    for each in sql.parent.glob("hotline.db*"):
        each.unlink()
    assert run("key", "list", monkeypatch=monkeypatch) == 2
    assert "people.json: cannot be used: the whole: Invalid JSON" in capsys.readouterr().err
    nobody = {"id": "robot", "name": "robot", "role": "caller", "added_at": "2026-08-03T04:00:00Z"}
    Settings().people_file.write_text(json.dumps({"people": [nobody]}))
    assert run("key", "list", monkeypatch=monkeypatch) == 2
    assert "people.json: cannot be used: nobody has the role caller; accepted: " in capsys.readouterr().err
    Settings().people_file.unlink()
    Settings().people_file.mkdir()
    assert run("key", "list", monkeypatch=monkeypatch) == 2
    assert "people.json: cannot be used: Is a directory; move it away" in capsys.readouterr().err


def test_a_rotated_key_opens_for_some_hours_beside_the_new_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create("Wang", "--role", "agent", "--scope", "read", monkeypatch=monkeypatch) == 0
    [old] = kept().keys
    capsys.readouterr()
    assert run("key", "rotate", old.id, "--hours", "2", monkeypatch=monkeypatch) == 0
    assert people.TOKEN.fullmatch(capsys.readouterr().out.strip())
    now, [ending, new] = datetime.now(UTC), kept().keys
    assert (ending.is_live(now), ending.is_live(now + timedelta(hours=3))) == (True, False)
    assert (new.scope, new.is_live(now + timedelta(days=900))) == ("read", True)


def test_a_rotation_makes_no_key_that_lasts_longer_than_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new key has as many days from now on; the old one ends when it would have ended."""
    assert create("Wang", "--role", "agent", "--expires", "1", monkeypatch=monkeypatch) == 0
    [old] = kept().keys
    assert run("key", "rotate", old.id, "--hours", "48", monkeypatch=monkeypatch) == 0
    [ending, new] = kept().keys
    assert ending.expires_at == old.expires_at
    assert new.expires_at == new.created_at + timedelta(days=1)


def test_the_administrator_has_a_key_and_gets_another_when_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "admin.key"
    for _ in range(2):
        assert run("key", "admin", str(file), monkeypatch=monkeypatch) == 0
    [first] = kept().keys
    assert file.stat().st_mode & 0o777 == 0o600
    # It was moved to a safe place.
    moved = file.rename(tmp_path / "safe")
    assert run("key", "admin", str(file), monkeypatch=monkeypatch) == 0
    assert not file.exists()
    assert moved.read_text()[3:11] == first.id
    Directory(Settings().database_url).revoke(first.id)
    assert run("key", "admin", str(file), monkeypatch=monkeypatch) == 0
    assert [key.id for key in kept().keys if key.is_live(datetime.now(UTC))] == [file.read_text()[3:11]]


def test_help_lists_only_roles_that_people_have() -> None:
    shown = CliRunner().invoke(cli.app, ["key", "create", "--help"]).output
    assert {role for role in Role if role in shown} == STAFF_ROLES
    assert set(Role) - {Role.OWNER, Role.SYSTEM, Role.CALLER} == STAFF_ROLES


@pytest.mark.parametrize("role", ["owner", "system", "caller", "nobody"])
def test_a_role_that_nobody_has_is_told_those_that_people_have(
    role: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create("Wang", "--role", role, monkeypatch=monkeypatch) == 2
    told = capsys.readouterr().err
    assert all(f"'{had}'" in told for had in STAFF_ROLES)


@pytest.mark.parametrize("person", ["system", "ＳYSTEM", "caller", "?!", "\u200b", "Wang\u202egnaW", "x" * 81])
def test_an_id_that_events_cannot_show_is_refused(person: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert create(person, "--role", "agent", monkeypatch=monkeypatch) == 2
    assert kept() == people.Directory()


def test_unknown_people_and_keys_are_told_where_to_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create("Wang", monkeypatch=monkeypatch) == 2
    assert "`hotline person list`" in capsys.readouterr().err
    assert run("key", "revoke", "00000000", monkeypatch=monkeypatch) == 2
    assert "`hotline key list`" in capsys.readouterr().err


def test_people_are_written_again_after_sql_has_lost_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create("Wang", "--role", "agent", monkeypatch=monkeypatch) == 0
    before = kept()
    Settings().people_file.write_text(before.model_dump_json())
    for file in (tmp_path / "data").glob("hotline.db*"):
        file.unlink()
    # Whichever command comes first.
    assert run("person", "list", monkeypatch=monkeypatch) == 0
    assert "1 people and their keys were lost, and are written again" in capsys.readouterr().err
    assert kept() == before


def test_a_changed_name_is_checked_as_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert create("Wang", "--role", "agent", "--department", "repair", monkeypatch=monkeypatch) == 0
    for name in ("Wang\u202egnaW", "x" * 81):
        assert run("person", "change", "Wang", "--name", name, monkeypatch=monkeypatch) == 2
    assert run("person", "change", "Wang", "--name", "王\n芳", "--department", "", monkeypatch=monkeypatch) == 0
    [person] = kept().people
    assert (person.name, person.department) == ("王 芳", None)


def test_the_last_administrator_does_not_leave(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("key", "admin", monkeypatch=monkeypatch) == 0
    assert run("person", "leave", "admin", monkeypatch=monkeypatch) == 2
    assert "the last administrator" in capsys.readouterr().err
    assert run("person", "change", "admin", "--role", "agent", monkeypatch=monkeypatch) == 2
    assert run("person", "add", "chief", "--role", "admin", monkeypatch=monkeypatch) == 0
    assert run("person", "leave", "admin", monkeypatch=monkeypatch) == 0
    # The service starts without it.
    assert run("key", "admin", monkeypatch=monkeypatch) == 0
    assert "hotline key create chief" in capsys.readouterr().err
