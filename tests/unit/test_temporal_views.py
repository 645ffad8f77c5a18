"""`hotline temporal-views`: links that install saved views, for a person and with the dates of today."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from api.render import links
from api.temporal_ui.saved_views import VIEWS
from domain.calendar.work_calendar import on_the_wall
from tests.unit.test_key_commands import run


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_DATA_DIR", str(tmp_path / "data"))


def queries(printed: str) -> dict[str, str]:
    """Queries of the links, by the name under which each is saved."""
    links = [urlsplit(line.strip()) for line in printed.splitlines() if line.startswith("  http")]
    assert {(link.netloc, link.path) for link in links} == {("t.example", "/namespaces/hotline/workflows")}
    given = [parse_qs(link.query) for link in links]
    return {each["savedQuery"][0]: each["query"][0] for each in given}


def test_prints_links_of_a_person_and_of_today(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("person", "add", "10023", "--role", "crew", "--department", "repair", monkeypatch=monkeypatch) == 0
    capsys.readouterr()
    options = ("--me", "10023", "--ui", "https://t.example/", "--namespace", "hotline")
    days = {on_the_wall(datetime.now(UTC)).date()}
    assert run("temporal-views", *options, monkeypatch=monkeypatch) == 0
    days.add(on_the_wall(datetime.now(UTC)).date())
    found = queries(capsys.readouterr().out)
    assert 'Owner = "10023"' in found["我的工单 My cases"]
    assert 'Department = "repair"' in found["本部门工单 My department"]
    due = datetime.fromisoformat(found["今日到期 Due today"].split('"')[-2])
    assert (due.date() - max(days)).days in (0, 1)
    assert {view.title for view in VIEWS} <= {*found}


def test_nobody_has_the_id(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("temporal-views", "--me", "10099", monkeypatch=monkeypatch) == 2
    assert "nobody has the id 10099" in capsys.readouterr().err


def test_a_case_links_to_its_page_of_the_ui() -> None:
    assert links("2608034711004")["temporal_ui"] == "/case/2608034711004"


def test_without_an_address_the_links_lead_to_the_api(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOTLINE_PUBLIC_URL", "https://hotline.example")
    assert run("temporal-views", monkeypatch=monkeypatch) == 0
    assert "  https://hotline.example/temporal/namespaces/default/workflows?query=" in capsys.readouterr().out
