"""`hotline key create`: who may be given a key, and what is told to an operator who asks for another."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domain.shared.actors import Role
from hotline.cli import main as cli
from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import CatalogueStore
from hotline.keyring import ISSUED_ROLES, Key, Keyring
from hotline.settings import DEFAULT_CATALOGUE, Settings


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")


def create(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of `hotline key create ...`."""
    monkeypatch.setattr(sys, "argv", ["hotline", "key", "create", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def kept() -> tuple[Key, ...]:
    return Keyring(Settings().keys_file).list()


@pytest.mark.parametrize("given", ["repair", "抢修", "Emergency repair crew"])
def test_a_key_is_printed_alone_and_opens(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create("梁伟", "--role", "crew", "--department", given, monkeypatch=monkeypatch) == 0
    printed = capsys.readouterr()
    key = Keyring(Settings().keys_file).verify(printed.out.strip())
    assert key is not None
    assert (key.name, key.role, key.department) == ("梁伟", Role.CREW, "repair")
    assert "for 梁伟, crew of repair" in printed.err


UNKNOWN = "there is no such department; accepted: repair (Emergency repair crew / 抢修队), "


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["crew"], f"a crew's key needs --department: {UNKNOWN}"),
        (["crew", "--department", "repairs"], f"--department 'repairs': {UNKNOWN}"),
        (["agent", "--department", "repairs"], f"--department 'repairs': {UNKNOWN}"),
    ],
)
def test_a_department_that_is_missing_or_unknown_is_refused(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create("Wang", "--role", *arguments, monkeypatch=monkeypatch) == 2
    assert f"hotline: {said}" in capsys.readouterr().err
    assert kept() == ()


def test_departments_are_those_of_the_catalogue_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "more.toml"
    more = '[departments]\ntankers = { name = "Tankers", name_zh = "送水队" }\n'
    file.write_text(f'extends = "{DEFAULT_CATALOGUE}"\n{more}', encoding="utf-8")
    assert create("Wang", "--role", "crew", "--department", "tankers", monkeypatch=monkeypatch) == 2
    CatalogueStore(Settings().catalogues_dir).put(load_catalogue(file), file, datetime.now(UTC), by="chief")
    assert create("Wang", "--role", "crew", "--department", "tankers", monkeypatch=monkeypatch) == 0


def test_a_second_key_of_one_name_needs_replace_which_revokes_the_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create("Wang", "--role", "agent", monkeypatch=monkeypatch) == 0
    assert create("wang", "--role", "manager", monkeypatch=monkeypatch) == 2
    (first,) = kept()
    refused = f"Wang has a live key, {first.id} (agent); accepted: another name, or --replace, which revokes it"
    assert refused in capsys.readouterr().err
    assert create("wang", "--role", "manager", "--replace", monkeypatch=monkeypatch) == 0
    assert [(key.role, key.revoked_at is None) for key in kept()] == [(Role.AGENT, False), (Role.MANAGER, True)]


def test_help_lists_only_roles_that_can_be_issued() -> None:
    shown = CliRunner().invoke(cli.app, ["key", "create", "--help"]).output
    assert {role for role in Role if role in shown} == ISSUED_ROLES == set(Role) - {Role.OWNER, Role.SYSTEM}


@pytest.mark.parametrize("role", ["owner", "system", "nobody"])
def test_a_role_that_is_not_issued_is_told_those_that_are(
    role: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create("Wang", "--role", role, monkeypatch=monkeypatch) == 2
    told = capsys.readouterr().err
    assert all(f"'{issued}'" in told for issued in ISSUED_ROLES)


@pytest.mark.parametrize("name", ["system", "two\nlines", "\u200b", "Wang\u202egnaW"])
def test_a_name_that_nobody_may_bear_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(name, "--role", "agent", monkeypatch=monkeypatch) == 2
    assert "the name of a person" in capsys.readouterr().err
    assert kept() == ()
