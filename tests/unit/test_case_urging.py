"""Effects of lateness: urging before the expiry, a written notice the day after, criticism after five working days."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.case.actions.follow_up import FollowUp
from domain.case.actions.request_extension import RequestExtension
from domain.case.actions.supervise import Supervise
from domain.case.actions.urge import Urge
from domain.case.case import notifications
from domain.case.lifecycle import Event
from domain.catalogue.terms import Process, Promise, UrgingRules
from domain.shared.actors import Actor
from tests.support.build import (
    ADMIN,
    AGENT,
    BODIES,
    CALENDAR,
    CALLER,
    MANAGER,
    MONDAY,
    OWNER,
    PROMISES,
    SUPERVISOR,
    THEN,
    data_of,
    days,
    do,
    hours,
    one,
    refused,
    walked,
    written,
)
from tests.support.urging import CRITICISED, DUE, NOTICED, late

REPLY_DUE = DUE + days(1)
"""Six working days."""
HASTY = Promise(name="reply", calendar="always", budget_seconds=3600, starts="registration")
INSTANT = timedelta(microseconds=1)


def papers(events: tuple[Event, ...]) -> list[tuple[str, str]]:
    """The notifications and criticisms among the events, each with the instant at which it fell due."""
    return [(event.action, data_of(event)["fell_at"]) for event in events if event.action in ("notice", "criticise")]


class TestWhen:
    def test_a_notice_the_day_after_and_criticism_five_working_days_later(self) -> None:
        case = late()
        assert papers(case.advance(NOTICED - INSTANT)) == []
        assert papers(case.advance(NOTICED)) == [("notice", written(NOTICED))]
        assert papers(case.advance(CRITICISED - INSTANT)) == []
        assert papers(case.advance(CRITICISED)) == [("criticise", written(CRITICISED))]
        assert case.flags == ("criticised", "noticed")

    def test_each_goes_out_once(self) -> None:
        case = late()
        expected = [("notice", written(NOTICED)), ("criticise", written(CRITICISED))]
        assert papers(walked(case, CRITICISED + days(90))) == expected
        assert papers(walked(case, CRITICISED + days(180))) == []

    def test_working_days_are_counted_over_the_national_holiday(self) -> None:
        case = late(at=datetime(2026, 9, 21, 1, tzinfo=UTC))
        assert papers(walked(case, datetime(2026, 12, 1, tzinfo=UTC))) == [
            ("notice", "2026-09-29T01:00:00Z"),
            ("criticise", "2026-10-12T01:00:00Z"),
        ]

    def test_the_timer_is_set_for_them(self) -> None:
        case = late()
        for expected in (NOTICED, CRITICISED):
            while (deadline := case.next_deadline()) and deadline < expected:
                case.advance(deadline)
            assert deadline == expected
            case.advance(deadline)

    def test_a_case_that_waits_for_its_caller_is_not_urged(self) -> None:
        case = late()
        do(case, BODIES["suspend"], NOTICED - hours(2))
        assert papers(case.advance(NOTICED + days(3))) == []
        do(case, BODIES["resume"], NOTICED + days(3))
        assert papers(case.advance(NOTICED + days(3) + hours(2) - INSTANT)) == []
        assert papers(case.advance(NOTICED + days(3) + hours(2))) == [("notice", written(NOTICED + days(3) + hours(2)))]

    def test_the_way_to_the_criticism_stands_still_as_well(self) -> None:
        case = late()
        case.advance(NOTICED)
        # Wednesday and Thursday are spent waiting: two working days more, and the weekend is in between.
        do(case, BODIES["suspend"], NOTICED + days(1))
        do(case, BODIES["resume"], NOTICED + days(3))
        assert papers(case.advance(CRITICISED + days(2) - INSTANT)) == []
        assert papers(case.advance(CRITICISED + days(2))) == [("criticise", written(CRITICISED + days(2)))]

    def test_an_extension_moves_them(self) -> None:
        case = late()
        do(case, RequestExtension(working_days=1, reason="Parts"), THEN)
        do(case, BODIES["decide_extension"], THEN)
        assert papers(case.advance(NOTICED + days(1) - INSTANT)) == []
        assert papers(case.advance(NOTICED + days(1))) == [("notice", written(NOTICED + days(1)))]

    def test_a_new_cycle_has_its_own(self) -> None:
        case = late()
        walked(case, CRITICISED)
        for action in ("complete", "reply"):
            do(case, BODIES[action], CRITICISED)
        do(case, FollowUp(outcome="dissatisfied"), CRITICISED)
        again = walked(case, CRITICISED + days(60))
        assert [action for action, _ in papers(again)] == ["notice", "criticise"]
        assert {event.cycle for event in again} == {2}

    def test_a_promise_that_was_kept_brings_none(self) -> None:
        case = late(promises=tuple(each for each in PROMISES if each.name != "reply"))
        do(case, BODIES["complete"], DUE - INSTANT)
        assert papers(case.advance(DUE + days(60))) == []

    def test_the_part_of_another_department_brings_none_of_its_own(self) -> None:
        case = late()
        do(case, BODIES["involve"], MONDAY + days(1))
        events = walked(case, NOTICED + days(2))
        assert papers(events) == [("notice", written(NOTICED))]
        assert case.urging is not None
        assert case.urging.clock_serial == 3

    def test_without_criticism_the_notice_is_the_last_word(self) -> None:
        rules = Process(urging=UrgingRules(notice_seconds=86_400, criticism_days=0))
        events = walked(late(process=rules), CRITICISED + days(60))
        assert papers(events) == [("notice", written(NOTICED))]
        assert data_of(next(event for event in events if event.action == "notice"))["deadline_at"] is None

    def test_the_notice_may_be_due_after_working_time(self) -> None:
        friday = MONDAY + days(4)
        rules = UrgingRules(notice_seconds=CALENDAR.day_seconds, calendar="working", criticism_days=5)
        events = late(at=friday, process=Process(urging=rules)).advance(friday + days(30))
        # Five working days after Friday 09:00 are over on Friday; the next working day is the Sunday of the holiday.
        assert papers(events)[0] == ("notice", written(friday + days(9)))


class TestEachInItsTime:
    """A notice that goes out late gives the time to comply with it."""

    def test_looked_at_in_time_nothing_is_different(self) -> None:
        case = late()
        assert papers(walked(case, CRITICISED)) == [
            ("notice", written(NOTICED)),
            ("criticise", written(CRITICISED)),
        ]

    def test_found_late_the_criticism_is_counted_from_when_the_notice_went_out(self) -> None:
        case = late()
        found = NOTICED + days(20)
        (notice,) = (event for event in case.advance(found) if event.action in ("notice", "criticise"))
        by = CALENDAR.add(found, 5 * CALENDAR.day_seconds)
        assert (notice.action, notice.at, data_of(notice)["fell_at"]) == ("notice", found, written(NOTICED))
        assert data_of(notice)["deadline_at"] == written(by)
        assert papers(case.advance(by - INSTANT)) == []
        (criticism,) = case.advance(by)[-1:]
        assert (criticism.action, data_of(criticism)["noticed_at"]) == ("criticise", written(found))

    def test_so_it_is_where_work_is_sent_back_late(self) -> None:
        case = late(promises=tuple(each for each in PROMISES if each.name != "reply"))
        do(case, BODIES["complete"], NOTICED - hours(1))
        do(case, BODIES["send_back"], CRITICISED)
        assert [action for action, _ in papers(case.advance(CRITICISED))] == ["notice"]
        by = CALENDAR.add(CRITICISED, 5 * CALENDAR.day_seconds)
        assert papers(case.advance(by)) == [("criticise", written(by))]


class TestReply:
    """Urging of a person who has only the reply to give."""

    def test_late_though_the_work_was_done_in_time_it_brings_both_to_the_owner(self) -> None:
        case = late()
        do(case, BODIES["complete"], DUE - hours(1))
        events = walked(case, CRITICISED + days(7))
        assert papers(events) == [
            ("notice", written(REPLY_DUE + days(1))),
            ("criticise", written(CALENDAR.add(REPLY_DUE + days(1), 5 * CALENDAR.day_seconds))),
        ]
        notice = next(event for event in events if event.action == "notice")
        assert (data_of(notice)["clock"], data_of(notice)["due_at"], data_of(notice)["addressees"]) == (
            "reply",
            written(REPLY_DUE),
            [],
        )
        assert [told.recipient for told in notifications(case.number, notice)] == [f"owner:{OWNER.id}"]
        told = notifications(case.number, notice)[0]
        assert "回复时限2026-09-15 09:00已过" in told.text_zh
        assert "was to be replied to by 2026-09-15 09:00" in told.text_en

    def test_it_is_counted_from_the_end_of_the_work_where_that_came_later(self) -> None:
        case = late(promises=tuple(HASTY if each.name == "reply" else each for each in PROMISES))
        done = DUE - hours(1)
        assert papers(walked(case, done)) == []
        do(case, BODIES["complete"], done)
        assert papers(walked(case, done + days(1))) == [("notice", written(done + days(1)))]

    def test_where_no_settling_was_promised_the_department_is_urged(self) -> None:
        case = late(promises=tuple(each for each in PROMISES if each.name != "resolve"))
        notice = next(event for event in walked(case, REPLY_DUE + days(1)) if event.action == "notice")
        assert [to["department"] for to in data_of(notice)["addressees"]] == ["repair"]

    def test_one_notice_a_cycle_is_enough(self) -> None:
        case = late()
        assert papers(walked(case, NOTICED)) == [("notice", written(NOTICED))]
        do(case, BODIES["complete"], NOTICED)
        assert papers(walked(case, NOTICED + days(60))) == []

    def test_work_that_is_sent_back_does_not_put_it_off(self) -> None:
        case = late()
        do(case, BODIES["complete"], DUE - hours(1))
        noticed = REPLY_DUE + days(1)
        assert papers(walked(case, noticed)) == [("notice", written(noticed))]
        do(case, BODIES["send_back"], noticed)
        by = CALENDAR.add(noticed, 5 * CALENDAR.day_seconds)
        (criticism,) = (event for event in walked(case, by) if event.action == "criticise")
        assert (data_of(criticism)["clock"], criticism.at) == ("reply", by)
        assert [to["department"] for to in data_of(criticism)["addressees"]] == ["repair"]

    def test_the_staff_urge_before_it_expires(self) -> None:
        case = late()
        do(case, BODIES["complete"], DUE - hours(1))
        do(case, Urge(), DUE + hours(1))
        refusal = refused(case, Urge(), at=REPLY_DUE)
        assert (refusal.code, f"comes at {(REPLY_DUE + days(1)).isoformat()}" in refusal.message) == (
            "urge_too_late",
            True,
        )

    def test_once_it_is_given_nothing_comes(self) -> None:
        case = late()
        for action in ("complete", "reply"):
            do(case, BODIES[action], REPLY_DUE + hours(1))
        assert papers(walked(case, REPLY_DUE + days(60))) == []


class TestUrge:
    def test_before_the_expiry_whoever_may(self) -> None:
        for actor in (AGENT, SUPERVISOR, CALLER):
            one(do(late(), Urge(), DUE - days(3), actor)[-1:])

    @pytest.mark.parametrize("actor", [AGENT, SUPERVISOR])
    def test_not_after_it_for_a_notice_comes(self, actor: Actor) -> None:
        case = late()
        case.advance(DUE)
        refusal = refused(case, Urge(), actor, at=DUE)
        assert (refusal.kind, refusal.code) == ("conflict", "urge_too_late")
        assert f"before the expiry, which was at {DUE.isoformat()}" in refusal.message
        assert f"comes at {NOTICED.isoformat()}" in refusal.message
        assert "comment" in refusal.accepted
        assert "urge" not in refusal.accepted

    def test_after_the_notice_it_is_told_when_that_went_out(self) -> None:
        case = late()
        walked(case, NOTICED + days(1))
        assert f"went out at {NOTICED.isoformat()}" in refused(case, Urge(), at=NOTICED + days(1)).message

    def test_while_the_case_waits_nobody_can_tell_when_it_comes(self) -> None:
        case = late()
        do(case, BODIES["suspend"], DUE + hours(1))
        assert "once the case is taken up again" in refused(case, Urge(), at=DUE + hours(2)).message

    @pytest.mark.parametrize("actor", [CALLER, ADMIN])
    def test_a_caller_may_always(self, actor: Actor) -> None:
        case = late()
        do(case, Urge(), NOTICED + days(1), actor)
        assert "urged" in case.flags

    def test_once_the_work_is_done_the_reply_may_be_urged(self) -> None:
        case = late()
        do(case, BODIES["complete"], DUE + hours(1))
        do(case, Urge(), DUE + hours(2))


class TestSupervise:
    def test_once_in_a_cycle(self) -> None:
        case = late()
        do(case, Supervise(), THEN)
        refusal = refused(case, Supervise(), MANAGER, at=THEN + hours(1))
        assert (refusal.kind, refusal.code) == ("conflict", "already_supervised")
        assert THEN.isoformat() in refusal.message
        assert "supervise" not in case.available_actions(SUPERVISOR, THEN)

    def test_again_in_the_next_cycle_unless_that_is_supervised_by_itself(self) -> None:
        case = late()
        do(case, Supervise(), THEN)
        for cycle in (2, 3):
            for action in ("complete", "reply"):
                do(case, BODIES[action], THEN)
            do(case, FollowUp(outcome="dissatisfied"), THEN)
            do(case, BODIES["sign_for"], THEN)
            if cycle == 2:
                do(case, Supervise(), THEN)
        assert refused(case, Supervise(), SUPERVISOR).code == "already_supervised"
