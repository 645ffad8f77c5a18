"""Builder of the working calendar from weekly hours, published holidays, and the system's time zone rules.

China's holidays (节假日) and make-up working days (调休上班) are those of the package chinesecalendar, which takes them
from the State Council's yearly notices; the override tables of a catalogue add what the package does not know yet.
Of later years the holidays that are fixed by law are expected, without make-up working days.
"""

import re
from bisect import bisect
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from borax.calendars import LunarDate
from borax.calendars.festivals2 import TermFestival
from chinese_calendar import constants as china
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from domain.calendar.work_calendar import Hours, WorkCalendar
from domain.catalogue.norms import Sources
from domain.shared.value import Value

_HOURS = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_MINUTE = timedelta(minutes=1)
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
"""Time zone rules are written out for these years; outside them the first and the last one apply."""

EXPECTED_YEARS = 3
"""Years after the last published one whose holidays are expected: longer than any promise lasts."""
_FIXED = ((1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3))
"""New Year, May Day and National Day (元旦, 劳动节, 国庆节), by month and day."""
_LUNAR = ((1, 1), (1, 2), (1, 3), (5, 5), (8, 15))
"""Spring Festival, Dragon Boat and Mid-Autumn Festival (春节, 端午节, 中秋节), by the lunar calendar."""


def holidays_by_law(year: int) -> tuple[date, ...]:
    """Return the 13 holidays of all citizens in this year, in order.

    They are those of the Regulation on Public Holidays (全国年节及纪念日放假办法), Decree 795 of the State Council, in
    force since 2025; two of them may fall on one day.
    """
    lunar = [LunarDate(year, month, day).to_solar_date() for month, day in _LUNAR]
    qingming = TermFestival(name="清明").at(year=year)
    new_years_eve = lunar[0] - timedelta(days=1)
    fixed = [date(year, month, day) for month, day in _FIXED]
    return tuple(sorted({*fixed, *lunar, qingming, new_years_eve}))


def _interval(text: object) -> object:
    found = _HOURS.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"must be hours like '08:30-12:00', at most to 24:00, not {text!r}")
    since, since_minutes, until, until_minutes = map(int, found.groups())
    return since * 60 + since_minutes, until * 60 + until_minutes


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"must be a time zone of the tz database like 'Asia/Shanghai', not {name!r}")
    return name


WrittenHours = Annotated[
    tuple[Annotated[tuple[int, int], BeforeValidator(_interval)], ...],
    Field(description="a list of hours like '08:30-12:00', empty for a free day"),
]


class Week(Value):
    """Working hours of each day of the week."""

    monday: WrittenHours
    tuesday: WrittenHours
    wednesday: WrittenHours
    thursday: WrittenHours
    friday: WrittenHours
    saturday: WrittenHours
    sunday: WrittenHours


class Override(Value):
    """Exceptional days of one year. Without a day off, the holidays of the year count as unknown."""

    off: tuple[date, ...] = ()
    on: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _either(self) -> Self:
        if both := sorted({*self.off} & {*self.on}):
            raise ValueError(f"{both[0]} is both in off and in on; accepted: one of them")
        return self


class CalendarRules(Value):
    """Section [calendar] of a catalogue file."""

    name: str = Field(min_length=1, description="what the calendar is called")
    timezone: Annotated[str, AfterValidator(_zone)] = Field(description="a time zone like 'Asia/Shanghai'")
    country: Literal["", "CN"] = Field(default="", description="Whose holidays apply beside those of the overrides.")
    weekly: Week
    makeup: WrittenHours = ()
    day_seconds: Annotated[int, Field(gt=0, strict=True)] | None = Field(
        default=None, description="What a working day is worth; the hours of the longest one if not given."
    )
    override: dict[Annotated[int, Field(ge=2000, le=2100)], Override] = Field(
        default_factory=dict, description="Exceptional days by year."
    )
    source: Sources

    @model_validator(mode="after")
    def _right_years(self) -> Self:
        for year, table in self.override.items():
            if strays := [day for day in (*table.off, *table.on) if day.year != year]:
                raise ValueError(f"override.{year}: {strays[0]} is of another year; accepted: days of {year}")
        return self

    def years_told(self) -> set[int]:
        return {year for year, table in self.override.items() if table.off}


def build_calendar(rules: CalendarRules) -> WorkCalendar:
    """Return the calendar that these rules describe. Raises ValidationError if they contradict each other."""
    week: tuple[Hours, ...] = tuple(hours for _, hours in rules.weekly)
    covers_until = _covers_until(rules)
    free, work = _exceptional_days(rules, covers_until.year)
    return WorkCalendar(
        name=rules.name,
        weekly=week,
        off=tuple(sorted(day for day in free if week[day.weekday()])),
        on=tuple(sorted(day for day in work if not week[day.weekday()])),
        makeup=rules.makeup,
        offsets=_offsets(rules.timezone),
        timezone=rules.timezone,
        covers_until=covers_until,
        expected_until=date(covers_until.year + EXPECTED_YEARS, 12, 31) if rules.country == "CN" else None,
        day_seconds=rules.day_seconds or max(1, *(60 * sum(end - start for start, end in hours) for hours in week)),
    )


def _exceptional_days(rules: CalendarRules, last_known: int) -> tuple[set[date], set[date]]:
    """Return free and working days beside the weekly ones; holidays are expected after the last known year."""
    free, work = set[date](), set[date]()
    if rules.country == "CN":
        # The table of a year, if it has days off, is the whole of it.
        expected = {last_known + each for each in range(1, EXPECTED_YEARS + 1)} - rules.years_told()
        free = {*china.holidays, *(day for year in expected for day in holidays_by_law(year))}
        work = {*china.workdays}
    for table in rules.override.values():
        free = (free | {*table.off}) - {*table.on}
        work = (work | {*table.on}) - {*table.off}
    return free, work


def _covers_until(rules: CalendarRules) -> date:
    """Return the end of the last year before the first gap; `date.max` if there are no holidays at all."""
    known = {day.year for day in china.holidays} if rules.country == "CN" else set()
    known |= rules.years_told()
    if not known:
        return date.max if not rules.override else date(min(rules.override) - 1, 12, 31)
    year = min(known)
    while year + 1 in known:
        year += 1
    return date(year, 12, 31)


@cache
def _offsets(zone: str) -> tuple[tuple[datetime, int], ...]:
    """Return each change of the zone's offset from UTC, found by bisecting the days that have one."""
    rules = [(_FIRST, _minutes(zone, _FIRST))]
    day = _FIRST
    while day < _LAST:
        if _minutes(zone, day + timedelta(days=1)) != rules[-1][1]:
            instant = _change(zone, day, rules[-1][1])
            rules.append((instant, _minutes(zone, instant)))
        day += timedelta(days=1)
    return tuple(rules)


def _change(zone: str, day: datetime, old: int) -> datetime:
    """Return the first minute of this day on which the offset is not the old one."""
    minutes = range(round(timedelta(days=1) / _MINUTE) + 1)
    return day + _MINUTE * bisect(minutes, False, key=lambda minute: _minutes(zone, day + minute * _MINUTE) != old)


def _minutes(zone: str, at: datetime) -> int:
    offset = at.astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else round(offset / _MINUTE)
