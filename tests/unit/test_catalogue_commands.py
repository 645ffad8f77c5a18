"""`hotline catalogue`: the check lists what is missing; apply shows before it asks, and does nothing unless told to."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy.exc import OperationalError
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError, RPCStatusCode

from domain.case.actions.dispatch import Dispatch
from domain.case.case import Case
from domain.catalogue.catalogue import Catalogue
from hotline.cli import catalogue as commands
from hotline.cli import main as cli
from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import CatalogueStore
from hotline.settings import DEFAULT_CATALOGUE, Settings
from readmodel.base.database import engine, writing
from readmodel.migrate import migrate
from readmodel.projection import write
from tests.support.batches import batch
from tests.support.build import do, registration
from tests.support.rows import execute

NOTHING_LISTENS = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOTHING_LISTENS)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def store() -> CatalogueStore:
    """As an API leaves it that was started with the default catalogue."""
    store = CatalogueStore(Settings().catalogues_dir)
    store.put(load_catalogue(DEFAULT_CATALOGUE), DEFAULT_CATALOGUE, datetime.now(UTC))
    return store


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch, command: str = "apply") -> int:
    monkeypatch.setattr(sys, "argv", ["hotline", "catalogue", command, *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


CREW = 'repair = { name = "Emergency repair crew", name_zh = "抢修队" }\n'


def without_crew(folder: Path) -> Path:
    """The default catalogue, in which the pipe network does the work of the repair crew."""
    text = DEFAULT_CATALOGUE.read_text(encoding="utf-8")
    assert CREW in text
    file = folder / "without.toml"
    changed = text.replace(CREW, "").replace('department = "repair"', 'department = "network"')
    chart = changed.replace('departments = ["repair", ', "departments = [")
    lines = [line for line in chart.splitlines() if not line.startswith("repair_lead = ")]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def kept_case(catalogue: Catalogue, department: str) -> None:
    """A case in the read model that this department has."""
    url = Settings().database_url
    migrate(url)
    start = registration(datetime.now(UTC).replace(microsecond=0))
    terms = catalogue.terms("no_water", "west", start.at)
    case, events = Case.register(start.model_copy(update={"terms": terms}))
    events += do(case, Dispatch(department=department), start.at)
    database = engine(url)
    with writing(database) as connection:
        write(connection, [batch(case, events)])
    database.dispose()


def test_the_check_lists_unknown_amounts_and_where_to_write_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    england = DEFAULT_CATALOGUE.with_name("england.toml")
    assert run(str(england), command="check", monkeypatch=monkeypatch) == 0
    told = capsys.readouterr()
    assert "England, Guaranteed Standards" in told.out
    for name in ("Meter not fitted", "Water-quality notice"):
        [line] = [line for line in told.err.splitlines() if f"[[credits]] {name!r}" in line]
        assert line.startswith(f"hotline: WARNING: {england}: ")
        assert "the amount is unknown, and nothing is credited" in line
        assert "Replace gap by amount" in line
    assert told.err.count("unknown") == 2


def test_the_check_of_a_catalogue_without_gaps_warns_of_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(DEFAULT_CATALOGUE), command="check", monkeypatch=monkeypatch) == 0
    assert "unknown" not in capsys.readouterr().err


def test_what_is_declined_is_not_done(
    store: CatalogueStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("typer.confirm", lambda _: False)
    assert run(str(without_crew(tmp_path)), monkeypatch=monkeypatch) == 0
    shown = capsys.readouterr().out
    assert "departments.repair: is gone (Emergency repair crew 抢修队)" in shown
    assert "services.leak.department: repair → network" in shown
    assert shown.endswith("nothing was changed\n")
    assert [entry.by for entry in store.entries()] == [None]


def test_cases_that_keep_their_terms_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept_case(load_catalogue(DEFAULT_CATALOGUE), "repair")
    assert run(str(without_crew(tmp_path)), "--dry-run", monkeypatch=monkeypatch) == 0
    shown = capsys.readouterr().out
    assert "open cases: 0 change, 0 stay the same, 1 keep their terms" in shown
    assert "keeps its terms: the catalogue has no department repair" in shown


def test_the_catalogue_that_is_in_force_already_is_recognized(
    store: CatalogueStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store.put(load_catalogue(DEFAULT_CATALOGUE), DEFAULT_CATALOGUE, datetime.now(UTC), by="chief")
    assert run(str(DEFAULT_CATALOGUE), "--yes", monkeypatch=monkeypatch) == 0
    assert "in force for every open case already" in capsys.readouterr().out


def test_a_case_of_which_sql_has_lost_the_beginning_is_not_taken_for_changed(
    store: CatalogueStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    default = load_catalogue(DEFAULT_CATALOGUE)
    store.put(default, DEFAULT_CATALOGUE, datetime.now(UTC), by="chief")
    kept_case(default, "repair")
    owner = engine(Settings().database_url)
    execute(owner, "DELETE FROM events WHERE seq = 1")
    owner.dispose()
    assert run(str(DEFAULT_CATALOGUE), "--yes", monkeypatch=monkeypatch) == 1
    told = capsys.readouterr()
    assert "1 cannot be asked before the reconciler has written their events" in told.out
    assert "run the command again" in told.err


def test_without_temporal_nothing_is_in_force_and_it_is_to_be_run_again(
    store: CatalogueStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(without_crew(tmp_path)), "--yes", monkeypatch=monkeypatch) == 1
    assert "run the command again" in capsys.readouterr().err
    assert [entry.by for entry in store.entries()] == [None]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OperationalError("SELECT", None, Exception("locked")), "the database does not answer as it should: locked"),
        (RPCError("refused", RPCStatusCode.UNAVAILABLE, b""), "Temporal does not answer as it should: refused"),
        (WorkflowFailureError(cause=CancelledError("by hand")), "the workflow was stopped: by hand"),
    ],
    ids=["database", "Temporal", "workflow"],
)
def test_it_is_said_who_failed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    said: str,
) -> None:
    def fail(*_: object) -> NoReturn:
        raise error from getattr(error, "orig", error.__cause__)

    monkeypatch.setattr(commands, "_preview", fail)
    assert run(str(without_crew(tmp_path)), monkeypatch=monkeypatch) == 1
    assert capsys.readouterr().err.strip().endswith(f": {said}")


def test_two_at_once_are_one_too_many(
    store: CatalogueStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with store.exclusive():
        with pytest.raises(RuntimeError, match="another"), store.exclusive():
            pass
        assert run(str(without_crew(tmp_path)), "--yes", monkeypatch=monkeypatch) == 1
    assert "another `hotline catalogue apply` is running" in capsys.readouterr().err


def test_a_file_with_mistakes_is_refused_before_anything_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("name = 1", encoding="utf-8")
    assert run(str(wrong), "--yes", monkeypatch=monkeypatch) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "services: is missing" in told.err


def test_a_folder_that_no_api_looks_into_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(DEFAULT_CATALOGUE), "--yes", monkeypatch=monkeypatch) == 2
    assert "no API has ever kept a catalogue here; set HOTLINE_DATA_DIR" in capsys.readouterr().err
    assert not (tmp_path / "data" / "catalogues").exists()
