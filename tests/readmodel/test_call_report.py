"""Reports of calls: every figure is recomputed by brute force over 5,000 random calls, and agrees."""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from math import floor
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from domain.calls.call import Call, Duty, Timing
from readmodel.base.database import reading, writing
from readmodel.calls.calls import save_calls
from readmodel.calls.report import CallSummary, Grouping, ReportItem, call_report, replace_duties

Figures = dict[str, Any]
CALLS = 5_000
AGENTS = ("chen", "he", "li", "wu", "zhou", None)
WAITS = (0, 1, 4_999, 5_000, 5_001, 14_999, 15_000, 15_001, 59_999, 60_000, 600_000)
"""Milliseconds: those on which a limit lies, and their neighbours."""


class Period(NamedTuple):
    """Period of a report; both ends are UTC."""

    zone: str
    start: datetime
    end: datetime


PERIODS = {
    "china": Period("Asia/Shanghai", datetime(2026, 2, 27, 16, tzinfo=UTC), datetime(2026, 3, 3, 16, tzinfo=UTC)),
    "spring": Period("Europe/London", datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 3, 30, 23, tzinfo=UTC)),
    "autumn": Period("Europe/London", datetime(2026, 10, 23, 23, tzinfo=UTC), datetime(2026, 10, 27, tzinfo=UTC)),
    "in_the_middle": Period(
        "Asia/Kathmandu",
        datetime(2026, 5, 5, 3, 7, 11, tzinfo=UTC),
        datetime(2026, 5, 6, 9, 59, 59, 999_000, tzinfo=UTC),
    ),
    "half_an_hour": Period(
        "Australia/Lord_Howe", datetime(2026, 4, 4, 3, tzinfo=UTC), datetime(2026, 4, 5, 3, tzinfo=UTC)
    ),
}
"""Both changes of the clock in England; quarters of an hour in Nepal, from the middle of an hour; half an hour."""


