"""Notices of urging and public criticism as documents: what stands in them, and what never does."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from jinja2.filters import do_striptags

from activities.notifications.texts import Templates
from api.documents import Documents
from domain.case.case import Case, notifications
from domain.case.intake import Caller
from domain.case.lifecycle import Event, State
from domain.catalogue.terms import Organisation, Unit
from domain.shared.errors import FileError
from hotline.cli.notifications import check_documents
from hotline.settings import Settings
from tests.support.build import CALENDAR, MONDAY, case_in, data_of, days, walked

CHART = Organisation(
    name="City water hotline",
    name_zh="中山供水热线",
    units=(Unit(code="repair", name="Repair crew", name_zh="抢修队", lead="Tan <Yong>", director="Luo Ping"),),
)


def issued(action: str, state: State = State.IN_PROGRESS, late: timedelta | None = None) -> tuple[Case, Event]:
    """The document's event of a case that nobody settles; looked at `late` after the registration."""
    case = case_in(state, organisation=CHART)
    events = case.advance(MONDAY + late) if late else walked(case, MONDAY + days(8 if action == "notice" else 14))
    return case, next(event for event in events if event.action == action)


def words(case: Case, event: Event, documents: Documents | None = None) -> str:
    """The text of the document, without its tags."""
    return do_striptags((documents or Documents()).html(case.number, event))


class TestNotice:
    def test_says_to_whom_what_was_due_how_late_it_is_and_what_follows(self) -> None:
        case, event = issued("notice")
        text = words(case, event)
        for part in (
            "催办通知书",
            f"{case.number}-{event.seq} 号",
            "抢修队 负责人 Tan <Yong> 经办人 Wu Gang：",
            "已于 2026-09-14 09:00 届满，至今未办结，逾期 1 天",
            "并于 2026-09-21 09:00 前办结",
            "停水 No water",
            "中山供水热线2026年9月15日",
            "Notice of urging",
            "To: Repair crew, lead Tan <Yong>, assignee Wu Gang",
            "late by 1 day",
            "City water hotline, 15 September 2026",
        ):
            assert part in text

    def test_is_dated_by_the_day_on_which_it_was_issued(self) -> None:
        case, event = issued("notice", late=days(8) + timedelta(hours=30, minutes=5))
        text = words(case, event)
        assert "逾期 2 天 6 小时" in text
        assert "2026年9月16日" in text

    def test_is_in_the_time_of_the_place_and_so_is_the_message_about_it(self) -> None:
        """Due at 09:00 in Beijing, which is 02:00 of a summer night in London."""
        london = CALENDAR.model_copy(update={"timezone": "Europe/London"})
        case = case_in(State.IN_PROGRESS, organisation=CHART, calendar=london)
        event = next(event for event in case.advance(MONDAY + days(8)) if event.action == "notice")
        assert "已于 2026-09-14 02:00 届满" in words(case, event)
        assert "was to be settled by 2026-09-14 02:00," in notifications(case.number, event)[0].text_en

    def test_in_beijing_the_place_goes_without_saying(self) -> None:
        case, event = issued("notice")
        assert "timezone" not in data_of(event)
        assert "timezone" not in case.model_dump_json()

    def test_goes_to_the_owner_where_no_department_has_the_case(self) -> None:
        text = words(*issued("notice", State.REGISTERED))
        assert "首问责任人 Chen Jing：" in text

    def test_names_are_escaped(self) -> None:
        case, event = issued("notice")
        page = Documents().html(case.number, event)
        assert "Tan &lt;Yong&gt;" in page
        assert "<Yong>" not in page

    def test_prints_on_a4_and_needs_nothing_from_outside(self) -> None:
        case, event = issued("notice")
        page = Documents().html(case.number, event)
        assert "@page { size: A4;" in page
        assert not re.search(r"https?://|<script|<img|<link", page)


