"""`hotline assessment`: what each command shows and refuses; a month that was changed in SQL is found."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from domain.assessment.assessment import ASSESSMENT_FINISH, PUBLISH, Assessment, AssessmentBatch
from domain.assessment.score import FigureValue, Item
from domain.assessment.state import AssessmentKind
from domain.catalogue.figures import Subject
from domain.shared.actors import Person, Role
from hotline.cli import main as cli
from hotline.settings import DEFAULT_CATALOGUE, Settings
from readmodel.assessments import months
from readmodel.assessments.computation import figure_entries, given_points
from readmodel.base.database import engine, writing
from readmodel.migrate import migrate
from readmodel.people.people import add
from readmodel.projection import write
from tests.support.assessment import MONTH, UNTIL, computed, opening, results, standard
from tests.support.batches import call, published
from tests.support.rows import execute, rows

HEAD = "figure,subject,value\n"
WEIGHED = FigureValue(
    value=Decimal("0.8485"),
    numerator=2056,
    denominator=2423,
    excluded=12,
    weight=Decimal("28.57"),
    points=Decimal("20.1"),
)
FULL = {"replied_in_time": WEIGHED, "quality": FigureValue(value=None, left_out="no_data")}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")
    monkeypatch.setenv("HOTLINE_UNKNOWN_PEOPLE", "allow")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def database() -> Iterator[Engine]:
    """Open a database with two cases of September, one of them closed."""
    url = Settings().database_url
    migrate(url)
    made = engine(url)
    with writing(made) as connection:
        write(connection, [*published(call(1)), *published(call(2), ["dispatch", "sign_for"])])
    yield made
    made.dispose()


def assessed(database: Engine, step: AssessmentKind = PUBLISH, at: datetime = UNTIL) -> Assessment:
    """Compute the month, and write it as its workflow does."""
    made, opened = Assessment.open(opening(standard=standard(sample_per_agent=0)))
    noted = made.note_computation(computed(database, made), step, at)
    with writing(database) as connection:
        months.write(connection, AssessmentBatch(assessment=made, events=(opened, noted)))
    return made


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the exit code of `hotline assessment ...`."""
    monkeypatch.setattr(sys, "argv", ["hotline", "assessment", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def points(folder: Path, *lines: str) -> str:
    file = folder / "points.csv"
    file.write_text(HEAD + "\n".join(lines), encoding="utf-8")
    return str(file)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("month", "said"),
    [
        ("september", "'september' is no month; accepted: a month as 2026-08"),
        ("2026-13", "'2026-13' is no month; accepted: a month as 2026-08"),
        ("2099-01", f"2099-01 has not ended; accepted: {MONTH} to 20"),
        ("2020-01", f"2020-01 ended before the first case; accepted: {MONTH} to 20"),
    ],
)
def test_a_month_that_cannot_begin_is_refused_with_those_that_can(
    month: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("begin", month, monkeypatch=monkeypatch) == 2
    assert said in capsys.readouterr().err


def test_without_cases_no_month_begins(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("begin", "2020-01", monkeypatch=monkeypatch) == 2
    assert "2020-01 ended before the first case: none is registered yet" in capsys.readouterr().err


@pytest.mark.usefixtures("database")
def test_without_assessment_in_the_catalogue_no_month_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOTLINE_CATALOGUE", str(DEFAULT_CATALOGUE.with_name("england.toml")))
    assert run("begin", MONTH, monkeypatch=monkeypatch) == 2
    assert "the catalogue has no [assessment]" in capsys.readouterr().err


def test_a_final_month_does_not_begin_again(
    database: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assessed(database, ASSESSMENT_FINISH)
    before = rows(database, figure_entries)
    assert run("begin", MONTH, monkeypatch=monkeypatch) == 2
    assert f"the assessment of {MONTH} is final; `hotline assessment show {MONTH}` shows it" in capsys.readouterr().err
    assert rows(database, figure_entries) == before


@pytest.mark.usefixtures("database")
def test_a_month_does_not_begin_while_temporal_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("begin", MONTH, monkeypatch=monkeypatch) == 2
    assert (
        "run the command again, a month is begun once: Temporal does not answer at 127.0.0.1:9"
        in capsys.readouterr().err
    )


def test_a_month_is_shown_with_figures_score_and_grade(
    database: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assessed(database)
    assert run("show", MONTH, monkeypatch=monkeypatch) == 0
    company = results(database, Subject.COMPANY)["company"]
    shown = [line.split("│") for line in capsys.readouterr().out.splitlines()]
    assert shown[0] == [f"{MONTH}: 公示申诉期 objections"]
    cells = {row[1].strip(): row[2].strip() for row in shown if len(row) > 3}
    assert cells["cases"] == "2"
    assert cells["response_rate"] == "1.0000 1/1"
    assert cells["score 得分"] == str(company.score)
    assert cells["grade 等级"] == company.grade


def test_every_subject_is_shown_whole_in_80_columns(
    database: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assessed(database)
    shown = [
        Item(by=Subject.AGENT, subject=f"agent-{place:05}", figures=FULL, score=None, grade=None) for place in range(7)
    ]
    monkeypatch.setattr("readmodel.assessments.months.items", lambda *_: shown)
    assert run("show", MONTH, "--by", "agent", monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    assert all(item.subject in out for item in shown)
    for line in ("0.8485 2056/2423", "excluded 12", "weight 28.57", "no_data"):
        assert out.count(line) == len(shown), line
    assert "…" not in out


def test_a_month_is_shown_by_kind_of_subject(
    database: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assessed(database)
    assert run("show", MONTH, "--by", "department", monkeypatch=monkeypatch) == 0
    assert "repair" in capsys.readouterr().out
    assert run("show", MONTH, "--by", "planet", monkeypatch=monkeypatch) == 2


@pytest.mark.parametrize("command", ["show", "verify"])
def test_a_month_that_was_not_assessed_is_answered_with_those_that_were(
    database: Engine, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, "2026-08", monkeypatch=monkeypatch) == 2
    assert "2026-08 was not assessed; accepted: none yet" in capsys.readouterr().err
    assessed(database)
    assert run(command, "2026-08", monkeypatch=monkeypatch) == 2
    assert f"2026-08 was not assessed; accepted: {MONTH}" in capsys.readouterr().err


def test_a_month_that_is_not_computed_yet_cannot_be_compared(
    database: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made, opened = Assessment.open(opening(standard=standard(sample_per_agent=0)))
    with writing(database) as connection:
        months.write(connection, AssessmentBatch(assessment=made, events=(opened,)))
    assert run("verify", MONTH, monkeypatch=monkeypatch) == 2
    assert f"{MONTH} is not computed yet" in capsys.readouterr().err
    assert run("show", MONTH, monkeypatch=monkeypatch) == 0


def test_a_month_that_nothing_has_changed_is_the_same_to_the_byte(
    database: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = getattr(assessed(database, ASSESSMENT_FINISH).computed, "digest", None)
    before = rows(database, figure_entries)
    assert run("verify", MONTH, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == f"{MONTH}: the same, {len(before)} entries, SHA-256 {digest}\n"
    assert rows(database, figure_entries) == before


def test_an_event_that_was_changed_in_sql_is_found(
    database: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = assessed(database, ASSESSMENT_FINISH).computed
    execute(database, "UPDATE events SET action = 'comment' WHERE action = 'reply'")
    assert run("verify", MONTH, monkeypatch=monkeypatch) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{MONTH}: DIFFERENT: ")
    assert kept
    assert said.err.endswith(f", stored is {kept.digest}\n")


def test_a_month_that_is_not_final_may_differ_by_points_that_were_imported_since(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assessed(database, at=datetime.now(UTC))
    run("import", MONTH, points(tmp_path, "training,10023,90"), monkeypatch=monkeypatch)
    assert run("verify", MONTH, monkeypatch=monkeypatch) == 1
    assert "; points that were imported since count from its next computation\n" in capsys.readouterr().err


def test_points_are_replaced_figure_by_figure(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = months.GivenValue("calls_answered", "agent", "10023", 700.0)
    with writing(database) as connection:
        months.replace_given_values(connection, MONTH, ["calls_answered"], [kept])
    file = points(tmp_path, "training,10023,90", "training,10024,80")
    assert run("import", MONTH, file, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == f"{file}: 2 points of {MONTH}; they count from its next computation\n"
    for _ in range(2):
        assert run("import", MONTH, points(tmp_path, "training,10023,95"), monkeypatch=monkeypatch) == 0
    with database.connect() as connection:
        found = connection.execute(select(given_points.c.figure, given_points.c.subject, given_points.c.value)).all()
    assert sorted(map(tuple, found)) == [("calls_answered", "10023", 700.0), ("training", "10023", 95.0)]


def test_a_broken_line_imports_nothing(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = points(tmp_path, "training,10023,90", "learning,10024,80")
    assert run("import", MONTH, file, monkeypatch=monkeypatch) == 2
    assert "points.csv, line 3, figure: accepted: training" in capsys.readouterr().err
    assert rows(database, given_points) == []


def test_a_file_of_another_encoding_is_imported_with_its_option(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gbk.csv"
    file.write_bytes("指标,对象,得分\r\ntraining,陈静,90\r\n".encode("gbk"))
    assert run("import", MONTH, str(file), monkeypatch=monkeypatch) == 2
    assert "try --encoding gb18030" in capsys.readouterr().err
    assert run("import", MONTH, str(file), "--encoding", "gb18030", monkeypatch=monkeypatch) == 0
    (row,) = rows(database, given_points)
    assert (row["by"], row["subject"], row["value"]) == ("agent", "陈静", 90.0)


@pytest.mark.parametrize("step", [ASSESSMENT_FINISH, PUBLISH])
def test_a_month_that_is_final_or_about_to_be_takes_no_points(
    database: Engine,
    step: AssessmentKind,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Objections to what was published at the end of September have long been taken."""
    file = points(tmp_path, "training,10023,90")
    assessed(database, step)
    assert run("import", MONTH, file, monkeypatch=monkeypatch) == 2
    assert f"the assessment of {MONTH} is final; accepted: points of a month that is not" in capsys.readouterr().err
    assert rows(database, given_points) == []


def test_points_of_somebody_unknown_are_refused_and_a_name_is_the_id(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOTLINE_UNKNOWN_PEOPLE", "refuse")
    with writing(database) as connection:
        add(connection, Person(id="10023", name="陈静", role=Role.AGENT), UNTIL)
    assert run("import", MONTH, points(tmp_path, "training,1OO23,90"), monkeypatch=monkeypatch) == 2
    assert "points.csv, line 2, subject: accepted: a known agent, by id or code" in capsys.readouterr().err
    assert rows(database, given_points) == []
    assert run("import", MONTH, points(tmp_path, "training,陈静,90"), monkeypatch=monkeypatch) == 0
    assert [row["subject"] for row in rows(database, given_points)] == ["10023"]


def test_points_of_a_month_to_come_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", "2099-01", points(tmp_path, "training,10023,90"), monkeypatch=monkeypatch) == 2
    assert "2099-01 has not begun; accepted: 20" in capsys.readouterr().err


def test_points_of_no_month_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", "2026-9", points(tmp_path, "training,10023,90"), monkeypatch=monkeypatch) == 2
    assert "'2026-9' is no month; accepted: a month as 2026-08" in capsys.readouterr().err


def test_points_count_from_the_next_computation(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("import", MONTH, points(tmp_path, "training,10023,90"), monkeypatch=monkeypatch)
    assessed(database)
    figure = results(database, Subject.AGENT)["10023"].figures["training"]
    assert figure.value == 90
    assert figure.points
