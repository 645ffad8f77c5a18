"""Content and recipients of a notice of urging and of a criticism."""

import pytest

from domain.case.case import Case, notifications
from domain.case.lifecycle import Event, State
from domain.shared.actors import Role
from tests.support.build import BODIES, MONDAY, OTHER_CREW, OWNER, THEN, case_in, data_of, do, minutes, walked, written
from tests.support.urging import CRITICISED, DUE, NOTICED, late


class TestWhatItSays:
    def document(self, case: Case, action: str) -> Event:
        return next(event for event in walked(case, CRITICISED) if event.action == action)

    def test_a_notice_holds_all_that_its_document_needs(self) -> None:
        notice = self.document(late(), "notice")
        assert (notice.actor, notice.role) == ("system", Role.SYSTEM)
        assert data_of(notice) == {
            "clock": "resolve",
            "serial": 3,
            "due_at": written(DUE),
            "fell_at": written(NOTICED),
            "service": {"name": "No water", "name_zh": "停水"},
            "registered_at": written(MONDAY),
            "owner": OWNER.id,
            "addressees": [
                {
                    "department": "repair",
                    "name": "Repair",
                    "name_zh": "抢修队",
                    "assignee": "Wu Gang",
                    "lead": "Tan Yong",
                    "director": "Luo Ping",
                }
            ],
            "general_manager": "Ma Jun",
            "issuer": {"name": "The hotline", "name_zh": "供水热线"},
            "deadline_at": written(CRITICISED),
        }

    def test_a_criticism_names_the_notice_before_it(self) -> None:
        case = late()
        events = walked(case, CRITICISED)
        notice, criticism = (next(e for e in events if e.action == action) for action in ("notice", "criticise"))
        assert (data_of(criticism)["notice"], data_of(criticism)["noticed_at"]) == (notice.seq, written(NOTICED))

    def test_who_has_done_his_work_is_not_blamed_for_the_part_of_another(self) -> None:
        case = late()
        do(case, BODIES["involve"], THEN)
        do(case, BODIES["sign_for"], THEN, OTHER_CREW)
        do(case, BODIES["complete"], THEN)
        notice = self.document(case, "notice")
        assert [(to["department"], to["assignee"]) for to in data_of(notice)["addressees"]] == [
            ("metering", OTHER_CREW.id)
        ]

    def test_who_has_returned_his_part_is_not_blamed_for_it(self) -> None:
        case = late()
        do(case, BODIES["involve"], THEN)
        do(case, BODIES["return"], THEN, OTHER_CREW)
        do(case, BODIES["complete"], THEN)
        assert [part.department for part in case.unfinished] == ["metering"]
        assert data_of(self.document(case, "notice"))["addressees"] == []

    @pytest.mark.parametrize("state", [State.REGISTERED, State.PENDING_REDISPATCH])
    def test_a_case_that_no_department_has_is_its_owners_matter(self, state: State) -> None:
        case = late(state)
        notice = self.document(case, "notice")
        assert data_of(notice)["addressees"] == []
        assert [told.recipient for told in notifications(case.number, notice)] == [f"owner:{OWNER.id}"]


class TestWhoIsTold:
    def told(self, case: Case, action: str) -> list[str]:
        event = next(event for event in walked(case, CRITICISED) if event.action == action)
        return [notice.recipient for notice in notifications(case.number, event)]

    def test_of_a_notice_assignee_lead_and_owner(self) -> None:
        assert self.told(late(), "notice") == ["assignee:Wu Gang", "lead:Tan Yong", f"owner:{OWNER.id}"]

    def test_of_a_criticism_the_whole_line_up(self) -> None:
        assert self.told(late(), "criticise") == [
            "lead:Tan Yong",
            "director:Luo Ping",
            "general_manager:Ma Jun",
            f"owner:{OWNER.id}",
            "supervisor",
        ]

    def test_the_post_where_the_chart_names_nobody(self) -> None:
        case = case_in(State.IN_PROGRESS)
        assert self.told(case, "criticise") == [
            "lead:repair",
            "director",
            "general_manager",
            f"owner:{OWNER.id}",
            "supervisor",
        ]

    def test_the_ladder_finds_the_persons_of_the_chart(self) -> None:
        case = late(State.DISPATCHED)
        escalations = {data_of(event)["percent"]: event for event in case.advance(MONDAY + minutes(20))}
        told = {percent: notifications(case.number, event) for percent, event in escalations.items()}
        assert [notice.recipient for notice in told[100]] == ["lead:Tan Yong", f"owner:{OWNER.id}", "supervisor"]
        assert [notice.recipient for notice in told[150]] == ["director:Luo Ping"]
        assert [notice.recipient for notice in told[200]] == ["general_manager:Ma Jun"]

    def test_the_escalations_of_a_part_climb_the_chart_of_its_own_department(self) -> None:
        case = late()
        do(case, BODIES["involve"], MONDAY)
        events = case.advance(MONDAY + minutes(15))
        told = {data_of(event)["percent"]: event.recipients for event in events if data_of(event).get("part")}
        assert told[75] == ("department:metering", "lead:Deng Hui")
        assert told[100] == ("lead:Deng Hui", f"owner:{OWNER.id}", "supervisor")
        assert told[150] == ("director",)

    def test_the_words_name_the_document(self) -> None:
        case = late()
        event = next(event for event in case.advance(NOTICED) if event.action == "notice")
        told = notifications(case.number, event)[0]
        assert (
            told.text_zh == f"工单{case.number}：处理时限2026-09-14 09:00已过，催办通知书第{case.number}-{event.seq}号"
        )
        assert told.text_en.endswith(
            f"was to be settled by 2026-09-14 09:00, notice of urging no. {case.number}-{event.seq}"
        )
