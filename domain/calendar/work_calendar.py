"""Working time as a value: weekly hours, exceptional days and time zone rules, all of it data.

A calendar travels with the case that is held to it, so that a case computes the same due times for ever, whatever
happens meanwhile to the catalogue, the list of public holidays or the time zone database of the machine.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import pairwise
from operator import eq, itemgetter
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

DAY_MINUTES = 24 * 60
_DAY = timedelta(days=1)
_LONGEST = 100 * 366 * 86_400.0

USUAL_ZONE = "Asia/Shanghai"
"""Time zone that is left out of what is written."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("time_zone", "must be a time zone of the tz database like 'Asia/Shanghai'") from None
    return name


ZoneName = Annotated[str, AfterValidator(_known_zone)]

Interval = tuple[int, int]
"""Minutes since local midnight, from and to; the end is not part of it. 1440 is the end of the day."""

Hours = tuple[Interval, ...]
"""The working hours of one day, in order; empty on a free day."""


def on_the_wall(at: datetime, zone: str = USUAL_ZONE) -> datetime:
    """Instant as clocks show it there: for readers.

    Trap: it asks the time zones of the machine. A rule that is replayed uses the offsets of a calendar.
    """
    return at.astimezone(ZoneInfo(zone))


class WorkCalendar(BaseModel):
    """Working calendar: hours of work, holidays and make-up working days.

    Instants are aware datetimes in UTC (ValueError otherwise), days are local days. After `covers_until` no holidays
    are published: those of `off` until `expected_until` are expected; otherwise the weekly pattern alone applies.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    weekly: Annotated[tuple[Hours, ...], Field(min_length=7, max_length=7)] = Field(description="Monday to Sunday.")
    off: tuple[date, ...] = Field((), description="Holidays (节假日) on otherwise working days.")
    on: tuple[date, ...] = Field((), description="Make-up working days (调休上班) on otherwise free days.")
    makeup: Hours = Field((), description="The hours of a make-up working day.")
    offsets: tuple[tuple[datetime, int], ...] = Field(
        min_length=1, description="From this instant, local time is so many minutes east of UTC; the first also before."
    )
    covers_until: date = Field(description="The last local day whose holidays are published.")
    expected_until: date | None = Field(
        None,
        exclude_if=partial(eq, None),
        description="After `covers_until`, holidays until this day are those fixed by law: expected, not published.",
    )
    day_seconds: int = Field(gt=0, description="What one working day is worth, in seconds of working time.")
    timezone: str = Field(
        USUAL_ZONE,
        exclude_if=partial(eq, USUAL_ZONE),
        description="What `offsets` are called: for texts, never to decide by.",
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for hours in (*self.weekly, self.makeup):
            _check_hours(hours)
        if not any(self.weekly):
            raise ValueError("weekly: at least one day of the week must have working hours")
        if self.on and not self.makeup:
            raise ValueError("makeup: make-up working days (on) need working hours of their own")
        for what, days in (("off", self.off), ("on", self.on)):
            if any(day >= after for day, after in pairwise(days)):
                raise ValueError(f"{what}: days must be in order, each once")
        if both := sorted({*self.off} & {*self.on}):
            raise ValueError(f"off, on: {both[0]} cannot be a holiday and a make-up working day at once")
        _check_offsets(self.offsets)
        return self

    def add(self, start: datetime, seconds: float) -> datetime:
        """Earliest instant at which `seconds` of working time have passed since `start`.

        Zero seconds have passed at `start` itself. Raises ValueError for a negative time or one of over a century.
        """
        if not 0 <= seconds <= _LONGEST:
            raise ValueError(f"seconds of working time must be from 0 to {_LONGEST:.0f}, not {seconds}")
        left = timedelta(seconds=seconds)
        if not left:
            return _utc(start, "start")
        for opens, closes in self._spans(start):
            if left <= closes - opens:
                return opens + left
            left -= closes - opens
        raise ValueError(f"{seconds} seconds of working time after {start} is past the end of time")

    def between(self, start: datetime, end: datetime) -> float:
        """Seconds of working time in [start, end); 0 where `end` is not after `start`."""
        _utc(end, "end")
        worked = timedelta()
        for opens, closes in self._spans(start):
            if opens >= end:
                break
            worked += min(closes, end) - opens
        return worked / timedelta(seconds=1)

    def window(self, start: date, end: date) -> "WorkCalendar":
        """Keep only the exceptional days and time changes from `start` to `end`, both included.

        Within these local days it measures exactly as the whole does; this is what a start message carries.
        """
        since = datetime.combine(start, time(), UTC) - _DAY
        until = datetime.combine(end, time(), UTC) + 2 * _DAY
        first = self._rule(since)
        return self.model_copy(
            update={
                "off": tuple(day for day in self.off if start <= day <= end),
                "on": tuple(day for day in self.on if start <= day <= end),
                "expected_until": self.expected_until if end > self.covers_until else None,
                "offsets": (self.offsets[first], *(rule for rule in self.offsets[first + 1 :] if rule[0] <= until)),
            }
        )

    def hours(self, day: date) -> Hours:
        """Empty on a free day; `day` is a local one."""
        if day in self.off:
            return ()
        return self.makeup if day in self.on else self.weekly[day.weekday()]

    def local_date(self, at: datetime) -> date:
        return (_utc(at, "at") + timedelta(minutes=self.offsets[self._rule(at)][1])).date()

    def _rule(self, at: datetime) -> int:
        return max(bisect_right(self.offsets, at, key=itemgetter(0)) - 1, 0)

    def _spans(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Working time from `start` on, in order: between two time changes local time is UTC plus a constant."""
        since = _utc(start, "start")
        first = self._rule(since)
        for index in range(first, len(self.offsets)):
            last = index + 1 == len(self.offsets)
            until = datetime.max.replace(tzinfo=UTC) if last else self.offsets[index + 1][0]
            yield from self._steady(since, until, timedelta(minutes=self.offsets[index][1]))
            since = until

    def _steady(self, since: datetime, until: datetime, offset: timedelta) -> Iterator[tuple[datetime, datetime]]:
        last = min(until, datetime.max.replace(tzinfo=UTC) - 2 * _DAY)
        midnight = datetime.combine((since + offset).date(), time(), UTC)
        while midnight - offset < last:
            for opens, closes in self.hours(midnight.date()):
                begin = max(midnight - offset + timedelta(minutes=opens), since)
                end = min(midnight - offset + timedelta(minutes=closes), until)
                if begin < end:
                    yield begin, end
            midnight += _DAY


def _utc(instant: datetime, what: str) -> datetime:
    if instant.utcoffset() != timedelta():
        raise ValueError(f"{what} must be an aware datetime in UTC, not {instant.isoformat()}")
    return instant


def _check_hours(hours: Hours) -> None:
    earliest = 0
    for opens, closes in hours:
        if not earliest <= opens < closes <= DAY_MINUTES:
            raise ValueError(
                f"working hours {opens}-{closes}: accepted are minutes of a day, 0 to {DAY_MINUTES}, each start before"
                " its end, in order, not overlapping"
            )
        earliest = closes


def _check_offsets(offsets: tuple[tuple[datetime, int], ...]) -> None:
    before: datetime | None = None
    for since, minutes in offsets:
        _utc(since, "offsets")
        if before is not None and since <= before:
            raise ValueError(f"offsets: {since.isoformat()} must come after {before.isoformat()}")
        if abs(minutes) >= DAY_MINUTES:
            raise ValueError(f"offsets: {minutes} minutes is no time zone; accepted is less than a day either way")
        before = since
