"""Changes that a catalogue would make for open cases, before it is put in force."""

from datetime import timedelta

import pytest

from domain.case.actions.dispatch import Dispatch
from domain.case.bulk import RolloutPreview, RolloutTerms
from domain.case.case import Case
from domain.catalogue.catalogue import Catalogue
from domain.shared.codes import UnknownCode
from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import edition_of
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.build import MONDAY, do, minutes, registration


@pytest.fixture(scope="module")
def default() -> Catalogue:
    return load_catalogue(DEFAULT_CATALOGUE)


def case_of(catalogue: Catalogue, number: str = "2609070000017", department: str | None = None) -> Case:
    terms = catalogue.terms("no_water", "west", MONDAY)
    case, _ = Case.register(registration(number=number).model_copy(update={"terms": terms}))
    if department:
        do(case, Dispatch(department=department), MONDAY)
    return case


def preview(catalogue: Catalogue, *cases: Case, after: float = 3) -> RolloutPreview:
    made = RolloutPreview(RolloutTerms(catalogue), edition_of(catalogue), MONDAY + minutes(after))
    for case in cases:
        made.add(case)
    return made


def test_terms_are_those_that_the_case_would_have_been_registered_under(default: Catalogue) -> None:
    case = case_of(default)
    rollout = RolloutTerms(default)
    assert rollout.terms(case) == case.terms
    assert rollout.terms(case) is rollout.terms(case)


def test_what_the_catalogue_lacks_is_named(default: Catalogue) -> None:
    case = case_of(default)
    elsewhere = case.intake.location.model_copy(update={"district": "x"})
    for wrong in (
        case.model_copy(update={"intake": case.intake.model_copy(update={"service_code": "gas"})}),
        case.model_copy(update={"intake": case.intake.model_copy(update={"location": elsewhere})}),
        case.model_copy(update={"department": "gas"}),
    ):
        with pytest.raises(UnknownCode):
            RolloutTerms(default).terms(wrong)


def test_counts_cases_and_how_their_clocks_would_move(default: Catalogue) -> None:
    slower = default.model_copy(update={"time_scale": 0.5})
    seen = preview(slower, case_of(default, "1" * 13), case_of(default, "2" * 13, "repair"), case_of(slower))
    assert (seen.changed, seen.same, seen.kept) == (2, 1, [])
    resolve = seen.effects["no_water", "resolve"]
    assert (resolve.cases, resolve.later, resolve.earlier, resolve.past) == (2, timedelta(days=1), timedelta(), 0)
    assert (resolve.first_due, resolve.why) == (MONDAY + timedelta(days=2), {"budget": 2})
    arrive = seen.effects["no_water", "arrive"]
    assert (arrive.cases, arrive.first_due) == (2, MONDAY + timedelta(hours=4))


def test_tells_whose_time_would_be_up_at_once(default: Catalogue) -> None:
    faster = default.model_copy(update={"time_scale": 10})
    seen = preview(faster, case_of(default, department="repair"), after=4)
    acknowledge = seen.effects["no_water", "acknowledge"]
    assert (acknowledge.past, acknowledge.earlier) == (1, minutes(6))


def test_looking_changes_nothing(default: Catalogue) -> None:
    case = case_of(default)
    before = case.model_dump_json()
    preview(default.model_copy(update={"time_scale": 2}), case)
    assert case.model_dump_json() == before


def test_a_case_that_keeps_its_terms_is_named_with_what_is_lacking(default: Catalogue) -> None:
    lacking = default.model_copy(update={"departments": default.departments[1:]})
    assert preview(lacking, case_of(default, department="repair")).kept == [("2609070000017", "department repair")]
