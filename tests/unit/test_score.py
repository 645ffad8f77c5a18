"""Score of one subject: values of figures, the points that they earn, what is left out, and the grade."""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.assessment.score import FigureValue, Item, Tally, assess
from domain.catalogue.figures import EntryKind, Grade, Standard, Subject, Weight
from tests.support.assessment import standard

REPLY, SOLVED, SATISFIED = "replied_in_time", "solution_rate", "satisfaction_rate"
KINDS = {REPLY: EntryKind.REPLY, SOLVED: EntryKind.SOLVED, SATISFIED: EntryKind.SATISFIED}
GRADES = tuple(Grade(code=code, name=code, name_zh=code, least=least) for code, least in (("good", 80), ("fail", 0)))
STANDARD = standard(grades=GRADES)


def weight(figure: str, points: int = 100, zero_at: float = 0, full_at: float = 1) -> Weight:
    return Weight(by=Subject.AGENT, figure=figure, weight=points, zero_at=zero_at, full_at=full_at)


def judged_by(*weights: Weight) -> Standard:
    """Return a standard of these weights."""
    return STANDARD.model_copy(update={"weights": weights})


def result(
    judged: Standard,
    tallies: Mapping[EntryKind, Tally],
    points: Mapping[str, FigureValue] | None = None,
    left_out: frozenset[str] = frozenset(),
    by: Subject = Subject.AGENT,
) -> Item:
    return assess(judged, by, "10023", tallies, points or {}, left_out)


def in_favour(part: int, whole: int = 100, excluded: int = 0) -> Tally:
    return Tally(entries=whole, favourable=part, excluded=excluded)


@pytest.mark.parametrize(
    ("part", "points"), [(0, "0"), (60, "0"), (61, "2.86"), (76, "45.71"), (95, "100"), (100, "100")]
)
def test_points_rise_in_proportion_between_the_ends(part: int, points: str) -> None:
    item = result(judged_by(weight(REPLY, zero_at=0.6, full_at=0.95)), {EntryKind.REPLY: in_favour(part)})
    assert item.figures[REPLY].points == Decimal(points)
    assert item.score == Decimal(points)


@pytest.mark.parametrize(("urged", "points"), [(0, "100"), (5, "75"), (20, "0"), (40, "0")])
def test_less_is_better_where_zero_at_is_above_full_at(urged: int, points: str) -> None:
    tallies = {EntryKind.REGISTERED: Tally(entries=100), EntryKind.URGED: Tally(entries=urged, favourable=urged)}
    item = result(judged_by(weight("urged", zero_at=0.2, full_at=0)), tallies)
    assert item.score == Decimal(points)


def test_a_figure_without_data_is_left_out_and_the_others_are_scaled_up() -> None:
    """The example of docs/assessment.md."""
    judged = judged_by(weight(REPLY, 30), weight(SOLVED, 35), weight(SATISFIED, 35))
    item = result(judged, {EntryKind.REPLY: in_favour(100), EntryKind.SATISFIED: in_favour(50)})
    shown = [(item.figures[name].weight, item.figures[name].points) for name in (REPLY, SOLVED, SATISFIED)]
    assert shown == [
        (Decimal("46.15"), Decimal("46.15")),
        (None, None),
        (Decimal("53.85"), Decimal("26.92")),
    ]
    assert item.score == Decimal("73.08")
    assert [item.figures[name].left_out for name in (REPLY, SOLVED)] == [None, "no_data"]


def test_an_accepted_objection_leaves_a_figure_out_and_its_value_is_shown() -> None:
    judged = judged_by(weight(REPLY, 50), weight(SOLVED, 50))
    tallies = {EntryKind.REPLY: in_favour(10), EntryKind.SOLVED: in_favour(90)}
    item = result(judged, tallies, left_out=frozenset({REPLY}))
    assert item.score == 90
    assert item.figures[REPLY] == FigureValue(value=Decimal("0.1"), numerator=10, denominator=100, left_out="objection")


def test_excluded_entries_are_shown_and_do_not_count() -> None:
    item = result(judged_by(weight(REPLY)), {EntryKind.REPLY: in_favour(3, whole=4, excluded=6)})
    found = item.figures[REPLY]
    assert (found.numerator, found.denominator, found.excluded) == (3, 4, 6)
    assert item.score == 75


def test_a_figure_of_excluded_entries_alone_is_shown_without_a_value() -> None:
    item = result(judged_by(), {EntryKind.REPLY: in_favour(0, whole=0, excluded=2)})
    assert item.figures[REPLY] == FigureValue(value=None, numerator=0, denominator=0, excluded=2)
    assert SOLVED not in item.figures


def test_excluded_cases_are_counted_and_are_outside_of_the_rates() -> None:
    tallies = {EntryKind.REGISTERED: Tally(entries=4, favourable=4, excluded=1), EntryKind.URGED: Tally(entries=1)}
    item = result(judged_by(), tallies)
    assert (item.figures["cases"].value, item.figures["cases"].excluded) == (Decimal(5), 1)
    assert (item.figures["urged"].value, item.figures["urged"].denominator) == (Decimal("0.25"), 4)


