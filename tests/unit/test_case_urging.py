"""What lateness brings: urging before the expiry, a written notice the day after, criticism after five working days."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.case import commands as c
from domain.case.case import Case
from domain.case.events import Event
from domain.case.intake import Actor
from domain.case.lifecycle import CRITICISE, NOTICE, Action, Role, State
from domain.case.notices import notices
from domain.catalogue.terms import Organisation, Process, Promise, Unit, UrgingRules
from tests.support.build import (
    ADMIN,
    AGENT,
    BODIES,
    CALENDAR,
    CALLER,
    MANAGER,
    MONDAY,
    OTHER_CREW,
    OWNER,
    PROMISES,
    SUPERVISOR,
    THEN,
    case_in,
    days,
    do,
    hours,
    minutes,
    one,
    refused,
    walked,
)

DUE = MONDAY + days(7)
"""Five working days after Monday 09:00."""
REPLY_DUE = DUE + days(1)
"""Six working days."""
HASTY = Promise(name="reply", calendar="always", budget_seconds=3600, starts="registration")
NOTICED = DUE + days(1)
CRITICISED = MONDAY + days(14)
"""Five working days after Tuesday 09:00, as the Sunday in between is worked for the holiday."""
INSTANT = timedelta(microseconds=1)
CHART = Organisation(
    name="The hotline",
    name_zh="供水热线",
    units=(
        Unit(code="repair", name="Repair", name_zh="抢修队", lead="Tan Yong", director="Luo Ping"),
        Unit(code="metering", name="Metering", name_zh="计量部", lead="Deng Hui"),
    ),
    general_manager="Ma Jun",
)


def late(state: State = State.IN_PROGRESS, at: datetime = MONDAY, **changes: Any) -> Case:
    return case_in(state, at, organisation=CHART, **changes)


def papers(events: tuple[Event, ...]) -> list[tuple[str, str]]:
    """The notices and criticisms among the events, each with the instant at which it fell due."""
    return [(event.action, event.data["fell_at"]) for event in events if event.action in (NOTICE, CRITICISE)]


class TestWhen:
    def test_a_notice_the_day_after_and_criticism_five_working_days_later(self) -> None:
        case = late()
        assert papers(case.ring(NOTICED - INSTANT)) == []
        assert papers(case.ring(NOTICED)) == [(NOTICE, NOTICED.isoformat())]
        assert papers(case.ring(CRITICISED - INSTANT)) == []
        assert papers(case.ring(CRITICISED)) == [(CRITICISE, CRITICISED.isoformat())]
        assert case.flags == ("criticised", "noticed")

    def test_each_goes_out_once(self) -> None:
        case = late()
        expected = [(NOTICE, NOTICED.isoformat()), (CRITICISE, CRITICISED.isoformat())]
        assert papers(walked(case, CRITICISED + days(90))) == expected
        assert papers(walked(case, CRITICISED + days(180))) == []

    def test_working_days_are_counted_over_the_national_holiday(self) -> None:
        case = late(at=datetime(2026, 9, 21, 1, tzinfo=UTC))
        assert papers(walked(case, datetime(2026, 12, 1, tzinfo=UTC))) == [
            (NOTICE, "2026-09-29T01:00:00+00:00"),
            (CRITICISE, "2026-10-12T01:00:00+00:00"),
        ]

    def test_the_timer_is_set_for_them(self) -> None:
        case = late()
        for expected in (NOTICED, CRITICISED):
            while (deadline := case.next_deadline()) and deadline < expected:
                case.ring(deadline)
            assert deadline == expected
            case.ring(deadline)

    def test_a_case_that_waits_for_its_caller_is_not_pressed(self) -> None:
        case = late()
        do(case, BODIES[Action.SUSPEND], NOTICED - hours(2))
        assert papers(case.ring(NOTICED + days(3))) == []
        do(case, BODIES[Action.RESUME], NOTICED + days(3))
        assert papers(case.ring(NOTICED + days(3) + hours(2) - INSTANT)) == []
        assert papers(case.ring(NOTICED + days(3) + hours(2))) == [(NOTICE, (NOTICED + days(3) + hours(2)).isoformat())]

    def test_the_way_to_the_criticism_stands_still_as_well(self) -> None:
        case = late()
        case.ring(NOTICED)
        # Wednesday and Thursday are spent waiting: two working days more, and the weekend is in between.
        do(case, BODIES[Action.SUSPEND], NOTICED + days(1))
        do(case, BODIES[Action.RESUME], NOTICED + days(3))
        assert papers(case.ring(CRITICISED + days(2) - INSTANT)) == []
        assert papers(case.ring(CRITICISED + days(2))) == [(CRITICISE, (CRITICISED + days(2)).isoformat())]

    def test_an_extension_moves_them(self) -> None:
        case = late()
        do(case, c.RequestExtension(working_days=1, reason="Parts"), THEN)
        do(case, BODIES[Action.DECIDE_EXTENSION], THEN)
        assert papers(case.ring(NOTICED + days(1) - INSTANT)) == []
        assert papers(case.ring(NOTICED + days(1))) == [(NOTICE, (NOTICED + days(1)).isoformat())]

    def test_a_new_cycle_has_its_own(self) -> None:
        case = late()
        walked(case, CRITICISED)
        for action in (Action.COMPLETE, Action.REPLY):
            do(case, BODIES[action], CRITICISED)
        do(case, c.FollowUp(outcome="dissatisfied"), CRITICISED)
        again = walked(case, CRITICISED + days(60))
        assert [action for action, _ in papers(again)] == [NOTICE, CRITICISE]
        assert {event.cycle for event in again} == {2}

    def test_a_promise_that_was_kept_brings_none(self) -> None:
        case = late(promises=tuple(each for each in PROMISES if each.name != "reply"))
        do(case, BODIES[Action.COMPLETE], DUE - INSTANT)
        assert papers(case.ring(DUE + days(60))) == []

    def test_the_part_of_another_department_brings_none_of_its_own(self) -> None:
        case = late()
        do(case, BODIES[Action.INVOLVE], MONDAY + days(1))
        events = walked(case, NOTICED + days(2))
        assert papers(events) == [(NOTICE, NOTICED.isoformat())]
        assert case.urging is not None
        assert case.urging.clock_serial == 3

    def test_without_criticism_the_notice_is_the_last_word(self) -> None:
        rules = Process(urging=UrgingRules(notice_seconds=86_400, criticism_days=0))
        events = walked(late(process=rules), CRITICISED + days(60))
        assert papers(events) == [(NOTICE, NOTICED.isoformat())]
        assert next(event for event in events if event.action == NOTICE).data["deadline_at"] is None

    def test_the_notice_may_be_due_after_working_time(self) -> None:
        friday = MONDAY + days(4)
        rules = UrgingRules(notice_seconds=CALENDAR.day_seconds, calendar="working", criticism_days=5)
        events = late(at=friday, process=Process(urging=rules)).ring(friday + days(30))
        # Five working days after Friday 09:00 are over on Friday; the next working day is the Sunday of the holiday.
        assert papers(events)[0] == (NOTICE, (friday + days(9)).isoformat())


class TestEachInItsTime:
    """A notice that goes out late gives the time to comply with it."""

    def test_looked_at_in_time_nothing_is_different(self) -> None:
        case = late()
        assert papers(walked(case, CRITICISED)) == [
            (NOTICE, NOTICED.isoformat()),
            (CRITICISE, CRITICISED.isoformat()),
        ]

    def test_found_late_the_criticism_is_counted_from_when_the_notice_went_out(self) -> None:
        case = late()
        found = NOTICED + days(20)
        (notice,) = (event for event in case.ring(found) if event.action in (NOTICE, CRITICISE))
        by = CALENDAR.add(found, 5 * CALENDAR.day_seconds)
        assert (notice.action, notice.at, notice.data["fell_at"]) == (NOTICE, found, NOTICED.isoformat())
        assert notice.data["deadline_at"] == by.isoformat()
        assert papers(case.ring(by - INSTANT)) == []
        (criticism,) = case.ring(by)[-1:]
        assert (criticism.action, criticism.data["noticed_at"]) == (CRITICISE, found.isoformat())

    def test_so_it_is_where_work_is_sent_back_late(self) -> None:
        case = late(promises=tuple(each for each in PROMISES if each.name != "reply"))
        do(case, BODIES[Action.COMPLETE], NOTICED - hours(1))
        do(case, BODIES[Action.SEND_BACK], CRITICISED)
        assert [action for action, _ in papers(case.ring(CRITICISED))] == [NOTICE]
        by = CALENDAR.add(CRITICISED, 5 * CALENDAR.day_seconds)
        assert papers(case.ring(by)) == [(CRITICISE, by.isoformat())]


class TestReply:
    """Who has only the reply to give is pressed for it."""

    def test_late_though_the_work_was_done_in_time_it_brings_both_to_the_owner(self) -> None:
        case = late()
        do(case, BODIES[Action.COMPLETE], DUE - hours(1))
        events = walked(case, CRITICISED + days(7))
        assert papers(events) == [
            (NOTICE, (REPLY_DUE + days(1)).isoformat()),
            (CRITICISE, CALENDAR.add(REPLY_DUE + days(1), 5 * CALENDAR.day_seconds).isoformat()),
        ]
        notice = next(event for event in events if event.action == NOTICE)
        assert (notice.data["clock"], notice.data["due_at"], notice.data["addressees"]) == (
            "reply",
            REPLY_DUE.isoformat(),
            [],
        )
        assert [told.recipient for told in notices(case.number, notice)] == [f"owner:{OWNER.name}"]
        told = notices(case.number, notice)[0]
        assert "回复时限2026-09-15 09:00已过" in told.text_zh
        assert "was to be replied to by 2026-09-15 09:00" in told.text_en

    def test_it_is_counted_from_the_end_of_the_work_where_that_came_later(self) -> None:
        case = late(promises=tuple(HASTY if each.name == "reply" else each for each in PROMISES))
        done = DUE - hours(1)
        assert papers(walked(case, done)) == []
        do(case, BODIES[Action.COMPLETE], done)
        assert papers(walked(case, done + days(1))) == [(NOTICE, (done + days(1)).isoformat())]

    def test_where_no_settling_was_promised_the_department_is_pressed_for_it(self) -> None:
        case = late(promises=tuple(each for each in PROMISES if each.name != "resolve"))
        notice = next(event for event in walked(case, REPLY_DUE + days(1)) if event.action == NOTICE)
        assert [to["department"] for to in notice.data["addressees"]] == ["repair"]

    def test_one_notice_a_cycle_is_enough(self) -> None:
        case = late()
        assert papers(walked(case, NOTICED)) == [(NOTICE, NOTICED.isoformat())]
        do(case, BODIES[Action.COMPLETE], NOTICED)
        assert papers(walked(case, NOTICED + days(60))) == []

    def test_work_that_is_sent_back_does_not_put_it_off(self) -> None:
        case = late()
        do(case, BODIES[Action.COMPLETE], DUE - hours(1))
        noticed = REPLY_DUE + days(1)
        assert papers(walked(case, noticed)) == [(NOTICE, noticed.isoformat())]
        do(case, BODIES[Action.SEND_BACK], noticed)
        by = CALENDAR.add(noticed, 5 * CALENDAR.day_seconds)
        (criticism,) = (event for event in walked(case, by) if event.action == CRITICISE)
        assert (criticism.data["clock"], criticism.at) == ("reply", by)
        assert [to["department"] for to in criticism.data["addressees"]] == ["repair"]

    def test_the_staff_urge_before_it_expires(self) -> None:
        case = late()
        do(case, BODIES[Action.COMPLETE], DUE - hours(1))
        do(case, c.Urge(), DUE + hours(1))
        refusal = refused(case, c.Urge(), at=REPLY_DUE)
        assert (refusal.code, f"comes at {(REPLY_DUE + days(1)).isoformat()}" in refusal.message) == (
            "urge_too_late",
            True,
        )

    def test_once_it_is_given_nothing_comes(self) -> None:
        case = late()
        for action in (Action.COMPLETE, Action.REPLY):
            do(case, BODIES[action], REPLY_DUE + hours(1))
        assert papers(walked(case, REPLY_DUE + days(60))) == []


class TestWhatItSays:
    def paper(self, case: Case, action: str) -> Event:
        return next(event for event in walked(case, CRITICISED) if event.action == action)

    def test_a_notice_holds_all_that_its_document_needs(self) -> None:
        notice = self.paper(late(), NOTICE)
        assert (notice.actor, notice.role) == ("system", Role.SYSTEM)
        assert notice.data == {
            "clock": "resolve",
            "serial": 3,
            "due_at": DUE.isoformat(),
            "fell_at": NOTICED.isoformat(),
            "service": {"name": "No water", "name_zh": "停水"},
            "registered_at": MONDAY.isoformat(),
            "owner": OWNER.name,
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
            "deadline_at": CRITICISED.isoformat(),
        }

    def test_a_criticism_names_the_notice_before_it(self) -> None:
        case = late()
        events = walked(case, CRITICISED)
        notice, criticism = (next(e for e in events if e.action == action) for action in (NOTICE, CRITICISE))
        assert (criticism.data["notice"], criticism.data["noticed_at"]) == (notice.seq, NOTICED.isoformat())

    def test_who_has_done_his_work_is_not_blamed_for_the_part_of_another(self) -> None:
        case = late()
        do(case, BODIES[Action.INVOLVE], THEN)
        do(case, BODIES[Action.SIGN_FOR], THEN, OTHER_CREW)
        do(case, BODIES[Action.COMPLETE], THEN)
        notice = self.paper(case, NOTICE)
        assert [(to["department"], to["assignee"]) for to in notice.data["addressees"]] == [
            ("metering", OTHER_CREW.name)
        ]

    def test_who_has_returned_his_part_is_not_blamed_for_it(self) -> None:
        case = late()
        do(case, BODIES[Action.INVOLVE], THEN)
        do(case, BODIES[Action.RETURN], THEN, OTHER_CREW)
        do(case, BODIES[Action.COMPLETE], THEN)
        assert [part.department for part in case.unfinished] == ["metering"]
        assert self.paper(case, NOTICE).data["addressees"] == []

    @pytest.mark.parametrize("state", [State.REGISTERED, State.PENDING_REDISPATCH])
    def test_a_case_that_no_department_has_is_its_owners_matter(self, state: State) -> None:
        case = late(state)
        notice = self.paper(case, NOTICE)
        assert notice.data["addressees"] == []
        assert [told.recipient for told in notices(case.number, notice)] == [f"owner:{OWNER.name}"]


class TestWhoIsTold:
    def told(self, case: Case, action: str) -> list[str]:
        event = next(event for event in walked(case, CRITICISED) if event.action == action)
        return [notice.recipient for notice in notices(case.number, event)]

    def test_of_a_notice_assignee_lead_and_owner(self) -> None:
        assert self.told(late(), NOTICE) == ["assignee:Wu Gang", "lead:Tan Yong", f"owner:{OWNER.name}"]

    def test_of_a_criticism_the_whole_line_up(self) -> None:
        assert self.told(late(), CRITICISE) == [
            "lead:Tan Yong",
            "director:Luo Ping",
            "general_manager:Ma Jun",
            f"owner:{OWNER.name}",
            "supervisor",
        ]

    def test_the_post_where_the_chart_names_nobody(self) -> None:
        case = case_in(State.IN_PROGRESS)
        assert self.told(case, CRITICISE) == [
            "lead:repair",
            "director",
            "general_manager",
            f"owner:{OWNER.name}",
            "supervisor",
        ]

    def test_the_ladder_finds_the_persons_of_the_chart(self) -> None:
        case = late(State.DISPATCHED)
        rungs = {event.data["percent"]: event for event in case.ring(MONDAY + minutes(20))}
        told = {percent: notices(case.number, event) for percent, event in rungs.items()}
        assert [notice.recipient for notice in told[100]] == ["lead:Tan Yong", f"owner:{OWNER.name}", "supervisor"]
        assert [notice.recipient for notice in told[150]] == ["director:Luo Ping"]
        assert [notice.recipient for notice in told[200]] == ["general_manager:Ma Jun"]

    def test_the_rungs_of_a_part_climb_the_chart_of_its_own_department(self) -> None:
        case = late()
        do(case, BODIES[Action.INVOLVE], MONDAY)
        events = case.ring(MONDAY + minutes(15))
        told = {event.data["percent"]: event.recipients for event in events if event.data.get("part")}
        assert told[75] == ("department:metering", "lead:Deng Hui")
        assert told[100] == ("lead:Deng Hui", f"owner:{OWNER.name}", "supervisor")
        assert told[150] == ("director",)

    def test_the_words_name_the_document(self) -> None:
        case = late()
        event = next(event for event in case.ring(NOTICED) if event.action == NOTICE)
        told = notices(case.number, event)[0]
        assert told.text_zh == f"工单{case.number}:处理时限2026-09-14 09:00已过,催办通知书第{case.number}-{event.seq}号"
        assert told.text_en.endswith(
            f"was to be settled by 2026-09-14 09:00, notice of urging no. {case.number}-{event.seq}"
        )


class TestUrge:
    def test_before_the_expiry_whoever_may(self) -> None:
        for actor in (AGENT, SUPERVISOR, CALLER):
            one(do(late(), c.Urge(), DUE - days(3), actor)[-1:])

    @pytest.mark.parametrize("actor", [AGENT, SUPERVISOR])
    def test_not_after_it_for_a_notice_comes(self, actor: Actor) -> None:
        case = late()
        case.ring(DUE)
        refusal = refused(case, c.Urge(), actor, at=DUE)
        assert (refusal.kind, refusal.code) == ("conflict", "urge_too_late")
        assert f"before the expiry, which was at {DUE.isoformat()}" in refusal.message
        assert f"comes at {NOTICED.isoformat()}" in refusal.message
        assert Action.COMMENT in refusal.accepted
        assert Action.URGE not in refusal.accepted

    def test_after_the_notice_it_is_told_when_that_went_out(self) -> None:
        case = late()
        walked(case, NOTICED + days(1))
        assert f"went out at {NOTICED.isoformat()}" in refused(case, c.Urge(), at=NOTICED + days(1)).message

    def test_while_the_case_waits_nobody_can_tell_when_it_comes(self) -> None:
        case = late()
        do(case, BODIES[Action.SUSPEND], DUE + hours(1))
        assert "once the case is taken up again" in refused(case, c.Urge(), at=DUE + hours(2)).message

    @pytest.mark.parametrize("actor", [CALLER, ADMIN])
    def test_a_caller_may_always(self, actor: Actor) -> None:
        case = late()
        do(case, c.Urge(), NOTICED + days(1), actor)
        assert "urged" in case.flags

    def test_once_the_work_is_done_the_reply_may_be_urged(self) -> None:
        case = late()
        do(case, BODIES[Action.COMPLETE], DUE + hours(1))
        do(case, c.Urge(), DUE + hours(2))


class TestSupervise:
    def test_once_in_a_cycle(self) -> None:
        case = late()
        do(case, c.Supervise(), THEN)
        refusal = refused(case, c.Supervise(), MANAGER, at=THEN + hours(1))
        assert (refusal.kind, refusal.code) == ("conflict", "already_supervised")
        assert THEN.isoformat() in refusal.message
        assert Action.SUPERVISE not in case.available_actions(SUPERVISOR, THEN)

    def test_again_in_the_next_cycle_unless_that_is_supervised_by_itself(self) -> None:
        case = late()
        do(case, c.Supervise(), THEN)
        for cycle in (2, 3):
            for action in (Action.COMPLETE, Action.REPLY):
                do(case, BODIES[action], THEN)
            do(case, c.FollowUp(outcome="dissatisfied"), THEN)
            do(case, BODIES[Action.SIGN_FOR], THEN)
            if cycle == 2:
                do(case, c.Supervise(), THEN)
        assert refused(case, c.Supervise(), SUPERVISOR).code == "already_supervised"