class TestCriticism:
    def test_names_the_department_and_the_notice_before_it_and_no_person(self) -> None:
        case, event = issued("criticise")
        text = words(case, event)
        assert "抢修队承办的下列工单" in text
        assert f"2026-09-15 09:00 发出催办通知书（{case.number}-{data_of(event)['notice']} 号）后" in text
        assert "逾期 7 天" in text
        for person in ("Wu Gang", "Tan", "Luo Ping", "Chen Jing"):
            assert person not in text

    def test_a_case_that_no_department_has_is_criticised_as_such(self) -> None:
        assert "尚无部门承办的下列工单" in words(*issued("criticise", State.REGISTERED))


class TestReply:
    """The work is done, and the owner's reply is what is late."""

    def issued(self, action: str) -> tuple[Case, Event]:
        case = case_in(State.PENDING_REPLY, organisation=CHART)
        while deadline := case.next_deadline():
            if found := [event for event in case.advance(deadline) if event.action == action]:
                return case, found[0]
        raise AssertionError(action)

    def test_a_notice_asks_the_owner_for_it(self) -> None:
        text = words(*self.issued("notice"))
        for part in (
            "首问责任人 Chen Jing：",
            "To: Chen Jing, owner of the case",
            "回复时限已于 2026-09-15 09:00 届满，至今未回复",
            "was to be replied to by 2026-09-15 09:00",
            "前回复。届时仍未回复的，将予通报批评",
            "and reply by",
        ):
            assert part in text
        assert "no department" not in text

    def test_a_criticism_says_whose_word_is_waited_for(self) -> None:
        text = words(*self.issued("criticise"))
        for part in (
            "待首问责任人回复的下列工单，回复时限",
            "which waits for its owner's reply,",
            "still not replied to",
        ):
            assert part in text
        assert "Chen Jing" not in text


@pytest.mark.parametrize("action", ["notice", "criticise"])
def test_nothing_personal_of_the_caller_is_in_it(action: str) -> None:
    case, event = issued(action)
    page = Documents().html(case.number, event)
    caller = case.intake.caller
    assert caller != Caller()
    place = case.intake.location
    for private in (caller.name, caller.phone, caller.account_no, place.address, case.intake.description):
        assert private
        assert private not in page


def test_it_is_drawn_from_its_event_alone_and_stays_as_it_was() -> None:
    case, event = issued("notice")
    before = Documents().html(case.number, event)
    case.advance(MONDAY + days(90))
    assert Documents().html(case.number, Event.model_validate_json(event.model_dump_json())) == before


class TestTemplates:
    def write(self, folder: Path, name: str, text: str) -> Path:
        file = folder / "documents" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return folder

    def test_an_operator_replaces_one_and_keeps_the_others(self, tmp_path: Path) -> None:
        self.write(tmp_path, "facts.html", "<p>{{ number }} 见附件</p>")
        documents = Documents(tmp_path)
        assert "见附件" in words(*issued("notice"), documents)
        assert "催办通知书" in words(*issued("notice"), documents)

    @pytest.mark.parametrize(
        ("name", "text", "problem"),
        [
            (
                "notice.html",
                "{{ caller }}",
                "notice.html: line 1: there is no field caller; accepted: document_number",
            ),
            ("notice.html", "{% if", "documents/notice.html: line 1: "),
            (
                "notice.html",
                "{% for a in range(999) %}{% for b in range(999) %}{% endfor %}{% endfor %}",
                "documents/notice.html: cannot be filled in: takes more than 20,000 steps",
            ),
            ("warning.html", "x", "warning.html: is no template's name; accepted: documents/criticise.html"),
        ],
    )
    def test_a_mistake_is_told_at_the_start(self, tmp_path: Path, name: str, text: str, problem: str) -> None:
        folder = self.write(tmp_path, name, text)
        with pytest.raises(FileError, match=re.escape(problem)):
            Documents(folder)
        with pytest.raises(FileError, match=re.escape(problem)):
            check_documents(Settings(templates=folder))

    def test_templates_of_notifications_ignore_those_of_documents(self, tmp_path: Path) -> None:
        Templates(self.write(tmp_path, "notice.html", "{{ document_number }}"))
