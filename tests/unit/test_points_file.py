"""A file of points from outside is taken whole or not at all, and every broken line is named."""

from pathlib import Path

import pytest

from domain.catalogue.figures import GivenPoints, Subject
from domain.shared.errors import FileError
from hotline.cli.periods import MOST_POINTS, load_points
from readmodel.assessments.months import GivenValue

TRAINING = GivenPoints(code="training", name="Training", name_zh="培训", by=(Subject.AGENT,))
SAFETY = GivenPoints(code="safety", name="Safety", name_zh="安全", by=(Subject.CREW, Subject.DEPARTMENT))
HEAD = "figure,subject,value\n"


def known(_: Subject, text: str) -> str | None:
    return text if len(text) <= 80 else None


def load(folder: Path, text: str | bytes, encoding: str = "utf-8", *given: GivenPoints) -> list[GivenValue]:
    path = folder / "points.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_points(path, encoding, given or (TRAINING, SAFETY), known)


def problems(folder: Path, text: str | bytes, encoding: str = "utf-8") -> list[str]:
    """Return the problems found in the file, without its name."""
    with pytest.raises(FileError) as refused:
        load(folder, text, encoding)
    return [problem.removeprefix(f"{folder / 'points.csv'}, ") for problem in refused.value.problems]


def test_a_figure_with_one_kind_of_subjects_needs_no_column_for_it(tmp_path: Path) -> None:
    found = load(tmp_path, f"{HEAD}training,10023,92.5\ntraining,10024,0\n")
    assert found == [GivenValue("training", "agent", "10023", 92.5), GivenValue("training", "agent", "10024", 0.0)]


def test_a_figure_with_several_kinds_of_subjects_takes_the_column(tmp_path: Path) -> None:
    found = load(
        tmp_path, "by,value,subject,figure\ncrew,8,30011,safety\ndepartment,9,repair,safety\n,7,10023,training\n"
    )
    assert [(each.by, each.subject) for each in found] == [
        ("crew", "30011"),
        ("department", "repair"),
        ("agent", "10023"),
    ]
    assert problems(tmp_path, f"{HEAD}safety,30011,8\n") == ["line 2, by: accepted: crew, department"]
    assert problems(tmp_path, "figure,subject,value,by\ntraining,repair,8,department\n") == [
        "line 2, by: accepted: agent"
    ]


@pytest.mark.parametrize(("mark", "encoding"), [("utf-8-sig", "utf-8"), ("gbk", "gb18030"), ("gb18030", "gb18030")])
def test_what_spreadsheets_in_china_save_is_read(tmp_path: Path, mark: str, encoding: str) -> None:
    data = "指标,对象,得分,对象类别\r\nsafety,陈静,88,crew\r\n".encode(mark)
    assert load(tmp_path, data, encoding) == [GivenValue("safety", "crew", "陈静", 88.0)]


def test_the_wrong_encoding_is_named_with_the_one_to_try(tmp_path: Path) -> None:
    data = f"{HEAD}training,陈静,88\n".encode("gbk")
    assert problems(tmp_path, data) == ["line 2: this is not utf-8; try --encoding gb18030"]


@pytest.mark.parametrize("value", ["-1", "-0.01", "nan", "inf", "-inf", "1e309", "many", "9,5", "1000000.1"])
def test_a_value_that_is_no_number_of_the_range_is_a_broken_line(tmp_path: Path, value: str) -> None:
    assert problems(tmp_path, f'{HEAD}training,10023,"{value}"\n') == [
        f"line 2, value: accepted: a number from 0 to {MOST_POINTS}"
    ]


@pytest.mark.parametrize("value", ["0", "100", "99.5", "1000000"])
def test_the_ends_of_the_range_are_of_it(tmp_path: Path, value: str) -> None:
    (found,) = load(tmp_path, f"{HEAD}training,10023,{value}\n")
    assert found.value == float(value)


def test_every_broken_line_is_named_with_what_is_accepted(tmp_path: Path) -> None:
    lines = (
        "training,10023,90",
        "learning,10024,90",
        "training,,90",
        ",10024,90",
        "training,10025,",
        "training,10026,90,",
        f"training,{'x' * 81},90",
        "training,10023,80",
    )
    missing = "is missing; accepted: a figure, a subject and a number"
    assert problems(tmp_path, HEAD + "\n".join(lines) + "\n") == [
        "line 3, figure: accepted: training, safety",
        f"line 4, subject: {missing}",
        f"line 5, figure: {missing}",
        f"line 6, value: {missing}",
        "line 7: 4 columns, the first line names 3. Quote text that has commas",
        "line 8, subject: accepted: a known agent, by id or code",
        "line 9, subject: line 2 has the points of the same subject already",
    ]


def test_the_same_subject_may_have_points_of_several_figures_and_kinds(tmp_path: Path) -> None:
    text = "figure,subject,value,by\ntraining,10023,90,agent\nsafety,10023,90,crew\nsafety,10023,90,department\n"
    assert len(load(tmp_path, text)) == 3


def test_a_catalogue_without_points_from_outside_takes_none(tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text(f"{HEAD}training,10023,90\n", encoding="utf-8")
    with pytest.raises(FileError, match=r"accepted: none, as the catalogue has no \[assessment.given\]"):
        load_points(file, "utf-8", (), known)


def test_a_column_that_is_missing_or_unknown_is_named(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, "figure,person,value\ntraining,10023,90\n")
    assert said.startswith(
        "line 1: columns unknown: 'person'; missing: 'subject'. Accepted, parted by commas: figure (指标)"
    )
