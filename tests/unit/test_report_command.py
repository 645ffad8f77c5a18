"""`hotline report`, called as the operator calls it, on a report that is there and on what cannot be one."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.reports.report import Period, ReportKind
from hotline.cli import main as cli
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.base.database import engine, reading, writing
from readmodel.migrate import migrate
from readmodel.reports.reports import make, save_report
from tests.support.batches import call, project, published

AT = datetime(2025, 9, 8, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _one_case_and_the_report_of_its_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    url = f"sqlite:///{tmp_path / 'hotline.db'}"
    migrate(url)
    project(url, published(call(1, AT), ("dispatch",)))
    database = engine(url)
    with reading(database) as connection:
        made = make(connection, Period.parse(ReportKind.DAILY, "2025-09-08"), load_catalogue(DEFAULT_CATALOGUE), AT)
    with writing(database) as connection:
        save_report(connection, made)
    database.dispose()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["hotline", "report", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (0, 2)


def test_a_report_is_printed_table_by_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "daily", "2025-09-08")
    said = capsys.readouterr().out
    assert said.startswith("日报 Daily report 2025-09-08, Asia/Shanghai\n")
    assert "诉求来源 Where complaints come from" in said
    assert "停水/无水 No water" in said
    assert "无 none" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("daily", "2025-09-31"), "'2025-09-31' is no day; accepted: a day as 2026-08-03"),
        (("monthly", "2025-09-08"), "'2025-09-08' is no month; accepted: a month as 2026-08"),
        (("daily", "2099-01-01"), "2099-01-01 has not ended; accepted: 2025-09"),
        (("daily", "2025-09-07"), "2025-09-07 ended before the first case; accepted: 2025-09"),
        (("daily", "2025-09-09"), "the report of 2025-09-09 is not made yet; add --make to make it"),
        (("monthly",), "is not made yet; add --make to make it"),
    ],
)
def test_what_cannot_be_printed_is_told_with_what_can(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, *arguments)
    assert said in capsys.readouterr().err
