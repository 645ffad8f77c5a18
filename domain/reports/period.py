"""Period of a report or an assessment: a day or a month, in the time zone of the catalogue."""

import re
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple, Self

from domain.shared.value import NamedCode, complete


class ReportKind(NamedCode):
    """Kind of report, by the length of its period."""

    DAILY = "daily", "日报"
    MONTHLY = "monthly", "月报"


_DAY = timedelta(days=1)
MONTH = "20[0-9]{2}-(0[1-9]|1[0-2])"
"""Pattern of a month as text."""
PATTERNS = complete("PATTERNS", ReportKind, {ReportKind.DAILY: f"{MONTH}-[0-9]{{2}}", ReportKind.MONTHLY: MONTH})
"""Pattern of the name of a period; a day must also be one of the calendar."""
EXAMPLES = complete("EXAMPLES", ReportKind, {ReportKind.DAILY: "2026-08-03", ReportKind.MONTHLY: "2026-08"})


class PeriodForm(NamedTuple):
    """Form of the periods of one kind: what one is called, its parameter in a path, its name, its first days."""

    word: str
    parameter: str
    name: str
    first: Callable[[date], date]
    after: Callable[[date], date]


FORMS = complete(
    "FORMS",
    ReportKind,
    {
        ReportKind.DAILY: PeriodForm("day", "date", "%Y-%m-%d", lambda day: day, lambda first: first + _DAY),
        ReportKind.MONTHLY: PeriodForm(
            "month",
            "month",
            "%Y-%m",
            lambda day: day.replace(day=1),
            lambda first: (first + 31 * _DAY).replace(day=1),
        ),
    },
)
MOST_DUE = 62
"""Reports that are made up for after a long absence: two months of days."""


class PeriodError(ValueError):
    """A text that names no period of this kind."""


class NoReportError(Exception):
    """A period of which there can be no report; `accepted` says which periods would be accepted."""

    def __init__(self, detail: str, *accepted: str) -> None:
        super().__init__(detail)
        self.accepted = accepted


class NotEndedError(NoReportError):
    """A period that has not ended."""


class BeforeFirstCaseError(NoReportError):
    """A period that ended before the first case was registered."""


class Period(NamedTuple):
    """Local days from `first` until before `after`."""

    kind: ReportKind
    first: date
    after: date

    @classmethod
    def parse(cls, kind: ReportKind, name: str) -> Self:
        """Return the period of this name. Raises PeriodError."""
        with suppress(ValueError):
            if re.fullmatch(PATTERNS[kind], name):
                return cls.containing(kind, date.fromisoformat(f"{name}-01"[:10]))
        what = FORMS[kind].word
        raise PeriodError(f"{name!r} is no {what}; accepted: a {what} as {EXAMPLES[kind]}")

    @classmethod
    def ended_before(cls, kind: ReportKind, at: datetime, zone: tzinfo) -> Self:
        today = at.astimezone(zone).date()
        return cls.containing(kind, FORMS[kind].first(today) - _DAY)

    @classmethod
    def containing(cls, kind: ReportKind, day: date) -> Self:
        first = FORMS[kind].first(day)
        return cls(kind, first, FORMS[kind].after(first))

    @property
    def name(self) -> str:
        """Name of the period: `2026-08-03` or `2026-08`."""
        return self.first.strftime(FORMS[self.kind].name)

    def bounds(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """Return the first instant of the period and the first one after it, in UTC."""
        first, after = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (self.first, self.after))
        return first, after

    def check(self, now: datetime, zone: tzinfo, first_case_at: datetime | None) -> None:
        """Raise NoReportError if there can be no report of the period: it has not ended, or was before any case."""
        _, end = self.bounds(zone)
        last = self.ended_before(self.kind, now, zone).name
        first = self.containing(self.kind, (first_case_at or now).astimezone(zone).date()).name
        accepted = f"{first} to {last}" if first <= last else f"{first}, once it has ended"
        if end > now:
            raise NotEndedError(f"{self.name} has not ended; accepted: {accepted}.", accepted)
        if first_case_at is None:
            raise BeforeFirstCaseError(f"{self.name} ended before the first case: none is registered yet.")
        if end <= first_case_at:
            raise BeforeFirstCaseError(f"{self.name} ended before the first case; accepted: {accepted}.", accepted)


def month_of(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%Y-%m}"


def next_month(month: str) -> str:
    return f"{Period.parse(ReportKind.MONTHLY, month).after:%Y-%m}"


def month_bounds(month: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the first instant of a month in this time zone, and that of the next month, in UTC."""
    return Period.parse(ReportKind.MONTHLY, month).bounds(zone)


def due_periods(
    kind: ReportKind, first_case_at: datetime | None, known: Collection[str], now: datetime, zone: tzinfo
) -> list[Period]:
    """Return the periods that are over and wait for their report, the oldest first; the latest MOST_DUE of them.

    Those since the first of the `known` ones that are none of them, so that a night that was missed is made up for;
    without any, the last period that has ended. None is before the first case, or without one.
    """
    if first_case_at is None:
        return []
    period, found = Period.ended_before(kind, now, zone), list[Period]()
    first = min(known, default=period.name)
    while len(found) < MOST_DUE and period.name >= first and period.bounds(zone)[1] > first_case_at:
        if period.name not in known:
            found.append(period)
        period = Period.containing(kind, period.first - _DAY)
    return found[::-1]
