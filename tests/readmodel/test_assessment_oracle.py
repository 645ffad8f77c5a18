"""Figures, scores and lists of a random month agree with an oracle that applies the rules event by event."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import Engine

from domain.assessment.score import Item
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.register import Registration
from domain.case.actions.withdraw import Withdraw
from domain.case.intake import Intake, Location
from domain.catalogue.figures import FIGURES, EntryKind, Subject
from readmodel.assessments.months import CountedCase, Number, cases_behind
from readmodel.base.database import engine, reading
from readmodel.migrate import migrate
from tests.support.assessment import MONTH, SINCE, computed, month, play, results
from tests.support.assessment_cases import AGENTS, CATALOGUE, CREDIT, MANAGERS
from tests.support.assessment_month import AS_OF, RandomMonth, random_month
from tests.support.assessment_oracle import Counted, Result
from tests.support.rows import clear

FEW, MANY = 40, 2000
PAGE = 50


@pytest.fixture(scope="module", params=[FEW, pytest.param(MANY, marks=pytest.mark.night)])
def count(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture(scope="module")
def assessed(module_database_url: str, count: int) -> Iterator[tuple[Engine, RandomMonth]]:
    migrate(module_database_url)
    database, made = engine(module_database_url), random_month(count)
    clear(database)
    made.write(database, None, AS_OF)
    computed(database, made.assessment)
    yield database, made
    database.dispose()


def test_something_counts_in_every_way(count: int) -> None:
    """A kind of entries that no random case has would be compared with nothing."""
    assert {each.kind for each in random_month(count).counted} == {*EntryKind}


def shown(result: Result | Item) -> dict[str, Any]:
    """Return what a result says, of the oracle or of the program, in one form."""
    figures = {
        name: (Fraction(each.value), each.numerator, each.denominator)
        for name, each in result.figures.items()
        if each.value is not None
    }
    excluded = {name: each.excluded for name, each in result.figures.items() if each.excluded}
    if isinstance(result, Result):
        left_out = result.left_out
    else:
        left_out = {name: each.left_out for name, each in result.figures.items() if each.left_out}
    return {"figures": figures, "excluded": excluded, "out": left_out, "score": (result.score, result.grade)}


def test_every_figure_of_every_subject_is_that_of_the_oracle(assessed: tuple[Engine, RandomMonth]) -> None:
    database, made = assessed
    oracle = made.oracle
    found = {(by, subject): shown(item) for by in Subject for subject, item in results(database, by).items()}
    assert found == {(by, subject): shown(oracle.result(by, subject)) for by, subject in oracle.subjects()}


def listed(database: Engine, number: Number) -> list[CountedCase]:
    """Return the whole list behind a number, page by page."""
    found, cursor = list[CountedCase](), None
    with reading(database) as connection:
        while True:
            page = cases_behind(connection, number, cursor, PAGE)
            found += page.items
            if (cursor := page.next_cursor) is None:
                return found


def test_the_list_behind_every_number_has_the_cases_of_the_oracle(assessed: tuple[Engine, RandomMonth]) -> None:
    database, made = assessed
    oracle = made.oracle

    def told(each: Counted) -> tuple[Any, ...]:
        amount = None if each.amount is None else int(each.amount * 100)
        return each.number, each.at, each.counts, amount

    for by, subject in oracle.subjects():
        for kind in {kind for figure in FIGURES if (kind := figure.kind_for(by))}:
            found = listed(database, Number(MONTH, 1, kind, by, subject))
            expected = oracle.behind(by, subject, kind)
            assert sorted(each[0:1] + each[2:5] for each in found) == sorted(map(told, expected)), (by, subject, kind)


@pytest.mark.slow
def test_both_kinds_of_database_give_the_same_digest(sqlite_url: str, postgresql_url: str) -> None:
    digests, made = set[str](), random_month(FEW)
    for url in (sqlite_url, postgresql_url):
        migrate(url)
        database = engine(url)
        made.write(database, None, AS_OF)
        digests.add(computed(database, made.assessment).digest)
        database.dispose()
    assert len(digests) == 1


@pytest.mark.slow
def test_neither_later_events_nor_a_rebuild_change_what_comes_out(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = random_month(FEW)
    made.write(database, None, AS_OF)
    first = computed(database, made.assessment)
    monkeypatch.setattr("activities.assessments.SLICE", 7)
    second = computed(database, made.assessment, serial=2)
    assert (second.digest, second.entries) == (first.digest, first.entries)
    made.write(database, AS_OF)
    assert computed(database, made.assessment, serial=3).digest == first.digest
    clear(database)
    made.write(database, None)
    assert computed(database, made.assessment).digest == first.digest


def owed(place: int = 1, called: datetime = SINCE - timedelta(days=9)) -> Registration:
    """Return the registration of a case for which the company owes a credit once its promise to resolve is missed."""
    terms = CATALOGUE.terms("burst_main", "west", called).model_copy(update={"credits": (CREDIT,)})
    return Registration(
        number=f"260822{place:07}",
        at=called,
        actor=AGENTS[0],
        owner=AGENTS[0].id,
        intake=Intake(service_code="burst_main", description="x", location=Location(district="west")),
        terms=terms,
    )


def test_a_credit_counts_in_the_month_of_its_approval_whenever_the_case_was_closed(database: Engine) -> None:
    withdrawn = (SINCE - timedelta(days=2), Withdraw(reason="x"), AGENTS[0])
    approved = (SINCE + timedelta(days=2), DecideCredit(credit=1, approved=True), MANAGERS[0])
    play(database, owed(), withdrawn, approved)
    computed(database, month())
    assert results(database, Subject.COMPANY)["company"].figures["money_approved"].value == CREDIT.amount


def test_a_credit_that_is_rejected_is_no_money_approved(database: Engine) -> None:
    for place, approved in ((1, True), (2, False)):
        decision = DecideCredit(credit=1, approved=approved, reason="Checked.")
        play(database, owed(place), (SINCE + timedelta(days=2), decision, MANAGERS[0]))
    computed(database, month())
    money = results(database, Subject.COMPANY)["company"].figures["money_approved"]
    assert (money.value, money.numerator) == (CREDIT.amount, 1)
    found = listed(database, Number(MONTH, 1, EntryKind.MONEY, Subject.COMPANY, Subject.COMPANY.value))
    assert [(each.number, each.amount) for each in found] == [(owed(1).number, 5050)]
