"""Source of a catalogue: what an operator may write into it, what becomes of it, and how mistakes are told."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from chinese_calendar import constants as china
from pydantic import ValidationError

from demo.__main__ import CATALOGUE as DEMO
from domain.catalogue.catalogue import Catalogue
from domain.shared.errors import FileError
from hotline.files.catalogue import holidays_by_law, load_catalogue

CATALOGUES = Path(__file__).parents[2] / "hotline" / "catalogues"
ZHONGSHAN = CATALOGUES / "zhongshan.toml"
AT = datetime(2026, 2, 10, 4, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86_400
WORKING_DAY = 7 * HOUR


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(ZHONGSHAN)


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """A copy of the default catalogue, to be spoiled."""
    copy = tmp_path / "city.toml"
    copy.write_text(ZHONGSHAN.read_text("utf-8"), "utf-8")
    return copy


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


class TestCalendar:
    def test_office_hours_and_china_s_days(self, catalogue: Catalogue) -> None:
        """Spring Festival 2026: 15 to 23 February free, the Saturdays 14 and 28 worked."""
        calendar = catalogue.calendar
        assert calendar.day_seconds == WORKING_DAY
        assert calendar.hours(date(2026, 2, 13)) == ((510, 720), (840, 1050))
        free = [day for day in range(13, 29) if not calendar.hours(date(2026, 2, day))]
        assert free == [15, 16, 17, 18, 19, 20, 21, 22, 23]
        assert not calendar.hours(date(2026, 10, 1))
        assert calendar.hours(date(2026, 10, 10))

    def test_it_is_eight_hours_ahead(self, catalogue: Catalogue) -> None:
        assert [minutes for _, minutes in catalogue.calendar.offsets] == [480]

    def test_a_zone_with_summer_time_brings_its_changes(self, edited: Path) -> None:
        change(edited, 'timezone = "Asia/Shanghai"', 'timezone = "Europe/London"')
        offsets = dict(load_catalogue(edited).calendar.offsets)
        assert offsets[datetime(2026, 3, 29, 1, tzinfo=UTC)] == 60
        assert offsets[datetime(2026, 10, 25, 1, tzinfo=UTC)] == 0

    def test_a_year_not_published_yet_can_be_filled_in(self, edited: Path) -> None:
        change(edited, "off = []\non = []", "off = [2027-01-01, 2027-01-02]\non = [2027-01-03]")
        calendar = load_catalogue(edited).calendar
        assert calendar.covers_until == date(2027, 12, 31)
        assert not calendar.hours(date(2027, 1, 1))
        assert calendar.hours(date(2027, 1, 3))

    def test_an_override_corrects_what_is_known_wrongly(self, edited: Path) -> None:
        change(edited, "[calendar.override.2027]", "[calendar.override.2026]")
        change(edited, "off = []\non = []", "off = [2026-02-14, 2026-02-13]\non = [2026-02-23, 2026-02-15]")
        calendar = load_catalogue(edited).calendar
        working = [day for day in range(12, 25) if calendar.hours(date(2026, 2, day))]
        assert working == [12, 15, 23, 24]

    def test_after_the_published_years_the_holidays_of_the_law_are_expected(self) -> None:
        calendar = load_catalogue(ZHONGSHAN).calendar
        assert (calendar.covers_until, calendar.expected_until) == (date(2026, 12, 31), date(2029, 12, 31))
        free = [f"{day:%m-%d}" for day in calendar.off if day.year == 2027]
        # Without those that fall on a weekend: 6 and 7 February, 1 and 2 May, 2 and 3 October.
        assert free == ["01-01", "02-05", "02-08", "04-05", "06-09", "09-15", "10-01"]
        assert [day for day in calendar.on if day.year > 2026] == []

    def test_what_an_override_says_of_an_expected_day_wins(self, edited: Path) -> None:
        change(edited, "off = []\non = []", "off = []\non = [2027-10-01]")
        assert load_catalogue(edited).calendar.hours(date(2027, 10, 1))
        assert not load_catalogue(edited).calendar.hours(date(2027, 6, 9))
        change(edited, "off = []\non = [2027-10-01]", "off = [2027-01-01]\non = []")
        calendar = load_catalogue(edited).calendar
        assert [day for day in calendar.off if day.year == 2027] == [date(2027, 1, 1)]
        assert calendar.expected_until == date(2030, 12, 31)

    def test_a_case_carries_the_mark_only_if_its_days_are_not_published(self) -> None:
        calendar = load_catalogue(ZHONGSHAN).calendar
        assert calendar.window(date(2026, 9, 7), date(2026, 12, 31)).expected_until is None
        assert calendar.window(date(2026, 9, 7), date(2027, 3, 1)).expected_until == date(2029, 12, 31)

    @pytest.mark.parametrize("year", [2025, 2026])
    def test_the_holidays_of_the_law_are_among_those_that_were_published(self, year: int) -> None:
        found = holidays_by_law(year)
        assert {*found} <= {*china.holidays}
        assert len(found) >= 12

    def test_a_gap_ends_the_coverage(self, edited: Path) -> None:
        change(edited, "[calendar.override.2027]\noff = []", "[calendar.override.2028]\noff = [2028-01-03]")
        assert load_catalogue(edited).calendar.covers_until == date(2026, 12, 31)

    def test_without_any_country_the_overrides_alone_count(self, edited: Path) -> None:
        change(edited, '\ncountry = "CN"', '\ncountry = ""')
        assert load_catalogue(edited).calendar.covers_until == date(2026, 12, 31)
        change(edited, "off = []\non = []", "off = [2027-01-01]\non = []")
        calendar = load_catalogue(edited).calendar
        assert (calendar.off, calendar.on, calendar.covers_until) == ((date(2027, 1, 1),), (), date(2027, 12, 31))

    @pytest.mark.parametrize(
        ("today", "words"),
        [
            (date(2026, 10, 1), None),
            (date(2026, 10, 2), "90 days from now"),
            (date(2026, 12, 31), "0 days from now"),
            (date(2027, 1, 1), "1 days ago"),
        ],
    )
    def test_the_operator_is_warned_before_the_coverage_ends(
        self, catalogue: Catalogue, today: date, words: str | None
    ) -> None:
        end = catalogue.calendar_end(today)
        if words is None:
            assert end is None
            return
        assert end is not None
        assert words.startswith(str(abs(end.days_left)))
        expected = "From 2027-01-01 to 2029-12-31 weekends and the holidays fixed by law are expected."
        for part in (words, "published until 2026-12-31", expected):
            assert part in end.detail
        for part in ("[calendar.override.2027]", str(ZHONGSHAN), "off, on"):
            assert part in end.remedy

    def test_a_calendar_without_holidays_warns_of_nothing(self) -> None:
        assert load_catalogue(DEMO).calendar_end(date(2100, 1, 1)) is None


class TestEdits:
    def test_scaled_budgets_are_whole_seconds_and_never_shorter_than_promised(self, edited: Path) -> None:
        change(edited, "\n[sources]", "\ntime_scale = 1000\n[sources]")
        budgets = {
            promise.name: promise.budget_seconds for promise in load_catalogue(edited).promises("no_water", None)
        }
        assert budgets == {"acknowledge": 1, "arrive": 8, "resolve": 87, "reply": 15, "follow_up": 87}

    def test_an_edit_of_the_file_never_moves_terms_already_given(self, edited: Path) -> None:
        before = load_catalogue(edited)
        terms = before.terms("burst_main", "west", AT)
        written = terms.model_dump_json()
        change(edited, "acknowledge = { minutes = 5,", "acknowledge = { minutes = 9,")
        after = load_catalogue(edited).terms("burst_main", "west", AT)
        assert terms.model_dump_json() == written
        assert before.terms("burst_main", "west", AT) == terms
        assert (terms.promises[0].budget_seconds, after.promises[0].budget_seconds) == (5 * MINUTE, 9 * MINUTE)
        with pytest.raises(ValidationError, match="frozen"):
            terms.promises[0].budget_seconds = 1  # type: ignore[misc]


class TestExtending:
    def test_keys_are_replaced_one_by_one_and_figures_whole(self, edited: Path) -> None:
        child = edited.with_name("village.toml")
        child.write_text(
            'extends = "city.toml"\n'
            '[sources]\nOWN = "our own promise"\n'
            '[districts.west]\nzone = "outskirts"\n'
            '[services.leak]\narrive = { hours = 3, source = "OWN" }\n'
            '[process]\nreopen = { days = 1, source = "OWN" }\n',
            "utf-8",
        )
        village = load_catalogue(child)
        leak = {promise.name: promise.budget_seconds for promise in village.promises("leak", "shiqi")}
        assert (leak["arrive"], leak["acknowledge"]) == (3 * HOUR, 10 * MINUTE)
        assert village.district("west").zone == "outskirts"
        assert village.district("west").name_zh == "西区街道"
        assert village.terms("leak", None, AT).process.reopen_seconds == DAY
        assert village.calendar_file == str(edited)

    def test_a_mistake_is_told_of_the_file_that_makes_it(self, edited: Path) -> None:
        child = edited.with_name("village.toml")
        child.write_text('extends = "city.toml"\n[services.leak]\npriority = "P9"\n', "utf-8")
        change(edited, 'priority = "P3"', 'priority = "P7"')
        with pytest.raises(FileError) as error:
            load_catalogue(child)
        one, other = sorted(error.value.problems)
        assert one.startswith(f"{edited}: services.low_pressure.priority: ")
        assert other.startswith(f"{child}: services.leak.priority: ")

    def test_files_that_extend_each_other(self, edited: Path) -> None:
        edited.write_text('extends = "city.toml"\n', "utf-8")
        with pytest.raises(FileError, match=r"city.toml: extends: .*city.toml extends this file in turn"):
            load_catalogue(edited)

    def test_a_base_that_is_not_there(self, edited: Path) -> None:
        edited.write_text('extends = "nowhere.toml"\n', "utf-8")
        with pytest.raises(FileError, match=r"nowhere.toml: cannot be read \(No such file or directory\)"):
            load_catalogue(edited)

    def test_a_base_that_is_no_name(self, edited: Path) -> None:
        edited.write_text("extends = 3\n", "utf-8")
        with pytest.raises(FileError, match="extends: must be the name of a file, not 3"):
            load_catalogue(edited)


MISTAKES = [
    # what is written, what is written instead, the key that is named, what is said of it
    ("minutes = 5, ", "minutes = -5, ", "services.burst_main.acknowledge.minutes", "must be greater than 0, not -5"),
    ("minutes = 5, ", 'minutes = "5", ', "services.burst_main.acknowledge.minutes", "must be a valid number, not '5'"),
    ("minutes = 5, ", "", "services.burst_main.acknowledge", "say exactly one of seconds, minutes, hours, days, work"),
    ("minutes = 5, ", "minutes = 5, hours = 1, ", "services.burst_main.acknowledge", "say exactly one of seconds"),
    ("minutes = 5, ", "minuts = 5, ", "services.burst_main.acknowledge.minuts", "accepted: seconds, minutes, hours"),
    ('5, source = "W"', '5, source = "Q"', "services.burst_main.acknowledge.source", "accepted: W, Z, X, C, D, J, L"),
    ('5, source = "W"', "5", "services.burst_main.acknowledge.source", "is missing; accepted: a letter of [sources]"),
    ('{ minutes = 5, source = "W" }', "5", "services.burst_main.acknowledge", "must be an object"),
    ("hours = 48,", "hours = 0,", "services.burst_main.resolve.also[0].hours", "must be greater than 0, not 0"),
    ('priority = "P1"', 'priority = "high"', "services.burst_main.priority", "must be 'P1', 'P2', 'P3', 'P4' or 'P5'"),
    ('priority = "P1"\n', "", "services.burst_main.priority", "is missing; accepted: P1 (most urgent) to P5"),
    ('department = "repair"', 'department = "x"', "services.burst_main.department", "accepted: repair, network"),
    ('group = "repair"', 'group = "x"', "services.burst_main.group", "accepted: repair, complaint, billing"),
    ('name_zh = "爆管"\n', "", "services.burst_main.name_zh", "is missing; accepted: the Chinese name"),
    ("follow_up = true", "follow_up = 1", "services.burst_main.answer_needs_follow_up", "must be a valid boolean"),
    ("[services.leak]", "[services.Leak]", "services.Leak.code", "should match pattern '^[a-z][a-z0-9_]*$'"),
    ('zone = "town"', 'zone = "moon"', "districts.shiqi.zone", "must be 'town' or 'outskirts', not 'moon'"),
    ('in_call = true, source = "Z"', 'in_call = true, days = 1, source = "Z"', "services.inquiry.acknowledge", "leave"),
    ("days = 1, starts", 'days = 1, calendar = "always", starts', "services.waiver.reply", "accepted: working"),
    ('starts = "decision"', 'starts = "never"', "services.waiver.reply.starts", "'dispatch', 'reply' or 'decision'"),
    ("percent = 75", "percent = 40", "ladder", "must rise from step to step, 100 among them, not [50, 40, 100"),
    ("percent = 100", "percent = 101", "ladder", "100 among them"),
    ('notify = ["director"]', "notify = []", "ladder[3].notify", "should have at least 1 item"),
    (
        'notify = ["director"]',
        'notify = ["mayor"]',
        "ladder[3].notify[0]",
        "'director' or 'general_manager', not 'mayo",
    ),
    ("count = 3, ", "count = 0, ", "process.follow_up_attempts.count", "must be greater than 0, not 0"),
    ("return_within =", "return_by =", "process.return_by", "accepted: follow_up_attempts, reopen, extension_max"),
    ("percent = 95", "percent = 195", "phone.connected.percent", "must be less than or equal to 100, not 195"),
    ('"burst_main", "leak",', '"burst_man", "leak",', "surges[0].services[0]", "accepted: burst_main, leak, no_water"),
    ('services = ["water_quality"]', "services = []", "surges[1].services", "should have at least 1 item"),
    ("more_than = 10\n", "more_than = 0\n", "surges[0].more_than", "must be greater than 0, not 0"),
    ("more_than = 10\n", "", "surges[0].more_than", "is missing; accepted: cases, none of them linked yet"),
    (
        'minutes = 30, source = "I" }\nf',
        'minute = 30, source = "I" }\nf',
        "surges[0].within.minute",
        "accepted: seconds",
    ),
    ("_percent = 100", "_percent = 101", "surges[0].follow_up_percent", "must be less than or equal to 100, not 101"),
    (
        'up_to = "20000"\n',
        'up_to = "20"\n',
        "approvers",
        "up_to must rise from approver to approver, not 1000.00, 20.00",
    ),
    (
        'up_to = "1000"\n',
        'up_to = "1000"\nholder = "Ma"\ndeputy = "Ma"\n',
        "approvers",
        "customer service manager and is the holder's deputy; accepted: a person for each turn",
    ),
    ('area_code = "0760"', 'area_code = "760"', "area_code", "should match pattern '^(0[0-9]{2,3})?$', not '760'"),
    ("[phone]", "[fax]", "fax", "is no key of this table; accepted: name, name_zh, time_scale"),
    ("\n[sources]", "\ntime_scale = -1\n[sources]", "time_scale", "must be greater than 0, not -1"),
    ('\ncountry = "CN"', '\ncountry = "XX"', "calendar.country", "must be '' or 'CN', not 'XX'"),
    ('"Asia/Shanghai"', '"Asia/Zhongshan"', "calendar.timezone", "like 'Asia/Shanghai', not 'Asia/Zhongshan'"),
    ('monday = ["08:30-12:00"', 'monday = ["8.30-12"', "calendar.weekly.monday[0]", "must be hours like '08:30-12:00'"),
    ('monday = ["08:30-12:00"', 'monday = ["12:00-08:30"', "calendar", "working hours 720-510: accepted are minutes"),
    ("saturday = []\n", "", "calendar.weekly.saturday", "is missing; accepted: a list of hours like '08:30-12:00'"),
    ("off = []", "off = [2026-01-01]", "calendar", "override.2027: 2026-01-01 is of another year; accepted: days of"),
    ("off = []\non = []", "off = [2027-01-01]\non = [2027-01-01]", "calendar.override.2027", "both in off and in on"),
    ('"Office hours"\n', '"Office hours"\nday_seconds = 0\n', "calendar.day_seconds", "must be greater than 0, not 0"),
]


class TestMistakes:
    @pytest.mark.parametrize("as_what", ["holder", "deputy"])
    def test_nobody_has_two_turns_on_one_request(self, edited: Path, as_what: str) -> None:
        """The second would be waited for for ever."""
        change(edited, 'up_to = "1000"\n', f'up_to = "1000"\n{as_what} = "Ma"\n')
        load_catalogue(edited)
        change(edited, 'up_to = "200000"\n', 'up_to = "200000"\nholder = "Ma"\n')
        words = "Ma may decide as 客服经理 customer service manager and holds 总经理 general manager; accepted: a"
        with pytest.raises(FileError, match=words):
            load_catalogue(edited)

    def test_a_deputy_may_stand_in_for_several_and_for_whoever_is_above(self, edited: Path) -> None:
        change(edited, 'up_to = "1000"\n', 'up_to = "1000"\nholder = "Gao"\ndeputy = "Tan"\n')
        change(edited, 'up_to = "20000"\n', 'up_to = "20000"\nholder = "Ma"\ndeputy = "Tan"\n')
        change(edited, 'up_to = "200000"\n', 'up_to = "200000"\nholder = "Liu"\ndeputy = "Gao"\n')
        load_catalogue(edited)

    @pytest.mark.parametrize(("old", "new", "key", "words"), MISTAKES)
    def test_each_names_file_key_and_what_is_accepted(
        self, edited: Path, old: str, new: str, key: str, words: str
    ) -> None:
        change(edited, old, new)
        with pytest.raises(FileError) as error:
            load_catalogue(edited)
        assert any(problem.startswith(f"{edited}: {key}") and words in problem for problem in error.value.problems), (
            error.value
        )

    def test_all_are_told_at_once(self, edited: Path) -> None:
        change(edited, "minutes = 5, ", "minutes = -5, ")
        change(edited, 'department = "network"', 'department = "moon"')
        change(edited, 'timezone = "Asia/Shanghai"', 'timezone = "Mars/Olympus"')
        change(edited, "percent = 75", "percent = 40")
        with pytest.raises(FileError) as error:
            load_catalogue(edited)
        assert len(error.value.problems) == 4
        assert str(error.value) == "\n".join(error.value.problems)

    def test_a_list_whose_only_item_is_wrong_is_one_problem(self, edited: Path) -> None:
        change(edited, 'services = ["water_quality"]', 'services = ["gas"]')
        with pytest.raises(FileError) as error:
            load_catalogue(edited)
        (problem,) = error.value.problems
        assert "surges[1].services[0]: 'gas' is not in services" in problem

    def test_toml_that_is_none_names_the_line(self, edited: Path) -> None:
        edited.write_text('name = "x"\nname_zh = \n', "utf-8")
        with pytest.raises(FileError, match=r"city.toml: is no valid TOML: .*line 2"):
            load_catalogue(edited)

    def test_a_file_in_another_encoding(self, edited: Path) -> None:
        edited.write_bytes('name_zh = "中山"\n'.encode("gbk"))
        with pytest.raises(FileError, match=r"city.toml: is no UTF-8 text"):
            load_catalogue(edited)

    def test_an_empty_file_is_told_every_section_it_lacks(self, edited: Path) -> None:
        edited.write_text("", "utf-8")
        with pytest.raises(FileError) as error:
            load_catalogue(edited)
        lacking = {problem.split(": ")[1] for problem in error.value.problems}
        sections = {"sources", "groups", "departments", "districts", "services", "ladder", "process", "calendar"}
        assert lacking == {"name", "name_zh", *sections}
        assert all("is missing; accepted: " in problem for problem in error.value.problems)

    def test_sections_that_are_no_tables(self, edited: Path) -> None:
        edited.write_text("services = 3\nsources = 4\ncalendar = 5\n", "utf-8")
        with pytest.raises(FileError) as error:
            load_catalogue(edited)
        for key in ("services", "sources", "calendar"):
            assert any(problem.startswith(f"{edited}: {key}: must be ") for problem in error.value.problems), key
