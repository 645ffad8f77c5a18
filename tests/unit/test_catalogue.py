"""The catalogue as delivered says what the norms say, with a source for every figure, and gives cases their terms."""

import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from demo.__main__ import CATALOGUE as DEMO
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import CLOCKS, EscalationStep, Promise, Terms
from domain.shared.codes import UnknownCode
from hotline.files.catalogue import load_catalogue

CATALOGUES = Path(__file__).parents[2] / "hotline" / "catalogues"
ZHONGSHAN = CATALOGUES / "zhongshan.toml"
AT = datetime(2026, 2, 10, 4, tzinfo=UTC)

MINUTE, HOUR, DAY = 60, 3600, 86_400
WORKING_DAY = 7 * HOUR


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(ZHONGSHAN)


@pytest.fixture(scope="module")
def demo() -> Catalogue:
    return load_catalogue(DEMO)


NORMS_ROW = "the row of {} in NORMS, in tests/unit/test_catalogue.py, differs from the catalogue: {}"
# The agreed figures. A new service needs a row here, and a new clock or figure a cell.
# service, Chinese name, priority; sign for, arrive, resolve, reply, each with its sources. wh: hours of working time.
NORMS = """
burst_main        | 爆管          | P1 | 5 min W  | 30 min W | 24 h C    | 2 h Z
leak              | 漏水          | P2 | 10 min W | 60 min W | 24 h X,D  | 24 h I
no_water          | 停水/无水     | P2 | 10 min I | 2 h I    | 24 h I    | 4 h X
secondary_supply  | 二次供水      | P2 | 10 min I | 2 h C    | 4 h C     | 4 h I
manhole_cover     | 井盖          | P2 | 10 min I | 2 h C    | 8 h C     | 8 h I
water_quality     | 水质          | P2 | 30 min I | 2 h J    | 24 h I    | 24 h X
low_pressure      | 水压          | P3 | 30 min I | 2 h I    | 72 h L    | 4 wh X
billing           | 水费/计量     | P4 | 1 days I | -        | 5 days I  | 2 days J
service_complaint | 服务投诉      | P4 | 1 days I | -        | 15 days C | 3 days Z,C
inquiry           | 咨询          | P5 | -        | -        | 3 days Z  | 3 days Z
waiver            | 减免/公司出资 | P4 | 1 days I | -        | 5 days I  | 1 days I
thanks            | 表扬          | P5 | -        | -        | -         | -
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in NORMS.strip().splitlines()]
UNITS = {
    "min": (MINUTE, "always"),
    "h": (HOUR, "always"),
    "wh": (HOUR, "working"),
    "days": (WORKING_DAY, "working"),
}


class TestNorms:
    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
    def test_every_service_promises_its_figures(self, catalogue: Catalogue, row: list[str]) -> None:
        code, name_zh, priority, *figures = row
        service = catalogue.service(code)
        assert (service.name_zh, service.priority) == (name_zh, priority)
        promised = {promise.name: promise for promise in catalogue.promises(code, "shiqi")}
        for clock, figure in zip([*CLOCKS][:4], figures, strict=True):
            if figure == "-":
                assert clock not in promised, NORMS_ROW.format(code, clock)
                continue
            amount, unit, sources = figure.split()
            seconds, calendar = UNITS[unit]
            norm = service.norm_of(clock)
            assert norm, NORMS_ROW.format(code, clock)
            promise = promised[clock]
            agreed = (int(amount) * seconds, calendar)
            assert (promise.budget_seconds, promise.calendar) == agreed, NORMS_ROW.format(code, clock)
            assert norm.source == tuple(sources.split(",")), NORMS_ROW.format(code, clock)

    def test_no_service_is_missing_or_unheard_of(self, catalogue: Catalogue) -> None:
        found = [service.code for service in catalogue.services]
        assert found == [row[0] for row in ROWS], "NORMS, in tests/unit/test_catalogue.py, has a row for each service"

    def test_followed_up_the_day_after_the_reply(self, catalogue: Catalogue) -> None:
        """Every service but thanks, round the clock, from the reply on (B)."""
        for service in catalogue.services:
            follow_up = [promise for promise in catalogue.promises(service.code, None) if promise.name == "follow_up"]
            if service.code == "thanks":
                assert follow_up == [], "thanks are not followed up"
            else:
                expected = Promise(name="follow_up", calendar="always", budget_seconds=DAY, starts="reply")
                assert follow_up == [expected], f"{service.code}: follow_up is one day, round the clock"
                assert service.follow_up
                assert service.follow_up.source == ("B",), f"{service.code}: the source of follow_up is B"

    def test_clocks_start_where_the_norms_say(self, catalogue: Catalogue) -> None:
        starts = {
            (service.code, promise.name): promise.starts
            for service in catalogue.services
            for promise in catalogue.promises(service.code, None)
        }
        assert starts.pop(("waiver", "reply")) == "decision"
        assert {(clock, start) for (_, clock), start in starts.items()} == {
            ("acknowledge", "dispatch"),
            ("arrive", "dispatch"),
            ("resolve", "registration"),
            ("reply", "registration"),
            ("follow_up", "reply"),
        }

    def test_urgent_clocks_run_round_the_clock_and_the_replies_of_the_others_do_not(self, catalogue: Catalogue) -> None:
        for service in catalogue.services:
            kinds = {promise.name: promise.calendar for promise in catalogue.promises(service.code, None)}
            if service.priority in {"P1", "P2"}:
                assert set(kinds.values()) == {"always"}, f"{service.code}: clocks of P1 and P2 run round the clock"
            else:
                assert kinds.get("reply", "working") == "working", (
                    f"{service.code}: a reply of P3 to P5 has working time"
                )

    def test_a_burst_main_is_reached_later_in_the_outskirts(self, catalogue: Catalogue) -> None:
        for district in catalogue.districts:
            arrive = next(p for p in catalogue.promises("burst_main", district.code) if p.name == "arrive")
            assert arrive.budget_seconds == {"town": 30 * MINUTE, "outskirts": 50 * MINUTE}[district.zone]
        assert catalogue.promises("burst_main", None) == catalogue.promises("burst_main", "west")
        assert catalogue.promises("leak", "tanzhou") == catalogue.promises("leak", "west")

    @pytest.mark.parametrize(
        ("service", "clock", "also"),
        [
            ("burst_main", "arrive", [("minutes", 60, "Z", "")]),
            ("burst_main", "resolve", [("hours", 48, "D", "ceiling"), ("hours", 30, "X", "mains of DN100 and up")]),
            ("water_quality", "acknowledge", [("hours", 2, "C", "respond")]),
            ("water_quality", "reply", [("days", 7, "X", "special cases")]),
            ("billing", "reply", [("hours", 36, "X", "")]),
            ("inquiry", "reply", [("working_days", 1, "Z", "by e-mail")]),
            ("waiver", "resolve", [("working_days", 1, "I", "each approver")]),
        ],
    )
    def test_figures_that_set_no_clock_are_kept(
        self, catalogue: Catalogue, service: str, clock: Any, also: list[tuple[str, int, str, str]]
    ) -> None:
        norm = catalogue.service(service).norm_of(clock)
        assert norm
        kept = [(*next(iter(other.units().items())), other.source[0], other.when) for other in norm.also]
        assert kept == also

    @pytest.mark.parametrize(("service", "source"), [("inquiry", "Z"), ("thanks", "I")])
    def test_done_in_the_call(self, catalogue: Catalogue, service: str, source: str) -> None:
        norm = catalogue.service(service).acknowledge
        assert norm
        assert (norm.in_call, norm.source) == (True, (source,))

    def test_the_ladder(self, catalogue: Catalogue) -> None:
        assert [(step.percent, step.notify, step.source) for step in catalogue.ladder] == [
            (50, ("assignee",), ("DESK",)),
            (75, ("assignee", "lead"), ("DESK",)),
            (100, ("lead", "owner", "supervisor"), ("DESK", "I")),
            (150, ("director",), ("I",)),
            (200, ("general_manager",), ("I",)),
        ]

    def test_the_rules_of_the_chain(self, catalogue: Catalogue) -> None:
        process, norms = catalogue.terms("leak", None, AT).process, catalogue.process
        assert (process.return_within_days, norms.return_within.source) == (2, ("SD",))
        assert (process.extension_max_days, norms.extension_max.source) == (10, ("SD", "XZ"))
        assert (process.extension_notice_days, norms.extension_notice.source) == (1, ("SD", "XZ"))
        assert (process.extensions_allowed, norms.extensions_allowed.source) == (1, ("SD", "XZ"))
        assert (process.reopen_seconds, norms.reopen.source) == (72 * HOUR, ("DIGIT",))
        assert (process.follow_up_attempts, norms.follow_up_attempts.source) == (3, ("I",))
        assert (process.supervise_after, norms.supervise_after.source) == (2, ("I",))
        assert (norms.urge_notice_after.days, norms.urge_notice_after.source) == (1, ("B",))
        assert (norms.criticism_when_late.working_days, norms.criticism_when_late.source) == (5, ("B",))

    def test_the_telephone(self, catalogue: Catalogue) -> None:
        phone = catalogue.phone
        assert phone
        assert (phone.answer_within.seconds, phone.answer_within.source) == (15, ("GB",))
        assert (phone.connected.percent, phone.connected.source) == (95, ("GB",))
        assert (phone.answered_in_time.percent, phone.answered_in_time.source) == (80, ("R",))

    def test_only_what_is_said_in_the_call_needs_no_follow_up(self, catalogue: Catalogue) -> None:
        unasked = {service.code for service in catalogue.services if not service.answer_needs_follow_up}
        assert unasked == {"inquiry", "thanks"}

    def test_only_money_waits_for_a_decision(self, catalogue: Catalogue) -> None:
        assert [service.code for service in catalogue.services if service.needs_approval] == ["waiver"]
        assert catalogue.terms("waiver", None, AT).needs_approval

    def test_everything_has_two_names(self, catalogue: Catalogue) -> None:
        for thing in (*catalogue.services, *catalogue.departments, *catalogue.districts, *catalogue.groups):
            assert thing.name.isascii(), thing.code
            assert any("\u4e00" <= sign <= "\u9fff" for sign in thing.name_zh), thing.code

    def test_every_figure_of_the_file_has_a_known_source(self) -> None:
        """Looked for in the file itself: whatever holds a number is a figure."""
        data = tomllib.loads(ZHONGSHAN.read_text("utf-8"))
        figures = list(_figures(data))
        assert len(figures) >= 60
        for key, table in figures:
            letters = table.get("source")
            assert letters, f"{key} has no source"
            assert set([letters] if isinstance(letters, str) else letters) <= set(data["sources"]), key


def _figures(table: dict[str, Any], key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if any(isinstance(value, int | float) and not isinstance(value, bool) for value in table.values()):
        yield key, table
    for name, value in table.items():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                yield from _figures(part, f"{key}.{name}")


class TestTerms:
    def test_they_carry_all_that_a_case_needs(self, catalogue: Catalogue) -> None:
        terms = catalogue.terms("burst_main", "tanzhou", AT)
        assert (terms.name, terms.group, terms.department) == ("Burst main, broken hydrant", "repair", "repair")
        assert terms.answer_needs_follow_up
        assert terms.promises == catalogue.promises("burst_main", "tanzhou")
        assert terms.ladder[0] == EscalationStep(percent=50, notify=("assignee",))

    def test_a_journey_as_json_changes_nothing(self, catalogue: Catalogue) -> None:
        for service in catalogue.services:
            terms = catalogue.terms(service.code, "west", AT)
            assert Terms.model_validate_json(terms.model_dump_json()) == terms

    def test_the_calendar_is_cut_to_what_the_case_may_see(self, catalogue: Catalogue) -> None:
        calendar = catalogue.terms("billing", None, AT).calendar
        assert (calendar.off[0], calendar.on[0]) == (date(2026, 2, 16), date(2026, 2, 14))
        assert calendar.off[-1] == date(2027, 2, 8), "the third day of the lunar year, expected"
        end = datetime(2026, 12, 30, tzinfo=UTC)
        assert calendar.between(AT, end) == catalogue.calendar.between(AT, end)

    def test_holidays_travel_with_round_the_clock_cases_too(self, catalogue: Catalogue) -> None:
        """The limits for returns and extensions are working days, whatever the clocks run in."""
        assert catalogue.terms("leak", None, AT).calendar.off == catalogue.terms("billing", None, AT).calendar.off != ()

    def test_they_stay_small(self, catalogue: Catalogue) -> None:
        """They are in every start message, and so in every history."""
        sizes = [len(catalogue.terms(service.code, None, AT).model_dump_json()) for service in catalogue.services]
        assert max(sizes) < 3200

    def test_unknown_codes_name_the_known_ones(self, catalogue: Catalogue) -> None:
        with pytest.raises(UnknownCode, match="there is no such service; accepted: burst_main ") as gas:
            catalogue.terms("gas", None, AT)
        assert {service.code for service in catalogue.services} < {*gas.value.accepted}
        with pytest.raises(UnknownCode, match=r"no such district; accepted: .*, west \(West District / 西区街道\)"):
            catalogue.terms("leak", "macau", AT)


class TestFindings:
    """Causes that departments may name, with or without a credit."""

    def test_a_case_takes_those_of_its_catalogue_whatever_its_service(self, catalogue: Catalogue) -> None:
        codes = tuple(finding.code for finding in catalogue.findings)
        assert {"pipe_aged", "misread_meter", "no_fault_found"} <= {*codes}
        assert {catalogue.terms(service.code, None, AT).findings for service in catalogue.services} == {codes}
        assert catalogue.credits == ()

    def test_an_extending_catalogue_adds_its_own_without_a_credit(self, catalogue: Catalogue, tmp_path: Path) -> None:
        file = tmp_path / "own.toml"
        own = '[findings.frost]\nname = "Frost"\nname_zh = "冰冻"\n'
        file.write_text(f'extends = "{ZHONGSHAN}"\n{own}', encoding="utf-8")
        assert load_catalogue(file).terms("leak", None, AT).findings == (
            *(finding.code for finding in catalogue.findings),
            "frost",
        )


class TestSurges:
    """Rules for suspecting one cause behind many calls."""

    def test_faults_in_the_supply_are_watched_by_the_half_hour_and_the_quality_by_two(
        self, catalogue: Catalogue
    ) -> None:
        supply, quality = catalogue.surge_rules()
        assert supply.services == ("burst_main", "leak", "no_water", "secondary_supply", "low_pressure")
        assert (supply.more_than, supply.window_seconds, supply.follow_up_percent) == (10, 30 * MINUTE, 100)
        assert (quality.services, quality.more_than, quality.window_seconds) == (("water_quality",), 10, 2 * HOUR)

    def test_the_demonstration_watches_in_its_own_time(self, demo: Catalogue) -> None:
        assert [rule.window_seconds for rule in demo.surge_rules()] == [4, 8]

    def test_a_catalogue_without_them_suspects_nothing(self, catalogue: Catalogue) -> None:
        assert catalogue.model_copy(update={"surges": ()}).surge_rules() == ()


class TestDemo:
    """The demonstration is the same catalogue in fast motion."""

    def test_an_hour_lasts_seconds_and_no_budget_is_too_short_for_its_steps(
        self, catalogue: Catalogue, demo: Catalogue
    ) -> None:
        for service in catalogue.services:
            true, fast = (found.promises(service.code, None) for found in (catalogue, demo))
            for slow, quick in zip(true, fast, strict=True):
                assert quick.budget_seconds == max(4, -(-slow.budget_seconds // 900)), (service.code, slow.name)
                assert (quick.name, quick.calendar, quick.starts) == (slow.name, slow.calendar, slow.starts)

    def test_its_clocks_run_at_night_and_on_holidays(self, demo: Catalogue) -> None:
        calendar = demo.terms("billing", None, AT).calendar
        festival = datetime(2026, 2, 17, 18, tzinfo=UTC)
        assert calendar.add(festival, 28).timestamp() == festival.timestamp() + 28
        assert calendar.day_seconds == 28

    def test_the_rest_is_that_of_the_default(self, catalogue: Catalogue, demo: Catalogue) -> None:
        assert demo.findings == catalogue.findings
        more = [service.code for service in demo.services if service not in catalogue.services]
        assert more == ["pipe_renewal"]
        assert len(demo.services) == len(catalogue.services) + 1
        assert demo.ladder == catalogue.ladder
        assert demo.name != catalogue.name
        assert demo.terms("leak", None, AT).process.reopen_seconds == 288
