"""Working time: what is measured, what is not, and that measuring and adding are each other's inverse."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.calendar.work_calendar import DAY_MINUTES, Hours, WorkCalendar

OFFICE: Hours = ((510, 720), (840, 1050))
WEEK: tuple[Hours, ...] = (OFFICE, OFFICE, OFFICE, OFFICE, OFFICE, (), ())
BEIJING = ((datetime(2000, 1, 1, tzinfo=UTC), 480),)
LONDON = (
    (datetime(2025, 10, 26, 1, tzinfo=UTC), 0),
    (datetime(2026, 3, 29, 1, tzinfo=UTC), 60),
    (datetime(2026, 10, 25, 1, tzinfo=UTC), 0),
)
DAY = 7 * 3600
SPRING_FESTIVAL = tuple(date(2026, 2, day) for day in (16, 17, 18, 19, 20, 23))
MAKEUP_DAYS = (date(2026, 2, 14), date(2026, 2, 28))


def calendar(
    weekly: tuple[Hours, ...] = WEEK,
    off: tuple[date, ...] = SPRING_FESTIVAL,
    on: tuple[date, ...] = MAKEUP_DAYS,
    makeup: Hours = OFFICE,
    offsets: tuple[tuple[datetime, int], ...] = BEIJING,
) -> WorkCalendar:
    return WorkCalendar(
        name="test",
        weekly=weekly,
        off=off,
        on=on,
        makeup=makeup,
        offsets=offsets,
        covers_until=date(2026, 12, 31),
        day_seconds=DAY,
    )


def beijing(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)


# Calendars over the winter and spring of 2026, on a grid of half hours, in three time zones, two of which change.
half_hours = st.integers(0, DAY_MINUTES // 30)


@st.composite
def hours(draw: st.DrawFn) -> Hours:
    bounds = sorted(draw(st.sets(half_hours, max_size=6)))
    return tuple((a * 30, b * 30) for a, b in zip(bounds[::2], bounds[1::2], strict=False))


days = st.dates(date(2026, 1, 10), date(2026, 4, 30))


@st.composite
def calendars(draw: st.DrawFn) -> WorkCalendar:
    weekly = draw(st.tuples(*[hours()] * 7).filter(any))
    off = draw(st.sets(days, max_size=15))
    makeup = draw(hours())
    on = draw(st.sets(days, max_size=5)) - off if makeup else set()
    offsets = draw(st.sampled_from([BEIJING, LONDON, ((datetime(2026, 2, 20, 3, 20, tzinfo=UTC), -90), *LONDON[1:])]))
    return calendar(weekly, tuple(sorted(off)), tuple(sorted(on)), makeup, offsets)


instants = st.integers(0, 90 * 86_400_000_000).map(
    lambda microseconds: datetime(2026, 1, 20, tzinfo=UTC) + timedelta(microseconds=microseconds)
)
budgets = st.integers(1, 5 * 86_400_000_000).map(lambda microseconds: microseconds / 1e6)


class TestProperties:
    @given(calendars(), instants, instants, instants)
    def test_additive(self, cal: WorkCalendar, one: datetime, two: datetime, three: datetime) -> None:
        a, b, c = sorted((one, two, three))
        assert cal.between(a, b) + cal.between(b, c) == pytest.approx(cal.between(a, c), abs=1e-6)

    @given(calendars(), instants, instants, instants)
    def test_between_is_monotonic_and_never_more_than_the_time_that_passed(
        self, cal: WorkCalendar, one: datetime, two: datetime, three: datetime
    ) -> None:
        a, b, c = sorted((one, two, three))
        assert 0 <= cal.between(a, b) <= cal.between(a, c) <= (c - a).total_seconds()

    @given(calendars(), instants, budgets, budgets)
    def test_add_is_monotonic_in_the_budget(
        self, cal: WorkCalendar, start: datetime, one: float, another: float
    ) -> None:
        less, more = sorted((one, another))
        assert start < cal.add(start, less) <= cal.add(start, more)

    @given(calendars(), instants, instants, budgets)
    def test_add_is_monotonic_in_the_start(
        self, cal: WorkCalendar, one: datetime, another: datetime, budget: float
    ) -> None:
        early, late = sorted((one, another))
        assert cal.add(early, budget) <= cal.add(late, budget)

    @given(calendars(), instants, budgets)
    def test_add_gives_the_earliest_instant_at_which_the_budget_is_used_up(
        self, cal: WorkCalendar, start: datetime, budget: float
    ) -> None:
        due = cal.add(start, budget)
        assert cal.between(start, due) == pytest.approx(budget, abs=1e-6)
        assert cal.between(start, due - timedelta(microseconds=10)) < budget

    @given(calendars(), instants, instants)
    def test_add_undoes_between(self, cal: WorkCalendar, one: datetime, another: datetime) -> None:
        """Between the instant it gives and the true end nothing is worked."""
        start, end = sorted((one, another))
        back = cal.add(start, cal.between(start, end))
        assert back <= end
        assert cal.between(back, end) == 0

    @given(calendars(), instants, budgets, budgets)
    def test_adding_twice_is_adding_the_sum(
        self, cal: WorkCalendar, start: datetime, one: float, another: float
    ) -> None:
        """But for a microsecond of rounding, which may fall on either side of a night."""
        twice, once = cal.add(cal.add(start, one), another), cal.add(start, one + another)
        assert cal.between(min(twice, once), max(twice, once)) <= 2e-6

    @pytest.mark.slow
    @settings(max_examples=40)
    @given(calendars(), instants, st.integers(1, 3 * DAY_MINUTES))
    def test_nothing_is_consumed_outside_hours(self, cal: WorkCalendar, at: datetime, minutes: int) -> None:
        """Against a count of single minutes that knows nothing but local time."""
        start = at.replace(second=0, microsecond=0)
        worked = 0
        for minute in range(minutes):
            now = start + timedelta(minutes=minute)
            offset = [east for since, east in cal.offsets if since <= now] or [cal.offsets[0][1]]
            local = now + timedelta(minutes=offset[-1])
            day, of_day = local.date(), local.hour * 60 + local.minute
            today = () if day in cal.off else cal.makeup if day in cal.on else cal.weekly[day.weekday()]
            worked += any(opens <= of_day < closes for opens, closes in today)
        assert cal.between(start, start + timedelta(minutes=minutes)) == worked * 60

    @given(calendars(), days, days, st.lists(instants, min_size=2, max_size=2))
    def test_a_window_measures_as_the_whole_does_within_it(
        self, cal: WorkCalendar, one: date, another: date, pair: list[datetime]
    ) -> None:
        first, last = sorted((one, another))
        window = cal.window(first, last)
        a, b = (max(min(at, _end(cal, last)), _start(cal, first)) for at in sorted(pair))
        assert window.between(a, b) == cal.between(a, b)
        assert window.add(a, cal.between(a, b)) == cal.add(a, cal.between(a, b))
        assert all(first <= day <= last for day in (*window.off, *window.on))

    @given(calendars())
    def test_a_journey_as_json_changes_nothing(self, cal: WorkCalendar) -> None:
        assert WorkCalendar.model_validate_json(cal.model_dump_json()) == cal

    @given(calendars(), days)
    def test_a_day_without_hours_has_no_working_time(self, cal: WorkCalendar, day: date) -> None:
        worked = cal.between(_start(cal, day), _end(cal, day))
        assert worked == 0 or cal.hours(day)


def _start(cal: WorkCalendar, day: date) -> datetime:
    """The first minute of a local day."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=12)
    while cal.local_date(at) < day:
        at += timedelta(minutes=10)
    return at


