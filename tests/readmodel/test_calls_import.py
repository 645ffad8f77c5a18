"""`hotline calls`: files of the telephone system become rows, whatever their order, on both kinds of database."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from bench.calls_import import import_records, write_records
from domain.shared.actors import Person, Role
from hotline.cli import imports
from hotline.cli import main as cli
from hotline.telephony.people import RosterFile, load_roster
from readmodel.base.database import writing
from readmodel.calls.tables import calls, duties
from readmodel.people import people
from tests.support.forking import Forked
from tests.support.rows import rows
from tests.support.telephone import NOON, QUEUE_LOG, QUEUED, cdr

Run = Callable[..., int]
AT = datetime(2026, 8, 3, 4, 0, tzinfo=UTC)


@pytest.fixture
def run(database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`hotline calls ...`, as the operator runs it; it returns the exit code."""
    monkeypatch.setenv("HOTLINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HOTLINE_DATABASE_URL", database.url.render_as_string(hide_password=False))

    def command(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["hotline", "calls", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return command


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return written(tmp_path / "queue_log", QUEUE_LOG)


def written(path: Path, *lines: str) -> Path:
    path.write_text("".join(lines), encoding="utf-8")
    return path


def add(database: Engine, *ids: str) -> None:
    with writing(database) as connection:
        for each in ids:
            people.add(connection, Person(id=each, name=each, role=Role.AGENT), AT)


def test_an_import_tells_what_it_did_and_a_second_one_changes_nothing(
    run: Run, database: Engine, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", log) == 0
    first = rows(database, calls)
    assert [(row["outcome"], row["wait_ms"], row["talk_ms"], row["phone_term"]) for row in first] == [
        ("answered", 12_000, 88_000, "13800138000"),
        ("abandoned", 60_000, None, "076088238777"),
    ]
    assert run("import", log) == 0
    assert rows(database, calls) == first
    done = [line for line in capsys.readouterr().out.splitlines() if line.startswith(str(log))]
    assert done == [
        f"{log}: 2 calls added, 0 changed, 0 as they were",
        f"{log}: 0 calls added, 0 changed, 2 as they were",
    ]


def test_waiting_time_comes_from_the_queue_whichever_file_comes_first(
    run: Run, database: Engine, tmp_path: Path
) -> None:
    unique_id = "1785729600.1"
    record = written(tmp_path / "Master.csv", cdr(**QUEUED, uniqueid=unique_id, answer="2026-08-03 12:00:00"))
    log = written(tmp_path / "queue_log", QUEUE_LOG)
    seen = []
    for files in ((record, log), (log, record)):
        with writing(database) as connection:
            connection.execute(calls.delete())
        assert run("import", *files) == 0
        seen.append(rows(database, calls))
    assert seen[0] == seen[1]
    assert (seen[0][0]["wait_ms"], seen[0][0]["agent"]) == (12_000, "chen")


def test_a_call_whose_log_was_rotated_is_one_call(run: Run, database: Engine, tmp_path: Path) -> None:
    lines = QUEUE_LOG.splitlines(keepends=True)
    earlier, later = written(tmp_path / "queue_log.1", *lines[:4]), written(tmp_path / "queue_log", *lines[4:])
    assert run("import", later, earlier) == 0
    assert [row["wait_ms"] for row in rows(database, calls)] == [12_000, 60_000]


def test_a_faulty_file_imports_nothing_of_any_file(
    run: Run, database: Engine, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty = written(tmp_path / "Master.csv", cdr(), cdr(end="2026-08-03 11:00:00"))
    assert run("import", log, faulty) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{faulty}, line 2, end: the call ends before it starts" in said.err
    assert rows(database, calls) == []


def test_a_dry_run_writes_no_call(run: Run, database: Engine, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", log, "--dry-run") == 0
    assert "2 calls, every line can be used; nothing was written" in capsys.readouterr().out
    assert rows(database, calls) == []


def test_what_is_left_out_is_told_and_fails_nothing(
    run: Run, database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = f"{NOON}|1.1|hotline|NONE|HOLOGRAM|9\n"
    log = written(tmp_path / "queue_log", QUEUE_LOG, unknown, unknown, f"{NOON + 200}|1.2|hot")
    assert run("import", log) == 0
    said = capsys.readouterr().out
    assert f"{log}: left out 2 lines of the unknown event 'HOLOGRAM', the first on line 9" in said
    assert f"{log}, line 11: the last line is torn, and is left out until it is whole" in said
    assert len(rows(database, calls)) == 2


def test_settings_decide_on_zone_and_contexts(
    run: Run, database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOTLINE_CALLS_TIMEZONE", "Europe/London")
    monkeypatch.setenv("HOTLINE_CALLS_CONTEXTS", "from-trunk, from-12345")
    records = [cdr(dcontext=context, uniqueid=f"1.{each}") for each, context in enumerate(("from-12345", "internal"))]
    assert run("import", written(tmp_path / "Master.csv", *records)) == 0
    (row,) = rows(database, calls)
    assert (row["call_id"], row["started_at"]) == ("1.0", AT + timedelta(hours=7))
    assert "left out 1 rows of other contexts, the first on line 2" in capsys.readouterr().out


def test_a_zone_that_there_is_not_is_refused(
    run: Run, log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOTLINE_CALLS_TIMEZONE", "Peking")
    assert run("import", log) == 2
    assert "HOTLINE_CALLS_TIMEZONE: must be a time zone of the tz database" in capsys.readouterr().err


def test_a_file_in_another_format_than_named_is_refused(
    run: Run, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", log, "--format", "cdr") == 2
    assert f"{log}, line 1: 1 columns; accepted: 16 to 18" in capsys.readouterr().err


def test_unknown_agents_are_named_and_their_calls_go_to_people_later(
    run: Run, database: Engine, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", log) == 0
    assert "unknown agents, whose calls are kept under the telephone system's names: chen (1 calls). To" in (
        capsys.readouterr().out
    )
    assert (rows(database, calls)[0]["agent"], rows(database, calls)[0]["agent_known"]) == ("chen", False)

    add(database, "10023")
    extensions = written(tmp_path / "agents.csv", "extension,person\nchen,10023\n")
    assert run("import", log, "--agents", extensions) == 0
    after = rows(database, calls)
    assert (after[0]["agent"], after[0]["agent_known"]) == ("10023", True)
    assert "unknown agents" not in capsys.readouterr().out
    assert run("import", log) == 0
    assert rows(database, calls) == after


def test_people_who_are_added_later_get_their_calls(run: Run, database: Engine, log: Path) -> None:
    assert run("import", log) == 0
    add(database, "chen")
    assert run("import", log) == 0
    assert [row["agent_known"] for row in rows(database, calls)] == [True, True]


@pytest.mark.slow
def test_two_imports_at_once_lose_and_double_nothing(run: Run, database: Engine, tmp_path: Path) -> None:
    """Two processes read two files in either order; each file knows half of every call."""
    count = 3_000
    lines = [
        line
        for each in range(count)
        for line in (
            f"{NOON - each}|1.{each}|hotline|NONE|ENTERQUEUE||13800138000|1\n",
            f"{NOON - each + 90}|1.{each}|hotline|PJSIP/chen|COMPLETEAGENT|30|60|1\n",
        )
    ]
    one, other = written(tmp_path / "queue_log.1", *lines[::2]), written(tmp_path / "queue_log", *lines[1::2])
    command = [sys.executable, "-m", "hotline.cli.main", "calls", "import"]
    started = [
        Forked([*command, *map(str, files)], env={**os.environ}, stdout=subprocess.PIPE, text=True)
        for files in ((one, other), (other, one))
    ]
    assert [process.wait(120) for process in started] == [0, 0]
    said = "".join(process.communicate()[0] for process in started)
    after = rows(database, calls)
    assert len(after) == count
    assert {(row["agent"], row["talk_ms"]) for row in after} == {("chen", 60_000)}
    assert sum(int(line.split(": ")[1].split()[0]) for line in said.splitlines() if "calls added" in line) == count
    assert run("import", other, one) == 0
    assert rows(database, calls) == after


def test_a_roster_is_imported_and_imported_again(
    run: Run, database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(database, "chen", "he")
    roster = tmp_path / "roster.csv"
    written(roster, "人员,上班,下班\nchen,2026-08-03 08:00,2026-08-03 16:00\nhe,2026-08-03 16:00,2026-08-04 00:00\n")
    for _ in range(2):
        assert run("roster", roster) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{roster}: 2 duties added, 0 removed, 0 as they were, from 2026-08-03 to 2026-08-03",
        f"{roster}: 0 duties added, 0 removed, 2 as they were, from 2026-08-03 to 2026-08-03",
    ]
    (early, _) = rows(database, duties)
    assert (early["person"], early["starts_at"]) == ("chen", AT - timedelta(hours=4))


def test_others_write_while_a_roster_is_read(
    run: Run, database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*given: Any) -> RosterFile:
        add(database, "he")
        return load_roster(*given)

    add(database, "chen")
    monkeypatch.setattr(imports, "load_roster", load)
    roster = written(tmp_path / "roster.csv", "person,from,to\nchen,2026-08-03 08:00,2026-08-03 16:00\n")
    assert run("roster", roster) == 0
    assert len(rows(database, duties)) == 1


def test_a_broken_roster_changes_nothing(
    run: Run, database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roster = written(tmp_path / "roster.csv", "person,from,to\nchen,2026-08-03 08:00,2026-08-03 16:00\n")
    assert run("roster", roster) == 2
    assert f"{roster}, line 2, person: there is no such person" in capsys.readouterr().err
    assert rows(database, duties) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("count", [60_000, pytest.param(300_000, marks=pytest.mark.night)])
def test_memory_is_flat_however_many_rows(tmp_path: Path, count: int) -> None:
    """Of the fewer, no row can keep 84 bytes unseen."""
    few, many = (import_records(write_records(tmp_path / f"{each}.csv", each), os.environ) for each in (10_000, count))
    assert f": {count - 10_000} calls added, 0 changed, 10000 as they were" in many.printed
    assert many.mebibytes < few.mebibytes + 4, (few, many)
