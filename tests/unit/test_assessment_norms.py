"""Norms of the monthly assessment: what an operator may write, how mistakes are told, and the standard made of them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.catalogue.catalogue import Catalogue
from domain.catalogue.figures import FIGURE_OF, Subject
from domain.shared.errors import FileError
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE

AT = datetime(2026, 9, 30, 16, 20, tzinfo=UTC)
WORKING_DAY = 7 * 3600
FIRST = 'figure = "response_rate", weight = 30, zero_at = 0.6'
MISTAKES = [
    # what is written, what is written instead, the key that is named, what is said of it
    (FIRST, FIRST.replace("30", "31"), "assessment", "weights: those of company add up to 101; accepted: 100 for each"),
    (FIRST, FIRST.replace("30", "0"), "assessment.weights[0].weight", "must be greater than 0, not 0"),
    (FIRST, FIRST.replace("response_rate", "speed"), "assessment", "company has no figure 'speed'; accepted: cases, "),
    (FIRST, FIRST.replace("response_rate", "training"), "assessment", "company has no figure 'training'; accepted: "),
    (FIRST, FIRST.replace("response", "solution"), "assessment", "several weights of solution_rate; accepted: one"),
    (FIRST, FIRST.replace("0.6", "0.95"), "assessment.weights[0]", "are both 0.95; accepted: two values, linear bet"),
    (FIRST, FIRST.replace("0.6", "nan"), "assessment.weights[0].zero_at", "must be a finite number, not nan"),
    (FIRST, FIRST.replace("0.6", "inf"), "assessment.weights[0].zero_at", "must be a finite number, not inf"),
    (FIRST, FIRST.replace("0.6", "true"), "assessment.weights[0].zero_at", "must be a valid number, not True"),
    ("points = 20,", "points = 21,", "assessment.form", "the points of the form add up to 101; accepted: 100"),
    ("training = {", "quality = {", "assessment", "given.quality has the name of a figure; accepted: a code of your"),
    ('by = ["agent"]', "by = []", "assessment.given[0].by", "should have at least 1 item"),
    ('by = ["agent"]', 'by = ["robot"]', "assessment.given[0].by[0]", "must be 'agent', 'crew', 'department', "),
    ("least = 90", "least = 101", "assessment.grades[0].least", "must be less than or equal to 100, not 101"),
    ("needs_evidence = true", "needs_evidence = 1", "assessment.grounds[4].needs_evidence", "must be a valid boolean"),
    (
        'least = 90, source = "BB"',
        "least = 90",
        "assessment.grades[0].source",
        "is missing; accepted: a letter of [so",
    ),
    ('["QA", "I"]', '["QA", "QX"]', "assessment.sample_per_agent.source[1]", "'QX' is not in sources; accepted: W, "),
    *(
        (f"{name} = {{ working_days = 3", f"{name} = {{ working_days = 0", "assessment", "at least one working day")
        for name in ("objections", "decisions")
    ),
]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(DEFAULT_CATALOGUE)


def edited(folder: Path, old: str, new: str) -> Path:
    """Return a copy of the default catalogue with another text."""
    text = DEFAULT_CATALOGUE.read_text("utf-8")
    assert old in text
    copy = folder / "city.toml"
    copy.write_text(text.replace(old, new, 1), "utf-8")
    return copy


def without_form(folder: Path) -> str:
    """Return the default catalogue without the form of inspection."""
    text = edited(folder, "[assessment.form]", "[assessment.form]").read_text("utf-8")
    before, _, after = text.partition("[assessment.form]\n")
    return before + after[after.index("\n#") :]


@pytest.mark.parametrize(("old", "new", "key", "words"), MISTAKES)
def test_each_mistake_names_file_key_and_what_is_accepted(
    tmp_path: Path, old: str, new: str, key: str, words: str
) -> None:
    file = edited(tmp_path, old, new)
    with pytest.raises(FileError) as error:
        load_catalogue(file)
    (problem,) = error.value.problems
    assert problem.startswith(f"{file}: {key}: ")
    assert words in problem


def test_a_sample_takes_a_form(tmp_path: Path) -> None:
    file = tmp_path / "city.toml"
    text = without_form(tmp_path)
    file.write_text(text, "utf-8")
    with pytest.raises(FileError, match=r"sample_per_agent takes a form; accepted: \[assessment.form\], or count = 0"):
        load_catalogue(file)
    file.write_text(text.replace("sample_per_agent = { count = 10", "sample_per_agent = { count = 0"), "utf-8")
    norms = load_catalogue(file).assessment
    assert norms
    assert norms.form == ()


def test_a_month_may_have_no_time_for_inspections(tmp_path: Path) -> None:
    file = edited(tmp_path, "inspections = { working_days = 3", "inspections = { working_days = 0")
    found = load_catalogue(file).standard(AT)
    assert found
    assert found.inspection_seconds == 0


def test_a_catalogue_without_an_assessment_has_no_standard() -> None:
    england = load_catalogue(DEFAULT_CATALOGUE.with_name("england.toml"))
    assert england.assessment is None
    assert england.standard(AT) is None


def test_every_source_of_the_default_assessment_is_a_known_letter(catalogue: Catalogue) -> None:
    norms = catalogue.assessment
    assert norms
    single = (norms.inspections, norms.objections, norms.decisions, norms.sample_per_agent)
    sourced: tuple[Any, ...] = (*single, *norms.weights, *norms.grades, *norms.grounds, *norms.form, *norms.given)
    letters = {letter for each in sourced for letter in each.source}
    assert letters
    assert letters <= catalogue.sources.keys()


def test_default_weights_are_of_figures_and_of_points_from_outside(catalogue: Catalogue) -> None:
    norms = catalogue.assessment
    assert norms
    for by in Subject:
        weights = [each for each in norms.weights if each.by is by]
        given = {each.code for each in norms.given if by in each.by}
        assert {each.figure for each in weights} <= FIGURE_OF.keys() | given
        assert sum(each.weight for each in weights) in (0, 100)


def test_the_standard_has_the_calendar_ladder_and_currency(catalogue: Catalogue) -> None:
    """Friday, 15:30 in Beijing, and the time left of three working days is counted over the weekend."""
    found = catalogue.standard(AT)
    assert found
    assert found.calendar.timezone == "Asia/Shanghai"
    assert found.limit(datetime(2026, 9, 11, 7, 30, tzinfo=UTC), 3 * WORKING_DAY) == datetime(
        2026, 9, 16, 7, 30, tzinfo=UTC
    )
    assert {found.inspection_seconds, found.objection_seconds, found.decision_seconds} == {3 * WORKING_DAY}
    assert found.rungs == (50, 75, 100, 150, 200)
    assert found.currency == catalogue.currency


def test_a_scaled_catalogue_shortens_the_times_of_a_month_as_all_others(tmp_path: Path) -> None:
    file = edited(tmp_path, "\n[sources]", "\ntime_scale = 1000\n[sources]")
    found = load_catalogue(file).standard(AT)
    assert found
    assert found.objection_seconds == 76