def _end(cal: WorkCalendar, day: date) -> datetime:
    return _start(cal, day + timedelta(days=1))


class TestChina:
    def test_spring_festival_2026_is_not_working_time(self) -> None:
        """15 to 23 February 2026 were free; the Saturdays before and after were worked."""
        cal = calendar()
        assert cal.between(beijing(2, 15), beijing(2, 24)) == 0
        assert cal.between(beijing(2, 14), beijing(2, 15)) == DAY
        assert cal.between(beijing(2, 28), beijing(3, 1)) == DAY
        assert cal.between(beijing(2, 21), beijing(2, 22)) == 0

    def test_three_working_days_over_spring_festival(self) -> None:
        """From Friday the 13th, 16:30: an hour, Saturday (made up), the festival, Tuesday and Wednesday till 16:30."""
        assert calendar().add(beijing(2, 13, 16, 30), 3 * DAY) == beijing(2, 25, 16, 30)

    def test_a_budget_used_up_at_closing_time_is_due_then_and_not_next_morning(self) -> None:
        assert calendar().add(beijing(3, 2, 16, 30), 3600) == beijing(3, 2, 17, 30)

    def test_the_lunch_break_does_not_count(self) -> None:
        assert calendar().between(beijing(3, 2, 11, 30), beijing(3, 2, 14, 30)) == 3600

    def test_working_days(self) -> None:
        cal = calendar()
        assert [bool(cal.hours(date(2026, 2, day))) for day in (13, 14, 15, 16, 23, 24, 28)] == [
            True,
            True,
            False,
            False,
            False,
            True,
            True,
        ]

    def test_makeup_days_have_their_own_hours(self) -> None:
        cal = calendar(makeup=((540, 720),))
        assert cal.between(beijing(2, 14), beijing(2, 15)) == 3 * 3600

    def test_beyond_its_coverage_the_weekly_pattern_applies(self) -> None:
        """1 October 2027 will be a holiday, but nobody has told this calendar."""
        assert calendar().hours(date(2027, 10, 1))

    def test_a_window_holds_its_first_and_its_last_day(self) -> None:
        window = calendar().window(date(2026, 2, 14), date(2026, 2, 16))
        assert (window.off, window.on) == ((date(2026, 2, 16),), (date(2026, 2, 14),))
        window = calendar().window(date(2026, 2, 23), date(2026, 2, 28))
        assert (window.off, window.on) == ((date(2026, 2, 23),), (date(2026, 2, 28),))


