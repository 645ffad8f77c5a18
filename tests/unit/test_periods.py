"""Months and days of the company's calendar: their bounds in its time zone, and those that are due."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reports.report import (
    MONTH,
    MOST_DUE,
    BeforeFirstCaseError,
    NotEndedError,
    Period,
    ReportKind,
    due_periods,
    month_bounds,
    month_of,
    next_month,
)
from tests.support.assessment import BEIJING

LONDON = ZoneInfo("Europe/London")
FIRST_CASE = datetime(2026, 7, 3, 1, tzinfo=UTC)
NIGHT = datetime(2026, 9, 30, 16, 20, tzinfo=UTC)
"""1 October 2026, 00:20 in Beijing."""
SECOND = timedelta(seconds=1)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("month", "zone", "since", "until"),
    [
        ("2026-09", BEIJING, utc(2026, 8, 31, 16), utc(2026, 9, 30, 16)),
        ("2026-12", BEIJING, utc(2026, 11, 30, 16), utc(2026, 12, 31, 16)),
        ("2028-02", BEIJING, utc(2028, 1, 31, 16), utc(2028, 2, 29, 16)),
        ("2026-03", LONDON, utc(2026, 3, 1), utc(2026, 3, 31, 23)),
        ("2026-07", LONDON, utc(2026, 6, 30, 23), utc(2026, 7, 31, 23)),
        ("2026-10", LONDON, utc(2026, 9, 30, 23), utc(2026, 11, 1)),
    ],
)
def test_a_month_begins_and_ends_at_midnight_of_its_zone(
    month: str, zone: ZoneInfo, since: datetime, until: datetime
) -> None:
    assert month_bounds(month, zone) == (since, until)


@pytest.mark.parametrize(
    ("at", "zone", "month"),
    [
        (utc(2026, 9, 30, 15, 59, 59), BEIJING, "2026-09"),
        (utc(2026, 9, 30, 16), BEIJING, "2026-10"),
        (utc(2026, 12, 31, 16), BEIJING, "2027-01"),
        (utc(2026, 6, 30, 23), LONDON, "2026-07"),
        (utc(2026, 12, 31, 23), LONDON, "2026-12"),
    ],
)
def test_an_instant_is_of_the_month_of_its_zone(at: datetime, zone: ZoneInfo, month: str) -> None:
    assert month_of(at, zone) == month


@given(days=st.floats(0, 36_000), zone=st.sampled_from([BEIJING, LONDON]))
def test_every_instant_is_within_the_bounds_of_its_month(days: float, zone: ZoneInfo) -> None:
    at = utc(2000, 1, 2) + timedelta(days=days)
    month = month_of(at, zone)
    since, until = month_bounds(month, zone)
    assert since <= at < until
    assert re.fullmatch(MONTH, month)
    assert month_bounds(next_month(month), zone)[0] == until


@pytest.mark.parametrize(
    ("month", "after"), [("2026-01", "2026-02"), ("2026-11", "2026-12"), ("2026-12", "2027-01"), ("2026-09", "2026-10")]
)
def test_december_is_followed_by_january(month: str, after: str) -> None:
    assert next_month(month) == after


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-9", "26-09", "2026-09-01", "1999-09", "2026-09\n"])
def test_no_other_text_is_a_month(text: str) -> None:
    assert not re.fullmatch(MONTH, text)


def due_months(first_case_at: datetime, known: str | None, now: datetime, zone: ZoneInfo) -> list[str]:
    given = known.split() if known else ()
    return [period.name for period in due_periods(ReportKind.MONTHLY, first_case_at, given, now, zone)]


def test_the_first_assessment_is_of_the_last_month_alone() -> None:
    assert due_months(FIRST_CASE, None, NIGHT, BEIJING) == ["2026-09"]


def test_a_month_is_due_at_its_end_and_no_instant_earlier() -> None:
    end = month_bounds("2026-09", BEIJING)[1]
    assert due_months(FIRST_CASE, "2026-08", end - SECOND, BEIJING) == []
    assert due_months(FIRST_CASE, "2026-08", end, BEIJING) == ["2026-09"]
    assert due_months(FIRST_CASE, None, end - SECOND, BEIJING) == ["2026-08"]


def test_no_month_before_the_first_case_is_due() -> None:
    assert due_months(NIGHT - SECOND, None, NIGHT, BEIJING) == []
    assert due_months(utc(2026, 9, 30, 15), None, NIGHT, BEIJING) == ["2026-09"]


def test_missed_months_are_due_the_oldest_first() -> None:
    assert due_months(FIRST_CASE, "2026-06", NIGHT, BEIJING) == ["2026-07", "2026-08", "2026-09"]
    assert due_months(utc(2025, 11, 1), "2025-11", utc(2026, 2, 3), BEIJING) == ["2025-12", "2026-01"]
    assert due_months(utc(2025, 11, 1), "2025-12 2026-03", utc(2026, 5, 3), BEIJING) == [
        "2026-01",
        "2026-02",
        "2026-04",
    ]


@pytest.mark.parametrize("last", ["2026-09", "2026-10", "2027-01"])
def test_no_month_is_due_twice_even_if_the_clock_was_ahead(last: str) -> None:
    assert due_months(FIRST_CASE, last, NIGHT, BEIJING) == []


def names(kind: ReportKind, first: datetime, known: str | None, zone: ZoneInfo) -> list[str]:
    return [period.name for period in due_periods(kind, first, known.split() if known else (), NIGHT, zone)]


def test_the_first_report_is_of_the_last_period_that_has_ended() -> None:
    assert names(ReportKind.DAILY, FIRST_CASE, None, BEIJING) == ["2026-09-30"]
    assert names(ReportKind.DAILY, FIRST_CASE, None, LONDON) == ["2026-09-29"]
    assert names(ReportKind.MONTHLY, FIRST_CASE, None, BEIJING) == ["2026-09"]


def test_reports_that_were_missed_are_due_the_oldest_first() -> None:
    days = [f"2026-09-{day}" for day in range(27, 31)]
    assert names(ReportKind.DAILY, FIRST_CASE, "2026-09-26", BEIJING) == days
    assert names(ReportKind.MONTHLY, FIRST_CASE, "2026-07", BEIJING) == ["2026-08", "2026-09"]


def test_no_more_reports_are_made_up_for_than_of_two_months_of_days() -> None:
    found = names(ReportKind.DAILY, FIRST_CASE, "2026-07-03", BEIJING)
    assert len(found) == MOST_DUE
    assert found[-1] == "2026-09-30"


def test_no_report_before_the_first_case_or_before_its_end_is_due() -> None:
    assert names(ReportKind.DAILY, FIRST_CASE, "2026-09-30", BEIJING) == []
    assert names(ReportKind.DAILY, NIGHT - timedelta(hours=25), "2026-09-01", BEIJING) == ["2026-09-29", "2026-09-30"]
    assert names(ReportKind.DAILY, NIGHT, None, BEIJING) == []


@pytest.mark.parametrize("day", ["2026-09-29", "2026-09-30", "2026-10-01"])
def test_before_its_end_the_first_period_is_named_as_accepted_later(day: str) -> None:
    first_case_at, now = utc(2026, 9, 30, 9), utc(2026, 9, 30, 12)
    accepted = "accepted: 2026-09-30, once it has ended"
    with pytest.raises((NotEndedError, BeforeFirstCaseError), match=accepted) as refused:
        Period.parse(ReportKind.DAILY, day).check(now, BEIJING, first_case_at)
    assert refused.value.accepted == (("2026-09-30（结束后）", "2026-09-30, once it has ended"),)
