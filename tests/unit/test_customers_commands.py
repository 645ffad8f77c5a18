"""`hotline customers`: a file with a broken line imports nothing; a rerun does no harm."""

import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from hotline.cli import main as cli
from readmodel.base.database import engine
from readmodel.customers import customers
from tests.support.pages import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "customers.csv"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_DATA_DIR", str(tmp_path))


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of `hotline customers ...`, as the operator runs it."""
    monkeypatch.setattr(sys, "argv", ["hotline", "customers", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_import_and_rerun_tell_what_they_did(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", str(EXAMPLE), monkeypatch=monkeypatch) == 0
    assert run("import", str(EXAMPLE), monkeypatch=monkeypatch) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("3 customers added, 0 changed, 0 as they were")
    assert second.endswith("0 customers added, 0 changed, 3 as they were")


def test_a_customer_is_shown_in_full(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run("import", str(EXAMPLE), monkeypatch=monkeypatch)
    assert run("show", "0420013", monkeypatch=monkeypatch) == 0
    shown = capsys.readouterr().out
    for told in ("0420013", "李婆婆", "下闸新村 3 号", "yes 是", "低保", "6.00"):
        assert told in shown
    assert run("show", "99", monkeypatch=monkeypatch) == 2
    assert "the registry has no account 99" in capsys.readouterr().err


def test_a_local_number_is_one_of_the_place_that_the_catalogue_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "local.csv"
    file.write_text("account_no,name,phone\n17,Li,88237777\n", encoding="utf-8")
    assert run("import", str(file), monkeypatch=monkeypatch) == 0
    database = engine(f"sqlite:///{tmp_path / 'hotline.db'}")
    with database.connect() as connection:
        assert connection.execute(select(customers.c.phone, customers.c.phone_term)).all() == [
            ("88237777", "076088237777")
        ]
    database.dispose()


def test_a_broken_line_in_the_middle_imports_nothing_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head, granny, chen, wong = EXAMPLE.read_text(encoding="utf-8").splitlines()
    broken = tmp_path / "broken.csv"
    broken.write_text("\n".join([head, granny, chen.replace("no", "perhaps"), wong]), encoding="utf-8")
    assert run("import", str(broken), monkeypatch=monkeypatch) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "broken.csv, line 3, hardship: accepted: Hardship household (困难户): yes or no." in said.err
    assert run("show", "0420013", monkeypatch=monkeypatch) == 2


def test_a_dry_run_writes_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", str(EXAMPLE), "--dry-run", monkeypatch=monkeypatch) == 0
    assert "every line can be used; nothing was written" in capsys.readouterr().out
    assert run("show", "0420013", monkeypatch=monkeypatch) == 2


def test_a_file_saved_by_excel_in_china(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "gbk.csv"
    saved.write_bytes(EXAMPLE.read_text(encoding="utf-8").encode("gb18030"))
    assert run("import", str(saved), monkeypatch=monkeypatch) == 2
    assert "try --encoding gb18030" in capsys.readouterr().err
    assert run("import", str(saved), "--encoding", "gb18030", monkeypatch=monkeypatch) == 0
    run("show", "0420013", monkeypatch=monkeypatch)
    assert "李婆婆" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", "no-such.csv", monkeypatch=monkeypatch) == 2
    assert "no-such.csv" in capsys.readouterr().err