def calls_of(period: Period) -> list[Call]:
    """Return calls of every outcome, some outside of the period and many at its ends and on full hours."""
    pick = random.Random(period.zone)  # noqa: S311 - the same calls every time, no secrets
    length = (period.end - period.start) // timedelta(milliseconds=1)
    edges = [period.start, period.end, *(period.start + timedelta(hours=n) for n in range(72))]

    def ms(number: int) -> timedelta:
        return timedelta(milliseconds=number)

    def one(number: int) -> Call:
        if pick.random() < 0.1:
            started = pick.choice(edges) + ms(pick.choice((-1, 0, 1)))
        else:
            started = period.start + ms(pick.randrange(-length // 10, length + length // 10))
        waited = ms(pick.choice(WAITS) if pick.random() < 0.4 else int(pick.expovariate(1 / 20_000)))
        talked = ms(pick.randrange(900_000))
        kind = pick.choice(("answered", "answered", "answered", "talking", "gone", "asked", "waiting", "untimed"))
        answered = started + waited if kind in {"answered", "talking"} else None
        ended = {"talking": None, "waiting": None, "answered": started + waited + talked}.get(kind, started + waited)
        return Call(
            f"{number}",
            started,
            answered,
            ended,
            agent=pick.choice(AGENTS),
            asked_at=ended if kind == "asked" else None,
            timing=Timing.UNTIMED if kind == "untimed" else pick.choice((Timing.CHANNEL, Timing.QUEUE)),
        )

    return [one(number) for number in range(CALLS)]


def duties_of(period: Period) -> list[Duty]:
    """Return duties by day and by night, also from the day before to the one after; none on the second day of all."""
    pick = random.Random(period.zone)  # noqa: S311 - as above
    zone = ZoneInfo(period.zone)
    found: list[Duty] = []
    for day in days_of(period, spare=1):
        for person in ("chen", "he", "li", "idle"):
            start = day_start(day, zone) + timedelta(minutes=pick.randrange(0, 1200, 5))
            duty = Duty(person, start, start + timedelta(minutes=pick.randrange(5, 600, 5)))
            if day != days_of(period)[1] and not any(duty.overlaps(other) for other in found):
                found.append(duty)
    return [duty for duty in found if days_of(period)[1] not in days_touched(duty, zone)]


def day_start(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def days_of(period: Period, spare: int = 0) -> list[date]:
    """Return the local days of the period, and so many before and after."""
    first = period.start.astimezone(ZoneInfo(period.zone)).date()
    last = (period.end - timedelta(microseconds=1)).astimezone(ZoneInfo(period.zone)).date()
    return [first + timedelta(days=n) for n in range(-spare, (last - first).days + 1 + spare)]


@cache
def days_touched(duty: Duty, zone: ZoneInfo) -> set[date]:
    minutes = int((duty.ends_at - duty.starts_at) / timedelta(minutes=1))
    return {(duty.starts_at + timedelta(minutes=n)).astimezone(zone).date() for n in range(minutes)}


def keys_of(by: Grouping, at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    if by is Grouping.DAY:
        return f"{local:%Y-%m-%d}"
    offset = f"{local:%z}"
    return f"{local:%Y-%m-%dT%H:00:00}{offset[:3]}:{offset[3:]}"


def between(start: datetime | None, end: datetime | None) -> timedelta:
    assert start
    assert end
    return end - start


def counted(calls: Sequence[Call]) -> Figures:
    """Recompute the figures of these calls one by one, with nothing of the product."""
    timed = [call for call in calls if call.timing != Timing.UNTIMED]
    answered = [call for call in timed if call.answered_at]
    left = [call for call in timed if call.answered_at is None and call.ended_at]
    asked = [call for call in left if call.asked_at]
    hung_up = [call for call in left if not call.asked_at]
    short = [call for call in hung_up if between(call.started_at, call.ended_at) < timedelta(seconds=5)]
    waits = sorted(between(call.started_at, call.answered_at).total_seconds() for call in answered)
    in_time = [wait for wait in waits if wait <= 15]
    offered = len(answered) + len(left)

    def share(part: int, whole: int) -> float | None:
        return floor(Fraction(part * 10_000, whole) + Fraction(1, 2)) / 10_000 if whole else None

    def rank(percent: int) -> int | None:
        """The smallest wait that so many of all waits do not exceed."""
        enough = (wait for place, wait in enumerate(waits, 1) if 100 * place >= percent * len(waits))
        return next((math.ceil(wait) for wait in enough), None)

    return {
        "offered": offered,
        "answered": len(answered),
        "abandoned": len(hung_up) - len(short),
        "short_abandoned": len(short),
        "call_back_asked": len(asked),
        "untimed": len(calls) - len(timed),
        "under_way": len(timed) - len(answered) - len(left),
        "connected_rate": share(len(answered), offered),
        "answered_within_15s_rate": share(len(in_time), len(answered)),
        "answered_within_15s_of_offered_rate": share(len(in_time), offered),
        "wait_p50": rank(50),
        "wait_p95": rank(95),
        "talk_ms": sum(between(c.answered_at, c.ended_at) // timedelta(milliseconds=1) for c in answered if c.ended_at),
    }


def shown(item: ReportItem) -> Figures:
    """Return the figures of the product under the same names."""
    figures = item.figures
    names = ("answered", "abandoned", "short_abandoned", "call_back_asked", "untimed", "under_way")
    numbers = {outcome.value: number for outcome, number in figures.calls.items()}
    return {
        "offered": figures.offered,
        **{name: numbers.get(name, 0) for name in names},
        "connected_rate": figures.connected_rate,
        "answered_within_15s_rate": figures.answered_within(15),
        "answered_within_15s_of_offered_rate": figures.answered_within(15, of_offered=True),
        "wait_p50": figures.wait(50),
        "wait_p95": figures.wait(95),
        "talk_ms": figures.talk_ms,
    }


def on_duty(duties: Sequence[Duty], minutes: Sequence[datetime], days: set[date], zone: ZoneInfo) -> Any:
    """Return people and seconds on duty in these minutes, counted one by one; None if no duty touches the days."""
    if not any(days & days_touched(duty, zone) for duty in duties):
        return None
    met = [duty.person for at in minutes for duty in duties if duty.starts_at <= at < duty.ends_at]
    return len(set(met)), 60 * len(met)


def shown_duty(item: ReportItem) -> Any:
    return item.duty and (len(item.duty.people), int(item.duty.time.total_seconds()))


def minutes_of(period: Period) -> Iterator[datetime]:
    at = period.start
    while at < period.end:
        yield at
        at += timedelta(minutes=1)


@pytest.mark.parametrize("period", PERIODS.values(), ids=PERIODS)
def test_every_figure_agrees_with_a_count_by_brute_force(database: Engine, reader: Engine, period: Period) -> None:
    given = calls_of(period)
    with writing(database) as connection:
        save_calls(connection, given)
    for by in Grouping:
        with reading(reader) as connection:
            report = call_report(connection, by, period.start, period.end, ZoneInfo(period.zone))
        agrees(report, by, period, given)


def agrees(report: CallSummary, by: Grouping, period: Period, given: Sequence[Call]) -> None:
    """Compare every figure of every item, and of the whole."""
    zone = ZoneInfo(period.zone)
    inside = [call for call in given if period.start <= call.started_at < period.end]
    assert 3_000 < len(inside) < CALLS
    assert shown(report.total) == counted(inside)
    groups: dict[str | None, list[Call]] = {}
    if by is not Grouping.AGENT:
        groups = {keys_of(by, at, zone): [] for at in minutes_of(period)}
    for call in inside:
        answered = call.answered_at and call.timing != Timing.UNTIMED
        key = (call.agent if answered else None) if by is Grouping.AGENT else keys_of(by, call.started_at, zone)
        groups.setdefault(key, []).append(call)
    order = sorted(groups, key=lambda key: (key is None, key or "")) if by is Grouping.AGENT else list(groups)
    assert [item.key for item in report.items] == order
    for item in report.items:
        assert shown(item) == counted(groups[item.key]), item.key
        assert item.duty is None


@pytest.mark.parametrize("name", [name for name in PERIODS if name != "in_the_middle"])
def test_people_on_duty_agree_with_a_count_minute_by_minute(database: Engine, reader: Engine, name: str) -> None:
    period = PERIODS[name]
    duties = duties_of(period)
    with writing(database) as connection:
        replace_duties(connection, duties, period.start - timedelta(days=9), period.end + timedelta(days=9))
    for by in Grouping:
        with reading(reader) as connection:
            report = call_report(connection, by, period.start, period.end, ZoneInfo(period.zone))
        duties_agree(report, by, period, duties)


def test_a_duty_over_a_short_day_is_data_of_all_its_days(database: Engine, reader: Engine) -> None:
    """Twenty-four hours from half past eleven in the evening, when clocks go forward."""
    zone, start = ZoneInfo("Europe/London"), datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
    with writing(database) as connection:
        duty = Duty("chen", start, start + timedelta(hours=24))
        replace_duties(connection, [duty], start - timedelta(days=9), start + timedelta(days=9))
    with reading(reader) as connection:
        report = call_report(connection, Grouping.DAY, start, start + timedelta(hours=25), zone)
    assert [item.duty and item.duty.time for item in report.items] == [
        timedelta(minutes=30),
        timedelta(hours=23),
        timedelta(minutes=30),
    ]


def duties_agree(report: CallSummary, by: Grouping, period: Period, duties: Sequence[Duty]) -> None:
    """Compare people and seconds on duty of every item, and of the whole."""
    zone = ZoneInfo(period.zone)
    minutes, days = list(minutes_of(period)), set(days_of(period))
    assert shown_duty(report.total) == on_duty(duties, minutes, days, zone)
    if by is Grouping.AGENT:
        people = {duty.person: [other for other in duties if other.person == duty.person] for duty in duties}
        expected = {person: on_duty(theirs, minutes, days, zone) for person, theirs in people.items()}
        assert {item.key: shown_duty(item) for item in report.items} == {
            person: seen for person, seen in expected.items() if seen and seen[0]
        }
        return
    starts: dict[str, list[datetime]] = {}
    for at in minutes:
        starts.setdefault(keys_of(by, at, zone), []).append(at)
    for item in report.items:
        here = starts[str(item.key)]
        assert shown_duty(item) == on_duty(duties, here, {here[0].astimezone(zone).date()}, zone), item.key
    assert {item.duty is None for item in report.items} == {True, False}