class TestSummerTime:
    """London, 2026: on 29 March 01:00 becomes 02:00, on 25 October 02:00 becomes 01:00."""

    night = calendar(weekly=(((0, DAY_MINUTES),),) * 7, off=(), on=(), offsets=LONDON)

    @pytest.mark.parametrize(("month", "day", "length"), [(3, 28, 24), (3, 29, 23), (10, 24, 24), (10, 25, 25)])
    def test_the_days_of_the_change_are_shorter_and_longer(self, month: int, day: int, length: int) -> None:
        london = ZoneInfo("Europe/London")
        start = datetime(2026, month, day, tzinfo=london).astimezone(UTC)
        end = datetime.combine(date(2026, month, day) + timedelta(days=1), datetime.min.time(), london).astimezone(UTC)
        assert self.night.between(start, end) == length * 3600
        assert self.night.add(start, length * 3600) == end

    def test_hours_that_the_change_leaves_out_are_not_worked_and_repeated_ones_twice(self) -> None:
        cal = calendar(weekly=(((30, 150),),) * 7, off=(), on=(), offsets=LONDON)
        assert cal.between(datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC)) == 3600
        assert cal.between(datetime(2026, 10, 24, 23, tzinfo=UTC), datetime(2026, 10, 25, 12, tzinfo=UTC)) == 3 * 3600

    def test_office_hours_stay_office_hours(self) -> None:
        """Half past eight is 08:30 UTC before the change and 07:30 UTC after it."""
        cal = calendar(off=(), on=(), offsets=LONDON)
        friday, monday = datetime(2026, 3, 27, 17, 30, tzinfo=UTC), datetime(2026, 3, 30, 7, 31, tzinfo=UTC)
        assert cal.between(friday, monday) == 60

    def test_before_the_first_rule_the_first_applies(self) -> None:
        assert calendar(offsets=LONDON).local_date(datetime(1999, 7, 1, 23, 30, tzinfo=UTC)) == date(1999, 7, 1)

    def test_a_window_keeps_the_rule_in_force_and_the_changes_inside(self) -> None:
        window = calendar(offsets=LONDON).window(date(2026, 1, 1), date(2026, 6, 1))
        assert window.offsets == LONDON[:2]


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "instant",
        [
            datetime(2026, 3, 2, 9, tzinfo=UTC).replace(tzinfo=None),
            datetime(2026, 3, 2, 9, tzinfo=timezone(timedelta(hours=8))),
        ],
        ids=["naive", "not UTC"],
    )
    def test_instants_that_are_not_aware_utc(self, instant: datetime) -> None:
        good = datetime(2026, 3, 2, 9, tzinfo=UTC)
        cal = calendar()
        for call in (
            lambda: cal.add(instant, 1),
            lambda: cal.add(instant, 0),
            lambda: cal.between(instant, good),
            lambda: cal.between(good, instant),
            lambda: cal.local_date(instant),
        ):
            with pytest.raises(ValueError, match="must be an aware datetime in UTC"):
                call()

    @pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e15])
    def test_times_that_are_none(self, seconds: float) -> None:
        with pytest.raises(ValueError, match="seconds of working time must be from 0 to"):
            calendar().add(datetime(2026, 3, 2, tzinfo=UTC), seconds)

    def test_the_end_of_time(self) -> None:
        with pytest.raises(ValueError, match="past the end of time"):
            calendar().add(datetime(9999, 12, 1, tzinfo=UTC), 30 * DAY)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"weekly": ((),) * 7}, "at least one day of the week must have working hours"),
            ({"weekly": (OFFICE,) * 6}, "at least 7 items"),
            ({"weekly": (((720, 510),), *WEEK[1:])}, "accepted are minutes of a day"),
            ({"weekly": (((510, 1441),), *WEEK[1:])}, "accepted are minutes of a day"),
            ({"weekly": (((510, 720), (700, 800)), *WEEK[1:])}, "in order, not overlapping"),
            ({"makeup": ()}, "need working hours of their own"),
            ({"off": MAKEUP_DAYS}, "cannot be a holiday and a make-up working day at once"),
            ({"off": SPRING_FESTIVAL[::-1]}, "days must be in order"),
            ({"offsets": ()}, "at least 1 item"),
            ({"offsets": LONDON[::-1]}, "must come after"),
            ({"offsets": ((datetime(2000, 1, 1, tzinfo=UTC), 1440),)}, "less than a day"),
            (
                {"offsets": ((datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None), 0),)},
                "must be an aware datetime in UTC",
            ),
            ({"day_seconds": 0}, "greater than 0"),
            ({"zone": "Asia/Shanghai"}, "Extra inputs are not permitted"),
        ],
    )
    def test_calendars_that_contradict_themselves(self, change: dict[str, object], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            WorkCalendar.model_validate({**dict(calendar()), **change})

    def test_a_calendar_does_not_change(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            calendar().name = "other"  # type: ignore[misc]


def test_an_interval_that_ends_before_it_starts_is_empty() -> None:
    assert calendar().between(beijing(3, 3), beijing(3, 2)) == 0


def test_no_time_has_passed_at_the_start_even_of_a_night() -> None:
    assert calendar().add(beijing(3, 2, 3), 0) == beijing(3, 2, 3)
