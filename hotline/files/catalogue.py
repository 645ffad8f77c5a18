"""Reader of a catalogue: its TOML file, the files it extends, the working calendar, and the rules of its time zone.

One `FileError` reports every mistake in the files. China's holidays (节假日) and make-up working days (调休上班) come
from the package chinesecalendar, which has them from the State Council's yearly notices; the override tables of a
catalogue add what the package does not know yet. Of later years the holidays that are fixed by law are expected,
without make-up working days.
"""

import re
from bisect import bisect
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from borax.calendars import LunarDate
from borax.calendars.festivals2 import TermFestival
from chinese_calendar import constants as china
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from domain.calendar.work_calendar import Hours, WorkCalendar, ZoneName
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.norms import Sources
from domain.shared.errors import FileError, causes, explain, key_at, table_at
from domain.shared.value import Value
from hotline.files.formats import read_toml

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
    """List the 13 holidays of all citizens in order; two of them may fall on one day.

    They are those of the Regulation on Public Holidays (全国年节及纪念日放假办法), Decree 795 of the State Council, in
    force since 2025.
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
    timezone: ZoneName = Field(description="a time zone like 'Asia/Shanghai'")
    country: Literal["", "CN"] = Field("", description="Whose holidays apply beside those of the overrides.")
    weekly: Week
    makeup: WrittenHours = ()
    day_seconds: Annotated[int, Field(gt=0, strict=True)] | None = Field(
        None, description="What a working day is worth; the hours of the longest one if not given."
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

    def years_with_holidays(self) -> set[int]:
        return {year for year, table in self.override.items() if table.off}


def build_calendar(rules: CalendarRules) -> WorkCalendar:
    """Raise ValidationError if the rules contradict each other."""
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
    """Free and working days beside the weekly ones; holidays are expected after the last known year."""
    free, work = set[date](), set[date]()
    if rules.country == "CN":
        # The table of a year, if it has days off, is the whole of it.
        expected = {last_known + each for each in range(1, EXPECTED_YEARS + 1)} - rules.years_with_holidays()
        free = {*china.holidays, *(day for year in expected for day in holidays_by_law(year))}
        work = {*china.workdays}
    for table in rules.override.values():
        free = (free | {*table.off}) - {*table.on}
        work = (work | {*table.on}) - {*table.off}
    return free, work


def _covers_until(rules: CalendarRules) -> date:
    """End of the last year before the first gap; `date.max` without any holidays."""
    known = {day.year for day in china.holidays} if rules.country == "CN" else set()
    known |= rules.years_with_holidays()
    if not known:
        return date.max if not rules.override else date(min(rules.override) - 1, 12, 31)
    year = min(known)
    while year + 1 in known:
        year += 1
    return date(year, 12, 31)


@cache
def _offsets(zone: str) -> tuple[tuple[datetime, int], ...]:
    """Each change of the zone's offset from UTC, found by bisecting the days that have one."""
    rules = [(_FIRST, _minutes(zone, _FIRST))]
    day = _FIRST
    while day < _LAST:
        if _minutes(zone, day + timedelta(days=1)) != rules[-1][1]:
            instant = _change(zone, day, rules[-1][1])
            rules.append((instant, _minutes(zone, instant)))
        day += timedelta(days=1)
    return tuple(rules)


def _change(zone: str, day: datetime, old: int) -> datetime:
    """First minute of this day on which the offset is not the old one."""
    minutes = range(round(timedelta(days=1) / _MINUTE) + 1)
    return day + _MINUTE * bisect(minutes, False, key=lambda minute: _minutes(zone, day + minute * _MINUTE) != old)


def _minutes(zone: str, at: datetime) -> int:
    offset = at.astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else round(offset / _MINUTE)


_MERGED = {"sources": 1, "process": 1, "phone": 1} | dict.fromkeys(
    ("groups", "departments", "districts", "services", "organisation", "findings", "exemptions", "assessment"), 2
)
"""Depth to which a section of an extending file is merged into the extended one. Other sections are replaced."""