@pytest.mark.parametrize(
    ("by", "kind"),
    [
        (Subject.DEPARTMENT, EntryKind.RECEIVED),
        (Subject.CREW, EntryKind.SIGNED_FOR),
        (Subject.DISTRICT, EntryKind.REGISTERED),
    ],
)
def test_cases_of_a_department_are_received_and_those_of_a_crew_signed_for(by: Subject, kind: EntryKind) -> None:
    tallies = {kind: Tally(entries=8), EntryKind.RETURNED: Tally(entries=2)}
    item = result(judged_by(), tallies, by=by)
    assert item.figures["cases"].value == 8
    assert item.figures["returned"].value == Decimal("0.25")


@pytest.mark.parametrize(("part", "score", "grade"), [(7999, "79.99", "fail"), (8000, "80.00", "good")])
def test_a_grade_begins_at_exactly_its_least_score(part: int, score: str, grade: str) -> None:
    item = result(judged_by(weight(REPLY)), {EntryKind.REPLY: in_favour(part, whole=10_000)})
    assert (item.score, item.grade) == (Decimal(score), grade)


def test_points_are_rounded_half_up_and_the_score_is_rounded_once() -> None:
    """Each figure earns 0.125 points: together 0.25, and not twice 0.13."""
    judged = judged_by(weight(REPLY, 50, full_at=0.4), weight(SOLVED, 50, full_at=0.4))
    tallies = {EntryKind.REPLY: in_favour(1, whole=1000), EntryKind.SOLVED: in_favour(1, whole=1000)}
    item = result(judged, tallies)
    assert [item.figures[name].points for name in (REPLY, SOLVED)] == [Decimal("0.13")] * 2
    assert item.score == Decimal("0.25")


def test_without_data_there_is_neither_score_nor_grade() -> None:
    item = result(judged_by(weight(REPLY)), {})
    assert (item.score, item.grade) == (None, None)
    assert item.figures[REPLY].left_out == "no_data"


def test_a_kind_of_subject_without_weights_gets_no_score() -> None:
    item = result(judged_by(weight(REPLY)), {EntryKind.REPLY: in_favour(1)}, by=Subject.SERVICE)
    assert (item.score, item.grade) == (None, None)
    assert item.figures[REPLY].value == Decimal("0.01")


def test_without_grades_a_score_has_none() -> None:
    item = result(judged_by(weight(REPLY)).model_copy(update={"grades": ()}), {EntryKind.REPLY: in_favour(50)})
    assert (item.score, item.grade) == (Decimal(50), None)


def test_points_from_outside_and_calls_count_as_they_are_given() -> None:
    judged = judged_by(weight("training", 50, full_at=100), weight("calls_answered", 50, full_at=800))
    points = {"training": FigureValue(value=Decimal(90)), "calls_answered": FigureValue(value=Decimal(400))}
    item = result(judged, {}, points)
    assert item.score == 45 + 25
    assert [*item.figures][-2:] == ["calls_answered", "training"]


def test_quality_is_the_mean_of_the_points_to_two_places() -> None:
    item = result(judged_by(), {EntryKind.INSPECTED: Tally(entries=3, favourable=3, amount=25_000)})
    found = item.figures["quality"]
    assert (found.value, found.numerator, found.denominator) == (Decimal("83.33"), 250, 3)


def test_approved_money_is_a_sum_with_the_number_of_approvals() -> None:
    item = result(judged_by(), {EntryKind.MONEY: Tally(entries=2, favourable=2, amount=86_050)})
    assert (item.figures["money_approved"].value, item.figures["money_approved"].numerator) == (Decimal("860.50"), 2)


@st.composite
def weights(draw: st.DrawFn) -> tuple[Weight, ...]:
    """Return weights of three figures that add up to 100, each in one direction or the other."""
    first = draw(st.integers(1, 98))
    second = draw(st.integers(1, 99 - first))
    ends = st.tuples(st.integers(0, 100), st.integers(0, 100)).filter(lambda pair: pair[0] != pair[1])
    return tuple(
        weight(name, points, zero / 100, full / 100)
        for name, points in zip(KINDS, (first, second, 100 - first - second), strict=True)
        for zero, full in [draw(ends)]
    )


TALLIES = st.integers(0, 50).flatmap(lambda whole: st.builds(in_favour, st.integers(0, whole), st.just(whole)))


@given(
    judged=weights(),
    tallies=st.fixed_dictionaries(dict.fromkeys(KINDS.values(), TALLIES)),
    left_out=st.frozensets(st.sampled_from([*KINDS])),
)
def test_scores_are_of_a_hundred_and_so_are_the_scaled_weights(
    judged: tuple[Weight, ...], tallies: dict[EntryKind, Tally], left_out: frozenset[str]
) -> None:
    item = result(judged_by(*judged), tallies, left_out=left_out)
    counting = {name for name, kind in KINDS.items() if tallies[kind].entries and name not in left_out}
    shown = {name: value for name, value in item.figures.items() if value.weight is not None}
    assert shown.keys() == counting
    if item.score is None:
        assert not counting
        return
    assert 0 <= item.score <= 100
    assert abs(sum((value.weight or Decimal(0) for value in shown.values()), Decimal(-100))) <= Decimal("0.02")
    for value in shown.values():
        assert value.weight is not None
        assert value.points is not None
        assert 0 <= value.points <= value.weight
