"""Tables of reports: counted by SQL and again by hand, on both databases."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from domain.calls.call import Call, Duty, Timing
from domain.case.actions.complete import Complete
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.involve import Involve
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.return_ import Return
from domain.case.automatic.lateness import Escalated
from domain.case.case import Case
from domain.case.intake import Caller, IntakeFlag, Location
from domain.case.lifecycle import State
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import MISS, Approver, Credit, Promise
from domain.reports.report import Cell, Period, Report, ReportKind, Table
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.base.database import reading, writing
from readmodel.calls.calls import save_calls
from readmodel.calls.report import replace_duties
from readmodel.projection import write
from readmodel.reports.reports import first_case_at, get_report, make, save_report
from readmodel.reports.work import STAGES
from tests.support.batches import batch, call, number, published
from tests.support.build import BODIES, MONDAY, OTHER_CREW, days, do, hours, minutes

CATALOGUE = load_catalogue(DEFAULT_CATALOGUE)
DAY = Period.parse(ReportKind.DAILY, "2026-09-07")
MONTH = Period.parse(ReportKind.MONTHLY, "2026-09")
MADE_AT = datetime(2026, 10, 1, tzinfo=UTC)
WEST, EAST, NOWHERE = Location(district="west"), Location(district="east"), Location()


def report(database: Engine, period: Period = DAY, catalogue: Catalogue = CATALOGUE) -> Report:
    with reading(database) as connection:
        return make(connection, period, catalogue, MADE_AT)


def table(database: Engine, name: str, period: Period = DAY, catalogue: Catalogue = CATALOGUE) -> Table:
    return next(each for each in report(database, period, catalogue).tables if each.name == name)


def counted(found: Table) -> set[tuple[Cell, ...]]:
    """The rows of a table without names of codes and without rates."""
    kept = [place for place, column in enumerate(found.columns) if "_name" not in column.name]
    return {tuple(row[place] for place in kept) for row in found.rows}


def enter(database: Engine, *courses: tuple[Any, Any]) -> None:
    """Write cases: a registration each, and its actions, as `published` takes them."""
    with writing(database) as connection:
        for start, actions in courses:
            write(connection, published(start, actions))


def test_complaints_are_counted_by_service_and_district_of_the_local_day(database: Engine) -> None:
    midnight = datetime(2026, 9, 6, 16, tzinfo=UTC)
    enter(
        database,
        (call(1, midnight - timedelta(milliseconds=1), location=WEST), ()),
        (call(2, midnight, location=WEST), ()),
        (call(3, midnight + days(1) - timedelta(milliseconds=1), location=WEST), ()),
        (call(4, midnight + days(1), location=WEST), ()),
        (call(5, MONDAY, location=EAST, service_code="leak"), ()),
        (call(6, MONDAY, location=NOWHERE, service_code="leak"), ()),
    )
    found = table(database, "origins")
    assert counted(found) == {("no_water", "west", 2), ("leak", "east", 1), ("leak", None, 1)}
    assert ("no_water", "No water", "停水/无水", "west", "West District", "西区街道", 2) in found.rows


def test_complaints_of_a_month_are_counted_by_iso_week(database: Engine) -> None:
    starts = [(day, datetime(2026, 9, day, 4, tzinfo=UTC)) for day in (1, 6, 7, 30)]
    enter(database, *((call(day, at, location=WEST), ()) for day, at in starts))
    weeks = {(week, "no_water", "west", count) for week, count in (("2026-W36", 2), ("2026-W37", 1), ("2026-W40", 1))}
    assert counted(table(database, "origins", MONTH)) == weeks


def test_missed_promises_are_told_by_what_the_case_waited_for(database: Engine) -> None:
    late = minutes(11)
    enter(
        database,
        (call(1), ("dispatch", "sign_for")),
        (call(2), ("dispatch",)),
        (call(3), (Dispatch(department="metering"),)),
    )
    with writing(database) as connection:
        for place, actions in ((4, ("dispatch", "sign_for")), (5, (Dispatch(department="metering"), "comment"))):
            write(connection, published(call(place), actions, step=late))
        write(connection, published(call(6), ("dispatch", "sign_for", "arrive"), step=minutes(61)))
    found = table(database, "missed")
    assert counted(found) == {
        ("acknowledge", "repair", "signature", 2),
        ("acknowledge", "metering", "signature", 1),
        ("arrive", "repair", "signature", 1),
    }
    assert found.rows[0][:3] == ("acknowledge", "acknowledge", "签收")


@pytest.mark.slow
def test_missed_promises_agree_with_the_alarms_of_random_cases(database: Engine) -> None:
    """An alarm notes the state in which it rang, which SQL finds from the events before the instant of the miss."""
    rng = random.Random(7)  # noqa: S311 - the same cases every time, no secret
    expected: Counter[tuple[Cell, ...]] = Counter()
    with writing(database) as connection:
        for place in range(1, 61):
            road = ROADS[place % len(ROADS)]
            batches = published(
                call(place, MONDAY + minutes(rng.randrange(300)), promises=TIGHT),
                road,
                hours(rng.choice((0.1, 1, 3, 9))),
            )
            write(connection, batches)
            department = None
            for event in (event for each in batches for event in each.events):
                department = getattr(event.data, "department", None) if event.action == "dispatch" else department
                data = event.data
                if isinstance(data, Escalated) and data.percent == MISS and month_has(data.fell_at):
                    stage, _ = STAGES[State(event.from_state or "")]
                    expected[data.clock, department, stage] += 1
    assert len(expected) >= 10
    assert counted(table(database, "missed", MONTH)) == {(*key, number) for key, number in expected.items()}


TIGHT = (
    Promise(name="acknowledge", calendar="always", budget_seconds=600, starts="dispatch"),
    Promise(name="arrive", calendar="always", budget_seconds=7_200, starts="dispatch"),
    Promise(name="resolve", calendar="always", budget_seconds=18_000, starts="registration"),
    Promise(name="reply", calendar="always", budget_seconds=28_800, starts="registration"),
    Promise(name="follow_up", calendar="always", budget_seconds=21_600, starts="reply"),
)
"""Promises of which each is missed in some state or other."""
ROADS = (
    ("dispatch", "sign_for", "arrive", "complete", "reply", "follow_up"),
    ("dispatch", "return", "dispatch", "sign_for", "complete"),
    ("dispatch", "sign_for", "suspend", "resume", "complete", "reply"),
    (Dispatch(department="metering"), "dispatch", "sign_for", "request_approval", "comment", "comment"),
    ("comment", "comment", "comment"),
)


def month_has(at: datetime) -> bool:
    start, end = MONTH.bounds(ZoneInfo("Asia/Shanghai"))
    return start <= at < end


def test_open_cases_are_counted_by_age_at_the_end_of_the_period(database: Engine) -> None:
    end = datetime(2026, 9, 7, 16, tzinfo=UTC)
    ages = (0.5, 1, 2.9, 3, 15, 30, 31)
    enter(database, *((call(place, end - days(age)), ("dispatch",)) for place, age in enumerate(ages, 1)))
    enter(database, (call(8, end), ()), (call(9, end - days(2)), ("withdraw",)), (call(10, end - hours(1)), ()))
    found = table(database, "backlog")
    assert counted(found) == {
        ("0-1", "repair", 1),
        ("0-1", None, 1),
        ("1-3", "repair", 2),
        ("3-7", "repair", 1),
        ("15-30", "repair", 1),
        ("> 30", "repair", 2),
    }
    assert found.rows[0][0] == "> 30"
    oldest = table(database, "oldest")
    assert [row[0] for row in oldest.rows] == [number(place) for place in (7, 6, 5, 4, 3, 2, 1, 10)]
    assert oldest.rows[0][-2:] == (31.0, f"/v1/complaints/{number(7)}")


def test_causes_and_returns_are_counted_by_department(database: Engine) -> None:
    accepted = CATALOGUE.terms("no_water", "west", MONDAY).findings
    enter(
        database,
        (
            call(1, findings=accepted),
            ("dispatch", "sign_for", Complete(result="好了", findings=("pipe_aged", "valve_faulty"))),
        ),
        (call(2, findings=accepted), ("dispatch", "sign_for", Complete(result="好了", findings=("pipe_aged",)))),
        (call(3), ("dispatch", "sign_for", Complete(result="好了"))),
        (call(4), ("dispatch", "return", Dispatch(department="metering"))),
        (call(5), ("dispatch", "return")),
    )
    found = table(database, "findings")
    assert counted(found) == {("pipe_aged", "no_water", "repair", 2), ("valve_faulty", "no_water", "repair", 1)}
    assert found.rows[0][:3] == ("pipe_aged", "Aged pipe", "管道老化")
    assert counted(table(database, "returns")) == {
        ("repair", "no_water", "metering", 1),
        ("repair", "no_water", None, 1),
    }


def test_a_return_names_the_department_that_has_the_work_after_it(database: Engine) -> None:
    """After a rejected return it is the same one, whatever the next return leads to; of a part, who takes it over."""
    again = ("dispatch", "return", "reject_return")
    enter(database, (call(1), again), (call(2), (*again, "return", Dispatch(department="metering"))))
    case, events = Case.register(call(3))
    steps = (
        (BODIES["dispatch"], None),
        (BODIES["involve"], None),
        (Return(reason="无关"), OTHER_CREW),
        (Involve(department="billing", task="查表", takes_over="metering"), None),
        (Dispatch(department="network"), None),
    )
    for body, actor in steps:
        events += do(case, body, MONDAY + minutes(1), actor)
    with writing(database) as connection:
        write(connection, [batch(case, events)])
    assert counted(table(database, "returns")) == {
        ("repair", "no_water", "repair", 2),
        ("repair", "no_water", "metering", 1),
        ("metering", "no_water", "billing", 1),
    }


@pytest.mark.parametrize("again", ["follow_up", "reopen"])
def test_missed_promises_of_a_wrong_answer_are_of_the_department_that_reworks_it(database: Engine, again: str) -> None:
    """The case was answered at once: no dispatch names the department."""
    followed_up = again == "follow_up"
    step = FollowUp(outcome="dissatisfied") if followed_up else again
    late = call(1, answer_needs_follow_up=followed_up)
    with writing(database) as connection:
        write(connection, published(late, ("answer", step, "sign_for"), step=minutes(11)))
    assert ("acknowledge", "repair", "signature", 1) in counted(table(database, "missed"))


def test_what_was_found_after_a_wrong_answer_is_of_the_department_that_reworks_it(database: Engine) -> None:
    """It was answered at once, and reworked without a dispatch."""
    accepted = CATALOGUE.terms("no_water", "west", MONDAY).findings
    found = Complete(result="好了", findings=("pipe_aged", "pipe_aged"))
    dissatisfied = FollowUp(outcome="dissatisfied")
    enter(
        database, (call(1, findings=accepted, answer_needs_follow_up=True), ("answer", dissatisfied, "sign_for", found))
    )
    assert counted(table(database, "findings")) == {("pipe_aged", "no_water", "repair", 1)}


def test_repeat_callers_are_told_by_their_cases_alone(database: Engine) -> None:
    def of(place: int, at: datetime, **caller: str) -> Any:
        start = call(place, at, Caller.model_validate(caller))
        return start.model_copy(update={"flags": (IntakeFlag.REPEAT_CALLER,) if at >= MONDAY else ()})

    enter(
        database,
        (of(1, MONDAY - days(29), account_no="A-17"), ()),
        (of(2, MONDAY - days(31), account_no="A-17"), ()),
        (of(3, MONDAY, account_no="A-17", phone="13800138000"), ()),
        (of(4, MONDAY, account_no="a17"), ()),
        (of(5, MONDAY - days(3), phone="0760-88237777"), ()),
        (of(6, MONDAY, phone="+86 760 8823 7777"), ()),
        (of(7, MONDAY, phone="13900139000"), ()),
    )
    found = table(database, "repeat_callers")
    three, two = (number(1), number(3), number(4)), (number(5), number(6))
    assert found.rows == ((3, " ".join(three)), (2, " ".join(two)))
    assert not {"A-17", "13800138000"} & {str(cell) for row in found.rows for cell in row}


def test_quality_contacts_are_counted_per_thousand_people(database: Engine) -> None:
    enter(
        database,
        *((call(place, location=WEST, service_code="water_quality"), ()) for place in (1, 2, 3)),
        (call(4, location=EAST, service_code="water_quality"), ()),
        (call(5, location=WEST), ()),
    )
    peopled = tuple(
        each.model_copy(update={"population": 40_000}) if each.code == "west" else each for each in CATALOGUE.districts
    )
    found = table(database, "quality", catalogue=CATALOGUE.model_copy(update={"districts": peopled}))
    assert {row[0]: row[3:] for row in found.rows if row[3]} == {"west": (3, 40_000, 0.075), "east": (1, None, None)}
    assert len(found.rows) == len(CATALOGUE.districts)


def test_costs_are_sums_of_decisions_by_kind_and_service(database: Engine) -> None:
    asked = RequestApproval(subject="换管", amount=Decimal("480.10"), kind="funded_repair", grounds="低保户")
    decided = ("dispatch", "sign_for", asked, "decide_approval")
    enter(database, (call(1), decided), (call(2), decided), (call(3, MONDAY - days(1)), decided))
    assert counted(table(database, "costs")) == {("funded_repair", "no_water", "approved", 2, "960.20", "CNY")}


def test_costs_leave_out_what_a_further_approver_has_yet_to_decide(database: Engine) -> None:
    posts = tuple(Approver(post=f"up to {most}", up_to=Decimal(most), budget_seconds=3600) for most in (9, 99))
    soon = Promise(name="resolve", calendar="always", budget_seconds=400, starts="registration")
    credit = Credit(name="Late", name_zh="迟", clock="resolve", amount=Decimal(50))
    asked = RequestApproval(subject="换管", amount=Decimal(50), kind="funded_repair", grounds="低保户")
    owed = DecideCredit(credit=1, approved=True)
    enter(
        database,
        (call(1, approvers=posts), ("dispatch", "sign_for", asked, "decide_approval")),
        (call(2, approvers=posts, credits=(credit,), promises=(soon,)), ("dispatch", "sign_for", "comment", owed)),
    )
    assert counted(table(database, "costs")) == set()


def test_calls_are_counted_by_hour_of_the_day_with_agents_on_duty(database: Engine) -> None:
    def one(place: int, at: datetime, answered: bool = True) -> Call:
        ended = at + minutes(2)
        taken = at + timedelta(seconds=8) if answered else None
        return Call(f"{place}", at, taken, ended, agent="chen", asked_at=None, timing=Timing.QUEUE)

    with writing(database) as connection:
        save_calls(
            connection, [one(1, MONDAY), one(2, MONDAY + minutes(5)), one(3, MONDAY + days(1)), one(4, MONDAY, False)]
        )
        duties = [Duty("chen", MONDAY, MONDAY + hours(2)), Duty("li", MONDAY, MONDAY + minutes(30))]
        replace_duties(connection, duties, MONDAY - hours(9), MONDAY + hours(15))
    rows = table(database, "calls").rows
    assert len(rows) == 24
    assert rows[9] == ("09:00", 3, 2, 0.6667, 1.5)
    assert rows[10] == ("10:00", 0, 0, None, 1.0)
    assert table(database, "calls", MONTH).rows[9] == ("09:00", 4, 3, 0.75, 1.5)


def test_headlines_count_what_happened_in_the_period(database: Engine) -> None:
    enter(
        database,
        (call(1), ("dispatch", "sign_for", "arrive", "complete", "reply", "follow_up")),
        (call(2), ("dispatch",)),
        (call(3, MONDAY - days(1)), ()),
    )
    with writing(database) as connection:
        write(connection, published(call(4), ("dispatch", "sign_for"), step=minutes(11)))
    (row,) = table(database, "headlines").rows
    assert row[:8] == (3, 1, 0, 0, 3, 5, 1, round(5 / 6, 4))


def test_a_report_is_kept_as_it_was_made_first(database: Engine) -> None:
    enter(database, (call(1), ()))
    first = report(database)
    later = first.model_copy(update={"currency": "GBP"})
    with writing(database) as connection:
        assert get_report(connection, DAY) is None
        assert first_case_at(connection) == MONDAY
        for made in (first, later):
            save_report(connection, made)
        assert get_report(connection, DAY) == first
        assert get_report(connection, MONTH) is None


def test_a_database_without_anything_has_a_report(database: Engine) -> None:
    made = report(database, MONTH)
    assert made.tables[0].rows == ((*[0] * 7, None, 0, 0, None) * 2,)
    assert {len(each.rows) for each in made.tables if each.name not in {"headlines", "quality", "calls"}} == {0}


@pytest.mark.parametrize("kind", ReportKind)
def test_every_row_has_a_cell_for_every_column(database: Engine, kind: ReportKind) -> None:
    enter(database, (call(1), ("dispatch", "return")), (call(2, MONDAY + days(40)), ()))
    made = report(database, Period.containing(kind, date(2026, 9, 7)))
    for each in made.tables:
        assert {len(row) for row in each.rows} <= {len(each.columns)}, each.name
    assert Report.model_validate_json(made.model_dump_json()) == made