_PLACEHOLDER = WorkCalendar(
    name="placeholder, so that the rest of a file with a faulty calendar is checked too",
    weekly=(((0, 1440),),) * 7,
    offsets=((datetime(2000, 1, 1, tzinfo=UTC), 0),),
    covers_until=date.max,
    day_seconds=86_400,
)

TomlPath = tuple[str | int, ...]
Table = dict[str, Any]


def load_catalogue(path: Path) -> Catalogue:
    """Read a file, and those that it extends. Raises FileError."""
    chain = _read_chain(path)
    merged: Table = {}
    for _, table in reversed(chain):
        merged |= {key: _overlay(merged.get(key), value, _MERGED.get(key, 0)) for key, value in table.items()}
    problems: list[str] = []
    calendar = _calendar(chain, merged, problems)
    described = chain[0][0] if calendar is None else _file_of(chain, ("calendar",))
    data = {**merged, "calendar": calendar or _PLACEHOLDER, "calendar_file": str(described)}
    try:
        catalogue = Catalogue.parse(data)
    except ValidationError as error:
        problems += [_problem(chain, Catalogue, _with_codes(fault, merged)) for fault in causes(error.errors())]
    else:
        if not problems:
            return catalogue
    raise FileError(problems)


def _read_chain(path: Path, extending: tuple[Path, ...] = ()) -> list[tuple[Path, Table]]:
    """First the file, then those it extends, in order, without the key `extends`."""
    if any(path.resolve() == read.resolve() for read in extending):
        raise FileError([f"{extending[-1]}: extends: {path} extends this file in turn; accepted: another"])
    table = read_toml(path)
    base = table.pop("extends", None)
    if base is None:
        return [(path, table)]
    if not isinstance(base, str):
        raise FileError([f"{path}: extends: must be the name of a file, not {base!r}"])
    return [(path, table), *_read_chain(path.parent / base, (*extending, path))]


def _overlay(base: object, over: object, depth: int) -> object:
    if depth == 0 or not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {**base, **{key: _overlay(base.get(key), value, depth - 1) for key, value in over.items()}}


def _calendar(chain: list[tuple[Path, Table]], merged: Table, problems: list[str]) -> WorkCalendar | None:
    written = merged.get("calendar")
    if written is None:
        problems.append(f"{chain[0][0]}: calendar: is missing; accepted: {', '.join(CalendarRules.model_fields)}")
        return None
    letters = merged.get("sources")
    context = {"sources": tuple(letters)} if isinstance(letters, Mapping) else {}
    try:
        return build_calendar(CalendarRules.model_validate(written, context=context))
    except ValidationError as error:
        # Errors of the rules, or of the calendar that is built from them.
        problems += [_problem(chain, CalendarRules, fault, ("calendar",)) for fault in causes(error.errors())]
        return None


def _problem(chain: list[tuple[Path, Table]], root: type[BaseModel], fault: ErrorDetails, prefix: TomlPath = ()) -> str:
    location = (*prefix, *fault["loc"])
    text = explain(fault, table_at(root, fault["loc"][:-1]), hidden={"code", "calendar_file"})
    return f"{_file_of(chain, location)}: {key_at(location)}: {text}"


def _with_codes(fault: ErrorDetails, merged: Table) -> ErrorDetails:
    """Replace places in lists by codes: sections keyed by code are lists to the schema."""
    location = fault["loc"]
    section = merged.get(str(location[0])) if location else None
    if len(location) > 1 and isinstance(location[1], int) and isinstance(section, dict):
        fault["loc"] = (location[0], list(section)[location[1]], *location[2:])
    return fault


def _file_of(chain: list[tuple[Path, Table]], location: TomlPath) -> Path:
    """File that holds most of this key; the extending file if none holds more."""
    return max(chain, key=lambda entry: _depth(entry[1], location))[0]


def _depth(table: object, location: TomlPath) -> int:
    depth = 0
    for part in location:
        if not isinstance(table, dict) or part not in table:
            break
        table, depth = table[part], depth + 1
    return depth
